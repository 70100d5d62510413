/*
 * neon.c
 *	  The k-means kernels for 64-bit ARM.
 *
 * The loops are in loops.h; here is what a vector is.  24 of the 32 registers
 * hold sums of 6 rows and 16 centroids.
 */
#include "tables.h"

#ifdef SIMD_ARM

#include <arm_neon.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))

#define TILE_ROWS	6
#define BLOCK_VECS	4
#define CACHE_BYTES ((size_t) 192 * 1024)
#define SOME_ROWS(X) X(1) X(3)

#include "math/simd/vec_neon.h"

typedef uint32x4_t Ints;
typedef uint32x4_t Mask;

INLINE Vec
vec_mul(Vec a, Vec b)
{
	return vmulq_f32(a, b);
}

/* The instructions that prefer a number to a NaN */
INLINE Vec
vec_max(Vec a, Vec b)
{
	return vmaxnmq_f32(a, b);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	return vminnmq_f32(a, b);
}

INLINE Vec
vec_fma(Vec a, Vec b, Vec c)
{
	return vfmaq_f32(c, a, b);
}

INLINE void
vec_store_part_f32(float *p, Vec v, size_t left)
{
	float		lanes[LANES];

	vst1q_f32(lanes, v);
	__builtin_memcpy(p, lanes, left * sizeof(float));
}

INLINE Ints
ints_set(uint32_t x)
{
	return vdupq_n_u32(x);
}

INLINE Ints
ints_lanes(void)
{
	static const uint32_t lanes[LANES] = {0, 1, 2, 3};

	return vld1q_u32(lanes);
}

INLINE Ints
ints_add(Ints a, Ints b)
{
	return vaddq_u32(a, b);
}

INLINE Mask
vec_greater(Vec a, Vec b)
{
	return vcgtq_f32(a, b);
}

INLINE Vec
vec_choose(Mask mask, Vec a, Vec b)
{
	return vbslq_f32(mask, a, b);
}

INLINE Ints
ints_choose(Mask mask, Ints a, Ints b)
{
	return vbslq_u32(mask, a, b);
}

INLINE float
vec_best(Vec v, Ints numbers, uint32_t *number)
{
	float		best = vmaxvq_f32(v);
	Mask		equal = vceqq_f32(v, vdupq_n_f32(best));

	*number = vminvq_u32(vbslq_u32(equal, numbers, vdupq_n_u32(UINT32_MAX)));
	return best;
}

INLINE void
wide_accumulate(double *sum, Vec v, double scale)
{
	float64x2_t s = vdupq_n_f64(scale);

	vst1q_f64(sum, vfmaq_f64(vld1q_f64(sum), vcvt_f64_f32(vget_low_f32(v)), s));
	vst1q_f64(sum + 2, vfmaq_f64(vld1q_f64(sum + 2), vcvt_high_f64_f32(v), s));
}

#include "loops.h"

const ClusterKernels cluster_neon = CLUSTER_TABLE("neon");

#endif							/* SIMD_ARM */
