/*
 * test_quantize.c
 *	  Rotation, RaBitQ codes and FastScan blocks: every level against the scalar
 *	  one, that against plain double arithmetic, and what the estimates are
 *	  worth.
 *
 * All levels give the same bits, so levels are compared with memcmp.
 *
 * Rotation.  Each stage is orthogonal up to one rounding of every element, so
 * it moves the result by at most u = 2^-24 of the norm, and so do the roundings
 * of the two constants.  A round has log2(block) stages of additions, one
 * multiplication and its constant, and the Kac step's addition,
 * multiplication and constant; so
 *
 *		|computed - exact| <= 4 (log2(block) + 5) u |x|		(to first order).
 *
 * Encoding.  The sums have 16 lanes of dims / 16 terms, each product rounded
 * once or twice, then a tree of 4 additions; terms are not negative, so the
 * sums' relative error is at most (dims / 16 + 7) u.
 *
 * Accuracy is tested with fixed seeds, so that it cannot fail by chance; the
 * bounds are the figures of DESIGN.md and a margin that the comments name.
 *
 * Arrays lie where reading past either end is caught: in malloc blocks of
 * their size, for the AddressSanitizer, and before pages that cannot be read.
 */
#include "cases.h"
#include "codes.h"
#include "levels.h"
#include "random.h"
#include "math/quantize/fastscan.h"
#include "math/quantize/quantize.h"
#include "math/quantize/rabitq.h"
#include "math/quantize/rotation.h"

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
#include <sys/mman.h>
#include <unistd.h>

#define MAX_DIMS		QUANTIZE_MAX_DIMS
#define UNIT_ROUNDOFF	0x1p-24
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const int all_bits[] = {1, 2, 4, 8};

/*
 * Random numbers, seeded by each test, so that none depends on the ones before
 * it.
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

static double
random_gauss(void)
{
	return sqrt(-2 * log(random_unit())) * cos(2 * M_PI * random_unit());
}

static void
fill_gauss(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float) random_gauss();
}

static void
fill_bytes(uint8_t *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (uint8_t) random_bits();
}

static double
inner(const float *a, const float *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static double
distance2(const float *a, const float *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

/*
 * Arrays whose ends are watched.
 */
typedef enum Place
{
	MALLOC,						/* a malloc block of that size */
	PAGE_END,					/* the end of a page, none behind it */
	PLACES
} Place;

typedef enum Slot
{
	SLOT_A,
	SLOT_B,
	SLOT_OUT,
	SLOTS
} Slot;

#define SLOT_BYTES ((size_t) 16 * FASTSCAN_MAX_NIBBLES + 4096)

static void *blocks[SLOTS];
static char *pages[SLOTS];

static void *
make_room(Slot slot, Place place, size_t bytes)
{
	if (place == MALLOC)
	{
		free(blocks[slot]);
		blocks[slot] = malloc(bytes);
		assert_non_null(blocks[slot]);
		return blocks[slot];
	}
	assert_true(bytes <= SLOT_BYTES);
	if (pages[slot] == NULL)
	{
		size_t		page = (size_t) sysconf(_SC_PAGESIZE);
		size_t		all = (SLOT_BYTES + page - 1) / page * page + page;
		char	   *p = mmap(NULL, all, PROT_READ | PROT_WRITE,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(p != MAP_FAILED);
		assert_int_equal(mprotect(p + all - page, page, PROT_NONE), 0);
		pages[slot] = p + all - page;
	}
	return pages[slot] - bytes;
}

static void *
put(Slot slot, Place place, const void *data, size_t bytes)
{
	return memcpy(make_room(slot, place, bytes), data, bytes);
}

/* The level that a test was given; does not return if it cannot run here */
static const QuantizeKernels *
level_under_test(void **state)
{
	const QuantizeKernels *level = quantize_table(*(SimdLevel *) *state);

	if (level == NULL)
		skip();
	return level;
}

static const QuantizeKernels *
scalar(void)
{
	return quantize_table(SIMD_SCALAR);
}

/* FNV-1a of bytes */
static uint64_t
hash(const void *data, size_t bytes)
{
	uint64_t	h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ ((const uint8_t *) data)[i]) * 0x100000001b3u;
	return h;
}

/*
 * Rotation.
 */
static const size_t long_dims[] = {768, 1024, 1536, 3072, MAX_DIMS};

/* 1 .. 300, then the long ones; 0 at the end */
static size_t
rotation_dims(size_t i)
{
	return i < 300 ? i + 1 :
		i - 300 < ARRAY_LENGTH(long_dims) ? long_dims[i - 300] : 0;
}

static void
test_rotation_sizes(void **state)
{
	Rotation	r;

	(void) state;
	assert_int_equal(rotation_padded(0), 0);
	assert_int_equal(rotation_padded(MAX_DIMS + 1), 0);
	assert_int_equal(rotation_padded(MAX_DIMS), MAX_DIMS);
	assert_int_equal(rotation_padded(1), 64);
	assert_int_equal(rotation_padded(64), 64);
	assert_int_equal(rotation_padded(65), 128);
	assert_int_equal(rotation_init(&r, 0, 1), -1);
	assert_int_equal(rotation_init(&r, MAX_DIMS + 1, 1), -1);
	assert_int_equal(rotation_init(&r, 100, 1), 0);
	assert_int_equal(rotation_sign_bytes(&r), 64);
}

/* Same seed, same bits, anywhere: these are constants */
static void
test_rotation_deterministic(void **state)
{
	static uint8_t signs[MAX_DIMS / 2];
	static float x[MAX_DIMS];
	static const struct
	{
		size_t		dims;
		uint64_t	sign_hash;
		uint64_t	result_hash;
	}			want[] = {
		{100, 0xfc4d6fbfb30ffa67u, 0x9a5d80ed5ef89f61u},
		{768, 0x3381a2cfdb94e5fcu, 0x3e76d990914ed87bu},
		{1024, 0xf3de0ed403210b14u, 0xd10fb4fc87a4b38bu},
	};

	assert_int_equal(quantize_set_level(*(SimdLevel *) *state),
					 level_under_test(state) == NULL ? -1 : 0);
	for (size_t i = 0; i < ARRAY_LENGTH(want); i++)
	{
		Rotation	r;

		assert_int_equal(rotation_init(&r, want[i].dims, 42), 0);
		rotation_signs(&r, signs);
		for (size_t k = 0; k < r.padded; k++)
			x[k] = (float) (k % 17) - 7.25f;
		rotation_apply(&r, signs, x);
		if (hash(signs, rotation_sign_bytes(&r)) != want[i].sign_hash ||
			hash(x, r.padded * sizeof(float)) != want[i].result_hash)
			fail_msg("dims = %zu: signs 0x%016llx, result 0x%016llx",
					 want[i].dims, (unsigned long long)
					 hash(signs, rotation_sign_bytes(&r)),
					 (unsigned long long) hash(x, r.padded * sizeof(float)));
	}
}

