/*
 * scan.c
 *	  Ordered scans: rows in the order of their true distances.
 *
 * Lists are read (reader.h), and give the estimated distances of their entries.
 * Those with the least bounds are kept (found.h); the least of these are a batch.
 * The row with the least bound is read from the table and gets its true distance
 * instead, until the least one is true.  README.md ("Search") tells why, and
 * what batches are where there are no bounds.
 *
 * In strict order, a row that should have been returned before is dropped: a scan
 * may miss a row, but never misplaces one (hold_back).  In relaxed order, such a
 * row waits until the lists have been returned.  Nothing is read or returned
 * twice.
 */
#include "ivf/ivf.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index/result_heap.h"
#include "ivf/calibrate.h"
#include "ivf/scan.h"
#include "math/heap/topk.h"
#include "storage/page_check.h"
#include "storage/wait_point.h"

/* Rows of an ivfflat batch */
#define FLAT_BATCH		200

/* The same of flat: few are read for the first rows, and batches double */
#define EXACT_BATCH		64

/* Entries that are kept of what has been found, at least; in batches */
#define KEPT_ROWS		512
#define KEPT_BATCHES	2

/*
 * A batch of all rows, and how many of these are kept even if they do not fit
 * work_mem
 */
#define ALL_ROWS		PG_INT32_MAX
#define MOST_AT_LEAST	(1024 * 1024)

/*
 * Standard deviations of a code's error between an estimate and its bound
 * (README.md tells what they are worth)
 */
#define BOUND_DEVIATIONS	2.3

/*
 * A scan in strict order that has returned MANY_ROWS is likely to be asked for
 * many more: from then on, bounds are WIDE_FURTHER deviations lower.  Nearly all
 * rows that are read for that will be returned later.
 */
#define MANY_ROWS			100
#define WIDE_FURTHER		1.7

/*
 * In strict order, only a part of the rows is returned before further lists are
 * read (one row in so many _OF_LISTS), or further rows compared (_OF_BATCHES):
 * FIRST up to MANY_ROWS, LATER after these.  Of a range, the parts are those of
 * the rows inside, but FIRST_IN_RANGE are returned at once; and without bounds,
 * up to ALL_IN_RANGE rows that seem to be inside are compared before any is
 * returned.
 */
#define FIRST_OF_LISTS		4
#define LATER_OF_LISTS		8
#define FIRST_OF_BATCHES	2
#define LATER_OF_BATCHES	4
#define FIRST_IN_RANGE		10
#define ALL_IN_RANGE		500

/* Rows that an index must have had at build for bounds to be used */
#define BOUND_ROWS			1000

/* Rows whose pages of the table are asked for ahead of time */
#define ROWS_AHEAD		16

/* A row to be returned */
typedef struct IvfResult
{
	uint64		key;			/* topk_key of its true distance, or a bound */
	uint64		high;			/* the true one is not above this */
	ItemPointerData tid;
	bool		exact;			/* true, not a bound */
	SlotId		value;			/* to be read; NO_SLOT: none, or it has been */
	float		slack;			/* of a bound: how much the estimate is above */
} IvfResult;

/* Is a returned before b? */
static inline bool
result_less(const IvfResult *a, const IvfResult *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	/* of equal ones, a bound first: its true distance may be the same */
	if (a->exact != b->exact)
		return b->exact;
	return ItemPointerCompare(unconstify(ItemPointerData *, &a->tid),
							  unconstify(ItemPointerData *, &b->tid)) < 0;
}

RESULT_HEAP(Results, results, IvfResult, result_less)

