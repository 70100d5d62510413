/*
 * tables.h
 *	  The tables behind the dispatch.
 *
 * Private to src/math/cluster.  A table whose guard is not defined does not
 * exist; its file compiles to nothing.
 */
#ifndef VECTOR_MATH_CLUSTER_TABLES_H
#define VECTOR_MATH_CLUSTER_TABLES_H

#include "kernels.h"

/* TILE_ROWS, BLOCK and CACHE_BYTES are the including file's */
#define CLUSTER_TABLE(table_name) \
{ \
	.name = table_name, \
	.rows = TILE_ROWS, \
	.block = BLOCK, \
	.cache = CACHE_BYTES, \
	.shift = shift, \
	.multiply = multiply, \
	.nearest = nearest, \
	.accumulate = accumulate, \
}

extern const ClusterKernels cluster_scalar;

#ifdef SIMD_X86
extern const ClusterKernels cluster_avx2;
extern const ClusterKernels cluster_avx512;
#endif

#ifdef SIMD_ARM
extern const ClusterKernels cluster_neon;
#endif

#endif							/* VECTOR_MATH_CLUSTER_TABLES_H */
