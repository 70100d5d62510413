/*
 * avx2.c
 *	  The k-means kernels for AVX2 with FMA.
 *
 * The loops are in loops.h; here is what a vector is.  12 of the 16 registers
 * hold sums of 6 rows and 16 centroids.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define TILE_ROWS	6
#define BLOCK_VECS	2
#define CACHE_BYTES ((size_t) 192 * 1024)
#define SOME_ROWS(X) X(1) X(3)

#include "math/simd/vec_avx2.h"

typedef __m256i Ints;
typedef __m256 Mask;

INLINE Vec
vec_mul(Vec a, Vec b)
{
	return _mm256_mul_ps(a, b);
}

INLINE Vec
vec_fma(Vec a, Vec b, Vec c)
{
	return _mm256_fmadd_ps(a, b, c);
}

INLINE Ints
ints_set(uint32_t x)
{
	return _mm256_set1_epi32((int) x);
}

INLINE Ints
ints_lanes(void)
{
	return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}

INLINE Ints
ints_add(Ints a, Ints b)
{
	return _mm256_add_epi32(a, b);
}

INLINE void
vec_store_part_f32(float *p, Vec v, size_t left)
{
	_mm256_maskstore_ps(p, lanes_before(left), v);
}

INLINE Mask
vec_greater(Vec a, Vec b)
{
	return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

INLINE Vec
vec_choose(Mask mask, Vec a, Vec b)
{
	return _mm256_blendv_ps(b, a, mask);
}

INLINE Ints
ints_choose(Mask mask, Ints a, Ints b)
{
	return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b),
												_mm256_castsi256_ps(a), mask));
}

INLINE float
vec_best(Vec v, Ints numbers, uint32_t *number)
{
	Vec			best = _mm256_max_ps(v, _mm256_permute2f128_ps(v, v, 1));
	__m128i		low;

	best = _mm256_max_ps(best, _mm256_shuffle_ps(best, best, 0x4e));
	best = _mm256_max_ps(best, _mm256_shuffle_ps(best, best, 0xb1));
	numbers = ints_choose(_mm256_cmp_ps(v, best, _CMP_EQ_OQ), numbers,
						  ints_set(UINT32_MAX));
	low = _mm_min_epu32(_mm256_castsi256_si128(numbers),
						_mm256_extracti128_si256(numbers, 1));
	low = _mm_min_epu32(low, _mm_shuffle_epi32(low, 0x4e));
	low = _mm_min_epu32(low, _mm_shuffle_epi32(low, 0xb1));
	*number = (uint32_t) _mm_cvtsi128_si32(low);
	return _mm256_cvtss_f32(best);
}

INLINE void
wide_accumulate(double *sum, Vec v, double scale)
{
	__m256d		s = _mm256_set1_pd(scale);
	__m256d		low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
	__m256d		high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));

	_mm256_storeu_pd(sum, _mm256_fmadd_pd(low, s, _mm256_loadu_pd(sum)));
	_mm256_storeu_pd(sum + 4, _mm256_fmadd_pd(high, s,
											  _mm256_loadu_pd(sum + 4)));
}

#include "loops.h"

const ClusterKernels cluster_avx2 = CLUSTER_TABLE("avx2");

#endif							/* SIMD_X86 */
