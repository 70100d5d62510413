/*
 * bench_quantize.c
 *	  Time of rotation, encoding and estimates at every level this processor
 *	  runs, beside f32_l2sq.
 *
 *	bench_quantize [only=NAME] [dims=N] [place=cache|mem] [rounds=N] [mb=N]
 *				   [cpu=N]
 *
 * Printed are nanoseconds per vector, medians over the rounds; in a round every
 * method has one turn, since the machine's speed wanders.
 *
 * An estimate reads codes in random order, as a graph's neighbours lie: in the
 * cache (192 kB of them) or in memory (mb= megabytes, by default 512).  One by
 * one, the next is asked for when the last is done; _many gets 32 pointers at
 * once.  FastScan reads blocks and their factors in order, as a list lies.
 * f32_l2sq reads float32 vectors in random order, one by one.
 */
#define _GNU_SOURCE
#include "math/quantize/fastscan.h"
#include "math/quantize/rabitq.h"
#include "math/quantize/rotation.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CACHE_BYTES		((size_t) 192 * 1024)
#define MAX_DIMS		1536
#define MAX_METHODS		64
#define MAX_ROUNDS		1001
#define BATCH			32
#define TURN			2048	/* vectors a turn, at most */

typedef enum What
{
	ROTATE,
	ENCODE,
	PREPARE,					/* a query */
	TABLE,						/* a FastScan table */
	ESTIMATE,
	ESTIMATE_MANY,
	SCAN,
	L2SQ
} What;

typedef struct Kind
{
	const char *name;
	What		what;
	int			bits;
} Kind;

