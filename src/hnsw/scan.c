/*
 * scan.c
 *	  Ordered scans: walk, find out true distances, return rows.
 *
 * A scan works in batches.  Each walks the graph on codes until ef_search
 * elements are known to be the nearest ones (by estimate), takes them and some
 * more, and reads for each the interval in which its true distance lies (from
 * its half precision value; a point, where the index has the value as it is;
 * all numbers, where true distances come from the table).  Rows are returned
 * in the order of their true distances: an element whose interval overlaps no
 * other's is in its place already; only for the others the table is asked.
 *
 * When ef_search elements have been returned, the next batch walks on from
 * where the last one stopped (hnsw.iterative_scan).  A scan of a range ends
 * where the nearest element known is beyond it.
 *
 * A scan of one of several partitions begins with a search for its share of the
 * rows.  One that is asked for more walks on until it has what a scan of its own
 * would have begun with; from then on it is like any other.
 */
#include "hnsw/scan.h"

#include <math.h>

#include "miscadmin.h"

#include "hnsw/calibrate.h"
#include "hnsw/hnsw.h"
#include "storage/wait_point.h"

/*
 * Nodes kept on the way down.  One is enough in a new index; where clusters are
 * far apart and rows have come and gone, it may lead to the wrong one.  A scan
 * with a larger ef_search keeps more, to be safe from that.
 */
#define SCAN_MAX_BEAM	8
#define SCAN_BEAM(ef)	Min(Max((ef) / 5, 1), SCAN_MAX_BEAM)

/* An index of so many blocks is looked through for any scan that finds little */
#define SWEEP_CHEAP_BLOCKS	64

/* Blocks asked for ahead of the one that is read, where all are */
#define BLOCKS_AHEAD	16

/*
 * In strict order, what is found nearer than something returned is dropped.  So
 * a scan that goes on for more rows knows, for each element that it is about to
 * return, so many farther ones: what would come late is mostly among these.
 * More of them inside a range, all of which is likely to be wanted: with seven,
 * one row of 2,600 was lost, with three 10, with one 40 (six ranges of some 430
 * rows, 10,000 x 48 uniform numbers, cosine).  And of a range that the first batch
 * has not found the end of, one element in so many is returned of that.
 */
#define HELD_BACK			1
#define HELD_BACK_IN_RANGE	7
#define FIRST_IN_RANGE		2

/*
 * The key (topk_key) of an infinite distance, which that of no number is above.  Where
 * the operator's sums overflow, estimates do not tell: such elements are met among
 * others, and say nothing of how far the walk has come.
 */
#define INFINITELY_FAR		topk_key(INFINITY)

/* Rows for which a search begins that is to find a declared recall of them */
#define DECLARED_ROWS	10

/*
 * A partition's share is searched for with so many times its part of ef_search, or of
 * the rows wanted, if all partitions had as many of the nearest; and some more, for a
 * search for very few finds its way less surely.  Measured: README.md, "Partitions".
 */
#define SHARE_FACTOR	2
#define SHARE_MORE		8

/*
 * What partitions have found tells which of them have the nearest rows, and one with a
 * part of these is searched with so many times that part of ef_search.
 */
#define PART_FACTOR		3

/* Of what a share's search has found, one row in so many is returned before more */
#define SHARE_OF_BATCH	4

/* Walks that start anew because vacuum was in the way */
#define MAX_ATTEMPTS	10

/* ------------------------------------------------------------------------
 * Batches
 */

/* Is a partition's share searched for, not all that a scan of its own begins with? */
static inline bool
is_share(const HnswScan *scan)
{
	return scan->ef < scan->full_ef;
}

/*
 * Take what the search has found, ef elements and some more, of which quota are
 * to be returned; of a share, no more than these and some, where its walk is on values:
 * codes have the order of rows in narrow heaps wrong.  Returns how many elements.
 */
