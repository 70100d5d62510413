/*
 * opq.c
 *	  A rotation that product quantization loses less behind.
 *
 * Ge, He, Ke, Sun, "Optimized Product Quantization", CVPR 2013, section 3.2
 * (parametric): the eigenvectors of the covariance, distributed to the parts so
 * that all get the same product of eigenvalues.  Section 3.1 (non-parametric)
 * goes on from there in turns of codebooks and rotations, which fit the rows
 * trained on better and no others (README.md): none are made.
 *
 * Deviations.  The covariance is that of a sample.  The rotation competes with
 * none at all.
 */
#include "training.h"

#include "math/linear/linear.h"

#include <math.h>
#include <string.h>

/* The most rows that the covariance is of */
#define COVARIANCE_ROWS		20000

/* Rows that are multiplied or encoded at once */
#define BLOCK				512

/* Floats from a column of a block to the next; no multiple of a page's part */
#define BLOCK_STRIDE		(BLOCK + 16)

/* How much of the progress finding the rotation is */
#define ROTATION_SHARE		0.2

/* Eigenvalues count as this part of the largest at least */
#define LEAST_EIGENVALUE	1e-6

typedef struct Training
{
	ClusterHost host;			/* reports no progress */
	const PqShape *shape;
	size_t		dims;
	size_t		work;			/* since the last tick */
	size_t		count;
	float	   *x;				/* count rows to train on, less their mean */
	float	   *mean;
} Training;

/* Copy a sample of n rows, and take their mean away */
static void
take_sample(Training *t, const float *rows, size_t n, uint64_t seed)
{
	size_t		dims = t->dims;
	double	   *sums = host_alloc(&t->host, dims, sizeof(*sums));

	memset(sums, 0, dims * sizeof(*sums));
	for (size_t i = 0; i < t->count; i++)
	{
		const float *row = rows + pq_sample(i, t->count, n, seed) * dims;

		memcpy(t->x + i * dims, row, dims * sizeof(*row));
		for (size_t d = 0; d < dims; d++)
			sums[d] += row[d];
		host_work(&t->host, &t->work, 2 * dims);
	}
	for (size_t d = 0; d < dims; d++)
		t->mean[d] = (float) (sums[d] / (double) t->count);
	for (size_t i = 0; i < t->count; i++)
	{
		for (size_t d = 0; d < dims; d++)
			t->x[i * dims + d] -= t->mean[d];
		host_work(&t->host, &t->work, dims);
	}
	host_release(&t->host, sums);
}

/* The power of two that brings the largest difference near 1; 0: none does */
static float
sample_scale(Training *t)
{
	float		largest = 0;

	for (size_t i = 0; i < t->count; i++)
	{
		for (size_t d = 0; d < t->dims; d++)
			largest = fmaxf(largest, fabsf(t->x[i * t->dims + d]));
		host_work(&t->host, &t->work, t->dims);
	}
	if (!(largest > 0 && isfinite(largest)))
		return 0;
	return ldexpf(1, ilogbf(largest) < -126 ? 126 : -ilogbf(largest));
}

/* The sum of x x' over some of the rows x, scaled */
static void
covariance(Training *t, float scale, float *out)
{
	size_t		dims = t->dims;
	size_t		count = t->count < COVARIANCE_ROWS ? t->count : COVARIANCE_ROWS;
	size_t		step = t->count / count * dims;
	float	   *columns = host_alloc(&t->host, dims, BLOCK_STRIDE * sizeof(*columns));
	float	   *products = host_alloc(&t->host, size_times(dims, dims),
									  sizeof(*products));
	float	   *memory = host_alloc(&t->host, size_times(dims + LINEAR_COLUMNS, BLOCK),
									sizeof(*memory));

	memset(out, 0, dims * dims * sizeof(*out));
	for (size_t from = 0; from < count; from += BLOCK)
	{
		size_t		block = count - from < BLOCK ? count - from : BLOCK;
		LinearRows	right;

		for (size_t i = 0; i < block; i++)
		{
			for (size_t d = 0; d < dims; d++)
				columns[d * BLOCK_STRIDE + i] = t->x[(from + i) * step + d] * scale;
			host_work(&t->host, &t->work, 4 * dims);
		}

		linear_rows_init(&right, dims, block, memory);
		for (size_t d = 0; d < dims; d++)
			for (size_t i = 0; i < block; i++)
				linear_row(&right, d)[i * right.step] =
					columns[d * BLOCK_STRIDE + i];

		/* some rows at a time, so that ticks are not kept waiting */
		for (size_t d = 0; d < dims; d += BLOCK)
		{
			size_t		some = dims - d < BLOCK ? dims - d : BLOCK;

			linear_products(columns + d * BLOCK_STRIDE, BLOCK_STRIDE, some,
							&right, 0, dims, products + d * dims, dims);
			host_work(&t->host, &t->work, some * dims * block);
		}
		for (size_t i = 0; i < dims * dims; i++)
			out[i] += products[i];
		host_work(&t->host, &t->work, dims * dims);
	}
	host_release(&t->host, memory);
	host_release(&t->host, products);
	host_release(&t->host, columns);
}

