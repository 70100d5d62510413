/*
 * rebalance.c
 *	  Upkeep of lists while they are searched and written: ivf_rebalance().
 *
 * A step of SPFresh (Xu et al., SOSP 2023) splits a list that has grown too long,
 * merges those that have become short, and moves the rows nearby to where they are
 * nearest.  Here a step does all three at once: some lists are chosen, their rows
 * are clustered anew by k-means, and get as many lists as they had, or more where
 * the index is to have more.  So a place that two short lists leave is
 * taken by a part of a long one.
 *
 * Lists are chosen that are long, that are far from their centroid compared with
 * when they were made, or short where others are one of these; the worst first, up
 * to a number of entries.  Entries of other lists stay where they are, since scans
 * of both generations of lists (generation.h) read the same pages of these.
 *
 * Codes stand for the difference from a centroid, so an entry that moves is made
 * anew from its row.  A row that is gone for every snapshot loses its entry.
 */
#include "ivf/build.h"
#include "ivf/coarse.h"
#include "ivf/generation.h"
#include "ivf/rebalance.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "index/sample.h"
#include "math/cluster/cluster.h"
#include "math/heap/heap.h"
#include "storage/heap_value.h"
#include "storage/wait_point.h"

/* A list is long from so many mean lengths on, and short below this part of one */
#define LONG_LENGTHS	2
#define SHORT_PART		4

/* One is as long as the rows want it, if it has not grown by this since it was made */
#define GROWN			1.5

/* Lists of fewer entries are not long, whatever the mean is */
#define LONG_LEAST		16

/* Far from its centroid: so many times the mean squared distance when it was made */
#define FAR_SQUARES		1.5

/* Lists are not far from their centroid below this part of the index's mean */
#define NEAR_SQUARES	0.01

/* Entries of a list whose rows are looked at for that, and at least */
#define LOOKED_AT		12
#define LOOKED_AT_LEAST 3

/* Rows whose nearest centroids are found together */
#define BLOCK_ROWS		256

/* A list as it is, and why it is chosen */
typedef struct ListState
{
	uint32		list;
	uint64		entries;
	uint64		built;			/* when it was made */
	double		badness;		/* 1: as it should be; 0: short */
} ListState;

/* How many entries of the pages of a list have been moved */
typedef struct MovedPages
{
	uint32	   *counts;
	Size		count;
	Size		room;
} MovedPages;

typedef struct Rebalance
{
	Relation	heap;
	IvfIndex   *index;
	IvfIndex	next;			/* the generation that is to come */
	IvfModel	model;			/* its model */
	HeapValues *values;
	SnapshotData not_dead;
	bool		in_vacuum;
	MemoryContext row_context;
	ListState  *lists;			/* all; the chosen ones first, later */
	uint32		chosen;
	bool	   *replaced;		/* by number */
	uint64		entries;		/* of the index */
	uint64		pooled;			/* of the lists chosen */
	uint32		targets;		/* lists that these get */
	uint32	   *target;			/* their numbers */
	float	   *floats;			/* the constants of the next generation */
	CentroidPanel *panel;		/* of the lists chosen */
	IvfEncoder *encoder;
	IvfListSum *sums;			/* of all lists of the next generation */
	MovedPages *moved;			/* of each list chosen */

	/* of a page */
	ItemPointerData *tids;
	SlotId	   *value_ids;
	uint8	   *page_keys;
	uint8	   *page_codes;		/* where codes are values */

	/* rows whose lists are found together */
	int			rows;
	float	   *ys;
	ItemPointerData row_tids[BLOCK_ROWS];
	SlotId		row_values[BLOCK_ROWS];
	uint8	   *row_keys;
	uint8	   *row_codes;
	uint32		nearest[BLOCK_ROWS];	/* their lists */
	float		distances[BLOCK_ROWS];

	/* values whose rows are gone */
	SlotId	   *gone;
	Size		gone_count;
	Size		gone_room;
	bool		dropped;		/* some entry has not been moved */

	/* calibration; no queries: it stays as it was */
	int			queries;
	float	   *query_rows;
	CentroidPanel *query_panel;
	float	   *products;
	IvfNeighbor *neighbors;
} Rebalance;

