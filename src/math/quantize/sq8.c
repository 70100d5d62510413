/*
 * sq8.c
 *	  Scalar quantization to 8 bits a dimension, with proven errors.
 *
 * sq8.h has the formulas.  Sums for codes are float32 in 16 lanes, and what that
 * may have lost is added to errors; sums for queries and bounds are float64, whose
 * rounding (below 2^-40 of the sums for 16,000 dimensions) is added, too.
 */
#include "sq8.h"
#include "tables.h"

#include "../distance/distance.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The largest weight is at most so many times the smallest */
#define WEIGHT_RANGE	64

/*
 * Squares of float32 below its smallest number are lost: no more than the root of
 * 16,000 times 2^-149 in a length.  For the operator's sums, a good deal more.
 */
#define LOST_LENGTH	1e-20
#define LOST_L2		1e-18
#define LOST_IP		1e-30

/* Sums of float32 do not overflow where a product of norms is below this */
#define MOST_PRODUCT	1e37

/* How far a value that was scaled to norm 1 may be off */
#define SCALED_ERROR	0x1p-23

static float
above(double x)
{
	return nextafterf((float) x, INFINITY);
}

/* Relative error of a sum of dims float32 products, in any order */
static double
sum_rounding(size_t dims)
{
	return (dims + 32) * 0x1p-24;
}

static double
total(const float *lanes)
{
	double		sum = 0;

	for (int k = 0; k < SUM_LANES; k++)
		sum += lanes[k];
	return sum;
}

void
sq8_train(const float *rows, size_t count, size_t stride, const float *mean,
		  size_t dims, float *weights)
{
	float		largest = 0;

	memset(weights, 0, dims * sizeof(float));
	for (size_t r = 0; r < count; r++)
	{
		const float *row = rows + r * stride;

		for (size_t i = 0; i < dims; i++)
		{
			float		y = fabsf(row[i] - mean[i]);

			weights[i] = y > weights[i] ? y : weights[i];
		}
	}
	for (size_t i = 0; i < dims; i++)
		largest = weights[i] > largest ? weights[i] : largest;

	/* a code's scale makes up for the size of all */
	for (size_t i = 0; i < dims; i++)
	{
		weights[i] = largest > 0 && largest < INFINITY ? weights[i] / largest : 1;
		if (!(weights[i] >= 1.0f / WEIGHT_RANGE))
			weights[i] = 1.0f / WEIGHT_RANGE;
	}
}

/* |y|^2 of a code, in float64 */
static double
code_norm2(const uint8_t *levels, float scale, const float *weights, size_t dims)
{
	double		lanes[SUM_LANES] = {0};
	double		sum = 0;
	size_t		i = 0;

	for (; i + SUM_LANES <= dims; i += SUM_LANES)
	{
		for (size_t k = 0; k < SUM_LANES; k++)
		{
			double		y = (double) scale * weights[i + k] * (levels[i + k] - SQ8_ZERO);

			lanes[k] += y * y;
		}
	}
	for (; i < dims; i++)
	{
		double		y = (double) scale * weights[i] * (levels[i] - SQ8_ZERO);

		sum += y * y;
	}
	for (size_t k = 0; k < SUM_LANES; k++)
		sum += lanes[k];
	return sum;
}

void
sq8_no_factors(bool number, size_t dims, uint8_t *levels, Sq8Factors *factors)
{
	memset(levels, SQ8_ZERO, sq8_code_bytes(dims));
	factors->scale = 0;
	factors->error = number ? INFINITY : NAN;
	factors->norm = INFINITY;
}

