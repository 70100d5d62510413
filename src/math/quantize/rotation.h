/*
 * rotation.h
 *	  Random rotations, fast: sign flips, Hadamard transforms, Kac steps.
 *
 * A rotation takes dims floats, with zeros behind them up to padded, to padded
 * floats; it keeps norms and inner products up to float rounding.  It is fixed
 * by (dims, seed): same bits of the result for the same bits of the input, on
 * every processor.
 */
#ifndef VECTOR_MATH_ROTATION_H
#define VECTOR_MATH_ROTATION_H

#include "quantize.h"

typedef struct Rotation
{
	uint64_t	seed;
	uint32_t	dims;			/* 1 .. QUANTIZE_MAX_DIMS */
	uint32_t	padded;			/* the next multiple of QUANTIZE_DIMS_STEP */
} Rotation;

/* dims rounded up; 0 where dims is 0 or above QUANTIZE_MAX_DIMS */
extern size_t rotation_padded(size_t dims);

/* Fill in *rotation; returns 0, or -1 where dims is out of range. */
extern int	rotation_init(Rotation *rotation, size_t dims, uint64_t seed);

/* Bytes of the sign bits: padded / 2 */
extern size_t rotation_sign_bytes(const Rotation *rotation);

/*
 * Derive the sign bits from the seed; signs has rotation_sign_bytes bytes.
 * They may be kept (they hold no byte order) or derived again at any time.
 */
extern void rotation_signs(const Rotation *rotation, uint8_t *signs);

/*
 * Rotate in place.  x has padded floats, of which the first dims are the
 * vector; the others are set to zero first.  No float overflows as long as the
 * vector's norm times the square root of 2 is one.
 */
extern void rotation_apply(const Rotation *rotation, const uint8_t *signs,
						   float *x);

#endif							/* VECTOR_MATH_ROTATION_H */
