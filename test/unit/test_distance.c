/*
 * test_distance.c
 *	  The distance kernels of every level against the scalar ones, and those
 *	  against sums in double.
 *
 * Error bound.  With u = 2^-24, a term of a sum sees one rounding in the
 * subtraction, one in the product and one in each addition it passes through:
 * at most n - 1 whatever the order, since adding zero is exact.  So (Higham,
 * Accuracy and Stability of Numerical Algorithms, 3.1)
 *
 *		|computed - exact| <= g * sum of |terms| + n * 2^-149,
 *		g = (n + 2) u / (1 - (n + 2) u),
 *
 * where the last part is for products that underflow.  Two levels differ by
 * twice that at most.  A sum whose terms are not negative and which leaves the
 * range of float32 by more than the bound must be infinite; where terms of
 * both signs overflow, the order decides between infinities and NaN, and
 * nothing is asserted.
 *
 * The bound forgives much in long sums, so integers small enough for every
 * partial sum to be exact are tested for equality: there, an element dropped
 * or counted twice shows at any length.
 *
 * Arrays lie where reading past either end is caught: behind malloc blocks
 * for the AddressSanitizer, and between pages that cannot be read, which also
 * catches what no sanitizer instruments (masked loads).
 *
 * A level that this processor cannot run is reported as skipped.
 */
#include "levels.h"
#include "random.h"
#include "math/distance/distance.h"

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

#define MAX_N			16000
#define SMALL_N			130
#define MAX_COUNT		17
#define MAX_STRIDE_PAD	3
#define UNIT_ROUNDOFF	0x1p-24
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

typedef enum Type
{
	F32,
	F16
} Type;

static const size_t long_n[] = {768, 1024, 1536, 3072, MAX_N};

/* Uniform in [0, 1) */
static double
random_unit(void)
{
	return random_bits() * 0x1p-32;
}

/*
 * Arrays whose ends are watched.
 */
typedef enum Place
{
	MALLOC_0,					/* the end of a malloc block, aligned start */
	MALLOC_1,					/* the same, one element off, */
	MALLOC_3,					/* and three */
	PAGE_END,					/* before an unreadable page */
	PAGE_START,					/* behind one */
	PLACES
} Place;

typedef enum Slot
{
	SLOT_A,
	SLOT_B,
	SLOT_OUT,
	SLOTS
} Slot;

/* Enough for the longest rows of the tests over many rows */
#define SLOT_BYTES ((size_t) (MAX_COUNT * (3072 + MAX_STRIDE_PAD) * sizeof(float)))

static char *pages[SLOTS];		/* readable, unreadable pages around */
static size_t pages_bytes;
static char *blocks[SLOTS];

/*
 * Room for bytes at a place; valid until the slot's next use.  element is the
 * size of what the array holds.
 */
