/*
 * merge.c
 *	  Pending rows become a segment, and segments become one.
 *
 * All this is done under the lock of merges, by one process at a time, while others
 * search and add rows.  A new segment is written first; then one change of the
 * metapage puts it in the place of what it was made of.  Pages of that are retired:
 * a scan that began before may be reading them, so they are given back when every
 * snapshot of that time is gone.
 *
 * Segments are merged as in a log-structured merge tree with tiers (O'Neil et al.
 * 1996; Lucene's): where there are MERGE_SEGMENTS of a size, they become one of the
 * next size, so that a row is written again a logarithmic number of times.
 */
#include "sparse/inverted.h"

#include <math.h>

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "sparse/pending.h"
#include "sparse/source.h"
#include "storage/page_check.h"
#include "storage/page_edit.h"

#define MERGE_SEGMENTS	4

/* Rows of a segment of the first tier, at most */
#define FIRST_TIER_DOCS	4096

/* A segment with more than one dead row in so many is written anew */
#define DEAD_PART		4

bool
inverted_lock_merge(InvertedIndex *index, bool wait)
{
	if (!wait)
		return ConditionalLockPage(index->relation, META_BLOCK, ExclusiveLock);
	LockPage(index->relation, META_BLOCK, ExclusiveLock);
	return true;
}

void
inverted_unlock_merge(InvertedIndex *index)
{
	UnlockPage(index->relation, META_BLOCK, ExclusiveLock);
}

/* ------------------------------------------------------------------------
 * Changes of the metapage
 */

typedef struct MetaEdit
{
	InvertedIndex *index;
	Buffer		buffer;
	PageEdit	edit;
} MetaEdit;

static InvertedMeta *
begin_meta(MetaEdit *edit, InvertedIndex *index)
{
	edit->index = index;
	edit->buffer = inverted_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit->edit, index->relation, RelationNeedsWAL(index->relation));
	return inverted_page_meta(page_edit_page(&edit->edit, edit->buffer, false));
}

/* What has been changed is what index->meta has then. */
static void
end_meta(MetaEdit *edit)
{
	page_edit_end(&edit->edit);
	edit->index->meta = *inverted_page_meta(BufferGetPage(edit->buffer));
	UnlockReleaseBuffer(edit->buffer);
}

/* A number for a segment that is about to be written */
static uint32
begin_segment(InvertedIndex *index)
{
	MetaEdit	edit;
	InvertedMeta *meta = begin_meta(&edit, index);
	uint32		id = meta->next_id++;

	if (meta->unfinished == 0)
		meta->unfinished = id;
	end_meta(&edit);
	return id;
}

static void
retire(InvertedMeta *meta, uint32 id, BlockNumber first, bool is_segment)
{
	RetiredPages *pages = &meta->retired_pages[meta->retired++];

	memset(pages, 0, sizeof(RetiredPages));
	pages->xid = U64FromFullTransactionId(ReadNextFullTransactionId());
	pages->id = id;
	pages->first = first;
	pages->is_segment = is_segment;
}

static void
add_segment(InvertedMeta *meta, const InvertedSegment *segment)
{
	if (segment->docs > 0)
		meta->segment[meta->segments++] = *segment;
	else
		retire(meta, segment->id, segment->root, true);
}

/* ------------------------------------------------------------------------
 * Giving pages back
 */

/* Is a page still one of an owner's? */
static bool
is_page_of(Page page, uint32 owner)
{
	return page_is_sound(page, PAGE_RECORD) && !page_opaque(page)->in_free_list &&
		inverted_has_header(page) && inverted_page(page)->owner == owner;
}

/* Give a page back, if it is still what it was. */
static void
offer_page(InvertedIndex *index, BlockNumber block, uint32 owner)
{
	Buffer		buffer = map_read(index->map, block);
	Page		page = BufferGetPage(buffer);
	bool		mine;

	CHECK_FOR_INTERRUPTS();
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	mine = is_page_of(page, owner);
	UnlockReleaseBuffer(buffer);
	if (mine)
		slot_page_offer(index->relation, PAGE_RECORD, block);
}

