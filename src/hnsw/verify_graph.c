/*
 * verify_graph.c
 *	  Is the graph what README.md promises: the ring, chains of twins, edges, nodes
 *	  above?
 *
 * Nodes are read one after the other, while others are inserted and removed.
 *
 * - A slot is not freed while anything leads to it, and nothing leads to a free one
 *	 (README.md, "Why a freed slot is never met").  So where a node leads to another
 *	 before and after that one is read, it is the one that was meant; and where that
 *	 one is free, and the same afterwards, the edge is wrong.
 * - From any element, the ring leads to all that were in it when one began to follow
 *	 it: what others change while it is followed puts new ones into it, or takes
 *	 deleted ones out.
 */
#include "hnsw/verify.h"

#include "miscadmin.h"

/* ------------------------------------------------------------------------
 * The ring, and chains
 */

/* Elements passed, to go back to where one has been freed meanwhile */
#define WALK_HISTORY	32

typedef struct RingWalk
{
	HnswVerify *hnsw;
	GraphId		head;			/* NO_SLOT: the ring */
	GraphId		at;
	GraphNode  *node;			/* a copy of it */
	GraphNode  *again;
	GraphId		ids[WALK_HISTORY];
	uint16		versions[WALK_HISTORY];
	int			passed;			/* of them, at most WALK_HISTORY */
	uint64		used;			/* elements in use that were met */
} RingWalk;

typedef enum WalkEnd
{
	WALK_GOES_ON,
	WALK_AGAIN,					/* from where it is, or further back */
	WALK_CLOSED,				/* it is where it began */
	WALK_OPEN,					/* there is no next one */
	WALK_BROKEN,				/* and has been reported */
	WALK_LOST					/* all that were passed are gone */
} WalkEnd;

bool
hnsw_verify_node(HnswVerify *hnsw, int level, GraphId id, GraphNode *node)
{
	return verify_read_slot(hnsw->verify,
							graph_geometry(&hnsw->index->shape, level), id, node) &&
		node->header.state != SLOT_FREE;
}

/* Where the walk goes on from a node */
static GraphId
next_of(const RingWalk *walk, GraphId id, const GraphNode *node)
{
	GraphEdges	edges;

	node_get_edges(&walk->hnsw->index->shape, 0, node, &edges);
	return id == walk->head ? edges_twin(&edges) : edges_next(&edges);
}

/* Is what was read of a node still what it is? */
static inline bool
same_node(const GraphNode *a, const GraphNode *b)
{
	return a->header.version == b->header.version;
}

/* Go back to the last node passed that is still there. */
static WalkEnd
go_back(RingWalk *walk)
{
	while (walk->passed > 0)
	{
		int			last = --walk->passed % WALK_HISTORY;

		if (hnsw_verify_node(walk->hnsw, 0, walk->ids[last], walk->node) &&
			walk->node->header.version == walk->versions[last])
		{
			walk->at = walk->ids[last];
			return WALK_AGAIN;
		}
	}
	return WALK_LOST;
}

static WalkEnd
broken(RingWalk *walk, GraphId next, const char *what)
{
	verify_report(walk->hnsw->verify, walk->head == NO_SLOT ? "ring" : "twins",
				  node_block(walk->hnsw, 0, walk->at),
				  node_slot(walk->hnsw, 0, walk->at), NULL,
				  "%s leads to %u, which is %s.",
				  walk->head == NO_SLOT ? "The ring of elements"
				  : "The chain of twins", next, what);
	return WALK_BROKEN;
}

/* One step.  The node that it leads to is in walk->node then. */
static WalkEnd
take_step(RingWalk *walk, GraphNode *to)
{
	HnswVerify *hnsw = walk->hnsw;
	GraphId		next = next_of(walk, walk->at, walk->node);
	bool		there;

	if (next == NO_SLOT)
		return WALK_OPEN;
	if (next == walk->head)
		return WALK_CLOSED;
	there = hnsw_verify_node(hnsw, 0, next, to);
	if (!hnsw_verify_node(hnsw, 0, walk->at, walk->again) ||
		!same_node(walk->again, walk->node))
		return go_back(walk);
	memcpy(walk->node, walk->again, hnsw->index->shape.base.slot_size);
	if (next_of(walk, walk->at, walk->node) != next)
		return WALK_AGAIN;
	if (!there)
		return broken(walk, next, "no element");
	if (((to->header.flags & NODE_TWIN) != 0) != (walk->head != NO_SLOT))
		return broken(walk, next,
					  walk->head == NO_SLOT ? "a twin" : "an element that is no twin");

	walk->ids[walk->passed % WALK_HISTORY] = walk->at;
	walk->versions[walk->passed % WALK_HISTORY] = walk->node->header.version;
	/* as many as there is room for are remembered */
	if (++walk->passed == 2 * WALK_HISTORY)
		walk->passed = WALK_HISTORY;
	walk->at = next;
	memcpy(walk->node, to, hnsw->index->shape.base.slot_size);
	if (to->header.state == SLOT_USED)
		walk->used++;
	return WALK_GOES_ON;
}

