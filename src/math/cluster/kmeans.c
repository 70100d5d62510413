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
#include "lloyd.h"
#include "panel.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* More clusters than this are made by division */
#define FLAT_MAX		1024

/* Rows a coarse cluster that train it */
#define COARSE_ROWS		256

/* Iterations over all rows after division, at most */
#define REFINE_ITERATIONS 2

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
	matrix_assign(&matrix, t->space, t->work, &coarse->rows, coarse->number,
				  NULL, coarse->distance);
	host_release(t->host, memory);
	(void) clusters_sort(t, coarse);
}

static void
assign_panel(Training *t, Clusters *c, void *arg)
{
	CentroidPanel *panel = panel_create(t->host, t->space, c->centroids, c->k,
										c->rows.dims, true);

	(void) arg;
	panel_assign(panel, t->work, &c->rows, c->number, c->distance);
	panel_destroy(t->host, panel);
}

static size_t
coarse_count(size_t k)
{
	return (size_t) sqrt((double) k);
}

/* Centroids for the refining iterations, from coarse clusters */
static int
divide(Training *t, const Rows *rows, size_t k, int iterations,
	   float *centroids)
{
	size_t		dims = rows->dims;
	size_t		groups = coarse_count(k);
	float	   *centres = host_alloc(t->host, groups, dims * sizeof(float));
	size_t	   *share = host_alloc(t->host, groups, sizeof(*share));
	size_t		done = 0;
	int			most = 0;
	Clusters	coarse;

	clusters_init(&coarse, t->host, rows, groups, centres);
	t->progress_to = 0.1;
	divide_coarsely(t, &coarse, iterations);
	share_clusters(&coarse, k, share);
	for (size_t g = 0; g < groups; g++)
	{
		Rows		part = *rows;
		Clusters	clusters;
		KmeansResult result;

		if (share[g] == 0)
			continue;
		part.ids = coarse.order + coarse.first[g];
		part.n = coarse.first[g + 1] - coarse.first[g];
		t->progress_from = 0.1 + 0.4 * (double) done / (double) k;
		t->progress_to = 0.1 + 0.4 * (double) (done + share[g]) / (double) k;
		clusters_init(&clusters, t->host, &part, share[g],
					  centroids + done * dims);
		result = lloyd(t, &clusters, iterations);
		clusters_free(&clusters, t->host);
		most = result.iterations > most ? result.iterations : most;
		done += share[g];
	}
	assert(done == k);
	clusters_free(&coarse, t->host);
	host_release(t->host, share);
	host_release(t->host, centres);
	return most;
}

KmeansResult
kmeans(const ClusterHost *host, const float *rows, size_t n, size_t dims,
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

		t.progress_from = 0.5;
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

double
kmeans_bytes(size_t n, size_t dims, size_t k)
{
	double		centre = dims * ((double) sizeof(float) + sizeof(double));
	double		clusters = lloyd_bytes(n, dims, k);

	if (k > FLAT_MAX && n > k)
	{
		size_t		groups = coarse_count(k);

		clusters += clusters_bytes(n, groups) + groups * ((dims + 2.0) * sizeof(float));
		clusters = fmax(clusters, panel_create_bytes(k, dims, true) +
						panel_assign_bytes(k, dims));
	}
	return centre + fmax(2.0 * sizeof(double) * n,
						 work_bytes(dims) + clusters_bytes(n, k) + clusters);
}