/* Is a page of an owner's there still?  Its header, if it is. */
static bool
still_there(InvertedIndex *index, BlockNumber block, uint32 owner,
			InvertedPart part, PGAlignedBlock *copy)
{
	Buffer		buffer = map_read(index->map, block);
	Page		page = BufferGetPage(buffer);
	bool		there;

	CHECK_FOR_INTERRUPTS();
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	there = is_page_of(page, owner) && inverted_page(page)->part == part;
	if (there)
		memcpy(copy->data, page, BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return there;
}

/*
 * Give back a segment's pages: the root, by which the others are found, last, and
 * maps after what they lead to.  A crash in between leaves the rest to the next
 * time.
 */
static void
free_segment(InvertedIndex *index, BlockNumber first, uint32 id)
{
	PGAlignedBlock root_page;
	PGAlignedBlock map_page;
	InvertedRoot *root = (InvertedRoot *) inverted_data((Page) root_page.data);

	if (!still_there(index, first, id, PART_ROOT, &root_page))
		return;
	for (uint32 i = 0; i < Min(root->map_pages, MAX_MAP_PAGES); i++)
	{
		const BlockNumber *blocks = (BlockNumber *) inverted_data((Page) map_page.data);

		if (!still_there(index, root->maps[i], id, PART_MAP, &map_page))
			continue;
		for (uint32 k = 0; k < Min(inverted_page((Page) map_page.data)->count, MAP_BLOCKS); k++)
			offer_page(index, blocks[k], id);
		offer_page(index, root->maps[i], id);
	}
	offer_page(index, first, id);
}

/*
 * Give back a pending list's pages.  The head stays until the end, since the list
 * is found by it: pages behind it are given back from the second on, each before it
 * is forgotten where they go on.
 */
static void
free_pending(InvertedIndex *index, BlockNumber first, uint32 id)
{
	PGAlignedBlock copy;
	BlockNumber *blocks;
	uint32		count = 0;
	uint32		room = 64;
	ChainCheck	chain = {0};

	blocks = (BlockNumber *) palloc(room * sizeof(BlockNumber));
	for (BlockNumber block = first; block != InvalidBlockNumber;)
	{
		const InvertedPage *header = inverted_page((Page) copy.data);
		BlockNumber next;

		if (!still_there(index, block, id, PART_PENDING, &copy) ||
			chain_cycles(&chain, block))
			break;
		next = header->next;
		if (count + 1 >= room)
		{
			room *= 2;
			blocks = (BlockNumber *) repalloc_huge(blocks, mul_size(room, sizeof(BlockNumber)));
		}
		blocks[count++] = block;
		if (pending_is_long(header))
		{
			BlockNumber piece = ((const LongRow *) inverted_data((Page) copy.data))->piece;
			PGAlignedBlock piece_copy;

			while (piece != InvalidBlockNumber &&
				   still_there(index, piece, id, PART_PIECE, &piece_copy))
			{
				if (count + 1 >= room)
				{
					room *= 2;
					blocks = (BlockNumber *) repalloc_huge(blocks, mul_size(room, sizeof(BlockNumber)));
				}
				blocks[count++] = piece;
				piece = inverted_page((Page) piece_copy.data)->next;
				if (chain_cycles(&chain, piece))
					break;
			}
		}
		block = next;
	}
	/* the last ones first, so that after a crash the others are found */
	while (count > 0)
		offer_page(index, blocks[--count], id);
	pfree(blocks);
}

/* Give back retired pages that nobody can be reading. */
static void
free_retired(InvertedIndex *index)
{
	for (uint32 i = 0; i < index->meta.retired;)
	{
		RetiredPages pages = index->meta.retired_pages[i];
		InvertedMeta *meta;
		MetaEdit	edit;

		if (!GlobalVisCheckRemovableFullXid(NULL, FullTransactionIdFromU64(pages.xid)))
		{
			i++;
			continue;
		}
		if (pages.is_segment)
			free_segment(index, pages.first, pages.id);
		else
			free_pending(index, pages.first, pages.id);
		meta = begin_meta(&edit, index);
		meta->retired--;
		memmove(&meta->retired_pages[i], &meta->retired_pages[i + 1],
				(meta->retired - i) * sizeof(RetiredPages));
		end_meta(&edit);
	}
}

/*
 * A process that was writing segments has failed: give back their pages, which
 * nothing leads to.  They are those of numbers from unfinished on that the metapage
 * does not know.
 */
static void
free_unfinished(InvertedIndex *index)
{
	const InvertedMeta *known = &index->meta;
	BlockNumber blocks = RelationGetNumberOfBlocks(index->relation);
	InvertedMeta *meta;
	MetaEdit	edit;

	if (known->unfinished == 0)
		return;
	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		Buffer		buffer = map_read(index->map, block);
		Page		page = BufferGetPage(buffer);
		uint32		owner = 0;
		bool		is_known = false;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!PageIsNew(page) && page_is_sound(page, PAGE_RECORD) &&
			inverted_has_header(page) && inverted_page(page)->part <= PART_MAP)
			owner = inverted_page(page)->owner;
		UnlockReleaseBuffer(buffer);
		if (owner < known->unfinished)
			continue;
		for (uint32 i = 0; i < known->segments; i++)
			is_known |= known->segment[i].id == owner;
		for (uint32 i = 0; i < known->retired; i++)
			is_known |= known->retired_pages[i].id == owner;
		if (!is_known)
			offer_page(index, block, owner);
	}
	meta = begin_meta(&edit, index);
	meta->unfinished = 0;
	end_meta(&edit);
}

