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

/*
 * Elements beyond ef whose true distances are looked at: estimates put some in
 * the wrong order, coarse ones many.
 */
static inline int
hnsw_extra_candidates(int ef, int bits)
{
	switch (bits)
	{
		case 0:
			return 0;
		case 1:
			return ef * 5 + 40;
		case 2:
			return ef * 2 + 20;
		default:
			return ef / 4 + 6;
	}
}

/*
 * Inner products of rows whose lengths vary have their greatest values at the
 * rim of the data, where neighbours are few: a walk for ef elements there keeps
 * so many (README.md, "Inner product").  Sparse values are far from each other
 * in all directions.
 */
static inline int
hnsw_walk_width(const Codec *codec, int ef)
{
	if (!codec->centred)
		return ef;
	return codec->column.type->kind == COLUMN_SPARSEVEC ? ef * 4 : ef * 2 + ef / 2;
}

/*
 * Inner products of sparse values: tight clusters have few dimensions in common, so
 * most products between them are 0 or small, and the way down ends in a wrong one,
 * from which no step leads on.  So a walk among them begins, besides where the way
 * down has led, at so many elements from all over the index; fewer where it keeps
 * fewer.  README.md, "Inner product", has what that finds, and what it costs.
 */
#define HNSW_SCATTERED_STARTS	64

/*
 * Let them take part in a search at level 0, for width candidates, that has begun and
 * not been run; nothing, where values are of another type or metric.  Locks pages,
 * one at a time, the same ones for each query.
 */
extern void hnsw_add_scattered(PageStore *store, GraphSearch *search, int width);

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
	bool		exhausted;		/* a walk that went on has found nothing */
	uint64		passed_by;		/* results outside of a range that were infinitely far */
	int			ef;
	int			full_ef;		/* more than ef, until more than a share is wanted */
	int			width;			/* hnsw_walk_width of ef */
	double		recall;			/* declared; 0: none, ef is what was asked for */
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
	uint64		taken_ever;
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
