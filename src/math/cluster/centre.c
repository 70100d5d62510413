/*
 * centre.c
 *	  The middle of rows of which some may be far from all others.
 *
 * The median of each dimension is a first guess that half of the rows cannot
 * move; then the mean of all that are not far from it.
 */
#include "cluster.h"
#include "math/heap/heap.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that the first guess comes from */
#define MEDIAN_ROWS 255

/*
 * A row that is farther from the first guess than so many times what half of
 * the rows are is no part of the mean.
 */
#define FAR 8

/* From a row looked at to the next, modulo their number */
#define STEP 2654435761u

/* Multiplications that take as long as an element here */
#define ELEMENT_WORK 32

ASCENDING(compare_floats, float, float, *e)
ASCENDING(compare_doubles, double, double, *e)

static void
medians(const ClusterHost *host, const float *rows, size_t n, size_t dims,
		size_t stride, float *centre)
{
	float		column[MEDIAN_ROWS];
	size_t		some = n < MEDIAN_ROWS ? n : MEDIAN_ROWS;
	size_t		work = 0;

	for (size_t d = 0; d < dims; d++)
	{
		/* rows may come in turns, which equal steps would fall in with */
		for (size_t i = 0; i < some; i++)
			column[i] = rows[(n > some ? i * STEP % n : i) * stride + d];
		qsort(column, some, sizeof(float), compare_floats);
		centre[d] = column[some / 2];
		host_work(host, &work, ELEMENT_WORK * some * 8);
	}
}

double
cluster_centre(const ClusterHost *host, const float *rows, size_t n,
			   size_t dims, size_t stride, float *centre)
{
	double	   *distances = host_alloc(host, n, sizeof(double));
	double	   *sorted = host_alloc(host, n, sizeof(double));
	double	   *sum = host_alloc(host, dims, sizeof(double));
	double		largest = 0;
	double		limit;
	size_t		near = 0;
	size_t		work = 0;

	assert(n > 0);
	host->tick(host->arg);
	medians(host, rows, n, dims, stride, centre);
	for (size_t i = 0; i < n; i++)
	{
		const float *row = rows + i * stride;
		double		distance = 0;

		for (size_t d = 0; d < dims; d++)
		{
			double		difference = (double) row[d] - centre[d];

			distance += difference * difference;
		}
		distances[i] = sorted[i] = sqrt(distance);
		host_work(host, &work, ELEMENT_WORK * dims);
	}
	qsort(sorted, n, sizeof(double), compare_doubles);
	limit = FAR * sorted[n / 2];

	memset(sum, 0, dims * sizeof(double));
	for (size_t i = 0; i < n; i++)
	{
		const float *row = rows + i * stride;

		if (!(distances[i] <= limit))
			continue;
		near++;
		for (size_t d = 0; d < dims; d++)
			sum[d] += row[d];
		host_work(host, &work, ELEMENT_WORK * dims);
	}
	for (size_t d = 0; d < dims && near > 0; d++)
		centre[d] = (float) (sum[d] / (double) near);

	/* of equal rows, how far the others are is all there is to know */
	for (size_t i = 0; i < n; i++)
	{
		const float *row = rows + i * stride;

		if (limit > 0 && !(distances[i] <= limit))
			continue;
		for (size_t d = 0; d < dims; d++)
		{
			double		x = fabs((double) row[d] - centre[d]);

			largest = x > largest ? x : largest;
		}
		host_work(host, &work, ELEMENT_WORK * dims);
	}
	host_release(host, sum);
	host_release(host, sorted);
	host_release(host, distances);
	return largest;
}