static void *
make_room(Slot slot, Place place, size_t bytes, size_t element)
{
	size_t		shift = place == MALLOC_1 ? element :
		place == MALLOC_3 ? 3 * element : 0;

	if (pages[slot] == NULL)
	{
		size_t		page = (size_t) sysconf(_SC_PAGESIZE);
		char	   *all;

		pages_bytes = (SLOT_BYTES + page - 1) / page * page;
		all = mmap(NULL, pages_bytes + 2 * page, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(all != MAP_FAILED);
		assert_int_equal(mprotect(all + page, pages_bytes,
								  PROT_READ | PROT_WRITE), 0);
		pages[slot] = all + page;
	}
	assert_true(bytes <= pages_bytes);
	if (place == PAGE_END)
		return pages[slot] + pages_bytes - bytes;
	if (place == PAGE_START)
		return pages[slot];
	free(blocks[slot]);
	blocks[slot] = malloc(shift + bytes);
	assert_true(blocks[slot] != NULL || shift + bytes == 0);
	return blocks[slot] + shift;
}

/* A copy of an array's bytes at a place */
static void *
put(Slot slot, Place place, const void *data, size_t bytes, size_t element)
{
	void	   *room = make_room(slot, place, bytes, element);

	if (bytes > 0)
		memcpy(room, data, bytes);
	return room;
}

/* Put floats, every one representable in the type, as that type */
static void *
put_values(Slot slot, Place place, const float *values, size_t n, Type type)
{
	static half narrow[SLOT_BYTES / sizeof(float)];

	if (type == F32)
		return put(slot, place, values, n * sizeof(float), sizeof(float));
	for (size_t i = 0; i < n; i++)
		narrow[i] = float_to_half(values[i]);
	return put(slot, place, narrow, n * sizeof(half), sizeof(half));
}

/*
 * Inputs.
 */
typedef enum Kind
{
	INTEGERS,					/* -8 .. 8: every sum is exact */
	UNIFORM,					/* -1 .. 1 */
	POSITIVE,					/* 0 .. 1 */
	WIDE,						/* many orders of magnitude */
	LARGE,						/* squares near the end of the range */
	HUGE_VALUES,				/* up to the largest finite value */
	TINY,						/* products underflow */
	DENORMAL,
	ZEROS,						/* of both signs */
	KINDS
} Kind;

static const char *const kind_names[] = {
	"integers", "uniform", "positive", "wide", "large", "huge", "tiny",
	"denormal", "zeros"
};

/* Random sign, mantissa and an exponent from lowest to highest */
static float
random_float(int lowest, int highest)
{
	int			exponent = lowest +
		(int) (random_bits() % (uint32_t) (highest - lowest + 1));
	double		value = ldexp(1 + random_unit() * (1 - 0x1p-20), exponent);

	return (float) (random_bits() & 1 ? value : -value);
}

static float
random_value(Kind kind, Type type)
{
	float		value = 0;

	switch (kind)
	{
		case INTEGERS:
			value = (float) ((int) (random_bits() % 17) - 8);
			break;
		case UNIFORM:
			value = (float) (2 * random_unit() - 1);
			break;
		case POSITIVE:
			value = (float) random_unit();
			break;
		case WIDE:
			value = type == F32 ? random_float(-30, 30) : random_float(-14, 14);
			break;
		case LARGE:
			value = type == F32 ? random_float(52, 63) : random_float(10, 14);
			break;
		case HUGE_VALUES:
			value = type == F32 ? random_float(60, 127) : random_float(15, 15);
			break;
		case TINY:
			value = type == F32 ? random_float(-80, -64) :
				random_float(-14, -12);
			break;
		case DENORMAL:
			value = type == F32 ? random_float(-149, -127) :
				random_float(-24, -15);
			break;
		case ZEROS:
		default:
			value = random_bits() & 1 ? 0.0f : -0.0f;
			break;
	}
	if (type == F16)
	{
		value = half_to_float(float_to_half(value));
		if (isinf(value))
			value = copysignf(65504, value);
	}
	return value;
}

static void
fill(float *values, size_t n, Kind kind, Type type)
{
	for (size_t i = 0; i < n; i++)
		values[i] = random_value(kind, type);
}

/*
 * What the kernels should return.
 */
typedef struct Exact
{
	double		sum;
	double		absolute;		/* sum of the terms' absolute values */
} Exact;

typedef enum Sum
{
	L2SQ,
	IP,
	L1,
	AA,
	BB
} Sum;

static const char *const sum_names[] = {"l2sq", "ip", "l1", "aa", "bb"};

static Exact
exact_sum(Sum sum, const float *a, const float *b, size_t n)
{
	Exact		exact = {0, 0};

	for (size_t i = 0; i < n; i++)
	{
		double		x = a[i];
		double		y = b[i];
		double		term = sum == L2SQ ? (x - y) * (x - y) :
			sum == IP ? x * y : sum == L1 ? fabs(x - y) :
			sum == AA ? x * x : y * y;

		exact.sum += term;
		exact.absolute += fabs(term);
	}
	return exact;
}

/* Where a check stands, for its message */
typedef struct Context
{
	const DistanceKernels *level;
	Type		type;
	Kind		kind;
	Place		place;
	size_t		n;
} Context;

static void
check_sum(const Context *at, Sum sum, const char *kernel, float got,
		  float scalar, Exact exact)
{
	double		nu = (double) (at->n + 2) * UNIT_ROUNDOFF;
	double		g = nu / (1 - nu);
	double		bound = g * exact.absolute + (double) at->n * 0x1p-149;
	bool		fails;

	if (at->kind == INTEGERS)
		fails = (double) got != exact.sum;
	else if (exact.absolute * (1 + g) <= FLT_MAX)
		fails = !(fabs(got - exact.sum) <= bound) ||
			!(fabs((double) got - scalar) <= 2 * bound);
	else if (sum == IP)
		fails = false;
	else if (exact.sum * (1 - g) > (double) FLT_MAX * (1 + UNIT_ROUNDOFF))
		fails = !(isinf(got) && got > 0);
	else
		fails = !(got >= (double) FLT_MAX * (1 - 2 * g));
	if (fails)
		fail_msg("%s %s %s (%s), n = %zu, %s values, place %d: %.9g, scalar %.9g, exact %.17g, bound %.3g",
				 at->level->name, at->type == F32 ? "f32" : "f16", kernel,
				 sum_names[sum], at->n, kind_names[at->kind], (int) at->place,
				 got, scalar, exact.sum, bound);
}

/*
 * One pair of arrays through every kernel that takes two.
 */
typedef struct PairResults
{
	float		l2sq;
	float		ip;
	float		l1;
	CosineSums	cosine;
	double		norm2;
} PairResults;

static PairResults
run_pair(const DistanceKernels *k, Type type, const void *a, const void *b,
		 size_t n)
{
	PairResults r;

	r.l2sq = type == F32 ? k->f32_l2sq(a, b, n) : k->f16_l2sq(a, b, n);
	r.ip = type == F32 ? k->f32_ip(a, b, n) : k->f16_ip(a, b, n);
	r.l1 = type == F32 ? k->f32_l1(a, b, n) : k->f16_l1(a, b, n);
	r.cosine = type == F32 ? k->f32_cosine(a, b, n) : k->f16_cosine(a, b, n);
	r.norm2 = type == F32 ? k->f32_norm2(a, n) : k->f16_norm2(a, n);
	return r;
}

static void
check_pair(const Context *at, const float *a, const float *b)
{
	const DistanceKernels *scalar = distance_table(SIMD_SCALAR);
	size_t		n = at->n;
	void	   *pa = put_values(SLOT_A, at->place, a, n, at->type);
	void	   *pb = put_values(SLOT_B, at->place, b, n, at->type);
	PairResults got = run_pair(at->level, at->type, pa, pb, n);
	PairResults want = run_pair(scalar, at->type, pa, pb, n);
	Exact		aa = exact_sum(AA, a, b, n);

	check_sum(at, L2SQ, "l2sq", got.l2sq, want.l2sq, exact_sum(L2SQ, a, b, n));
	check_sum(at, IP, "ip", got.ip, want.ip, exact_sum(IP, a, b, n));
	check_sum(at, L1, "l1", got.l1, want.l1, exact_sum(L1, a, b, n));
	check_sum(at, IP, "cosine", got.cosine.ab, want.cosine.ab,
			  exact_sum(IP, a, b, n));
	check_sum(at, AA, "cosine", got.cosine.aa, want.cosine.aa, aa);
	check_sum(at, BB, "cosine", got.cosine.bb, want.cosine.bb,
			  exact_sum(BB, a, b, n));

	/* In double: no square is rounded, only the sums, here and there */
	if (!(fabs(got.norm2 - aa.sum) <= 2 * (double) n * 0x1p-53 * aa.sum) ||
		!isfinite(got.norm2))
		fail_msg("%s norm2, n = %zu, %s values: %.17g, exact %.17g",
				 at->level->name, n, kind_names[at->kind], got.norm2, aa.sum);
}

/* The level that a test was given; does not return if it cannot run here */
static const DistanceKernels *
level_under_test(void **state)
{
	const DistanceKernels *level = distance_table(*(SimdLevel *) *state);

	if (level == NULL)
		skip();
	return level;
}

static void
test_pairs(void **state)
{
	static float a[MAX_N];
	static float b[MAX_N];
	Context		at = {.level = level_under_test(state)};

	for (at.type = F32; at.type <= F16; at.type++)
		for (at.kind = 0; at.kind < KINDS; at.kind++)
		{
			for (at.n = 0; at.n <= SMALL_N; at.n++)
				for (at.place = 0; at.place < PLACES; at.place++)
				{
					fill(a, at.n, at.kind, at.type);
					fill(b, at.n, at.kind, at.type);
					check_pair(&at, a, b);
				}
			for (size_t i = 0; i < ARRAY_LENGTH(long_n); i++)
			{
				at.n = long_n[i];
				at.place = i % PLACES;
				fill(a, at.n, at.kind, at.type);
				fill(b, at.n, at.kind, at.type);
				check_pair(&at, a, b);
			}
		}
}

/* The distance of an array from itself is nothing, exactly */
static void
test_equal(void **state)
{
	static float a[MAX_N];
	const DistanceKernels *level = level_under_test(state);

	for (Type type = F32; type <= F16; type++)
		for (Kind kind = 0; kind < KINDS; kind++)
			for (size_t n = 0; n <= SMALL_N; n++)
			{
				PairResults got;
				void	   *pa;
				void	   *pb;

				fill(a, n, kind, type);
				pa = put_values(SLOT_A, MALLOC_0, a, n, type);
				pb = put_values(SLOT_B, MALLOC_1, a, n, type);
				got = run_pair(level, type, pa, pb, n);
				assert_true(got.l2sq == 0);
				assert_true(got.l1 == 0);
			}
}

/* One NaN or one infinity, at every position */
static void
test_nan_and_infinity(void **state)
{
	static const size_t lengths[] = {1, 3, 4, 7, 8, 15, 16, 17, 33, 65, 130};
	static float a[SMALL_N];
	static float b[SMALL_N];
	const DistanceKernels *level = level_under_test(state);

	for (Type type = F32; type <= F16; type++)
		for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
			for (size_t p = 0; p < lengths[i]; p++)
			{
				size_t		n = lengths[i];
				PairResults r;
				void	   *pa;
				void	   *pb;

				for (size_t k = 0; k < n; k++)
					a[k] = b[k] = 1;
				a[p] = NAN;
				pa = put_values(SLOT_A, MALLOC_0, a, n, type);
				pb = put_values(SLOT_B, MALLOC_0, b, n, type);
				r = run_pair(level, type, pa, pb, n);
				assert_true(isnan(r.l2sq) && isnan(r.ip) && isnan(r.l1));
				assert_true(isnan(r.cosine.ab) && isnan(r.cosine.aa));
				assert_true(r.cosine.bb == (float) n);
				assert_true(isnan(r.norm2));

				a[p] = INFINITY;
				pa = put_values(SLOT_A, MALLOC_0, a, n, type);
				r = run_pair(level, type, pa, pb, n);
				assert_true(r.l2sq == INFINITY && r.ip == INFINITY);
				assert_true(r.l1 == INFINITY && r.norm2 == INFINITY);
				assert_true(r.cosine.ab == INFINITY);
				assert_true(r.cosine.aa == INFINITY);
				assert_true(r.cosine.bb == (float) n);
			}
}

/*
 * A float32 query against rows of either type.
 */
static void
run_many(const DistanceKernels *k, Type type, Sum sum, const float *q,
		 const void *rows, size_t n, size_t stride, size_t count, float *out)
{
	if (type == F32)
		k->f32_ip_many(q, rows, n, stride, count, out);
	else
	{
		for (size_t r = 0; r < count; r++)
		{
			const half *row = (const half *) rows + r * stride;

			out[r] = sum == L2SQ ? k->mixed_l2sq(q, row, n) : k->mixed_ip(q, row, n);
		}
	}
}

static void
check_many(const Context *at, const float *q, const float *rows, size_t pad,
		   size_t count)
{
	const DistanceKernels *scalar = distance_table(SIMD_SCALAR);
	size_t		n = at->n;
	size_t		stride = n + pad;
	size_t		elements = count == 0 ? 0 : (count - 1) * stride + n;
	float	   *pq = put_values(SLOT_A, at->place, q, n, F32);
	void	   *pr = put_values(SLOT_B, at->place, rows, elements, at->type);
	float		want[MAX_COUNT];

	for (Sum sum = at->type == F32 ? IP : L2SQ; sum <= IP; sum++)
	{
		float	   *out = make_room(SLOT_OUT, at->place,
									count * sizeof(float), sizeof(float));

		run_many(at->level, at->type, sum, pq, pr, n, stride, count, out);
		run_many(scalar, at->type, sum, pq, pr, n, stride, count, want);
		for (size_t r = 0; r < count; r++)
			check_sum(at, sum, "many", out[r], want[r],
					  exact_sum(sum, q, rows + r * stride, n));
	}
}

static void
test_many(void **state)
{
	static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, MAX_COUNT};
	static const size_t lengths[] = {768, 1024, 1536, 3072};
	static float q[3072];
	static float rows[SLOT_BYTES / sizeof(float)];
	Context		at = {.level = level_under_test(state)};

	for (at.type = F32; at.type <= F16; at.type++)
		for (at.kind = 0; at.kind < KINDS; at.kind++)
			for (size_t i = 0; i <= SMALL_N + ARRAY_LENGTH(lengths); i++)
			{
				size_t		pad = random_bits() % (MAX_STRIDE_PAD + 1);
				size_t		c = random_bits() % ARRAY_LENGTH(counts);

				at.n = i <= SMALL_N ? i : lengths[i - SMALL_N - 1];
				fill(q, at.n, at.kind, at.type);
				fill(rows, MAX_COUNT * (at.n + pad), at.kind, at.type);

				/* Every count at some place, one count at every place */
				for (size_t k = 0; k < ARRAY_LENGTH(counts); k++)
				{
					at.place = (Place) ((i + k) % PLACES);
					check_many(&at, q, rows, pad, counts[k]);
				}
				for (at.place = 0; at.place < PLACES; at.place++)
					check_many(&at, q, rows, pad, counts[c]);
			}
}