static const Kind kinds[] = {
	{"rotate", ROTATE, 0},
	{"encode 1", ENCODE, 1},
	{"encode 4", ENCODE, 4},
	{"encode 8", ENCODE, 8},
	{"query 4", PREPARE, 4},
	{"query 8", PREPARE, 8},
	{"table", TABLE, 1},
	{"estimate 1", ESTIMATE, 1},
	{"estimate 4", ESTIMATE, 4},
	{"estimate 8", ESTIMATE, 8},
	{"many 4", ESTIMATE_MANY, 4},
	{"many 8", ESTIMATE_MANY, 8},
	{"fastscan 1", SCAN, 1},
	{"f32_l2sq", L2SQ, 32},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const SimdLevel all_levels[] = {
	SIMD_SCALAR, SIMD_NEON, SIMD_AVX2, SIMD_AVX512
};

#define LEVELS (sizeof(all_levels) / sizeof(all_levels[0]))

typedef struct Method
{
	const Kind *kind;
	SimdLevel level;
	size_t		bytes;			/* of what is read for one vector */
	double		ns[MAX_ROUNDS];
} Method;

static Method methods[MAX_METHODS];
static int	methods_n;

static const char *only = "";
static const char *only_place = "";
static size_t only_dims = 0;
static int	rounds = 31;
static size_t megabytes = 512;
static int	cpu = 0;

static float query[MAX_DIMS];
static float vectors[64][MAX_DIMS];
static uint8_t signs[MAX_DIMS / 2];
static Rotation rotation;
static RabitqQuery *prepared[9];
static FastScanTable *table;
static volatile float sink;

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* The i-th of n in an order without a pattern that a processor foresees */
static size_t
scatter(size_t i, size_t n)
{
	return (size_t) ((i * 0x9e3779b97f4a7c15u >> 20) % n);
}

static uint64_t turns;

/* One turn of a method over the buffer; returns nanoseconds per vector */
static double
turn(const Method *m, size_t n, const char *buffer, size_t bytes)
{
	const Kind *kind = m->kind;
	size_t		stored = bytes / m->bytes;
	size_t		count = kind->what <= TABLE ? 64 : TURN;
	size_t		from = (size_t) turns++ * TURN;
	static uint8_t levels[MAX_DIMS];
	const RabitqCode *codes[BATCH];
	float		out[BATCH];
	float		sum = 0;
	double		start;

	quantize_set_level(m->level);
	distance_set_level(m->level);
	if (kind->what == SCAN)
		from = from / BATCH % (stored - count / BATCH);
	start = now_ns();
	switch (kind->what)
	{
		case ROTATE:
			for (size_t i = 0; i < count; i++)
				rotation_apply(&rotation, signs, vectors[i]);
			break;
		case ENCODE:
			for (size_t i = 0; i < count; i++)
				sum += (float) rabitq_encode(vectors[i], n, kind->bits,
											 levels).scale;
			break;
		case PREPARE:
			for (size_t i = 0; i < count; i++)
				rabitq_query_prepare(prepared[kind->bits], query, n,
									 kind->bits, 1);
			break;
		case TABLE:
			for (size_t i = 0; i < count; i++)
				fastscan_table_rabitq(table, query, n);
			break;
		case ESTIMATE:
			for (size_t i = 0; i < count; i++)
			{
				codes[0] = (const RabitqCode *)
					(buffer + scatter(from + i, stored) * m->bytes);
				rabitq_estimate_many(prepared[kind->bits], codes, 1, out);
				sum += out[0];
			}
			break;
		case ESTIMATE_MANY:
			for (size_t i = 0; i < count; i += BATCH)
			{
				for (size_t k = 0; k < BATCH; k++)
					codes[k] = (const RabitqCode *)
						(buffer + scatter(from + i + k, stored) * m->bytes);
				rabitq_estimate_many(prepared[kind->bits], codes, BATCH, out);
				sum += out[0];
			}
			break;
		case SCAN:
			for (size_t i = 0; i < count / BATCH; i++)
			{
				const char *block = buffer + (from + i) * m->bytes;
				const float *factors = (const float *) (block + n * 4);

				fastscan_estimate(table, (const uint8_t *) block, factors,
								  factors + BATCH, 1, out);
				sum += out[0];
			}
			break;
		case L2SQ:
			for (size_t i = 0; i < count; i++)
				sum += distance_kernels->f32_l2sq(query,
												  (const float *) (buffer + scatter(from + i, stored) * m->bytes), n);
			break;
	}
	sink = sum;
	return (now_ns() - start) / (double) count;
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* What a method reads for each of its steps: codes, blocks, vectors */
static size_t
bytes_read(const Kind *kind, size_t n)
{
	switch (kind->what)
	{
		case ESTIMATE:
		case ESTIMATE_MANY:
			return rabitq_code_bytes(n, kind->bits);
		case SCAN:
			return fastscan_block_bytes(n / 4) + BATCH * 2 * sizeof(float);
		default:
			return n * sizeof(float);
	}
}

static void
bench(size_t n, int in_memory, const char *buffer)
{
	size_t		bytes = in_memory ? megabytes * 1024 * 1024 : CACHE_BYTES;

	methods_n = 0;
	for (size_t k = 0; k < KINDS; k++)
		for (size_t l = 0; l < LEVELS; l++)
		{
			if (quantize_table(all_levels[l]) == NULL ||
				strstr(kinds[k].name, only) == NULL ||
				(in_memory && kinds[k].what <= TABLE))
				continue;
			methods[methods_n].kind = &kinds[k];
			methods[methods_n].level = all_levels[l];
			methods[methods_n].bytes = bytes_read(&kinds[k], n);
			methods_n++;
		}
	for (int round = -1; round < rounds; round++)
		for (int i = 0; i < methods_n; i++)
		{
			size_t		size = bytes;
			double		ns;

			/* Enough blocks for a turn, where a cache's worth is not */
			if (methods[i].kind->what == SCAN &&
				size / methods[i].bytes < 2 * TURN / BATCH)
				size = methods[i].bytes * 2 * TURN / BATCH;
			ns = turn(&methods[i], n, buffer, size);
			if (round >= 0)
				methods[i].ns[round] = ns;
		}
	for (int i = 0; i < methods_n; i++)
	{
		Method	   *m = &methods[i];

		qsort(m->ns, (size_t) rounds, sizeof(double), compare_double);
		if (i == 0 || m->kind != methods[i - 1].kind)
			printf("\n%-5s %5zu %-11s", in_memory ? "mem" : "cache", n,
				   m->kind->name);
		printf("  %6s %8.1f", quantize_table(m->level)->name,
			   m->ns[rounds / 2]);
	}
	printf("\n");
}

static void
prepare(size_t n)
{
	if (rotation_init(&rotation, n, 1) != 0)
		abort();
	rotation_signs(&rotation, signs);
	for (size_t i = 0; i < n; i++)
		query[i] = (float) (drand48() + drand48() + drand48() - 1.5);
	for (size_t v = 0; v < 64; v++)
		for (size_t i = 0; i < n; i++)
			vectors[v][i] = (float) (drand48() + drand48() + drand48() - 1.5);
	for (int bits = 1; bits <= 8; bits *= 2)
	{
		free(prepared[bits]);
		prepared[bits] = malloc(rabitq_query_bytes(n, bits));
		rabitq_query_prepare(prepared[bits], query, n, bits, 1);
	}
	free(table);
	table = malloc(fastscan_table_bytes(n / 4));
	fastscan_table_rabitq(table, query, n);
}

int
main(int argc, char **argv)
{
	static const size_t all_dims[] = {128, 384, 768, 1536};
	cpu_set_t	set;
	float	   *buffer;
	size_t		floats;

	for (int i = 1; i < argc; i++)
	{
		const char *value = strchr(argv[i], '=');

		value = value != NULL ? value + 1 : "";
		if (strncmp(argv[i], "only=", 5) == 0)
			only = value;
		else if (strncmp(argv[i], "dims=", 5) == 0)
			only_dims = (size_t) atol(value);
		else if (strncmp(argv[i], "place=", 6) == 0)
			only_place = value;
		else if (strncmp(argv[i], "rounds=", 7) == 0)
			rounds = atoi(value);
		else if (strncmp(argv[i], "mb=", 3) == 0)
			megabytes = (size_t) atol(value);
		else if (strncmp(argv[i], "cpu=", 4) == 0)
			cpu = atoi(value);
		else
		{
			fprintf(stderr, "unknown argument: %s\n", argv[i]);
			return 1;
		}
	}
	if (rounds < 1 || rounds > MAX_ROUNDS || megabytes < 16)
	{
		fprintf(stderr, "rounds= is 1 .. %d, mb= 16 or more\n", MAX_ROUNDS);
		return 1;
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("sched_setaffinity");

	/* Any bytes are codes; as floats, these are 1, whatever their offset */
	floats = megabytes * 1024 * 1024 / sizeof(float);
	buffer = aligned_alloc(4096, floats * sizeof(float));
	if (buffer == NULL)
		return 1;
	for (size_t i = 0; i < floats; i++)
		buffer[i] = 1;

	printf("nanoseconds per vector\n");
	for (size_t d = 0; d < sizeof(all_dims) / sizeof(all_dims[0]); d++)
	{
		if (only_dims != 0 && only_dims != all_dims[d])
			continue;
		prepare(all_dims[d]);
		if (strstr("cache", only_place) != NULL)
			bench(all_dims[d], 0, (const char *) buffer);
		if (strstr("mem", only_place) != NULL)
			bench(all_dims[d], 1, (const char *) buffer);
	}
	free(buffer);
	return 0;
}
