/*
 * sparse_distance.c
 *	  Distances and norms of sparsevec.
 */
#include "types/sparse.h"

#include <math.h>

#include "types/distance_function.h"

static float
sum_of_squares(const SparseVector *v)
{
	return distance_kernels->f32_ip(sparse_values(v), sparse_values(v), v->nnz);
}

static double
sparse_norm(const SparseVector *v)
{
	return sqrt(distance_kernels->f32_norm2(sparse_values(v), v->nnz));
}

/* The distance of a and b: expression(d), where the merge's result is d */
#define SPARSE_DISTANCE(name, merge, expression) \
	static inline double \
	name##_sparse(const SparseVector *a, const SparseVector *b) \
	{ \
		float		d; \
		\
		sparse_check_same_dims(a, b); \
		d = merge(a->indices, sparse_values(a), a->nnz, \
				  b->indices, sparse_values(b), b->nnz); \
		return expression; \
	} \
	DISTANCE_FUNCTION(name, SparseVector, name##_sparse(a, b))

SPARSE_DISTANCE(sparsevec_l2_distance, sparse_l2sq, sqrt((double) d));
SPARSE_DISTANCE(sparsevec_l2_squared_distance, sparse_l2sq, (double) d);
SPARSE_DISTANCE(sparsevec_inner_product, sparse_ip, (double) d);
SPARSE_DISTANCE(sparsevec_negative_inner_product, sparse_ip, -(double) d);
SPARSE_DISTANCE(sparsevec_l1_distance, sparse_l1, (double) d);
SPARSE_DISTANCE(sparsevec_cosine_distance, sparse_ip,
				cosine_from_sums(((CosineSums)
								  {
									  d, sum_of_squares(a), sum_of_squares(b)
								  })));

SQL_FUNCTION(sparsevec_l2_norm)
{
	PG_RETURN_FLOAT8(sparse_norm(SPARSE_ARG(0)));
}

/* v / |v|, or v where |v| = 0 */
SQL_FUNCTION(sparsevec_l2_normalize)
{
	SparseVector *v = SPARSE_ARG(0);
	const float *x = sparse_values(v);
	double		norm = sparse_norm(v);
	SparseBuilder builder;

	/* a quotient may be too small for float32, and then is dropped */
	sparse_build_begin(&builder, v->dim);
	for (int i = 0; i < v->nnz; i++)
		sparse_build_add(&builder, v->indices[i], (float) (x[i] / norm));
	PG_RETURN_POINTER(sparse_build_finish(&builder));
}
