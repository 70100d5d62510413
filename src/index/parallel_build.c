/*
 * parallel_build.c
 *	  A build by several processes, or by one where no others are to be had.
 */
#include "index/parallel_build.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/instrument.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "index/build_memory.h"
#include "index/build_report.h"

/* Keys in the table of contents */
#define KEY_QUERY		UINT64CONST(0xA700000000000001)
#define KEY_WAL			UINT64CONST(0xA700000000000002)
#define KEY_BUFFERS		UINT64CONST(0xA700000000000003)
#define KEY_TOTALS		UINT64CONST(0xA700000000000004)
#define KEY_SCAN		UINT64CONST(0xA700000000000005)
#define KEY_CHUNK		UINT64CONST(0xA700000000000100)	/* and those after it */

/* What PostgreSQL puts into the segment: about so much, and for each worker */
#define CONTEXT_BYTES	((Size) 128 * 1024)
#define WORKER_BYTES	((Size) 32 * 1024)

/* ------------------------------------------------------------------------
 * Every process
 */

void *
build_chunk(BuildProcess *process, int number)
{
	if (process->chunks[number] == NULL && process->segment == NULL)
		process->chunks[number] =
			MemoryContextAllocExtended(CurrentMemoryContext,
									   process->sizes[number],
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return process->chunks[number];
}

void
build_scan(BuildProcess *process, IndexBuildCallback row, void *state)
{
	BuildTotals *totals = process->totals;
	double		heap_tuples = table_index_build_scan(process->heap,
													 process->index,
													 process->info,
													 process->segment != NULL,
													 process->leader, row, state,
													 process->scan);

	SpinLockAcquire(&totals->mutex);
	totals->heap_tuples += heap_tuples;
	totals->broken_hot_chain |= process->info->ii_BrokenHotChain;
	SpinLockRelease(&totals->mutex);
}

void
build_count(BuildProcess *process)
{
	uint64		tuples = pg_atomic_add_fetch_u64(&process->totals->tuples, 1);

	if (process->leader && tuples % process->methods->report_every == 0)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, tuples);
}

static void
init_totals(BuildProcess *process, int participants)
{
	BuildTotals *totals = process->totals;

	memset(totals, 0, sizeof(BuildTotals));
	totals->heap = RelationGetRelid(process->heap);
	totals->index = RelationGetRelid(process->index);
	totals->concurrent = process->info->ii_Concurrent;
	totals->participants = participants;
	totals->query_id = pgstat_get_my_query_id();
	pg_atomic_init_u64(&totals->tuples, 0);
	SpinLockInit(&totals->mutex);

	/* there are not many numbers: none for a process that takes no locks */
	if (process->segment != NULL)
	{
		totals->tranche = LWLockNewTrancheId();
		LWLockRegisterTranche(totals->tranche, process->methods->tranche);
	}
}

static void
leave(BuildProcess *process)
{
	if (process->methods->leave != NULL)
		process->methods->leave(process);
}

/* ------------------------------------------------------------------------
 * Workers
 */

void
build_worker(dsm_segment *segment, shm_toc *toc, const BuildMethods *methods)
{
	BuildTotals *totals = (BuildTotals *) shm_toc_lookup(toc, KEY_TOTALS, false);
	LOCKMODE	heap_lock = totals->concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = totals->concurrent ? RowExclusiveLock : AccessExclusiveLock;
	WalUsage   *wal = (WalUsage *) shm_toc_lookup(toc, KEY_WAL, false);
	BufferUsage *buffers = (BufferUsage *) shm_toc_lookup(toc, KEY_BUFFERS, false);
	BuildProcess process = {0};

	debug_query_string = (const char *) shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	pgstat_report_query_id(totals->query_id, false);
	LWLockRegisterTranche(totals->tranche, methods->tranche);

	process.methods = methods;
	process.totals = totals;
	process.segment = segment;
	for (int i = 0; i < BUILD_MAX_CHUNKS; i++)
		process.chunks[i] = shm_toc_lookup(toc, KEY_CHUNK + i, true);
	process.heap = table_open(totals->heap, heap_lock);
	process.index = index_open(totals->index, index_lock);
	process.info = BuildIndexInfo(process.index);
	process.info->ii_Concurrent = totals->concurrent;
	process.scan =
		table_beginscan_parallel(process.heap,
								 (ParallelTableScanDesc)
								 shm_toc_lookup(toc, KEY_SCAN, false));
	InstrStartParallelQuery();
	methods->run(&process);
	leave(&process);
	InstrEndParallelQuery(&buffers[ParallelWorkerNumber],
						  &wal[ParallelWorkerNumber]);
	index_close(process.index, index_lock);
	table_close(process.heap, heap_lock);
}

/* ------------------------------------------------------------------------
 * The leader
 */

/* Plan one more chunk of the segment. */
static void
plan_chunk(ParallelContext *context, Size size)
{
	shm_toc_estimate_chunk(&context->estimator, size);
	shm_toc_estimate_keys(&context->estimator, 1);
}

/* Take a planned chunk, zeroed. */
static void *
take_chunk(ParallelContext *context, uint64 key, Size size)
{
	void	   *chunk = shm_toc_allocate(context->toc, size);

	memset(chunk, 0, size);
	shm_toc_insert(context->toc, key, chunk);
	return chunk;
}