/* Every level has the scalar one's bits */
static void
test_rotation_levels(void **state)
{
	static float x[MAX_DIMS];
	static float want[MAX_DIMS];
	static uint8_t signs[MAX_DIMS / 2];
	const QuantizeKernels *level = level_under_test(state);

	seed_random(1);
	for (size_t i = 0; rotation_dims(i) != 0; i++)
	{
		size_t		dims = rotation_dims(i);
		size_t		n = rotation_padded(dims);
		Place		place = (Place) (i % PLACES);
		float	   *got;

		fill_gauss(x, n);
		fill_bytes(signs, n / 2);
		memcpy(want, x, n * sizeof(float));
		scalar()->rotate(want, n, signs);
		got = put(SLOT_A, place, x, n * sizeof(float));
		level->rotate(got, n, put(SLOT_B, place, signs, n / 2));
		if (memcmp(got, want, n * sizeof(float)) != 0)
			fail_msg("%s, dims = %zu: the rotation differs", level->name, n);
	}
}

/* Norms and inner products are kept */
static void
test_rotation_orthogonal(void **state)
{
	static float x[MAX_DIMS];
	static float y[MAX_DIMS];
	static uint8_t signs[MAX_DIMS / 2];

	(void) state;
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	seed_random(2);
	for (size_t i = 0; rotation_dims(i) != 0; i++)
	{
		size_t		dims = rotation_dims(i);
		Rotation	r;
		double		stages;
		double		error;
		double		xx;
		double		yy;
		double		xy;
		double		got;

		assert_int_equal(rotation_init(&r, dims, i), 0);
		rotation_signs(&r, signs);
		fill_gauss(x, r.padded);
		for (size_t k = 0; k < r.padded; k++)
			y[k] = x[k] * 0.5f + (float) random_gauss();
		xx = inner(x, x, dims);
		yy = inner(y, y, dims);
		xy = inner(x, y, dims);
		rotation_apply(&r, signs, x);
		rotation_apply(&r, signs, y);

		stages = floor(log2((double) r.padded));
		error = 4 * (stages + 5) * UNIT_ROUNDOFF * 1.01;
		got = sqrt(inner(x, x, r.padded));
		if (!(fabs(got - sqrt(xx)) <= error * sqrt(xx)))
			fail_msg("dims = %zu: norm %.9g, was %.9g", dims, got, sqrt(xx));
		got = inner(x, y, r.padded);
		if (!(fabs(got - xy) <= 2 * error * sqrt(xx * yy)))
			fail_msg("dims = %zu: inner product %.9g, was %.9g", dims, got, xy);
	}
}

/*
 * Wherever a vector points, its rotated coordinates look like those of a
 * random direction: times the root of their number, they have mean 0 and
 * fourth moment 3 n / (n + 2), and none is far out.  Vectors of one element
 * are the hardest, being furthest from random; it stands everywhere in turn.
 */
static void
test_rotation_distribution(void **state)
{
	static const size_t dims[] = {64, 128, 192, 320, 384, 768, 960, 1024, 1536};
	static float x[MAX_DIMS];
	static uint8_t signs[MAX_DIMS / 2];

	(void) state;
	for (size_t d = 0; d < ARRAY_LENGTH(dims); d++)
	{
		size_t		n = dims[d];
		double		want = 3 * (double) n / ((double) n + 2);
		size_t		trials = n;
		double		mean = 0;
		double		fourth = 0;
		double		largest = 0;

		for (size_t t = 0; t < trials; t++)
		{
			Rotation	r;

			assert_int_equal(rotation_init(&r, n, t), 0);
			rotation_signs(&r, signs);
			memset(x, 0, sizeof(x));
			x[t] = 1;
			rotation_apply(&r, signs, x);
			for (size_t i = 0; i < n; i++)
			{
				double		z = x[i] * sqrt((double) n);

				mean += z / (double) (n * trials);
				fourth += z * z * z * z / (double) (n * trials);
				largest = fmax(largest, fabs(z));
			}
		}
		if (getenv("VERBOSE"))
			printf("dims %zu: mean %.4f, fourth moment %.3f (%.3f), largest %.2f\n",
				   n, mean, fourth, want, largest);
		if (!(fabs(mean) < 4 / sqrt((double) (n * trials))) ||
			!(fabs(fourth - want) < 0.15) || !(largest < 6.5))
			fail_msg("dims = %zu: mean %.4f, fourth moment %.3f (%.3f), largest %.2f",
					 n, mean, fourth, want, largest);
	}
}

/* Zero stays zero; a vector whose norm is in range does not overflow */
static void
test_rotation_extremes(void **state)
{
	static float x[MAX_DIMS];
	static uint8_t signs[MAX_DIMS / 2];
	Rotation	r;

	(void) state;
	for (size_t i = 0; rotation_dims(i) != 0; i++)
	{
		size_t		dims = rotation_dims(i);
		float		huge = (float) (FLT_MAX / 1.5 / sqrt((double) dims));

		assert_int_equal(rotation_init(&r, dims, i), 0);
		rotation_signs(&r, signs);
		memset(x, 0, sizeof(x));
		x[r.padded - 1] = r.padded > dims ? NAN : 0;	/* is set to zero */
		rotation_apply(&r, signs, x);
		for (size_t k = 0; k < r.padded; k++)
			assert_true(x[k] == 0);
		for (size_t k = 0; k < dims; k++)
			x[k] = huge;
		rotation_apply(&r, signs, x);
		for (size_t k = 0; k < r.padded; k++)
			assert_true(isfinite(x[k]));
	}
}

/*
 * Codes.
 */
typedef enum Kind
{
	GAUSS,
	EQUAL,						/* all elements of one size */
	ONE_HOT,
	WIDE,						/* many orders of magnitude */
	HUGE_VALUES,				/* up to the largest finite value */
	SMALL,						/* around 2^-90 */
	TINY,						/* counts as zero */
	DENORMAL,
	ZEROS,						/* of both signs */
	KINDS
} Kind;

static void
fill_kind(float *x, size_t n, Kind kind)
{
	for (size_t i = 0; i < n; i++)
	{
		double		sign = random_bits() & 1 ? 1 : -1;
		double		value = random_gauss();

		switch (kind)
		{
			case GAUSS:
				break;
			case EQUAL:
				value = sign * 0.7;
				break;
			case ONE_HOT:
				value = i == n / 3 ? sign : 0;
				break;
			case WIDE:
				value = ldexp(value, (int) (random_bits() % 60) - 30);
				break;
			case HUGE_VALUES:
				value = sign * FLT_MAX * (i == 0 ? 1 : random_unit());
				break;
			case SMALL:
				value = ldexp(value, -90);
				break;
			case TINY:
				value = sign * random_unit() * 0x1p-101;
				break;
			case DENORMAL:
				value = ldexp(value, -140);
				break;
			default:
				value = sign * 0.0;
				break;
		}
		x[i] = (float) value;
	}
}

