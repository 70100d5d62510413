/*
 * postings.h
 *	  Weights in posting lists, and scores from them.
 *
 * Documents are numbered, and lie in ranges of RANGE_DOCS.  The postings of a
 * term in a range are a group: the places of documents in the range, a byte
 * each, and their weights.  Scores of a range are summed up in an array of
 * RANGE_DOCS floats, group by group.
 *
 * A weight is kept as it is, or as a code of 8 bits times a step, which is the
 * term's and a power of two.  So a weight that is a multiple of the step is kept
 * exactly, and a term whose greatest weight grows can have its codes made again
 * without adding up errors: with steps s1 < s2 < ... they are at most s1/2 +
 * s2/2 + ..., less than the last step.
 *
 * Codes of terms without negative weights are 1 to 255; those of others are 128
 * more than a number from -127 to 127, which is not 0.
 *
 * Pure C; arrays need the alignment of their elements only.
 */
#ifndef VECTOR_MATH_SPARSE_POSTINGS_H
#define VECTOR_MATH_SPARSE_POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/simd/level.h"

#define RANGE_BITS	6
#define RANGE_DOCS	(1 << RANGE_BITS)

/* The numbers that a code stands for are at most this */
#define CODE_MOST			255
#define SIGNED_CODE_MOST	127
#define SIGNED_CODE_ZERO	128

/* A group of postings: weights of so many documents, all in one range */
typedef struct PostingGroup
{
	uint16_t	range;
	uint8_t		others;			/* documents, less 1 */
	uint8_t		greatest;		/* no weight's size is above this many steps */
} PostingGroup;

/*
 * The least power of two that can be the step of weights whose size is at most
 * greatest (finite, above 0).  It is not below the least positive float.
 */
extern float weight_step(float greatest, bool negative);

/*
 * The code of a finite weight that is not 0, whose size is at most what the
 * step has been made for
 */
extern uint8_t weight_encode(float weight, float step, bool negative);

/* The weight that a code stands for, exactly */
static inline float
weight_decode(uint8_t code, float step, bool negative)
{
	return (negative ? (float) (code - SIGNED_CODE_ZERO) : (float) code) * step;
}

/* The least code, as one of a group's greatest, of a weight kept as it is */
extern uint8_t weight_bound(float weight, float step);

/* The same of a code */
static inline uint8_t
code_bound(uint8_t code, bool negative)
{
	if (!negative)
		return code;
	return code < SIGNED_CODE_ZERO ? SIGNED_CODE_ZERO - code : code - SIGNED_CODE_ZERO;
}

/*
 * Of a float that is summed up and has had nothing added: it is 0, and told from
 * any sum of products that are not 0.
 */
#define SCORE_UNTOUCHED	(-0.0f)

static inline bool
score_is_untouched(float score)
{
	return score == 0 && __builtin_signbit(score);
}

/* Nothing has been added to count scores, a multiple of RANGE_DOCS, yet. */
static inline void
scores_clear(float *scores, size_t count)
{
	for (size_t i = 0; i < count; i++)
		scores[i] = SCORE_UNTOUCHED;
}

/* Are sums of products the same wherever they are compiled: nothing is fused? */
extern bool score_sums_exact(void);

/*
 * Add q times the weights of count postings to the scores of their documents.
 * scores has RANGE_DOCS members.  Each product is rounded to float32 before it is
 * added, as in sparse_ip (math/distance/sparse.c).
 */
extern void score_codes(float *scores, const uint8_t *places,
						const uint8_t *codes, size_t count, float q,
						float step, bool negative);
extern void score_weights(float *scores, const uint8_t *places,
						  const float *weights, size_t count, float q);

/*
 * Add to the bounds of ranges what groups of a term can add to a score at most:
 * sizes (at least 0) of q times the step, times the group's greatest.  A range
 * that is not below ranges is left out, and false returned: no such group can be.
 */
extern bool score_bounds(float *bounds, uint32_t ranges,
						 const PostingGroup *groups, size_t count, float q,
						 float step);

/* Bounds that are looked at together */
#define BOUND_BLOCK		64

/* Groups of a term that documents are counted of together */
#define GROUPS_SUMMED	16

/* All levels give the same. */
typedef struct PostingKernels
{
	const char *name;

	/*
	 * Which of count numbers, at most 64, are not below low: a bit each.  *rest is the
	 * greatest of the others, or -INFINITY.
	 */
	uint64_t	(*reach) (const float *numbers, size_t count, float low,
						  float *rest);

	/*
	 * The greatest of each BOUND_BLOCK of count numbers, none of them NaN, into
	 * blocks, the last ones being fewer; and the greatest of all, which is -INFINITY
	 * if there is none.
	 */
	float		(*greatest) (const float *bounds, size_t count, float *blocks);

	/*
	 * How many documents lie before each GROUPS_SUMMED of a term's groups, into sums,
	 * and how many in all, into *docs.  False, and nothing to be used, if ranges do
	 * not ascend.
	 */
	bool		(*groups_sum) (const PostingGroup *groups, size_t count,
							   uint32_t *sums, uint32_t *docs);
} PostingKernels;

SIMD_TABLE_IN_USE(postings, PostingKernels, posting_kernels);

/*
 * The documents of a range whose score is at least low, and below high unless
 * that is NaN; or is no number, where high is NaN.  Their places, ascending, are in
 * places (RANGE_DOCS members).  *rest is the greatest score below low, or
 * -INFINITY.  passes, if not NULL, has a byte for each document; those with 0 are
 * left out of everything.
 */
extern size_t score_select(const float *scores, size_t docs,
						   const uint8_t *passes, float low, float high,
						   uint8_t *places, float *rest);

/* ------------------------------------------------------------------------
 * Inversion
 */

typedef struct Posting
{
	int32_t		dim;
	uint32_t	doc;
	float		weight;
} Posting;

/*
 * Sort postings by dimension; those of one stay in their order (radix sort).
 * spare has room for as many.  The result is in postings.
 */
extern void postings_sort(Posting *postings, Posting *spare, size_t count);

#endif							/* VECTOR_MATH_SPARSE_POSTINGS_H */
