/*
 * reader.c
 *	  Reading lists: which ones, in which order, and what of them is kept.
 */
#include "ivf/reader.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "ivf/calibrate.h"
#include "storage/recent_buffer.h"

/*
 * Times that a list is walked anew, where its pages were freed under a scan; that of
 * flat, until it has been read
 */
#define MAX_ATTEMPTS	3

/* Pages of a list that are asked for ahead of time */
#define PAGES_AHEAD		64

/* Rows that a search is to find, where conditions make it read on */
#define TARGET_ROWS		10

/*
 * A search with conditions checks after every few lists whether to read further
 * ones: LISTS_AT_ONCE, or one in LISTS_AT_ONCE_PART of the index's if these are
 * fewer
 */
#define LISTS_AT_ONCE_PART	128
#define LISTS_AT_ONCE		8

/* It tests all summaries when it is to read more than one list in so many */
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

struct IvfReader
{
	IvfIndex   *index;
	IvfQuery   *query;
	IvfCoarse  *coarse;
	const Filter *filter;
	FoundSet   *found;
	ScanStats  *stats;
	bool		on_standby;
	bool		filtered;		/* there are conditions */
	double		deviations;		/* see ivf_reader_start */
	double		radius;
	IvfReadCounts counts;

	/* a page's entries, by slot */
	float	   *estimates;
	uint8	   *passes;			/* flags: which ones meet the conditions */
	uint32	   *slots;			/* of those that do, or whose estimates are near */

	/* which lists */
	IvfNear    *lists;			/* to be read, nearest first */
	int			list_count;
	int			next_list;
	bool		all_known;		/* they are all that have not been read */
	bool		no_order;		/* they are in no order */
	double		frontier;		/* rank of the last list read in order */
	IvfNear    *round;			/* read since the last ivf_reader_new_round */
	int			round_count;
	int			round_room;
	bool	   *was_read;		/* by list */
	int			read_count;

	/* with conditions */
	bool	   *may_pass;		/* by list */
	bool		all_tested;		/* may_pass is known */
	uint64		seen;			/* entries whose keys have been tested */
	uint64		passed;
	double		nearest[TARGET_ROWS];	/* estimates of those that pass; ascending */
};

/* ------------------------------------------------------------------------
 * A page
 */

/*
 * The entries of a locked page that pass: their slots are in reader->slots.
 * Returns how many.
 */
static uint32
select_slots(IvfReader *reader, Page page)
{
	uint32		count = ivf_list_page(page)->count;
	uint32		passed = 0;
	uint8	   *columns[FILTER_MAX_COLUMNS];

	ivf_page_keys(&reader->index->layout, page, columns);
	memset(reader->passes, 1, count);
	memset(reader->passes + count, 0, FASTSCAN_VECTORS);
	filter_pass_many(reader->filter, columns, count, reader->passes);
	for (uint32 i = 0; i < count; i++)
	{
		reader->slots[passed] = i;
		passed += reader->passes[i];
	}
	if (!reader->found->again)
	{
		reader->seen += count;
		reader->passed += passed;
	}
	return passed;
}

/* An entry passes: keep its estimate, if it is one of the least. */
static void
note_nearest(IvfReader *reader, double estimate)
{
	int			at = TARGET_ROWS - 1;

	if (!(estimate < reader->nearest[at]))
		return;
	for (; at > 0 && reader->nearest[at - 1] > estimate; at--)
		reader->nearest[at] = reader->nearest[at - 1];
	reader->nearest[at] = estimate;
}

/*
 * Estimates above this are beyond what is kept, and beyond the range.  A bound is a
 * rounded difference (found_add), which for a slack much larger than the estimate is that
 * of many estimates: none of those that reach the cutoff may be above.
 */
static double
far_estimate(const IvfReader *reader, float slack)
{
	double		cutoff = reader->found->cutoff;

	if (!isinf(cutoff))
		cutoff += slack + 2 * DBL_EPSILON * (fabs(cutoff) + slack);
	return Max(cutoff, reader->radius);
}

/*
 * Put the slots, of the first count of a page, whose estimates are not beyond
 * what is kept into reader->slots.  Returns how many.
 */
