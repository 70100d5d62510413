/*
 * build.c
 *	  CREATE INDEX: a sample, centroids and codes from it, then every row.
 *
 * 1. A sample of the table is transformed; k-means on it gives the centroids
 *	  (or a table does), and its residuals train product quantization (train.c).
 * 2. All rows are assigned to their nearest centroid, in blocks, and encoded, by
 *	  this process and workers, into a sort by (list, TID).  On the way, exact
 *	  neighbours of some sampled rows are found (assign.c).
 * 3. Lists are written in order, and all pages logged (write.c).
 * 4. Where the neighbours found in 2 lie tells how many lists a search must
 *	  probe for a certain recall (calibrate.c).
 */
#include "ivf/ivf.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "index/build_memory.h"
#include "index/metapage.h"
#include "index/parallel_build.h"
#include "ivf/assign.h"
#include "ivf/page.h"
#include "ivf/progress.h"
#include "ivf/train.h"
#include "ivf/write.h"

/* Keys of what a parallel build shares */
#define KEY_SHARED		UINT64CONST(0xA600000000000001)
#define KEY_FLOATS		UINT64CONST(0xA600000000000002)
#define KEY_SORT		UINT64CONST(0xA600000000000003)
#define KEY_SUMS		UINT64CONST(0xA600000000000005)
#define KEY_QUERIES		UINT64CONST(0xA600000000000006)

/* What the processes of a build have in their segment besides, and each worker */
#define CONTEXT_BYTES	((Size) 64 * 1024)
#define WORKER_BYTES	((Size) 32 * 1024)

/* An index that is being built */
typedef struct Build
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	Training   *training;
	IvfModel	model;
	FilterShape *filter;		/* NULL: no filter columns */
	IndexBuildResult *result;
} Build;

static Size
shared_size(Relation heap, Snapshot snapshot)
{
	return add_size(BUFFERALIGN(sizeof(IvfBuildShared)),
					table_parallelscan_estimate(heap, snapshot));
}

static ParallelTableScanDesc
parallel_scan_of(IvfBuildShared *shared)
{
	return (ParallelTableScanDesc) ((char *) shared +
									BUFFERALIGN(sizeof(IvfBuildShared)));
}

static Size
floats_size(const Training *training)
{
	return mul_size(ivf_constants(&training->meta).total, sizeof(float));
}

static Size
sums_size(const Training *training)
{
	return mul_size(training->meta.lists, sizeof(IvfListSum));
}

/* Queries, and their neighbours behind them; perhaps none, which takes room, too */
static Size
queries_size(const Training *training)
{
	return mul_size(training->query_count,
					training->meta.width * sizeof(float) +
					IVF_NEIGHBORS * sizeof(IvfNeighbor)) + 1;
}

static IvfNeighbor *
neighbors_behind(const IvfMeta *meta, int queries, float *floats)
{
	return (IvfNeighbor *) (floats + (Size) queries * meta->width);
}

/* Fill in what the processes share, at its places. */
static void
init_parts(const IvfBuildParts *parts, const Build *build, int participants)
{
	const Training *training = build->training;
	IvfBuildShared *shared = parts->shared;

	memset(shared, 0, sizeof(*shared));
	shared->heap = RelationGetRelid(build->heap);
	shared->index = RelationGetRelid(build->index);
	shared->concurrent = build->index_info->ii_Concurrent;
	shared->participants = participants;
	shared->meta = training->meta;
	shared->queries = training->query_count;
	pg_atomic_init_u64(&shared->tuples, 0);
	if (participants > 1)
	{
		LWLockInitialize(&shared->lock, LWLockNewTrancheId());
		LWLockRegisterTranche(shared->lock.tranche, "ivf_build");
	}
	memset(parts->sums, 0, sums_size(training));
	ivf_neighbors_init(parts->neighbors, training->query_count);
}

extern PGDLLEXPORT void ivf_parallel_build_main(dsm_segment *segment,
												shm_toc *toc);

