/*
 * build.c
 *	  CREATE INDEX: a sample, centroids and codes from it, then every row.
 *
 * 1. A sample of the table is transformed; k-means on it gives the centroids
 *	  (or a table does), and its residuals train product quantization.
 * 2. All rows are assigned to their nearest centroid, in blocks, and encoded, by
 *	  this process and workers, into a sort by (list, TID).  On the way, exact
 *	  neighbours of some sampled rows are found.
 * 3. Lists are written in order, and all pages logged.
 * 4. Where the neighbours found in 2 lie tells how many lists a search must
 *	  probe for a certain recall.
 */
#include "ivf/ivf.h"

#include <float.h>
#include <math.h>

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "commands/progress.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#include "index/build_memory.h"
#include "index/parallel_build.h"
#include "ivf/progress.h"
#include "ivf/train.h"
#include "math/distance/distance.h"
#include "types/detoast.h"

/* Keys of what a parallel build shares */
#define KEY_SHARED		UINT64CONST(0xA600000000000001)
#define KEY_FLOATS		UINT64CONST(0xA600000000000002)
#define KEY_SORT		UINT64CONST(0xA600000000000003)
#define KEY_SUMS		UINT64CONST(0xA600000000000005)
#define KEY_QUERIES		UINT64CONST(0xA600000000000006)

/* What the processes of a build have in their segment besides, and each worker */
#define CONTEXT_BYTES	((Size) 64 * 1024)
#define WORKER_BYTES	((Size) 32 * 1024)

/* How often progress is reported, in tuples */
#define REPORT_TUPLES	1024

/* Rows that are assigned together */
#define MAX_BLOCK_ROWS	256
#define BLOCK_FLOATS	(1024 * 1024)

/* Neighbours of a sampled row, and one more: itself */
#define NEIGHBORS		11

typedef struct Neighbor
{
	float		distance;
	uint32		list;
} Neighbor;

/* What the processes of a build share */
typedef struct BuildShared
{
	Oid			heap;
	Oid			index;
	bool		concurrent;
	int			participants;	/* that memory is divided among */
	IvfMeta		meta;
	uint64		floats;			/* of constants */
	int			queries;		/* whose neighbours are looked for */
	pg_atomic_uint64 tuples;	/* indexed so far */

	LWLock		lock;			/* of what follows, and of sums and neighbours;
								 * not initialised for who builds alone */
	double		heap_tuples;
	double		index_tuples;
	double		error;			/* sum of squared distances */
	double		code_error;		/* the same of codes */
	bool		broken_hot_chain;
} BuildShared;

/* Of a list */
typedef struct ListSum
{
	double		error;
	uint64		rows;
} ListSum;

/* A process's part in a build */
typedef struct Builder
{
	Relation	heap;
	Relation	relation;
	BuildShared *shared;
	IvfModel   *model;
	const float *centroids;
	IvfEncoder *encoder;
	CentroidPanel *panel;
	CentroidPanel *query_panel;	/* NULL: none */
	Neighbor   *neighbors;		/* NEIGHBORS of each query, a heap each */
	ListSum    *sums;
	Tuplesortstate *sort;
	TupleTableSlot *slot;
	MemoryContext tuple_context;
	MemoryContext block_context;
	int			block_rows;
	int			rows;			/* in the block */
	float	   *ys;
	ItemPointerData *tids;
	struct varlena **values;	/* flat */
	FilterShape *filter;		/* NULL: no filter columns */
	uint8	   *keys;			/* of these */
	SlotId	   *value_ids;		/* NULL: no values are kept */
	IvfBounder *bounder;
	ValueStore	value_store;
	uint32	   *nearest;
	float	   *distances;
	float	   *products;		/* with queries */
	double		index_tuples;
	double		error;
	bool		report;
} Builder;

/* ------------------------------------------------------------------------
 * Assigning
 */

static TupleDesc
sort_descriptor(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(desc, 1, "list", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 3, "code", BYTEAOID, -1, 0);
	return desc;
}

static Tuplesortstate *
begin_sort(TupleDesc desc, int memory, SortCoordinate coordinate)
{
	AttrNumber	columns[] = {1, 2};
	Oid			operators[] = {Int4LessOperator, Int8LessOperator};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};

	return tuplesort_begin_heap(desc, 2, columns, operators, collations,
								nulls_first, memory, coordinate, false);
}

/* A row among the neighbours of query q?  The farthest stands first. */
static void
offer_neighbor(Neighbor *neighbors, float distance, uint32 list)
{
	int			at = 0;

	if (distance >= neighbors[0].distance)
		return;
	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= NEIGHBORS)
			break;
		if (child + 1 < NEIGHBORS &&
			neighbors[child + 1].distance > neighbors[child].distance)
			child++;
		if (neighbors[child].distance <= distance)
			break;
		neighbors[at] = neighbors[child];
		at = child;
	}
	neighbors[at].distance = distance;
	neighbors[at].list = list;
}

