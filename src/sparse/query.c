/*
 * query.c
 *	  A query's terms in segments: bounds and scores from their lists.
 */
#include "sparse/query.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "math/heap/heap.h"
#include "storage/page_check.h"

/* Half a unit in the last place of 1, in float32 */
#define HALF_ULP	(1.0 / (1 << 24))

typedef struct QueryElement
{
	float		size;
	int			number;
} QueryElement;

static int
compare_sizes(const void *a, const void *b)
{
	const QueryElement *x = (const QueryElement *) a;
	const QueryElement *y = (const QueryElement *) b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->number - y->number;
}

/* Leave the smallest elements out. */
static void
drop_elements(QueryTerms *query, double ratio)
{
	int			drop = (int) (query->count * ratio);
	QueryElement *elements;
	int			left = 0;

	if (drop <= 0)
		return;
	drop = Min(drop, query->count - 1);
	elements = (QueryElement *) palloc(query->count * sizeof(QueryElement));
	for (int i = 0; i < query->count; i++)
	{
		elements[i].size = fabsf(query->weights[i]);
		elements[i].number = i;
	}
	qsort(elements, query->count, sizeof(QueryElement), compare_sizes);
	for (int i = 0; i < drop; i++)
		query->weights[elements[i].number] = 0;
	for (int i = 0; i < query->count; i++)
	{
		if (query->weights[i] == 0)
			continue;
		query->dims[left] = query->dims[i];
		query->weights[left++] = query->weights[i];
	}
	query->count = left;
	query->dropped = drop > 0;
	pfree(elements);
}

void
query_prepare(const InvertedIndex *index, const SparseVector *value,
			  double drop_ratio, QueryTerms *query)
{
	uint8		flags;
	double		scale = inverted_scale(index, value, &flags);
	const float *weights = sparse_values(value);

	memset(query, 0, sizeof(QueryTerms));
	query->undefined = (flags & DOC_ZERO) != 0;
	query->extreme = (flags & DOC_EXTREME) != 0;
	query->dims = (int32 *) palloc(Max(value->nnz, 1) * sizeof(int32));
	query->weights = (float *) palloc(Max(value->nnz, 1) * sizeof(float));
	for (int i = 0; i < value->nnz; i++)
	{
		query->dims[query->count] = value->indices[i];
		query->weights[query->count] = (float) (weights[i] * scale);
		query->count += query->weights[query->count] != 0;
	}
	drop_elements(query, drop_ratio);
}

/*
 * How far a distance may be from its score's.
 *
 * Scores are float32 sums of products in the order of dimensions, and so is the
 * operator's inner product: where all weights are kept exactly, both are the same
 * bit for bit.  Else: weights are off by their terms' errors, and each of the two
 * sums by (n + 1) half units in the last place of the sum of sizes (Higham,
 * "Accuracy and Stability of Numerical Algorithms", section 3.1).  A cosine has the
 * rounding of norms besides, sums of as many squares as the longest row has.
 */
static double
score_error(const InvertedIndex *index, const QueryTerms *query,
			const QuerySegment *segment)
{
	double		error = 0;
	double		size = 0;
	double		terms = segment->list_count;

	for (int i = 0; i < segment->list_count; i++)
	{
		double		weight = fabs((double) segment->lists[i].weight);

		error += weight * segment->lists[i].term.error;
		size += weight * segment->lists[i].term.greatest;
	}
	if (index->column.metric == METRIC_COSINE)
	{
		if (query->extreme)
			return INFINITY;
		return error * 1.0001 + 2 * (terms + 16) * HALF_ULP * Max(size, 1) +
			2 * (segment->segment->root.longest + 16) * HALF_ULP + 1e-6;
	}
	/* sums beyond float, or of infinite products of both signs, cannot be put in order */
	if (size > FLT_MAX / 4)
		return INFINITY;
	if (error == 0 && score_sums_exact())
		return 0;
	return error * 1.0001 + 2 * (terms + 4) * HALF_ULP * size + FLT_MIN;
}

void
query_find_terms(InvertedIndex *index, const QueryTerms *query,
				 QuerySegment *segment)
{
	segment->lists = (QueryList *) palloc0(Max(query->count, 1) * sizeof(QueryList));
	segment->list_count = 0;
	segment->zero_exact = true;
	for (int i = 0; i < query->count; i++)
	{
		QueryList  *list = &segment->lists[segment->list_count];

		if (!segment_find_term(index, segment->segment, query->dims[i], &list->term))
			continue;
		list->weight = query->weights[i];
		segment->list_count++;
		if (!(fabsf(list->weight) * list->term.step >= FLT_MIN))
			segment->zero_exact = false;
	}
	segment->error = score_error(index, query, segment);
}

