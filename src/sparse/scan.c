/*
 * scan.c
 *	  Ordered scans: ranges by what their rows can have at most, the best first.
 *
 * The block maxima of the query's terms give each range of RANGE_DOCS rows a bound
 * that no row's score is above (as in Block-Max WAND, Ding and Suel 2011; by ranges
 * of documents: Mallia, Suel and Tonellotto, "Faster Learned Sparse Retrieval with
 * Block-Max Pruning", SIGIR 2024).  Ranges are looked at from the greatest bound
 * on, several at a time, term by term; rows with good scores become candidates, and
 * the others leave their range with a new bound, the greatest score among them.  So
 * a range that has been looked at waits among the others for its turn, and all
 * rows come in their order, for as long as they are asked for.
 *
 * A candidate has an interval in which its distance must lie, a point where weights
 * are kept exactly.  Where intervals overlap, the row is read from the table.
 */
#include "sparse/inverted.h"

#include <float.h>
#include <math.h>

#include "access/relscan.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "index/result_heap.h"
#include "index/scan.h"
#include "math/heap/topk.h"
#include "sparse/arena.h"
#include "sparse/query.h"
#include "storage/page_check.h"
#include "storage/wait_point.h"

/* Ranges that are looked at together: at first, and at most */
#define FIRST_BATCH		32
#define GREATEST_BATCH	1024

/* Candidates that are kept of the first batches, and how that number grows */
#define FIRST_KEPT		32
#define KEPT_GROWTH		4
#define GREATEST_KEPT	(1024 * 1024)

/*
 * Where a part of the query has been dropped, so many candidates are read from the
 * table before the nearest of them is returned
 */
#define READ_AHEAD		32

/*
 * Ranges that have not been looked at are put off until their turn may have come,
 * the greatest bounds first: so many at first, and how that number grows.  The
 * bounds by which they are chosen are counted in so many parts, of at most so many
 * ranges.
 */
#define FIRST_ADMITTED	48
#define ADMITTED_GROWTH	8
#define BOUND_PARTS		256
#define BOUNDS_COUNTED	2048

/* In the place of the bound of a range that is not put off any more; below all */
#define ADMITTED		(-1.0f)

/* For Candidate.segment: a pending row */
#define NO_SEGMENT		PG_UINT32_MAX

typedef struct Candidate
{
	uint64		key;			/* topk_key of its distance, or a bound of it */
	uint64		high;			/* the distance is not above this */
	uint32		segment;		/* number in the scan's */
	uint32		doc;
	ItemPointerData tid;		/* of pending rows */
	bool		exact;
} Candidate;

/* A range that has rows which are no candidates */
typedef struct WaitingRange
{
	uint64		key;			/* no distance of these has one below */
	float		bound;			/* no score is above */
	float		cut;			/* scores from here on are candidates, or were; NaN: none
								 * yet */
	uint32		range;			/* number among those of all segments */
} WaitingRange;

#define LESS_KEY(a, b)		((a)->key < (b)->key)
HEAP(waiting, WaitingRange, LESS_KEY)

#define ST_SORT			sort_ranges
#define ST_ELEMENT_TYPE WaitingRange
#define ST_COMPARE(a, b) ((a)->range < (b)->range ? -1 : (a)->range > (b)->range)
#define ST_SCOPE		static
#define ST_DEFINE
#include "lib/sort_template.h"

RESULT_HEAP(CandidateHeap, candidates, Candidate, LESS_KEY)

typedef struct InvertedScan
{
	VectorScan	base;			/* first */
	InvertedIndex *index;
	MemoryContextCallback arena;	/* by which the arena is given back */
	MemoryContext search_context;	/* of what follows; reset for each target */
	bool		constant;		/* all distances are equal */
	uint64		constant_key;
	bool		filtered;
	Filter	   *filter;			/* NULL: the index has no filter columns */

	QuerySegment *segments;
	uint32		segment_count;
	QueryTerms	query;
	WaitingRange *waiting;		/* a heap, least key on top */
	uint32		waiting_count;
	uint32		range_count;	/* of all segments */
	float	   *bounds;			/* by range: no score is above; or ADMITTED */
	float	   *blocks;			/* the greatest of each BOUND_BLOCK of them, as they
								 * were when ranges were last admitted */
	uint32		put_off;		/* ranges that are not */
	float		put_off_bound;	/* their bounds are below, except at first */
	uint64		put_off_key;	/* and their rows' keys are not below this */
	uint32		admitted;		/* ranges wanted at a time */
	CandidateHeap candidates;	/* least key on top */
	CandidateHeap read;			/* of a query of which a part has been dropped */
	uint64		last;			/* key of the row that was returned last, then */
	uint32		batch;			/* ranges of the next one */
	Size		kept;
	TopkEntry  *best;			/* of candidates: kept */

	/* room for a batch */
	WaitingRange *ranges;
	float	   *scores;
	uint8	   *passes;
} InvertedScan;

