/*
 * keys.c
 *	  Which table of key tests this processor runs.
 *
 * key_kernels is plain process state: set it before kernels are used and
 * not from two threads.  It starts out as the scalar table, which runs anywhere.
 */
#include "tables.h"

const KeyKernels *key_kernels = &keys_scalar;

static const void *const tables[SIMD_LEVELS] = {
	[SIMD_SCALAR] = &keys_scalar,
	SIMD_ARM_TABLES(keys_scalar)
	SIMD_X86_TABLES(keys_avx2, keys_avx512)
};

/* See keys.h */
const KeyKernels *
keys_table(SimdLevel level)
{
	return simd_choose(tables, level);
}

/* See keys.h */
int
keys_set_level(SimdLevel level)
{
	const KeyKernels *table = keys_table(level);

	if (table == NULL)
		return -1;
	key_kernels = table;
	return 0;
}
