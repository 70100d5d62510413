/*
 * scan.c
 *	  What an index scan is, whatever the access method.
 */
#include "index/scan.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "index/scan_counters.h"

/* ------------------------------------------------------------------------
 * What the last scan has done
 */

/* Of this session, and the role that it was done for */
static ScanStats last_scan;
static Oid	last_role = InvalidOid;

const char *
scan_mode_name(ScanMode mode)
{
	static const char *const names[] = {
		[SCAN_NONE] = "none",
		[SCAN_GRAPH] = "graph",
		[SCAN_GRAPH_PASSING] = "graph of passing rows",
		[SCAN_ALL_PASSING] = "all passing rows",
		[SCAN_LISTS] = "lists"
	};

	return names[mode];
}

/*
 * vector_last_scan(OUT index, mode, searches, batches, visited, filtered,
 * distances, reread, returned, ef): the session's index scan that ended last.  Null
 * where there was none, or where it was another role's (a function's that runs
 * with its owner's rights): its numbers tell of rows that the caller may not see.
 */
SQL_FUNCTION(vector_last_scan)
{
	TupleDesc	desc;
	Datum		values[10];
	bool		nulls[10] = {0};

	if (last_scan.searches == 0 || !has_privs_of_role(GetUserId(), last_role))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = ObjectIdGetDatum(last_scan.index);
	values[1] = CStringGetTextDatum(scan_mode_name(last_scan.mode));
	values[2] = Int64GetDatum((int64) last_scan.searches);
	values[3] = Int64GetDatum((int64) last_scan.batches);
	values[4] = Int64GetDatum((int64) last_scan.visited);
	values[5] = Int64GetDatum((int64) last_scan.filtered);
	values[6] = Int64GetDatum((int64) last_scan.distances);
	values[7] = Int64GetDatum((int64) last_scan.reread);
	values[8] = Int64GetDatum((int64) last_scan.returned);
	values[9] = Int32GetDatum((int32) last_scan.ef);
	nulls[9] = last_scan.ef == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* ------------------------------------------------------------------------
 * The scan
 */

static VectorScan *
scan_of(IndexScanDesc desc)
{
	return (VectorScan *) desc->opaque;
}

IndexScanDesc
vector_scan_begin(Relation index, int nkeys, int norderbys, Size size,
				  const char *am, const ScanMethods *methods)
{
	IndexScanDesc desc = RelationGetIndexScan(index, nkeys, norderbys);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "index scan",
												  ALLOCSET_DEFAULT_SIZES);
	VectorScan *scan = (VectorScan *) MemoryContextAllocZero(context, size);

	scan->methods = methods;
	scan->am = am;
	scan->context = context;
	scan->query_context = AllocSetContextCreate(context, "index scan query",
												ALLOCSET_SMALL_SIZES);
	scan->stats.index = RelationGetRelid(index);
	desc->opaque = scan;
	return desc;
}

void
vector_scan_rescan(IndexScanDesc desc, ScanKey keys, int nkeys,
				   ScanKey orderbys, int norderbys)
{
	VectorScan *scan = scan_of(desc);

	if (keys != NULL && desc->numberOfKeys > 0)
		memmove(desc->keyData, keys, desc->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && desc->numberOfOrderBys > 0)
		memmove(desc->orderByData, orderbys,
				desc->numberOfOrderBys * sizeof(ScanKeyData));
	if (scan->heap_values != NULL)
		heap_values_pause(scan->heap_values);
	scan->started = false;
}

/* Search for the target; what was found for one before is forgotten. */
static void
search(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);

	scan->methods->reset(desc);
	pgstat_count_index_scan(desc->indexRelation);
	count_index_search(desc);
	scan->stats.searches++;
	scan->stats.happened = 0;
	scan->recheck = false;
	scan->methods->search(desc);
}

/* Take the target from the scan's keys, and search for it. */
static void
start(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);
	MemoryContext caller;

	scan->started = true;
	MemoryContextReset(scan->query_context);
	caller = MemoryContextSwitchTo(scan->query_context);
	scan_target_set(&scan->target, desc, scan->column, scan->am);
	MemoryContextSwitchTo(caller);
	search(desc);
}

/* Find more, or go on to the next target; false if there is none. */
static bool
go_on(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);

	if (scan->methods->next_batch(desc))
		return true;
	if (!scan_target_next(&scan->target))
		return false;
	search(desc);
	return true;
}

static void
add_time(VectorScan *scan, instr_time begin)
{
	instr_time	end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, begin);
	scan->stats.nanoseconds += (uint64) (INSTR_TIME_GET_DOUBLE(end) * 1e9);
}

