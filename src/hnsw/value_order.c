/*
 * value_order.c
 *	  The values of a build in the order of its nodes.
 *
 * While the graph grows in memory, values go to pages as rows come.  What a search
 * reads are the values of its nearest elements, whose nodes are put on the same
 * pages (node_order.c).  So values are put into the order of nodes: all are read in
 * the order of their pages, sorted, and written into the same slots, so that both
 * passes go through pages from the first to the last.
 */
#include "hnsw/memory_graph.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/tuplesort.h"

#include "hnsw/page.h"
#include "storage/page_check.h"

/* The most memory that the sort takes, in kB; and at most this part of what there is */
#define SORT_MOST_MEMORY	(64 * 1024)
#define SORT_MEMORY_PART	8
#define SORT_LEAST_MEMORY	64

#define NOT_PLACED		PG_UINT32_MAX

typedef struct ValueSort
{
	MemoryGraph *graph;
	const NodeOrder *order;
	BlockNumber first;			/* values' pages are first .. end - 1 */
	BlockNumber end;
	uint32	   *places;			/* by slot: of the node whose value is there */
	Tuplesortstate *state;
	TupleTableSlot *put_slot;
	TupleTableSlot *get_slot;
} ValueSort;

static void
sort_begin(ValueSort *sort)
{
	AttrNumber	column = 1;
	Oid			less = Int8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;
	TupleDesc	desc = CreateTemplateTupleDesc(2);
	int			memory = Min(maintenance_work_mem / SORT_MEMORY_PART,
							 SORT_MOST_MEMORY);

	TupleDescInitEntry(desc, 1, "place", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "value", BYTEAOID, -1, 0);
	TupleDescFinalize(desc);
	sort->state = tuplesort_begin_heap(desc, 1, &column, &less, &collation,
									   &nulls_first, Max(memory, SORT_LEAST_MEMORY),
									   NULL, false);
	sort->put_slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort->get_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

static void
sort_end(ValueSort *sort)
{
	tuplesort_end(sort->state);
	ExecDropSingleTupleTableSlot(sort->put_slot);
	ExecDropSingleTupleTableSlot(sort->get_slot);
}

/* Find out whose value each slot has. */
static void
find_places(ValueSort *sort, uint32 count)
{
	const GraphShape *shape = &sort->graph->index->shape;
	const SlotGeometry *geometry = &sort->graph->index->values;
	uint32		slots = (sort->end - sort->first) * geometry->per_page;

	sort->places = (uint32 *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(slots, sizeof(uint32)));
	memset(sort->places, 0xFF, slots * sizeof(uint32));
	for (uint32 place = 0; place < count; place++)
	{
		const GraphNode *node = memory_node(sort->graph, 0, shape->base.per_page +
											sort->order->numbers[place]);
		uint32		slot = node->value - sort->first * geometry->per_page;

		if (node->value == NO_SLOT)
			continue;
		if (slot >= slots)
			elog(ERROR, "hnsw value %u was written to no page of values",
				 node->value);
		sort->places[slot] = place;
	}
}

/* The value in a slot, which belongs to the node at a place, to the sort */
static void
put_value(ValueSort *sort, uint32 place, const ValuePiece *piece,
		  struct varlena *copy)
{
	TupleTableSlot *slot = sort->put_slot;

	memcpy(VARDATA(copy), piece->data, VARSIZE(copy) - VARHDRSZ);
	ExecClearTuple(slot);
	slot->tts_values[0] = Int64GetDatum((int64) place);
	slot->tts_values[1] = PointerGetDatum(copy);
	memset(slot->tts_isnull, false, 2 * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sort->state, slot);
}

/* The next value from the sort, into a slot */
static void
get_value(ValueSort *sort, SlotId id, ValuePiece *piece, Size size)
{
	uint32		per_page = sort->graph->index->shape.base.per_page;
	uint32		place;
	GraphNode  *node;
	bool		isnull;

	if (!tuplesort_gettupleslot(sort->state, true, false, sort->get_slot, NULL))
		elog(ERROR, "a value of an hnsw index was lost");
	place = (uint32) DatumGetInt64(slot_getattr(sort->get_slot, 1, &isnull));
	memcpy(piece->data,
		   VARDATA_ANY(DatumGetPointer(slot_getattr(sort->get_slot, 2, &isnull))),
		   size);
	node = memory_node(sort->graph, 0, per_page + sort->order->numbers[place]);
	node->value = id;
}

/*
 * Go through all values of nodes, page after page: to the sort, or (back) from it.
 */
static void
pass_pages(ValueSort *sort, bool back)
{
	Relation	relation = sort->graph->inserter->relation;
	const SlotGeometry *geometry = &sort->graph->index->values;
	Size		size = bounded_size(&sort->graph->index->codec.column);
	struct varlena *copy = (struct varlena *) palloc(VARHDRSZ + size);

	SET_VARSIZE(copy, VARHDRSZ + size);
	for (BlockNumber block = sort->first; block < sort->end; block++)
	{
		Buffer		buffer = ReadBuffer(relation, block);
		Page		page = BufferGetPage(buffer);
		uint32		slots;

		CHECK_FOR_INTERRUPTS();
		page_lock(relation, buffer, PAGE_VALUE,
				  back ? BUFFER_LOCK_EXCLUSIVE : BUFFER_LOCK_SHARE);
		slots = slots_in_use(geometry, page);
		for (uint32 slot = 0; slot < slots; slot++)
		{
			ValuePiece *piece = (ValuePiece *) slot_at(geometry, page, slot);
			uint32		place = sort->places[(block - sort->first) *
											 geometry->per_page + slot];

			if (place == NOT_PLACED)
				continue;
			if (back)
				get_value(sort, slot_id(geometry, block, slot), piece, size);
			else
				put_value(sort, place, piece, copy);
		}
		if (back)
			MarkBufferDirty(buffer);
		UnlockReleaseBuffer(buffer);
	}
	pfree(copy);
}

void
value_order(MemoryGraph *graph, const NodeOrder *order, uint32 count)
{
	const HnswIndex *index = graph->index;
	ValueSort	sort = {graph, order};

	/* values in several pieces, and those in nodes, stay where they are */
	if (count == 0 || !hnsw_keeps_bounded(index) ||
		bounded_size(&index->codec.column) > value_piece_room(&index->values))
		return;
	sort.first = META_BLOCK + 1 + index->meta.raw_blocks;
	sort.end = RelationGetNumberOfBlocks(graph->inserter->relation);
	find_places(&sort, count);
	sort_begin(&sort);
	pass_pages(&sort, false);
	tuplesort_performsort(sort.state);
	pass_pages(&sort, true);
	sort_end(&sort);
	pfree(sort.places);
}
