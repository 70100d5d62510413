/*
 * dense_distance.c
 *	  Distances and norms of vector and halfvec.
 *
 * These functions run once a row in an exact search: past the kernel there is
 * nothing but the fmgr call and one comparison of dimensions.
 */
#include "types/dense.h"

#include <math.h>

#include "types/distance_function.h"

/*
 * The distance of a and b, where the kernel's result is d and the distance
 * expression(d)
 */
#define DENSE_DISTANCE(name, type, element, result_type, kernel, expression) \
	static inline double \
	name##_dense(const DenseVector *a, const DenseVector *b) \
	{ \
		result_type d; \
		\
		dense_check_same_dims(&type, a, b); \
		d = distance_kernels->kernel((const element *) a->elements, \
									 (const element *) b->elements, a->dim); \
		return expression; \
	} \
	DISTANCE_FUNCTION(name, DenseVector, name##_dense(a, b))

#define VECTOR_DISTANCE(name, result_type, kernel, expression) \
	DENSE_DISTANCE(name, vector_type, float, result_type, f32_##kernel, expression)
#define HALFVEC_DISTANCE(name, result_type, kernel, expression) \
	DENSE_DISTANCE(name, halfvec_type, half, result_type, f16_##kernel, expression)

VECTOR_DISTANCE(l2_distance, float, l2sq, sqrt((double) d));
HALFVEC_DISTANCE(halfvec_l2_distance, float, l2sq, sqrt((double) d));

VECTOR_DISTANCE(vector_l2_squared_distance, float, l2sq, (double) d);
HALFVEC_DISTANCE(halfvec_l2_squared_distance, float, l2sq, (double) d);

VECTOR_DISTANCE(inner_product, float, ip, (double) d);
HALFVEC_DISTANCE(halfvec_inner_product, float, ip, (double) d);

VECTOR_DISTANCE(vector_negative_inner_product, float, ip, -(double) d);
HALFVEC_DISTANCE(halfvec_negative_inner_product, float, ip, -(double) d);

VECTOR_DISTANCE(cosine_distance, CosineSums, cosine, cosine_from_sums(d));
HALFVEC_DISTANCE(halfvec_cosine_distance, CosineSums, cosine,
				 cosine_from_sums(d));

VECTOR_DISTANCE(vector_spherical_distance, float, ip, spherical_from_ip(d));
HALFVEC_DISTANCE(halfvec_spherical_distance, float, ip, spherical_from_ip(d));

VECTOR_DISTANCE(l1_distance, float, l1, (double) d);
HALFVEC_DISTANCE(halfvec_l1_distance, float, l1, (double) d);

SQL_FUNCTION(vector_norm)
{
	DenseVector *v = DENSE_ARG(0);

	PG_RETURN_FLOAT8(sqrt(distance_kernels->f32_norm2(DENSE_FLOATS(v), v->dim)));
}

SQL_FUNCTION(halfvec_l2_norm)
{
	DenseVector *v = DENSE_ARG(0);

	PG_RETURN_FLOAT8(sqrt(distance_kernels->f16_norm2(DENSE_HALVES(v), v->dim)));
}