static uint32
near_slots(const IvfReader *reader, uint32 count, float slack)
{
	const float *estimates = reader->estimates;
	uint32	   *slots = reader->slots;
	float		limit = nextafterf((float) far_estimate(reader, slack), INFINITY);
	uint32		found = 0;

	for (uint32 i = 0; i < count; i++)
	{
		slots[found] = i;
		found += !(estimates[i] > limit);
	}
	return found;
}

/* Add an entry to what has been found.  True if it is inside the range. */
static inline bool
add_entry(IvfReader *reader, double estimate, float slack, ItemPointerData tid,
		  SlotId value)
{
	if (unlikely(isnan(estimate)))
		estimate = INFINITY;
	if (reader->filtered && !reader->found->again)
		note_nearest(reader, estimate);
	found_add(reader->found, estimate, slack, tid, value);
	return estimate <= reader->radius;
}

/*
 * Entries that are values: add count of them, by the operator's distance.  As in
 * read_page; returns how many are inside the range.
 */
static uint32
read_values(IvfReader *reader, Buffer buffer, const uint32 *slots, uint32 count)
{
	IvfIndex   *index = reader->index;
	Page		page = BufferGetPage(buffer);
	const IndexColumn *column = &index->model->column;
	const ItemPointerData *tids = ivf_page_tids(&index->layout, page);
	const struct varlena *query = reader->query->value;
	Size		unit_bytes = index->layout.unit_bytes;
	const uint8 *codes = ivf_page_codes(index, page, reader->query->scratch);
	uint32		inside = 0;
	uint64		wanted;

	/* values begin with their lengths, which are the query's, too */
	memcpy(&wanted, query, sizeof(wanted));
	for (uint32 i = 0; i < count; i++)
	{
		uint32		slot = slots != NULL ? slots[i] : i;
		const struct varlena *value = (const struct varlena *)
			(codes + slot * unit_bytes);
		uint64		lengths;

		memcpy(&lengths, value, sizeof(lengths));
		if (unlikely(lengths != wanted) &&
			!column_value_valid(column, value, unit_bytes))
			index_damaged(index->relation, BufferGetBlockNumber(buffer), slot,
						  "It is not a value of the column.");
		inside += add_entry(reader, column->distance(value, query), 0, tids[slot],
							NO_SLOT);
	}
	return inside;
}

/* The same of entries that are codes, by estimate */
static uint32
read_codes(IvfReader *reader, Page page, const uint32 *slots, uint32 count,
		   float base, float slack)
{
	const IvfLayout *layout = &reader->index->layout;
	const ItemPointerData *tids = ivf_page_tids(layout, page);
	const SlotId *values = layout->has_values ? ivf_page_values(layout, page) : NULL;
	const float *estimates = reader->estimates;
	uint32		inside = 0;

	ivf_query_estimate(reader->query, page, slots, reader->passes, count, base,
					   far_estimate(reader, slack), reader->estimates);
	/* of many entries, few are near enough to look at */
	if (slots == NULL)
		count = near_slots(reader, count, slack);
	for (uint32 i = 0; i < count; i++)
	{
		uint32		slot = reader->slots[i];

		inside += add_entry(reader, estimates[slots != NULL ? i : slot], slack,
							tids[slot], values != NULL ? values[slot] : NO_SLOT);
	}
	return inside;
}

/*
 * Add count entries of a locked page to what has been found: those in slots
 * (which are reader->slots), or all if that is NULL.
 */
static void
read_page(IvfReader *reader, Buffer buffer, const uint32 *slots, uint32 count,
		  float base, float slack)
{
	Page		page = BufferGetPage(buffer);
	uint32		inside = 0;

	found_reserve(reader->found, count);
	if (reader->query->constant)
	{
		const ItemPointerData *tids = ivf_page_tids(&reader->index->layout, page);

		for (uint32 i = 0; i < count; i++)
			inside += add_entry(reader, 0, slack, tids[slots != NULL ? slots[i] : i],
								NO_SLOT);
	}
	else if (reader->index->kind == IVF_FLAT)
		inside = read_values(reader, buffer, slots, count);
	else
		inside = read_codes(reader, page, slots, count, base, slack);
	if (!reader->found->again)
	{
		reader->counts.entries += count;
		reader->counts.inside += inside;
		reader->counts.last_inside += inside;
	}
}

/* ------------------------------------------------------------------------
 * A list
 */

