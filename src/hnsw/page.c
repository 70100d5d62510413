/*
 * page.c
 *	  The metapage, and the graph as it lies on pages.
 *
 * Block 0 is the metapage.  Blocks 1 .. raw_blocks hold the mean of the data,
 * float by float.  Then come, in any order, pages of slots (storage/slot_page.h):
 * PAGE_RECORD with nodes of level 0, PAGE_UPPER with nodes of upper levels,
 * PAGE_VALUE with half precision values (or values too long for a node), and
 * PAGE_TIDS with further heap TIDs of elements that have many.
 */
#include "hnsw/page.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "index/metapage.h"
#include "storage/buffer_map.h"
#include "storage/page_check.h"
#include "storage/recent_buffer.h"

/* How much of a sparsevec is kept in its element where no sample says how long values are */
#define SPARSE_DEFAULT_SIZE	512

/* ------------------------------------------------------------------------
 * Description
 */

static bool
fits_page(int m, Size payload_size)
{
	return graph_node_size(2 * m, payload_size) <= SLOT_PAGE_ROOM;
}

/* The bits of the quantizer that an index is to have */
static int
choose_bits(Relation index, const IndexColumn *column, const HnswOptions *options)
{
	static const int bits_of[] = {
		[HNSW_QUANTIZER_RABITQ1] = 1,
		[HNSW_QUANTIZER_RABITQ2] = 2,
		[HNSW_QUANTIZER_RABITQ4] = 4,
		[HNSW_QUANTIZER_RABITQ8] = 8
	};
	bool		automatic = options->quantizer == HNSW_QUANTIZER_AUTO;
	int			bits = bits_of[options->quantizer];

	if (options->quantizer == HNSW_QUANTIZER_NONE ||
		(automatic && !codec_quantizable(column)))
		return 0;
	if (automatic)
	{
		bits = column->dims < 256 ? 8 : 4;

		/* the longer the vector, the more accurate a code of fewer bits */
		while (bits > 1 && !fits_page(options->m, codec_code_size(column, bits)))
			bits /= 2;
	}
	if (!codec_quantizable(column))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("quantizer is not supported for this operator class"),
				 errdetail("Quantizers work with vector and halfvec, by L2 distance, inner product or cosine distance."),
				 errhint("Use quantizer = 'auto' or 'none'.")));
	if (!fits_page(options->m, codec_code_size(column, bits)))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("hnsw element of %zu bytes does not fit a page",
						graph_node_size(2 * options->m, codec_code_size(column, bits))),
				 errhint("Use a smaller m, or a quantizer of fewer bits.")));
	return bits;
}

/*
 * Sizes that follow from the rest of a metapage; sparse_size: bytes of a sparse
 * vector that its element has room for, 0 for a default.
 */
static void
set_sizes(HnswMeta *meta, const IndexColumn *column, Size sparse_size)
{
	Size		size;

	meta->value_slot_size = 0;
	if (meta->bits > 0)
	{
		meta->payload_size = codec_code_size(column, meta->bits);
		if (!meta->rerank_heap)
			meta->value_slot_size = value_slot_size(bounded_size(column));
	}
	else if (column->type->kind == COLUMN_SPARSEVEC)
	{
		/* as much as most values need, but a few on a page at least */
		Size		most = SLOT_PAGE_ROOM / 3 - graph_node_size(2 * meta->m, 0);

		size = sparse_size > 0 ? sparse_size : SPARSE_DEFAULT_SIZE;
		meta->payload_size = Max(sizeof(OuterValue), MAXALIGN(Min(size, most)));
		meta->value_slot_size = MAXALIGN_DOWN(SLOT_PAGE_ROOM / 4);
	}
	else
	{
		size = column_value_size(column);
		meta->payload_size = Max(size, sizeof(OuterValue));
		if (!fits_page(meta->m, size))
		{
			meta->payload_size = sizeof(OuterValue);
			meta->value_slot_size = value_slot_size(size);
		}
	}
}

/* Blocks of the mean of an index that has one */
static inline uint32
mean_blocks(int dims)
{
	return (dims + RAW_FLOATS - 1) / RAW_FLOATS;
}

