/*
 * build.c
 *	  CREATE INDEX: a sample, centroids and codes from it, then every row.
 *
 * 1. A sample of the table is transformed; k-means on it gives the centroids
 *	  (or a table does), and its residuals train product quantization (train.c).
 * 2. All rows are assigned to their nearest centroid, in blocks, and encoded, by
 *	  this process and workers, into a sort by (list, TID).  On the way, exact
 *	  neighbours of some sampled rows are found (assign.c).
 *	  (Of flat, which has one list, each process writes its rows as they come:
 *	  exact_build.c.)
 * 3. Lists are written in order, and all pages logged (write.c).
 * 4. Where the neighbours found in 2 lie tells how many lists a search must
 *	  probe for a certain recall (calibrate.c).
 */
#include "ivf/build.h"

#include "access/genam.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "index/build_report.h"
#include "index/metapage.h"
#include "ivf/assignments.h"
#include "ivf/page.h"

/* What the leader knows of an index that is being built */
typedef struct Build
{
	Training   *training;
	IvfModel	model;
	FilterShape *filter;		/* NULL: no filter columns */
	RowHints   *assignments;	/* NULL: no table gives rows' lists */
} Build;

/* BuildMethods.init; arg: a Build */
static void
init(BuildProcess *process, void *arg)
{
	const Build *build = (const Build *) arg;
	const Training *training = build->training;
	IvfBuildShared *shared;

	if (process->segment == NULL)
	{
		process->chunks[IVF_CHUNK_FLOATS] = training->floats;
		process->chunks[IVF_CHUNK_QUERIES] = training->queries;
	}
	else
	{
		memcpy(process->chunks[IVF_CHUNK_FLOATS], training->floats,
			   process->sizes[IVF_CHUNK_FLOATS]);
		/* an empty table gives no queries, and no array of them */
		if (training->query_count > 0)
			memcpy(process->chunks[IVF_CHUNK_QUERIES], training->queries,
				   process->sizes[IVF_CHUNK_QUERIES]);
		if (training->meta.kind != IVF_EXACT)
			tuplesort_initialize_shared((Sharedsort *) process->chunks[IVF_CHUNK_SORT],
										process->totals->participants,
										process->segment);
	}
	shared = (IvfBuildShared *) build_chunk(process, IVF_CHUNK_SHARED);
	shared->meta = training->meta;
	shared->queries = training->query_count;
	if (training->meta.kind == IVF_EXACT && build->filter != NULL)
		filter_bounds_init(build->filter,
						   ((IvfChains *) build_chunk(process, IVF_CHUNK_CHAINS))->bounds);
	shared->assigned = build->assignments != NULL;
	if (shared->assigned)
		ivf_assignments_read((IvfAssignments *) build_chunk(process, IVF_CHUNK_ASSIGNMENTS),
							 process->sizes[IVF_CHUNK_ASSIGNMENTS],
							 build->assignments, training->meta.lists);
	if (process->segment != NULL)
		LWLockInitialize(&shared->lock, process->totals->tranche);
	ivf_neighbors_init((IvfNeighbor *) build_chunk(process, IVF_CHUNK_NEIGHBORS),
					   training->query_count);
}

/* BuildMethods.run */
static void
run(BuildProcess *process)
{
	SortCoordinateData coordinate = {true, -1, NULL};

	if (((IvfBuildShared *) build_chunk(process, IVF_CHUNK_SHARED))->meta.kind == IVF_EXACT)
	{
		ivf_write_rows(process);
		return;
	}
	if (process->segment == NULL)
	{
		process->state = ivf_assign_rows(process, NULL);
		return;
	}
	coordinate.sharedsort = (Sharedsort *) build_chunk(process, IVF_CHUNK_SORT);
	if (!process->leader)
		tuplesort_attach_shared(coordinate.sharedsort, process->segment);
	ivf_sort_end(ivf_assign_rows(process, &coordinate));
}

