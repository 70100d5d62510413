/*
 * test_linear.c
 *	  Products, their largest, and eigenvectors: every level, and OpenBLAS where
 *	  it is installed, against plain double arithmetic.
 */
#include "levels.h"
#include "random.h"
#include "math/linear/linear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static char last_report[256];
static long ticks;

static void *
blocks_alloc(void *arg, size_t count, size_t size)
{
	(void) arg;
	return malloc(count * size);
}

static void
blocks_release(void *arg, void *memory)
{
	(void) arg;
	free(memory);
}

static void
blocks_tick(void *arg)
{
	(void) arg;
	ticks++;
}

static void
keep_report(void *arg, HostAudience audience, const char *message,
			const char *hint)
{
	(void) arg;
	(void) audience;
	(void) hint;
	snprintf(last_report, sizeof(last_report), "%s", message);
}

static const ClusterHost host = {
	blocks_alloc, blocks_release, blocks_tick, NULL, keep_report, NULL, NULL
};

/* Use the level of a test, or OpenBLAS for SIMD_AUTO; skip what is not here. */
static SimdLevel openblas = SIMD_AUTO;

#define EVERY_WAY(test) \
	AT_EVERY_LEVEL(test), {#test " (openblas)", test, NULL, NULL, &openblas}

static void
use_level(void **state)
{
	SimdLevel	level = *(SimdLevel *) *state;

	linear_allow_openblas(level == SIMD_AUTO);
	if (linear_set_level(level) != 0 ||
		(level == SIMD_AUTO && !linear_begin(&host)))
		skip();
}

static float
random_float(void)
{
	return (float) (random_bits() * 0x1p-31 - 1);
}

static float *
random_floats(size_t n)
{
	float	   *floats = malloc((n > 0 ? n : 1) * sizeof(float));

	for (size_t i = 0; i < n; i++)
		floats[i] = random_float();
	return floats;
}

/* n rows of depth floats, gap apart, as the right-hand side; free its data. */
static LinearRows
right_side(const float *b, size_t n, size_t depth, size_t gap)
{
	LinearRows	rows;
	size_t		floats = linear_rows_floats(n, depth);
	float	   *memory = malloc((floats > 0 ? floats : 1) * sizeof(float));

	/* what is not put there must not count, whatever it was */
	for (size_t i = 0; i < floats; i++)
		memory[i] = FLT_MAX;
	linear_rows_init(&rows, n, depth, memory);
	for (size_t j = 0; j < n; j++)
		for (size_t i = 0; i < depth; i++)
			linear_row(&rows, j)[i * rows.step] = b[j * (depth + gap) + i];
	return rows;
}

/* Small integers: sums of their products are exact, whatever the order. */
static float *
random_integers(size_t n)
{
	float	   *floats = random_floats(n);

	for (size_t i = 0; i < n; i++)
		floats[i] = rintf(floats[i] * 4);
	return floats;
}

/*
 * The largest of the products of m rows with n others, those from number
 * LINEAR_COLUMNS on if there are so many.  The last element of the m rows is 1.
 */
static void
check_nearest(size_t m, size_t n, size_t depth, size_t gap)
{
	size_t		stride = depth + gap;
	size_t		from = n > LINEAR_COLUMNS ? LINEAR_COLUMNS : 0;
	float	   *a = random_integers(m * stride);
	float	   *b = random_integers(n * stride);
	float	   *sums = malloc((m * n + 1) * sizeof(float));
	float	   *best = malloc((m + 1) * sizeof(float));
	uint32_t   *number = malloc((m + 1) * sizeof(uint32_t));
	LinearRows	right;

	for (size_t i = 0; i < m; i++)
	{
		/* one row in five has found a larger one before */
		best[i] = i % 5 == 4 ? FLT_MAX : LINEAR_NOWHERE;
		number[i] = 7777;
		/* all products of a single row are negative */
		for (size_t d = 0; d < depth && m == 1; d++)
			a[d] = -1;
		a[i * stride + depth - 1] = 1;
	}
	for (size_t i = 0; i < n * stride && m == 1; i++)
		b[i] = i % stride == depth - 1 ? -1 : fabsf(b[i]);
	right = right_side(b, n, depth, gap);
	linear_nearest(a, stride, m, &right, from, n - from, sums, best, number);
	for (size_t i = 0; i < m; i++)
	{
		double		expected = -INFINITY;
		size_t		first = 0;

		for (size_t j = from; j < n; j++)
		{
			double		sum = 0;

			for (size_t d = 0; d < depth; d++)
				sum += (double) a[i * stride + d] * b[j * stride + d];
			if (sum > expected)
			{
				expected = sum;
				first = j;
			}
		}
		if (i % 5 == 4 || n == 0)
		{
			assert_int_equal(number[i], 7777);
			continue;
		}
		assert_int_equal(number[i], first);
		assert_true(best[i] == expected);
	}
	free(right.data);
	free(number);
	free(best);
	free(sums);
	free(b);
	free(a);
}

static void
test_products(void **state)
{
	static const size_t shapes[][3] = {
		{1, 1, 1}, {1, 1, 64000}, {3, 2, 5}, {5, 7, 31}, {6, 8, 32}, {7, 9, 33},
		{14, 32, 384}, {15, 33, 385}, {13, 31, 383}, {29, 65, 769}, {2, 100, 8},
		{100, 3, 17}, {30, 16, 8}, {9, 40, 9}, {40, 64, 100}, {1, 70, 40}, {513, 17, 9}, {0, 4, 4}, {4, 0, 4},
		{20, 37, 512}
	};

	use_level(state);
	for (size_t s = 0; s < ARRAY_LENGTH(shapes); s++)
		for (size_t gap = 0; gap < 4; gap += 3)
		{
			size_t		m = shapes[s][0];
			size_t		n = shapes[s][1];
			size_t		depth = shapes[s][2];
			float	   *a = random_floats(m * (depth + gap));
			float	   *b = random_floats(n * (depth + gap));
			float	   *out = random_floats(m * (n + gap) + 1);
			float	   *before = malloc((m * (n + gap) + 1) * sizeof(float));

			LinearRows	right = right_side(b, n, depth, gap);

			memcpy(before, out, (m * (n + gap) + 1) * sizeof(float));
			linear_products(a, depth + gap, m, &right, 0, n, out, n + gap);
			check_nearest(m, n, depth, gap);
			for (size_t i = 0; i < m; i++)
			{
				for (size_t j = 0; j < n; j++)
				{
					double		sum = 0;
					double		size = 0;

					for (size_t d = 0; d < depth; d++)
					{
						double		product = (double) a[i * (depth + gap) + d] *
							b[j * (depth + gap) + d];

						sum += product;
						size += fabs(product);
					}
					assert_true(fabs(out[i * (n + gap) + j] - sum) <=
								FLT_EPSILON * (1 + depth / 4.0) * size);
				}
				/* what lies between rows is not touched */
				for (size_t j = n; j < n + gap; j++)
					assert_true(out[i * (n + gap) + j] ==
								before[i * (n + gap) + j]);
			}
			assert_true(out[m * (n + gap)] == before[m * (n + gap)]);
			free(right.data);
			free(before);
			free(out);
			free(b);
			free(a);
		}
}

static void
test_largest(void **state)
{
	use_level(state);
	for (size_t n = 0; n <= 200; n++)
		for (int few = 0; few < 2; few++)
		{
			float	   *sums = random_floats(n);
			float		best = few ? 0 : -FLT_MAX;
			uint32_t	number = 7;
			float		expected = best;
			uint32_t	where = 7;

			/* few different ones: the first of the equal ones counts */
			for (size_t i = 0; i < n && few; i++)
				sums[i] = floorf(sums[i] * 3);
			for (size_t i = 0; i < n; i++)
				if (sums[i] > expected)
				{
					expected = sums[i];
					where = 1000 + (uint32_t) i;
				}
			linear_kernels->largest(sums, n, 1000, &best, &number);
			assert_true(best == expected);
			assert_int_equal(number, where);
			free(sums);
		}
}

static void
test_shift(void **state)
{
	static const float odd[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -0.0f};

	use_level(state);
	for (size_t n = 1; n <= 130; n++)
		for (int with = 0; with < 2; with++)
		{
			float	   *row = random_floats(n);
			float	   *minus = random_floats(n);
			float	   *out = malloc(n * sizeof(float));
			double	   *sum = calloc(n, sizeof(double));
			double		squares = 0;
			float		got;

			for (size_t i = 0; i < ARRAY_LENGTH(odd) && n > 40; i++)
				row[i * 9] = odd[i];
			got = linear_kernels->shift(row, 2, with ? minus : NULL, 3, n, out);
			for (size_t i = 0; i < n; i++)
			{
				float		x = row[i] * 2 - (with ? minus[i] : 0);

				x = x > -3 ? x : -3;
				x = x < 3 ? x : 3;
				assert_true(fabs(out[i] - x) <= 1e-6);
				squares += (double) x * x;
			}
			assert_true(fabs(got - squares) <= 1e-5 * squares);
			linear_kernels->accumulate(sum, out, 0.5, n);
			linear_kernels->accumulate(sum, out, 1, n);
			for (size_t i = 0; i < n; i++)
				assert_true(fabs(sum[i] - 1.5 * out[i]) <= 1e-12);
			free(sum);
			free(out);
			free(minus);
			free(row);
		}
}

/* Eigenvectors of x' x, x of rank rows */
static void
check_eigenvectors(size_t n, size_t rank)
{
	float	   *x = random_floats(n * rank);
	float	   *a = malloc(n * n * sizeof(float));
	float	   *matrix = malloc(n * n * sizeof(float));
	float	   *vectors = malloc(n * n * sizeof(float));
	float	   *values = malloc(n * sizeof(float));
	double		trace = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
		{
			double		sum = 0;

			for (size_t r = 0; r < rank; r++)
				sum += (double) x[i * rank + r] * x[j * rank + r];
			a[i * n + j] = matrix[i * n + j] = (float) sum;
			trace += i == j ? sum : 0;
		}
	ticks = 0;
	assert_true(linear_eigenvectors(&host, matrix, n, values, vectors));
	assert_true(n < 300 || ticks > 0 || linear_begin(&host));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
		{
			double		product = 0;
			double		moved = 0;

			for (size_t d = 0; d < n; d++)
			{
				product += (double) vectors[i * n + d] * vectors[j * n + d];
				moved += (double) a[j * n + d] * vectors[i * n + d];
			}
			assert_true(fabs(product - (i == j)) < 1e-5);
			assert_true(fabs(moved - (double) values[i] * vectors[i * n + j]) <=
						1e-5 * trace);
		}
	free(values);
	free(vectors);
	free(matrix);
	free(a);
	free(x);
}

static void
test_eigenvectors(void **state)
{
	use_level(state);
	for (size_t n = 1; n <= 40; n += 3)
		for (size_t rank = 0; rank <= n; rank += n < 4 ? 1 : n / 4)
			check_eigenvectors(n, rank);
	check_eigenvectors(150, 150);
}

/* What is in use is said once; without permission, nothing is loaded. */
static void
test_report(void **state)
{
	(void) state;
	assert_ptr_equal(linear_kernels, linear_table(SIMD_SCALAR));
	linear_allow_openblas(false);
	assert_false(linear_begin(&host));
	assert_string_equal(last_report, "");
	assert_int_equal(linear_bytes(), 0);
	linear_allow_openblas(true);
	if (linear_begin(&host))
		assert_non_null(strstr(last_report, "OpenBLAS"));
	else
		assert_non_null(strstr(last_report, "own loops"));
	assert_true(linear_bytes() > 0);
	print_message("%s\n", last_report);
	last_report[0] = '\0';
	(void) linear_begin(&host);
	assert_string_equal(last_report, "");
	linear_allow_openblas(false);
	assert_null(linear_library);
}

/* Threads of this process; 0 where that is not told */
static int
count_threads(void)
{
	FILE	   *status = fopen("/proc/self/status", "r");
	char		line[200];
	int			threads = 0;

	if (status == NULL)
		return 0;
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "Threads:", 8) == 0)
			threads = atoi(line + 8);
	fclose(status);
	return threads;
}

