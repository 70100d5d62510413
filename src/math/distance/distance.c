/*
 * distance.c
 *	  Which table of distance kernels this processor runs.
 */
#include "tables.h"

SIMD_DISPATCH(distance, DistanceKernels, distance_kernels, distance_scalar,
			  SIMD_ARM_TABLES(distance_neon)
			  SIMD_X86_TABLES(distance_avx2, distance_avx512))
