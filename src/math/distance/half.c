/*
 * half.c
 *	  IEEE 754 binary16 to and from binary32, in software.
 *
 * The specification of every table's f16_to_f32 and f32_to_f16: the
 * processors' own conversions give the same bits, NaNs included.  A half is a
 * sign, 5 bits of exponent (bias 15) and 10 of mantissa; a float a sign, 8
 * (bias 127) and 23.  Widening is exact.
 */
#include "distance.h"

#include <string.h>

#define FLOAT_INFINITY_BITS 0x7f800000u
#define FLOAT_QUIET_BIT		0x00400000u
#define HALF_INFINITY_BITS	0x7c00u
#define HALF_QUIET_BIT		0x0200u

/* Distance of the exponents' biases, and of the mantissas' widths */
#define BIAS_GAP			(127 - 15)
#define MANTISSA_GAP		(23 - 10)

/* The smallest float that rounds to infinity: halfway from 65504 to 65536 */
#define FLOAT_65520_BITS	0x477ff000u
/* The smallest normal half, 2^-14 */
#define FLOAT_2_TO_M14_BITS 0x38800000u
/* 0.5, whose last mantissa bit weighs 2^-24, as does the last bit of a half */
#define FLOAT_0_5_BITS		0x3f000000u

static inline float
float_from_bits(uint32_t bits)
{
	float		f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static inline uint32_t
float_bits(float f)
{
	uint32_t	bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* Widen one value; exact, but that a signalling NaN becomes quiet */
float
half_to_float(half h)
{
	uint32_t	sign = (uint32_t) (h & 0x8000) << 16;
	uint32_t	exponent = (h >> 10) & 0x1f;
	uint32_t	mantissa = h & 0x3ff;

	if (exponent == 0x1f)
		return float_from_bits(sign | FLOAT_INFINITY_BITS |
							   (mantissa != 0 ? FLOAT_QUIET_BIT : 0) |
							   mantissa << MANTISSA_GAP);
	if (exponent == 0)
		/* zero or denormal: the mantissa counts steps of 2^-24 */
		return float_from_bits(sign | float_bits((float) mantissa * 0x1p-24f));
	return float_from_bits(sign | (exponent + BIAS_GAP) << 23 |
						   mantissa << MANTISSA_GAP);
}

/*
 * Narrow one value to the nearest half, ties to even.  From 65520 on the
 * result is an infinity; a NaN becomes quiet and keeps the upper ten bits of
 * its payload.
 */
half
float_to_half(float f)
{
	uint32_t	bits = float_bits(f);
	half		sign = (half) ((bits >> 16) & 0x8000);
	uint32_t	magnitude = bits & 0x7fffffff;

	if (magnitude > FLOAT_INFINITY_BITS)
		return sign | HALF_INFINITY_BITS | HALF_QUIET_BIT |
			(half) ((magnitude >> MANTISSA_GAP) & 0x3ff);
	if (magnitude >= FLOAT_65520_BITS)
		return sign | HALF_INFINITY_BITS;
	if (magnitude < FLOAT_2_TO_M14_BITS)
	{
		/*
		 * The result is a denormal, or 2^-14 by rounding.  The addition
		 * rounds to a multiple of 2^-24, to even, and leaves their number in
		 * the mantissa.
		 */
		float		shifted = float_from_bits(magnitude) + 0.5f;

		return sign | (half) (float_bits(shifted) - FLOAT_0_5_BITS);
	}

	/* Half of the last place kept, less one unless that place is odd */
	magnitude += 0xfff + ((magnitude >> MANTISSA_GAP) & 1);
	return sign | (half) ((magnitude - ((uint32_t) BIAS_GAP << 23)) >>
						  MANTISSA_GAP);
}
