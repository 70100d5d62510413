/*
 * without.c
 *	  A graph as if one of its elements had never been inserted.
 *
 * A search for an element's own value is easier than one for a value that the index
 * does not have, since the graph has edges to it.  It is harder if the element is
 * only passed by: nodes near it spend an edge on it, which another neighbour would
 * have had.  (20,000 x 32 uniform numbers, ef_search 60: .985 with the element, .941
 * without, .961 of values that were never inserted.)  So a store hands out such nodes
 * with an edge to what is nearest to them of the element's other neighbours, as vacuum
 * would mend them.  That is a bit too good: it would mostly be a node elsewhere, and not
 * every list is full.  So one in four gets none (EDGELESS).
 */
#include "hnsw/without.h"

#include "index/codec.h"

/*
 * Does a node get no edge in place of the one that it loses?  One in four, which was
 * fitted: recall said less recall found at ef_search where .95 to .99 is found, with all /
 * three of four / none of them replaced: 4,000 x 12 uniform numbers, m = 8, +.011 / +.004 /
 * -.019; 20,000 x 32 uniform, m = 16, .000 / -.003 / -.013.
 */
#define EDGELESS(id)	(((id) * 0x9E3779B1u) >> 30 == 0)

/* ------------------------------------------------------------------------
 * The store
 */

static inline WithoutNode *
place_of(WithoutStore *store, GraphId id)
{
	uint32		at = id * 0x9E3779B1u >> 16;

	for (;; at++)
	{
		WithoutNode *place = &store->table[at % lengthof(store->table)];

		if (place->id == id || place->id == NO_SLOT)
			return place;
	}
}

/* GraphStore.nodes */
static void
nodes(GraphStore *base, int level, const GraphId *ids, int count,
	  const GraphNode **found)
{
	WithoutStore *store = (WithoutStore *) base;

	store->nodes(base, level, ids, count, found);
	if (level > 0 || store->count == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		const WithoutNode *place = place_of(store, ids[i]);

		if (place->id != NO_SLOT)
			found[i] = place->node;
	}
}

/* GraphStore.hold */
static const GraphNode *
hold(GraphStore *base, int level, GraphId id)
{
	WithoutStore *store = (WithoutStore *) base;
	const GraphNode *held = store->hold(base, level, id);
	const WithoutNode *place;

	if (level > 0 || store->count == 0)
		return held;
	place = place_of(store, id);
	return place->id != NO_SLOT ? place->node : held;
}

void
without_init(WithoutStore *store, Relation index, HnswIndex *opened)
{
	const GraphShape *shape = &opened->shape;
	int			capacity = graph_capacity(shape, 0);

	memset(store, 0, sizeof(*store));
	page_store_init(&store->page, index, opened, false);
	store->nodes = store->page.store.nodes;
	store->hold = store->page.store.hold;
	store->page.store.nodes = nodes;
	store->page.store.hold = hold;
	store->between = codec_query_create(&opened->codec, &store->page.values, false);
	store->room = (char *) palloc(mul_size(WITHOUT_MOST, graph_node_size(capacity, shape->payload_size)));
	store->payloads = (char *) palloc(mul_size(capacity, shape->payload_size));
	without_none(store);
}

void
without_none(WithoutStore *store)
{
	memset(store->table, 0, sizeof(store->table));
	store->count = 0;
}

/* ------------------------------------------------------------------------
 * An element's surroundings
 */

/* The payloads of an element's neighbours, those in use, whose numbers stay in edges */
static int
copy_neighbors(WithoutStore *store, GraphId id, GraphEdges *edges,
			   const void **payloads)
{
	GraphStore *base = &store->page.store;
	const GraphShape *shape = &store->page.index->shape;
	int			count = 0;

	graph_read_edges(base, shape, 0, id, edges);
	for (int i = 0; i < edges->count; i++)
	{
		GraphId		neighbor = edge_id(edges->ids[i]);
		const GraphNode *node = store->hold(base, 0, neighbor);

		if (node->header.state == SLOT_USED && node->level == 0)
		{
			char	   *copy = store->payloads + (Size) count * shape->payload_size;

			memcpy(copy, node_payload(node), shape->payload_size);
			payloads[count] = copy;
			edges->ids[count++] = neighbor;
		}
		base->release(base);
	}
	return count;
}

/* The nearest to a node of its neighbours to be: those that it does not lead to yet */
static GraphId
replacement(WithoutStore *store, const GraphNode *node, GraphId id,
			const GraphEdges *edges, const GraphId *ids,
			const void *const *payloads, int count)
{
	const void *fresh[GRAPH_MAX_NEIGHBORS];
	GraphId		fresh_ids[GRAPH_MAX_NEIGHBORS];
	float		distances[GRAPH_MAX_NEIGHBORS];
	int			fresh_count = 0;
	int			best = 0;

	for (int i = 0; i < count; i++)
	{
		if (ids[i] == id || edges_lead_to(edges, ids[i]))
			continue;
		fresh[fresh_count] = payloads[i];
		fresh_ids[fresh_count++] = ids[i];
	}
	if (fresh_count == 0)
		return NO_SLOT;
	codec_query_set_payload(store->between, node_payload(node));
	codec_distances(store->between, fresh, fresh_count, distances);
	for (int i = 1; i < fresh_count; i++)
	{
		if (comparable(distances[i]) < comparable(distances[best]))
			best = i;
	}
	return fresh_ids[best];
}

void
without_set(WithoutStore *store, GraphId id, const GraphId *near, int count)
{
	GraphStore *base = &store->page.store;
	const GraphShape *shape = &store->page.index->shape;
	Size		size = graph_node_size(graph_capacity(shape, 0), shape->payload_size);
	const void *payloads[GRAPH_MAX_NEIGHBORS];
	GraphEdges	others;
	int			known;

	without_none(store);
	known = copy_neighbors(store, id, &others, payloads);
	for (int i = 0; i < count && store->count < WITHOUT_MOST; i++)
	{
		GraphNode  *copy = (GraphNode *) (store->room + store->count * size);
		GraphEdges	edges;
		WithoutNode *place;
		GraphId		other;
		int			at;

		if (near[i] == id)
			continue;
		memcpy(copy, store->hold(base, 0, near[i]), size);
		base->release(base);
		if (copy->header.state != SLOT_USED)
			continue;
		node_get_edges(shape, 0, copy, &edges);
		for (at = first_neighbor(edges.flags); at < edges.count; at++)
		{
			if (edge_id(edges.ids[at]) == id)
				break;
		}
		if (at >= edges.count)
			continue;
		other = EDGELESS(near[i]) ? NO_SLOT
			: replacement(store, copy, near[i], &edges, others.ids, payloads, known);
		edges.ids[at] = other != NO_SLOT ? other : edges.ids[--edges.count];
		node_set_edges(shape, copy, &edges);
		place = place_of(store, near[i]);
		place->id = near[i];
		place->node = copy;
		store->count++;
	}
}