/* BuildMethods.finish: write lists, and keep what was found out. */
static void
finish(BuildProcess *process, void *arg)
{
	const Build *build = (const Build *) arg;
	const IvfBuildShared *shared =
		(const IvfBuildShared *) build_chunk(process, IVF_CHUNK_SHARED);
	const IvfListSum *sums =
		(const IvfListSum *) build_chunk(process, IVF_CHUNK_SUMS);
	IvfEntrySort *sort = (IvfEntrySort *) process->state;
	Training   *training = build->training;
	IvfMeta    *meta = &training->meta;

	if (meta->kind == IVF_EXACT)
		ivf_join_chains(process, &build->model, meta, build->filter);
	else if (process->segment != NULL)
	{
		SortCoordinateData all = {false, process->workers + 1,
		(Sharedsort *) build_chunk(process, IVF_CHUNK_SORT)};

		sort = ivf_sort_begin(&build->model, build->filter, maintenance_work_mem,
							  &all);
		tuplesort_performsort(sort->state);
	}
	if (shared->assigned)
		ivf_assignments_announce((IvfAssignments *) build_chunk(process, IVF_CHUNK_ASSIGNMENTS));
	if (meta->kind != IVF_EXACT)
	{
		build_phase(IVF_PHASE_WRITE);
		ivf_write_lists(process->index, MAIN_FORKNUM, &build->model, meta,
						build->filter, sort, sums);
		ivf_sort_end(sort);
	}

	meta->rows = (double) pg_atomic_read_u64(&process->totals->tuples);
	meta->error = shared->error / Max(meta->rows, 1);
	meta->code_error = shared->code_error / Max(meta->rows, 1);
	ivf_calibrate(meta, &build->model,
				  training->floats + ivf_constants(meta).centroids,
				  training->queries, training->query_count,
				  (IvfNeighbor *) build_chunk(process, IVF_CHUNK_NEIGHBORS), sums);
	ivf_update_meta(process->index, meta);
	if (meta->kind == IVF_PQ && meta->trained && !build->model.column.type->array &&
		training->query_count > 0)
	{
		ivf_calibrate_codes(process->index, meta, training->queries,
							training->query_count,
							(IvfNeighbor *) build_chunk(process, IVF_CHUNK_NEIGHBORS));
		ivf_update_meta(process->index, meta);
	}
}

static const BuildMethods methods = {
	.am = "ivf",
	.worker = "ivf_build_worker",
	.tranche = "ivf_build",
	.report_every = 1024,
	.init = init,
	.run = run,
	.finish = finish
};

extern PGDLLEXPORT void ivf_build_worker(dsm_segment *segment, shm_toc *toc);

void
ivf_build_worker(dsm_segment *segment, shm_toc *toc)
{
	build_worker(segment, toc, &methods);
}

/* Metapage and constants of an index, from what training has given */
static void
begin_build(Build *build, Relation index, ForkNumber fork)
{
	Training   *training = build->training;

	build->filter = filter_shape(index);
	train_point_model(&build->model, &training->meta,
					  index_column(index, IVF_PROCS), training->floats);
	(void) ivf_layout(&build->model, build->filter);
	ivf_create_pages(index, fork, &training->meta, training->floats, build->filter);
}

IndexBuildResult *
ivf_build(Relation heap, Relation index, IndexInfo *index_info)
{
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Build		build;
	Size		sizes[BUILD_MAX_CHUNKS + 1] = {sizeof(IvfBuildShared)};
	const Training *training;
	BuildMethods named = methods;

	build_check_empty(index);
	build_report_begin(index);
	build.training = train(heap, index, index_info);
	begin_build(&build, index, MAIN_FORKNUM);
	training = build.training;
	sizes[IVF_CHUNK_FLOATS] =
		mul_size(ivf_constants(&training->meta).total, sizeof(float));
	sizes[IVF_CHUNK_QUERIES] =
		mul_size(Max(training->query_count, 1), training->meta.width * sizeof(float));
	sizes[IVF_CHUNK_NEIGHBORS] =
		mul_size(Max(training->query_count, 1), IVF_NEIGHBORS * sizeof(IvfNeighbor));
	sizes[IVF_CHUNK_SUMS] = mul_size(training->meta.lists, sizeof(IvfListSum));
	sizes[IVF_CHUNK_SORT] = training->meta.kind == IVF_EXACT ? ivf_chains_size()
		: tuplesort_estimate_shared(max_parallel_maintenance_workers + 1);

	build.assignments =
		ivf_assignments_open(heap, index, ivf_options(index, ivf_kind_of(index)),
							 &sizes[IVF_CHUNK_ASSIGNMENTS]);
	if (build.assignments == NULL)
		sizes[IVF_CHUNK_ASSIGNMENTS] = 0;

	build_phase(IVF_PHASE_ASSIGN);
	named.am = ivf_names[training->meta.kind];
	build_by_processes(heap, index, index_info, &named, sizes, 0, training->rows,
					   &build, result);
	if (build.assignments != NULL)
		row_hints_close(build.assignments);
	build_log(index, IVF_PHASE_WAL);
	build_report_end(heap, index, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
ivf_build_empty(Relation index)
{
	IvfListSum	sum = {0};
	Build		build;

	build.training = train_nothing(index);
	begin_build(&build, index, INIT_FORKNUM);
	ivf_write_lists(index, INIT_FORKNUM, &build.model, &build.training->meta,
					build.filter, NULL, &sum);
}
