/*
 * recent_buffer.h
 *	  Blocks read without a look-up in the buffer mapping table, and asked for
 *	  before they are needed.
 *
 * The look-up waits for memory in a large buffer pool.  Who can guess the
 * buffer of a block, because the blocks of a table that was read in order lie
 * in neighbouring buffers, has the guess verified and the buffer pinned in one
 * step.
 */
#ifndef VECTOR_TYPES_RECENT_BUFFER_H
#define VECTOR_TYPES_RECENT_BUFFER_H

#include "compat/pg.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/*
 * Pin block, whose buffer is likely to be guess (which may be invalid, or out
 * of range).  Buffers of temporary tables are numbered downwards from -1; they
 * are not guessed.
 */
static inline Buffer
read_recent_buffer(Relation relation, BlockNumber block, Buffer guess,
				   BufferAccessStrategy strategy)
{
	if (guess > 0 && guess <= NBuffers &&
		ReadRecentBuffer(relation_locator(relation), MAIN_FORKNUM, block,
						 guess))
		return guess;
	return ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL,
							  strategy);
}

#define CACHE_LINE		64

/* Ask for the first bytes of data; only a hint, so any address will do. */
static inline void
prefetch_bytes(const char *data, int bytes)
{
	for (int i = 0; i < bytes; i += CACHE_LINE)
		__builtin_prefetch(data + i);
}

/*
 * The page in the buffer behind this one, which is likely to hold the next
 * block; NULL if there is none.  To be asked for, not to be read.
 */
static inline const char *
next_page_hint(Buffer buffer)
{
	if (buffer < 1 || buffer >= NBuffers)
		return NULL;
	return (const char *) BufferGetBlock(buffer + 1);
}

#endif							/* VECTOR_TYPES_RECENT_BUFFER_H */
