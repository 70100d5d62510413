/*
 * memory_graph.h
 *	  The graph in memory, while an index is built.
 */
#ifndef VECTOR_HNSW_MEMORY_GRAPH_H
#define VECTOR_HNSW_MEMORY_GRAPH_H

#include "compat/pg.h"

#include "hnsw/insert.h"
#include "index/build_memory.h"
#include "storage/lwlock.h"

#define MEMORY_NODE_LOCKS	1024	/* a power of two */

/* What the processes that build share of the graph */
typedef struct MemoryGraphShared
{
	BuildMemoryShared memory;
	int			participants;
	pg_atomic_uint32 base_count;
	pg_atomic_uint32 upper_count;
	pg_atomic_uint32 tid_count;
	double		per_element;	/* bytes */
	LWLock		entry_lock;
	GraphEntry	entry;
	LWLockPadded node_locks[MEMORY_NODE_LOCKS];
} MemoryGraphShared;

/* One more heap TID of an element, in memory */
typedef struct BuildTid
{
	uint32		next;			/* number in the array plus 1; 0: none */
	ItemPointerData tid;
} BuildTid;

/* A process's view of the graph in memory, as search.c sees it */
typedef struct MemoryGraph
{
	GraphStore	store;			/* must be first */
	MemoryGraphShared *shared;
	bool		alone;			/* no locks are needed */
	HnswIndex  *index;
	HnswInserter *inserter;		/* has the value that is inserted */
	BuildMemory *memory;
	BuildArray *base;
	BuildArray *upper;
	BuildArray *tids;
	GraphSearch *search;
	GraphSelector *selector;
} MemoryGraph;

/*
 * A node in memory.  Numbers begin with per_page, as if on block 1: so that 0
 * stands for none, and writing adds a constant.
 */
static inline GraphNode *
memory_node(const MemoryGraph *graph, int level, GraphId id)
{
	const SlotGeometry *geometry = graph_geometry(&graph->index->shape, level);

	return (GraphNode *) build_array_at(level == 0 ? graph->base : graph->upper,
										id - geometry->per_page);
}

static inline BuildTid *
memory_tid(MemoryGraph *graph, uint32 number)
{
	return (BuildTid *) build_array_at(graph->tids, number);
}

/* The filter columns' keys of an element */
extern uint8 *memory_keys(MemoryGraph *graph, GraphId id);

/*
 * Plan the graph's memory; shared is zeroed.  rows is an estimate; most: there cannot be more.
 * Returns how many bytes the estimate asks for.
 */
extern Size memory_graph_plan(MemoryGraphShared *shared, const HnswIndex *index,
							  double rows, double most);

/*
 * The rest of what is shared, once it is where it will stay: an empty graph.
 * Locks belong to tranche; one participant takes none.
 */
extern void memory_graph_init(MemoryGraphShared *shared, int participants,
							  int tranche);

/* segment: where shared lies; NULL: this process builds alone */
extern MemoryGraph *memory_graph_join(MemoryGraphShared *shared,
									  dsm_segment *segment, HnswIndex *index,
									  HnswInserter *inserter);

/*
 * Have room for one more element of level, or for one more TID of an element,
 * besides what the other processes may be about to add; false if memory does not
 * allow it.
 */
extern bool memory_graph_make_room(MemoryGraph *graph, int level);

/* Insert the value that the inserter is set to.  There is room for it. */
extern void memory_graph_insert(MemoryGraph *graph, ItemPointer tid, uint64 hash,
								int level);

/* Move the graph from memory to pages (write_graph.c).  No other process is in it. */
extern void memory_graph_write(MemoryGraph *graph);

#endif							/* VECTOR_HNSW_MEMORY_GRAPH_H */
