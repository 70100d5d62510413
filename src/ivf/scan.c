/*
 * scan.c
 *	  Ordered scans: choose lists, estimate distances, read the true ones.
 *
 * A scan reads its lists page by page.  Each page gives the estimated distances
 * of its entries, and from each follows a bound below which the true distance is
 * not likely to be.  Those with the least bounds are kept (found.h); the least of
 * these are a batch.
 *
 * Rows are returned in the order of their true distances.  The row with the
 * least bound is read from the table and gets its true distance instead, until
 * the least one is true.  So no more rows are read than the query's LIMIT and
 * the codes' accuracy need.  When the least one is beyond the bounds of the
 * batch, those found with the next bounds join it.  For ivfflat, estimates are
 * the true distances, and nothing is read.  (ivfpq, and who sets rerank, gets
 * batches of that size, all read.)
 *
 * In strict order, a row that should have been returned before is dropped: a scan
 * may miss a row, but never misplaces one.  So that it misses few, part of what
 * has been found is held back while there may be nearer ones elsewhere: see
 * hold_back.  In relaxed order, such a row waits until the lists have been
 * returned.
 *
 * Conditions on filter columns are tested on the keys of a page before anything
 * is computed of its codes, and only what passes is found.  As long as fewer
 * than ten such entries have been found than further lists may hold nearer ones,
 * lists are read (read_on).
 *
 * When all has been returned, further lists are searched (iterative_scan).
 * Nothing is read or returned twice.  A scan of a range leaves what is beyond
 * it, and ends with lists that had nothing inside.
 *
 * While a list is walked, the next page is pinned before the lock on the
 * current one is released: vacuum moves entries to the page before, or frees a
 * page, only while nobody has the page pinned that they leave.
 */
#include "ivf/ivf.h"

#include <float.h>
#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index/scan_stats.h"
#include "index/scan_target.h"
#include "ivf/found.h"
#include "math/distance/distance.h"
#include "math/heap/topk.h"
#include "storage/heap_value.h"
#include "storage/page_check.h"
#include "storage/recent_buffer.h"
#include "types/detoast.h"

/* Rows of an ivfflat batch */
#define FLAT_BATCH		200

/* Of what has been found, these are kept; and so many batches */
#define KEPT_ROWS		512
#define KEPT_BATCHES	2

/* A batch without an end, of which so many are kept whatever work_mem says */
#define ALL_ROWS		PG_INT32_MAX
#define MOST_AT_LEAST	(1024 * 1024)

/* Times that a list is walked anew, where its pages were freed under a scan */
#define MAX_ATTEMPTS	3

/*
 * Standard deviations of a code's error between an estimate and its bound
 * (README.md tells what they are worth)
 */
#define BOUND_DEVIATIONS	2.3

/*
 * In strict order, a scan that has returned so many rows is one that many are
 * wanted of: from then on bounds are so many deviations lower.  Nearly all that
 * is read for that will be returned later.
 */
#define MANY_ROWS			100
#define WIDE_FURTHER		1.7

/*
 * In strict order, one row in so many is returned before further lists are
 * read, or further rows compared: at first, and after MANY_ROWS; of those inside
 * a range, but some at once.  Without bounds, so many that seem to be inside are
 * compared before any is returned.
 */
#define FIRST_OF_LISTS		4
#define LATER_OF_LISTS		8
#define FIRST_OF_BATCHES	2
#define LATER_OF_BATCHES	4
#define FIRST_IN_RANGE		10
#define ALL_IN_RANGE		500

/* Pages of a list that are asked for ahead of time */
#define PAGES_AHEAD		64

/* Rows of a list, and of the index, at build that bounds are made of */
#define RADIUS_ROWS			16
#define BOUND_ROWS			1000

/* Entries that a search reads about, where nobody says how many lists */
#define LEAST_ROWS_READ	512

/* Rows that a search is to find, where conditions make it read on */
#define TARGET_ROWS		10

/*
 * A filtered search reads one list in so many, and at most so many, between one
 * look at what has been found and the next
 */
#define LISTS_AT_ONCE_PART	128
#define LISTS_AT_ONCE		8

/* It looks at all summaries when it wants more than one list in so many */
#define TEST_ALL_PART	16

/*
 * What things cost, in microseconds: the keys of a page, an entry's distance or
 * code by dimension or in a FastScan block, a list by its centroid's code (and
 * the table for these), one of the lists in order
 */
#define PAGE_COST		0.15
#define DIMENSION_COST	0.0003
#define FASTSCAN_COST	0.005
#define TABLE_COST		15.0
#define CODE_COST		0.005
#define ORDER_COST		0.1

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

typedef struct IvfScan
{
	ScanStats	stats;			/* first */
	IvfIndex   *index;
	IvfCoarse  *coarse;
	HeapValues *heap_values;	/* made when first needed */
	MemoryContext scan_context;
	MemoryContext query_context;
	ScanTarget	target;
	const struct varlena *value;	/* its; NULL: anything is as near */
	bool		constant;		/* all distances are taken for equal */
	bool		bounded;		/* codes are good for bounds */
	bool		in_order;		/* bounds are: one batch after the other */
	bool		strict;			/* nothing may come too late */
	double		mean_product;	/* <q, mean>, which inner products of y's lack */

	/* the query, prepared */
	float	   *y;
	FastScanTable *table;
	RabitqQuery *rabitq;
	float	   *numbers;		/* pq */
	uint8	   *scratch;		/* codes of a page in pieces */
	float	   *estimates;		/* of a page */
	const RabitqCode **codes;
	IvfBounder *bounder;		/* where values are kept */
	char	   *scratch_value;
	float	   *zeros;
	float	   *ks;
	double		norm;			/* of y */

	/* conditions */
	Filter	   *filter;			/* NULL: the index has no filter columns */
	bool		filtered;		/* there are some */
	uint8	   *passes;			/* of a page */
	uint32	   *slots;			/* of it that pass, or are near enough */
	bool	   *may_pass;		/* of lists */
	bool		all_tested;		/* may_pass is known */
	bool		no_order;		/* lists are in no order */
	double		frontier;		/* rank of the last list read in order */
	uint64		seen;			/* entries whose keys have been tested */
	uint64		passed;
	double		nearest[TARGET_ROWS];	/* of these, by estimate; ascending */

	bool		started;
	IvfNear    *lists;			/* to be read, nearest first */
	int			list_count;
	int			next_list;
	bool		all_known;		/* they are all that have not been read */
	IvfNear    *round;			/* read since the last start_round */
	int			round_count;
	int			round_room;
	bool	   *was_read;		/* by list */
	int			read_count;

	FoundSet	found;			/* in these lists, and not taken for a batch */
	bool		dedupe;			/* some may be there twice */
	bool		on_standby;		/* or was, when it began */

	IvfResult  *results;		/* a batch: a heap, least key on top */
	int			result_count;
	int			result_room;
	uint64		last;			/* key of the row returned last */
	uint64		batch_bound;	/* what has been found and is not in results has
								 * no bound below this */
	float		batch_slack;	/* the greatest of a row in it */
	double		batch_last;		/* the greatest estimate, less slack, in it */
	int			batch_rows;		/* of the next batch */
	IvfResult  *late;			/* their turn was before: see recall_late */
	int			late_count;
	int			late_room;

	/* of strict order */
	uint64		returned;		/* rows */
	uint64		entries;		/* of the lists read */
	uint64		compared;		/* rows taken for batches */
	uint64		compared_inside;	/* of these, known to be inside a range */
	uint64		allowed;		/* rows that may be returned of the lists read */
	bool		want_lists;		/* these have been */
	bool		wide;			/* bounds are lower than at first */

	/* of a range */
	double		radius;			/* as an estimate; -INFINITY: no range */
	uint64		inside;			/* entries by estimate */
	uint64		round_inside;	/* of the lists read last */
	bool		round_over;		/* what is left of these lists is beyond it */
	uint64		round_rows;		/* returned from them */
	uint64		batch_rows_in;	/* of the batch, known to be inside */
} IvfScan;

