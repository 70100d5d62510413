/*
 * query.h
 *	  A query's terms in segments: bounds and scores from their lists.
 */
#ifndef VECTOR_SPARSE_QUERY_H
#define VECTOR_SPARSE_QUERY_H

#include "sparse/inverted.h"

/* The elements of a query; those of norm 1 for cosine distance */
typedef struct QueryTerms
{
	int			count;
	int32	   *dims;			/* ascending */
	float	   *weights;
	bool		undefined;		/* every distance is NaN */
	bool		extreme;		/* float arithmetic may not hold its norm */
	bool		dropped;		/* some have been left out */
} QueryTerms;

/* A term of a segment that a query has, too */
typedef struct QueryList
{
	float		weight;			/* the query's */
	InvertedTerm term;
} QueryList;

/* A segment as a query sees it */
typedef struct QuerySegment
{
	Segment    *segment;
	uint32		first_range;	/* number among those of all segments */
	uint32		ranges;
	QueryList  *lists;			/* by ascending dimension */
	int			list_count;
	double		error;			/* a distance is not farther from its score's; 0:
								 * scores are what the operator computes */
	bool		zero_exact;		/* no product is lost: an untouched score is of a row
								 * that has no term in common with the query */
	uint8	   *flags;			/* of rows, or NULL: none has any */
} QuerySegment;

/* Prepare for a value, in the current context. */
extern void query_prepare(const InvertedIndex *index,
						  const SparseVector *value, QueryTerms *query);

/* Find a query's terms in a segment: lists, error, zero_exact. */
extern void query_find_terms(InvertedIndex *index, const QueryTerms *query,
							 QuerySegment *segment);

/* Add to bounds, by range of the segment, what its rows can have at most. */
extern void query_bounds(InvertedIndex *index, const QuerySegment *segment,
						 float *bounds);

/*
 * Add scores of the ranges that slots, by range, has numbers of, from 1: those of
 * number n are in scores + (n - 1) * RANGE_DOCS.  Returns postings read.
 */
extern uint64 query_score(InvertedIndex *index, const QuerySegment *segment,
						  const uint16 *slots, float *scores);

/* The flags of all rows of a segment, in the current context */
extern uint8 *query_flags(InvertedIndex *index, const Segment *segment);

#endif							/* VECTOR_SPARSE_QUERY_H */
