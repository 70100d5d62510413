/*
 * vec_avx512.h
 *	  What the kernels of several rooms do with the vector of vec.h by AVX-512
 *	  intrinsics, whose header has been included.
 */
#ifndef VECTOR_MATH_SIMD_VEC_AVX512_H
#define VECTOR_MATH_SIMD_VEC_AVX512_H

#define LANES		16

#include "vec.h"

INLINE float
vec_sum(Vec v)
{
	return _mm512_reduce_add_ps(v);
}

INLINE Vec
vec_max(Vec a, Vec b)
{
	return _mm512_max_ps(a, b);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	return _mm512_min_ps(a, b);
}

/* The bits of the lanes before lane left */
INLINE __mmask16
lanes_before(size_t left)
{
	return (__mmask16) ((1u << left) - 1);
}

/* The first left < LANES elements, and zeros */
INLINE Vec
vec_load_part_f32(const float *p, size_t left)
{
	return _mm512_maskz_loadu_ps(lanes_before(left), p);
}

#endif							/* VECTOR_MATH_SIMD_VEC_AVX512_H */
