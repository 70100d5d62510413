/*
 * given_steps.h
 *	  What given_graph.c and given_links.c share.
 */
#ifndef VECTOR_HNSW_GIVEN_STEPS_H
#define VECTOR_HNSW_GIVEN_STEPS_H

#include "hnsw/given_graph.h"

#include "storage/barrier.h"
#include "storage/lwlock.h"

/* Flags of a node at level 0, which are gone when the graph is written */
#define NODE_PIVOT	16			/* it is a pivot */
#define NODE_POOR	32			/* most neighbours in its list have none */
#define NODE_RINGED 64			/* it is in the ring */
#define NODE_LISTED 128			/* it has edges from a list */

#define GIVEN_LOCKS		128		/* a power of two */
#define GIVEN_PART		256		/* elements that are handed out together */

/*
 * Pivots: random elements, one in so many, but not more than there is room for.  Of
 * each, those are known that are nearest to it: half of them among all pivots, half
 * of them among a few, which are farther apart.  A list is compared with a sample of them.
 */
#define GIVEN_PIVOT_OF		8
#define GIVEN_MOST_PIVOTS	8192
#define GIVEN_FEW_OF		8
#define GIVEN_MOST_FEW		512
#define GIVEN_NEAR_PIVOTS	48
#define GIVEN_SAMPLE		16
#define GIVEN_PIVOT_PART	64

/* Elements that are nearer than the middle of a list, and not in it, in a good one */
#define GIVEN_NEARER	24

/* Added to the number of a pivot, where GivenList.taken has it */
#define GIVEN_PIVOT_FOUND	2

/* In the note of an edge: it leads to a pivot, and is diverse. */
#define GIVEN_TO_PIVOT	0x8000

/* Keys of a list that are looked at */
#define GIVEN_CANDIDATES	128

/* Candidates of an element: its list, those that have it in theirs, the sample */
#define GIVEN_MOST_CANDIDATES	(3 * GRAPH_MAX_NEIGHBORS + GIVEN_SAMPLE + GIVEN_NEAR_PIVOTS + 1)

/* Of how many lists something is said, at least */
#define GIVEN_VERDICT_LISTS	100

/* Lists whose recall is measured, among so many elements each, about */
#define GIVEN_LOOKED_AT		32
#define GIVEN_LOOKED_AMONG	20000

/* With less the table is of no use. */
#define GIVEN_LEAST_RECALL	0.3

/* Numbers of arrays in the build's memory: those of the graph, then ours */
#define ARRAY_ROW_KEYS	3

typedef enum GivenStep
{
	STEP_PLACE,
	STEP_READ,
	STEP_LOOK,
	STEP_GROUP,
	STEP_RELATE,
	STEP_REVERSE,
	STEP_ASSIGN,
	STEP_CHOOSE,
	STEP_SETTLE,
	STEP_RING,
	STEP_BACK,
	STEP_RAISE,
	STEP_REST,
	STEP_DONE
} GivenStep;

/* A row's key; in a chain of those with the same place in the table */
typedef struct RowKey
{
	uint64		hash;
	GraphId		id;
	uint32		next;			/* number plus 1; 0: none */
} RowKey;

/*
 * An element's list, where its node will have what is known of its edges: at the
 * end of these, since a head's first edge is there already.  Its first rows are
 * the node's edges; ids has room for as many others, and for as many elements
 * in whose lists it is, as given_list_room says.
 */
typedef struct GivenList
{
	GraphId		chain;			/* the next element of a chain of payloads; then, of a
								 * pivot's elements */
	pg_atomic_uint32 taken;		/* 1: a list has been found; then, its element's pivot's
								 * number and GIVEN_PIVOT_FOUND */
	uint32		count;			/* of ids that continue the list */
	pg_atomic_uint32 told;		/* elements that have it in their lists */
} GivenList;

struct GivenShared
{
	RowHintPlan plan;
	uint32		buckets;		/* of both hash tables; a power of two */
	Barrier		barrier;
	pg_atomic_uint32 keys;		/* in the array */
	pg_atomic_uint32 upper;		/* nodes above level 0 that elements will have */
	pg_atomic_uint32 anchor;	/* where the ring begins; NO_SLOT: nowhere yet */
	pg_atomic_uint32 next[STEP_DONE];	/* element to be handed out */
	pg_atomic_uint32 elements;	/* that are no twins */
	pg_atomic_uint32 lists;		/* that have been taken, or might have been */
	pg_atomic_uint32 strange;	/* those no better than half of random rows */
	pg_atomic_uint32 poor;		/* those that are not taken, these included */
	pg_atomic_uint32 looked;	/* lists whose recall has been measured, */
	pg_atomic_uint32 recall;	/* and its sum, in thousandths */
	pg_atomic_uint32 listed;	/* elements with a list that is good */
	LWLockPadded locks[GIVEN_LOCKS];	/* of chains of payloads */
};

