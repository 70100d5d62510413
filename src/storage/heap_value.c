/*
 * heap_value.c
 *	  Indexed values read from the table, for distances that an index cannot
 *	  tell exactly.
 *
 * All tuples of a HOT chain have the same indexed values, so any visible one
 * will do.
 */
#include "storage/heap_value.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "storage/toast_reader.h"

struct HeapValues
{
	Relation	heap;
	Snapshot	snapshot;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	AttrNumber	column;			/* 0: an expression */
	ToastReader *reader;

	/* for an expression */
	IndexInfo  *index_info;
	EState	   *estate;
};

HeapValues *
heap_values_begin(Relation heap, Relation index, Snapshot snapshot)
{
	HeapValues *values = (HeapValues *) palloc0(sizeof(HeapValues));

	values->heap = heap;
	values->snapshot = snapshot;
	values->fetch = table_index_fetch_begin(heap);
	values->slot = table_slot_create(heap, NULL);
	values->column = index->rd_index->indkey.values[0];
	values->reader = toast_reader_begin(heap);
	if (values->column == 0)
	{
		values->index_info = BuildIndexInfo(index);
		values->estate = CreateExecutorState();
		GetPerTupleExprContext(values->estate)->ecxt_scantuple = values->slot;
	}
	return values;
}

const struct varlena *
heap_values_get(HeapValues *values, ItemPointer tid, bool *all_dead)
{
	ItemPointerData found = *tid;
	bool		again = false;
	bool		isnull;
	Datum		value;

	*all_dead = false;
	if (!table_index_fetch_tuple(values->fetch, &found, values->snapshot,
								 values->slot, &again, all_dead))
		return NULL;

	if (values->column != 0)
		value = slot_getattr(values->slot, values->column, &isnull);
	else
	{
		Datum		datums[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];
		MemoryContext caller;

		ResetPerTupleExprContext(values->estate);
		caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(values->estate));
		FormIndexDatum(values->index_info, values->slot, values->estate, datums,
					   nulls);
		MemoryContextSwitchTo(caller);
		value = datums[0];
		isnull = nulls[0];
	}

	/* cannot be: nulls are not indexed, and indexed values do not change */
	if (isnull)
		return NULL;
	return toast_reader_get(values->reader,
							(struct varlena *) DatumGetPointer(value));
}

void
heap_values_pause(HeapValues *values)
{
	ExecClearTuple(values->slot);
	table_index_fetch_reset(values->fetch);
	toast_reader_pause(values->reader);
}

void
heap_values_end(HeapValues *values)
{
	ExecDropSingleTupleTableSlot(values->slot);
	table_index_fetch_end(values->fetch);
	toast_reader_end(values->reader);
	if (values->estate != NULL)
		FreeExecutorState(values->estate);
}