/* Dimensions of codes: 64 .. 1088, then long ones; 0 at the end */
static size_t
code_dims(size_t i)
{
	return i < 17 ? (i + 1) * 64 : i == 17 ? 1536 : i == 18 ? 3072 :
		i == 19 ? MAX_DIMS : 0;
}

static void
test_encode_levels(void **state)
{
	static float x[MAX_DIMS];
	static uint8_t want[MAX_DIMS];
	const QuantizeKernels *level = level_under_test(state);

	seed_random(3);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (Kind kind = 0; kind < KINDS; kind++)
			for (size_t i = 0; code_dims(i) != 0; i++)
			{
				size_t		n = code_dims(i);
				Place		place = (Place) (i % PLACES);
				uint8_t    *got = make_room(SLOT_OUT, place, n);
				EncodeSums	sums;
				EncodeSums	want_sums;

				fill_kind(x, n, kind);
				scalar()->encode(x, n, all_bits[b], want, &want_sums);
				level->encode(put(SLOT_A, place, x, n * sizeof(float)), n,
							  all_bits[b], got, &sums);
				if (memcmp(got, want, n) != 0 || sums.rr != want_sums.rr ||
					sums.ur != want_sums.ur || sums.scale != want_sums.scale)
					fail_msg("%s, bits = %d, dims = %zu, kind %d: sums %.9g %.9g, scalar %.9g %.9g",
							 level->name, all_bits[b], n, kind, sums.rr,
							 sums.ur, want_sums.rr, want_sums.ur);
			}
}

static void
test_code_sizes(void **state)
{
	(void) state;
	assert_int_equal(rabitq_level_bytes(768, 1), 96);
	assert_int_equal(rabitq_level_bytes(768, 2), 192);
	assert_int_equal(rabitq_level_bytes(768, 4), 384);
	assert_int_equal(rabitq_level_bytes(768, 8), 768);
	assert_int_equal(rabitq_code_bytes(768, 4), 392);
	assert_int_equal(rabitq_code_bytes(MAX_DIMS, 8), MAX_DIMS + 8);
	for (int bits = -1; bits < 10; bits++)
	{
		bool		valid = bits == 1 || bits == 2 || bits == 4 || bits == 8;

		assert_int_equal(rabitq_bits_valid(bits), valid);
		assert_int_equal(rabitq_level_bytes(64, bits) > 0, valid);
		assert_int_equal(rabitq_query_bytes(64, bits) > 0, valid);
	}
	for (size_t n = 0; n < 300; n++)
		assert_int_equal(rabitq_code_bytes(n, 4) > 0, n > 0 && n % 64 == 0);
	assert_int_equal(rabitq_code_bytes(MAX_DIMS + 64, 4), 0);
	assert_int_equal(rabitq_query_bytes(MAX_DIMS + 64, 4), 0);
}

/* The layout of rabitq.h, level by level */
static int
level_at(const uint8_t *code, size_t n, int bits, size_t i)
{
	size_t		part = n * (size_t) bits / 8;

	if (bits == 1)
		return code[i / 8] >> (i % 8) & 1;
	if (bits == 8)
		return code[i];
	return code[i % part] >> (i / part * (size_t) bits) & ((1 << bits) - 1);
}

/* u: what a code's levels stand for */
static void
decode(const uint8_t *code, size_t n, int bits, float *u)
{
	for (size_t i = 0; i < n; i++)
		u[i] = level_at(code, n, bits, i) - ((1 << bits) - 1) / 2.0f;
}

/* A code says what encode found, and the factors what the formulas say */
static void
test_codes(void **state)
{
	static float x[MAX_DIMS];
	static float u[MAX_DIMS];
	static float decoded[MAX_DIMS];
	static uint8_t levels[MAX_DIMS];

	(void) state;
	seed_random(4);
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (Kind kind = 0; kind < KINDS; kind++)
			for (size_t i = 0; code_dims(i) != 0; i++)
			{
				int			bits = all_bits[b];
				size_t		n = code_dims(i);
				double		g = ((double) n / 16 + 7) * UNIT_ROUNDOFF * 1.01;
				size_t		bytes = rabitq_level_bytes(n, bits);
				uint8_t    *code = make_room(SLOT_OUT, MALLOC, bytes);
				EncodeSums	sums;
				RabitqFit	fit;
				double		xx;
				double		ux;

				fill_kind(x, n, kind);
				fit = rabitq_encode(x, n, bits, code);
				quantize_kernels->encode(x, n, bits, levels, &sums);
				decode(code, n, bits, u);
				rabitq_decode(code, n, bits, decoded);
				assert_memory_equal(u, decoded, n * sizeof(float));
				for (size_t k = 0; k < n; k++)
				{
					assert_int_equal(level_at(code, n, bits, k), levels[k]);
					assert_true(u[k] == levels[k] - ((1 << bits) - 1) / 2.0);
					assert_true((x[k] < 0) == (u[k] < 0) || x[k] == 0 ||
								kind == TINY || kind == DENORMAL);
				}
				xx = inner(x, x, n);
				ux = inner(u, x, n);
				if (kind >= TINY)
				{
					assert_true(fit.norm2 == 0 && fit.scale == 0);
					continue;
				}
				if (!(fabs(fit.norm2 - xx) <= g * xx) ||
					!(fabs(fit.scale - xx / ux) <= 2.1 * g * xx / ux))
					fail_msg("bits = %d, dims = %zu, kind %d: %.9g %.9g, should be %.9g %.9g",
							 bits, n, kind, fit.norm2, fit.scale, xx, xx / ux);
				if (kind == GAUSS)
				{
					double		bound = (double) n * UNIT_ROUNDOFF *
						sqrt(xx * inner(u, u, n));

					assert_true(fabs(rabitq_dot(code, n, bits, x) - ux) <=
								bound);
				}
				/* Elements of one size have a code without error */
				if (kind == EQUAL)
					assert_true(ux * ux >= (1 - 4 * g) * xx * inner(u, u, n));
			}
}

/*
 * How much is lost against the best code there is: that of some scale, and all
 * scales at which an element changes its level are tried here, in order.
 */
typedef struct Event
{
	double		t;
	double		r;
	int			step;
} Event;

