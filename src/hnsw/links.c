/*
 * links.c
 *	  Nodes on pages, and the edges between them, written by insertions.
 *
 * Each function here changes one page, in one WAL record, after which the graph
 * is a valid one.  Few numbers on the page change, so the record is short.
 */
#include "hnsw/insert.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "storage/page_check.h"

/* How often a neighbour that others change meanwhile is tried */
#define LINK_ATTEMPTS	8

/* Lock a page with a free slot of a kind. */
static Buffer
lock_free_slot(HnswInserter *inserter, const SlotGeometry *geometry, int *slot)
{
	bool		full = false;

	for (;;)
	{
		BlockNumber block = slot_page_find(inserter->relation, geometry->kind,
										   &inserter->targets[geometry->kind],
										   full, inserter->store.log);
		Buffer		buffer = map_read(inserter->store.map, block);

		CHECK_FOR_INTERRUPTS();
		page_lock(inserter->relation, buffer, geometry->kind,
				  BUFFER_LOCK_EXCLUSIVE);
		*slot = slot_page_free_slot(geometry, BufferGetPage(buffer));
		if (*slot >= 0)
			return buffer;
		UnlockReleaseBuffer(buffer);
		full = true;
	}
}

GraphId
hnsw_write_node(HnswInserter *inserter, int level, const GraphNode *head,
				const GraphLinks *links, uint8 flags)
{
	const GraphShape *shape = &inserter->index->shape;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	int			slot;
	Buffer		buffer = lock_free_slot(inserter, geometry, &slot);
	GraphId		id = slot_id(geometry, BufferGetBlockNumber(buffer), slot);
	GraphEdges	edges;
	PageEdit	edit;
	GraphNode  *node;
	SlotHeader	header;

	edges_from_links(shape, links, &edges);
	page_edit_begin(&edit, inserter->relation, inserter->store.log);
	node = (GraphNode *) slot_page_take(geometry,
										page_edit_page(&edit, buffer, false),
										slot);
	header = node->header;
	*node = *head;
	node->header = header;
	node->header.flags = flags;
	node->level = level;
	memcpy(node_payload(node), inserter->payload, shape->payload_size);
	node_set_edges(shape, node, &edges);
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	return id;
}

/* Give an existing node edges, and log them.  Its page is locked. */
static void
write_edges(HnswInserter *inserter, int level, GraphId id, Buffer buffer,
			const GraphEdges *edges)
{
	PageStore  *store = &inserter->store;
	PageEdit	edit;
	GraphNode  *node;

	page_edit_begin(&edit, inserter->relation, store->log);
	node = page_store_edit(store, level, id, &edit, buffer);
	node_set_edges(&inserter->index->shape, node, edges);
	if (edges->flags & NODE_HEAD)
		node->header.flags |= NODE_HEAD;
	page_edit_end(&edit);
}

void
hnsw_set_links(HnswInserter *inserter, int level, GraphId id,
			   const GraphLinks *links)
{
	GraphNode  *node;
	Buffer		buffer = page_store_lock(&inserter->store, level, id,
										 BUFFER_LOCK_EXCLUSIVE, &node);
	GraphEdges	edges;

	edges_from_links(&inserter->index->shape, links, &edges);
	write_edges(inserter, level, id, buffer, &edges);
	UnlockReleaseBuffer(buffer);
}

void
hnsw_set_next(HnswInserter *inserter, GraphId id, GraphId next)
{
	const GraphShape *shape = &inserter->index->shape;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(&inserter->store, 0, id,
										 BUFFER_LOCK_EXCLUSIVE, &node);
	GraphEdges	edges;

	node_get_edges(shape, 0, node, &edges);
	edges_set_next(shape, &edges, next);
	write_edges(inserter, 0, id, buffer, &edges);
	UnlockReleaseBuffer(buffer);
}

bool
hnsw_make_head(HnswInserter *inserter, GraphId id)
{
	const GraphShape *shape = &inserter->index->shape;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(&inserter->store, 0, id,
										 BUFFER_LOCK_EXCLUSIVE, &node);
	GraphEdges	edges;

	node_get_edges(shape, 0, node, &edges);
	if (edges.state == SLOT_USED && !(edges.flags & NODE_HEAD))
	{
		(void) edges_add_twin(shape, &edges, id);
		write_edges(inserter, 0, id, buffer, &edges);
	}
	UnlockReleaseBuffer(buffer);
	return edges.state == SLOT_USED;
}

