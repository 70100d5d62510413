/*
 * sparse_wire.c
 *	  sparse_wire_parse against a reading by bytes; what is accepted, sent
 *	  again, gives the same bytes, and printed as text gives the same vector.
 */
#include "fuzz.h"

#define MAX_DIMS	1000000000
#define MAX_NNZ		16000
#define SMALL_DIMS	9
#define SMALL_NNZ	3

static uint32_t
word(const uint8_t *msg, size_t i)
{
	uint32_t	w = 0;

	for (int b = 0; b < 4; b++)
		w = w * 256 + msg[i * 4 + (size_t) b];
	return w;
}

static ParseStatus
reference(const uint8_t *msg, size_t len, uint32_t max_dims, uint32_t max_nnz)
{
	uint32_t	dims;
	uint32_t	n;

	if (len < 12)
		return PARSE_TRUNCATED;
	dims = word(msg, 0);
	n = word(msg, 1);
	if (dims == 0 || dims > INT32_MAX)
		return PARSE_NO_DIMS;
	if (dims > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (n > INT32_MAX)
		return PARSE_NEGATIVE_COUNT;
	if (n > max_nnz)
		return PARSE_TOO_MANY_NONZERO;
	if (n > dims)
		return PARSE_MORE_THAN_DIMS;
	if (word(msg, 2) != 0)
		return PARSE_RESERVED;
	if (len < 12 + (uint64_t) n * 8)
		return PARSE_TRUNCATED;
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	index = word(msg, 3 + i);

		if (index >= dims)
			return PARSE_INDEX_BOUNDS;
		if (i > 0 && index == word(msg, 2 + i))
			return PARSE_INDEX_DUPLICATE;
		if (i > 0 && index < word(msg, 2 + i))
			return PARSE_INDEX_ORDER;
	}
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	bits = word(msg, 3 + n + i) & 0x7FFFFFFF;

		if (bits > 0x7F800000)
			return PARSE_NAN;
		if (bits == 0x7F800000)
			return PARSE_INFINITE;
		if (bits == 0)
			return PARSE_ZERO_VALUE;
	}
	return PARSE_OK;
}

static void
check(const uint8_t *msg, size_t len, int max_dims, int max_nnz)
{
	int32_t    *index = room((size_t) max_nnz * sizeof(int32_t));
	float	   *value = room((size_t) max_nnz * sizeof(float));
	int			nnz = -1;
	int			dims = -1;
	size_t		used = SIZE_MAX;
	ParseStatus status = sparse_wire_parse(msg, len, max_dims, max_nnz, index,
										   value, &nnz, &dims, &used);

	CHECK(status == reference(msg, len, (uint32_t) max_dims, (uint32_t) max_nnz));
	if (status == PARSE_OK)
	{
		size_t		n = (size_t) nnz;
		uint8_t    *again = room(n * 8);
		int32_t    *text_index = room(n * sizeof(int32_t));
		float	   *text_value = room(n * sizeof(float));
		int			text_nnz;
		int			text_dims;
		ParseToken	token;
		Printed		text = {NULL, 0, 0};

		CHECK(dims >= 1 && dims <= max_dims);
		CHECK(nnz >= 0 && nnz <= max_nnz && nnz <= dims);
		CHECK(used == 12 + n * 8 && used <= len);
		print(&text, "{");
		for (int i = 0; i < nnz; i++)
		{
			CHECK(index[i] >= 0 && index[i] < dims);
			CHECK(i == 0 || index[i] > index[i - 1]);
			CHECK(isfinite(value[i]) && value[i] != 0);
			print(&text, "%s%d:%.9g", i == 0 ? "" : ",", index[i] + 1,
				  (double) value[i]);
		}
		print(&text, "}/%d", dims);

		CHECK(sparse_text_parse(text.s, text.len, max_dims, nnz, text_index,
								text_value, &text_nnz, &text_dims,
								&token) == PARSE_OK);
		CHECK(text_nnz == nnz && text_dims == dims);
		if (nnz > 0)
		{
			wire_copy_u32(again, text_index, n);
			wire_copy_u32(again + n * 4, text_value, n);
			CHECK(memcmp(again, msg + 12, n * 8) == 0);
		}
		free(text.s);
		free(text_value);
		free(text_index);
		free(again);
	}
	free(value);
	free(index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *msg = room(size);

	if (size > 0)
		memcpy(msg, data, size);
	check(msg, size, MAX_DIMS, MAX_NNZ);
	check(msg, size, SMALL_DIMS, SMALL_NNZ);
	free(msg);
	return 0;
}