/* ------------------------------------------------------------------------
 * Ranges
 */

static QuerySegment *
segment_of_range(InvertedScan *scan, uint32 range)
{
	uint32		i = scan->segment_count - 1;

	while (range < scan->segments[i].first_range)
		i--;
	return &scan->segments[i];
}

/* A distance from a score that is error too low or too high */
static double
score_distance(const InvertedScan *scan, double score)
{
	return scan->index->column.metric == METRIC_COSINE ? 1 - score : -score;
}

/* The least key of rows whose score is at most bound */
static uint64
least_key(const InvertedScan *scan, const QuerySegment *segment, double bound)
{
	if (scan->constant)
		return scan->constant_key;
	if (isinf(segment->error))
		return topk_key(-INFINITY);
	return topk_key(score_distance(scan, bound + segment->error));
}

/* The score from which on rows have a key of at most key */
static float
score_of_key(const InvertedScan *scan, const QuerySegment *segment, uint64 key)
{
	double		distance;

	if (key >= TOPK_NAN || scan->constant || isinf(segment->error))
		return -INFINITY;
	distance = topk_number(key);
	distance = scan->index->column.metric == METRIC_COSINE ? 1 - distance : -distance;
	return nextafterf((float) (distance - segment->error), -INFINITY);
}

/*
 * Which rows of a range pass the conditions: into passes.  False if none does.
 */
static bool
test_range(InvertedScan *scan, const QuerySegment *segment, uint32 range,
		   uint32 docs, uint8 *passes)
{
	InvertedIndex *index = scan->index;
	uint32		doc = (range - segment->first_range) * RANGE_DOCS;
	uint32		done = 0;

	while (done < docs)
	{
		uint32		place = (doc + done) % index->page_docs;
		uint32		part = Min(index->page_docs - place, docs - done);
		Buffer		buffer = segment_lock(index, segment->segment, PART_DOCS,
										  (doc + done) / index->page_docs,
										  BUFFER_LOCK_SHARE);
		uint8	   *columns[FILTER_MAX_COLUMNS];

		filter_block_columns(index->filter,
							 inverted_data(BufferGetPage(buffer)) + index->keys_offset,
							 index->page_docs, columns);
		for (int i = 0; i < index->filter->count; i++)
			columns[i] += place * index->filter->columns[i].width;
		memset(passes + done, 1, part);
		filter_pass_many(scan->filter, columns, part, passes + done);
		UnlockReleaseBuffer(buffer);
		done += part;
	}
	scan->base.stats.filtered += docs;
	for (uint32 i = 0; i < docs; i++)
		scan->base.stats.filtered -= passes[i];
	return memchr(passes, 1, docs) != NULL;
}

static uint32
docs_of_range(const QuerySegment *segment, uint32 range)
{
	return Min(RANGE_DOCS, segment->segment->root.docs -
			   (range - segment->first_range) * RANGE_DOCS);
}

/* A row of a segment with this score becomes a candidate. */
static void
add_candidate(InvertedScan *scan, QuerySegment *segment, uint32 doc,
			  float score)
{
	Candidate	candidate = {0};
	uint8		flags = segment->flags != NULL ? segment->flags[doc] : 0;
	double		error = segment->error;

	candidate.segment = segment - scan->segments;
	candidate.doc = doc;
	candidate.exact = true;
	if (scan->constant)
		candidate.key = scan->constant_key;
	else if (flags & DOC_ZERO)
		candidate.key = TOPK_NAN;
	else if ((flags & DOC_EXTREME) || isinf(error))
	{
		candidate.key = topk_key(-INFINITY);
		candidate.high = TOPK_NAN;
		candidate.exact = false;
	}
	else if (error == 0 || (segment->zero_exact && score_is_untouched(score)))
		candidate.key = topk_key(score_distance(scan, score));
	else
	{
		candidate.key = topk_key(score_distance(scan, (double) score + error));
		candidate.high = topk_key(score_distance(scan, (double) score - error));
		candidate.exact = false;
	}
	if (candidate.exact)
		candidate.high = candidate.key;
	candidates_push(&scan->candidates, candidate);
	scan->base.stats.distances++;
}