/* ------------------------------------------------------------------------
 * How many lists
 */

int
ivf_scan_probes(const IvfMeta *meta)
{
	int			probes = ivf_settings[meta->kind].probes;
	double		target = ivf_target_recall;
	double		least = 1;

	if (target == 0 && probes == 0)
	{
		target = 0.95;
		/* to save lists of a few rows each is to save nothing */
		least = LEAST_ROWS_READ * meta->lists / Max(meta->rows, 1);
	}
	if (target > 0)
	{
		probes = meta->lists;
		for (int i = 0; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
		{
			if (meta->recall[i].recall >= target)
			{
				probes = meta->recall[i].probes;
				break;
			}
		}
	}
	return (int) Max(1, Min(Max(probes, least), meta->lists));
}

/*
 * Entries of which a share passes are as far apart as if there were so many
 * fewer rows, and their lists with them.  Measured on Fashion-MNIST: 14, 29, 59,
 * 135 and 332 of 980 lists, where 9 do without conditions, for shares of .1, .03,
 * .01, .003 and .001.
 */
double
ivf_filtered_probes(const IvfMeta *meta, double share)
{
	return Min(ivf_scan_probes(meta) / sqrt(Max(share, 1e-9)), meta->lists);
}

/* What was measured of so many probes; INFINITY: nothing */
static double
ivf_scan_reach(const IvfMeta *meta, int probes)
{
	double		reach = INFINITY;

	for (int i = 0; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
	{
		if (i == 0 || (int) meta->recall[i].probes <= probes)
			reach = meta->reach[i];
	}
	return reach;
}

/* ------------------------------------------------------------------------
 * The query
 */

static void
prepare_buffers(IvfScan *scan)
{
	const IvfModel *model = scan->index->model;
	const IvfLayout *layout = &scan->index->layout;
	Size		slots = layout->slots + FASTSCAN_VECTORS;

	scan->y = (float *) palloc0(mul_size(model->width, sizeof(float)));
	scan->estimates = (float *) palloc(mul_size(slots, sizeof(float)));
	scan->slots = (uint32 *) palloc(mul_size(slots, sizeof(uint32)));
	if (layout->pieces > 0)
		scan->scratch = (uint8 *) palloc(ivf_codes_bytes(layout));
	if (layout->fastscan)
		scan->table = (FastScanTable *)
			palloc(fastscan_table_bytes(ivf_nibbles(model)));
	if (model->kind == IVF_RABITQ && !layout->fastscan)
	{
		scan->rabitq = (RabitqQuery *)
			palloc0(rabitq_query_bytes(model->width, model->bits));
		scan->codes = (const RabitqCode **) palloc(mul_size(slots, sizeof(RabitqCode *)));
	}
	if (model->kind == IVF_PQ)
	{
		scan->numbers = (float *)
			palloc(mul_size(mul_size(model->pq.m, pq_centroids(&model->pq)),
							sizeof(float)));
		scan->zeros = (float *) palloc0(mul_size(slots, sizeof(float)));
		scan->ks = (float *) palloc(mul_size(slots, sizeof(float)));
		for (Size i = 0; i < slots; i++)
			scan->ks[i] = model->column.metric == METRIC_IP ? -1 : -2;
	}
}

static void
prepare_query(IvfScan *scan)
{
	const IvfModel *model = scan->index->model;
	const IvfLayout *layout = &scan->index->layout;

	scan->constant = scan->value == NULL ||
		!ivf_transform(model, scan->value, true, scan->y);
	if (scan->constant)
	{
		memset(scan->y, 0, model->width * sizeof(float));
		return;
	}
	scan->mean_product = 0;
	scan->norm = sqrt(distance_kernels->f32_norm2(scan->y, model->width));
	if (model->column.metric == METRIC_IP)
	{
		float	   *x = (float *) palloc(mul_size(model->dims, sizeof(float)));
		double		norm;

		(void) column_floats(&model->column, scan->value, x, &norm);
		scan->mean_product = distance_kernels->f32_ip(x, model->mean, model->dims);
		pfree(x);
	}
	if (scan->bounder != NULL)
		bounded_query_set(&scan->bounder->query, scan->value);
	if (model->kind == IVF_PQ)
	{
		pq_table(&model->pq, model->codebooks, scan->y, scan->numbers);
		if (layout->fastscan)
			fastscan_table_numbers(scan->table, scan->numbers, model->pq.m);
	}
	else if (layout->fastscan)
		fastscan_table_rabitq(scan->table, scan->y, model->width);
	else if (model->kind == IVF_RABITQ)
		rabitq_query_prepare(scan->rabitq, scan->y, model->width, model->bits, 0);
}

/* ------------------------------------------------------------------------
 * Pages
 */

/*
 * The entries of a locked page that pass: their slots are in scan->slots.
 * Returns how many.
 */
static uint32
select_slots(IvfScan *scan, Page page)
{
	uint32		count = ivf_list_page(page)->count;
	uint32		passed = 0;
	uint8	   *columns[FILTER_MAX_COLUMNS];

	ivf_page_keys(&scan->index->layout, page, columns);
	memset(scan->passes, 1, count);
	memset(scan->passes + count, 0, FASTSCAN_VECTORS);
	filter_pass_many(scan->filter, columns, count, scan->passes);
	for (uint32 i = 0; i < count; i++)
	{
		scan->slots[passed] = i;
		passed += scan->passes[i];
	}
	if (!scan->found.again)
	{
		scan->seen += count;
		scan->passed += passed;
	}
	return passed;
}

/*
 * Estimates of count entries of a locked page: those in slots, or all if that is
 * NULL.
 */
static void
estimate_page(IvfScan *scan, Page page, const uint32 *slots, uint32 count,
			  float base)
{
	const IvfModel *model = scan->index->model;
	const IvfLayout *layout = &scan->index->layout;
	uint32		all = ivf_list_page(page)->count;
	const uint8 *codes = ivf_page_codes(scan->index, page, scan->scratch);
	const float *add = layout->factors > 0 ? ivf_page_add(layout, page) : scan->zeros;
	const float *k = layout->factors > 1 ? ivf_page_k(layout, page) : scan->ks;

	if (layout->fastscan)
	{
		for (uint32 i = 0; i < all; i += FASTSCAN_VECTORS)
		{
			if (slots == NULL ||
				memchr(scan->passes + i, 1, FASTSCAN_VECTORS) != NULL)
				fastscan_estimate(scan->table,
								  codes + i / FASTSCAN_VECTORS * layout->unit_bytes,
								  add + i, k + i, base, scan->estimates + i);
		}
	}
	else if (model->kind == IVF_PQ)
	{
		/* the whole page, or one run of slots after the other */
		for (uint32 i = 0; i < count;)
		{
			uint32		first = slots != NULL ? slots[i] : i;
			uint32		run = slots != NULL ? 1 : count;

			while (i + run < count && slots[i + run] == first + run)
				run++;
			pq_estimate8(&model->pq, scan->numbers,
						 codes + first * layout->unit_bytes, layout->unit_bytes,
						 run, layout->factors > 0 ? add + first : NULL,
						 scan->ks[0], base, scan->estimates + first);
			i += run;
		}
	}
	else
	{
		for (uint32 i = 0; i < count; i++)
			scan->codes[i] = (const RabitqCode *)
				(codes + (slots != NULL ? slots[i] : i) * layout->unit_bytes);
		scan->rabitq->base = base;
		rabitq_estimate_many(scan->rabitq, scan->codes, count, scan->estimates);
		return;
	}
	for (uint32 i = 0; slots != NULL && i < count; i++)
		scan->estimates[i] = scan->estimates[slots[i]];
}

/* An entry passes: keep its estimate, if it is one of the least. */
static void
note_nearest(IvfScan *scan, double estimate)
{
	int			at = TARGET_ROWS - 1;

	if (!(estimate < scan->nearest[at]))
		return;
	for (; at > 0 && scan->nearest[at - 1] > estimate; at--)
		scan->nearest[at] = scan->nearest[at - 1];
	scan->nearest[at] = estimate;
}

/*
 * Put the slots, of the first count of a page, whose estimates are not beyond
 * what is kept into scan->slots.  Returns how many.
 */
static uint32
near_slots(const IvfScan *scan, uint32 count, float slack)
{
	const float *estimates = scan->estimates;
	uint32	   *slots = scan->slots;
	double		farthest = Max(scan->found.cutoff + slack, scan->radius);
	float		limit = nextafterf((float) farthest, INFINITY);
	uint32		found = 0;

	for (uint32 i = 0; i < count; i++)
	{
		slots[found] = i;
		found += !(estimates[i] > limit);
	}
	return found;
}

/*
 * Add count entries of a locked page to what has been found: those in slots, or
 * all if that is NULL.
 */
static void
read_page(IvfScan *scan, Buffer buffer, const uint32 *slots, uint32 count,
		  float base, float slack)
{
	Page		page = BufferGetPage(buffer);
	const IvfModel *model = scan->index->model;
	const IvfLayout *layout = &scan->index->layout;
	const ItemPointerData *tids = ivf_page_tids(layout, page);
	const SlotId *values = layout->has_values ? ivf_page_values(layout, page) : NULL;
	const uint8 *codes = NULL;
	uint32		inside = 0;
	uint64		wanted = 0;

	if (!scan->found.again)
		scan->entries += count;
	found_reserve(&scan->found, count);
	if (model->kind == IVF_FLAT && !scan->constant)
	{
		codes = ivf_page_codes(scan->index, page, scan->scratch);
		/* values begin with their lengths, which are the query's, too */
		memcpy(&wanted, scan->value, sizeof(wanted));
	}
	else if (!scan->constant)
	{
		estimate_page(scan, page, slots, count, base);
		/* of many entries, few are near enough to look at */
		if (!scan->filtered)
		{
			count = near_slots(scan, count, slack);
			slots = scan->slots;
		}
	}
	for (uint32 i = 0; i < count; i++)
	{
		uint32		slot = slots != NULL ? slots[i] : i;
		double		estimate = 0;

		if (codes != NULL)
		{
			const struct varlena *value = (const struct varlena *)
				(codes + slot * layout->unit_bytes);
			uint64		lengths;

			memcpy(&lengths, value, sizeof(lengths));
			if (unlikely(lengths != wanted) &&
				!column_value_valid(&model->column, value, layout->unit_bytes))
				index_damaged(scan->index->relation,
							  BufferGetBlockNumber(buffer), slot,
							  "It is not a value of the column.");
			estimate = model->column.distance(value, scan->value);
		}
		else if (!scan->constant)
			estimate = scan->estimates[scan->filtered ? i : slot];
		if (unlikely(isnan(estimate)))
			estimate = INFINITY;
		if (scan->filtered && !scan->found.again)
			note_nearest(scan, estimate);
		inside += estimate <= scan->radius;
		found_add(&scan->found, estimate, slack, tids[slot],
				  values != NULL ? values[slot] : NO_SLOT);
	}
	if (!scan->found.again)
		scan->round_inside += inside;
}

/*
 * How far an estimate may be from the true value: a code's error e has length
 * radius * ratio and any direction, so <e, q - c> has a standard deviation of
 * |e| |q - c| / sqrt(width); a squared distance has twice that.
 *
 * That holds for RaBitQ.  Product quantization's error has no random direction,
 * and is far larger for some rows than for others: bounds from its mean, or
 * from any quantile, were too tight on one set of data and useless on another.
 */
static float
list_slack(const IvfScan *scan, const IvfNear *near)
{
	const IvfModel *model = scan->index->model;
	/* (1 - cos^2) / cos^2 of the angle between residual and code */
	static const double error2[] = {[1] = 0.57, [2] = 0.135,[4] = 0.0118,[8] = 6e-5};
	double		radius2 = (double) model->radii[near->list] * model->radii[near->list];
	double		deviation;

	if (!scan->bounded || scan->constant)
		return 0;

	/* of few rows at build, it is no measure of those that came later */
	if (model->built[near->list] < RADIUS_ROWS)
		radius2 = Max(radius2, model->usual_error);
	deviation = sqrt(error2[model->bits] * radius2 / model->width) * near->spread;
	if (model->column.metric != METRIC_IP)
		deviation *= 2;
	return (float) Min(BOUND_DEVIATIONS * deviation, FLT_MAX);
}

/*
 * Ask for a page of a list, before entries of which come the given number: only
 * a hint.  What will be read of it is keys, or factors and codes.
 */
static void
ask_for_page(const IvfScan *scan, Buffer buffer, uint32 list, uint64 before)
{
	const IvfLayout *layout = &scan->index->layout;
	uint64		entries = scan->index->model->built[list];
	const char *page;

	if (buffer <= 0)
		return;
	page = unpinned_page(buffer);
	prefetch_bytes(page, SizeOfPageHeaderData + sizeof(IvfListPage));
	if (scan->filtered)
	{
		prefetch_far(page + layout->keys, layout->codes - layout->keys);
		return;
	}
	entries = entries > before ? Min(entries - before, layout->slots) : layout->slots;
	if (layout->factors > 0)
		prefetch_far(page + layout->add, entries * sizeof(float));
	if (layout->factors > 1)
		prefetch_far(page + layout->k, entries * sizeof(float));
	entries = (entries + layout->unit_slots - 1) / layout->unit_slots;
	prefetch_far(page + layout->codes,
				 Min(entries * layout->unit_bytes, ivf_head_codes(layout)));
}

/*
 * Read a list.  False if a page was not the list's any more: replay of WAL
 * does not wait for pins as vacuum does (elsewhere, that is damage).  after: the list that comes then, or
 * NULL.
 */
static bool
walk_list(IvfScan *scan, IvfNear *near, const IvfNear *after)
{
	IvfIndex   *index = scan->index;
	float		slack = near->spread >= 0 ? list_slack(scan, near) : 0;
	BlockNumber block = near->head;
	Buffer		buffer = map_read(index->map, block);
	uint64		entries = 0;
	ChainCheck	chain = {0};

	while (BufferIsValid(buffer))
	{
		Page		page = BufferGetPage(buffer);
		const IvfListPage *header = ivf_list_page(page);
		Buffer		next = InvalidBuffer;
		const uint32 *slots = scan->filtered ? scan->slots : NULL;
		uint32		count;

		CHECK_FOR_INTERRUPTS();
		ivf_lock_page(index, buffer, BUFFER_LOCK_SHARE);
		if (unlikely(!ivf_page_of_list(page, near->list)))
		{
			if (!scan->on_standby)
				ivf_not_of_list(index, block, near->list);
			UnlockReleaseBuffer(buffer);
			return false;
		}
		if (unlikely(chain_cycles(&chain, block)))
			ivf_not_of_list(index, block, near->list);
		block = header->next;
		if (block != InvalidBlockNumber)
			next = map_read(index->map, block);
		entries += header->count;
		if (BufferIsValid(next))
			ask_for_page(scan, next, near->list, entries);
		else if (after != NULL && after->head != InvalidBlockNumber)
			ask_for_page(scan, map_guess(index->map, after->head), after->list, 0);
		count = scan->filtered ? select_slots(scan, page) : header->count;
		scan->stats.visited += header->count;
		scan->stats.filtered += header->count - count;
		if (!scan->constant)
			scan->stats.distances += count;
		if (count > 0 && near->spread < 0)
		{
			ivf_measure_list(scan->coarse, scan->y, scan->norm,
							 index->model->column.metric, near);
			slack = list_slack(scan, near);
		}
		if (count > 0)
			read_page(scan, buffer, slots, count, near->base, slack);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	}
	return true;
}

static inline void
count_list(IvfScan *scan, uint32 list)
{
	if (!scan->was_read[list])
		scan->read_count++;
	scan->was_read[list] = true;
}

/* Nothing in a list passes: it is as good as read. */
static void
count_ruled_out(IvfScan *scan, uint32 list)
{
	scan->seen += Max(scan->index->model->built[list], 1);
	count_list(scan, list);
}

static bool
rule_out(IvfScan *scan, const IvfNear *near)
{
	if (!scan->filtered || scan->all_tested ||
		ivf_list_may_pass(scan->index, scan->filter, near->list))
		return false;
	count_ruled_out(scan, near->list);
	return true;
}

static void
walk_lists(IvfScan *scan, IvfNear *lists, int count)
{
	IvfIndex   *index = scan->index;
	BlockNumber size = RelationGetNumberOfBlocks(index->relation);

	/* all pages, together: a build has written those of a list one by one */
	for (int i = 0; i < count; i++)
	{
		uint64		blocks = 1;

		lists[i].head = InvalidBlockNumber;
		if (rule_out(scan, &lists[i]))
			continue;
		lists[i].head = index->model->heads[lists[i].list];
		if (!scan->no_order)
			blocks = (uint64) ivf_get_list(index, lists[i].list).pages *
				(1 + index->layout.pieces);
		for (uint32 j = 0; j < Min(blocks, PAGES_AHEAD) && lists[i].head + j < size; j++)
			map_prefetch(index->map, lists[i].head + j);
	}
	for (int i = 0; i < count; i++)
	{
		if (lists[i].head == InvalidBlockNumber)
			continue;
		for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
		{
			if (walk_list(scan, &lists[i], i + 1 < count ? &lists[i + 1] : NULL))
				break;
			scan->dedupe = true;
		}
		count_list(scan, lists[i].list);
	}
}

/* Read the next lists. */
static void
read_lists(IvfScan *scan, int count)
{
	count = Min(count, scan->list_count - scan->next_list);
	if (scan->round_count + count > scan->round_room)
	{
		scan->round_room = Max(2 * scan->round_room, scan->round_count + count);
		scan->round = (IvfNear *)
			repalloc_huge(scan->round, mul_size(scan->round_room, sizeof(IvfNear)));
	}
	memcpy(scan->round + scan->round_count, scan->lists + scan->next_list,
		   count * sizeof(IvfNear));
	scan->round_count += count;
	walk_lists(scan, scan->lists + scan->next_list, count);
	scan->next_list += count;
	if (count > 0)
		scan->frontier = scan->lists[scan->next_list - 1].rank;
}

/* Start with further lists. */
static void
start_round(IvfScan *scan)
{
	found_start(&scan->found,
				Max(KEPT_ROWS, KEPT_BATCHES * (Size) scan->batch_rows),
				Min(scan->batch_rows, MOST_AT_LEAST));
	scan->round_over = false;
	scan->round_rows = 0;
	scan->round_count = 0;
}

/*
 * Find out the order of the count nearest lists, and take those that have not
 * been read: a closer look may order those differently that have been.  With
 * conditions, of many lists no entry may pass: codes are good enough there.
 */
static void
take_nearest_lists(IvfScan *scan, int count)
{
	if (scan->filtered)
		count = ivf_nearest_by_codes(scan->coarse, scan->y, count, &scan->lists);
	else
		count = ivf_nearest_lists(scan->coarse, scan->y, count, true, &scan->lists);
	scan->all_known = count == (int) scan->index->meta.lists;
	scan->list_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (!scan->was_read[scan->lists[i].list])
			scan->lists[scan->list_count++] = scan->lists[i];
	}
	scan->next_list = 0;
}

/* Look at all summaries, once.  Returns how many lists are left. */
static uint32
test_all_lists(IvfScan *scan)
{
	if (!scan->all_tested)
		ivf_lists_may_pass(scan->index, scan->filter, scan->may_pass);
	for (uint32 i = 0; !scan->all_tested && i < scan->index->meta.lists; i++)
	{
		if (!scan->may_pass[i] && !scan->was_read[i])
			count_ruled_out(scan, i);
	}
	scan->all_tested = true;
	return scan->index->meta.lists - scan->read_count;
}

/* Take all lists that have not been read, in no order. */
static void
take_any_lists(IvfScan *scan)
{
	int			count = ivf_all_lists(scan->coarse, &scan->lists);

	scan->list_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (!scan->was_read[i])
			scan->lists[scan->list_count++] = scan->lists[i];
	}
	scan->next_list = 0;
	scan->all_known = scan->no_order = true;
}

