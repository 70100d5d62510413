/*
 * level.c
 *	  Detection of instruction sets, and choice among a room's tables.
 *
 * An instruction set is usable when the processor has it (CPUID) and the
 * operating system saves its registers at a context switch (XCR0).
 */
#include "level.h"

#include <stddef.h>

#ifdef SIMD_X86

#include <cpuid.h>

/* XCR0: SSE and AVX state; the same with opmask, ZMM0-15 and ZMM16-31 */
#define XCR0_AVX	0x06u
#define XCR0_AVX512 0xe6u

/* CPUID leaf 7, ECX; the names are missing from some compilers' cpuid.h */
#define LEAF7_ECX_VNNI		(1u << 11)
#define LEAF7_ECX_VPOPCNTDQ (1u << 14)

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

static SimdLevel
detect(void)
{
	const unsigned int leaf1 = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C |
		bit_POPCNT;
	const unsigned int leaf7_avx512 = bit_AVX512F | bit_AVX512BW |
		bit_AVX512DQ | bit_AVX512VL;
	unsigned int eax;
	unsigned int ebx;
	unsigned int ecx;
	unsigned int edx;
	unsigned int xcr0;

	/* XGETBV itself is an illegal instruction without OSXSAVE */
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has_all(ecx, leaf1))
		return SIMD_SCALAR;
	xcr0 = read_xcr0();
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) ||
		!has_all(ebx, bit_AVX2) || !has_all(xcr0, XCR0_AVX))
		return SIMD_SCALAR;
	if (has_all(ebx, leaf7_avx512) &&
		has_all(ecx, LEAF7_ECX_VPOPCNTDQ | LEAF7_ECX_VNNI) &&
		has_all(xcr0, XCR0_AVX512))
		return SIMD_AVX512;
	return SIMD_AVX2;
}

#else

/* NEON is part of the 64-bit architecture: every processor has it. */
static SimdLevel
detect(void)
{
#ifdef SIMD_ARM
	return SIMD_NEON;
#else
	return SIMD_SCALAR;
#endif
}

#endif

/* The best level; asked once: under a hypervisor a CPUID takes some 30 µs. */
static SimdLevel
best_level(void)
{
	static SimdLevel best = SIMD_AUTO;

	if (best == SIMD_AUTO)
		best = detect();
	return best;
}

bool
simd_runs(SimdLevel level)
{
	return level == SIMD_AUTO || level == SIMD_SCALAR || level == best_level() ||
		(level == SIMD_AVX2 && best_level() == SIMD_AVX512);
}

const void *
simd_choose(const void *const tables[SIMD_LEVELS], SimdLevel level)
{
	if (!simd_runs(level))
		return NULL;
	if (level != SIMD_AUTO)
		return tables[level];
	for (level = best_level(); level > SIMD_SCALAR; level--)
		if (tables[level] != NULL && simd_runs(level))
			return tables[level];
	return tables[SIMD_SCALAR];
}
