/*
 * scalar.c
 *	  The distance kernels in plain C: the specification of the others.
 *
 * One addition after another in the order of the elements, in float32, without
 * anything a processor may or may not have; the table that runs anywhere.
 * Nothing here is tuned, so that it can be checked by reading.
 *
 * Half precision arrays have the same loops, behind half_to_float.
 */
#include "tables.h"

#include <math.h>
#include <string.h>

static inline float
widen_f32(float x)
{
	return x;
}

static inline float
widen_f16(half x)
{
	return half_to_float(x);
}

/*
 * The loops over two arrays whose elements have the types A and B; wide_a and
 * wide_b turn an element into a float.
 */
#define PAIR_KERNELS(prefix, A, wide_a, B, wide_b) \
static float \
prefix##_l2sq(const A *a, const B *b, size_t n) \
{ \
	float		sum = 0; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		float		diff = wide_a(a[i]) - wide_b(b[i]); \
\
		sum += diff * diff; \
	} \
	return sum; \
} \
\
static float \
prefix##_ip(const A *a, const B *b, size_t n) \
{ \
	float		sum = 0; \
\
	for (size_t i = 0; i < n; i++) \
		sum += wide_a(a[i]) * wide_b(b[i]); \
	return sum; \
}

#define OTHER_PAIR_KERNELS(prefix, A, wide_a, B, wide_b) \
static float \
prefix##_l1(const A *a, const B *b, size_t n) \
{ \
	float		sum = 0; \
\
	for (size_t i = 0; i < n; i++) \
		sum += fabsf(wide_a(a[i]) - wide_b(b[i])); \
	return sum; \
} \
\
static CosineSums \
prefix##_cosine(const A *a, const B *b, size_t n) \
{ \
	CosineSums	sums = {0, 0, 0}; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		float		x = wide_a(a[i]); \
		float		y = wide_b(b[i]); \
\
		sums.ab += x * y; \
		sums.aa += x * x; \
		sums.bb += y * y; \
	} \
	return sums; \
}

/* The sum of squares of one array, in double: no square overflows there */
#define NORM2_KERNEL(prefix, A, wide_a) \
static double \
prefix##_norm2(const A *a, size_t n) \
{ \
	double		sum = 0; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		double		x = wide_a(a[i]); \
\
		sum += x * x; \
	} \
	return sum; \
}

PAIR_KERNELS(f32, float, widen_f32, float, widen_f32)
OTHER_PAIR_KERNELS(f32, float, widen_f32, float, widen_f32)
PAIR_KERNELS(f16, half, widen_f16, half, widen_f16)
OTHER_PAIR_KERNELS(f16, half, widen_f16, half, widen_f16)
PAIR_KERNELS(mixed, float, widen_f32, half, widen_f16)

NORM2_KERNEL(f32, float, widen_f32)
NORM2_KERNEL(f16, half, widen_f16)

static void
f32_ip_many(const float *q, const float *rows, size_t n, size_t stride,
			size_t count, float *out)
{
	for (size_t r = 0; r < count; r++)
		out[r] = f32_ip(q, rows + r * stride, n);
}

/* Bits set in one byte */
static inline unsigned int
count_bits(unsigned int byte)
{
	return (unsigned int) __builtin_popcount(byte);
}

static uint64_t
bit_hamming(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t	sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += count_bits(a[i] ^ b[i]);
	return sum;
}

static void
bit_jaccard(const uint8_t *a, const uint8_t *b, size_t n, uint64_t *both,
			uint64_t *either)
{
	*both = 0;
	*either = 0;
	for (size_t i = 0; i < n; i++)
	{
		*both += count_bits(a[i] & b[i]);
		*either += count_bits(a[i] | b[i]);
	}
}

static void
f16_to_f32(const half *src, float *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = half_to_float(src[i]);
}

static void
f32_to_f16(const float *src, half *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = float_to_half(src[i]);
}

const DistanceKernels distance_scalar = DISTANCE_TABLE("scalar");
