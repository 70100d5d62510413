/*
 * page.c
 *	  An index as it lies on pages: metapage, constants, directory, lists.
 */
#include "ivf/ivf.h"

#include <math.h>

#include "access/genam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "storage/page_check.h"
#include "storage/recent_buffer.h"

/* Marks of pgvector's indexes, for a better message */
#define PGVECTOR_HNSW_MAGIC		0xA953A953
#define PGVECTOR_IVFFLAT_MAGIC	0x14FF1A7

/* ------------------------------------------------------------------------
 * Pages of lists
 */

IvfLayout
ivf_layout(const IvfModel *model, const FilterShape *filter)
{
	IvfLayout	layout = {0};
	Size		start = MAXALIGN(SizeOfPageHeaderData) + offsetof(IvfListPage, pieces);
	Size		end = BLCKSZ - MAXALIGN(sizeof(PageOpaque));
	Size		fixed;
	Size		alignment = 0;	/* of filter columns, at most */
	Size		units;

	layout.fastscan = ivf_uses_fastscan(model);
	layout.unit_slots = layout.fastscan ? FASTSCAN_VECTORS : 1;
	layout.unit_bytes = layout.fastscan
		? fastscan_block_bytes(ivf_nibbles(model)) : ivf_code_bytes(model);
	layout.factors = ivf_factors(model);
	layout.has_values = model->keeps_values;
	layout.filter = filter;
	if (!layout.fastscan && model->kind != IVF_PQ)
		layout.unit_bytes = MAXALIGN(layout.unit_bytes);

	/* what a unit takes in the arrays; alignment may take 16 bytes more */
	fixed = layout.unit_slots *
		(sizeof(ItemPointerData) + layout.factors * sizeof(float) +
		 (layout.has_values ? sizeof(SlotId) : 0));
	if (filter != NULL)
	{
		fixed += layout.unit_slots * filter->entry_bytes;
		alignment = filter->count * MAXIMUM_ALIGNOF;
		if (start + fixed + alignment + 16 +
			(layout.unit_bytes / SLOT_PAGE_ROOM + 1) * sizeof(BlockNumber) >= end)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("filter columns do not fit a page of the index"),
					 errdetail("They take %zu bytes an entry, and a page has %u entries or more.",
							   filter->entry_bytes, layout.unit_slots),
					 errhint("Use fewer filter columns.")));
	}
	units = (end - start - 16 - alignment) / (layout.unit_bytes + fixed);
	layout.slots = Max(units, 1) * layout.unit_slots;
	if (units == 0)
	{
		/* one unit, whose codes go on to other pages */
		Size		rest;

		while ((rest = end - MAXALIGN(start + layout.pieces * sizeof(BlockNumber) +
									  fixed + 8 + alignment)) +
			   layout.pieces * SLOT_PAGE_ROOM < layout.unit_bytes)
			layout.pieces++;
		start += layout.pieces * sizeof(BlockNumber);
	}
	layout.add = INTALIGN(start);
	layout.k = layout.add + (layout.factors > 0 ? layout.slots * sizeof(float) : 0);
	layout.values = layout.k + (layout.factors > 1 ? layout.slots * sizeof(float) : 0);
	layout.tids = layout.values + (layout.has_values ? layout.slots * sizeof(SlotId) : 0);
	layout.keys = MAXALIGN(layout.tids + layout.slots * sizeof(ItemPointerData));
	layout.codes = layout.keys +
		(filter != NULL ? filter_block_bytes(filter, layout.slots) : 0);
	Assert(layout.pieces > 0 || layout.codes + ivf_codes_bytes(&layout) <= end);
	return layout;
}

void
ivf_list_page_init(const IvfLayout *layout, Page page, uint32 list)
{
	IvfListPage *header = ivf_list_page(page);

	header->list = list;
	header->next = InvalidBlockNumber;
	for (uint32 i = 0; i < layout->pieces; i++)
		header->pieces[i] = InvalidBlockNumber;
	ivf_list_page_set_count(layout, page, 0);
}

/* Where what count entries use ends */
static inline Size
content_end(const IvfLayout *layout, uint32 count)
{
	Size		units = !layout->fastscan ? count
		: (count + FASTSCAN_VECTORS - 1) / FASTSCAN_VECTORS;

	return layout->codes + Min(units * layout->unit_bytes, ivf_head_codes(layout));
}

