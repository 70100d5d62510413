/*
 * test_text.c
 *	  The text and binary forms of vectors: src/math/text.
 *
 * Decimals are compared bit by bit with strtof, which glibc rounds correctly.
 * Every text is parsed from an allocation of exactly its size, and elements go
 * to allocations of exactly the stated room, so that AddressSanitizer (SAN=1)
 * sees each read and write outside.  Random inputs come from fixed seeds.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"
#include "bits.h"
#include "math/text/text.h"

static uint64_t random_state;

/* splitmix64 */
static uint64_t
random_bits(void)
{
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Exactly len + 1 bytes, the last one '\0' */
static char *
exact_copy(const char *s, size_t len)
{
	char	   *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

/* ---------- decimal_to_float ---------- */

static long decimals_checked;

/* Same end, same bits, and overflow where strtof says so; s has len bytes */
static void
check_decimal_len(const char *s, size_t len)
{
	char	   *stop;
	float		expected;
	float		value = 0;
	int			overflow = 0;
	int			expected_overflow;
	const char *next;

	errno = 0;
	expected = strtof(s, &stop);
	expected_overflow = errno == ERANGE && isinf(expected);

	decimals_checked++;
	next = decimal_to_float(s, s + len, &value, &overflow);
	if (next == NULL)
		next = s;
	if (next != stop)
		fail_msg("\"%.60s\": %td characters read, strtof reads %td",
				 s, next - s, stop - s);
	if (stop == s)
		return;
	if (bits_of(value) != bits_of(expected) &&
		!(isnan(value) && isnan(expected)))
		fail_msg("\"%.60s\": %a, strtof says %a", s, (double) value,
				 (double) expected);
	if (!overflow != !expected_overflow)
		fail_msg("\"%.60s\": overflow is %d", s, overflow);
}

/* The number alone, then with more behind it, so that every path reads it */
static void
check_decimal(const char *s)
{
	static const char *const behind[] = {
		"", ",", "]", " ,", ",0.25,-0.125,0.375,0.4375]", "e", "e+", "E-x",
		"x", "f", ".", ".5", ":", "}/5", "\xC3\xA9", "/////////////////////",
		",:::::::::::::::::::::::::::::"
	};
	size_t		len = strlen(s);

	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
	{
		size_t		more = strlen(behind[i]);
		char	   *text = malloc(len + more + 1);

		assert_non_null(text);
		memcpy(text, s, len);
		memcpy(text + len, behind[i], more + 1);
		check_decimal_len(text, len + more);
		free(text);
	}
}

static void
test_decimal_forms(void **state)
{
	static const char *const forms[] = {
		"0", "-0", "+0", "0.0", "-0.0", "00", "000.000", ".0", "-.0", "0.",
		"1", "-1", "+1", "1.", "5.", ".5", "-.5", "+.5", "0.5", "00.5",
		"1e", "1e+", "1e-", "1E", "1e5", "1E5", "1e+5", "1e-5", "1e05", "1.e5",
		".5e1", "1e5.5", "1ee5", "1e 5", "1e+-5", "1.5.5", "1..5",
		"-.", "+.", ".", "-", "+", "--1", "+-1", "-+1", "- 1", "e5", ".e5",
		"", "a", ",", "]", "_1", "1_000", "1,5",
		"0x1p3", "0X1P3", "-0x1.8p1", "0x", "0xg", "0x.8", "0x1p", "00x1",
		"0x1p999", "0x1p-999", "0x0p0", "+0x10", "1x1", "0e5x", "0.x1",
		"0x1.fffffep127", "0x1.ffffffp127", "-0x1p128",
		"inf", "INF", "-inf", "+inf", "infinity", "-Infinity", "infinit",
		"infx", "in", "nan", "NaN", "-nan", "+nan", "nan(7)", "nan()", "nan(",
		"nan(7", "nan(_x1)", "nan(-)", "na",
		"1e400", "-1e400", "1e-400", "-1e-400", "1e38", "1e39", "3e38", "4e38",
		"-4e38", "1e-37", "1e-38", "1e-45", "1e-46", "-1e-46", "1e-323",
		"0e400", "-0e400", "0e-400", "0.0e99999999999999999999",
		"1e99999999999999999999", "1e-99999999999999999999",
		"1e18446744073709551617", "1e-18446744073709551615",
		"1e9223372036854775807", "1e-9223372036854775808",
		"1e2147483648", "1e-2147483649", "1e4294967296",
		"0.1", "0.2", "0.3", "0.7", "1.1", "123456789", "16777216", "16777217",
		"16777218", "16777219", "33554434", "33554435", "9007199254740993",
		"340282346638528859811704183484516925440",
		"340282350000000000000000000000000000000", "3.4028235e38",
		"3.4028234e38", "3.40282346638528859e38", "3.40282347e+38",
		"340282356779733661637539395458142568447",
		"340282356779733661637539395458142568448",
		"340282356779733661637539395458142568449",
		"3.4028235677973366e38", "3.40282356779733661e38",
		"3.40282356779733662e38", "3.4028236e38",
		"1.17549435e-38", "1.1754943508222875e-38", "1.17549421e-38",
		"1.175494350822287507968736537222245677818665556772087521508751706"
		"2784172594547271728515625e-38",
		"1.17549428e-38", "1.175494280757364291727882991035766513322858992"
		"7589904276829631184250030649651730385585324256680905818939208984375"
		"e-38",
		"1.401298464324817070923729583289916131280e-45", "7.006492e-46",
		"7.0064923216240853546186479164495806564013097093825788587853e-46",
		"7.00649232162408535461864791644958065640130970938257885878534141944"
		"89554134293e-46",
		"7.0064923216240854e-46", "7.0064923216240853e-46",
		"1234567890123456789", "9999999999999999999", "18446744073709551615",
		"18446744073709551616", "18446744073709551617", "12345678901234567890",
		"99999999999999999999", "9223372036854775807", "9223372036854775808",
		"0.1234567", "0.12345678", "0.123456789", "-0.1234567", "-0.12345678",
		"-0.123456789", "0.123456789012345", "0.1234567890123456",
		"0.12345678901234567", "-0.123456789012345", "-0.1234567890123456",
		"-0.12345678901234567", "0.012345678901234567",
		"0.0012345678901234567", "0.00000000000000000000000000012345",
		"-0.00000000000000000000000000012345678901234567891",
		"12345678.12345678", "1234567.1234567", "123456789.123456789",
		"00000000000000000000000000000000001.5",
		"0000000000000000000000.0000000000000000000.5",
		"0.0000000000000000000000000000000000000000000000000001e52",
		"100000000000000000000000000000000000000000000000000000e-53",
		"1e22", "1e23", "8.5e22", "1e-22", "1e-23", "1e-57", "1e-58",
		"9999999999999999999e-57", "9999999999999999999e-58",
		"1234567890123456789e-50", "1234567890123456789e19",
		"1234567890123456789e20", "1234567890123456789e21",
		"0.1234567:", "0.123456/", "0.1234567\x80", "0.\xB0\xB1\xB2\xB3"
	};

	(void) state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		check_decimal(forms[i]);

	/* What strtof would skip is no number for us */
	for (const char *c = " \t\n\v\f\r"; *c != '\0'; c++)
	{
		char		text[3] = {*c, '1', '\0'};
		float		value;
		int			overflow;

		assert_null(decimal_to_float(text, text + 2, &value, &overflow));
	}
}

/* A byte of any kind behind, and at every place within, digits */
static void
test_decimal_every_byte(void **state)
{
	(void) state;
	for (int c = 1; c < 256; c++)
	{
		for (size_t at = 0; at < 20; at++)
		{
			char		text[32] = "0.123456789012345678,";
			char	   *copy;

			if (at == 0 && strchr(" \t\n\v\f\r", c) != NULL)
				continue;
			text[at] = (char) c;
			copy = exact_copy(text, strlen(text));
			check_decimal_len(copy, strlen(text));
			free(copy);
		}
	}
}

/* Every number of digits ahead of and behind the point, with and without - */
static void
test_decimal_lengths(void **state)
{
	random_state = 1;
	(void) state;
	for (int before = 0; before <= 45; before++)
	{
		for (int behind = 0; behind <= 45; behind++)
		{
			for (int kind = 0; kind < 8; kind++)
			{
				char		text[120];
				int			n = 0;

				if (kind & 1)
					text[n++] = '-';
				for (int i = 0; i < before; i++)
					text[n++] = kind & 2 ? '0' : (char) ('0' + random_bits() % 10);
				text[n++] = '.';
				for (int i = 0; i < behind; i++)
					text[n++] = (kind & 4) && i + 3 < behind ? '0' :
						(char) ('0' + random_bits() % 10);
				text[n] = '\0';
				check_decimal(text);
				text[n++] = 'e';
				n += sprintf(text + n, "%d", (int) (random_bits() % 80) - 40);
				check_decimal(text);
			}
		}
	}
}

#ifndef RANDOM_DECIMALS
#define RANDOM_DECIMALS CASES(3000000)
#endif

static void
check_printed(const char *format, int digits, double d)
{
	char		text[64];
	int			len = snprintf(text, sizeof(text), format, digits, d);

	check_decimal_len(text, (size_t) len);
}

/* Every float32 bit pattern is as likely as any other */
static void
test_decimal_random_floats(void **state)
{
	(void) state;
	random_state = 2;
	for (int i = 0; i < RANDOM_DECIMALS; i++)
	{
		float		f = float_of((uint32_t) random_bits());
		char		text[64];
		int			len;
		float		value;
		int			overflow;

		/* Nine digits give the float back */
		len = snprintf(text, sizeof(text), "%.9g", (double) f);
		check_decimal_len(text, (size_t) len);
		if (!isnan(f))
		{
			decimal_to_float(text, text + len, &value, &overflow);
			assert_int_equal(bits_of(value), bits_of(f));
		}

		check_printed("%.*g", 6, (double) f);
	}
}

/* Random doubles whose exponents cover float32's and a little more */
static void
test_decimal_random_doubles(void **state)
{
	(void) state;
	random_state = 3;
	for (int i = 0; i < RANDOM_DECIMALS; i++)
	{
		uint64_t	bits = random_bits();
		int			exponent = (int) (random_bits() % 290) - 155;

		check_printed("%.*g", 17, ldexp((double) (int64_t) bits, exponent - 63));
	}
}

/* Embeddings as they are usually written; the path that is most in use */
static void
test_decimal_random_embeddings(void **state)
{
	(void) state;
	random_state = 4;
	for (int i = 0; i < RANDOM_DECIMALS / 10; i++)
	{
		double		d = ((double) (random_bits() >> 11) * 0x1p-53 - 0.5) * 4;
		char		text[128];
		int			len;

		len = snprintf(text, sizeof(text), "%.*f,%.*f]",
					   (int) (random_bits() % 24), d,
					   (int) (random_bits() % 24), -d);
		check_decimal_len(text, (size_t) len);
		len = snprintf(text, sizeof(text), "%.*e,%.9g",
					   (int) (random_bits() % 24), d, d);
		check_decimal_len(text, (size_t) len);
	}
}

/*
 * A float's upper midpoint is exact in double, and %.150e writes it out in
 * full: 2^-150 and its odd multiples below 2^24 have at most 112 digits.
 */
static void
check_midpoint(uint32_t bits)
{
	double		f = (double) float_of(bits);
	double		next = bits == 0x7F7FFFFF ? 0x1p128 :
		(double) float_of(bits + 1);
	double		middle = f + (next - f) / 2;
	char		text[600];
	char	   *e;
	char		exponent[16];
	size_t		digits;

	for (int sign = 0; sign < 2; sign++)
	{
		snprintf(text, sizeof(text), "%.150e", sign ? -middle : middle);
		e = strchr(text, 'e');
		strcpy(exponent, e);
		digits = (size_t) (e - text);
		check_decimal_len(text, strlen(text));

		/* A tail far behind what fits 19 digits, or 64 bits, or a double */
		strcpy(text + digits, "00000000000000000000000000000000000000000001");
		strcat(text, exponent);
		check_decimal_len(text, strlen(text));

		/* A little less: the last digit that is not 0 becomes smaller */
		strcpy(text + digits, "999");
		for (size_t i = digits - 1;; i--)
		{
			if (text[i] == '0')
				text[i] = '9';
			else if (text[i] != '.')
			{
				text[i]--;
				break;
			}
		}
		strcat(text, exponent);
		check_decimal_len(text, strlen(text));

		/* As near as 15 to 21 digits come, from either side */
		for (int places = 14; places <= 20; places++)
		{
			snprintf(text, sizeof(text), "%.*e", places, sign ? -middle : middle);
			check_decimal_len(text, strlen(text));
			e = strchr(text, 'e');
			e[-1] = e[-1] == '9' ? '8' : (char) (e[-1] + 1);
			check_decimal_len(text, strlen(text));
			e[-1] = e[-1] <= '1' ? '3' : (char) (e[-1] - 2);
			check_decimal_len(text, strlen(text));
		}

		/* Without an exponent */
		snprintf(text, sizeof(text), "%.200f", sign ? -middle : middle);
		check_decimal_len(text, strlen(text));
	}
}

static void
test_decimal_midpoints(void **state)
{
	(void) state;
	random_state = 5;
	for (int i = 0; i < 20000; i++)
		check_midpoint((uint32_t) random_bits() % UINT32_C(0x7F800000));

	/* Around each power of two, denormal ones included */
	for (uint32_t e = 0; e < 255; e++)
	{
		for (uint32_t i = 0; i < 4; i++)
		{
			check_midpoint((e << 23) + i);
			if (e > 0)
				check_midpoint((e << 23) - 1 - i);
		}
	}
	for (uint32_t i = 0; i < 23; i++)
	{
		check_midpoint(UINT32_C(1) << i);
		check_midpoint((UINT32_C(1) << i) - 1);
	}

	/* Integers above 2^24, where midpoints are short */
	for (uint64_t i = (UINT64_C(1) << 24) - 100; i < (UINT64_C(1) << 24) + 2000; i++)
	{
		char		text[64];

		for (int shift = 0; shift < 40; shift += 13)
		{
			snprintf(text, sizeof(text), "%llu", (unsigned long long) (i << shift));
			check_decimal_len(text, strlen(text));
			snprintf(text, sizeof(text), "%llu.000000000000001",
					 (unsigned long long) (i << shift));
			check_decimal_len(text, strlen(text));
		}
	}
}

/* The ends of the range: denormals and the smallest, the largest and beyond */
static void
test_decimal_boundaries(void **state)
{
	static const double centres[] = {
		0x1p-126, 0x1p-149, 0x1p-150, 0x1p-127, 0x1.fffffcp-127,
		0x1.fffffep127, 0x1.ffffffp127, 0x1p128
	};

	(void) state;
	for (size_t i = 0; i < sizeof(centres) / sizeof(centres[0]); i++)
	{
		double		d = centres[i];
		double		below = d;
		double		above = d;

		for (int step = 0; step < 200; step++)
		{
			for (int digits = 6; digits <= 25; digits++)
			{
				check_printed("%.*g", digits, above);
				check_printed("%.*g", digits, below);
				check_printed("%.*g", digits, -above);
			}
			above = nextafter(above, INFINITY);
			below = nextafter(below, 0);
		}
	}

	random_state = 6;
	for (int i = 0; i < 100000; i++)
	{
		float		f = float_of((uint32_t) random_bits() & 0x807FFFFF);

		check_printed("%.*g", (int) (random_bits() % 25) + 1, (double) f);
	}
}

static void
test_decimal_long(void **state)
{
	char		text[1300];

	(void) state;
	random_state = 7;
	for (int i = 0; i < 20000; i++)
	{
		int			len = 1 + (int) (random_bits() % 400);
		int			point = (int) (random_bits() % (uint64_t) (len + 1));
		int			zeros = (int) (random_bits() % (uint64_t) (len + 1));
		int			n = 0;

		if (random_bits() & 1)
			text[n++] = '-';
		if (random_bits() & 1)
			zeros = 0;
		for (int j = 0; j < len; j++)
		{
			if (j == point)
				text[n++] = '.';
			text[n++] = j < zeros ? '0' : (char) ('0' + random_bits() % 10);
		}
		text[n] = '\0';
		check_decimal_len(text, (size_t) n);

		/* The exponent brings it back to about 1, or to either end */
		n += sprintf(text + n, "e%d", (zeros > point ? zeros : 0) - point +
					 (int) (random_bits() % 100) - 50);
		check_decimal_len(text, (size_t) n);
	}

	for (int zeros = 1; zeros <= 400; zeros++)
	{
		int			n;

		n = sprintf(text, "0.%0*d", zeros, 0);
		n += sprintf(text + n, "16777217e%d", zeros + 8);
		check_decimal_len(text, (size_t) n);
		n = sprintf(text, "%0*d7.25", zeros, 0);
		check_decimal_len(text, (size_t) n);
		n = sprintf(text, "3%0*de-%d", zeros, 0, zeros);
		check_decimal_len(text, (size_t) n);
	}
}

/* ---------- dense text ---------- */

typedef struct DenseCase
{
	const char *text;
	ParseStatus status;
	int			dims;			/* if PARSE_OK */
	float		elements[6];
	const char *token;			/* if PARSE_OUT_OF_RANGE */
} DenseCase;

#define DENSE_ROOM 6

static void
check_dense(const DenseCase *c, float limit)
{
	size_t		len = strlen(c->text);
	char	   *text = exact_copy(c->text, len);
	float	   *out = malloc(DENSE_ROOM * sizeof(float));
	int			dims = -1;
	ParseToken	token = {NULL, 0};
	ParseStatus status;

	status = dense_text_parse(text, len, limit, DENSE_ROOM, out, &dims, &token);
	if (status != c->status)
		fail_msg("\"%s\": status %d instead of %d", c->text, status, c->status);
	if (status == PARSE_OK)
	{
		assert_int_equal(dims, c->dims);
		for (int i = 0; i < dims; i++)
			assert_int_equal(bits_of(out[i]), bits_of(c->elements[i]));
	}
	if (status == PARSE_OUT_OF_RANGE)
	{
		assert_int_equal(token.len, strlen(c->token));
		assert_memory_equal(token.start, c->token, token.len);
		assert_true(token.start >= text && token.start + token.len <= text + len);
	}
	else
		assert_null(token.start);
	free(out);
	free(text);
}

static void
test_dense_text(void **state)
{
	static const DenseCase cases[] = {
		{"[1,2,3]", PARSE_OK, 3, {1, 2, 3}, NULL},
		{"[1]", PARSE_OK, 1, {1}, NULL},
		{"[-1,+2,-0,.5,5.,-.25]", PARSE_OK, 6, {-1, 2, -0.0f, 0.5f, 5, -0.25f}, NULL},
		{" \t\n\v\f\r[ \t\n\v\f\r1 \t\n\v\f\r, \t\n\v\f\r2.5 \t\n\v\f\r] \t\n\v\f\r",
		PARSE_OK, 2, {1, 2.5f}, NULL},
		{"[1e-46,1]", PARSE_OK, 2, {0, 1}, NULL},
		{"[-1e-46,1e-45]", PARSE_OK, 2, {-0.0f, 0x1p-149f}, NULL},
		{"[3.4028235e38,-3.4028235e38]", PARSE_OK, 2, {FLT_MAX, -FLT_MAX}, NULL},
		{"[0x1p3,1E1]", PARSE_OK, 2, {8, 10}, NULL},
		{"[1.2345678901234567890123456789,0.1]", PARSE_OK, 2, {1.23456789f, 0.1f}, NULL},
		{"[1,2,3,4,5,6]", PARSE_OK, 6, {1, 2, 3, 4, 5, 6}, NULL},

		{"", PARSE_NO_OPENING, 0, {0}, NULL},
		{" ", PARSE_NO_OPENING, 0, {0}, NULL},
		{"1,2]", PARSE_NO_OPENING, 0, {0}, NULL},
		{"]", PARSE_NO_OPENING, 0, {0}, NULL},
		{"{1}", PARSE_NO_OPENING, 0, {0}, NULL},
		{"a[1]", PARSE_NO_OPENING, 0, {0}, NULL},
		{"\xC2\xA0[1]", PARSE_NO_OPENING, 0, {0}, NULL},

		{"[]", PARSE_NO_DIMS, 0, {0}, NULL},
		{"[ ]", PARSE_NO_DIMS, 0, {0}, NULL},
		{" [ \n] ", PARSE_NO_DIMS, 0, {0}, NULL},
		{"[]9", PARSE_NO_DIMS, 0, {0}, NULL},

		{"[", PARSE_SYNTAX, 0, {0}, NULL},
		{"[ ", PARSE_SYNTAX, 0, {0}, NULL},
		{"[,", PARSE_SYNTAX, 0, {0}, NULL},
		{"[,]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1 ", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1,", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1,]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1, ]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1a]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[a]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1,,3]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1,2,3", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1 2]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1;2]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[[1]]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[-]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[- 1]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1e]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1..2]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[1}", PARSE_SYNTAX, 0, {0}, NULL},
		{"[.]", PARSE_SYNTAX, 0, {0}, NULL},
		{"[0.12345678", PARSE_SYNTAX, 0, {0}, NULL},
		{"[-0.12345678901234567", PARSE_SYNTAX, 0, {0}, NULL},

		{"[1,2,3]9", PARSE_JUNK, 0, {0}, NULL},
		{"[1]]", PARSE_JUNK, 0, {0}, NULL},
		{"[1],", PARSE_JUNK, 0, {0}, NULL},
		{"[1] a", PARSE_JUNK, 0, {0}, NULL},
		{"[1][2]", PARSE_JUNK, 0, {0}, NULL},

		{"[4e38,1]", PARSE_OUT_OF_RANGE, 0, {0}, "4e38"},
		{"[1, -4e38 ,1]", PARSE_OUT_OF_RANGE, 0, {0}, "-4e38"},
		{"[1e400]", PARSE_OUT_OF_RANGE, 0, {0}, "1e400"},
		{"[+1e39", PARSE_OUT_OF_RANGE, 0, {0}, "+1e39"},
		{"[0x1p128]", PARSE_OUT_OF_RANGE, 0, {0}, "0x1p128"},
		{"[.5e40]", PARSE_OUT_OF_RANGE, 0, {0}, ".5e40"},
		{"[1,3.5e38,nan]", PARSE_OUT_OF_RANGE, 0, {0}, "3.5e38"},

		{"[NaN,1]", PARSE_NAN, 0, {0}, NULL},
		{"[1,nan(7)]", PARSE_NAN, 0, {0}, NULL},
		{"[-nan", PARSE_NAN, 0, {0}, NULL},
		{"[nan,4e38]", PARSE_NAN, 0, {0}, NULL},
		{"[Infinity,1]", PARSE_INFINITE, 0, {0}, NULL},
		{"[1,-inf]", PARSE_INFINITE, 0, {0}, NULL},
		{"[+INF", PARSE_INFINITE, 0, {0}, NULL},

		{"[1,2,3,4,5,6,7]", PARSE_TOO_MANY_DIMS, 0, {0}, NULL},
		{"[1,2,3,4,5,6,", PARSE_TOO_MANY_DIMS, 0, {0}, NULL},
		{"[1,2,3,4,5,6,a", PARSE_TOO_MANY_DIMS, 0, {0}, NULL},
		{"[1,2,3,4,5,6,4e38]", PARSE_TOO_MANY_DIMS, 0, {0}, NULL}
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_dense(&cases[i], INFINITY);
}

