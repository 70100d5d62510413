/*
 * build.c
 *	  CREATE INDEX: the graph in memory, then on pages.
 *
 * All processes insert into the graph in memory (memory_graph.h); or, where a table
 * has the neighbours of rows, link it by that (given_graph.h).  If memory runs
 * out, the graph is written, and what is left of the table is inserted as by
 * INSERT, but without WAL.  To write it, a process waits until no other is inside
 * (build_enter, build_leave).
 *
 * Nothing is logged before the end, when all pages are, as a whole.
 */
#include "hnsw/hnsw.h"

#include <math.h>

#include "access/htup_details.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hnsw/calibrate.h"
#include "hnsw/given_graph.h"
#include "hnsw/memory_graph.h"
#include "hnsw/page.h"
#include "index/build_report.h"
#include "index/metapage.h"
#include "index/parallel_build.h"
#include "math/heap/heap.h"

/* Ranges of blocks, and blocks in each, that are looked at beforehand */
#define SAMPLE_RANGES	64
#define SAMPLE_BLOCKS	2
#define SAMPLE_MAX_SIZES	10000

typedef enum BuildState
{
	BUILD_MEMORY,				/* the graph is in memory */
	BUILD_WRITING,
	BUILD_PAGES					/* it is on pages */
} BuildState;

/* What the processes of a build share */
typedef struct BuildShared
{
	MemoryGraphShared graph;
	double		rows;			/* to be indexed: an estimate */
	slock_t		mutex;			/* of what follows */
	BuildState	state;
	int			inside;			/* processes that are in the graph */
	ConditionVariable changed;	/* state or inside has */
	bool		given;			/* a table gives neighbours */
} BuildShared;

/* Chunks that processes share: a BuildShared; then, those of given_graph.h */
enum
{
	CHUNK_SHARED,
	CHUNK_GIVEN
};

/* What the leader knows of a build */
typedef struct BuildPlan
{
	BuildShared shared;
	RowHints   *hints;			/* NULL: no table gives neighbours */
} BuildPlan;

/* A process's part in a build */
typedef struct Builder
{
	BuildProcess *process;
	BuildShared *shared;
	bool		alone;			/* no locks are needed */
	HnswIndex  *index;
	MemoryGraph *graph;
	HnswInserter *inserter;		/* values' pages, and all when memory is full */
	HnswQueries *queries;		/* of the leader's rows; NULL: of no leader */
	GivenGraph *given;			/* NULL: no table gives neighbours */
	MemoryContext tuple_context;
} Builder;

/* ------------------------------------------------------------------------
 * A look at the table beforehand
 */

typedef struct Sample
{
	ValueSample *values;		/* NULL: of a type without a mean */
	Size	   *sizes;			/* of sparsevecs; NULL: of another type */
	int			size_count;
} Sample;

static void
sample_value(const struct varlena *value, void *arg)
{
	Sample	   *sample = (Sample *) arg;

	if (sample->sizes != NULL && sample->size_count < SAMPLE_MAX_SIZES)
		sample->sizes[sample->size_count++] = VARSIZE(value);
	if (sample->values != NULL)
		sample_add(sample->values, value);
}

ASCENDING(compare_sizes, Size, Size, *e)

/*
 * Look at a few blocks all over the table.  Returns the index's description
 * with the mean of the values; *rows is an estimate of the table's.
 */
static HnswIndex *
sample_table(Relation heap, Relation index, IndexInfo *index_info, double *rows)
{
	HnswIndex  *described = hnsw_describe(index, hnsw_options(index), NULL, 0);
	Sample		sample = {0};
	BlockSample blocks;
	Size		sparse_size = 0;

	if (described->codec.column.type->kind == COLUMN_SPARSEVEC)
		sample.sizes = (Size *) palloc(SAMPLE_MAX_SIZES * sizeof(Size));
	if (codec_quantizable(&described->codec.column) ||
		codec_has_mean(&described->codec.column, 0))
		sample.values = sample_create(described->codec.column);
	block_sample_begin(&blocks, heap, index, index_info, sample_value, &sample);
	block_sample_ranges(&blocks, SAMPLE_RANGES, SAMPLE_BLOCKS);
	block_sample_end(&blocks);
	*rows = block_sample_rows(&blocks);

	if (sample.size_count > 0)
	{
		/* nineteen of twenty fit their element */
		qsort(sample.sizes, sample.size_count, sizeof(Size), compare_sizes);
		sparse_size = sample.sizes[(Size) (sample.size_count - 1) * 19 / 20];
	}
	return hnsw_describe(index, hnsw_options(index), sample.values, sparse_size);
}

/* ------------------------------------------------------------------------
 * Processes together
 */

/* Wait for the graph to be in memory or on pages; go inside if in memory. */
static bool
build_enter(Builder *builder)
{
	BuildShared *shared = builder->shared;
	BuildState	state;

	if (builder->alone)
		return shared->state == BUILD_MEMORY;
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		state = shared->state;
		if (state == BUILD_MEMORY)
			shared->inside++;
		SpinLockRelease(&shared->mutex);
		if (state != BUILD_WRITING)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return state == BUILD_MEMORY;
}

