/*
 * sample.c
 *	  Some values of a table, and what they say about all of them.
 */
#include "index/sample.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "math/distance/distance.h"

/* Values kept, and the floats of all of them together */
#define SAMPLE_MAX_VALUES	4096
#define SAMPLE_MAX_FLOATS	(4 * 1024 * 1024)

/* Rows that the first guess at the centre comes from */
#define MEDIAN_ROWS			255

/*
 * A row that is farther from the first guess than so many times what half of
 * the rows are is no part of the mean.
 */
#define FAR					4

ValueSample *
sample_create(IndexColumn column)
{
	ValueSample *sample = (ValueSample *) palloc0(sizeof(ValueSample));

	sample->column = column;
	sample->room = Min(SAMPLE_MAX_VALUES, SAMPLE_MAX_FLOATS / column.dims);
	sample->floats = (float *)
		palloc(mul_size(sample->room, column.dims * sizeof(float)));
	sample->one = (float *) palloc(mul_size(column.dims, sizeof(float)));
	return sample;
}

/* SplitMix64 */
static uint64
next_random(ValueSample *sample)
{
	uint64		z = sample->random += UINT64CONST(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
sample_add(ValueSample *sample, const struct varlena *value)
{
	int			dims = sample->column.dims;
	uint64		place = sample->count;
	double		norm;

	if (column_value_dims(&sample->column, value) != dims ||
		!column_floats(&sample->column, value, sample->one, &norm))
		return;
	sample->seen++;
	if (sample->count < sample->room)
		sample->count++;
	else
		place = next_random(sample) % sample->seen;
	if (place < (uint64) sample->room)
		memcpy(sample->floats + place * dims, sample->one, dims * sizeof(float));
}

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * The median of each dimension is a first guess that half of the rows cannot
 * move; then the mean of all that are not far from it.
 */
void
robust_centre(const float *rows, Size count, int dims, int stride,
			  float *centre)
{
	double	   *distances = (double *) palloc(mul_size(count, sizeof(double)));
	double	   *sorted = (double *) palloc(mul_size(count, sizeof(double)));
	double	   *sum = (double *) palloc0(mul_size(dims, sizeof(double)));
	float		column[MEDIAN_ROWS];
	int			some = Min(count, MEDIAN_ROWS);
	Size		near = 0;
	double		limit;

	for (int k = 0; k < dims; k++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < some; i++)
			column[i] = rows[i * count / some * stride + k];
		qsort(column, some, sizeof(float), compare_floats);
		centre[k] = column[some / 2];
	}
	for (Size i = 0; i < count; i++)
	{
		const float *row = rows + i * stride;
		double		distance = 0;

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < dims; k++)
		{
			double		difference = (double) row[k] - centre[k];

			distance += difference * difference;
		}
		distances[i] = sorted[i] = sqrt(distance);
	}
	qsort(sorted, count, sizeof(double), compare_doubles);
	limit = FAR * sorted[count / 2];
	for (Size i = 0; i < count; i++)
	{
		const float *row = rows + i * stride;

		CHECK_FOR_INTERRUPTS();
		if (distances[i] > limit)
			continue;
		near++;
		for (int k = 0; k < dims; k++)
			sum[k] += row[k];
	}
	for (int k = 0; k < dims && near > 0; k++)
		centre[k] = (float) (sum[k] / near);
	pfree(distances);
	pfree(sorted);
	pfree(sum);
}

float *
sample_centre(const ValueSample *sample)
{
	float	   *centre = (float *)
		palloc(mul_size(sample->column.dims, sizeof(float)));

	robust_centre(sample->floats, sample->count, sample->column.dims,
				  sample->column.dims, centre);
	return centre;
}

void
sample_norms(const ValueSample *sample, double *low, double *median,
			 double *high, double *longest)
{
	int			count = sample->count;
	int			dims = sample->column.dims;
	double	   *norms = (double *) palloc(mul_size(count, sizeof(double)));

	for (int i = 0; i < count; i++)
		norms[i] = sqrt(distance_kernels->f32_norm2(sample->floats +
													(Size) i * dims, dims));
	qsort(norms, count, sizeof(double), compare_doubles);
	*low = norms[count / 10];
	*median = norms[count / 2];
	*high = norms[count - 1 - count / 10];
	*longest = norms[count - 1];
	pfree(norms);
}