static int
compare_events(const void *a, const void *b)
{
	double		x = ((const Event *) a)->t;
	double		y = ((const Event *) b)->t;

	return (x > y) - (x < y);
}

/* 1 - cos^2 of the angle between x and its best code */
static double
best_error(const float *x, size_t n, int bits)
{
	size_t		steps = ((size_t) 1 << (bits - 1)) - 1;
	Event	   *events = malloc((n * steps + 1) * sizeof(Event));
	size_t		count = 0;
	double		ur = 0;
	double		uu = 0.25 * (double) n;
	double		best = 0;

	assert_non_null(events);
	for (size_t i = 0; i < n; i++)
	{
		double		r = fabs(x[i]);

		ur += r / 2;
		for (size_t k = 1; k <= steps && r > 0; k++)
			events[count++] = (Event) {(double) k / r, r, (int) k};
	}
	qsort(events, count, sizeof(Event), compare_events);
	best = ur * ur / uu;
	for (size_t i = 0; i < count; i++)
	{
		ur += events[i].r;
		uu += 2 * events[i].step;
		best = fmax(best, ur * ur / uu);
	}
	free(events);
	return 1 - best / inner(x, x, n);
}

static void
test_encode_loss(void **state)
{
	static const size_t dims[] = {64, 128, 768, 1536};
	static float x[1536];
	static float u[1536];
	static uint8_t code[1536];

	(void) state;
	seed_random(5);
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (size_t d = 0; d < ARRAY_LENGTH(dims); d++)
		{
			int			bits = all_bits[b];
			size_t		n = dims[d];
			double		got = 0;
			double		want = 0;
			double		most[] = {1.0001, 1.0003, 1.004, 1.015};

			for (int t = 0; t < (bits == 8 ? 10 : 40); t++)
			{
				double		ux;

				fill_gauss(x, n);
				rabitq_encode(x, n, bits, code);
				decode(code, n, bits, u);
				ux = inner(u, x, n);
				got += 1 - ux * ux / inner(u, u, n) / inner(x, x, n);
				want += best_error(x, n, bits);
			}
			if (getenv("VERBOSE"))
				printf("bits %d dims %zu: error %.3g, best %.3g, ratio %.4f\n",
					   bits, n, got, want, got / want);
			if (!(got <= want * most[b]) || !(got >= want * 0.9999))
				fail_msg("bits = %d, dims = %zu: error %.6g, best %.6g",
						 bits, n, got, want);
		}
}

/*
 * Inner products with a query, exact.
 */
static void
check_dot(const QuantizeKernels *level, size_t b, size_t n,
		  const uint8_t *code, const int16_t *values, Place place)
{
	static int8_t narrow[MAX_DIMS];
	int			bits = all_bits[b];
	size_t		element = bits < 8 ? sizeof(int8_t) : sizeof(int16_t);
	char	   *query = make_room(SLOT_A, place,
								  n * element + QUANTIZE_READ_PAD);
	uint8_t    *at = put(SLOT_B, place, code, n * (size_t) bits / 8);
	int64_t		want = 0;
	int64_t		got;

	for (size_t i = 0; i < n; i++)
	{
		narrow[i] = (int8_t) values[i];
		want += (int64_t) level_at(code, n, bits, i) * values[i];
	}
	/* What is behind the values must not matter */
	memset(query, 0x5a, n * element + QUANTIZE_READ_PAD);
	memcpy(query, bits < 8 ? (void *) narrow : (void *) values, n * element);
	got = level->dot[b] (query, at, n);
	if (got != want)
		fail_msg("%s, bits = %d, dims = %zu: %lld, not %lld", level->name,
				 bits, n, (long long) got, (long long) want);
}

static void
test_dots(void **state)
{
	static int16_t values[MAX_DIMS];
	static uint8_t code[MAX_DIMS];
	const QuantizeKernels *level = level_under_test(state);

	seed_random(6);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (size_t i = 0; code_dims(i) != 0; i++)
			for (Place place = 0; place < PLACES; place++)
				for (int kind = 0; kind < 4; kind++)
				{
					size_t		n = code_dims(i);
					int			most = all_bits[b] < 8 ? QUERY_MAX_INT8 :
						QUERY_MAX_INT16;

					for (size_t k = 0; k < n; k++)
						values[k] = (int16_t) (kind < 2 ?
											   (int) (random_bits() % (2 * (unsigned) most + 1)) - most :
											   kind == 2 ? most : -most);
					fill_bytes(code, n);
					if (kind > 0)
						memset(code, 0xff, n);
					check_dot(level, b, n, code, values, place);
				}
}

/* Over many codes: as one by one, whatever their number */
static void
test_dots_many(void **state)
{
	enum
	{
		COUNT = 70,
		DIMS = 448,
		OFFSET = 8
	};
	static int16_t values[DIMS + QUANTIZE_READ_PAD];
	void	   *codes[COUNT];
	const QuantizeKernels *level = level_under_test(state);

	seed_random(7);
	fill_bytes((uint8_t *) values, sizeof(values));
	for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
		values[i] = (int16_t) (values[i] % QUERY_MAX_INT16);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
	{
		size_t		bytes = (size_t) DIMS * (size_t) all_bits[b] / 8;

		for (size_t i = 0; i < COUNT; i++)
		{
			codes[i] = malloc(OFFSET + bytes);
			assert_non_null(codes[i]);
			fill_bytes(codes[i], OFFSET + bytes);
		}
		for (size_t count = 0; count <= COUNT; count++)
		{
			int64_t		out[COUNT + 1];

			out[count] = -1;
			level->dot_many[b] (values, (const void *const *) codes, OFFSET,
								DIMS, count, out);
			for (size_t i = 0; i < count; i++)
				assert_int_equal(out[i], scalar()->dot[b]
								 (values, (uint8_t *) codes[i] + OFFSET, DIMS));
			assert_int_equal(out[count], -1);
		}
		for (size_t i = 0; i < COUNT; i++)
			free(codes[i]);
	}
}

/*
 * Queries and estimates.
 */

/* An estimator's things for one number of bits, allocated to size */
typedef struct Coder
{
	size_t		n;
	int			bits;
	RabitqQuery *query;
	RabitqCode *code;
} Coder;

static Coder
make_coder(size_t n, int bits)
{
	Coder		c = {n, bits, malloc(rabitq_query_bytes(n, bits)),
	malloc(rabitq_code_bytes(n, bits))};

	assert_true(c.query != NULL && c.code != NULL);
	return c;
}

static void
free_coder(Coder *c)
{
	free(c->query);
	free(c->code);
}

static int64_t
query_value(const Coder *c, size_t i)
{
	return c->bits < 8 ? ((int8_t *) c->query->values)[i] :
		c->query->values[i];
}

/*
 * A query is rounded to the nearest value; an estimate is the formula's, up to
 * the roundings of a few floats.
 */