static void
test_dense_text_limit(void **state)
{
	static const DenseCase cases[] = {
		{"[65519]", PARSE_OK, 1, {65519}, NULL},
		{"[-65519,1]", PARSE_OK, 2, {-65519, 1}, NULL},
		{"[65519.99]", PARSE_OK, 1, {65519.99f}, NULL},
		{"[1e-46]", PARSE_OK, 1, {0}, NULL},
		{"[65520]", PARSE_OUT_OF_RANGE, 0, {0}, "65520"},
		{"[1, -65520.0 ]", PARSE_OUT_OF_RANGE, 0, {0}, "-65520.0"},
		{"[4e38]", PARSE_OUT_OF_RANGE, 0, {0}, "4e38"},
		{"[-4e38]", PARSE_OUT_OF_RANGE, 0, {0}, "-4e38"},
		{"[1e5,nan]", PARSE_OUT_OF_RANGE, 0, {0}, "1e5"},
		{"[65520.000000000000000000000]", PARSE_OUT_OF_RANGE, 0, {0},
		"65520.000000000000000000000"},
		{"[Infinity]", PARSE_INFINITE, 0, {0}, NULL},
		{"[-inf]", PARSE_INFINITE, 0, {0}, NULL},
		{"[NaN]", PARSE_NAN, 0, {0}, NULL}
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_dense(&cases[i], 65520);
}

/* A '\0' within the stated length is a character like any that does not fit */
static void
test_dense_text_embedded_nul(void **state)
{
	static const struct
	{
		const char *text;
		size_t		len;
		ParseStatus status;
	}			cases[] = {
		{"\0[1]", 4, PARSE_NO_OPENING},
		{"[\0]", 3, PARSE_SYNTAX},
		{"[1\0]", 4, PARSE_SYNTAX},
		{"[1,\0]", 5, PARSE_SYNTAX},
		{"[1.5e\0]", 7, PARSE_SYNTAX},
		{"[1]\0", 4, PARSE_JUNK},
		{"[1]\0 ", 5, PARSE_JUNK}
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char	   *text = exact_copy(cases[i].text, cases[i].len);
		float		out[4];
		int			dims;
		ParseToken	token;

		assert_int_equal(dense_text_parse(text, cases[i].len, INFINITY, 4, out,
										  &dims, &token), cases[i].status);
		free(text);
	}
}

/* Text of random vectors comes back bit by bit, from every kind of printing */
static void
test_dense_text_round_trip(void **state)
{
	enum
	{
		MAX_DIMS = 300
	};
	static char text[MAX_DIMS * 64];
	float		in[MAX_DIMS];

	(void) state;
	random_state = 8;
	for (int round = 0; round < CASES(3000); round++)
	{
		int			n = 1 + (int) (random_bits() % MAX_DIMS);
		size_t		len = 0;
		char	   *copy;
		float	   *out = malloc((size_t) n * sizeof(float));
		int			dims;
		ParseToken	token;

		for (int i = 0; i < n; i++)
		{
			static const char *const formats[] = {"%.9g", "%.9g", " %.10g", "%.17g ", "%.12e", "%.60f"};
			uint64_t	r = random_bits();

			do
				in[i] = float_of((uint32_t) random_bits());
			while (!isfinite(in[i]));
			if (r & 256)
				in[i] = (float) (((double) (r >> 11) * 0x1p-53 - 0.5) * 0.4);

			text[len++] = i == 0 ? '[' : ',';
			len += (size_t) snprintf(text + len, 64,
									 formats[fabsf(in[i]) < 1e-3f || fabsf(in[i]) > 1 ?
											 r % 5 : r % 6],
									 (double) in[i]);
		}
		text[len++] = ']';

		copy = exact_copy(text, len);
		assert_int_equal(dense_text_parse(copy, len, INFINITY, n, out, &dims,
										  &token), PARSE_OK);
		assert_int_equal(dims, n);
		assert_memory_equal(out, in, (size_t) n * sizeof(float));

		/* One element less of room */
		out = realloc(out, (size_t) n * sizeof(float));
		assert_int_equal(dense_text_parse(copy, len, INFINITY, n - 1, out,
										  &dims, &token), PARSE_TOO_MANY_DIMS);

		/* Every beginning of a vector is malformed */
		for (int i = 0; i < 20; i++)
		{
			size_t		cut = (size_t) (random_bits() % len);
			char	   *part = exact_copy(copy, cut);

			assert_int_equal(dense_text_parse(part, cut, INFINITY, n, out,
											  &dims, &token),
							 cut == 0 ? PARSE_NO_OPENING : PARSE_SYNTAX);
			free(part);
		}
		free(out);
		free(copy);
	}
}

/* ---------- sparse text ---------- */

typedef struct SparseCase
{
	const char *text;
	ParseStatus status;
	int			dims;			/* if PARSE_OK */
	int			nnz;
	int32_t		index[4];
	float		value[4];
	const char *token;			/* if PARSE_OUT_OF_RANGE */
} SparseCase;

#define SPARSE_ROOM 4

static void
check_sparse(const SparseCase *c, int max_dims)
{
	size_t		len = strlen(c->text);
	char	   *text = exact_copy(c->text, len);
	int32_t    *index = malloc(SPARSE_ROOM * sizeof(int32_t));
	float	   *value = malloc(SPARSE_ROOM * sizeof(float));
	int			dims = -1;
	int			nnz = -1;
	ParseToken	token = {NULL, 0};
	ParseStatus status;

	status = sparse_text_parse(text, len, max_dims, SPARSE_ROOM, index, value,
							   &nnz, &dims, &token);
	if (status != c->status)
		fail_msg("\"%s\": status %d instead of %d", c->text, status, c->status);
	if (status == PARSE_OK)
	{
		assert_int_equal(dims, c->dims);
		assert_int_equal(nnz, c->nnz);
		for (int i = 0; i < nnz; i++)
		{
			assert_int_equal(index[i], c->index[i]);
			assert_int_equal(bits_of(value[i]), bits_of(c->value[i]));
		}
	}
	if (status == PARSE_OUT_OF_RANGE)
	{
		assert_int_equal(token.len, strlen(c->token));
		assert_memory_equal(token.start, c->token, token.len);
	}
	free(value);
	free(index);
	free(text);
}

static void
test_sparse_text(void **state)
{
#define GOOD(text, dims, nnz) {text, PARSE_OK, dims, nnz
#define BAD(text, status) {text, status, 0, 0, {0}, {0}, NULL}
	static const SparseCase cases[] = {
		GOOD("{}/5", 5, 0), {0}, {0}, NULL},
		GOOD(" { } / 5 ", 5, 0), {0}, {0}, NULL},
		GOOD("{1:1.5}/1", 1, 1), {0}, {1.5f}, NULL},
		GOOD("{1:1.5,3:3.5}/5", 5, 2), {0, 2}, {1.5f, 3.5f}, NULL},
		GOOD("{1:1.5, 3:3.5}/5", 5, 2), {0, 2}, {1.5f, 3.5f}, NULL},
		GOOD("\t{\n1\v:\f1.5\r, 3 : 3.5 } / 5\n", 5, 2), {0, 2}, {1.5f, 3.5f}, NULL},
		GOOD("{+1:1,02:2}/+3", 3, 2), {0, 1}, {1, 2}, NULL},
		GOOD("{5:5,1:1,3:3,2:2}/5", 5, 4), {0, 1, 2, 4}, {1, 2, 3, 5}, NULL},
		GOOD("{2:2,1:1}/2", 2, 2), {0, 1}, {1, 2}, NULL},
		GOOD("{1:0,2:-0,3:0e-46,4:-0.000e400,5:1}/5", 5, 1), {4}, {1}, NULL},
		GOOD("{1:0x0p1,2:1e-45,3:0E9}/3", 3, 1), {1}, {0x1p-149f}, NULL},
		GOOD("{1:0,1:0}/5", 5, 0), {0}, {0}, NULL},
		GOOD("{1:0,1:2}/5", 5, 1), {0}, {2}, NULL},
		GOOD("{1:1,2:2,3:3,4:4,5:0}/5", 5, 4), {0, 1, 2, 3}, {1, 2, 3, 4}, NULL},
		GOOD("{1000000000:1}/1000000000", 1000000000, 1), {999999999}, {1}, NULL},
		GOOD("{1:1}/0000000000000000000005", 5, 1), {0}, {1}, NULL},
		GOOD("{1:0x1p1}/5", 5, 1), {0}, {2}, NULL},

		BAD("", PARSE_NO_OPENING),
		BAD(" ", PARSE_NO_OPENING),
		BAD("1:1}/5", PARSE_NO_OPENING),
		BAD("[1]", PARSE_NO_OPENING),
		BAD("/5", PARSE_NO_OPENING),

		BAD("{", PARSE_SYNTAX),
		BAD("{ ", PARSE_SYNTAX),
		BAD("{,}/5", PARSE_SYNTAX),
		BAD("{1", PARSE_SYNTAX),
		BAD("{1:", PARSE_SYNTAX),
		BAD("{1:}/5", PARSE_SYNTAX),
		BAD("{1}/5", PARSE_SYNTAX),
		BAD("{1:1.5", PARSE_SYNTAX),
		BAD("{1:1.5 ", PARSE_SYNTAX),
		BAD("{1:1.5,", PARSE_SYNTAX),
		BAD("{1:1.5,}/5", PARSE_SYNTAX),
		BAD("{1:1.5,,2:1}/5", PARSE_SYNTAX),
		BAD("{1:1.5 2:1}/5", PARSE_SYNTAX),
		BAD("{a:1}/5", PARSE_SYNTAX),
		BAD("{:1}/5", PARSE_SYNTAX),
		BAD("{-:1}/5", PARSE_SYNTAX),
		BAD("{- 1:1}/5", PARSE_SYNTAX),
		BAD("{1.5:1}/5", PARSE_SYNTAX),
		BAD("{1e1:1}/50", PARSE_SYNTAX),
		BAD("{1:a}/5", PARSE_SYNTAX),
		BAD("{1:1a}/5", PARSE_SYNTAX),
		BAD("{1::1}/5", PARSE_SYNTAX),
		BAD("{1:1]/5", PARSE_SYNTAX),
		BAD("{}/", PARSE_SYNTAX),
		BAD("{}/ ", PARSE_SYNTAX),
		BAD("{}/a", PARSE_SYNTAX),
		BAD("{}/-", PARSE_SYNTAX),
		BAD("{}//5", PARSE_SYNTAX),

		BAD("{}", PARSE_UNEXPECTED_END),
		BAD("{} ", PARSE_UNEXPECTED_END),
		BAD("{1:1.5}", PARSE_UNEXPECTED_END),
		BAD("{1:1.5}5", PARSE_UNEXPECTED_END),
		BAD("{1:1.5}}/5", PARSE_UNEXPECTED_END),
		BAD("{9:1.5}", PARSE_UNEXPECTED_END),

		BAD("{1:1.5}/5a", PARSE_JUNK),
		BAD("{1:1.5}/5 a", PARSE_JUNK),
		BAD("{1:1.5}/5.0", PARSE_JUNK),
		BAD("{1:1.5}/5,", PARSE_JUNK),
		BAD("{}/0a", PARSE_JUNK),
		BAD("{9:1}/5/", PARSE_JUNK),

		BAD("{}/1000000001", PARSE_TOO_MANY_DIMS),
		BAD("{}/2147483647", PARSE_TOO_MANY_DIMS),
		BAD("{}/2147483648", PARSE_TOO_MANY_DIMS),
		BAD("{}/4294967297", PARSE_TOO_MANY_DIMS),
		BAD("{}/18446744073709551617", PARSE_TOO_MANY_DIMS),
		BAD("{}/99999999999999999999999999999999999", PARSE_TOO_MANY_DIMS),
		BAD("{0:1}/1000000001", PARSE_TOO_MANY_DIMS),

		BAD("{}/0", PARSE_NO_DIMS),
		BAD("{}/-0", PARSE_NO_DIMS),
		BAD("{}/-1", PARSE_NO_DIMS),
		BAD("{}/-4294967295", PARSE_NO_DIMS),
		BAD("{}/-99999999999999999999999999999999999", PARSE_NO_DIMS),
		BAD("{1:1}/0", PARSE_NO_DIMS),

		BAD("{0:1}/3", PARSE_INDEX_BOUNDS),
		BAD("{-1:1}/3", PARSE_INDEX_BOUNDS),
		BAD("{4:1}/3", PARSE_INDEX_BOUNDS),
		BAD("{2147483647:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{2147483648:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{4294967297:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{-4294967295:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{18446744073709551617:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{-2147483648:1}/5", PARSE_INDEX_BOUNDS),
		BAD("{0:0}/3", PARSE_INDEX_BOUNDS),
		BAD("{4:0}/3", PARSE_INDEX_BOUNDS),
		BAD("{4:-0,1:1}/3", PARSE_INDEX_BOUNDS),
		BAD("{1:1,1:1,4:1}/3", PARSE_INDEX_BOUNDS),

		BAD("{1:1,1:1}/3", PARSE_INDEX_DUPLICATE),
		BAD("{1:1,2:2,1:3}/3", PARSE_INDEX_DUPLICATE),
		BAD("{3:1,2:2,2:3}/3", PARSE_INDEX_DUPLICATE),

		BAD("{1:1,2:2,3:3,4:4,5:5}/5", PARSE_TOO_MANY_NONZERO),
		BAD("{1:1,2:2,3:3,4:4,5:5", PARSE_TOO_MANY_NONZERO),

		BAD("{1:nan}/5", PARSE_NAN),
		BAD("{1:inf}/5", PARSE_INFINITE),
		BAD("{1:-Infinity}/5", PARSE_INFINITE),
		{"{1:4e38}/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "4e38"},
		{"{1:1e-46}/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "1e-46"},
		{"{1:1,2:-0.00e3,3:-1e-46}/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "-1e-46"},
		{"{1: 1E-400 }/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "1E-400"},
		{"{1:.0000000000000000000000000000000000000000000000001}/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0},
		".0000000000000000000000000000000000000000000000001"},
		{"{1:0xap-200}/5", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "0xap-200"},
		{"{1:1,9: -1e39 ,", PARSE_OUT_OF_RANGE, 0, 0, {0}, {0}, "-1e39"},
	};
	static const SparseCase widest[] = {
		GOOD("{2147483647:1,1:2}/2147483647", INT32_MAX, 2), {0, INT32_MAX - 1},
		{2, 1}, NULL},
		BAD("{2147483648:1}/2147483647", PARSE_INDEX_BOUNDS),
		BAD("{1:1}/2147483648", PARSE_TOO_MANY_DIMS)
	};
#undef GOOD
#undef BAD

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_sparse(&cases[i], 1000000000);
	for (size_t i = 0; i < sizeof(widest) / sizeof(widest[0]); i++)
		check_sparse(&widest[i], INT32_MAX);
}

/* Random orders, up to the largest number of entries, come back sorted */
static void
test_sparse_text_sort(void **state)
{
	enum
	{
		MOST = 16000
	};
	static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 100, 1000, MOST};
	int32_t    *order = malloc(MOST * sizeof(int32_t));
	int32_t    *index = malloc(MOST * sizeof(int32_t));
	float	   *value = malloc(MOST * sizeof(float));
	char	   *text = malloc(MOST * 40 + 40);

	(void) state;
	random_state = 9;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		int			n = sizes[s];

		for (int kind = 0; kind < 5; kind++)
		{
			size_t		len = 0;
			int			nnz;
			int			dims;
			ParseToken	token;

			for (int i = 0; i < n; i++)
				order[i] = kind == 1 ? n - 1 - i : i;
			for (int i = n - 1; i > 0 && kind >= 2; i--)
			{
				int			j = (int) (random_bits() % (uint64_t) (i + 1));
				int32_t		t = order[i];

				order[i] = order[j];
				order[j] = t;
			}
			/* The last kind has one index twice */
			if (kind == 4 && n > 1)
				order[random_bits() % (uint64_t) (n - 1)] = order[n - 1];

			text[len++] = '{';
			for (int i = 0; i < n; i++)
				len += (size_t) sprintf(text + len, "%s%d:%.9g", i ? "," : "",
										order[i] * 3 + 1, (double) order[i] * 0.25 + 1);
			len += (size_t) sprintf(text + len, "}/%d", n * 3);

			assert_int_equal(sparse_text_parse(text, len, 1000000000, n, index,
											   value, &nnz, &dims, &token),
							 kind == 4 && n > 1 ? PARSE_INDEX_DUPLICATE : PARSE_OK);
			if (kind == 4 && n > 1)
				continue;
			assert_int_equal(nnz, n);
			assert_int_equal(dims, n * 3);
			for (int i = 0; i < n; i++)
			{
				assert_int_equal(index[i], i * 3);
				assert_true(value[i] == (float) i * 0.25f + 1);
			}
		}
	}
	free(text);
	free(value);
	free(index);
	free(order);
}