static WalkEnd follow(RingWalk *walk, GraphId start);

/* The walk has come to an element: its twins are reached from it, too. */
static void
reach(RingWalk *walk)
{
	HnswVerify *hnsw = walk->hnsw;
	RingWalk	chain = {.hnsw = hnsw,.head = walk->at,
	.node = hnsw->step[2],.again = hnsw->step[3]};
	GraphEdges	edges;

	if (walk->at != walk->head)
		verify_set_bit(&hnsw->reached, walk->at);
	if (walk->head != NO_SLOT)
		return;
	node_get_edges(&hnsw->index->shape, 0, walk->node, &edges);
	if (edges_twin(&edges) == NO_SLOT || edges_twin(&edges) == walk->at)
		return;
	while (follow(&chain, walk->at) == WALK_LOST &&
		   hnsw_verify_node(hnsw, 0, chain.head, chain.node) &&
		   (chain.node->header.flags & NODE_HEAD))
		CHECK_FOR_INTERRUPTS();
}

/*
 * Follow the ring from start, or the chain of twins from its head, until it ends;
 * what is met is reached.  A way that comes back to where it was, but not to its
 * beginning, has passed deleted elements at first, or is damaged: then what lies on
 * the rest of it is not reached.
 */
static WalkEnd
follow(RingWalk *walk, GraphId start)
{
	HnswVerify *hnsw = walk->hnsw;
	bool		ring = walk->head == NO_SLOT;
	GraphNode  *to = hnsw->step[ring ? 0 : 1];
	uint16		start_version;
	GraphId		mark = NO_SLOT;
	uint16		mark_version = 0;
	uint64		steps = 0;
	uint64		limit = 1;
	WalkEnd		end;

	walk->at = start;
	walk->passed = 0;
	walk->used = 0;
	if (!hnsw_verify_node(hnsw, 0, start, walk->node))
		return WALK_LOST;
	start_version = walk->node->header.version;
	if (walk->node->header.state == SLOT_USED)
		walk->used++;
	reach(walk);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		end = take_step(walk, to);
		if (end == WALK_AGAIN)
			continue;
		if (end != WALK_GOES_ON)
			return end;
		if ((walk->at == start && walk->node->header.version == start_version) ||
			(walk->at == mark && walk->node->header.version == mark_version))
			return ring ? WALK_CLOSED : broken(walk, walk->at, "a twin of before");
		reach(walk);
		if (++steps == limit)
		{
			mark = walk->at;
			mark_version = walk->node->header.version;
			limit *= 2;
			steps = 0;
		}
	}
}

/* The first element of level 0 that is in use and no twin; NO_SLOT: there is none */
static GraphId
any_element(HnswVerify *hnsw)
{
	for (GraphId id = hnsw->index->shape.base.per_page; id < hnsw->base.end; id++)
	{
		if (verify_bit(&hnsw->base, id) &&
			hnsw_verify_node(hnsw, 0, id, hnsw->node) &&
			hnsw->node->header.state == SLOT_USED &&
			!(hnsw->node->header.flags & NODE_TWIN))
			return id;
	}
	return NO_SLOT;
}

void
hnsw_verify_ring(HnswVerify *hnsw, GraphId start)
{
	RingWalk	walk = {.hnsw = hnsw,.node = hnsw->node,.again = hnsw->again};
	WalkEnd		end = WALK_LOST;

	/* those who are new or gone make no attempt fail for ever */
	for (int attempt = 0; attempt < 10 &&
		 (end == WALK_LOST || (end == WALK_OPEN && walk.used > 1)); attempt++)
	{
		if (start == NO_SLOT || attempt > 4)
			start = any_element(hnsw);
		if (start == NO_SLOT)
			return;
		end = follow(&walk, start);
	}
	if (end == WALK_OPEN && walk.used > 1)
		verify_report(hnsw->verify, "ring", node_block(hnsw, 0, walk.at),
					  node_slot(hnsw, 0, walk.at), NULL,
					  "The ring of elements ends here.");
}

/* ------------------------------------------------------------------------
 * Edges
 */

static void
report_edge(HnswVerify *hnsw, int level, GraphId id, const char *violation,
			GraphId to, const char *what)
{
	verify_report(hnsw->verify, violation, node_block(hnsw, level, id),
				  node_slot(hnsw, level, id), NULL,
				  "At level %d, it has an edge to %u, %s.", level, to, what);
}

