/*
 * panel.c
 *	  The nearest of many centroids, looked for at one level or two.
 *
 * At two levels a row looks at the members of the groups whose centres are
 * nearest to it.  Rows are sorted by group, so that a group's matrix meets many
 * of them at a time, and the products run on full tiles.
 */
#include "panel.h"
#include "lloyd.h"
#include "math/heap/heap.h"
#include "math/linear/linear.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Rows that are sorted by group at a time */
#define BATCH_ROWS		((size_t) 4096)

/* Iterations in grouping centroids, and in dividing a group */
#define GROUP_ITERATIONS 8
#define HALVE_ITERATIONS 4

#define GROUP_SEED		1

/* Groups that a row looks at in any case */
#define PROBES_FIRST	2

/* How much nearer than its centre a group's members are expected; see wants */
#define REACH			0.8f
#define REACH_FEW_DIMS	1.2f
#define FEW_DIMS		32

/* A centroid, and where it stands along a line */
typedef struct Projected
{
	double		at;
	uint32_t	id;
} Projected;

/*
 * Shape.
 */

/* Groups to begin with; 1 where a second level is not worth it */
static size_t
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
 * Groups there may be when the large ones have been divided: the parts are
 * above half the limit, which is twice the mean.
 */
static size_t
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

/* See panel.h */
size_t
panel_create_bytes(size_t k, size_t dims, bool two_level)
{
	size_t		groups = group_count(k, dims, two_level);
	size_t		most = group_most(groups);
	size_t		floats = matrix_floats(k, dims);
	size_t		bytes = size_plus(sizeof(CentroidPanel), work_bytes(dims));

	if (groups > 1)
	{
		floats = size_plus(floats, matrix_floats(most, dims));
		floats = size_plus(floats, size_times(most, size_plus(dims, 1)));
		/* members, twice; the lowest, twice; a line */
		bytes = size_plus(bytes, size_times(k, 4 * sizeof(uint32_t) +
											sizeof(Projected)));
		bytes = size_plus(bytes, size_times(dims, 2 * sizeof(float) +
											sizeof(double)));
		/* of all, and of the one being divided */
		bytes = size_plus(bytes, size_times(clusters_bytes(k, groups), 2));
		bytes = size_plus(bytes, lloyd_bytes(k, dims, groups));
	}
	bytes = size_plus(bytes, size_times(floats, sizeof(float)));
	return size_plus(bytes, size_times(size_plus(most, 1),
									   sizeof(Matrix) + sizeof(size_t)));
}

/* See cluster.h */
size_t
centroid_panel_bytes(size_t k, size_t dims, bool two_level)
{
	size_t		bytes = size_plus(panel_create_bytes(k, dims, two_level),
								  size_times(dims, sizeof(float) +
											 sizeof(double)));

	return bytes == SIZE_MAX ? 0 : bytes;
}

/*
 * Groups.
 */

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

static void
sort_line(Projected *line, size_t n)
{
	line_build(line, n);
	line_sort(line, n);
}

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
	sort_line(g->line, n);
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
		sort_line(g->line, n);
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

/* Two levels: group the centroids and lay out the groups */
static void
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

	p->matrices = host_alloc(host, matrix_floats(p->k, p->dims),
							 sizeof(float));
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

/* See panel.h */
CentroidPanel *
panel_create(const ClusterHost *host, const Space *space,
			 const float *centroids, size_t k, size_t dims, bool two_level)
{
	CentroidPanel *p = host_alloc(host, 1, sizeof(*p));
	Rows		rows = {.rows = centroids, .n = k, .dims = dims};
	Work		work;

	assert(k > 0 && dims > 0);
	memset(p, 0, sizeof(*p));
	p->space = *space;
	p->k = k;
	p->dims = dims;
	p->groups = group_count(k, dims, two_level);
	p->group = host_alloc(host, group_most(p->groups), sizeof(*p->group));
	p->first = host_alloc(host, group_most(p->groups) + 1, sizeof(*p->first));
	work_init(&work, host, k, dims);
	if (p->groups > 1)
		make_groups(p, host, &work, &rows);
	else
	{
		p->matrices = host_alloc(host, matrix_floats(k, dims), sizeof(float));
		p->first[0] = 0;
		p->first[1] = k;
		matrix_init(&p->group[0], space, &work, &rows, p->matrices);
	}
	work_free(&work);
	return p;
}

