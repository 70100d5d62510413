/*
 * neon.c
 *	  The distance kernels for AArch64's Advanced SIMD.
 *
 * The loops are in loops.h; here is what a vector is.  Everything used is in
 * the base architecture (ARMv8.0), the conversions of half precision included;
 * half precision arithmetic (ARMv8.2) is not, and would round each sum to 11
 * bits.  There are no masked loads: a tail is copied, element by element.
 */
#include "tables.h"

#ifdef SIMD_ARM

#include <arm_neon.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline)) TARGET

#define PAIR_CHAINS 8
#define ROW_CHAINS	2

#include "math/simd/vec_neon.h"

INLINE Vec
vec_load_f16(const half *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

INLINE Vec
vec_load_part_f16(const half *p, size_t left)
{
	half		part[LANES] = {0};

	for (size_t i = 0; i < left; i++)
		part[i] = p[i];
	return vec_load_f16(part);
}

INLINE void
vec_store_f16(half *p, Vec v)
{
	vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

INLINE Wide
wide_add_square(Wide sum, Vec v)
{
	float64x2_t low = vcvt_f64_f32(vget_low_f32(v));
	float64x2_t high = vcvt_high_f64_f32(v);

	sum.low = vfmaq_f64(sum.low, low, low);
	sum.high = vfmaq_f64(sum.high, high, high);
	return sum;
}

INLINE Bytes
bits_load_part(const uint8_t *p, size_t left)
{
	uint8_t		part[sizeof(Bytes)] = {0};

	for (size_t i = 0; i < left; i++)
		part[i] = p[i];
	return vld1q_u8(part);
}

INLINE Counts
counts_add_bits(Counts sum, Bytes x)
{
	return vpadalq_u32(sum, vpaddlq_u16(vpaddlq_u8(vcntq_u8(x))));
}

INLINE uint64_t
counts_total(Counts sum)
{
	return vaddvq_u64(sum);
}

#include "loops.h"

const DistanceKernels distance_neon = DISTANCE_TABLE("neon");

#endif							/* SIMD_ARM */
