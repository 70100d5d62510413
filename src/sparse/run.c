/*
 * run.c
 *	  Rows inverted in memory, and merging them and segments into one segment.
 *
 * A source gives its rows in order, and its terms by ascending dimension, each
 * with its postings by row.  Sources are merged term by term; since the rows of
 * one come behind all rows of another, a term's postings are theirs one after the
 * other.  Dead rows of a segment are left out on the way, and the others numbered
 * anew.
 */
#include "sparse/inverted.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "math/distance/distance.h"
#include "sparse/source.h"
#include "storage/page_check.h"

/* Postings that are handed on at a time */
#define BATCH_POSTINGS	4096

/* Rows and postings that a run has room for at first */
#define FIRST_DOCS		256
#define FIRST_POSTINGS	8192

/*
 * Norms of which float arithmetic gives an accurate cosine: sums of squares are
 * far from overflow, and what underflows in them does not matter.
 */
#define LEAST_NORM		1e-10
#define GREATEST_NORM	1e15

double
inverted_scale(const InvertedIndex *index, const SparseVector *value,
			   uint8 *flags)
{
	double		norm;

	*flags = 0;
	if (index->column.metric != METRIC_COSINE)
		return 1;
	norm = sqrt(distance_kernels->f32_norm2(sparse_values(value), value->nnz));
	if (norm == 0)
	{
		*flags = DOC_ZERO;
		return 1;
	}
	if (norm < LEAST_NORM || norm > GREATEST_NORM)
		*flags = DOC_EXTREME;
	return 1 / norm;
}

/* ------------------------------------------------------------------------
 * Runs
 */

InvertedRun *
run_create(InvertedIndex *index, Size limit)
{
	InvertedRun *run = (InvertedRun *) palloc0(sizeof(InvertedRun));

	run->index = index;
	run->context = CurrentMemoryContext;
	run->limit = limit;
	run->doc_room = FIRST_DOCS;
	run->doc_data = (char *) palloc(mul_size(run->doc_room, index->doc_bytes));
	run->posting_room = FIRST_POSTINGS;
	run->posting = (Posting *) palloc(mul_size(run->posting_room, sizeof(Posting)));
	return run;
}

void
run_reset(InvertedRun *run)
{
	run->docs = 0;
	run->postings = 0;
	run->longest = 0;
	run->sorted = false;
}

bool
run_has_room(const InvertedRun *run, int elements)
{
	Size		postings = run->postings + elements;

	/* to sort postings takes as much memory again */
	return run->docs == 0 ||
		(run->docs < SEGMENT_MAX_DOCS && postings < PG_UINT32_MAX &&
		 postings * 2 * sizeof(Posting) +
		 (Size) (run->docs + 1) * run->index->doc_bytes <= run->limit);
}

void
run_add(InvertedRun *run, const SparseVector *value, const InvertedDoc *doc)
{
	Size		doc_bytes = run->index->doc_bytes;
	const float *weights = sparse_values(value);
	uint8		flags;
	double		scale = inverted_scale(run->index, value, &flags);
	InvertedDoc *mine;

	Assert(!run->sorted);
	if (run->docs == run->doc_room)
	{
		run->doc_room *= 2;
		run->doc_data = (char *) repalloc_huge(run->doc_data,
											   mul_size(run->doc_room, doc_bytes));
	}
	if (run->postings + value->nnz > run->posting_room)
	{
		Size		most = run->limit / (2 * sizeof(Posting)) + SPARSE_MAX_NNZ;
		Size		room = Max(run->posting_room * 2, run->postings + value->nnz);

		run->posting_room = Max(Min(room, most), run->postings + value->nnz);
		run->posting = (Posting *)
			repalloc_huge(run->posting, mul_size(run->posting_room, sizeof(Posting)));
	}
	mine = (InvertedDoc *) (run->doc_data + run->docs * doc_bytes);
	memcpy(mine, doc, doc_bytes);
	mine->flags = flags;
	if (flags == 0 || flags == DOC_EXTREME)
	{
		for (int i = 0; i < value->nnz; i++)
		{
			Posting    *posting = &run->posting[run->postings];

			posting->dim = value->indices[i];
			posting->doc = run->docs;
			posting->weight = (float) (weights[i] * scale);
			run->postings += posting->weight != 0;
		}
	}
	run->longest = Max(run->longest, (uint32) value->nnz);
	run->docs++;
}

