/*
 * bench_cluster.c
 *	  Time of the nearest centroid and of k-means, and how often two levels
 *	  find what one finds.
 *
 *	bench_cluster [only=peak|nearest|two|kmeans] [level=openblas|scalar|avx2|...]
 *				  [k=N] [dims=N] [rows=N] [file=NPY] [cpu=N] [large]
 *
 * Data: clusters of clusters whose width falls off from dimension to dimension
 * ("clustered"); a few wide clusters, the noise in them the same in all
 * dimensions ("hard"); or rows of float32 of a .npy file.  k-means is timed with 50 rows a centroid; large adds
 * k = 32768.
 */
#define _GNU_SOURCE
#include "math/cluster/cluster.h"
#include "math/linear/linear.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double last_tick;
static double longest_tick;
static size_t held;
static size_t most_held;

/* Time of the processor: others may be at work on it */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void *
bench_alloc(void *arg, size_t count, size_t size)
{
	size_t	   *memory = malloc(count * size + 16);

	(void) arg;
	if (memory == NULL)
		abort();
	memory[0] = count * size;
	held += count * size;
	most_held = held > most_held ? held : most_held;
	return memory + 2;
}

static void
bench_release(void *arg, void *memory)
{
	(void) arg;
	held -= ((size_t *) memory)[-2];
	free((size_t *) memory - 2);
}

static void
bench_tick(void *arg)
{
	double		t = now();

	(void) arg;
	if (t - last_tick > longest_tick)
		longest_tick = t - last_tick;
	last_tick = t;
}

static const ClusterHost host = {
	bench_alloc, bench_release, bench_tick, NULL, NULL, NULL, NULL
};

static uint64_t random_state = 88172645463325252u;

static double
random_unit(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double) (random_state >> 11) * 0x1p-53;
}

static float
random_gauss(void)
{
	/* four uniform numbers are near enough, and quick */
	return (float) ((random_unit() + random_unit() + random_unit() +
					 random_unit() - 2) * 1.7320508);
}

/* Rows: see the head of the file */
static float *
make_rows(size_t n, size_t dims, int hard)
{
	float	   *rows = malloc(n * dims * sizeof(float));
	size_t		centres = n / 100 + 1;
	size_t		supers = n / 5000 + 1;
	float	   *centre = malloc((centres + supers) * dims * sizeof(float));

	for (size_t i = 0; i < (centres + supers) * dims; i++)
		centre[i] = random_gauss() / (1 + (float) (i % dims) / 16);
	for (size_t c = 0; c < centres; c++)
		for (size_t d = 0; d < dims; d++)
			centre[c * dims + d] = 0.6f * centre[c * dims + d] +
				centre[(centres + c % supers) * dims + d];
	for (size_t i = 0; i < n; i++)
	{
		size_t		c = (size_t) (random_unit() * (double) centres);

		if (hard)
			c = centres + c % supers;
		for (size_t d = 0; d < dims; d++)
			rows[i * dims + d] = centre[c * dims + d] +
				(hard ? 0.1f : 0.5f / (1 + (float) d / 16)) * random_gauss();
	}
	free(centre);
	return rows;
}

/* Rows of a .npy file, from every part of it */
static float *
read_rows(const char *path, size_t *n, size_t *dims)
{
	FILE	   *file = fopen(path, "rb");
	char		head[4096];
	size_t		there;
	char	   *shape;
	float	   *rows;
	size_t		header;

	if (file == NULL || fread(head, 1, 10, file) != 10)
		exit(1);
	header = (unsigned char) head[8] + 256 * (size_t) (unsigned char) head[9];
	if (header >= sizeof(head) || fread(head, 1, header, file) != header)
		exit(1);
	head[header] = 0;
	shape = strstr(head, "'shape': (");
	if (shape == NULL || strstr(head, "<f4") == NULL ||
		sscanf(shape, "'shape': (%zu, %zu", &there, dims) != 2)
		exit(1);
	if (*n > there)
		*n = there;
	rows = malloc(*n * *dims * sizeof(float));
	for (size_t i = 0; i < *n; i++)
	{
		fseek(file, (long) (10 + header + (there * i / *n) * *dims * 4), SEEK_SET);
		if (fread(rows + i * *dims, 4, *dims, file) != *dims)
			exit(1);
	}
	fclose(file);
	return rows;
}

static const char *only = "";
static const char *only_level = "";
static const char *path = NULL;
static size_t only_k = 0;
static size_t only_dims = 0;
static size_t only_rows = 0;
static int	large = 0;

static SimdLevel level;
static double peak;