void
ivf_list_page_set_count(const IvfLayout *layout, Page page, uint32 count)
{
	ivf_list_page(page)->count = count;
	((PageHeader) page)->pd_lower = content_end(layout, count);
}

void
ivf_check_page(IvfIndex *index, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	uint32		count = ivf_list_page(page)->count;
	Size		lower = ((PageHeader) page)->pd_lower;

	page_check_kind(index->relation, buffer, PAGE_RECORD);
	if (likely(count <= index->layout.slots &&
			   lower == content_end(&index->layout, count)))
		return;

	/* claimed by an insertion, and not set up yet: of no list */
	if (lower != MAXALIGN(SizeOfPageHeaderData))
		index_damaged(index->relation, BufferGetBlockNumber(buffer), NO_PLACE,
					  psprintf("It cannot have %u entries in %zu bytes.", count, lower));
}

void
ivf_lock_page(IvfIndex *index, Buffer buffer, int mode)
{
	Page		page = BufferGetPage(buffer);
	uint32		count;

	LockBuffer(buffer, mode);
	count = ivf_list_page(page)->count;
	if (unlikely(!page_is_sound(page, PAGE_RECORD) ||
				 count > index->layout.slots ||
				 ((PageHeader) page)->pd_lower != content_end(&index->layout, count)))
		ivf_check_page(index, buffer);
}

void
ivf_not_of_list(IvfIndex *index, BlockNumber block, uint32 list)
{
	index_damaged(index->relation, block, NO_PLACE,
				  psprintf("It is not a page of list %u, or follows itself there.",
						   list));
}

const uint8 *
ivf_page_codes(IvfIndex *index, Page page, uint8 *scratch)
{
	const IvfLayout *layout = &index->layout;
	const IvfListPage *header = ivf_list_page(page);
	Size		done = ivf_head_codes(layout);

	if (layout->pieces == 0)
		return (uint8 *) page + layout->codes;
	memcpy(scratch, (char *) page + layout->codes, done);
	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);
		Buffer		buffer;

		/* without entries, a page may have no pieces yet */
		if (header->pieces[i] == InvalidBlockNumber)
		{
			memset(scratch + done, 0, part);
			done += part;
			continue;
		}
		buffer = map_read(index->map, header->pieces[i]);
		page_lock_below(index->relation, buffer, PAGE_PIECE, BUFFER_LOCK_SHARE);
		memcpy(scratch + done, PageGetContents(BufferGetPage(buffer)), part);
		UnlockReleaseBuffer(buffer);
		done += part;
	}
	return scratch;
}

void
ivf_write_pieces(IvfIndex *index, Page page, const uint8 *codes, bool log)
{
	const IvfLayout *layout = &index->layout;
	const IvfListPage *header = ivf_list_page(page);
	Size		done = ivf_head_codes(layout);

	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);
		Buffer		buffer = map_read(index->map, header->pieces[i]);
		PageEdit	edit;
		Page		piece;

		page_lock_below(index->relation, buffer, PAGE_PIECE,
						BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, index->relation, log);
		piece = page_edit_page(&edit, buffer, false);
		memcpy(PageGetContents(piece), codes + done, part);
		((PageHeader) piece)->pd_lower = MAXALIGN(SizeOfPageHeaderData) + part;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
		done += part;
	}
}

void
ivf_put_code(const IvfModel *model, const IvfLayout *layout, uint8 *codes,
			 uint32 slot, const uint8 *code)
{
	if (layout->fastscan)
		fastscan_put(codes + slot / FASTSCAN_VECTORS * layout->unit_bytes,
					 ivf_nibbles(model), slot % FASTSCAN_VECTORS, code);
	else
		memcpy(codes + slot * layout->unit_bytes, code, ivf_code_bytes(model));
}

void
ivf_get_code(const IvfModel *model, const IvfLayout *layout,
			 const uint8 *codes, uint32 slot, uint8 *code)
{
	if (layout->fastscan)
		fastscan_get(codes + slot / FASTSCAN_VECTORS * layout->unit_bytes,
					 ivf_nibbles(model), slot % FASTSCAN_VECTORS, code);
	else
		memcpy(code, codes + slot * layout->unit_bytes, ivf_code_bytes(model));
}

/* ------------------------------------------------------------------------
 * Constants and directory
 */

