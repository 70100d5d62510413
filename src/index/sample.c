/*
 * sample.c
 *	  Some values of a table, and what they say about all of them.
 */
#include "index/sample.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "math/distance/distance.h"

/* Values kept, and the floats of all of them together */
#define SAMPLE_MAX_VALUES	4096
#define SAMPLE_MAX_FLOATS	(4 * 1024 * 1024)

/* ------------------------------------------------------------------------
 * What math/cluster asks of us
 */

static void *
host_alloc(void *arg, size_t count, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(count, size));
}

static void
host_release(void *arg, void *memory)
{
	pfree(memory);
}

static void
host_tick(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

const ClusterHost index_host = {
	.alloc = host_alloc,
	.release = host_release,
	.tick = host_tick
};

/* ------------------------------------------------------------------------
 * The sample
 */

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
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

float *
sample_centre(const ValueSample *sample)
{
	float	   *centre = (float *)
		palloc(mul_size(sample->column.dims, sizeof(float)));

	(void) cluster_centre(&index_host, sample->floats, sample->count,
						  sample->column.dims, sample->column.dims, centre);
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
