/*
 * vec_neon.h
 *	  The vector of float32 that every room's NEON kernels compute with.
 *
 * Included by a kernel file that has said TARGET (the attribute that lets a
 * function use the instruction set) and INLINE (static inline, always, with
 * TARGET), and included the compiler's header of intrinsics.  Loads and stores
 * go to any address.
 */
#ifndef VECTOR_MATH_SIMD_VEC_NEON_H
#define VECTOR_MATH_SIMD_VEC_NEON_H

#define LANES		4

typedef float32x4_t Vec;

INLINE Vec
vec_zero(void)
{
	return vdupq_n_f32(0);
}

INLINE Vec
vec_add(Vec a, Vec b)
{
	return vaddq_f32(a, b);
}

INLINE Vec
vec_sub(Vec a, Vec b)
{
	return vsubq_f32(a, b);
}

INLINE Vec
vec_abs(Vec a)
{
	return vabsq_f32(a);
}

INLINE Vec
vec_load_f32(const float *p)
{
	return vld1q_f32(p);
}

INLINE void
vec_store_f32(float *p, Vec v)
{
	vst1q_f32(p, v);
}

INLINE Vec
vec_set(float x)
{
	return vdupq_n_f32(x);
}

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
