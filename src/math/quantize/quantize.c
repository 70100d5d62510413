/*
 * quantize.c
 *	  Which table of quantizer kernels this processor runs.
 */
#include "tables.h"

SIMD_DISPATCH(quantize, QuantizeKernels, quantize_kernels, quantize_scalar,
			  SIMD_ARM_TABLES(quantize_neon)
			  SIMD_X86_TABLES(quantize_avx2, quantize_avx512))
