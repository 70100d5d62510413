/*
 * slot_page.c
 *	  Pages of slots, and where free ones are.
 *
 * Locks: the metapage before any other page; so no backend asks for a free page
 * while it has a page locked.
 */
#include "storage/slot_page.h"

#include "storage/lmgr.h"

#include "storage/page_check.h"
#include "storage/page_edit.h"

SlotGeometry
slot_geometry(PageKind kind, Size size)
{
	SlotGeometry geometry;

	geometry.kind = kind;
	geometry.slot_size = MAXALIGN(size);
	geometry.per_page = SLOT_PAGE_ROOM / geometry.slot_size;
	if (geometry.per_page == 0)
		elog(ERROR, "index record of %zu bytes does not fit a page", size);
	return geometry;
}

SlotId
slot_id(const SlotGeometry *geometry, BlockNumber block, uint32 slot)
{
	uint64		id = (uint64) block * geometry->per_page + slot;

	if (id > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index has too many pages"),
				 errhint("Use several partitions, each with an index of its own.")));
	return (SlotId) id;
}

void
slot_page_init(Page page, PageKind kind)
{
	PageOpaque *opaque;

	PageInit(page, BLCKSZ, sizeof(PageOpaque));
	((PageHeader) page)->pd_lower = MAXALIGN(SizeOfPageHeaderData);
	opaque = page_opaque(page);
	opaque->next_free = InvalidBlockNumber;
	opaque->kind = kind;
	opaque->in_free_list = false;
	opaque->page_id = INDEX_PAGE_ID;
}

int
slot_page_free_slot(const SlotGeometry *geometry, Page page)
{
	uint32		used = slots_in_use(geometry, page);

	for (uint32 slot = 0; slot < used; slot++)
	{
		if (slot_at(geometry, page, slot)->state == SLOT_FREE)
			return slot;
	}
	return used < geometry->per_page ? (int) used : -1;
}

SlotHeader *
slot_page_take(const SlotGeometry *geometry, Page page, uint32 slot)
{
	PageHeader	header = (PageHeader) page;
	SlotHeader *record = slot_at(geometry, page, slot);
	Size		end = slot_offset(geometry, slot + 1);
	uint16		version = 0;

	if (slot < slots_in_use(geometry, page))
		version = record->version;
	else
		header->pd_lower = end;
	memset(record, 0, geometry->slot_size);
	record->version = version;
	record->state = SLOT_USED;
	return record;
}

void
slot_page_release(SlotHeader *slot)
{
	slot->state = SLOT_FREE;
	slot->flags = 0;
	slot->version++;
}

