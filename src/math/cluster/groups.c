/*
 * groups.c
 *	  Centroids in groups, for panels of two levels.
 *
 * k-means makes groups of them; one that is too large is divided across its two
 * clusters' centres, into equal parts.
 */
#include "panel.h"
#include "lloyd.h"
#include "math/heap/heap.h"
#include "math/linear/linear.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Iterations in grouping centroids, and in dividing a group */
#define GROUP_ITERATIONS 8
#define HALVE_ITERATIONS 4

#define GROUP_SEED		1

/* A centroid, and where it stands along a line */
typedef struct Projected
{
	double		at;
	uint32_t	id;
} Projected;

size_t
group_count(size_t k, size_t dims, bool two_level)
{
	if (!two_level || k < TWO_LEVEL_MIN ||
		size_times(k, dims) < TWO_LEVEL_FLOATS)
		return 1;
	return (size_t) sqrt((double) k);
}

/* The most members that a group may have, twice the mean or more */
static size_t
group_limit(size_t k, size_t groups)
{
	return 2 * k / groups + 32;
}

/*
 * The parts of a group that is divided are above half the limit, which is twice
 * the mean.
 */
size_t
group_most(size_t groups)
{
	return groups == 1 ? 1 : 2 * groups + 2;
}

/* See README.md for the agreement that these give */
static size_t
probe_count(size_t k)
{
	return k < 10000 ? 12 : 16;
}

double
panel_create_bytes(size_t k, size_t dims, bool two_level)
{
	size_t		groups = group_count(k, dims, two_level);
	double		most = group_most(groups);
	double		floats = matrix_floats(k, dims);
	double		bytes = sizeof(CentroidPanel) + work_bytes(dims) +
		(most + 1) * (sizeof(Matrix) + sizeof(size_t));

	if (groups > 1)
	{
		/* each group's matrix may be filled up as one of a single row is */
		floats += most * (matrix_floats(1, dims) + dims + 1.0) +
			matrix_floats(group_most(groups), dims);
		/* members, twice; the lowest, twice; a line; two centres and a sum */
		bytes += k * (4.0 * sizeof(uint32_t) + sizeof(Projected)) +
			dims * (2.0 * sizeof(float) + sizeof(double));
		/* of all, and of the one being divided */
		bytes += 2 * clusters_bytes(k, groups) + lloyd_bytes(k, dims, groups);
	}
	return bytes + floats * sizeof(float);
}

double
centroid_panel_bytes(size_t k, size_t dims, bool two_level)
{
	return panel_create_bytes(k, dims, two_level) +
		dims * ((double) sizeof(float) + sizeof(double));
}

/* What making them needs */
typedef struct Grouping
{
	CentroidPanel *panel;
	Training   *training;
	const Rows *centroids;
	size_t		limit;			/* members of a group, at most */
	float	   *two;			/* centres of the halves of a group */
	Projected  *line;			/* k of them */
} Grouping;

/* A heap with the last one on top, to sort by */
#define STANDS_BEHIND(a, b) \
	((a)->at > (b)->at || ((a)->at == (b)->at && (a)->id > (b)->id))
HEAP(line, Projected, STANDS_BEHIND)

/* Sort n members by where they are between the centres of two clusters of them */
static void
sort_across(Grouping *g, uint32_t *members, size_t n)
{
	size_t		dims = g->panel->dims;
	double		scale = g->panel->space.scale;
	Rows		rows = *g->centroids;
	Clusters	clusters;

	rows.ids = members;
	rows.n = n;
	clusters_init(&clusters, g->training->host, &rows, 2, g->two);
	(void) lloyd(g->training, &clusters, HALVE_ITERATIONS);
	clusters_free(&clusters, g->training->host);
	for (size_t i = 0; i < n; i++)
	{
		const float *c = rows_at(&rows, i);
		double		sum = 0;

		for (size_t d = 0; d < dims; d++)
			sum += c[d] * scale * (((double) g->two[d] - g->two[dims + d]) *
								   scale);
		g->line[i].at = isfinite(sum) ? sum : 0;
		g->line[i].id = members[i];
		work_done(g->training->work, 8 * dims);
	}
	line_sort(g->line, n);
	for (size_t i = 0; i < n; i++)
		members[i] = g->line[i].id;
}

/*
 * Make groups of n of the panel's members, from the one numbered from on: one
 * group if they are not too many, else those of two parts.
 */