void
ivf_read_floats(IvfIndex *index, uint64 offset, uint64 count, float *out)
{
	while (count > 0)
	{
		BlockNumber block = index->meta.constants + offset / IVF_RAW_FLOATS;
		int			first = offset % IVF_RAW_FLOATS;
		int			part = Min(count, (uint64) (IVF_RAW_FLOATS - first));
		Buffer		buffer = map_read_constant(index->map, block, PAGE_RAW);

		/*
		 * Never changes once it is there: no lock.  (gcc would make a slow
		 * "rep movsq" of a memcpy.)
		 */
		memmove(out, (float *) PageGetContents(BufferGetPage(buffer)) + first,
				part * sizeof(float));
		ReleaseBuffer(buffer);
		out += part;
		offset += part;
		count -= part;
	}
}

void
ivf_read_centroid(IvfIndex *index, uint32 list, float *out)
{
	int			width = index->meta.width;

	if (index->model->centroids != NULL)
		memcpy(out, index->model->centroids + (Size) list * width,
			   width * sizeof(float));
	else
		ivf_read_floats(index, index->centroids + (uint64) list * width, width,
						out);
}

void
ivf_prefetch_centroid(const IvfIndex *index, uint32 list)
{
	int			width = index->meta.width;
	uint64		offset = index->centroids + (uint64) list * width;

	if (index->model->centroids != NULL)
		return;
	for (int done = 0; done < width;)
	{
		int			first = (offset + done) % IVF_RAW_FLOATS;
		int			part = Min(width - done, IVF_RAW_FLOATS - first);
		Buffer		buffer = map_guess(index->map, index->meta.constants +
									   (offset + done) / IVF_RAW_FLOATS);

		if (buffer > 0)
			prefetch_bytes(PageGetContents(BufferGetPage(buffer)) + first * sizeof(float),
						   part * sizeof(float));
		done += part;
	}
}

static Buffer
directory_buffer(IvfIndex *index, uint32 list, int mode)
{
	Buffer		buffer = map_read(index->map, index->meta.directory +
								  list / IVF_LISTS_PER_PAGE);

	page_lock(index->relation, buffer, PAGE_RAW, mode);
	page_check_content(index->relation, buffer,
					   IVF_LISTS_PER_PAGE * sizeof(IvfList));
	return buffer;
}

static IvfList *
directory_entry(Page page, uint32 list)
{
	return (IvfList *) PageGetContents(page) + list % IVF_LISTS_PER_PAGE;
}

IvfList
ivf_get_list(IvfIndex *index, uint32 list)
{
	Buffer		buffer = directory_buffer(index, list, BUFFER_LOCK_SHARE);
	IvfList		result = *directory_entry(BufferGetPage(buffer), list);

	UnlockReleaseBuffer(buffer);
	return result;
}