typedef struct GivenPivots
{
	uint32		count;
	uint32		step;			/* one in so many is one of a few */

	/* groups of those that have the same nearest one of the few; numbers plus 1 */
	pg_atomic_uint32 groups[GIVEN_MOST_FEW];
	pg_atomic_uint32 elements[GIVEN_MOST_PIVOTS];	/* chains of each one's elements */
	uint16		next[GIVEN_MOST_PIVOTS];
	GraphId		ids[GIVEN_MOST_PIVOTS]; /* in ascending order */
	uint16		near[GIVEN_MOST_PIVOTS][GIVEN_NEAR_PIVOTS];
} GivenPivots;

struct GivenGraph
{
	GivenShared *shared;
	MemoryGraph *graph;
	HnswInserter *inserter;
	BuildArray *keys;
	pg_atomic_uint32 *key_chains;	/* numbers of RowKeys plus 1 */
	GraphId    *payload_chains;
	ParallelTableScanDesc scan; /* NULL: this process is alone */
	RowHints   *hints;
	IndexInfo  *info;			/* which asks for the key, too, */
	int			first;			/* in this place among a row's values */
	GivenStep	step;
	bool		leader;
	bool		linked;
	MemoryContext context;		/* of one element */
	uint32		lists;			/* that this process has looked at */
	uint32		strange;
	uint32		poor;
	GraphNear	candidates[GIVEN_MOST_CANDIDATES];
	GivenPivots *pivots;		/* shared */
};

static inline RowKey *
given_row_key(const GivenGraph *given, uint32 number)
{
	return (RowKey *) build_array_at(given->keys, number);
}

static inline GivenList *
given_list(const MemoryGraph *graph, GraphId id)
{
	BuildEdge  *end = memory_edges(graph, 0, id) + graph_capacity(&graph->index->shape, 0);

	return (GivenList *) ((char *) end - sizeof(GivenList));
}

static inline void
given_list_init(const MemoryGraph *graph, GraphId id, GraphId chain)
{
	GivenList  *list = given_list(graph, id);

	list->chain = chain;
	list->count = 0;
	pg_atomic_init_u32(&list->taken, 0);
	pg_atomic_init_u32(&list->told, 0);
}

/*
 * Has a list been found for an element?  A twin has none, and what lies in its place
 * has never been initialised.
 */
static inline bool
given_has_list(const MemoryGraph *graph, GraphId id)
{
	return !(memory_node(graph, 0, id)->header.flags & NODE_TWIN) &&
		pg_atomic_read_u32(&given_list(graph, id)->taken) != 0;
}

/*
 * Ids for which there is room: of an element's list, half as many at most, which do
 * not fit its node; then, those told of it
 */
static inline int
given_list_room(const GraphShape *shape)
{
	Size		bytes = (graph_capacity(shape, 0) - 1) * sizeof(BuildEdge) - sizeof(GivenList);

	return (int) (bytes / sizeof(GraphId));
}

static inline GraphId *
given_list_ids(const MemoryGraph *graph, GraphId id)
{
	return (GraphId *) (memory_edges(graph, 0, id) + 1);
}

/* Has an element edges from a list?  Those of a poor one do not count. */
static inline bool
given_is_listed(const MemoryGraph *graph, GraphId id)
{
	return (memory_node(graph, 0, id)->header.flags & (NODE_LISTED | NODE_POOR)) ==
		NODE_LISTED;
}

/* Keep the list of a row of hints, if it has one (given_lists.c). */
extern void given_take_list(GivenGraph *given, const RowHint *hint);

/* Tell those in an element's list of it; its pivot is one of these, if one is there. */
extern void given_tell_listed(GivenGraph *given, GraphId id);

/* Find the pivot of an element that has none in its list. */
extern void given_assign_pivot(GivenGraph *given, GraphId id);

/* Choose the pivots: one process does, when lists have been read. */
extern void given_take_pivots(GivenGraph *given);

/*
 * Find the pivots that are nearest to one: among the few; when that is known of all,
 * among those whose groups are near.
 */
extern void given_group_pivot(GivenGraph *given, uint32 pivot);
extern void given_relate_pivot(GivenGraph *given, uint32 pivot);

/*
 * Of the elements that are at least as near as the middle of an element's list, which
 * part does the list have?  By a look at all, or at one in step.  -1: it has no list.
 */
extern double given_list_recall(GivenGraph *given, GraphId id, uint32 step);

/* Choose the neighbours of an element from its list. */
extern void given_choose(GivenGraph *given, GraphId id);

/* Set the query to an element. */
extern void given_set_query(GivenGraph *given, GraphId id);

/* An element's links, as they are in its node; those to unlisted ones go. */
extern void given_links_of(MemoryGraph *graph, GraphId id, GraphLinks *links);

/* Put an element into the ring, behind its nearest neighbour that is in it. */
extern void given_join_ring(GivenGraph *given, GraphId id);

/* Have those of an element's neighbours lead to it that are to, and do not. */
extern void given_link_back(GivenGraph *given, GraphId id);

/* Make an element's nodes above level 0, if it has any, by a search there. */
extern void given_raise_element(GivenGraph *given, GraphId id);

#endif							/* VECTOR_HNSW_GIVEN_STEPS_H */
