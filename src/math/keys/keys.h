/*
 * keys.h
 *	  Tests of arrays of keys, unsigned numbers of 1, 2, 4 or 8 bytes: which of
 *	  them are in a range, or are a number.
 *
 * Results are bytes, 0 or 1; pack makes bits of them.  Pure C; the levels are
 * those of the distance kernels, and all give the same.
 */
#ifndef VECTOR_MATH_KEYS_H
#define VECTOR_MATH_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "math/distance/distance.h"

/* Widths of keys, as numbers of kernels: 1, 2, 4 and 8 bytes */
#define KEY_WIDTHS	4

static inline int
key_width_number(int width)
{
	return width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3;
}

typedef struct KeyKernels
{
	const char *name;

	/* passes[i] &= low <= keys[i] <= high, for i below count; low <= high */
	void		(*range[KEY_WIDTHS]) (const void *keys, size_t count,
									  uint64_t low, uint64_t high,
									  uint8_t *passes);

	/* any[i] |= keys[i] == key */
	void		(*equal[KEY_WIDTHS]) (const void *keys, size_t count,
									  uint64_t key, uint8_t *any);

	/*
	 * Bit i % 8 of bits[i / 8] = bytes[i], 0 or 1; count is a multiple of 8.
	 * Returns how many are 1.
	 */
	uint32_t	(*pack) (const uint8_t *bytes, size_t count, uint8_t *bits);
} KeyKernels;

SIMD_TABLE_IN_USE(keys, KeyKernels, key_kernels);

#endif							/* VECTOR_MATH_KEYS_H */
