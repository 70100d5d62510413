/*
 * sparse.h
 *	  sparsevec: the non-zero elements of a long vector.
 *
 * Stored form, shared with pgvector:
 *
 *		varlena header | int32 dim | int32 nnz | int32 zero
 *		| nnz int32 indices | nnz float32 values
 *
 * Indices count from 0 (the text form counts from 1) and ascend strictly, all
 * below dim.  Values are finite and not 0.  1 <= dim <= SPARSE_MAX_DIM,
 * 0 <= nnz <= SPARSE_MAX_NNZ.
 */
#ifndef VECTOR_TYPES_SPARSE_H
#define VECTOR_TYPES_SPARSE_H

#include "compat/pg.h"

#include "types/detoast.h"
#include "types/limits.h"

#define SPARSE_MAX_DIM 1000000000
#define SPARSE_MAX_NNZ 16000

typedef struct SparseVector
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int32		dim;
	int32		nnz;
	int32		unused;			/* always 0 */
	int32		indices[FLEXIBLE_ARRAY_MEMBER]; /* the values follow */
} SparseVector;

extern const TypeLimits sparse_limits;

static inline float *
sparse_values(const SparseVector *v)
{
	return (float *) (v->indices + v->nnz);
}

/* Argument n, read only and for the length of this call */
#define SPARSE_ARG(n) ((SparseVector *) plain_argument(fcinfo, n))

/*
 * A new vector of the given elements, which must satisfy the invariants, in the
 * current context.  Errors where dim or nnz is out of range.
 */
extern SparseVector *sparse_from_elements(int dim, int nnz,
										  const int32 *indices,
										  const float *values);

/*
 * Building a vector element by element, zeros dropped, indices ascending:
 * begin, add ..., finish.  The space for the elements is static, so only one
 * can be under way; memory is taken for as much of it as was ever filled.
 */
typedef struct SparseBuilder
{
	int			dim;
	int			nnz;
} SparseBuilder;

extern void sparse_build_begin(SparseBuilder *builder, int64 dim);
/* Errors where value is not finite, or there are too many non-zeros. */
extern void sparse_build_add(SparseBuilder *builder, int32 index, float value);
extern SparseVector *sparse_build_finish(SparseBuilder *builder);

/* The static space that the parsers fill as well */
extern int32 sparse_scratch_indices[SPARSE_MAX_NNZ];
extern float sparse_scratch_values[SPARSE_MAX_NNZ];

/* Error unless a and b have as many dimensions. */
extern void sparse_check_same_dims(const SparseVector *a,
								   const SparseVector *b);

#endif							/* VECTOR_TYPES_SPARSE_H */
