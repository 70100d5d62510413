/*
 * node_set.h
 *	  A set of nodes: those that a round of vacuum removes.
 */
#ifndef VECTOR_HNSW_NODE_SET_H
#define VECTOR_HNSW_NODE_SET_H

#include "compat/pg.h"

#include "hnsw/graph.h"

/* A set of nodes of one level, or of all upper ones; added in order */
typedef struct NodeSet
{
	GraphId    *ids;
	Size		count;
	Size		room;
	uint8	   *bits;			/* one for each number; NULL: too many */
	GraphId		end;			/* numbers from here on are not in bits */
} NodeSet;

/* An empty set, with room for so many nodes, in the current context */
extern void node_set_init(NodeSet *set, Size room);

extern void node_set_clear(NodeSet *set);

/* Add a node whose number is greater than all before. */
extern void node_set_add(NodeSet *set, GraphId id);

/* After the last addition, and before any question */
extern void node_set_finish(NodeSet *set);

/* Is a number below set->end in the set? */
extern bool node_set_search(const NodeSet *set, GraphId id);

/* Is there no room for so many more? */
static inline bool
node_set_full(const NodeSet *set, Size more)
{
	return set->count + more > set->room;
}

static inline bool
node_set_has(const NodeSet *set, GraphId id)
{
	if (id >= set->end)
		return false;
	if (set->bits != NULL)
		return (set->bits[id / 8] >> (id % 8) & 1) != 0;
	return node_set_search(set, id);
}

#endif							/* VECTOR_HNSW_NODE_SET_H */
