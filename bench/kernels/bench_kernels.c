/*
 * bench_kernels.c
 *	  Time of every distance kernel at every level this processor runs, beside
 *	  OpenBLAS's sdot and a plain read of the same bytes.
 *
 *	bench_kernels [only=NAME] [dims=N] [place=L1|L2|mem] [rounds=N] [gb=N]
 *				  [offset=BYTES] [cpu=N]
 *
 * Everything reads rows of n elements against one query: a kernel over pairs
 * is called row by row, a _many kernel and the plain read once for all rows.
 * The rows lie in the first level cache (24 kB of them), in the second (768 kB)
 * or in memory (gb= gigabytes, by default 2: several times any third level).
 *
 * The machine's speed wanders, so methods take turns: each round measures each
 * method once, for some 30 microseconds in a cache and 8 MB in memory, where
 * every turn takes the next 8 MB, so that nobody finds what another left in
 * the cache.  Printed are medians over the rounds: nanoseconds per row, and
 * the row's bytes (the query's are not counted) per nanosecond, that is GB/s.
 * The lines "against" also give the ratio of the fastest rounds.
 *
 * offset= moves rows and query off the cache line; a vector inside a
 * PostgreSQL tuple is aligned to 4 or 8 bytes only.
 */
#define _GNU_SOURCE
#include "math/distance/distance.h"

#include <cblas.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define L1_BYTES		(24 * 1024)
#define L2_BYTES		(768 * 1024)
#define SEGMENT_BYTES	((size_t) 8 * 1024 * 1024)
#define SAMPLE_NS		30000.0
#define MAX_DIMS		16384
#define MAX_METHODS		128
#define MAX_ROUNDS		2000

typedef struct Rows
{
	const char *start;
	size_t		n;				/* elements, or bits, per row */
	size_t		count;
	size_t		bytes;			/* per row */
} Rows;

typedef void (*Run) (const DistanceKernels *k, const Rows *rows);

typedef struct Kernel
{
	const char *name;
	int			bits;			/* per element of a row */
	Run			run;
} Kernel;

typedef struct Method
{
	const Kernel *kernel;
	const DistanceKernels *level;	/* NULL where there is but one */
	double		ns[MAX_ROUNDS]; /* per row */
	size_t		repeats;
	double		median;
	double		best;
} Method;

typedef enum Place
{
	IN_L1,
	IN_L2,
	IN_MEMORY
} Place;

static const char *const place_names[] = {"L1", "L2", "mem"};

static const SimdLevel all_levels[] = {
	SIMD_SCALAR, SIMD_NEON, SIMD_AVX2, SIMD_AVX512
};

#define LEVELS (sizeof(all_levels) / sizeof(all_levels[0]))

/* What the arguments say */
static const char *only = "";
static const char *only_place = "";
static size_t only_dims = 0;
static int	rounds = 101;
static size_t gigabytes = 2;
static size_t offset = 0;
static int	cpu = 0;

static char *query;				/* of either type, or bits */
static char *results;
static volatile double sink;

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* Kernels over a pair, row by row; the row's type names the query's */
#define PAIR_RUN(name, T, expression) \
static void \
run_##name(const DistanceKernels *k, const Rows *rows) \
{ \
	const T    *q = (const T *) query; \
	double		sum = 0; \
\
	for (size_t r = 0; r < rows->count; r++) \
	{ \
		const T    *row = (const T *) (rows->start + r * rows->bytes); \
\
		sum += (double) (expression); \
	} \
	(void) k; \
	(void) q; \
	sink = sum; \
}

#define MANY_RUN(name, T, Out) \
static void \
run_##name(const DistanceKernels *k, const Rows *rows) \
{ \
	k->name((const float *) query, (const T *) rows->start, rows->n, rows->n, \
			rows->count, (Out *) results); \
}

PAIR_RUN(f32_l2sq, float, k->f32_l2sq(q, row, rows->n))
PAIR_RUN(f32_ip, float, k->f32_ip(q, row, rows->n))
PAIR_RUN(f32_l1, float, k->f32_l1(q, row, rows->n))
PAIR_RUN(f32_cosine, float, k->f32_cosine(q, row, rows->n).bb)
PAIR_RUN(f32_norm2, float, k->f32_norm2(row, rows->n))
PAIR_RUN(f16_l2sq, half, k->f16_l2sq(q, row, rows->n))
PAIR_RUN(f16_ip, half, k->f16_ip(q, row, rows->n))
PAIR_RUN(f16_l1, half, k->f16_l1(q, row, rows->n))
PAIR_RUN(f16_cosine, half, k->f16_cosine(q, row, rows->n).bb)
PAIR_RUN(f16_norm2, half, k->f16_norm2(row, rows->n))
PAIR_RUN(mixed_l2sq, half, k->mixed_l2sq((const float *) query, row, rows->n))
PAIR_RUN(mixed_ip, half, k->mixed_ip((const float *) query, row, rows->n))
PAIR_RUN(bit_hamming, uint8_t, k->bit_hamming(q, row, rows->n / 8))
PAIR_RUN(sdot, float, cblas_sdot((int) rows->n, q, 1, row, 1))