/* Do the numbers of a metapage fit each other, and what the index is on? */
static bool
meta_fits(const HnswMeta *meta, const IndexColumn *column)
{
	HnswMeta	sizes = *meta;

	if (meta->dims < 1 || column->dims > column->type->max_dims ||
		meta->m < HNSW_MIN_M || meta->m > HNSW_MAX_M ||
		meta->ef_construction < HNSW_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > HNSW_MAX_EF_CONSTRUCTION ||
		meta->rerank_heap > 1 ||
		(meta->bits != 0 &&
		 (!rabitq_bits_valid(meta->bits) || !codec_quantizable(column))) ||
		(meta->raw_blocks != 0 &&
		 (!codec_has_mean(column, meta->bits) ||
		  meta->raw_blocks != mean_blocks(meta->dims))))
		return false;
	set_sizes(&sizes, column, meta->payload_size);
	return meta->payload_size == sizes.payload_size &&
		meta->value_slot_size == sizes.value_slot_size &&
		fits_page(meta->m, meta->payload_size);
}

/* The same of how codes were made: nothing is centred that has no mean. */
static bool
centre_fits(const HnswCentre *centre, const HnswMeta *meta,
			const IndexColumn *column)
{
	if (centre->centred > 1 || centre->unknown > 1)
		return false;
	if (centre->centred &&
		!(column->traits->product && codec_has_mean(column, meta->bits)))
		return false;
	return !centre->unknown || meta->raw_blocks != 0;
}

/* Everything else, from a metapage's content */
static HnswIndex *
describe_meta(const HnswMeta *meta, const HnswCentre *centre,
			  IndexColumn column, const float *mean)
{
	Size		constants = codec_constants_size(&column, meta->bits);
	Size		size = add_size(MAXALIGN(sizeof(HnswIndex)), constants);
	HnswIndex  *described = (HnswIndex *) palloc0(size);

	described->size = size;
	described->meta = *meta;
	described->centre = *centre;
	codec_init(&described->codec, column, meta->bits, meta->payload_size,
			   meta->seed, mean,
			   (char *) described + MAXALIGN(sizeof(HnswIndex)));
	codec_set_mean(&described->codec, described->codec.mean, centre->centred,
				   centre->weight, centre->most);
	described->shape.m = meta->m;
	described->shape.payload_size = MAXALIGN(meta->payload_size);
	described->shape.base =
		slot_geometry(PAGE_RECORD, graph_node_size(2 * meta->m, meta->payload_size));
	described->shape.upper =
		slot_geometry(PAGE_UPPER, graph_node_size(meta->m, meta->payload_size));
	if (meta->value_slot_size > 0)
		described->values = slot_geometry(PAGE_VALUE, meta->value_slot_size);
	described->tids = slot_geometry(PAGE_TIDS, sizeof(HnswTids));
	return described;
}

