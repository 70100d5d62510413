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

/*
 * What is known of a node's neighbours, in their order.  It makes room for a
 * new one without computing again what the others are to each other, and is
 * forgotten when the graph is written.
 */
typedef struct BuildEdge
{
	float		distance;
	bool		diverse;
	bool		ring;			/* EDGE_RING */
	uint16		note;			/* of the last one: see given_lists.c */
} BuildEdge;

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

static inline BuildEdge *
memory_edges(const MemoryGraph *graph, int level, GraphId id)
{
	return (BuildEdge *) ((char *) memory_node(graph, level, id) +
						  graph_geometry(&graph->index->shape, level)->slot_size);
}

static inline void
lock_if_shared(MemoryGraph *graph, LWLock *lock, LWLockMode mode)
{
	if (!graph->alone)
		LWLockAcquire(lock, mode);
}

static inline void
unlock_if_shared(MemoryGraph *graph, LWLock *lock)
{
	if (!graph->alone)
		LWLockRelease(lock);
}

/* The lock of a node's edges */
static inline LWLock *
node_lock(MemoryGraph *graph, GraphId id)
{
	return &graph->shared->node_locks[id % MEMORY_NODE_LOCKS].lock;
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

/* ------------------------------------------------------------------------
 * Parts of an insertion, for given_graph.c
 */

/*
 * Write an element's node at one level; its payload and its filter columns' keys
 * are the inserter's.
 */
extern GraphId memory_write(MemoryGraph *graph, int level, const GraphNode *head,
							const GraphLinks *links, uint8 flags);

/* Put edges into a node, and what is known of them; a head keeps its twins. */
extern void memory_set_edges(MemoryGraph *graph, int level, GraphId id,
							 const GraphLinks *links);

/* Add a TID to an element, if it has the query's value and the same keys. */
extern bool memory_add_tid(MemoryGraph *graph, GraphId id, uint64 hash,
						   ItemPointer tid);

/* Insert an element that has the payload of head as its twin. */
extern void memory_put_twin(MemoryGraph *graph, GraphId head, GraphNode *node);

/*
 * Move the edges of a node from place by one, to where one has been dropped (or
 * behind the last), and put an edge into the place that gets free.  Readers find
 * each edge that stays, some of them twice for a moment.
 */
extern void memory_move_edges(const GraphShape *shape, GraphNode *node,
							  const GraphEdges *edges, BuildEdge *known,
							  int place, int dropped, GraphId id,
							  const BuildEdge *edge);

/*
 * Put an element into the ring behind a node, which is locked and whose edges
 * have been read, by its links.
 */
extern void memory_join_ring(MemoryGraph *graph, GraphNode *node, GraphId to,
							 GraphEdges *edges, BuildEdge *known, GraphId id,
							 GraphLinks *links);

/*
 * Make an element, whose value the query is set to and which a node does not lead
 * to yet, one of its neighbours; ring, which has its links then: the one that
 * comes next in the ring.
 */
extern void memory_link(MemoryGraph *graph, int level, const GraphNear *to,
						GraphId id, GraphLinks *ring);

/*
 * The entry point; where an element of level rises above it, no other can take
 * it until memory_give_entry.
 */
extern GraphEntry memory_take_entry(MemoryGraph *graph, int level, bool *rises);

/* The highest node of an element becomes the entry point, if it rises above it. */
extern void memory_give_entry(MemoryGraph *graph, GraphEntry entry, bool rises,
							  GraphId id, int level);

/*
 * An element's nodes above level 0, by its links, which are ids[0]'s; their
 * numbers into ids.  Then: all neighbours from level up lead to it.
 */
extern void memory_write_upper(MemoryGraph *graph, uint64 hash, int level,
							   const GraphLinks *links, GraphId *ids);
extern void memory_link_back(MemoryGraph *graph, int from, int level,
							 const GraphLinks *links, const GraphId *ids);

/*
 * Insert an element whose node at level 0 is there, without edges, and which
 * nothing leads to; by the value that the index keeps, if it keeps any.  Takes memory
 * of the current context.
 */
extern void memory_attach(MemoryGraph *graph, GraphId id);

/*
 * The order in which nodes of level 0, or all those above, go to pages; they are
 * counted from 0.
 */
typedef struct NodeOrder
{
	uint32	   *numbers;		/* by place: which node is there */
	uint32	   *places;			/* by number: where a node goes */
	GraphId		first;			/* what the one in the first place is called on pages */
} NodeOrder;

/*
 * Find an order that has neighbours on one page (node_order.c); of level 0, or 1
 * for all above, where there are count nodes.  No other process is in the graph.
 * In the current context: nine bytes a node, of which eight stay.  first is left
 * to the caller.
 */
extern void node_order_create(NodeOrder *order, MemoryGraph *graph, int level,
							  uint32 count);
extern void node_order_free(NodeOrder *order);

/*
 * Put the values of count nodes of level 0 on their pages, which are the only ones
 * behind the mean so far, in the order of these nodes (value_order.c).
 */
extern void value_order(MemoryGraph *graph, const NodeOrder *order, uint32 count);

/* Move the graph from memory to pages (write_graph.c).  No other process is in it. */
extern void memory_graph_write(MemoryGraph *graph);

#endif							/* VECTOR_HNSW_MEMORY_GRAPH_H */