bool
hnsw_join_chain(HnswInserter *inserter, GraphId head, GraphId id, GraphId known)
{
	const GraphShape *shape = &inserter->index->shape;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(&inserter->store, 0, head,
										 BUFFER_LOCK_EXCLUSIVE, &node);
	GraphEdges	edges;
	bool		same;

	node_get_edges(shape, 0, node, &edges);
	same = known != NO_SLOT && edges_twin(&edges) == known;
	if (same)
	{
		edges.ids[0] = id | EDGE_RING;
		write_edges(inserter, 0, head, buffer, &edges);
	}
	UnlockReleaseBuffer(buffer);
	return same;
}

/*
 * Which neighbour of a node is to make room for a new one: the place of its edge,
 * or edges->count: none, the new one is turned down.
 */
static int
find_place(HnswInserter *inserter, int level, const GraphEdges *edges,
		   GraphId edge)
{
	int			first = first_neighbor(edges->flags);
	GraphEdges	after;
	int			count = edges->count - first;

	/* what leads to twins is no neighbour */
	after.flags = edges->flags & ~NODE_HEAD;
	after.count = count;
	memcpy(after.ids, edges->ids + first, count * sizeof(GraphId));
	if (edge_in_ring(edge))
		edges_set_next(&inserter->index->shape, &after, NO_SLOT);
	after.ids[after.count++] = edge;
	graph_drop_one(inserter->selector, level, inserter->link_payload, &after);
	for (int i = first; i < edges->count && after.count <= count; i++)
	{
		if (!edges_lead_to(&after, edge_id(edges->ids[i])))
			return i;
	}
	return edges->count;
}

bool
hnsw_link_back(HnswInserter *inserter, int level, GraphId to, GraphId edge,
			   GraphId known)
{
	PageStore  *store = &inserter->store;
	const GraphShape *shape = &inserter->index->shape;
	bool		ring = edge_in_ring(edge);
	GraphEdges	before;
	int			place = 0;

	before.count = -1;
	for (int attempt = 0; attempt < LINK_ATTEMPTS || ring; attempt++)
	{
		GraphNode  *node;
		Buffer		buffer = page_store_lock(store, level, to,
											 BUFFER_LOCK_EXCLUSIVE, &node);
		GraphEdges	edges;
		bool		refused;

		node_get_edges(shape, level, node, &edges);
		refused = ring &&
			(edges.state != SLOT_USED || edges_next(&edges) != known);

		/*
		 * A node that has been marked deleted meanwhile is linked all the same,
		 * but in the ring: when it is mended, what it leads to is what replaces
		 * it.
		 */
		if (refused || edges.state == SLOT_FREE ||
			(!ring && edges_lead_to(&edges, edge)))
		{
			UnlockReleaseBuffer(buffer);
			return !refused;
		}
		if (edges.count < graph_capacity(shape, level))
			place = edges.count;
		else if (ring && attempt >= LINK_ATTEMPTS)
		{
			/* others are quicker: any place will do */
			place = known != NO_SLOT ? edges_ring_place(&edges) : edges.count - 1;
		}
		else if (!node_has_edges(shape, node, &before))
		{
			before = edges;
			memcpy(inserter->link_payload, node_payload(node),
				   shape->payload_size);
			UnlockReleaseBuffer(buffer);
			place = find_place(inserter, level, &before, edge);
			if (place == before.count)
				return true;
			continue;
		}

		if (ring)
			edges_set_next(shape, &edges, NO_SLOT);
		edges.ids[place] = edge;
		edges.count = Max(edges.count, place + 1);
		write_edges(inserter, level, to, buffer, &edges);
		UnlockReleaseBuffer(buffer);
		return true;
	}
	return true;
}

void
hnsw_link_all_back(HnswInserter *inserter, int level, GraphId id)
{
	const GraphLinks *links = &inserter->links[level];

	for (int i = 0; i < links->count; i++)
	{
		if (graph_links_back(&inserter->index->shape, links, i))
			(void) hnsw_link_back(inserter, level, links->near[i].id, id, NO_SLOT);
	}
}