static void
test_estimates(void **state)
{
	static float r[MAX_DIMS];
	static float c[MAX_DIMS];
	static float q[MAX_DIMS];
	static float rounded[MAX_DIMS];
	static float u[MAX_DIMS];

	(void) level_under_test(state);
	assert_int_equal(quantize_set_level(*(SimdLevel *) *state), 0);
	seed_random(8);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (size_t i = 0; code_dims(i) != 0; i++)
		{
			size_t		n = code_dims(i);
			Coder		coder = make_coder(n, all_bits[b]);
			RabitqFit	fit;
			int64_t		sum = 0;

			fill_gauss(r, n);
			fill_gauss(c, n);
			fill_gauss(q, n);
			fit = rabitq_encode(r, n, coder.bits, coder.code->levels);
			decode(coder.code->levels, n, coder.bits, u);
			for (RabitqMetric metric = 0; metric <= RABITQ_NEGATIVE_IP; metric++)
			{
				double		uc = inner(u, c, n);
				double		base = metric == RABITQ_L2SQ ?
					distance2(q, c, n) : -inner(c, q, n);
				double		uq;
				double		want;
				double		size;
				float		got;
				float		many;

				rabitq_query_prepare(coder.query, q, n, coder.bits,
									 (float) base);
				rabitq_factors(coder.code, metric, fit, uc, inner(r, c, n));
				for (size_t k = 0; k < n; k++)
				{
					rounded[k] = (float) query_value(&coder, k) *
						coder.query->step;
					assert_true(fabs((double) rounded[k] - q[k]) <=
								coder.query->step * 0.5001);
				}
				uq = inner(u, rounded, n);
				if (metric == RABITQ_L2SQ)
					want = fit.norm2 + base - 2 * fit.scale * (uq - uc);
				else
					want = base - inner(r, c, n) - fit.scale * (uq - uc);
				size = fabs(base) + fabs(coder.code->add) +
					fabs(coder.code->k * uq);
				got = estimate_one(coder.query, coder.code);
				if (!(fabs(got - want) <= 8 * UNIT_ROUNDOFF *
					  (size + fit.scale * sqrt(inner(u, u, n) * inner(q, q, n)))))
					fail_msg("bits = %d, dims = %zu, metric %d: %.9g, should be %.9g",
							 coder.bits, n, metric, got, want);
				rabitq_estimate_many(coder.query,
									 (const RabitqCode *const *) &coder.code, 1,
									 &many);
				assert_true(many == got);
			}
			for (size_t k = 0; k < n; k++)
				sum += query_value(&coder, k);
			assert_int_equal(coder.query->sum, sum);
			assert_true(coder.query->step > 0);
			free_coder(&coder);
		}
}

/* More codes than one batch holds */
static void
test_estimate_many(void **state)
{
	enum
	{
		COUNT = 130,
		DIMS = 128
	};
	static float x[DIMS];
	RabitqCode *codes[COUNT];
	float		out[COUNT];

	(void) state;
	seed_random(9);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
	{
		Coder		coder = make_coder(DIMS, all_bits[b]);

		fill_gauss(x, DIMS);
		rabitq_query_prepare(coder.query, x, DIMS, coder.bits, 1);
		for (size_t i = 0; i < COUNT; i++)
		{
			codes[i] = malloc(rabitq_code_bytes(DIMS, coder.bits));
			assert_non_null(codes[i]);
			fill_gauss(x, DIMS);
			rabitq_factors(codes[i], RABITQ_L2SQ,
						   rabitq_encode(x, DIMS, coder.bits, codes[i]->levels),
						   0, 0);
		}
		rabitq_estimate_many(coder.query, (const RabitqCode *const *) codes,
							 COUNT, out);
		for (size_t i = 0; i < COUNT; i++)
		{
			assert_true(out[i] == estimate_one(coder.query, codes[i]));
			free(codes[i]);
		}
		free_coder(&coder);
	}
}

/* Zero, huge and tiny vectors and queries give numbers, and sensible ones */
static void
test_estimate_extremes(void **state)
{
	enum
	{
		DIMS = 192
	};
	static float r[DIMS];
	static float q[DIMS];

	(void) state;
	seed_random(10);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (Kind kind = 0; kind < KINDS; kind++)
			for (Kind q_kind = 0; q_kind < KINDS; q_kind++)
			{
				Coder		c = make_coder(DIMS, all_bits[b]);
				float		base;
				float		got;

				fill_kind(r, DIMS, kind);
				fill_kind(q, DIMS, q_kind);
				base = (float) fmin(inner(q, q, DIMS), FLT_MAX);
				rabitq_query_prepare(c.query, q, DIMS, c.bits, base);
				rabitq_factors(c.code, RABITQ_L2SQ,
							   rabitq_encode(r, DIMS, c.bits, c.code->levels),
							   0, 0);
				assert_true(isfinite(c.code->add) && isfinite(c.code->k));
				got = estimate_one(c.query, c.code);
				assert_false(isnan(got));
				if (kind >= TINY)
					assert_true(got == base);
				if (q_kind >= TINY)
					assert_true(got == base + c.code->add);
				free_coder(&c);
			}
}

/* A code taken for a query is K u, exactly */
static void
test_query_from_code(void **state)
{
	static float r[MAX_DIMS];
	static float u[MAX_DIMS];

	(void) state;
	seed_random(11);
	for (size_t b = 0; b < ARRAY_LENGTH(all_bits); b++)
		for (size_t i = 0; code_dims(i) != 0; i++)
		{
			size_t		n = code_dims(i);
			Coder		c = make_coder(n, all_bits[b]);
			double		sum = 0;

			fill_gauss(r, n);
			rabitq_encode(r, n, c.bits, c.code->levels);
			decode(c.code->levels, n, c.bits, u);
			rabitq_query_from_code(c.query, c.code->levels, n, c.bits, 3, 5);
			for (size_t k = 0; k < n; k++)
			{
				assert_true((double) query_value(&c, k) * c.query->step ==
							3.0 * u[k]);
				sum += (double) query_value(&c, k);
			}
			assert_true((double) c.query->sum == sum);
			assert_true(c.query->base == 5);
			free_coder(&c);
		}
}

/*
 * What an estimate is worth.  A residual with Gaussian elements, and queries
 * about as near to it as the true neighbours were from which DESIGN.md has its
 * figures: at a squared distance of 0.61 of its squared norm at 128
 * dimensions, of 0.31 at 768.
 *
 * Between two codes there is a bias: where the vectors are near, so are their
 * rounding errors, which makes the distance too small.
 */
typedef struct Accuracy
{
	double		error;			/* mean of |estimate - d^2| / d^2 */
	double		bias;			/* mean of (estimate - d^2) / d^2 */
	double		deviation;		/* of that mean */
} Accuracy;

