/*
 * avx2.c
 *	  Tests of keys for AVX2.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,popcnt")))

#include "loops.h"

TARGET static uint32_t
pack(const uint8_t *bytes, size_t count, uint8_t *bits)
{
	uint32_t	ones = 0;
	size_t		i = 0;

	for (; i + 32 <= count; i += 32)
	{
		/* 1 is moved to the bit that movemask takes */
		__m256i		v = _mm256_loadu_si256((const __m256i *) (bytes + i));
		uint32_t	word = (uint32_t) _mm256_movemask_epi8(_mm256_slli_epi16(v, 7));

		ones += (uint32_t) _mm_popcnt_u32(word);
		memcpy(bits + i / 8, &word, sizeof(word));
	}
	return ones + keys_scalar.pack(bytes + i, count - i, bits + i / 8);
}

const KeyKernels keys_avx2 = KEYS_TABLE("avx2");

#endif							/* SIMD_X86 */