static float
list_slack(const IvfReader *reader, const IvfNear *near)
{
	if (reader->deviations == 0 || reader->query->constant)
		return 0;
	return ivf_query_slack(reader->query, near, reader->deviations);
}

/*
 * Ask for a page of a list, before entries of which come the given number: only
 * a hint.  What will be read of it is keys, or factors and codes.
 */
static void
ask_for_page(const IvfReader *reader, Buffer buffer, uint32 list, uint64 before)
{
	const IvfLayout *layout = &reader->index->layout;
	uint64		entries = reader->index->model->built[list];
	const char *page;

	if (buffer <= 0)
		return;
	page = unpinned_page(buffer);
	prefetch_bytes(page, SizeOfPageHeaderData + sizeof(IvfListPage));
	if (reader->filtered)
	{
		prefetch_far(page + layout->keys, layout->codes - layout->keys);
		return;
	}
	entries = entries > before ? Min(entries - before, layout->slots) : layout->slots;
	if (layout->factors > 0)
		prefetch_far(page + layout->add, entries * sizeof(float));
	if (layout->factors > 1)
		prefetch_far(page + layout->k, entries * sizeof(float));
	if (layout->factors > 2)
		prefetch_far(page + layout->error, entries * sizeof(float));
	entries = (entries + layout->unit_slots - 1) / layout->unit_slots;
	prefetch_far(page + layout->codes,
				 Min(entries * layout->unit_bytes, ivf_head_codes(layout)));
}

/*
 * Where codes lie that will be read after those of the next page; of the next, if that
 * is not known.  The sums of flat ask for them from memory as they go: only a hint.
 * A build has put the pages of its list in a row.
 */
static const uint8 *
codes_ahead(const IvfReader *reader, const IvfListWalk *walk)
{
	const IvfLayout *layout = &reader->index->layout;
	Buffer		buffer = InvalidBuffer;
	const char *page;

	if (walk->next_block == InvalidBlockNumber || layout->pieces > 0)
		return NULL;
	buffer = map_guess(reader->index->map, walk->next_block + 1);
	if (buffer <= 0)
		buffer = walk->next;
	if (buffer <= 0)
		return NULL;
	page = unpinned_page(buffer);
	prefetch_far(page, layout->codes);
	return (const uint8 *) page + layout->codes;
}

/*
 * Read a list.  False if a page was not the list's any more, which happens on
 * standbys only.  after: the list that comes then, or NULL.
 */
static bool
walk_list(IvfReader *reader, IvfNear *near, const IvfNear *after)
{
	IvfIndex   *index = reader->index;
	float		slack = near->spread >= 0 ? list_slack(reader, near) : 0;
	uint64		entries = 0;
	IvfListWalk walk;

	ivf_walk_begin(&walk, index, near->list, near->head, BUFFER_LOCK_SHARE);
	walk.may_leave = reader->on_standby;
	walk.coupled = reader->on_standby && index->kind == IVF_EXACT;
	while (ivf_walk_next(&walk))
	{
		uint32		all = ivf_list_page(walk.page)->count;
		uint32		count = all;

		ivf_walk_pin_next(&walk);
		entries += all;
		if (index->kind == IVF_EXACT && !reader->filtered)
			reader->query->ahead = codes_ahead(reader, &walk);
		else if (BufferIsValid(walk.next))
			ask_for_page(reader, walk.next, near->list, entries);
		else if (after != NULL && after->head != InvalidBlockNumber)
			ask_for_page(reader, map_guess(index->map, after->head), after->list, 0);
		if (reader->filtered)
			count = select_slots(reader, walk.page);
		reader->stats->visited += all;
		reader->stats->filtered += all - count;
		if (!reader->query->constant)
			reader->stats->distances += count;
		if (count == 0)
			continue;
		if (near->spread < 0)
		{
			ivf_measure_list(reader->coarse, reader->query->y, reader->query->norm,
							 index->model->column.traits, near);
			slack = list_slack(reader, near);
		}
		read_page(reader, walk.buffer, reader->filtered ? reader->slots : NULL,
				  count, near->base, slack);
	}
	return !walk.left;
}

/* ------------------------------------------------------------------------
 * Which lists
 */

static inline void
count_list(IvfReader *reader, uint32 list)
{
	if (!reader->was_read[list])
		reader->read_count++;
	reader->was_read[list] = true;
}

