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
	PostingGroup *groups;		/* all of them, or NULL: they are read each time */
	uint32	   *sums;			/* of documents before each GROUPS_SUMMED-th one */
} QueryList;

/* A segment as a query sees it */
typedef struct QuerySegment
{
	const Segment *segment;
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

/*
 * Prepare for a value, in the current context; drop_ratio is the part of its elements, the
 * smallest ones, that are left out, from 0 to 1.
 */
extern void query_prepare(const InvertedIndex *index,
						  const SparseVector *value, double drop_ratio,
						  QueryTerms *query);

/* Find a query's terms in a segment: lists, error, zero_exact. */
extern void query_find_terms(InvertedIndex *index, const QueryTerms *query,
							 QuerySegment *segment);

/*
 * Keep the groups of its lists in memory, as far as there is room: bytes, from which
 * they are taken away.
 */
extern void query_keep_groups(InvertedIndex *index, QuerySegment *segment,
							  Size *room);

/* Add to bounds, by range of the segment, what its rows can have at most. */
extern void query_bounds(InvertedIndex *index, const QuerySegment *segment,
						 float *bounds);

/*
 * Add scores of count ranges of the segment, ascending: those of the first one are in
 * scores, those of the next one RANGE_DOCS behind.  Returns postings read.
 */
extern uint64 query_score(InvertedIndex *index, const QuerySegment *segment,
						  const uint16 *ranges, uint32 count, float *scores);

/* The flags of all rows of a segment, in the current context */
extern uint8 *query_flags(InvertedIndex *index, const Segment *segment);

#endif							/* VECTOR_SPARSE_QUERY_H */