/* ------------------------------------------------------------------------
 * Which lists
 */

/* The y of the row that an entry is of; false: it is gone, or not to be had */
static bool
row_y(Rebalance *r, ItemPointer tid, bool for_query, float *y)
{
	MemoryContext caller = MemoryContextSwitchTo(r->row_context);
	const struct varlena *value;
	bool		all_dead;
	bool		is;

	/*
	 * Others remove what only VACUUM's snapshot sees, and first of all what a row has out
	 * of line.  So a row that they need not keep any more must be known here as gone,
	 * too, before its value is asked for.
	 */
	if (r->in_vacuum)
		(void) GetOldestNonRemovableTransactionId(r->heap);
	value = heap_values_get(r->values, tid, &all_dead);
	is = value != NULL && ivf_transform(r->index->model, value, for_query, y);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(r->row_context);
	return is;
}

/*
 * The entries of a list; and, of some of them, the mean squared distance of their rows
 * from the centroid, relative to that when the list was made.
 */
static void
look_at_list(Rebalance *r, ListState *state, float *y, float *centroid)
{
	IvfIndex   *index = r->index;
	IvfList		record = ivf_get_list(index, state->list);
	double		built = (double) record.radius * record.radius;
	uint64		step = Max(record.built / LOOKED_AT, 1);
	double		error = 0;
	int			looked_at = 0;
	IvfListWalk walk;

	ivf_read_centroid(index, state->list, centroid);
	ivf_walk_begin(&walk, index, state->list, record.head, BUFFER_LOCK_SHARE);
	while (ivf_walk_next(&walk))
	{
		uint32		count = ivf_list_page(walk.page)->count;

		memcpy(r->tids, ivf_page_tids(&index->layout, walk.page),
			   count * sizeof(ItemPointerData));
		ivf_walk_release(&walk);
		for (uint32 i = 0; i < count; i++)
		{
			if ((state->entries + i) % step != 0 || !row_y(r, &r->tids[i], false, y))
				continue;
			error += distance_kernels->f32_l2sq(y, centroid, index->meta.width);
			if (++looked_at % LOOKED_AT == 0)
				step *= 2;
		}
		state->entries += count;
	}
	state->built = record.built;
	/* distances that are small beside the others' may be nothing but rounding */
	built = Max(built, NEAR_SQUARES * index->meta.error);
	state->badness = 1;
	if (looked_at >= LOOKED_AT_LEAST && built > 0)
		state->badness = Max(1, error / looked_at / built);
}

/* Lists that an index of so many entries is to have; never fewer than it has */
static uint32
lists_wanted(const IvfIndex *index, uint64 entries)
{
	const IvfOptions *options = ivf_options(index->relation, index->kind);
	double		lists = options->lists > 0 ? options->lists : 4 * sqrt((double) entries);

	return (uint32) Max(index->meta.lists, Min(lists, IVF_MAX_LISTS));
}

/* The worst first: by what reading it costs beyond what it should */
static int
compare_lists(const void *a, const void *b)
{
	const ListState *x = (const ListState *) a;
	const ListState *y = (const ListState *) b;
	double		left = x->badness * (double) x->entries;
	double		right = y->badness * (double) y->entries;

	if ((x->badness > 1) != (y->badness > 1))
		return x->badness > 1 ? -1 : 1;
	/* those that are neither come last, the short ones first */
	if (x->badness <= 1 && x->badness != y->badness)
		return x->badness < y->badness ? -1 : 1;
	if (left != right)
		return left > right ? -1 : 1;
	return x->list < y->list ? -1 : 1;
}

/*
 * Choose lists of budget entries at most, but one of those that want it in any case.
 * *left is raised by the entries of those that there was no room for.
 */
