/*
 * matrix.c
 *	  Centroids in blocks, and the products of rows with them.
 *
 * Loops, from the outside in: some rows (MATRIX_TILES tiles); blocks of
 * centroids that fit in the second-level cache; chunks of dimensions; tiles
 * of rows; and in the kernel, blocks and dimensions.  So a block comes from
 * memory once for all those rows, and a tile stays in the first-level cache
 * while the blocks stream by.
 */
#include "matrix.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Columns of sums that matrix_multiply hands out at once */
#define MULTIPLY_BLOCKS 16

/* See matrix.h */
float
space_scale(double largest)
{
	int			exponent;

	if (!(largest > 0 && largest <= DBL_MAX))
		return 1;
	exponent = -ilogb(largest) - 1;
	exponent = exponent < -126 ? -126 : exponent > 126 ? 126 : exponent;
	return ldexpf(1, exponent);
}

/* See matrix.h */
float
space_row_scale(const Space *space, const float *row, size_t dims)
{
	double		norm = 0;

	if (!space->unit)
		return space->scale;
	for (size_t i = 0; i < dims; i++)
		norm += (double) row[i] * row[i];
	if (!(norm > 0))
		return space->scale;
	norm = space->scale / sqrt(norm);
	return norm < FLT_MAX ? (float) norm : FLT_MAX;
}

/* See matrix.h */
double
space_element(float x, float scale, float shift)
{
	double		exact = (double) x * scale - shift;

	/* as a float, like those in the matrix, unless it has no range for it */
	return fabs(exact) <= FLT_MAX ? (double) (float) exact : exact;
}

static size_t
chunk_dims(size_t dims)
{
	size_t		chunks = (dims - 1) / CLUSTER_CHUNK + 1;

	return (dims - 1) / chunks + 1;
}

/* Floats of an array, rounded up so that the next one is aligned */
static size_t
aligned_floats(size_t floats)
{
	size_t		step = MATRIX_ALIGNMENT / sizeof(float);

	return size_plus(floats, step - 1) / step * step;
}

static float *
aligned(void *memory)
{
	return (float *) (((uintptr_t) memory + MATRIX_ALIGNMENT - 1) /
					  MATRIX_ALIGNMENT * MATRIX_ALIGNMENT);
}

/* See matrix.h */
size_t
matrix_floats(const ClusterKernels *kernels, size_t k, size_t dims)
{
	size_t		block = (size_t) kernels->block;
	size_t		padded = size_plus(k, block - 1) / block * block;

	return size_plus(size_plus(aligned_floats(padded),
							   size_times(padded, dims)),
					 MATRIX_ALIGNMENT / sizeof(float));
}

