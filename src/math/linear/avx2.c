/*
 * avx2.c
 *	  The loops for AVX2 with FMA: 12 of the 16 registers hold sums of 6 rows and 16 columns.
 */
#include "math/simd/level.h"

#ifdef SIMD_X86

#define TARGET __attribute__((target("avx2,fma")))
#define LANES		8
#define TILE_ROWS	6
#define TABLE_NAME	"avx2"
#define table_name	linear_avx2

#include "loops.h"

#endif							/* SIMD_X86 */
