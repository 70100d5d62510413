/*
 * sq8.h
 *	  Scalar quantization to 8 bits a dimension, with proven errors: an exact search
 *	  reads these codes, and then only the values that they do not rule out.
 *
 * A value x has dims floats (for cosine distance: of norm 1).  With a mean m and a
 * weight w > 0 of each dimension, the same for all values, its code is a scale s and
 * a level of each dimension, and stands for
 *
 *		y_i = s w_i (level_i - 128),		m + y being near x.
 *
 * Beside these, a code has an error that is at least |x - (m + y)|, whatever the
 * code: it is measured when the code is made, and everything that floating point may
 * have added is on top.  So the bounds below do not depend on the data being kind, nor
 * on the processor that has made a code, nor on how its levels were chosen.
 *
 * A query q is rounded to integers u, with w_i z_i = t u_i + r_i and z = q - m, or
 * z = q for inner products.  What codes have in common with it are sums of integers,
 * exact: <c, u>, where c = level - 128.  Then
 *
 *		<y, z> = s (t <c, u> + <c, r>),		|<c, r>| <= 128 sqrt(dims) |r|,
 *		|x - q| >= sqrt(|y|^2 - 2 <y, z> + |z|^2) - error,
 *		<x, q> <= <m, q> + <y, q> + error |q|.
 *
 * Bounds are of what the operator gives, whose sums are float32 in any order: off by a
 * factor of 1 +- (dims + 32) 2^-24 of the sum of absolute values at most (Higham,
 * Accuracy and Stability of Numerical Algorithms, 3.1).
 */
#ifndef VECTOR_MATH_SQ8_H
#define VECTOR_MATH_SQ8_H

#include "quantize.h"

#include <stdbool.h>

/* Levels of a code are a multiple of this; behind dims they are SQ8_ZERO */
#define SQ8_DIMS_STEP	16

/* The level that stands for 0 */
#define SQ8_ZERO		128

typedef enum Sq8Metric
{
	SQ8_L2,						/* Euclidean distance */
	SQ8_NEGATIVE_IP,			/* negative inner product */
	SQ8_COSINE					/* cosine distance; values and queries have norm 1 */
} Sq8Metric;

/* What a code has beside its levels */
typedef struct Sq8Factors
{
	float		scale;			/* s */
	float		error;			/* infinite: nothing is known of the value's
								 * distances; NaN: none is a number */
	float		norm;			/* |y|^2; for inner products, at least |x| + |y| */
} Sq8Factors;

/* A code's bytes */
static inline size_t
sq8_code_bytes(size_t dims)
{
	return (dims + SQ8_DIMS_STEP - 1) / SQ8_DIMS_STEP * SQ8_DIMS_STEP;
}

/*
 * The weights for values like count rows of dims floats, from a mean: the largest
 * difference from it in each dimension.  Any positive ones will do.
 */
extern void sq8_train(const float *rows, size_t count, size_t stride,
					  const float *mean, size_t dims, float *weights);

/*
 * Encode x into sq8_code_bytes levels.  For cosine distance, x is a value scaled to
 * norm 1 with an error of at most 2^-23 of it.  What is too large or too small for
 * sums of float32 has an infinite error.
 */
extern void sq8_encode(const float *x, const float *mean, const float *weights,
					   size_t dims, Sq8Metric metric, uint8_t *levels,
					   Sq8Factors *factors);

/* Factors of a value of which nothing is known, or (number false) whose distances
 * are no numbers */
extern void sq8_no_factors(bool number, size_t dims, uint8_t *levels,
						   Sq8Factors *factors);

/*
 * Are these a code of x, as far as bounds rely on it?  That is all that matters of a
 * code: its error is one, and its norm that of its levels.
 */
extern bool sq8_code_holds(const float *x, const float *mean, const float *weights,
						   size_t dims, Sq8Metric metric, const uint8_t *levels,
						   const Sq8Factors *factors);

/* A query, prepared once for many codes */
typedef struct Sq8Query
{
	size_t		dims;			/* of levels: padded */
	Sq8Metric	metric;
	bool		unknown;		/* its distances have no bounds */
	double		step;			/* t */
	double		slack;			/* at least |<c, r>| */
	double		rounding;		/* of float32 sums, as a part of them */
	double		further;		/* errors of the query's own, in x's units */
	double		norm2;			/* |z|^2 */
	double		norm;			/* at least |q| */
	double		base;			/* at least <m, q> */
	int64_t		sum;			/* 128 times the sum of values */
	int16_t		values[];		/* u, and zeros as far as kernels read */
} Sq8Query;

extern size_t sq8_query_bytes(size_t dims);

/* Prepare a query; unknown: see Sq8Query. */
extern void sq8_query_prepare(Sq8Query *query, const float *q, const float *mean,
							  const float *weights, size_t dims,
							  Sq8Metric metric, bool unknown);

/*
 * The least that the operator may give for the query and each of count codes, stride
 * bytes from one to the next; rounded down, never NaN.  Infinite where it is above
 * limit, or where the result is no number.  ahead is where codes lie that will be
 * wanted later, to be asked for from memory, or NULL; sums is room for count numbers.
 */
extern void sq8_bounds(const Sq8Query *query, const uint8_t *codes, size_t stride,
					   const float *scales, const float *errors,
					   const float *norms, size_t count, double limit,
					   const uint8_t *ahead, int64_t *sums, float *bounds);

#endif							/* VECTOR_MATH_SQ8_H */
