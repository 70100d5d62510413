/*
 * search.h
 *	  Searching the graph.
 */
#ifndef VECTOR_HNSW_SEARCH_H
#define VECTOR_HNSW_SEARCH_H

#include "compat/pg.h"

#include "hnsw/graph.h"
#include "index/result_heap.h"

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

#define ENTRY_ABOVE(a, b) ((a)->distance < (b)->distance || \
						   ((a)->distance == (b)->distance && (a)->index < (b)->index))

/* Nearest on top; negated distances make it farthest on top */
RESULT_HEAP(GraphHeap, heap, GraphHeapEntry, ENTRY_ABOVE)

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

/* Pass a node by, in a search that has just begun, as if there were none. */
extern void graph_search_leave_out(GraphSearch *search, GraphId id);

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

/* Are all results that a search has kept equally far, and more than one? */
extern bool graph_search_ties(const GraphSearch *search);

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

/*
 * From the nearest nodes of a search at an upper level, which are still those
 * that were found, to the ones below them: up to count, into ids.  Returns how
 * many; 0 if there is none.
 */
extern int	graph_go_down(GraphSearch *search, GraphId *ids, int count);

#endif							/* VECTOR_HNSW_SEARCH_H */