/* Nothing in a list passes: it is as good as read. */
static void
count_ruled_out(IvfReader *reader, uint32 list)
{
	reader->seen += Max(reader->index->model->built[list], 1);
	count_list(reader, list);
}

/* Leave out a list where its summary says that nothing in it passes. */
static bool
rule_out(IvfReader *reader, const IvfNear *near)
{
	if (!reader->filtered || reader->all_tested ||
		ivf_list_may_pass(reader->index, reader->filter, near->list))
		return false;
	count_ruled_out(reader, near->list);
	return true;
}

/* Read lists, which may be some of reader->lists or of reader->round. */
static void
walk_lists(IvfReader *reader, IvfNear *lists, int count)
{
	IvfIndex   *index = reader->index;
	BlockNumber size = RelationGetNumberOfBlocks(index->relation);

	/* prefetch the pages of all; a build wrote those of a list in a row */
	for (int i = 0; i < count; i++)
	{
		uint64		blocks = 1;

		lists[i].head = InvalidBlockNumber;
		if (rule_out(reader, &lists[i]))
			continue;
		lists[i].head = index->model->heads[lists[i].list];
		ivf_check_head(index, lists[i].list, lists[i].head);
		if (!reader->no_order)
			blocks = (uint64) ivf_get_list(index, lists[i].list).pages *
				(1 + index->layout.pieces);
		for (uint32 j = 0; j < Min(blocks, PAGES_AHEAD) && lists[i].head + j < size; j++)
			map_prefetch(index->map, lists[i].head + j);
	}
	for (int i = 0; i < count; i++)
	{
		if (lists[i].head == InvalidBlockNumber)
			continue;
		for (int attempt = 0; attempt < MAX_ATTEMPTS || index->kind == IVF_EXACT; attempt++)
		{
			if (walk_list(reader, &lists[i], i + 1 < count ? &lists[i + 1] : NULL))
				break;
			reader->found->doubles = true;
		}
		count_list(reader, lists[i].list);
	}
}

/* Read the next lists. */
static void
read_lists(IvfReader *reader, int count)
{
	count = Min(count, reader->list_count - reader->next_list);
	if (reader->round_count + count > reader->round_room)
	{
		reader->round_room = Max(2 * reader->round_room, reader->round_count + count);
		reader->round = (IvfNear *)
			repalloc_huge(reader->round, mul_size(reader->round_room, sizeof(IvfNear)));
	}
	memcpy(reader->round + reader->round_count, reader->lists + reader->next_list,
		   count * sizeof(IvfNear));
	reader->round_count += count;
	walk_lists(reader, reader->lists + reader->next_list, count);
	reader->next_list += count;
	if (count > 0)
		reader->frontier = reader->lists[reader->next_list - 1].rank;
}

/*
 * Find out the order of the count nearest lists, and take those that have not
 * been read: a closer look may order those differently that have been.  With
 * conditions, of many lists no entry may pass: codes are good enough there.
 */
static void
take_nearest_lists(IvfReader *reader, int count)
{
	if (reader->filtered)
		count = ivf_nearest_by_codes(reader->coarse, reader->query->y, count, &reader->lists);
	else
		count = ivf_nearest_lists(reader->coarse, reader->query->y, count, true, &reader->lists);
	reader->all_known = count == (int) reader->index->meta.lists;
	reader->list_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (!reader->was_read[reader->lists[i].list])
			reader->lists[reader->list_count++] = reader->lists[i];
	}
	reader->next_list = 0;
}

/* Look at all summaries, once.  Returns how many lists are left. */
static uint32
test_all_lists(IvfReader *reader)
{
	if (!reader->all_tested)
		ivf_lists_may_pass(reader->index, reader->filter, reader->may_pass);
	for (uint32 i = 0; !reader->all_tested && i < reader->index->meta.lists; i++)
	{
		if (!reader->may_pass[i] && !reader->was_read[i])
			count_ruled_out(reader, i);
	}
	reader->all_tested = true;
	return reader->index->meta.lists - reader->read_count;
}

/* Take all lists that have not been read, in no order. */
static void
take_any_lists(IvfReader *reader)
{
	int			count = ivf_all_lists(reader->coarse, &reader->lists);

	reader->list_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (!reader->was_read[i])
			reader->lists[reader->list_count++] = reader->lists[i];
	}
	reader->next_list = 0;
	reader->all_known = reader->no_order = true;
}

