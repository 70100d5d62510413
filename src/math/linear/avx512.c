/*
 * avx512.c
 *	  The loops for AVX-512: 28 of the 32 registers hold sums of 14 rows and 32 columns.
 */
#include "math/simd/level.h"

#ifdef SIMD_X86

#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#define LANES		16
#define TILE_ROWS	14
#define TABLE_NAME	"avx512"
#define table_name	linear_avx512

#include "loops.h"

#endif							/* SIMD_X86 */
