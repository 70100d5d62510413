/*
 * build.c
 *	  CREATE INDEX: rows are inverted in memory, run by run, and merged.
 *
 * Runs that memory has no room for go to temporary files.  All are merged into one
 * segment, or several where there are more rows than one has numbers for.
 */
#include "sparse/inverted.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "index/metapage.h"
#include "sparse/progress.h"
#include "sparse/runfile.h"
#include "sparse/source.h"
#include "storage/page_edit.h"
#include "types/detoast.h"

/* How often progress is reported, in tuples */
#define REPORT_TUPLES	1024

typedef struct Builder
{
	InvertedIndex *index;
	InvertedRun *run;
	InvertedDoc *doc;
	MemoryContext tuple_context;
	double		index_tuples;
	List	   *files;			/* of RunFile */
} Builder;

/* Write the rows in memory to a file. */
static void
spill(Builder *builder)
{
	builder->files = lappend(builder->files,
							 run_file_write(builder->run, BufFileCreateTemp(false)));
	run_reset(builder->run);
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
	builder->index_tuples++;
	if ((uint64) builder->index_tuples % REPORT_TUPLES == 0)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
									 (int64) builder->index_tuples);
	MemoryContextReset(builder->tuple_context);
}

/* Merge files, and what is in memory, into as few segments as can be. */
static void
write_segments(Builder *builder)
{
	InvertedIndex *index = builder->index;
	int			count = list_length(builder->files) + 1;
	PostingSource **sources = (PostingSource **) palloc(count * sizeof(PostingSource *));
	int			first = 0;

	for (int i = 0; i < count - 1; i++)
		sources[i] = source_of_file((RunFile *) list_nth(builder->files, i));
	sources[count - 1] = source_of_run(builder->run);
	while (first < count)
	{
		uint64		docs = 0;
		int			end = first;
		InvertedSegment segment;

		while (end < count && docs + sources[end]->docs <= SEGMENT_MAX_DOCS)
			docs += sources[end++]->docs;
		if (docs > 0)
		{
			if (index->meta.segments == MAX_SEGMENTS)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("table \"%s\" has too many rows for index \"%s\"",
								RelationGetRelationName(index->relation),
								RelationGetRelationName(index->relation)),
						 errhint("Use several partitions, each with an index of its own.")));
			segment = merge_sources(index, sources + first, end - first,
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

/* An index that is about to be built */
static InvertedIndex *
new_index(Relation relation, ForkNumber fork)
{
	InvertedIndex *index = (InvertedIndex *) palloc0(sizeof(InvertedIndex));

	index->relation = relation;
	index->map = buffer_map(relation);
	index->column = index_column_checked(relation, INVERTED_PROCS, INVERTED_NAME);
	index->filter = filter_shape(relation);
	inverted_create_meta(relation, fork, index);
	inverted_layout(index);
	return index;
}

IndexBuildResult *
inverted_build(Relation heap, Relation relation, IndexInfo *index_info)
{
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "sparse build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Builder		builder = {0};

	build_check_empty(relation);
	builder.index = new_index(relation, MAIN_FORKNUM);
	builder.run = run_create(builder.index, (Size) maintenance_work_mem * 1024);
	builder.doc = (InvertedDoc *) palloc0(builder.index->doc_bytes);
	builder.tuple_context = AllocSetContextCreate(context, "sparse build tuple",
												  ALLOCSET_DEFAULT_SIZES);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, INVERTED_PHASE_INVERT);
	result->heap_tuples = table_index_build_scan(heap, relation, index_info, true,
												 true, build_row, &builder, NULL);
	result->index_tuples = builder.index_tuples;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, INVERTED_PHASE_MERGE);
	write_segments(&builder);
	update_meta(builder.index);
	if (RelationNeedsWAL(relation))
	{
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, INVERTED_PHASE_WAL);
		log_newpage_range(relation, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(relation), true);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
inverted_build_empty(Relation relation)
{
	(void) new_index(relation, INIT_FORKNUM);
}