void
sq8_encode(const float *x, const float *mean, const float *weights, size_t dims,
		   Sq8Metric metric, uint8_t *levels, Sq8Factors *factors)
{
	Sq8Sums		sums;
	float		scale = quantize_kernels->sq8_reach(x, mean, weights, dims) / SQ8_STEPS;
	float		inverse = scale > 0 ? 1 / scale : 0;
	double		moved;
	double		coded;
	double		left;

	if (!isfinite(scale))
	{
		sq8_no_factors(true, dims, levels, factors);
		return;
	}
	if (scale < FLT_MIN || isinf(inverse))
		scale = inverse = 0;
	quantize_kernels->sq8_levels(x, mean, weights, dims, scale, inverse, levels, &sums);
	memset(levels + dims, SQ8_ZERO, sq8_code_bytes(dims) - dims);

	/*
	 * Each element of what is left is off by 2^-24 of x - m, twice that of y, and
	 * its own rounding; each sum by less than sum_rounding of itself.
	 */
	moved = sqrt(total(sums.moved)) * (1 + sum_rounding(dims)) + LOST_LENGTH;
	coded = sqrt(total(sums.coded)) * (1 + sum_rounding(dims)) + LOST_LENGTH;
	left = sqrt(total(sums.left)) * (1 + sum_rounding(dims)) + LOST_LENGTH +
		0x1p-22 * (moved + coded);
	if (metric == SQ8_COSINE)
		left += SCALED_ERROR;
	factors->scale = scale;
	factors->error = above(left);
	if (metric == SQ8_NEGATIVE_IP)
		factors->norm = above(sqrt(total(sums.x)) * (1 + sum_rounding(dims)) +
							  LOST_LENGTH + coded);
	else
		factors->norm = (float) code_norm2(levels, scale, weights, dims);
	if (!isfinite(left) || !isfinite(factors->error) || !isfinite(factors->norm))
		sq8_no_factors(true, dims, levels, factors);
}

bool
sq8_code_holds(const float *x, const float *mean, const float *weights, size_t dims,
			   Sq8Metric metric, const uint8_t *levels, const Sq8Factors *factors)
{
	double		left = 0;
	double		norm2 = 0;
	double		coded = code_norm2(levels, factors->scale, weights, dims);

	if (isnan(factors->error))
		return false;
	if (factors->error == INFINITY)
		return factors->scale == 0 && factors->norm == INFINITY;
	for (size_t i = 0; i < dims; i++)
	{
		double		y = (double) x[i] - mean[i] - (double) factors->scale * weights[i] *
			(levels[i] - SQ8_ZERO);

		left += y * y;
		norm2 += (double) x[i] * x[i];
	}
	if (!(factors->error >= sqrt(left)))
		return false;
	for (size_t i = dims; i < sq8_code_bytes(dims); i++)
	{
		if (levels[i] != SQ8_ZERO)
			return false;
	}
	if (metric == SQ8_NEGATIVE_IP)
		return factors->norm >= sqrt(norm2) + sqrt(coded) * (1 - 1e-9);
	return fabs(factors->norm - coded) <= coded * 0x1p-23 + FLT_MIN;
}

/* ------------------------------------------------------------------------
 * Queries
 */

/* The largest integer of a query for which no sum of levels leaves int32 */
static double
largest_value(size_t dims)
{
	double		most = (0x1p31 - 1) / (128.0 * dims);

	return most < INT16_MAX ? floor(most) : INT16_MAX;
}

size_t
sq8_query_bytes(size_t dims)
{
	return sizeof(Sq8Query) + sq8_code_bytes(dims) * sizeof(int16_t) +
		QUANTIZE_READ_PAD;
}

void
sq8_query_prepare(Sq8Query *query, const float *q, const float *mean,
				  const float *weights, size_t dims, Sq8Metric metric, bool unknown)
{
	double		largest = 0;
	double		rest = 0;
	double		q2 = 0;
	double		m2 = 0;
	double		product = 0;
	bool		centred = metric != SQ8_NEGATIVE_IP;

	memset(query, 0, sq8_query_bytes(dims));
	query->dims = sq8_code_bytes(dims);
	query->metric = metric;
	query->unknown = unknown;
	query->rounding = sum_rounding(dims);
	query->further = metric == SQ8_COSINE ? SCALED_ERROR : 0;
	for (size_t i = 0; i < dims; i++)
	{
		double		z = centred ? (double) q[i] - mean[i] : q[i];

		largest = fmax(largest, fabs(z) * weights[i]);
		query->norm2 += z * z;
		q2 += (double) q[i] * q[i];
		m2 += (double) mean[i] * mean[i];
		product += (double) q[i] * mean[i];
	}
	query->step = largest / largest_value(query->dims);
	for (size_t i = 0; i < dims; i++)
	{
		double		z = centred ? (double) q[i] - mean[i] : q[i];
		double		value = query->step > 0 ? rint(z * weights[i] / query->step) : 0;

		query->values[i] = (int16_t) value;
		query->sum += SQ8_ZERO * (int64_t) value;
		rest += (z * weights[i] - value * query->step) * (z * weights[i] - value * query->step);
	}
	query->slack = SQ8_ZERO * sqrt((double) dims) *
		(sqrt(rest) + 0x1p-40 * largest) * (1 + 1e-9);
	query->norm = sqrt(q2) * (1 + 1e-9);
	query->base = product + 0x1p-38 * sqrt(q2) * sqrt(m2);
}

