/*
 * keys.h
 *	  Filter columns' keys of elements.
 */
#ifndef VECTOR_HNSW_KEYS_H
#define VECTOR_HNSW_KEYS_H

#include "compat/pg.h"

#include "hnsw/page.h"

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

/*
 * Write an element's keys.  Locks the metapage and a page of the directory, if
 * there is no page yet; then the page of keys.
 */
extern void hnsw_keys_put(HnswKeys *keys, GraphId id, const uint8 *entry);

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

#endif							/* VECTOR_HNSW_KEYS_H */
