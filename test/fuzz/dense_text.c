/*
 * dense_text.c
 *	  dense_text_parse, with LIMIT (run.sh sets it) as for float32 or float16,
 *	  against a parser made of strtof and strspn.
 */
#include "fuzz.h"

#define MAX_DIMS	16000
#define SMALL_DIMS	3

static ParseStatus
reference(const char *s, size_t len, int max_dims, float *out, int *dims,
		  const char **at, size_t *at_len)
{
	const char *p = reference_space(s);
	int			n = 0;

	if (*p != '[')
		return PARSE_NO_OPENING;
	p++;
	if (*reference_space(p) == ']')
		return PARSE_NO_DIMS;
	do
	{
		ParseStatus status;
		const char *next;
		float		v;

		if (n == max_dims)
			return PARSE_TOO_MANY_DIMS;
		p = reference_space(p);
		next = reference_number(p, LIMIT, &v, &status);
		if (next == NULL)
			return PARSE_SYNTAX;
		*at = p;
		*at_len = (size_t) (next - p);
		if (status != PARSE_OK)
			return status;
		out[n++] = v;
		p = reference_space(next);
	} while (*p++ == ',');
	if (p[-1] != ']')
		return PARSE_SYNTAX;
	if (reference_space(p) != s + len)
		return PARSE_JUNK;
	*dims = n;
	return PARSE_OK;
}

static void
check(const char *s, size_t len, int max_dims)
{
	float	   *out = room((size_t) max_dims * sizeof(float));
	float	   *expected = room((size_t) max_dims * sizeof(float));
	int			dims = -1;
	int			expected_dims = -1;
	ParseToken	token = {NULL, 0};
	const char *at = NULL;
	size_t		at_len = 0;
	ParseStatus status = dense_text_parse(s, len, LIMIT, max_dims, out, &dims,
										  &token);

	CHECK(status == reference(s, len, max_dims, expected, &expected_dims, &at,
							  &at_len));
	if (status == PARSE_OUT_OF_RANGE)
		CHECK(token.start == at && token.len == at_len);
	else
		CHECK(token.start == NULL);

	if (status == PARSE_OK)
	{
		Printed		text = {NULL, 0, 0};
		float	   *again = room((size_t) dims * sizeof(float));
		int			again_dims;

		CHECK(dims >= 1 && dims <= max_dims);
		CHECK(dims == expected_dims);
		CHECK(memcmp(out, expected, (size_t) dims * sizeof(float)) == 0);
		for (int i = 0; i < dims; i++)
		{
			CHECK(isfinite(out[i]) && fabsf(out[i]) < LIMIT);
			print(&text, "%c%.9g", i == 0 ? '[' : ',', (double) out[i]);
		}
		print(&text, "]");

		CHECK(dense_text_parse(text.s, text.len, LIMIT, dims, again,
							   &again_dims, &token) == PARSE_OK);
		CHECK(again_dims == dims);
		CHECK(memcmp(again, out, (size_t) dims * sizeof(float)) == 0);
		free(again);
		free(text.s);
	}
	free(expected);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *s = text_copy(data, size);

	check(s, size, MAX_DIMS);
	check(s, size, SMALL_DIMS);
	free(s);
	return 0;
}
