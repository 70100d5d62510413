/*
 * tables.h
 *	  The tables behind the dispatch, and which of them this build contains.
 *
 * Private to src/math/distance: everybody else reaches a table through
 * distance_table or distance_kernels.  A table of another architecture does not
 * exist; its file compiles to nothing.
 */
#ifndef VECTOR_MATH_DISTANCE_TABLES_H
#define VECTOR_MATH_DISTANCE_TABLES_H

#include "distance.h"

/*
 * The initializer of a table, in a file whose static functions have the names
 * of the table's members.
 */
#define DISTANCE_TABLE(table_name) \
{ \
	.name = table_name, \
	.f32_l2sq = f32_l2sq, \
	.f32_ip = f32_ip, \
	.f32_l1 = f32_l1, \
	.f32_cosine = f32_cosine, \
	.f32_norm2 = f32_norm2, \
	.f16_l2sq = f16_l2sq, \
	.f16_ip = f16_ip, \
	.f16_l1 = f16_l1, \
	.f16_cosine = f16_cosine, \
	.f16_norm2 = f16_norm2, \
	.f32_ip_many = f32_ip_many, \
	.mixed_l2sq = mixed_l2sq, \
	.mixed_ip = mixed_ip, \
	.bit_hamming = bit_hamming, \
	.bit_jaccard = bit_jaccard, \
	.f16_to_f32 = f16_to_f32, \
	.f32_to_f16 = f32_to_f16, \
}

extern const DistanceKernels distance_scalar;
extern const DistanceKernels distance_avx2;
extern const DistanceKernels distance_avx512;
extern const DistanceKernels distance_neon;

#endif							/* VECTOR_MATH_DISTANCE_TABLES_H */
