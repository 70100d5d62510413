/*
 * training.h
 *	  What pq.c and opq.c share: rows to train on, and codebooks.
 *
 * Private to src/math/quantize.
 */
#ifndef VECTOR_MATH_QUANTIZE_TRAINING_H
#define VECTOR_MATH_QUANTIZE_TRAINING_H

#include "pq.h"

/*
 * The most rows that codebooks are trained on; more would not make them
 * better.
 */
extern size_t pq_training_rows(const PqShape *shape);

/*
 * Which of n rows is number i of a sample of count <= n rows: one of each of
 * count equal stretches, so that they ascend, none twice.
 */
extern size_t pq_sample(size_t i, size_t count, size_t n, uint64_t seed);

/* How many floats of a part are dimensions, not padding */
static inline size_t
pq_used(const PqShape *shape, size_t part)
{
	size_t		first = part * shape->part;

	if (first >= shape->dims)
		return 0;
	return shape->dims - first < shape->part ? shape->dims - first :
		shape->part;
}

/* The number of a part in a code */
static inline size_t
pq_number(const PqShape *shape, const uint8_t *code, size_t j)
{
	return shape->nbits == 8 ? code[j] : code[j / 2] >> (4 * (j % 2)) & 15;
}

/*
 * Train codebooks on a sample of count of n rows, n > 0.
 */
extern void pq_train_sample(const ClusterHost *host, const PqShape *shape,
							const float *rows, size_t n, size_t count,
							uint64_t seed, float *codebooks);

#endif							/* VECTOR_MATH_QUANTIZE_TRAINING_H */