/* Assign, encode and sort the rows of a block. */
static void
flush_block(Builder *builder)
{
	const IvfModel *model = builder->model;
	int			queries = builder->shared->queries;
	Size		code_bytes = ivf_code_bytes(model);
	Size		key_bytes = builder->filter != NULL ? builder->filter->entry_bytes : 0;
	int			rows = builder->rows;

	if (rows == 0)
		return;
	centroid_panel_nearest(builder->panel, &index_host, builder->ys, rows,
						   builder->nearest, builder->distances);
	if (builder->query_panel != NULL)
	{
		bool		ip = model->column.metric == METRIC_IP;

		if (ip)
			centroid_panel_products(builder->query_panel, &index_host,
									builder->ys, rows, builder->products);
		else
			centroid_panel_distances(builder->query_panel, &index_host,
									 builder->ys, rows, builder->products);
		for (int i = 0; i < rows; i++)
		{
			const float *products = builder->products + (Size) i * queries;

			for (int q = 0; q < queries; q++)
				offer_neighbor(builder->neighbors + q * NEIGHBORS,
							   ip ? -products[q] : products[q],
							   builder->nearest[i]);
		}
	}

	for (int i = 0; i < rows; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(builder->tuple_context);
		uint32		list = builder->nearest[i];
		Size		header = VARHDRSZ + 3 * sizeof(float);
		SlotId		value_id = builder->value_ids != NULL ? builder->value_ids[i] : NO_SLOT;
		char	   *blob = (char *) palloc(add_size(header, add_size(code_bytes, key_bytes)));
		IvfEntry	entry;

		CHECK_FOR_INTERRUPTS();
		entry.code = (uint8 *) blob + header;
		ivf_encode(builder->encoder,
				   builder->values != NULL ? builder->values[i] : NULL,
				   builder->ys + (Size) i * model->width,
				   builder->centroids + (Size) list * model->width, &entry);
		SET_VARSIZE(blob, header + code_bytes + key_bytes);
		memcpy(blob + VARHDRSZ, &entry.add, sizeof(float));
		memcpy(blob + VARHDRSZ + sizeof(float), &entry.k, sizeof(float));
		memcpy(blob + VARHDRSZ + 2 * sizeof(float), &value_id, sizeof(SlotId));
		if (key_bytes > 0)
			memcpy(blob + header + code_bytes, builder->keys + i * key_bytes,
				   key_bytes);

		ExecClearTuple(builder->slot);
		builder->slot->tts_values[0] = Int32GetDatum((int32) list);
		builder->slot->tts_values[1] =
			Int64GetDatum(((int64) ItemPointerGetBlockNumber(&builder->tids[i]) << 16) |
						  ItemPointerGetOffsetNumber(&builder->tids[i]));
		builder->slot->tts_values[2] = PointerGetDatum(blob);
		memset(builder->slot->tts_isnull, false, 3 * sizeof(bool));
		ExecStoreVirtualTuple(builder->slot);
		tuplesort_puttupleslot(builder->sort, builder->slot);

		builder->sums[list].error += builder->distances[i];
		builder->sums[list].rows++;
		builder->error += builder->distances[i];
		MemoryContextSwitchTo(caller);
		MemoryContextReset(builder->tuple_context);
	}
	builder->rows = 0;
	MemoryContextReset(builder->block_context);
}

static void
build_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Builder    *builder = (Builder *) state;
	const IvfModel *model = builder->model;
	MemoryContext caller;
	const struct varlena *value;
	uint64		done;

	if (isnull[0])
		return;
	caller = MemoryContextSwitchTo(builder->tuple_context);
	value = (const struct varlena *) PG_DETOAST_DATUM(values[0]);
	column_check_dims(&model->column, value);
	if (ivf_transform(model, value, false,
					  builder->ys + (Size) builder->rows * model->width))
	{
		builder->tids[builder->rows] = *tid;
		if (builder->values != NULL)
		{
			MemoryContextSwitchTo(builder->block_context);
			builder->values[builder->rows] =
				(struct varlena *) palloc(VARSIZE(value));
			memcpy(builder->values[builder->rows], value, VARSIZE(value));
		}
		if (builder->filter != NULL)
			filter_make_keys(builder->filter, values, isnull,
							 builder->keys + builder->rows * builder->filter->entry_bytes);
		if (builder->value_ids != NULL)
			builder->value_ids[builder->rows] =
				ivf_write_value(builder->bounder, &builder->value_store, value,
								tid, false);
		builder->rows++;
		builder->index_tuples++;
		done = pg_atomic_add_fetch_u64(&builder->shared->tuples, 1);
		if (builder->report && done % REPORT_TUPLES == 0)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(builder->tuple_context);
	if (builder->rows == builder->block_rows)
		flush_block(builder);
}

/*
 * floats: the constants, as they will lie in the index.  queries: transformed
 * as queries are, shared->queries of them.
 */
