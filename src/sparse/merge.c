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
 * math/sparse/tiers.h says which segments are merged.
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
#include "storage/wait_point.h"

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
retire(InvertedMeta *meta, uint32 id, BlockNumber first, RetiredKind kind)
{
	RetiredPages *pages = &meta->retired_pages[meta->retired++];

	memset(pages, 0, sizeof(RetiredPages));
	pages->xid = U64FromFullTransactionId(ReadNextFullTransactionId());
	pages->id = id;
	pages->first = first;
	pages->kind = kind;
}

static void
add_segment(InvertedMeta *meta, const InvertedSegment *segment)
{
	if (segment->docs > 0)
		meta->segment[meta->segments++] = *segment;
	else
		retire(meta, segment->id, segment->root, RETIRED_SEGMENT);
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

		if (!still_there(index, root_maps(root)[i], id, PART_MAP, &map_page))
			continue;
		for (uint32 k = 0; k < Min(inverted_page((Page) map_page.data)->count, MAP_BLOCKS); k++)
			offer_page(index, blocks[k], id);
		offer_page(index, root_maps(root)[i], id);
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

/* Give back what a record tells of; *earlier is the record before it, if true. */
static bool
free_record(InvertedIndex *index, BlockNumber first, uint32 id,
			RetiredPages *earlier)
{
	PGAlignedBlock copy;
	const RetiredPages *pages = (const RetiredPages *) inverted_data((Page) copy.data);
	uint32		count;
	bool		has_earlier = false;

	if (!still_there(index, first, id, PART_RETIRED, &copy))
		return false;
	count = Min(inverted_page((Page) copy.data)->count,
				INVERTED_ROOM / sizeof(RetiredPages));
	for (uint32 i = 0; i < count; i++)
	{
		if (pages[i].kind == RETIRED_SEGMENT)
			free_segment(index, pages[i].first, pages[i].id);
		else if (pages[i].kind == RETIRED_LIST)
			free_pending(index, pages[i].first, pages[i].id);
		else if (i == 0)
		{
			*earlier = pages[0];
			has_earlier = true;
		}
	}
	return has_earlier;
}

/*
 * Give back retired pages that nobody can be reading.  A record is forgotten before
 * its page is given back: a crash then leaks that page, and not what earlier records
 * tell of.
 */
static void
free_retired(InvertedIndex *index)
{
	for (uint32 i = 0; i < index->meta.retired;)
	{
		RetiredPages pages = index->meta.retired_pages[i];
		RetiredPages earlier;
		bool		has_earlier = false;
		InvertedMeta *meta;
		MetaEdit	edit;

		CHECK_FOR_INTERRUPTS();
		if (!GlobalVisCheckRemovableFullXid(NULL, FullTransactionIdFromU64(pages.xid)))
		{
			i++;
			continue;
		}
		if (pages.kind == RETIRED_SEGMENT)
			free_segment(index, pages.first, pages.id);
		else if (pages.kind == RETIRED_LIST)
			free_pending(index, pages.first, pages.id);
		else
			has_earlier = free_record(index, pages.first, pages.id, &earlier);
		meta = begin_meta(&edit, index);
		if (has_earlier)
			meta->retired_pages[i] = earlier;
		else
		{
			meta->retired--;
			memmove(&meta->retired_pages[i], &meta->retired_pages[i + 1],
					(meta->retired - i) * sizeof(RetiredPages));
		}
		end_meta(&edit);
		if (pages.kind == RETIRED_RECORD)
			offer_page(index, pages.first, pages.id);
	}
}

/*
 * Have room in the metapage to retire count more: where an old snapshot holds what
 * has been retired, that is written to a record.
 */
static void
make_room_to_retire(InvertedIndex *index, uint32 count)
{
	bool		log = RelationNeedsWAL(index->relation);
	RetiredPages record = {0};
	InvertedPage *header;
	InvertedMeta *meta;
	MetaEdit	edit;
	PageEdit	page_edit;
	Buffer		buffer;

	if (index->meta.retired + count <= MAX_RETIRED)
		return;
	record.id = begin_segment(index);
	record.xid = index->meta.retired_pages[index->meta.retired - 1].xid;
	record.kind = RETIRED_RECORD;
	buffer = slot_page_claim(index->relation, PAGE_RECORD, log);
	record.first = BufferGetBlockNumber(buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&page_edit, index->relation, log);
	header = inverted_init_page(page_edit_page(&page_edit, buffer, true), record.id,
								PART_RETIRED, index->meta.retired_pages,
								index->meta.retired * sizeof(RetiredPages));
	header->count = index->meta.retired;
	page_edit_end(&page_edit);
	UnlockReleaseBuffer(buffer);

	meta = begin_meta(&edit, index);
	meta->retired_pages[0] = record;
	meta->retired = 1;
	meta->unfinished = 0;
	end_meta(&edit);
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
			inverted_has_header(page) &&
			(inverted_page(page)->part <= PART_MAP ||
			 inverted_page(page)->part == PART_RETIRED))
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

/* A segment takes the place of count others; of none, it comes behind all. */
static void
replace_flushed(Flush *flush, const InvertedSegment *others, uint32 count,
				const InvertedSegment *segment)
{
	InvertedSegment left[MAX_SEGMENTS];
	uint32		kept = 0;

	if (count > 0)
		left[kept++] = *segment;
	for (uint32 i = 0; i < flush->count; i++)
	{
		bool		replaced = false;

		for (uint32 k = 0; k < count; k++)
			replaced |= others[k].id == flush->segments[i].id;
		if (!replaced)
			left[kept++] = flush->segments[i];
	}
	if (count == 0)
		left[kept++] = *segment;
	memcpy(flush->segments, left, kept * sizeof(InvertedSegment));
	flush->count = kept;
}

/*
 * Write a segment of the rows in memory.  Where there is no room for a further one,
 * it takes the place of some that have been written so far, with their rows: nobody
 * else has seen them, so that their pages are free at once.  Merged ones are kept in
 * front, and small ones are tried first.
 */
static void
write_run(Flush *flush)
{
	PostingSource *sources[MAX_SEGMENTS + 1];
	InvertedSegment merged[MAX_SEGMENTS];
	uint32		count = 0;
	uint64		docs = flush->run->docs;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sparse segment",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	InvertedSegment segment;

	for (uint32 i = flush->count; flush->count == flush->room && i-- > 0;)
	{
		if (docs + flush->segments[i].docs > SEGMENT_MAX_DOCS)
			continue;
		docs += flush->segments[i].docs;
		merged[count] = flush->segments[i];
		sources[count] = source_of_segment(flush->index, &merged[count]);
		count++;
	}
	if (flush->count == flush->room && count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" has too many segments",
						RelationGetRelationName(flush->index->relation)),
				 errhint("Use several partitions, each with an index of its own.")));
	sources[count] = source_of_run(flush->run);
	segment = merge_sources(flush->index, sources, count + 1, begin_segment(flush->index),
							RelationNeedsWAL(flush->index->relation));
	for (uint32 i = 0; i < count; i++)
		free_segment(flush->index, merged[i].root, merged[i].id);
	replace_flushed(flush, merged, count, &segment);
	run_reset(flush->run);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
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
		index->meta.segments == MAX_SEGMENTS)
		return 0;
	flush.index = index;
	flush.run = run_create(index, (Size) maintenance_work_mem * 1024);
	flush.room = MAX_SEGMENTS - index->meta.segments;

	/* the list, and segments without rows, should there be any */
	make_room_to_retire(index, flush.room + 1);
	pending_visit(index, &index->meta.sealed, flush_row, &flush);
	if (flush.run->docs > 0)
		write_run(&flush);

	WAIT_POINT("sparse flushed");
	meta = begin_meta(&edit, index);
	for (uint32 i = 0; i < flush.count; i++)
		add_segment(meta, &flush.segments[i]);
	retire(meta, meta->sealed.id, meta->sealed.head, RETIRED_LIST);
	meta->sealed.head = meta->sealed.tail = InvalidBlockNumber;
	meta->sealed.pages = 0;
	meta->unfinished = 0;
	end_meta(&edit);
	return flush.rows;
}