/* ---------- wire ---------- */

static void
put_int(uint8_t *at, size_t size, uint32_t v)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t) (v >> (8 * (size - 1 - i)));
}

static void
check_dense_f32(const uint8_t *msg, size_t len, int max_dims,
				ParseStatus expected)
{
	uint8_t    *copy = malloc(len + 1);
	float	   *out = malloc((size_t) max_dims * sizeof(float));
	int			dims;
	size_t		used;

	/* One byte into the allocation: nothing may ask for alignment */
	memcpy(copy + 1, msg, len);
	assert_int_equal(dense_wire_parse(copy + 1, len, sizeof(float), max_dims,
									  out, &dims, &used), expected);
	free(out);
	free(copy);
}

static void
check_dense_f16(const uint8_t *msg, size_t len, int max_dims,
				ParseStatus expected)
{
	uint8_t    *copy = malloc(len + 1);
	half	   *out = malloc((size_t) max_dims * sizeof(half));
	int			dims;
	size_t		used;

	memcpy(copy + 1, msg, len);
	assert_int_equal(dense_wire_parse(copy + 1, len, sizeof(half), max_dims,
									  out, &dims, &used), expected);
	free(out);
	free(copy);
}

static void
test_dense_wire_header(void **state)
{
	uint8_t		msg[64] = {0};

	(void) state;
	for (size_t len = 0; len < 4; len++)
	{
		check_dense_f32(msg, len, 8, PARSE_TRUNCATED);
		check_dense_f16(msg, len, 8, PARSE_TRUNCATED);
	}
	for (int dims = -32768; dims <= 32767; dims++)
	{
		for (int reserved = 0; reserved < 2; reserved++)
		{
			ParseStatus status = dims < 1 ? PARSE_NO_DIMS :
				dims > 8 ? PARSE_TOO_MANY_DIMS :
				reserved ? PARSE_RESERVED : PARSE_OK;

			put_int(msg, 2, (uint32_t) dims);
			put_int(msg + 2, 2, reserved ? 0x8000 : 0);
			check_dense_f32(msg, sizeof(msg), 8, status);
			check_dense_f16(msg, sizeof(msg), 8, status);
		}
	}
	put_int(msg + 2, 2, 1);
	put_int(msg, 2, 3);
	check_dense_f32(msg, 4, 8, PARSE_RESERVED);

	for (int dims = 1; dims <= 8; dims++)
	{
		put_int(msg, 2, (uint32_t) dims);
		put_int(msg + 2, 2, 0);
		for (size_t len = 4; len < sizeof(msg); len++)
		{
			check_dense_f32(msg, len, 8, len < 4 + 4 * (size_t) dims ?
							PARSE_TRUNCATED : PARSE_OK);
			check_dense_f16(msg, len, 8, len < 4 + 2 * (size_t) dims ?
							PARSE_TRUNCATED : PARSE_OK);
		}
	}
}