/* The lists that a scan may read */
static int
most_lists(const IvfScan *scan)
{
	return Min(ivf_settings[scan->index->kind].max_probes,
			   (int) scan->index->meta.lists);
}

/*
 * How near the nearest entries of a list of a rank may be, as a rank: those whose
 * residual points to the query, by three standard deviations if residuals go in
 * all directions alike.  Reach was measured where the query is among the rows;
 * where all that pass are far from it, this is what differs.
 */
static double
list_floor(const IvfScan *scan, double rank)
{
	const IvfModel *model = scan->index->model;
	double		error = scan->index->meta.error;

	if (model->column.metric != METRIC_L2 && model->column.metric != METRIC_COSINE)
		return INFINITY;
	return rank + error - 2 * sqrt(rank * error) * Min(1, 3 / sqrt(model->width));
}

/* Are further lists, the nearest of this rank, beyond what may be wanted? */
static bool
beyond_reach(const IvfScan *scan, double rank, double reach)
{
	const IvfModel *model = scan->index->model;
	double		tenth = scan->nearest[TARGET_ROWS - 1];

	if (scan->no_order || isinf(tenth))
		return false;
	/* values give the operator's distance, codes that of y's */
	if (!scan->constant)
		tenth += scan->index->meta.code_error;
	if (model->kind == IVF_FLAT && !scan->constant)
	{
		if (model->column.metric == METRIC_L2)
			tenth *= tenth;
		else if (model->column.metric == METRIC_COSINE)
			tenth *= 2;
		else if (model->column.metric == METRIC_IP)
			tenth += scan->mean_product;
	}
	if (ivf_reach(model->column.metric, rank, tenth,
				  scan->norm * sqrt(scan->index->meta.error)) <= reach)
		return false;
	return list_floor(scan, rank) > tenth;
}