/*
 * Distribute the eigenvectors to the parts, the largest eigenvalue first, each to
 * the part with the smallest product so far that has a row left.
 */
static void
distribute(Training *t, float *eigenvalues, const float *vectors,
		   float *rotation)
{
	size_t		dims = t->dims;
	size_t		m = t->shape->m;
	double	   *product = host_alloc(&t->host, m, sizeof(*product));	/* logarithms */
	size_t	   *filled = host_alloc(&t->host, m, sizeof(*filled));
	double		largest = 0;

	for (size_t j = 0; j < m; j++)
	{
		product[j] = 0;
		filled[j] = 0;
	}
	for (size_t i = 0; i < dims; i++)
		largest = eigenvalues[i] > largest ? eigenvalues[i] : largest;
	for (size_t rank = 0; rank < dims; rank++)
	{
		size_t		next = 0;
		size_t		to = m;
		double		value = 1;

		for (size_t i = 1; i < dims; i++)
			if (eigenvalues[i] > eigenvalues[next])
				next = i;
		for (size_t j = 0; j < m; j++)
			if (filled[j] < pq_used(t->shape, j) &&
				(to == m || product[j] < product[to]))
				to = j;

		/* Relative to the least there is, so that logarithms are not below 0 */
		if (eigenvalues[next] > LEAST_EIGENVALUE * largest)
			value = eigenvalues[next] / (LEAST_EIGENVALUE * largest);
		product[to] += log(value);
		memcpy(rotation + (to * t->shape->part + filled[to]) * dims,
			   vectors + next * dims, dims * sizeof(*rotation));
		filled[to]++;
		eigenvalues[next] = -INFINITY;
		host_work(&t->host, &t->work, dims + m);
	}
	host_release(&t->host, filled);
	host_release(&t->host, product);
}

static void
identity(float *rotation, size_t dims)
{
	memset(rotation, 0, dims * dims * sizeof(*rotation));
	for (size_t i = 0; i < dims; i++)
		rotation[i * dims + i] = 1;
}

/* The rotation by a sample of the rows; none where they do not differ */
static void
find_rotation(Training *t, float *rotation)
{
	size_t		dims = t->dims;
	float		scale = sample_scale(t);
	float	   *matrix;
	float	   *vectors;
	float	   *eigenvalues;

	identity(rotation, dims);
	if (scale == 0)
		return;
	matrix = host_alloc(&t->host, size_times(dims, dims), sizeof(*matrix));
	vectors = host_alloc(&t->host, size_times(dims, dims), sizeof(*vectors));
	eigenvalues = host_alloc(&t->host, dims, sizeof(*eigenvalues));
	covariance(t, scale, matrix);
	if (linear_eigenvectors(&t->host, matrix, dims, eigenvalues, vectors))
		distribute(t, eigenvalues, vectors, rotation);
	host_release(&t->host, eigenvalues);
	host_release(&t->host, vectors);
	host_release(&t->host, matrix);
}

