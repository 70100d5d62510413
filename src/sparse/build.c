/*
 * build.c
 *	  CREATE INDEX: rows are inverted in memory, run by run, and merged.
 *
 * Each process inverts its part of the table, in its part of maintenance_work_mem.
 * Runs that memory has no room for go to temporary files; those of workers, to files
 * that the leader can read.  The leader merges all into one segment, or several where
 * there are more rows than one has numbers for.
 */
#include "sparse/inverted.h"

#include <fcntl.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "index/build_report.h"
#include "index/metapage.h"
#include "index/parallel_build.h"
#include "sparse/progress.h"
#include "sparse/runfile.h"
#include "sparse/source.h"
#include "types/detoast.h"

/* How often progress is reported, in tuples */
#define REPORT_TUPLES	1024

/* Runs that workers can write */
#define MAX_SHARED_RUNS	4096

/* A process has memory for at least so many bytes of a run. */
#define LEAST_RUN_BYTES	((Size) 1024 * 1024)

typedef struct SharedRun
{
	uint32		docs;
	uint32		longest;
} SharedRun;

/* What the processes of a build share */
typedef struct BuildShared
{
	InvertedMeta meta;
	SharedFileSet files;
	pg_atomic_uint32 runs;
	SharedRun	run[MAX_SHARED_RUNS];
} BuildShared;

/* A process's part */
typedef struct Builder
{
	BuildProcess *process;
	BuildShared *shared;
	InvertedIndex *index;
	InvertedRun *run;
	InvertedDoc *doc;
	MemoryContext tuple_context;
	List	   *files;			/* of RunFile, of the leader's own */
} Builder;

/* An index that is about to be built; its metapage is set up, and not written. */
static InvertedIndex *
new_index(Relation relation)
{
	InvertedIndex *index = (InvertedIndex *) palloc0(sizeof(InvertedIndex));

	index->relation = relation;
	index->map = buffer_map(relation);
	index->column = index_column_checked(relation, INVERTED_PROCS, INVERTED_NAME);
	index->filter = filter_shape(relation);
	inverted_init_meta(index);
	inverted_layout(index);
	return index;
}

/* ------------------------------------------------------------------------
 * Inverting
 */

static void
shared_run_name(char *name, uint32 number)
{
	snprintf(name, MAXPGPATH, "run.%u", number);
}

/* Write the rows in memory to a file, which a worker gives to the leader. */
static void
spill(Builder *builder)
{
	InvertedRun *run = builder->run;
	BufFile    *file;

	if (builder->process->leader)
	{
		file = BufFileCreateTemp(false);
		run_file_write(run, file);
		builder->files = lappend(builder->files,
								 run_file_open(builder->index, file, run->docs,
											   run->longest));
	}
	else
	{
		uint32		number = pg_atomic_fetch_add_u32(&builder->shared->runs, 1);
		char		name[MAXPGPATH];

		if (number >= MAX_SHARED_RUNS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("table has too many rows to build index \"%s\" in so little memory",
							RelationGetRelationName(builder->index->relation)),
					 errhint("Increase maintenance_work_mem.")));
		shared_run_name(name, number);
		file = create_shared_file(&builder->shared->files, name);
		run_file_write(run, file);
		export_shared_file(file);
		BufFileClose(file);
		builder->shared->run[number].docs = run->docs;
		builder->shared->run[number].longest = run->longest;
	}
	run_reset(run);
}

static void
build_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Builder    *builder = (Builder *) state;
	MemoryContext caller;
	const SparseVector *value;

	if (isnull[0])
		return;
	caller = MemoryContextSwitchTo(builder->tuple_context);
	value = (const SparseVector *) PG_DETOAST_DATUM(values[0]);
	column_check_dims(&builder->index->column, (const struct varlena *) value);
	builder->doc->tid = *tid;
	if (builder->index->filter != NULL)
		filter_make_keys(builder->index->filter, values, isnull,
						 doc_keys(builder->doc));
	MemoryContextSwitchTo(caller);
	if (!run_has_room(builder->run, value->nnz))
		spill(builder);
	run_add(builder->run, value, builder->doc);
	build_count(builder->process);
	MemoryContextReset(builder->tuple_context);
}

/* A BuildMethods.init */
static void
init(BuildProcess *process, void *arg)
{
	BuildShared *shared = (BuildShared *) build_chunk(process, 0);

	shared->meta = ((InvertedIndex *) arg)->meta;
	pg_atomic_init_u32(&shared->runs, 0);
	if (process->segment != NULL)
		SharedFileSetInit(&shared->files, process->segment);
}