/* How a distance is estimated */
typedef enum Way
{
	FROM_QUERY,					/* a query of floats */
	FROM_CODE,					/* a query that is a code itself */
	FROM_BLOCK					/* FastScan; 1 bit */
} Way;

static float
estimate_once(Coder *c, Way way, const float *r, const float *q)
{
	double		qq = inner(q, q, c->n);

	rabitq_query_prepare(c->query, q, c->n, c->bits, (float) qq);
	if (way == FROM_CODE)
	{
		RabitqFit	fit = rabitq_encode(q, c->n, c->bits, c->code->levels);

		rabitq_query_from_code(c->query, c->code->levels, c->n, c->bits,
							   (float) fit.scale, (float) fit.norm2);
	}
	rabitq_factors(c->code, RABITQ_L2SQ,
				   rabitq_encode(r, c->n, c->bits, c->code->levels), 0, 0);
	if (way == FROM_BLOCK)
	{
		size_t		nibbles = c->n / 4;
		uint8_t    *block = calloc(1, fastscan_block_bytes(nibbles));
		FastScanTable *table = malloc(fastscan_table_bytes(nibbles));
		float		add[FASTSCAN_VECTORS] = {0};
		float		k[FASTSCAN_VECTORS] = {0};
		float		out[FASTSCAN_VECTORS];

		assert_true(block != NULL && table != NULL);
		fastscan_put(block, nibbles, 21, c->code->levels);
		add[21] = c->code->add;
		k[21] = c->code->k;
		fastscan_table_rabitq(table, q, c->n);
		fastscan_estimate(table, block, add, k, (float) qq, out);
		free(block);
		free(table);
		return out[21];
	}
	return estimate_one(c->query, c->code);
}

static Accuracy
measure(size_t n, int bits, Way way, double nearness, int trials)
{
	static float r[1536];
	static float q[1536];
	static uint8_t signs[1536 / 2];
	Coder		c = make_coder(n, bits);
	Accuracy	a = {0, 0, 0};
	double		squares = 0;

	for (int t = 0; t < trials; t++)
	{
		Rotation	rotation;
		double		d2;
		double		error;

		fill_gauss(r, n);
		for (size_t i = 0; i < n; i++)
			q[i] = r[i] + (float) (sqrt(nearness) * random_gauss());
		assert_int_equal(rotation_init(&rotation, n, (uint64_t) t), 0);
		rotation_signs(&rotation, signs);
		rotation_apply(&rotation, signs, r);
		rotation_apply(&rotation, signs, q);
		d2 = distance2(r, q, n);
		error = (estimate_once(&c, way, r, q) - d2) / d2;
		a.error += fabs(error) / trials;
		a.bias += error / trials;
		squares += error * error / trials;
	}
	a.deviation = sqrt(squares / trials);
	free_coder(&c);
	return a;
}

static void
test_accuracy(void **state)
{
	static const struct
	{
		size_t		n;
		double		nearness;
		int			bits;
		Way			way;
		double		most;		/* error, DESIGN.md's figure and a tenth */
	}			cases[] = {
		{128, 0.61, 1, FROM_QUERY, 0.149},
		{128, 0.61, 1, FROM_BLOCK, 0.149},
		{128, 0.61, 4, FROM_QUERY, 0.021},
		{128, 0.61, 8, FROM_QUERY, 0.0022},
		{128, 0.61, 4, FROM_CODE, 0.029},	/* two codes: root 2 of that */
		{128, 0.61, 8, FROM_CODE, 0.0031},
		{768, 0.31, 1, FROM_QUERY, 0.088},
		{768, 0.31, 1, FROM_BLOCK, 0.088},
		{768, 0.31, 2, FROM_QUERY, 0.044},
		{768, 0.31, 4, FROM_QUERY, 0.015},
		{768, 0.31, 8, FROM_QUERY, 0.0011},
		{768, 0.31, 4, FROM_CODE, 0.021},
		{768, 0.31, 8, FROM_CODE, 0.0016},
	};

	(void) state;
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	seed_random(12);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
	{
		Accuracy	a = measure(cases[i].n, cases[i].bits, cases[i].way,
								cases[i].nearness, CASES(2000));

		if (getenv("VERBOSE"))
			printf("dims %zu bits %d way %d: error %.5f bias %+.6f +- %.6f\n",
				   cases[i].n, cases[i].bits, cases[i].way, a.error, a.bias,
				   a.deviation);
		if (!(a.error <= cases[i].most) ||
			!(fabs(a.bias) <= 3.5 * a.deviation +
			  (cases[i].way == FROM_CODE ? cases[i].most : 0)))
			fail_msg("dims = %zu, bits = %d, way %d: error %.5f, bias %.6f +- %.6f",
					 cases[i].n, cases[i].bits, cases[i].way, a.error, a.bias,
					 a.deviation);
	}
}

/*
 * Recall on clustered data: 20 clusters, the best 2 k of 4-bit estimates
 * ranked again by true distance, against the true k nearest.  Within a cluster
 * the vectors differ by Gaussian noise whose variance falls with the dimension
 * as that of real embeddings' principal components does; its mean variance is a
 * quarter of the centres'.  Flat noise, where all distances within a cluster
 * are nearly the same, is the hardest there is.
 */
typedef struct Candidate
{
	float		estimate;
	double		d2;
} Candidate;

static int
by_estimate(const void *a, const void *b)
{
	float		x = ((const Candidate *) a)->estimate;
	float		y = ((const Candidate *) b)->estimate;

	return (x > y) - (x < y);
}

static int
by_distance(const void *a, const void *b)
{
	double		x = ((const Candidate *) a)->d2;
	double		y = ((const Candidate *) b)->d2;

	return (x > y) - (x < y);
}