/*
 * Take good rows of a range for candidates; the others wait.  A range's bound is the
 * score of the best of its rows, where some are candidates already, so that one
 * becomes one now.
 */
static void
select_range(InvertedScan *scan, QuerySegment *segment,
			 const WaitingRange *from, float *scores, const uint8 *passes,
			 Topk *best)
{
	uint8		places[RANGE_DOCS];
	WaitingRange waiting = *from;
	uint32		range = from->range;
	uint32		first = (range - segment->first_range) * RANGE_DOCS;
	float		low = -INFINITY;
	size_t		count;

	if (best->count == best->capacity)
		low = score_of_key(scan, segment, best->entries[0].key);
	if (!isnan(from->cut))
		low = Min(low, from->bound);

	/* most rows have none of the query's terms: they wait for those that have one */
	if (from->bound > 0 && segment->flags == NULL && !isinf(segment->error))
		low = Max(low, FLT_TRUE_MIN);

	/* nothing is known of a row whose score tells nothing: it is one of the first */
	for (uint32 i = 0; segment->flags != NULL && i < docs_of_range(segment, range); i++)
	{
		if (segment->flags[first + i] & DOC_EXTREME)
			scores[i] = NAN;
	}
	count = score_select(scores, docs_of_range(segment, range), passes, low,
						 from->cut, places, &waiting.bound);
	for (size_t i = 0; i < count; i++)
	{
		TopkEntry	entry;

		add_candidate(scan, segment, first + places[i], scores[places[i]]);
		entry.key = least_key(scan, segment, scores[places[i]]);
		entry.id = first + places[i];
		if (topk_wants(best, entry))
			topk_add(best, entry);
	}
	waiting.cut = low;
	if (low == -INFINITY || waiting.bound == -INFINITY)
		return;
	waiting.key = least_key(scan, segment, waiting.bound);
	waiting_rise(scan->waiting, scan->waiting_count++, waiting);
}

/*
 * Look at count ranges of one segment, ascending.  Their scores are summed up term
 * by term, in the order of dimensions, as the operator does.
 */
static void
look_at_ranges(InvertedScan *scan, QuerySegment *segment,
			   const WaitingRange *ranges, uint32 count, Topk *best)
{
	uint16		numbers[GREATEST_BATCH];
	uint32		kept = 0;

	for (uint32 i = 0; i < count; i++)
	{
		/* those without a row that passes are done with */
		if (scan->filtered &&
			!test_range(scan, segment, ranges[i].range,
						docs_of_range(segment, ranges[i].range),
						scan->passes + kept * RANGE_DOCS))
			continue;
		numbers[kept] = ranges[i].range - segment->first_range;
		scan->ranges[kept++] = ranges[i];
	}
	scores_clear(scan->scores, kept * RANGE_DOCS);
	if (kept > 0 && !scan->constant)
		scan->base.stats.visited += query_score(scan->index, segment, numbers, kept,
										   scan->scores);
	for (uint32 i = 0; i < kept; i++)
		select_range(scan, segment, &scan->ranges[i], scan->scores + i * RANGE_DOCS,
					 scan->filtered ? scan->passes + i * RANGE_DOCS : NULL, best);
}

/* No row of a range that waits has a key below; PG_UINT64_MAX if none waits */
static uint64
waiting_key(const InvertedScan *scan)
{
	uint64		key = scan->put_off > 0 ? scan->put_off_key : PG_UINT64_MAX;

	return scan->waiting_count > 0 ? Min(key, scan->waiting[0].key) : key;
}

/*
 * A bound that about as many as wanted of count bounds reach, of which each step-th
 * is looked at; the greatest of them is given.
 */
