/*
 * links.h
 *	  Nodes on pages, and the edges between them, written by insertions.
 *
 * The value that is inserted, its payload and its links are the inserter's.
 */
#ifndef VECTOR_HNSW_LINKS_H
#define VECTOR_HNSW_LINKS_H

#include "compat/pg.h"

#include "hnsw/insert.h"

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

#endif							/* VECTOR_HNSW_LINKS_H */