MANY_RUN(f32_ip_many, float, float)

static void
run_bit_jaccard(const DistanceKernels *k, const Rows *rows)
{
	uint64_t	both;
	uint64_t	either;
	uint64_t	sum = 0;

	for (size_t r = 0; r < rows->count; r++)
	{
		k->bit_jaccard((const uint8_t *) query,
					   (const uint8_t *) rows->start + r * rows->bytes,
					   rows->n / 8, &both, &either);
		sum += both + either;
	}
	sink = (double) sum;
}

static void
run_f16_to_f32(const DistanceKernels *k, const Rows *rows)
{
	for (size_t r = 0; r < rows->count; r++)
		k->f16_to_f32((const half *) (rows->start + r * rows->bytes),
					  (float *) results, rows->n);
}

static void
run_f32_to_f16(const DistanceKernels *k, const Rows *rows)
{
	for (size_t r = 0; r < rows->count; r++)
		k->f32_to_f16((const float *) (rows->start + r * rows->bytes),
					  (half *) results, rows->n);
}

/*
 * The plain read: nothing but loads, as wide as the processor has them, each
 * folded into one of eight registers by the cheapest instruction there is.
 * Vectors of the compiler's own, so that no instruction set is named here.
 */
#define READ_RUN(name, vector_bytes) \
run_##name(const DistanceKernels *k, const Rows *rows) \
{ \
	typedef long long Wide __attribute__((vector_size(vector_bytes))); \
	typedef Wide Loaded __attribute__((aligned(4), may_alias)); \
	Wide		x0 = {0}, x1 = {0}, x2 = {0}, x3 = {0}; \
	Wide		x4 = {0}, x5 = {0}, x6 = {0}, x7 = {0}; \
	const Loaded *p = (const Loaded *) rows->start; \
	const Loaded *end = p + rows->count * rows->bytes / sizeof(Wide); \
\
	for (; end - p >= 8; p += 8) \
	{ \
		x0 |= p[0]; \
		x1 |= p[1]; \
		x2 |= p[2]; \
		x3 |= p[3]; \
		x4 |= p[4]; \
		x5 |= p[5]; \
		x6 |= p[6]; \
		x7 |= p[7]; \
	} \
	for (; p < end; p++) \
		x0 |= *p; \
	x0 |= x1 | x2 | x3 | x4 | x5 | x6 | x7; \
	(void) k; \
	for (size_t i = 1; i < sizeof(Wide) / sizeof(x0[0]); i++) \
		x0[0] |= x0[i]; \
	sink = (double) x0[0]; \
}

#ifdef __x86_64__
static __attribute__((target("avx512f"))) void
READ_RUN(read_avx512, 64)

static __attribute__((target("avx2"))) void
READ_RUN(read_avx2, 32)
#endif

static void
READ_RUN(read_plain, 16)

static void
run_read(const DistanceKernels *k, const Rows *rows)
{
#ifdef __x86_64__
	if (distance_table(SIMD_AVX512) != NULL)
		run_read_avx512(k, rows);
	else if (distance_table(SIMD_AVX2) != NULL)
		run_read_avx2(k, rows);
	else
#endif
		run_read_plain(k, rows);
}

static const Kernel yardsticks[] = {
	{"read", 32, run_read},
	{"sdot", 32, run_sdot},
};

#define KERNEL(name, bits) {#name, bits, run_##name}

static const Kernel kernels[] = {
	KERNEL(f32_l2sq, 32),
	KERNEL(f32_ip, 32),
	KERNEL(f32_l1, 32),
	KERNEL(f32_cosine, 32),
	KERNEL(f32_norm2, 32),
	KERNEL(f32_ip_many, 32),
	KERNEL(f16_l2sq, 16),
	KERNEL(f16_ip, 16),
	KERNEL(f16_l1, 16),
	KERNEL(f16_cosine, 16),
	KERNEL(f16_norm2, 16),
	KERNEL(mixed_l2sq, 16),
	KERNEL(mixed_ip, 16),
	KERNEL(f16_to_f32, 16),
	KERNEL(f32_to_f16, 32),
	KERNEL(bit_hamming, 1),
	KERNEL(bit_jaccard, 1),
};

