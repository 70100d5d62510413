/*
 * metric.c
 *	  The table of metrics.
 */
#include "index/metric.h"

#include <math.h>

#include "index/bounded.h"

/*
 * Functions of the types that a metric has, by ColumnKind.  The name of that of
 * vector is older than the others and has no prefix, or another one.
 */
#define OF_VECTORS(vector, name) { \
		[COLUMN_VECTOR] = vector##_value, \
		[COLUMN_HALFVEC] = halfvec_##name##_value, \
		[COLUMN_SPARSEVEC] = sparsevec_##name##_value}
#define OF_BITS(name) {[COLUMN_BIT] = name##_value}

static float
l2_square(const float *a, const float *b, size_t n)
{
	return distance_kernels->f32_l2sq(a, b, n);
}

static float
negative_product(const float *a, const float *b, size_t n)
{
	return -distance_kernels->f32_ip(a, b, n);
}

static float
l1(const float *a, const float *b, size_t n)
{
	return distance_kernels->f32_l1(a, b, n);
}

static double
same(double distance)
{
	return distance;
}

/* Nothing is nearer than a radius below 0. */
static double
square(double distance)
{
	return distance < 0 ? -INFINITY : distance * distance;
}

static double
square_root(double reduced)
{
	return sqrt(Max(reduced, 0));
}

/* |a - b|^2 = 2 (1 - <a, b>) where both have norm 1 */
static double
twice(double distance)
{
	return 2 * distance;
}

static double
half_of(double reduced)
{
	return Max(reduced, 0) / 2;
}

const MetricTraits metric_traits[METRICS] = {
	[METRIC_L2] = {
		.distance = OF_VECTORS(l2_distance, l2_distance),
		.support = OF_VECTORS(vector_l2_squared_distance, l2_squared_distance),
		.has_floor = true,
		.euclidean = true,
		.coded = true,
		.reduced = l2_square,
		.reduce = square,
		.restore = square_root,
		.interval = bounded_l2_interval,
	},
	[METRIC_IP] = {
		.distance = OF_VECTORS(vector_negative_inner_product, negative_inner_product),
		.support = OF_VECTORS(vector_negative_inner_product, negative_inner_product),
		.negated = OF_VECTORS(inner_product, inner_product),
		.product = true,
		.coded = true,
		.reduced = negative_product,
		.reduce = same,
		.restore = same,
		.interval = bounded_ip_interval,
	},
	[METRIC_COSINE] = {
		.distance = OF_VECTORS(cosine_distance, cosine_distance),
		.support = OF_VECTORS(vector_negative_inner_product, negative_inner_product),
		.normalized = true,
		.has_floor = true,
		.euclidean = true,
		.coded = true,
		.reduced = l2_square,
		.reduce = twice,
		.restore = half_of,
		.interval = bounded_cosine_interval,
	},
	[METRIC_L1] = {
		.distance = OF_VECTORS(l1_distance, l1_distance),
		.support = OF_VECTORS(l1_distance, l1_distance),
		.has_floor = true,
		.reduced = l1,
		.reduce = same,
		.restore = same,
	},
	[METRIC_HAMMING] = {
		.distance = OF_BITS(hamming_distance),
		.support = OF_BITS(hamming_distance),
		.has_floor = true,
		.coded = true,
		.reduced = l2_square,
		.reduce = same,
		.restore = same,
	},

	/*
	 * Lists of near bits are found by Hamming distance: the reduced distance is
	 * in the order of this one nearly, where all values have about as many ones.
	 */
	[METRIC_JACCARD] = {
		.distance = OF_BITS(jaccard_distance),
		.support = OF_BITS(jaccard_distance),
		.has_floor = true,
		.coded = true,
		.reduced = l2_square,
		.reduce = same,
		.restore = same,
	},
};

bool
metric_find(DistanceValue support, ColumnKind kind, bool normalized,
			Metric *metric)
{
	for (int i = 0; support != NULL && i < METRICS; i++)
	{
		if (metric_traits[i].support[kind] == support &&
			metric_traits[i].normalized == normalized)
		{
			*metric = (Metric) i;
			return true;
		}
	}
	return false;
}

const MetricTraits *
metric_of_distance(DistanceValue distance)
{
	for (int i = 0; distance != NULL && i < METRICS; i++)
	{
		for (int kind = 0; kind < COLUMN_KINDS; kind++)
		{
			if (metric_traits[i].distance[kind] == distance)
				return &metric_traits[i];
		}
	}
	return NULL;
}

bool
metric_is_negated(DistanceValue value, DistanceValue distance)
{
	const MetricTraits *traits = metric_of_distance(distance);

	for (int kind = 0; value != NULL && traits != NULL && kind < COLUMN_KINDS; kind++)
	{
		if (traits->distance[kind] == distance)
			return traits->negated[kind] == value;
	}
	return false;
}
