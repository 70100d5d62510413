/*
 * decimal.c
 *	  Decimal to float32, correctly rounded: the tables, and every number that
 *	  the fast half (decimal.h) does not take.
 *
 * Two ways: the inlined one for decimals of up to 19 digits, and strtof for longer
 * ones, for what is not decimal (inf, nan, hexadecimal), for results that are
 * denormal or beyond float32, and for decimals too near the midpoint of two floats
 * (about one in sixty million of random ones).
 */
#include <math.h>
#include <stdlib.h>

#include "math/text/decimal.h"
#include "math/text/space.h"
#include "math/text/text.h"

const double decimal_powers[DECIMAL_MAX_POWER - DECIMAL_MIN_POWER + 1] = {
	1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52,
	1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46,
	1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40,
	1e-39, 1e-38, 1e-37, 1e-36, 1e-35, 1e-34,
	1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28,
	1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22,
	1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16,
	1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10,
	1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4,
	1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2,
	1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
	1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
	1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
	1e21, 1e22, 1e23, 1e24, 1e25, 1e26,
	1e27, 1e28, 1e29, 1e30, 1e31, 1e32,
	1e33, 1e34, 1e35, 1e36, 1e37, 1e38
};

const uint64_t decimal_small_powers[8] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000
};

const char *
decimal_rest(const char *s, float *value, int *overflow)
{
	char	   *stop;

	if (text_is_space(*s))
		return NULL;

	*value = strtof(s, &stop);
	if (stop == s)
		return NULL;

	/* An infinity that is not spelled out is an overflow */
	if (*s == '-' || *s == '+')
		s++;
	*overflow = isinf(*value) && (*s == '.' || decimal_is_digit(*s));
	return stop;
}

const char *
decimal_exponent(const char *p, int64_t *k)
{
	/* Far beyond the length of any text, far below overflow */
	const int64_t enough = INT64_C(1000000000000000);
	const char *q = p + 1;
	int			down = (*q == '-');
	int64_t		exponent = 0;

	if (*q == '-' || *q == '+')
		q++;

	/* Without a digit behind it, an e does not belong to the number */
	if (!decimal_is_digit(*q))
		return p;

	for (; decimal_is_digit(*q); q++)
	{
		if (exponent < enough)
			exponent = exponent * 10 + (*q - '0');
	}
	*k += down ? -exponent : exponent;
	return q;
}

const char *
decimal_to_float(const char *s, const char *end, float *value, int *overflow)
{
	const char *next = decimal_fast(s, end, value);

	if (next == NULL)
		return decimal_rest(s, value, overflow);

	*overflow = 0;
	return next;
}
