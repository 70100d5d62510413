/*
 * rabitq.c
 *	  Codes, their packing, their factors, and queries.
 *
 * The loops that count are kernels: encode finds the levels, dot sums them
 * with a query.  What is here turns sums into distances, in one place, so that
 * every level gives the same floats.
 */
#include "rabitq.h"

#include "tables.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Codes whose sums rabitq_estimate_many holds at once */
#define MANY_CODES		64

static int
dims_valid(size_t dims)
{
	return dims > 0 && dims <= QUANTIZE_MAX_DIMS &&
		dims % QUANTIZE_DIMS_STEP == 0;
}

/* The index of a number of bits in a table of kernels */
static inline int
width(int bits)
{
	return __builtin_ctz((unsigned int) bits);
}

size_t
rabitq_level_bytes(size_t dims, int bits)
{
	if (!rabitq_bits_valid(bits) || !dims_valid(dims))
		return 0;
	return dims * (size_t) bits / 8;
}

size_t
rabitq_code_bytes(size_t dims, int bits)
{
	size_t		bytes = rabitq_level_bytes(dims, bits);

	return bytes > 0 ? offsetof(RabitqCode, levels) + bytes : 0;
}

/*
 * Packing.
 */

/* The lowest bits of 8 bytes, the first in bit 0 */
static inline uint8_t
gather_bits(const uint8_t *bytes)
{
	uint8_t		bits = 0;

	for (int k = 0; k < 8; k++)
		bits |= (uint8_t) (bytes[k] << k);
	return bits;
}

static void
pack(const uint8_t *levels, size_t dims, int bits, uint8_t *packed)
{
	size_t		part = dims * (size_t) bits / 8;

	if (bits == 1)
	{
		for (size_t i = 0; i < part; i++)
			packed[i] = gather_bits(levels + 8 * i);
		return;
	}
	memcpy(packed, levels, part);
	for (int shift = bits; shift < 8; shift += bits)
	{
		levels += part;
		for (size_t i = 0; i < part; i++)
			packed[i] |= (uint8_t) (levels[i] << shift);
	}
}

static void
unpack(const uint8_t *packed, size_t dims, int bits, uint8_t *levels)
{
	size_t		part = dims * (size_t) bits / 8;

	switch (bits)
	{
		case 1:
			for (size_t i = 0; i < part; i++)
				for (int k = 0; k < 8; k++)
					levels[8 * i + k] = packed[i] >> k & 1;
			break;
		case 2:
			for (size_t k = 0; k < 4; k++)
				for (size_t i = 0; i < part; i++)
					levels[i + k * part] = packed[i] >> (2 * k) & 3;
			break;
		case 4:
			for (size_t i = 0; i < part; i++)
				levels[i] = packed[i] & 15;
			for (size_t i = 0; i < part; i++)
				levels[i + part] = packed[i] >> 4;
			break;
		default:
			memcpy(levels, packed, dims);
			break;
	}
}

/*
 * Encoding.
 */

RabitqFit
rabitq_encode(const float *residual, size_t dims, int bits, uint8_t *levels)
{
	uint8_t		unpacked[QUANTIZE_MAX_DIMS];
	EncodeSums	sums;
	RabitqFit	fit = {0, 0};

	assert(rabitq_level_bytes(dims, bits) > 0);
	quantize_kernels->encode(residual, dims, bits, unpacked, &sums);
	pack(unpacked, dims, bits, levels);
	if (sums.scale > 0)
	{
		double		scale = sums.scale;

		fit.norm2 = sums.rr / (scale * scale);
		fit.scale = sums.rr / (sums.ur * scale);
	}
	return fit;
}

static float
finite_float(double x)
{
	return (float) fmax(fmin(x, FLT_MAX), -FLT_MAX);
}

void
rabitq_factors(RabitqCode *code, RabitqMetric metric, RabitqFit fit, double uc,
			   double rc)
{
	if (metric == RABITQ_L2SQ)
	{
		code->add = finite_float(fit.norm2 + 2 * fit.scale * uc);
		code->k = finite_float(-2 * fit.scale);
	}
	else
	{
		code->add = finite_float(fit.scale * uc - rc);
		code->k = finite_float(-fit.scale);
	}
}

void
rabitq_decode(const uint8_t *levels, size_t dims, int bits, float *u)
{
	uint8_t		unpacked[QUANTIZE_MAX_DIMS];
	float		middle = (float) ((1 << bits) - 1) / 2;

	unpack(levels, dims, bits, unpacked);
	for (size_t i = 0; i < dims; i++)
		u[i] = (float) unpacked[i] - middle;
}

float
rabitq_dot(const uint8_t *levels, size_t dims, int bits, const float *x)
{
	uint8_t		unpacked[QUANTIZE_MAX_DIMS];
	float		middle = (float) ((1 << bits) - 1) / 2;
	float		lanes[SUM_LANES] = {0};

	unpack(levels, dims, bits, unpacked);
	for (size_t i = 0; i < dims; i += SUM_LANES)
		for (size_t k = 0; k < SUM_LANES; k++)
			lanes[k] += ((float) unpacked[i + k] - middle) * x[i + k];
	return sum_lanes(lanes);
}

/*
 * Queries.
 */

