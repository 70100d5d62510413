/*
 * sparse.c
 *	  sparsevec: allocation and checks.
 */
#include "types/sparse.h"

#include <math.h>

const TypeLimits sparse_limits = {
	.name = "sparsevec",
	.max_dims = SPARSE_MAX_DIM,
	.max_nonzero = SPARSE_MAX_NNZ,
	.opening = '{'
};

int32		sparse_scratch_indices[SPARSE_MAX_NNZ];
float		sparse_scratch_values[SPARSE_MAX_NNZ];

SparseVector *
sparse_from_elements(int dim, int nnz, const int32 *indices,
					 const float *values)
{
	SparseVector *result;
	Size		size;

	check_dims(&sparse_limits, dim);
	Assert(nnz >= 0);
	if (nnz > SPARSE_MAX_NNZ)
		value_error(&sparse_limits, PARSE_TOO_MANY_NONZERO);

	/* cannot overflow: nnz is bounded */
	size = offsetof(SparseVector, indices) +
		(Size) nnz * (sizeof(int32) + sizeof(float));
	result = (SparseVector *) palloc(size);
	SET_VARSIZE(result, size);
	result->dim = dim;
	result->nnz = nnz;
	result->unused = 0;
	memcpy(result->indices, indices, sizeof(int32) * nnz);
	memcpy(sparse_values(result), values, sizeof(float) * nnz);
	return result;
}

void
sparse_build_begin(SparseBuilder *builder, int64 dim)
{
	check_dims(&sparse_limits, dim);
	builder->dim = (int) dim;
	builder->nnz = 0;
}

void
sparse_build_add(SparseBuilder *builder, int32 index, float value)
{
	Assert(index >= 0 && index < builder->dim);

	if (value == 0)
		return;
	if (isnan(value))
		value_error(&sparse_limits, PARSE_NAN);
	if (isinf(value))
		value_error(&sparse_limits, PARSE_INFINITE);
	if (builder->nnz == SPARSE_MAX_NNZ)
		value_error(&sparse_limits, PARSE_TOO_MANY_NONZERO);
	sparse_scratch_indices[builder->nnz] = index;
	sparse_scratch_values[builder->nnz++] = value;
}

SparseVector *
sparse_build_finish(SparseBuilder *builder)
{
	return sparse_from_elements(builder->dim, builder->nnz,
								sparse_scratch_indices, sparse_scratch_values);
}

void
sparse_check_same_dims(const SparseVector *a, const SparseVector *b)
{
	if (a->dim != b->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different sparsevec dimensions %d and %d",
						a->dim, b->dim)));
}
