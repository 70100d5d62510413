/*
 * write_graph.c
 *	  The graph from memory to pages.
 *
 * Pages are written one after the other and not logged: the end of the build logs
 * them.  Nodes lie there in an order of their own (node_order.c), which gives them
 * other numbers than in memory.
 */
#include "hnsw/memory_graph.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "hnsw/page.h"

/* Pages of one kind being filled in order */
typedef struct PageWriter
{
	MemoryGraph *graph;
	const SlotGeometry *geometry;
	Buffer		buffer;			/* locked; invalid before the first slot */
	BlockNumber block;			/* the last one */
	uint32		next;			/* slot */
} PageWriter;

static SlotHeader *
writer_next(PageWriter *writer, SlotId *id)
{
	Page		page;

	if (!BufferIsValid(writer->buffer) ||
		writer->next == writer->geometry->per_page)
	{
		if (BufferIsValid(writer->buffer))
			UnlockReleaseBuffer(writer->buffer);
		writer->buffer = InvalidBuffer;
		CHECK_FOR_INTERRUPTS();
		writer->buffer = index_extend(writer->graph->inserter->relation, MAIN_FORKNUM);
		writer->block = BufferGetBlockNumber(writer->buffer);
		slot_page_init(BufferGetPage(writer->buffer), writer->geometry->kind);
		MarkBufferDirty(writer->buffer);
		writer->next = 0;
	}
	page = BufferGetPage(writer->buffer);
	*id = slot_id(writer->geometry, writer->block, writer->next);
	return slot_page_take(writer->geometry, page, writer->next++);
}

static void
writer_end(PageWriter *writer)
{
	if (BufferIsValid(writer->buffer))
		UnlockReleaseBuffer(writer->buffer);
}

/* Write an element's further TIDs; they begin at number, in memory. */
static SlotId
write_tids(MemoryGraph *graph, PageWriter *writer, uint32 number)
{
	SlotId		head = NO_SLOT;
	HnswTids   *tids = NULL;

	while (number != 0)
	{
		const BuildTid *tid = memory_tid(graph, number - 1);

		if (tids == NULL || tids->count == HNSW_TIDS_PER_SLOT)
		{
			SlotId		id;

			tids = (HnswTids *) writer_next(writer, &id);
			tids->next = head;
			head = id;
		}
		tids->tids[tids->count++] = tid->tid;
		number = tid->next;
	}
	return head;
}

/* What a node is called on pages; id: in memory */
static inline GraphId
written_id(const NodeOrder *order, const SlotGeometry *geometry, GraphId id)
{
	return order->first + order->places[id - geometry->per_page];
}

/* The numbers in a node's copy, from those in memory to those on pages */
static void
renumber_node(MemoryGraph *graph, GraphNode *node, const NodeOrder *orders)
{
	const GraphShape *shape = &graph->index->shape;
	int			kind = node->level > 0;
	const SlotGeometry *geometry = graph_geometry(shape, kind);
	GraphEdges	edges;

	node_get_edges(shape, node->level, node, &edges);
	for (int i = 0; i < edges.count; i++)
		edges.ids[i] = (edges.ids[i] & EDGE_RING) |
			written_id(&orders[kind], geometry, edge_id(edges.ids[i]));
	node_set_edges(shape, node, &edges);
	if (kind == 0)
		return;
	node->element = written_id(&orders[0], &shape->base, node->element);
	node->below = node->level == 1
		? written_id(&orders[0], &shape->base, node->below)
		: written_id(&orders[1], &shape->upper, node->below);
}