static void
list_damaged(InvertedIndex *index, const Segment *segment,
			 const InvertedTerm *term)
{
	index_damaged(index->relation,
				  segment->blocks[segment->starts[PART_GROUPS] +
								  term->first_group / PAGE_GROUPS],
				  term->first_group % PAGE_GROUPS,
				  "The list of a term does not fit its rows.");
}

/* The last range of a list whose groups are in memory, 0 if it has none */
static uint16
last_range(const QueryList *list)
{
	return list->term.groups > 0 ? list->groups[list->term.groups - 1].range : 0;
}

/* Read all groups of a list into memory. */
static void
keep_groups(InvertedIndex *index, const QuerySegment *segment,
			QueryList *list)
{
	uint32		docs = 0;

	list->groups = (PostingGroup *)
		inverted_alloc(index, list->term.groups, sizeof(PostingGroup));
	list->sums = (uint32 *)
		inverted_alloc(index, list->term.groups / GROUPS_SUMMED + 1, sizeof(uint32));
	for (uint32 done = 0; done < list->term.groups;)
		done += segment_read_groups(index, segment->segment, &list->term, done,
									list->groups + done);
	if (!posting_kernels->groups_sum(list->groups, list->term.groups, list->sums, &docs) ||
		docs > list->term.docs || last_range(list) >= segment->ranges)
		list_damaged(index, segment->segment, &list->term);
}

void
query_keep_groups(InvertedIndex *index, QuerySegment *segment, Size *room)
{
	for (int i = 0; i < segment->list_count; i++)
	{
		Size		size = segment->lists[i].term.groups * sizeof(PostingGroup);

		CHECK_FOR_INTERRUPTS();
		if (size > *room)
			continue;
		*room -= size;
		keep_groups(index, segment, &segment->lists[i]);
	}
}

void
query_bounds(InvertedIndex *index, const QuerySegment *segment,
			 float *bounds)
{
	PostingGroup *groups = (PostingGroup *) palloc(PAGE_GROUPS * sizeof(PostingGroup));

	for (int i = 0; i < segment->list_count; i++)
	{
		const QueryList *list = &segment->lists[i];

		/* what has only weights of the other sign adds nothing above 0 */
		if (list->weight < 0 && !list->term.negative)
			continue;
		CHECK_FOR_INTERRUPTS();
		for (uint32 done = 0; done < list->term.groups;)
		{
			const PostingGroup *these = list->groups;
			uint32		count = list->term.groups;

			if (these == NULL)
			{
				these = groups;
				count = segment_read_groups(index, segment->segment, &list->term,
											done, groups);
			}
			if (!score_bounds(bounds, segment->ranges, these, count,
							  fabsf(list->weight), list->term.step))
				list_damaged(index, segment->segment, &list->term);
			done += count;
		}
	}
	pfree(groups);
}

/* A page of postings that is being read */
typedef struct PostingReader
{
	InvertedIndex *index;
	const Segment *segment;
	const QueryList *list;
	Buffer		buffer;			/* pinned and locked, or InvalidBuffer */
	uint64		number;			/* of the page */
	const uint8 *places;
	const char *weights;
} PostingReader;

static void
reader_end(PostingReader *reader)
{
	if (BufferIsValid(reader->buffer))
		UnlockReleaseBuffer(reader->buffer);
	reader->buffer = InvalidBuffer;
}

/* Add the scores of a group: count postings from first on. */
static void
score_group(PostingReader *reader, uint64 first, uint32 count, float *scores)
{
	InvertedIndex *index = reader->index;
	const QueryList *list = reader->list;

	while (count > 0)
	{
		uint64		number = first / index->page_postings;
		uint32		place = first % index->page_postings;
		uint32		part = Min(count, index->page_postings - place);

		if (!BufferIsValid(reader->buffer) || number != reader->number)
		{
			reader_end(reader);
			reader->buffer = segment_lock(index, reader->segment, PART_POSTINGS,
										  number, BUFFER_LOCK_SHARE);
			reader->number = number;
			reader->places = (const uint8 *) inverted_data(BufferGetPage(reader->buffer));
			reader->weights = (const char *) reader->places + index->page_postings;
		}
		if (index->meta.weights == WEIGHT_FLOATS)
			score_weights(scores, reader->places + place,
						  (const float *) reader->weights + place, part,
						  list->weight);
		else
			score_codes(scores, reader->places + place,
						(const uint8 *) reader->weights + place, part,
						list->weight, list->term.step, list->term.negative != 0);
		first += part;
		count -= part;
	}
}

/*
 * Of groups in memory, from first on, the one of a range or a later one.  They lie
 * about evenly, density of them a range, so it is looked for about there.
 */
