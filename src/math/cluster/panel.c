/*
 * panel.c
 *	  The nearest of many centroids, looked for at one level or two.
 *
 * At two levels a row looks at the members of the groups whose centres are
 * nearest to it.  Rows are sorted by group, so that a group's matrix meets many
 * of them at a time.
 */
#include "share.h"
#include "math/heap/heap.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Groups that a row looks at in any case */
#define PROBES_FIRST	2

/* How much nearer than its centre a group's members are expected; see wants */
#define REACH			0.8f
#define REACH_FEW_DIMS	1.2f
#define FEW_DIMS		32

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

CentroidPanel *
centroid_panel_create(const ClusterHost *host, const float *centroids,
					  size_t k, size_t dims, bool two_level)
{
	float	   *shift = host_alloc(host, dims, sizeof(*shift));
	Space		space = {.shift = shift};
	double		largest = cluster_centre(host, centroids, k, dims, dims, shift);

	space.scale = space_scale(largest);
	for (size_t i = 0; i < dims; i++)
		shift[i] *= space.scale;
	return panel_create(host, &space, centroids, k, dims, two_level);
}

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
	matrix_assign(&p->group[g], &p->space, w, &rows, b->group_number,
				  b->group_best, NULL);
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

double
panel_assign_bytes(size_t k, size_t dims)
{
	return (double) BATCH_ROWS * (PROBE_WORDS * PROBES_MAX + ROW_WORDS) * sizeof(uint32_t) +
		(group_most(group_count(k, dims, true)) + 1.0) * sizeof(size_t);
}

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
		matrix_assign(&p->group[0], &p->space, w, rows, number, NULL, distance);
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
	shared_panel_assign(host, panel, &work, &all, nearest, distance);
	work_free(&work);
	if (distance != NULL)
		for (size_t i = 0; i < n; i++)
			distance[i] = matrix_real_distance(&panel->space, distance[i]);
}
