/*
 * scan.c
 *	  What an index scan is, whatever the access method.
 */
#include "index/scan.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

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
	scan_stats_end(&scan->stats);
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