/*
 * Is it better to read all of the left lists than to find out which are the
 * wanted nearest?
 */
static bool
order_costs_more(const IvfScan *scan, uint32 left, double wanted, double share)
{
	const IvfMeta *meta = &scan->index->meta;
	const IvfModel *model = scan->index->model;
	double		entries = meta->rows / meta->lists;
	double		passing = share * entries;
	double		entry = scan->index->layout.fastscan ? FASTSCAN_COST
		: model->width * DIMENSION_COST;
	double		list = (1 + entries / scan->index->layout.slots) * PAGE_COST +
		passing * entry + Min(passing, 1) * model->width * DIMENSION_COST;
	double		order = model->has_codes ? TABLE_COST + meta->lists * CODE_COST
		: meta->lists * model->width * DIMENSION_COST;

	return left * (1 - wanted / meta->lists) * list < order + wanted * ORDER_COST;
}

/*
 * With conditions, the nearest lists hold fewer rows to return.  Read on, until
 * ten have been found than which further lists are not likely to have nearer
 * ones: how far such lists are, relative to the tenth row, was measured at build
 * for the recall that the number of probes stands for.
 *
 * Where few lists are left, these are read in the order of pages: to find out
 * which are nearest costs more.
 */
static void
read_on(IvfScan *scan)
{
	const IvfMeta *meta = &scan->index->meta;
	double		reach = ivf_scan_reach(meta, scan->read_count);
	int			most = most_lists(scan);
	int			asked = scan->read_count;
	int			at_once = Max(1, Min((int) meta->lists / LISTS_AT_ONCE_PART,
									 LISTS_AT_ONCE));

	if (ivf_settings[scan->index->kind].iterative_scan == ITERATIVE_OFF)
		return;
	while (scan->read_count < most)
	{
		bool		known = scan->next_list < scan->list_count;
		double		share;
		double		wanted;

		CHECK_FOR_INTERRUPTS();
		if (beyond_reach(scan, known ? scan->lists[scan->next_list].rank : scan->frontier,
						 reach))
			return;
		if (known)
		{
			read_lists(scan, Min(at_once, most - scan->read_count));
			continue;
		}
		share = (scan->passed + 1.0) / (scan->seen + 1.0);
		wanted = ivf_filtered_probes(meta, share);
		if (most == (int) meta->lists && wanted * TEST_ALL_PART > meta->lists &&
			order_costs_more(scan, test_all_lists(scan), wanted, share))
		{
			take_any_lists(scan);
			at_once = PAGES_AHEAD;
			continue;
		}
		asked = Min(2 * Max(asked, wanted), meta->lists);
		take_nearest_lists(scan, asked);
	}
}

