/*
 * kmeans.c
 *	  k-means: at one level where k is small, else by division.
 *
 * Where k is large, rows are divided into about sqrt(k) coarse clusters, each of
 * these into a number of its own, and the result is improved by a few
 * iterations over all rows with a panel of two levels: the time grows with
 * n * sqrt(k) rather than n * k.
 */
#include "cluster.h"
#include "math/random.h"
#include "share.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* More clusters than this are made by division */
#define FLAT_MAX		1024

/* Rows a coarse cluster that train it */
#define COARSE_ROWS		256

/* A coarse cluster may well be so many times as large as their mean */
#define LARGE_GROUP		4

/* Iterations over all rows after division, at most */
#define REFINE_ITERATIONS 2

/* How much of the time coarse clusters take, and those of each group */
#define COARSE_SHARE	0.1
#define GROUPS_SHARE	0.4

/*
 * The middle and the scale of the rows.  Rows of norm 1 are near enough to 0
 * as they are.
 */
static void
measure_rows(const ClusterHost *host, const Rows *rows, Space *space,
			 float *shift)
{
	size_t		dims = rows->dims;
	double		largest;

	space->scale = 1;
	space->shift = NULL;
	if (space->unit)
		return;
	largest = cluster_centre(host, rows->rows, rows->n, dims, dims, shift);
	space->scale = space_scale(largest);
	space->shift = shift;
	for (size_t d = 0; d < dims; d++)
		shift[d] *= space->scale;
}

/*
 * How many of k clusters each coarse one is divided into: in proportion to its
 * share of rows and of error, at least one, at most its rows (where there are
 * enough in all).
 */
static void
share_clusters(const Clusters *coarse, size_t k, size_t *share)
{
	double		error = 0;
	double		weight_left = 0;
	size_t		left = k;

	for (size_t g = 0; g < coarse->k; g++)
		error += coarse->error[g];
	for (size_t g = 0; g < coarse->k; g++)
		share[g] = 0;

	/*
	 * First one each, where there are rows; then by weight.  What rounding
	 * leaves, and what does not fit, goes to the next ones that have room.
	 */
	for (size_t g = 0; g < coarse->k && left > 0; g++)
		if (coarse->first[g + 1] > coarse->first[g])
		{
			share[g] = 1;
			left--;
		}
	for (int pass = 0; pass < 3 && left > 0; pass++)
	{
		size_t		now = left;

		weight_left = 0;
		for (int give = 0; give < 2; give++)
			for (size_t g = 0; g < coarse->k; g++)
			{
				size_t		rows = coarse->first[g + 1] - coarse->first[g];
				double		weight = (double) rows / (double) coarse->rows.n;
				size_t		more;

				if (error > 0)
					weight = (weight + coarse->error[g] / error) / 2;
				if (share[g] >= rows)
					continue;
				if (!give)
				{
					weight_left += weight;
					continue;
				}
				more = (size_t) ((double) now * weight / weight_left);
				more = more < rows - share[g] ? more : rows - share[g];
				more = more < left ? more : left;
				share[g] += more;
				left -= more;
			}
	}
	for (size_t g = 0; left > 0; g = (g + 1) % coarse->k)
		if (share[g] > 0)
		{
			share[g]++;
			left--;
		}
}

/* The coarse clusters of all rows, trained on some of them */
static void
divide_coarsely(Training *t, Clusters *coarse, int iterations)
{
	Rows		sample = coarse->rows;
	Rows		centres = {
		.rows = coarse->centroids, .n = coarse->k, .dims = coarse->rows.dims
	};
	size_t		n = size_times(coarse->k, COARSE_ROWS);
	uint32_t   *ids;
	Clusters	clusters;
	float	   *memory;
	Matrix		matrix;

	n = n < coarse->rows.n ? n : coarse->rows.n;
	ids = host_alloc(t->host, n, sizeof(*ids));
	random_sample(&t->random, coarse->rows.n, n, ids);
	sample.ids = ids;
	sample.n = n;
	clusters_init(&clusters, t->host, &sample, coarse->k, coarse->centroids);
	(void) lloyd(t, &clusters, iterations);
	clusters_free(&clusters, t->host);
	host_release(t->host, ids);

	memory = host_alloc(t->host, matrix_floats(coarse->k,
											 coarse->rows.dims),
					  sizeof(float));
	matrix_init(&matrix, t->space, t->work, &centres, memory);
	shared_assign(t->host, &matrix, t->space, t->work, &coarse->rows,
				  coarse->number, coarse->distance);
	host_release(t->host, memory);
	(void) clusters_sort(t, coarse);
}

