/*
 * distance.c
 *	  Which table of distance kernels this processor runs.
 *
 * distance_kernels is plain process state: set it before kernels are used and
 * not from two threads.  It starts out as the scalar table, which runs anywhere.
 */
#include "tables.h"

const DistanceKernels *distance_kernels = &distance_scalar;

static const void *const tables[SIMD_LEVELS] = {
	[SIMD_SCALAR] = &distance_scalar,
	SIMD_ARM_TABLES(distance_neon)
	SIMD_X86_TABLES(distance_avx2, distance_avx512)
};

/* See distance.h */
const DistanceKernels *
distance_table(SimdLevel level)
{
	return simd_choose(tables, level);
}

/* See distance.h */
int
distance_set_level(SimdLevel level)
{
	const DistanceKernels *table = distance_table(level);

	if (table == NULL)
		return -1;
	distance_kernels = table;
	return 0;
}