/* ------------------------------------------------------------------------
 * Batches
 */

static int
batch_size(const IvfScan *scan)
{
	const IvfModel *model = scan->index->model;
	int			set = ivf_settings[scan->index->kind].rerank;

	if (model->kind == IVF_FLAT)
		return FLAT_BATCH;
	/* without training, codes say little: everything is read */
	if (!scan->index->meta.trained)
		return ALL_ROWS;
	if (set > 0)
		return set;
	if (model->kind == IVF_RABITQ)
		return model->bits == 1 ? 100 : model->bits == 2 ? 50 : 30;
	return 100;
}

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

static void
sift_down(IvfResult *results, int count, int at)
{
	IvfResult	moved = results[at];

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && result_less(&results[child + 1], &results[child]))
			child++;
		if (!result_less(&results[child], &moved))
			break;
		results[at] = results[child];
		at = child;
	}
	results[at] = moved;
}

static void
pop_result(IvfScan *scan)
{
	scan->results[0] = scan->results[--scan->result_count];
	if (scan->result_count > 0)
		sift_down(scan->results, scan->result_count, 0);
}

/*
 * The first result's turn was before.  In strict order it has none any more;
 * else keep it until recall_late.
 */
static void
postpone_first(IvfScan *scan)
{
	if (scan->strict)
	{
		pop_result(scan);
		return;
	}
	if (scan->late_count == scan->late_room)
	{
		scan->late_room *= 2;
		scan->late = (IvfResult *)
			repalloc_huge(scan->late, mul_size(scan->late_room, sizeof(IvfResult)));
	}
	scan->late[scan->late_count++] = scan->results[0];
	pop_result(scan);
}