static float
count_bounds(const float *bounds, uint32 count, uint32 step, uint32 wanted,
			 float greatest)
{
	uint32		counts[BOUND_PARTS] = {0};
	float		scale = (BOUND_PARTS - 1) / greatest;
	int			part = BOUND_PARTS - 1;

	for (uint32 i = 0; i < count; i += step)
	{
		/* one of the greatest's own part may be rounded beyond it */
		if (bounds[i] > 0)
			counts[Min((int) (bounds[i] * scale), BOUND_PARTS - 1)]++;
	}
	for (uint32 sum = counts[part]; part > 0 && sum < wanted / step;)
		sum += counts[--part];
	return greatest * ((float) part / BOUND_PARTS);
}

/*
 * A bound that about as many as wanted of the ranges put off reach, the greatest of
 * whose bounds is given.  Where few are wanted, those of blocks tell, of which each is
 * a range's.  Those whose bound is 0, which have no term of the query, come last, all
 * at once.
 */
static float
choose_bound(const InvertedScan *scan, float greatest)
{
	uint32		blocks = (scan->range_count + BOUND_BLOCK - 1) / BOUND_BLOCK;
	float		bound;

	if (greatest <= 0)
		return 0;
	if (isinf(greatest) || isinf((BOUND_PARTS - 1) / greatest))
		return Min(greatest, FLT_MAX);
	if (scan->admitted < blocks / 2)
		bound = count_bounds(scan->blocks, blocks, 1, scan->admitted, greatest);
	else
		bound = count_bounds(scan->bounds, scan->range_count,
							 scan->range_count / BOUNDS_COUNTED + 1,
							 scan->admitted, greatest);
	return Max(bound, FLT_MIN);
}

/* Have those of at most BOUND_BLOCK ranges of a segment wait whose bound is not below. */
static void
admit_block(InvertedScan *scan, const QuerySegment *segment, uint32 first,
			uint32 end, float bound)
{
	float		rest;
	uint64		found = posting_kernels->reach(scan->bounds + first, end - first, bound, &rest);

	for (; found != 0; found &= found - 1)
	{
		WaitingRange *waiting = &scan->waiting[scan->waiting_count++];
		uint32		range = first + __builtin_ctzll(found);

		waiting->bound = scan->bounds[range];
		waiting->key = least_key(scan, segment, waiting->bound);
		waiting->range = range;
		scan->bounds[range] = ADMITTED;
		waiting->cut = NAN;
		scan->put_off--;
	}
}

/* Have ranges wait that were put off, the greatest bounds first. */
static void
admit_ranges(InvertedScan *scan)
{
	float		bound = choose_bound(scan, posting_kernels->greatest(scan->bounds, scan->range_count,
																	 scan->blocks));

	/* a bound that is smaller than all others comes with those of 0 */
	if (bound >= scan->put_off_bound)
		bound = 0;
	scan->put_off_key = PG_UINT64_MAX;
	for (uint32 i = 0; i < scan->segment_count; i++)
	{
		const QuerySegment *segment = &scan->segments[i];
		uint64		key = least_key(scan, segment, bound);

		scan->put_off_key = Min(scan->put_off_key, key);
		for (uint32 range = segment->first_range, end; range < segment->first_range + segment->ranges; range = end)
		{
			end = Min((range / BOUND_BLOCK + 1) * BOUND_BLOCK, segment->first_range + segment->ranges);
			if (scan->blocks[range / BOUND_BLOCK] >= bound)
				admit_block(scan, segment, range, end, bound);
		}
	}
	waiting_build(scan->waiting, scan->waiting_count);
	scan->put_off_bound = bound;
	scan->admitted = Min(scan->admitted, PG_UINT32_MAX / ADMITTED_GROWTH) *
		ADMITTED_GROWTH;
}

