/*
 * vec_avx2.h
 *	  The vector of float32 that every room's AVX2 kernels compute with.
 *
 * Included by a kernel file that has said TARGET (the attribute that lets a
 * function use the instruction set) and INLINE (static inline, always, with
 * TARGET), and included the compiler's header of intrinsics.  Loads and stores
 * go to any address.
 */
#ifndef VECTOR_MATH_SIMD_VEC_AVX2_H
#define VECTOR_MATH_SIMD_VEC_AVX2_H

#define LANES		8

typedef __m256 Vec;

INLINE Vec
vec_zero(void)
{
	return _mm256_setzero_ps();
}

INLINE Vec
vec_add(Vec a, Vec b)
{
	return _mm256_add_ps(a, b);
}

INLINE Vec
vec_sub(Vec a, Vec b)
{
	return _mm256_sub_ps(a, b);
}

INLINE Vec
vec_abs(Vec a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

INLINE Vec
vec_load_f32(const float *p)
{
	return _mm256_loadu_ps(p);
}

INLINE void
vec_store_f32(float *p, Vec v)
{
	_mm256_storeu_ps(p, v);
}

INLINE Vec
vec_set(float x)
{
	return _mm256_set1_ps(x);
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

INLINE float
vec_sum(Vec v)
{
	__m128		sum = _mm_add_ps(_mm256_castps256_ps128(v),
								 _mm256_extractf128_ps(v, 1));

	sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
	return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
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