/* Every length of up to 70 elements, with a NaN or an infinity at every place */
static void
test_dense_wire_elements(void **state)
{
	static const struct
	{
		uint32_t	bits;
		ParseStatus status;
	}			f32[] = {
		{0x7F800000, PARSE_INFINITE}, {0xFF800000, PARSE_INFINITE},
		{0x7F800001, PARSE_NAN}, {0xFFFFFFFF, PARSE_NAN}, {0x7FC00000, PARSE_NAN},
		{0x7F7FFFFF, PARSE_OK}, {0xFF7FFFFF, PARSE_OK}, {0x80000000, PARSE_OK},
		{0x00000001, PARSE_OK}, {0x807FFFFF, PARSE_OK}
	}, f16[] = {
		{0x7C00, PARSE_INFINITE}, {0xFC00, PARSE_INFINITE}, {0x7C01, PARSE_NAN},
		{0xFFFF, PARSE_NAN}, {0x7E00, PARSE_NAN}, {0x7BFF, PARSE_OK},
		{0xFBFF, PARSE_OK}, {0x8000, PARSE_OK}, {0x0001, PARSE_OK},
		{0x83FF, PARSE_OK}
	};
	uint8_t		msg[4 + 4 * 70];

	(void) state;
	for (size_t c = 0; c < sizeof(f32) / sizeof(f32[0]); c++)
	{
		for (int n = 1; n <= 70; n++)
		{
			for (int at = 0; at < n; at++)
			{
				memset(msg, 0, sizeof(msg));
				put_int(msg, 2, (uint32_t) n);
				put_int(msg + 4 + 4 * at, 4, f32[c].bits);
				check_dense_f32(msg, 4 + 4 * (size_t) n, 70, f32[c].status);

				memset(msg, 0, sizeof(msg));
				put_int(msg, 2, (uint32_t) n);
				put_int(msg + 4 + 2 * at, 2, f16[c].bits);
				check_dense_f16(msg, 4 + 2 * (size_t) n, 70, f16[c].status);
			}
		}
	}

	/* The first of two counts */
	memset(msg, 0, sizeof(msg));
	put_int(msg, 2, 40);
	put_int(msg + 4 + 4 * 5, 4, 0x7F800000);
	put_int(msg + 4 + 4 * 30, 4, 0x7FC00000);
	check_dense_f32(msg, 4 + 4 * 40, 70, PARSE_INFINITE);
	put_int(msg + 4 + 4 * 3, 4, 0x7FC00000);
	check_dense_f32(msg, 4 + 4 * 40, 70, PARSE_NAN);
}

