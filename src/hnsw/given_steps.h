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
#define NODE_POOR	32			/* most neighbours in its list have none */
#define NODE_RINGED 64			/* it is in the ring */
#define NODE_LISTED 128			/* it has edges from a list */

#define GIVEN_LOCKS		128		/* a power of two */
#define GIVEN_PART		256		/* elements that are handed out together */
#define GIVEN_SAMPLE	32		/* random elements that a list is compared with */

/* Candidates of a list that are looked at */
#define GIVEN_CANDIDATES	128

/* Of how many lists something is said, at least */
#define GIVEN_VERDICT_LISTS	100

/* Numbers of arrays in the build's memory: those of the graph, then ours */
#define ARRAY_ROW_KEYS	3

typedef enum GivenStep
{
	STEP_PLACE,
	STEP_READ,
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
	pg_atomic_uint32 listed;	/* elements with a list that is good */
	LWLockPadded locks[GIVEN_LOCKS];	/* of chains of payloads */
};

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
	GraphNear	candidates[GIVEN_CANDIDATES + GIVEN_SAMPLE];
	GraphNear	sample[GIVEN_SAMPLE];
};

/* Has an element edges from a list?  Those of a poor one do not count. */
static inline bool
given_is_listed(const MemoryGraph *graph, GraphId id)
{
	return (memory_node(graph, 0, id)->header.flags & (NODE_LISTED | NODE_POOR)) ==
		NODE_LISTED;
}

/* Set the query to an element. */
extern void given_set_query(GivenGraph *given, GraphId id);

/* An element's links, as they are in its node; those to unlisted ones go. */
extern void given_links_of(MemoryGraph *graph, GraphId id, GraphLinks *links);

/* Put an element into the ring, behind its nearest neighbour that is in it. */
extern void given_join_ring(GivenGraph *given, GraphId id);

/* Have an element's neighbours lead to it. */
extern void given_link_back(GivenGraph *given, GraphId id);

/* Make an element's nodes above level 0, if it has any, by a search there. */
extern void given_raise_element(GivenGraph *given, GraphId id);

#endif							/* VECTOR_HNSW_GIVEN_STEPS_H */