void
run_sort(InvertedRun *run)
{
	if (run->sorted)
		return;
	if (run->postings > run->spare_room)
	{
		if (run->spare != NULL)
			pfree(run->spare);
		run->spare_room = run->postings;
		run->spare = (Posting *)
			MemoryContextAllocHuge(run->context,
								   mul_size(run->spare_room, sizeof(Posting)));
	}
	postings_sort(run->posting, run->spare, run->postings);
	run->sorted = true;
}

/* ------------------------------------------------------------------------
 * Sources
 */

static void
run_next_term(PostingSource *source)
{
	InvertedRun *run = source->run;
	Size		at = source->at;

	source->ended = at == run->postings;
	if (source->ended)
		return;
	source->dim = run->posting[at].dim;
	source->error = 0;
	source->greatest = 0;
	source->negative = false;
	for (; at < run->postings && run->posting[at].dim == source->dim; at++)
	{
		source->greatest = Max(source->greatest, fabsf(run->posting[at].weight));
		source->negative |= run->posting[at].weight < 0;
	}
	source->count = at - source->at;
}

static uint32
run_read(PostingSource *source, DocWeight *postings, uint32 most)
{
	uint32		count = Min(source->count, most);

	for (uint32 i = 0; i < count; i++)
	{
		postings[i].doc = source->run->posting[source->at + i].doc;
		postings[i].weight = source->run->posting[source->at + i].weight;
	}
	source->at += count;
	source->count -= count;
	return count;
}

static void
run_docs(PostingSource *source, SegmentWriter *writer)
{
	InvertedRun *run = source->run;

	for (uint32 i = 0; i < run->docs; i++)
		segment_writer_doc(writer, (InvertedDoc *)
						   (run->doc_data + i * run->index->doc_bytes));
}

PostingSource *
source_of_run(InvertedRun *run)
{
	PostingSource *source = (PostingSource *) palloc0(sizeof(PostingSource));

	run_sort(run);
	source->run = run;
	source->docs = run->docs;
	source->longest = run->longest;
	source->next_term = run_next_term;
	source->read = run_read;
	source->give_docs = run_docs;
	return source;
}

static void
segment_next_term(PostingSource *source)
{
	SegmentSource *from = source->segment;
	Segment    *segment = from->segment;
	const InvertedTerm *term;

	source->ended = from->term == segment->root.terms;
	if (source->ended)
		return;
	if (from->term % PAGE_TERMS == 0)
	{
		Buffer		buffer = segment_lock(from->index, segment, PART_TERMS,
										  from->term / PAGE_TERMS,
										  BUFFER_LOCK_SHARE);

		memcpy(from->terms, inverted_data(BufferGetPage(buffer)),
			   Min(PAGE_TERMS, segment->root.terms - from->term) * sizeof(InvertedTerm));
		UnlockReleaseBuffer(buffer);
	}
	term = &from->terms[from->term % PAGE_TERMS];
	if (term->dim < 0 || term->dim >= (int32) from->index->meta.dims ||
		(from->term > 0 && term->dim <= source->dim) ||
		term->first_group != from->next_group ||
		term->first_posting != from->next_posting || term->docs == 0 ||
		term->groups > segment->root.groups - from->next_group ||
		term->docs > segment->root.postings - from->next_posting ||
		!(term->greatest > 0) || !isfinite(term->greatest) ||
		!(term->step > 0) || !isfinite(term->step) ||
		!(term->error >= 0) || !isfinite(term->error))
		index_damaged(from->index->relation,
					  segment->blocks[segment->starts[PART_TERMS] + from->term / PAGE_TERMS],
					  from->term % PAGE_TERMS, "A term has numbers of another list.");
	from->term++;
	from->current = *term;
	from->group = from->group_left = 0;
	from->groups_left = term->groups;
	from->group_count = 0;
	source->dim = term->dim;
	source->count = term->docs;
	source->greatest = term->greatest;
	source->negative = term->negative != 0;
	source->error = term->error;
}