typedef struct IvfScan
{
	IVF_SCAN_MEMBERS;
	bool		bounded;		/* codes are good for bounds */
	bool		in_order;		/* bounds are: one batch after the other */
	bool		proven;			/* and they are certain: none is ever too great */
	bool		strict;			/* nothing may come too late */

	Results		results;		/* batches, the row with the least key on top */
	uint64		last;			/* key of the row returned last */
	uint64		batch_bound;	/* what has been found and is not in results has
								 * no bound below this */
	float		batch_slack;	/* the greatest of a row in it */
	double		batch_last;		/* the greatest estimate, less slack, in it */
	int			batch_rows;		/* of the next batch */
	Results		late;			/* found too late for their place: see recall_late */

	/* of strict order */
	uint64		returned;		/* rows */
	uint64		compared;		/* rows taken for batches */
	uint64		compared_inside;	/* of these, known to be inside a range */
	uint64		allowed;		/* rows that may be returned of the lists read */
	bool		want_lists;		/* these have been */
	bool		wide;			/* bounds are lower than at first */

	/* of a range */
	double		radius;			/* as an estimate; -INFINITY: no range */
	bool		round_over;		/* what is left of these lists is beyond it */
	uint64		round_rows;		/* returned from them */
	uint64		batch_rows_in;	/* of the batch, known to be inside */
} IvfScan;

/* ------------------------------------------------------------------------
 * Batches
 */

static int
batch_size(const IvfScan *scan)
{
	const IvfModel *model = scan->index->model;
	int			set = scan->index->effort.rerank;

	if (model->kind == IVF_FLAT)
		return FLAT_BATCH;
	if (model->kind == IVF_EXACT)
		return EXACT_BATCH;
	/* without training, codes say little: everything is read */
	if (!scan->index->meta.trained)
		return ALL_ROWS;
	if (set > 0)
		return set;
	if (model->kind == IVF_RABITQ)
		return model->bits == 1 ? 100 : model->bits == 2 ? 50 : 30;
	return Max(100, ivf_scan_depth(&scan->index->meta,
								   ivf_scan_probes(&scan->index->meta,
												   &scan->index->effort)));
}

/*
 * The first result should have come before the row returned last.  In strict
 * order it is dropped; else it waits for recall_late.
 */
static void
postpone_first(IvfScan *scan)
{
	if (!scan->strict)
		results_push(&scan->late, scan->results.results[0]);
	results_pop(&scan->results);
}

/*
 * The first result has got another key: put it in its place among the others.
 * Where it is exact, and should have come before the row returned last, it is
 * too late.
 */
static void
put_in_order(IvfScan *scan, bool exact)
{
	if (exact && scan->results.results[0].key < scan->last)
		postpone_first(scan);
	else
		results_moved(&scan->results);
}

static inline void
count_inside(IvfScan *scan, const IvfResult *result)
{
	scan->batch_rows_in += result->key <= scan->common.target.bound;
	scan->compared_inside += result->key <= scan->common.target.bound;
}

/*
 * Put an interval, from the value that the index keeps, in place of the first
 * result's bound.  The value may have gone, with its row.
 */
