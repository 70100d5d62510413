/*
 * verify_rows.c
 *	  The rows that an index has, and those that it should have.
 *
 * Rows named by the index are sorted by TID.  So the table's pages are read in
 * order, each once: for line pointers that are not in use, and, where all rows are
 * to be in the index, for those that the snapshot sees.
 */
#include "index/verify.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A row that the index has, on a block of the table */
typedef struct VerifyEntry
{
	OffsetNumber offset;
	uint64		place;
} VerifyEntry;

/* The sorted rows, block by block */
typedef struct VerifyRows
{
	BlockNumber block;			/* of the entries; InvalidBlockNumber: none yet */
	int			count;
	int			room;
	VerifyEntry *entries;		/* in the order of offsets */
	bool		more;			/* there is a next row: */
	int64		next_tid;
	uint64		next_place;
	bool		is_heap;		/* line pointers mean what they do in heap */
	double		seen;			/* rows of the table that should be there */
} VerifyRows;

static inline int64
pack_tid(const ItemPointerData *tid)
{
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << 16) |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static void
rows_init(Verify *verify)
{
	AttrNumber	columns[] = {1};
	Oid			operators[] = {Int8LessOperator};
	Oid			collations[] = {InvalidOid};
	bool		nulls_first[] = {false};
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "place", INT8OID, -1, 0);
	TupleDescFinalize(desc);
	verify->sort = tuplesort_begin_heap(desc, 1, columns, operators, collations,
										nulls_first, maintenance_work_mem / 2,
										NULL, false);
	verify->put_slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	verify->get_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	verify->rows = (VerifyRows *) palloc0(sizeof(VerifyRows));
	verify->rows->is_heap =
		verify->heap->rd_tableam == GetHeapamTableAmRoutine();
	verify->row_context = AllocSetContextCreate(CurrentMemoryContext, "index check",
												ALLOCSET_DEFAULT_SIZES);
	verify->fetch = table_index_fetch_begin(verify->heap);
	verify->heap_slot = table_slot_create(verify->heap, NULL);
}

void
verify_row(Verify *verify, ItemPointer tid, uint64 place)
{
	TupleTableSlot *slot = verify->put_slot;
	ResourceOwner caller = CurrentResourceOwner;

	CurrentResourceOwner = verify->owner;
	ExecClearTuple(slot);
	slot->tts_values[0] = Int64GetDatum(pack_tid(tid));
	slot->tts_values[1] = Int64GetDatum((int64) place);
	slot->tts_isnull[0] = slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(verify->sort, slot);
	CurrentResourceOwner = caller;
	verify_count(verify, "rows", 1);
}

bool
verify_visible(Verify *verify, ItemPointer tid)
{
	ItemPointerData found = *tid;
	bool		again = false;
	bool		all_dead = false;
	bool		visible;

	/* no TID of a row, but of a damaged page */
	if (ItemPointerGetOffsetNumberNoCheck(tid) == InvalidOffsetNumber ||
		ItemPointerGetBlockNumberNoCheck(tid) >=
		RelationGetNumberOfBlocks(verify->heap))
		return false;
	visible = table_index_fetch_tuple(verify->fetch, &found, verify->snapshot,
									  verify->heap_slot, &again, &all_dead);
	ExecClearTuple(verify->heap_slot);
	table_index_fetch_reset(verify->fetch);
	return visible;
}

/* ------------------------------------------------------------------------
 * Block by block
 */

static void
read_next(Verify *verify)
{
	VerifyRows *rows = verify->rows;
	bool		isnull;

	rows->more = tuplesort_gettupleslot(verify->sort, true, false,
										verify->get_slot, NULL);
	if (!rows->more)
		return;
	rows->next_tid = DatumGetInt64(slot_getattr(verify->get_slot, 1, &isnull));
	rows->next_place = DatumGetInt64(slot_getattr(verify->get_slot, 2, &isnull));
}

static inline int
count_row(Verify *verify, const VerifyEntry *entry, ItemPointer tid)
{
	return verify->methods->count_row(verify, entry->place, tid);
}

/* Report something about an entry and its row. */
static void
report_entry(Verify *verify, const char *violation, const VerifyEntry *entry,
			 ItemPointer tid, const char *detail)
{
	BlockNumber block;
	int64		slot;

	verify->methods->where(verify, entry->place, &block, &slot);
	verify_report(verify, violation, block, slot, tid, "%s", detail);
}

/*
 * A row that two entries have.  They need not have had it at the same time: vacuum
 * may have taken it from the first, and the place in the table have become another
 * row's.  So the first must have it before and after the second has.
 */