#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

static Method methods[MAX_METHODS];
static int	methods_n;

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
add_method(const Kernel *kernel, const DistanceKernels *level)
{
	if (methods_n == MAX_METHODS)
		abort();
	methods[methods_n].kernel = kernel;
	methods[methods_n].level = level;
	methods_n++;
}

/* Rows of n elements of a method's type, filling bytes from start on */
static Rows
rows_in(const Method *m, const char *start, size_t bytes, size_t n)
{
	Rows		rows = {.start = start, .n = n};

	rows.bytes = n * (size_t) m->kernel->bits / 8;
	rows.count = bytes / rows.bytes;
	return rows;
}

/* One turn of a method; returns nanoseconds per row */
static double
measure(const Method *m, const Rows *rows)
{
	double		start = now_ns();

	for (size_t i = 0; i < m->repeats; i++)
		m->kernel->run(m->level, rows);
	return (now_ns() - start) / (double) m->repeats / (double) rows->count;
}

static void
measure_all(Place place, const char *buffer, size_t n)
{
	size_t		block = place == IN_L1 ? L1_BYTES : place == IN_L2 ? L2_BYTES :
		SEGMENT_BYTES;
	size_t		segments = gigabytes * 1024 * 1024 * 1024 / SEGMENT_BYTES;
	size_t		turn = 0;

	for (int i = 0; i < methods_n; i++)
	{
		Method	   *m = &methods[i];

		m->repeats = 1;
		if (place != IN_MEMORY)
		{
			Rows		rows = rows_in(m, buffer + offset, block, n);
			double		ns;

			measure(m, &rows);
			ns = measure(m, &rows) * (double) rows.count;
			m->repeats = 1 + (size_t) (SAMPLE_NS / ns);
		}
	}
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < methods_n; i++)
		{
			size_t		at = place == IN_MEMORY ?
				turn++ % segments * SEGMENT_BYTES : 0;
			Rows		rows = rows_in(&methods[i], buffer + at + offset,
									   block, n);

			methods[i].ns[round] = measure(&methods[i], &rows);
		}
	for (int i = 0; i < methods_n; i++)
	{
		qsort(methods[i].ns, (size_t) rounds, sizeof(double), compare_double);
		methods[i].median = methods[i].ns[rounds / 2];
		methods[i].best = methods[i].ns[0];
	}
}

static void
print_results(Place place, size_t n)
{
	for (int i = 0; i < methods_n; i++)
	{
		const Method *m = &methods[i];
		double		bytes = (double) n * m->kernel->bits / 8;

		if (i == 0 || m->kernel != methods[i - 1].kernel)
			printf("\n%-3s %5zu %-15s", place_names[place], n,
				   m->kernel->name);
		printf("  %6s %9.1f ns %6.1f GB/s",
			   m->level != NULL ? m->level->name : "", m->median,
			   bytes / m->median);
	}
	printf("\n");

	/* The best level's float32 kernels against the yardsticks */
	for (int i = (int) (sizeof(yardsticks) / sizeof(yardsticks[0]));
		 i < methods_n; i++)
	{
		const Method *m = &methods[i];
		bool		many = strstr(m->kernel->name, "_many") != NULL;
		const Method *yardstick = &methods[place == IN_MEMORY ? 0 : 1];

		if (m->kernel->bits != 32 || m->level != distance_table(SIMD_AUTO) ||
			(place == IN_MEMORY ? !many :
			 strstr(m->kernel->name, "f32_ip") == NULL))
			continue;
		printf("%-3s %5zu %-15s  against %s: %.2f times its speed (fastest rounds %.2f)\n",
			   place_names[place], n, m->kernel->name, yardstick->kernel->name,
			   yardstick->median / m->median, yardstick->best / m->best);
	}
}

/* Ascending random indices below limit, and values */
static void
fill_sparse(int32_t *index, float *value, size_t count, int32_t limit)
{
	double		gap = (double) limit / (double) count;

	for (size_t i = 0; i < count; i++)
	{
		index[i] = (int32_t) (gap * ((double) i + drand48()));
		value[i] = (float) drand48();
	}
}