/* ------------------------------------------------------------------------
 * Segments
 */

/* Segments to be merged: chosen[i] of those of the metapage.  How many. */
static uint32
choose(const InvertedMeta *meta, bool everything, bool *chosen)
{
	TierSegment segments[MAX_SEGMENTS];

	for (uint32 i = 0; i < meta->segments; i++)
	{
		segments[i].docs = meta->segment[i].docs;
		segments[i].dead = meta->segment[i].dead;
		segments[i].pages = meta->segment[i].pages;
	}
	return tiers_choose(segments, meta->segments, MAX_SEGMENTS, SEGMENT_MAX_DOCS,
						(uint64) MAX_MAP_PAGES * MAP_BLOCKS, everything, chosen);
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
	WAIT_POINT("sparse merged");
	meta = begin_meta(&edit, index);
	for (uint32 i = 0; i < meta->segments; i++)
	{
		if (chosen[i])
			retire(meta, meta->segment[i].id, meta->segment[i].root, RETIRED_SEGMENT);
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

		CHECK_FOR_INTERRUPTS();
		if (count == 0)
			return;
		make_room_to_retire(index, count + 1);
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

	/* what another one has left sealed, then what is pending; room for it first */
	for (int i = 0; i < 2; i++)
	{
		merge_segments(index, false);
		rows += flush_sealed(index);
		if (i == 0)
			seal(index);
	}
	merge_segments(index, everything);
	if (wait && index->meta.sealed.head != InvalidBlockNumber)
		ereport(WARNING,
				(errmsg("index \"%s\" has no room for pending rows in its lists",
						RelationGetRelationName(index->relation)),
				 errdetail("It has %u segments, of which no two go into one. Every search compares the pending rows one by one.",
						   index->meta.segments),
				 errhint("Use several partitions, each with an index of its own.")));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	inverted_unlock_merge(index);
	return rows;
}
