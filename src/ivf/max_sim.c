/*
 * max_sim.c
 *	  Ordered scans of an index of arrays: rows in the order of their MaxSim.
 *
 * Each vector of a row's array has an entry of its own; all have the row's TID.
 * 1. For each vector of the query, lists are read as for a search of its own, and
 *	  the nearest entries kept.
 * 2. A row is estimated by the best entry found of it for each vector of the
 *	  query.  Where none was found, it is taken to have one as far as those that
 *	  were left out (Lee et al., "Rethinking the Role of Token Retrieval in
 *	  Multi-Vector Retrieval", 2023; Scheerer et al., "WARP", 2025): the farthest
 *	  kept, or the centroids of the lists read last.  So a row's estimate is the same
 *	  number for all rows plus its gains, by how much its entries are nearer.
 * 3. The rows of the greatest gains are read from the table and compared exactly,
 *	  in batches; they are returned in the order of the true MaxSim.
 *
 * When more rows are wanted, further batches are compared, then more lists are read
 * and more entries kept, then every row that has not been met is compared.  No row
 * comes twice.  In strict order, a row compared too late for its place is dropped,
 * as in scan.c; so only a third of what has been compared is returned before more is.
 */
#include "ivf/scan.h"

#include <math.h>

#include "access/relscan.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index/result_heap.h"
#include "ivf/calibrate.h"
#include "ivf/ivf.h"
#include "math/heap/topk.h"
#include "storage/page_check.h"
#include "types/multi_vector.h"

/* Entries kept for a vector of the query, and how many times as many in each round */
#define KEPT_ENTRIES	4096
#define ROUND_FACTOR	4

/* Rows of the first batch, unless rerank says; each one has twice as many */
#define FIRST_BATCH		100

/* In strict order, one row in so many of those compared is returned before others are */
#define PART_RETURNED	3

/* Rows whose pages of the table are asked for ahead of time */
#define ROWS_AHEAD		16

/* Lists that are read at once where all of their entries are wanted */
#define LISTS_AT_ONCE	16

/* A row that an entry was found of */
typedef struct FoundRow
{
	ItemPointerData tid;
	char		status;			/* simplehash's */
	bool		taken;			/* compared, or returned */
	int32		vector;			/* of the query: best is of it */
	float		best;			/* its gain so far */
	float		gain;			/* of all vectors so far */
} FoundRow;

