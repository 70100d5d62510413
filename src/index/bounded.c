/*
 * bounded.c
 *	  Values in half precision, and the intervals that distances from them give.
 *
 * A sum of n products or squares in float32, in whatever order, is off by at
 * most a factor 1 +- (n + 2) 2^-24 of the sum of absolute values (Higham,
 * Accuracy and Stability of Numerical Algorithms, 3.1); differences and
 * roundings to float of the inputs add a few units.  rounding() is a bound for
 * all of them.  It is applied to both the sum computed here and the one that
 * the operator computes.  README.md has the intervals.
 */
#include "index/bounded.h"

#include <math.h>

#include "math/distance/distance.h"
#include "types/dense.h"

/* See the head of this file */
static inline double
rounding(size_t n)
{
	return (n + 32) * 0x1p-24;
}

/* A float that is not below x */
static inline float
float_above(double x)
{
	return nextafterf((float) x, INFINITY);
}

void
bounded_query_init(BoundedQuery *query, const IndexColumn *column)
{
	memset(query, 0, sizeof(BoundedQuery));
	query->column = column;
	query->floats = (float *) palloc(mul_size(column->dims, sizeof(float)));
}

bool
bounded_query_set(BoundedQuery *query, const struct varlena *value)
{
	query->value = value;
	query->inexact = false;
	query->constant = value == NULL ||
		!column_floats(query->column, value, query->floats, &query->norm);
	if (!query->constant && query->column->traits->normalized)
	{
		query->inexact = !bounded_norm_is_usual(query->norm);
		query->norm = 1;
	}
	return !query->constant;
}

Size
bounded_size(const IndexColumn *column)
{
	return column->type->kind == COLUMN_HALFVEC ? column_value_size(column)
		: offsetof(BoundedValue, halves) + column->dims * sizeof(half);
}

void
bounded_make(const BoundedQuery *query, void *bounded)
{
	BoundedValue *value = (BoundedValue *) bounded;
	int			dims = query->column->dims;
	double		error2 = 0;
	double		norm2 = 0;

	if (query->column->type->kind == COLUMN_HALFVEC)
	{
		memcpy(bounded, query->value, VARSIZE(query->value));
		return;
	}
	distance_kernels->f32_to_f16(query->floats, value->halves, dims);
	for (int i = 0; i < dims; i++)
	{
		double		h = half_to_float(value->halves[i]);
		double		error = query->floats[i] - h;

		error2 += error * error;
		norm2 += h * h;
	}
	/* sums of doubles are off by less than one part in 2^30 */
	value->error = float_above(sqrt(error2) * (1 + 1e-9));
	value->norm = float_above((sqrt(norm2) + sqrt(error2)) * (1 + 1e-9));
	if (query->inexact)
		value->error = INFINITY;
}

void
bounded_l2_interval(const float *q, double q_norm, const half *h, size_t n,
					double error, double norm, double *low, double *high)
{
	double		relative = rounding(n);
	double		middle = sqrt((double) distance_kernels->mixed_l2sq(q, h, n));

	*low = (middle * (1 - relative) - error) * (1 - relative) - 1e-18;
	*high = (middle * (1 + relative) + error) * (1 + relative) + 1e-18;
	*low = Max(*low, 0);
	/* where the operator's sum may overflow, it may be infinite */
	if (!(*high < 1e19))
		*high = INFINITY;
	if (!isfinite(middle) || !isfinite(error))
		*low = 0;
}

/* Infinite where a sum of float32, here or in the operator, may overflow */
static void
product_interval(double middle, double slack, double q_norm, double norm,
				 double *low, double *high)
{
	*low = middle - slack;
	*high = middle + slack;
	if (!isfinite(middle) || !isfinite(slack) || q_norm * norm > 1e37)
	{
		*low = -INFINITY;
		*high = INFINITY;
	}
}

void
bounded_ip_interval(const float *q, double q_norm, const half *h, size_t n,
					double error, double norm, double *low, double *high)
{
	product_interval(-(double) distance_kernels->mixed_ip(q, h, n),
					 q_norm * (error + 2 * rounding(n) * norm) + 1e-30,
					 q_norm, norm, low, high);
}

void
bounded_cosine_interval(const float *q, double q_norm, const half *h, size_t n,
						double error, double norm, double *low, double *high)
{
	product_interval(1 - (double) distance_kernels->mixed_ip(q, h, n),
					 error + 8 * rounding(n) + 1e-6, q_norm, norm, low, high);
	/* the operator's result is within 0 and 2 */
	*low = Min(*low, 2);
	*high = Max(*high, 0);
}

bool
bounded_interval(const BoundedQuery *query, const void *bounded, double *low,
				 double *high)
{
	const IndexColumn *column = query->column;
	const BoundedValue *value = (const BoundedValue *) bounded;

	*low = -INFINITY;
	*high = INFINITY;
	if (query->constant)
	{
		*low = *high = 0;
		return true;
	}
	if (column->type->kind == COLUMN_HALFVEC)
	{
		/* damaged: the table has the value */
		if (unlikely(!column_value_valid(column, bounded, bounded_size(column))))
			return false;
		*low = *high = column->distance((const struct varlena *) bounded,
										query->value);
		return true;
	}
	if (!query->inexact)
		column->traits->interval(query->floats, query->norm, value->halves,
								 column->dims, value->error, value->norm, low,
								 high);
	return false;
}