/* What wire_put writes is what the parsers read, and what a byte loop writes */
static void
test_wire_round_trip(void **state)
{
	uint32_t	in[131];
	half		in16[131];

	(void) state;
	random_state = 10;
	for (size_t n = 0; n <= 131; n++)
	{
		uint8_t    *msg = malloc(4 + n * 4 + 1);
		uint8_t    *msg16 = malloc(4 + n * 2 + 1);
		uint32_t   *out = malloc(n * 4);
		half	   *out16 = malloc(n * 2);
		int			dims;
		size_t		used;

		for (size_t i = 0; i < n; i++)
		{
			in[i] = (uint32_t) random_bits();
			if ((in[i] & 0x7F800000) == 0x7F800000)
				in[i] &= 0xF0FFFFFF;
			in16[i] = (half) random_bits();
			if ((in16[i] & 0x7C00) == 0x7C00)
				in16[i] &= 0xF0FF;
		}
		put_int(msg + 1, 2, (uint32_t) n);
		put_int(msg + 3, 2, 0);
		memcpy(msg16 + 1, msg + 1, 4);
		wire_copy_u32(msg + 5, in, n);
		wire_copy_u16(msg16 + 5, in16, n);
		for (size_t i = 0; i < n; i++)
		{
			uint8_t		expected[4];

			put_int(expected, 4, in[i]);
			assert_memory_equal(msg + 5 + i * 4, expected, 4);
			put_int(expected, 2, in16[i]);
			assert_memory_equal(msg16 + 5 + i * 2, expected, 2);
		}

		if (n > 0)
		{
			assert_int_equal(dense_wire_parse(msg + 1, 4 + n * 4, sizeof(float),
											  (int) n, out, &dims, &used),
							 PARSE_OK);
			assert_int_equal(dims, n);
			assert_int_equal(used, 4 + n * 4);
			assert_memory_equal(out, in, n * 4);
			assert_int_equal(dense_wire_parse(msg16 + 1, 4 + n * 2, sizeof(half),
											  (int) n, out16, &dims, &used), PARSE_OK);
			assert_int_equal(dims, n);
			assert_int_equal(used, 4 + n * 2);
			assert_memory_equal(out16, in16, n * 2);
		}
		free(out16);
		free(out);
		free(msg16);
		free(msg);
	}
}