static int
collect(HnswScan *scan, IndexScanDesc desc, int ef, int quota)
{
	int			likely = is_share(scan) && scan->index->codec.bits == 0 ? quota : ef;
	int			wanted = likely + hnsw_extra_candidates(likely, scan->index->codec.bits);
	int			count;

	if (wanted > scan->taken_room)
	{
		scan->taken_room = wanted;
		scan->taken = (GraphFound **)
			repalloc_huge(scan->taken, mul_size(wanted, sizeof(GraphFound *)));
		scan->values = (SlotId *)
			repalloc_huge(scan->values, mul_size(wanted, sizeof(SlotId)));
	}
	count = graph_search_take(scan->search, wanted, true, scan->taken);
	scan->taken_ever += count;
	hnsw_read_elements(scan, desc, count);
	scan->quota = quota;
	scan->batch++;
	scan->common.stats.batches++;
	scan->common.stats.visited += scan->search->found_count - scan->counted;
	scan->counted = scan->search->found_count;
	scan->common.stats.distances = scan->search->distances;
	if (scan->filter != NULL)
		scan->common.stats.filtered = scan->filter->failed;
	return count;
}

/*
 * Elements after which a scan walks no further.  Where a range ends it, that is
 * where it ends.
 */
static uint32
scan_limit(const HnswScan *scan)
{
	return scan_target_bounded(&scan->common.target) ? PG_UINT32_MAX
		: (uint32) hnsw_max_scan_tuples;
}

/* Bytes that a walk may hold */
static Size
scan_memory(void)
{
	return (Size) (work_mem * 1024.0 * hnsw_scan_mem_multiplier);
}

/*
 * All elements, page after page: what a walk has not led to.  Adds those in use to
 * a search's results, met or not, unless it has found most, or holds as much
 * memory as it may, before.  lead_on: they are starting points, too.  Locks pages,
 * one at a time.  Returns whether all are added.
 *
 * A scan to the end rests on this, and on nothing that the graph promises: an
 * element whose row a snapshot sees is in use on its page since before that
 * row was committed, and stays there until its row is dead to everybody.
 */
static bool
sweep(PageStore *store, GraphSearch *search, int ef, bool lead_on, uint32 most)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(store->relation);
	uint32		per_page = store->index->shape.base.per_page;
	uint64		step = 1;
	uint64		at = 0;
	GraphId    *ids = (GraphId *) palloc(per_page * sizeof(GraphId));
	BlockNumber done;

	if ((uint64) blocks * per_page > most)
		step = scattered_stride(blocks);
	for (done = 0; done < blocks; done++)
	{
		CHECK_FOR_INTERRUPTS();
		if (search->found_count >= most || graph_search_memory(search) > scan_memory())
			break;
		if (step == 1 && done + BLOCKS_AHEAD < blocks)
			map_prefetch(store->map, done + BLOCKS_AHEAD);
		if (at != META_BLOCK)
			graph_search_add(search, ids,
							 page_store_elements(store, (BlockNumber) at, 0, ids),
							 lead_on, ef);
		at = (at + step) % blocks;
	}
	pfree(ids);
	return done == blocks;
}

/* Pages that are looked at for each of the elements: others have none, or keep values */
#define PAGES_PER_START	2

void
hnsw_add_scattered(PageStore *store, GraphSearch *search, int width)
{
	const IndexColumn *column = &store->index->codec.column;
	GraphId		starts[HNSW_SCATTERED_STARTS];
	int			wanted = Min(HNSW_SCATTERED_STARTS, width);
	int			count = 0;
	BlockNumber blocks;
	uint64		pages;
	uint64		step;
	uint64		at = 0;
	GraphId    *ids;

	if (!column->traits->product || column->type->kind != COLUMN_SPARSEVEC)
		return;
	blocks = RelationGetNumberOfBlocks(store->relation);
	pages = Min(blocks, (uint64) wanted * PAGES_PER_START);
	step = scattered_stride(blocks);
	ids = (GraphId *) palloc(store->index->shape.base.per_page * sizeof(GraphId));
	for (uint64 done = 0; done < pages && count < wanted; done++)
	{
		CHECK_FOR_INTERRUPTS();
		if (done + BLOCKS_AHEAD < pages)
			map_prefetch(store->map,
						 (BlockNumber) ((at + BLOCKS_AHEAD * step) % blocks));

		/* a twin would only be where its head is */
		if (at != META_BLOCK &&
			page_store_elements(store, (BlockNumber) at, NODE_TWIN, ids) > 0)
			starts[count++] = ids[0];
		at = (at + step) % blocks;
	}
	pfree(ids);
	graph_search_add(search, starts, count, true, width);
}