static int
wanted(const char *what)
{
	return *only == 0 || strcmp(only, what) == 0;
}

static const char *
way(void)
{
	return level == SIMD_AUTO ? "openblas" : linear_kernels->name;
}

/* Multiplications and additions a second of products alone */
static double
measure_peak(void)
{
	static float rows[256 * 768];
	static float sums[256 * 256];
	static float memory[256 * 768];
	LinearRows	right;
	double		best = 0;

	linear_rows_init(&right, 256, 768, memory);
	for (size_t i = 0; i < 256 * 768; i++)
		memory[i] = rows[i] = (float) random_unit();
	for (int round = 0; round < 30; round++)
	{
		double		start = now();

		for (int i = 0; i < 5; i++)
			linear_products(rows, 768, 256, &right, 0, 256, sums, 256);
		start = 2.0 * 5 * 256 * 256 * 768 / (now() - start) * 1e-9;
		best = start > best ? start : best;
	}
	return best;
}

static void
bench_nearest(size_t k, size_t dims, size_t n)
{
	float	   *rows = make_rows(n, dims, 0);
	float	   *centroids = make_rows(k, dims, 0);
	uint32_t   *number = malloc(n * sizeof(*number));
	float	   *distance = malloc(n * sizeof(*distance));
	CentroidPanel *panel = centroid_panel_create(&host, centroids, k, dims,
												 false);
	double		best = 1e9;

	last_tick = now();
	longest_tick = 0;
	for (int round = 0; round < 9; round++)
	{
		double		start = now();

		centroid_panel_nearest(panel, &host, rows, n, number, distance);
		start = now() - start;
		best = start < best ? start : best;
	}
	printf("%-8s nearest k=%-6zu dims=%-5zu %8.1f GFLOP/s  %4.0f %% of products alone, "
		   "%.2f us a row, longest between ticks %.2f ms\n",
		   way(), k, dims,
		   2.0 * (double) k * (double) dims * (double) n / best * 1e-9,
		   200.0 * (double) k * (double) dims * (double) n / best * 1e-9 / peak,
		   best / (double) n * 1e6, longest_tick * 1e3);
	centroid_panel_free(&host, panel);
	free(distance);
	free(number);
	free(centroids);
	free(rows);
}

static void
bench_two_levels(size_t k, size_t dims, size_t n, int hard)
{
	size_t		train = 20 * k;
	float	   *rows;
	float	   *centroids;
	uint32_t   *one = malloc(n * sizeof(*one));
	uint32_t   *two = malloc(n * sizeof(*two));
	float	   *one_distance = malloc(n * sizeof(float));
	float	   *two_distance = malloc(n * sizeof(float));
	KmeansParams params = {.k = k, .iterations = 4, .seed = 1};
	CentroidPanel *flat;
	CentroidPanel *deep;
	double		start;
	double		flat_time;
	double		create_time;
	double		deep_time;
	size_t		same = 0;
	double		excess = 0;
	double		total = 0;

	if (path != NULL)
	{
		train += n;
		rows = read_rows(path, &train, &dims);
		train -= n;
	}
	else
		rows = make_rows(train + n, dims, hard);
	centroids = malloc(k * dims * sizeof(float));
	(void) kmeans(&host, rows + n * dims, train, dims, &params, centroids, NULL);
	flat = centroid_panel_create(&host, centroids, k, dims, false);
	start = now();
	deep = centroid_panel_create(&host, centroids, k, dims, true);
	create_time = now() - start;
	start = now();
	centroid_panel_nearest(flat, &host, rows, n, one, one_distance);
	flat_time = now() - start;
	start = now();
	centroid_panel_nearest(deep, &host, rows, n, two, two_distance);
	deep_time = now() - start;
	for (size_t i = 0; i < n; i++)
	{
		same += one[i] == two[i];
		total += one_distance[i];
		excess += two_distance[i] - one_distance[i];
	}
	printf("%-8s two levels k=%-6zu dims=%-5zu %-9s agree %.2f %%, distances + %.3f %%, "
		   "%.1f times as fast (%.2f s for %.2f s), created in %.2f s\n",
		   way(), k, dims,
		   path != NULL ? "file" : hard ? "hard" : "clustered",
		   100.0 * (double) same / (double) n, 100 * excess / total,
		   flat_time / deep_time, deep_time, flat_time, create_time);
	centroid_panel_free(&host, flat);
	centroid_panel_free(&host, deep);
	free(centroids);
	free(rows);
	free(one);
	free(two);
	free(one_distance);
	free(two_distance);
}

