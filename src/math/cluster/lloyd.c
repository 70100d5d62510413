/*
 * lloyd.c
 *	  k-means over rows in memory, one level.
 *
 * Lloyd, "Least squares quantization in PCM", 1982; seeds as in Arthur and
 * Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, but
 * drawn in rounds as in Bahmani et al., "Scalable k-means++", VLDB 2012, so
 * that distances to new seeds are matrix products.
 */
#include "share.h"
#include "math/heap/heap.h"
#include "math/linear/linear.h"
#include "math/random.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A round draws one seed for so many that there are */
#define SEED_ROUND		8

/* Improvement that is worth another iteration */
#define IMPROVEMENT		0.001

/* Iterations more, where one in so many clusters is empty and need not be */
#define MORE_ITERATIONS 4
#define MORE_EMPTY		1000

/* Iterations over all rows, after those over a part */
#define LAST_ITERATIONS	3

/* Rows that are sorted between two ticks' counts */
#define SORT_ROWS		4096

void
random_sample(uint64_t *state, size_t n, size_t count, uint32_t *sample)
{
	double		step = (double) n / (double) count;
	size_t		next = 0;

	for (size_t i = 0; i < count; i++)
	{
		size_t		at = (size_t) (((double) i + splitmix64_unit(state)) * step);

		at = at < next ? next : at;
		at = at > n - (count - i) ? n - (count - i) : at;
		sample[i] = (uint32_t) at;
		next = at + 1;
	}
}

void
clusters_init(Clusters *c, const ClusterHost *host, const Rows *rows, size_t k,
			  float *centroids)
{
	c->rows = *rows;
	c->k = k;
	c->centroids = centroids;
	c->number = host_alloc(host, rows->n, sizeof(*c->number));
	c->distance = host_alloc(host, rows->n, sizeof(*c->distance));
	c->order = host_alloc(host, rows->n, sizeof(*c->order));
	c->first = host_alloc(host, k + 1, sizeof(*c->first));
	c->error = host_alloc(host, k, sizeof(*c->error));
}

void
clusters_free(Clusters *c, const ClusterHost *host)
{
	host_release(host, c->error);
	host_release(host, c->first);
	host_release(host, c->order);
	host_release(host, c->distance);
	host_release(host, c->number);
}

double
clusters_bytes(size_t n, size_t k)
{
	return 3.0 * sizeof(uint32_t) * n + (sizeof(size_t) + sizeof(double)) * (k + 1.0);
}

double
clusters_sort(Training *t, Clusters *c)
{
	double		total = 0;

	memset(c->first, 0, (c->k + 1) * sizeof(*c->first));
	memset(c->error, 0, c->k * sizeof(*c->error));
	for (size_t i = 0; i < c->rows.n; i++)
	{
		assert(c->number[i] < c->k);
		c->first[c->number[i] + 1]++;
		c->error[c->number[i]] += c->distance[i];
		if (i % SORT_ROWS == 0)
			work_done(t->work, 128 * SORT_ROWS);
	}
	for (size_t j = 0; j < c->k; j++)
	{
		c->first[j + 1] += c->first[j];
		total += c->error[j];
	}

	/* first[j] runs through its cluster, and so becomes the next one's */
	for (size_t i = 0; i < c->rows.n; i++)
	{
		c->order[c->first[c->number[i]]++] = (uint32_t) i;
		if (i % SORT_ROWS == 0)
			work_done(t->work, 128 * SORT_ROWS);
	}
	memmove(c->first + 1, c->first, c->k * sizeof(*c->first));
	c->first[0] = 0;
	return total;
}

static size_t
cluster_size(const Clusters *c, size_t j)
{
	return c->first[j + 1] - c->first[j];
}

/* Copy a row as a centroid: of norm 1 if they are */
static void
put_centroid(const Training *t, Clusters *c, size_t j, size_t row)
{
	const float *from = rows_at(&c->rows, row);
	float	   *to = c->centroids + j * c->rows.dims;
	float		scale = t->space->unit ?
		space_row_scale(t->space, from, c->rows.dims) : 1;

	for (size_t i = 0; i < c->rows.dims; i++)
		to[i] = from[i] * scale;
}

/*
 * The mean of a cluster with rows, or that scaled to norm 1.  Where the rows
 * of a cluster cancel out, it stays what it was.
 */
