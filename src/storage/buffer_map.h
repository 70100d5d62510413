/*
 * buffer_map.h
 *	  The recent-buffer map: which buffer a block of an index was in when this
 *	  backend last met it.
 *
 * Walking a graph visits a thousand pages a query, each for a few hundred
 * bytes.  Asking the buffer mapping table, pinning and locking takes longer
 * than reading them.  Here the buffer is looked up in an array and its tag
 * compared; then there are two ways on:
 *
 * - map_read pins it (ReadRecentBuffer) where a pin is needed.
 * - map_peek gives the page's address without a pin.  What is read there is a
 *	 hint: the buffer may be given to another block, or the page be changed,
 *	 at any moment.  The memory stays readable, since shared buffers are never
 *	 unmapped.  map_still says afterwards whether the buffer had the block all
 *	 the time (or lost it and got it back, which takes a read from the system
 *	 between two instructions of ours).  Whoever peeks must be able to live
 *	 with a wrong number that slips through, and does: estimates are checked
 *	 by reading what matters again, under a lock.
 *
 * Both raise the buffer's usage count, as far as it goes, like any other read:
 * else a page that nothing else visits would be evicted first.  In an index that
 * is searched often, all counts are as high as can be, and nothing is written.
 */
#ifndef VECTOR_STORAGE_BUFFER_MAP_H
#define VECTOR_STORAGE_BUFFER_MAP_H

#include "compat/pg.h"

#include "compat/buffers.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "storage/slot_page.h"

/* Blocks beyond are not remembered: 64 MB of map, 128 GB of index */
#define MAP_MAX_BLOCKS	(16 * 1024 * 1024)

typedef struct BufferMap
{
	Relation	index;			/* of the last user; see buffer_map */
	BlockTag	tag;			/* all but the block number filled in */
	Buffer	   *buffers;		/* by block; 0 where unknown */
	uint32		blocks;			/* room in buffers */
	BlockNumber end;			/* the index has as many blocks, or more */
	BlockNumber heap_end;		/* the same of its table; see page_check.h */
} BufferMap;

/*
 * The backend's map of an index, which stays open while the map is used, at
 * most until the transaction ends.  The memory belongs to this module and is
 * kept for the next user.
 */
extern BufferMap *buffer_map(Relation index);

static inline Buffer
map_guess(const BufferMap *map, BlockNumber block)
{
	return block < map->blocks ? map->buffers[block] : InvalidBuffer;
}

/* Error: a number read from a page of an index names a block that is not there. */
pg_noreturn extern void block_damaged(Relation index, BlockNumber block);

/* Is a block in the index, as large as it is now? */
extern bool map_has_block(BufferMap *map, BlockNumber block);

/* Pin a block.  Error if the index has none of that number. */
extern Buffer map_read(BufferMap *map, BlockNumber block);

/*
 * The same of a page that is read without a lock, because it never changes: it is
 * checked to be of a kind when this backend first meets it in its buffer.
 */
extern Buffer map_read_constant(BufferMap *map, BlockNumber block,
								PageKind kind);

/*
 * Start reading a block that will be needed, unless it is in its buffer, or not
 * there at all.
 */
extern void map_prefetch(BufferMap *map, BlockNumber block);

/*
 * The page of a block, not pinned; it is read in where it is not in a buffer.
 * *buffer is to be given to map_still.
 */
static inline const char *
map_peek(BufferMap *map, BlockNumber block, Buffer *buffer)
{
	Buffer		guess = map_guess(map, block);

	if (likely(guess != InvalidBuffer) &&
		likely(buffer_holds_block(guess, &map->tag, block)))
	{
		*buffer = guess;
		note_buffer_use(guess, BM_MAX_USAGE_COUNT);
		pg_read_barrier();
		return unpinned_page(guess);
	}
	*buffer = map_read(map, block);
	ReleaseBuffer(*buffer);
	return unpinned_page(*buffer);
}

static inline bool
map_still(const BufferMap *map, BlockNumber block, Buffer buffer)
{
	pg_read_barrier();
	return buffer_holds_block(buffer, &map->tag, block);
}

#endif							/* VECTOR_STORAGE_BUFFER_MAP_H */