static inline uint64
packed_tid(const ItemPointerData *tid)
{
	return ((uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16) |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

#define SH_PREFIX		found_rows
#define SH_ELEMENT_TYPE	FoundRow
#define SH_KEY_TYPE		ItemPointerData
#define SH_KEY			tid
#define SH_HASH_KEY(table, key)	((uint32) (packed_tid(&(key)) * UINT64CONST(0x9E3779B97F4A7C15) >> 32))
#define SH_EQUAL(table, a, b)	(packed_tid(&(a)) == packed_tid(&(b)))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A row that has been compared */
typedef struct MaxSimResult
{
	uint64		key;			/* topk_key of its distance */
	ItemPointerData tid;
} MaxSimResult;

static inline bool
result_less(const MaxSimResult *a, const MaxSimResult *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	return packed_tid(&a->tid) < packed_tid(&b->tid);
}

RESULT_HEAP(Results, results, MaxSimResult, result_less)

typedef struct MaxSimScan
{
	IVF_SCAN_MEMBERS;
	bool		strict;			/* nothing may come too late */
	MaxSimQuery *compare;		/* NULL: of null, nothing is nearer than another */
	struct found_rows_hash *rows;

	/* the rows of this round that have not been taken, nearest first */
	TopkEntry  *order;			/* ids are packed TIDs */
	Size		order_room;
	Size		order_count;
	Size		order_next;

	int			probes;			/* lists of this round; 0: there was none */
	double		keep;			/* entries */
	Size		batch_rows;		/* of the next batch */
	bool		finding;		/* every row of the index is being found */
	bool		all_found;		/* and has been */
	bool		finished;		/* nothing else is to be compared */
	Results		results;
	uint64		last;			/* key of the row returned last */
	uint64		compared;
	uint64		returned;
} MaxSimScan;

/* ------------------------------------------------------------------------
 * Rows by their entries
 */

/* Entries at this bound, or beyond, have been left out for the query's vector. */
static double
bound_of_missing(const MaxSimScan *scan)
{
	const FoundSet *found = &scan->found;
	double		bound = Min(found->cutoff, ivf_reader_edge(scan->reader));

	/* none has been left out: rows gain by what they have at all */
	if (isinf(bound))
	{
		bound = -INFINITY;
		for (Size i = 0; i < found->count; i++)
			bound = isinf(found->rows[i].bound) ? bound : Max(bound, found->rows[i].bound);
	}
	return bound;
}

/* Add the gains of rows whose entries have been found for a vector of the query. */
static void
add_gains(MaxSimScan *scan, int vector)
{
	double		missing = bound_of_missing(scan);

	for (Size i = 0; i < scan->found.count; i++)
	{
		const IvfFound *entry = &scan->found.rows[i];
		float		gain = (float) (missing - entry->bound);
		FoundRow   *row;
		bool		known;

		if (!(gain >= 0))
			continue;
		row = found_rows_insert(scan->rows, entry->tid, &known);
		if (!known)
		{
			row->taken = false;
			row->gain = 0;
			row->vector = -1;
		}
		if (row->vector != vector)
		{
			row->vector = vector;
			row->best = 0;
		}
		if (gain > row->best)
		{
			row->gain += gain - row->best;
			row->best = gain;
		}
	}
}

/* Put the rows that have not been taken into the order of this round. */
static void
order_rows(MaxSimScan *scan)
{
	found_rows_iterator iterator;
	FoundRow   *row;

	if (scan->order_room < scan->rows->members)
	{
		if (scan->order != NULL)
			pfree(scan->order);
		scan->order = NULL;
		scan->order_room = scan->rows->members;
		scan->order = (TopkEntry *)
			MemoryContextAllocHuge(scan->common.query_context,
								   mul_size(scan->order_room, sizeof(TopkEntry)));
	}
	scan->order_count = scan->order_next = 0;
	found_rows_start_iterate(scan->rows, &iterator);
	while ((row = found_rows_iterate(scan->rows, &iterator)) != NULL)
	{
		if (row->taken)
			continue;
		scan->order[scan->order_count].key = topk_key(-row->gain);
		scan->order[scan->order_count++].id = packed_tid(&row->tid);
	}
}

/* The lists that a scan may read */
static int
most_lists(const MaxSimScan *scan)
{
	return Min(ivf_settings[scan->index->kind].max_probes,
			   (int) scan->index->meta.lists);
}

/*
 * A round: search with each vector of the query.  False where the last round has
 * read all lists that may be.
 */
static bool
next_round(MaxSimScan *scan)
{
	const MultiVector *values = &scan->common.target.values;
	found_rows_iterator iterator;
	FoundRow   *row;

	if (scan->probes > 0 &&
		(ivf_settings[scan->index->kind].iterative_scan == ITERATIVE_OFF ||
		 scan->probes >= most_lists(scan)))
	{
		ivf_reader_note_end(scan->reader);
		return false;
	}
	scan->keep = scan->probes > 0 ? scan->keep * ROUND_FACTOR : KEPT_ENTRIES;
	scan->probes = scan->probes > 0
		? (int) Min((int64) scan->probes * ROUND_FACTOR, most_lists(scan))
		: Min(ivf_scan_probes(&scan->index->meta, &scan->index->effort), (int) scan->index->meta.lists);

	found_rows_start_iterate(scan->rows, &iterator);
	while ((row = found_rows_iterate(scan->rows, &iterator)) != NULL)
	{
		row->gain = 0;
		row->vector = -1;
	}
	for (int i = 0; i < values->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ivf_query_set(scan->query, column_values_get(values, i));
		found_start(&scan->found, (Size) Min(scan->keep, PG_INT32_MAX), 1);
		ivf_reader_start(scan->reader, scan->probes, 0, -INFINITY);
		add_gains(scan, i);
	}
	order_rows(scan);
	return true;
}

/*
 * Read some lists for all of their rows, whatever their distance: the first ones, or
 * those that follow.  Rows that have not been found before join the others; of a null
 * query, for which no row is nearer than another, they are results.  Few lists at
 * once, since an array may have many entries in each.
 */
static void
find_some(MaxSimScan *scan, IndexScanDesc desc)
{
	found_start(&scan->found, 1, 1);
	if (scan->finding)
		ivf_reader_continue(scan->reader, LISTS_AT_ONCE);
	else
	{
		ivf_query_set(scan->query, NULL);
		ivf_reader_start(scan->reader,
						 scan->compare == NULL ? ivf_scan_probes(&scan->index->meta, &scan->index->effort) : 1,
						 0, -INFINITY);
	}
	scan->finding = true;
	scan->all_found = !ivf_reader_has_more(scan->reader);
	for (Size i = 0; i < scan->found.count; i++)
	{
		MaxSimResult result = {.tid = scan->found.rows[i].tid};
		bool		known;
		FoundRow   *row = found_rows_insert(scan->rows, result.tid, &known);

		row->gain = 0;
		if (known)
			continue;
		row->taken = scan->compare == NULL;
		if (!row->taken)
			continue;
		check_heap_tid(scan->index->map, desc->heapRelation, &result.tid,
					   InvalidBlockNumber);
		results_push(&scan->results, result);
	}
}

/*
 * Find every row that has not been found.  False where settings forbid it, it has
 * been done, or there are no further rows.
 */
static bool
find_all(MaxSimScan *scan, IndexScanDesc desc)
{
	const IvfMeta *meta = &scan->index->meta;

	if (scan->all_found)
		return false;
	if (meta->trained &&
		(ivf_settings[scan->index->kind].iterative_scan == ITERATIVE_OFF ||
		 most_lists(scan) < (int) meta->lists))
		return false;
	while (!scan->all_found)
	{
		CHECK_FOR_INTERRUPTS();
		find_some(scan, desc);
	}
	order_rows(scan);
	return scan->order_count > 0;
}

/* Find further rows for a null query; false if there are none. */
static bool
find_any(MaxSimScan *scan, IndexScanDesc desc)
{
	while (!scan->all_found && scan->results.count == 0)
	{
		CHECK_FOR_INTERRUPTS();
		find_some(scan, desc);
	}
	return scan->results.count > 0;
}

/* ------------------------------------------------------------------------
 * Rows from the table
 */

static int
compare_ids(const void *a, const void *b)
{
	uint64		x = ((const TopkEntry *) a)->id;
	uint64		y = ((const TopkEntry *) b)->id;

	return x < y ? -1 : x > y;
}

/* Compare a row; it is a result if it is seen. */
static void
compare_row(MaxSimScan *scan, IndexScanDesc desc, const ItemPointerData *tid)
{
	MaxSimResult result = {.tid = *tid};
	const struct varlena *value;
	bool		all_dead;
	double		similarity;

	scan->common.stats.reread++;
	value = vector_scan_read(desc, &result.tid, &all_dead);
	if (value == NULL || !max_sim_value(scan->compare, value, &similarity))
		return;
	result.key = topk_key(-similarity);
	results_push(&scan->results, result);
}

static inline ItemPointerData
tid_of(const TopkEntry *entry)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, (BlockNumber) (entry->id >> 16),
				   (OffsetNumber) (entry->id & 0xFFFF));
	return tid;
}

