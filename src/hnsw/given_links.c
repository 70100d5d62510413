/*
 * given_links.c
 *	  One element of a graph that a table gives: its place in the ring, the edges
 *	  that lead back to it, its nodes above level 0.
 *
 * given_graph.c has the steps, in which all processes do this for all elements.
 */
#include "hnsw/given_steps.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/hnsw.h"

/* Ask for the flags of the nodes that edges lead to. */
static inline void
prefetch_headers(const MemoryGraph *graph, const GraphEdges *edges)
{
	for (int i = 0; i < edges->count; i++)
		__builtin_prefetch(&memory_node(graph, 0, edge_id(edges->ids[i]))->header);
}

/* Set the query to an element. */
void
given_set_query(GivenGraph *given, GraphId id)
{
	HnswInserter *inserter = given->inserter;

	MemoryContextReset(given->context);
	memcpy(inserter->payload, node_payload(memory_node(given->graph, 0, id)),
		   given->graph->index->shape.payload_size);
	codec_query_set_payload(inserter->query, inserter->payload);
}

/* An element's links, as they are in its node; those to unlisted ones go. */
void
given_links_of(MemoryGraph *graph, GraphId id, GraphLinks *links)
{
	const GraphNode *node = memory_node(graph, 0, id);
	const BuildEdge *known = memory_edges(graph, 0, id);
	GraphEdges	edges;

	graph_links_clear(links);
	node_get_edges(&graph->index->shape, 0, node, &edges);
	prefetch_headers(graph, &edges);
	for (int i = first_neighbor(edges.flags); i < edges.count; i++)
	{
		GraphId		to = edge_id(edges.ids[i]);

		if (!given_is_listed(graph, to))
			continue;
		links->near[links->count].id = to;
		links->near[links->count].distance = known[i].distance;
		links->near[links->count++].diverse = known[i].diverse;
	}
}

/* ------------------------------------------------------------------------
 * Edges that lead to an element
 */

/*
 * Let a node lead to an element, which the query is set to.  It may do so already;
 * only this process makes it do so.  ring: see memory_link.
 */
static void
lead_to(GivenGraph *given, const GraphNear *from, GraphId id, GraphLinks *ring)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	GraphNode  *node = memory_node(graph, 0, from->id);
	BuildEdge  *known = memory_edges(graph, 0, from->id);
	LWLock	   *lock = node_lock(graph, from->id);
	GraphEdges	edges;
	int			place;

	lock_if_shared(graph, lock, LW_EXCLUSIVE);
	node_get_edges(shape, 0, node, &edges);
	for (place = first_neighbor(edges.flags); place < edges.count; place++)
	{
		if (edge_id(edges.ids[place]) == id)
			break;
	}
	if (place < edges.count && ring != NULL)
	{
		memory_join_ring(graph, node, from->id, &edges, known, id, ring);
		known[place].ring = true;
		node_put_edge(shape, node, place, id | EDGE_RING);
	}
	unlock_if_shared(graph, lock);
	if (place == edges.count)
		memory_link(graph, 0, from, id, ring);
}

/* Begin the ring with an element; false if another process has begun it. */
static bool
begin_ring(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	uint32		none = NO_SLOT;
	GraphEntry	entry;
	bool		rises;

	if (pg_atomic_read_u32(&given->shared->anchor) != NO_SLOT ||
		!pg_atomic_compare_exchange_u32(&given->shared->anchor, &none, id))
		return false;
	entry = memory_take_entry(graph, 0, &rises);
	memory_give_entry(graph, entry, rises, id, 0);
	return true;
}

/* Put an element into the ring, after its nearest neighbour that is in it. */
void
given_join_ring(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	GraphNode  *node = memory_node(graph, 0, id);
	GraphNear	after = {.id = NO_SLOT};
	GraphLinks	links;

	given_links_of(graph, id, &links);
	for (int i = 0; i < links.count && after.id == NO_SLOT; i++)
	{
		const GraphNode *neighbor = memory_node(graph, 0, links.near[i].id);

		if (*(const volatile uint8 *) &neighbor->header.flags & NODE_RINGED)
			after = links.near[i];
	}
	pg_read_barrier();
	given_set_query(given, id);
	if (after.id == NO_SLOT)
	{
		const void *payload;
		float		distance;

		/* its edges are there before it can be found */
		memory_set_edges(graph, 0, id, &links);
		if (begin_ring(given, id))
		{
			pg_write_barrier();
			node->header.flags |= NODE_RINGED;
			return;
		}
		after.id = pg_atomic_read_u32(&given->shared->anchor);
		payload = node_payload(memory_node(graph, 0, after.id));
		codec_distances(given->inserter->query, &payload, 1, &distance);
		after.distance = comparable(distance);
	}
	links.after = after.id;
	lead_to(given, &after, id, &links);
	pg_write_barrier();
	node->header.flags |= NODE_RINGED;
}