/* Why has a walk, or a look at all elements, ended before it was done?  If it has. */
static bool
at_limit(HnswScan *scan)
{
	if (scan->search->found_count >= scan_limit(scan))
		scan_event(&scan->common.stats, SCAN_HIT_TUPLES);
	else if (graph_search_memory(scan->search) > scan_memory())
		scan_event(&scan->common.stats, SCAN_HIT_MEMORY);
	else
		return false;
	return true;
}

/*
 * What the walk has not led to: all elements that fulfil the conditions, if
 * there are any.
 */
static void
add_all(HnswScan *scan, int ef)
{
	if (scan->filter == NULL || scan->filter->mode != FILTER_ALL)
		scan_event(&scan->common.stats, SCAN_FELL_BACK);
	if (scan->search->filter != NULL)
	{
		hnsw_filter_add_all(scan->filter, scan->search, ef, scan_limit(scan));
		scan->common.stats.mode = SCAN_ALL_PASSING;
	}
	else if (!sweep(&scan->store, scan->search, ef, false, scan_limit(scan)))
		(void) at_limit(scan);
	scan->added_all = true;
}

/*
 * Is a look at all pages cheap, compared with the walk?  Else a scan that asks
 * for no more than was found goes without: rows may have come and gone, and
 * left many pages that are empty.
 */
static bool
sweep_is_cheap(const HnswScan *scan)
{
	return RelationGetNumberOfBlocks(scan->store.relation) <=
		SWEEP_CHEAP_BLOCKS + scan->search->found_count;
}

/* See hnsw_leave_out */
static Oid	left_out_of = InvalidOid;
static GraphId left_out = NO_SLOT;

void
hnsw_leave_out(Oid index, uint32 element)
{
	left_out_of = index;
	left_out = element;
}

/* Search from here on for so many candidates. */
static void
use_ef(HnswScan *scan, int ef)
{
	scan->ef = ef;
	scan->width = hnsw_walk_width(&scan->index->codec, ef);
	scan->common.stats.ef = ef;
}

/* The first walk at level 0, as the conditions want it; from count starts */
static void
search_base(HnswScan *scan, const GraphId *starts, int count)
{
	HnswFilterMode mode = scan->search->filter != NULL ? scan->filter->mode
		: FILTER_NONE;

	scan->added_all = false;
	if (mode == FILTER_ALL)
	{
		graph_search_begin(scan->search, 0, starts, 0);
		add_all(scan, scan->ef);
		return;
	}
	graph_search_begin(scan->search, 0, starts, count);
	if (unlikely(OidIsValid(left_out_of)) && left_out != NO_SLOT &&
		left_out_of == RelationGetRelid(scan->store.relation))
		graph_search_leave_out(scan->search, left_out);
	if (mode == FILTER_HOPS)
		graph_search_add(scan->search, scan->filter->seeds,
						 scan->filter->seed_count, true, scan->width);
	else
		hnsw_add_scattered(&scan->store, scan->search, scan->width);
	graph_search_run(scan->search, scan->width);

	/* it takes many to say that nothing leads anywhere */
	if (is_share(scan) && graph_search_ties(scan->search))
	{
		use_ef(scan, scan->full_ef);
		graph_search_resume(scan->search, scan->width);
	}

	/* where all are equally far, no way leads to what is nearer */
	if (graph_search_level(scan->search, scan->width))
	{
		scan_event(&scan->common.stats, SCAN_FELL_BACK);
		if (scan->search->filter != NULL)
			add_all(scan, scan->ef);
		else
			scan->added_all = sweep(&scan->store, scan->search, scan->ef, true,
									hnsw_max_scan_tuples);
		graph_search_run(scan->search, scan->width);
	}
	if (scan->search->best.count < scan->ef && !scan->added_all &&
		(mode == FILTER_HOPS || (mode == FILTER_NONE && sweep_is_cheap(scan))))
		add_all(scan, scan->ef);
}

/*
 * Take the conditions of the scan.  False if nothing can fulfil them.
 */
