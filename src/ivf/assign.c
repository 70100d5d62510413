/*
 * assign.c
 *	  Rows of the table to the lists of their nearest centroids: what each
 *	  process of a build does.
 *
 * Rows are collected in blocks, since the nearest centroids of many rows are
 * found faster than those of one.  On the way, the exact neighbours of some
 * sampled rows (queries) are found among all rows: more centroids, as it were.
 */
#include "ivf/build.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "index/sample.h"
#include "ivf/assignments.h"
#include "ivf/index.h"
#include "math/cluster/cluster.h"
#include "types/detoast.h"

/* Rows that are assigned together */
#define MAX_BLOCK_ROWS	1024
#define BLOCK_FLOATS	(1024 * 1024)

/*
 * A list from a table is as good as the nearest one if its squared distance is
 * not more than so many times as large: who assigns with products in 16 bits may
 * miss the nearest by that.
 */
#define GIVEN_TOLERANCE	1.1f

typedef struct Assigner
{
	BuildProcess *process;
	IvfBuildShared *shared;
	IvfModel	model;
	const float *centroids;
	IvfEncoder *encoder;
	CentroidPanel *panel;
	CentroidPanel *query_panel; /* NULL: none */
	IvfNeighbor *neighbors;		/* of each query */
	IvfListSum *sums;
	IvfEntrySort *sort;
	MemoryContext row_context;
	MemoryContext tuple_context;
	MemoryContext block_context;
	FilterShape *filter;		/* NULL: no filter columns */
	IvfBounder *bounder;		/* NULL: no values are kept */
	ValueStore	value_store;

	/* lists from a table */
	IvfAssignments *assignments;	/* NULL: there is none */
	RowHints   *hints;
	int			first_key;		/* the key's place among a row's values */
	uint64		assigned;		/* lists that it has given */

	/* the block: rows that have been collected */
	int			block_rows;		/* room */
	int			rows;
	float	   *ys;
	ItemPointerData *tids;
	struct varlena **values;	/* of ivfflat */
	uint8	   *keys;			/* of filter columns */
	uint8	   *row_keys;		/* of the row that is being collected */
	SlotId	   *value_ids;		/* of values that the index keeps */
	int64	   *given;			/* lists from the table; -1: none */
	float	   *unknown;		/* rows whose nearest centroid is to be found, */
	int		   *unknown_rows;	/* which ones these are, */
	uint32	   *found;			/* and what has been found */
	float	   *found_distances;
	uint32	   *nearest;
	float	   *distances;
	float	   *products;		/* with queries; or squared distances from them */
} Assigner;

/* The squared distance of a row of the block from a centroid */
static float
distance_from(const Assigner *assigner, int row, uint32 list)
{
	int			width = assigner->model.width;

	return distance_kernels->f32_l2sq(assigner->ys + (Size) row * width,
									  assigner->centroids + (Size) list * width,
									  width);
}

/* The lists of the block's rows that a table gives, and the nearest of the others */
static void
assign_given(Assigner *assigner)
{
	int			width = assigner->model.width;
	int			unknown = 0;

	for (int i = 0; i < assigner->rows; i++)
	{
		int64		list = assigner->given[i];

		if (list >= 0 && !ivf_assignments_check_due(assigner->assigned++))
		{
			assigner->nearest[i] = (uint32) list;
			assigner->distances[i] = distance_from(assigner, i, (uint32) list);
			continue;
		}
		memcpy(assigner->unknown + (Size) unknown * width,
			   assigner->ys + (Size) i * width, width * sizeof(float));
		assigner->unknown_rows[unknown++] = i;
	}
	centroid_panel_nearest(assigner->panel, &index_host, assigner->unknown,
						   unknown, assigner->found, assigner->found_distances);
	for (int i = 0; i < unknown; i++)
	{
		int			row = assigner->unknown_rows[i];
		int64		list = assigner->given[row];

		assigner->nearest[row] = assigner->found[i];
		assigner->distances[row] = assigner->found_distances[i];
		if (list >= 0)
			ivf_assignments_checked(assigner->assignments,
									list == assigner->found[i] ||
									distance_from(assigner, row, (uint32) list) <=
									assigner->found_distances[i] * GIVEN_TOLERANCE);
	}
}