/* What a worker runs */
void
ivf_parallel_build_main(dsm_segment *segment, shm_toc *toc)
{
	IvfBuildShared *shared = (IvfBuildShared *) shm_toc_lookup(toc, KEY_SHARED, false);
	Sharedsort *sort = (Sharedsort *) shm_toc_lookup(toc, KEY_SORT, false);
	LOCKMODE	heap_lock = shared->concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = shared->concurrent ? RowExclusiveLock : AccessExclusiveLock;
	SortCoordinateData coordinate = {true, -1, sort};
	IvfBuildParts parts;
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;

	parts.shared = shared;
	parts.floats = (float *) shm_toc_lookup(toc, KEY_FLOATS, false);
	parts.sums = (IvfListSum *) shm_toc_lookup(toc, KEY_SUMS, false);
	parts.queries = (float *) shm_toc_lookup(toc, KEY_QUERIES, false);
	parts.neighbors = neighbors_behind(&shared->meta, shared->queries,
									   parts.queries);
	parallel_build_report(toc);
	LWLockRegisterTranche(shared->lock.tranche, "ivf_build");
	heap = table_open(shared->heap, heap_lock);
	index = index_open(shared->index, index_lock);
	index_info = BuildIndexInfo(index);
	index_info->ii_Concurrent = shared->concurrent;
	tuplesort_attach_shared(sort, segment);
	parallel_build_begin_usage();
	ivf_sort_end(ivf_assign_rows(heap, index, index_info, &parts,
								 table_beginscan_parallel(heap, parallel_scan_of(shared)),
								 &coordinate, false));
	parallel_build_end_usage(toc);
	index_close(index, index_lock);
	table_close(heap, heap_lock);
}

/* Write lists, and keep what was found out. */
static void
finish_build(const Build *build, IvfEntrySort *sort, const IvfBuildParts *parts)
{
	const IvfBuildShared *shared = parts->shared;
	Training   *training = build->training;
	IvfMeta    *meta = &training->meta;
	double		rows = shared->index_tuples;

	build->result->heap_tuples = shared->heap_tuples;
	build->result->index_tuples = rows;
	if (shared->broken_hot_chain)
		build->index_info->ii_BrokenHotChain = true;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_WRITE);
	ivf_write_lists(build->index, MAIN_FORKNUM, &build->model, meta,
					build->filter, sort, parts->sums);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) rows);
	meta->rows = rows;
	meta->error = rows > 0 ? shared->error / rows : 0;
	meta->code_error = rows > 0 ? shared->code_error / rows : 0;
	ivf_calibrate(meta, &build->model,
				  training->floats + ivf_constants(meta).centroids,
				  training->queries, training->query_count, parts->neighbors,
				  parts->sums);
	ivf_update_meta(build->index, meta);
}

/* Fill in a segment, which InitializeParallelDSM has made, for so many workers. */
static void
share(const Build *build, ParallelContext *context, Snapshot snapshot,
	  IvfBuildParts *parts, Sharedsort **sort)
{
	const Training *training = build->training;
	shm_toc    *toc = context->toc;
	Size		float_bytes = floats_size(training);
	int			participants = context->nworkers + 1;

	parts->shared = (IvfBuildShared *)
		shm_toc_allocate(toc, shared_size(build->heap, snapshot));
	parts->floats = (float *) shm_toc_allocate(toc, float_bytes);
	parts->sums = (IvfListSum *) shm_toc_allocate(toc, sums_size(training));
	parts->queries = (float *) shm_toc_allocate(toc, queries_size(training));
	*sort = (Sharedsort *)
		shm_toc_allocate(toc, tuplesort_estimate_shared(participants));
	memcpy(parts->floats, training->floats, float_bytes);
	memcpy(parts->queries, training->queries,
		   mul_size(training->query_count, training->meta.width * sizeof(float)));
	parts->neighbors = neighbors_behind(&training->meta, training->query_count,
										parts->queries);
	init_parts(parts, build, participants);
	tuplesort_initialize_shared(*sort, participants, context->seg);
	table_parallelscan_initialize(build->heap, parallel_scan_of(parts->shared),
								  snapshot);
	shm_toc_insert(toc, KEY_SHARED, parts->shared);
	shm_toc_insert(toc, KEY_FLOATS, parts->floats);
	shm_toc_insert(toc, KEY_SUMS, parts->sums);
	shm_toc_insert(toc, KEY_QUERIES, parts->queries);
	shm_toc_insert(toc, KEY_SORT, *sort);
	parallel_build_share(context);
}

/* This process's part of a build with workers, and the end of it */
static void
lead(const Build *build, ParallelContext *context, const IvfBuildParts *parts,
	 Sharedsort *shared_sort)
{
	SortCoordinateData own = {true, -1, shared_sort};
	SortCoordinateData all = {false, context->nworkers_launched + 1, shared_sort};
	IvfEntrySort *sort;

	ereport(DEBUG1,
			(errmsg("using %d parallel workers", context->nworkers_launched)));
	WaitForParallelWorkersToAttach(context);
	ivf_sort_end(ivf_assign_rows(build->heap, build->index, build->index_info,
								 parts,
								 table_beginscan_parallel(build->heap,
														  parallel_scan_of(parts->shared)),
								 &own, true));
	WaitForParallelWorkersToFinish(context);
	parallel_build_add_usage(context);
	sort = ivf_sort_begin(&build->model, build->filter, maintenance_work_mem, &all);
	tuplesort_performsort(sort->state);
	finish_build(build, sort, parts);
	ivf_sort_end(sort);
}

