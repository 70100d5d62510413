/*
 * dense_text.c
 *	  "[1, 2.5, -3e0]" to an array of float32.
 *
 *	text	= space* "[" space* number (space* "," space* number)* space* "]"
 *			  space*
 *
 * One pass from left to right; the first thing wrong is what is reported.  At
 * every step s <= p <= s + len: p passes only characters that are not the '\0'
 * at s[len].  A '\0' ahead of s[len] fits nowhere in the grammar.
 */
#include <math.h>

#include "math/text/decimal.h"
#include "math/text/space.h"
#include "math/text/text.h"

/*
 * Any number at p, with the reason if it cannot be an element.  Kept out of the
 * loop, whose registers it would take.
 */
static __attribute__((noinline)) ParseStatus
read_unusual(const char *p, float limit, float *value, const char **next,
			 ParseToken *token)
{
	int			overflow;

	*next = decimal_rest(p, value, &overflow);
	if (*next == NULL)
		return PARSE_SYNTAX;

	if (overflow || (isfinite(*value) && fabsf(*value) >= limit))
	{
		token->start = p;
		token->len = (size_t) (*next - p);
		return PARSE_OUT_OF_RANGE;
	}
	if (isnan(*value))
		return PARSE_NAN;
	if (isinf(*value))
		return PARSE_INFINITE;
	return PARSE_OK;
}

ParseStatus
dense_text_parse(const char *s, size_t len, float limit, int max_dims,
				 float *out, int *dims, ParseToken *token)
{
	const char *p = text_skip_space(s);
	const char *end = s + len;
	int			n = 0;

	if (*p != '[')
		return PARSE_NO_OPENING;
	p = text_skip_space(p + 1);
	if (*p == ']')
		return PARSE_NO_DIMS;

	for (;;)
	{
		const char *next;

		if (n >= max_dims)
			return PARSE_TOO_MANY_DIMS;

		p = text_skip_space(p);
		next = decimal_fast(p, end, &out[n]);
		if (next == NULL || !(fabsf(out[n]) < limit))
		{
			ParseStatus status;

			status = read_unusual(p, limit, &out[n], &next, token);
			if (status != PARSE_OK)
				return status;
		}
		n++;

		if (*next != ',')
		{
			next = text_skip_space(next);
			if (*next == ']')
			{
				p = next;
				break;
			}
			if (*next != ',')
				return PARSE_SYNTAX;
		}
		p = next + 1;
	}

	p = text_skip_space(p + 1);
	if (p != end)
		return PARSE_JUNK;

	*dims = n;
	return PARSE_OK;
}