static void
choose_lists(Rebalance *r, uint64 budget, uint64 *left)
{
	IvfIndex   *index = r->index;
	uint32		count = index->meta.lists;
	Size		floats = mul_size(index->meta.width, sizeof(float));
	float	   *y = (float *) palloc0(floats);
	float	   *centroid = (float *) palloc0(floats);
	double		mean;
	uint32		wanted;
	bool		all;

	for (uint32 i = 0; i < count; i++)
	{
		r->lists[i].list = i;
		look_at_list(r, &r->lists[i], y, centroid);
		r->entries += r->lists[i].entries;
	}
	wanted = lists_wanted(index, r->entries);
	mean = Max((double) r->entries / wanted, 1);
	for (uint32 i = 0; i < count; i++)
	{
		ListState  *state = &r->lists[i];

		if (state->entries > LONG_LENGTHS * mean && state->entries >= LONG_LEAST &&
			state->entries > GROWN * state->built)
			state->badness = Max(state->badness, state->entries / mean);
		else if (state->badness < FAR_SQUARES)
			state->badness = state->entries * SHORT_PART < mean ? 0 : 1;
	}
	qsort(r->lists, count, sizeof(ListState), compare_lists);
	for (uint32 i = 0; i < count && r->lists[i].badness > 1; i++)
		*left += r->lists[i].entries;

	/* where most of it is to be moved, codes are learned anew with the rest */
	all = *left > 0 && *left >= r->entries / 2 && r->entries <= budget;
	for (uint32 i = 0; i < count; i++)
	{
		ListState	state = r->lists[i];

		if (!all && (*left == 0 || state.badness == 1))
			break;

		/* short lists come with one that is too long for the budget: it is to be parted */
		if (i == 0 && state.entries > budget)
			budget = state.entries + state.entries / SHORT_PART;
		if (!all && r->pooled + state.entries > budget)
			continue;
		r->replaced[state.list] = true;
		r->pooled += state.entries;
		r->lists[i] = r->lists[r->chosen];
		r->lists[r->chosen++] = state;
	}
	for (uint32 i = 0; i < r->chosen && r->lists[i].badness > 1; i++)
		*left -= r->lists[i].entries;
	r->targets = (uint32) Max(r->chosen, Min(round(r->pooled / mean),
											 r->chosen + (double) (wanted - count)));
	pfree(y);
	pfree(centroid);
}

/* ------------------------------------------------------------------------
 * Entries of lists
 */

/* What is done with entries that have been copied from a page, from number from on */
typedef void (*UsePage) (Rebalance *r, uint32 from, uint32 count, void *arg);

/* Copy what is on a locked page. */
static void
copy_page(Rebalance *r, Page page)
{
	IvfIndex   *index = r->index;
	const IvfLayout *layout = &index->layout;
	uint32		count = ivf_list_page(page)->count;

	memcpy(r->tids, ivf_page_tids(layout, page), count * sizeof(ItemPointerData));
	if (layout->has_values)
		memcpy(r->value_ids, ivf_page_values(layout, page), count * sizeof(SlotId));
	if (index->filter != NULL)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		ivf_page_keys(layout, page, columns);
		for (uint32 i = 0; i < count; i++)
			filter_get(index->filter, columns, i,
					   r->page_keys + i * index->filter->entry_bytes);
	}
	if (index->kind == IVF_FLAT && count > 0)
	{
		const uint8 *codes = ivf_page_codes(index, page, r->page_codes);

		if (codes != r->page_codes)
			memcpy(r->page_codes, codes, ivf_codes_bytes(layout));
	}
}

/*
 * Call use for the entries of a list chosen; with moved, for those that have not
 * been moved yet, and note that they have.
 */
