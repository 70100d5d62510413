/*
 * test_cluster.c
 *	  The nearest of many centroids and k-means: every level against plain
 *	  double arithmetic.
 *
 * A level may add in its own order, so what is compared is what an answer is
 * worth: a centroid counts as the nearest where it is as near as the nearest
 * one up to TOLERANCE, relative to the squared norms that the sums are made of.
 * A small distance has the roundings of the elements that it is the difference
 * of: one in 2^24 of their norm, times the distance.
 *
 * The host allocates exactly what it is asked for (the AddressSanitizer watches
 * the ends), counts it, and frees all that is left when a call has jumped out.
 */
#include "cases.h"
#include "levels.h"
#include "random.h"
#include "math/cluster/cluster.h"
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
#define TOLERANCE	2e-5

/* The smallest panel of two levels */
#define TWO_LEVEL_K	2048
#define TWO_LEVEL_DIMS 64

/*
 * The host.
 */
typedef struct Block
{
	struct Block *next;
	struct Block *before;
	size_t		bytes;
	size_t		unused;			/* keeps what follows aligned to 16 bytes */
} Block;

typedef struct Arena
{
	Block		blocks;
	size_t		held;
	size_t		most;
	long		ticks;
	long		jump_at;		/* this call of alloc or tick jumps out; 0: none */
	long		calls;
	double		progress;
	jmp_buf		out;
} Arena;

static Arena arena;

static void
count_call(Arena *a)
{
	if (++a->calls == a->jump_at)
		longjmp(a->out, 1);
}

static void *
arena_alloc(void *arg, size_t count, size_t size)
{
	Arena	   *a = arg;
	Block	   *block;
	size_t		bytes;

	assert_false(__builtin_mul_overflow(count, size, &bytes));
	count_call(a);
	block = malloc(sizeof(Block) + bytes);
	assert_non_null(block);
	block->bytes = bytes;
	block->next = a->blocks.next;
	block->before = &a->blocks;
	block->next->before = block;
	a->blocks.next = block;
	a->held += bytes;
	a->most = a->held > a->most ? a->held : a->most;
	memset(block + 1, 0xff, bytes); /* NaNs */
	return block + 1;
}

static void
arena_release(void *arg, void *memory)
{
	Arena	   *a = arg;
	Block	   *block = (Block *) memory - 1;

	a->held -= block->bytes;
	block->next->before = block->before;
	block->before->next = block->next;
	free(block);
}

static void
arena_tick(void *arg)
{
	Arena	   *a = arg;

	a->ticks++;
	count_call(a);
}

static void
arena_progress(void *arg, double done)
{
	Arena	   *a = arg;

	assert_true(done >= a->progress - 1e-9 && done <= 1 + 1e-9);
	a->progress = done;
}

static const ClusterHost host = {
	arena_alloc, arena_release, arena_tick, arena_progress, NULL, NULL, &arena
};

static void
arena_begin(void)
{
	memset(&arena, 0, sizeof(arena));
	arena.blocks.next = arena.blocks.before = &arena.blocks;
}

/* Everything was released */
static void
arena_end(void)
{
	assert_int_equal(arena.held, 0);
	assert_ptr_equal(arena.blocks.next, &arena.blocks);
}

static void
arena_free(void)
{
	while (arena.blocks.next != &arena.blocks)
		arena_release(&arena, arena.blocks.next + 1);
}

/*
 * Data.
 */
static void
seed_random(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
}

static double
random_unit(void)
{
	return (random_bits() + 0.5) * 0x1p-32;
}

static float
random_gauss(void)
{
	return (float) (sqrt(-2 * log(random_unit())) *
					cos(2 * M_PI * random_unit()));
}

static float *
gauss_rows(size_t n, size_t dims, float middle, float size)
{
	float	   *rows = malloc(n * dims * sizeof(float));

	for (size_t i = 0; i < n * dims; i++)
		rows[i] = middle + size * random_gauss();
	return rows;
}

/* Rows in clusters of equal width */
static float *
clustered_rows(size_t n, size_t dims, size_t clusters, float noise)
{
	float	   *centres = gauss_rows(clusters, dims, 0, 1);
	float	   *rows = gauss_rows(n, dims, 0, noise);

	for (size_t i = 0; i < n; i++)
	{
		const float *centre = centres + random_bits() % clusters * dims;

		for (size_t d = 0; d < dims; d++)
			rows[i * dims + d] += centre[d];
	}
	free(centres);
	return rows;
}