/* The next group of the term; its place is from->group */
static void
segment_next_group(SegmentSource *from)
{
	if (from->groups_left == 0)
		index_damaged(from->index->relation, from->segment->entry.root, NO_PLACE,
					  "A term has fewer postings than its groups.");
	if (from->group_count == 0)
	{
		from->group_count =
			segment_read_groups(from->index, from->segment, &from->current,
								from->current.groups - from->groups_left,
								from->groups);
		from->group = 0;
	}
	else
		from->group++;
	from->group_count--;
	from->groups_left--;
	from->next_group++;
	from->group_left = from->groups[from->group].others + 1;
}

/* The page of postings that the next posting is on, copied */
static void
segment_next_postings(SegmentSource *from)
{
	uint32		number = from->next_posting / from->index->page_postings;
	Buffer		buffer;

	if (from->postings_page == number)
		return;
	buffer = segment_lock(from->index, from->segment, PART_POSTINGS, number,
						  BUFFER_LOCK_SHARE);
	memcpy(from->postings, inverted_data(BufferGetPage(buffer)), INVERTED_ROOM);
	UnlockReleaseBuffer(buffer);
	from->postings_page = number;
}

static uint32
segment_read(PostingSource *source, DocWeight *postings, uint32 most)
{
	SegmentSource *from = source->segment;
	InvertedIndex *index = from->index;
	uint32		count = 0;

	while (source->count > 0 && count < most)
	{
		uint32		place = from->next_posting % index->page_postings;
		uint32		doc;

		if (from->group_left == 0)
			segment_next_group(from);
		segment_next_postings(from);
		doc = from->groups[from->group].range * RANGE_DOCS +
			((uint8 *) from->postings)[place];
		if (doc >= from->segment->root.docs)
			index_damaged(index->relation,
						  from->segment->blocks[from->segment->starts[PART_POSTINGS] + from->postings_page],
						  place, "A posting is of no row.");
		if (from->numbers[doc] != PG_UINT32_MAX)
		{
			postings[count].doc = from->numbers[doc];
			postings[count++].weight = index->meta.weights == WEIGHT_FLOATS
				? ((float *) (from->postings + index->page_postings))[place]
				: weight_decode(((uint8 *) from->postings + index->page_postings)[place],
								from->current.step, source->negative);
		}
		from->group_left--;
		from->next_posting++;
		source->count--;
	}
	return count;
}

/* A row of a segment, from a copy of its page */
static void
get_doc(const InvertedIndex *index, Page page, uint32 place, InvertedDoc *doc)
{
	doc->tid = docs_tids(page)[place];
	doc->flags = index->has_flags ? docs_flags(index, page)[place] : 0;
	if (index->filter != NULL)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		filter_block_columns(index->filter, inverted_data(page) + index->keys_offset,
							 index->page_docs, columns);
		filter_get(index->filter, columns, place, doc_keys(doc));
	}
}

/*
 * Number the living rows; with a writer, add them to it.  Nobody marks rows dead in
 * between: the lock of merges is held.
 */
