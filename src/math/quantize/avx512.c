/*
 * avx512.c
 *	  The quantizer kernels for AVX-512 with F, BW, DQ, VL and VNNI.
 *
 * The loops are in loops.h; here is what a vector is.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,bmi2,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define VEC_REGISTER "+v"

#include "math/simd/vec_avx512.h"

typedef __m512i Sums;
typedef __m512i Narrow;

INLINE Vec
vec_trunc(Vec a)
{
	return _mm512_cvtepi32_ps(_mm512_cvttps_epi32(a));
}

INLINE Vec
vec_flip(Vec v, const uint8_t *signs, size_t i)
{
	uint16_t	bits;

	__builtin_memcpy(&bits, signs + i / 8, sizeof(bits));
	return _mm512_mask_xor_ps(v, bits, v, _mm512_set1_ps(-0.0f));
}

/* other + v where a lane is the first of its pair, other - v elsewhere */
INLINE Vec
join_pairs(Vec v, Vec other, __mmask16 second)
{
	return _mm512_mask_sub_ps(_mm512_add_ps(v, other), second, other, v);
}

INLINE Vec
vec_hadamard(Vec v)
{
	v = join_pairs(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
	v = join_pairs(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
	v = join_pairs(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
	return join_pairs(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
}

INLINE void
ints_store_bytes(uint8_t *out, Ints x)
{
	_mm_storeu_si128((__m128i *) out, _mm512_cvtepi32_epi8((__m512i) x));
}

/* Row 4 i + k is part i of x[k], whose 4 by 4 parts are then transposed */
INLINE void
vec_load_columns(Vec *v, const float *p, size_t stride)
{
	Vec			x[4];
	Vec			low[2];
	Vec			high[2];

	for (size_t k = 0; k < 4; k++, p += stride)
	{
		x[k] = _mm512_castps128_ps512(_mm_loadu_ps(p));
		x[k] = _mm512_insertf32x4(x[k], _mm_loadu_ps(p + 4 * stride), 1);
		x[k] = _mm512_insertf32x4(x[k], _mm_loadu_ps(p + 8 * stride), 2);
		x[k] = _mm512_insertf32x4(x[k], _mm_loadu_ps(p + 12 * stride), 3);
	}
	for (int k = 0; k < 2; k++)
	{
		low[k] = _mm512_unpacklo_ps(x[2 * k], x[2 * k + 1]);
		high[k] = _mm512_unpackhi_ps(x[2 * k], x[2 * k + 1]);
	}
	v[0] = _mm512_shuffle_ps(low[0], low[1], 0x44);
	v[1] = _mm512_shuffle_ps(low[0], low[1], 0xee);
	v[2] = _mm512_shuffle_ps(high[0], high[1], 0x44);
	v[3] = _mm512_shuffle_ps(high[0], high[1], 0xee);
}

INLINE Bytes
bytes_load_part(const void *p, size_t left)
{
	return (Bytes) _mm512_maskz_loadu_epi8(((__mmask64) 1 << left) - 1, p);
}

INLINE Bytes
bits_spread(const uint8_t *p, size_t i)
{
	uint64_t	bits;

	__builtin_memcpy(&bits, p + i / 8, sizeof(bits));
	return (Bytes) _mm512_maskz_mov_epi8(bits, _mm512_set1_epi8(1));
}

INLINE Bytes
bytes_lookup(Bytes table, Bytes index)
{
	return (Bytes) _mm512_shuffle_epi8((__m512i) table, (__m512i) index);
}

INLINE Sums
sums_add(Sums a, Sums b)
{
	return _mm512_add_epi32(a, b);
}

INLINE int64_t
sums_total(Sums sums)
{
	__m512i		low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sums));
	__m512i		high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sums, 1));

	return _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
}

INLINE Narrow
narrow_begin(Sums sums)
{
	return sums;
}

INLINE Narrow
narrow_dot(Narrow s, Bytes codes, Bytes query)
{
	return _mm512_dpbusd_epi32(s, (__m512i) codes, (__m512i) query);
}

INLINE Sums
narrow_end(Sums sums, Narrow s)
{
	(void) sums;
	return s;
}

INLINE Sums
wide_dot(Sums sums, const uint8_t *codes, const int16_t *query)
{
	__m256i		x = _mm256_loadu_si256((const __m256i *) codes);

	return _mm512_dpwssd_epi32(sums, _mm512_cvtepu8_epi16(x),
							   _mm512_loadu_si512(query));
}

/* 16 codes */
INLINE Sums
wide_dot_part(Sums sums, const uint8_t *codes, const int16_t *query)
{
	__m128i		x = _mm_loadu_si128((const __m128i *) codes);
	__m256i		q = _mm256_loadu_si256((const __m256i *) query);

	return _mm512_add_epi32(sums, _mm512_zextsi256_si512(
		_mm256_madd_epi16(_mm256_cvtepu8_epi16(x), q)));
}

/* The four 128-bit parts of a vector, added */
INLINE __m128i
fold_words(Words words)
{
	__m256i		half = _mm256_add_epi16(_mm512_castsi512_si256((__m512i) words),
										_mm512_extracti64x4_epi64((__m512i) words, 1));

	return _mm_add_epi16(_mm256_castsi256_si128(half),
						 _mm256_extracti128_si256(half, 1));
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

const QuantizeKernels quantize_avx512 = QUANTIZE_TABLE("avx512");

#endif							/* SIMD_X86 */