static void
put_mean(const Space *space, Work *work, Clusters *c, size_t j, double *sum)
{
	size_t		dims = c->rows.dims;
	float	   *to = c->centroids + j * dims;
	double		factor = 1.0 / (double) cluster_size(c, j);

	memset(sum, 0, dims * sizeof(*sum));
	for (size_t i = c->first[j]; i < c->first[j + 1]; i++)
	{
		const float *row = rows_at(&c->rows, c->order[i]);
		double		scale = space->unit ?
			space_row_scale(space, row, dims) : 1.0;

		linear_kernels->accumulate(sum, row, scale, dims);
		work_done(work, 8 * dims);
	}
	if (space->unit)
	{
		double		norm = 0;

		for (size_t i = 0; i < dims; i++)
			norm += sum[i] * sum[i];
		norm = sqrt(norm);
		if (!(norm * factor > 1e-6))
			return;
		factor = 1 / norm;
	}
	for (size_t i = 0; i < dims; i++)
		to[i] = (float) (sum[i] * factor);
}

void
clusters_means(const ClusterHost *host, const Space *space, Work *work,
			   Clusters *c, size_t from, size_t to)
{
	double	   *sum = host_alloc(host, c->rows.dims, sizeof(*sum));

	for (size_t j = from; j < to; j++)
		if (cluster_size(c, j) > 0)
			put_mean(space, work, c, j, sum);
	host_release(host, sum);
}

/* A row of cluster j by its distance: far ones are likelier */
static size_t
draw_row(Training *t, const Clusters *c, size_t j)
{
	double		at = splitmix64_unit(&t->random) * c->error[j];
	size_t		last = c->first[j];

	for (size_t i = c->first[j]; i < c->first[j + 1]; i++)
	{
		float		distance = c->distance[c->order[i]];

		if (distance > 0)
			last = i;
		at -= distance;
		if (at < 0)
			break;
	}
	return c->order[last];
}

/* Can a cluster be divided? */
static bool
is_divisible(const Clusters *c, size_t j)
{
	return cluster_size(c, j) > 1 && c->error[j] > 0;
}

static bool
any_divisible(const Clusters *c)
{
	for (size_t j = 0; j < c->k; j++)
		if (is_divisible(c, j))
			return true;
	return false;
}

static size_t
count_empty(const Clusters *c)
{
	size_t		count = 0;

	for (size_t j = 0; j < c->k; j++)
		count += cluster_size(c, j) == 0;
	return count;
}

/* A heap of clusters with the largest error on top */
typedef struct ClusterError
{
	double		error;
	uint32_t	cluster;
} ClusterError;

#define LARGER_ERROR(a, b) ((a)->error > (b)->error)
HEAP(errors, ClusterError, LARGER_ERROR)

/*
 * Every empty cluster gets a row of the one with the largest error, which then
 * counts as half as large.
 */
static void
fill_empty(Training *t, Clusters *c, size_t empty)
{
	ClusterError *heap;
	size_t		n = 0;

	if (empty == 0)
		return;
	heap = host_alloc(t->host, c->k, sizeof(*heap));
	for (size_t j = 0; j < c->k; j++)
		if (is_divisible(c, j))
			heap[n++] = (ClusterError) {c->error[j], (uint32_t) j};
	errors_build(heap, n);
	for (size_t j = 0; n > 0 && j < c->k; j++)
	{
		ClusterError largest = heap[0];

		if (cluster_size(c, j) > 0)
			continue;
		put_centroid(t, c, j, draw_row(t, c, largest.cluster));
		work_done(t->work, cluster_size(c, largest.cluster) + c->rows.dims);
		largest.error /= 2;
		errors_sink(heap, n, 0, largest);
	}
	host_release(t->host, heap);
}

/*
 * What is still empty becomes a copy of a cluster before it (to which ties
 * go); the first one must have rows for that.
 */
static size_t
copy_empty(Clusters *c)
{
	size_t		dims = c->rows.dims;
	size_t		used = 0;
	size_t		from = 0;

	while (cluster_size(c, from) == 0)
		from++;
	if (from > 0)
	{
		/* the rows of from, which come first in order, now are of 0 */
		memcpy(c->centroids, c->centroids + from * dims, dims * sizeof(float));
		c->error[0] = c->error[from];
		c->error[from] = 0;
		for (size_t j = 1; j <= from; j++)
			c->first[j] = c->first[from + 1];
		for (size_t i = 0; i < c->first[1]; i++)
			c->number[c->order[i]] = 0;
	}
	for (size_t j = 0; j < c->k; j++)
	{
		if (cluster_size(c, j) > 0)
		{
			used++;
			from = j;
		}
		else
			memcpy(c->centroids + j * dims, c->centroids + from * dims,
				   dims * sizeof(float));
	}
	return used;
}