static void
read_value(IvfScan *scan)
{
	IvfResult  *first = &scan->results.results[0];
	IvfBounder *bounder = scan->query->bounder;
	Buffer		buffer;
	const IvfValue *value = (const IvfValue *)
		value_store_get(&scan->index->values, first->value,
						(char *) bounder->value, bounder->size, &buffer);
	double		low;
	double		high;

	first->value = NO_SLOT;
	if (value != NULL &&
		ItemPointerIsValid(&value->tid) &&
		ItemPointerEquals(unconstify(ItemPointerData *, &value->tid), &first->tid))
	{
		first->exact = bounded_interval(&bounder->query, &value->bounded, &low, &high);
		first->key = topk_key(low);
		first->high = high == INFINITY ? TOPK_NAN : topk_key(high);
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
	count_inside(scan, first);
	put_in_order(scan, first->exact);
}

/* The least key of all results but the first */
static uint64
second_key(const IvfScan *scan)
{
	const IvfResult *second = results_second(&scan->results);

	return second != NULL ? second->key : PG_UINT64_MAX;
}

/* Give the first result its true distance; drop it where no row is seen. */
static void
read_first(IvfScan *scan, IndexScanDesc desc)
{
	IvfResult  *first = &scan->results.results[0];
	const struct varlena *value;
	bool		all_dead;

	scan->common.stats.reread++;
	value = vector_scan_read(desc, &first->tid, &all_dead);
	if (value == NULL)
	{
		results_pop(&scan->results);
		return;
	}
	first->key = topk_key(scan->index->model->column.distance(value, scan->query->value));
	first->high = first->key;
	first->exact = true;
	count_inside(scan, first);
	put_in_order(scan, true);
}

/*
 * Is what follows a batch farther than wanted?  Without bounds, it is taken to be
 * if nothing of the batch was wanted, nor anything farther seems to be, by
 * estimate.
 */
static bool
batch_ends_range(const IvfScan *scan)
{
	if (scan->in_order)
		return scan->batch_bound > scan->common.target.bound;
	return scan->batch_rows_in == 0 &&
		scan->batch_last + scan->index->meta.code_error > scan->radius;
}

/*
 * The first result is farther than wanted, so all are.
 */
static void
leave_range(IvfScan *scan)
{
	scan->results.count = 0;
	scan->round_over = batch_ends_range(scan);
}

/* The bound of a row whose slack is that of WIDE_FURTHER more deviations */
static uint64
lower_bound_key(const IvfScan *scan, uint64 key, float slack)
{
	double		further = WIDE_FURTHER / BOUND_DEVIATIONS * slack;

	return topk_key(ivf_query_restore(scan->query,
									   ivf_query_reduce(scan->query, topk_number(key)) -
									   further));
}

/* Is it time for lower bounds? */
static bool
wants_wide(const IvfScan *scan)
{
	return scan->bounded && !scan->proven && !scan->wide &&
		scan->returned >= (scan_target_bounded(&scan->common.target) ? FIRST_IN_RANGE : MANY_ROWS);
}

/* Lower the bounds of those results that have not been read, and of all others. */
static void
widen_bounds(IvfScan *scan)
{
	scan->wide = true;
	scan->batch_bound = lower_bound_key(scan, scan->batch_bound, scan->batch_slack);
	for (int i = 0; i < scan->results.count; i++)
	{
		IvfResult  *result = &scan->results.results[i];

		if (!result->exact && result->high == TOPK_NAN)
			result->key = lower_bound_key(scan, result->key, result->slack);
	}
	results_rebuild(&scan->results);
}

/*
 * In strict order and without bounds: rows that may be returned before others
 * are compared, so that few of these come too late.  Where rerank says how many
 * to compare, all of the first batch may be returned.
 */
static uint64
batch_allowed(const IvfScan *scan)
{
	if (scan_target_bounded(&scan->common.target))
		return ivf_reader_counts(scan->reader)->inside <= ALL_IN_RANGE ? 0
			: Max(Min(scan->compared_inside / FIRST_OF_BATCHES, FIRST_IN_RANGE),
				  scan->compared_inside / LATER_OF_BATCHES);
	if (scan->index->effort.rerank > 0)
		return scan->compared <= (uint64) batch_size(scan) ? scan->compared
			: scan->compared / LATER_OF_BATCHES;
	return scan->compared / (scan->returned < MANY_ROWS ? FIRST_OF_BATCHES : LATER_OF_BATCHES);
}

/* Is all known of the first result that it takes to return it in order? */
static bool
first_is_decided(const IvfScan *scan)
{
	const IvfResult *first = &scan->results.results[0];
	const ScanTarget *target = &scan->common.target;

	/* an interval that no other one overlaps is as good as a number */
	return first->exact ||
		(first->high != TOPK_NAN &&
		 scan_target_decided(target, first->high, second_key(scan)) &&
		 !(target->ordered && first->key < scan->last));
}

/*
 * In strict order: are further rows to be compared, or further lists read
 * (want_lists), before the first result is returned?
 */
static bool
wants_more_first(IvfScan *scan)
{
	if (!scan->in_order && scan->returned >= batch_allowed(scan) &&
		found_more(&scan->found) && !scan->round_over)
	{
		scan->round_over = scan_target_bounded(&scan->common.target) &&
			batch_ends_range(scan);
		if (!scan->round_over)
			return true;
	}
	scan->want_lists = scan->returned >= scan->allowed;
	return scan->want_lists;
}

/*
 * ScanMethods.next_row: the first result, when its place is known; false if there
 * is none left, or something found may be before it.
 */
static bool
next_result(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	while (scan->results.count > 0)
	{
		const IvfResult *first = &scan->results.results[0];

		CHECK_FOR_INTERRUPTS();
		if (first->key > scan->common.target.bound)
		{
			leave_range(scan);
			return false;
		}
		if (first->key > scan->batch_bound && found_more(&scan->found))
			return false;
		if (first->value != NO_SLOT)
			read_value(scan);
		else if (!first_is_decided(scan))
			read_first(scan, desc);
		else if (scan->strict && first->key < scan->last)
			results_pop(&scan->results);
		else if (scan->strict && wants_wide(scan))
			widen_bounds(scan);
		else if (scan->strict && wants_more_first(scan))
			return false;
		else
		{
			desc->xs_heaptid = first->tid;
			scan->last = first->high;
			results_pop(&scan->results);
			scan->returned++;
			scan->round_rows++;
			scan->batch_rows_in++;
			return true;
		}
	}
	return false;
}

/* Add the best found to the results. */
static void
finish_batch(IvfScan *scan, IndexScanDesc desc)
{
	const IvfModel *model = scan->index->model;
	bool		exact = model->kind == IVF_FLAT || scan->query->constant;
	const IvfFound *rows;
	int			count;
	int			first = scan->results.count;

	scan->common.stats.batches++;
	WAIT_POINT("ivf scan read");
	found_remove_doubles(&scan->found);
	count = Min(scan->found.count, (Size) scan->batch_rows);
	results_reserve(&scan->results, first + count);
	scan->batch_bound = 0;
	scan->batch_slack = 0;
	scan->batch_last = -INFINITY;
	scan->batch_rows_in = 0;
	rows = found_take(&scan->found, count);
	for (int i = 0; i < count; i++)
	{
		IvfResult  *result = &scan->results.results[first + i];
		uint64		bound = topk_key(ivf_estimates_distances(model->kind) || exact ? rows[i].bound
									 : ivf_query_restore(scan->query, rows[i].bound));

		/* what is no number has been found as infinite (ivf/reader.c), and comes later */
		bool		known = exact && rows[i].bound < INFINITY;

		check_heap_tid(scan->index->map, desc->heapRelation, &rows[i].tid,
					   InvalidBlockNumber);
		result->tid = rows[i].tid;
		result->exact = known;
		result->value = exact ? NO_SLOT : rows[i].value;
		result->key = exact || scan->bounded ? bound : 0;
		result->high = known ? result->key : TOPK_NAN;
		scan->batch_bound = Max(scan->batch_bound, bound);
		if (!scan->wide)
			result->slack = rows[i].slack;
		else if (scan->bounded)
			result->key = lower_bound_key(scan, result->key, rows[i].slack);
		scan->batch_slack = Max(scan->batch_slack, rows[i].slack);
		scan->batch_last = Max(scan->batch_last, rows[i].bound);
	}
	if (!exact && !scan->bounded)
		scan->batch_bound = PG_UINT64_MAX;
	else if (scan->wide)
		scan->batch_bound = lower_bound_key(scan, scan->batch_bound, scan->batch_slack);
	scan->compared += count;
	scan->results.count += count;
	results_rebuild(&scan->results);

	/* rows that are likely to be read, or returned */
	for (int i = 0; i < Min(scan->results.count, ROWS_AHEAD); i++)
		PrefetchBuffer(desc->heapRelation, MAIN_FORKNUM,
					   ItemPointerGetBlockNumber(&scan->results.results[i].tid));
}

/* Rows that were found too late are results again, with those of the next batch. */
static void
recall_late(IvfScan *scan)
{
	Results		empty = scan->results;

	Assert(empty.count == 0);
	scan->results = scan->late;
	scan->late = empty;
	scan->last = 0;
}

/* May further lists be read, and is it any use? */
static bool
may_read_on(const IvfScan *scan)
{
	/* farther lists have rows inside a range if these have */
	return ivf_reader_has_more(scan->reader) &&
		(!scan_target_bounded(&scan->common.target) ||
		 ivf_reader_counts(scan->reader)->last_inside > 0);
}

/*
 * Lists have just been read: how many rows may be returned before further lists
 * are read?  In strict order, an entry of these that is nearer than a row
 * returned will be dropped.  So only the nearer part of what has been found is
 * returned, and each time as many further lists are read as have been before,
 * until there are no others.  When the end of a range is reached, all of it has
 * been found, and is sorted.  (A scan to the end reads no more lists for that.)
 */
static void
hold_back(IvfScan *scan)
{
	const IvfReadCounts *counts = ivf_reader_counts(scan->reader);

	if (!may_read_on(scan))
		scan->allowed = PG_UINT64_MAX;
	else if (scan_target_bounded(&scan->common.target))
		scan->allowed = Max(Min(counts->inside / FIRST_OF_BATCHES, FIRST_IN_RANGE),
							counts->inside / LATER_OF_LISTS);
	else
		scan->allowed = counts->entries /
			(scan->returned < MANY_ROWS ? FIRST_OF_LISTS : LATER_OF_LISTS);
}

/* Start with further lists. */
static void
start_round(IvfScan *scan)
{
	found_start(&scan->found,
				Max(KEPT_ROWS, KEPT_BATCHES * (Size) scan->batch_rows),
				Min(scan->batch_rows, MOST_AT_LEAST));
	ivf_reader_new_round(scan->reader);
	scan->round_over = false;
	scan->round_rows = 0;
}

static void
first_batch(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;
	const IvfIndex *index = scan->index;
	const IvfSettings *settings = &ivf_settings[index->kind];
	bool		constant;

	ivf_query_set(scan->query, scan->common.target.value);
	constant = scan->query->constant;

	/* a value without a direction: its distances are no numbers */
	if (constant)
		scan_target_undefined(&scan->common.target);
	if (!ivf_scan_start((IvfScanBase *) scan))
		return;

	/* where rerank says how many rows to compare, bounds must not save any */
	scan->proven = index->kind == IVF_EXACT;
	scan->bounded = scan->proven ||
		(index->kind == IVF_RABITQ && index->meta.trained &&
		 index->meta.rows >= BOUND_ROWS && index->effort.rerank == 0);
	scan->in_order = scan->bounded || constant || index->kind == IVF_FLAT;
	scan->strict = !constant &&
		vector_scan_strict(&scan->common, settings->iterative_scan);
	scan->radius = -INFINITY;
	if (!constant && scan_target_bounded(&scan->common.target))
	{
		scan->radius = scan_target_radius(&scan->common.target);
		if (!ivf_estimates_distances(index->kind))
			scan->radius = ivf_query_reduce(scan->query, scan->radius);
	}
	scan->batch_rows = batch_size(scan);
	start_round(scan);
	ivf_reader_start(scan->reader, ivf_scan_probes(&index->meta, &index->effort),
					 scan->bounded && !scan->proven ? BOUND_DEVIATIONS : 0, scan->radius);
	hold_back(scan);
	finish_batch(scan, desc);
}

/*
 * In strict order: more of what has been found, or of further lists, to join the
 * results; false if there is none.
 */
static bool
next_in_order(IvfScan *scan, IndexScanDesc desc)
{
	if (scan->want_lists || scan->round_over || !found_more(&scan->found))
	{
		if (!may_read_on(scan))
		{
			ivf_reader_note_end(scan->reader);
			return false;
		}
		scan->want_lists = scan->round_over = false;
		found_join(&scan->found);
		ivf_reader_continue(scan->reader, IVF_MAX_LISTS);
		hold_back(scan);
	}
	else if (scan->found.count == 0)
	{
		found_again(&scan->found);
		ivf_reader_again(scan->reader);
	}
	else
		scan->batch_rows = Min(scan->in_order ? (uint64) scan->batch_rows * 2
							   : scan->compared, ALL_ROWS);
	finish_batch(scan, desc);
	return true;
}

/* More of what has been found, or of further lists; false if there is none */
static bool
next_batch(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	if (scan->common.target.empty)
		return false;
	if (scan->strict)
		return next_in_order(scan, desc);
	if (scan->found.count > 0 && !scan->round_over)
	{
		/* larger ones the more rows are wanted, so that there are few */
		if (scan->in_order)
			scan->batch_rows = Min((int64) scan->batch_rows * 2, ALL_ROWS);
		else
			recall_late(scan);
	}
	else if (found_more(&scan->found) && !scan->round_over)
	{
		found_again(&scan->found);
		ivf_reader_again(scan->reader);
	}
	else
	{
		/* farther lists have rows inside a range if these have */
		bool		more = ivf_reader_has_more(scan->reader) &&
			(!scan_target_bounded(&scan->common.target) || scan->round_rows > 0);

		if (!more && scan->late.count == 0)
		{
			ivf_reader_note_end(scan->reader);
			return false;
		}
		recall_late(scan);
		start_round(scan);
		if (more)
			ivf_reader_continue(scan->reader, IVF_MAX_LISTS);
	}
	finish_batch(scan, desc);
	return true;
}

/* ScanMethods.reset: nothing has been found, nor returned. */
static void
begin_anew(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	scan->results.count = 0;
	scan->late.count = 0;
	scan->last = 0;
	scan->returned = 0;
	scan->compared = scan->compared_inside = 0;
	scan->want_lists = scan->wide = false;
}

IndexScanDesc
ivf_scan_begin(Relation index, int nkeys, int norderbys, Size size,
			   const ScanMethods *methods)
{
	IndexScanDesc desc = vector_scan_begin(index, nkeys, norderbys, size,
										   ivf_names[ivf_kind_of(index)], methods);
	IvfScanBase *scan = (IvfScanBase *) desc->opaque;
	MemoryContext caller = MemoryContextSwitchTo(scan->common.context);

	scan->index = ivf_open(index);
	scan->common.column = &scan->index->model->column;
	scan->query = ivf_query_create(scan->index);
	if (scan->index->filter != NULL)
		scan->filter = filter_create(scan->index->filter);
	found_init(&scan->found);
	scan->reader = ivf_reader_create(scan->query, scan->filter, &scan->found,
									 &scan->common.stats,
									 desc->xactStartedInRecovery);
	MemoryContextSwitchTo(caller);
	return desc;
}

bool
ivf_scan_start(IvfScanBase *scan)
{
	scan->common.stats.mode = SCAN_LISTS;
	scan->index->effort = ivf_effort(scan->index->relation, scan->index->kind);
	if (scan->filter != NULL)
	{
		scan->common.target.empty |= scan->filter->impossible;
		scan->common.recheck = scan->filter->count > 0 && scan->filter->recheck;
	}
	return !scan->common.target.empty;
}

IndexScanDesc
ivf_begin_scan(Relation index, int nkeys, int norderbys)
{
	static const ScanMethods methods = {
		.reset = begin_anew,
		.search = first_batch,
		.next_row = next_result,
		.next_batch = next_batch
	};
	IndexScanDesc desc;
	IvfScan    *scan;
	MemoryContext caller;

	if (index_column(index, IVF_PROCS).type->array)
		return ivf_begin_max_sim(index, nkeys, norderbys);
	desc = ivf_scan_begin(index, nkeys, norderbys, sizeof(IvfScan), &methods);
	scan = (IvfScan *) desc->opaque;
	caller = MemoryContextSwitchTo(scan->common.context);
	results_init(&scan->results);
	results_init(&scan->late);
	MemoryContextSwitchTo(caller);
	return desc;
}

void
ivf_rescan(IndexScanDesc desc, ScanKey keys, int nkeys, ScanKey orderbys,
		   int norderbys)
{
	IvfScanBase *scan = (IvfScanBase *) desc->opaque;

	vector_scan_rescan(desc, keys, nkeys, orderbys, norderbys);
	if (scan->filter != NULL)
		filter_set(scan->filter, desc->keyData, desc->numberOfKeys);
}
