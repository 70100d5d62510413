/*
 * rotation.c
 *	  The description of a rotation and its sign bits; the arithmetic is in the
 *	  kernels' rotate.
 */
#include "rotation.h"

#include "tables.h"
#include "math/random.h"

#include <string.h>

size_t
rotation_padded(size_t dims)
{
	if (dims == 0 || dims > QUANTIZE_MAX_DIMS)
		return 0;
	return (dims + QUANTIZE_DIMS_STEP - 1) / QUANTIZE_DIMS_STEP *
		QUANTIZE_DIMS_STEP;
}

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

size_t
rotation_sign_bytes(const Rotation *rotation)
{
	return (size_t) ROUNDS * rotation->padded / 8;
}

/* See rotation.h; the bytes of random numbers, lowest first */
void
rotation_signs(const Rotation *rotation, uint8_t *signs)
{
	size_t		bytes = rotation_sign_bytes(rotation);
	uint64_t	state = rotation->seed;

	for (size_t i = 0; i < bytes; i += 8)
	{
		uint64_t	bits = splitmix64_next(&state);

		for (size_t k = 0; k < 8; k++)
			signs[i + k] = (uint8_t) (bits >> (8 * k));
	}
}

void
rotation_apply(const Rotation *rotation, const uint8_t *signs, float *x)
{
	memset(x + rotation->dims, 0,
		   (rotation->padded - rotation->dims) * sizeof(*x));
	quantize_kernels->rotate(x, rotation->padded, signs);
}