static void
check_twice(Verify *verify, const VerifyEntry *a, const VerifyEntry *b,
			ItemPointer tid)
{
	if (verify->methods->group(a->place) == verify->methods->group(b->place))
	{
		if (count_row(verify, a, tid) > 1)
			report_entry(verify, "row_twice", b, tid, "It is there twice.");
	}
	else if (count_row(verify, a, tid) > 0 && count_row(verify, b, tid) > 0 &&
			 count_row(verify, a, tid) > 0 && count_row(verify, b, tid) > 0)
		report_entry(verify, "row_twice", b, tid,
					 "Another entry has the same row.");
}

/* What is wrong with a row's line pointer, or NULL */
static const char *
line_problem(Verify *verify, Page page, OffsetNumber offset)
{
	ItemId		item;

	if (page == NULL)
		return "Its row is behind the end of the table.";
	if (offset < FirstOffsetNumber || offset > PageGetMaxOffsetNumber(page) ||
		!ItemIdIsUsed(PageGetItemId(page, offset)))
		return "Its row is gone: the place in the table is not in use.";
	item = PageGetItemId(page, offset);
	if (ItemIdIsNormal(item) &&
		ItemIdGetOffset(item) + SizeofHeapTupleHeader <= BLCKSZ &&
		HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(page, item)))
		return "Its row is no row of its own, but a later version of another.";
	return NULL;
}