static void
walk_chosen(Rebalance *r, uint32 number, MovedPages *moved, UsePage use, void *arg)
{
	IvfIndex   *index = r->index;
	uint32		list = r->lists[number].list;
	Size		at = 0;
	IvfListWalk walk;

	ivf_walk_begin(&walk, index, list, ivf_get_list(index, list).head,
				   BUFFER_LOCK_SHARE);
	while (ivf_walk_next(&walk))
	{
		uint32		count = ivf_list_page(walk.page)->count;
		uint32		from = 0;

		copy_page(r, walk.page);
		ivf_walk_release(&walk);
		if (moved != NULL)
		{
			if (at == moved->room)
			{
				moved->room = Max(16, 2 * moved->room);
				moved->counts = (uint32 *)
					(moved->counts == NULL ? palloc(moved->room * sizeof(uint32))
					 : repalloc_huge(moved->counts, moved->room * sizeof(uint32)));
			}
			if (at < moved->count)
				from = moved->counts[at];
			else
				moved->count = at + 1;
			moved->counts[at++] = count;
		}
		if (from < count)
			use(r, from, count, arg);
	}
}

/* ------------------------------------------------------------------------
 * New centroids
 */

typedef struct PoolSample
{
	float	   *rows;
	float	   *query;			/* room for one */
	Size		count;
	Size		target;
	uint64		seen;
} PoolSample;

/* Every so-manieth entry's row, so that target of all come; some of them as queries */
static void
sample_page(Rebalance *r, uint32 from, uint32 count, void *arg)
{
	PoolSample *sample = (PoolSample *) arg;
	Size		width = r->index->meta.width;

	for (uint32 i = from; i < count; i++, sample->seen++)
	{
		CHECK_FOR_INTERRUPTS();
		if (sample->count >= sample->target ||
			sample->seen * sample->target / r->pooled < sample->count ||
			!row_y(r, &r->tids[i], false, sample->rows + sample->count * width))
			continue;
		if (r->query_rows != NULL && r->queries < IVF_MAX_QUERIES &&
			sample->count * IVF_MAX_QUERIES / sample->target >= (Size) r->queries)
		{
			memset(sample->query, 0, width * sizeof(float));
			if (row_y(r, &r->tids[i], true, sample->query))
				memcpy(r->query_rows + width * r->queries++, sample->query,
					   width * sizeof(float));
		}
		sample->count++;
	}
}

/* Rows of the sample, as memory has room for */
static Size
sample_target(const Rebalance *r)
{
	Size		rows = Min(r->pooled, (uint64) r->targets * IVF_SAMPLE_PER_LIST);
	double		limit = maintenance_work_mem * 1024.0;
	double		needed;

	for (;;)
	{
		needed = ivf_training_bytes(&r->next.meta, Max(rows, 1), r->targets, false) +
			ivf_constants(&r->next.meta).total * sizeof(float);
		if (needed <= limit || rows <= r->targets)
			break;
		rows = Max(r->targets, rows - rows / 8 - 1);
	}
	if (needed > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("memory required is %.0f MB, maintenance_work_mem is %d MB",
						ceil(needed / 1048576.0), maintenance_work_mem / 1024),
				 errhint("Increase maintenance_work_mem, or use a smaller budget.")));
	return Max(rows, 1);
}