HnswIndex *
hnsw_describe(Relation index, const HnswOptions *options,
			  const ValueSample *sample, Size sparse_size)
{
	IndexColumn column = index_column_checked(index, INDEX_PROCS, "hnsw");
	FilterShape *filter = filter_shape(index);
	HnswIndex  *described;
	HnswMeta	meta;
	HnswCentre	centre = {0};
	const float *mean = NULL;

	if (options->ef_construction < 2 * options->m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m")));

	memset(&meta, 0, sizeof(meta));
	metapage_init(&meta.common, HNSW_MAGIC, HNSW_VERSION_CENTRE +
				  (filter != NULL ? HNSW_VERSION_FILTER : HNSW_VERSION));
	meta.dims = column.dims;
	meta.m = options->m;
	meta.ef_construction = options->ef_construction;
	meta.column_kind = column.type->kind;
	meta.metric = column.metric;
	meta.bits = choose_bits(index, &column, options);
	if (sample != NULL && sample->count > 0 && codec_has_mean(&column, meta.bits))
	{
		mean = sample_centre(sample);
		if (meta.bits > 0 && options->quantizer == HNSW_QUANTIZER_AUTO &&
			!sample_resolved(sample, mean, meta.bits))
			meta.bits = 0;
	}
	meta.rerank_heap = options->rerank == RERANK_HEAP;
	meta.seed = (uint64) hnsw_seed;
	meta.entry = NO_SLOT;
	meta.entry_level = -1;
	if (filter != NULL)
	{
		meta.filter_columns = filter->count;
		meta.filter_bytes = filter->entry_bytes;
	}
	set_sizes(&meta, &column, sparse_size);
	if (codec_has_mean(&column, meta.bits))
	{
		meta.raw_blocks = mean_blocks(column.dims);
		centre.unknown = sample == NULL || sample->count < HNSW_LEARN_ROWS;
		if (sample != NULL && sample->count > 0)
		{
			centre.rows = Min(sample->count, HNSW_LEARN_ROWS - 1);
			hnsw_choose_metric(&centre, sample, mean);
		}
	}
	described = describe_meta(&meta, &centre, column, mean);
	described->filter = filter;
	return described;
}

/*
 * Where lengths vary by less than this, the inner product orders elements as
 * the distance does.
 */
#define EQUAL_LENGTHS	0.02

/* Longer than most by so much: a length that others have hardly any part in */
#define MUCH_LONGER		1.05

/* Farther than nine of ten elements by so much, squared, is far enough */
#define FAR_OFF			4

/* Up to so many dimensions, elements are compared by their distance */
#define FLAT_DIMS		4

/* See README.md, "Inner product" */
void
hnsw_choose_metric(HnswCentre *centre, const ValueSample *sample,
				   const float *mean)
{
	double		low;
	double		median;
	double		high;
	double		longest;

	if (!sample->column.traits->product)
		return;
	sample_norms(sample, &low, &median, &high, &longest);
	centre->centred = high - low > EQUAL_LENGTHS * median ||
		longest > MUCH_LONGER * median;
	centre->weight = sample->column.dims <= FLAT_DIMS ? 1 : 0x1p-4f;
	centre->most = FAR_OFF * sample_radius(sample, mean);
}

float *
hnsw_read_mean(Relation index, const HnswMeta *meta)
{
	float	   *mean = (float *) palloc(mul_size(meta->raw_blocks,
												 RAW_FLOATS * sizeof(float)));

	for (uint32 i = 0; i < meta->raw_blocks; i++)
	{
		Buffer		buffer = index_read_block(index, 1 + i);

		page_lock(index, buffer, PAGE_RAW, BUFFER_LOCK_SHARE);
		memcpy(mean + i * RAW_FLOATS, PageGetContents(BufferGetPage(buffer)),
			   RAW_FLOATS * sizeof(float));
		UnlockReleaseBuffer(buffer);
	}
	return mean;
}

/* Describe an index and keep that in rd_amcache, for the next statements. */
static void
fill_cache(Relation index)
{
	static const MetaFormat format =
	{"hnsw", HNSW_MAGIC, HNSW_VERSION, HNSW_VERSION_CENTRE + HNSW_VERSION_FILTER};
	IndexColumn column = index_column(index, INDEX_PROCS);
	struct
	{
		HnswMeta	meta;
		HnswKeyMeta keys;
		HnswCentre	centre;
		HnswCalibration calibration;
	}			page;
	HnswMeta   *meta = &page.meta;
	float	   *mean = NULL;
	HnswIndex  *described;
	HnswIndex  *cached;

	metapage_read(index, &format, &page, sizeof(page));
	if (meta->common.version <= HNSW_VERSION_CENTRE)
		memset(&page.centre, 0, sizeof(HnswCentre));
	metapage_check_column(index, &column, meta->column_kind, meta->metric,
						  meta->dims);
	metapage_check_numbers(index, meta_fits(meta, &column) &&
						   centre_fits(&page.centre, meta, &column) &&
						   hnsw_calibration_fits(&page.calibration));

	if (meta->raw_blocks > 0)
		mean = hnsw_read_mean(index, meta);
	described = describe_meta(meta, &page.centre, column, mean);
	described->calibration = page.calibration;
	cached = (HnswIndex *) MemoryContextAlloc(index->rd_indexcxt,
											  described->size);
	memcpy(cached, described, described->size);
	index->rd_amcache = cached;
	pfree(described);
	if (mean != NULL)
		pfree(mean);
}

/*
 * The cache may vanish whenever the catalogs are looked at, so what callers
 * get is a copy.
 */
HnswIndex *
hnsw_open(Relation index)
{
	HnswIndex  *cached;
	HnswIndex  *copy;
	const uint8 *constants;

	if (index->rd_amcache == NULL)
		fill_cache(index);
	cached = (HnswIndex *) index->rd_amcache;
	copy = (HnswIndex *) palloc(cached->size);
	memcpy(copy, cached, cached->size);
	/* the constants moved along */
	constants = (const uint8 *) copy + MAXALIGN(sizeof(HnswIndex));
	if (copy->codec.bits > 0)
	{
		copy->codec.signs = constants;
		constants += MAXALIGN(rotation_sign_bytes(&copy->codec.rotation));
	}
	if (copy->codec.mean != NULL)
		copy->codec.mean = (const float *) constants;
	copy->filter = filter_shape(index);
	metapage_check_filter(index, copy->meta.filter_columns ==
						  (copy->filter != NULL ? copy->filter->count : 0) &&
						  copy->meta.filter_bytes ==
						  (copy->filter != NULL ? copy->filter->entry_bytes : 0));
	return copy;
}

/* ------------------------------------------------------------------------
 * Metapage
 */

void
hnsw_create_pages(Relation index, ForkNumber fork, const HnswIndex *described)
{
	const HnswMeta *meta = &described->meta;
	Buffer		buffer = build_page_begin(index, fork, PAGE_META);
	Page		page = BufferGetPage(buffer);

	if (BufferGetBlockNumber(buffer) != META_BLOCK)
		elog(ERROR, "index \"%s\" is not empty", RelationGetRelationName(index));
	*hnsw_page_meta(page) = *meta;
	if (meta->filter_columns > 0)
		memset(hnsw_page_keys(page), 0xFF, sizeof(HnswKeyMeta));
	*hnsw_page_centre(page) = described->centre;
	((PageHeader) page)->pd_lower =
		(char *) (hnsw_page_calibration(page) + 1) - (char *) page;
	build_page_end(buffer, fork);

	for (uint32 i = 0; i < meta->raw_blocks; i++)
	{
		int			first = i * RAW_FLOATS;
		int			count = Min(RAW_FLOATS, (int) meta->dims - first);

		buffer = build_page_begin(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		memcpy(PageGetContents(page), described->codec.mean + first,
			   count * sizeof(float));
		((PageHeader) page)->pd_lower += count * sizeof(float);
		build_page_end(buffer, fork);
	}
}

Buffer
hnsw_lock_meta(Relation index, int mode)
{
	Buffer		buffer = ReadBuffer(index, META_BLOCK);
	const HnswMeta *meta;

	page_lock(index, buffer, PAGE_META, mode);
	page_check_content(index, buffer, sizeof(HnswMeta));
	meta = hnsw_page_meta(BufferGetPage(buffer));
	if (meta->entry_level < -1 || meta->entry_level >= GRAPH_MAX_LEVEL ||
		(meta->entry_level < 0) != (meta->entry == NO_SLOT))
		index_damaged(index, META_BLOCK, NO_PLACE, "Its entry point is none.");
	return buffer;
}

void
hnsw_get_entry(Relation index, GraphEntry *entry)
{
	Buffer		buffer = hnsw_lock_meta(index, BUFFER_LOCK_SHARE);
	const HnswMeta *meta = hnsw_page_meta(BufferGetPage(buffer));

	entry->id = meta->entry;
	entry->level = meta->entry_level;
	entry->vacuums = meta->vacuums;
	UnlockReleaseBuffer(buffer);
}

void
hnsw_entry_failed(Relation index, GraphEntry entry)
{
	GraphEntry	now;

	CHECK_FOR_INTERRUPTS();
	hnsw_get_entry(index, &now);
	if (now.id == entry.id && now.level == entry.level &&
		now.vacuums == entry.vacuums)
		index_damaged(index, META_BLOCK, NO_PLACE,
					  "Its entry point leads nowhere.");
}

bool
hnsw_set_entry(Relation index, GraphEntry known, GraphEntry entry, bool log)
{
	Buffer		buffer = hnsw_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	HnswMeta   *meta;
	bool		set;

	meta = hnsw_page_meta(BufferGetPage(buffer));
	set = meta->entry == known.id && meta->entry_level == known.level;
	if (set)
	{
		PageEdit	edit;

		page_edit_begin(&edit, index, log);
		meta = hnsw_page_meta(page_edit_page(&edit, buffer, false));
		meta->entry = entry.id;
		meta->entry_level = entry.level;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	return set;
}

/* ------------------------------------------------------------------------
 * The graph on pages
 */

/*
 * Start reading those blocks of a batch that are not where the map says, each once:
 * neighbours share pages.
 */
static void
prefetch_missing(PageStore *store, int count)
{
	for (int i = 0; i < count; i++)
	{
		bool		asked = false;

		if (store->buffers[i] != InvalidBuffer)
			continue;
		for (int k = 0; k < i && !asked; k++)
			asked = store->blocks[k] == store->blocks[i];
		if (!asked)
			map_prefetch(store->map, store->blocks[i]);
	}
}

/*
 * Pages are looked at when this backend first meets them in their buffers; later,
 * whatever a peek reads is within the page, and a hint.
 */
static void
check_peeked(PageStore *store, const SlotGeometry *geometry, BlockNumber block,
			 const char *page)
{
	Buffer		buffer;

	if (likely(page_is_sound((Page) unconstify(char *, page), geometry->kind)))
		return;
	buffer = map_read(store->map, block);
	page_lock(store->relation, buffer, geometry->kind, BUFFER_LOCK_SHARE);
	UnlockReleaseBuffer(buffer);
}

static void
page_nodes(GraphStore *graph_store, int level, const GraphId *ids, int count,
		   const GraphNode **nodes)
{
	PageStore  *store = (PageStore *) graph_store;
	const SlotGeometry *geometry = graph_geometry(&store->index->shape, level);
	Size		bytes = sizeof(GraphNode) + store->index->shape.payload_size;
	uint32		slots[GRAPH_BATCH];
	int			missing = 0;

	for (int i = 0; i < count; i++)
	{
		store->blocks[i] = ids[i] / geometry->per_page;
		slots[i] = ids[i] - store->blocks[i] * geometry->per_page;
		store->buffers[i] = map_guess(store->map, store->blocks[i]);
		if (store->buffers[i] > 0)
			__builtin_prefetch(buffer_descriptor_hint(store->buffers[i]));
	}
	for (int i = 0; i < count; i++)
	{
		if (store->buffers[i] == InvalidBuffer ||
			!buffer_holds_block(store->buffers[i], &store->map->tag,
								store->blocks[i]))
		{
			store->buffers[i] = InvalidBuffer;
			missing++;
		}
	}
	if (missing > 1)
		prefetch_missing(store, count);
	for (int i = 0; i < count; i++)
	{
		Buffer		known = store->buffers[i];
		const char *page = map_peek(store->map, store->blocks[i],
									&store->buffers[i]);
		const char *node = page + slot_offset(geometry, slots[i]);

		if (unlikely(store->buffers[i] != known || store->blocks[i] == META_BLOCK))
			check_peeked(store, geometry, store->blocks[i], page);
		nodes[i] = (const GraphNode *) node;
		if (count > 1)
			prefetch_far(node, bytes);
	}
}

static void
page_prefetch(GraphStore *graph_store, int level, GraphId id)
{
	PageStore  *store = (PageStore *) graph_store;
	const SlotGeometry *geometry = graph_geometry(&store->index->shape, level);
	Buffer		guess = map_guess(store->map, slot_block(geometry, id));

	if (guess <= 0)
		return;
	__builtin_prefetch(buffer_descriptor_hint(guess));
	prefetch_edges(&store->index->shape,
				   (const char *) BufferGetBlock(guess) +
				   slot_offset(geometry, id % geometry->per_page), level);
}

static bool
page_check(GraphStore *graph_store, int i)
{
	PageStore  *store = (PageStore *) graph_store;

	return map_still(store->map, store->blocks[i], store->buffers[i]);
}

/*
 * Error unless a node of level 0 (upper: of a level above), on a locked page that
 * is sound, is one.
 */
static void
check_node(Relation relation, const HnswIndex *index, bool upper,
		   BlockNumber block, uint32 slot, const GraphNode *node)
{
	const char *what = NULL;

	if (unlikely(node_edge_count(node) > graph_capacity(&index->shape, upper)))
		what = "It has more neighbors than there is room for.";
	else if (node->header.state == SLOT_FREE)
		return;
	else if (unlikely(node->header.state > SLOT_DELETED))
		what = "Its state is none.";
	else if (unlikely((node->level > 0) != upper || node->level >= GRAPH_MAX_LEVEL))
		what = "Its level is none of its page.";
	else if (index->codec.bits == 0 &&
			 !codec_plain_valid(&index->codec, node_payload(node)))
		what = "Its value is none of the column.";
	if (unlikely(what != NULL))
		index_damaged(relation, block, slot, what);
}

void
hnsw_check_nodes(Relation relation, const HnswIndex *index, bool upper,
				 Buffer buffer)
{
	const SlotGeometry *geometry = graph_geometry(&index->shape, upper);
	Page		page = BufferGetPage(buffer);
	uint32		slots = slots_in_use(geometry, page);

	for (uint32 slot = 0; slot < slots; slot++)
		check_node(relation, index, upper, BufferGetBlockNumber(buffer), slot,
				   (const GraphNode *) slot_at(geometry, page, slot));
}

HnswTids *
hnsw_check_tids(Relation relation, const HnswIndex *index, Buffer buffer,
				SlotId id)
{
	const SlotGeometry *geometry = &index->tids;
	Page		page = BufferGetPage(buffer);
	uint32		slot = id % geometry->per_page;
	HnswTids   *tids = (HnswTids *) slot_at(geometry, page, slot);
	const char *what = NULL;

	if (slot >= slots_in_use(geometry, page) || tids->header.state != SLOT_USED)
		what = "It should have row numbers, and is free.";
	else if (tids->count > HNSW_TIDS_PER_SLOT)
		what = "It has more row numbers than there is room for.";
	else
	{
		for (int i = 0; i < tids->count; i++)
		{
			if (!ItemPointerIsValid(&tids->tids[i]))
				what = "A row number is none.";
		}
	}
	if (unlikely(what != NULL))
		index_damaged(relation, BufferGetBlockNumber(buffer), slot, what);
	return tids;
}

Buffer
page_store_lock(PageStore *store, int level, GraphId id, int mode,
				GraphNode **node)
{
	const SlotGeometry *geometry = graph_geometry(&store->index->shape, level);
	BlockNumber block = slot_block(geometry, id);
	uint32		slot = id - block * geometry->per_page;
	Buffer		buffer;

	if (mode == BUFFER_LOCK_SHARE)
		buffer = page_lock_record(store->map, block, geometry->kind);
	else
	{
		buffer = map_read(store->map, block);
		page_lock(store->relation, buffer, geometry->kind, mode);
		if (slot >= slots_in_use(geometry, BufferGetPage(buffer)))
			index_damaged(store->relation, block, slot,
						  "It has never been used, but another one leads to it.");
	}
	*node = (GraphNode *) slot_at(geometry, BufferGetPage(buffer), slot);
	check_node(store->relation, store->index, level > 0, block, slot, *node);
	return buffer;
}

int
page_store_elements(PageStore *store, BlockNumber block, uint8 without,
					GraphId *ids)
{
	const SlotGeometry *geometry = &store->index->shape.base;
	Buffer		buffer = map_read(store->map, block);
	Page		page = BufferGetPage(buffer);
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (page_check_any(store->relation, buffer) &&
		page_opaque(page)->kind == PAGE_RECORD)
	{
		uint32		slots = slots_in_use(geometry, page);

		for (uint32 slot = 0; slot < slots; slot++)
		{
			const SlotHeader *header = slot_at(geometry, page, slot);

			if (header->state == SLOT_USED && !(header->flags & without))
				ids[count++] = slot_id(geometry, block, slot);
		}
	}
	UnlockReleaseBuffer(buffer);
	return count;
}

static const GraphNode *
page_hold(GraphStore *graph_store, int level, GraphId id)
{
	PageStore  *store = (PageStore *) graph_store;
	GraphNode  *node;

	store->held = page_store_lock(store, level, id, BUFFER_LOCK_SHARE, &node);
	return node;
}

static void
page_release(GraphStore *graph_store)
{
	UnlockReleaseBuffer(((PageStore *) graph_store)->held);
}

void
page_store_init(PageStore *store, Relation relation, HnswIndex *index, bool log)
{
	store->store.nodes = page_nodes;
	store->store.prefetch = page_prefetch;
	store->store.check = page_check;
	store->store.hold = page_hold;
	store->store.release = page_release;
	store->store.careful = index->codec.bits == 0;
	store->index = index;
	store->relation = relation;
	store->map = buffer_map(relation);
	store->values.index = relation;
	store->values.map = store->map;
	store->values.geometry = index->values;
	store->log = log;
}
