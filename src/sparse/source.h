/*
 * source.h
 *	  Where the rows and postings of a new segment come from.
 */
#ifndef VECTOR_SPARSE_SOURCE_H
#define VECTOR_SPARSE_SOURCE_H

#include "sparse/inverted.h"

/* A posting of a term */
typedef struct DocWeight
{
	uint32		doc;			/* of the source, from 0 */
	float		weight;
} DocWeight;

/* A segment that is read from beginning to end */
typedef struct SegmentSource
{
	InvertedIndex *index;
	Segment    *segment;
	uint32	   *numbers;		/* by row: its number among the living */
	uint32		living;
	uint32		term;			/* number of the next one */
	InvertedTerm *terms;		/* those of its page */
	InvertedTerm current;
	uint64		next_group;
	uint64		next_posting;
	uint32		groups_left;	/* of the term */
	PostingGroup *groups;		/* a page's, from group on group_count more */
	uint32		group;
	uint32		group_count;
	uint32		group_left;		/* postings of the group */
	char	   *postings;		/* a page's */
	uint32		postings_page;
} SegmentSource;

struct PostingSource
{
	uint32		docs;			/* rows that it gives */
	uint32		longest;

	/* the term that it has come to */
	bool		ended;			/* none */
	int32		dim;
	uint32		count;			/* postings that are left */
	float		greatest;
	bool		negative;
	float		error;			/* of its weights */

	/* give rows to a writer; go to the next term; read postings of it */
	void		(*give_docs) (PostingSource *source, SegmentWriter *writer);
	void		(*next_term) (PostingSource *source);
	uint32		(*read) (PostingSource *source, DocWeight *postings, uint32 most);

	/* what it is */
	InvertedRun *run;
	Size		at;
	SegmentSource *segment;
	struct RunFile *file;
};

/* Sort a run's postings by dimension. */
extern void run_sort(InvertedRun *run);

#endif							/* VECTOR_SPARSE_SOURCE_H */