static void
assign_panel(Training *t, Clusters *c, void *arg)
{
	CentroidPanel *panel = panel_create(t->host, t->space, c->centroids, c->k,
										c->rows.dims, true);

	(void) arg;
	shared_panel_assign(t->host, panel, t->work, &c->rows, c->number,
						c->distance);
	panel_destroy(t->host, panel);
}

static size_t
coarse_count(size_t k)
{
	return (size_t) sqrt((double) k);
}

void
kmeans_group(const ClusterHost *host, Work *work, const HostParts *parts,
			 const GroupsJob *job, size_t group)
{
	const size_t *first = (const size_t *) host_here(parts, job->first) + group;
	const size_t *start = (const size_t *) host_here(parts, job->start) + group;
	const uint64_t *seeds = host_here(parts, job->seeds);
	int		   *done = host_here(parts, job->done);
	Space		space = job->space;
	Rows		part = job->rows;
	Clusters	clusters;
	ClusterHost quiet = *host;
	Training	t = {
		.host = &quiet, .work = work, .space = &space, .random = seeds[group]
	};

	done[group] = 0;
	if (start[1] == start[0])
		return;

	/* a group's progress is not the whole's, and it is one process's */
	quiet.progress = NULL;
	quiet.share = NULL;
	space.shift = host_here(parts, space.shift);
	part.rows = host_here(parts, part.rows);
	part.ids = (const uint32_t *) host_here(parts, job->order) + first[0];
	part.n = first[1] - first[0];
	clusters_init(&clusters, &quiet, &part, start[1] - start[0],
				  (float *) host_here(parts, job->centroids) +
				  start[0] * part.dims);
	done[group] = lloyd(&t, &clusters, job->iterations).iterations;
	clusters_free(&clusters, &quiet);
}

void
kmeans_report_groups(const ClusterHost *host, const GroupsJob *job,
					 size_t groups)
{
	if (host->progress != NULL)
		host->progress(host->arg, COARSE_SHARE + GROUPS_SHARE *
					   (double) job->start[groups] / (double) job->start[job->groups]);
}

/* Centroids for the refining iterations, from coarse clusters */
static int
divide(Training *t, const Rows *rows, size_t k, int iterations,
	   float *centroids)
{
	size_t		dims = rows->dims;
	size_t		groups = coarse_count(k);
	float	   *centres = host_alloc(t->host, groups, dims * sizeof(float));
	size_t	   *start = host_alloc(t->host, groups + 1, sizeof(*start));
	uint64_t   *seeds = host_alloc(t->host, groups, sizeof(*seeds));
	int		   *done = host_alloc(t->host, groups, sizeof(*done));
	int			most = 0;
	size_t		all = 0;
	Clusters	coarse;
	GroupsJob	job = {
		.space = *t->space, .rows = *rows, .groups = groups,
		.iterations = iterations, .start = start, .seeds = seeds,
		.centroids = centroids, .done = done
	};

	clusters_init(&coarse, t->host, rows, groups, centres);
	t->progress_to = COARSE_SHARE;
	divide_coarsely(t, &coarse, iterations);
	share_clusters(&coarse, k, start);
	for (size_t g = 0; g < groups; g++)
	{
		size_t		share = start[g];

		start[g] = all;
		all += share;
		seeds[g] = splitmix64_next(&t->random);
	}
	start[groups] = all;
	assert(all == k);
	job.order = coarse.order;
	job.first = coarse.first;
	shared_groups(t->host, t->work, &job);
	for (size_t g = 0; g < groups; g++)
		most = done[g] > most ? done[g] : most;
	clusters_free(&coarse, t->host);
	host_release(t->host, done);
	host_release(t->host, seeds);
	host_release(t->host, start);
	host_release(t->host, centres);
	return most;
}

