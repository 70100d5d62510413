/*
 * keys.c
 *	  Which table of key tests this processor runs.
 */
#include "tables.h"

SIMD_DISPATCH(keys, KeyKernels, key_kernels, keys_scalar,
			  SIMD_ARM_TABLES(keys_scalar)
			  SIMD_X86_TABLES(keys_avx2, keys_avx512))