/* A message of n entries; more bytes may follow it */
static ParseStatus
sparse_wire(uint32_t dims, uint32_t nnz, uint32_t reserved, int n,
			const int32_t *index, const float *value, size_t len)
{
	uint8_t		msg[256] = {0};
	uint8_t    *copy = malloc(len + 1);
	int32_t		out_index[4];
	float		out_value[4];
	int			out_nnz;
	int			out_dims;
	size_t		used;
	ParseStatus status;

	put_int(msg, 4, dims);
	put_int(msg + 4, 4, nnz);
	put_int(msg + 8, 4, reserved);
	wire_copy_u32(msg + 12, index, (size_t) n);
	wire_copy_u32(msg + 12 + n * 4, value, (size_t) n);
	memcpy(copy + 1, msg, len);
	status = sparse_wire_parse(copy + 1, len, 1000000000, 4, out_index,
							   out_value, &out_nnz, &out_dims, &used);
	if (status == PARSE_OK)
	{
		assert_int_equal(out_nnz, n);
		assert_int_equal(out_dims, (int) dims);
		assert_int_equal(used, 12 + 8 * (size_t) n);
		assert_true(used <= len);
		assert_memory_equal(out_index, index, (size_t) n * 4);
		assert_memory_equal(out_value, value, (size_t) n * 4);
	}
	free(copy);
	return status;
}