/* Where a chunk, and in it a block, begins */
static const float *
matrix_block(const Matrix *m, size_t from, size_t dims, size_t block)
{
	return m->data + (from * m->blocks + block * dims) *
		(size_t) m->kernels->block;
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* See matrix.h */
void
matrix_init(Matrix *m, const Space *space, Work *w, const Rows *centroids,
			float *memory)
{
	size_t		block = (size_t) w->kernels->block;

	assert(centroids->n > 0 && centroids->dims > 0);
	m->kernels = w->kernels;
	m->k = centroids->n;
	m->dims = centroids->dims;
	m->chunk = chunk_dims(m->dims);
	m->blocks = (m->k - 1) / block + 1;
	m->start = aligned(memory);
	m->data = m->start + aligned_floats(m->blocks * block);

	for (size_t j = 0; j < m->blocks * block; j++)
	{
		const float *c = j < m->k ? rows_at(centroids, j) : NULL;
		double		norm = 0;

		for (size_t from = 0; from < m->dims; from += m->chunk)
		{
			size_t		dims = min_size(m->chunk, m->dims - from);
			float	   *to = (float *) matrix_block(m, from, dims, j / block) +
				j % block;

			for (size_t i = 0; i < dims; i++)
			{
				double		x = c == NULL ? 0 :
					space_element(c[from + i], space->scale,
								  space->shift ? space->shift[from + i] : 0);

				/* what is not finite is at the limit, as in shift */
				x = x > -CLUSTER_LIMIT ? x : -CLUSTER_LIMIT;
				x = x < CLUSTER_LIMIT ? x : CLUSTER_LIMIT;
				to[i * block] = (float) x;
				norm += x * x;
			}
		}
		norm = -norm / 2;
		m->start[j] = c == NULL || norm < CLUSTER_NOWHERE / 2 ?
			CLUSTER_NOWHERE : (float) norm;
		work_done(w, 50 * m->dims);
	}
}

/*
 * Work.
 */

/* Floats of sums for one tile: the most that are kept from chunk to chunk */
static size_t
sums_floats(const ClusterKernels *kernels)
{
	size_t		blocks = kernels->cache /
		((CLUSTER_CHUNK / 2) * (size_t) kernels->block * sizeof(float)) + 1;

	if (blocks < MULTIPLY_BLOCKS)
		blocks = MULTIPLY_BLOCKS;
	return blocks * (size_t) (kernels->rows * kernels->block);
}

/* Floats of everything for so many tiles */
static size_t
work_floats(const ClusterKernels *kernels, size_t tiles)
{
	return aligned_floats((size_t) kernels->rows * CLUSTER_STRIDE) +
		aligned_floats(tiles * sums_floats(kernels)) +
		4 * aligned_floats(tiles * (size_t) kernels->rows);
}

/* See matrix.h */
size_t
work_bytes(const ClusterKernels *kernels)
{
	return work_floats(kernels, MATRIX_TILES) * sizeof(float) + MATRIX_ALIGNMENT;
}

/* See matrix.h */
void
work_init(Work *w, const ClusterHost *host, const ClusterKernels *kernels,
		  size_t n)
{
	size_t		rows = (size_t) kernels->rows;
	size_t		tiles = n == 0 ? 1 : min_size((n - 1) / rows + 1, MATRIX_TILES);
	size_t		floats = work_floats(kernels, tiles);
	float	   *at;

	w->host = host;
	w->kernels = kernels;
	w->tiles = tiles;
	w->todo = MATRIX_TICK;
	w->memory = host->alloc(host->arg, floats * sizeof(float) + MATRIX_ALIGNMENT, 1);
	at = aligned(w->memory);
	w->tile = at;
	at += aligned_floats(rows * CLUSTER_STRIDE);
	w->sums = at;
	at += aligned_floats(tiles * sums_floats(kernels));
	w->scales = at;
	at += aligned_floats(tiles * rows);
	w->norms = at;
	at += aligned_floats(tiles * rows);
	w->best = at;
	at += aligned_floats(tiles * rows);
	w->number = (uint32_t *) at;
	/* rows behind the count are multiplied, too: no signals, no denormals */
	memset(w->tile, 0, rows * CLUSTER_STRIDE * sizeof(float));
}

/* See matrix.h */
void
work_free(Work *w)
{
	w->host->release(w->host->arg, w->memory);
}

/*
 * Products.
 */

/* Scale for the products of a row: a power of two for its largest element */
static float
product_scale(const float *row, size_t dims)
{
	float		largest = 0;

	for (size_t i = 0; i < dims; i++)
		largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
	return space_scale(largest);
}

/* What to do with the rows of a call */
typedef struct Job
{
	const Matrix *matrix;
	const float *shift;			/* NULL: none */
	const Rows *rows;
	Work	   *work;
	size_t		blocks;			/* at once */
	size_t		from;			/* first row of those in the buffers */
	size_t		count;
	MatrixUse	use;			/* NULL: nearest */
	void	   *arg;
	bool		scores;			/* sums start from matrix->start */
} Job;

/* One chunk of one tile by some blocks */
static void
run_tile(const Job *job, size_t t, size_t block, size_t blocks, size_t from)
{
	const Matrix *m = job->matrix;
	Work	   *w = job->work;
	size_t		rows = (size_t) w->kernels->rows;
	size_t		dims = min_size(m->chunk, m->dims - from);
	size_t		width = (size_t) w->kernels->block;
	size_t		first = t * rows;
	bool		last = from + dims == m->dims;
	int			count = (int) min_size(rows, job->count - first);
	const float *starts[CLUSTER_MAX_ROWS];
	float		ignored[CLUSTER_MAX_ROWS] = {0};
	ClusterTile tile = {
		.rows = w->tile,
		.count = count,
		.dims = dims,
		.blocks = matrix_block(m, from, dims, block),
		.nblocks = blocks,
		.start = from == 0 && job->scores ? m->start + block * width : NULL,
		.sums = w->sums + (m->chunk < m->dims ? t : 0) *
			sums_floats(w->kernels),
		.first = (uint32_t) (block * width),
		.best = w->best + first,
		.number = w->number + first
	};

	for (int r = 0; r < count; r++)
		starts[r] = rows_at(job->rows, job->from + first + (size_t) r) + from;
	w->kernels->shift(starts, count, w->scales + first,
					  job->shift != NULL ? job->shift + from : NULL, dims,
					  w->tile, block == 0 ? w->norms + first : ignored);
	if (from == 0 && !job->scores)
		memset(tile.sums, 0, blocks * rows * width * sizeof(float));
	if (last && job->use == NULL)
		w->kernels->nearest(&tile);
	else
		w->kernels->multiply(&tile);
	if (last && job->use != NULL)
		job->use(job->arg, m, job->from + first, count, w->scales + first,
				 w->norms + first, block * width,
				 min_size(blocks * width, m->k - block * width), tile.sums);
	work_done(w, rows * blocks * width * dims + 100 * rows);
}

/* All centroids by the rows in the buffers */
static void
run_rows(const Job *job)
{
	const Matrix *m = job->matrix;
	size_t		rows = (size_t) job->work->kernels->rows;
	size_t		tiles = (job->count - 1) / rows + 1;

	for (size_t block = 0; block < m->blocks; block += job->blocks)
	{
		size_t		blocks = min_size(job->blocks, m->blocks - block);

		for (size_t from = 0; from < m->dims; from += m->chunk)
			for (size_t t = 0; t < tiles; t++)
				run_tile(job, t, block, blocks, from);
	}
}

static size_t
blocks_at_once(const Matrix *m)
{
	size_t		bytes = m->chunk * (size_t) m->kernels->block * sizeof(float);

	return m->kernels->cache / bytes + 1;
}

/*
 * Fill the buffers with the nearest of the next rows; returns whether there
 * were any.
 */
static bool
nearest_rows(Job *job, const Space *space)
{
	Work	   *w = job->work;

	job->from += job->count;
	job->count = min_size(job->rows->n - job->from,
						  w->tiles * (size_t) w->kernels->rows);
	if (job->count == 0)
		return false;
	for (size_t i = 0; i < job->count; i++)
	{
		w->scales[i] = space_row_scale(space, rows_at(job->rows, job->from + i),
									   job->matrix->dims);
		w->norms[i] = 0;
		w->best[i] = CLUSTER_NOWHERE;
		w->number[i] = 0;
	}
	run_rows(job);
	return true;
}

/* See matrix.h */
void
matrix_nearest(const Matrix *m, const Space *space, Work *w, const Rows *rows,
			   uint32_t *number, float *best)
{
	Job			job = {
		.matrix = m, .shift = space->shift, .rows = rows, .work = w,
		.blocks = blocks_at_once(m), .scores = true
	};

	assert(m->kernels == w->kernels);
	while (nearest_rows(&job, space))
	{
		memcpy(number + job.from, w->number, job.count * sizeof(*number));
		memcpy(best + job.from, w->best, job.count * sizeof(*best));
	}
}

/* See matrix.h */
void
matrix_assign(const Matrix *m, const Space *space, Work *w, const Rows *rows,
			  uint32_t *number, float *distance)
{
	Job			job = {
		.matrix = m, .shift = space->shift, .rows = rows, .work = w,
		.blocks = blocks_at_once(m), .scores = true
	};

	assert(m->kernels == w->kernels);
	while (nearest_rows(&job, space))
	{
		memcpy(number + job.from, w->number, job.count * sizeof(*number));
		if (distance == NULL)
			continue;
		for (size_t i = 0; i < job.count; i++)
			distance[job.from + i] = (float)
				matrix_distance(m, space, rows_at(rows, job.from + i),
								w->scales[i], w->norms[i], w->number[i],
								w->best[i]);
		work_done(w, job.count * m->dims);
	}
}

/* See matrix.h */
void
matrix_multiply(const Matrix *m, const Space *space, Work *w, const Rows *rows,
				MatrixProduct what, MatrixUse use, void *arg)
{
	size_t		at_once = w->tiles * (size_t) w->kernels->rows;
	Job			job = {
		.matrix = m, .shift = what == SCORES ? space->shift : NULL,
		.rows = rows, .work = w,
		.blocks = min_size(blocks_at_once(m), MULTIPLY_BLOCKS),
		.use = use, .arg = arg, .scores = what == SCORES
	};

	assert(m->kernels == w->kernels);
	for (; job.from < rows->n; job.from += at_once)
	{
		job.count = min_size(rows->n - job.from, at_once);
		for (size_t i = 0; i < job.count; i++)
		{
			const float *row = rows_at(rows, job.from + i);

			w->scales[i] = what == SCORES ?
				space_row_scale(space, row, m->dims) :
				product_scale(row, m->dims);
			w->norms[i] = 0;
		}
		run_rows(&job);
	}
}

/* See matrix.h */
double
matrix_distance(const Matrix *m, const Space *space, const float *row,
				float scale, float norm, size_t number, float best)
{
	double		sum = (double) norm - 2 * (double) best;
	size_t		block = (size_t) m->kernels->block;

	if (sum * 16 > norm)
		return sum;
	sum = 0;
	for (size_t from = 0; from < m->dims; from += m->chunk)
	{
		size_t		dims = min_size(m->chunk, m->dims - from);
		const float *c = matrix_block(m, from, dims, number / block) +
			number % block;

		for (size_t i = 0; i < dims; i++)
		{
			double		x = space_element(row[from + i], scale,
										  space->shift ? space->shift[from + i] : 0);

			sum += (x - c[i * block]) * (x - c[i * block]);
		}
	}
	/* of what is not finite */
	return sum >= 0 ? sum : INFINITY;
}
