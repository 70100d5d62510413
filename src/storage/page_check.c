/*
 * page_check.c
 *	  What is read from a page of an index is checked before it is used.
 */
#include "storage/page_check.h"

#include "compat/buffers.h"

void
index_damaged(Relation index, BlockNumber block, uint32 slot, const char *what)
{
	const char *name = RelationGetRelationName(index);

	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 block == InvalidBlockNumber
			 ? errmsg("index \"%s\" is damaged", name)
			 : slot != NO_PLACE
			 ? errmsg("index \"%s\" is damaged in slot %u of block %u", name,
					  slot, block)
			 : errmsg("index \"%s\" is damaged in block %u", name, block),
			 errdetail_internal("%s", what),
			 errhint("Use REINDEX to rebuild the index.")));
}

/* Pages of a kind, by PageKind */
static const char *const kind_names[] = {
	[PAGE_META] = "the metapage",
	[PAGE_RECORD] = "a page of records",
	[PAGE_UPPER] = "a page of upper nodes",
	[PAGE_VALUE] = "a page of values",
	[PAGE_TIDS] = "a page of row numbers",
	[PAGE_RAW] = "a page of constants",
	[PAGE_PIECE] = "a page of codes",
	[PAGE_KEYS] = "a page of keys"
};

void
page_check_kind(Relation index, Buffer buffer, PageKind kind)
{
	Page		page = BufferGetPage(buffer);

	if (unlikely(!page_is_sound(page, kind)))
		index_damaged(index, BufferGetBlockNumber(buffer), NO_PLACE,
					  psprintf(PageIsNew(page) ? "It is empty, but should be %s."
							   : "It is not %s.", kind_names[kind]));
}

void
page_check_content(Relation index, Buffer buffer, Size bytes)
{
	if (unlikely(((PageHeader) BufferGetPage(buffer))->pd_lower <
				 MAXALIGN(SizeOfPageHeaderData) + bytes))
		index_damaged(index, BufferGetBlockNumber(buffer), NO_PLACE,
					  "It is shorter than it should be.");
}

void
page_lock(Relation index, Buffer buffer, PageKind kind, int mode)
{
	LockBuffer(buffer, mode);
	page_check_kind(index, buffer, kind);
}

void
page_lock_below(Relation index, Buffer buffer, PageKind kind, int mode)
{
	page_check_kind(index, buffer, kind);
	if (unlikely(buffer_locked_by_me(buffer)))
		index_damaged(index, BufferGetBlockNumber(buffer), NO_PLACE,
					  "A record on it leads to the page that has led to it.");
	LockBuffer(buffer, mode);
}

Buffer
page_lock_record(BufferMap *map, BlockNumber block, PageKind kind)
{
	Buffer		buffer = map_read_constant(map, block, kind);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

bool
page_check_any(Relation index, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);

	if (PageIsNew(page))
		return false;
	if (!page_has_form(page) || page_opaque(page)->kind > PAGE_KEYS)
		index_damaged(index, BufferGetBlockNumber(buffer), NO_PLACE,
					  "It is not a page of such an index.");
	return true;
}

Buffer
index_read_block(Relation index, BlockNumber block)
{
	if (block >= RelationGetNumberOfBlocks(index))
		block_damaged(index, block);
	return ReadBuffer(index, block);
}

void
heap_tid_damaged(BufferMap *map, Relation heap, const ItemPointerData *tid,
				 BlockNumber block)
{
	BlockNumber at = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	const char *what;

	map->heap_end = RelationGetNumberOfBlocks(heap);
	if (at < map->heap_end && offset != InvalidOffsetNumber)
		return;
	what = psprintf("It names row (%u,%u), which table \"%s\" of %u blocks cannot have.",
					at, offset, RelationGetRelationName(heap), map->heap_end);
	index_damaged(map->index, block, NO_PLACE, what);
}