/* kmeans, with centroids in memory of host->alloc where that is shared */
static KmeansResult
cluster_rows(const ClusterHost *host, const float *rows, size_t n, size_t dims,
			 const KmeansParams *params, float *centroids, uint64_t *sizes)
{
	Rows		all = {.rows = rows, .n = n, .dims = dims};
	float	   *shift = host_alloc(host, dims, sizeof(*shift));
	Space		space = {.unit = params->spherical};
	int			iterations = params->iterations > 0 ? params->iterations :
		LLOYD_ITERATIONS;
	size_t		k = params->k;
	Training	t = {
		.host = host, .space = &space, .random = params->seed, .progress_to = 1
	};
	Work		work;
	Clusters	clusters;
	KmeansResult result;

	assert(n > 0 && n < UINT32_MAX && dims > 0 && k > 0 && k < UINT32_MAX);
	measure_rows(host, &all, &space, shift);
	work_init(&work, host, n, dims);
	t.work = &work;
	if (k <= FLAT_MAX || n <= k)
	{
		clusters_init(&clusters, host, &all, k, centroids);
		result = lloyd(&t, &clusters, iterations);
	}
	else
	{
		int			refine = iterations < REFINE_ITERATIONS ? iterations :
			REFINE_ITERATIONS;
		int			before = divide(&t, &all, k, iterations, centroids);

		t.progress_from = COARSE_SHARE + GROUPS_SHARE;
		t.progress_to = 1;
		clusters_init(&clusters, host, &all, k, centroids);
		result = lloyd_iterate(&t, &clusters, refine, assign_panel, NULL);
		result.iterations += before;
	}
	if (sizes != NULL)
		for (size_t j = 0; j < k; j++)
			sizes[j] = clusters.first[j + 1] - clusters.first[j];
	clusters_free(&clusters, host);
	work_free(&work);
	host_release(host, shift);
	if (host->progress != NULL)
		host->progress(host->arg, 1);
	return result;
}

KmeansResult
kmeans(const ClusterHost *host, const float *rows, size_t n, size_t dims,
	   const KmeansParams *params, float *centroids, uint64_t *sizes)
{
	float	   *shared;
	KmeansResult result;

	if (host->share == NULL)
		return cluster_rows(host, rows, n, dims, params, centroids, sizes);
	shared = host_alloc(host, size_times(params->k, dims), sizeof(*shared));
	result = cluster_rows(host, rows, n, dims, params, shared, sizes);
	memcpy(centroids, shared, params->k * dims * sizeof(*shared));
	host_release(host, shared);
	return result;
}

double
kmeans_bytes(size_t n, size_t dims, size_t k)
{
	double		centre = dims * ((double) sizeof(float) + sizeof(double));
	double		clusters = lloyd_bytes(n, dims, k);

	if (k > FLAT_MAX && n > k)
	{
		size_t		groups = coarse_count(k);

		clusters += clusters_bytes(n, groups) + groups * ((dims + 2.0) * sizeof(float)) +
			groups * (2.0 * sizeof(uint64_t));
		clusters = fmax(clusters, panel_create_bytes(k, dims, true) +
						panel_assign_bytes(k, dims));
	}
	return centre + fmax(2.0 * sizeof(double) * n,
						 work_bytes(dims) + clusters_bytes(n, k) + clusters);
}

double
cluster_do_bytes(size_t n, size_t dims, size_t k)
{
	double		groups = 0;
	size_t		count = coarse_count(k) / LARGE_GROUP + 1;

	if (k > FLAT_MAX && n > k)
		groups = clusters_bytes(n / count, k / count) +
			lloyd_bytes(n / count, dims, k / count);
	return work_bytes(dims) + fmax(panel_assign_bytes(k, dims), groups) +
		group_most(group_count(k, dims, true)) * (double) sizeof(Matrix);
}