/* See panel.h */
void
panel_destroy(const ClusterHost *host, CentroidPanel *p)
{
	if (p->members != NULL)
	{
		host_release(host, p->centre_matrix);
		host_release(host, p->width);
		host_release(host, p->lowest);
		host_release(host, p->members);
	}
	host_release(host, p->matrices);
	host_release(host, p->first);
	host_release(host, p->group);
	host_release(host, p);
}

/* See cluster.h */
CentroidPanel *
centroid_panel_create(const ClusterHost *host, const float *centroids,
					  size_t k, size_t dims, bool two_level)
{
	float	   *shift = host_alloc(host, dims, sizeof(*shift));
	Space		space = {.shift = shift};
	double		largest = cluster_centre(host, centroids, k, dims, dims, shift);
	CentroidPanel *p;

	space.scale = space_scale(largest);
	for (size_t i = 0; i < dims; i++)
		shift[i] *= space.scale;
	p = panel_create(host, &space, centroids, k, dims, two_level);
	return p;
}

/* See cluster.h */
void
centroid_panel_free(const ClusterHost *host, CentroidPanel *panel)
{
	float	   *shift = (float *) panel->space.shift;

	panel_destroy(host, panel);
	host_release(host, shift);
}

/*
 * Two levels.
 */

/* What looking at two levels needs, for BATCH_ROWS rows */
typedef struct Batch
{
	size_t		probes;
	Rows		rows;			/* of the batch */
	size_t	   *first;			/* of each group, in queue */
	uint32_t   *queue;			/* rows, by the groups they look at */
	uint32_t   *ids;			/* the same as Rows want them */
	uint32_t   *probe;			/* probes groups a row, nearest first */
	float	   *score;			/* and their sums */
	float	   *norm;			/* of each row */
	float	   *best;			/* of each row, yet */
	uint32_t   *position;		/* of the best, in members */
	float	   *group_best;		/* of the rows of a queue, in one group */
	uint32_t   *group_number;
} Batch;

/* Words of the arrays above */
#define PROBE_WORDS		4
#define ROW_WORDS		5

/* Insert groups into the rows' lists of nearest ones */
static void
choose_probes(void *arg, const Matrix *m, const Work *work, size_t row,
			  size_t count, size_t column, size_t columns)
{
	Batch	   *b = arg;

	(void) m;
	for (size_t r = 0; r < count; r++)
	{
		const float *sums = work->sums + r * columns;
		float	   *score = b->score + (row + r) * b->probes;
		uint32_t   *probe = b->probe + (row + r) * b->probes;
		float		last = score[b->probes - 1];

		b->norm[row + r] = work->norms[r];
		for (size_t j = 0; j < columns; j++)
		{
			size_t		at = b->probes - 1;

			if (!(sums[j] > last))
				continue;
			for (; at > 0 && sums[j] > score[at - 1]; at--)
			{
				score[at] = score[at - 1];
				probe[at] = probe[at - 1];
			}
			score[at] = sums[j];
			probe[at] = (uint32_t) (column + j);
			last = score[b->probes - 1];
		}
	}
}

/*
 * Does a row look at its probe-th group in this round?  In the first it looks
 * at the nearest ones.  In the second, at those that may have a nearer member:
 * one that lies w (the group's width) from its centre and in the direction of
 * the row is nearer to it by w; how far it can be in that direction in many
 * dimensions is what REACH says.  (1 would be right for members at most w
 * from the centre, by the triangle inequality, and then hardly a group is left
 * out.)
 */
static bool
wants(const CentroidPanel *p, const Batch *b, size_t row, size_t probe,
	  int round)
{
	size_t		at = row * b->probes + probe;
	float		found = b->norm[row] - 2 * b->best[row];
	float		centre = b->norm[row] - 2 * b->score[at];
	float		width = p->width[b->probe[at]];
	float		reach = p->dims < FEW_DIMS ? REACH_FEW_DIMS : REACH;

	if (probe < PROBES_FIRST || round == 0)
		return probe < PROBES_FIRST && round == 0;
	centre = centre > 0 ? centre : 0;
	return centre + width - 2 * reach * sqrtf(centre) * sqrtf(width) < found;
}

/* Sort the batch's rows by the groups that they look at */
static void
fill_queues(const CentroidPanel *p, Batch *b, int round)
{
	memset(b->first, 0, (p->groups + 1) * sizeof(*b->first));
	for (size_t i = 0; i < b->rows.n; i++)
		for (size_t j = 0; j < b->probes; j++)
			if (wants(p, b, i, j, round))
				b->first[b->probe[i * b->probes + j] + 1]++;
	for (size_t g = 0; g < p->groups; g++)
		b->first[g + 1] += b->first[g];
	for (size_t i = 0; i < b->rows.n; i++)
		for (size_t j = 0; j < b->probes; j++)
			if (wants(p, b, i, j, round))
			{
				size_t		at = b->first[b->probe[i * b->probes + j]]++;

				b->queue[at] = (uint32_t) i;
				b->ids[at] = b->rows.ids != NULL ? b->rows.ids[i] :
					(uint32_t) i;
			}

	/* first[g] ran through its queue, and so became the next one's */
	memmove(b->first + 1, b->first, p->groups * sizeof(*b->first));
	b->first[0] = 0;
}