static inline void
count_inside(IvfScan *scan, const IvfResult *result)
{
	scan->batch_rows_in += result->key <= scan->target.bound;
	scan->compared_inside += result->key <= scan->target.bound;
}

/*
 * Put an interval, from the value that the index keeps, in place of the first
 * result's bound.  The value may have gone, with its row.
 */
static void
read_value(IvfScan *scan)
{
	IvfResult  *first = &scan->results[0];
	Buffer		buffer;
	const IvfValue *value = (const IvfValue *)
		value_store_get(&scan->index->values, first->value, scan->scratch_value,
						scan->bounder->size, &buffer);
	double		low;
	double		high;

	first->value = NO_SLOT;
	if (value != NULL &&
		ItemPointerIsValid(&value->tid) &&
		ItemPointerEquals(unconstify(ItemPointerData *, &value->tid), &first->tid))
	{
		first->exact = bounded_interval(&scan->bounder->query, &value->bounded,
										&low, &high);
		first->key = topk_key(low);
		first->high = high == INFINITY ? TOPK_NAN : topk_key(high);
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
	count_inside(scan, first);
	if (first->exact && first->key < scan->last)
		postpone_first(scan);
	else
		sift_down(scan->results, scan->result_count, 0);
}

/* The least key of all results but the first */
static uint64
second_key(const IvfScan *scan)
{
	uint64		key = PG_UINT64_MAX;

	if (scan->result_count > 1)
		key = scan->results[1].key;
	if (scan->result_count > 2)
		key = Min(key, scan->results[2].key);
	return key;
}

/* Give the first result its true distance; drop it where no row is seen. */
static void
read_first(IvfScan *scan, IndexScanDesc desc)
{
	IvfResult  *first = &scan->results[0];
	const struct varlena *value;
	bool		all_dead;

	if (scan->heap_values == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(scan->scan_context);

		scan->heap_values = heap_values_begin(desc->heapRelation,
											  desc->indexRelation,
											  desc->xs_snapshot);
		MemoryContextSwitchTo(caller);
	}
	scan->stats.reread++;
	value = heap_values_get(scan->heap_values, &first->tid, &all_dead);
	if (value == NULL)
	{
		pop_result(scan);
		return;
	}
	first->key = topk_key(scan->index->model->column.distance(value, scan->value));
	first->high = first->key;
	first->exact = true;
	count_inside(scan, first);
	if (first->key < scan->last)
		postpone_first(scan);
	else
		sift_down(scan->results, scan->result_count, 0);
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
		return scan->batch_bound > scan->target.bound;
	return scan->batch_rows_in == 0 &&
		scan->batch_last + scan->index->meta.code_error > scan->radius;
}

/*
 * The first result is farther than wanted, so all are.
 */
static void
leave_range(IvfScan *scan)
{
	scan->result_count = 0;
	scan->round_over = batch_ends_range(scan);
}

/*
 * A distance by the operator as an estimate would be: the inverse of bound_of
 * (ivfflat's estimates are the operator's values)
 */
static double
as_estimate(const IvfScan *scan, double distance)
{
	if (scan->index->kind == IVF_FLAT)
		return distance;
	switch (scan->index->model->column.metric)
	{
		case METRIC_L2:
			return distance < 0 ? -INFINITY : distance * distance;
		case METRIC_COSINE:
			return distance * 2;
		default:
			return distance + scan->mean_product;
	}
}

/* A bound of the operator's value, from one of an estimate */
static double
bound_of(const IvfScan *scan, double low)
{
	switch (scan->index->model->column.metric)
	{
		case METRIC_L2:
			return sqrt(Max(low, 0));
		case METRIC_COSINE:
			return Max(low, 0) / 2;
		default:
			return low - scan->mean_product;
	}
}

/* A bound so many deviations below that of a row with such a slack */
static uint64
lower_bound_key(const IvfScan *scan, uint64 key, float slack)
{
	double		further = WIDE_FURTHER / BOUND_DEVIATIONS * slack;

	return topk_key(bound_of(scan, as_estimate(scan, topk_number(key)) - further));
}

/* Is it time for lower bounds? */
static bool
wants_wide(const IvfScan *scan)
{
	return scan->bounded && !scan->wide &&
		scan->returned >= (scan_target_bounded(&scan->target) ? FIRST_IN_RANGE : MANY_ROWS);
}

/* Lower the bounds of those results that have not been read, and of all others. */
static void
widen_bounds(IvfScan *scan)
{
	scan->wide = true;
	scan->batch_bound = lower_bound_key(scan, scan->batch_bound, scan->batch_slack);
	for (int i = 0; i < scan->result_count; i++)
	{
		IvfResult  *result = &scan->results[i];

		if (!result->exact && result->high == TOPK_NAN)
			result->key = lower_bound_key(scan, result->key, result->slack);
	}
	for (int i = scan->result_count / 2 - 1; i >= 0; i--)
		sift_down(scan->results, scan->result_count, i);
}

/*
 * In strict order and without bounds: rows that may be returned before others
 * are compared, so that few of these come too late.  Who has said how many to
 * compare gets these first.
 */
static uint64
batch_allowed(const IvfScan *scan)
{
	if (scan_target_bounded(&scan->target))
		return scan->inside <= ALL_IN_RANGE ? 0
			: Max(Min(scan->compared_inside / FIRST_OF_BATCHES, FIRST_IN_RANGE),
				  scan->compared_inside / LATER_OF_BATCHES);
	if (ivf_settings[scan->index->kind].rerank > 0)
		return scan->compared <= (uint64) batch_size(scan) ? scan->compared
			: scan->compared / LATER_OF_BATCHES;
	return scan->compared / (scan->returned < MANY_ROWS ? FIRST_OF_BATCHES : LATER_OF_BATCHES);
}

/*
 * The first result, with its true distance; false if there is none left, or
 * something found may be before it.
 */
static bool
next_result(IvfScan *scan, IndexScanDesc desc, ItemPointer tid)
{
	while (scan->result_count > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->results[0].key > scan->target.bound)
		{
			leave_range(scan);
			return false;
		}
		if (scan->results[0].key > scan->batch_bound &&
			found_more(&scan->found))
			return false;
		if (scan->results[0].value != NO_SLOT)
		{
			read_value(scan);
			continue;
		}

		/* an interval that no other one overlaps is as good as a number */
		if (!scan->results[0].exact &&
			(scan->results[0].high == TOPK_NAN ||
			 scan->results[0].high > scan->target.bound ||
			 (scan->target.ordered &&
			  (scan->results[0].high > second_key(scan) ||
			   scan->results[0].key < scan->last))))
		{
			read_first(scan, desc);
			continue;
		}
		if (scan->strict)
		{
			if (scan->results[0].key < scan->last)
			{
				pop_result(scan);
				continue;
			}
			if (wants_wide(scan))
			{
				widen_bounds(scan);
				continue;
			}
			if (!scan->in_order && scan->returned >= batch_allowed(scan) &&
				found_more(&scan->found) && !scan->round_over)
			{
				scan->round_over = scan_target_bounded(&scan->target) &&
					batch_ends_range(scan);
				if (!scan->round_over)
					return false;
			}
			scan->want_lists = scan->returned >= scan->allowed;
			if (scan->want_lists)
				return false;
		}
		*tid = scan->results[0].tid;
		scan->last = scan->results[0].high;
		pop_result(scan);
		scan->returned++;
		scan->round_rows++;
		scan->batch_rows_in++;
		return true;
	}
	return false;
}