/* Build with workers and this process; false if there are none to be had. */
static bool
build_parallel(const Build *build, int workers)
{
	const Training *training = build->training;
	Size		sizes[] = {
		floats_size(training), sums_size(training), queries_size(training),
		tuplesort_estimate_shared(workers + 1)
	};
	Size		total = CONTEXT_BYTES + workers * WORKER_BYTES;
	ParallelContext *context;
	Snapshot	snapshot;
	bool		launched;

	for (int i = 0; i < (int) lengthof(sizes); i++)
		total = add_size(total, sizes[i]);
	if (!shared_memory_tried(total, ivf_names[training->meta.kind]))
		return false;

	EnterParallelMode();
	context = CreateParallelContext("vector", "ivf_parallel_build_main", workers);
	snapshot = build->index_info->ii_Concurrent
		? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
	for (int i = 0; i < (int) lengthof(sizes); i++)
		shm_toc_estimate_chunk(&context->estimator, sizes[i]);
	shm_toc_estimate_chunk(&context->estimator, shared_size(build->heap, snapshot));
	shm_toc_estimate_keys(&context->estimator, lengthof(sizes) + 1);
	parallel_build_estimate(context);
	InitializeParallelDSM(context);

	/* no segment to be had: PostgreSQL goes on with private memory */
	launched = context->seg != NULL;
	if (launched)
	{
		IvfBuildParts parts;
		Sharedsort *sort;

		share(build, context, snapshot, &parts, &sort);
		LaunchParallelWorkers(context);
		launched = context->nworkers_launched > 0;
		if (launched)
			lead(build, context, &parts, sort);
		else
			WaitForParallelWorkersToFinish(context);
	}
	if (IsMVCCSnapshot(snapshot))
		UnregisterSnapshot(snapshot);
	DestroyParallelContext(context);
	ExitParallelMode();
	return launched;
}

static void
build_alone(const Build *build)
{
	Training   *training = build->training;
	IvfBuildParts parts;
	IvfEntrySort *sort;

	parts.shared = (IvfBuildShared *) palloc(sizeof(IvfBuildShared));
	parts.floats = training->floats;
	parts.sums = (IvfListSum *) palloc(sums_size(training));
	parts.queries = training->queries;
	parts.neighbors = (IvfNeighbor *)
		palloc(Max(training->query_count, 1) * IVF_NEIGHBORS * sizeof(IvfNeighbor));
	init_parts(&parts, build, 1);
	sort = ivf_assign_rows(build->heap, build->index, build->index_info, &parts,
						   NULL, NULL, true);
	finish_build(build, sort, &parts);
	ivf_sort_end(sort);
}

IndexBuildResult *
ivf_build(Relation heap, Relation index, IndexInfo *index_info)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf build",
												  ALLOCSET_DEFAULT_SIZES);
	Build		build = {heap, index, index_info};
	MemoryContext caller;
	int			workers;

	if (RelationGetNumberOfBlocks(index) != 0)

	build_check_empty(index);
	build.result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	caller = MemoryContextSwitchTo(context);
	build.training = train(heap, index, index_info);
	build.filter = filter_shape(index);
	train_point_model(&build.model, &build.training->meta,
					  index_column(index, IVF_PROCS), build.training->floats);
	(void) ivf_layout(&build.model, build.filter);
	ivf_create_pages(index, MAIN_FORKNUM, &build.training->meta,
					 build.training->floats, build.filter);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_ASSIGN);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) build.training->rows);
	workers = plan_create_index_workers(RelationGetRelid(heap),
										RelationGetRelid(index));
	if (workers == 0 || !build_parallel(&build, workers))
		build_alone(&build);
	if (RelationNeedsWAL(index))
	{
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, IVF_PHASE_WAL);
		log_newpage_range(index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index), true);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return build.result;
}

void
ivf_build_empty(Relation index)
{
	Training   *training = train_nothing(index);
	FilterShape *filter = filter_shape(index);
	IvfListSum	sum = {0};
	IvfModel	model;

	ivf_create_pages(index, INIT_FORKNUM, &training->meta, training->floats, filter);
	train_point_model(&model, &training->meta, index_column(index, IVF_PROCS),
					  training->floats);
	ivf_write_lists(index, INIT_FORKNUM, &model, &training->meta, filter, NULL, &sum);
}