/* Let the rows of a queue look at its group */
static void
look_at_group(const CentroidPanel *p, Work *w, Batch *b, size_t g)
{
	size_t		from = b->first[g];
	size_t		n = b->first[g + 1] - from;
	Rows		rows = b->rows;

	if (n == 0)
		return;
	rows.ids = b->ids + from;
	rows.n = n;
	matrix_nearest(&p->group[g], &p->space, w, &rows, b->group_number,
				   b->group_best);
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	row = b->queue[from + i];
		uint32_t	position = (uint32_t) p->first[g] + b->group_number[i];
		float		best = b->group_best[i];

		if (best > b->best[row] ||
			(best == b->best[row] &&
			 p->members[position] < p->members[b->position[row]]))
		{
			b->best[row] = best;
			b->position[row] = position;
		}
	}
}

/* The group of a position in members */
static size_t
group_of(const CentroidPanel *p, size_t position)
{
	size_t		group;

	LOWER_BOUND(group, p->groups, g, p->first[g + 1] <= position);
	return group;
}

static void
assign_batch(const CentroidPanel *p, Work *w, Batch *b, uint32_t *number,
			 float *distance)
{
	for (size_t i = 0; i < b->rows.n * b->probes; i++)
	{
		b->score[i] = -INFINITY;
		b->probe[i] = 0;
	}
	for (size_t i = 0; i < b->rows.n; i++)
	{
		b->best[i] = -INFINITY;
		b->position[i] = 0;
	}
	matrix_multiply(&p->centres, &p->space, w, &b->rows, SCORES, choose_probes,
					b);
	for (int round = 0; round < 2; round++)
	{
		fill_queues(p, b, round);
		for (size_t g = 0; g < p->groups; g++)
			look_at_group(p, w, b, g);
	}
	for (size_t i = 0; i < b->rows.n; i++)
	{
		size_t		position = b->position[i];

		number[i] = p->lowest[p->members[position]];
		if (distance != NULL)
		{
			size_t		g = group_of(p, position);
			const float *row = rows_at(&b->rows, i);

			distance[i] = (float)
				matrix_distance(&p->group[g], &p->space, row,
								space_row_scale(&p->space, row, p->dims),
								b->norm[i], position - p->first[g],
								b->best[i]);
			work_done(w, p->dims);
		}
	}
}

/* See panel.h */
size_t
panel_assign_bytes(size_t k, size_t dims)
{
	size_t		first = (group_most(group_count(k, dims, true)) + 1) * sizeof(size_t);

	return BATCH_ROWS * (PROBE_WORDS * PROBES_MAX + ROW_WORDS) *
		sizeof(uint32_t) + first;
}

/* See panel.h */
void
panel_assign(const CentroidPanel *p, Work *w, const Rows *rows,
			 uint32_t *number, float *distance)
{
	const ClusterHost *host = w->host;
	size_t		at_once = rows->n < BATCH_ROWS ? rows->n : BATCH_ROWS;
	size_t		probes = at_once * p->probes;
	uint32_t   *memory;
	Batch		b = {.probes = p->probes};

	if (p->groups == 1)
	{
		matrix_assign(&p->group[0], &p->space, w, rows, number, distance);
		return;
	}
	b.first = host_alloc(host, p->groups + 1, sizeof(*b.first));
	memory = host_alloc(host, PROBE_WORDS * probes + ROW_WORDS * at_once,
					  sizeof(*memory));
	b.queue = memory;
	b.ids = b.queue + probes;
	b.probe = b.ids + probes;
	b.score = (float *) (b.probe + probes);
	b.best = b.score + probes;
	b.norm = b.best + at_once;
	b.group_best = b.norm + at_once;
	b.position = (uint32_t *) (b.group_best + at_once);
	b.group_number = b.position + at_once;
	for (size_t from = 0; from < rows->n; from += at_once)
	{
		b.rows = *rows;
		if (rows->ids != NULL)
			b.rows.ids = rows->ids + from;
		else
			b.rows.rows = rows->rows + from * rows->dims;
		b.rows.n = rows->n - from < at_once ? rows->n - from : at_once;
		assign_batch(p, w, &b, number + from,
					 distance == NULL ? NULL : distance + from);
	}
	host_release(host, memory);
	host_release(host, b.first);
}

