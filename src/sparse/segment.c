/*
 * segment.c
 *	  Reading segments.
 *
 * A segment does not change, but for rows that are marked dead.  What its root says
 * is checked when it is opened, so that numbers below its counts lead to pages that
 * it has.
 */
#include "sparse/inverted.h"

#include <math.h>

#include "miscadmin.h"

#include "math/heap/heap.h"
#include "storage/page_check.h"

static uint64
pages_of(uint64 items, uint64 per_page)
{
	return (items + per_page - 1) / per_page;
}

static bool
root_fits(const InvertedIndex *index, const InvertedSegment *entry,
		  const InvertedRoot *root)
{
	uint64		pages = 0;

	if (root->docs != entry->docs || root->docs > SEGMENT_MAX_DOCS ||
		root->map_pages > MAX_MAP_PAGES || !isfinite(root->squares) ||
		root->longest > SPARSE_MAX_NNZ || (root->special > 0 && !index->has_flags))
		return false;
	for (int part = 0; part < MAPPED_PARTS; part++)
		pages += root->pages[part];
	return root->map_pages == pages_of(pages, MAP_BLOCKS) &&
		root->pages[PART_DOCS] == pages_of(root->docs, index->page_docs) &&
		root->pages[PART_TERMS] == pages_of(root->terms, PAGE_TERMS) &&
		root->pages[PART_TOPS] == pages_of(root->pages[PART_TERMS], PAGE_TOPS) &&
		root->pages[PART_GROUPS] == pages_of(root->groups, PAGE_GROUPS) &&
		root->pages[PART_POSTINGS] == pages_of(root->postings, index->page_postings);
}

Segment *
segment_open(InvertedIndex *index, const InvertedSegment *entry)
{
	Segment    *segment = (Segment *) palloc0(sizeof(Segment));
	Buffer		buffer = inverted_lock_page(index, entry->root, entry->id,
											PART_ROOT, BUFFER_LOCK_SHARE);
	const InvertedRoot *root;
	BlockNumber *maps;
	uint32		pages = 0;

	if (!BufferIsValid(buffer))
		return NULL;
	root = (const InvertedRoot *) inverted_data(BufferGetPage(buffer));
	segment->entry = *entry;
	segment->root = *root;
	if (!root_fits(index, entry, &segment->root) && index->lenient)
	{
		UnlockReleaseBuffer(buffer);
		return NULL;
	}
	if (!root_fits(index, entry, &segment->root))
		index_damaged(index->relation, entry->root, NO_PLACE,
					  "Its numbers do not fit each other.");
	maps = (BlockNumber *) palloc(mul_size(Max(segment->root.map_pages, 1), sizeof(BlockNumber)));
	memcpy(maps, root + 1, segment->root.map_pages * sizeof(BlockNumber));
	UnlockReleaseBuffer(buffer);

	for (int part = 0; part < MAPPED_PARTS; part++)
	{
		segment->starts[part] = pages;
		pages += segment->root.pages[part];
	}
	segment->blocks = (BlockNumber *) inverted_alloc(index, pages, sizeof(BlockNumber));
	for (uint32 i = 0; i < segment->root.map_pages; i++)
	{
		uint32		first = i * MAP_BLOCKS;

		CHECK_FOR_INTERRUPTS();
		buffer = inverted_lock_page(index, maps[i], entry->id, PART_MAP,
									BUFFER_LOCK_SHARE);
		if (!BufferIsValid(buffer))
			return NULL;
		memcpy(segment->blocks + first, inverted_data(BufferGetPage(buffer)),
			   Min(MAP_BLOCKS, pages - first) * sizeof(BlockNumber));
		UnlockReleaseBuffer(buffer);
	}
	pfree(maps);

	segment->tops = (int32 *)
		inverted_alloc(index, segment->root.pages[PART_TERMS], sizeof(int32));
	for (uint32 i = 0; i < segment->root.pages[PART_TOPS]; i++)
	{
		uint32		first = i * PAGE_TOPS;

		buffer = segment_lock(index, segment, PART_TOPS, i, BUFFER_LOCK_SHARE);
		if (!BufferIsValid(buffer))
			return NULL;
		memcpy(segment->tops + first, inverted_data(BufferGetPage(buffer)),
			   Min(PAGE_TOPS, segment->root.pages[PART_TERMS] - first) * sizeof(int32));
		UnlockReleaseBuffer(buffer);
	}
	return segment;
}

void
segment_close(Segment *segment)
{
	pfree(segment->tops);
	pfree(segment->blocks);
	pfree(segment);
}

Buffer
segment_lock(InvertedIndex *index, const Segment *segment, InvertedPart part,
			 uint32 number, int mode)
{
	Assert(number < segment->root.pages[part]);
	return inverted_lock_page(index,
							  segment->blocks[segment->starts[part] + number],
							  segment->entry.id, part, mode);
}

/* Are a term's numbers those of groups and postings that there are? */
static bool
term_fits(const Segment *segment, const InvertedTerm *term)
{
	return term->docs > 0 && term->groups > 0 && term->groups <= term->docs &&
		term->docs <= segment->root.docs && term->negative <= 1 &&
		term->first_group <= segment->root.groups &&
		term->groups <= segment->root.groups - term->first_group &&
		term->first_posting <= segment->root.postings &&
		term->docs <= segment->root.postings - term->first_posting &&
		term->step > 0 && isfinite(term->step) && term->error >= 0 &&
		isfinite(term->error) && term->greatest >= 0 && isfinite(term->greatest);
}

bool
segment_find_term(InvertedIndex *index, const Segment *segment, int32 dim,
				  InvertedTerm *term)
{
	uint32		pages = segment->root.pages[PART_TERMS];
	const InvertedTerm *terms;
	Buffer		buffer;
	uint32		number;
	uint32		count;
	uint32		place;
	bool		found;

	if (pages == 0)
		return false;

	/* the last page that does not begin beyond */
	LOWER_BOUND(number, pages - 1, i, segment->tops[i + 1] <= dim);
	buffer = segment_lock(index, segment, PART_TERMS, number, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(buffer))
		return false;
	terms = (const InvertedTerm *) inverted_data(BufferGetPage(buffer));
	count = Min(PAGE_TERMS, segment->root.terms - number * PAGE_TERMS);
	LOWER_BOUND(place, count, i, terms[i].dim < dim);
	found = place < count && terms[place].dim == dim;
	if (found)
		*term = terms[place];
	UnlockReleaseBuffer(buffer);
	if (!found || term_fits(segment, term))
		return found;
	if (!index->lenient)
		index_damaged(index->relation,
					  segment->blocks[segment->starts[PART_TERMS] + number], place,
					  "A term has numbers of another list.");
	return false;
}

uint32
segment_read_groups(InvertedIndex *index, const Segment *segment,
					const InvertedTerm *term, uint32 first,
					PostingGroup *groups)
{
	uint64		at = term->first_group + first;
	uint32		place = at % PAGE_GROUPS;
	uint32		count = Min(PAGE_GROUPS - place, term->groups - first);
	Buffer		buffer = segment_lock(index, segment, PART_GROUPS,
									  at / PAGE_GROUPS, BUFFER_LOCK_SHARE);

	memcpy(groups,
		   (const PostingGroup *) inverted_data(BufferGetPage(buffer)) + place,
		   count * sizeof(PostingGroup));
	UnlockReleaseBuffer(buffer);
	return count;
}
