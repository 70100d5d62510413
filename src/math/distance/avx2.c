/*
 * avx2.c
 *	  The distance kernels for AVX2 with FMA and F16C.
 *
 * The loops are in loops.h; here is what a vector is.  Tails are read with
 * VMASKMOV, which does not touch what its mask leaves out; it masks 32-bit
 * units only, so the odd half or the last bytes are put in by hand.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,f16c,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define PAIR_CHAINS 4
#define ROW_CHAINS	2

#include "math/simd/vec_avx2.h"

INLINE Vec
vec_load_f16(const half *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
}

/* All ones in the 32-bit lane left only */
INLINE __m256i
lane_at(size_t left)
{
	return _mm256_cmpeq_epi32(_mm256_set1_epi32((int) left),
							  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE Bytes
bits_load_part(const uint8_t *p, size_t left)
{
	size_t		words = left / 4;
	__m256i		whole = _mm256_maskload_epi32((const int *) p,
											  lanes_before(words));
	uint32_t	rest = 0;

	/* the last one to three bytes, in the order they have in memory */
	p += words * 4;
	if (left & 2)
	{
		uint16_t	two;

		memcpy(&two, p, sizeof(two));
		rest = two;
		p += 2;
	}
	if (left & 1)
		rest |= (uint32_t) *p << 8 * (left & 2);
	return (Bytes) _mm256_or_si256(whole,
								   _mm256_and_si256(_mm256_set1_epi32((int) rest),
													lane_at(words)));
}

INLINE Vec
vec_load_part_f16(const half *p, size_t left)
{
	Bytes		halves = bits_load_part((const uint8_t *) p, left * sizeof(half));

	return _mm256_cvtph_ps(_mm256_castsi256_si128((__m256i) halves));
}

INLINE void
vec_store_f16(half *p, Vec v)
{
	_mm_storeu_si128((__m128i *) p,
					 _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE Wide
wide_add_square(Wide sum, Vec v)
{
	__m256d		low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
	__m256d		high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));

	sum.low = _mm256_fmadd_pd(low, low, sum.low);
	sum.high = _mm256_fmadd_pd(high, high, sum.high);
	return sum;
}

/* Each nibble's bits from a table of sixteen, then the bytes of each 64 bits */
INLINE Counts
counts_add_bits(Counts sum, Bytes x)
{
	const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3,
										   1, 2, 2, 3, 2, 3, 3, 4,
										   0, 1, 1, 2, 1, 2, 2, 3,
										   1, 2, 2, 3, 2, 3, 3, 4);
	const __m256i nibble = _mm256_set1_epi8(0x0f);
	__m256i		low = _mm256_and_si256((__m256i) x, nibble);
	__m256i		high = _mm256_and_si256(_mm256_srli_epi16((__m256i) x, 4), nibble);
	__m256i		bytes = _mm256_add_epi8(_mm256_shuffle_epi8(table, low),
										_mm256_shuffle_epi8(table, high));

	return sum + (Counts) _mm256_sad_epu8(bytes, _mm256_setzero_si256());
}

INLINE uint64_t
counts_total(Counts sum)
{
	__m128i		two = _mm_add_epi64(_mm256_castsi256_si128((__m256i) sum),
									_mm256_extracti128_si256((__m256i) sum, 1));

	return (uint64_t) _mm_cvtsi128_si64(two) +
		(uint64_t) _mm_extract_epi64(two, 1);
}

#include "loops.h"

const DistanceKernels distance_avx2 = DISTANCE_TABLE("avx2");

#endif							/* SIMD_X86 */
