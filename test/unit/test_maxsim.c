/*
 * test_maxsim.c
 *	  MaxSim at every level against plain double arithmetic: numbers of vectors
 *	  and dimensions around the sizes of blocks and panels, strides, documents
 *	  one after the other, extremes.
 */
#include "levels.h"
#include "random.h"
#include "math/maxsim/maxsim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static void
use_level(void **state)
{
	if (linear_set_level(*(SimdLevel *) *state) != 0)
		skip();
}

static float *
random_floats(size_t n)
{
	float	   *floats = malloc(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		floats[i] = (float) (random_bits() * 0x1p-31 - 1);
	return floats;
}

/* In exactly as much memory as it asks for, so that a sanitizer sees an overrun */
static MaxSim
make_query(const float *query, size_t count, size_t dims)
{
	MaxSim		sim;
	size_t		floats = maxsim_floats(count, dims);
	float	   *memory = malloc(floats * sizeof(float));

	for (size_t i = 0; i < floats; i++)
		memory[i] = FLT_MAX;
	maxsim_init(&sim, count, dims, memory);
	for (size_t i = 0; i < count; i++)
		maxsim_set(&sim, i, query + i * dims);
	return sim;
}

static double
compare(MaxSim *sim, const float *rows, size_t stride, size_t count)
{
	maxsim_begin(sim);
	for (size_t i = 0; i < count; i += MAXSIM_ROWS)
		maxsim_add(sim, rows + i * stride, stride,
				   count - i < MAXSIM_ROWS ? count - i : MAXSIM_ROWS);
	return maxsim_sum(sim);
}

static double
expected(const float *query, size_t n, const float *rows, size_t stride,
		 size_t count, size_t dims)
{
	double		sum = 0;

	for (size_t q = 0; q < n; q++)
	{
		double		best = -INFINITY;

		for (size_t r = 0; r < count; r++)
		{
			double		product = 0;

			for (size_t i = 0; i < dims; i++)
				product += (double) query[q * dims + i] * rows[r * stride + i];
			if (product > best)
				best = product;
		}
		sum += best;
	}
	return sum;
}

static void
is_the_sum_of_the_greatest(void **state)
{
	static const size_t queries[] = {1, 2, 31, 32, 33, 64, 255, 256, 257, 300};
	static const size_t documents[] = {1, 5, 6, 63, 64, 65, 130};
	static const size_t dims[] = {1, 3, 16, 17, 96, 385};

	use_level(state);
	for (size_t q = 0; q < ARRAY_LENGTH(queries); q++)
		for (size_t d = 0; d < ARRAY_LENGTH(dims); d++)
		{
			float	   *query = random_floats(queries[q] * dims[d]);
			MaxSim		sim = make_query(query, queries[q], dims[d]);

			for (size_t r = 0; r < ARRAY_LENGTH(documents); r++)
			{
				size_t		stride = dims[d] + r % 3;
				/* nothing behind the last row's elements is read */
				float	   *rows = random_floats((documents[r] - 1) * stride + dims[d]);
				double		wanted = expected(query, queries[q], rows, stride,
											  documents[r], dims[d]);
				double		found = compare(&sim, rows, stride, documents[r]);

				assert_true(fabs(found - wanted) <=
							1e-6 * (double) queries[q] * (double) dims[d]);
				/* the same once more: nothing is left of a document before */
				assert_true(compare(&sim, rows, stride, documents[r]) == found);
				free(rows);
			}
			free(sim.query.data);
			free(query);
		}
}

/* A document's number does not depend on how its vectors are ordered or cut. */
static void
is_the_same_in_any_order(void **state)
{
	enum
	{
		DIMS = 48, ROWS = 77, QUERY = 35
	};
	float	   *query;
	float	   *rows;
	float	   *turned;
	MaxSim		sim;
	double		wanted;

	use_level(state);
	query = random_floats(QUERY * DIMS);
	rows = random_floats(ROWS * DIMS);
	turned = malloc(ROWS * DIMS * sizeof(float));
	sim = make_query(query, QUERY, DIMS);
	wanted = compare(&sim, rows, DIMS, ROWS);
	for (size_t i = 0; i < ROWS * DIMS; i++)
		turned[(ROWS - 1 - i / DIMS) * DIMS + i % DIMS] = rows[i];
	assert_true(compare(&sim, turned, DIMS, ROWS) == wanted);
	maxsim_begin(&sim);
	for (size_t i = 0; i < ROWS; i++)
		maxsim_add(&sim, turned + i * DIMS, DIMS, 1);
	assert_true(maxsim_sum(&sim) == wanted);
	free(sim.query.data);
	free(query);
	free(rows);
	free(turned);
}

static void
knows_extremes(void **state)
{
	const float query[] = {1e38f, 1e38f, 1, 1};
	const float rows[] = {1e38f, 1e38f, -1e38f, -1e38f, 1e38f, -1e38f};
	MaxSim		sim;

	use_level(state);
	sim = make_query(query, 2, 2);
	maxsim_begin(&sim);
	assert_true(maxsim_sum(&sim) == -INFINITY);
	assert_true(compare(&sim, rows, 2, 3) == INFINITY);
	/* all that there is is minus infinity, or no number */
	assert_true(compare(&sim, rows + 2, 2, 1) == -INFINITY);
	assert_false(isnan(compare(&sim, rows + 4, 2, 1)));
	free(sim.query.data);
}

static void
asks_for_too_much(void **state)
{
	(void) state;
	assert_true(maxsim_floats(SIZE_MAX / 2, 16) == SIZE_MAX);
	assert_true(maxsim_floats(SIZE_MAX, 1) == SIZE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EVERY_LEVEL(is_the_sum_of_the_greatest),
		AT_EVERY_LEVEL(is_the_same_in_any_order),
		AT_EVERY_LEVEL(knows_extremes),
		cmocka_unit_test(asks_for_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
