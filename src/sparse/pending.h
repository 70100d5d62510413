/*
 * pending.h
 *	  The form of pending rows.
 */
#ifndef VECTOR_SPARSE_PENDING_H
#define VECTOR_SPARSE_PENDING_H

#include "sparse/inverted.h"

/* What a page has for a row that is in pieces */
typedef struct LongRow
{
	uint32		size;
	BlockNumber piece;			/* the first one */
	ItemPointerData tid;		/* the row's own one does not count */
} LongRow;

static inline bool
pending_is_long(const InvertedPage *page)
{
	return page->is_long != 0;
}

/* Bytes of a row, at most */
#define MAX_ROW_BYTES(index) \
	(pending_value_offset(index) + offsetof(SparseVector, indices) + \
	 SPARSE_MAX_NNZ * (sizeof(int32) + sizeof(float)) + MAXIMUM_ALIGNOF)

/* Where a row's value begins */
extern Size pending_value_offset(const InvertedIndex *index);

#endif							/* VECTOR_SPARSE_PENDING_H */