/* The same, and note the time that it takes. */
static bool
go_on_timed(IndexScanDesc desc)
{
	instr_time	begin;
	bool		found;

	if (!track_scans)
		return go_on(desc);
	INSTR_TIME_SET_CURRENT(begin);
	found = go_on(desc);
	add_time(scan_of(desc), begin);
	return found;
}

/* The next row that has not been returned; more finds further ones. */
static bool
next_row(IndexScanDesc desc, bool (*more) (IndexScanDesc desc))
{
	VectorScan *scan = scan_of(desc);

	do
	{
		while (!scan->methods->next_row(desc))
		{
			CHECK_FOR_INTERRUPTS();
			if (!more(desc))
				return false;
		}
	} while (scan_target_repeats(&scan->target, &desc->xs_heaptid));
	return true;
}

/*
 * Search, up to the first row.  That takes nearly all of a scan's time, as further
 * batches do where they are wanted; handing out one more row takes less than a look at
 * the clock, and is not counted.
 */
static bool
first_row(IndexScanDesc desc)
{
	instr_time	begin;
	bool		found;

	if (!track_scans)
	{
		start(desc);
		return next_row(desc, go_on);
	}
	INSTR_TIME_SET_CURRENT(begin);
	start(desc);
	found = next_row(desc, go_on);
	add_time(scan_of(desc), begin);
	return found;
}

bool
vector_scan_next(IndexScanDesc desc, ScanDirection direction)
{
	VectorScan *scan = scan_of(desc);

	/* the planner knows that there is no backward scan */
	Assert(ScanDirectionIsForward(direction));

	if (!scan->started)
	{
		if (!first_row(desc))
			return false;
	}
	else
	{
		if (desc->kill_prior_tuple && scan->methods->kill != NULL)
			scan->methods->kill(desc);
		if (!next_row(desc, go_on_timed))
			return false;
	}
	scan->stats.returned++;
	desc->xs_recheck = scan->target.recheck || scan->recheck;
	desc->xs_recheckorderby = false;
	return true;
}

uint64
vector_scan_peek(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);
	uint64		low = PG_UINT64_MAX;
	bool		more = true;
	instr_time	begin;

	if (scan->methods->peek == NULL)
		return 0;
	if (scan->started)
		low = scan->methods->peek(desc);
	if (low != PG_UINT64_MAX)
		return low;
	if (track_scans)
		INSTR_TIME_SET_CURRENT(begin);
	if (!scan->started)
		start(desc);
	else
		more = go_on(desc);
	while (more && (low = scan->methods->peek(desc)) == PG_UINT64_MAX)
	{
		CHECK_FOR_INTERRUPTS();
		more = go_on(desc);
	}
	if (track_scans)
		add_time(scan, begin);
	return low;
}

int
vector_scan_found(IndexScanDesc desc, uint64 *lows, int most)
{
	VectorScan *scan = scan_of(desc);

	return scan->methods->found != NULL ? scan->methods->found(desc, lows, most) : 0;
}

void
vector_scan_search_on(IndexScanDesc desc, double part)
{
	VectorScan *scan = scan_of(desc);
	instr_time	begin;

	if (scan->methods->search_on == NULL)
		return;
	if (track_scans)
		INSTR_TIME_SET_CURRENT(begin);
	scan->methods->search_on(desc, part);
	if (track_scans)
		add_time(scan, begin);
}

void
vector_scan_interval(IndexScanDesc desc, uint64 *low, uint64 *high)
{
	VectorScan *scan = scan_of(desc);

	*low = 0;
	*high = PG_UINT64_MAX;
	if (scan->methods->interval != NULL)
		scan->methods->interval(desc, low, high);
}

void
vector_scan_end(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);

	if (scan->heap_values != NULL)
		heap_values_end(scan->heap_values);
	last_scan = scan->stats;
	last_role = GetUserId();
	scan_counters_add(&scan->stats);
	MemoryContextDelete(scan->context);
}

const struct varlena *
vector_scan_read(IndexScanDesc desc, ItemPointer tid, bool *all_dead)
{
	VectorScan *scan = scan_of(desc);

	if (scan->heap_values == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(scan->context);

		scan->heap_values = heap_values_begin(desc->heapRelation,
											  desc->indexRelation,
											  desc->xs_snapshot);
		MemoryContextSwitchTo(caller);
	}
	return heap_values_get(scan->heap_values, tid, all_dead);
}
