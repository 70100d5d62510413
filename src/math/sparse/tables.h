/*
 * tables.h
 *	  The tables behind the dispatch.
 *
 * Private to src/math/sparse.  A table of another architecture does not exist; its
 * file compiles to nothing.  NEON is part of every AArch64: the scalar table, which
 * the compiler vectorizes, is its table as well.
 */
#ifndef VECTOR_MATH_SPARSE_TABLES_H
#define VECTOR_MATH_SPARSE_TABLES_H

#include "postings.h"

/* The initializer of a table, in a file that has included loops.h */
#define POSTINGS_TABLE(table_name) \
{ \
	.name = table_name, \
	.reach = reach, \
	.greatest = greatest, \
	.groups_sum = groups_sum, \
}

extern const PostingKernels postings_scalar;
extern const PostingKernels postings_avx2;
extern const PostingKernels postings_avx512;

#endif							/* VECTOR_MATH_SPARSE_TABLES_H */
