/*
 * quantize.c
 *	  Which table of quantizer kernels this processor runs.
 *
 * quantize_kernels is plain process state: set it before kernels are used and
 * not from two threads.  It starts out as the scalar table, which runs anywhere.
 */
#include "tables.h"

const QuantizeKernels *quantize_kernels = &quantize_scalar;

static const void *const tables[SIMD_LEVELS] = {
	[SIMD_SCALAR] = &quantize_scalar,
	SIMD_ARM_TABLES(quantize_neon)
	SIMD_X86_TABLES(quantize_avx2, quantize_avx512)
};

/* See quantize.h */
const QuantizeKernels *
quantize_table(SimdLevel level)
{
	return simd_choose(tables, level);
}

/* See quantize.h */
int
quantize_set_level(SimdLevel level)
{
	const QuantizeKernels *table = quantize_table(level);

	if (table == NULL)
		return -1;
	quantize_kernels = table;
	return 0;
}
