/*
 * test_sq8.c
 *	  Codes of 8 bits with proven errors: every level against the scalar one, and bounds
 *	  against what the operators give, for kind and for hostile values.
 *
 * What is tested is the promise: no bound is above the distance that any level's
 * kernels compute.
 */
#include "cases.h"
#include "levels.h"
#include "random.h"
#include "math/distance/distance.h"
#include "math/quantize/quantize.h"
#include "math/quantize/sq8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIMS	1100
#define ROWS		23

/* Kinds of values, the last ones hostile */
enum
{
	UNIFORM,
	GAUSSIAN,
	CLUSTERED,
	SPARSE,
	TIES,
	OUTLIERS,
	FAR_FROM_0,
	MIXED_SIZES,
	DENORMAL,
	HUGE_ONES,
	ZEROS,
	KINDS
};

static double
unit(void)
{
	return (random_bits() + 0.5) * 0x1p-32;
}

static double
gauss(void)
{
	return sqrt(-2 * log(unit())) * cos(2 * M_PI * unit());
}

static float
element(int kind, size_t i)
{
	switch (kind)
	{
		case UNIFORM:
			return (float) unit();
		case GAUSSIAN:
		case CLUSTERED:
			return (float) gauss();
		case SPARSE:
			return unit() < 0.03 ? (float) gauss() : 0;
		case TIES:
			return (float) (random_bits() % 2);
		case OUTLIERS:
			return (float) (gauss() * (i % 37 == 0 ? 1000 : 1));
		case FAR_FROM_0:
			return (float) (1000 + gauss() * 0.01);
		case MIXED_SIZES:
			return (float) (gauss() * pow(10, unit() * 30 - 15));
		case DENORMAL:
			return (float) (gauss() * 1e-41);
		case HUGE_ONES:
			return unit() < 0.1 ? (unit() < 0.5 ? -FLT_MAX : FLT_MAX) : (float) (gauss() * 1e30);
		default:
			return 0;
	}
}

/* Rows of which some are like each other, or the same */
static void
fill(int kind, float *rows, size_t dims)
{
	for (size_t r = 0; r < ROWS; r++)
	{
		for (size_t i = 0; i < dims; i++)
			rows[r * dims + i] = kind == CLUSTERED && r > 0
				? rows[i] + (float) gauss() * 0.001f : element(kind, i);
		if (r > 0 && random_bits() % 8 == 0)
			memcpy(rows + r * dims, rows, dims * sizeof(float));
		if (random_bits() % 16 == 0)
			memset(rows + r * dims, 0, dims * sizeof(float));
	}
}