static bool
begin_filter(HnswScan *scan, IndexScanDesc desc)
{
	scan->search->filter = NULL;
	if (scan->filter == NULL || desc->numberOfKeys == 0)
		return true;
	hnsw_filter_begin(scan->filter, desc->keyData, desc->numberOfKeys, scan->ef);
	if (scan->filter->filter->impossible)
		return false;
	if (scan->filter->mode != FILTER_NONE)
	{
		scan->search->filter = &scan->filter->graph;
		scan->common.recheck = scan->filter->filter->recheck;
	}
	if (scan->filter->mode == FILTER_HOPS)
		scan->common.stats.mode = SCAN_GRAPH_PASSING;
	return true;
}

static bool
strict_order(const HnswScan *scan)
{
	return vector_scan_strict(&scan->common, hnsw_iterative_scan);
}

/* How much has the walk found that is outside of the range? */
static int
count_outside(const HnswScan *scan)
{
	int			count = 0;

	for (int i = 0; i < scan->results.count; i++)
		count += scan->results.results[i].low > scan->common.target.bound &&
			scan->results.results[i].low < INFINITELY_FAR;
	return count;
}

/*
 * The ef_search to begin with.  Where a recall is declared, it is that of ten rows,
 * and what is asked for beyond these is searched for in larger steps: a scan does
 * not know how many rows will be wanted.
 */
static void
set_ef(HnswScan *scan, IndexScanDesc desc)
{
	Relation	index = desc->indexRelation;
	int			rows = 0;
	int			ef;
	int			parts = desc->numberOfOrderBys == 0 ? 1
		: shared_order_parts(desc->orderByData[0].sk_collation, &rows);

	scan->recall = hnsw_is_calibrated(&scan->index->calibration)
		? hnsw_declared_recall(index) : 0;
	scan->full_ef = scan->recall > 0
		? hnsw_ef_for(&scan->index->calibration, scan->recall, DECLARED_ROWS)
		: hnsw_scan_ef(index);
	ef = scan->full_ef;
	if (parts > 1)
		ef = Min(ef, SHARE_MORE + SHARE_FACTOR * Max(ef, rows) / parts);
	use_ef(scan, ef);
}

/* Of the first batch's elements, so many may be returned before the next one. */
static int
first_quota(const HnswScan *scan)
{
	if (is_share(scan))
		return scan->ef / SHARE_OF_BATCH;
	if (scan->recall == 0 || hnsw_iterative_scan == ITERATIVE_OFF ||
		scan_target_bounded(&scan->common.target))
		return scan->ef;
	return Max(DECLARED_ROWS, scan->ef / (1 + HELD_BACK));
}

/* Elements to be returned by a further batch, and how many are to be found for them */
static int
further_quota(const HnswScan *scan, int *found)
{
	double		rows;
	int			quota;

	*found = 0;
	if (scan->recall == 0 || scan_target_bounded(&scan->common.target))
		/* larger steps the farther out, so that their number is small */
		return Max(scan->ef, (int) Min((scan->returned_ever + scan->passed_by) / 2,
									   HNSW_MAX_EF_SEARCH));
	quota = (int) Min(Max(scan->returned_ever, DECLARED_ROWS), HNSW_MAX_EF_SEARCH);
	rows = (double) scan->returned_ever + quota;
	*found = Max(hnsw_ef_for(&scan->index->calibration, scan->recall, rows) -
				 (int) Min(scan->taken_ever, HNSW_MAX_EF_SEARCH), 0);
	return quota;
}

/* Of what a scan begins with: is more inside a range than has been found? */
static void
limit_in_range(HnswScan *scan)
{
	if (!is_share(scan) && strict_order(scan) &&
		scan_target_bounded(&scan->common.target) &&
		hnsw_iterative_scan != ITERATIVE_OFF && count_outside(scan) == 0)
		scan->quota = (scan->ef + 1) / FIRST_IN_RANGE;
}