static void
test_sparse_wire(void **state)
{
	static const int32_t index[] = {0, 2, 4, 9};
	static const float value[] = {1, -2, 0.5f, FLT_MAX};
	int32_t		i[4];
	float		v[4];

	(void) state;
	assert_int_equal(sparse_wire(10, 4, 0, 4, index, value, 44), PARSE_OK);
	assert_int_equal(sparse_wire(10, 4, 0, 4, index, value, 60), PARSE_OK);
	assert_int_equal(sparse_wire(10, 0, 0, 0, index, value, 12), PARSE_OK);
	assert_int_equal(sparse_wire(1, 1, 0, 1, index, value, 20), PARSE_OK);
	assert_int_equal(sparse_wire(1000000000, 2, 0, 2, index, value, 28), PARSE_OK);

	for (size_t len = 0; len < 44; len++)
		assert_int_equal(sparse_wire(10, 4, 0, 4, index, value, len), PARSE_TRUNCATED);

	assert_int_equal(sparse_wire(0, 4, 0, 4, index, value, 44), PARSE_NO_DIMS);
	assert_int_equal(sparse_wire((uint32_t) -1, 4, 0, 4, index, value, 44), PARSE_NO_DIMS);
	assert_int_equal(sparse_wire(0x80000000, (uint32_t) -1, 0, 4, index, value, 44), PARSE_NO_DIMS);
	assert_int_equal(sparse_wire(1000000001, (uint32_t) -1, 0, 4, index, value, 44), PARSE_TOO_MANY_DIMS);
	assert_int_equal(sparse_wire(0x7FFFFFFF, 4, 0, 4, index, value, 44), PARSE_TOO_MANY_DIMS);
	assert_int_equal(sparse_wire(10, (uint32_t) -1, 1, 4, index, value, 44), PARSE_NEGATIVE_COUNT);
	assert_int_equal(sparse_wire(10, 0x80000000, 1, 4, index, value, 44), PARSE_NEGATIVE_COUNT);
	assert_int_equal(sparse_wire(10, 5, 1, 4, index, value, 44), PARSE_TOO_MANY_NONZERO);
	assert_int_equal(sparse_wire(3, 4, 1, 4, index, value, 44), PARSE_MORE_THAN_DIMS);
	assert_int_equal(sparse_wire(1000000000, 0x7FFFFFFF, 0, 4, index, value, 44), PARSE_TOO_MANY_NONZERO);
	assert_int_equal(sparse_wire(10, 4, 1, 4, index, value, 12), PARSE_RESERVED);
	assert_int_equal(sparse_wire(10, 4, 0x80000000, 4, index, value, 44), PARSE_RESERVED);

	/* The room, not the count, is what a huge count meets first */
	assert_int_equal(sparse_wire(1000000000, 0x20000000, 0, 4, index, value, 44), PARSE_TOO_MANY_NONZERO);

	for (int at = 0; at < 4; at++)
	{
		static const struct
		{
			uint32_t	bits;
			ParseStatus status;
		}			bad[] = {
			{0, PARSE_ZERO_VALUE}, {0x80000000, PARSE_ZERO_VALUE},
			{0x7F800000, PARSE_INFINITE}, {0xFF800000, PARSE_INFINITE},
			{0x7FC00000, PARSE_NAN}, {0xFF800001, PARSE_NAN},
			{1, PARSE_OK}, {0x807FFFFF, PARSE_OK}
		};

		for (size_t c = 0; c < sizeof(bad) / sizeof(bad[0]); c++)
		{
			memcpy(v, value, sizeof(v));
			v[at] = float_of(bad[c].bits);
			assert_int_equal(sparse_wire(10, 4, 0, 4, index, v, 44), bad[c].status);
		}

		memcpy(i, index, sizeof(i));
		i[at] = -1;
		assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44), PARSE_INDEX_BOUNDS);
		i[at] = INT32_MIN;
		assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44), PARSE_INDEX_BOUNDS);
		i[at] = 10;
		assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44), PARSE_INDEX_BOUNDS);
		i[at] = INT32_MAX;
		assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44), PARSE_INDEX_BOUNDS);
		if (at > 0)
		{
			i[at] = index[at - 1];
			assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44), PARSE_INDEX_DUPLICATE);
			i[at] = index[at - 1] - 1;
			assert_int_equal(sparse_wire(10, 4, 0, 4, i, value, 44),
							 at == 1 ? PARSE_INDEX_BOUNDS : PARSE_INDEX_ORDER);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimal_forms),
		cmocka_unit_test(test_decimal_every_byte),
		cmocka_unit_test(test_decimal_lengths),
		cmocka_unit_test(test_decimal_random_floats),
		cmocka_unit_test(test_decimal_random_doubles),
		cmocka_unit_test(test_decimal_random_embeddings),
		cmocka_unit_test(test_decimal_midpoints),
		cmocka_unit_test(test_decimal_boundaries),
		cmocka_unit_test(test_decimal_long),
		cmocka_unit_test(test_dense_text),
		cmocka_unit_test(test_dense_text_limit),
		cmocka_unit_test(test_dense_text_embedded_nul),
		cmocka_unit_test(test_dense_text_round_trip),
		cmocka_unit_test(test_sparse_text),
		cmocka_unit_test(test_sparse_text_sort),
		cmocka_unit_test(test_dense_wire_header),
		cmocka_unit_test(test_dense_wire_elements),
		cmocka_unit_test(test_wire_round_trip),
		cmocka_unit_test(test_sparse_wire)
	};
	int			failed = cmocka_run_group_tests(tests, NULL, NULL);

	printf("test_text: %ld decimals compared with strtof\n", decimals_checked);
	return failed;
}
