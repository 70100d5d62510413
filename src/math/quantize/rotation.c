/*
 * rotation.c
 *	  The description of a rotation and its sign bits; the arithmetic is in the
 *	  kernels' rotate.
 */
#include "rotation.h"

#include "tables.h"

#include <string.h>

/* See rotation.h */
size_t
rotation_padded(size_t dims)
{
	if (dims == 0 || dims > QUANTIZE_MAX_DIMS)
		return 0;
	return (dims + QUANTIZE_DIMS_STEP - 1) / QUANTIZE_DIMS_STEP *
		QUANTIZE_DIMS_STEP;
}

/* See rotation.h */
int
rotation_init(Rotation *rotation, size_t dims, uint64_t seed)
{
	size_t		padded = rotation_padded(dims);

	if (padded == 0)
		return -1;
	rotation->seed = seed;
	rotation->dims = (uint32_t) dims;
	rotation->padded = (uint32_t) padded;
	return 0;
}

/* See rotation.h */
size_t
rotation_sign_bytes(const Rotation *rotation)
{
	return (size_t) ROUNDS * rotation->padded / 8;
}

/*
 * SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014); the bytes of a number, lowest first.
 */
void
rotation_signs(const Rotation *rotation, uint8_t *signs)
{
	size_t		bytes = rotation_sign_bytes(rotation);
	uint64_t	state = rotation->seed;

	for (size_t i = 0; i < bytes; i += 8)
	{
		uint64_t	z;

		state += 0x9e3779b97f4a7c15u;
		z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		z ^= z >> 31;
		for (size_t k = 0; k < 8; k++)
			signs[i + k] = (uint8_t) (z >> (8 * k));
	}
}

/* See rotation.h */
void
rotation_apply(const Rotation *rotation, const uint8_t *signs, float *x)
{
	memset(x + rotation->dims, 0,
		   (rotation->padded - rotation->dims) * sizeof(*x));
	quantize_kernels->rotate(x, rotation->padded, signs);
}