void
ivf_set_fill(IvfIndex *index, uint32 list, BlockNumber fill, int more_pages)
{
	Buffer		buffer = directory_buffer(index, list, BUFFER_LOCK_EXCLUSIVE);
	PageEdit	edit;
	IvfList    *entry;

	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	entry = directory_entry(page_edit_page(&edit, buffer, false), list);
	entry->fill = fill;
	entry->pages += more_pages;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

/* ------------------------------------------------------------------------
 * Summaries
 */

static Buffer
summary_buffer(IvfIndex *index, uint32 list, int mode)
{
	Buffer		buffer = map_read(index->map, index->meta.summaries +
								  list / ivf_summaries_per_page(index->filter));

	page_lock(index->relation, buffer, PAGE_RAW, mode);
	page_check_content(index->relation, buffer,
					   ivf_summaries_per_page(index->filter) *
					   index->filter->count * sizeof(FilterBounds));
	return buffer;
}

void
ivf_widen_summary(IvfIndex *index, uint32 list, const uint8 *keys)
{
	FilterBounds bounds[FILTER_MAX_COLUMNS];
	Buffer		buffer = summary_buffer(index, list, BUFFER_LOCK_SHARE);
	PageEdit	edit;
	Page		page;

	memcpy(bounds, ivf_summary(index->filter, BufferGetPage(buffer), list),
		   index->filter->count * sizeof(FilterBounds));
	if (!filter_bounds_add(index->filter, bounds, keys))
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	page_lock(index->relation, buffer, PAGE_RAW, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	page = page_edit_page(&edit, buffer, false);
	(void) filter_bounds_add(index->filter, ivf_summary(index->filter, page, list),
							 keys);
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

bool
ivf_list_may_pass(IvfIndex *index, const Filter *filter, uint32 list)
{
	Buffer		buffer = summary_buffer(index, list, BUFFER_LOCK_SHARE);
	bool		result = filter_may_pass(filter,
										 ivf_summary(index->filter,
													 BufferGetPage(buffer), list));

	UnlockReleaseBuffer(buffer);
	return result;
}

void
ivf_lists_may_pass(IvfIndex *index, const Filter *filter, bool *may_pass)
{
	uint32		per_page = ivf_summaries_per_page(index->filter);
	uint32		lists = index->meta.lists;

	for (uint32 first = 0; first < lists; first += per_page)
	{
		Buffer		buffer = summary_buffer(index, first, BUFFER_LOCK_SHARE);
		Page		page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = first; i < Min(first + per_page, lists); i++)
			may_pass[i] = filter_may_pass(filter, ivf_summary(index->filter, page, i));
		UnlockReleaseBuffer(buffer);
	}
}

/* ------------------------------------------------------------------------
 * Models in memory
 */

/*
 * A model that some backend-local users share; kept for the next statement,
 * until others take its place.
 */
typedef struct CachedModel
{
	IvfModel	model;			/* must be first */
	uint64		build_id;
	Oid			relation;
	int			users;
	uint64		used;			/* when last */
	Size		size;
	MemoryContext context;
	struct CachedModel *next;
} CachedModel;

#define MODEL_CACHE_BYTES	((Size) 64 * 1024 * 1024)

static CachedModel *models;
static uint64 model_clock;

/* A user's memory goes. */
static void
release_model(void *arg)
{
	((CachedModel *) arg)->users--;
}

/* Forget what nobody uses, the oldest first, until the rest is small. */
static void
trim_models(void)
{
	for (;;)
	{
		CachedModel **oldest = NULL;
		Size		total = 0;

		for (CachedModel **at = &models; *at != NULL; at = &(*at)->next)
		{
			total += (*at)->size;
			if ((*at)->users == 0 &&
				(oldest == NULL || (*at)->used < (*oldest)->used))
				oldest = at;
		}
		if (total <= MODEL_CACHE_BYTES || oldest == NULL)
			return;
		{
			CachedModel *gone = *oldest;

			*oldest = gone->next;
			MemoryContextDelete(gone->context);
		}
	}
}

/* Read an array of the constants into the current context. */
static float *
load_floats(IvfIndex *index, uint64 offset, uint64 count)
{
	float	   *floats = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(Max(count, 1), sizeof(float)));

	ivf_read_floats(index, offset, count, floats);
	return floats;
}

/* The squared radius that three of four lists with several entries are within */
static double
usual_error(const IvfModel *model)
{
	double	   *squares = (double *) palloc(mul_size(model->lists, sizeof(double)));
	double		result = INFINITY;
	int			count = 0;

	for (int i = 0; i < model->lists; i++)
	{
		if (model->built[i] > 1)
			squares[count++] = (double) model->radii[i] * model->radii[i];
	}
	qsort(squares, count, sizeof(double), ivf_compare_doubles);
	if (count > 0)
		result = squares[count - 1 - count / 4];
	pfree(squares);
	return result;
}

static CachedModel *
load_model(IvfIndex *index, IndexColumn column)
{
	const IvfMeta *meta = &index->meta;
	IvfConstants at = ivf_constants(meta);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf model",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CachedModel *cached = (CachedModel *) palloc0(sizeof(CachedModel));
	IvfModel   *model = &cached->model;

	/* before memory for all of it is asked for */
	if (at.total > 0)
		ReleaseBuffer(map_read(index->map,
							   meta->constants + (at.total - 1) / IVF_RAW_FLOATS));
	ivf_model_init(model, meta, column);
	model->mean = load_floats(index, at.mean, meta->dims);
	if (model->kind == IVF_RABITQ)
	{
		model->signs = (uint8 *) palloc(rotation_sign_bytes(&model->rotation));
		rotation_signs(&model->rotation, model->signs);
	}
	if (model->kind == IVF_PQ)
		model->codebooks = load_floats(index, at.codebooks,
									   pq_codebook_floats(&model->pq));
	if (model->opq)
		model->matrix = load_floats(index, at.matrix,
									(uint64) meta->dims * meta->dims);
	if (model->has_codes)
	{
		model->code_signs = (uint8 *) palloc(rotation_sign_bytes(&model->code_rotation));
		rotation_signs(&model->code_rotation, model->code_signs);
		model->code_blocks = (uint8 *) load_floats(index, at.code_blocks,
												   at.code_add - at.code_blocks);
		model->code_add = load_floats(index, at.code_add, at.code_k - at.code_add);
		model->code_k = load_floats(index, at.code_k, at.code_k - at.code_add);
	}
	else if ((uint64) meta->lists * meta->width <= IVF_CACHED_CENTROIDS)
		model->centroids = load_floats(index, at.centroids,
									   (uint64) meta->lists * meta->width);
	model->heads = (BlockNumber *) palloc(mul_size(meta->lists, sizeof(BlockNumber)));
	model->radii = (float *) palloc(mul_size(meta->lists, sizeof(float)));
	model->built = (uint32 *) palloc(mul_size(meta->lists, sizeof(uint32)));
	for (uint32 i = 0; i < meta->lists; i++)
	{
		IvfList		list = ivf_get_list(index, i);

		model->heads[i] = list.head;
		model->radii[i] = list.radius;
		model->built[i] = Min(list.built, PG_UINT32_MAX);
	}
	model->usual_error = Min(usual_error(model), meta->error);
	cached->build_id = meta->build_id;
	cached->relation = RelationGetRelid(index->relation);
	cached->context = context;
	cached->size = MemoryContextMemAllocated(context, true);
	MemoryContextSwitchTo(caller);
	return cached;
}

/* What never changes of a metapage must not have changed. */
static bool
model_is_of(const IvfModel *model, const IvfMeta *meta)
{
	return model->lists == (int) meta->lists && model->dims == (int) meta->dims &&
		model->width == (int) meta->width && model->bits == meta->bits &&
		model->opq == meta->opq &&
		model->keeps_values == (meta->value_slot_size > 0) &&
		(model->kind != IVF_PQ || model->pq.m == meta->m);
}

static IvfModel *
get_model(IvfIndex *index, IndexColumn column)
{
	CachedModel *cached;
	MemoryContextCallback *callback;
	Oid			relation = RelationGetRelid(index->relation);

	for (cached = models; cached != NULL; cached = cached->next)
	{
		if (cached->relation == relation &&
			cached->build_id == index->meta.build_id)
			break;
	}
	if (cached != NULL && !model_is_of(&cached->model, &index->meta))
		index_damaged(index->relation, META_BLOCK, NO_PLACE,
					  "Its numbers have changed.");
	if (cached == NULL)
	{
		cached = load_model(index, column);
		MemoryContextSetParent(cached->context, TopMemoryContext);
		cached->next = models;
		models = cached;
	}
	cached->used = ++model_clock;
	callback = (MemoryContextCallback *) palloc(sizeof(MemoryContextCallback));
	callback->func = release_model;
	callback->arg = cached;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	cached->users++;
	trim_models();
	return &cached->model;
}

/* ------------------------------------------------------------------------
 * Opening
 */

/* Error where block 0 is no metapage that we understand. */
static void
check_meta(Relation relation, const IvfMeta *meta, IvfKind kind)
{
	if (meta->common.magic == PGVECTOR_HNSW_MAGIC ||
		meta->common.magic == PGVECTOR_IVFFLAT_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" was built by pgvector",
						RelationGetRelationName(relation)),
				 errdetail("Its tables and values can be used as they are; its indexes cannot."),
				 errhint("Use REINDEX to rebuild the index.")));
	if (meta->common.magic != IVF_MAGIC || meta->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" is not an %s index",
						RelationGetRelationName(relation), ivf_names[kind]),
				 errhint("Use REINDEX to rebuild the index.")));
	if (meta->common.version !=
		(meta->filter_columns > 0 ? IVF_FILTER_VERSION : IVF_VERSION))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, but this version of the extension reads versions %d and %d",
						RelationGetRelationName(relation), meta->common.version,
						IVF_VERSION, IVF_FILTER_VERSION),
				 errhint("Use REINDEX to rebuild the index.")));
}

