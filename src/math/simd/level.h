/*
 * level.h
 *	  Which instruction sets this build has kernels for, and which of them this
 *	  processor runs.
 *
 * A room with kernels has a table of function pointers for each level, an array
 * of these by level, and a pointer to the table in use.  It asks simd_choose
 * for a table and tests no processor and no macro of a compiler itself: its
 * kernel files are guarded by SIMD_X86 and SIMD_ARM.
 */
#ifndef VECTOR_MATH_SIMD_LEVEL_H
#define VECTOR_MATH_SIMD_LEVEL_H

#include <stdbool.h>

#if defined(__x86_64__)
#define SIMD_X86
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define SIMD_ARM
#endif

/* Instruction sets in ascending order of preference within an architecture */
typedef enum SimdLevel
{
	SIMD_AUTO = 0,				/* the best this processor runs */
	SIMD_SCALAR,
	SIMD_NEON,
	SIMD_AVX2,					/* needs AVX2, FMA, F16C, POPCNT */
	SIMD_AVX512					/* needs the above and AVX-512 F, BW, DQ, VL,
								 * VPOPCNTDQ, VNNI */
} SimdLevel;

#define SIMD_LEVELS		(SIMD_AVX512 + 1)

/* Entries of a room's array of tables; a level that is not built has NULL. */
#ifdef SIMD_X86
#define SIMD_X86_TABLES(avx2, avx512) [SIMD_AVX2] = &(avx2), [SIMD_AVX512] = &(avx512),
#else
#define SIMD_X86_TABLES(avx2, avx512)
#endif
#ifdef SIMD_ARM
#define SIMD_ARM_TABLES(neon) [SIMD_NEON] = &(neon),
#else
#define SIMD_ARM_TABLES(neon)
#endif

/*
 * Does this processor run a level, and does the operating system save its
 * registers?  What it runs is asked once a process.  SIMD_AUTO and SIMD_SCALAR
 * run everywhere; a number that is no level does not run.
 */
extern bool simd_runs(SimdLevel level);

/*
 * The table of a level out of a room's tables, or NULL where this build does
 * not have it or this processor cannot run it.  SIMD_AUTO gives the best and
 * never NULL; tables[SIMD_SCALAR] is always there.  So calling through a table
 * that came from here can never raise an illegal instruction.
 */
extern const void *simd_choose(const void *const tables[SIMD_LEVELS],
							   SimdLevel level);

/*
 * Declare and define what a room's header says of its tables: a pointer to the
 * one in use, the scalar one at first; room_table, the table of a level or NULL,
 * as simd_choose; and room_set_level, which puts a level's table in use and
 * returns 0, or returns -1 (and changes nothing).  The pointer is plain process
 * state, not for two threads at once.
 */
#define SIMD_TABLE_IN_USE(room, Kernels, in_use) \
extern const Kernels *in_use; \
extern const Kernels *room##_table(SimdLevel level); \
extern int	room##_set_level(SimdLevel level)

#define SIMD_DISPATCH(room, Kernels, in_use, scalar, ...) \
const Kernels *in_use = &(scalar); \
\
const Kernels * \
room##_table(SimdLevel level) \
{ \
	static const void *const tables[SIMD_LEVELS] = { \
		[SIMD_SCALAR] = &(scalar), __VA_ARGS__ \
	}; \
\
	return (const Kernels *) simd_choose(tables, level); \
} \
\
int \
room##_set_level(SimdLevel level) \
{ \
	const Kernels *table = room##_table(level); \
\
	if (table == NULL) \
		return -1; \
	in_use = table; \
	return 0; \
}

#endif							/* VECTOR_MATH_SIMD_LEVEL_H */