static double
distance2(const float *a, const float *b, size_t dims)
{
	double		sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

static double
inner(const float *a, const float *b, size_t dims)
{
	double		sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static size_t
naive_nearest(const float *row, const float *centroids, size_t k, size_t dims)
{
	size_t		best = 0;
	double		least = INFINITY;

	for (size_t j = 0; j < k; j++)
	{
		double		d = distance2(row, centroids + j * dims, dims);

		if (d < least)
		{
			least = d;
			best = j;
		}
	}
	return best;
}

static SimdLevel openblas = SIMD_AUTO;

#define EVERY_WAY(test) \
	AT_EVERY_LEVEL(test), {#test " (openblas)", test, NULL, NULL, &openblas}

/*
 * The level that a test was given, SIMD_AUTO for OpenBLAS; does not return if
 * that cannot run here
 */
static void
use_level(void **state)
{
	SimdLevel	level = *(SimdLevel *) *state;

	linear_allow_openblas(level == SIMD_AUTO);
	if (linear_set_level(level) != 0 ||
		(level == SIMD_AUTO && !linear_begin(&host)))
		skip();
}

/*
 * Panels.
 */

/* Check all that a panel says about rows, of centroids around middle */
static void
check_panel(const float *rows, size_t n, const float *centroids, size_t k,
			size_t dims, const float *middle)
{
	uint32_t   *number = malloc(n * sizeof(*number));
	uint32_t   *again = malloc(n * sizeof(*again));
	float	   *distance = malloc(n * sizeof(*distance));
	float	   *all = malloc(n * k * sizeof(*all));
	float	   *products = malloc(n * k * sizeof(*products));
	CentroidPanel *panel;

	arena_begin();
	panel = centroid_panel_create(&host, centroids, k, dims, false);
	assert_true(arena.most <= centroid_panel_bytes(k, dims, false));
	centroid_panel_nearest(panel, &host, rows, n, number, distance);
	centroid_panel_nearest(panel, &host, rows, n, again, NULL);
	assert_memory_equal(number, again, n * sizeof(*number));
	centroid_panel_distances(panel, &host, rows, n, all);
	centroid_panel_products(panel, &host, rows, n, products);
	centroid_panel_free(&host, panel);
	arena_end();

	for (size_t i = 0; i < n; i++)
	{
		const float *row = rows + i * dims;
		double		norm = distance2(row, middle, dims);
		size_t		nearest = naive_nearest(row, centroids, k, dims);
		double		least = distance2(row, centroids + nearest * dims, dims);
		double		found;

		assert_true(number[i] < k);
		found = distance2(row, centroids + number[i] * dims, dims);
		assert_true(found <= least + TOLERANCE * (norm + least) / 4);
		assert_true(fabs(distance[i] - found) <= 4 * TOLERANCE * found +
					1e-6 * sqrt(found * norm) + 1e-12 * norm);
		for (size_t j = 0; j < k; j++)
		{
			const float *c = centroids + j * dims;
			double		d = distance2(row, c, dims);
			double		length = sqrt(inner(row, row, dims)) *
				(sqrt(inner(c, c, dims)) + sqrt(inner(middle, middle, dims)));

			assert_true(fabs(all[i * k + j] - d) <= 4 * TOLERANCE * d +
						1e-6 * sqrt(d * norm) + 1e-12 * norm);
			assert_true(fabs(products[i * k + j] - inner(row, c, dims)) <=
						TOLERANCE * length + FLT_MIN);
		}
	}
	free(products);
	free(all);
	free(distance);
	free(again);
	free(number);
}

static void
test_shapes(void **state)
{
	static const struct
	{
		size_t		n;
		size_t		k;
		size_t		dims;
	}			shapes[] = {
		{1, 1, 1}, {2, 1, 1}, {1, 2, 1}, {3, 33, 3}, {13, 31, 17},
		{14, 32, 16}, {15, 33, 15}, {16, 64, 8}, {5, 7, 384}, {29, 65, 385},
		{7, 5, 769}, {100, 257, 8}, {3, 2, 2000}, {470, 40, 5}, {1, 100, 64},
		{4, 9, 31}, {8, 16, 383}, {9, 3, 4001}, {33, 700, 193}, {1, 3, 64000}
	};

	use_level(state);
	for (size_t s = 0; s < ARRAY_LENGTH(shapes); s++)
	{
		size_t		n = shapes[s].n;
		size_t		k = shapes[s].k;
		size_t		dims = shapes[s].dims;
		float	   *rows;
		float	   *centroids;
		float	   *middle = calloc(dims, sizeof(float));

		seed_random(s + 1);
		rows = gauss_rows(n, dims, 0, 1);
		centroids = gauss_rows(k, dims, 0, 1);
		/* some rows are centroids, some nearly */
		for (size_t i = 0; i < n; i += 3)
			memcpy(rows + i * dims, centroids + i % k * dims,
				   dims * sizeof(float));
		for (size_t i = 0; i < n; i += 6)
			rows[i * dims] += 0.001f;
		check_panel(rows, n, centroids, k, dims, middle);
		free(middle);
		free(centroids);
		free(rows);
	}
}

/* Rows far from zero, and close together: differences count, not norms */
static void
test_offset(void **state)
{
	static const float middles[] = {1, 1000, -1e30f, 1e-30f};

	use_level(state);
	for (size_t m = 0; m < ARRAY_LENGTH(middles); m++)
	{
		const size_t n = 40;
		const size_t k = 50;
		const size_t dims = 40;
		float	   *rows;
		float	   *centroids;
		float		middle[40];

		seed_random(m + 100);
		rows = gauss_rows(n, dims, middles[m], middles[m] / 1000);
		centroids = gauss_rows(k, dims, middles[m], middles[m] / 1000);
		for (size_t d = 0; d < dims; d++)
			middle[d] = middles[m];
		if (fabsf(middles[m]) > 1e-20f && fabsf(middles[m]) < 1e20f)
			check_panel(rows, n, centroids, k, dims, middle);
		else
		{
			uint32_t	number[40];
			float		distance[40];
			CentroidPanel *panel;

			arena_begin();
			panel = centroid_panel_create(&host, centroids, k, dims, false);
			centroid_panel_nearest(panel, &host, rows, n, number, distance);
			for (size_t i = 0; i < n; i++)
			{
				const float *row = rows + i * dims;
				double		least = distance2(row, centroids + dims *
											  naive_nearest(row, centroids, k, dims), dims);

				assert_true(distance2(row, centroids + number[i] * dims, dims) <=
							least * (1 + TOLERANCE));
				/* beyond the range of float */
				assert_true(least > FLT_MAX ? isinf(distance[i]) :
							fabs(distance[i] - least) <= TOLERANCE * least + 1e-37);
			}
			centroid_panel_free(&host, panel);
			arena_end();
		}
		free(centroids);
		free(rows);
	}
}

/* Equal centroids: the lowest number, wherever the others stand */
static void
test_ties(void **state)
{
	const size_t k = TWO_LEVEL_K;
	const size_t dims = TWO_LEVEL_DIMS;
	const size_t n = 100;

	use_level(state);
	for (int two_level = 0; two_level < 2; two_level++)
		for (size_t distinct = 1; distinct < 100; distinct += 66)
		{
			float	   *few;
			float	   *centroids = malloc(k * dims * sizeof(float));
			uint32_t	number[100];
			float		distance[100];
			CentroidPanel *panel;

			seed_random(distinct);
			few = gauss_rows(distinct, dims, 3, 1);
			for (size_t j = 0; j < k; j++)
				memcpy(centroids + j * dims, few + j % distinct * dims,
					   dims * sizeof(float));
			arena_begin();
			panel = centroid_panel_create(&host, centroids, k, dims,
										  two_level);
			assert_true(arena.most <= centroid_panel_bytes(k, dims, two_level));
			centroid_panel_nearest(panel, &host, centroids + (k - n) * dims, n,
								   number, distance);
			centroid_panel_free(&host, panel);
			arena_end();
			for (size_t i = 0; i < n; i++)
			{
				assert_int_equal(number[i], (k - n + i) % distinct);
				assert_true(distance[i] == 0);
			}
			free(centroids);
			free(few);
		}
}

/* What is not finite gets some centroid; what is far away or tiny, the right one */
static void
test_extreme_rows(void **state)
{
	static const float values[] = {
		NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_MIN, 0x1p-149f, 0
	};
	const size_t dims = TWO_LEVEL_DIMS;
	const size_t k = TWO_LEVEL_K;
	float	   *centroids;
	float	   *row;
	float	   *out;

	use_level(state);
	row = malloc(dims * sizeof(float));
	out = malloc(k * sizeof(float));
	seed_random(7);
	centroids = gauss_rows(k, dims, 0, 1);
	for (int two_level = 0; two_level < 2; two_level++)
	{
		CentroidPanel *panel;

		arena_begin();
		panel = centroid_panel_create(&host, centroids, k, dims, two_level);
		for (size_t v = 0; v < ARRAY_LENGTH(values); v++)
			for (size_t at = 0; at <= dims; at += 32)
			{
				uint32_t	number = UINT32_MAX;
				float		distance = -1;

				for (size_t d = 0; d < dims; d++)
					row[d] = at == dims || d == at ? values[v] : 0.5f;
				centroid_panel_nearest(panel, &host, row, 1, &number,
									   &distance);
				assert_true(number < k);
				assert_true(distance >= 0);
				if (v >= 5 && !two_level)
				{
					double		least = distance2(row, centroids + dims *
												  naive_nearest(row, centroids, k, dims), dims);

					assert_true(fabs(distance - least) <= 1e-4 * least);
				}
				if (at == dims)
				{
					centroid_panel_distances(panel, &host, row, 1, out);
					for (size_t j = 0; j < k; j++)
						assert_true(out[j] >= 0);
					centroid_panel_products(panel, &host, row, 1, out);
				}
			}
		centroid_panel_free(&host, panel);
		arena_end();
	}
	free(out);
	free(row);
	free(centroids);
}

/* The nearest of k centroids to each of themselves, by a panel of one level */
static void
nearest_of_themselves(const float *centroids, size_t k, size_t dims,
					  uint32_t *number, float *distance)
{
	CentroidPanel *panel;

	arena_begin();
	panel = centroid_panel_create(&host, centroids, k, dims, false);
	centroid_panel_nearest(panel, &host, centroids, k, number, distance);
	centroid_panel_free(&host, panel);
	arena_end();
}

/* Centroids at the ends of float, and such that are not finite */
static void
test_extreme_centroids(void **state)
{
	static const float sizes[] = {FLT_MAX, FLT_MAX / 4, FLT_MIN, 0x1p-140f};
	const size_t dims = 10;
	const size_t k = 40;
	float	   *centroids;
	uint32_t	number[40];
	float		distance[40];

	use_level(state);
	centroids = malloc(k * dims * sizeof(float));
	for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++)
	{
		seed_random(s);
		for (size_t i = 0; i < k * dims; i++)
			centroids[i] = (random_bits() & 1 ? 1 : -1) * sizes[s];
		nearest_of_themselves(centroids, k, dims, number, distance);
		for (size_t j = 0; j < k; j++)
		{
			assert_true(distance[j] == 0);
			assert_memory_equal(centroids + number[j] * dims,
								centroids + j * dims, dims * sizeof(float));
			assert_true(number[j] <= j);
		}
	}

	/* of all sizes: those too far to be told apart are where they are all the same */
	for (size_t i = 0; i < k * dims; i++)
		centroids[i] = (random_bits() & 1 ? 1 : -1) *
			ldexpf(1, (int) (i / dims * 6) - 120 + (int) (i % dims));
	nearest_of_themselves(centroids, k, dims, number, distance);
	for (size_t j = 0; j < k; j++)
		assert_true(distance[j] <= 1e-6 * (inner(centroids + k / 2 * dims, centroids + k / 2 * dims, dims) +
										   inner(centroids + j * dims, centroids + j * dims, dims)));

	/* nonsense in, some number out */
	centroids[0] = NAN;
	centroids[dims] = INFINITY;
	nearest_of_themselves(centroids, k, dims, number, distance);
	for (size_t j = 0; j < k; j++)
		assert_true(number[j] < k && distance[j] >= 0);
	free(centroids);
}

/* Two levels answer as one does, nearly always */
static void
test_two_levels(void **state)
{
	const size_t k = TWO_LEVEL_K;
	const size_t n = 300;
	const size_t dims = TWO_LEVEL_DIMS;

	use_level(state);
	for (int hard = 0; hard < 2; hard++)
	{
		float	   *rows;
		float	   *centroids;
		uint32_t   *one = malloc(n * sizeof(*one));
		uint32_t   *two = malloc(n * sizeof(*two));
		float	   *distance = malloc(n * sizeof(*distance));
		float	   *all = malloc(20 * k * sizeof(*all));
		float	   *products = malloc(20 * k * sizeof(*products));
		size_t		same = 0;
		CentroidPanel *panel;

		seed_random(17);
		rows = clustered_rows(n + k, dims, hard ? 5 : 60, 0.3f);
		centroids = rows + n * dims;
		arena_begin();
		panel = centroid_panel_create(&host, centroids, k, dims, false);
		centroid_panel_nearest(panel, &host, rows, n, one, NULL);
		centroid_panel_free(&host, panel);
		panel = centroid_panel_create(&host, centroids, k, dims, true);
		assert_true(arena.most <= centroid_panel_bytes(k, dims, true));
		centroid_panel_nearest(panel, &host, rows, n, two, distance);
		centroid_panel_distances(panel, &host, rows, 20, all);
		centroid_panel_products(panel, &host, rows, 20, products);
		centroid_panel_free(&host, panel);
		arena_end();
		for (size_t i = 0; i < n; i++)
		{
			double		d = distance2(rows + i * dims,
									  centroids + two[i] * dims, dims);

			same += one[i] == two[i];
			assert_true(fabs(distance[i] - d) <= 1e-4 * d);
		}
		assert_true(same >= (hard ? n * 96 / 100 : n * 98 / 100));
		for (size_t i = 0; i < 20; i++)
			for (size_t j = 0; j < k; j++)
			{
				const float *row = rows + i * dims;
				const float *c = centroids + j * dims;
				double		d = distance2(row, c, dims);

				assert_true(fabs(all[i * k + j] - d) <= 1e-4 * d);
				assert_true(fabs(products[i * k + j] - inner(row, c, dims)) <=
							1e-4 * (inner(row, row, dims) + inner(c, c, dims)));
			}
		free(products);
		free(all);
		free(distance);
		free(two);
		free(one);
		free(rows);
	}
}

/* A panel outlives a change of level */
static void
test_panel_keeps_level(void **state)
{
	const size_t dims = 20;
	float	   *centroids;
	uint32_t	number[50];
	CentroidPanel *panel;

	use_level(state);
	seed_random(3);
	centroids = gauss_rows(50, dims, 0, 1);
	arena_begin();
	panel = centroid_panel_create(&host, centroids, 50, dims, false);
	linear_set_level(SIMD_SCALAR);
	centroid_panel_nearest(panel, &host, centroids, 50, number, NULL);
	linear_set_level(SIMD_AUTO);
	centroid_panel_nearest(panel, &host, centroids, 50, number, NULL);
	for (uint32_t j = 0; j < 50; j++)
		assert_int_equal(number[j], j);
	centroid_panel_nearest(panel, &host, centroids, 0, number, NULL);
	centroid_panel_free(&host, panel);
	arena_end();
	free(centroids);
}

static void
test_sizes(void **state)
{
	(void) state;
	linear_allow_openblas(false);
	/* more than there is are many bytes, not few */
	assert_true(centroid_panel_bytes(SIZE_MAX / 8, 100, false) > SIZE_MAX / 8);
	assert_true(centroid_panel_bytes(SIZE_MAX / 8, 100, true) > SIZE_MAX / 8);
	assert_true(centroid_panel_bytes(100, SIZE_MAX / 100, true) > SIZE_MAX / 8);
	assert_true(centroid_panel_bytes(SIZE_MAX, 1, false) > SIZE_MAX / 8);
	assert_true(kmeans_bytes(1000, SIZE_MAX / 100, 200) > SIZE_MAX / 8);
	assert_true(kmeans_bytes(SIZE_MAX, 1, 1) > SIZE_MAX / 8);
	assert_true(kmeans_bytes(1000, 10, SIZE_MAX) > SIZE_MAX / 8);
	assert_true(centroid_panel_bytes(1000, 1000, false) < 8000000);
	assert_true(centroid_panel_bytes(32768, 1536, true) < 300000000);
	assert_true(kmeans_bytes(1000000, 100, 1000) < 40000000);
}

/*
 * k-means.
 */

/* Run it and check what must hold of any result */
static KmeansResult
check_kmeans(const float *rows, size_t n, size_t dims,
			 const KmeansParams *params, float *centroids)
{
	bool		compare = !params->spherical && n * params->k * dims < 20000000;
	size_t		k = params->k;
	uint64_t   *sizes = malloc(k * sizeof(*sizes));
	uint64_t   *counted = calloc(k, sizeof(*counted));
	KmeansResult result;
	uint64_t	sum = 0;
	size_t		used = 0;
	double		error = 0;

	for (size_t i = 0; i < k * dims; i++)
		centroids[i] = NAN;
	arena_begin();
	result = kmeans(&host, rows, n, dims, params, centroids, sizes);
	arena_end();
	assert_true(arena.most <= kmeans_bytes(n, dims, k));
	assert_true(arena.progress == 1);
	for (size_t i = 0; i < k * dims; i++)
		assert_true(isfinite(centroids[i]));
	for (size_t j = 0; j < k; j++)
	{
		sum += sizes[j];
		used += sizes[j] > 0;
	}
	assert_int_equal(sum, n);
	assert_int_equal(used, result.distinct);

	/* sizes and the error are of these centroids */
	for (size_t i = 0; i < n && compare; i++)
	{
		size_t		j = naive_nearest(rows + i * dims, centroids, k, dims);

		counted[j]++;
		error += distance2(rows + i * dims, centroids + j * dims, dims);
	}
	if (compare)
	{
		uint64_t	moved = 0;

		error /= (double) n;
		assert_true(fabs(error - result.error) <= error * (k > 1024 ? 0.01 : 1e-4));
		for (size_t j = 0; j < k; j++)
			moved += counted[j] > sizes[j] ? counted[j] - sizes[j] :
				sizes[j] - counted[j];
		/* (but for denormals, many of which are as near as each other) */
		assert_true(moved <= n / (k > 1024 ? 20 : 500) || error < 1e-70);
	}
	free(counted);
	free(sizes);
	return result;
}

/* The error of plain Lloyd iterations from random rows */
static double
naive_kmeans(const float *rows, size_t n, size_t dims, size_t k, int iterations)
{
	float	   *centroids = malloc(k * dims * sizeof(float));
	double	   *sums = malloc(k * dims * sizeof(double));
	size_t	   *count = malloc(k * sizeof(size_t));
	double		error = 0;

	for (size_t j = 0; j < k; j++)
		memcpy(centroids + j * dims, rows + random_bits() % n * dims,
			   dims * sizeof(float));
	for (int it = 0; it <= iterations; it++)
	{
		memset(sums, 0, k * dims * sizeof(double));
		memset(count, 0, k * sizeof(size_t));
		error = 0;
		for (size_t i = 0; i < n; i++)
		{
			size_t		j = naive_nearest(rows + i * dims, centroids, k, dims);

			error += distance2(rows + i * dims, centroids + j * dims, dims);
			count[j]++;
			for (size_t d = 0; d < dims; d++)
				sums[j * dims + d] += rows[i * dims + d];
		}
		for (size_t i = 0; i < k * dims; i++)
			if (count[i / dims] > 0)
				centroids[i] = (float) (sums[i] / (double) count[i / dims]);
	}
	free(count);
	free(sums);
	free(centroids);
	return error / (double) n;
}

static void
test_kmeans_quality(void **state)
{
	const size_t n = 2000;
	const size_t dims = 12;
	const size_t k = 30;

	use_level(state);
	for (int hard = 0; hard < 2; hard++)
	{
		float	   *rows;
		float	   *centroids = malloc(k * dims * sizeof(float));
		KmeansParams params = {.k = k, .iterations = 20, .seed = 5};
		KmeansResult result;
		double		naive;

		seed_random(11);
		rows = hard ? gauss_rows(n, dims, 5, 1) :
			clustered_rows(n, dims, k, 0.1f);
		naive = naive_kmeans(rows, n, dims, k, 20);
		result = check_kmeans(rows, n, dims, &params, centroids);
		assert_int_equal(result.distinct, k);
		assert_true(result.iterations > 0 && result.iterations <= 24);
		assert_true(result.error <= naive * 1.01);
		/* most of the clusters there are: noise is .01 a dimension */
		if (!hard)
			assert_true(result.error <= 0.01 * dims * 4);
		free(centroids);
		free(rows);
	}
}

static void
test_kmeans_edges(void **state)
{
	static const struct
	{
		size_t		n;
		size_t		distinct;
		size_t		k;
		size_t		dims;
	}			cases[] = {
		{1, 1, 1, 1}, {1, 1, 5, 3}, {2, 2, 1, 1}, {3, 3, 7, 2}, {10, 10, 10, 3},
		{10, 4, 10, 3}, {50, 1, 4, 5}, {100, 7, 10, 2}, {100, 7, 7, 2},
		{500, 60, 64, 3}, {500, 60, 60, 3}, {300, 300, 299, 1}, {64, 64, 64, 1},
		{2000, 3, 1100, 2}, {1200, 1200, 1100, 2}, {30, 30, 1100, 2},
		{17, 17, 1, 400}, {5000, 50, 40, 1}
	};

	use_level(state);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
	{
		size_t		n = cases[i].n;
		size_t		k = cases[i].k;
		size_t		dims = cases[i].dims;
		float	   *few;
		float	   *rows = malloc(n * dims * sizeof(float));
		float	   *centroids = malloc(k * dims * sizeof(float));
		KmeansParams params = {.k = k, .seed = i};
		KmeansResult result;

		seed_random(i);
		few = gauss_rows(cases[i].distinct, dims, 0, 1);
		for (size_t r = 0; r < n; r++)
			memcpy(rows + r * dims, few + r % cases[i].distinct * dims,
				   dims * sizeof(float));
		result = check_kmeans(rows, n, dims, &params, centroids);
		assert_true(result.distinct >= 1);
		if (cases[i].distinct <= k)
		{
			assert_int_equal(result.distinct, cases[i].distinct);
			assert_true(result.error < 1e-12);
		}
		else if (cases[i].distinct > 2 * k)
			assert_int_equal(result.distinct, k);
		else
			assert_true(result.distinct >= k - k / 20);
		free(few);
		free(centroids);
		free(rows);
	}
}

/* Nearly all rows are one; the others must not starve, nor clusters be empty */
static void
test_kmeans_empty(void **state)
{
	const size_t n = 5000;
	const size_t dims = 8;
	const size_t k = 64;
	float	   *rows;
	float	   *centroids;
	KmeansParams params = {.k = k, .seed = 1};
	KmeansResult result;

	use_level(state);
	centroids = malloc(k * dims * sizeof(float));
	seed_random(5);
	rows = gauss_rows(n, dims, 0, 1);
	for (size_t i = 0; i < n - 200; i++)
		memset(rows + i * dims, 0, dims * sizeof(float));
	result = check_kmeans(rows, n, dims, &params, centroids);
	assert_int_equal(result.distinct, k);
	free(centroids);
	free(rows);
}

static void
test_kmeans_extremes(void **state)
{
	static const float sizes[] = {FLT_MAX, 1e38f, 1e20f, 1e-20f, 1e-38f, 0x1p-149f, 0};
	const size_t n = 600;
	const size_t dims = 5;

	use_level(state);
	for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++)
		for (int spherical = 0; spherical < 2; spherical++)
		{
			float	   *rows = malloc(n * dims * sizeof(float));
			float	   *centroids = malloc(40 * dims * sizeof(float));
			KmeansParams params = {.k = 40, .seed = 1, .spherical = spherical};
			KmeansResult result;

			seed_random(s);
			for (size_t i = 0; i < n * dims; i++)
				rows[i] = (float) (2 * random_unit() - 1) * sizes[s];
			rows[0] = sizes[s];
			rows[1] = -sizes[s];
			result = check_kmeans(rows, n, dims, &params, centroids);
			assert_true(isfinite(result.error));
			if (s < 5)
				assert_int_equal(result.distinct, 40);
			/* a tenth of the rows' variance, if that */
			if (!spherical && s < 5)
				assert_true(result.error < 0.5 * dims / 3.0 * sizes[s] * sizes[s]);
			free(centroids);
			free(rows);
		}
}

static void
test_kmeans_spherical(void **state)
{
	const size_t n = 1500;
	const size_t dims = 9;
	const size_t k = 20;
	float	   *rows;
	float	   *scaled;
	float	   *centroids;
	float	   *other;
	KmeansParams params = {.k = k, .seed = 1, .spherical = true};
	KmeansResult result;

	use_level(state);
	scaled = malloc(n * dims * sizeof(float));
	centroids = malloc(k * dims * sizeof(float));
	other = malloc(k * dims * sizeof(float));
	seed_random(21);
	rows = clustered_rows(n, dims, k, 0.1f);
	memset(rows + dims, 0, dims * sizeof(float));
	result = check_kmeans(rows, n, dims, &params, centroids);
	assert_int_equal(result.distinct, k);
	for (size_t j = 0; j < k; j++)
		assert_true(fabs(inner(centroids + j * dims, centroids + j * dims, dims) -
						 1) < 1e-5);
	/* clusters are narrow also by angle */
	assert_true(result.error < 0.05);

	/* only directions count: powers of two change no bit */
	for (size_t i = 0; i < n * dims; i++)
		scaled[i] = ldexpf(rows[i], (int) (i / dims % 9) - 4);
	(void) check_kmeans(scaled, n, dims, &params, other);
	assert_memory_equal(centroids, other, k * dims * sizeof(float));

	/* opposite rows cancel out, zero rows have no direction */
	for (size_t i = 0; i < n * dims; i++)
		scaled[i] = i / dims % 3 == 0 ? 0 : i / dims % 3 == 1 ? 1 : -1;
	for (params.k = 1; params.k < 6; params.k++)
	{
		(void) check_kmeans(scaled, n, dims, &params, other);
		for (size_t j = 0; j < params.k; j++)
		{
			double		norm = inner(other + j * dims, other + j * dims, dims);

			assert_true(norm == 0 || fabs(norm - 1) < 1e-5);
		}
	}
	free(other);
	free(centroids);
	free(scaled);
	free(rows);
}

static void
test_kmeans_deterministic(void **state)
{
	const size_t n = 2000;
	const size_t dims = 4;

	use_level(state);
	for (size_t k = 50; k <= 1200; k += 1150)
	{
		float	   *rows;
		float	   *first = malloc(k * dims * sizeof(float));
		float	   *second = malloc(k * dims * sizeof(float));
		KmeansParams params = {.k = k, .seed = 9, .iterations = 2};
		KmeansResult result;

		seed_random(2);
		rows = gauss_rows(n, dims, 0, 1);
		result = check_kmeans(rows, n, dims, &params, first);
		assert_int_equal(result.distinct, k);
		(void) check_kmeans(rows, n, dims, &params, second);
		assert_memory_equal(first, second, k * dims * sizeof(float));
		params.seed++;
		(void) check_kmeans(rows, n, dims, &params, second);
		assert_memory_not_equal(first, second, k * dims * sizeof(float));
		free(second);
		free(first);
		free(rows);
	}
}

/* By division, k-means is worth about what it is without */
static void
test_kmeans_large(void **state)
{
	const size_t n = 2500;
	const size_t dims = 8;
	float	   *rows;
	float	   *centroids;
	KmeansParams params = {.k = 1024, .seed = 9, .iterations = 2};
	double		flat;
	KmeansResult result;

	use_level(state);
	centroids = malloc(1040 * dims * sizeof(float));
	seed_random(2);
	rows = clustered_rows(n, dims, 60, 0.3f);
	flat = check_kmeans(rows, n, dims, &params, centroids).error;
	params.k = 1040;
	result = check_kmeans(rows, n, dims, &params, centroids);
	assert_int_equal(result.distinct, params.k);
	assert_true(result.error <= flat * 1.05);
	free(centroids);
	free(rows);

	/* refined with two levels */
	rows = clustered_rows(2200, TWO_LEVEL_DIMS, 60, 0.3f);
	centroids = malloc(TWO_LEVEL_K * TWO_LEVEL_DIMS * sizeof(float));
	params.iterations = 1;
	params.k = 500;
	flat = check_kmeans(rows, 2200, TWO_LEVEL_DIMS, &params, centroids).error;
	params.k = TWO_LEVEL_K;
	result = check_kmeans(rows, 2200, TWO_LEVEL_DIMS, &params, centroids);
	assert_true(result.distinct > TWO_LEVEL_K * 95 / 100);
	assert_true(result.error < flat * 0.8);
	free(centroids);
	free(rows);
}

/*
 * Jobs that are shared.  The host's memory is a stack, and another process sees it
 * at another address: parts are done in a copy of it, while what it was copied from
 * is overwritten, so that a pointer that is not the other process's own leads to NaNs.
 */
#define SHARED_BYTES ((size_t) 64 << 20)

static struct
{
	char	   *here;
	char	   *there;
	size_t		used;
	size_t		jobs[HOST_CODEBOOKS + 1];
	size_t		next;
	size_t		parts;
} shared;

static void *
shared_alloc(void *arg, size_t count, size_t size)
{
	char	   *memory = shared.here + shared.used;

	(void) arg;
	shared.used += (count * size + 63) / 64 * 64;
	assert_true(shared.used <= SHARED_BYTES);
	memset(memory, 0xff, count * size);
	return memory;
}

static void
shared_release(void *arg, void *memory)
{
	(void) arg;
	(void) memory;
}

/* The last part first */
static bool
shared_next(void *arg, size_t *part)
{
	(void) arg;
	*part = shared.parts - 1 - shared.next;
	return shared.next++ < shared.parts;
}

static void
share(void *arg, HostTask task, const void *job, size_t bytes, size_t parts)
{
	HostParts	those = {.offset = shared.there - shared.here, .next = shared_next};
	ClusterHost other = host;
	char		copy[HOST_JOB_BYTES] __attribute__((aligned(16)));

	(void) arg;
	assert_true(bytes <= HOST_JOB_BYTES);
	memcpy(copy, job, bytes);
	memcpy(shared.there, shared.here, shared.used);
	memset(shared.here, 0xff, shared.used);
	shared.jobs[task]++;
	shared.next = 0;
	shared.parts = parts;
	other.progress = NULL;
	cluster_do(&other, task, copy, &those);
	memcpy(shared.here, shared.there, shared.used);
}

/* Are centroids, sizes and nearest centroids those of one process? */
static void
check_shared(size_t n, size_t dims, const KmeansParams *params)
{
	const ClusterHost team = {
		.alloc = shared_alloc, .release = shared_release, .tick = host.tick,
		.share = share, .arg = &arena
	};
	size_t		floats = params->k * dims;
	float	   *rows = clustered_rows(n, dims, 60, 0.3f);
	float	   *alone = malloc(floats * sizeof(*alone));
	float	   *together = malloc(floats * sizeof(*together));
	uint32_t   *number = malloc(n * sizeof(*number));
	float	   *distance = malloc(n * sizeof(*distance));
	KmeansResult result;
	KmeansResult other;
	CentroidPanel *panel;
	float	   *moved;
	uint32_t   *numbers;
	float	   *distances;

	shared.used = 0;
	memset(shared.jobs, 0, sizeof(shared.jobs));
	moved = team.alloc(NULL, n * dims, sizeof(*moved));
	numbers = team.alloc(NULL, n, sizeof(*numbers));
	distances = team.alloc(NULL, n, sizeof(*distances));
	memcpy(moved, rows, n * dims * sizeof(*rows));
	arena_begin();
	result = kmeans(&host, rows, n, dims, params, alone, NULL);
	panel = centroid_panel_create(&host, alone, params->k, dims, true);
	centroid_panel_nearest(panel, &host, rows, n, number, distance);
	centroid_panel_free(&host, panel);

	other = kmeans(&team, moved, n, dims, params, together, NULL);
	assert_true(shared.jobs[HOST_ASSIGN] > 1);
	panel = centroid_panel_create(&team, together, params->k, dims, true);
	shared.jobs[HOST_ASSIGN] = 0;
	centroid_panel_nearest(panel, &team, moved, n, numbers, distances);
	assert_int_equal(shared.jobs[HOST_ASSIGN], 1);
	arena_end();

	assert_memory_equal(alone, together, floats * sizeof(*alone));
	assert_memory_equal(number, numbers, n * sizeof(*number));
	assert_memory_equal(distance, distances, n * sizeof(*distance));
	assert_true(result.error == other.error);
	assert_int_equal(result.iterations, other.iterations);
	assert_int_equal(result.distinct, other.distinct);
	free(distance);
	free(number);
	free(together);
	free(alone);
	free(rows);
}

static void
test_kmeans_shared(void **state)
{
	KmeansParams params = {.k = 300, .seed = 3, .iterations = CASES(4)};

	use_level(state);
	seed_random(5);
	shared.here = malloc(SHARED_BYTES);
	shared.there = malloc(SHARED_BYTES);
	check_shared(CASES_PART > 1 ? 2500 : 9000, 24, &params);
	assert_true(shared.jobs[HOST_MEANS] == 0);

	/* means are worth it, too */
	params.spherical = true;
	params.k = CASES_PART > 1 ? 17 : 40;
	check_shared(9000, 240, &params);
	assert_true(shared.jobs[HOST_MEANS] > 0);
	params.spherical = false;

	/* by division, and with two levels */
	params.iterations = CASES(2);
	params.k = TWO_LEVEL_K;
	check_shared(CASES_PART > 1 ? 6000 : 9000, TWO_LEVEL_DIMS, &params);
	assert_int_equal(shared.jobs[HOST_GROUPS], 1);
	free(shared.there);
	free(shared.here);
}

/*
 * The host may leave at any call, and is called often.
 */
static void
leave_panel(const float *rows, size_t n, size_t k, size_t dims, bool two_level)
{
	uint32_t   *number = malloc(n * sizeof(*number));
	float	   *distance = malloc(n * k * sizeof(*distance));
	volatile long jump = 0;
	volatile long all = 0;

	for (;;)
	{
		arena_begin();
		arena.jump_at = jump;
		if (setjmp(arena.out) == 0)
		{
			CentroidPanel *panel = centroid_panel_create(&host, rows, k, dims,
														 two_level);

			centroid_panel_nearest(panel, &host, rows, n, number, distance);
			centroid_panel_distances(panel, &host, rows, n, distance);
			centroid_panel_products(panel, &host, rows, n, distance);
			centroid_panel_free(&host, panel);
			arena_end();
			if (jump > 0)
				break;
			all = arena.calls;
		}
		arena_free();
		jump = jump == 0 ? 1 : jump + 1 + jump / 2;
	}
	assert_true(all > 5);
	free(distance);
	free(number);
}

static void
test_leave(void **state)
{
	const size_t n = 1100;
	const size_t dims = 6;
	float	   *rows;
	float	   *centroids;
	float	   *wide;
	static const size_t ks[] = {1, 40, 1030};

	use_level(state);
	centroids = malloc(1100 * dims * sizeof(float));
	seed_random(4);
	rows = gauss_rows(n, dims, 0, 1);
	wide = gauss_rows(TWO_LEVEL_K, TWO_LEVEL_DIMS, 0, 1);
	leave_panel(rows, 200, 40, dims, false);
	leave_panel(wide, 20, TWO_LEVEL_K, TWO_LEVEL_DIMS, true);
	for (size_t i = 0; i < ARRAY_LENGTH(ks); i++)
	{
		volatile long jump = 1;

		for (;;)
		{
			KmeansParams params = {.k = ks[i], .iterations = 2};

			arena_begin();
			arena.jump_at = jump;
			if (setjmp(arena.out) == 0)
			{
				(void) kmeans(&host, rows, n, dims, &params, centroids, NULL);
				arena_end();
				break;
			}
			arena_free();
			jump = jump + 1 + jump / 2;
		}
		assert_true(jump > 8);
	}
	free(wide);
	free(centroids);
	free(rows);
}

static void
test_ticks(void **state)
{
	const size_t n = 1200;
	const size_t k = 200;
	const size_t dims = 800;
	float	   *rows;
	uint32_t   *number;
	float	   *out;
	CentroidPanel *panel;

	use_level(state);
	number = malloc(n * sizeof(*number));
	out = malloc(n * k * sizeof(*out));
	seed_random(4);
	rows = gauss_rows(n, dims, 0, 1);
	arena_begin();
	panel = centroid_panel_create(&host, rows, k, dims, false);
	arena.ticks = 0;
	centroid_panel_nearest(panel, &host, rows, n, number, NULL);
	/* once for some hundred rows */
	assert_true(arena.ticks >= 3);
	arena.ticks = 0;
	centroid_panel_distances(panel, &host, rows, n, out);
	/* once for some hundred rows */
	assert_true(arena.ticks >= 3);
	centroid_panel_free(&host, panel);
	arena_end();
	free(out);
	free(number);
	free(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		EVERY_WAY(test_shapes),
		EVERY_WAY(test_offset),
		EVERY_WAY(test_ties),
		EVERY_WAY(test_extreme_rows),
		EVERY_WAY(test_extreme_centroids),
		EVERY_WAY(test_two_levels),
		EVERY_WAY(test_panel_keeps_level),
		EVERY_WAY(test_kmeans_quality),
		EVERY_WAY(test_kmeans_edges),
		EVERY_WAY(test_kmeans_empty),
		EVERY_WAY(test_kmeans_extremes),
		EVERY_WAY(test_kmeans_spherical),
		EVERY_WAY(test_kmeans_deterministic),
		EVERY_WAY(test_kmeans_large),
		EVERY_WAY(test_kmeans_shared),
		EVERY_WAY(test_leave),
		EVERY_WAY(test_ticks),
	};

	return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