/* Do the numbers of a metapage fit each other, and what the index is on? */
static bool
meta_fits(const IvfMeta *meta, const IndexColumn *column,
		  const FilterShape *filter)
{
	/* a bool that is neither may not even be looked at as one */
	const uint8 *opq = (const uint8 *) &meta->opq;
	const uint8 *trained = (const uint8 *) &meta->trained;
	bool		quantizes = meta->kind != IVF_FLAT;
	Size		value_size = 0;
	BlockNumber block = META_BLOCK + 1;
	uint64		floats;

	if (meta->dims < 1 || column->dims > column->type->max_dims ||
		meta->lists < 1 || meta->lists > IVF_MAX_LISTS ||
		meta->keeps_values > 1 || *opq > 1 || *trained > 1 ||
		(quantizes && column->type->kind != COLUMN_VECTOR &&
		 column->type->kind != COLUMN_HALFVEC) ||
		(meta->opq && (meta->kind != IVF_PQ || meta->dims > IVF_MAX_OPQ_DIMS)) ||
		meta->width != (meta->kind == IVF_RABITQ ? rotation_padded(meta->dims)
						: meta->dims))
		return false;
	if (meta->kind == IVF_RABITQ && !rabitq_bits_valid(meta->bits))
		return false;
	if (meta->kind == IVF_PQ)
	{
		PqShape		shape;

		if (pq_shape_init(&shape, meta->width, meta->m, meta->bits) != 0)
			return false;
	}
	if (meta->keeps_values)
		value_size = value_slot_size(ivf_value_size(column));
	if (meta->value_slot_size != value_size)
		return false;

	/* numbers that are computed with, and may be made integers of */
	if (!(meta->rows >= 0 && meta->rows < 1e15) || !isfinite(meta->error) ||
		!isfinite(meta->code_error))
		return false;
	for (int i = 0; i < IVF_RECALL_POINTS; i++)
	{
		if (!isfinite(meta->recall[i].recall) || isnan(meta->reach[i]))
			return false;
	}

	/* what follows lies in a row */
	if (meta->directory != block)
		return false;
	block += (meta->lists + IVF_LISTS_PER_PAGE - 1) / IVF_LISTS_PER_PAGE;
	if (meta->constants != block)
		return false;
	floats = ivf_constants(meta).total;
	if (filter == NULL)
		return meta->summaries == 0;
	return meta->summaries ==
		block + (floats + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
}

ValueStore
ivf_value_store(Relation relation, const IvfMeta *meta)
{
	ValueStore	store;

	store.index = relation;
	store.map = buffer_map(relation);
	store.geometry = slot_geometry(PAGE_VALUE, meta->value_slot_size);
	return store;
}

IvfIndex *
ivf_open(Relation relation)
{
	IvfIndex   *index = (IvfIndex *) palloc0(sizeof(IvfIndex));
	IndexColumn column = index_column(relation, IVF_PROCS);
	Buffer		buffer;
	bool		sound;

	index->relation = relation;
	index->kind = ivf_kind_of(relation);
	index->map = buffer_map(relation);
	buffer = map_read(index->map, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	index->meta = *ivf_page_meta(BufferGetPage(buffer));
	sound = page_is_sound(BufferGetPage(buffer), PAGE_META);
	UnlockReleaseBuffer(buffer);
	check_meta(relation, &index->meta, index->kind);

	index->filter = filter_shape(relation);

	/* ALTER TABLE may take the number away without rebuilding the index */
	if (column.dims < 0)
		column.dims = index->meta.dims;
	if (column.type->kind != index->meta.column_kind ||
		column.metric != index->meta.metric ||
		column.dims != (int) index->meta.dims ||
		index->meta.filter_columns != (index->filter ? index->filter->count : 0) ||
		(index->filter && filter_digest(index->filter) != index->meta.filter_digest))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" was built for another column type or operator class",
						RelationGetRelationName(relation)),
				 errhint("Use REINDEX to rebuild the index.")));
	if (!sound || !meta_fits(&index->meta, &column, index->filter))
		index_damaged(relation, META_BLOCK, NO_PLACE,
					  "Its numbers do not fit each other.");
	index->centroids = ivf_constants(&index->meta).centroids;
	index->model = get_model(index, column);
	index->layout = ivf_layout(index->model, index->filter);
	if (index->meta.value_slot_size > 0)
		index->values = ivf_value_store(relation, &index->meta);
	return index;
}
