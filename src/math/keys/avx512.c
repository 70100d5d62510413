/*
 * avx512.c
 *	  Tests of keys for AVX-512.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,popcnt")))

#include "loops.h"

TARGET static uint32_t
pack(const uint8_t *bytes, size_t count, uint8_t *bits)
{
	uint32_t	ones = 0;
	size_t		i = 0;

	for (; i + 64 <= count; i += 64)
	{
		__m512i		v = _mm512_loadu_si512(bytes + i);
		uint64_t	word = _mm512_test_epi8_mask(v, v);

		ones += (uint32_t) _mm_popcnt_u64(word);
		memcpy(bits + i / 8, &word, sizeof(word));
	}
	return ones + keys_scalar.pack(bytes + i, count - i, bits + i / 8);
}

const KeyKernels keys_avx512 = KEYS_TABLE("avx512");

#endif							/* SIMD_X86 */
