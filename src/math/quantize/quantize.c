/*
 * quantize.c
 *	  Which table of quantizer kernels this processor runs.
 *
 * The levels are those of the distance kernels, and whoever may run a level
 * there may run it here; AVX-512 also needs VNNI, asked for below.  Like
 * distance_kernels, quantize_kernels is plain process state.
 */
#include "tables.h"

#include <stdbool.h>

#ifdef QUANTIZE_BUILD_X86
#include <cpuid.h>
#endif

const QuantizeKernels *quantize_kernels = &quantize_scalar;

#ifdef QUANTIZE_BUILD_X86

/* CPUID leaf 7, ECX; the name is missing from some compilers' cpuid.h */
#define LEAF7_ECX_VNNI	(1u << 11)

/* Asked once: under a hypervisor a CPUID takes some 30 microseconds */
static bool
has_vnni(void)
{
	static bool known;
	static bool vnni;
	unsigned int eax;
	unsigned int ebx;
	unsigned int ecx;
	unsigned int edx;

	if (!known)
	{
		vnni = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
			(ecx & LEAF7_ECX_VNNI) != 0;
		known = true;
	}
	return vnni;
}

#endif							/* QUANTIZE_BUILD_X86 */

/* See quantize.h */
const QuantizeKernels *
quantize_table(DistanceLevel level)
{
	if (level == DISTANCE_AUTO)
	{
		for (level = DISTANCE_AVX512; level > DISTANCE_SCALAR; level--)
			if (quantize_table(level) != NULL)
				return quantize_table(level);
		return &quantize_scalar;
	}
	if (distance_table(level) == NULL)
		return NULL;
	switch (level)
	{
#ifdef QUANTIZE_BUILD_NEON
		case DISTANCE_NEON:
			return &quantize_neon;
#endif
#ifdef QUANTIZE_BUILD_X86
		case DISTANCE_AVX2:
			return &quantize_avx2;
		case DISTANCE_AVX512:
			return has_vnni() ? &quantize_avx512 : NULL;
#endif
		case DISTANCE_SCALAR:
			return &quantize_scalar;
		default:
			return NULL;
	}
}

/* See quantize.h */
int
quantize_set_level(DistanceLevel level)
{
	const QuantizeKernels *table = quantize_table(level);

	if (table == NULL)
		return -1;
	quantize_kernels = table;
	return 0;
}
