/*
 * neon.c
 *	  The quantizer kernels for NEON, part of every 64-bit ARM processor.
 *
 * The loops are in loops.h; here is what a vector is.  The dot product
 * instructions of ARMv8.2 are not used, since not every processor has them.
 */
#include "tables.h"

#ifdef SIMD_ARM

#include <arm_neon.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))

#define VEC_REGISTER "+w"

#include "math/simd/vec_neon.h"

typedef int16x8_t Narrow;

/* Two vectors, so that the sums of dot_bytes have 8 lanes each */
typedef struct Sums
{
	int32x4_t	low;
	int32x4_t	high;
} Sums;

INLINE Vec
vec_max(Vec a, Vec b)
{
	return vmaxq_f32(a, b);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	return vminq_f32(a, b);
}

INLINE Vec
vec_trunc(Vec a)
{
	return vrndq_f32(a);
}

INLINE Vec
negate_lanes(Vec v, uint32x4_t signs)
{
	return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(v), signs));
}

INLINE Vec
vec_flip(Vec v, const uint8_t *signs, size_t i)
{
	static const int32_t to_top[4] = {31, 30, 29, 28};
	uint32x4_t	bits = vdupq_n_u32((uint32_t) signs[i / 8] >> (i % 8));
	uint32x4_t	top = vshlq_u32(bits, vld1q_s32(to_top));

	return negate_lanes(v, vandq_u32(top, vdupq_n_u32(0x80000000u)));
}

INLINE Vec
vec_hadamard(Vec v)
{
	static const uint32_t odd[4] = {0, 0x80000000u, 0, 0x80000000u};
	static const uint32_t upper[4] = {0, 0, 0x80000000u, 0x80000000u};

	v = vaddq_f32(vrev64q_f32(v), negate_lanes(v, vld1q_u32(odd)));
	return vaddq_f32(vextq_f32(v, v, 2), negate_lanes(v, vld1q_u32(upper)));
}

INLINE void
ints_store_bytes(uint8_t *out, Ints x)
{
	uint16x4_t	words = vmovn_u32(vreinterpretq_u32_s32(x));
	uint8x8_t	bytes = vmovn_u16(vcombine_u16(words, words));
	uint32_t	four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);

	__builtin_memcpy(out, &four, sizeof(four));
}

INLINE void
vec_load_columns(Vec *v, const float *p, size_t stride)
{
	float32x4_t a = vld1q_f32(p);
	float32x4_t b = vld1q_f32(p + stride);
	float32x4_t c = vld1q_f32(p + 2 * stride);
	float32x4_t d = vld1q_f32(p + 3 * stride);
	float32x4_t ac_low = vzip1q_f32(a, c);
	float32x4_t ac_high = vzip2q_f32(a, c);
	float32x4_t bd_low = vzip1q_f32(b, d);
	float32x4_t bd_high = vzip2q_f32(b, d);

	v[0] = vzip1q_f32(ac_low, bd_low);
	v[1] = vzip2q_f32(ac_low, bd_low);
	v[2] = vzip1q_f32(ac_high, bd_high);
	v[3] = vzip2q_f32(ac_high, bd_high);
}

/* left is 16: all of them */
INLINE Bytes
bytes_load_part(const void *p, size_t left)
{
	(void) left;
	return bytes_load(p);
}

INLINE Bytes
bits_spread(const uint8_t *p, size_t i)
{
	static const uint8_t mask[16] = {1, 2, 4, 8, 16, 32, 64, 128,
		1, 2, 4, 8, 16, 32, 64, 128};
	uint8x16_t	x = vcombine_u8(vdup_n_u8(p[i / 8]), vdup_n_u8(p[i / 8 + 1]));

	return vandq_u8(vtstq_u8(x, vld1q_u8(mask)), vdupq_n_u8(1));
}

INLINE Bytes
bytes_lookup(Bytes table, Bytes index)
{
	return vqtbl1q_u8(table, index);
}

INLINE Sums
sums_add(Sums a, Sums b)
{
	a.low = vaddq_s32(a.low, b.low);
	a.high = vaddq_s32(a.high, b.high);
	return a;
}

INLINE int64_t
sums_total(Sums sums)
{
	return vaddlvq_s32(sums.low) + vaddlvq_s32(sums.high);
}

INLINE Narrow
narrow_begin(Sums sums)
{
	(void) sums;
	return vdupq_n_s16(0);
}

/* At most 2 * 15 * 127 is added to an int16 */
INLINE Narrow
narrow_dot(Narrow s, Bytes codes, Bytes query)
{
	int8x16_t	c = vreinterpretq_s8_u8(codes);
	int8x16_t	q = vreinterpretq_s8_u8(query);

	s = vmlal_s8(s, vget_low_s8(c), vget_low_s8(q));
	return vmlal_high_s8(s, c, q);
}

INLINE Sums
narrow_end(Sums sums, Narrow s)
{
	sums.low = vpadalq_s16(sums.low, s);
	return sums;
}

INLINE Sums
wide_dot(Sums sums, const uint8_t *codes, const int16_t *query)
{
	int16x8_t	x = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(codes)));
	int16x8_t	q = vld1q_s16(query);

	sums.low = vmlal_s16(sums.low, vget_low_s16(x), vget_low_s16(q));
	sums.high = vmlal_high_s16(sums.high, x, q);
	return sums;
}

/* Never called: what it is for is two whole wide_dots */
INLINE Sums
wide_dot_part(Sums sums, const uint8_t *codes, const int16_t *query)
{
	return wide_dot(sums, codes, query);
}

INLINE void
words_store(uint16_t *out, Words both, Words odd)
{
	uint16x8_t	even = vsubq_u16(both, vshlq_n_u16(odd, 8));

	vst1q_u16(out, vzip1q_u16(even, odd));
	vst1q_u16(out + 8, vzip2q_u16(even, odd));
}

#include "loops.h"

const QuantizeKernels quantize_neon = QUANTIZE_TABLE("neon");

#endif							/* SIMD_ARM */
