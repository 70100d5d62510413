/*
 * cosine.h
 *	  Distances that are functions of an inner product.
 */
#ifndef VECTOR_TYPES_COSINE_H
#define VECTOR_TYPES_COSINE_H

#include <math.h>

#include "math/distance/distance.h"

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

#endif							/* VECTOR_TYPES_COSINE_H */