/* Look at the ranges with the greatest bounds. */
static void
look_further(InvertedScan *scan)
{
	WaitingRange ranges[GREATEST_BATCH];
	uint32		count = 0;
	Topk		best;

	/* most rows are left where they are: wanted are as many as this */
	if (scan->candidates.count < scan->kept / 2 && scan->kept < GREATEST_KEPT &&
		scan->base.stats.batches > 0 && scan->batch > FIRST_BATCH)
	{
		scan->kept *= KEPT_GROWTH;
		scan->best = (TopkEntry *)
			repalloc_huge(scan->best, mul_size(scan->kept, sizeof(TopkEntry)));
	}
	while (scan->put_off > 0 && (scan->waiting_count == 0 ||
								 scan->waiting[0].key >= scan->put_off_key))
		admit_ranges(scan);
	topk_init(&best, scan->best, scan->kept);
	for (Size i = 0; i < scan->candidates.count; i++)
	{
		TopkEntry	entry = {scan->candidates.results[i].key, i};

		if (topk_wants(&best, entry))
			topk_add(&best, entry);
	}

	while (count < scan->batch && scan->waiting_count > 0 &&
		   (count == 0 || best.count < best.capacity ||
			scan->waiting[0].key <= best.entries[0].key) &&
		   (scan->put_off == 0 || scan->waiting[0].key < scan->put_off_key))
		ranges[count++] = waiting_pop(scan->waiting, scan->waiting_count--);
	scan->batch = Min(scan->batch * 4, GREATEST_BATCH);
	scan->base.stats.batches++;
	sort_ranges(ranges, count);
	for (uint32 first = 0; first < count;)
	{
		QuerySegment *segment = segment_of_range(scan, ranges[first].range);
		uint32		end = first;

		CHECK_FOR_INTERRUPTS();
		while (end < count && ranges[end].range < segment->first_range + segment->ranges)
			end++;
		look_at_ranges(scan, segment, ranges + first, end - first, &best);
		first = end;
	}
}

/* ------------------------------------------------------------------------
 * Beginning
 */

static void
visit_pending(void *state, const InvertedDoc *doc, const SparseVector *value)
{
	InvertedScan *scan = (InvertedScan *) state;
	Candidate	candidate = {0};

	scan->base.stats.visited++;
	if (scan->filtered)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		for (int i = 0; i < scan->index->filter->count; i++)
			columns[i] = doc_keys(doc) + scan->index->filter->columns[i].offset;
		if (!filter_passes(scan->filter, columns, 0))
		{
			scan->base.stats.filtered++;
			return;
		}
	}
	candidate.segment = NO_SEGMENT;
	candidate.tid = doc->tid;
	candidate.exact = true;
	candidate.key = scan->constant ? scan->constant_key
		: topk_key(scan->index->column.distance((const struct varlena *) value,
												scan->base.target.value));
	candidate.high = candidate.key;
	candidates_push(&scan->candidates, candidate);
	scan->base.stats.distances++;
}

/* Bounds of all ranges of a segment, which are 0 before */
static void
begin_segment(InvertedScan *scan, QuerySegment *segment)
{
	float	   *bounds = scan->bounds + segment->first_range;

	if (!scan->constant)
		query_bounds(scan->index, segment, bounds);
	if (segment->segment->root.special > 0)
	{
		segment->flags = query_flags(scan->index, segment->segment);
		for (uint32 i = 0; i < segment->segment->root.docs; i++)
		{
			if (segment->flags[i] & DOC_EXTREME)
				bounds[i / RANGE_DOCS] = INFINITY;
		}
	}
}

/* Open the segments that there are now, find the query's terms, and bounds. */
static void
begin_search(InvertedScan *scan)
{
	InvertedIndex *index = scan->index;
	Size		room = (Size) work_mem * 1024;

	scan->base.stats.mode = SCAN_LISTS;
	index->in_arena = arena_lend(scan->search_context, &scan->arena);
	inverted_refresh(index);
	WAIT_POINT("sparse scan read");
	scan->segment_count = index->meta.segments;
	scan->segments = (QuerySegment *)
		palloc0(mul_size(Max(scan->segment_count, 1), sizeof(QuerySegment)));
	scan->range_count = 0;
	for (uint32 i = 0; i < scan->segment_count; i++)
	{
		QuerySegment *segment = &scan->segments[i];

		segment->segment = segment_open_kept(index, &index->meta.segment[i]);
		segment->first_range = scan->range_count;
		segment->ranges = (segment->segment->root.docs + RANGE_DOCS - 1) / RANGE_DOCS;
		scan->range_count += segment->ranges;
	}
	scan->bounds = (float *) inverted_alloc(index, scan->range_count, sizeof(float));
	memset(scan->bounds, 0, scan->range_count * sizeof(float));
	scan->blocks = (float *) inverted_alloc(index, scan->range_count / BOUND_BLOCK + 1, sizeof(float));
	scan->put_off = scan->range_count;
	scan->put_off_bound = INFINITY;
	scan->put_off_key = 0;
	scan->admitted = FIRST_ADMITTED;
	for (uint32 i = 0; i < scan->segment_count; i++)
	{
		if (!scan->constant)
		{
			query_find_terms(index, &scan->query, &scan->segments[i]);
			query_keep_groups(index, &scan->segments[i], &room);
		}
		begin_segment(scan, &scan->segments[i]);
	}

	candidates_init(&scan->candidates);
	candidates_init(&scan->read);
	scan->last = 0;
	scan->batch = FIRST_BATCH;
	scan->kept = FIRST_KEPT;
	scan->best = (TopkEntry *) palloc(scan->kept * sizeof(TopkEntry));
	scan->ranges = (WaitingRange *) inverted_alloc(index, GREATEST_BATCH, sizeof(WaitingRange));
	scan->scores = (float *) inverted_alloc(index, GREATEST_BATCH * RANGE_DOCS, sizeof(float));
	scan->passes = scan->filtered
		? (uint8 *) inverted_alloc(index, GREATEST_BATCH, RANGE_DOCS) : NULL;
	scan->waiting = (WaitingRange *) inverted_alloc(index, scan->range_count, sizeof(WaitingRange));
	scan->waiting_count = 0;

	/* rows that were pending then are in none of these segments */
	pending_visit(index, &index->meta.sealed, visit_pending, scan);
	pending_visit(index, &index->meta.pending, visit_pending, scan);
}

