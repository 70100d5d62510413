/*
 * tables.h
 *	  The tables behind the dispatch.
 *
 * Private to src/math/keys.  A table of another architecture does not exist;
 * its file compiles to nothing.  NEON is part of every AArch64: the scalar
 * table, which the compiler vectorizes, is its table as well.
 */
#ifndef VECTOR_MATH_KEYS_TABLES_H
#define VECTOR_MATH_KEYS_TABLES_H

#include "keys.h"

/* The initializer of a table, in a file that has included loops.h */
#define KEYS_TABLE(table_name) \
{ \
	.name = table_name, \
	.range = {range8, range16, range32, range64}, \
	.equal = {equal8, equal16, equal32, equal64}, \
	.pack = pack, \
}

extern const KeyKernels keys_scalar;
extern const KeyKernels keys_avx2;
extern const KeyKernels keys_avx512;

#endif							/* VECTOR_MATH_KEYS_TABLES_H */
