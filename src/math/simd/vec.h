/*
 * vec.h
 *	  The vector of float32 that kernels compute with, whatever the instruction set.
 *
 * Included by a kernel file that has said TARGET (the attribute that lets a
 * function use the instruction set), INLINE (static inline, always, with TARGET)
 * and LANES.  Vectors are the compiler's own (vector_size of gcc and clang), so
 * that operators work on them, and intrinsics take them.  Loads and stores go to
 * any address.
 */
#ifndef VECTOR_MATH_SIMD_VEC_H
#define VECTOR_MATH_SIMD_VEC_H

#include <stdint.h>
#include <string.h>

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint16_t Words __attribute__((vector_size(4 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(4 * LANES)));
typedef uint64_t Counts __attribute__((vector_size(4 * LANES)));

/* The same at any address */
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint8_t UnalignedBytes __attribute__((vector_size(4 * LANES), aligned(1), may_alias));

#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
/* A loop that a constant leaves one round is not unrolled, and need not be. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define UNROLLED PRAGMA(clang loop unroll(full))
#else
#define UNROLLED PRAGMA(GCC unroll 16)
#endif

INLINE Vec
vec_load_f32(const float *p)
{
	return *(const Unaligned *) p;
}

INLINE void
vec_store_f32(float *p, Vec v)
{
	*(Unaligned *) p = v;
}

INLINE Bytes
bytes_load(const void *p)
{
	return *(const UnalignedBytes *) p;
}

/* x in every lane; less 0, which leaves -0 what it is, and costs nothing */
INLINE Vec
vec_set(float x)
{
	return x - (Vec) {0};
}

INLINE Vec
vec_abs(Vec a)
{
	return (Vec) ((Ints) a & INT32_MAX);
}

/* LANES float64, those of the lower half of a Vec and those of the upper one */
typedef double Doubles __attribute__((vector_size(4 * LANES)));
typedef double TwoDoubles __attribute__((vector_size(16)));

typedef struct Wide
{
	Doubles		low;
	Doubles		high;
} Wide;

INLINE Wide
wide_add(Wide a, Wide b)
{
	a.low += b.low;
	a.high += b.high;
	return a;
}

/* The sum of the lanes: those of one half added to the other's, again and again */
INLINE double
wide_sum(Wide sum)
{
	union
	{
		Doubles		both;
		TwoDoubles	parts[LANES / 4];
	}			u = {sum.low + sum.high};
	TwoDoubles *parts = u.parts;

	UNROLLED
	for (int n = LANES / 8; n > 0; n /= 2)
	{
		UNROLLED
		for (int i = 0; i < n; i++)
			parts[i] += parts[i + n];
	}
	return parts[0][0] + parts[0][1];
}

#endif							/* VECTOR_MATH_SIMD_VEC_H */