static uint32
seek_range(const QueryList *list, uint32 first, uint16 range, float density)
{
	const PostingGroup *groups = list->groups;
	uint32		count = list->term.groups;
	uint32		low = first;	/* it lies behind this one, */
	uint32		high;			/* and not behind this one */
	uint32		step = 2;
	uint32		place;

	if (groups[first].range >= range)
		return first;
	place = Min((uint32) ((range - groups[first].range) * density), count - 1 - first);
	if (groups[first + place].range < range)
	{
		low = first + place;
		while (high = Min(low + step, count), high < count && groups[high].range < range)
		{
			low = high;
			step *= 2;
		}
	}
	else
	{
		high = first + place;
		while (high - low > step && groups[high - step].range >= range)
		{
			high -= step;
			step *= 2;
		}
		low = Max(low, high - Min(step, high));
	}
	LOWER_BOUND(place, high - low - 1, i, groups[low + 1 + i].range < range);
	return low + 1 + place;
}

/* Documents of a list before a group in memory */
static uint32
docs_before(const QueryList *list, uint32 group)
{
	uint32		first = group / GROUPS_SUMMED * GROUPS_SUMMED;
	uint32		docs = list->sums[group / GROUPS_SUMMED];

	for (uint32 i = first; i < group; i++)
		docs += list->groups[i].others + 1;
	return docs;
}

/* Scores of a list whose groups are in memory */
static uint64
score_kept(PostingReader *reader, const QuerySegment *segment,
		   const uint16 *ranges, uint32 count, float *scores)
{
	const QueryList *list = reader->list;
	float		density = (float) list->term.groups / segment->ranges;
	uint64		postings = 0;
	uint32		group = 0;

	for (uint32 i = 0; i < count; i++)
	{
		uint32		docs;

		group = seek_range(list, group, ranges[i], density);
		if (group == list->term.groups)
			break;
		if (list->groups[group].range != ranges[i])
			continue;
		docs = list->groups[group].others + 1;
		score_group(reader, list->term.first_posting + docs_before(list, group),
					docs, scores + (Size) i * RANGE_DOCS);
		postings += docs;
	}
	return postings;
}

/* Scores of a list whose groups are read, page by page, to groups */
static uint64
score_read(PostingReader *reader, const QuerySegment *segment,
		   const uint16 *ranges, uint32 range_count, PostingGroup *groups,
		   float *scores)
{
	InvertedIndex *index = reader->index;
	const InvertedTerm *term = &reader->list->term;
	uint64		at = term->first_posting;
	uint64		end = at + term->docs;
	uint64		postings = 0;
	uint32		next = 0;

	for (uint32 done = 0; done < term->groups && next < range_count;)
	{
		uint32		count;

		/* no two pages are locked at a time */
		reader_end(reader);
		CHECK_FOR_INTERRUPTS();
		count = segment_read_groups(index, segment->segment, term, done, groups);
		for (uint32 i = 0; i < count; i++)
		{
			uint32		docs = groups[i].others + 1;

			if (groups[i].range >= segment->ranges || docs > end - at)
				list_damaged(index, segment->segment, term);
			while (next < range_count && ranges[next] < groups[i].range)
				next++;
			if (next < range_count && ranges[next] == groups[i].range)
			{
				score_group(reader, at, docs, scores + (Size) next * RANGE_DOCS);
				postings += docs;
			}
			at += docs;
		}
		done += count;
	}
	return postings;
}

uint64
query_score(InvertedIndex *index, const QuerySegment *segment,
			const uint16 *ranges, uint32 count, float *scores)
{
	PostingGroup *groups = (PostingGroup *) palloc(PAGE_GROUPS * sizeof(PostingGroup));
	PostingReader reader = {0};
	uint64		postings = 0;

	reader.index = index;
	reader.segment = segment->segment;
	reader.buffer = InvalidBuffer;
	for (int i = 0; i < segment->list_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		reader.list = &segment->lists[i];
		if (reader.list->groups != NULL)
			postings += score_kept(&reader, segment, ranges, count, scores);
		else
			postings += score_read(&reader, segment, ranges, count, groups, scores);
	}
	reader_end(&reader);
	pfree(groups);
	return postings;
}

uint8 *
query_flags(InvertedIndex *index, const Segment *segment)
{
	uint32		docs = segment->root.docs;
	uint8	   *flags = (uint8 *) palloc_extended(docs, MCXT_ALLOC_HUGE);

	for (uint32 i = 0; i < segment->root.pages[PART_DOCS]; i++)
	{
		Buffer		buffer = segment_lock(index, segment, PART_DOCS, i,
										  BUFFER_LOCK_SHARE);
		uint32		first = i * index->page_docs;

		CHECK_FOR_INTERRUPTS();
		memcpy(flags + first, docs_flags(index, BufferGetPage(buffer)),
			   Min(index->page_docs, docs - first));
		UnlockReleaseBuffer(buffer);
	}
	return flags;
}