/* See cluster.h */
void
centroid_panel_nearest(const CentroidPanel *panel, const ClusterHost *host,
					   const float *rows, size_t n, uint32_t *nearest,
					   float *distance)
{
	Rows		all = {.rows = rows, .n = n, .dims = panel->dims};
	Work		work;

	if (n == 0)
		return;
	work_init(&work, host, n, panel->dims);
	panel_assign(panel, &work, &all, nearest, distance);
	work_free(&work);
	if (distance != NULL)
		for (size_t i = 0; i < n; i++)
			distance[i] = matrix_real_distance(&panel->space, distance[i]);
}

/*
 * All of n * k.
 */

typedef struct Output
{
	const CentroidPanel *panel;
	size_t		group;
	const Rows *rows;
	float	   *out;
	const double *shifted;		/* <row, shift> of each row */
} Output;

/* Where the number of a group's centroid stands in a row of the result */
static size_t
output_column(const Output *o, size_t column)
{
	return o->panel->members == NULL ? column :
		o->panel->members[o->panel->first[o->group] + column];
}

static void
put_distances(void *arg, const Matrix *m, const Work *work, size_t row,
			  size_t count, size_t column, size_t columns)
{
	const Output *o = arg;
	const Space *space = &o->panel->space;

	for (size_t r = 0; r < count; r++)
	{
		const float *sums = work->sums + r * columns;
		const float *from = rows_at(o->rows, row + r);
		float	   *out = o->out + (row + r) * o->panel->k;

		for (size_t j = 0; j < columns; j++)
		{
			double		inner = matrix_distance(m, space, from,
												work->scales[r],
												work->norms[r], column + j,
												sums[j]);

			out[output_column(o, column + j)] =
				matrix_real_distance(space, inner);
		}
	}
}

/*
 * <x, c> = (<x t, c'> / t + <x, shift>) / scale, since c' = c scale - shift;
 * t is the row's own scale.
 */
static void
put_products(void *arg, const Matrix *m, const Work *work, size_t row,
			 size_t count, size_t column, size_t columns)
{
	const Output *o = arg;
	double		unscale = 1.0 / o->panel->space.scale;

	(void) m;
	for (size_t r = 0; r < count; r++)
	{
		const float *sums = work->sums + r * columns;
		float	   *out = o->out + (row + r) * o->panel->k;
		double		shifted = o->shifted[row + r];
		double		factor = 1.0 / work->scales[r];

		for (size_t j = 0; j < columns; j++)
			out[output_column(o, column + j)] =
				(float) ((sums[j] * factor + shifted) * unscale);
	}
}

/* See cluster.h */
void
centroid_panel_distances(const CentroidPanel *panel, const ClusterHost *host,
						 const float *rows, size_t n, float *out)
{
	Rows		all = {.rows = rows, .n = n, .dims = panel->dims};
	Output		output = {.panel = panel, .rows = &all, .out = out};
	Work		work;

	if (n == 0)
		return;
	work_init(&work, host, n, panel->dims);
	for (size_t g = 0; g < panel->groups; g++)
	{
		output.group = g;
		matrix_multiply(&panel->group[g], &panel->space, &work, &all, SCORES,
						put_distances, &output);
	}
	work_free(&work);
}

/* See cluster.h */
void
centroid_panel_products(const CentroidPanel *panel, const ClusterHost *host,
						const float *rows, size_t n, float *out)
{
	Rows		all = {.rows = rows, .n = n, .dims = panel->dims};
	double	   *shifted;
	Output		output = {.panel = panel, .rows = &all, .out = out};
	Work		work;

	if (n == 0)
		return;
	work_init(&work, host, n, panel->dims);
	shifted = host_alloc(host, n, sizeof(*shifted));
	for (size_t i = 0; i < n; i++)
	{
		const float *row = rows_at(&all, i);

		shifted[i] = 0;
		for (size_t d = 0; d < panel->dims; d++)
			shifted[i] += (double) row[d] * panel->space.shift[d];
		work_done(&work, 16 * panel->dims);
	}
	output.shifted = shifted;
	for (size_t g = 0; g < panel->groups; g++)
	{
		output.group = g;
		matrix_multiply(&panel->group[g], &panel->space, &work, &all,
						PRODUCTS, put_products, &output);
	}
	host_release(host, shifted);
	work_free(&work);
}
