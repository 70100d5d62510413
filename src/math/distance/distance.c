/*
 * distance.c
 *	  Which table of distance kernels this processor runs.
 *
 * An instruction set is usable when the processor has it (CPUID) and the
 * operating system saves its registers at a context switch (XCR0); a table is
 * handed out only when both hold for everything its functions were compiled
 * for, so calling through a table can never raise an illegal instruction.
 *
 * distance_kernels starts out as the scalar table, which runs anywhere.  It is
 * plain process state: set it before kernels are used and not from two
 * threads.
 */
#include "tables.h"

#include <stdbool.h>

#ifdef DISTANCE_BUILD_X86
#include <cpuid.h>
#endif

const DistanceKernels *distance_kernels = &distance_scalar;

#ifdef DISTANCE_BUILD_X86

/* XCR0: SSE and AVX state; the same with opmask, ZMM0-15 and ZMM16-31 */
#define XCR0_AVX	0x06u
#define XCR0_AVX512 0xe6u

/* CPUID leaf 7, ECX; the name is missing from some compilers' cpuid.h */
#define LEAF7_ECX_VPOPCNTDQ (1u << 14)

typedef struct X86Features
{
	bool		known;			/* the processor has been asked */
	bool		avx2;			/* AVX2, FMA, F16C, POPCNT */
	bool		avx512;			/* the above and F, BW, DQ, VL, VPOPCNTDQ */
} X86Features;

static bool
has_all(unsigned int value, unsigned int bits)
{
	return (value & bits) == bits;
}

/* The register states that the operating system saves */
static unsigned int
read_xcr0(void)
{
	unsigned int low;
	unsigned int high;

	__asm__ volatile("xgetbv":"=a"(low), "=d"(high):"c"(0));
	return low;
}

static X86Features
detect_x86(void)
{
	const unsigned int leaf1 = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C |
		bit_POPCNT;
	const unsigned int leaf7_avx512 = bit_AVX512F | bit_AVX512BW |
		bit_AVX512DQ | bit_AVX512VL;
	X86Features features = {.known = true};
	unsigned int eax;
	unsigned int ebx;
	unsigned int ecx;
	unsigned int edx;
	unsigned int xcr0;

	/* XGETBV itself is an illegal instruction without OSXSAVE */
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has_all(ecx, leaf1))
		return features;
	xcr0 = read_xcr0();
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return features;

	features.avx2 = has_all(ebx, bit_AVX2) && has_all(xcr0, XCR0_AVX);
	features.avx512 = features.avx2 && has_all(ebx, leaf7_avx512) &&
		has_all(ecx, LEAF7_ECX_VPOPCNTDQ) && has_all(xcr0, XCR0_AVX512);
	return features;
}

/* The same, asked once: under a hypervisor a CPUID takes some 30 microseconds */
static const X86Features *
x86_features(void)
{
	static X86Features features;

	if (!features.known)
		features = detect_x86();
	return &features;
}

#endif							/* DISTANCE_BUILD_X86 */

/* See distance.h */
const DistanceKernels *
distance_table(DistanceLevel level)
{
	switch (level)
	{
		case DISTANCE_AUTO:
			for (level = DISTANCE_AVX512; level > DISTANCE_SCALAR; level--)
			{
				const DistanceKernels *table = distance_table(level);

				if (table != NULL)
					return table;
			}
			return &distance_scalar;
		case DISTANCE_SCALAR:
			return &distance_scalar;
		case DISTANCE_NEON:
#ifdef DISTANCE_BUILD_NEON
			/* Part of the 64-bit architecture: every processor has it */
			return &distance_neon;
#else
			return NULL;
#endif
		case DISTANCE_AVX2:
#ifdef DISTANCE_BUILD_X86
			return x86_features()->avx2 ? &distance_avx2 : NULL;
#else
			return NULL;
#endif
		case DISTANCE_AVX512:
#ifdef DISTANCE_BUILD_X86
			return x86_features()->avx512 ? &distance_avx512 : NULL;
#else
			return NULL;
#endif
	}
	return NULL;
}

/* See distance.h */
int
distance_set_level(DistanceLevel level)
{
	const DistanceKernels *table = distance_table(level);

	if (table == NULL)
		return -1;
	distance_kernels = table;
	return 0;
}
