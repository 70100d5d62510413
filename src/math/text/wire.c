/*
 * wire.c
 *	  The binary forms of dense and sparse vectors, as in COPY ... BINARY.
 *
 * Everything is big endian and nothing is aligned.  A message is judged from
 * its start to its end: header, length, elements in the order they are stored.
 * Lengths are compared by dividing what is there, never by multiplying what is
 * claimed, so no count can overflow.
 *
 * The loops are written for the compiler's vectoriser on the baseline of each
 * architecture: no early exit, and no byte shuffle, which SSE2 has not.
 */
#include <math.h>
#include <string.h>

#include "math/text/text.h"

static inline uint16_t
swap16(uint16_t x)
{
#if __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
	x = (uint16_t) ((x >> 8) | (x << 8));
#endif
	return x;
}

/*
 * Between host and wire, either way; dst and src do not overlap.  Each word is
 * taken as two halves that change places, because that gcc vectorises with
 * SSE2 alone, while it turns any whole swap into the builtin, which it does not.
 */
void
wire_copy_u32(uint8_t *restrict dst, const void *restrict from, size_t n)
{
	const uint8_t *src = from;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	memcpy(dst, src, n * 4);
#else
	for (size_t i = 0; i < n; i++)
	{
		uint16_t	a;
		uint16_t	b;

		memcpy(&a, src + i * 4, 2);
		memcpy(&b, src + i * 4 + 2, 2);
		a = swap16(a);
		b = swap16(b);
		memcpy(dst + i * 4, &b, 2);
		memcpy(dst + i * 4 + 2, &a, 2);
	}
#endif
}

void
wire_copy_u16(uint8_t *restrict dst, const void *restrict from, size_t n)
{
	const uint8_t *src = from;

	for (size_t i = 0; i < n; i++)
	{
		uint16_t	x;

		memcpy(&x, src + i * 2, 2);
		x = swap16(x);
		memcpy(dst + i * 2, &x, 2);
	}
}

static int32_t
get_int32(const uint8_t *src)
{
	return (int32_t) ((uint32_t) src[0] << 24 | (uint32_t) src[1] << 16 |
					  (uint32_t) src[2] << 8 | (uint32_t) src[3]);
}

static int16_t
get_int16(const uint8_t *src)
{
	return (int16_t) (src[0] << 8 | src[1]);
}

/*
 * Header and length of a dense message whose elements have size bytes; *dims is
 * set if that is PARSE_OK.
 */
static ParseStatus
check_dense_header(const uint8_t *msg, size_t len, size_t size, int max_dims,
				   int *dims)
{
	int			n;

	if (len < 4)
		return PARSE_TRUNCATED;
	n = get_int16(msg);
	if (n < 1)
		return PARSE_NO_DIMS;
	if (n > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (get_int16(msg + 2) != 0)
		return PARSE_RESERVED;
	if ((len - 4) / size < (size_t) n)
		return PARSE_TRUNCATED;

	*dims = n;
	return PARSE_OK;
}

/*
 * What is wrong with the first of n floats of a width that is not finite.  Exponents
 * of all ones mean NaN or infinity; adding one to the exponent then carries into the
 * sign's place.
 */
#define CHECK_FINITE(width, infinity) \
static ParseStatus \
check_finite_##width(const uint8_t *values, size_t n) \
{ \
	const uint##width##_t largest = UINT##width##_MAX / 2; \
	uint##width##_t carry = 0; \
	uint##width##_t x; \
\
	for (size_t i = 0; i < n; i++) \
	{ \
		memcpy(&x, values + i * sizeof(x), sizeof(x)); \
		carry |= (uint##width##_t) ((x & largest) + (largest + 1 - (infinity))); \
	} \
	if (carry <= largest) \
		return PARSE_OK; \
	do \
	{ \
		memcpy(&x, values, sizeof(x)); \
		values += sizeof(x); \
	} while ((x & largest) < (infinity)); \
	return (x & largest) > (infinity) ? PARSE_NAN : PARSE_INFINITE; \
}

CHECK_FINITE(32, UINT32_C(0x7F800000))
CHECK_FINITE(16, 0x7C00)

ParseStatus
dense_wire_parse(const uint8_t *msg, size_t len, size_t size, int max_dims,
				 void *out, int *dims, size_t *used)
{
	int			n;
	ParseStatus status = check_dense_header(msg, len, size, max_dims, &n);

	if (status != PARSE_OK)
		return status;
	if (size == sizeof(float))
	{
		wire_copy_u32(out, msg + 4, (size_t) n);
		status = check_finite_32(out, (size_t) n);
	}
	else
	{
		wire_copy_u16(out, msg + 4, (size_t) n);
		status = check_finite_16(out, (size_t) n);
	}
	*dims = n;
	*used = 4 + (size_t) n * size;
	return status;
}

ParseStatus
sparse_wire_parse(const uint8_t *msg, size_t len, int max_dims, int max_nnz,
				  int32_t *index, float *value, int *nnz, int *dims,
				  size_t *used)
{
	int32_t		n_dims;
	int32_t		n;

	if (len < 12)
		return PARSE_TRUNCATED;
	n_dims = get_int32(msg);
	n = get_int32(msg + 4);
	if (n_dims < 1)
		return PARSE_NO_DIMS;
	if (n_dims > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (n < 0)
		return PARSE_NEGATIVE_COUNT;
	if (n > max_nnz)
		return PARSE_TOO_MANY_NONZERO;
	if (n > n_dims)
		return PARSE_MORE_THAN_DIMS;
	if (get_int32(msg + 8) != 0)
		return PARSE_RESERVED;
	if ((len - 12) / 8 < (size_t) n)
		return PARSE_TRUNCATED;

	wire_copy_u32((uint8_t *) index, msg + 12, (size_t) n);
	wire_copy_u32((uint8_t *) value, msg + 12 + (size_t) n * 4, (size_t) n);

	for (int i = 0; i < n; i++)
	{
		if (index[i] < 0 || index[i] >= n_dims)
			return PARSE_INDEX_BOUNDS;
		if (i > 0 && index[i] == index[i - 1])
			return PARSE_INDEX_DUPLICATE;
		if (i > 0 && index[i] < index[i - 1])
			return PARSE_INDEX_ORDER;
	}
	for (int i = 0; i < n; i++)
	{
		if (isnan(value[i]))
			return PARSE_NAN;
		if (isinf(value[i]))
			return PARSE_INFINITE;
		if (value[i] == 0)
			return PARSE_ZERO_VALUE;
	}

	*nnz = n;
	*dims = n_dims;
	*used = 12 + (size_t) n * 8;
	return PARSE_OK;
}
