/*
 * neighbors.h
 *	  Choosing the neighbours of a node; the ring of all elements.
 */
#ifndef VECTOR_HNSW_NEIGHBORS_H
#define VECTOR_HNSW_NEIGHBORS_H

#include "compat/pg.h"

#include "hnsw/search.h"

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
 * Of count candidates (in ascending order of distance to a node of level), the
 * neighbours of that node, in ascending order: those that are nearer to it than
 * to any neighbour chosen before (algorithm 4); and while there is room for more,
 * the nearest of those passed over.  Candidates that are no longer there, or
 * deleted, are left out.  Returns their number; in place.
 */
extern int	graph_select(GraphSelector *selector, int level,
						 GraphNear *candidates, int count);

/*
 * The same at level 0, of nodes that stay where they are, with far_count more
 * candidates, which are farther than all others and come in any order, maybe twice.
 * They are chosen only if they are diverse.  There is room for them behind the others.
 */
extern int	graph_select_far(GraphSelector *selector, GraphNear *candidates,
							 int count, const GraphNear *far, int far_count);

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
 * Of edges at level 0, mark the one to the element that is next in the ring
 * (NO_SLOT: none); if there is none to it, it takes the place of the one marked
 * before, or the last.
 */
extern void edges_set_next(const GraphShape *shape, GraphEdges *edges,
						   GraphId next);

/*
 * Make the edges of a node at level 0 those of a head with a first twin.  If
 * there is no room, the last one goes that is not of the ring.  Returns the place
 * up to which edges have moved by one.
 */
extern int	edges_add_twin(const GraphShape *shape, GraphEdges *edges,
						   GraphId twin);

/* The edges that a new element's node has to its links */
extern void edges_from_links(const GraphShape *shape, const GraphLinks *links,
							 GraphEdges *edges);

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
 * of its edges away, the one that graph_select would leave out if it chose and
 * filled up among all of them: the farthest one that is not diverse, or else the
 * farthest; but not the edge of the ring.  Nodes that are no longer there go
 * first, all of them but the one that the ring leads to.  Edges are in ascending
 * order of distance then; as many as before, if none may go.
 */
extern void graph_drop_one(GraphSelector *selector, int level,
						   const void *payload, GraphEdges *edges);

#endif							/* VECTOR_HNSW_NEIGHBORS_H */