static double
recall(size_t n, int bits, size_t keep, bool flat)
{
	enum
	{
		CLUSTERS = CASES(20),
		ROWS = 100 * CLUSTERS,
		QUERIES = 40,
		K = 10
	};
	size_t		bytes = rabitq_code_bytes(n, bits);
	float	   *centres = malloc(CLUSTERS * n * sizeof(float));
	float	   *rows = malloc((ROWS + QUERIES) * n * sizeof(float));
	char	   *codes = malloc(ROWS * bytes);
	uint8_t    *signs = malloc(n / 2);
	Candidate  *all = malloc(ROWS * sizeof(Candidate));
	Coder		c = make_coder(n, bits);
	Rotation	rotation;
	size_t		found = 0;
	double		variance = 0;

	for (size_t k = 0; k < n; k++)
		variance += (flat ? 1 : 32.0 / (32.0 + (double) k)) / (double) n;
	assert_true(centres && rows && codes && signs && all);
	assert_int_equal(rotation_init(&rotation, n, 77), 0);
	rotation_signs(&rotation, signs);
	fill_gauss(centres, CLUSTERS * n);
	for (size_t i = 0; i < ROWS + QUERIES; i++)
	{
		for (size_t k = 0; k < n; k++)
			rows[i * n + k] = centres[i % CLUSTERS * n + k] +
				(float) (0.5 * random_gauss() *
						 sqrt((flat ? 1 : 32.0 / (32.0 + (double) k)) / variance));
		rotation_apply(&rotation, signs, rows + i * n);
	}
	for (size_t i = 0; i < ROWS; i++)
	{
		RabitqCode *code = (RabitqCode *) (codes + i * bytes);

		rabitq_factors(code, RABITQ_L2SQ,
					   rabitq_encode(rows + i * n, n, bits, code->levels), 0,
					   0);
	}
	for (size_t q = ROWS; q < ROWS + QUERIES; q++)
	{
		const float *x = rows + q * n;
		double		limit;

		rabitq_query_prepare(c.query, x, n, bits, (float) inner(x, x, n));
		for (size_t i = 0; i < ROWS; i++)
		{
			all[i].estimate = estimate_one(c.query,
											  (RabitqCode *) (codes + i * bytes));
			all[i].d2 = distance2(x, rows + i * n, n);
		}
		qsort(all, ROWS, sizeof(Candidate), by_distance);
		limit = all[K - 1].d2;
		qsort(all, ROWS, sizeof(Candidate), by_estimate);
		for (size_t i = 0; i < keep; i++)
			found += all[i].d2 <= limit;
	}
	free(centres);
	free(rows);
	free(codes);
	free(signs);
	free(all);
	free_coder(&c);
	return (double) found / (QUERIES * K);
}

static void
test_recall(void **state)
{
	(void) state;
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	seed_random(13);
	for (size_t n = 128; n <= 768; n += 640)
		for (int flat = 0; flat <= 1; flat++)
		{
			double		four = recall(n, 4, 20, flat);
			double		eight = recall(n, 8, 20, flat);

			if (getenv("VERBOSE"))
				printf("dims %zu, flat %d: recall@10 with 2 k of 4 bits %.4f, 8 bits %.4f; without, 4 bits %.4f, 8 bits %.4f\n",
					   n, flat, four, eight, recall(n, 4, 10, flat),
					   recall(n, 8, 10, flat));
			/* Below 256 dimensions 8 bits are the default, for this reason */
			if (!(four >= (flat ? 0.965 : n == 128 ? 0.98 : 0.99)) ||
				!(eight >= 0.999))
				fail_msg("dims = %zu, flat %d: recall@10 %.4f with 4 bits, %.4f with 8",
						 n, flat, four, eight);
		}
}

/*
 * FastScan.
 */

/* Numbers of nibbles, ending in 0: some are no multiple of the block's 4 */
static const size_t all_nibbles[] = {
	1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 48, 63, 64, 96, 192, 257, 384,
	1000, 4000, FASTSCAN_MAX_NIBBLES, 0
};

static void
test_block_sizes(void **state)
{
	(void) state;
	assert_int_equal(fastscan_block_bytes(0), 0);
	assert_int_equal(fastscan_block_bytes(FASTSCAN_MAX_NIBBLES + 1), 0);
	assert_int_equal(fastscan_table_bytes(FASTSCAN_MAX_NIBBLES + 1), 0);
	assert_int_equal(fastscan_block_bytes(1), 64);
	assert_int_equal(fastscan_block_bytes(192), 3072);
	assert_int_equal(fastscan_block_bytes(193), 3136);
	assert_int_equal(fastscan_table_bytes(192), 3072 + 16);
}

static void
test_blocks(void **state)
{
	(void) state;
	seed_random(14);
	for (size_t i = 0; all_nibbles[i] != 0; i++)
	{
		size_t		nibbles = all_nibbles[i];
		size_t		bytes = (nibbles + 1) / 2;
		uint8_t    *block = make_room(SLOT_A, MALLOC,
									  fastscan_block_bytes(nibbles));
		uint8_t    *got = make_room(SLOT_B, MALLOC, bytes);
		uint8_t    *codes = malloc(FASTSCAN_VECTORS * bytes);
		const uint8_t *at[FASTSCAN_VECTORS];

		assert_non_null(codes);
		fill_bytes(codes, FASTSCAN_VECTORS * bytes);
		for (size_t v = 0; v < FASTSCAN_VECTORS; v++)
		{
			/* An odd number leaves half a byte, which stays zero */
			if (nibbles % 2 == 1)
				codes[v * bytes + bytes - 1] &= 15;
			at[v] = codes + v * bytes;
		}
		for (size_t count = 0; count <= FASTSCAN_VECTORS; count += 8)
		{
			fill_bytes(block, fastscan_block_bytes(nibbles));
			pack_block(block, nibbles, at, count);
			for (size_t v = 0; v < FASTSCAN_VECTORS; v++)
			{
				fastscan_get(block, nibbles, v, got);
				for (size_t k = 0; k < bytes; k++)
					assert_int_equal(got[k], v < count ? at[v][k] : 0);
			}
		}

		/* The layout, and one slot replaced without the others */
		for (size_t j = 0; j < nibbles; j++)
			assert_int_equal(block[j * 16 + 3] >> 4,
							 at[19][j / 2] >> (4 * (j % 2)) & 15);
		fastscan_put(block, nibbles, 19, at[7]);
		for (size_t v = 0; v < FASTSCAN_VECTORS; v++)
		{
			fastscan_get(block, nibbles, v, got);
			assert_memory_equal(got, at[v == 19 ? 7 : v], bytes);
		}
		free(codes);
	}
}

static void
test_scan(void **state)
{
	const QuantizeKernels *level = level_under_test(state);

	seed_random(15);
	for (size_t i = 0; all_nibbles[i] != 0; i++)
		for (Place place = 0; place < PLACES; place++)
			for (int full = 0; full <= 1; full++)
			{
				size_t		bytes = fastscan_block_bytes(all_nibbles[i]);
				uint8_t    *block = make_room(SLOT_A, place, bytes);
				uint8_t    *table = make_room(SLOT_B, place, bytes);
				uint16_t   *got = make_room(SLOT_OUT, place, 64);
				uint16_t	want[FASTSCAN_VECTORS] = {0};

				fill_bytes(block, bytes);
				fill_bytes(table, bytes);
				if (full)
					memset(table, 0xff, bytes);
				for (size_t k = 0; k < bytes; k++)
					for (int upper = 0; upper <= 1; upper++)
						want[k % 16 + (upper ? 16 : 0)] +=
							table[k / 16 * 16 + (block[k] >> (4 * upper) & 15)];
				level->scan(block, table, bytes / 16, got);
				if (memcmp(got, want, sizeof(want)) != 0)
					fail_msg("%s, %zu nibbles: the sums differ", level->name,
							 all_nibbles[i]);
			}
}

