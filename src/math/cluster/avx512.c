/*
 * avx512.c
 *	  The k-means kernels for AVX-512 with F, BW, DQ and VL.
 *
 * The loops are in loops.h; here is what a vector is.  28 of the 32 registers
 * hold sums of 14 rows and 32 centroids.
 */
#include "tables.h"

#ifdef SIMD_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define TILE_ROWS	14
#define BLOCK_VECS	2
#define CACHE_BYTES ((size_t) 640 * 1024)
#define SOME_ROWS(X) X(1) X(4) X(8)

#include "math/simd/vec_avx512.h"

typedef __m512i Ints;
typedef __mmask16 Mask;

INLINE Vec
vec_mul(Vec a, Vec b)
{
	return _mm512_mul_ps(a, b);
}

INLINE Vec
vec_fma(Vec a, Vec b, Vec c)
{
	return _mm512_fmadd_ps(a, b, c);
}

INLINE void
vec_store_part_f32(float *p, Vec v, size_t left)
{
	_mm512_mask_storeu_ps(p, lanes_before(left), v);
}

INLINE Ints
ints_set(uint32_t x)
{
	return _mm512_set1_epi32((int) x);
}

INLINE Ints
ints_lanes(void)
{
	return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
							 15);
}

INLINE Ints
ints_add(Ints a, Ints b)
{
	return _mm512_add_epi32(a, b);
}

INLINE Mask
vec_greater(Vec a, Vec b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

INLINE Vec
vec_choose(Mask mask, Vec a, Vec b)
{
	return _mm512_mask_mov_ps(b, mask, a);
}

INLINE Ints
ints_choose(Mask mask, Ints a, Ints b)
{
	return _mm512_mask_mov_epi32(b, mask, a);
}

INLINE float
vec_best(Vec v, Ints numbers, uint32_t *number)
{
	float		best = _mm512_reduce_max_ps(v);
	Mask		equal = _mm512_cmp_ps_mask(v, _mm512_set1_ps(best), _CMP_EQ_OQ);

	*number = _mm512_mask_reduce_min_epu32(equal, numbers);
	return best;
}

INLINE void
wide_accumulate(double *sum, Vec v, double scale)
{
	__m512d		s = _mm512_set1_pd(scale);
	__m512d		low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
	__m512d		high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));

	_mm512_storeu_pd(sum, _mm512_fmadd_pd(low, s, _mm512_loadu_pd(sum)));
	_mm512_storeu_pd(sum + 8, _mm512_fmadd_pd(high, s,
											  _mm512_loadu_pd(sum + 8)));
}

#include "loops.h"

const ClusterKernels cluster_avx512 = CLUSTER_TABLE("avx512");

#endif							/* SIMD_X86 */