/* ------------------------------------------------------------------------
 * Pending rows
 */

/* Nothing more is added to the pending list: it becomes the sealed one. */
static void
seal(InvertedIndex *index)
{
	Buffer		meta_buffer = inverted_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	InvertedMeta *meta = inverted_page_meta(BufferGetPage(meta_buffer));
	Buffer		tail;
	PageEdit	edit;

	if (meta->sealed.head == InvalidBlockNumber &&
		meta->pending.head != InvalidBlockNumber)
	{
		tail = inverted_lock_page(index, meta->pending.tail, meta->pending.id,
								  PART_PENDING, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
		meta = inverted_page_meta(page_edit_page(&edit, meta_buffer, false));
		meta->sealed = meta->pending;
		meta->pending.id = meta->next_id++;
		meta->pending.head = meta->pending.tail = InvalidBlockNumber;
		meta->pending.pages = 0;
		inverted_page(page_edit_page(&edit, tail, false))->sealed = true;
		page_edit_end(&edit);
		UnlockReleaseBuffer(tail);
	}
	index->meta = *inverted_page_meta(BufferGetPage(meta_buffer));
	UnlockReleaseBuffer(meta_buffer);
}

/* Segments that are made of a list */
typedef struct Flush
{
	InvertedIndex *index;
	InvertedRun *run;
	uint64		rows;
	uint32		room;			/* segments that there may be */
	uint32		count;
	InvertedSegment segments[MAX_SEGMENTS];
} Flush;

static void
write_run(Flush *flush)
{
	PostingSource *source = source_of_run(flush->run);

	if (flush->count == flush->room)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" has too many segments",
						RelationGetRelationName(flush->index->relation)),
				 errhint("Increase maintenance_work_mem, or use REINDEX.")));
	flush->segments[flush->count++] =
		merge_sources(flush->index, &source, 1, begin_segment(flush->index),
					  RelationNeedsWAL(flush->index->relation));
	run_reset(flush->run);
}

static void
flush_row(void *state, const InvertedDoc *doc, const SparseVector *value)
{
	Flush	   *flush = (Flush *) state;
	const float *weights = sparse_values(value);

	for (int i = 0; i < value->nnz; i++)
	{
		if (value->indices[i] < (i == 0 ? 0 : value->indices[i - 1] + 1) ||
			value->indices[i] >= value->dim || !isfinite(weights[i]))
			index_damaged(flush->index->relation, META_BLOCK, NO_PLACE,
						  "A pending row is no sparse vector.");
	}
	if (!run_has_room(flush->run, value->nnz))
		write_run(flush);
	run_add(flush->run, value, doc);
	flush->rows++;
}

/* Make segments of the sealed list. */
static uint64
flush_sealed(InvertedIndex *index)
{
	Flush		flush = {0};
	InvertedMeta *meta;
	MetaEdit	edit;

	if (index->meta.sealed.head == InvalidBlockNumber ||
		index->meta.retired + 1 > MAX_RETIRED ||
		index->meta.segments + 1 > MAX_SEGMENTS)
		return 0;
	flush.index = index;
	flush.run = run_create(index, (Size) maintenance_work_mem * 1024);
	flush.room = Min(MAX_SEGMENTS - index->meta.segments,
					 MAX_RETIRED - index->meta.retired - 1);
	pending_visit(index, &index->meta.sealed, flush_row, &flush);
	if (flush.run->docs > 0)
		write_run(&flush);

	meta = begin_meta(&edit, index);
	for (uint32 i = 0; i < flush.count; i++)
		add_segment(meta, &flush.segments[i]);
	retire(meta, meta->sealed.id, meta->sealed.head, false);
	meta->sealed.head = meta->sealed.tail = InvalidBlockNumber;
	meta->sealed.pages = 0;
	meta->unfinished = 0;
	end_meta(&edit);
	return flush.rows;
}