/* Set up the segment for a leader and its workers; false if there is none. */
static bool
init_segment(BuildProcess *process, ParallelContext *context,
			 Snapshot snapshot, void *arg)
{
	Size		scan_size = table_parallelscan_estimate(process->heap, snapshot);
	Size		wal_size = mul_size(sizeof(WalUsage), context->nworkers);
	Size		buffer_size = mul_size(sizeof(BufferUsage), context->nworkers);
	Size		query_size = debug_query_string != NULL
		? strlen(debug_query_string) + 1 : 0;
	ParallelTableScanDesc scan;

	plan_chunk(context, sizeof(BuildTotals));
	plan_chunk(context, scan_size);
	for (int i = 0; process->sizes[i] > 0; i++)
		plan_chunk(context, process->sizes[i]);
	plan_chunk(context, wal_size);
	plan_chunk(context, buffer_size);
	if (query_size > 0)
		plan_chunk(context, query_size);
	InitializeParallelDSM(context);

	/* no segment to be had: PostgreSQL goes on with private memory */
	process->segment = context->seg;
	if (context->seg == NULL)
		return false;
	process->totals = (BuildTotals *) take_chunk(context, KEY_TOTALS,
												 sizeof(BuildTotals));
	init_totals(process, context->nworkers + 1);
	scan = (ParallelTableScanDesc) take_chunk(context, KEY_SCAN, scan_size);
	table_parallelscan_initialize(process->heap, scan, snapshot);
	for (int i = 0; process->sizes[i] > 0; i++)
		process->chunks[i] = take_chunk(context, KEY_CHUNK + i, process->sizes[i]);
	(void) take_chunk(context, KEY_WAL, wal_size);
	(void) take_chunk(context, KEY_BUFFERS, buffer_size);
	if (query_size > 0)
		memcpy(take_chunk(context, KEY_QUERY, query_size), debug_query_string,
			   query_size);
	process->methods->init(process, arg);
	return true;
}

/* The leader's own part; all others have ended when it has. */
static void
lead(BuildProcess *process, ParallelContext *context, void *arg,
	 IndexBuildResult *result)
{
	process->leader = true;
	process->methods->run(process);
	if (context != NULL)
	{
		WalUsage   *wal = (WalUsage *) shm_toc_lookup(context->toc, KEY_WAL, false);
		BufferUsage *buffers = (BufferUsage *)
			shm_toc_lookup(context->toc, KEY_BUFFERS, false);

		process->workers = context->nworkers_launched;
		WaitForParallelWorkersToFinish(context);
		for (int i = 0; i < context->nworkers_launched; i++)
			InstrAccumParallelQuery(&buffers[i], &wal[i]);
	}
	build_report_workers(process->workers);
	build_report_memory(add_size(MemoryContextMemAllocated(CurrentMemoryContext, true),
								 process->segment != NULL
								 ? dsm_segment_map_length(process->segment) : 0));
	process->methods->finish(process, arg);
	leave(process);
	if (process->totals->broken_hot_chain)
		process->info->ii_BrokenHotChain = true;
	result->heap_tuples = process->totals->heap_tuples;
	result->index_tuples = (double) pg_atomic_read_u64(&process->totals->tuples);
}

/* Build with workers; false if there are none to be had. */
static bool
build_together(BuildProcess process, int workers, void *arg,
			   IndexBuildResult *result)
{
	ParallelContext *context;
	Snapshot	snapshot;
	bool		launched = false;

	EnterParallelMode();
	context = CreateParallelContext("vector", process.methods->worker, workers);
	snapshot = process.info->ii_Concurrent
		? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
	if (init_segment(&process, context, snapshot, arg))
	{
		LaunchParallelWorkers(context);
		launched = context->nworkers_launched > 0;
		if (!launched)
			WaitForParallelWorkersToFinish(context);
	}
	if (launched)
	{
		ereport(DEBUG1,
				(errmsg("using %d parallel workers", context->nworkers_launched)));
		WaitForParallelWorkersToAttach(context);
		process.scan =
			table_beginscan_parallel(process.heap,
									 (ParallelTableScanDesc)
									 shm_toc_lookup(context->toc, KEY_SCAN, false));
		lead(&process, context, arg, result);
	}
	if (IsMVCCSnapshot(snapshot))
		UnregisterSnapshot(snapshot);
	DestroyParallelContext(context);
	ExitParallelMode();
	return launched;
}

void
build_by_processes(Relation heap, Relation index, IndexInfo *info,
				   const BuildMethods *methods, const Size *sizes, Size later,
				   double rows, void *arg, IndexBuildResult *result)
{
	int			workers = plan_create_index_workers(RelationGetRelid(heap),
													RelationGetRelid(index));
	Size		shared = add_size(CONTEXT_BYTES, mul_size(workers, WORKER_BYTES));
	BuildProcess process = {0};

	process.heap = heap;
	process.index = index;
	process.info = info;
	process.methods = methods;
	process.sizes = sizes;
	for (int i = 0; sizes[i] > 0; i++)
		shared = add_size(shared, sizes[i]);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, (int64) rows);
	if (workers == 0 ||
		!shared_memory_foreseen(add_size(shared, later), methods->am, "built") ||
		!shared_memory_tried(shared, methods->am, "built") ||
		!build_together(process, workers, arg, result))
	{
		BuildTotals totals;

		process.totals = &totals;
		init_totals(&process, 1);
		methods->init(&process, arg);
		lead(&process, NULL, arg, result);
	}
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 (int64) result->index_tuples);
}

void
build_log(Relation index, int phase)
{
	if (!RelationNeedsWAL(index))
		return;
	build_phase(phase);
	log_newpage_range(index, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(index),
					  true);
}