/* Compare the next rows of this round's order; false if there are none. */
static bool
compare_batch(MaxSimScan *scan, IndexScanDesc desc)
{
	Size		left = scan->order_count - scan->order_next;
	Size		count = scan->all_found ? left : Min(left, scan->batch_rows);
	TopkEntry  *batch = scan->order + scan->order_next;

	if (count == 0)
		return false;
	scan->common.stats.batches++;
	topk_select(batch, left, count);
	/* as they lie in the table */
	qsort(batch, count, sizeof(TopkEntry), compare_ids);
	for (Size i = 0; i < count; i++)
	{
		ItemPointerData tid = tid_of(&batch[i]);

		check_heap_tid(scan->index->map, desc->heapRelation, &tid, InvalidBlockNumber);
	}
	for (Size i = 0; i < count; i++)
	{
		ItemPointerData tid = tid_of(&batch[i]);

		CHECK_FOR_INTERRUPTS();
		found_rows_lookup(scan->rows, tid)->taken = true;
		if (i + ROWS_AHEAD < count)
			PrefetchBuffer(desc->heapRelation, MAIN_FORKNUM,
						   (BlockNumber) (batch[i + ROWS_AHEAD].id >> 16));
		compare_row(scan, desc, &tid);
	}
	scan->order_next += count;
	scan->compared += count;
	scan->batch_rows = Min(scan->batch_rows * 2, (Size) PG_INT32_MAX);
	return true;
}