/* ScanMethods.search */
static void
first_batch(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	GraphEntry	entry;
	GraphEntry	now;
	GraphId		starts[SCAN_MAX_BEAM];
	int			count = 0;
	int			attempts = 0;

	scan->common.stats.mode = SCAN_GRAPH;
	scan->counted = 0;
	if (scan->index->centre.unknown)
		hnsw_refresh_centre(desc->indexRelation, scan->index);
	codec_query_set(scan->query, scan->common.target.value, false);

	/* a value without a direction: its distances are no numbers */
	if (scan->query->constant)
		scan_target_undefined(&scan->common.target);
	if (scan->common.target.empty)
		return;

	set_ef(scan, desc);
	scan->search->skip_dead = desc->ignore_killed_tuples;
	if (!begin_filter(scan, desc))
		return;
	for (;;)
	{
		hnsw_get_entry(desc->indexRelation, &entry);
		WAIT_POINT("hnsw scan entry");
		if (entry.level < 0)
			return;

		/* where all that fulfil the conditions are compared, nothing is walked */
		if (scan->search->filter == NULL || scan->filter->mode != FILTER_ALL)
		{
			count = graph_descend(scan->search, entry, 0, starts,
								  SCAN_BEAM(scan->width));
			if (count == 0)
			{
				hnsw_entry_failed(desc->indexRelation, entry);
				scan->common.stats.restarts++;
				continue;
			}
		}
		search_base(scan, starts, count);

		/*
		 * Few results: vacuum may have taken away what led on to others, after
		 * its number was read.  What it has put in its place is there by now.
		 */
		if (scan->search->best.count >= scan->ef || scan->added_all ||
			++attempts == MAX_ATTEMPTS)
			break;
		hnsw_get_entry(desc->indexRelation, &now);
		if (now.vacuums == entry.vacuums)
			break;
		scan->common.stats.restarts++;
	}
	WAIT_POINT("hnsw scan walked");
	(void) collect(scan, desc, scan->ef, first_quota(scan));
	WAIT_POINT("hnsw scan found");
	limit_in_range(scan);
}

/* Walk on for ef elements, and take them; returns how many there are. */
static int
walk_on(IndexScanDesc desc, int ef, int quota)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	int			count;

	/* at the limit, what has been met already is all there is */
	if (!at_limit(scan))
	{
		graph_search_resume(scan->search, hnsw_walk_width(&scan->index->codec, ef));
		if (!scan->added_all && scan->search->best.count < ef)
			add_all(scan, ef);
	}
	count = collect(scan, desc, ef, quota);
	scan->exhausted = count == 0;
	return count;
}

/*
 * Walk on in strict order, until enough is known beyond the quota, or the end of
 * the range: ef_search elements outside of it (at the first one, some that are
 * inside have not been found yet: 14 of 2,600 rows were lost).
 */
static void
walk_ahead(IndexScanDesc desc, int quota, int found)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	int			count;

	if (!scan_target_bounded(&scan->common.target))
	{
		(void) walk_on(desc,
					   Max(quota + Max(HELD_BACK * quota - scan->results.count, 0), found),
					   quota);
		return;
	}
	do
	{
		CHECK_FOR_INTERRUPTS();
		count = walk_on(desc, Max(Max(scan->ef, scan->results.count / 2),
								  (int) Min(scan->passed_by / 2, HNSW_MAX_EF_SEARCH)),
						quota);
		if (count_outside(scan) >= scan->ef)
		{
			scan->quota = PG_INT32_MAX;
			break;
		}
	} while (count > 0 && scan->results.count / (1 + HELD_BACK_IN_RANGE) < quota);
}

/* Walk on from a share until what is found is that of a search with a greater ef. */
static void
walk_on_to(IndexScanDesc desc, int ef)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	int			missing = ef - (int) Min(scan->taken_ever, scan->ef);

	use_ef(scan, ef);
	(void) walk_on(desc, Max(missing, 1),
				   Max(first_quota(scan) - (int) scan->returned_ever, 1));
	limit_in_range(scan);
}

/*
 * ScanMethods.search_on: where a partition has more of the nearest rows than others, a
 * share is searched for as much more thoroughly.
 */
static void
search_on(IndexScanDesc desc, double part)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	int			ef = (int) Min(ceil(PART_FACTOR * part * scan->full_ef), scan->full_ef);

	if (!is_share(scan) || scan->batch == 0 || scan->returned_ever > 0 ||
		ef < scan->ef + scan->ef / 4)
		return;
	walk_on_to(desc, ef);
}

/*
 * More than its share is wanted of a partition: walk on until what is found would be
 * the first batch of a scan of its own.
 */
