/*
 * bounded.h
 *	  Values in half precision, and the intervals that distances from them give.
 *
 * An index that has codes may keep a value beside each: a vector in half
 * precision, with the length of what rounding took away, a halfvec as it is.
 * From these follows an interval in which the operator's result must lie, so
 * that most rows need not be read from the table to be put in order.
 */
#ifndef VECTOR_INDEX_BOUNDED_H
#define VECTOR_INDEX_BOUNDED_H

#include "compat/pg.h"

#include "index/column.h"

/* A vector; a halfvec is kept as a plain varlena. */
typedef struct BoundedValue
{
	float		error;			/* at least |value - halves| */
	float		norm;			/* at least |value| and |halves| */
	half		halves[FLEXIBLE_ARRAY_MEMBER];
} BoundedValue;

/* A value that is to be kept, or whose distances are asked for */
typedef struct BoundedQuery
{
	const IndexColumn *column;
	const struct varlena *value;
	float	   *floats;			/* the value as column_floats gives it */
	double		norm;			/* of floats */
	bool		constant;		/* all distances are 0: there is no order */
	bool		inexact;		/* its distances have no bounds */
} BoundedQuery;

/*
 * Cosine distances of a value of norm 0 are no numbers.  Where the squared norm is below
 * the first, some terms of the sum of squares that they are divided by are float's
 * denormal numbers; above the second, the sum may be infinite.  No bounds hold there.
 */
#define BOUNDED_TINY_NORM2	1e-24
#define BOUNDED_HUGE_NORM2	1e37

/* Do bounds hold for cosine distances of values of this norm? */
static inline bool
bounded_norm_is_usual(double norm)
{
	return norm * norm >= BOUNDED_TINY_NORM2 && norm * norm <= BOUNDED_HUGE_NORM2;
}

/* For a column of vector or halfvec, which stays; in the current context */
extern void bounded_query_init(BoundedQuery *query, const IndexColumn *column);

/*
 * Set it to a plain varlena of the column's type and dimensions, which stays.
 * NULL, and a value that has no distances (zeros under cosine distance), make
 * it constant: false.
 */
extern bool bounded_query_set(BoundedQuery *query,
							  const struct varlena *value);

/* Bytes of a value that is kept, and making one of the query's */
extern Size bounded_size(const IndexColumn *column);
extern void bounded_make(const BoundedQuery *query, void *bounded);

/*
 * The interval in which the operator's result for the query and the value must
 * lie, all rounding included; it may be infinite.  Returns true if it is a
 * point.
 */
extern bool bounded_interval(const BoundedQuery *query, const void *bounded,
							 double *low, double *high);

/* See MetricInterval: the intervals of metrics, for metric.c */
extern void bounded_l2_interval(const float *q, double q_norm, const half *h,
								size_t n, double error, double norm,
								double *low, double *high);
extern void bounded_ip_interval(const float *q, double q_norm, const half *h,
								size_t n, double error, double norm,
								double *low, double *high);
extern void bounded_cosine_interval(const float *q, double q_norm,
									const half *h, size_t n, double error,
									double norm, double *low, double *high);

#endif							/* VECTOR_INDEX_BOUNDED_H */
