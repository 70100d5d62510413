/*
 * outputs.c
 *	  All distances and all products of rows and centroids: n * k of them.
 */
#include "panel.h"

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
