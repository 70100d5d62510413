/*
 * buffers.h
 *	  The inside of buffer descriptors, as far as versions differ.
 */
#ifndef VECTOR_COMPAT_BUFFERS_H
#define VECTOR_COMPAT_BUFFERS_H

#include "compat/pg.h"

#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/memdebug.h"
#include "utils/rel.h"

/* A buffer's tag without its block number */
typedef BufferTag BlockTag;

static inline BlockTag
relation_block_tag(Relation relation)
{
	BlockTag	tag;

	/* no byte between the fields may be undefined: tags are hash keys */
	memset(&tag, 0, sizeof(tag));
#if PG_VERSION_NUM >= 160000
	InitBufferTag(&tag, &relation->rd_locator, MAIN_FORKNUM, 0);
#else
	INIT_BUFFERTAG(tag, relation->rd_node, MAIN_FORKNUM, 0);
#endif
	return tag;
}

static inline bool
block_tags_equal(const BlockTag *a, const BlockTag *b)
{
#if PG_VERSION_NUM >= 160000
	return BufferTagsEqual(a, b);
#else
	return BUFFERTAGS_EQUAL(*a, *b);
#endif
}

/* The number of a relation's file in its database, which a tag has */
static inline uint32
block_tag_file(const BlockTag *tag)
{
#if PG_VERSION_NUM >= 160000
	return BufTagGetRelNumber(tag);
#else
	return tag->rnode.relNode;
#endif
}

/* A descriptor's state has 64 bits from 19 on. */
#if PG_VERSION_NUM >= 190000
typedef uint64 BufferState;
#define read_buffer_state(descriptor) pg_atomic_read_u64(&(descriptor)->state)
#define exchange_buffer_state(descriptor, old, new) \
	pg_atomic_compare_exchange_u64(&(descriptor)->state, old, new)
#else
typedef uint32 BufferState;
#define read_buffer_state(descriptor) pg_atomic_read_u32(&(descriptor)->state)
#define exchange_buffer_state(descriptor, old, new) \
	pg_atomic_compare_exchange_u32(&(descriptor)->state, old, new)
#endif

/* Is a block with valid content, of a relation's main fork, in the n-th buffer? */
static inline bool
buffer_holds_main(Buffer buffer, BlockTag *tag)
{
	BufferDesc *descriptor = BufferIsLocal(buffer)
		? GetLocalBufferDescriptor(-buffer - 1)
		: GetBufferDescriptor(buffer - 1);

	*tag = descriptor->tag;
	tag->blockNum = 0;
	return tag->forkNum == MAIN_FORKNUM &&
		(read_buffer_state(descriptor) & BM_VALID) != 0;
}

/*
 * Does the buffer, shared or local, hold the block with valid content?  Nothing
 * is pinned or locked, so the answer is about a moment.
 */
static inline bool
buffer_holds_block(Buffer buffer, const BlockTag *relation, BlockNumber block)
{
	BufferDesc *descriptor = BufferIsLocal(buffer)
		? GetLocalBufferDescriptor(-buffer - 1)
		: GetBufferDescriptor(buffer - 1);
	BlockTag	tag = *relation;

	tag.blockNum = block;
	return block_tags_equal(&descriptor->tag, &tag) &&
		(read_buffer_state(descriptor) & BM_VALID) != 0;
}

/*
 * Note that a buffer has been used, in its usage count, as pinning it would:
 * ReadRecentBuffer does not, nor does reading without a pin, and pages that are
 * read in no other way would be the first to be evicted.  at_most: where the
 * count is that high already, nothing is written.
 *
 * Needs no pin, for the count is only a hint: should the buffer have been given
 * to another block meanwhile, that one is kept a little longer.  While another
 * backend holds the header's lock, nothing is written: it may write the state
 * back as it was.
 */
static inline void
note_buffer_use(Buffer buffer, uint32 at_most)
{
	BufferDesc *descriptor = BufferIsLocal(buffer)
		? GetLocalBufferDescriptor(-buffer - 1)
		: GetBufferDescriptor(buffer - 1);
	BufferState state = read_buffer_state(descriptor);

	if (BUF_STATE_GET_USAGECOUNT(state) < at_most && !(state & BM_LOCKED))
		(void) exchange_buffer_state(descriptor, &state,
									 state + BUF_USAGECOUNT_ONE);
}

/* The same by a scan whose pages are not to push out those of others */
#define USAGE_OF_RING	1

/*
 * A buffer's page, to be read without a pin.  A server built for it
 * (tools/build-postgres.sh) has pages that are not pinned watched by Valgrind or
 * AddressSanitizer, which is told here that this one may be read.
 */
static inline const char *
unpinned_page(Buffer buffer)
{
	const char *page = (const char *) BufferGetBlock(buffer);

	VALGRIND_MAKE_MEM_DEFINED(page, BLCKSZ);
	return page;
}

/* Has this backend locked the page of a buffer?  (Local ones are not locked.) */
static inline bool
buffer_locked_by_me(Buffer buffer)
{
#if PG_VERSION_NUM >= 190000
	return !BufferIsLocal(buffer) && BufferIsLockedByMe(buffer);
#else
	return !BufferIsLocal(buffer) &&
		LWLockHeldByMe(BufferDescriptorGetContentLock(GetBufferDescriptor(buffer - 1)));
#endif
}

/* The address of a buffer's descriptor, to be prefetched */
static inline const void *
buffer_descriptor_hint(Buffer buffer)
{
	return BufferIsLocal(buffer) ? NULL : GetBufferDescriptor(buffer - 1);
}

#endif							/* VECTOR_COMPAT_BUFFERS_H */