/* Before the first test; an emulator has threads of its own */
static int	threads_at_start;

/* As many threads after as before: the library must not start any. */
static void
test_threads(void **state)
{
	float	   *a = random_floats(600 * 600);
	float	   *out = malloc(600 * 600 * sizeof(float));
	LinearRows	right;

	(void) state;
	if (threads_at_start == 0)
		skip();
	linear_allow_openblas(true);
	(void) linear_begin(&host);
	right = right_side(a, 600, 600, 0);
	linear_products(a, 600, 600, &right, 0, 600, out, 600);
	free(right.data);
	assert_int_equal(count_threads(), threads_at_start);
	assert_null(getenv("OPENBLAS_NUM_THREADS"));
	free(out);
	free(a);
}

static void
test_dispatch(void **state)
{
	const LinearKernels *best = NULL;

	(void) state;
	for (SimdLevel level = SIMD_SCALAR; level <= SIMD_AVX512; level++)
	{
		const LinearKernels *table = linear_table(level);
		const LinearKernels *before = linear_kernels;

		assert_int_equal(table != NULL, distance_table(level) != NULL);
		if (table == NULL)
		{
			assert_int_equal(linear_set_level(level), -1);
			assert_ptr_equal(linear_kernels, before);
			continue;
		}
		assert_int_equal(linear_set_level(level), 0);
		assert_ptr_equal(linear_kernels, table);
		best = table;
	}
	assert_ptr_equal(linear_table(SIMD_AUTO), best);
	assert_int_equal(linear_set_level((SimdLevel) 99), -1);
	assert_ptr_equal(linear_kernels, best);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_dispatch),
		EVERY_WAY(test_products),
		AT_EVERY_LEVEL(test_largest),
		AT_EVERY_LEVEL(test_shift),
		EVERY_WAY(test_eigenvectors),
		cmocka_unit_test(test_threads),
	};

	threads_at_start = count_threads();
	return cmocka_run_group_tests_name("linear", tests, NULL, NULL);
}