/* Make room for count results in all. */
static void
need_results(IvfScan *scan, int count)
{
	if (count <= scan->result_room)
		return;
	scan->result_room = count;
	scan->results = (IvfResult *)
		repalloc_huge(scan->results, mul_size(count, sizeof(IvfResult)));
}

/* Add the best found to the results. */
static void
finish_batch(IvfScan *scan, IndexScanDesc desc)
{
	const IvfModel *model = scan->index->model;
	bool		exact = model->kind == IVF_FLAT || scan->constant;
	const IvfFound *rows;
	int			count;
	int			first = scan->result_count;

	scan->stats.batches++;
	if (scan->dedupe)
		found_remove_doubles(&scan->found);
	scan->dedupe = false;
	count = Min(scan->found.count, (Size) scan->batch_rows);
	need_results(scan, first + count);
	scan->batch_bound = 0;
	scan->batch_slack = 0;
	scan->batch_last = -INFINITY;
	scan->batch_rows_in = 0;
	rows = found_take(&scan->found, count);
	for (int i = 0; i < count; i++)
	{
		IvfResult  *result = &scan->results[first + i];
		uint64		bound = topk_key(exact ? rows[i].bound
									 : bound_of(scan, rows[i].bound));

		check_heap_tid(scan->index->map, desc->heapRelation, &rows[i].tid,
					   InvalidBlockNumber);
		result->tid = rows[i].tid;
		result->exact = exact;
		result->value = exact ? NO_SLOT : rows[i].value;
		result->key = exact || scan->bounded ? bound : 0;
		result->high = exact ? result->key : TOPK_NAN;
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
	count += first;
	for (int i = count / 2 - 1; i >= 0; i--)
		sift_down(scan->results, count, i);
	scan->result_count = count;

	/* rows that are likely to be read, or returned */
	for (int i = 0; i < Min(count, ROWS_AHEAD); i++)
		PrefetchBuffer(desc->heapRelation, MAIN_FORKNUM,
					   ItemPointerGetBlockNumber(&scan->results[i].tid));
}

/* Those that were late come now, with what comes from elsewhere. */
static void
recall_late(IvfScan *scan)
{
	Assert(scan->result_count == 0);
	need_results(scan, scan->late_count);
	while (scan->late_count > 0)
		scan->results[scan->result_count++] = scan->late[--scan->late_count];
	scan->last = 0;
}

/* The lists read, and further ones: may these be read, and is it any use? */
static bool
may_read_on(const IvfScan *scan)
{
	if (ivf_settings[scan->index->kind].iterative_scan == ITERATIVE_OFF ||
		scan->read_count >= most_lists(scan))
		return false;

	/* farther lists have rows inside a range if these have */
	return !scan_target_bounded(&scan->target) || scan->round_inside > 0;
}

/*
 * Strict order, and lists have just been read: how many rows may be returned
 * before further ones are?  What these have that is nearer than a row returned
 * will be dropped.  So only the nearer part of what has been found is returned,
 * and lists are read, twice as many as before each time, until there are no
 * others.  The end of a range, then, comes when all of it has been found, and
 * is sorted.  (A scan to the end reads no more lists for that.)
 */
static void
hold_back(IvfScan *scan)
{
	scan->inside += scan->round_inside;
	if (!may_read_on(scan))
		scan->allowed = PG_UINT64_MAX;
	else if (scan_target_bounded(&scan->target))
		scan->allowed = Max(Min(scan->inside / FIRST_OF_BATCHES, FIRST_IN_RANGE),
							scan->inside / LATER_OF_LISTS);
	else
		scan->allowed = scan->entries /
			(scan->returned < MANY_ROWS ? FIRST_OF_LISTS : LATER_OF_LISTS);
}

/* As many further lists as have been read */
static void
read_further_lists(IvfScan *scan)
{
	if (!scan->all_known)
		take_nearest_lists(scan, scan->index->meta.lists);
	scan->round_inside = 0;
	read_lists(scan, Min(Max(scan->read_count, 1),
						 most_lists(scan) - scan->read_count));
}

static void
read_target(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;
	MemoryContext caller;

	MemoryContextReset(scan->query_context);
	caller = MemoryContextSwitchTo(scan->query_context);
	scan_target_set(&scan->target, desc, &scan->index->model->column,
					ivf_names[scan->index->kind]);
	MemoryContextSwitchTo(caller);
}

static void
first_batch(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	pgstat_count_index_scan(desc->indexRelation);
	count_index_search(desc);
	scan->stats.searches++;
	scan->stats.mode = SCAN_LISTS;
	scan->value = scan->target.value;
	prepare_query(scan);

	/* a value without a direction: its distances are no numbers */
	if (scan->constant)
		scan_target_undefined(&scan->target);
	if (scan->filter != NULL && scan->filter->impossible)
		scan->target.empty = true;
	if (scan->target.empty)
		return;

	memset(scan->was_read, 0, scan->index->meta.lists * sizeof(bool));
	scan->read_count = 0;
	scan->all_known = scan->all_tested = scan->no_order = false;
	scan->seen = scan->passed = 0;
	for (int i = 0; i < TARGET_ROWS; i++)
		scan->nearest[i] = INFINITY;
	scan->list_count = ivf_nearest_lists(scan->coarse, scan->y,
										 ivf_scan_probes(&scan->index->meta),
										 true, &scan->lists);
	scan->next_list = 0;

	/* who says how many rows to compare gets so many compared */
	scan->bounded = scan->index->kind == IVF_RABITQ &&
		scan->index->meta.trained &&
		scan->index->meta.rows >= BOUND_ROWS &&
		ivf_settings[scan->index->kind].rerank == 0;
	scan->in_order = scan->bounded || scan->constant ||
		scan->index->kind == IVF_FLAT;
	scan->strict = scan->target.ordered && !scan->constant &&
		ivf_settings[scan->index->kind].iterative_scan != ITERATIVE_RELAXED;
	scan->radius = scan->constant || !scan_target_bounded(&scan->target)
		? -INFINITY : as_estimate(scan, scan_target_radius(&scan->target));
	scan->batch_rows = batch_size(scan);
	start_round(scan);
	scan->round_inside = 0;
	read_lists(scan, scan->list_count);
	if (scan->filtered)
		read_on(scan);
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
			return false;
		scan->want_lists = scan->round_over = false;
		found_join(&scan->found);
		read_further_lists(scan);
		hold_back(scan);
	}
	else if (scan->found.count == 0)
	{
		found_again(&scan->found);
		walk_lists(scan, scan->round, scan->round_count);
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

	if (scan->target.empty)
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
		walk_lists(scan, scan->round, scan->round_count);
	}
	else
	{
		int			most = most_lists(scan);
		bool		more = ivf_settings[scan->index->kind].iterative_scan != ITERATIVE_OFF &&
			scan->read_count < most;

		/* farther lists have rows inside a range if these have */
		if (scan_target_bounded(&scan->target) && scan->round_rows == 0)
			more = false;

		if (!more && scan->late_count == 0)
			return false;
		recall_late(scan);
		start_round(scan);
		if (more)
			read_further_lists(scan);
	}
	finish_batch(scan, desc);
	return true;
}

