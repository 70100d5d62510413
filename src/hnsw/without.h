/*
 * without.h
 *	  A graph as if one of its elements had never been inserted.
 */
#ifndef VECTOR_HNSW_WITHOUT_H
#define VECTOR_HNSW_WITHOUT_H

#include "compat/pg.h"

#include "hnsw/page.h"

/* The most nodes that lead to an element that are known: a power of two */
#define WITHOUT_MOST	128

/* A node that leads to the element, as it would be */
typedef struct WithoutNode
{
	GraphId		id;				/* NO_SLOT: there is none */
	GraphNode  *node;
} WithoutNode;

typedef struct WithoutStore
{
	PageStore	page;			/* must be first: what a search reads */
	void		(*nodes) (GraphStore *store, int level, const GraphId *ids,
						  int count, const GraphNode **nodes);
	const GraphNode *(*hold) (GraphStore *store, int level, GraphId id);
	CodecQuery *between;
	WithoutNode table[2 * WITHOUT_MOST];	/* by the number: open addressing */
	int			count;
	char	   *room;			/* of WITHOUT_MOST nodes */
	char	   *payloads;		/* of an element's neighbours */
} WithoutStore;

/* In the current memory context; the graph is what it is. */
extern void without_init(WithoutStore *store, Relation index, HnswIndex *opened);

/*
 * From now on the graph is without an element of level 0.  near: elements among which
 * those that lead to it are looked for.  Locks pages in share mode, one at a time.
 */
extern void without_set(WithoutStore *store, GraphId id, const GraphId *near,
						int count);

/* The graph is what it is. */
extern void without_none(WithoutStore *store);

#endif							/* VECTOR_HNSW_WITHOUT_H */
