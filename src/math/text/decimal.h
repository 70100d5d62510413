/*
 * decimal.h
 *	  The fast half of decimal_to_float, to be inlined into a parser's loop.
 *
 * Loading vectors by text is bound by the conversion of decimals, so the usual
 * decimal (at most 19 significant digits) is converted here, and every other
 * one is left to decimal_rest in decimal.c.
 *
 * Invariant: a float is only ever given out where it is provably the nearest
 * one; see decimal_scale.  Where the proof does not reach, strtof decides.
 *
 * Private to this folder; others call decimal_to_float (text.h).
 */
#ifndef VECTOR_MATH_DECIMAL_H
#define VECTOR_MATH_DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Any number of so many digits fits uint64 */
#define DECIMAL_MAX_DIGITS	19

/*
 * 10^k for every k that can lead from a significand in 1 .. 10^19 - 1 to a
 * normal float32 (1.18e-38 .. 3.41e38), each the double nearest to it.
 */
#define DECIMAL_MIN_POWER	(-57)
#define DECIMAL_MAX_POWER	38
extern const double decimal_powers[DECIMAL_MAX_POWER - DECIMAL_MIN_POWER + 1];

/* The bits of FLT_MIN and of FLT_MAX as doubles */
#define DECIMAL_FLT_MIN_BITS	UINT64_C(0x3810000000000000)
#define DECIMAL_FLT_MAX_BITS	UINT64_C(0x47EFFFFFE0000000)

/* 10^0 .. 10^7 */
extern const uint64_t decimal_small_powers[8];

/*
 * p is at an e or E.  Adds the exponent to *k and returns the first character
 * behind it, or p if no exponent follows.
 */
extern const char *decimal_exponent(const char *p, int64_t *k);

/* Any number, by strtof, which stops at the '\0' behind the text; see decimal_to_float. */
extern const char *decimal_rest(const char *s, float *value, int *overflow);

static inline int
decimal_is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

/*
 * The float32 nearest to m * 10^k, with a sign, into *value; returns 0 (and
 * sets nothing) where this cannot be told.  Digits behind m's nineteenth may
 * have been cut off; fewer than 19 digits are complete.
 *
 * Why the result is right.  Let u = 2^-53 and x the exact decimal.
 *
 *	- m differs from x / 10^k by less than 1 and only if m >= 10^18, so by a
 *	  relative error below 10^-18 < u / 100;
 *	- uint64 to double rounds once: u;
 *	- the table's power is rounded once: u;
 *	- the product is rounded once, and neither underflows nor overflows, as m
 *	  is in 0 .. 2^64 and the power in 10^-57 .. 10^38: u.
 *
 * Together |d - x| < 3.02 u |d|.  As d < 2^53 ulp(d) that is less than 3.02
 * ulp(d).  For a d in float32's normal range, rounding d to float32 gives what
 * rounding x gives unless a midpoint of two neighbouring floats lies between d
 * and x (or is one of them).  Such a midpoint is a double whose 29 lowest bits
 * are 2^28, so then d's 29 lowest bits are at most 4 away from 2^28, which is
 * what we refuse.  (At a power of two ulp(d) halves, but the nearest midpoints
 * are 2^27 and more ulps away from it.)  At the ends of the range: below
 * FLT_MIN, where floats are spaced as above it, an x just under a d >= FLT_MIN
 * still rounds to FLT_MIN as d does; above FLT_MAX, we refuse every d.
 *
 * Excess precision (x87) takes roundings away and adds half an ulp of d
 * between the value tested and the value rounded; 4 covers that too.
 */
static inline int
decimal_scale(uint64_t m, int64_t k, int negative, float *value)
{
	const uint64_t half = UINT64_C(1) << 28;
	const uint64_t low = (UINT64_C(1) << 29) - 1;
	double		d;
	uint64_t	bits;
	float		f;
	uint32_t	fbits;

	if (k < DECIMAL_MIN_POWER || k > DECIMAL_MAX_POWER)
		return 0;

	d = (double) m * decimal_powers[k - DECIMAL_MIN_POWER];
	memcpy(&bits, &d, sizeof(bits));

	/* Positive doubles are in the order of their bits */
	if (bits - DECIMAL_FLT_MIN_BITS >
		DECIMAL_FLT_MAX_BITS - DECIMAL_FLT_MIN_BITS && m != 0)
		return 0;
	if (((bits - half + 4) & low) <= 8)
		return 0;

	/* The sign is put in without a branch, as nobody could predict it */
	f = (float) d;
	memcpy(&fbits, &f, sizeof(fbits));
	fbits |= (uint32_t) negative << 31;
	memcpy(value, &fbits, sizeof(fbits));
	return 1;
}

/*
 * Eight digits at once.  The first digit's value (0 .. 9) is the lowest byte of
 * t.  Neighbours are joined to pairs, then each half is weighed into its upper
 * 32 bits by one multiplication.
 */
static inline uint64_t
decimal_eight(uint64_t t)
{
	const uint64_t mask = UINT64_C(0x000000FF000000FF);

	t = t * 10 + (t >> 8);
	return ((t & mask) * (100 + (UINT64_C(1000000) << 32)) +
			((t >> 16) & mask) * (1 + (UINT64_C(10000) << 32))) >> 32;
}

