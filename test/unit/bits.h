/*
 * bits.h
 *	  A float32's bits, and back.
 */
#ifndef TEST_UNIT_BITS_H
#define TEST_UNIT_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t
bits_of(float f)
{
	uint32_t	bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static inline float
float_of(uint32_t bits)
{
	float		f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

#endif							/* TEST_UNIT_BITS_H */
