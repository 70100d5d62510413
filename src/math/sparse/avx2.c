/*
 * avx2.c
 *	  Kernels of posting lists for AVX2.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))

#include "loops.h"

TARGET static uint64_t
reach(const float *numbers, size_t count, float low, float *rest)
{
	const __m256 lowest = _mm256_set1_ps(-INFINITY);
	__m256		most = lowest;
	float		lanes[8];
	uint64_t	found = 0;
	size_t		i = 0;

	for (; i + 8 <= count; i += 8)
	{
		__m256		v = _mm256_loadu_ps(numbers + i);
		__m256		below = _mm256_cmp_ps(v, _mm256_set1_ps(low), _CMP_LT_OQ);

		found |= (uint64_t) (_mm256_movemask_ps(below) ^ 0xFF) << i;
		most = _mm256_max_ps(most, _mm256_blendv_ps(lowest, v, below));
	}
	*rest = -INFINITY;
	if (i < count)
		found |= postings_scalar.reach(numbers + i, count - i, low, rest) << i;
	_mm256_storeu_ps(lanes, most);
	for (int k = 0; k < 8; k++)
		*rest = lanes[k] > *rest ? lanes[k] : *rest;
	return found;
}

const PostingKernels postings_avx2 = POSTINGS_TABLE("avx2");

#endif							/* SIMD_X86 */
