/*
 * tables.h
 *	  The tables behind the dispatch, and what their files share.
 *
 * Private to src/math/quantize.  A table whose guard is not defined does not
 * exist; its file compiles to nothing.
 */
#ifndef VECTOR_MATH_QUANTIZE_TABLES_H
#define VECTOR_MATH_QUANTIZE_TABLES_H

#include "quantize.h"

/* Rounds of a rotation, each with its own signs */
#define ROUNDS			4

/* Steps of sq8.h on each side of the level that stands for 0 */
#define SQ8_STEPS		127.0f

/* Added and taken away, it rounds a float below 2^22 to a whole number */
#define SQ8_ROUNDER		12582912.0f

/* Residuals whose largest element is below this are taken for zero */
#define TINY_RESIDUAL	0x1p-100f

/*
 * The scales that encode tries for more than one bit: first coarse of them,
 * evenly from first to last, then FINE_SCALES around the best, between its two
 * neighbours.  A scale of 1 puts the largest element at the end of the last
 * level; above it, some are clipped.  See README.md for what is lost against
 * trying all of them.
 */
#define COARSE_SCALES	12
#define FINE_SCALES		8
#define SCALES_AT_ONCE	4

typedef struct ScaleRange
{
	float		first;
	float		step;
} ScaleRange;

/* The range for a number of bits; 2 and 4 and 8 */
static inline ScaleRange
coarse_scales(int bits)
{
	ScaleRange	range = {0.875f, 0.15625f};	/* .875 .. 2.59 */

	if (bits == 4)
	{
		range.first = 0.875f;
		range.step = 0.0859375f;	/* .875 .. 1.82 */
	}
	else if (bits == 8)
	{
		range.first = 0.921875f;
		range.step = 0.015625f; /* .92 .. 1.09 */
	}
	return range;
}

/* The scales around the best of the coarse ones; middle itself is not one */
static inline ScaleRange
fine_scales(float middle, float step)
{
	ScaleRange	range;

	range.step = step * (2.0f / (FINE_SCALES + 1));
	range.first = middle - step + range.step;
	return range;
}

/*
 * The power of two that brings a positive float, TINY_RESIDUAL or more, into
 * [2, 4).
 */
static inline float
power_of_two_scale(float largest)
{
	return __builtin_ldexpf(1.0f, 1 - __builtin_ilogbf(largest));
}

/* The sum of the running sums */
static inline float
sum_lanes(const float *lanes)
{
	float		sum[SUM_LANES / 2];

	for (int i = 0; i < SUM_LANES / 2; i++)
		sum[i] = lanes[i] + lanes[i + SUM_LANES / 2];
	for (int h = SUM_LANES / 4; h > 0; h /= 2)
		for (int i = 0; i < h; i++)
			sum[i] += sum[i + h];
	return sum[0];
}

/* The largest power of two that is not above n > 0 */
static inline size_t
power_of_two_below(size_t n)
{
	return (size_t) 1 << (63 - __builtin_clzll((unsigned long long) n));
}

/*
 * Is the fit (ur, uu) better than the best one so far?  The angle's cosine is
 * ur / sqrt(uu * rr), of which rr is the same for all.
 */
static inline int
fits_better(float ur, float uu, float best_ur, float best_uu)
{
	return (double) ur * ur * best_uu > (double) best_ur * best_ur * uu;
}

#define QUANTIZE_TABLE(table_name) \
{ \
	.name = table_name, \
	.rotate = rotate, \
	.encode = encode, \
	.dot = {dot1, dot2, dot4, dot8}, \
	.dot_many = {dot1_many, dot2_many, dot4_many, dot8_many}, \
	.sq8_sums = sq8_sums, \
	.sq8_reach = sq8_reach, \
	.sq8_levels = sq8_levels, \
	.scan = scan, \
	.pq_columns = pq_columns, \
	.pq_nearest = pq_nearest, \
	.pq_products = pq_products, \
}

extern const QuantizeKernels quantize_scalar;
extern const QuantizeKernels quantize_avx2;
extern const QuantizeKernels quantize_avx512;
extern const QuantizeKernels quantize_neon;

#endif							/* VECTOR_MATH_QUANTIZE_TABLES_H */
