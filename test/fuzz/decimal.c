/*
 * decimal.c
 *	  decimal_to_float against strtof: the same end, bits and overflow.
 */
#include <errno.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *s = text_copy(data, size);
	char	   *stop;
	float		expected;
	float		value = 0;
	int			overflow = -1;
	int			range;
	const char *next = decimal_to_float(s, s + size, &value, &overflow);

	errno = 0;
	expected = strtof(s, &stop);
	range = errno == ERANGE && isinf(expected);

	if (stop == s || reference_space(s) != s)
		CHECK(next == NULL);
	else
	{
		CHECK(next == stop);
		CHECK(next <= s + size);
		CHECK(!overflow == !range);
		CHECK(isnan(expected) ? isnan(value) :
			  memcmp(&value, &expected, sizeof(float)) == 0);

		/* Nine digits give it back */
		if (!isnan(value))
		{
			char		text[32];
			int			len = snprintf(text, sizeof(text), "%.9g", (double) value);
			float		again;

			next = decimal_to_float(text, text + len, &again, &overflow);
			CHECK(next == text + len);
			CHECK(!overflow);
			CHECK(memcmp(&again, &value, sizeof(float)) == 0);
		}
	}
	free(s);
	return 0;
}
