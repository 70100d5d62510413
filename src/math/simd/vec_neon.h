/*
 * vec_neon.h
 *	  What the kernels of several rooms do with the vector of vec.h by NEON
 *	  intrinsics, whose header has been included.
 */
#ifndef VECTOR_MATH_SIMD_VEC_NEON_H
#define VECTOR_MATH_SIMD_VEC_NEON_H

#define LANES		4

#include "vec.h"

INLINE float
vec_sum(Vec v)
{
	return vaddvq_f32(v);
}

/* The first left < LANES elements, and zeros */
INLINE Vec
vec_load_part_f32(const float *p, size_t left)
{
	float		part[LANES] = {0};

	for (size_t i = 0; i < left; i++)
		part[i] = p[i];
	return vld1q_f32(part);
}

#endif							/* VECTOR_MATH_SIMD_VEC_NEON_H */
