/*
 * filter.h
 *	  Filter columns: keys of elements, and conditions of a scan on them.
 */
#ifndef VECTOR_HNSW_FILTER_H
#define VECTOR_HNSW_FILTER_H

#include "compat/pg.h"

#include "access/skey.h"

#include "hnsw/page.h"

/* ------------------------------------------------------------------------
 * Keys (keys.c)
 */

typedef struct HnswKeys HnswKeys;

/*
 * The keys of an index that has filter columns, in the current context.  log:
 * changes go to WAL.
 */
extern HnswKeys *hnsw_keys_create(Relation relation, const HnswIndex *index,
								  BufferMap *map, bool log);

/* Elements whose keys a page has, a multiple of 8 */
extern uint32 hnsw_keys_per_page(const HnswKeys *keys);

/*
 * Read the directory, before all pages are gone through.  Returns how many pages
 * there are; numbers, unless NULL, is set to one more than the last one's: some
 * in between may be missing.
 */
extern uint32 hnsw_keys_refresh(HnswKeys *keys, uint32 *numbers);

/* Is there a page of this number, as the directory was when it was read? */
extern bool hnsw_keys_have_page(const HnswKeys *keys, uint32 number);

/* The block of a page that there is, as the directory was */
extern BlockNumber hnsw_keys_block(const HnswKeys *keys, uint32 number);

/* Does the element in a slot of a page of keys exist, by these? */
extern bool hnsw_keys_exists(Page page, uint32 slot);

/*
 * Write an element's keys.  Locks the metapage and a page of the directory, if
 * there is no page yet; then the page of keys.
 */
extern void hnsw_keys_put(HnswKeys *keys, GraphId id, const uint8 *entry);

/*
 * An element's keys, into entry; false if it has none (yet).  Locks their page.
 */
extern bool hnsw_keys_get(HnswKeys *keys, GraphId id, uint8 *entry);

/* Are an element's keys these?  Locks their page. */
extern bool hnsw_keys_equal(HnswKeys *keys, GraphId id, const uint8 *entry);

/* Elements, in ascending order, are about to be freed.  Locks page after page. */
extern void hnsw_keys_clear(HnswKeys *keys, const GraphId *ids, Size count);

/* Does an element exist whose keys pass? */
extern bool hnsw_keys_pass(HnswKeys *keys, const Filter *filter, GraphId id);

/*
 * The same of all elements of a page, into passes, per_page of 0 or 1.  *used,
 * unless NULL, is how many exist.  False if there is no such page.
 */
extern bool hnsw_keys_pass_page(HnswKeys *keys, const Filter *filter,
								uint32 number, uint32 *used, uint8 *passes);

/* ------------------------------------------------------------------------
 * Conditions
 */

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
