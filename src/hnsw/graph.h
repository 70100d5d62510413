/*
 * graph.h
 *	  The graph of HNSW: its elements, searching it, choosing neighbours.
 *
 * Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
 * search using Hierarchical Navigable Small World graphs", 2018.
 *
 * Where elements are (in memory while an index is built, on its pages later)
 * is a GraphStore's business.
 *
 * An element has a node at level 0 and one at each level up to its own.  A
 * node of an upper level is a record of its own, with a copy of the payload,
 * so that the way down touches nothing but upper nodes; it refers to the node
 * below it.  Numbers count apart at level 0 and above.
 */
#ifndef VECTOR_HNSW_GRAPH_H
#define VECTOR_HNSW_GRAPH_H

#include "compat/pg.h"

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
 * A node, in memory and on pages.  payload (of the codec's payload_size) and
 * neighbours (of the level's capacity) follow.
 */
typedef struct GraphNode
{
	SlotHeader	header;
	uint16		neighbors;		/* how many */
	ItemPointerData tid;		/* level 0: the first heap TID, or invalid */
	union
	{
		GraphId		more_tids;	/* level 0: HnswTids (see build.c for memory) */
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

/* Ask for the memory of the neighbours that a node at an address has. */
static inline void
prefetch_neighbors(const GraphShape *shape, const char *node, int level)
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

static inline GraphId *
node_neighbors(const GraphShape *shape, const GraphNode *node)
{
	return (GraphId *) ((char *) node + sizeof(GraphNode) + shape->payload_size);
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
 * Elements of the same payload (equal values with other keys of filter columns,
 * or values that have the same code): one of them, the head, is part of the
 * graph; the others, its twins, are chained to it, each to the next one and the
 * last one to the head, by edges that have the mark, too.  A head's edge to its
 * first twin (or, for a moment, to itself) comes first in its list, and does
 * not count as one to a neighbour.
 */
static inline int
first_neighbor(uint8 flags)
{
	return flags & NODE_HEAD ? 1 : 0;
}

/*
 * The place of the edge to the next element in a node's list, in the ring or in
 * a chain of twins; -1: there is none
 */
static inline int
ring_place(uint8 flags, const GraphId *edges, int count)
{
	for (int i = first_neighbor(flags); i < count; i++)
	{
		if (edge_in_ring(edges[i]))
			return i;
	}
	return -1;
}

/* The next element; NO_SLOT: none */
static inline GraphId
ring_next(uint8 flags, const GraphId *edges, int count)
{
	int			place = ring_place(flags, edges, count);

	return place < 0 ? NO_SLOT : edge_id(edges[place]);
}

/* A head's first twin; NO_SLOT: it is no head */
static inline GraphId
first_twin(uint8 flags, const GraphId *edges, int count)
{
	return (flags & NODE_HEAD) && count > 0 ? edge_id(edges[0]) : NO_SLOT;
}

/* Has a list of edges one to id, of either kind? */
static inline bool
edges_lead_to(const GraphId *edges, int count, GraphId id)
{
	for (int i = 0; i < count; i++)
	{
		if (edge_id(edges[i]) == id)
			return true;
	}
	return false;
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

	/* Ask for the memory of a node's neighbours, which will be read soon. */
	void		(*foresee) (GraphStore *store, int level, GraphId id);

	/*
	 * Call visit with a node that does not change meanwhile.
	 */
	void		(*visit) (GraphStore *store, int level, GraphId id,
						  void (*visit) (const GraphNode *node, void *arg),
						  void *arg);

	/* Payloads may only be read by visit: they are not hints */
	bool		careful;

	/* Addresses from nodes stay good for ever: payloads need no copies */
	bool		stable;
};

/* ------------------------------------------------------------------------
 * Search
 */

/* What a search has found out about a node */
typedef struct GraphFound
{
	float		distance;
	GraphId		id;
	uint16		version;
	uint8		state;			/* GRAPH_* below */
	uint8		flags;			/* the node's */
} GraphFound;

#define GRAPH_EXPANDED	1		/* its neighbours have been looked at */
#define GRAPH_RETURNED	2		/* graph_search_take has returned it */
#define GRAPH_SKIP		4		/* deleted or dead: leads on, is no result */

/* (distance, index into found) in a heap */
typedef struct GraphHeapEntry
{
	float		distance;
	uint32		index;
} GraphHeapEntry;

typedef struct GraphHeap
{
	GraphHeapEntry *entries;
	uint32		count;
	uint32		room;
} GraphHeap;

/*
 * Which elements may be results of a search.  Nodes that fail lead on, but with
 * two_hops only as far as to their neighbours that pass: their distances are not
 * computed.
 */
typedef struct GraphFilter GraphFilter;

struct GraphFilter
{
	bool		(*passes) (GraphFilter *filter, GraphId id);
	const uint8 *bitmap;		/* what passes gives, if known; or NULL */
	Size		bitmap_bytes;
	bool		two_hops;

	/*
	 * Kept by a search: starting points that fail and have neighbours that pass,
	 * less those without.  Below 0, what passes is far from the query.
	 */
	int			ways;
};

/*
 * The state of a search at one level, and its memory, which is used again for
 * the next search.
 */
typedef struct GraphSearch
{
	const GraphShape *shape;
	GraphStore *store;
	CodecQuery *query;
	MemoryContext context;
	int			level;
	bool		skip_dead;		/* NODE_DEAD is no result */
	bool		skip_twins;		/* NODE_TWIN is none, and leads nowhere */
	GraphFilter *filter;		/* at level 0; NULL: all may be results */

	GraphFound *found;			/* every node whose distance is known */
	uint32		found_count;
	uint32		found_room;

	GraphId    *visited;		/* open addressing; NO_SLOT is empty */
	uint32		visited_count;
	uint32		visited_mask;	/* slots less 1 */

	GraphHeap	candidates;		/* to be expanded, nearest on top */
	GraphHeap	best;			/* ef nearest, farthest on top */
	GraphHeap	heads;			/* whose twins are to be looked at, nearest on top */

	uint64		distances;		/* computed since creation */
} GraphSearch;

extern GraphSearch *graph_search_create(const GraphShape *shape,
										GraphStore *store, CodecQuery *query);

/*
 * Begin at a level from count nodes of that level.  query, which
 * graph_search_create got, must be set.
 */
extern void graph_search_begin(GraphSearch *search, int level,
							   const GraphId *ids, int count);

/*
 * Let nodes take part that have not been met.  lead_on: they are starting
 * points, too.
 */
extern void graph_search_add(GraphSearch *search, const GraphId *ids, int count,
							 bool lead_on, int ef);

/* Walk until no candidate is nearer than the ef-th best. */
extern void graph_search_run(GraphSearch *search, int ef);

/*
 * Walk on as if what was taken had never been there: for the next ef after
 * those that graph_search_take returned.
 */
extern void graph_search_resume(GraphSearch *search, int ef);

/*
 * The count nearest results not taken before, in ascending order, into out.
 * Returns how many there are.  They point into the search until it is run
 * again.  mark: they count as taken.
 */
extern int	graph_search_take(GraphSearch *search, int count, bool mark,
							  GraphFound **out);

/*
 * Has a search of ef that has been run, and nothing taken from it yet, learned
 * nothing: are all results that it has kept equally far, and not as near as can
 * be?  Elements that are all the same (twins) do not count.
 */
extern bool graph_search_level(const GraphSearch *search, int ef);

/* Bytes of memory that a search holds */
extern Size graph_search_memory(const GraphSearch *search);

/*
 * From the entry point down to level, keeping the count nearest nodes of each
 * level: where to start there, into ids.  The graph must not be empty and level
 * at most the entry's.  Returns how many; 0 if the nodes met have been freed
 * meanwhile, as an entry point that was read too early may be: then read the
 * entry point again.
 */
extern int	graph_descend(GraphSearch *search, GraphEntry entry, int level,
						  GraphId *ids, int count);

/*
 * Nodes kept on the way down for a new element.  A search may do with one; but
 * an element that is inserted in a wrong place stays there.
 */
#define GRAPH_INSERT_BEAM	16

/* ------------------------------------------------------------------------
 * Neighbours
 */

/* A neighbour chosen, as something to compare the next ones with */
typedef struct GraphChosen
{
	CodecQuery *query;
	char	   *payload;
} GraphChosen;

/* Memory for graph_select, of at most room candidates */
typedef struct GraphSelector
{
	const GraphShape *shape;
	GraphStore *store;
	const Codec *codec;
	ValueStore *outer;
	MemoryContext context;
	int			room;
	GraphNear  *candidates;
	char	   *payload;		/* room for one */
	char	   *payloads;		/* for a node's neighbours and one more */
	CodecQuery *base;			/* of the node whose neighbours are chosen */
	GraphChosen chosen[GRAPH_MAX_NEIGHBORS];
	GraphNear	picked[GRAPH_MAX_NEIGHBORS];
	GraphNear	passed[GRAPH_MAX_NEIGHBORS];
} GraphSelector;

extern GraphSelector *graph_selector_create(const GraphShape *shape,
											GraphStore *store,
											const Codec *codec,
											ValueStore *outer, int room);

/*
 * Of count candidates (in ascending order of distance to a node), the
 * neighbours of that node, at most limit, in ascending order: those that are
 * nearer to it than to any neighbour chosen before (algorithm 4).  Candidates
 * that are no longer there, or deleted, are left out.  fill: while there are
 * fewer than fill, the nearest of those passed over are taken as well.
 * Returns their number; in place.
 */
extern int	graph_select(GraphSelector *selector, int level,
						 GraphNear *candidates, int count, int limit, int fill);

/*
 * How many of the neighbours of a node graph_select fills up with candidates
 * that are not diverse (0: none).
 */
static inline int
graph_fill(const GraphShape *shape, int level)
{
	return graph_capacity(shape, level);
}

/* The neighbours that a new element is to have at one level, nearest first */
typedef struct GraphLinks
{
	int			count;
	bool		rise;			/* none near has a node above: have one */

	/* at level 0 */
	GraphId		after;			/* it comes after this one in the ring; or NO_SLOT */
	GraphId		known;			/* what that one led to; NO_SLOT: nothing */
	GraphId		next;			/* it comes before this one */
	GraphNear	near[GRAPH_MAX_NEIGHBORS];
} GraphLinks;

static inline void
graph_links_clear(GraphLinks *links)
{
	links->count = 0;
	links->rise = false;
	links->after = NO_SLOT;
	links->known = NO_SLOT;
	links->next = NO_SLOT;
}

/*
 * Is the i-th neighbour to lead back to an element that is inserted?  Those
 * filled up with, beyond the nearest, hardly keep it: without them an insertion
 * changes a third fewer pages.  (In memory, all are asked.)
 */
static inline bool
graph_links_back(const GraphShape *shape, const GraphLinks *links, int i)
{
	return links->near[i].id != links->after &&
		(links->near[i].diverse || i < shape->m * 3 / 4);
}

/*
 * Mark the edge to the one that is next in the ring (NO_SLOT: none), of a list
 * of count at level 0; it takes the last place if it has none.  Returns the
 * number of edges then.
 */
extern int	graph_set_next(const GraphShape *shape, uint8 flags, GraphId *edges,
						   int count, GraphId next);

/*
 * The place in a list of count that an edge more can take: the last one that is
 * not of the ring, or count, if there is room.  For a node that becomes a head:
 * those before it move up by one.
 */
extern int	graph_spare_place(const GraphShape *shape, const GraphId *edges,
							  int count);

/* The neighbours as they are stored in the new element's node; how many */
extern int	graph_edges(const GraphShape *shape, const GraphLinks *links,
						GraphId *edges);

/*
 * The first element in use of the ring or of a chain of twins (whose head is in
 * use), from one on; NO_SLOT: there is none.  *next: what it leads to, or
 * NO_SLOT.
 */
extern GraphId graph_first_used(GraphStore *store, const GraphShape *shape,
								GraphId id, GraphId *next);

/*
 * Look again at what comes behind links->after in the ring, or behind the next
 * element in use, if that one has been deleted.  False if there is none.
 */
extern bool graph_find_next(GraphStore *store, const GraphShape *shape,
							GraphLinks *links);

/*
 * The neighbours of a new element, whose value search's query is set to, at
 * each level from the lower of level and the entry's down to 0; links has
 * GRAPH_MAX_LEVEL members.  The graph must not be empty.  Returns the number
 * of elements found at level 0, nearest first in results, which has room for
 * ef; or -1, if graph_descend gives none.
 */
extern int	graph_find_links(GraphSearch *search, GraphSelector *selector,
							 GraphEntry entry, int level, int ef,
							 GraphFound **results, GraphLinks *links);

/*
 * The same at one upper level only, not above the entry's; the number returned
 * is that of the nodes found there.
 */
extern int	graph_find_upper_links(GraphSearch *search,
								   GraphSelector *selector, GraphEntry entry,
								   int level, int ef, GraphFound **results,
								   GraphLinks *links);

/* The same at level 0 only, from count nodes there */
extern int	graph_find_base_links(GraphSearch *search, GraphSelector *selector,
								  const GraphId *starts, int count, int ef,
								  GraphFound **results, GraphLinks *links);

/*
 * The distances of count candidates, by id, from what query is set to, and in
 * ascending order; those that are no longer there go.  Returns how many are
 * left.
 */
extern int	graph_rank(GraphSelector *selector, int level, CodecQuery *query,
					   GraphNear *candidates, int count);

/*
 * A node of level, whose payload is given, has one neighbour too many: take one
 * of the count edges in ids away, the one that graph_select would leave out if
 * it chose and filled up among all of them: the farthest one that is not
 * diverse, or else the farthest; but not the edge of the ring.  Nodes that are no
 * longer there go first, all of them but the one that the ring leads to.
 * Returns the number left, in ascending order of distance; count, if none may
 * go.
 */
extern int	graph_drop_one(GraphSelector *selector, int level,
						   const void *payload, GraphId *ids, int count);

#endif							/* VECTOR_HNSW_GRAPH_H */