Buffer
index_extend(Relation index, ForkNumber fork)
{
	Buffer		buffer;

	/* also where the index is new: the workers that build it extend it, too */
	LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBufferExtended(index, fork, P_NEW, RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}

static Buffer
lock_meta(Relation index, int mode)
{
	Buffer		meta = ReadBuffer(index, META_BLOCK);

	page_lock(index, meta, PAGE_META, mode);
	page_check_content(index, meta, sizeof(IndexMeta));
	return meta;
}

/* Lock the page that a free list begins with; the caller holds the metapage. */
static Buffer
lock_free_page(Relation index, BlockNumber block, PageKind kind)
{
	Buffer		buffer = index_read_block(index, block);

	page_lock_below(index, buffer, kind, BUFFER_LOCK_EXCLUSIVE);
	if (!page_opaque(BufferGetPage(buffer))->in_free_list)
		index_damaged(index, block, NO_PLACE,
					  "It is in use, but the list of free pages leads to it.");
	return buffer;
}

/* Take the first page off a free list; the caller holds the metapage. */
static BlockNumber
pop_free_page(PageEdit *edit, Relation index, FreeSpace *space, PageKind kind)
{
	BlockNumber block = space->list[kind];
	Buffer		buffer = lock_free_page(index, block, kind);
	PageOpaque *opaque;

	opaque = page_opaque(page_edit_page(edit, buffer, false));
	space->list[kind] = opaque->next_free;
	opaque->next_free = InvalidBlockNumber;
	opaque->in_free_list = false;
	space->filling[kind] = block;
	page_edit_end(edit);
	UnlockReleaseBuffer(buffer);
	return block;
}

BlockNumber
slot_page_find(Relation index, PageKind kind, BlockNumber *target, bool full,
			   bool log)
{
	BlockNumber old = *target;
	BlockNumber block;
	Buffer		meta;
	Buffer		buffer;
	FreeSpace  *space;
	PageEdit	edit;

	if (old != InvalidBlockNumber && !full)
		return old;

	/* the page that others fill, before one of our own */
	meta = lock_meta(index, BUFFER_LOCK_SHARE);
	space = &page_meta(BufferGetPage(meta))->space;
	block = space->filling[kind];
	LockBuffer(meta, BUFFER_LOCK_UNLOCK);
	if (block != InvalidBlockNumber && block != old)
	{
		ReleaseBuffer(meta);
		return *target = block;
	}

	LockBuffer(meta, BUFFER_LOCK_EXCLUSIVE);
	block = page_meta(BufferGetPage(meta))->space.filling[kind];
	if (block != InvalidBlockNumber && block != old)
	{
		/* somebody else has just provided one */
		UnlockReleaseBuffer(meta);
		return *target = block;
	}
	page_edit_begin(&edit, index, log);
	space = &page_meta(page_edit_page(&edit, meta, false))->space;
	if (space->list[kind] != InvalidBlockNumber)
		block = pop_free_page(&edit, index, space, kind);
	else
	{
		buffer = index_extend(index, MAIN_FORKNUM);
		block = BufferGetBlockNumber(buffer);
		slot_page_init(page_edit_page(&edit, buffer, true), kind);
		space->filling[kind] = block;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
	UnlockReleaseBuffer(meta);
	return *target = block;
}

Buffer
slot_page_claim(Relation index, PageKind kind, bool log)
{
	Buffer		meta = lock_meta(index, BUFFER_LOCK_SHARE);
	Buffer		buffer;
	Page		page;
	PageEdit	edit;
	FreeSpace  *space;
	BlockNumber block;

	block = page_meta(BufferGetPage(meta))->space.list[kind];
	LockBuffer(meta, BUFFER_LOCK_UNLOCK);
	if (block != InvalidBlockNumber)
	{
		LockBuffer(meta, BUFFER_LOCK_EXCLUSIVE);
		block = page_meta(BufferGetPage(meta))->space.list[kind];
		if (block != InvalidBlockNumber)
		{
			buffer = lock_free_page(index, block, kind);
			page_edit_begin(&edit, index, log);
			space = &page_meta(page_edit_page(&edit, meta, false))->space;
			page = page_edit_page(&edit, buffer, true);
			space->list[kind] = page_opaque(page)->next_free;
			slot_page_init(page, kind);
			page_edit_end(&edit);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			UnlockReleaseBuffer(meta);
			return buffer;
		}
		LockBuffer(meta, BUFFER_LOCK_UNLOCK);
	}
	ReleaseBuffer(meta);
	buffer = index_extend(index, MAIN_FORKNUM);
	page_edit_begin(&edit, index, log);
	slot_page_init(page_edit_page(&edit, buffer, true), kind);
	page_edit_end(&edit);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return buffer;
}

void
slot_page_offer(Relation index, PageKind kind, BlockNumber block)
{
	Buffer		buffer = index_read_block(index, block);
	Buffer		meta = lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	PageOpaque *opaque;
	FreeSpace  *space;
	PageEdit	edit;

	page_lock_below(index, buffer, kind, BUFFER_LOCK_EXCLUSIVE);
	if (!page_opaque(BufferGetPage(buffer))->in_free_list)
	{
		page_edit_begin(&edit, index, RelationNeedsWAL(index));
		space = &page_meta(page_edit_page(&edit, meta, false))->space;
		opaque = page_opaque(page_edit_page(&edit, buffer, false));
		opaque->next_free = space->list[kind];
		opaque->in_free_list = true;
		space->list[kind] = block;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	UnlockReleaseBuffer(meta);
}