/* Assign, encode and sort the rows of the block. */
static void
flush_block(Assigner *assigner)
{
	const IvfModel *model = &assigner->model;
	IvfEntry	entry;

	if (assigner->rows == 0)
		return;
	if (assigner->assignments != NULL)
		assign_given(assigner);
	else
		centroid_panel_nearest(assigner->panel, &index_host, assigner->ys,
							   assigner->rows, assigner->nearest,
							   assigner->distances);
	if (assigner->query_panel != NULL)
		ivf_neighbors_find(assigner->neighbors, assigner->query_panel,
						   assigner->shared->queries, assigner->model.column.traits->product,
						   assigner->ys, assigner->rows, assigner->nearest,
						   assigner->tids, assigner->products);
	for (int i = 0; i < assigner->rows; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(assigner->tuple_context);
		uint32		list = assigner->nearest[i];

		CHECK_FOR_INTERRUPTS();
		entry.tid = assigner->tids[i];
		entry.code = (uint8 *) palloc(ivf_code_bytes(model));
		entry.value = assigner->bounder != NULL ? assigner->value_ids[i] : NO_SLOT;
		entry.keys = NULL;
		if (assigner->filter != NULL)
			entry.keys = assigner->keys + i * assigner->filter->entry_bytes;
		ivf_encode(assigner->encoder,
				   assigner->values != NULL ? assigner->values[i] : NULL,
				   assigner->ys + (Size) i * model->width,
				   assigner->centroids + (Size) list * model->width, &entry);
		ivf_sort_put(assigner->sort, list, &entry);
		ivf_list_sum_add(&assigner->sums[list], assigner->distances[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(assigner->tuple_context);
	}
	assigner->rows = 0;
	MemoryContextReset(assigner->block_context);
}

/*
 * A value that the index is to have an entry for: into the block, with the keys of
 * its row
 */
static void
collect_value(Assigner *assigner, ItemPointer tid, const struct varlena *value,
			  int64 list)
{
	const IvfModel *model = &assigner->model;
	int			at = assigner->rows;
	MemoryContext caller = MemoryContextSwitchTo(assigner->tuple_context);

	if (ivf_transform(model, value, false, assigner->ys + (Size) at * model->width))
	{
		assigner->tids[at] = *tid;
		if (assigner->assignments != NULL)
			assigner->given[at] = list;
		if (assigner->values != NULL)
		{
			assigner->values[at] = (struct varlena *)
				MemoryContextAlloc(assigner->block_context, VARSIZE(value));
			memcpy(assigner->values[at], value, VARSIZE(value));
		}
		if (assigner->filter != NULL)
			memcpy(assigner->keys + at * assigner->filter->entry_bytes,
				   assigner->row_keys, assigner->filter->entry_bytes);
		if (assigner->bounder != NULL)
			assigner->value_ids[at] =
				ivf_write_value(assigner->bounder, &assigner->value_store, value,
								tid, false);
		assigner->rows++;
		build_count(assigner->process);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(assigner->tuple_context);
	if (assigner->rows == assigner->block_rows)
		flush_block(assigner);
}

/* A row of the table: into the block */
static void
collect_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			bool alive, void *state)
{
	Assigner   *assigner = (Assigner *) state;
	MultiVector elements;
	MemoryContext caller;
	int64		list = -1;
	uint64		key;

	if (isnull[0])
		return;
	caller = MemoryContextSwitchTo(assigner->row_context);
	column_values(&assigner->model.column,
				  (const struct varlena *) PG_DETOAST_DATUM(values[0]), &elements);
	if (assigner->filter != NULL && elements.count > 0)
		filter_make_keys(assigner->filter, values, isnull, assigner->row_keys);
	if (assigner->assignments != NULL &&
		row_hints_key(assigner->hints, values, isnull, assigner->first_key, &key))
		list = ivf_assignments_get(assigner->assignments, key);
	for (int i = 0; i < elements.count; i++)
		collect_value(assigner, tid, column_values_get(&elements, i), list);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(assigner->row_context);
}

/* Room for the rows of a block */
static void
prepare_block(Assigner *assigner)
{
	int			width = assigner->model.width;
	int			rows = Max(16, Min(MAX_BLOCK_ROWS, BLOCK_FLOATS / width));

	assigner->block_rows = rows;
	assigner->ys = (float *) palloc0(mul_size(mul_size(rows, width), sizeof(float)));
	assigner->tids = (ItemPointerData *) palloc(rows * sizeof(ItemPointerData));
	assigner->nearest = (uint32 *) palloc(rows * sizeof(uint32));
	assigner->distances = (float *) palloc(rows * sizeof(float));
	assigner->products = (float *)
		palloc(mul_size(rows, Max(assigner->shared->queries, 1) * sizeof(float)));
	if (assigner->assignments != NULL)
	{
		assigner->given = (int64 *) palloc(rows * sizeof(int64));
		assigner->unknown = (float *)
			palloc(mul_size(mul_size(rows, width), sizeof(float)));
		assigner->unknown_rows = (int *) palloc(rows * sizeof(int));
		assigner->found = (uint32 *) palloc(rows * sizeof(uint32));
		assigner->found_distances = (float *) palloc(rows * sizeof(float));
	}
	if (assigner->bounder != NULL)
		assigner->value_ids = (SlotId *) palloc(rows * sizeof(SlotId));
	if (assigner->filter != NULL)
	{
		assigner->keys = (uint8 *)
			palloc(mul_size(rows, assigner->filter->entry_bytes));
		assigner->row_keys = (uint8 *) palloc(assigner->filter->entry_bytes);
	}
	if (assigner->model.kind == IVF_FLAT)
		assigner->values = (struct varlena **) palloc(rows * sizeof(struct varlena *));
}

static Assigner *
assigner_create(BuildProcess *process, SortCoordinate coordinate)
{
	IvfBuildShared *shared = (IvfBuildShared *) build_chunk(process, IVF_CHUNK_SHARED);
	float	   *floats = (float *) build_chunk(process, IVF_CHUNK_FLOATS);
	Assigner   *assigner = (Assigner *) palloc0(sizeof(Assigner));
	IvfModel   *model = &assigner->model;

	train_point_model(model, &shared->meta,
					  index_column_checked(process->index, IVF_PROCS,
										   ivf_names[shared->meta.kind]),
					  floats);
	assigner->process = process;
	assigner->shared = shared;
	assigner->centroids = floats + ivf_constants(&shared->meta).centroids;
	assigner->encoder = ivf_encoder_create(model);
	assigner->panel = centroid_panel_create(&index_host, assigner->centroids,
											model->lists, model->width, true);
	if (shared->queries > 0)
	{
		assigner->query_panel =
			centroid_panel_create(&index_host,
								  (float *) build_chunk(process, IVF_CHUNK_QUERIES),
								  shared->queries, model->width, false);
		assigner->neighbors = (IvfNeighbor *)
			palloc(mul_size(shared->queries, IVF_NEIGHBORS * sizeof(IvfNeighbor)));
		ivf_neighbors_init(assigner->neighbors, shared->queries);
	}
	assigner->sums = (IvfListSum *) palloc0(mul_size(model->lists, sizeof(IvfListSum)));
	assigner->filter = filter_shape(process->index);
	assigner->sort = ivf_sort_begin(model, assigner->filter,
									Max(maintenance_work_mem / process->totals->participants, 64),
									coordinate);
	if (model->keeps_values)
	{
		assigner->bounder = ivf_bounder_create(model);
		assigner->value_store = ivf_value_store(process->index, &shared->meta);
	}
	if (shared->assigned)
	{
		assigner->assignments = (IvfAssignments *)
			build_chunk(process, IVF_CHUNK_ASSIGNMENTS);
		assigner->hints = row_hints_join(ivf_assignments_plan(assigner->assignments));
		assigner->first_key = row_hints_ask(assigner->hints, process->info);
	}
	assigner->row_context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf build row",
												  ALLOCSET_DEFAULT_SIZES);
	assigner->tuple_context = AllocSetContextCreate(CurrentMemoryContext,
													"ivf build tuple",
													ALLOCSET_DEFAULT_SIZES);
	assigner->block_context = AllocSetContextCreate(CurrentMemoryContext,
													"ivf build block",
													ALLOCSET_DEFAULT_SIZES);
	prepare_block(assigner);
	return assigner;
}

/* Add to what the processes share what this one has found out. */
static void
add_up(const Assigner *assigner)
{
	BuildProcess *process = assigner->process;
	IvfBuildShared *shared = assigner->shared;
	IvfListSum *sums = (IvfListSum *) build_chunk(process, IVF_CHUNK_SUMS);
	IvfNeighbor *neighbors = (IvfNeighbor *) build_chunk(process, IVF_CHUNK_NEIGHBORS);

	shared->code_error += ivf_encoder_error(assigner->encoder);
	for (uint32 i = 0; i < shared->meta.lists; i++)
	{
		shared->error += assigner->sums[i].error;
		sums[i].error += assigner->sums[i].error;
		sums[i].rows += assigner->sums[i].rows;
	}
	for (int i = 0; i < shared->queries * IVF_NEIGHBORS; i++)
	{
		const IvfNeighbor *neighbor = &assigner->neighbors[i];

		if (neighbor->list != PG_UINT32_MAX)
			ivf_neighbors_add(neighbors + i / IVF_NEIGHBORS * IVF_NEIGHBORS,
							  neighbor->distance, neighbor->list,
							  unconstify(ItemPointerData *, &neighbor->tid));
	}
}

IvfEntrySort *
ivf_assign_rows(BuildProcess *process, SortCoordinate coordinate)
{
	Assigner   *assigner = assigner_create(process, coordinate);

	build_scan(process, collect_row, assigner);
	flush_block(assigner);
	if (assigner->hints != NULL)
	{
		row_hints_forget(process->info, assigner->first_key);
		row_hints_close(assigner->hints);
	}
	tuplesort_performsort(assigner->sort->state);
	if (process->segment != NULL)
		LWLockAcquire(&assigner->shared->lock, LW_EXCLUSIVE);
	add_up(assigner);
	if (process->segment != NULL)
		LWLockRelease(&assigner->shared->lock);
	return assigner->sort;
}