/* Write the nodes of level 0, or (level 1) of all others; orders: of both. */
static BlockNumber
write_nodes(MemoryGraph *graph, int level, uint32 count, const NodeOrder *orders)
{
	const SlotGeometry *geometry = graph_geometry(&graph->index->shape, level);
	PageWriter	writer = {graph, geometry, InvalidBuffer, InvalidBlockNumber, 0};

	for (uint32 place = 0; place < count; place++)
	{
		GraphId		id = geometry->per_page + orders[level].numbers[place];
		GraphId		written;
		GraphNode  *copy = (GraphNode *) writer_next(&writer, &written);

		if (written != orders[level].first + place)
			elog(ERROR, "hnsw node %u was to be written as %u",
				 orders[level].first + place, written);
		memcpy(copy, memory_node(graph, level, id), geometry->slot_size);
		renumber_node(graph, copy, orders);
	}
	writer_end(&writer);
	return writer.block;
}

/*
 * What the first of count nodes is called that are written from a block on; error
 * if the last one's number is out of range.
 */
static GraphId
first_number(const SlotGeometry *geometry, BlockNumber first, uint32 count)
{
	(void) slot_id(geometry, first + count / geometry->per_page,
				   geometry->per_page - 1);
	return slot_id(geometry, first, 0);
}

/* Write the entry point to the metapage, and which pages are being filled. */
static void
write_meta(MemoryGraph *graph, const NodeOrder *orders, const BlockNumber *last)
{
	const GraphEntry *entry = &graph->shared->entry;
	int			kind = entry->level > 0;
	Buffer		buffer = ReadBuffer(graph->inserter->relation, META_BLOCK);
	HnswMeta   *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = hnsw_page_meta(BufferGetPage(buffer));
	meta->entry_level = entry->level;
	meta->entry = entry->level < 0 ? NO_SLOT
		: written_id(&orders[kind],
					 graph_geometry(&graph->index->shape, kind), entry->id);
	for (int page = 0; page < PAGE_KINDS; page++)
	{
		if (last[page] != InvalidBlockNumber)
			meta->common.space.filling[page] = last[page];
	}
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

void
memory_graph_write(MemoryGraph *graph)
{
	const GraphShape *shape = &graph->index->shape;
	uint32		base_count = pg_atomic_read_u32(&graph->shared->base_count);
	uint32		upper_count = pg_atomic_read_u32(&graph->shared->upper_count);
	PageWriter	tids = {graph, &graph->index->tids, InvalidBuffer, InvalidBlockNumber, 0};
	NodeOrder	orders[2];
	BlockNumber first;
	BlockNumber last[PAGE_KINDS];

	for (int kind = 0; kind < PAGE_KINDS; kind++)
		last[kind] = InvalidBlockNumber;
	node_order_create(&orders[0], graph, 0, base_count);
	node_order_create(&orders[1], graph, 1, upper_count);

	value_order(graph, &orders[0], base_count);

	/* these numbers are final at once */
	for (uint32 place = 0; place < base_count; place++)
	{
		GraphNode  *node = memory_node(graph, 0, shape->base.per_page +
									   orders[0].numbers[place]);

		node->more_tids = write_tids(graph, &tids, node->more_tids);
	}
	writer_end(&tids);
	last[PAGE_TIDS] = tids.block;

	first = RelationGetNumberOfBlocks(graph->inserter->relation);
	orders[0].first = first_number(&shape->base, first, base_count);
	first += (base_count + shape->base.per_page - 1) / shape->base.per_page;
	orders[1].first = first_number(&shape->upper, first, upper_count);
	last[PAGE_RECORD] = write_nodes(graph, 0, base_count, orders);
	last[PAGE_UPPER] = write_nodes(graph, 1, upper_count, orders);

	for (uint32 place = 0; place < base_count && graph->index->filter != NULL; place++)
	{
		GraphId		id = shape->base.per_page + orders[0].numbers[place];

		CHECK_FOR_INTERRUPTS();
		hnsw_keys_put(graph->inserter->keys, orders[0].first + place,
					  memory_keys(graph, id));
	}
	write_meta(graph, orders, last);
	node_order_free(&orders[0]);
	node_order_free(&orders[1]);
}
