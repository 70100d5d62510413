/*
 * vec_avx512.h
 *	  The vector of float32 that every room's AVX-512 kernels compute with.
 *
 * Included by a kernel file that has said TARGET (the attribute that lets a
 * function use the instruction set) and INLINE (static inline, always, with
 * TARGET), and included the compiler's header of intrinsics.  Loads and stores
 * go to any address.
 */
#ifndef VECTOR_MATH_SIMD_VEC_AVX512_H
#define VECTOR_MATH_SIMD_VEC_AVX512_H

#define LANES		16

typedef __m512 Vec;

INLINE Vec
vec_zero(void)
{
	return _mm512_setzero_ps();
}

INLINE Vec
vec_add(Vec a, Vec b)
{
	return _mm512_add_ps(a, b);
}

INLINE Vec
vec_sub(Vec a, Vec b)
{
	return _mm512_sub_ps(a, b);
}

INLINE Vec
vec_abs(Vec a)
{
	return _mm512_abs_ps(a);
}

INLINE Vec
vec_load_f32(const float *p)
{
	return _mm512_loadu_ps(p);
}

INLINE void
vec_store_f32(float *p, Vec v)
{
	_mm512_storeu_ps(p, v);
}

INLINE Vec
vec_set(float x)
{
	return _mm512_set1_ps(x);
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

INLINE float
vec_sum(Vec v)
{
	return _mm512_reduce_add_ps(v);
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