/* ------------------------------------------------------------------------
 * ScanMethods
 */

static void
begin_anew(IndexScanDesc desc)
{
	MaxSimScan *scan = (MaxSimScan *) desc->opaque;

	scan->results.count = 0;
	scan->order = NULL;			/* it went with the query's context */
	scan->order_room = scan->order_count = scan->order_next = 0;
	scan->probes = 0;
	scan->finding = scan->all_found = scan->finished = false;
	scan->last = scan->compared = scan->returned = 0;
}

static void
first_batch(IndexScanDesc desc)
{
	MaxSimScan *scan = (MaxSimScan *) desc->opaque;
	const ScanTarget *target = &scan->common.target;
	const IvfSettings *settings = &ivf_settings[scan->index->kind];
	MemoryContext caller;

	scan->finished = !ivf_scan_start((IvfScanBase *) scan);
	if (scan->finished)
		return;
	caller = MemoryContextSwitchTo(scan->common.query_context);
	scan->rows = found_rows_create(CurrentMemoryContext, 1024, NULL);
	scan->compare = NULL;
	if (target->value != NULL)
		scan->compare = max_sim_query_create(target->values.type, target->value);
	scan->strict = scan->compare != NULL &&
		vector_scan_strict(&scan->common, settings->iterative_scan);
	scan->batch_rows = scan->index->effort.rerank > 0 ? scan->index->effort.rerank
		: FIRST_BATCH;

	/* codes that have learned from nothing say nothing */
	if (scan->compare == NULL)
		(void) find_any(scan, desc);
	else if (!scan->index->meta.trained)
	{
		if (find_all(scan, desc))
			(void) compare_batch(scan, desc);
		scan->finished = true;
	}
	else
	{
		(void) next_round(scan);
		(void) compare_batch(scan, desc);
	}
	MemoryContextSwitchTo(caller);
}

static bool
next_row(IndexScanDesc desc)
{
	MaxSimScan *scan = (MaxSimScan *) desc->opaque;

	while (scan->results.count > 0)
	{
		MaxSimResult first;

		CHECK_FOR_INTERRUPTS();
		if (scan->strict && !scan->finished &&
			scan->returned >= scan->compared / PART_RETURNED)
			return false;
		first = results_pop(&scan->results);
		if (scan->strict && first.key < scan->last)
			continue;
		scan->last = first.key;
		scan->returned++;
		desc->xs_heaptid = first.tid;
		return true;
	}
	return false;
}

static bool
next_batch(IndexScanDesc desc)
{
	MaxSimScan *scan = (MaxSimScan *) desc->opaque;
	MemoryContext caller;

	if (scan->finished)
		return false;
	caller = MemoryContextSwitchTo(scan->common.query_context);
	if (scan->compare == NULL)
		scan->finished = !find_any(scan, desc);
	else
		while (!compare_batch(scan, desc))
		{
			if (next_round(scan) || find_all(scan, desc))
				continue;
			scan->finished = true;
			break;
		}
	MemoryContextSwitchTo(caller);
	return !scan->finished || scan->results.count > 0;
}

IndexScanDesc
ivf_begin_max_sim(Relation index, int nkeys, int norderbys)
{
	static const ScanMethods methods = {
		.reset = begin_anew,
		.search = first_batch,
		.next_row = next_row,
		.next_batch = next_batch
	};
	IndexScanDesc desc = ivf_scan_begin(index, nkeys, norderbys, sizeof(MaxSimScan),
										&methods);
	MaxSimScan *scan = (MaxSimScan *) desc->opaque;
	MemoryContext caller = MemoryContextSwitchTo(scan->common.context);

	results_init(&scan->results);
	MemoryContextSwitchTo(caller);
	return desc;
}