static void
walk_on_from_share(IndexScanDesc desc)
{
	walk_on_to(desc, ((HnswScan *) desc->opaque)->full_ef);
}

/* ScanMethods.next_batch: walk on; false if that is not wanted, or no use. */
static bool
next_batch(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	int			quota;
	int			found;
	int			count = 0;

	if (scan->batch == 0 || scan->beyond)
		return false;
	if (is_share(scan))
	{
		walk_on_from_share(desc);
		return scan->results.count > 0;
	}
	if (hnsw_iterative_scan == ITERATIVE_OFF)
		return false;

	quota = further_quota(scan, &found);
	if (strict_order(scan))
		walk_ahead(desc, quota, found);
	else
		count = walk_on(desc, Max(quota, found), quota);
	return count > 0 || scan->results.count > 0;
}

/* ------------------------------------------------------------------------
 * The next row
 */

/* Remember an element that is returned. */
static void
push_returned(HnswScan *scan, const Candidate *result)
{
	if (scan->returned_count == scan->returned_room)
	{
		scan->returned_room *= 2;
		scan->returned = (Candidate *)
			repalloc_huge(scan->returned,
						  mul_size(scan->returned_room, sizeof(Candidate)));
	}
	scan->returned[scan->returned_count++] = *result;
	scan->visible = false;
}

/*
 * The farthest element returned that the snapshot sees a row of, with its true
 * distance; NULL if there is none.  Only its row has been returned by the
 * executor (unless a condition has kept it back, of which an index scan is not
 * told).
 */
static const Candidate *
farthest_visible(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	if (scan->visible)
		return &scan->returned[0];
	while (scan->returned_count > 0)
	{
		Candidate  *last = &scan->returned[scan->returned_count - 1];

		CHECK_FOR_INTERRUPTS();
		if (hnsw_make_exact(desc, last))
		{
			scan->returned[0] = *last;
			scan->returned_count = 1;
			scan->visible = true;
			return &scan->returned[0];
		}
		scan->returned_count--;
	}
	return NULL;
}

/* Find out the first result's true distance, or that no row of it is seen. */
static void
make_first_exact(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	if (hnsw_make_exact(desc, &scan->results.results[0]))
		candidates_moved(&scan->results);
	else
		candidates_pop(&scan->results);
}

/*
 * In strict order, nothing may come that is nearer than what came before.
 * Returns false if the first result has changed or gone.
 */
static bool
first_in_order(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	const Candidate *first = &scan->results.results[0];
	const Candidate *last;

	/* one batch is in order by itself */
	if (scan->batch < 2 || !strict_order(scan) || scan->returned_count == 0 ||
		first->low >= scan->returned[scan->returned_count - 1].high)
		return true;
	if (first->low != first->high)
	{
		make_first_exact(desc);
		return false;
	}
	last = farthest_visible(desc);
	if (last == NULL || first->low >= last->low)
		return true;
	candidates_pop(&scan->results);
	return false;
}

/*
 * Is what is left of the results infinitely far away, or has it no distance, so that in
 * strict order all else that there is comes first?
 */
static bool
wait_for_others(const HnswScan *scan)
{
	return scan->results.results[0].low >= INFINITELY_FAR && !scan->exhausted &&
		strict_order(scan) && hnsw_iterative_scan != ITERATIVE_OFF;
}

/* Make the next result scan->last; false if there is none in this batch. */
static bool
next_result(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	while (scan->results.count > 0 && scan->quota > 0)
	{
		const Candidate *first = &scan->results.results[0];
		const Candidate *second = candidates_second(&scan->results);

		CHECK_FOR_INTERRUPTS();
		if (first->low > scan->common.target.bound)
		{
			if (first->low >= INFINITELY_FAR)
			{
				candidates_pop(&scan->results);
				scan->passed_by++;
				continue;
			}

			/* where something was inside, there may be more */
			if (is_share(scan) && scan->returned_ever > 0)
				return false;
			scan->beyond = true;
			scan->results.count = 0;
			return false;
		}
		if (wait_for_others(scan))
			return false;
		if (!first_in_order(desc))
			continue;
		if (first->low != first->high &&
			!scan_target_decided(&scan->common.target, first->high,
								 second != NULL ? second->low : PG_UINT64_MAX))
		{
			make_first_exact(desc);
			continue;
		}
		scan->last = *first;
		candidates_pop(&scan->results);
		if (strict_order(scan))
			push_returned(scan, &scan->last);
		scan->quota--;
		scan->returned_ever++;
		return true;
	}
	return false;
}

