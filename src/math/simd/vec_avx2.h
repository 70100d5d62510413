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

#endif							/* VECTOR_MATH_SIMD_VEC_AVX2_H */
