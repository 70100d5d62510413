/*
 * distance_function.h
 *	  The distance functions, callable from C without fmgr.
 *
 * What computes a distance row by row outside the executor (an exact scan, a
 * re-ranking index scan) gets the very value that the SQL operator gives.
 */
#ifndef VECTOR_TYPES_DISTANCE_FUNCTION_H
#define VECTOR_TYPES_DISTANCE_FUNCTION_H

#include "compat/pg.h"

#include <math.h>

#include "math/distance/distance.h"
#include "types/detoast.h"

/*
 * A distance of two values of one type, both detoasted with 4-byte headers.
 * Errors where their dimensions (or lengths) differ.
 */
typedef double (*DistanceValue) (const struct varlena *a,
								 const struct varlena *b);

/*
 * The C function behind an SQL function, or NULL where it is not one of ours.
 * It is recognised by its address, so neither its name nor its schema matters.
 */
extern DistanceValue distance_value_of(Oid function);

/*
 * Define the SQL function name(type, type) and its C form name_value, where
 * expression gives the distance of the values a and b of C type c_type.
 */
#define DISTANCE_FUNCTION(name, c_type, expression) \
	double \
	name##_value(const struct varlena *a_, const struct varlena *b_) \
	{ \
		const c_type *a = (const c_type *) a_; \
		const c_type *b = (const c_type *) b_; \
		\
		return expression; \
	} \
	SQL_FUNCTION(name) \
	{ \
		PG_RETURN_FLOAT8(name##_value(plain_argument(fcinfo, 0), \
									  plain_argument(fcinfo, 1))); \
	} \
	extern int	no_such_variable

/* Every distance function, for what must be said of each */
#define ALL_DISTANCE_FUNCTIONS(DO) \
	DO(l2_distance) \
	DO(vector_l2_squared_distance) \
	DO(inner_product) \
	DO(vector_negative_inner_product) \
	DO(cosine_distance) \
	DO(vector_spherical_distance) \
	DO(l1_distance) \
	DO(halfvec_l2_distance) \
	DO(halfvec_l2_squared_distance) \
	DO(halfvec_inner_product) \
	DO(halfvec_negative_inner_product) \
	DO(halfvec_cosine_distance) \
	DO(halfvec_spherical_distance) \
	DO(halfvec_l1_distance) \
	DO(sparsevec_l2_distance) \
	DO(sparsevec_l2_squared_distance) \
	DO(sparsevec_inner_product) \
	DO(sparsevec_negative_inner_product) \
	DO(sparsevec_cosine_distance) \
	DO(sparsevec_l1_distance) \
	DO(hamming_distance) \
	DO(jaccard_distance)

#define DECLARE_DISTANCE(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	extern double name##_value(const struct varlena *a, const struct varlena *b);
ALL_DISTANCE_FUNCTIONS(DECLARE_DISTANCE)
#undef DECLARE_DISTANCE

/* ------------------------------------------------------------------------
 * Distances that are functions of an inner product
 */

/* x within [-1, 1], where rounding may have left it; NaN stays NaN */
static inline double
clamp_to_one(double x)
{
	return x > 1 ? 1 : x < -1 ? -1 : x;
}

/* 1 - cos(a, b), in [0, 2]; NaN where a norm is 0 or infinite */
static inline double
cosine_from_sums(CosineSums s)
{
	return 1 - clamp_to_one(s.ab / sqrt((double) s.aa * (double) s.bb));
}

/* The angle between unit vectors, in half turns: 0 .. 1 */
static inline double
spherical_from_ip(float ip)
{
	return acos(clamp_to_one(ip)) / M_PI;
}

#endif							/* VECTOR_TYPES_DISTANCE_FUNCTION_H */
