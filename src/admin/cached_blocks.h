/*
 * cached_blocks.h
 *	  How many blocks of relations are in shared buffers.
 */
#ifndef VECTOR_CACHED_BLOCKS_H
#define VECTOR_CACHED_BLOCKS_H

#include "compat/buffers.h"

typedef struct CachedBlocks
{
	BlockTag	tag;			/* of a relation: relation_block_tag */
	bool		local;			/* a temporary one, in this backend's own buffers */
	uint64		count;			/* the result */
} CachedBlocks;

/*
 * Count the blocks of each relation's main fork, by one look at all buffers.  No
 * buffer is locked, so the result is about no single moment.
 */
extern void count_cached_blocks(CachedBlocks *relations, int count);

#endif							/* VECTOR_CACHED_BLOCKS_H */
