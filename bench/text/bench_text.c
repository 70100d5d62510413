/*
 * bench_text.c
 *	  How fast dense_text_parse reads embeddings, against the same grammar over
 *	  strtof.
 *
 * Each data set is ROWS vectors of DIMS elements, as COPY would hand them over.
 * The two parsers take turns in the same run, ROUNDS times over the whole set,
 * and the median round of each is printed, so that a busy machine hurts both
 * alike.  Their results are compared bit by bit first.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/text/text.h"

#define DIMS	384
#define ROWS	1000
#define ROUNDS	31

typedef enum Format
{
	FORMAT_FLOAT32,				/* shortest text that gives the float32 back */
	FORMAT_FLOAT64,				/* 17 digits */
	FORMAT_SAVETXT,				/* numpy.savetxt's default, %.18e */
	FORMAT_INTEGER				/* 0 .. 255, as in SIFT */
} Format;

static const char *const format_names[] = {
	"float32 shortest", "float64 17 digits", "%.18e", "integers 0..255"
};

typedef ParseStatus (*Parser) (const char *s, size_t len, float limit,
							   int max_dims, float *out, int *dims,
							   ParseToken *token);

static uint64_t random_state = 42;

/* splitmix64 */
static uint64_t
random_bits(void)
{
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Uniform in [-0.2, 0.2) */
static double
random_element(void)
{
	return ((double) (random_bits() >> 11) * 0x1p-53 - 0.5) * 0.4;
}

static int
print_element(char *buf, size_t size, Format format)
{
	double		d = random_element();
	float		f = (float) d;
	int			digits = 1;

	switch (format)
	{
		case FORMAT_FLOAT64:
			return snprintf(buf, size, "%.17g", d);
		case FORMAT_SAVETXT:
			return snprintf(buf, size, "%.18e", d);
		case FORMAT_INTEGER:
			return snprintf(buf, size, "%d", (int) (random_bits() % 256));
		case FORMAT_FLOAT32:
			break;
	}
	for (;; digits++)
	{
		int			len = snprintf(buf, size, "%.*g", digits, (double) f);

		if (strtof(buf, NULL) == f)
			return len;
	}
}

/* The same grammar, one strtof a number */
static ParseStatus
strtof_parse(const char *s, size_t len, float limit, int max_dims, float *out,
			 int *dims, ParseToken *token)
{
	const char *p = s;
	int			n = 0;

	(void) token;
	if (*p++ != '[')
		return PARSE_NO_OPENING;
	for (;;)
	{
		char	   *stop;
		float		value;

		if (n >= max_dims)
			return PARSE_TOO_MANY_DIMS;
		value = strtof(p, &stop);
		if (stop == p)
			return PARSE_SYNTAX;
		if (!(fabsf(value) < limit))
			return PARSE_OUT_OF_RANGE;
		out[n++] = value;
		p = stop;
		while (*p == ' ')
			p++;
		if (*p == ',')
			p++;
		else if (*p == ']')
			break;
		else
			return PARSE_SYNTAX;
	}
	if (p + 1 != s + len)
		return PARSE_JUNK;
	*dims = n;
	return PARSE_OK;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static double
round_time(Parser parse, char *const *rows, const size_t *lens, float *out)
{
	double		start = now();
	int			dims;
	ParseToken	token;

	for (int i = 0; i < ROWS; i++)
	{
		if (parse(rows[i], lens[i], INFINITY, 16000, out, &dims,
				  &token) != PARSE_OK || dims != DIMS)
			abort();
	}
	return now() - start;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
bench(Format format)
{
	static char *rows[ROWS];
	static size_t lens[ROWS];
	static float ours[DIMS];
	static float theirs[DIMS];
	double		our_times[ROUNDS];
	double		their_times[ROUNDS];
	double		bytes = 0;
	const double numbers = (double) ROWS * DIMS;
	double		a;
	double		b;

	for (int i = 0; i < ROWS; i++)
	{
		char		buf[DIMS * 32];
		size_t		len = 0;
		int			dims;
		ParseToken	token;

		for (int j = 0; j < DIMS; j++)
		{
			buf[len++] = j == 0 ? '[' : ',';
			len += (size_t) print_element(buf + len, sizeof(buf) - len, format);
		}
		buf[len++] = ']';
		buf[len] = '\0';
		rows[i] = strdup(buf);
		lens[i] = len;
		bytes += (double) len;

		if (dense_text_parse(rows[i], len, INFINITY, 16000, ours, &dims,
							 &token) != PARSE_OK ||
			strtof_parse(rows[i], len, INFINITY, 16000, theirs, &dims,
						 &token) != PARSE_OK ||
			memcmp(ours, theirs, sizeof(ours)) != 0)
		{
			fprintf(stderr, "the parsers differ on %s\n", rows[i]);
			exit(1);
		}
	}

	for (int i = 0; i < ROUNDS; i++)
	{
		our_times[i] = round_time(dense_text_parse, rows, lens, ours);
		their_times[i] = round_time(strtof_parse, rows, lens, theirs);
	}
	qsort(our_times, ROUNDS, sizeof(double), compare_doubles);
	qsort(their_times, ROUNDS, sizeof(double), compare_doubles);
	a = our_times[ROUNDS / 2];
	b = their_times[ROUNDS / 2];

	printf("%-18s %5.1f bytes/number  dense_text_parse %6.0f MB/s %6.2f ns/number"
		   "  strtof %5.0f MB/s %6.2f ns/number  %5.2fx\n",
		   format_names[format], bytes / numbers,
		   bytes / a * 1e-6, a / numbers * 1e9,
		   bytes / b * 1e-6, b / numbers * 1e9, b / a);

	for (int i = 0; i < ROWS; i++)
		free(rows[i]);
}

int
main(void)
{
	printf("%d vectors of %d dimensions, median of %d interleaved rounds\n",
		   ROWS, DIMS, ROUNDS);
	bench(FORMAT_FLOAT32);
	bench(FORMAT_FLOAT64);
	bench(FORMAT_SAVETXT);
	bench(FORMAT_INTEGER);
	return 0;
}