/* The lists that a scan may read */
static int
most_lists(const IvfReader *reader)
{
	return Min(ivf_settings[reader->index->kind].max_probes,
			   (int) reader->index->meta.lists);
}

/*
 * How near the nearest entries of a list of a rank may be, as a rank: those whose
 * residual points to the query, by three standard deviations if residuals go in
 * all directions alike.  Reach was measured where the query is among the rows;
 * where all that pass are far from it, this is what differs.
 */
static double
list_floor(const IvfReader *reader, double rank)
{
	const IvfModel *model = reader->index->model;
	double		error = reader->index->meta.error;

	if (!model->column.traits->euclidean)
		return INFINITY;
	return rank + error - 2 * sqrt(rank * error) * Min(1, 3 / sqrt(model->width));
}

/* Are further lists, the nearest of this rank, beyond what may be wanted? */
static bool
beyond_reach(const IvfReader *reader, double rank, double reach)
{
	const IvfModel *model = reader->index->model;
	double		tenth = reader->nearest[TARGET_ROWS - 1];

	if (reader->no_order || isinf(tenth))
		return false;
	if (!reader->query->constant)
		tenth += reader->index->meta.code_error;
	if (model->kind == IVF_FLAT && !reader->query->constant)
		tenth = ivf_query_reduce(reader->query, tenth);
	if (ivf_reach(model->column.traits, rank, tenth,
				  reader->query->norm * sqrt(reader->index->meta.error)) <= reach)
		return false;
	return list_floor(reader, rank) > tenth;
}

/*
 * Is it better to read all of the left lists than to find out which are the
 * wanted nearest?
 */
static bool
order_costs_more(const IvfReader *reader, uint32 left, double wanted, double share)
{
	const IvfMeta *meta = &reader->index->meta;
	const IvfModel *model = reader->index->model;
	double		entries = meta->rows / meta->lists;
	double		passing = share * entries;
	double		entry = reader->index->layout.fastscan ? FASTSCAN_COST
		: model->width * DIMENSION_COST;
	double		list = (1 + entries / reader->index->layout.slots) * PAGE_COST +
		passing * entry + Min(passing, 1) * model->width * DIMENSION_COST;
	double		order = model->has_codes ? TABLE_COST + meta->lists * CODE_COST
		: meta->lists * model->width * DIMENSION_COST;

	return left * (1 - wanted / meta->lists) * list < order + wanted * ORDER_COST;
}

/*
 * With conditions, the nearest lists hold fewer rows to return.  Read further
 * lists until none is likely to hold anything nearer than the ten best entries
 * that pass: how far such a list is, relative to the tenth one, was measured at
 * build for the recall that the number of probes stands for.
 *
 * Where few lists are left, these are read in the order of their numbers: to
 * find out which are nearest costs more.
 */
static void
read_on(IvfReader *reader)
{
	const IvfMeta *meta = &reader->index->meta;
	double		reach = ivf_scan_reach(meta, reader->read_count);
	int			most = most_lists(reader);
	int			asked = reader->read_count;
	int			at_once = Max(1, Min((int) meta->lists / LISTS_AT_ONCE_PART,
									 LISTS_AT_ONCE));

	if (ivf_settings[reader->index->kind].iterative_scan == ITERATIVE_OFF)
		return;
	while (reader->read_count < most)
	{
		bool		known = reader->next_list < reader->list_count;
		double		share;
		double		wanted;

		CHECK_FOR_INTERRUPTS();
		if (beyond_reach(reader, known ? reader->lists[reader->next_list].rank : reader->frontier,
						 reach))
			return;
		if (known)
		{
			read_lists(reader, Min(at_once, most - reader->read_count));
			continue;
		}
		share = (reader->passed + 1.0) / (reader->seen + 1.0);
		wanted = ivf_filtered_probes(meta, &reader->index->effort, share);
		if (most == (int) meta->lists && wanted * TEST_ALL_PART > meta->lists &&
			order_costs_more(reader, test_all_lists(reader), wanted, share))
		{
			take_any_lists(reader);
			at_once = PAGES_AHEAD;
			continue;
		}
		asked = Min(2 * Max(asked, wanted), meta->lists);
		take_nearest_lists(reader, asked);
	}
}

