/*
 * avx512.c
 *	  Kernels of posting lists for AVX-512.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2")))

#include "loops.h"

TARGET static uint64_t
reach(const float *numbers, size_t count, float low, float *rest)
{
	__m512		most = _mm512_set1_ps(-INFINITY);
	uint64_t	found = 0;

	for (size_t i = 0; i < count; i += 16)
	{
		__mmask16	here = (__mmask16) (count - i < 16 ? (1u << (count - i)) - 1 : 0xFFFF);
		__m512		v = _mm512_maskz_loadu_ps(here, numbers + i);
		__mmask16	below = _mm512_mask_cmp_ps_mask(here, v, _mm512_set1_ps(low),
													_CMP_LT_OQ);

		found |= (uint64_t) (here & ~below) << i;
		most = _mm512_mask_max_ps(most, below, most, v);
	}
	*rest = _mm512_reduce_max_ps(most);
	return found;
}

const PostingKernels postings_avx512 = POSTINGS_TABLE("avx512");

#endif							/* SIMD_X86 */