/* What the operator gives, as src/types has it */
static double
distance(Sq8Metric metric, const float *a, const float *b, size_t dims)
{
	CosineSums	sums;
	double		cosine;

	if (metric == SQ8_L2)
		return sqrt((double) distance_kernels->f32_l2sq(a, b, dims));
	if (metric == SQ8_NEGATIVE_IP)
		return -(double) distance_kernels->f32_ip(a, b, dims);
	sums = distance_kernels->f32_cosine(a, b, dims);
	cosine = sums.ab / sqrt((double) sums.aa * (double) sums.bb);
	return 1 - (cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
}

/* As column_floats: false where nothing can be said of its cosine distances */
static bool
scale_to_1(const float *x, size_t dims, float *scaled)
{
	double		norm2 = distance_kernels->f32_norm2(x, dims);

	memset(scaled, 0, dims * sizeof(float));
	if (!(norm2 >= 1e-24 && norm2 <= 1e37))
		return false;
	for (size_t i = 0; i < dims; i++)
		scaled[i] = (float) (x[i] / sqrt(norm2));
	return true;
}

/* One set of rows, one query: all bounds.  Returns how many were of use. */
static int
check_bounds(int kind, Sq8Metric metric, size_t dims)
{
	size_t		bytes = sq8_code_bytes(dims);
	float	   *rows = malloc(ROWS * dims * sizeof(float));
	float	   *x = malloc(dims * sizeof(float));
	float	   *mean = calloc(dims, sizeof(float));
	float	   *weights = malloc(dims * sizeof(float));
	uint8_t    *codes = malloc(ROWS * bytes);
	Sq8Query   *query = malloc(sq8_query_bytes(dims));
	const float *q;
	float		scales[ROWS];
	float		errors[ROWS];
	float		norms[ROWS];
	float		bounds[ROWS];
	float		limited[ROWS];
	int64_t		sums[ROWS];
	double		limit;
	bool		known = true;
	int			useful = 0;

	fill(kind, rows, dims);
	if (random_bits() % 2)
		memcpy(mean, rows, dims * sizeof(float));
	if (metric == SQ8_COSINE)
		(void) scale_to_1(rows, dims, mean);
	sq8_train(rows, random_bits() % 2 ? ROWS : 1, dims, mean, dims, weights);
	for (size_t r = 0; r < ROWS; r++)
	{
		Sq8Factors	factors;

		memcpy(x, rows + r * dims, dims * sizeof(float));
		if (metric == SQ8_COSINE && !scale_to_1(rows + r * dims, dims, x))
			sq8_no_factors(distance_kernels->f32_norm2(rows + r * dims, dims) > 0, dims,
						   codes + r * bytes, &factors);
		else
		{
			sq8_encode(x, mean, weights, dims, metric, codes + r * bytes, &factors);
			assert_true(sq8_code_holds(x, mean, weights, dims, metric,
									   codes + r * bytes, &factors));
			/* a level that is another one is noticed */
			if ((kind == UNIFORM || kind == GAUSSIAN) && factors.scale > 0)
			{
				codes[r * bytes] ^= 128;
				assert_false(sq8_code_holds(x, mean, weights, dims, metric,
											codes + r * bytes, &factors));
				codes[r * bytes] ^= 128;
			}
		}
		scales[r] = factors.scale;
		errors[r] = factors.error;
		norms[r] = factors.norm;
	}
	q = rows + random_bits() % ROWS * dims;
	if (random_bits() % 4 == 0)
	{
		float	   *other = malloc(ROWS * dims * sizeof(float));

		fill(random_bits() % KINDS, other, dims);
		memcpy(rows + (ROWS - 1) * dims, other, dims * sizeof(float));
		q = other;
	}
	memcpy(x, q, dims * sizeof(float));
	if (metric == SQ8_COSINE)
		known = scale_to_1(q, dims, x);
	sq8_query_prepare(query, x, mean, weights, dims, metric, !known);
	sq8_bounds(query, codes, bytes, scales, errors, norms, ROWS, INFINITY, NULL, sums, bounds);
	limit = bounds[random_bits() % ROWS];
	sq8_bounds(query, codes, bytes, scales, errors, norms, ROWS, limit, codes, sums, limited);
	for (size_t r = 0; r < (q == rows + (ROWS - 1) * dims ? ROWS : ROWS - 1); r++)
	{
		double		d = distance(metric, rows + r * dims, q, dims);

		assert_false(isnan(bounds[r]));
		if (!isnan(d))
			assert_true(bounds[r] <= d);
		if (isnan(d))
			continue;
		/* what is not above the limit is the same */
		if (bounds[r] <= limit)
			assert_true(limited[r] == bounds[r]);
		else
			assert_true(limited[r] == bounds[r] || limited[r] == INFINITY);
		useful += bounds[r] > (metric == SQ8_NEGATIVE_IP ? -FLT_MAX : 0) &&
			bounds[r] > d - 0.05 * fabs(d) - 0.05;
	}
	if (q < rows || q >= rows + ROWS * dims)
		free((void *) q);
	free(rows);
	free(x);
	free(mean);
	free(weights);
	free(codes);
	free(query);
	return useful;
}

static void
test_bounds(void **state)
{
	SimdLevel	level = *(SimdLevel *) *state;
	int			useful[KINDS] = {0};

	if (quantize_set_level(level) != 0 || distance_set_level(level) != 0)
		skip();
	random_state = 11;
	for (int i = 0; i < CASES(6600); i++)
	{
		size_t		dims = i % 3 == 0 ? 1 + random_bits() % MAX_DIMS : 1 + random_bits() % 70;

		useful[i % KINDS] += check_bounds(i % KINDS, (Sq8Metric) (i / KINDS % 3), dims);
	}
	/* bounds say something, where values are kind */
	assert_true(useful[UNIFORM] > 6000 / CASES_PART);
	assert_true(useful[GAUSSIAN] > 4000 / CASES_PART);
}

/* Codes, and what is measured of them, are the same everywhere. */
static void
test_levels(void **state)
{
	SimdLevel	level = *(SimdLevel *) *state;
	const QuantizeKernels *scalar = quantize_table(SIMD_SCALAR);

	if (quantize_set_level(level) != 0)
		skip();
	random_state = 3;
	for (size_t dims = 1; dims <= 200; dims++)
	{
		float	   *x = malloc(dims * sizeof(float));
		float	   *mean = malloc(dims * sizeof(float));
		float	   *weights = malloc(dims * sizeof(float));
		uint8_t    *expected = malloc(dims);
		uint8_t    *levels = malloc(dims);
		Sq8Sums		expected_sums;
		Sq8Sums		sums;
		float		scale;

		for (size_t i = 0; i < dims; i++)
		{
			x[i] = (float) gauss();
			mean[i] = (float) gauss() / 10;
			weights[i] = (float) (0.1 + unit());
		}
		scale = scalar->sq8_reach(x, mean, weights, dims);
		assert_true(scale == quantize_kernels->sq8_reach(x, mean, weights, dims));
		scale /= 100;
		scalar->sq8_levels(x, mean, weights, dims, scale, 1 / scale, expected, &expected_sums);
		quantize_kernels->sq8_levels(x, mean, weights, dims, scale, 1 / scale, levels, &sums);
		assert_memory_equal(levels, expected, dims);
		assert_memory_equal(&sums, &expected_sums, sizeof(sums));
		free(x);
		free(mean);
		free(weights);
		free(expected);
		free(levels);
	}
}

/* Sums of integers, the same everywhere, at the end of what may be read */
static void
test_sums(void **state)
{
	SimdLevel	level = *(SimdLevel *) *state;
	const QuantizeKernels *scalar = quantize_table(SIMD_SCALAR);

	if (quantize_set_level(level) != 0)
		skip();
	random_state = 5;
	for (size_t dims = SQ8_DIMS_STEP; dims <= QUANTIZE_MAX_DIMS;
		 dims += dims < 1000 ? SQ8_DIMS_STEP : 1008)
	{
		int16_t    *query = calloc(1, dims * sizeof(int16_t) + QUANTIZE_READ_PAD);
		int			most = (int) fmin(INT16_MAX, 0x1p31 / (128.0 * dims) - 1);

		for (size_t count = 0; count <= 9; count++)
		{
			uint8_t    *codes = malloc(count * dims);
			int64_t		expected[9];
			int64_t		sums[9];

			for (size_t i = 0; i < dims; i++)
				query[i] = (int16_t) (count == 9 ? most : (int) (random_bits() % (2 * most + 1)) - most);
			for (size_t i = 0; i < count * dims; i++)
				codes[i] = (uint8_t) (count == 9 ? 255 : random_bits());
			scalar->sq8_sums(query, codes, dims, dims, count, NULL, expected);
			quantize_kernels->sq8_sums(query, codes, dims, dims, count, codes, sums);
			assert_memory_equal(sums, expected, count * sizeof(int64_t));
			free(codes);
		}
		free(query);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EVERY_LEVEL(test_levels),
		AT_EVERY_LEVEL(test_sums),
		AT_EVERY_LEVEL(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