static const char *
look_at_line(Verify *verify, BlockNumber block, OffsetNumber offset)
{
	const char *problem;
	Buffer		buffer;

	if (block >= RelationGetNumberOfBlocks(verify->heap))
		return line_problem(verify, NULL, offset);
	buffer = ReadBuffer(verify->heap, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	problem = line_problem(verify, BufferGetPage(buffer), offset);
	UnlockReleaseBuffer(buffer);
	return problem;
}

/*
 * Vacuum takes a row out of the index before its line pointer is free, and an
 * insertion comes after it is in use.  So if the pointer is not in use, and the
 * entry is there, then it was there all the time in between.
 */
static void
check_lines(Verify *verify)
{
	VerifyRows *rows = verify->rows;
	PGAlignedBlock copy;
	Page		page = NULL;

	if (!rows->is_heap)
		return;
	if (rows->block < RelationGetNumberOfBlocks(verify->heap))
	{
		Buffer		buffer = ReadBuffer(verify->heap, rows->block);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		page = (Page) copy.data;
	}
	for (int i = 0; i < rows->count; i++)
	{
		const VerifyEntry *entry = &rows->entries[i];
		const char *problem = line_problem(verify, page, entry->offset);
		ItemPointerData tid;

		if (likely(problem == NULL))
			continue;
		CHECK_FOR_INTERRUPTS();
		ItemPointerSet(&tid, rows->block, entry->offset);
		if (count_row(verify, entry, &tid) > 0 &&
			(problem = look_at_line(verify, rows->block, entry->offset)) != NULL &&
			count_row(verify, entry, &tid) > 0)
			report_entry(verify, "row_gone", entry, &tid, problem);
	}
}

/* Take the rows of the next block, and check what can be said of them. */
static void
take_block(Verify *verify)
{
	VerifyRows *rows = verify->rows;

	CHECK_FOR_INTERRUPTS();
	rows->block = (BlockNumber) (rows->next_tid >> 16);
	rows->count = 0;
	while (rows->more && (BlockNumber) (rows->next_tid >> 16) == rows->block)
	{
		VerifyEntry *entry;

		if (rows->count == rows->room)
		{
			rows->room = Max(2 * rows->room, MaxHeapTuplesPerPage);
			rows->entries = (VerifyEntry *)
				(rows->entries == NULL ? palloc(rows->room * sizeof(VerifyEntry))
				 : repalloc(rows->entries, rows->room * sizeof(VerifyEntry)));
		}
		entry = &rows->entries[rows->count++];
		entry->offset = (OffsetNumber) (rows->next_tid & 0xFFFF);
		entry->place = rows->next_place;
		if (!verify->several && rows->count > 1 && entry[-1].offset == entry->offset)
		{
			ItemPointerData tid;

			ItemPointerSet(&tid, rows->block, entry->offset);
			check_twice(verify, entry - 1, entry, &tid);
		}
		read_next(verify);
	}
	check_lines(verify);
	verify_progress(rows->block);
}

/* ------------------------------------------------------------------------
 * All rows
 */

/* The entry of a row of the block taken; NULL: there is none */
static const VerifyEntry *
find_entry(const VerifyRows *rows, OffsetNumber offset)
{
	int			low = 0;
	int			high = rows->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (rows->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < rows->count && rows->entries[low].offset == offset
		? &rows->entries[low] : NULL;
}

/*
 * A row that is to have several entries: has it as many?  The walk has come past
 * each of them once, but on a standby.
 */
static void
check_entries(Verify *verify, const VerifyEntry *entry, ItemPointer tid, int wanted)
{
	const VerifyRows *rows = verify->rows;
	int			found = 1;

	while (entry + found < rows->entries + rows->count &&
		   entry[found].offset == entry->offset)
		found++;
	if (found != wanted && !RecoveryInProgress())
		verify_report(verify, "row_entries", InvalidBlockNumber, NO_PLACE_SLOT, tid,
					  "It has %d entries instead of %d.", found, wanted);
}

/* A row of the table that the snapshot sees, and that fulfils the predicate */
static void
check_table_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
				bool alive, void *state)
{
	Verify	   *verify = (Verify *) state;
	VerifyRows *rows = verify->rows;
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	const VerifyEntry *entry = NULL;

	MemoryContext caller;
	bool		indexed;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(verify->row_context);
	caller = MemoryContextSwitchTo(verify->row_context);
	indexed = verify->methods->indexes(verify, values, isnull);
	MemoryContextSwitchTo(caller);
	if (!indexed)
		return;
	rows->seen++;
	while (rows->more && (BlockNumber) (rows->next_tid >> 16) <= block)
		take_block(verify);
	if (rows->block == block)
		entry = find_entry(rows, ItemPointerGetOffsetNumber(tid));
	else if (rows->block != InvalidBlockNumber && rows->block > block)
		elog(ERROR, "table \"%s\" is not read in the order of its blocks",
			 RelationGetRelationName(verify->heap));
	if (entry == NULL && verify->methods->find_row != NULL &&
		verify->methods->find_row(verify, tid))
		return;
	if (entry == NULL)
		verify_report(verify, "row_missing", InvalidBlockNumber, NO_PLACE_SLOT,
					  tid, "A row of the table is not in the index.");
	else
	{
		MemoryContextSwitchTo(verify->row_context);
		if (verify->several)
			check_entries(verify, entry, tid,
						  verify->methods->count_entries(verify, values));
		verify->methods->check_row(verify, entry->place, tid, values, isnull);
		MemoryContextSwitchTo(caller);
	}
}

static void
check_table(Verify *verify)
{
	IndexInfo  *info = BuildIndexInfo(verify->index);
	TableScanDesc scan;

	scan = table_beginscan_strat(verify->heap, verify->snapshot, 0, NULL, true, false);
	info->ii_Concurrent = true;
	info->ii_Unique = false;
	info->ii_ExclusionOps = NULL;
	info->ii_ExclusionProcs = NULL;
	info->ii_ExclusionStrats = NULL;
	/* ends the scan */
	(void) table_index_build_scan(verify->heap, verify->index, info, true, false,
								  check_table_row, verify, scan);
	verify_count(verify, "rows_of_table", (int64) verify->rows->seen);
}

/* ------------------------------------------------------------------------
 * All together
 */

void
verify_index(Verify *verify)
{
	bool		opened;

	verify->owner = CurrentResourceOwner;
	verify->snapshot = RegisterSnapshot(GetLatestSnapshot());
	verify->blocks = RelationGetNumberOfBlocks(verify->index);
	verify->memory = mul_size(maintenance_work_mem, 1024) / 2;
	verify->kinds = (uint8 *) verify_map(verify, verify->blocks);
	verify_count(verify, "pages", verify->blocks);
	verify_count(verify, "rows", 0);
	rows_init(verify);
	verify->rows->block = InvalidBlockNumber;

	opened = verify->methods->walk(verify);

	verify_phase(verify, VERIFY_PHASE_ROWS,
				 RelationGetNumberOfBlocks(verify->heap));
	tuplesort_performsort(verify->sort);
	read_next(verify);
	if (verify->all_rows && opened)
		check_table(verify);
	while (verify->rows->more)
		take_block(verify);

	tuplesort_end(verify->sort);
	ExecDropSingleTupleTableSlot(verify->put_slot);
	ExecDropSingleTupleTableSlot(verify->get_slot);
	ExecDropSingleTupleTableSlot(verify->heap_slot);
	table_index_fetch_end(verify->fetch);
	UnregisterSnapshot(verify->snapshot);
	verify_count(verify, "violations", verify->violations);
	pgstat_progress_end_command();
}