static void
walk_segment_docs(SegmentSource *from, SegmentWriter *writer)
{
	InvertedIndex *index = from->index;
	InvertedDoc *doc = (InvertedDoc *) palloc0(index->doc_bytes);
	PGAlignedBlock copy;
	uint32		docs = from->segment->root.docs;
	uint32		living = 0;

	for (uint32 i = 0; i < docs; i++)
	{
		uint32		place = i % index->page_docs;

		if (place == 0)
		{
			Buffer		buffer = segment_lock(index, from->segment, PART_DOCS,
											  i / index->page_docs, BUFFER_LOCK_SHARE);

			CHECK_FOR_INTERRUPTS();
			memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
			UnlockReleaseBuffer(buffer);
		}
		if (writer == NULL)
			from->numbers[i] = doc_is_dead(&docs_tids((Page) copy.data)[place])
				? PG_UINT32_MAX : living++;
		else if (from->numbers[i] != PG_UINT32_MAX)
		{
			get_doc(index, (Page) copy.data, place, doc);
			segment_writer_doc(writer, doc);
		}
	}
	from->living = living;
	pfree(doc);
}

static void
segment_docs(PostingSource *source, SegmentWriter *writer)
{
	walk_segment_docs(source->segment, writer);
}

PostingSource *
source_of_segment(InvertedIndex *index, const InvertedSegment *entry)
{
	PostingSource *source = (PostingSource *) palloc0(sizeof(PostingSource));
	SegmentSource *from = (SegmentSource *) palloc0(sizeof(SegmentSource));

	from->index = index;
	from->segment = segment_open(index, entry);
	from->postings_page = PG_UINT32_MAX;
	from->terms = (InvertedTerm *) palloc(PAGE_TERMS * sizeof(InvertedTerm));
	from->groups = (PostingGroup *) palloc(PAGE_GROUPS * sizeof(PostingGroup));
	from->postings = (char *) palloc(INVERTED_ROOM);
	from->numbers = (uint32 *)
		palloc_extended(mul_size(Max(entry->docs, 1), sizeof(uint32)), MCXT_ALLOC_HUGE);
	walk_segment_docs(from, NULL);
	source->segment = from;
	source->docs = from->living;
	source->longest = from->segment->root.longest;
	source->next_term = segment_next_term;
	source->read = segment_read;
	source->give_docs = segment_docs;
	return source;
}

/* ------------------------------------------------------------------------
 * Merging
 */

/* The terms of a dimension, of all sources that have it */
static void
merge_term(SegmentWriter *writer, PostingSource **sources, int count,
		   int32 dim, DocWeight *batch)
{
	float		greatest = 0;
	float		error = 0;
	bool		negative = false;
	uint32		base = 0;

	for (int i = 0; i < count; i++)
	{
		if (sources[i]->ended || sources[i]->dim != dim)
			continue;
		greatest = Max(greatest, sources[i]->greatest);
		error = Max(error, sources[i]->error);
		negative |= sources[i]->negative;
	}
	segment_writer_term(writer, dim, greatest, negative, error);
	for (int i = 0; i < count; i++)
	{
		PostingSource *source = sources[i];

		if (!source->ended && source->dim == dim)
		{
			while (source->count > 0)
			{
				uint32		got = source->read(source, batch, BATCH_POSTINGS);

				CHECK_FOR_INTERRUPTS();
				for (uint32 k = 0; k < got; k++)
					segment_writer_posting(writer, base + batch[k].doc,
										   batch[k].weight);
			}
			source->next_term(source);
		}
		base += source->docs;
	}
}

InvertedSegment
merge_sources(InvertedIndex *index, PostingSource **sources, int count,
			  uint32 id, bool log)
{
	SegmentWriter *writer = segment_writer_begin(index, id, log);
	DocWeight  *batch = (DocWeight *) palloc(BATCH_POSTINGS * sizeof(DocWeight));

	for (int i = 0; i < count; i++)
	{
		sources[i]->give_docs(sources[i], writer);
		segment_writer_longest(writer, sources[i]->longest);
		sources[i]->next_term(sources[i]);
	}
	for (;;)
	{
		int32		dim = PG_INT32_MAX;

		for (int i = 0; i < count; i++)
		{
			if (!sources[i]->ended)
				dim = Min(dim, sources[i]->dim);
		}
		if (dim == PG_INT32_MAX)
			break;
		merge_term(writer, sources, count, dim, batch);
	}
	pfree(batch);
	return segment_writer_end(writer);
}