static void
report_progress(const Training *t, double part)
{
	part = part < 1 ? part : 1;
	if (t->host->progress != NULL)
		t->host->progress(t->host->arg, t->progress_from +
						  (t->progress_to - t->progress_from) * part);
}

KmeansResult
lloyd_iterate(Training *t, Clusters *c, int iterations, LloydAssign assign,
			  void *arg)
{
	KmeansResult result = {0};
	double		before = INFINITY;
	double		error;

	for (;;)
	{
		size_t		empty;
		bool		divide;

		assign(t, c, arg);
		error = clusters_sort(t, c);
		report_progress(t, (result.iterations + 1.0) / (iterations + 1.0));
		empty = count_empty(c);
		divide = empty > 0 && any_divisible(c);
		if (result.iterations >= iterations +
			(divide && empty * MORE_EMPTY > c->k ? MORE_ITERATIONS : 0))
			break;
		if (!divide && (error <= 0 || before - error < IMPROVEMENT * before))
			break;
		before = divide ? INFINITY : error;
		shared_means(t->host, t->space, t->work, c);
		if (divide)
			fill_empty(t, c, empty);
		result.iterations++;
	}
	result.distinct = copy_empty(c);
	result.error = error / (double) c->rows.n /
		((double) t->space->scale * t->space->scale);
	return result;
}

/*
 * Seeds.
 */

static size_t
seed_rows(size_t n, size_t k)
{
	size_t		rows = size_times(k, SEED_ROWS);

	rows = rows < SEED_ROWS_MIN ? SEED_ROWS_MIN : rows;
	return rows < n ? rows : n;
}

static size_t
seeds_at_once(size_t k)
{
	return k / SEED_ROUND + 1;
}

/* What drawing seeds needs */
typedef struct Seeding
{
	Rows		sample;
	float	   *distance;		/* of each row to the nearest seed */
	float	   *new_distance;
	uint32_t   *new_number;
	double	   *sums;			/* of distances, up to and with each row */
	float	   *memory;			/* of a matrix of new seeds */
} Seeding;

/* Let count new seeds, from number first on, shorten the distances */
static void
measure_seeds(Training *t, const Clusters *c, const Seeding *s, size_t first,
			  size_t count)
{
	Rows		seeds = {
		.rows = c->centroids + first * c->rows.dims, .n = count,
		.dims = c->rows.dims
	};
	Matrix		matrix;

	matrix_init(&matrix, t->space, t->work, &seeds, s->memory);
	shared_assign(t->host, &matrix, t->space, t->work, &s->sample,
				  s->new_number, s->new_distance);
	for (size_t i = 0; i < s->sample.n; i++)
		if (first == 0 || s->new_distance[i] < s->distance[i])
			s->distance[i] = s->new_distance[i];
}

/* A row by its distance: the first one whose sum exceeds a random part */
static size_t
draw_seed(Training *t, const Seeding *s)
{
	size_t		last = s->sample.n - 1;
	double		at = splitmix64_unit(&t->random) * s->sums[last];
	size_t		row;

	LOWER_BOUND(row, last, i, s->sums[i] <= at);
	return row;
}

static void
draw_seeds(Training *t, Clusters *c, Seeding *s)
{
	size_t		dims = c->rows.dims;
	size_t		done = 1;
	size_t		from = 0;
	size_t		first = (size_t) (splitmix64_unit(&t->random) *
								  (double) s->sample.n);

	/* put_centroid takes indexes into the clusters' rows, as the sample is */
	put_centroid(t, c, 0, first);
	while (done < c->k)
	{
		size_t		count = done / SEED_ROUND + 1;
		double		sum = 0;

		measure_seeds(t, c, s, from, done - from);
		for (size_t i = 0; i < s->sample.n; i++)
			s->sums[i] = sum += s->distance[i];
		if (!(sum > 0))
			break;
		from = done;
		for (; count > 0 && done < c->k; count--)
			put_centroid(t, c, done++, draw_seed(t, s));
	}
	/* fewer distinct rows than seeds */
	for (size_t j = done; j < c->k; j++)
		memcpy(c->centroids + j * dims, c->centroids + (j - done) * dims,
			   dims * sizeof(float));
}

