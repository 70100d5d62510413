/*
 * metric.h
 *	  What an index needs to know of a distance: one row of a table for each.
 *
 * Access methods and the planner ask the row; nothing outside metric.c tells one
 * metric from another.  A new metric is a member of Metric, a row in metric.c,
 * the functions that the row names, and operator classes in SQL.
 */
#ifndef VECTOR_INDEX_METRIC_H
#define VECTOR_INDEX_METRIC_H

#include "compat/pg.h"

#include "math/distance/distance.h"
#include "types/distance_function.h"

/* Types of columns.  Metapages have these numbers: append only. */
typedef enum ColumnKind
{
	COLUMN_VECTOR,
	COLUMN_HALFVEC,
	COLUMN_SPARSEVEC,
	COLUMN_BIT
} ColumnKind;

#define COLUMN_KINDS	(COLUMN_BIT + 1)

/* Metapages have these numbers: append only. */
typedef enum Metric
{
	METRIC_L2,
	METRIC_IP,					/* negative inner product */
	METRIC_COSINE,
	METRIC_L1,
	METRIC_HAMMING,
	METRIC_JACCARD
} Metric;

#define METRICS			(METRIC_JACCARD + 1)

/*
 * Where a query is compared with a value in half precision: the interval in
 * which the operator's result for the value itself must lie.  The query has n
 * floats q and norm q_norm; the value has halves h, is at most error away from
 * them, and norm is at least its norm and theirs (bounded_interval).
 */
typedef void (*MetricInterval) (const float *q, double q_norm, const half *h,
								size_t n, double error, double norm,
								double *low, double *high);

/*
 * The reduced distance of two values is one that is cheaper than the operator's
 * and in the same order: the square of an L2 distance, for example.  Centroids,
 * codes and the float32 elements of values (column_floats) are compared by it.
 */
typedef struct MetricTraits
{
	/*
	 * Functions by ColumnKind, NULL where a type does not have this metric: what
	 * the operator gives; an operator class's DISTANCE_PROC; and the function
	 * that the operator gives the negative of, if there is one.
	 */
	DistanceValue distance[COLUMN_KINDS];
	DistanceValue support[COLUMN_KINDS];
	DistanceValue negated[COLUMN_KINDS];

	/*
	 * Values are compared after scaling to norm 1: operator classes have a
	 * NORM_PROC, and a value of zeros has no distances and is not indexed.
	 */
	bool		normalized;

	/*
	 * The reduced distance is a negative inner product.  It depends on where the
	 * origin is: a query keeps its own while values are taken relative to a mean.
	 * A value is not the nearest to itself, so elements of a graph are compared
	 * by another distance (a centred codec).
	 */
	bool		product;

	/* No distance is below 0, and few are near it. */
	bool		has_floor;

	/*
	 * The reduced distance is the square of a Euclidean distance, and the
	 * difference of a value and a centroid may have any direction (which that
	 * of bits has not).
	 */
	bool		euclidean;

	/* RaBitQ codes of float32 elements estimate the reduced distance. */
	bool		coded;

	/* The reduced distance of two arrays of n float32 elements */
	float		(*reduced) (const float *a, const float *b, size_t n);

	/* From an operator's result to the reduced distance, and back */
	double		(*reduce) (double distance);
	double		(*restore) (double reduced);

	/* NULL where no index keeps values of this metric in half precision */
	MetricInterval interval;
} MetricTraits;

extern const MetricTraits metric_traits[METRICS];

/*
 * The metric of operator classes on a type whose DISTANCE_PROC is support, with
 * a NORM_PROC or without.  False where it is none of ours.
 */
extern bool metric_find(DistanceValue support, ColumnKind kind, bool normalized,
						Metric *metric);

/* The metric that gives a distance; NULL where none does */
extern const MetricTraits *metric_of_distance(DistanceValue distance);

/* Is the value of one of ours always the negative of the distance? */
extern bool metric_is_negated(DistanceValue value, DistanceValue distance);

#endif							/* VECTOR_INDEX_METRIC_H */
