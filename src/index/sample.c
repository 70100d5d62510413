/*
 * sample.c
 *	  Some blocks of a table; some values of it, and what they say about all.
 */
#include "index/sample.h"

#include <float.h>
#include <math.h>

#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "math/distance/distance.h"
#include "math/heap/heap.h"
#include "math/random.h"
#include "types/sparse.h"

/* Values kept, and the floats of all of them together */
#define SAMPLE_MAX_VALUES	4096
#define SAMPLE_MAX_FLOATS	(4 * 1024 * 1024)

/* ------------------------------------------------------------------------
 * What math/cluster asks of us
 */

static void *
index_alloc(void *arg, size_t count, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(count, size));
}

static void
index_release(void *arg, void *memory)
{
	pfree(memory);
}

static void
index_tick(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

static void
index_report(void *arg, HostAudience audience, const char *message,
			 const char *hint)
{
	ereport(audience == HOST_NOTE ? LOG : DEBUG1,
			(errmsg_internal("%s", message),
			 hint != NULL ? errhint("%s", hint) : 0));
}

const ClusterHost index_host = {
	.alloc = index_alloc,
	.release = index_release,
	.tick = index_tick,
	.report = index_report
};

/* ------------------------------------------------------------------------
 * Blocks
 */

static uint64
greatest_common_divisor(uint64 a, uint64 b)
{
	while (b != 0)
	{
		uint64		rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

BlockNumber
scattered_stride(BlockNumber blocks)
{
	BlockNumber stride = Max(1, (BlockNumber) (blocks * 0.6180339887));

	while (greatest_common_divisor(stride, blocks) != 1 && stride > 1)
		stride--;
	return stride;
}

void
block_sample_begin(BlockSample *sample, Relation heap, Relation index,
				   IndexInfo *info,
				   void (*add) (const struct varlena *value, void *arg),
				   void *arg)
{
	memset(sample, 0, sizeof(BlockSample));
	sample->heap = heap;
	sample->index = index;
	sample->info = info;
	sample->add = add;
	sample->arg = arg;
	sample->blocks = RelationGetNumberOfBlocks(heap);
	sample->context = AllocSetContextCreate(CurrentMemoryContext,
											"index sample",
											ALLOCSET_DEFAULT_SIZES);
	sample->stride = scattered_stride(sample->blocks);
}

static void
sample_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		   bool alive, void *state)
{
	BlockSample *sample = (BlockSample *) state;
	MemoryContext caller;

	sample->rows++;
	if (isnull[0])
		return;
	caller = MemoryContextSwitchTo(sample->context);
	sample->add((const struct varlena *) PG_DETOAST_DATUM(values[0]), sample->arg);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(sample->context);
}

static void
read_blocks(BlockSample *sample, BlockNumber first, BlockNumber count)
{
	CHECK_FOR_INTERRUPTS();
	table_index_build_range_scan(sample->heap, sample->index, sample->info,
								 false, false, false, first, count, sample_row,
								 sample, NULL);
	sample->read += count;
}

void
block_sample_ranges(BlockSample *sample, int ranges, int count)
{
	if (sample->blocks < (BlockNumber) ranges * count)
	{
		if (sample->blocks > 0)
			read_blocks(sample, 0, sample->blocks);
		return;
	}
	for (int i = 0; i < ranges; i++)
		read_blocks(sample, (BlockNumber) ((uint64) sample->blocks * i / ranges),
					count);
}

bool
block_sample_next(BlockSample *sample)
{
	if (sample->read >= sample->blocks)
		return false;
	read_blocks(sample, (uint64) sample->read * sample->stride % sample->blocks, 1);
	return true;
}

double
block_sample_rows(const BlockSample *sample)
{
	return sample->read > 0 ? sample->rows * sample->blocks / sample->read : 0;
}

void
block_sample_end(BlockSample *sample)
{
	MemoryContextDelete(sample->context);
}

/* ------------------------------------------------------------------------
 * Values
 */

/*
 * Values that are looked at, and compared with so many others.  A value of which
 * the nearest others, all less than RESOLVE_NEAR of them, are nearer than a part
 * of a code's error is not resolved; one in UNRESOLVED_PART may be.
 */
#define RESOLVE_QUERIES		64
#define RESOLVE_OTHERS		1024
#define RESOLVE_NEAR		10
#define RESOLVE_PART		0.25
#define UNRESOLVED_PART		50

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

void
sample_add(ValueSample *sample, const struct varlena *value)
{
	int			dims = sample->column.dims;
	uint64		place = sample->count;
	double		norm;

	if (column_value_dims(&sample->column, value) != dims)
		return;
	if (sample->column.type->kind == COLUMN_SPARSEVEC)
	{
		const SparseVector *sparse = (const SparseVector *) value;

		memset(sample->one, 0, dims * sizeof(float));
		for (int i = 0; i < sparse->nnz; i++)
			sample->one[sparse->indices[i]] = sparse_values(sparse)[i];
	}
	else if (!column_floats(&sample->column, value, sample->one, &norm))
		return;
	sample->seen++;
	if (sample->count < sample->room)
		sample->count++;
	else
		place = splitmix64_next(&sample->random) % sample->seen;
	if (place < (uint64) sample->room)
		memcpy(sample->floats + place * dims, sample->one, dims * sizeof(float));
}

ASCENDING(compare_doubles, double, double, *e)

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

float
sample_radius(const ValueSample *sample, const float *point)
{
	int			count = sample->count;
	int			dims = sample->column.dims;
	double	   *squares = (double *) palloc0(mul_size(count, sizeof(double)));
	float		result;

	for (int i = 0; i < count; i++)
	{
		const float *row = sample->floats + (Size) i * dims;

		for (int k = 0; k < dims; k++)
		{
			double		difference = (double) row[k] - point[k];

			squares[i] += difference * difference;
		}
	}
	qsort(squares, count, sizeof(double), compare_doubles);
	result = (float) Min(squares[count - 1 - count / 10], FLT_MAX);
	pfree(squares);
	return result;
}

/*
 * Where in the sample the value of a number is: a step that has no common factor
 * with most counts, so that values that repeat at regular distances are all met
 */
static inline Size
some_place(int number, int count)
{
	return (uint64) number * UINT64CONST(2654435761) % count;
}

bool
sample_resolved(const ValueSample *sample, const float *centre, int bits)
{
	/* tangent of the angle between a value and its code (math/quantize) */
	static const double error[] = {[1] = 0.75, [2] = 0.37,[4] = 0.107,[8] = 0.0077};
	int			dims = sample->column.dims;
	int			queries = Min(sample->count, RESOLVE_QUERIES);
	int			others = Min(sample->count, RESOLVE_OTHERS);
	int			unresolved = 0;

	if (sample->column.traits->product)
		return true;
	for (int q = 0; q < queries; q++)
	{
		const float *query = sample->floats +
			some_place(q, sample->count) * dims;
		double		noise = 2 * error[bits] *
			distance_kernels->f32_l2sq(query, centre, dims) / sqrt(dims);
		int			near = 0;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < others && near < RESOLVE_NEAR; i++)
		{
			const float *other = sample->floats +
				some_place(queries + i, sample->count) * dims;
			double		square = distance_kernels->f32_l2sq(query, other, dims);

			/* equal values have one code, and one element */
			near += square > 0 && square < RESOLVE_PART * noise;
		}
		unresolved += near == RESOLVE_NEAR;
	}
	return unresolved * UNRESOLVED_PART <= queries;
}
