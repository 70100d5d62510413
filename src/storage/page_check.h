/*
 * page_check.h
 *	  What is read from a page of an index is checked before it is used.
 *
 * A disk, a file system, a backup or a bug may put anything on a page, and the
 * core's checksums are optional.  Whatever is there, a statement ends with an
 * error that names index, block and slot, or gives an answer; it never reads
 * outside of the page, loops, waits for itself, or trips an assertion.
 *
 * - A block number is checked where it is turned into a buffer: map_read
 *	 (buffer_map.h), index_read_block.
 * - A page is checked where it is locked: page_lock, page_lock_below.  Its
 *	 header and kind are in order then, so that the number of its slots
 *	 (slots_in_use) is not larger than a page has room for.
 * - What a record says of itself (counts, lengths, levels) is checked by the
 *	 access method in the function that locks the record.
 * - A chain of links is followed with a ChainCheck.
 *
 * Numbers read without a lock (map_peek) are copied before they are checked, and
 * the copy is used.
 */
#ifndef VECTOR_STORAGE_PAGE_CHECK_H
#define VECTOR_STORAGE_PAGE_CHECK_H

#include "compat/pg.h"

#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "storage/buffer_map.h"
#include "storage/slot_page.h"

/* For index_damaged: the whole page, or the whole index */
#define NO_PLACE	PG_UINT32_MAX

/*
 * Error: an index is damaged in a slot (or another number that names a place) of
 * a block, which may be InvalidBlockNumber.  what says how.
 */
pg_noreturn extern void index_damaged(Relation index, BlockNumber block,
									  uint32 slot, const char *what);

/* Where every page's special area begins */
#define PAGE_END	(BLCKSZ - MAXALIGN(sizeof(PageOpaque)))

/*
 * Has a page, of which pd_lower may change meanwhile, the form that
 * slot_page_init gives?
 */
static inline bool
page_has_form(Page page)
{
	const volatile PageHeaderData *header = (const volatile PageHeaderData *) page;
	Size		lower = header->pd_lower;

	return header->pd_special == PAGE_END && header->pd_upper == PAGE_END &&
		lower >= MAXALIGN(SizeOfPageHeaderData) && lower <= PAGE_END &&
		page_opaque(page)->page_id == INDEX_PAGE_ID;
}

static inline bool
page_is_sound(Page page, PageKind kind)
{
	return page_has_form(page) && page_opaque(page)->kind == kind;
}

/* Error unless a locked page is sound. */
extern void page_check_kind(Relation index, Buffer buffer, PageKind kind);

/*
 * Error unless a locked page's content has at least so many bytes: what is behind
 * pd_lower is lost when a change of the page is logged.
 */
extern void page_check_content(Relation index, Buffer buffer, Size bytes);

/* Lock a pinned page, which must be sound. */
extern void page_lock(Relation index, Buffer buffer, PageKind kind, int mode);

/*
 * The same while others are locked.  The kind, which never changes, is looked at
 * before: so a wrong number makes no backend wait for a page in another order than
 * the one in its README, nor for a page that the backend itself has locked.
 */
extern void page_lock_below(Relation index, Buffer buffer, PageKind kind,
							int mode);

/*
 * Pin and lock a page in share mode, for a few bytes of a record: the page itself
 * is looked at only when this backend first meets it in its buffer, because its
 * header and special area are two waits for memory.  What the record says of
 * itself must be checked by itself.  Other pages may be locked in share mode.
 */
extern Buffer page_lock_record(BufferMap *map, BlockNumber block,
							   PageKind kind);

/*
 * Error unless a locked page, met on the way through all blocks, is new (a crash
 * may leave such ones; false then) or of our form.
 */
extern bool page_check_any(Relation index, Buffer buffer);

/* ReadBuffer of a number that was read from a page */
extern Buffer index_read_block(Relation index, BlockNumber block);

/*
 * A row's place must be in the table.  Error if it is not; block is where it was
 * read, or InvalidBlockNumber.
 */
extern void heap_tid_damaged(BufferMap *map, Relation heap,
							 const ItemPointerData *tid, BlockNumber block);

static inline void
check_heap_tid(BufferMap *map, Relation heap, const ItemPointerData *tid,
			   BlockNumber block)
{
	if (unlikely(ItemPointerGetBlockNumberNoCheck(tid) >= map->heap_end ||
				 ItemPointerGetOffsetNumberNoCheck(tid) == InvalidOffsetNumber))
		heap_tid_damaged(map, heap, tid, block);
}

/*
 * Links followed one after the other, beginning with {0}: Brent's way to find a
 * cycle (BIT 20, 1980), with one link remembered.  A few returns are forgiven,
 * because a page may leave a list behind a reader and come back at its end.
 */
typedef struct ChainCheck
{
	uint32		mark;
	uint32		returns;
	uint64		steps;
	uint64		limit;
} ChainCheck;

#define CHAIN_RETURNS	8

static inline bool
chain_cycles(ChainCheck *check, uint32 link)
{
	if (check->limit > 0 && link == check->mark &&
		++check->returns > CHAIN_RETURNS)
		return true;
	if (check->steps++ == check->limit)
	{
		check->mark = link;
		check->limit = 2 * check->limit + 1;
		check->steps = 0;
	}
	return false;
}

#endif							/* VECTOR_STORAGE_PAGE_CHECK_H */