/* What is wrong with an edge's end, a copy of which is given or NULL; or NULL */
static const char *
end_problem(int level, bool neighbor, const GraphNode *to, const char **violation)
{
	*violation = "edge_dangling";
	if (to == NULL)
		return "which is no node";
	*violation = "edge_level";
	if (to->level != level)
		return "which is at another level";
	*violation = "edge_to_twin";
	if (neighbor && (to->header.flags & NODE_TWIN))
		return "which is a twin";
	return NULL;
}

/*
 * An edge whose end was not found among the nodes that there were.  See above for
 * why both are read twice.
 */
static void
verify_end(HnswVerify *hnsw, int level, GraphId id, const GraphNode *node,
		   GraphId to, bool neighbor)
{
	GraphEdges	edges;
	const char *what = NULL;
	const char *violation;
	uint16		version = 0;

	for (int i = 0; i < 2; i++)
	{
		bool		there;

		memset(hnsw->other, 0, sizeof(GraphNode));
		there = hnsw_verify_node(hnsw, level, to, hnsw->other);
		what = end_problem(level, neighbor, there ? hnsw->other : NULL, &violation);
		if (what == NULL)
			return;
		if (i > 0)
			break;
		version = hnsw->other->header.version;
		if (!hnsw_verify_node(hnsw, level, id, hnsw->again) ||
			!same_node(node, hnsw->again))
			return;
		node_get_edges(&hnsw->index->shape, level, hnsw->again, &edges);
		if (!edges_lead_to(&edges, to))
			return;
	}
	if (version == hnsw->other->header.version)
		report_edge(hnsw, level, id, violation, to, what);
}

void
hnsw_verify_edges(HnswVerify *hnsw, int level, GraphId id, const GraphNode *node)
{
	GraphEdges	edges;
	bool		twin = (node->header.flags & NODE_TWIN) != 0;

	node_get_edges(&hnsw->index->shape, level, node, &edges);
	for (int i = 0; i < edges.count; i++)
	{
		GraphId		to = edge_id(edges.ids[i]);
		bool		neighbor = !twin && i >= first_neighbor(edges.flags);

		if (to == id)
		{
			/* a head leads to itself until its first twin is there */
			if (neighbor || twin)
				report_edge(hnsw, level, id, "edge_self", to, "which is itself");
			continue;
		}
		for (int k = 0; k < i; k++)
		{
			if (edge_id(edges.ids[k]) == to)
			{
				report_edge(hnsw, level, id, "edge_duplicate", to,
							"and another one");
				break;
			}
		}

		/*
		 * A vacuum frees deleted nodes one after the other, when no other leads to
		 * any of them.  If it is cancelled, those left lead to what is free.
		 */
		if (node->header.state != SLOT_USED)
			continue;
		if (level == 0 ? !verify_bit(&hnsw->base, to) ||
			(neighbor && verify_bit(&hnsw->twins, to))
			: to >= hnsw->upper_end || hnsw->upper[to] != level)
			verify_end(hnsw, level, id, node, to, neighbor);
	}
	verify_count(hnsw->verify, level == 0 ? "edges" : "edges_above", edges.count);
}

/* ------------------------------------------------------------------------
 * Nodes above
 */

/* What is wrong with a node of an upper level, or NULL */
static const char *
upper_problem(HnswVerify *hnsw, const GraphNode *node)
{
	GraphNode  *below = hnsw->other;

	if (!hnsw_verify_node(hnsw, 0, node->element, below))
		return "Its element is none.";
	if (below->hash != node->hash || (below->header.flags & NODE_TWIN))
		return "Its element is another.";
	if (hnsw->codes_final &&
		memcmp(node_payload(node), node_payload(below),
			   hnsw->index->shape.payload_size) != 0)
		return "Its value is not that of its element.";
	if (node->level == 1)
		return node->below == node->element ? NULL
			: "The node below it is none of its element.";
	if (!hnsw_verify_node(hnsw, 1, node->below, below) ||
		below->level + 1 != node->level || below->element != node->element)
		return "The node below it is none of its element.";
	return NULL;
}

/* A node above is written after those below, and freed before them. */
void
hnsw_verify_upper(HnswVerify *hnsw, GraphId id, const GraphNode *node)
{
	const char *what = upper_problem(hnsw, node);

	if (what != NULL && hnsw_verify_node(hnsw, 1, id, hnsw->again) &&
		same_node(node, hnsw->again))
		verify_report(hnsw->verify, "upper_node", node_block(hnsw, 1, id),
					  node_slot(hnsw, 1, id), NULL, "%s", what);
}
