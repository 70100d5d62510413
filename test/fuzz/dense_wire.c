/*
 * dense_wire.c
 *	  dense_wire_parse of float32 or, with HALF (run.sh sets it), of float16.
 *
 * What is accepted, sent again, gives the same bytes; what is not is refused
 * for the reason that a byte by byte reading finds first.
 */
#include "fuzz.h"

#ifdef HALF
#define PUT			wire_copy_u16
#define SIZE		2
#define EXPONENT	0x7C00
#define FRACTION	0x03FF
typedef half Element;
#else
#define PUT			wire_copy_u32
#define SIZE		4
#define EXPONENT	0x7F800000
#define FRACTION	0x007FFFFF
typedef float Element;
#endif

#define MAX_DIMS	16000
#define SMALL_DIMS	3

static ParseStatus
reference(const uint8_t *msg, size_t len, int max_dims)
{
	int			dims;

	if (len < 4)
		return PARSE_TRUNCATED;
	dims = msg[0] * 256 + msg[1];
	if (dims >= 32768 || dims == 0)
		return PARSE_NO_DIMS;
	if (dims > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (msg[2] != 0 || msg[3] != 0)
		return PARSE_RESERVED;
	if (len < 4 + (size_t) dims * SIZE)
		return PARSE_TRUNCATED;
	for (int i = 0; i < dims; i++)
	{
		uint32_t	bits = 0;

		for (int b = 0; b < SIZE; b++)
			bits = bits * 256 + msg[4 + i * SIZE + b];
		if ((bits & EXPONENT) == EXPONENT)
			return (bits & FRACTION) ? PARSE_NAN : PARSE_INFINITE;
	}
	return PARSE_OK;
}

static void
check(const uint8_t *msg, size_t len, int max_dims)
{
	Element    *out = room((size_t) max_dims * sizeof(Element));
	int			dims = -1;
	size_t		used = SIZE_MAX;
	ParseStatus status = dense_wire_parse(msg, len, SIZE, max_dims, out, &dims,
										  &used);

	CHECK(status == reference(msg, len, max_dims));
	if (status == PARSE_OK)
	{
		uint8_t    *again = room((size_t) dims * SIZE);

		CHECK(dims >= 1 && dims <= max_dims);
		CHECK(used == 4 + (size_t) dims * SIZE && used <= len);
#ifndef HALF
		for (int i = 0; i < dims; i++)
			CHECK(isfinite(out[i]));
#endif
		PUT(again, out, (size_t) dims);
		CHECK(memcmp(again, msg + 4, (size_t) dims * SIZE) == 0);
		free(again);
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *msg = room(size);

	if (size > 0)
		memcpy(msg, data, size);
	check(msg, size, MAX_DIMS);
	check(msg, size, SMALL_DIMS);
	free(msg);
	return 0;
}
