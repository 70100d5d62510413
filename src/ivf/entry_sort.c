/*
 * entry_sort.c
 *	  The entries of a build, sorted by list and TID.
 */
#include "ivf/build.h"

#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"

/* What lies before an entry's code; its keys lie behind */
typedef struct EntryHeader
{
	int32		vl_len_;
	float		add;
	float		k;
	float		error;
	SlotId		value;
} EntryHeader;

IvfEntrySort *
ivf_sort_begin(const IvfModel *model, const FilterShape *filter, int memory,
			   SortCoordinate coordinate)
{
	AttrNumber	columns[] = {1, 2};
	Oid			operators[] = {Int4LessOperator, Int8LessOperator};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};
	IvfEntrySort *sort = (IvfEntrySort *) palloc(sizeof(IvfEntrySort));
	TupleDesc	desc = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(desc, 1, "list", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 3, "entry", BYTEAOID, -1, 0);
	TupleDescFinalize(desc);
	sort->state = tuplesort_begin_heap(desc, 2, columns, operators, collations,
									   nulls_first, memory, coordinate, false);
	sort->code_bytes = ivf_code_bytes(model);
	sort->key_bytes = filter != NULL ? filter->entry_bytes : 0;
	sort->put_slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort->get_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	return sort;
}

void
ivf_sort_put(IvfEntrySort *sort, uint32 list, const IvfEntry *entry)
{
	TupleTableSlot *slot = sort->put_slot;
	Size		size = add_size(sizeof(EntryHeader),
								add_size(sort->code_bytes, sort->key_bytes));
	EntryHeader *header = (EntryHeader *) palloc(size);
	char	   *code = (char *) (header + 1);

	SET_VARSIZE(header, size);
	header->add = entry->add;
	header->k = entry->k;
	header->error = entry->error;
	header->value = entry->value;
	memcpy(code, entry->code, sort->code_bytes);
	if (sort->key_bytes > 0)
		memcpy(code + sort->code_bytes, entry->keys, sort->key_bytes);

	ExecClearTuple(slot);
	slot->tts_values[0] = Int32GetDatum((int32) list);
	slot->tts_values[1] =
		Int64GetDatum(itemptr_encode(&unconstify(IvfEntry *, entry)->tid));
	slot->tts_values[2] = PointerGetDatum(header);
	memset(slot->tts_isnull, false, 3 * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sort->state, slot);
}

bool
ivf_sort_get(IvfEntrySort *sort, uint32 *list, IvfEntry *entry)
{
	TupleTableSlot *slot = sort->get_slot;
	EntryHeader header;
	const char *bytes;
	bool		isnull;

	if (!tuplesort_gettupleslot(sort->state, true, false, slot, NULL))
		return false;
	*list = (uint32) DatumGetInt32(slot_getattr(slot, 1, &isnull));
	itemptr_decode(&entry->tid, DatumGetInt64(slot_getattr(slot, 2, &isnull)));

	/* as a tuple has it: perhaps with a short header, and not aligned */
	bytes = VARDATA_ANY(DatumGetPointer(slot_getattr(slot, 3, &isnull)));
	memcpy((char *) &header + VARHDRSZ, bytes, sizeof(header) - VARHDRSZ);
	entry->add = header.add;
	entry->k = header.k;
	entry->error = header.error;
	entry->value = header.value;
	entry->code = (uint8 *) bytes + sizeof(header) - VARHDRSZ;
	entry->keys = entry->code + sort->code_bytes;
	return true;
}

void
ivf_sort_end(IvfEntrySort *sort)
{
	tuplesort_end(sort->state);
	ExecDropSingleTupleTableSlot(sort->put_slot);
	ExecDropSingleTupleTableSlot(sort->get_slot);
	pfree(sort);
}