/*
 * The eight characters at p, the first one lowest; a digit becomes 0 .. 9,
 * anything else is at least 10.
 */
static inline uint64_t
decimal_load(const char *p)
{
	uint64_t	t;

	memcpy(&t, p, sizeof(t));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	t = __builtin_bswap64(t);
#endif
	return t ^ UINT64_C(0x3030303030303030);
}

/*
 * The top bit of every byte of t that is no digit.  A carry can spoil bytes
 * above the first such one only, so ask for no more than the first, or for
 * zero.
 */
static inline uint64_t
decimal_stops(uint64_t t)
{
	return ((t + UINT64_C(0x7676767676767676)) | t) &
		UINT64_C(0x8080808080808080);
}

/*
 * Append the first bits / 8 (0 .. 7) digits of t to m.  What follows them is
 * shifted out and zeros come in ahead of them: no branch depends on how many
 * there are.
 */
static inline uint64_t
decimal_append(uint64_t m, uint64_t t, unsigned bits)
{
	return m * decimal_small_powers[bits / 8] +
		decimal_eight(t << (63 - bits) << 1);
}

/*
 * Read the run of digits at p behind those already in *m; returns the end of
 * the run.  *m wraps around if there are too many.
 */
static inline const char *
decimal_digits(const char *p, const char *end, uint64_t *m)
{
	while (end - p >= 8)
	{
		uint64_t	t = decimal_load(p);
		uint64_t	stops = decimal_stops(t);

		if (stops != 0)
		{
			unsigned	bits = (unsigned) __builtin_ctzll(stops) & 0x38;

			*m = decimal_append(*m, t, bits);
			return p + bits / 8;
		}
		*m = *m * 100000000 + decimal_eight(t);
		p += 8;
	}

	while (decimal_is_digit(*p))
		*m = *m * 10 + (uint64_t) (*p++ - '0');
	return p;
}

/*
 * The same for the digits behind the point of "0.123456789" or
 * "-0.123456789", where s is the start of the number and negative says which
 * of the two it is.
 *
 * What limits us is how soon the end of one number, where the next begins, is
 * known.  So we look for it in words whose place does not depend on the sign:
 * with a sign, such a word starts with the last digit of the block before it.
 */
static inline const char *
decimal_fraction(const char *s, const char *end, int negative, uint64_t *m)
{
	const char *p = s + 2;		/* where the digits are without a sign */

	while (end - p >= 16)
	{
		uint64_t	t = decimal_load(p + negative);
		uint64_t	stops;

		if (decimal_stops(t) != 0)
			break;
		*m = *m * 100000000 + decimal_eight(t);
		p += 8;

		t = decimal_load(p);
		stops = decimal_stops(t);
		if (stops != 0)
		{
			unsigned	bits = (unsigned) __builtin_ctzll(stops) & 0x38;
			unsigned	known = (unsigned) negative * 8;

			*m = decimal_append(*m, t >> known, bits - known);
			return p + bits / 8;
		}
	}
	return decimal_digits(p + negative, end, m);
}

/*
 * Read a decimal at s and return the first character behind it, or NULL if
 * there is something else, more than 19 digits, or a nearest float that cannot
 * be told; then decimal_rest has the answer.  Other arguments as for decimal_to_float.
 */
static inline const char *
decimal_fast(const char *s, const char *end, float *value)
{
	const char *p = s;
	uint64_t	m = 0;
	int			negative = (*p == '-');
	const char *digits = p + negative;	/* no branch: nobody predicts signs */
	ptrdiff_t	fraction = 0;
	ptrdiff_t	n;
	int64_t		k;

	/* Elements of most embeddings have one digit ahead of the point */
	if (decimal_is_digit(digits[0]) && digits[1] == '.')
	{
		m = (uint64_t) (digits[0] - '0');
		p = decimal_fraction(s, end, negative, &m);
		fraction = p - digits - 2;
		n = fraction + 1;
	}
	else
	{
		p = decimal_digits(digits, end, &m);
		n = p - digits;
		if (*p == '.')
		{
			const char *point = p;

			p = decimal_digits(p + 1, end, &m);
			fraction = p - point - 1;
			n += fraction;
		}
	}

	/* Zeros ahead of the first other digit do not count */
	if (n > DECIMAL_MAX_DIGITS)
	{
		while (*digits == '0' || *digits == '.')
			n -= (*digits++ == '0');
	}

	/* Nothing read yet?  A + and what is not decimal are decimal_rest's */
	if (n < 1 || n > DECIMAL_MAX_DIGITS)
		return NULL;

	k = -(int64_t) fraction;
	if (*p != ',')
	{
		if (*p == 'e' || *p == 'E')
			p = decimal_exponent(p, &k);
		else if (*p == 'x' || *p == 'X')
			return NULL;		/* perhaps hexadecimal */
	}

	if (!decimal_scale(m, k, negative, value))
		return NULL;
	return p;
}

#endif							/* VECTOR_MATH_DECIMAL_H */