static void
build_leave(Builder *builder)
{
	BuildShared *shared = builder->shared;
	bool		wake;

	if (builder->alone)
		return;
	SpinLockAcquire(&shared->mutex);
	wake = --shared->inside == 0 && shared->state == BUILD_WRITING;
	SpinLockRelease(&shared->mutex);
	if (wake)
		ConditionVariableBroadcast(&shared->changed);
}

static void
write_graph(Builder *builder)
{
	if (builder->process->leader)
		build_phase(HNSW_PHASE_WRITE);
	memory_graph_write(builder->graph);
	if (builder->process->leader)
		build_phase(HNSW_PHASE_LOAD);
}

/* Memory is full: the first process to say so writes the graph. */
static void
build_to_pages(Builder *builder)
{
	BuildShared *shared = builder->shared;
	double		rows;
	uint64		tuples;
	bool		mine;
	int			inside;

	SpinLockAcquire(&shared->mutex);
	mine = shared->state == BUILD_MEMORY;
	if (mine)
		shared->state = BUILD_WRITING;
	SpinLockRelease(&shared->mutex);
	if (!mine)
		return;

	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		inside = shared->inside;
		SpinLockRelease(&shared->mutex);
		if (inside == 0)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	tuples = pg_atomic_read_u64(&builder->process->totals->tuples);
	rows = Max(shared->rows, tuples * 2.0);
	if (shared->graph.memory.refused)
		ereport(NOTICE,
				(errmsg("hnsw graph no longer fits into %s after " UINT64_FORMAT " tuples",
						builder->alone ? "memory" : "shared memory", tuples),
				 errdetail("The rest of the table is inserted into the graph on disk, which takes longer."),
				 builder->alone ? 0 : errhint(SHARED_MEMORY_HINT)));
	else
		ereport(NOTICE,
				(errmsg("hnsw graph no longer fits into maintenance_work_mem after " UINT64_FORMAT " tuples",
						tuples),
				 errdetail("The rest of the table is inserted into the graph on disk, which takes longer."),
				 errhint("Set maintenance_work_mem to %.0f MB or more.",
						 ceil(rows * 1.25 * shared->graph.per_element / (1024 * 1024)))));
	write_graph(builder);

	SpinLockAcquire(&shared->mutex);
	shared->state = BUILD_PAGES;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

static void
build_value(Builder *builder, const struct varlena *value, ItemPointer tid)
{
	HnswInserter *inserter = builder->inserter;

	while (build_enter(builder))
	{
		uint64		hash = hnsw_hash(builder->index, value,
									 inserter->entry_keys);
		int			level = hnsw_level(builder->index, hash);
		bool		room = memory_graph_make_room(builder->graph, level);

		if (room)
		{
			hnsw_set_value(inserter, value);
			memory_graph_insert(builder->graph, tid, hash, level);
		}
		build_leave(builder);
		if (room)
			return;
		build_to_pages(builder);
	}
	hnsw_insert_value(inserter, value, tid);
}

/*
 * Put a value into the graph that a table links.  False, and the graph is linked,
 * if there is no room.
 */
static bool
place_value(Builder *builder, const struct varlena *value, ItemPointer tid,
			const Datum *values, const bool *isnull)
{
	if (given_graph_place(builder->given, value, tid, values, isnull))
		return true;
	given_graph_link(builder->given);
	return false;
}

static void
build_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Builder    *builder = (Builder *) state;
	MemoryContext caller = MemoryContextSwitchTo(builder->tuple_context);
	const struct varlena *value = hnsw_indexed_value(&builder->index->codec,
													 values[0], isnull[0]);

	if (value != NULL)
	{
		if (builder->index->filter != NULL)
			filter_make_keys(builder->index->filter, values, isnull,
							 builder->inserter->entry_keys);
		if (builder->given == NULL ||
			!place_value(builder, value, tid, values, isnull))
			build_value(builder, value, tid);
		if (builder->queries != NULL)
			hnsw_queries_add(builder->queries, value, tid);
		build_count(builder->process);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(builder->tuple_context);
}

/* ------------------------------------------------------------------------
 * A process's part
 */

static Builder *
builder_create(BuildProcess *process)
{
	Builder    *builder = (Builder *) palloc0(sizeof(Builder));

	builder->process = process;
	builder->shared = (BuildShared *) build_chunk(process, CHUNK_SHARED);
	builder->alone = process->segment == NULL;
	builder->index = hnsw_open(process->index);
	builder->inserter = hnsw_inserter_create(process->index, builder->index, false);
	builder->graph = memory_graph_join(&builder->shared->graph, process->segment,
									   builder->index, builder->inserter);
	if (process->leader)
		builder->queries = hnsw_queries_create(builder->index->meta.seed);
	builder->tuple_context = AllocSetContextCreate(CurrentMemoryContext,
												   "hnsw build tuple",
												   ALLOCSET_DEFAULT_SIZES);
	if (builder->shared->given)
		builder->given = given_graph_join(process, CHUNK_GIVEN, builder->graph);
	return builder;
}

/* BuildMethods.run */
static void
run(BuildProcess *process)
{
	Builder    *builder = builder_create(process);

	process->state = builder;
	build_scan(process, build_row, builder);
	if (builder->given == NULL)
		return;
	given_graph_link(builder->given);
	given_graph_leave(builder->given);
}

/* BuildMethods.leave */
static void
leave(BuildProcess *process)
{
	build_memory_leave(((Builder *) process->state)->graph->memory);
}

/* What searches of the new index find, for those that declare a recall */
static void
calibrate(Builder *builder)
{
	BuildProcess *process = builder->process;
	double		rows = (double) pg_atomic_read_u64(&process->totals->tuples);
	HnswCalibration calibration;

	if (builder->queries != NULL && builder->shared->given)
		hnsw_queries_spare(builder->queries, rows);
	if (builder->queries != NULL &&
		hnsw_calibrate(process->index, rows, builder->queries, &calibration))
		hnsw_keep_calibration(process->index, &calibration, false);
}

/* BuildMethods.finish */
static void
finish(BuildProcess *process, void *arg)
{
	Builder    *builder = (Builder *) process->state;

	build_report_memory(builder->shared->graph.memory.used);
	if (builder->shared->state == BUILD_MEMORY)
		write_graph(builder);
	calibrate(builder);
}

/* ------------------------------------------------------------------------
 * The build
 */

/* BuildMethods.init; arg: a BuildPlan, with the plan of the graph's memory */
static void
init_shared(BuildProcess *process, void *arg)
{
	const BuildPlan *plan = (const BuildPlan *) arg;
	BuildShared *shared = (BuildShared *) build_chunk(process, CHUNK_SHARED);

	*shared = plan->shared;
	memory_graph_init(&shared->graph, process->totals->participants,
					  process->totals->tranche);
	if (process->segment != NULL)
		build_memory_hold(&shared->graph.memory, process->segment);
	SpinLockInit(&shared->mutex);
	shared->state = BUILD_MEMORY;
	ConditionVariableInit(&shared->changed);
	shared->given = plan->hints != NULL;
	if (shared->given)
		given_graph_init(process, CHUNK_GIVEN, plan->hints);
}

static const BuildMethods methods = {
	.am = "hnsw",
	.worker = "hnsw_build_worker",
	.tranche = "hnsw_build",
	.report_every = 64,
	.init = init_shared,
	.run = run,
	.finish = finish,
	.leave = leave
};

extern PGDLLEXPORT void hnsw_build_worker(dsm_segment *segment, shm_toc *toc);

void
hnsw_build_worker(dsm_segment *segment, shm_toc *toc)
{
	build_worker(segment, toc, &methods);
}

IndexBuildResult *
hnsw_build(Relation heap, Relation index, IndexInfo *index_info)
{
	Size		sizes[CHUNK_GIVEN + GIVEN_CHUNKS + 1] = {sizeof(BuildShared), 0};
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	BuildPlan  *plan = (BuildPlan *) palloc0(sizeof(BuildPlan));
	HnswIndex  *described;
	double		rows;
	double		expected;
	double		most;
	Size		bytes;

	build_check_empty(index);
	build_report_begin(index);
	build_phase(HNSW_PHASE_SAMPLE);
	described = sample_table(heap, index, index_info, &rows);
	hnsw_create_pages(index, MAIN_FORKNUM, described);
	build_phase(HNSW_PHASE_LOAD);

	/*
	 * Of a predicate, the table's statistics say nothing.  What a sample of it
	 * may have missed, the number of blocks bounds (or, if this is a table of
	 * another access method than heap, a multiple of what was found).
	 */
	expected = rows;
	if (index_info->ii_Predicate == NIL)
		expected = Max(rows, heap->rd_rel->reltuples);
	most = Max((double) RelationGetNumberOfBlocks(heap) * MaxHeapTuplesPerPage,
			   expected * 4);
	plan->shared.rows = expected;
	bytes = memory_graph_plan(&plan->shared.graph, described, expected, most);
	plan->hints = row_hints_open(heap, index, HINT_NEIGHBORS, "neighbors",
								 hnsw_neighbor_table(hnsw_options(index)));
	if (plan->hints != NULL)
		given_graph_plan(plan->hints, &plan->shared.graph, expected, most,
						 sizes + CHUNK_GIVEN);
	build_by_processes(heap, index, index_info, &methods, sizes, bytes, rows,
					   plan, result);
	if (plan->hints != NULL)
		row_hints_close(plan->hints);
	build_log(index, HNSW_PHASE_WAL);
	build_report_end(heap, index, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
hnsw_build_empty(Relation index)
{
	HnswIndex  *described = hnsw_describe(index, hnsw_options(index), NULL, 0);

	hnsw_create_pages(index, INIT_FORKNUM, described);
	pfree(described);
}