/* Sparse vectors: one long side, shorter and shorter ones against it */
static void
bench_sparse(void)
{
	enum
	{
		LONG = 1024,
		PAIRS = 64				/* more than a branch predictor remembers */
	};
	static int32_t ai[PAIRS][LONG];
	static int32_t bi[PAIRS][LONG];
	static float av[PAIRS][LONG];
	static float bv[PAIRS][LONG];

	printf("\nsparse, ns per call\n   na    nb       ip     l2sq       l1\n");
	for (size_t na = LONG; na >= 8; na /= 2)
	{
		double		best[3] = {1e30, 1e30, 1e30};

		for (size_t p = 0; p < PAIRS; p++)
		{
			fill_sparse(ai[p], av[p], na, 30000);
			fill_sparse(bi[p], bv[p], LONG, 30000);
		}
		for (int round = 0; round < rounds; round++)
			for (int k = 0; k < 3; k++)
			{
				float		(*f) (const int32_t *, const float *, size_t,
								  const int32_t *, const float *, size_t) =
					k == 0 ? sparse_ip : k == 1 ? sparse_l2sq : sparse_l1;
				double		sum = 0;
				double		start = now_ns();
				double		ns;

				for (size_t p = 0; p < PAIRS; p++)
					sum += f(ai[p], av[p], na, bi[p], bv[p], LONG);
				ns = (now_ns() - start) / PAIRS;
				sink = sum;
				if (ns < best[k])
					best[k] = ns;
			}
		printf("%5zu %5d %8.0f %8.0f %8.0f\n", na, LONG, best[0], best[1],
			   best[2]);
	}
}

static void
parse_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		char	   *value = strchr(argv[i], '=');

		if (value == NULL)
		{
			fprintf(stderr, "not an argument: %s\n", argv[i]);
			exit(2);
		}
		value++;
		if (strncmp(argv[i], "only=", 5) == 0)
			only = value;
		else if (strncmp(argv[i], "place=", 6) == 0)
			only_place = value;
		else if (strncmp(argv[i], "dims=", 5) == 0)
			only_dims = strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "rounds=", 7) == 0)
			rounds = atoi(value);
		else if (strncmp(argv[i], "gb=", 3) == 0)
			gigabytes = strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "offset=", 7) == 0)
			offset = strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "cpu=", 4) == 0)
			cpu = atoi(value);
		else
		{
			fprintf(stderr, "not an argument: %s\n", argv[i]);
			exit(2);
		}
	}
	if (rounds < 1 || rounds > MAX_ROUNDS || only_dims > MAX_DIMS ||
		gigabytes < 1 || offset > 64)
	{
		fprintf(stderr, "an argument is out of range\n");
		exit(2);
	}
}

/*
 * Memory full of numbers that are harmless in either type: pairs of halves
 * from 0.5 to 2, which make floats from 0.00003 to 2.
 */
static char *
make_buffer(size_t bytes)
{
	char	   *buffer = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
							  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t	state = 88172645463325252u;
	uint64_t   *words = (uint64_t *) buffer;

	if (buffer == MAP_FAILED)
	{
		perror("mmap");
		exit(1);
	}
	madvise(buffer, bytes, MADV_HUGEPAGE);
	for (size_t i = 0; i < (bytes + 4096) / sizeof(*words); i++)
	{
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = (state & 0x87ff87ff87ff87ffu) | 0x3800380038003800u;
	}
	return buffer;
}

int
main(int argc, char **argv)
{
	static const size_t dims[] = {96, 128, 384, 768, 1536, 3072};
	cpu_set_t	set;
	char	   *buffer;
	char	   *head;

	parse_arguments(argc, argv);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("sched_setaffinity (going on unpinned)");

	buffer = make_buffer(gigabytes * 1024 * 1024 * 1024);
	head = make_buffer(MAX_DIMS * 4);
	query = head + offset;
	results = make_buffer(SEGMENT_BYTES);

	printf("cpu %d, %d rounds, %zu GB, offset %zu; medians; %s for %s\n",
		   cpu, rounds, gigabytes, offset, openblas_get_config(),
		   openblas_get_corename());
	for (int i = 0; i < (int) (sizeof(yardsticks) / sizeof(yardsticks[0])); i++)
		add_method(&yardsticks[i], NULL);
	for (size_t i = 0; i < KERNELS; i++)
		for (size_t l = 0; l < LEVELS; l++)
			if (distance_table(all_levels[l]) != NULL &&
				strstr(kernels[i].name, only) != NULL)
				add_method(&kernels[i], distance_table(all_levels[l]));

	for (Place place = IN_L1; place <= IN_MEMORY; place++)
		for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
		{
			size_t		n = only_dims != 0 ? only_dims : dims[d];

			if (*only_place != '\0' &&
				strcmp(only_place, place_names[place]) != 0)
				break;
			measure_all(place, buffer, n);
			print_results(place, n);
			if (only_dims != 0)
				break;
		}
	if (*only == '\0' || strcmp(only, "sparse") == 0)
		bench_sparse();
	return 0;
}
