/*
 * verify.h
 *	  Is a graph what README.md promises?  What its parts are looked at with.
 */
#ifndef VECTOR_HNSW_VERIFY_H
#define VECTOR_HNSW_VERIFY_H

#include "compat/pg.h"

#include "hnsw/filter.h"
#include "index/verify.h"

/* A level that stands for no node */
#define NO_LEVEL	0xFF

typedef struct HnswVerify
{
	Verify	   *verify;
	HnswIndex  *index;
	PageStore	store;
	CodecQuery *query;
	char	   *encoded;		/* a payload */
	HnswKeys   *keys;			/* NULL: no filter columns, or damaged ones */
	bool		codes_final;	/* no codes are made anew any more (centre.c) */
	bool		tree;			/* of version 1.0: there is no ring */
	GraphId		entry;			/* the element that searches begin at; or NO_SLOT */

	/* as pages were when they were read first */
	VerifyBits	base;			/* nodes of level 0 that are not free */
	VerifyBits	twins;			/* of these */
	uint64		upper_end;
	uint8	   *upper;			/* levels of others, or NO_LEVEL */
	VerifyBits	reached;		/* by the ring, or a chain of twins */
	VerifyBits	values;			/* slots in use, but those that elements name */
	VerifyBits	tids;

	/* room for one, with its edges */
	GraphNode  *node;
	GraphNode  *again;
	GraphNode  *other;
	GraphNode  *step[4];		/* verify_graph.c */

	/* of the element that was read last */
	int			tid_count;
	int			tid_room;
	ItemPointerData *element_tids;
	char	   *value;			/* what is kept outside of its node */
	Size		value_room;
	char	   *slot;			/* room for a slot of values or TIDs */
	const char *problem;		/* of TIDs or value; or NULL */
} HnswVerify;

/* Copy a node of a level (0, or any above); false if there is none in use. */
extern bool hnsw_verify_node(HnswVerify *hnsw, int level, GraphId id,
							 GraphNode *node);

/* Where a node is */
static inline BlockNumber
node_block(const HnswVerify *hnsw, int level, GraphId id)
{
	return slot_block(graph_geometry(&hnsw->index->shape, level), id);
}

static inline uint32
node_slot(const HnswVerify *hnsw, int level, GraphId id)
{
	return id % graph_geometry(&hnsw->index->shape, level)->per_page;
}

/*
 * verify_graph.c: follow the ring from an element (NO_SLOT: any), and all chains of
 * twins.
 */
extern void hnsw_verify_ring(HnswVerify *hnsw, GraphId start);

/* verify_graph.c: the edges of a node, a copy of which is given */
extern void hnsw_verify_edges(HnswVerify *hnsw, int level, GraphId id,
							  const GraphNode *node);

/* verify_graph.c: what a node above level 0 stands for */
extern void hnsw_verify_upper(HnswVerify *hnsw, GraphId id,
							  const GraphNode *node);

#endif							/* VECTOR_HNSW_VERIFY_H */