/*
 * Bit strings: exact, at every byte alignment.
 */
static unsigned int
slow_popcount(unsigned int byte)
{
	unsigned int count = 0;

	for (; byte != 0; byte >>= 1)
		count += byte & 1;
	return count;
}

static void
check_bits(const DistanceKernels *level, const uint8_t *a, const uint8_t *b,
		   size_t n, Place place, size_t misalign)
{
	/* Different places, so that the two are misaligned to each other */
	uint8_t    *pa = put(SLOT_A, place, a, n, misalign);
	uint8_t    *pb = put(SLOT_B, PAGE_END, b, n, 1);
	uint64_t	differ = 0;
	uint64_t	both = 0;
	uint64_t	either = 0;
	uint64_t	got_both = 12345;
	uint64_t	got_either = 12345;

	for (size_t i = 0; i < n; i++)
	{
		differ += slow_popcount(a[i] ^ b[i]);
		both += slow_popcount(a[i] & b[i]);
		either += slow_popcount(a[i] | b[i]);
	}
	assert_int_equal(level->bit_hamming(pa, pb, n), differ);
	assert_int_equal(level->bit_hamming(pb, pa, n), differ);
	level->bit_jaccard(pa, pb, n, &got_both, &got_either);
	assert_int_equal(got_both, both);
	assert_int_equal(got_either, either);
}

