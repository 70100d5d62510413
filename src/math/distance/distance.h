/*
 * distance.h
 *	  Distance kernels over plain arrays, one table per instruction set.
 *
 * Pure C: nothing here knows PostgreSQL.  A kernel reads its arrays and
 * returns a number; it allocates nothing, keeps no state and cannot fail.
 * Arrays need only the alignment of their element type and are never read past
 * their last element.  n may be 0.
 *
 * The scalar table is the specification.  Every other table agrees with it up
 * to the rounding of a different order of summation; see
 * test/unit/test_distance.c for the bound and the inputs it is tested on.
 *
 * All float sums are accumulated in float32 (half precision inputs are widened
 * first), so a sum that leaves the range of float32 is infinite at every
 * level.  norm2 kernels return the sum of squares (no root is taken),
 * accumulated in double, where it cannot overflow.
 */
#ifndef VECTOR_MATH_DISTANCE_H
#define VECTOR_MATH_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "../simd/level.h"

/* IEEE 754 binary16, as bits */
typedef uint16_t half;

/* The three sums that a cosine needs */
typedef struct CosineSums
{
	float		ab;				/* sum of a[i] * b[i] */
	float		aa;				/* sum of a[i] * a[i] */
	float		bb;				/* sum of b[i] * b[i] */
} CosineSums;

typedef struct DistanceKernels
{
	const char *name;			/* "scalar", "avx2", "avx512", "neon" */

	/* float32 against float32, n elements each */
	float		(*f32_l2sq) (const float *a, const float *b, size_t n);
	float		(*f32_ip) (const float *a, const float *b, size_t n);
	float		(*f32_l1) (const float *a, const float *b, size_t n);
	CosineSums	(*f32_cosine) (const float *a, const float *b, size_t n);
	double		(*f32_norm2) (const float *a, size_t n);	/* sum of a[i]^2 */

	/* float16 against float16 */
	float		(*f16_l2sq) (const half *a, const half *b, size_t n);
	float		(*f16_ip) (const half *a, const half *b, size_t n);
	float		(*f16_l1) (const half *a, const half *b, size_t n);
	CosineSums	(*f16_cosine) (const half *a, const half *b, size_t n);
	double		(*f16_norm2) (const half *a, size_t n);

	/* float32 against float16 */
	float		(*mixed_l2sq) (const float *a, const half *b, size_t n);
	float		(*mixed_ip) (const float *a, const half *b, size_t n);

	/*
	 * One float32 query against count rows of n elements; row r starts at
	 * rows + r * stride (stride in elements, >= n).  out has count elements.
	 */
	void		(*f32_ip_many) (const float *q, const float *rows, size_t n,
								size_t stride, size_t count, float *out);

	/* Bit strings of n bytes, any byte alignment; results count bits */
	uint64_t	(*bit_hamming) (const uint8_t *a, const uint8_t *b, size_t n);
	/* *both = bits set in a AND b, *either = bits set in a OR b */
	void		(*bit_jaccard) (const uint8_t *a, const uint8_t *b, size_t n,
								uint64_t *both, uint64_t *either);

	/*
	 * Conversion of n elements, the same bits at every level.  Narrowing rounds
	 * to nearest even; what is too large becomes an infinity; a NaN stays a
	 * NaN, made quiet, and keeps the bits of its payload that fit.
	 */
	void		(*f16_to_f32) (const half *src, float *dst, size_t n);
	void		(*f32_to_f16) (const float *src, half *dst, size_t n);
} DistanceKernels;

SIMD_TABLE_IN_USE(distance, DistanceKernels, distance_kernels);

/* Single values, in software; the specification of f16_to_f32, f32_to_f16 */
extern float half_to_float(half h);
extern half float_to_half(float f);

/*
 * Sparse vectors by merge, accumulated in float32.  Indices ascend strictly;
 * na and nb are counts of stored elements and may be 0.
 */
extern float sparse_l2sq(const int32_t *ai, const float *av, size_t na,
						 const int32_t *bi, const float *bv, size_t nb);
extern float sparse_ip(const int32_t *ai, const float *av, size_t na,
					   const int32_t *bi, const float *bv, size_t nb);
extern float sparse_l1(const int32_t *ai, const float *av, size_t na,
					   const int32_t *bi, const float *bv, size_t nb);

#endif							/* VECTOR_MATH_DISTANCE_H */
