/*
 * random.h
 *	  SplitMix64: random numbers that a seed determines on every machine.
 *
 * Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
 * 2014.  What indexes store depends on these numbers: they stay as they are.
 */
#ifndef VECTOR_MATH_RANDOM_H
#define VECTOR_MATH_RANDOM_H

#include <stdint.h>

/* What a state is increased by from number to number */
#define SPLITMIX64_STEP UINT64_C(0x9e3779b97f4a7c15)

/* A bijection of 64 bits that spreads every bit over all */
static inline uint64_t
splitmix64_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The next random number; any state will do to begin with */
static inline uint64_t
splitmix64_next(uint64_t *state)
{
	return splitmix64_mix(*state += SPLITMIX64_STEP);
}

/* The next one as a number in 0 .. 1, 1 excluded */
static inline double
splitmix64_unit(uint64_t *state)
{
	return (double) (splitmix64_next(state) >> 11) * 0x1p-53;
}

#endif							/* VECTOR_MATH_RANDOM_H */