static Builder *
builder_create(Relation heap, Relation relation, BuildShared *shared,
			   float *floats, const float *queries, SortCoordinate coordinate)
{
	Builder    *builder = (Builder *) palloc0(sizeof(Builder));
	IvfModel   *model = (IvfModel *) palloc(sizeof(IvfModel));
	int			width = shared->meta.width;
	int			rows;
	TupleDesc	desc = sort_descriptor();

	train_point_model(model, &shared->meta,
					  index_column_checked(relation, IVF_PROCS,
										   ivf_names[shared->meta.kind]),
					  floats);
	builder->heap = heap;
	builder->relation = relation;
	builder->shared = shared;
	builder->model = model;
	builder->centroids = floats + ivf_constants(&shared->meta).centroids;
	builder->encoder = ivf_encoder_create(model);
	builder->panel = centroid_panel_create(&index_host, builder->centroids,
										   model->lists, width, true);
	if (shared->queries > 0)
	{
		builder->query_panel = centroid_panel_create(&index_host, queries,
													 shared->queries, width, false);
		builder->neighbors = (Neighbor *)
			palloc(mul_size(shared->queries, NEIGHBORS * sizeof(Neighbor)));
		for (int i = 0; i < shared->queries * NEIGHBORS; i++)
		{
			builder->neighbors[i].distance = FLT_MAX;
			builder->neighbors[i].list = PG_UINT32_MAX;
		}
	}
	builder->sums = (ListSum *) palloc0(mul_size(model->lists, sizeof(ListSum)));
	builder->sort = begin_sort(desc,
							   Max(maintenance_work_mem / shared->participants, 64),
							   coordinate);
	builder->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	builder->tuple_context = AllocSetContextCreate(CurrentMemoryContext,
												   "ivf build tuple",
												   ALLOCSET_DEFAULT_SIZES);
	builder->block_context = AllocSetContextCreate(CurrentMemoryContext,
												   "ivf build block",
												   ALLOCSET_DEFAULT_SIZES);
	rows = Max(16, Min(MAX_BLOCK_ROWS, BLOCK_FLOATS / width));
	builder->block_rows = rows;
	builder->ys = (float *) palloc0(mul_size(mul_size(rows, width), sizeof(float)));
	builder->tids = (ItemPointerData *) palloc(rows * sizeof(ItemPointerData));
	builder->nearest = (uint32 *) palloc(rows * sizeof(uint32));
	builder->distances = (float *) palloc(rows * sizeof(float));
	builder->products = (float *)
		palloc(mul_size(rows, Max(shared->queries, 1) * sizeof(float)));
	if (model->keeps_values)
	{
		builder->bounder = ivf_bounder_create(model);
		builder->value_store = ivf_value_store(relation, &shared->meta);
		builder->value_ids = (SlotId *) palloc(rows * sizeof(SlotId));
	}
	builder->filter = filter_shape(relation);
	if (builder->filter != NULL)
		builder->keys = (uint8 *) palloc(mul_size(rows, builder->filter->entry_bytes));
	if (model->kind == IVF_FLAT)
		builder->values = (struct varlena **) palloc(rows * sizeof(struct varlena *));
	return builder;
}

/* Scan (a part of) the table, and add up what has been found out. */
static void
builder_run(Builder *builder, IndexInfo *index_info, TableScanDesc scan,
			ListSum *sums, Neighbor *neighbors, bool parallel)
{
	BuildShared *shared = builder->shared;
	double		heap_tuples = table_index_build_scan(builder->heap,
													 builder->relation,
													 index_info, parallel,
													 builder->report, build_row,
													 builder, scan);

	flush_block(builder);
	tuplesort_performsort(builder->sort);

	if (parallel)
		LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->heap_tuples += heap_tuples;
	shared->index_tuples += builder->index_tuples;
	shared->error += builder->error;
	shared->code_error += builder->encoder->error;
	if (index_info->ii_BrokenHotChain)
		shared->broken_hot_chain = true;
	for (uint32 i = 0; i < shared->meta.lists; i++)
	{
		sums[i].error += builder->sums[i].error;
		sums[i].rows += builder->sums[i].rows;
	}
	for (int q = 0; q < shared->queries; q++)
	{
		for (int i = 0; i < NEIGHBORS; i++)
		{
			Neighbor   *neighbor = &builder->neighbors[q * NEIGHBORS + i];

			if (neighbor->list != PG_UINT32_MAX)
				offer_neighbor(neighbors + q * NEIGHBORS, neighbor->distance,
							   neighbor->list);
		}
	}
	if (parallel)
		LWLockRelease(&shared->lock);
}

/* ------------------------------------------------------------------------
 * Writing
 */

/* Set up a page at the end of the index: exclusively locked */
static Buffer
extend(Relation index, ForkNumber fork, PageKind kind)
{
	Buffer		buffer = index_extend(index, fork);

	slot_page_init(BufferGetPage(buffer), kind);
	return buffer;
}