/*
 * Euclidean distances, and half their squares for cosine distance, of which limit is of
 * interest at most.  What a sum of squares has lost is 2^-24 of |y|^2, which was rounded
 * to float, and float64's rounding.  An infinite error gives a difference of infinities,
 * no number, for which fmax takes 0.
 *
 * A cosine that is computed has three sums with an error each: of its numerator, whole,
 * and of its denominator, half of two.
 */
static void
l2_bounds(const Sq8Query *query, const float *scales, const float *errors,
		  const float *norms, size_t count, double limit, const int64_t *sums,
		  float *bounds)
{
	double		least = 1 - query->rounding - 0x1p-23;
	bool		cosine = query->metric == SQ8_COSINE;
	double		slack = 4 * query->rounding + 1e-7;
	double		far;

	/* the distance from a code, less its error, that is of interest */
	if (cosine)
		far = sqrt(fmax(2 * (limit + 2 * slack), 0));
	else
		far = (limit + 2 * LOST_L2) / least;
	far = far * (1 + 1e-6) + query->further;
	for (size_t i = 0; i < count; i++)
	{
		double		scale = scales[i];
		double		part = scale * (query->step * (double) (sums[i] - query->sum) + query->slack);
		double		square = norms[i] * (1 - 0x1p-23) - 2 * part +
			query->norm2 * (1 - 0x1p-40);
		double		reach = far + errors[i];
		double		low;

		bounds[i] = INFINITY;
		if (reach < 0 || square > reach * reach)
			continue;
		low = sqrt(fmax(square, 0)) - errors[i] - query->further;
		if (isnan(errors[i]))
			continue;
		low = fmax(low, 0);
		if (cosine)
			low = low * low / 2 * (1 - 0x1p-22) - slack;
		else
			low = low * least - LOST_L2;
		bounds[i] = (float) fmax(low, 0);
	}
}

static void
product_bounds(const Sq8Query *query, const float *scales, const float *errors,
			   const float *norms, size_t count, const int64_t *sums, float *bounds)
{
	for (size_t i = 0; i < count; i++)
	{
		double		part = scales[i] * (query->step * (double) (sums[i] - query->sum) + query->slack);
		double		most = query->norm * norms[i];
		double		low = -(query->base + part + query->norm * errors[i] +
							most * (2 * query->rounding) + LOST_IP);

		low -= fabs(low) * 0x1p-23 + FLT_MIN;
		bounds[i] = most < MOST_PRODUCT && low > -INFINITY ? (float) low : -INFINITY;
	}
}

void
sq8_bounds(const Sq8Query *query, const uint8_t *codes, size_t stride,
		   const float *scales, const float *errors, const float *norms,
		   size_t count, double limit, const uint8_t *ahead, int64_t *sums,
		   float *bounds)
{
	if (query->unknown)
	{
		for (size_t i = 0; i < count; i++)
			bounds[i] = query->metric == SQ8_NEGATIVE_IP ? -INFINITY :
				isnan(errors[i]) ? INFINITY : 0;
		return;
	}
	quantize_kernels->sq8_sums(query->values, codes, stride, query->dims, count, ahead,
							   sums);
	if (query->metric == SQ8_NEGATIVE_IP)
		product_bounds(query, scales, errors, norms, count, sums, bounds);
	else
		l2_bounds(query, scales, errors, norms, count, limit, sums, bounds);
}