/* Prepare for the target's value. */
static void
begin_target(InvertedScan *scan, double drop_ratio)
{
	scan->constant = scan->base.target.value == NULL;
	scan->constant_key = topk_key(0);
	if (!scan->constant)
	{
		query_prepare(scan->index, (const SparseVector *) scan->base.target.value,
					  drop_ratio, &scan->query);
		if (scan->query.undefined)
		{
			scan->constant = true;
			scan->constant_key = TOPK_NAN;
			scan_target_undefined(&scan->base.target);
		}
	}
}

/* A ScanMethods.reset */
static void
reset(IndexScanDesc desc)
{
	InvertedScan *scan = (InvertedScan *) desc->opaque;

	MemoryContextReset(scan->search_context);
	scan->candidates.count = 0;
	scan->read.count = 0;
	scan->waiting_count = 0;
	scan->put_off = 0;
	scan->query.dropped = false;
}

/* A ScanMethods.search */
static void
search(IndexScanDesc desc)
{
	InvertedScan *scan = (InvertedScan *) desc->opaque;
	MemoryContext caller = MemoryContextSwitchTo(scan->search_context);
	bool		approximate = desc->numberOfOrderBys > 0 &&
		desc->orderByData[0].sk_collation == APPROXIMATE_ORDER;

	if (scan->filter != NULL)
	{
		filter_set(scan->filter, desc->keyData, desc->numberOfKeys);
		scan->filtered = scan->filter->count > 0;
		scan->base.recheck = scan->filtered && scan->filter->recheck;
	}
	begin_target(scan, approximate ? inverted_drop_ratio : 0);
	if (!scan->base.target.empty)
		begin_search(scan);
	MemoryContextSwitchTo(caller);
}

/* ------------------------------------------------------------------------
 * Rows
 */

/* The TID of a candidate; false if it is dead. */
static bool
candidate_tid(InvertedScan *scan, const Candidate *candidate,
			  ItemPointer tid)
{
	InvertedIndex *index = scan->index;
	const QuerySegment *segment;
	Buffer		buffer;

	*tid = candidate->tid;
	if (candidate->segment == NO_SEGMENT)
		return true;
	segment = &scan->segments[candidate->segment];
	buffer = segment_lock(index, segment->segment, PART_DOCS,
						  candidate->doc / index->page_docs, BUFFER_LOCK_SHARE);
	*tid = docs_tids(BufferGetPage(buffer))[candidate->doc % index->page_docs];
	UnlockReleaseBuffer(buffer);
	return !doc_is_dead(tid);
}

/* Read the row of the first candidate, whose distance becomes exact. */
static void
read_candidate(InvertedScan *scan, IndexScanDesc desc)
{
	Candidate  *candidate = &scan->candidates.results[0];
	const struct varlena *value = NULL;
	ItemPointerData tid;
	bool		all_dead;

	if (candidate_tid(scan, candidate, &tid))
	{
		check_heap_tid(scan->index->map, desc->heapRelation, &tid,
					   InvalidBlockNumber);
		value = vector_scan_read(desc, &tid, &all_dead);
		scan->base.stats.reread++;
	}
	if (value == NULL)
	{
		candidates_pop(&scan->candidates);
		return;
	}
	column_check_dims(&scan->index->column, value);
	candidate->key = candidate->high =
		topk_key(scan->index->column.distance(value, scan->base.target.value));
	candidate->exact = true;
	if (scan->query.dropped)
	{
		candidates_push(&scan->read, *candidate);
		candidates_pop(&scan->candidates);
	}
	else
		candidates_moved(&scan->candidates);
}