/* Make rows n of themselves (at most all), by ids, which have room. */
static void
sample_rows(Training *t, Rows *rows, size_t n, uint32_t *ids)
{
	random_sample(&t->random, rows->n, n, ids);
	if (rows->ids != NULL)
		for (size_t i = 0; i < n; i++)
			ids[i] = rows->ids[ids[i]];
	rows->ids = ids;
	rows->n = n;
}

/* k-means++ in rounds, over a sample of the rows */
static void
lloyd_seed(Training *t, Clusters *c)
{
	const ClusterHost *host = t->host;
	size_t		n = seed_rows(c->rows.n, c->k);
	uint32_t   *ids = host_alloc(host, n, sizeof(*ids));
	Clusters	sampled = *c;
	Seeding		s;

	s.sample = c->rows;
	sample_rows(t, &s.sample, n, ids);
	s.distance = host_alloc(host, n, sizeof(*s.distance));
	s.new_distance = host_alloc(host, n, sizeof(*s.new_distance));
	s.new_number = host_alloc(host, n, sizeof(*s.new_number));
	s.sums = host_alloc(host, n, sizeof(*s.sums));
	s.memory = host_alloc(host, matrix_floats(seeds_at_once(c->k), c->rows.dims),
						sizeof(float));
	sampled.rows = s.sample;
	draw_seeds(t, &sampled, &s);
	host_release(host, s.memory);
	host_release(host, s.sums);
	host_release(host, s.new_number);
	host_release(host, s.new_distance);
	host_release(host, s.distance);
	host_release(host, ids);
}

/*
 * All of it.
 */

static void
assign_all(Training *t, Clusters *c, void *arg)
{
	Rows		centroids = {
		.rows = c->centroids, .n = c->k, .dims = c->rows.dims
	};
	Matrix		matrix;

	matrix_init(&matrix, t->space, t->work, &centroids, arg);
	shared_assign(t->host, &matrix, t->space, t->work, &c->rows, c->number,
				  c->distance);
}

/* Rows of the first iterations: a part of all, or all */
static size_t
first_rows(size_t n, size_t k)
{
	size_t		part = seed_rows(n, k);

	return part < n / 2 ? part : n;
}

/* Improve the centroids by a part of the rows; returns the iterations. */
static int
iterate_part(Training *t, Clusters *c, size_t n, int iterations, float *memory)
{
	Clusters	part;
	Rows		rows = c->rows;
	uint32_t   *ids = host_alloc(t->host, n, sizeof(*ids));
	KmeansResult result;

	sample_rows(t, &rows, n, ids);
	clusters_init(&part, t->host, &rows, c->k, c->centroids);
	result = lloyd_iterate(t, &part, iterations, assign_all, memory);
	clusters_free(&part, t->host);
	host_release(t->host, ids);
	return result.iterations;
}

KmeansResult
lloyd(Training *t, Clusters *c, int iterations)
{
	size_t		n = first_rows(c->rows.n, c->k);
	int			before = 0;
	KmeansResult result;
	float	   *memory;

	if (c->rows.n <= c->k)
		for (size_t j = 0; j < c->k; j++)
			put_centroid(t, c, j, j % c->rows.n);
	else
		lloyd_seed(t, c);
	memory = host_alloc(t->host, matrix_floats(c->k,
											 c->rows.dims), sizeof(float));
	if (n < c->rows.n && iterations > LAST_ITERATIONS)
	{
		double		from = t->progress_from;
		double		to = t->progress_to;

		/* a part's iterations take as much less time */
		t->progress_to = from + (to - from) / 3;
		before = iterate_part(t, c, n, iterations - LAST_ITERATIONS, memory);
		t->progress_from = t->progress_to;
		t->progress_to = to;
		result = lloyd_iterate(t, c, LAST_ITERATIONS, assign_all, memory);
		t->progress_from = from;
	}
	else
		result = lloyd_iterate(t, c, iterations, assign_all, memory);
	result.iterations += before;
	host_release(t->host, memory);
	return result;
}

double
lloyd_bytes(size_t n, size_t dims, size_t k)
{
	size_t		part = first_rows(n, k);
	double		seeding = (4.0 * sizeof(uint32_t) + sizeof(double)) * seed_rows(n, k) +
		sizeof(float) * (double) matrix_floats(seeds_at_once(k), dims);
	double		iterating = sizeof(float) * (double) matrix_floats(k, dims) +
		(double) sizeof(double) * dims + (double) sizeof(ClusterError) * k;

	if (part < n)
		iterating += clusters_bytes(part, k) + (double) sizeof(uint32_t) * part;
	return fmax(seeding, iterating);
}
