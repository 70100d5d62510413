/*
 * filter.h
 *	  Conditions of a scan on filter columns.
 */
#ifndef VECTOR_HNSW_FILTER_H
#define VECTOR_HNSW_FILTER_H

#include "compat/pg.h"

#include "access/skey.h"

#include "hnsw/keys.h"

typedef enum HnswFilterMode
{
	FILTER_NONE,				/* no conditions, or nothing passes */
	FILTER_WALK,				/* what fails is no result */
	FILTER_HOPS,				/* through elements that pass */
	FILTER_ALL					/* all that pass are compared */
} HnswFilterMode;

typedef struct HnswFilter
{
	GraphFilter graph;			/* must be first */
	Filter	   *filter;
	HnswKeys   *keys;
	uint32		per_page;		/* elements of a page of keys */
	uint32		pages;			/* of keys */
	uint32		numbers;		/* of these pages: one more than the last one */
	MemoryContext context;
	HnswFilterMode mode;
	double		share;			/* of elements that pass */
	double		elements;		/* in the index: an estimate */
	double		matching;		/* of them pass: an estimate, or all */
	uint64		failed;			/* elements found to fail since creation, about */
	uint8	   *bitmap;			/* memory of graph.bitmap */
	Size		bitmap_room;
	uint8	   *passes;			/* of a page */
	GraphId    *seeds;			/* some that pass */
	uint32		seed_count;
} HnswFilter;

/* From this share on, elements that fail are worth their distance */
#define HNSW_WALK_SHARE		0.4

/*
 * Up to twice so many elements that pass are compared rather than walked among
 * (see bench/RESULTS.md)
 */
static inline double
hnsw_filter_few(int ef)
{
	return Max(5000, 25.0 * ef);
}

/* Of an index that has filter columns; in the current context */
extern HnswFilter *hnsw_filter_create(Relation relation,
									  const HnswIndex *index, BufferMap *map);

/*
 * Take a scan's conditions, and choose the mode (FILTER_NONE where there are
 * none, or filter->impossible).  Locks pages of keys, one at a time.
 */
extern void hnsw_filter_begin(HnswFilter *filter, ScanKey keys, int nkeys,
							  int ef);

/* Add all elements that pass to a search's results, up to most in all. */
extern void hnsw_filter_add_all(HnswFilter *filter, GraphSearch *search,
								int ef, uint32 most);

#endif							/* VECTOR_HNSW_FILTER_H */