/* ------------------------------------------------------------------------
 * Segments
 */

static int
tier_of(const InvertedSegment *segment)
{
	double		docs = segment->docs - segment->dead;
	int			tier = 0;

	while (docs > FIRST_TIER_DOCS)
	{
		docs /= MERGE_SEGMENTS;
		tier++;
	}
	return tier;
}

/* Segments to be merged: chosen[i] of those of the metapage.  How many. */
static uint32
choose(const InvertedMeta *meta, bool everything, bool *chosen)
{
	uint32		count = 0;
	uint64		docs = 0;
	int			counts[32] = {0};
	int			tier = -1;
	bool		dead = false;

	memset(chosen, 0, MAX_SEGMENTS);
	for (uint32 i = 0; i < meta->segments; i++)
	{
		int			mine = tier_of(&meta->segment[i]);

		if (++counts[mine] >= MERGE_SEGMENTS && tier < 0)
			tier = mine;
		dead |= meta->segment[i].dead > 0;
	}
	for (uint32 i = 0; i < meta->segments; i++)
	{
		const InvertedSegment *segment = &meta->segment[i];
		uint64		living = segment->docs - segment->dead;
		bool		wanted = everything || (tier >= 0 && tier_of(segment) == tier) ||
			(tier < 0 && count == 0 && segment->dead > segment->docs / DEAD_PART);

		if (wanted && docs + living <= SEGMENT_MAX_DOCS)
		{
			chosen[i] = true;
			docs += living;
			count++;
		}
	}
	/* one alone is written anew only without its dead rows */
	if (count == 1 && !dead)
		return 0;
	if (count == 1 && tier >= 0 && !everything)
		return 0;
	return count;
}

/* Merge the chosen ones. */
static void
merge_chosen(InvertedIndex *index, const bool *chosen, uint32 count)
{
	PostingSource **sources = (PostingSource **) palloc(count * sizeof(PostingSource *));
	InvertedSegment merged;
	InvertedMeta *meta;
	MetaEdit	edit;
	uint32		left = 0;

	for (uint32 i = 0, n = 0; i < index->meta.segments; i++)
	{
		if (chosen[i])
			sources[n++] = source_of_segment(index, &index->meta.segment[i]);
	}
	merged = merge_sources(index, sources, count, begin_segment(index),
						   RelationNeedsWAL(index->relation));
	meta = begin_meta(&edit, index);
	for (uint32 i = 0; i < meta->segments; i++)
	{
		if (chosen[i])
			retire(meta, meta->segment[i].id, meta->segment[i].root, true);
		else
			meta->segment[left++] = meta->segment[i];
	}
	meta->segments = left;
	add_segment(meta, &merged);
	meta->unfinished = 0;
	end_meta(&edit);
}

static void
merge_segments(InvertedIndex *index, bool everything)
{
	bool		chosen[MAX_SEGMENTS];

	for (;;)
	{
		uint32		count = choose(&index->meta, everything, chosen);

		if (count == 0 || index->meta.retired + count + 1 > MAX_RETIRED)
			return;
		merge_chosen(index, chosen, count);
		if (everything)
			return;
	}
}

uint64
inverted_merge(InvertedIndex *index, bool wait, bool everything)
{
	MemoryContext context;
	MemoryContext caller;
	uint64		rows = 0;

	if (!inverted_lock_merge(index, wait))
		return 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "sparse merge",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	inverted_refresh(index);
	free_unfinished(index);
	free_retired(index);
	merge_segments(index, false);

	/* what another one has left sealed, then what is pending */
	for (int i = 0; i < 2; i++)
	{
		rows += flush_sealed(index);
		if (i == 0)
			seal(index);
	}
	merge_segments(index, everything);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	inverted_unlock_merge(index);
	return rows;
}
