/*
 * insert.h
 *	  One more element in the graph on pages.
 */
#ifndef VECTOR_HNSW_INSERT_H
#define VECTOR_HNSW_INSERT_H

#include "compat/pg.h"

#include "hnsw/filter.h"

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

/*
 * centre.c: the value that the index keeps in that slot, as one of the column's type,
 * rounded to half precision, in the current context.  NULL if it keeps none, or none
 * that stands for the value.
 */
extern struct varlena *hnsw_kept_value(HnswInserter *inserter, SlotId kept);

/* ------------------------------------------------------------------------
 * links.c: nodes on pages, and the edges between them.  The value that is
 * inserted, its payload and its links are the inserter's.
 */

/*
 * Write a new element's node at one level, with what head has of it besides
 * payload and links; returns its number.
 */
extern GraphId hnsw_write_node(HnswInserter *inserter, int level,
							   const GraphNode *head, const GraphLinks *links,
							   uint8 flags);

/* Give an existing node its links. */
extern void hnsw_set_links(HnswInserter *inserter, int level, GraphId id,
						   const GraphLinks *links);

/* Change which element comes behind a new one in the ring. */
extern void hnsw_set_next(HnswInserter *inserter, GraphId id, GraphId next);

/*
 * Make an element a head, if it is none.  False if it has been deleted
 * meanwhile; else it is not while this insertion lasts.
 */
extern bool hnsw_make_head(HnswInserter *inserter, GraphId id);

/*
 * Put a twin, which leads on already, at the beginning of its head's chain.
 * False if that does not begin with known any more.
 */
extern bool hnsw_join_chain(HnswInserter *inserter, GraphId head, GraphId id,
							GraphId known);

/*
 * Make a new element a neighbour of a node.
 *
 * The node's choice of neighbours may turn it down; but not the edge of the
 * ring (only at level 0), which takes the place of the one to known (NO_SLOT:
 * none).  Then the result is false, and nothing has changed, if the node does
 * not lead to that one any more, or has been deleted.
 *
 * What is computed is computed without a lock, from a copy; if another process
 * has changed the node meanwhile, again.
 */
extern bool hnsw_link_back(HnswInserter *inserter, int level, GraphId to,
						   GraphId edge, GraphId known);

/* Make an element's node at one level a neighbour of its neighbours. */
extern void hnsw_link_all_back(HnswInserter *inserter, int level, GraphId id);

#endif							/* VECTOR_HNSW_INSERT_H */
