/*
 * graph.h
 *	  The graph of HNSW: its nodes, their edges, and where they are kept.
 *
 * Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
 * search using Hierarchical Navigable Small World graphs", 2018.
 *
 * Elements are in memory while an index is built, and on its pages later: a
 * GraphStore knows where.
 *
 * An element has a node at level 0 and one at each level up to its own.  A
 * node of an upper level is a record of its own, with a copy of the payload,
 * so that the way down touches nothing but upper nodes; it refers to the node
 * below it.  Numbers count apart at level 0 and above.
 */
#ifndef VECTOR_HNSW_GRAPH_H
#define VECTOR_HNSW_GRAPH_H

#include "compat/pg.h"

#include <float.h>

#include "port/atomics.h"
#include "storage/itemptr.h"

#include "index/codec.h"
#include "storage/slot_page.h"

typedef SlotId GraphId;

/* Levels are below this: m >= 2, so a level more is 2^-1 as likely or less */
#define GRAPH_MAX_LEVEL	32

/* The most neighbours a node can have: 2 m at level 0 */
#define GRAPH_MAX_NEIGHBORS	200

/* Nodes that a store is asked for at a time */
#define GRAPH_BATCH		32

/* Flags of a node (SlotHeader.flags) */
#define NODE_DEAD		1		/* its only heap TID is dead to everybody: a
								 * hint that scans leave */
#define NODE_RISES		2		/* its element has a node one level up */
#define NODE_HEAD		4		/* level 0: its first edge leads to its twins */
#define NODE_TWIN		8		/* level 0: its payload is another's, its head's */

/*
 * A node, in memory and on pages.  Its payload (of the codec's payload_size) and
 * its edges (room for the level's capacity) follow.
 */
typedef struct GraphNode
{
	SlotHeader	header;
	uint16		edge_count;		/* see node_get_edges */
	ItemPointerData tid;		/* level 0: the first heap TID, or invalid */
	union
	{
		GraphId		more_tids;	/* level 0: HnswTids (in memory: BuildTid) */
		GraphId		element;	/* above: the node at level 0 */
	};
	union
	{
		SlotId		value;		/* level 0: its value in the ValueStore */
		GraphId		below;		/* above: the node one level down */
	};
	uint32		level;			/* of this node */
	uint64		hash;			/* of the value, all bits */
} GraphNode;

typedef struct GraphShape
{
	int			m;
	Size		payload_size;	/* MAXALIGNed */
	SlotGeometry base;			/* level 0 */
	SlotGeometry upper;
} GraphShape;

static inline int
graph_capacity(const GraphShape *shape, int level)
{
	return level == 0 ? 2 * shape->m : shape->m;
}

static inline const SlotGeometry *
graph_geometry(const GraphShape *shape, int level)
{
	return level == 0 ? &shape->base : &shape->upper;
}

static inline Size
graph_node_size(int capacity, Size payload_size)
{
	return MAXALIGN(sizeof(GraphNode) + MAXALIGN(payload_size) +
					capacity * sizeof(GraphId));
}

/* Ask for the memory of the edges of a node at an address. */
static inline void
prefetch_edges(const GraphShape *shape, const char *node, int level)
{
	const char *at = node + sizeof(GraphNode) + shape->payload_size;
	int			bytes = graph_capacity(shape, level) * sizeof(GraphId);

	__builtin_prefetch(node);
	for (int i = 0; i < bytes; i += 64)
		__builtin_prefetch(at + i);
	__builtin_prefetch(at + bytes - 1);
}

static inline void *
node_payload(const GraphNode *node)
{
	return (char *) node + sizeof(GraphNode);
}

/*
 * A neighbour as a node of level 0 has it: the number, and whether it is the
 * element that follows in the ring of all elements.  That edge stays, whatever
 * better neighbours come (README.md).  In indexes of version 1.0 of the
 * extension, several edges of a node have the mark; the first one counts.
 */
#define EDGE_RING	((GraphId) 0x80000000)

static inline GraphId
edge_id(GraphId edge)
{
	return edge & ~EDGE_RING;
}

static inline bool
edge_in_ring(GraphId edge)
{
	return (edge & EDGE_RING) != 0;
}

/*
 * The edges of a node, read from it or to be written to it.
 *
 * Elements of the same payload (equal values with other keys of filter columns,
 * or values that have the same code): one of them, the head, is part of the
 * graph; the others, its twins, are chained to it, each to the next one and the
 * last one to the head, by edges that have the mark, too.  A head's edge to its
 * first twin (or, for a moment, to itself) comes first in its list, and does
 * not count as one to a neighbour.
 */
typedef struct GraphEdges
{
	uint8		state;			/* the node's: SlotState */
	uint8		flags;			/* the node's: NODE_* */
	int			count;
	GraphId		ids[GRAPH_MAX_NEIGHBORS + 1];	/* one more may be put in, and
												 * another taken out then */
} GraphEdges;

/* Where edges to neighbours begin in the list of a node with flags */
static inline int
first_neighbor(uint8 flags)
{
	return flags & NODE_HEAD ? 1 : 0;
}

/*
 * The place of the edge to the next element, in the ring or in a chain of twins;
 * -1: there is none
 */