/*
 * Let the pivots that an element has chosen as diverse neighbours lead back to it,
 * where they do not.  All others have had it among their own candidates.
 */
void
given_link_back(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	const BuildEdge *known = memory_edges(graph, 0, id);
	LWLock	   *lock = node_lock(graph, id);
	GraphNear	pivots[GRAPH_MAX_NEIGHBORS];
	GraphEdges	edges;
	int			count = 0;
	bool		set = false;

	/* others add themselves meanwhile, if this is a pivot */
	lock_if_shared(graph, lock, LW_SHARED);
	node_get_edges(shape, 0, memory_node(graph, 0, id), &edges);
	for (int i = first_neighbor(edges.flags); i < edges.count; i++)
	{
		if (!(known[i].note & GIVEN_TO_PIVOT))
			continue;
		pivots[count].id = edge_id(edges.ids[i]);
		pivots[count++].distance = known[i].distance;
	}
	unlock_if_shared(graph, lock);
	for (int i = 0; i < count; i++)
		prefetch_edges(shape, (const char *) memory_node(graph, 0, pivots[i].id), 0);
	for (int i = 0; i < count; i++)
	{
		if (!given_is_listed(graph, pivots[i].id))
			continue;
		node_get_edges(shape, 0, memory_node(graph, 0, pivots[i].id), &edges);
		if (edges_lead_to(&edges, id))
			continue;
		if (!set)
			given_set_query(given, id);
		set = true;
		lead_to(given, &pivots[i], id, NULL);
	}
}

/* ------------------------------------------------------------------------
 * Upper levels
 */

/* Does one of an element's neighbours, or of theirs, have a node above? */
static bool
rises_nearby(const MemoryGraph *graph, GraphId id)
{
	const GraphShape *shape = &graph->index->shape;
	GraphEdges	edges;
	GraphEdges	beyond;

	node_get_edges(shape, 0, memory_node(graph, 0, id), &edges);
	prefetch_headers(graph, &edges);
	for (int i = 0; i < edges.count; i++)
	{
		if (memory_node(graph, 0, edge_id(edges.ids[i]))->header.flags & NODE_RISES)
			return true;
	}
	for (int i = 0; i < edges.count; i++)
	{
		node_get_edges(shape, 0, memory_node(graph, 0, edge_id(edges.ids[i])),
					   &beyond);
		for (int k = 0; k < beyond.count; k++)
		{
			if (memory_node(graph, 0, edge_id(beyond.ids[k]))->header.flags & NODE_RISES)
				return true;
		}
	}
	return false;
}

/*
 * The nodes above level 0 that an element is to have.  One that has none near by
 * gets one: else a small cluster might be without (README.md, "The way down").
 */
void
given_raise_element(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	HnswInserter *inserter = given->inserter;
	GraphLinks *links = inserter->links;
	GraphNode  *node = memory_node(graph, 0, id);
	int			level = hnsw_level(graph->index, node->hash);
	uint32		others = graph->shared->participants - 1;
	GraphId		ids[GRAPH_MAX_LEVEL];
	GraphEntry	entry;
	bool		rises;

	if (level == 0)
	{
		if (rises_nearby(graph, id) ||
			!build_array_reserve(graph->upper,
								 pg_atomic_read_u32(&given->shared->upper) +
								 others + 1))
			return;
		pg_atomic_fetch_add_u32(&given->shared->upper, 1);
		node->header.flags |= NODE_RISES;
		level = 1;
	}
	given_set_query(given, id);
	entry = memory_take_entry(graph, level, &rises);
	for (int at = 0; at <= level; at++)
		graph_links_clear(&links[at]);
	for (int at = Min(level, entry.level); at > 0; at--)
		(void) graph_find_upper_links(graph->search, graph->selector, entry, at,
									  graph->index->meta.ef_construction,
									  inserter->results, &links[at]);
	ids[0] = id;
	memory_write_upper(graph, node->hash, level, links, ids);
	memory_link_back(graph, 1, level, links, ids);
	memory_give_entry(graph, entry, rises, ids[level], level);
}