static void
test_bits(void **state)
{
	static uint8_t a[MAX_N];
	static uint8_t b[MAX_N];
	const DistanceKernels *level = level_under_test(state);

	for (size_t i = 0; i <= 2 * SMALL_N + ARRAY_LENGTH(long_n); i++)
	{
		size_t		n = i <= 2 * SMALL_N ? i : long_n[i - 2 * SMALL_N - 1];

		for (int kind = 0; kind < 3; kind++)
		{
			for (size_t k = 0; k < n; k++)
			{
				a[k] = (uint8_t) (kind == 0 ? random_bits() : 0xff);
				b[k] = (uint8_t) (kind == 0 ? random_bits() :
								  kind == 1 ? 0 : 0xff);
			}
			for (size_t misalign = 1; misalign < 8; misalign++)
				check_bits(level, a, b, n, MALLOC_1, misalign);
			check_bits(level, a, b, n, MALLOC_0, 1);
			check_bits(level, a, b, n, PAGE_END, 1);
			check_bits(level, a, b, n, PAGE_START, 1);
		}
	}
}

/*
 * Conversions: test_half.c checks the single values; here, the arrays give
 * the same bits, at every length and place.
 */
static void
check_widen(const DistanceKernels *level, const half *src, size_t n,
			Place place)
{
	half	   *from = put(SLOT_A, place, src, n * sizeof(half), sizeof(half));
	float	   *to = make_room(SLOT_OUT, place, n * sizeof(float),
							   sizeof(float));

	level->f16_to_f32(from, to, n);
	for (size_t i = 0; i < n; i++)
	{
		float		want = half_to_float(src[i]);

		if (memcmp(&to[i], &want, sizeof(want)) != 0)
			fail_msg("%s f16_to_f32 of 0x%04x, n = %zu: %.9g, not %.9g",
					 level->name, src[i], n, to[i], want);
	}
}

