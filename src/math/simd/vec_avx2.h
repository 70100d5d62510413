/*
 * vec_avx2.h
 *	  What the kernels of several rooms do with the vector of vec.h by AVX2
 *	  intrinsics, whose header has been included.
 */
#ifndef VECTOR_MATH_SIMD_VEC_AVX2_H
#define VECTOR_MATH_SIMD_VEC_AVX2_H

#define LANES		8

#include "vec.h"

INLINE float
vec_sum(Vec v)
{
	__m128		sum = _mm_add_ps(_mm256_castps256_ps128(v),
								 _mm256_extractf128_ps(v, 1));

	sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
	return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

INLINE Vec
vec_max(Vec a, Vec b)
{
	return _mm256_max_ps(a, b);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	return _mm256_min_ps(a, b);
}

/* All ones in the 32-bit lanes before lane left */
INLINE __m256i
lanes_before(size_t left)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) left),
							  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first left < LANES elements, and zeros */
INLINE Vec
vec_load_part_f32(const float *p, size_t left)
{
	return _mm256_maskload_ps(p, lanes_before(left));
}

#endif							/* VECTOR_MATH_SIMD_VEC_AVX2_H */
