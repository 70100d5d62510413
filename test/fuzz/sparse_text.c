/*
 * sparse_text.c
 *	  sparse_text_parse against a parser made of strtof, strtoll and a table of
 *	  what was read.
 */
#include "fuzz.h"

#include <errno.h>

#define MAX_DIMS	1000000000
#define MAX_NNZ		16000
#define SMALL_DIMS	9
#define SMALL_NNZ	3

typedef struct Entry
{
	long long	index;			/* 1-based, saturated */
	float		value;
} Entry;

/* strtoll skips white space; digits and one sign are all that may be there */
static const char *
reference_integer(const char *p, long long *value)
{
	size_t		sign = strspn(p, "+-");
	char	   *stop;

	if (sign > 1 || strspn(p + sign, "0123456789") == 0)
		return NULL;
	*value = strtoll(p, &stop, 10);
	return stop;
}

static int
compare_entries(const void *a, const void *b)
{
	long long	x = ((const Entry *) a)->index;
	long long	y = ((const Entry *) b)->index;

	return (x > y) - (x < y);
}

/* entries has room for one per two characters; all of them are kept here */
static ParseStatus
reference(const char *s, size_t len, int max_dims, int max_nnz, Entry *entries,
		  int *nnz, long long *dims)
{
	const char *p = reference_space(s);
	int			all = 0;
	int			kept = 0;

	if (*p != '{')
		return PARSE_NO_OPENING;
	p = reference_space(p + 1);
	if (*p == '}')
		p++;
	else
	{
		do
		{
			const char *number;
			ParseStatus status;

			p = reference_integer(reference_space(p), &entries[all].index);
			if (p == NULL)
				return PARSE_SYNTAX;
			p = reference_space(p);
			if (*p != ':')
				return PARSE_SYNTAX;
			number = reference_space(p + 1);
			p = reference_number(number, INFINITY, &entries[all].value, &status);
			if (p == NULL)
				return PARSE_SYNTAX;
			if (status != PARSE_OK)
				return status;
			errno = 0;
			if (strtof(number, NULL) == 0 && errno == ERANGE)
				return PARSE_OUT_OF_RANGE;
			if (entries[all++].value != 0 && ++kept > max_nnz)
				return PARSE_TOO_MANY_NONZERO;
			p = reference_space(p);
		} while (*p++ == ',');
		if (p[-1] != '}')
			return PARSE_SYNTAX;
	}
	p = reference_space(p);
	if (*p != '/')
		return PARSE_UNEXPECTED_END;
	p = reference_integer(reference_space(p + 1), dims);
	if (p == NULL)
		return PARSE_SYNTAX;
	if (reference_space(p) != s + len)
		return PARSE_JUNK;
	if (*dims > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (*dims < 1)
		return PARSE_NO_DIMS;

	kept = 0;
	for (int i = 0; i < all; i++)
	{
		if (entries[i].index < 1 || entries[i].index > *dims)
			return PARSE_INDEX_BOUNDS;
		if (entries[i].value != 0)
			entries[kept++] = entries[i];
	}
	qsort(entries, (size_t) kept, sizeof(Entry), compare_entries);
	for (int i = 1; i < kept; i++)
	{
		if (entries[i].index == entries[i - 1].index)
			return PARSE_INDEX_DUPLICATE;
	}
	*nnz = kept;
	return PARSE_OK;
}

static void
check(const char *s, size_t len, int max_dims, int max_nnz)
{
	int32_t    *index = room((size_t) max_nnz * sizeof(int32_t));
	float	   *value = room((size_t) max_nnz * sizeof(float));
	Entry	   *expected = room((len + 1) * sizeof(Entry));
	int			nnz = -1;
	int			dims = -1;
	int			expected_nnz = -1;
	long long	expected_dims = -1;
	ParseToken	token = {NULL, 0};
	ParseStatus status = sparse_text_parse(s, len, max_dims, max_nnz, index,
										   value, &nnz, &dims, &token);

	CHECK(status == reference(s, len, max_dims, max_nnz, expected,
							  &expected_nnz, &expected_dims));
	if (status == PARSE_OUT_OF_RANGE)
		CHECK(token.start > s && token.len > 0 &&
			  token.start + token.len <= s + len);

	if (status == PARSE_OK)
	{
		Printed		text = {NULL, 0, 0};
		int32_t    *again_index = room((size_t) nnz * sizeof(int32_t));
		float	   *again_value = room((size_t) nnz * sizeof(float));
		int			again_nnz;
		int			again_dims;

		CHECK(dims >= 1 && dims <= max_dims && dims == expected_dims);
		CHECK(nnz >= 0 && nnz <= max_nnz && nnz <= dims && nnz == expected_nnz);

		print(&text, "{");
		for (int i = 0; i < nnz; i++)
		{
			CHECK(index[i] >= 0 && index[i] < dims);
			CHECK(i == 0 || index[i] > index[i - 1]);
			CHECK(isfinite(value[i]) && value[i] != 0);
			CHECK(index[i] == expected[i].index - 1);
			CHECK(value[i] == expected[i].value);
			print(&text, "%s%d:%.9g", i == 0 ? "" : ",", index[i] + 1,
				  (double) value[i]);
		}
		print(&text, "}/%d", dims);

		CHECK(sparse_text_parse(text.s, text.len, dims, nnz, again_index,
								again_value, &again_nnz, &again_dims,
								&token) == PARSE_OK);
		CHECK(again_nnz == nnz && again_dims == dims);
		CHECK(nnz == 0 ||
			  (memcmp(again_index, index, (size_t) nnz * sizeof(int32_t)) == 0 &&
			   memcmp(again_value, value, (size_t) nnz * sizeof(float)) == 0));
		free(again_value);
		free(again_index);
		free(text.s);
	}
	free(expected);
	free(value);
	free(index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *s = text_copy(data, size);

	check(s, size, MAX_DIMS, MAX_NNZ);
	check(s, size, SMALL_DIMS, SMALL_NNZ);
	free(s);
	return 0;
}