static void
bench_kmeans(size_t k, size_t dims, size_t n)
{
	float	   *rows = path != NULL ? read_rows(path, &n, &dims) : make_rows(n, dims, 0);
	float	   *centroids = malloc(k * dims * sizeof(float));
	uint64_t   *sizes = malloc(k * sizeof(*sizes));
	KmeansParams params = {.k = k, .seed = 1};
	KmeansResult result;
	double		start = now();
	uint64_t	largest = 0;

	most_held = held = 0;
	last_tick = now();
	longest_tick = 0;
	result = kmeans(&host, rows, n, dims, &params, centroids, sizes);
	start = now() - start;
	for (size_t j = 0; j < k; j++)
		largest = sizes[j] > largest ? sizes[j] : largest;
	printf("%-8s kmeans k=%-6zu dims=%-5zu n=%-8zu %7.2f s, %d iterations, error %.5g, "
		   "%zu clusters used, largest %.1f times the mean, memory %.0f MB (said %.0f), "
		   "longest between ticks %.2f ms\n",
		   way(), k, dims, n, start, result.iterations,
		   result.error, result.distinct,
		   (double) largest * (double) k / (double) n,
		   (double) most_held * 1e-6, (double) kmeans_bytes(n, dims, k) * 1e-6,
		   longest_tick * 1e3);
	fflush(stdout);
	free(sizes);
	free(centroids);
	free(rows);
}

static void
run(void)
{
	peak = measure_peak();
	if (wanted("peak"))
		printf("%-8s products alone %.1f GFLOP/s\n", way(), peak);
	if (wanted("nearest"))
	{
		if (only_k > 0)
			bench_nearest(only_k, only_dims, only_rows ? only_rows : 8192);
		else
		{
			bench_nearest(1024, 768, 8192);
			bench_nearest(4000, 768, 8192);
			bench_nearest(256, 8, 500000);
		}
	}
	if (wanted("two"))
	{
		if (only_k > 0)
			bench_two_levels(only_k, only_dims, only_rows ? only_rows : 20000,
							 0);
		if (only_k > 0 && path == NULL)
			bench_two_levels(only_k, only_dims, only_rows ? only_rows : 20000,
							 1);
		if (only_k == 0)
		{
			bench_two_levels(4000, 384, 50000, 0);
			bench_two_levels(4000, 384, 50000, 1);
		}
	}
	if (wanted("kmeans"))
	{
		if (only_k > 0)
			bench_kmeans(only_k, only_dims, only_rows ? only_rows : 50 * only_k);
		else
		{
			bench_kmeans(1024, 384, 51200);
			bench_kmeans(4000, 384, 200000);
			if (large)
				bench_kmeans(32768, 384, 1638400);
		}
	}
}

int
main(int argc, char **argv)
{
	static const SimdLevel levels[] = {
		SIMD_AUTO, SIMD_AVX512, SIMD_AVX2, SIMD_NEON, SIMD_SCALAR
	};
	cpu_set_t	set;
	int			cpu = -1;

	for (int i = 1; i < argc; i++)
	{
		char	   *value = strchr(argv[i], '=');

		if (strcmp(argv[i], "large") == 0)
			large = 1;
		else if (value == NULL)
			return 1;
		else if (strncmp(argv[i], "only=", 5) == 0)
			only = value + 1;
		else if (strncmp(argv[i], "level=", 6) == 0)
			only_level = value + 1;
		else if (strncmp(argv[i], "file=", 5) == 0)
			path = value + 1;
		else if (strncmp(argv[i], "k=", 2) == 0)
			only_k = strtoull(value + 1, NULL, 10);
		else if (strncmp(argv[i], "dims=", 5) == 0)
			only_dims = strtoull(value + 1, NULL, 10);
		else if (strncmp(argv[i], "rows=", 5) == 0)
			only_rows = strtoull(value + 1, NULL, 10);
		else if (strncmp(argv[i], "cpu=", 4) == 0)
			cpu = atoi(value + 1);
		else
			return 1;
	}
	if (cpu >= 0)
	{
		CPU_ZERO(&set);
		CPU_SET((size_t) cpu, &set);
		(void) sched_setaffinity(0, sizeof(set), &set);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
	{
		level = levels[i];
		linear_allow_openblas(level == SIMD_AUTO);
		if (linear_set_level(level) != 0 ||
			(level == SIMD_AUTO && !linear_begin(&host)))
			continue;
		if (*only_level != 0 ? strcmp(only_level, way()) != 0 :
			level == SIMD_SCALAR)
			continue;
		run();
	}
	return 0;
}