static void
check_narrow(const DistanceKernels *level, const float *src, size_t n,
			 Place place)
{
	float	   *from = put(SLOT_A, place, src, n * sizeof(float),
						   sizeof(float));
	half	   *to = make_room(SLOT_OUT, place, n * sizeof(half),
							   sizeof(half));

	level->f32_to_f16(from, to, n);
	for (size_t i = 0; i < n; i++)
	{
		half		want = float_to_half(src[i]);

		if (to[i] != want)
			fail_msg("%s f32_to_f16 of %a, n = %zu: 0x%04x, not 0x%04x",
					 level->name, (double) src[i], n, to[i], want);
	}
}

static void
test_widen(void **state)
{
	static half halves[1024];
	const DistanceKernels *level = level_under_test(state);

	for (uint32_t first = 0; first < 65536; first += 1024)
	{
		for (uint32_t i = 0; i < 1024; i++)
			halves[i] = (half) (first + i);
		check_widen(level, halves, 1024, PAGE_END);
	}
	for (size_t n = 0; n <= SMALL_N; n++)
		for (Place place = 0; place < PLACES; place++)
		{
			for (size_t i = 0; i < n; i++)
				halves[i] = (half) random_bits();
			check_widen(level, halves, n, place);
		}
}

static void
test_narrow(void **state)
{
	static float floats[1024];
	const DistanceKernels *level = level_under_test(state);

	/* Around every value that a half can have, and around every tie */
	for (uint32_t h = 0; h < 65536; h++)
	{
		uint32_t	bits;
		float		value = half_to_float((half) h);
		size_t		n = 0;

		memcpy(&bits, &value, sizeof(bits));
		for (uint32_t tie = 0; tie <= 1; tie++)
			for (uint32_t off = 0; off < 5; off++)
			{
				uint32_t	near = bits + tie * 0x1000 + off - 2;

				memcpy(&floats[n++], &near, sizeof(near));
			}
		check_narrow(level, floats, n, PAGE_END);
	}

	/* Any bits at all */
	for (int round = 0; round < 2000; round++)
	{
		for (size_t i = 0; i < 1024; i++)
		{
			uint32_t	bits = random_bits();

			memcpy(&floats[i], &bits, sizeof(bits));
		}
		check_narrow(level, floats, 1024, PAGE_START);
	}
	for (size_t n = 0; n <= SMALL_N; n++)
		for (Place place = 0; place < PLACES; place++)
		{
			fill(floats, n, WIDE, F32);
			check_narrow(level, floats, n, place);
		}
}