static inline int
edges_ring_place(const GraphEdges *edges)
{
	for (int i = first_neighbor(edges->flags); i < edges->count; i++)
	{
		if (edge_in_ring(edges->ids[i]))
			return i;
	}
	return -1;
}

/* The next element; NO_SLOT: none */
static inline GraphId
edges_next(const GraphEdges *edges)
{
	int			place = edges_ring_place(edges);

	return place < 0 ? NO_SLOT : edge_id(edges->ids[place]);
}

/* A head's first twin; NO_SLOT: it is no head */
static inline GraphId
edges_twin(const GraphEdges *edges)
{
	return (edges->flags & NODE_HEAD) && edges->count > 0
		? edge_id(edges->ids[0]) : NO_SLOT;
}

/* Is there an edge to id, of either kind? */
static inline bool
edges_lead_to(const GraphEdges *edges, GraphId id)
{
	for (int i = 0; i < edges->count; i++)
	{
		if (edge_id(edges->ids[i]) == id)
			return true;
	}
	return false;
}

/*
 * Edges in a node.  No other function knows where they are.
 */
static inline GraphId *
node_edges(const GraphShape *shape, const GraphNode *node)
{
	return (GraphId *) ((char *) node + sizeof(GraphNode) + shape->payload_size);
}

static inline int
node_edge_count(const GraphNode *node)
{
	return node->edge_count;
}

/*
 * Read a node's edges.  It may be changing, or be no node of this level: what is
 * read is no more than a node has room for.
 */
static inline void
node_get_edges(const GraphShape *shape, int level, const GraphNode *node,
			   GraphEdges *edges)
{
	int			count = *(const volatile uint16 *) &node->edge_count;

	edges->state = *(const volatile uint8 *) &node->header.state;
	edges->flags = *(const volatile uint8 *) &node->header.flags;
	edges->count = Min(count, graph_capacity(shape, level));
	memcpy(edges->ids, node_edges(shape, node), edges->count * sizeof(GraphId));
}

/*
 * Give a node these edges, but not the flags.  No other process looks at the node
 * meanwhile: it is new, or its page is locked.
 */
static inline void
node_set_edges(const GraphShape *shape, GraphNode *node, const GraphEdges *edges)
{
	memcpy(node_edges(shape, node), edges->ids, edges->count * sizeof(GraphId));
	node->edge_count = edges->count;
}

/* A new node has none: the same bytes wherever it is. */
static inline void
node_clear_edges(const GraphShape *shape, int level, GraphNode *node)
{
	memset(node_edges(shape, node), 0,
		   graph_capacity(shape, level) * sizeof(GraphId));
	node->edge_count = 0;
}

/* Has a node still the edges that were read from it? */
static inline bool
node_has_edges(const GraphShape *shape, const GraphNode *node,
			   const GraphEdges *edges)
{
	return node->edge_count == edges->count &&
		memcmp(node_edges(shape, node), edges->ids,
			   edges->count * sizeof(GraphId)) == 0;
}

/*
 * Put an edge into a node whose edges others may be reading: at a place that
 * there is, or behind the last.  They find the old edge or the new one.
 */
static inline void
node_put_edge(const GraphShape *shape, GraphNode *node, int place, GraphId edge)
{
	*(volatile GraphId *) &node_edges(shape, node)[place] = edge;
	if (place >= node->edge_count)
	{
		pg_write_barrier();
		node->edge_count = place + 1;
	}
}

typedef struct GraphEntry
{
	GraphId		id;				/* at its level */
	int			level;			/* -1: the graph is empty */
	uint32		vacuums;		/* how often nodes had been freed, on pages */
} GraphEntry;

/* A node with its distance to something */
typedef struct GraphNear
{
	float		distance;
	GraphId		id;
	bool		diverse;		/* of neighbours: chosen, not filled up with */
	bool		rises;			/* NODE_RISES; only graph_rank says so */
} GraphNear;

typedef struct GraphStore GraphStore;

struct GraphStore
{
	/*
	 * The addresses of up to GRAPH_BATCH nodes of a level.  They are hints
	 * until check (and may then be found to have been wrong).
	 */
	void		(*nodes) (GraphStore *store, int level, const GraphId *ids,
						  int count, const GraphNode **nodes);

	/* Was the i-th address right until now? */
	bool		(*check) (GraphStore *store, int i);

	/* Ask for the memory of a node's edges, which will be read soon. */
	void		(*prefetch) (GraphStore *store, int level, GraphId id);

	/*
	 * A node that does not change until release.  One is held at a time, and not
	 * for long: its page is locked.
	 */
	const GraphNode *(*hold) (GraphStore *store, int level, GraphId id);
	void		(*release) (GraphStore *store);

	/* Payloads may only be read of nodes held: they are not hints */
	bool		careful;

	/* Addresses from nodes stay good for ever: payloads need no copies */
	bool		stable;
};

/* Read the edges of a node, which do not change meanwhile. */
extern void graph_read_edges(GraphStore *store, const GraphShape *shape,
							 int level, GraphId id, GraphEdges *edges);

/* A distance that can be compared with others: never NaN, nor infinite */
static inline float
comparable(float distance)
{
	return distance <= FLT_MAX ? Max(distance, -FLT_MAX) : FLT_MAX;
}

#endif							/* VECTOR_HNSW_GRAPH_H */