/* A BuildMethods.run */
static void
run(BuildProcess *process)
{
	Builder    *builder = (Builder *) palloc0(sizeof(Builder));
	Size		memory = (Size) maintenance_work_mem * 1024 / process->totals->participants;

	builder->process = process;
	builder->shared = (BuildShared *) process->chunks[0];
	builder->index = new_index(process->index);
	builder->index->meta = builder->shared->meta;
	inverted_layout(builder->index);
	if (process->segment != NULL && !process->leader)
		SharedFileSetAttach(&builder->shared->files, process->segment);
	builder->run = run_create(builder->index, Max(memory, LEAST_RUN_BYTES));
	builder->doc = (InvertedDoc *) palloc0(builder->index->doc_bytes);
	builder->tuple_context = AllocSetContextCreate(CurrentMemoryContext,
												   "sparse build tuple",
												   ALLOCSET_DEFAULT_SIZES);
	process->state = builder;
	build_scan(process, build_row, builder);
	if (!process->leader && builder->run->docs > 0)
		spill(builder);
}

/* ------------------------------------------------------------------------
 * Merging
 */

/* Merge sources into as few segments as can be. */
static void
write_segments(InvertedIndex *index, PostingSource **sources, int count)
{
	int			first = 0;

	while (first < count)
	{
		uint64		docs = 0;
		int			end = first;

		while (end < count && docs + sources[end]->docs <= SEGMENT_MAX_DOCS)
			docs += sources[end++]->docs;
		if (docs > 0 && index->meta.segments == MAX_SEGMENTS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("table has too many rows for index \"%s\"",
							RelationGetRelationName(index->relation)),
					 errhint("Use several partitions, each with an index of its own.")));
		if (docs > 0)
		{
			InvertedSegment segment = merge_sources(index, sources + first,
													end - first,
													index->meta.next_id++, false);

			index->meta.segment[index->meta.segments++] = segment;
		}
		first = end;
	}
}

/* Write what the metapage has to know of segments. */
static void
update_meta(InvertedIndex *index)
{
	Buffer		buffer = inverted_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	InvertedMeta *meta = inverted_page_meta(BufferGetPage(buffer));

	meta->next_id = index->meta.next_id;
	meta->segments = index->meta.segments;
	memcpy(meta->segment, index->meta.segment, sizeof(meta->segment));
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/* A BuildMethods.finish */
static void
finish(BuildProcess *process, void *arg)
{
	Builder    *builder = (Builder *) process->state;
	BuildShared *shared = builder->shared;
	uint32		runs = pg_atomic_read_u32(&shared->runs);
	int			count = 0;
	PostingSource **sources = (PostingSource **)
		palloc((runs + list_length(builder->files) + 1) * sizeof(PostingSource *));
	ListCell   *cell;

	build_phase(INVERTED_PHASE_MERGE);
	foreach(cell, builder->files)
		sources[count++] = source_of_file((RunFile *) lfirst(cell));
	for (uint32 i = 0; i < runs; i++)
	{
		char		name[MAXPGPATH];

		shared_run_name(name, i);
		sources[count++] =
			source_of_file(run_file_open(builder->index,
										 open_shared_file(&shared->files, name),
										 shared->run[i].docs, shared->run[i].longest));
	}
	sources[count++] = source_of_run(builder->run);
	write_segments(builder->index, sources, count);
	for (int i = 0; i < count - 1; i++)
		run_file_close(sources[i]->file);
	update_meta(builder->index);
}

static const BuildMethods methods = {
	.am = INVERTED_NAME,
	.worker = "inverted_build_worker",
	.tranche = "sparse_inverted build",
	.report_every = REPORT_TUPLES,
	.init = init,
	.run = run,
	.finish = finish,
};

/* A worker of a parallel build */
extern PGDLLEXPORT void inverted_build_worker(dsm_segment *segment, shm_toc *toc);
PGDLLEXPORT void
inverted_build_worker(dsm_segment *segment, shm_toc *toc)
{
	build_worker(segment, toc, &methods);
}

IndexBuildResult *
inverted_build(Relation heap, Relation relation, IndexInfo *index_info)
{
	static const Size sizes[] = {sizeof(BuildShared), 0};
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "sparse build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	InvertedIndex *index;

	build_check_empty(relation);
	build_report_begin(relation);
	index = new_index(relation);
	inverted_write_meta(index, MAIN_FORKNUM);
	build_phase(INVERTED_PHASE_INVERT);
	build_by_processes(heap, relation, index_info, &methods, sizes, 0,
					   Max(heap->rd_rel->reltuples, 0), index, result);
	build_log(relation, INVERTED_PHASE_WAL);
	build_report_end(heap, relation, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
inverted_build_empty(Relation relation)
{
	inverted_write_meta(new_index(relation), INIT_FORKNUM);
}