/*
 * Sparse vectors against the same as arrays.
 */
#define SPARSE_DIMS 4000

typedef struct Sparse
{
	int32_t		index[SPARSE_DIMS];
	float		value[SPARSE_DIMS];
	size_t		n;
	float		dense[SPARSE_DIMS];
} Sparse;

/* About density * SPARSE_DIMS random elements of the lower or upper part */
static void
fill_sparse(Sparse *s, double density, int from, int to, Kind kind)
{
	memset(s->dense, 0, sizeof(s->dense));
	s->n = 0;
	for (int i = from; i < to; i++)
	{
		if (random_unit() >= density)
			continue;
		s->index[s->n] = i;
		s->value[s->n] = random_value(kind, F32);
		s->dense[i] = s->value[s->n];
		s->n++;
	}
}

static void
check_sparse(const Sparse *a, const Sparse *b, Kind kind)
{
	/* Zeros add nothing, so the bound is that of the elements there are */
	Context		at = {.level = distance_table(SIMD_SCALAR), .kind = kind,
					  .n = a->n + b->n};
	const int32_t *ai = a->index;
	const int32_t *bi = b->index;
	float		want[3];

	/* Values behind which the sanitizer watches; indices likewise below */
	float	   *av = put(SLOT_A, MALLOC_0, a->value, a->n * sizeof(float), 4);
	float	   *bv = put(SLOT_B, MALLOC_0, b->value, b->n * sizeof(float), 4);

	want[0] = at.level->f32_l2sq(a->dense, b->dense, SPARSE_DIMS);
	want[1] = at.level->f32_ip(a->dense, b->dense, SPARSE_DIMS);
	want[2] = at.level->f32_l1(a->dense, b->dense, SPARSE_DIMS);
	check_sum(&at, L2SQ, "sparse", sparse_l2sq(ai, av, a->n, bi, bv, b->n),
			  want[0], exact_sum(L2SQ, a->dense, b->dense, SPARSE_DIMS));
	check_sum(&at, IP, "sparse", sparse_ip(ai, av, a->n, bi, bv, b->n),
			  want[1], exact_sum(IP, a->dense, b->dense, SPARSE_DIMS));
	check_sum(&at, L1, "sparse", sparse_l1(ai, av, a->n, bi, bv, b->n),
			  want[2], exact_sum(L1, a->dense, b->dense, SPARSE_DIMS));

	ai = put(SLOT_A, MALLOC_0, a->index, a->n * sizeof(int32_t), 4);
	bi = put(SLOT_B, MALLOC_0, b->index, b->n * sizeof(int32_t), 4);
	check_sum(&at, IP, "sparse",
			  sparse_ip(ai, a->value, a->n, bi, b->value, b->n), want[1],
			  exact_sum(IP, a->dense, b->dense, SPARSE_DIMS));
	check_sum(&at, L1, "sparse",
			  sparse_l1(ai, a->value, a->n, bi, b->value, b->n), want[2],
			  exact_sum(L1, a->dense, b->dense, SPARSE_DIMS));
}