/*
 * A table's sums are those of its numbers, within half a step for each, and
 * the largest of all sums stays below 2^16.
 */
static void
check_table(const FastScanTable *table, const float *numbers, size_t nibbles)
{
	size_t		bytes = (nibbles + 1) / 2;
	uint8_t    *code = malloc(bytes);
	uint8_t    *block = malloc(fastscan_block_bytes(nibbles));
	double		magnitude = 0;
	uint64_t	most = 0;

	assert_true(code != NULL && block != NULL);
	for (size_t j = 0; j < table->columns; j++)
	{
		uint8_t		largest = 0;

		for (int e = 0; e < 16; e++)
		{
			uint8_t		entry = table->entries[16 * j + e];

			largest = entry > largest ? entry : largest;
			if (j >= nibbles)
				assert_int_equal(entry, 0);
			else
				magnitude += fabs(numbers[16 * j + e]);
		}
		most += largest;
	}
	assert_true(most <= 65535);

	for (int t = 0; t < 4; t++)
	{
		uint16_t	sums[FASTSCAN_VECTORS];
		double		want = 0;
		double		got;

		fill_bytes(code, bytes);
		memset(block, 0, fastscan_block_bytes(nibbles));
		fastscan_put(block, nibbles, 30, code);
		for (size_t j = 0; j < nibbles; j++)
			want += numbers[16 * j + (code[j / 2] >> (4 * (j % 2)) & 15)];
		block_sums(table, block, sums);
		got = table->bias + (double) table->scale * sums[30];
		if (!(fabs(got - want) <= 0.5001 * table->scale * (double) nibbles +
			  magnitude * UNIT_ROUNDOFF))
			fail_msg("%zu nibbles: %.9g, should be %.9g, scale %.9g", nibbles,
					 got, want, table->scale);
	}
	free(code);
	free(block);
}

static void
test_tables(void **state)
{
	static float numbers[16 * FASTSCAN_MAX_NIBBLES];
	static float q[MAX_DIMS];

	(void) state;
	assert_int_equal(quantize_set_level(SIMD_AUTO), 0);
	seed_random(16);
	for (size_t i = 0; all_nibbles[i] != 0; i++)
		for (int kind = 0; kind < 4; kind++)
		{
			size_t		nibbles = all_nibbles[i];
			FastScanTable *table = make_room(SLOT_OUT, MALLOC,
											 fastscan_table_bytes(nibbles));

			for (size_t k = 0; k < 16 * nibbles; k++)
				numbers[k] = (float) (kind == 0 ? random_gauss() :
									  kind == 1 ? 1e6 + random_unit() :
									  kind == 2 ? 3 : (double) (k % 16));
			fastscan_table_numbers(table, numbers, nibbles);
			assert_int_equal(table->nibbles, nibbles);
			check_table(table, numbers, nibbles);
		}

	/* For a query: u of a bit is 1/2 or -1/2 */
	for (size_t i = 0; code_dims(i) != 0; i++)
		for (Kind kind = 0; kind < KINDS; kind++)
		{
			size_t		n = code_dims(i);
			FastScanTable *table = make_room(SLOT_OUT, MALLOC,
											 fastscan_table_bytes(n / 4));

			if (kind == HUGE_VALUES)
				continue;
			fill_kind(q, n, kind);
			for (size_t j = 0; j < n / 4; j++)
				for (int e = 0; e < 16; e++)
				{
					double		sum = 0;

					for (int b = 0; b < 4; b++)
						sum += (e >> b & 1 ? 0.5 : -0.5) * q[4 * j + b];
					numbers[16 * j + e] = (float) sum;
				}
			fastscan_table_rabitq(table, q, n);
			if (kind < TINY)
				check_table(table, numbers, n / 4);
			else
				assert_true(table->scale == 0 && fabs(table->bias) < 0x1p-80);
		}
}

/*
 * Dispatch.
 */
static void
test_dispatch(void **state)
{
	const QuantizeKernels *best = NULL;

	(void) state;
	assert_ptr_equal(quantize_kernels, scalar());
	for (SimdLevel level = SIMD_SCALAR; level <= SIMD_AVX512;
		 level++)
	{
		const QuantizeKernels *table = quantize_table(level);
		const QuantizeKernels *before = quantize_kernels;

		if (table == NULL)
		{
			assert_int_equal(quantize_set_level(level), -1);
			assert_ptr_equal(quantize_kernels, before);
			continue;
		}
		assert_string_equal(table->name, distance_table(level)->name);
		assert_int_equal(quantize_set_level(level), 0);
		assert_ptr_equal(quantize_kernels, table);
		best = table;
	}
	assert_ptr_equal(quantize_table(SIMD_AUTO), best);
	assert_int_equal(quantize_set_level((SimdLevel) 99), -1);
	assert_ptr_equal(quantize_kernels, best);
#if defined(__x86_64__)
	assert_int_equal(quantize_table(SIMD_AVX2) != NULL,
					 distance_table(SIMD_AVX2) != NULL);
	assert_int_equal(quantize_table(SIMD_AVX512) != NULL,
					 distance_table(SIMD_AVX512) != NULL);
#elif defined(__aarch64__)
	assert_non_null(quantize_table(SIMD_NEON));
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_rotation_sizes),
		AT_EVERY_LEVEL(test_rotation_deterministic),
		AT_EVERY_LEVEL(test_rotation_levels),
		cmocka_unit_test(test_rotation_orthogonal),
		cmocka_unit_test(test_rotation_distribution),
		cmocka_unit_test(test_rotation_extremes),
		AT_EVERY_LEVEL(test_encode_levels),
		cmocka_unit_test(test_code_sizes),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_encode_loss),
		AT_EVERY_LEVEL(test_dots),
		AT_EVERY_LEVEL(test_dots_many),
		AT_EVERY_LEVEL(test_estimates),
		cmocka_unit_test(test_estimate_many),
		cmocka_unit_test(test_estimate_extremes),
		cmocka_unit_test(test_query_from_code),
		cmocka_unit_test(test_accuracy),
		cmocka_unit_test(test_recall),
		cmocka_unit_test(test_block_sizes),
		cmocka_unit_test(test_blocks),
		AT_EVERY_LEVEL(test_scan),
		cmocka_unit_test(test_tables),
	};
	int			failed = cmocka_run_group_tests_name("quantize", tests, NULL,
													 NULL);

	for (Slot slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	return failed;
}