/* ScanMethods.next_row */
static bool
next_row(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	while (scan->tid_next >= scan->tid_count)
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_result(desc))
			return false;
		hnsw_load_tids(scan, desc, &scan->last);
	}
	desc->xs_heaptid = scan->tids[scan->tid_next++];
	return true;
}

/* ScanMethods.peek */
static uint64
peek(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	if (scan->tid_next < scan->tid_count)
		return scan->last.low;
	return scan->results.count > 0 && scan->quota > 0 && !wait_for_others(scan)
		? scan->results.results[0].low : PG_UINT64_MAX;
}

/* ScanMethods.found */
static int
found(IndexScanDesc desc, uint64 *lows, int most)
{
	const HnswScan *scan = (const HnswScan *) desc->opaque;
	int			count = 0;

	for (int i = 0; i < scan->results.count && count < most; i++)
	{
		/* without values in the index, nothing is known */
		if (scan->results.results[i].high != TOPK_NAN)
			lows[count++] = scan->results.results[i].low;
	}
	return count;
}

/* ScanMethods.interval */
static void
interval(IndexScanDesc desc, uint64 *low, uint64 *high)
{
	const HnswScan *scan = (const HnswScan *) desc->opaque;

	*low = scan->last.low;
	*high = scan->last.high;
}

/* ScanMethods.kill */
static void
kill_row(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	if (scan->last.more_tids == NO_SLOT)
		hnsw_mark_dead(scan, &scan->last);
}

/* ScanMethods.reset */
static void
forget(IndexScanDesc desc)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;

	scan->beyond = false;
	scan->exhausted = false;
	scan->passed_by = 0;
	scan->batch = 0;
	scan->quota = 0;
	scan->returned_ever = 0;
	scan->taken_ever = 0;
	scan->returned_count = 0;
	scan->visible = false;
	scan->results.count = 0;
	scan->tid_count = 0;
	scan->tid_next = 0;
}

/* ------------------------------------------------------------------------
 * The beginning
 */

IndexScanDesc
hnsw_begin_scan(Relation index, int nkeys, int norderbys)
{
	static const ScanMethods methods = {
		.reset = forget,
		.search = first_batch,
		.next_row = next_row,
		.next_batch = next_batch,
		.kill = kill_row,
		.peek = peek,
		.interval = interval,
		.found = found,
		.search_on = search_on
	};
	IndexScanDesc desc = vector_scan_begin(index, nkeys, norderbys,
										   sizeof(HnswScan), "hnsw", &methods);
	HnswScan   *scan = (HnswScan *) desc->opaque;
	MemoryContext caller = MemoryContextSwitchTo(scan->common.context);

	scan->index = hnsw_open(index);
	scan->common.column = &scan->index->codec.column;
	page_store_init(&scan->store, index, scan->index, false);
	scan->query = codec_query_create(&scan->index->codec, &scan->store.values,
									 true);
	scan->search = graph_search_create(&scan->index->shape, &scan->store.store,
									   scan->query);
	if (hnsw_keeps_bounded(scan->index))
		scan->bounded = (char *)
			palloc(bounded_size(&scan->index->codec.column));
	if (scan->index->filter != NULL)
		scan->filter = hnsw_filter_create(index, scan->index, scan->store.map);
	scan->taken_room = 64;
	scan->taken = (GraphFound **) palloc(scan->taken_room * sizeof(GraphFound *));
	scan->values = (SlotId *) palloc(scan->taken_room * sizeof(SlotId));
	candidates_init(&scan->results);
	scan->returned_room = 64;
	scan->returned = (Candidate *) palloc(scan->returned_room * sizeof(Candidate));
	scan->tid_room = 2;
	scan->tids = (ItemPointerData *) palloc(scan->tid_room * sizeof(ItemPointerData));
	MemoryContextSwitchTo(caller);
	return desc;
}