static void
test_sparse(void **state)
{
	static const double densities[] = {0, 0.0005, 0.003, 0.02, 0.1, 0.5, 1};
	static Sparse a;
	static Sparse b;

	(void) state;
	for (Kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < ARRAY_LENGTH(densities); i++)
			for (size_t j = 0; j < ARRAY_LENGTH(densities); j++)
				for (int round = 0; round < 4; round++)
				{
					/* intermixed; one behind the other; one inside the other */
					int			from = round == 1 ? SPARSE_DIMS / 2 :
						round == 2 ? SPARSE_DIMS / 4 : 0;
					int			to = round == 3 ? SPARSE_DIMS / 2 : SPARSE_DIMS;

					fill_sparse(&a, densities[i], from,
								round == 2 ? SPARSE_DIMS / 2 : SPARSE_DIMS,
								kind);
					fill_sparse(&b, densities[j], 0, round == 1 ? from : to,
								kind);
					check_sparse(&a, &b, kind);
					check_sparse(&b, &a, kind);
				}

	/* Equal, with every index shared */
	fill_sparse(&a, 0.3, 0, SPARSE_DIMS, UNIFORM);
	check_sparse(&a, &a, UNIFORM);
	assert_true(sparse_l2sq(a.index, a.value, a.n, a.index, a.value, a.n) == 0);
}

