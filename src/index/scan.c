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
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

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
 * distances, reread, returned): the session's index scan that ended last.  Null
 * where there was none, or where it was another role's (a function's that runs
 * with its owner's rights): its numbers tell of rows that the caller may not see.
 */
SQL_FUNCTION(vector_last_scan)
{
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {0};

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

bool
vector_scan_next(IndexScanDesc desc, ScanDirection direction)
{
	VectorScan *scan = scan_of(desc);
	const ScanMethods *methods = scan->methods;

	/* the planner knows that there is no backward scan */
	Assert(ScanDirectionIsForward(direction));

	if (!scan->started)
		start(desc);
	else if (desc->kill_prior_tuple && methods->kill != NULL)
		methods->kill(desc);
	do
	{
		while (!methods->next_row(desc))
		{
			CHECK_FOR_INTERRUPTS();
			if (methods->next_batch(desc))
				continue;
			if (!scan_target_next(&scan->target))
				return false;
			search(desc);
		}
	} while (scan_target_repeats(&scan->target, &desc->xs_heaptid));
	scan->stats.returned++;
	desc->xs_recheck = scan->target.recheck || scan->recheck;
	desc->xs_recheckorderby = false;
	return true;
}

void
vector_scan_end(IndexScanDesc desc)
{
	VectorScan *scan = scan_of(desc);

	if (scan->heap_values != NULL)
		heap_values_end(scan->heap_values);
	last_scan = scan->stats;
	last_role = GetUserId();
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