/* ------------------------------------------------------------------------
 * What a scan calls
 */

IvfReader *
ivf_reader_create(IvfQuery *query, const Filter *filter, FoundSet *found,
				  ScanStats *stats, bool on_standby)
{
	IvfIndex   *index = query->index;
	Size		slots = index->layout.slots + FASTSCAN_VECTORS;
	Size		flags = mul_size(index->meta.lists, sizeof(bool));
	IvfReader  *reader = (IvfReader *) palloc0(sizeof(IvfReader));

	reader->index = index;
	reader->query = query;
	reader->coarse = ivf_coarse_create(index);
	reader->filter = filter;
	reader->found = found;
	reader->stats = stats;
	reader->on_standby = on_standby;
	reader->estimates = (float *) palloc(mul_size(slots, sizeof(float)));
	reader->slots = (uint32 *) palloc(mul_size(slots, sizeof(uint32)));
	reader->was_read = (bool *) palloc(flags);
	if (filter != NULL)
	{
		reader->passes = (uint8 *) palloc(slots);
		reader->may_pass = (bool *) palloc(flags);
	}
	reader->round_room = 64;
	reader->round = (IvfNear *) palloc(reader->round_room * sizeof(IvfNear));
	return reader;
}

void
ivf_reader_new_round(IvfReader *reader)
{
	reader->round_count = 0;
}

void
ivf_reader_start(IvfReader *reader, int probes, double deviations,
				 double radius)
{
	const IvfMeta *meta = &reader->index->meta;

	reader->filtered = reader->filter != NULL && reader->filter->count > 0;
	reader->deviations = deviations;
	reader->radius = radius;
	memset(&reader->counts, 0, sizeof(reader->counts));
	memset(reader->was_read, 0, meta->lists * sizeof(bool));
	reader->read_count = 0;
	reader->all_known = reader->all_tested = reader->no_order = false;
	reader->seen = reader->passed = 0;
	for (int i = 0; i < TARGET_ROWS; i++)
		reader->nearest[i] = INFINITY;
	reader->list_count = ivf_nearest_lists(reader->coarse, reader->query->y,
										   probes, true,
										   &reader->lists);
	reader->next_list = 0;
	ivf_reader_new_round(reader);
	read_lists(reader, reader->list_count);
	if (reader->filtered)
		read_on(reader);
}

double
ivf_reader_edge(IvfReader *reader)
{
	const IvfIndex *index = reader->index;
	IvfNear    *near;

	if (reader->next_list == 0 || reader->no_order ||
		reader->read_count >= (int) index->meta.lists)
		return INFINITY;
	near = &reader->lists[reader->next_list - 1];
	if (near->spread < 0)
		ivf_measure_list(reader->coarse, reader->query->y, reader->query->norm,
						 index->model->column.traits, near);
	return index->kind == IVF_FLAT ? ivf_query_restore(reader->query, near->base)
		: near->base;
}

bool
ivf_reader_has_more(const IvfReader *reader)
{
	return ivf_settings[reader->index->kind].iterative_scan != ITERATIVE_OFF &&
		reader->read_count < most_lists(reader);
}

void
ivf_reader_note_end(IvfReader *reader)
{
	if (ivf_settings[reader->index->kind].iterative_scan != ITERATIVE_OFF &&
		reader->read_count >= most_lists(reader) &&
		reader->read_count < (int) reader->index->meta.lists)
		scan_event(reader->stats, SCAN_HIT_PROBES);
}

void
ivf_reader_continue(IvfReader *reader, int most)
{
	if (!reader->all_known)
		take_nearest_lists(reader, reader->index->meta.lists);
	reader->counts.last_inside = 0;
	read_lists(reader, Min(Min(Max(reader->read_count, 1), most),
						   most_lists(reader) - reader->read_count));
	if (reader->read_count >= (int) reader->index->meta.lists)
		scan_event(reader->stats, SCAN_FELL_BACK);
}

void
ivf_reader_again(IvfReader *reader)
{
	walk_lists(reader, reader->round, reader->round_count);
}

const IvfReadCounts *
ivf_reader_counts(const IvfReader *reader)
{
	return &reader->counts;
}
