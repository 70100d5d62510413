/*
 * avx2.c
 *	  The quantizer kernels for AVX2.
 *
 * The loops are in loops.h; here is what a vector is.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define VEC_REGISTER "+x"

#include "math/simd/vec_avx2.h"

typedef __m256i Sums;			/* int32 */
typedef __m256i Narrow;			/* int16 */

INLINE Vec
vec_trunc(Vec a)
{
	return _mm256_cvtepi32_ps(_mm256_cvttps_epi32(a));
}

INLINE Vec
vec_flip(Vec v, const uint8_t *signs, size_t i)
{
	__m256i		bits = _mm256_set1_epi32(signs[i / 8]);
	__m256i		to_top = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
	__m256		top = _mm256_castsi256_ps(_mm256_sllv_epi32(bits, to_top));

	return _mm256_xor_ps(v, _mm256_and_ps(top, _mm256_set1_ps(-0.0f)));
}

/* other + v, or other - v in the lanes whose sign bit is set in second */
INLINE Vec
join_pairs(Vec v, Vec other, Vec second)
{
	return _mm256_add_ps(other, _mm256_xor_ps(v, second));
}

INLINE Vec
vec_hadamard(Vec v)
{
	Vec			odd = _mm256_setr_ps(0.0f, -0.0f, 0.0f, -0.0f, 0.0f, -0.0f,
									 0.0f, -0.0f);
	Vec			upper_pair = _mm256_setr_ps(0.0f, 0.0f, -0.0f, -0.0f, 0.0f,
											0.0f, -0.0f, -0.0f);
	Vec			upper_half = _mm256_setr_ps(0.0f, 0.0f, 0.0f, 0.0f, -0.0f,
											-0.0f, -0.0f, -0.0f);

	v = join_pairs(v, _mm256_permute_ps(v, 0xb1), odd);
	v = join_pairs(v, _mm256_permute_ps(v, 0x4e), upper_pair);
	return join_pairs(v, _mm256_permute2f128_ps(v, v, 1), upper_half);
}

INLINE void
ints_store_bytes(uint8_t *out, Ints x)
{
	__m256i		level = (__m256i) x;
	__m128i		words = _mm_packus_epi32(_mm256_castsi256_si128(level),
										 _mm256_extracti128_si256(level, 1));

	_mm_storel_epi64((__m128i *) out, _mm_packus_epi16(words, words));
}

/* Row 4 i + k is half i of x[k], whose 4 by 4 halves are then transposed */
INLINE void
vec_load_columns(Vec *v, const float *p, size_t stride)
{
	Vec			x[4];
	Vec			low[2];
	Vec			high[2];

	for (size_t k = 0; k < 4; k++, p += stride)
	{
		x[k] = _mm256_castps128_ps256(_mm_loadu_ps(p));
		x[k] = _mm256_insertf128_ps(x[k], _mm_loadu_ps(p + 4 * stride), 1);
	}
	for (int k = 0; k < 2; k++)
	{
		low[k] = _mm256_unpacklo_ps(x[2 * k], x[2 * k + 1]);
		high[k] = _mm256_unpackhi_ps(x[2 * k], x[2 * k + 1]);
	}
	v[0] = _mm256_shuffle_ps(low[0], low[1], 0x44);
	v[1] = _mm256_shuffle_ps(low[0], low[1], 0xee);
	v[2] = _mm256_shuffle_ps(high[0], high[1], 0x44);
	v[3] = _mm256_shuffle_ps(high[0], high[1], 0xee);
}

/* left is 16 */
INLINE Bytes
bytes_load_part(const void *p, size_t left)
{
	(void) left;
	return (Bytes) _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *) p));
}

INLINE Bytes
bits_spread(const uint8_t *p, size_t i)
{
	__m256i		which = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0,
										 1, 1, 1, 1, 1, 1, 1, 1,
										 2, 2, 2, 2, 2, 2, 2, 2,
										 3, 3, 3, 3, 3, 3, 3, 3);
	__m256i		mask = _mm256_set1_epi64x((long long) 0x8040201008040201);
	__m256i		x;
	uint32_t	bits;

	__builtin_memcpy(&bits, p + i / 8, sizeof(bits));
	x = _mm256_shuffle_epi8(_mm256_set1_epi32((int) bits), which);
	x = _mm256_cmpeq_epi8(_mm256_and_si256(x, mask), mask);
	return (Bytes) _mm256_and_si256(x, _mm256_set1_epi8(1));
}

INLINE Bytes
bytes_lookup(Bytes table, Bytes index)
{
	return (Bytes) _mm256_shuffle_epi8((__m256i) table, (__m256i) index);
}

INLINE Sums
sums_add(Sums a, Sums b)
{
	return _mm256_add_epi32(a, b);
}

INLINE int64_t
sums_total(Sums sums)
{
	__m256i		low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(sums));
	__m256i		high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(sums, 1));
	__m256i		four = _mm256_add_epi64(low, high);
	__m128i		two = _mm_add_epi64(_mm256_castsi256_si128(four),
									_mm256_extracti128_si256(four, 1));

	return _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}

INLINE Narrow
narrow_begin(Sums sums)
{
	(void) sums;
	return _mm256_setzero_si256();
}

/* At most 2 * 15 * 127 is added to an int16 */
INLINE Narrow
narrow_dot(Narrow s, Bytes codes, Bytes query)
{
	return _mm256_add_epi16(s, _mm256_maddubs_epi16((__m256i) codes,
													(__m256i) query));
}

INLINE Sums
narrow_end(Sums sums, Narrow s)
{
	return _mm256_add_epi32(sums, _mm256_madd_epi16(s, _mm256_set1_epi16(1)));
}

INLINE Sums
wide_dot(Sums sums, const uint8_t *codes, const int16_t *query)
{
	__m128i		x = _mm_loadu_si128((const __m128i *) codes);
	__m256i		q = _mm256_loadu_si256((const __m256i *) query);

	return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_cvtepu8_epi16(x),
													q));
}

/* Never called: what it is for is a whole wide_dot */
INLINE Sums
wide_dot_part(Sums sums, const uint8_t *codes, const int16_t *query)
{
	return wide_dot(sums, codes, query);
}

INLINE __m128i
fold_words(Words words)
{
	return _mm_add_epi16(_mm256_castsi256_si128((__m256i) words),
						 _mm256_extracti128_si256((__m256i) words, 1));
}

INLINE void
words_store(uint16_t *out, Words both, Words odd)
{
	__m128i		odds = fold_words(odd);
	__m128i		evens = _mm_sub_epi16(fold_words(both),
									  _mm_slli_epi16(odds, 8));

	_mm_storeu_si128((__m128i *) out, _mm_unpacklo_epi16(evens, odds));
	_mm_storeu_si128((__m128i *) (out + 8), _mm_unpackhi_epi16(evens, odds));
}

#include "loops.h"

const QuantizeKernels quantize_avx2 = QUANTIZE_TABLE("avx2");

#endif							/* SIMD_X86 */
