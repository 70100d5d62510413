/*
 * insert.h
 *	  One more element in the graph on pages.
 */
#ifndef VECTOR_HNSW_INSERT_H
#define VECTOR_HNSW_INSERT_H

#include "compat/pg.h"

#include "hnsw/keys.h"

/* What an insertion needs; made once for many */
typedef struct HnswInserter
{
	Relation	relation;
	HnswIndex  *index;
	PageStore	store;
	GraphSearch *search;
	GraphSelector *selector;
	CodecQuery *query;
	char	   *payload;
	char	   *link_payload;	/* of a node that gets a new neighbour */
	char	   *bounded;
	GraphFound **results;
	GraphLinks *links;
	BlockNumber targets[PAGE_KINDS];	/* see slot_page_find */
	HnswKeys   *keys;			/* NULL: no filter columns */
	uint8	   *entry_keys;		/* of the element to be inserted */
} HnswInserter;

extern HnswInserter *hnsw_inserter_create(Relation relation, HnswIndex *index,
										  bool log);

/* Nearest elements that are looked at for the value of a new one */
#define HNSW_DUPLICATE_CANDIDATES	16

/* Prepare the query and the payload (but that of an outer value). */
extern void hnsw_set_value(HnswInserter *inserter,
						   const struct varlena *value);

/*
 * Write what is kept of the value outside of its node, if anything, and
 * complete the payload.
 */
extern SlotId hnsw_write_value(HnswInserter *inserter);

/*
 * Insert a value that codec_indexes and that has the right dimensions; its keys,
 * if the index has filter columns, are in inserter->entry_keys.
 */
extern void hnsw_insert_value(HnswInserter *inserter,
							  const struct varlena *value,
							  ItemPointer heap_tid);

/*
 * Of elements with the same value or payload (twins.c), among so many results of
 * the search for a new one's neighbours: give one of the same value and keys the
 * TID, if there is one; the element in use that has the payload, or NO_SLOT; and
 * insert the new one, *node being what is known of its node, as a twin of that
 * head, unless it has been deleted meanwhile.
 */
extern bool hnsw_insert_duplicate(HnswInserter *inserter, int results,
								  uint64 hash, ItemPointer tid);
extern GraphId hnsw_find_head(HnswInserter *inserter, int results);
extern bool hnsw_insert_twin(HnswInserter *inserter, GraphId head,
							 GraphNode *node);

/*
 * Give an element a node one level up from its highest, of which node is a
 * copy, if the graph rises so high.  Only for vacuum, which knows that the
 * element stays.
 */
extern void hnsw_raise(HnswInserter *inserter, GraphId id,
					   const GraphNode *node);

/* The hash of an element: of its value and its keys (NULL: none) */
extern uint64 hnsw_hash(const HnswIndex *index, const struct varlena *value,
						const uint8 *entry_keys);

/*
 * The plain form of a value to be indexed, in the current context; NULL where
 * it is not indexed.  Error where its dimensions are wrong.
 */
extern const struct varlena *hnsw_indexed_value(const Codec *codec,
												Datum value, bool isnull);

/* A pseudorandom level for an element, from its hash */
extern int	hnsw_level(const HnswIndex *index, uint64 hash);

/*
 * centre.c: an element has been inserted while the mean is unknown.  Count it, and
 * learn the mean if there are enough.  The caller has no lock.
 */
extern void hnsw_learn_centre(HnswInserter *inserter, Relation heap);

#endif							/* VECTOR_HNSW_INSERT_H */
