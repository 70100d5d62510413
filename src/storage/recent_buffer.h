/*
 * recent_buffer.h
 *	  Blocks of a table read without a look-up in the buffer mapping table, and
 *	  prefetched; the tuples on them.
 *
 * The look-up waits for memory in a large buffer pool.  But the blocks of a table
 * that was read or written in order lie in buffers near each other, in order.
 * Where another table was read at the same time, a quarter of the blocks were in
 * the very next buffer, and nearly all within four of it.  So the next few
 * descriptors are looked at, and the guess is verified and the buffer pinned in
 * one step.
 */
#ifndef VECTOR_STORAGE_RECENT_BUFFER_H
#define VECTOR_STORAGE_RECENT_BUFFER_H

#include "compat/pg.h"

#include "access/htup_details.h"
#include "compat/buffers.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* How far behind the last buffer the next one is looked for */
#define NEAR_BUFFERS	8

/*
 * The buffer that has the block, if it is one of those behind before; else
 * InvalidBuffer.  Not pinned: a guess.  Buffers of temporary tables are numbered
 * downwards from -1; they are not guessed.
 */
static inline Buffer
near_buffer(const BlockTag *relation, BlockNumber block, Buffer before)
{
	if (before <= 0)
		return InvalidBuffer;
	for (Buffer buffer = before + 1;
		 buffer <= Min(NBuffers, before + NEAR_BUFFERS); buffer++)
	{
		if (buffer_holds_block(buffer, relation, block))
			return buffer;
	}
	return InvalidBuffer;
}

/*
 * Pin block, whose buffer is likely to be guess (which may be invalid).
 */
static inline Buffer
read_recent_buffer(Relation relation, BlockNumber block, Buffer guess,
				   BufferAccessStrategy strategy)
{
	if (guess > 0 &&
		ReadRecentBuffer(relation_locator(relation), MAIN_FORKNUM, block,
						 guess))
	{
		note_buffer_use(guess, strategy != NULL ? USAGE_OF_RING : BM_MAX_USAGE_COUNT);
		return guess;
	}
	return ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL,
							  strategy);
}

/*
 * The tuple at offset, whose line pointer must be normal, of the page in a
 * pinned buffer of relation.  It points into the page.
 */
static inline HeapTupleData
tuple_on_page(Relation relation, Buffer buffer, OffsetNumber offset)
{
	Page		page = BufferGetPage(buffer);
	ItemId		item = PageGetItemId(page, offset);
	HeapTupleData tuple;

	Assert(ItemIdIsNormal(item));
	tuple.t_tableOid = RelationGetRelid(relation);
	tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple.t_len = ItemIdGetLength(item);
	ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), offset);
	return tuple;
}

#define CACHE_LINE		64

/* Prefetch bytes from data on; only a hint, so any address will do. */
static inline void
prefetch_bytes(const char *data, int bytes)
{
	for (int i = 0; i < bytes; i += CACHE_LINE)
		__builtin_prefetch(data + i);
}

/*
 * Prefetch much data, like a page, into the second level of caches.  The first
 * one has fewer lines under way at a time: filling it took as long as no prefetch.
 */
static inline void
prefetch_far(const char *data, int bytes)
{
	for (int i = 0; i < bytes; i += CACHE_LINE)
		__builtin_prefetch(data + i, 0, 2);
}

#endif							/* VECTOR_STORAGE_RECENT_BUFFER_H */
