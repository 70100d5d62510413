/*
 * avx512.c
 *	  The distance kernels for AVX-512 with F, BW, DQ, VL and VPOPCNTDQ.
 *
 * The loops are in loops.h; here is what a vector is.  Tails are read under a
 * mask: elements outside it are not touched and cannot fault.
 *
 * Not used, on purpose: AVX512-FP16 arithmetic and AVX512-BF16 dot products
 * round every product or sum to 11 or 8 bits of mantissa, where the contract
 * is float32 sums; VNNI multiplies integers, which no type here holds.
 * Widening with VCVTPH2PS costs one instruction a vector and is exact.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,fma,f16c,bmi2,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define PAIR_CHAINS 4
#define ROW_CHAINS	2

#include "math/simd/vec_avx512.h"

INLINE Vec
vec_load_f16(const half *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
}

INLINE Vec
vec_load_part_f16(const half *p, size_t left)
{
	return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes_before(left), p));
}

INLINE void
vec_store_f16(half *p, Vec v)
{
	_mm256_storeu_si256((__m256i *) p,
						_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE Wide
wide_add_square(Wide sum, Vec v)
{
	__m512d		low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
	__m512d		high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));

	sum.low = _mm512_fmadd_pd(low, low, sum.low);
	sum.high = _mm512_fmadd_pd(high, high, sum.high);
	return sum;
}

INLINE Bytes
bits_load_part(const uint8_t *p, size_t left)
{
	return (Bytes) _mm512_maskz_loadu_epi8(((__mmask64) 1 << left) - 1, p);
}

INLINE Counts
counts_add_bits(Counts sum, Bytes x)
{
	return sum + (Counts) _mm512_popcnt_epi64((__m512i) x);
}

INLINE uint64_t
counts_total(Counts sum)
{
	return (uint64_t) _mm512_reduce_add_epi64((__m512i) sum);
}

#include "loops.h"

const DistanceKernels distance_avx512 = DISTANCE_TABLE("avx512");

#endif							/* SIMD_X86 */