size_t
rabitq_query_bytes(size_t dims, int bits)
{
	if (rabitq_level_bytes(dims, bits) == 0)
		return 0;
	return offsetof(RabitqQuery, values) +
		dims * (bits < 8 ? sizeof(int8_t) : sizeof(int16_t)) +
		QUANTIZE_READ_PAD;
}

static void
query_begin(RabitqQuery *query, size_t dims, int bits, float step, float base)
{
	size_t		bytes = rabitq_query_bytes(dims, bits);

	assert(bytes > 0);
	query->dims = (uint32_t) dims;
	query->bits = bits;
	query->base = base;
	query->step = step;
	query->weight = 1;
	query->sum = 0;
	memset((char *) query + bytes - QUANTIZE_READ_PAD, 0, QUANTIZE_READ_PAD);
}

void
rabitq_query_prepare(RabitqQuery *query, const float *q, size_t dims, int bits,
					 float base)
{
	float		most = bits < 8 ? QUERY_MAX_INT8 : QUERY_MAX_INT16;
	int8_t	   *narrow = (int8_t *) query->values;
	float		lanes[SUM_LANES] = {0};
	float		largest = 0;
	float		inverse;
	int32_t		sum = 0;

	/* Lanes, which a compiler may put into a vector */
	for (size_t i = 0; i < dims; i += SUM_LANES)
		for (size_t k = 0; k < SUM_LANES; k++)
			lanes[k] = fabsf(q[i + k]) > lanes[k] ? fabsf(q[i + k]) : lanes[k];
	for (size_t k = 0; k < SUM_LANES; k++)
		largest = lanes[k] > largest ? lanes[k] : largest;

	/* Where the inverse would be infinite, the products would underflow */
	if (!(largest >= TINY_RESIDUAL))
		largest = 0;
	query_begin(query, dims, bits, largest / most, base);
	inverse = largest > 0 ? most / largest : 0;

	/* |x| * inverse + 1/2 is below most + 1 whatever the roundings */
	if (bits < 8)
		for (size_t i = 0; i < dims; i++)
		{
			int32_t		x = (int32_t) (q[i] * inverse + copysignf(0.5f, q[i]));

			narrow[i] = (int8_t) x;
			sum += x;
		}
	else
		for (size_t i = 0; i < dims; i++)
		{
			int32_t		x = (int32_t) (q[i] * inverse + copysignf(0.5f, q[i]));

			query->values[i] = (int16_t) x;
			sum += x;
		}
	query->sum = sum;
}

/* A query of ones, for sums of levels: int8 and int16 */
static const void *
ones(int bits)
{
	static int8_t narrow[QUANTIZE_MAX_DIMS + QUANTIZE_READ_PAD];
	static int16_t wide[QUANTIZE_MAX_DIMS + QUANTIZE_READ_PAD];

	if (wide[0] == 0)
		for (size_t i = 0; i < QUANTIZE_MAX_DIMS; i++)
			narrow[i] = wide[i] = 1;
	return bits < 8 ? (const void *) narrow : (const void *) wide;
}

/*
 * See rabitq.h.  The values are 2 u, odd integers: within 15 for 4 bits and
 * within 255 for 8.
 */
void
rabitq_query_from_code(RabitqQuery *query, const uint8_t *levels, size_t dims,
					   int bits, float scale, float base)
{
	uint8_t		unpacked[QUANTIZE_MAX_DIMS];
	int8_t	   *narrow = (int8_t *) query->values;
	int32_t		odd = (1 << bits) - 1;
	size_t		half = dims / 2;

	query_begin(query, dims, bits, scale / 2, base);
	query->sum = 2 * quantize_kernels->dot[width(bits)] (ones(bits), levels, dims) -
		(int64_t) odd * (int64_t) dims;
	if (bits == 4)
	{
		for (size_t i = 0; i < half; i++)
			narrow[i] = (int8_t) ((levels[i] & 15) * 2 - 15);
		for (size_t i = 0; i < half; i++)
			narrow[half + i] = (int8_t) ((levels[i] >> 4) * 2 - 15);
		return;
	}
	unpack(levels, dims, bits, unpacked);
	if (bits < 8)
		for (size_t i = 0; i < dims; i++)
			narrow[i] = (int8_t) (2 * unpacked[i] - odd);
	else
		for (size_t i = 0; i < dims; i++)
			query->values[i] = (int16_t) (2 * unpacked[i] - odd);
}

/*
 * The distance, of a sum of level * value: <u, q> is step / 2 times an
 * integer.  In double, where nothing overflows on the way.
 */
static inline float
finish(const RabitqQuery *query, const RabitqCode *code, int64_t dot)
{
	int64_t		twice = 2 * dot - ((1 << query->bits) - 1) * query->sum;
	double		uq = (double) twice * query->step / 2;

	return (float) ((double) query->base + (double) query->weight * code->add +
					code->k * uq);
}

void
rabitq_estimate_many(const RabitqQuery *query, const RabitqCode *const *codes,
					 size_t count, float *out)
{
	int			w = width(query->bits);
	int64_t		dots[MANY_CODES];

	for (size_t first = 0; first < count; first += MANY_CODES)
	{
		size_t		n = count - first < MANY_CODES ? count - first : MANY_CODES;

		quantize_kernels->dot_many[w] (query->values,
									   (const void *const *) codes + first,
									   offsetof(RabitqCode, levels),
									   query->dims, n, dots);
		for (size_t i = 0; i < n; i++)
			out[first + i] = finish(query, codes[first + i], dots[i]);
	}
}