/*
 * Is the first candidate nearer than all others, and its distance within the bound
 * as far as it is known?
 */
static bool
is_clear(InvertedScan *scan)
{
	const Candidate *first = &scan->candidates.results[0];
	const Candidate *second = candidates_second(&scan->candidates);

	return first->exact ||
		((second == NULL || first->high <= second->key) &&
		 first->high <= waiting_key(scan) &&
		 first->high <= scan->base.target.bound);
}

/*
 * Have no range with a better row than the first candidate.  False if there is no
 * candidate within the target's bound.
 */
static bool
find_candidate(InvertedScan *scan)
{
	CandidateHeap *candidates = &scan->candidates;

	for (;;)
	{
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (scan->waiting_count + scan->put_off == 0 ||
			(candidates->count > 0 &&
			 candidates->results[0].key <= waiting_key(scan)))
			return candidates->count > 0 &&
				candidates->results[0].key <= scan->base.target.bound;
		if (waiting_key(scan) > scan->base.target.bound)
			return false;
		caller = MemoryContextSwitchTo(scan->search_context);
		look_further(scan);
		MemoryContextSwitchTo(caller);
	}
}

/* The next row, exactly */
static bool
next_exact(InvertedScan *scan, IndexScanDesc desc)
{
	while (find_candidate(scan))
	{
		Candidate	first = scan->candidates.results[0];

		if (!is_clear(scan))
		{
			read_candidate(scan, desc);
			continue;
		}
		candidates_pop(&scan->candidates);
		if (candidate_tid(scan, &first, &desc->xs_heaptid))
			return true;
	}
	return false;
}

/*
 * The next row where a part of the query has been dropped: the nearest of some that
 * have been read.  Who turns out to be nearer than a row that has been returned is
 * left out, so that rows are in order.
 */
static bool
next_read(InvertedScan *scan, IndexScanDesc desc)
{
	for (;;)
	{
		Candidate	first;

		while (scan->read.count < READ_AHEAD && find_candidate(scan))
			read_candidate(scan, desc);
		if (scan->read.count == 0)
			return false;
		first = scan->read.results[0];
		candidates_pop(&scan->read);
		if (first.key < scan->last || first.key > scan->base.target.bound)
			continue;
		scan->last = first.key;
		if (candidate_tid(scan, &first, &desc->xs_heaptid))
			return true;
	}
}

/* A ScanMethods.next_row: false if there is none in the target's bound */
static bool
next_row(IndexScanDesc desc)
{
	InvertedScan *scan = (InvertedScan *) desc->opaque;
	bool		found;

	if (scan->base.target.empty)
		return false;
	found = scan->query.dropped && !scan->constant
		? next_read(scan, desc) : next_exact(scan, desc);
	if (found)
		check_heap_tid(scan->index->map, desc->heapRelation, &desc->xs_heaptid,
					   InvalidBlockNumber);
	return found;
}

/* A ScanMethods.next_batch: next_row goes on by itself */
static bool
next_batch(IndexScanDesc desc)
{
	return false;
}

static const ScanMethods methods = {
	.reset = reset,
	.search = search,
	.next_row = next_row,
	.next_batch = next_batch,
};

IndexScanDesc
inverted_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc desc = vector_scan_begin(index, nkeys, norderbys,
										   sizeof(InvertedScan), INVERTED_NAME,
										   &methods);
	InvertedScan *scan = (InvertedScan *) desc->opaque;
	MemoryContext caller = MemoryContextSwitchTo(scan->base.context);

	scan->search_context = AllocSetContextCreate(scan->base.context,
												 "sparse search",
												 ALLOCSET_DEFAULT_SIZES);
	scan->index = inverted_open(index);
	scan->index->on_standby |= desc->xactStartedInRecovery;
	scan->base.column = &scan->index->column;
	if (scan->index->filter != NULL)
		scan->filter = filter_create(scan->index->filter);
	MemoryContextSwitchTo(caller);
	return desc;
}