static void
divide_group(Grouping *g, size_t from, size_t n)
{
	CentroidPanel *p = g->panel;
	uint32_t   *members = p->members + from;

	if (n > g->limit)
	{
		size_t		parts = (n - 1) / g->limit + 1;
		size_t		left = n * (parts / 2) / parts;

		sort_across(g, members, n);
		divide_group(g, from, left);
		divide_group(g, from + left, n - left);
	}
	else if (n > 0)
	{
		/* ascending, so that the lowest of equal ones is found */
		for (size_t i = 0; i < n; i++)
		{
			g->line[i].at = members[i];
			g->line[i].id = members[i];
		}
		line_sort(g->line, n);
		for (size_t i = 0; i < n; i++)
			members[i] = g->line[i].id;
		p->first[p->groups++] = from;
	}
}

/* Decide which centroids make a group: fill in groups, first and members */
static void
choose_groups(CentroidPanel *p, Training *t, const Rows *centroids,
			  size_t groups)
{
	const ClusterHost *host = t->host;
	float	   *centres = host_alloc(host, groups, p->dims * sizeof(float));
	Grouping	g = {
		.panel = p, .training = t, .centroids = centroids,
		.limit = group_limit(p->k, groups)
	};
	Clusters	clusters;

	clusters_init(&clusters, host, centroids, groups, centres);
	(void) lloyd(t, &clusters, GROUP_ITERATIONS);
	memcpy(p->members, clusters.order, p->k * sizeof(*p->members));
	g.two = host_alloc(host, 2, p->dims * sizeof(float));
	g.line = host_alloc(host, p->k, sizeof(*g.line));
	p->groups = 0;
	for (size_t j = 0; j < groups; j++)
		divide_group(&g, clusters.first[j],
					 clusters.first[j + 1] - clusters.first[j]);
	p->first[p->groups] = p->k;
	assert(p->groups <= group_most(groups));
	host_release(host, g.line);
	host_release(host, g.two);
	clusters_free(&clusters, host);
	host_release(host, centres);
}

/* The centre of group g, and its width */
static void
measure_group(CentroidPanel *p, Work *work, const Rows *members, size_t g,
			  float *centre, double *sum)
{
	double		width = 0;

	memset(sum, 0, p->dims * sizeof(*sum));
	for (size_t i = 0; i < members->n; i++)
		linear_kernels->accumulate(sum, rows_at(members, i), 1, p->dims);
	for (size_t d = 0; d < p->dims; d++)
		centre[d] = (float) (sum[d] / (double) members->n);
	for (size_t i = 0; i < members->n; i++)
	{
		const float *c = rows_at(members, i);

		for (size_t d = 0; d < p->dims; d++)
		{
			double		x = ((double) c[d] - centre[d]) * p->space.scale;

			width += x * x;
		}
		work_done(work, 8 * p->dims);
	}
	width /= (double) members->n;
	p->width[g] = width < FLT_MAX ? (float) width : FLT_MAX;
}

void
make_groups(CentroidPanel *p, const ClusterHost *host, Work *work,
			const Rows *centroids)
{
	size_t		most = group_most(p->groups);
	ClusterHost quiet = *host;
	Space		space = p->space;
	Training	training = {
		.host = &quiet, .work = work, .space = &space, .random = GROUP_SEED
	};
	Rows		centres = {.dims = p->dims};
	size_t		floats = 0;
	float	   *to;
	double	   *sum;
	float	   *at;

	/* centroids are what they are, also among rows of norm 1 */
	space.unit = false;
	quiet.progress = NULL;
	p->members = host_alloc(host, p->k, sizeof(*p->members));
	p->width = host_alloc(host, most, sizeof(*p->width));
	p->lowest = host_alloc(host, p->k, 2 * sizeof(*p->lowest));
	matrix_lowest(centroids->rows, p->k, p->dims, p->dims, p->lowest,
				  p->lowest + p->k);
	choose_groups(p, &training, centroids, p->groups);
	p->probes = probe_count(p->k) < p->groups ? probe_count(p->k) : p->groups;

	for (size_t g = 0; g < p->groups; g++)
		floats = size_plus(floats,
						   matrix_floats(p->first[g + 1] - p->first[g],
										 p->dims));
	p->matrices = host_alloc(host, floats, sizeof(float));
	p->centre_matrix = host_alloc(host, matrix_floats(p->groups, p->dims),
								  sizeof(float));
	to = host_alloc(host, p->groups, p->dims * sizeof(*to));
	sum = host_alloc(host, p->dims, sizeof(*sum));
	at = p->matrices;
	for (size_t g = 0; g < p->groups; g++)
	{
		Rows		members = *centroids;

		members.ids = p->members + p->first[g];
		members.n = p->first[g + 1] - p->first[g];
		measure_group(p, work, &members, g, to + g * p->dims, sum);
		matrix_init(&p->group[g], &space, work, &members, at);
		at += matrix_floats(members.n, p->dims);
	}
	centres.rows = to;
	centres.n = p->groups;
	matrix_init(&p->centres, &space, work, &centres, p->centre_matrix);
	host_release(host, sum);
	host_release(host, to);
}
