/*
 * scan.h
 *	  The state of a scan: see scan.c.
 */
#ifndef VECTOR_HNSW_SCAN_H
#define VECTOR_HNSW_SCAN_H

#include "compat/pg.h"

#include "hnsw/filter.h"
#include "index/result_heap.h"
#include "index/scan.h"

/* A candidate whose true distance is at least low, and at most high */
typedef struct Candidate
{
	uint64		low;			/* topk_key; equal ones are exact */
	uint64		high;
	GraphId		id;
	uint16		version;
	ItemPointerData tid;		/* its first */
	SlotId		more_tids;
} Candidate;

#define LOWER(a, b)	((a)->low < (b)->low)

RESULT_HEAP(Candidates, candidates, Candidate, LOWER)

typedef struct HnswScan
{
	VectorScan	common;			/* must be first */
	HnswIndex  *index;
	PageStore	store;
	CodecQuery *query;
	GraphSearch *search;
	char	   *bounded;		/* a value kept in the index */
	HnswFilter *filter;			/* NULL: no filter columns */
	bool		added_all;		/* all (that fulfil the conditions) are found */

	bool		beyond;			/* what is left is farther than wanted */
	int			ef;
	int			width;			/* walk_width of ef */
	int			batch;			/* how many there have been */
	int			quota;			/* elements still to return from this one */
	uint32		counted;		/* of what was found, in stats */

	GraphFound **taken;
	int			taken_room;
	SlotId	   *values;			/* of taken, to be asked for ahead */

	Candidates	results;

	/*
	 * Those returned, farthest last, as far as the order that they set has not
	 * been found to be void, because their rows are not visible.
	 */
	Candidate  *returned;
	int			returned_count;
	int			returned_room;
	bool		visible;		/* the only one left is known to be */
	uint64		returned_ever;
	Candidate	last;			/* the one returned last */

	ItemPointerData *tids;		/* of last, not yet returned */
	int			tid_count;
	int			tid_next;
	int			tid_room;
} HnswScan;

/*
 * Make results of the first count elements of scan->taken: what is known of their
 * true distances, from what the index has of their values.
 */
extern void hnsw_read_elements(HnswScan *scan, IndexScanDesc desc, int count);

/*
 * Find out the true distance of a result, from the table.  False if the snapshot
 * sees none of its rows.
 */
extern bool hnsw_make_exact(IndexScanDesc desc, Candidate *result);

/*
 * All TIDs of an element, into scan->tids.  The node stays locked, so that
 * vacuum frees none of their slots.
 */
extern void hnsw_load_tids(HnswScan *scan, IndexScanDesc desc,
						   const Candidate *result);

/* Leave a hint on an element that its only TID is dead to everybody. */
extern void hnsw_mark_dead(HnswScan *scan, const Candidate *result);

#endif							/* VECTOR_HNSW_SCAN_H */