/* A value without a partner is no part of an inner product, even infinity */
static void
test_sparse_lone_infinity(void **state)
{
	static const int32_t long_index[] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18};
	static const float long_value[] = {1, 1, INFINITY, 1, 1, 1, 1, 1, 1, 1};
	static const int32_t short_index[] = {1, 2};
	static const float short_value[] = {INFINITY, 3};

	(void) state;
	for (size_t n = 2; n <= ARRAY_LENGTH(long_index); n++)
	{
		assert_true(sparse_ip(short_index, short_value, 2, long_index,
							  long_value, n) == 3);
		assert_true(sparse_ip(short_index + 1, short_value + 1, 1, long_index,
							  long_value, n) == 3);
		assert_true(sparse_l1(short_index, short_value, 2, long_index,
							  long_value, n) == INFINITY);
	}
}

/*
 * Dispatch.
 */
static void
test_dispatch(void **state)
{
	static const char *const names[] = {NULL, "scalar", "neon", "avx2",
		"avx512"};
	const DistanceKernels *best = NULL;

	(void) state;
	assert_ptr_equal(distance_kernels, distance_table(SIMD_SCALAR));
	assert_non_null(distance_table(SIMD_SCALAR));
	for (SimdLevel level = SIMD_SCALAR; level <= SIMD_AVX512;
		 level++)
	{
		const DistanceKernels *table = distance_table(level);
		const DistanceKernels *before = distance_kernels;

		if (table == NULL)
		{
			assert_int_equal(distance_set_level(level), -1);
			assert_ptr_equal(distance_kernels, before);
			continue;
		}
		assert_string_equal(table->name, names[level]);
		assert_int_equal(distance_set_level(level), 0);
		assert_ptr_equal(distance_kernels, table);
		best = table;
	}
	assert_ptr_equal(distance_table(SIMD_AUTO), best);
	assert_int_equal(distance_set_level((SimdLevel) 99), -1);
	assert_ptr_equal(distance_kernels, best);
	assert_int_equal(distance_set_level(SIMD_SCALAR), 0);
	assert_int_equal(distance_set_level(SIMD_AUTO), 0);
	assert_ptr_equal(distance_kernels, best);
}

/* The compiler's runtime asks the processor in its own way */
static void
test_detection(void **state)
{
	(void) state;
#if defined(__x86_64__)
	{
		bool		avx2 = __builtin_cpu_supports("avx2") &&
			__builtin_cpu_supports("fma");
		bool		avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
			__builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512dq") &&
			__builtin_cpu_supports("avx512vl") &&
			__builtin_cpu_supports("avx512vpopcntdq") &&
			__builtin_cpu_supports("avx512vnni");

		assert_int_equal(distance_table(SIMD_AVX2) != NULL, avx2);
		assert_int_equal(distance_table(SIMD_AVX512) != NULL, avx512);
		assert_null(distance_table(SIMD_NEON));
	}
#elif defined(__aarch64__)
	assert_non_null(distance_table(SIMD_NEON));
	assert_null(distance_table(SIMD_AVX2));
	assert_null(distance_table(SIMD_AVX512));
#else
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_detection),
		AT_EVERY_LEVEL(test_pairs),
		AT_EVERY_LEVEL(test_equal),
		AT_EVERY_LEVEL(test_nan_and_infinity),
		AT_EVERY_LEVEL(test_many),
		AT_EVERY_LEVEL(test_bits),
		AT_EVERY_LEVEL(test_widen),
		AT_EVERY_LEVEL(test_narrow),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_sparse_lone_infinity),
	};
	int			failed = cmocka_run_group_tests_name("distance", tests, NULL,
													 NULL);

	for (Slot slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	return failed;
}
