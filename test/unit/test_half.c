/*
 * test_half.c
 *	  half_to_float and float_to_half, the specification of the kernels'
 *	  conversions, against the definition of binary16.
 *
 * Expected values come from arithmetic in double (ldexp), not from shifting
 * bits about as the functions do.
 */
#include "bits.h"
#include "math/distance/distance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#define HALF_SIGN		0x8000
#define HALF_INFINITY	0x7c00
#define FLOAT_SIGN		0x80000000u

/*
 * The value of a half without its sign; for the infinity, the value that the
 * next exponent would have, 65536, from which rounding to it is decided.
 */
static double
magnitude_of(unsigned int h)
{
	unsigned int exponent = h >> 10;
	unsigned int mantissa = h & 0x3ff;

	if (exponent == 0)
		return ldexp(mantissa, -24);
	return ldexp(1024 + mantissa, (int) exponent - 25);
}

static void
test_widen_every_half(void **state)
{
	(void) state;
	for (unsigned int h = 0; h < HALF_INFINITY; h++)
	{
		float		want = (float) magnitude_of(h);

		assert_int_equal(bits_of(half_to_float((half) h)), bits_of(want));
		assert_int_equal(bits_of(half_to_float((half) (h | HALF_SIGN))),
						 bits_of(-want));
	}
	assert_true(half_to_float(HALF_INFINITY) == INFINITY);
	assert_true(half_to_float(HALF_INFINITY | HALF_SIGN) == -INFINITY);
}

static void
test_widen_nan(void **state)
{
	(void) state;
	for (unsigned int h = HALF_INFINITY + 1; h <= 0x7fff; h++)
	{
		uint32_t	want = 0x7fc00000u | (h & 0x3ffu) << 13;

		assert_int_equal(bits_of(half_to_float((half) h)), want);
		assert_int_equal(bits_of(half_to_float((half) (h | HALF_SIGN))),
						 want | FLOAT_SIGN);
	}
}

static void
check_narrow(double magnitude, unsigned int want)
{
	float		f = (float) magnitude;

	assert_true((double) f == magnitude);
	assert_int_equal(float_to_half(f), want);
	assert_int_equal(float_to_half(-f), want | HALF_SIGN);
}

/* Every half, the tie between it and the next, and floats beside both */
static void
test_narrow_ties(void **state)
{
	(void) state;
	for (unsigned int h = 0; h < HALF_INFINITY; h++)
	{
		double		value = magnitude_of(h);
		double		tie = (value + magnitude_of(h + 1)) / 2;
		float		tie_f = (float) tie;

		check_narrow(value, h);
		check_narrow(nextafterf((float) value, INFINITY), h);
		if (h > 0)
			check_narrow(nextafterf((float) value, 0), h);
		check_narrow(tie, h % 2 == 0 ? h : h + 1);
		check_narrow(nextafterf(tie_f, 0), h);
		check_narrow(nextafterf(tie_f, INFINITY), h + 1);
	}
}

static void
test_narrow_extremes(void **state)
{
	(void) state;
	check_narrow(0, 0);
	check_narrow(0x1p-149, 0);
	check_narrow(0x1p-126, 0);
	check_narrow(0x1p-25, 0);
	check_narrow(65519.99609375, 0x7bff);
	check_narrow(65520, HALF_INFINITY);
	check_narrow(65536, HALF_INFINITY);
	check_narrow(0x1.fffffep127, HALF_INFINITY);
	check_narrow(INFINITY, HALF_INFINITY);
}

/* A NaN becomes quiet and keeps the upper bits of its payload */
static void
test_narrow_nan(void **state)
{
	(void) state;
	for (uint32_t payload = 1; payload < 0x800000u; payload += 0x3ff)
	{
		uint32_t	want = 0x7e00u | payload >> 13;

		assert_int_equal(float_to_half(float_of(0x7f800000u | payload)), want);
		assert_int_equal(float_to_half(float_of(0xff800000u | payload)),
						 want | HALF_SIGN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widen_every_half),
		cmocka_unit_test(test_widen_nan),
		cmocka_unit_test(test_narrow_ties),
		cmocka_unit_test(test_narrow_extremes),
		cmocka_unit_test(test_narrow_nan),
	};

	return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