/* The error of the codes of n rows, rotated ones */
static double
error_of(Training *t, const float *y, size_t n, const float *codebooks)
{
	size_t		dims = t->dims;
	size_t		bytes = pq_code_bytes(t->shape);
	PqEncoder  *encoder = pq_encoder_create(&t->host, t->shape, codebooks);
	uint8_t    *codes = host_alloc(&t->host, size_times(BLOCK, bytes), 1);
	float	   *decoded = host_alloc(&t->host, dims, sizeof(*decoded));
	double		error = 0;

	for (size_t i = 0; i < n; i += BLOCK)
	{
		size_t		rows = n - i < BLOCK ? n - i : BLOCK;

		pq_encode(encoder, y + i * dims, rows, codes);
		for (size_t r = 0; r < rows; r++)
		{
			pq_decode(t->shape, codebooks, codes + r * bytes, decoded);
			error += distance_kernels->f32_l2sq(y + (i + r) * dims, decoded,
												dims);
			host_work(&t->host, &t->work, dims);
		}
	}
	host_release(&t->host, decoded);
	host_release(&t->host, codes);
	pq_encoder_free(&t->host, encoder);
	return error;
}

/*
 * Train codebooks for the best rotation, and for none; the rotation is given
 * up where the latter are as good.
 */
static void
train_codebooks(Training *t, uint64_t seed, float *rotation, float *codebooks)
{
	const PqShape *shape = t->shape;
	const float *x = t->x;
	size_t		dims = t->dims;
	size_t		count = t->count;
	size_t		floats = pq_codebook_floats(shape);
	CentroidPanel *panel = centroid_panel_create(&t->host, rotation, dims,
												 dims, false);
	float	   *y = host_alloc(&t->host, size_times(count, dims), sizeof(*y));
	float	   *plain = host_alloc(&t->host, floats, sizeof(*plain));

	centroid_panel_products(panel, &t->host, x, count, y);
	pq_train_sample(&t->host, shape, y, count, count, seed, codebooks);
	pq_train_sample(&t->host, shape, x, count, count, seed, plain);
	if (!(error_of(t, y, count, codebooks) < error_of(t, x, count, plain)))
	{
		identity(rotation, dims);
		memcpy(codebooks, plain, floats * sizeof(*codebooks));
	}
	host_release(&t->host, plain);
	host_release(&t->host, y);
	centroid_panel_free(&t->host, panel);
}

/* Move the centroids back to where the rows' mean was */
static void
add_mean(Training *t, const float *rotation, float *codebooks)
{
	const PqShape *shape = t->shape;
	size_t		count = pq_centroids(shape);
	float	   *mean = host_alloc(&t->host, t->dims, sizeof(*mean));

	pq_rotate(rotation, t->dims, t->mean, mean);
	for (size_t j = 0; j < shape->m; j++)
		for (size_t c = 0; c < count; c++)
			for (size_t d = 0; d < pq_used(shape, j); d++)
				codebooks[(j * count + c) * shape->part + d] +=
					mean[j * shape->part + d];
	host_release(&t->host, mean);
}

/* See pq.h; no rows give no rotation */
void
pq_train_opq(const ClusterHost *host, const PqShape *shape, const float *rows,
			 size_t n, uint64_t seed, float *rotation, float *codebooks)
{
	size_t		limit = pq_training_rows(shape);
	Training	t = {
		.host = *host, .shape = shape, .dims = shape->dims,
		.count = n < limit ? n : limit
	};

	if (n == 0)
	{
		identity(rotation, shape->dims);
		pq_train(host, shape, rows, n, seed, codebooks);
		return;
	}
	(void) linear_begin(host);
	t.host.progress = NULL;
	t.mean = host_alloc(host, t.dims, sizeof(float));
	t.x = host_alloc(host, size_times(t.count, t.dims), sizeof(float));
	take_sample(&t, rows, n, seed);
	find_rotation(&t, rotation);
	if (host->progress != NULL)
		host->progress(host->arg, ROTATION_SHARE);
	train_codebooks(&t, seed, rotation, codebooks);
	add_mean(&t, rotation, codebooks);
	host_release(host, t.x);
	host_release(host, t.mean);
	if (host->progress != NULL)
		host->progress(host->arg, 1);
}