/* Nothing has been found, nor returned. */
static void
begin_anew(IvfScan *scan)
{
	scan->dedupe = false;
	scan->result_count = 0;
	scan->late_count = 0;
	scan->last = 0;
	scan->next_list = 0;
	scan->returned = scan->entries = scan->inside = 0;
	scan->compared = scan->compared_inside = 0;
	scan->want_lists = scan->wide = false;
}

bool
ivf_get_tuple(IndexScanDesc desc, ScanDirection direction)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	/* the planner knows that there is no backward scan */
	Assert(ScanDirectionIsForward(direction));

	if (!scan->started)
	{
		scan->started = true;
		read_target(desc);
		first_batch(desc);
	}
	do
	{
		while (!next_result(scan, desc, &desc->xs_heaptid))
		{
			CHECK_FOR_INTERRUPTS();
			if (next_batch(desc))
				continue;
			if (!scan_target_next(&scan->target))
				return false;
			begin_anew(scan);
			first_batch(desc);
		}
	} while (scan_target_repeats(&scan->target, &desc->xs_heaptid));
	scan->stats.returned++;
	desc->xs_recheck = scan->target.recheck ||
		(scan->filtered && scan->filter->recheck);
	desc->xs_recheckorderby = false;
	return true;
}

/* ------------------------------------------------------------------------
 * Begin and end
 */

IndexScanDesc
ivf_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc desc = RelationGetIndexScan(index, nkeys, norderbys);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	IvfScan    *scan = (IvfScan *) palloc0(sizeof(IvfScan));

	scan->scan_context = context;
	scan->query_context = AllocSetContextCreate(context, "ivf scan query",
												ALLOCSET_SMALL_SIZES);
	scan_stats_begin(&scan->stats, index);
	scan->on_standby = desc->xactStartedInRecovery;
	scan->index = ivf_open(index);
	scan->coarse = ivf_coarse_create(scan->index);
	scan->was_read = (bool *) palloc0(mul_size(scan->index->meta.lists, sizeof(bool)));
	prepare_buffers(scan);
	found_init(&scan->found);
	if (scan->index->layout.has_values)
	{
		scan->bounder = ivf_bounder_create(scan->index->model);
		scan->scratch_value = (char *) palloc(scan->bounder->size);
	}
	if (scan->index->filter != NULL)
	{
		Size		slots = scan->index->layout.slots + FASTSCAN_VECTORS;

		scan->filter = filter_create(scan->index->filter);
		scan->passes = (uint8 *) palloc(slots);
		scan->may_pass = (bool *) palloc(mul_size(scan->index->meta.lists, sizeof(bool)));
	}
	scan->round_room = 64;
	scan->round = (IvfNear *) palloc(scan->round_room * sizeof(IvfNear));
	scan->result_room = 64;
	scan->late_room = 16;
	scan->late = (IvfResult *) palloc(scan->late_room * sizeof(IvfResult));
	scan->results = (IvfResult *) palloc(scan->result_room * sizeof(IvfResult));
	desc->opaque = scan;
	MemoryContextSwitchTo(caller);
	return desc;
}

void
ivf_rescan(IndexScanDesc desc, ScanKey keys, int nkeys, ScanKey orderbys,
		   int norderbys)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	if (keys != NULL && desc->numberOfKeys > 0)
		memmove(desc->keyData, keys, desc->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && desc->numberOfOrderBys > 0)
		memmove(desc->orderByData, orderbys,
				desc->numberOfOrderBys * sizeof(ScanKeyData));
	if (scan->heap_values != NULL)
		heap_values_pause(scan->heap_values);

	if (scan->filter != NULL)
	{
		filter_set(scan->filter, desc->keyData, desc->numberOfKeys);
		scan->filtered = scan->filter->count > 0;
	}
	scan->started = false;
	begin_anew(scan);
}

void
ivf_end_scan(IndexScanDesc desc)
{
	IvfScan    *scan = (IvfScan *) desc->opaque;

	if (scan->heap_values != NULL)
		heap_values_end(scan->heap_values);
	scan_stats_end(&scan->stats);
	MemoryContextDelete(scan->scan_context);
}
