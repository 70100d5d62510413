/*
 * levels.h
 *	  Run a test at every instruction set: for files whose tests take the level
 *	  from their state.  The macros are used after cmocka.h.
 */
#ifndef TEST_UNIT_LEVELS_H
#define TEST_UNIT_LEVELS_H

#include "math/distance/distance.h"

static SimdLevel levels[] = {
	SIMD_SCALAR, SIMD_NEON, SIMD_AVX2, SIMD_AVX512
};

/* One test at every level */
#define AT_LEVEL(test, name, level) \
	{#test " (" name ")", test, NULL, NULL, &levels[level]}
#define AT_EVERY_LEVEL(test) \
	AT_LEVEL(test, "scalar", 0), AT_LEVEL(test, "neon", 1), \
	AT_LEVEL(test, "avx2", 2), AT_LEVEL(test, "avx512", 3)

#endif							/* TEST_UNIT_LEVELS_H */