/* The constants of the next generation; the centroids of lists chosen are new. */
static void
learn_centroids(Rebalance *r, PoolSample *sample, float *learned)
{
	IvfIndex   *index = r->index;
	IvfMeta    *meta = &r->next.meta;
	IvfConstants at = ivf_constants(meta);
	Size		width = meta->width;
	KmeansParams params = {.k = r->targets, .seed = meta->seed + meta->generation};

	r->floats = (float *) MemoryContextAllocExtended(CurrentMemoryContext,
													 mul_size(at.total, sizeof(float)),
													 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	/* what is before the centroids and their codes is as it was */
	ivf_read_floats(index, 0, at.code_blocks, r->floats);
	for (uint32 list = 0; list < index->meta.lists; list++)
		ivf_read_centroid(index, list, r->floats + at.centroids + list * width);
	(void) kmeans(&index_host, sample->rows, sample->count, width, &params, learned,
				  NULL);
	for (uint32 i = 0; i < r->targets; i++)
		memcpy(r->floats + at.centroids + r->target[i] * width, learned + i * width,
			   width * sizeof(float));
	train_point_model(&r->model, meta, index->model->column, r->floats);
	if (r->model.has_codes)
		ivf_make_centroid_codes(&r->model, r->floats + at.centroids);
	r->panel = centroid_panel_create(&index_host, learned, r->targets, width, true);
	if (meta->kind == IVF_PQ && r->chosen == index->meta.lists)
		ivf_train_codebooks(&index_host, &r->model, meta->seed, r->panel, learned,
							sample->rows, sample->count);
}

static void
learn(Rebalance *r)
{
	Size		width = r->index->meta.width;
	PoolSample	sample = {.target = sample_target(r)};
	float	   *learned = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(mul_size(r->targets, width), sizeof(float)));

	sample.rows = (float *)
		MemoryContextAllocExtended(CurrentMemoryContext,
								   mul_size(mul_size(sample.target, width), sizeof(float)),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	sample.query = (float *) palloc0(width * sizeof(float));
	if (r->pooled >= r->entries / 2 && r->pooled >= IVF_CALIBRATION_ROWS)
		r->query_rows = (float *) palloc0(mul_size(IVF_MAX_QUERIES, width * sizeof(float)));
	for (uint32 i = 0; i < r->chosen; i++)
		walk_chosen(r, i, NULL, sample_page, &sample);

	/* of rows that are all gone: any centroid will do */
	sample.count = Max(sample.count, 1);
	learn_centroids(r, &sample, learned);
	if (r->queries > 0)
	{
		r->query_panel = centroid_panel_create(&index_host, r->query_rows, r->queries,
											   width, false);
		r->products = (float *) palloc(mul_size(BLOCK_ROWS, r->queries * sizeof(float)));
		r->neighbors = (IvfNeighbor *)
			palloc(mul_size(r->queries, IVF_NEIGHBORS * sizeof(IvfNeighbor)));
		ivf_neighbors_init(r->neighbors, r->queries);
	}
	pfree(sample.rows);
	pfree(learned);
}

/* ------------------------------------------------------------------------
 * Entries move
 */

/* Add the rows collected to their lists in the next generation. */
static void
flush_rows(Rebalance *r)
{
	const IvfIndex *index = r->index;
	Size		width = index->meta.width;
	Size		code_bytes = ivf_code_bytes(&r->model);

	if (r->rows == 0)
		return;
	centroid_panel_nearest(r->panel, &index_host, r->ys, r->rows, r->nearest,
						   r->distances);
	for (int i = 0; i < r->rows; i++)
		r->nearest[i] = r->target[r->nearest[i]];
	if (r->queries > 0)
		ivf_neighbors_find(r->neighbors, r->query_panel, r->queries,
						   r->model.column.traits->product, r->ys, r->rows, r->nearest,
						   r->row_tids, r->products);
	for (int i = 0; i < r->rows; i++)
	{
		uint32		list = r->nearest[i];
		MemoryContext caller = MemoryContextSwitchTo(r->row_context);
		IvfEntry	entry = {.tid = r->row_tids[i], .value = r->row_values[i]};

		CHECK_FOR_INTERRUPTS();
		if (index->filter != NULL)
			entry.keys = r->row_keys + i * index->filter->entry_bytes;
		if (index->kind == IVF_FLAT)
			entry.code = r->row_codes + i * code_bytes;
		else
		{
			entry.code = (uint8 *) palloc0(code_bytes);
			ivf_encode(r->encoder, NULL, r->ys + i * width,
					   r->floats + r->next.centroids + list * width, &entry);
		}
		ivf_add_entry(&r->next, list, &entry);
		ivf_list_sum_add(&r->sums[list], r->distances[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(r->row_context);
	}
	r->rows = 0;
}

/* The value of an entry whose row is gone is freed in the end. */
static void
note_gone(Rebalance *r, SlotId value)
{
	if (r->gone_count == r->gone_room)
	{
		r->gone_room *= 2;
		r->gone = (SlotId *) repalloc_huge(r->gone, r->gone_room * sizeof(SlotId));
	}
	r->gone[r->gone_count++] = value;
}

static void
move_page(Rebalance *r, uint32 from, uint32 count, void *arg)
{
	const IvfIndex *index = r->index;
	Size		width = index->meta.width;
	Size		code_bytes = ivf_code_bytes(&r->model);

	for (uint32 i = from; i < count; i++)
	{
		float	   *y = r->ys + r->rows * width;

		CHECK_FOR_INTERRUPTS();
		memset(y, 0, width * sizeof(float));
		if (!row_y(r, &r->tids[i], false, y))
		{
			r->dropped = true;
			if (index->layout.has_values)
				note_gone(r, r->value_ids[i]);
			continue;
		}
		r->row_tids[r->rows] = r->tids[i];
		r->row_values[r->rows] = index->layout.has_values ? r->value_ids[i] : NO_SLOT;
		if (index->filter != NULL)
			memcpy(r->row_keys + r->rows * index->filter->entry_bytes,
				   r->page_keys + i * index->filter->entry_bytes,
				   index->filter->entry_bytes);
		if (index->kind == IVF_FLAT)
			ivf_get_code(index->model, &index->layout, r->page_codes, i,
						 r->row_codes + r->rows * code_bytes);
		if (++r->rows == BLOCK_ROWS)
			flush_rows(r);
	}
}

/* Add the entries of the lists chosen that have not been added yet. */
static void
move_entries(Rebalance *r)
{
	for (uint32 i = 0; i < r->chosen; i++)
		walk_chosen(r, i, &r->moved[i], move_page, NULL);
	flush_rows(r);
}

/* ------------------------------------------------------------------------
 * All together
 */

/* Lists that stay count as they were when they were made. */
static void
sum_lists(Rebalance *r)
{
	double		error = 0;
	double		rows = 0;

	for (uint32 i = 0; i < r->index->meta.lists; i++)
	{
		const ListState *state = &r->lists[i];
		IvfList		record = ivf_get_list(r->index, state->list);

		if (r->replaced[state->list])
			continue;
		r->sums[state->list].rows = state->entries;
		r->sums[state->list].error = (double) record.radius * record.radius * state->entries;
	}
	for (uint32 list = 0; list < r->next.meta.lists; list++)
	{
		error += r->sums[list].error;
		rows += r->sums[list].rows;
	}
	r->next.meta.rows = rows;
	r->next.meta.error = error / Max(rows, 1);
}

static void
prepare(Rebalance *r)
{
	IvfIndex   *index = r->index;
	uint32		lists = index->meta.lists + r->targets - r->chosen;
	Size		width = index->meta.width;

	ivf_begin_generation(index, lists, &r->next);
	r->next.model = &r->model;
	r->target = (uint32 *) palloc(r->targets * sizeof(uint32));
	for (uint32 i = 0; i < r->targets; i++)
		r->target[i] = i < r->chosen ? r->lists[i].list
			: index->meta.lists + i - r->chosen;
	r->sums = (IvfListSum *) palloc0(mul_size(lists, sizeof(IvfListSum)));
	r->moved = (MovedPages *) palloc0(mul_size(r->chosen, sizeof(MovedPages)));
	r->ys = (float *) palloc0(mul_size(BLOCK_ROWS, width * sizeof(float)));
	if (index->filter != NULL)
		r->row_keys = (uint8 *) palloc(mul_size(BLOCK_ROWS, index->filter->entry_bytes));
	if (index->kind == IVF_FLAT)
		r->row_codes = (uint8 *) palloc(mul_size(BLOCK_ROWS,
												 ivf_code_bytes(index->model)));
	r->gone_room = 64;
	r->gone = (SlotId *) palloc(r->gone_room * sizeof(SlotId));
}

/* A new generation of lists, of which those chosen are made anew */
static void
replace_lists(Rebalance *r)
{
	IvfIndex   *index = r->index;
	IvfMeta    *meta = &r->next.meta;

	prepare(r);
	learn(r);
	r->encoder = ivf_encoder_create(&r->model);
	ivf_write_generation(index, &r->next, r->floats, r->replaced);
	WAIT_POINT("ivf rebalance written");
	move_entries(r);

	WAIT_POINT("ivf rebalance moved");
	/* no more insertions: those that have come meanwhile, and the last step */
	LockPage(index->relation, META_BLOCK, ExclusiveLock);
	move_entries(r);
	sum_lists(r);
	if (r->chosen == index->meta.lists && meta->rows > 0)
		meta->code_error = ivf_encoder_error(r->encoder) / meta->rows;
	if (r->queries > 0)
		ivf_calibrate(meta, &r->model, r->floats + r->next.centroids, r->query_rows,
					  r->queries, r->neighbors, r->sums);
	if (r->dropped)
		ivf_end_queries_of_dropped(index, r->heap);
	ivf_publish_generation(index, &r->next, r->replaced, r->sums);
	UnlockPage(index->relation, META_BLOCK, ExclusiveLock);

	WAIT_POINT("ivf rebalance published");
	for (Size i = 0; i < r->gone_count; i++)
		value_store_free(&index->values, r->gone[i]);
	if (r->queries > 0 && meta->kind == IVF_PQ)
	{
		ivf_calibrate_codes(index->relation, meta, r->query_rows, r->queries,
							r->neighbors);
		ivf_store_calibration(index, meta);
	}
}

/*
 * May rows be read whose values are not those of their entries?  Where a HOT chain has
 * tuples of other indexed values than its last one, which an index has that was made
 * meanwhile, any tuple of the chain that some snapshot still sees may be found first.
 */
static bool
has_broken_chains(Relation relation, Relation heap)
{
	TransactionId made = HeapTupleHeaderGetXmin(relation->rd_indextuple->t_data);

	return relation->rd_index->indcheckxmin && TransactionIdIsNormal(made) &&
		!TransactionIdPrecedes(made, GetOldestNonRemovableTransactionId(heap));
}

void
ivf_rebalance_lists(Relation relation, Relation heap, uint64 budget,
					IvfRebalanced *result)
{
	IvfIndex   *index = ivf_open(relation);
	Rebalance  *r = (Rebalance *) palloc0(sizeof(Rebalance));
	uint32		lists = index->meta.lists;

	memset(result, 0, sizeof(*result));
	result->lists = lists;
	ivf_sweep(index, &result->pages_freed);
	if (has_broken_chains(relation, heap) ||
		!ivf_free_old_generation(index, heap, &result->pages_freed))
	{
		result->waits = true;
		return;
	}
	r->heap = heap;
	r->index = index;
	r->row_context = AllocSetContextCreate(CurrentMemoryContext, "ivf rebalance row",
										   ALLOCSET_DEFAULT_SIZES);
	/* every row that some snapshot sees, and no other: its values may be gone */
	InitNonVacuumableSnapshot(r->not_dead, GlobalVisTestFor(heap));
	r->in_vacuum = ivf_in_vacuum();
	r->values = heap_values_begin(heap, relation, &r->not_dead);
	r->lists = (ListState *) palloc0(mul_size(lists, sizeof(ListState)));
	r->replaced = (bool *) palloc0(lists);
	r->tids = (ItemPointerData *) palloc(index->layout.slots * sizeof(ItemPointerData));
	r->value_ids = (SlotId *) palloc(index->layout.slots * sizeof(SlotId));
	if (index->filter != NULL)
		r->page_keys = (uint8 *) palloc(index->layout.slots * index->filter->entry_bytes);
	r->page_codes = (uint8 *) palloc(ivf_codes_bytes(&index->layout));
	choose_lists(r, budget, &result->left);
	result->entries = r->entries;
	if (r->chosen > 0)
	{
		WAIT_POINT("ivf rebalance chosen");
		replace_lists(r);
		result->lists = r->next.meta.lists;
		result->replaced = r->chosen;
		for (uint32 i = 0; i < r->targets; i++)
			result->moved += r->sums[r->target[i]].rows;
	}
	heap_values_end(r->values);
}
