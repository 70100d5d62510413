/*
 * write_graph.c
 *	  The graph from memory to pages.
 *
 * Pages are written one after the other and not logged: the end of the build logs
 * them.  Nodes get the numbers that they have in memory, plus a constant.
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

/* Write the nodes of level 0 or of all others. */
static BlockNumber
write_nodes(MemoryGraph *graph, PageKind kind, uint32 count, GraphId base_shift,
			GraphId upper_shift)
{
	const GraphShape *shape = &graph->index->shape;
	int			level = kind == PAGE_RECORD ? 0 : 1;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	PageWriter	writer = {graph, geometry, InvalidBuffer, InvalidBlockNumber, 0};
	GraphId		shift = level == 0 ? base_shift : upper_shift;

	for (uint32 i = 0; i < count; i++)
	{
		GraphId		id = geometry->per_page + i;
		const GraphNode *node = memory_node(graph, level, id);
		GraphId		written;
		GraphNode  *copy = (GraphNode *) writer_next(&writer, &written);
		GraphEdges	edges;

		if (written != id + shift)
			elog(ERROR, "hnsw node %u was to be written as %u", written, id + shift);
		memcpy(copy, node, geometry->slot_size);
		node_get_edges(shape, level, copy, &edges);
		for (int k = 0; k < edges.count; k++)
			edges.ids[k] += shift;
		node_set_edges(shape, copy, &edges);
		if (level > 0)
		{
			copy->element += base_shift;
			copy->below += copy->level == 1 ? base_shift : upper_shift;
		}
	}
	writer_end(&writer);
	return writer.block;
}

/*
 * What is added to numbers: block 1 in memory is the next one to be written.
 */
static GraphId
shift_to(const SlotGeometry *geometry, BlockNumber first, uint32 count)
{
	/* error if the last one is out of range */
	(void) slot_id(geometry, first + count / geometry->per_page,
				   geometry->per_page - 1);
	return (GraphId) (first - 1) * geometry->per_page;
}

/* Write the entry point to the metapage, and which pages are being filled. */
static void
write_meta(MemoryGraph *graph, GraphId base_shift, GraphId upper_shift,
		   const BlockNumber *last)
{
	const GraphEntry *entry = &graph->shared->entry;
	Buffer		buffer = ReadBuffer(graph->inserter->relation, META_BLOCK);
	HnswMeta   *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = hnsw_page_meta(BufferGetPage(buffer));
	meta->entry_level = entry->level;
	meta->entry = entry->level < 0 ? NO_SLOT
		: entry->id + (entry->level == 0 ? base_shift : upper_shift);
	for (int kind = 0; kind < PAGE_KINDS; kind++)
	{
		if (last[kind] != InvalidBlockNumber)
			meta->common.space.filling[kind] = last[kind];
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
	BlockNumber first;
	BlockNumber last[PAGE_KINDS];
	GraphId		base_shift;
	GraphId		upper_shift;

	for (int kind = 0; kind < PAGE_KINDS; kind++)
		last[kind] = InvalidBlockNumber;

	/* these numbers are final at once */
	for (uint32 i = 0; i < base_count; i++)
	{
		GraphNode  *node = memory_node(graph, 0, shape->base.per_page + i);

		node->more_tids = write_tids(graph, &tids, node->more_tids);
	}
	writer_end(&tids);
	last[PAGE_TIDS] = tids.block;

	first = RelationGetNumberOfBlocks(graph->inserter->relation);
	base_shift = shift_to(&shape->base, first, base_count);
	first += (base_count + shape->base.per_page - 1) / shape->base.per_page;
	upper_shift = shift_to(&shape->upper, first, upper_count);
	last[PAGE_RECORD] = write_nodes(graph, PAGE_RECORD, base_count,
									base_shift, upper_shift);
	last[PAGE_UPPER] = write_nodes(graph, PAGE_UPPER, upper_count,
								   base_shift, upper_shift);

	for (uint32 i = 0; i < base_count && graph->index->filter != NULL; i++)
	{
		GraphId		id = shape->base.per_page + i;

		CHECK_FOR_INTERRUPTS();
		hnsw_keys_put(graph->inserter->keys, id + base_shift,
					  memory_keys(graph, id));
	}
	write_meta(graph, base_shift, upper_shift, last);
}