static void
finish_page(Buffer buffer, ForkNumber fork)
{
	START_CRIT_SECTION();
	MarkBufferDirty(buffer);
	/* an init fork is logged at once, whatever the relation's own files need */
	if (fork == INIT_FORKNUM)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

/*
 * Metapage, directory, constants and summaries; records are written when lists
 * are.
 */
static void
create_pages(Relation index, ForkNumber fork, IvfMeta *meta,
			 const float *floats, const FilterShape *filter)
{
	Buffer		buffer = extend(index, fork, PAGE_META);
	Page		page = BufferGetPage(buffer);
	uint64		total = ivf_constants(meta).total;
	BlockNumber directory_blocks =
		(meta->lists + IVF_LISTS_PER_PAGE - 1) / IVF_LISTS_PER_PAGE;

	meta->directory = 1;
	meta->constants = 1 + directory_blocks;
	if (filter != NULL)
		meta->summaries = meta->constants + (total + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
	*ivf_page_meta(page) = *meta;
	((PageHeader) page)->pd_lower = (char *) (ivf_page_meta(page) + 1) - (char *) page;
	finish_page(buffer, fork);

	for (BlockNumber i = 0; i < directory_blocks; i++)
	{
		buffer = extend(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		memset(PageGetContents(page), 0, SLOT_PAGE_ROOM);
		((PageHeader) page)->pd_lower += IVF_LISTS_PER_PAGE * sizeof(IvfList);
		finish_page(buffer, fork);
	}
	for (uint64 done = 0; done < total; done += IVF_RAW_FLOATS)
	{
		int			count = Min(total - done, (uint64) IVF_RAW_FLOATS);

		CHECK_FOR_INTERRUPTS();
		buffer = extend(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		memcpy(PageGetContents(page), floats + done, count * sizeof(float));
		((PageHeader) page)->pd_lower += count * sizeof(float);
		finish_page(buffer, fork);
	}
	for (uint32 list = 0; filter != NULL && list < meta->lists;)
	{
		buffer = extend(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		for (int i = 0; i < ivf_summaries_per_page(filter); i++)
			filter_bounds_init(filter, ivf_summary(filter, page, list++));
		((PageHeader) page)->pd_lower += ivf_summaries_per_page(filter) *
			filter->count * sizeof(FilterBounds);
		finish_page(buffer, fork);
	}
}

/* A list that is being written */
typedef struct ListWriter
{
	Relation	index;
	ForkNumber	fork;
	const IvfModel *model;
	IvfLayout	layout;
	BlockNumber directory;
	uint32		list;			/* the next to be begun */
	IvfList		record;
	Buffer		buffer;			/* its last page */
	uint8	   *codes;			/* of that page, if it has pieces */
	BlockNumber summaries;
	FilterBounds bounds[FILTER_MAX_COLUMNS];
} ListWriter;

static void
start_page(ListWriter *writer, uint32 list)
{
	Page		page;

	writer->buffer = extend(writer->index, writer->fork, PAGE_RECORD);
	page = BufferGetPage(writer->buffer);
	ivf_list_page_init(&writer->layout, page, list);
	if (writer->layout.pieces > 0)
		memset(writer->codes, 0, ivf_codes_bytes(&writer->layout));
	else
		memset((char *) page + writer->layout.codes, 0,
			   ivf_codes_bytes(&writer->layout));
	writer->record.pages++;
	writer->record.fill = BufferGetBlockNumber(writer->buffer);
}

/* Write the last page of what has been collected, and its pieces. */
static void
end_page(ListWriter *writer)
{
	const IvfLayout *layout = &writer->layout;
	Page		page = BufferGetPage(writer->buffer);
	Size		done = ivf_head_codes(layout);

	if (layout->pieces > 0)
	{
		memcpy((char *) page + layout->codes, writer->codes, done);
		for (uint32 i = 0; i < layout->pieces; i++)
		{
			Buffer		piece = extend(writer->index, writer->fork, PAGE_PIECE);
			Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);

			memcpy(PageGetContents(BufferGetPage(piece)), writer->codes + done, part);
			((PageHeader) BufferGetPage(piece))->pd_lower += part;
			ivf_list_page(page)->pieces[i] = BufferGetBlockNumber(piece);
			finish_page(piece, writer->fork);
			done += part;
		}
	}
	finish_page(writer->buffer, writer->fork);
	writer->buffer = InvalidBuffer;
}

static void
start_list(ListWriter *writer)
{
	memset(&writer->record, 0, sizeof(IvfList));
	if (writer->layout.filter != NULL)
		filter_bounds_init(writer->layout.filter, writer->bounds);
	start_page(writer, writer->list);
	writer->record.head = writer->record.fill;
}

/* End the list, and write its record and summary. */
static void
end_list(ListWriter *writer, const ListSum *sum)
{
	const FilterShape *filter = writer->layout.filter;
	BlockNumber block = writer->directory + writer->list / IVF_LISTS_PER_PAGE;
	Buffer		buffer;

	end_page(writer);
	writer->record.built = sum->rows;
	writer->record.radius = sum->rows > 0 ? sqrt(sum->error / sum->rows) : 0;
	buffer = ReadBufferExtended(writer->index, writer->fork, block, RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	((IvfList *) PageGetContents(BufferGetPage(buffer)))
		[writer->list % IVF_LISTS_PER_PAGE] = writer->record;
	finish_page(buffer, writer->fork);
	if (filter != NULL && sum->rows > 0)
	{
		block = writer->summaries + writer->list / ivf_summaries_per_page(filter);
		buffer = ReadBufferExtended(writer->index, writer->fork, block, RBM_NORMAL, NULL);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		memcpy(ivf_summary(filter, BufferGetPage(buffer), writer->list),
			   writer->bounds, filter->count * sizeof(FilterBounds));
		finish_page(buffer, writer->fork);
	}
	writer->list++;
}

static void
add_entry(ListWriter *writer, int64 tid, const char *blob)
{
	const IvfLayout *layout = &writer->layout;
	Page		page = BufferGetPage(writer->buffer);
	uint32		slot = ivf_list_page(page)->count;
	uint8	   *codes;

	if (slot == layout->slots)
	{
		/* the next page is known before this one is left */
		Buffer		full = writer->buffer;
		uint8	   *full_codes = writer->codes;

		if (layout->pieces > 0)
			writer->codes = (uint8 *) palloc(ivf_codes_bytes(layout));
		start_page(writer, ivf_list_page(page)->list);
		ivf_list_page(page)->next = BufferGetBlockNumber(writer->buffer);
		{
			Buffer		fresh = writer->buffer;
			uint8	   *fresh_codes = writer->codes;

			writer->buffer = full;
			writer->codes = full_codes;
			end_page(writer);
			writer->buffer = fresh;
			writer->codes = fresh_codes;
		}
		if (layout->pieces > 0)
			pfree(full_codes);
		page = BufferGetPage(writer->buffer);
		slot = 0;
	}
	codes = layout->pieces > 0 ? writer->codes : (uint8 *) page + layout->codes;
	ivf_put_code(writer->model, layout, codes, slot,
				 (const uint8 *) blob + 3 * sizeof(float));
	ItemPointerSet(&ivf_page_tids(layout, page)[slot], (BlockNumber) (tid >> 16),
				   (OffsetNumber) (tid & 0xFFFF));
	if (layout->factors > 0)
		memcpy(&ivf_page_add(layout, page)[slot], blob, sizeof(float));
	if (layout->factors > 1)
		memcpy(&ivf_page_k(layout, page)[slot], blob + sizeof(float), sizeof(float));
	if (layout->has_values)
		memcpy(&ivf_page_values(layout, page)[slot], blob + 2 * sizeof(float),
			   sizeof(SlotId));
	if (layout->filter != NULL)
	{
		const uint8 *keys = (const uint8 *) blob + 3 * sizeof(float) +
			ivf_code_bytes(writer->model);
		uint8	   *columns[FILTER_MAX_COLUMNS];

		ivf_page_keys(layout, page, columns);
		filter_put(layout->filter, columns, slot, keys);
		(void) filter_bounds_add(layout->filter, writer->bounds, keys);
	}
	ivf_list_page_set_count(layout, page, slot + 1);
}

/* Write all lists, from a sort (NULL: there are no rows). */
static void
write_lists(Relation index, ForkNumber fork, const IvfModel *model,
			const IvfMeta *meta, const FilterShape *filter, Tuplesortstate *sort,
			const ListSum *sums)
{
	ListWriter	writer = {0};
	TupleTableSlot *slot = NULL;
	bool		more = false;

	writer.index = index;
	writer.fork = fork;
	writer.model = model;
	writer.layout = ivf_layout(model, filter);
	writer.directory = meta->directory;
	writer.summaries = meta->summaries;
	writer.codes = (uint8 *) palloc(ivf_codes_bytes(&writer.layout));
	if (sort != NULL)
	{
		slot = MakeSingleTupleTableSlot(sort_descriptor(), &TTSOpsMinimalTuple);
		more = tuplesort_gettupleslot(sort, true, false, slot, NULL);
	}
	while (writer.list < meta->lists)
	{
		start_list(&writer);
		while (more)
		{
			bool		isnull;

			CHECK_FOR_INTERRUPTS();
			if (DatumGetInt32(slot_getattr(slot, 1, &isnull)) != (int32) writer.list)
				break;
			add_entry(&writer, DatumGetInt64(slot_getattr(slot, 2, &isnull)),
					  VARDATA_ANY(DatumGetPointer(slot_getattr(slot, 3, &isnull))));
			more = tuplesort_gettupleslot(sort, true, false, slot, NULL);
		}
		end_list(&writer, &sums[writer.list]);
	}
	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
}

/* ------------------------------------------------------------------------
 * How many lists a search must probe
 */

static void
calibrate(IvfMeta *meta, const IvfModel *model, const float *centroids,
		  const float *queries, int count, const Neighbor *neighbors,
		  const ListSum *sums)
{
	uint64	   *at_rank = (uint64 *) palloc0(mul_size(meta->lists, sizeof(uint64)));
	double	   *ranks = (double *) palloc(mul_size(meta->lists, sizeof(double)));
	double	   *sorted = (double *) palloc(mul_size(meta->lists, sizeof(double)));
	double	   *reaches = (double *)
		palloc(mul_size(Max(count, 1), NEIGHBORS * sizeof(double)));
	uint64		total = 0;
	uint64		sum = 0;
	double		probes = 1;
	int			point = 0;

	for (int q = 0; q < count; q++)
	{
		const float *y = queries + (Size) q * meta->width;
		const Neighbor *found = neighbors + q * NEIGHBORS;
		double		norm = sqrt(distance_kernels->f32_norm2(y, meta->width));
		int			nearest = 0;

		for (uint32 i = 0; i < meta->lists; i++)
		{
			CHECK_FOR_INTERRUPTS();
			ranks[i] = ivf_rank(model->column.metric, y, norm,
								centroids + (Size) i * meta->width, meta->width,
								meta->dims,
								sums[i].rows > 0 ? sqrt(sums[i].error / sums[i].rows) : 0);
		}
		memcpy(sorted, ranks, meta->lists * sizeof(double));
		qsort(sorted, meta->lists, sizeof(double), ivf_compare_doubles);

		/* itself is no neighbour */
		for (int i = 1; i < NEIGHBORS; i++)
		{
			if (found[i].distance < found[nearest].distance)
				nearest = i;
		}
		for (int i = 0; i < NEIGHBORS; i++)
		{
			uint32		low = 0;
			uint32		high = meta->lists;

			if (i == nearest || found[i].list == PG_UINT32_MAX)
				continue;
			while (low < high)
			{
				uint32		middle = (low + high) / 2;

				if (sorted[middle] < ranks[found[i].list])
					low = middle + 1;
				else
					high = middle;
			}
			at_rank[Min(low, meta->lists - 1)]++;
			reaches[total++] = ivf_reach(model->column.metric, ranks[found[i].list],
										 found[0].distance, norm * sqrt(meta->error));
		}
	}

	qsort(reaches, total, sizeof(double), ivf_compare_doubles);

	/*
	 * Steps by a bit less than a half, and the last one is all lists.  Reach is the
	 * quantile of recall's square: it keeps .98 where probes give .95, and that
	 * of recall itself, .99.
	 */
	memset(meta->recall, 0, sizeof(meta->recall));
	for (uint32 i = 0; i < meta->lists && total > 0; i++)
	{
		sum += at_rank[i];
		if (i + 1 < (uint32) probes && i + 1 < meta->lists)
			continue;
		if (point == IVF_RECALL_POINTS)
			break;
		meta->recall[point].probes = i + 1;
		meta->recall[point].recall = (double) sum / total;
		meta->reach[point++] = reaches[sum > 0 ? (uint64) ((double) (sum - 1) * sum / total) : 0];
		probes = Max(probes + 1, probes * 1.45);
		if (point == IVF_RECALL_POINTS - 1)
			probes = meta->lists;
	}
	pfree(reaches);
	pfree(sorted);
	pfree(ranks);
	pfree(at_rank);
}

/* ------------------------------------------------------------------------
 * The build
 */

static Size
shared_size(Relation heap, Snapshot snapshot)
{
	return add_size(BUFFERALIGN(sizeof(BuildShared)),
					table_parallelscan_estimate(heap, snapshot));
}

static ParallelTableScanDesc
parallel_scan_of(BuildShared *shared)
{
	return (ParallelTableScanDesc) ((char *) shared +
									BUFFERALIGN(sizeof(BuildShared)));
}

static void
init_shared(BuildShared *shared, Relation heap, Relation index,
			bool concurrent, int participants, const Training *training)
{
	shared->heap = RelationGetRelid(heap);
	shared->index = RelationGetRelid(index);
	shared->concurrent = concurrent;
	shared->participants = participants;
	shared->meta = training->meta;
	shared->floats = ivf_constants(&training->meta).total;
	shared->queries = training->query_count;
	pg_atomic_init_u64(&shared->tuples, 0);
	if (participants > 1)
	{
		LWLockInitialize(&shared->lock, LWLockNewTrancheId());
		LWLockRegisterTranche(shared->lock.tranche, "ivf_build");
	}
	shared->heap_tuples = 0;
	shared->index_tuples = 0;
	shared->error = shared->code_error = 0;
	shared->broken_hot_chain = false;
}

static void
init_neighbors(Neighbor *neighbors, int queries)
{
	for (int i = 0; i < queries * NEIGHBORS; i++)
	{
		neighbors[i].distance = FLT_MAX;
		neighbors[i].list = PG_UINT32_MAX;
	}
}

extern PGDLLEXPORT void ivf_parallel_build_main(dsm_segment *segment,
												shm_toc *toc);

/* What a worker runs */
void
ivf_parallel_build_main(dsm_segment *segment, shm_toc *toc)
{
	BuildShared *shared = (BuildShared *) shm_toc_lookup(toc, KEY_SHARED, false);
	float	   *floats = (float *) shm_toc_lookup(toc, KEY_FLOATS, false);
	Sharedsort *sort = (Sharedsort *) shm_toc_lookup(toc, KEY_SORT, false);
	ListSum    *sums = (ListSum *) shm_toc_lookup(toc, KEY_SUMS, false);
	float	   *queries = (float *) shm_toc_lookup(toc, KEY_QUERIES, false);
	LOCKMODE	heap_lock = shared->concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = shared->concurrent ? RowExclusiveLock : AccessExclusiveLock;
	SortCoordinateData coordinate = {true, -1, sort};
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	Builder    *builder;

	parallel_build_report(toc);
	LWLockRegisterTranche(shared->lock.tranche, "ivf_build");
	heap = table_open(shared->heap, heap_lock);
	index = index_open(shared->index, index_lock);
	index_info = BuildIndexInfo(index);
	index_info->ii_Concurrent = shared->concurrent;
	tuplesort_attach_shared(sort, segment);
	parallel_build_begin_usage();
	builder = builder_create(heap, index, shared, floats, queries, &coordinate);
	builder_run(builder, index_info,
				table_beginscan_parallel(heap, parallel_scan_of(shared)), sums,
				(Neighbor *) (queries + (Size) shared->queries * shared->meta.width),
				true);
	tuplesort_end(builder->sort);
	parallel_build_end_usage(toc);
	index_close(index, index_lock);
	table_close(heap, heap_lock);
}

/* What a build gives to those that finish it */
typedef struct BuildResult
{
	double		heap_tuples;
	double		index_tuples;
	double		error;
	double		code_error;
	ListSum    *sums;
	Neighbor   *neighbors;
} BuildResult;

/* Write lists, and keep what was found out. */
static void
finish_build(Relation index, Training *training, const Builder *builder,
			 Tuplesortstate *sort, BuildShared *shared, const ListSum *sums,
			 const Neighbor *neighbors, BuildResult *result)
{
	Size		lists = training->meta.lists;

	result->heap_tuples = shared->heap_tuples;
	result->index_tuples = shared->index_tuples;
	result->error = shared->error;
	result->code_error = shared->code_error;
	result->sums = (ListSum *) palloc(mul_size(lists, sizeof(ListSum)));
	memcpy(result->sums, sums, lists * sizeof(ListSum));
	result->neighbors = (Neighbor *)
		palloc(Max(training->query_count, 1) * NEIGHBORS * sizeof(Neighbor));
	memcpy(result->neighbors, neighbors,
		   training->query_count * NEIGHBORS * sizeof(Neighbor));
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_WRITE);
	write_lists(index, MAIN_FORKNUM, builder->model, &training->meta,
				builder->filter, sort, result->sums);
}

/* Build with workers and this process; false if there are none to be had. */
static bool
build_parallel(Relation heap, Relation index, IndexInfo *index_info,
			   Training *training, int workers, BuildResult *result)
{
	ParallelContext *context;
	Snapshot	snapshot;
	BuildShared *shared;
	Sharedsort *sort;
	float	   *floats;
	float	   *queries;
	ListSum    *sums;
	Neighbor   *neighbors;
	Size		shared_bytes;
	Size		float_bytes;
	Size		sort_bytes;
	Size		sum_bytes;
	Size		query_bytes;
	bool		launched;

	float_bytes = mul_size(ivf_constants(&training->meta).total, sizeof(float));
	sort_bytes = tuplesort_estimate_shared(workers + 1);
	sum_bytes = mul_size(training->meta.lists, sizeof(ListSum));
	query_bytes = mul_size(training->query_count,
						   training->meta.width * sizeof(float) +
						   NEIGHBORS * sizeof(Neighbor));
	if (!shared_memory_tried(add_size(add_size(float_bytes, sort_bytes),
									  add_size(add_size(sum_bytes, query_bytes),
											   CONTEXT_BYTES + workers * WORKER_BYTES)),
							 ivf_names[training->meta.kind]))
		return false;

	EnterParallelMode();
	context = CreateParallelContext("vector", "ivf_parallel_build_main", workers);
	snapshot = index_info->ii_Concurrent
		? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
	shared_bytes = shared_size(heap, snapshot);
	shm_toc_estimate_chunk(&context->estimator, shared_bytes);
	shm_toc_estimate_chunk(&context->estimator, float_bytes);
	shm_toc_estimate_chunk(&context->estimator, sort_bytes);
	shm_toc_estimate_chunk(&context->estimator, sum_bytes);
	shm_toc_estimate_chunk(&context->estimator, query_bytes + 1);
	shm_toc_estimate_keys(&context->estimator, 5);
	parallel_build_estimate(context);
	InitializeParallelDSM(context);

	/* no segment to be had: PostgreSQL goes on with private memory */
	launched = context->seg != NULL;
	if (launched)
	{
		shared = (BuildShared *) shm_toc_allocate(context->toc, shared_bytes);
		init_shared(shared, heap, index, index_info->ii_Concurrent, workers + 1,
					training);
		table_parallelscan_initialize(heap, parallel_scan_of(shared), snapshot);
		floats = (float *) shm_toc_allocate(context->toc, float_bytes);
		memcpy(floats, training->floats, float_bytes);
		sort = (Sharedsort *) shm_toc_allocate(context->toc, sort_bytes);
		tuplesort_initialize_shared(sort, workers + 1, context->seg);
		sums = (ListSum *) shm_toc_allocate(context->toc, sum_bytes);
		memset(sums, 0, sum_bytes);
		queries = (float *) shm_toc_allocate(context->toc, query_bytes + 1);
		memcpy(queries, training->queries,
			   mul_size(training->query_count, training->meta.width * sizeof(float)));
		neighbors = (Neighbor *) (queries + (Size) training->query_count *
								  training->meta.width);
		init_neighbors(neighbors, training->query_count);
		shm_toc_insert(context->toc, KEY_SHARED, shared);
		shm_toc_insert(context->toc, KEY_FLOATS, floats);
		shm_toc_insert(context->toc, KEY_SORT, sort);
		shm_toc_insert(context->toc, KEY_SUMS, sums);
		shm_toc_insert(context->toc, KEY_QUERIES, queries);
		parallel_build_share(context);
		LaunchParallelWorkers(context);
		launched = context->nworkers_launched > 0;
	}
	if (launched)
	{
		SortCoordinateData own = {true, -1, sort};
		SortCoordinateData all = {false, context->nworkers_launched + 1, sort};
		Builder    *builder = builder_create(heap, index, shared, floats, queries,
											 &own);
		Tuplesortstate *merged;

		ereport(DEBUG1,
				(errmsg("using %d parallel workers", context->nworkers_launched)));
		builder->report = true;
		WaitForParallelWorkersToAttach(context);
		builder_run(builder, index_info,
					table_beginscan_parallel(heap, parallel_scan_of(shared)),
					sums, neighbors, true);
		tuplesort_end(builder->sort);
		WaitForParallelWorkersToFinish(context);
		parallel_build_add_usage(context);
		if (shared->broken_hot_chain)
			index_info->ii_BrokenHotChain = true;
		merged = begin_sort(sort_descriptor(), maintenance_work_mem, &all);
		tuplesort_performsort(merged);
		finish_build(index, training, builder, merged, shared, sums,
					 neighbors, result);
		tuplesort_end(merged);
	}
	else if (context->seg != NULL)
		WaitForParallelWorkersToFinish(context);
	if (IsMVCCSnapshot(snapshot))
		UnregisterSnapshot(snapshot);
	DestroyParallelContext(context);
	ExitParallelMode();
	return launched;
}

static void
build_alone(Relation heap, Relation index, IndexInfo *index_info,
			Training *training, BuildResult *result)
{
	BuildShared *shared = (BuildShared *) palloc0(sizeof(BuildShared));
	ListSum    *sums = (ListSum *)
		palloc0(mul_size(training->meta.lists, sizeof(ListSum)));
	Neighbor   *neighbors = (Neighbor *)
		palloc(Max(training->query_count, 1) * NEIGHBORS * sizeof(Neighbor));
	Builder    *builder;

	init_shared(shared, heap, index, index_info->ii_Concurrent, 1, training);
	init_neighbors(neighbors, training->query_count);
	builder = builder_create(heap, index, shared, training->floats,
							 training->queries, NULL);
	builder->report = true;
	builder_run(builder, index_info, NULL, sums, neighbors, false);
	finish_build(index, training, builder, builder->sort, shared, sums,
				 neighbors, result);
	tuplesort_end(builder->sort);
}

/* Keep what only the whole table has told. */
static void
update_meta(Relation index, const IvfMeta *meta)
{
	Buffer		buffer = ReadBuffer(index, META_BLOCK);
	FreeSpace	space;			/* values have been written */

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	space = ivf_page_meta(BufferGetPage(buffer))->common.space;
	*ivf_page_meta(BufferGetPage(buffer)) = *meta;
	ivf_page_meta(BufferGetPage(buffer))->common.space = space;
	finish_page(buffer, MAIN_FORKNUM);
}

IndexBuildResult *
ivf_build(Relation heap, Relation index, IndexInfo *index_info)
{
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Training   *training;
	FilterShape *filter;
	BuildResult built = {0};
	IvfModel	model;
	int			workers;

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));

	training = train(heap, index, index_info);
	filter = filter_shape(index);
	train_point_model(&model, &training->meta, index_column(index, IVF_PROCS),
					  training->floats);
	(void) ivf_layout(&model, filter);
	create_pages(index, MAIN_FORKNUM, &training->meta, training->floats, filter);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_ASSIGN);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) training->rows);
	workers = plan_create_index_workers(RelationGetRelid(heap),
										RelationGetRelid(index));
	if (workers == 0 ||
		!build_parallel(heap, index, index_info, training, workers, &built))
		build_alone(heap, index, index_info, training, &built);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 (int64) built.index_tuples);

	training->meta.rows = built.index_tuples;
	training->meta.error = built.index_tuples > 0
		? built.error / built.index_tuples : 0;
	training->meta.code_error = built.index_tuples > 0
		? built.code_error / built.index_tuples : 0;
	calibrate(&training->meta, &model,
			  training->floats + ivf_constants(&training->meta).centroids,
			  training->queries, training->query_count, built.neighbors,
			  built.sums);
	update_meta(index, &training->meta);

	if (RelationNeedsWAL(index))
	{
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_WAL);
		log_newpage_range(index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index), true);
	}
	result->heap_tuples = built.heap_tuples;
	result->index_tuples = built.index_tuples;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
ivf_build_empty(Relation index)
{
	Training   *training = train_nothing(index);
	FilterShape *filter = filter_shape(index);
	ListSum		sum = {0};
	IvfModel	model;

	create_pages(index, INIT_FORKNUM, &training->meta, training->floats, filter);
	train_point_model(&model, &training->meta, index_column(index, IVF_PROCS),
					  training->floats);
	write_lists(index, INIT_FORKNUM, &model, &training->meta, filter, NULL, &sum);
}
