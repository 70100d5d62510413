/*
 * reuse_page.h
 *	  Pages of an index are about to be used for something else: queries of standbys
 *	  that may still read them have to end first.
 *
 * Generic WAL cannot say that.  The record with which a btree says it names a
 * relation, a block that its replay does not look at, and a transaction: replay
 * cancels the queries with snapshots from before that transaction's end
 * (btree_xlog_reuse_page in nbtxlog.c), and does nothing else.
 */
#ifndef VECTOR_COMPAT_REUSE_PAGE_H
#define VECTOR_COMPAT_REUSE_PAGE_H

#include "compat/pg.h"

#include "access/nbtxlog.h"
#include "access/rmgr.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "utils/rel.h"

static inline void
log_page_reuse(Relation index, Relation heap, BlockNumber block,
			   FullTransactionId xid)
{
	xl_btree_reuse_page record;

	if (!RelationNeedsWAL(index) || !XLogStandbyInfoActive())
		return;
	memset(&record, 0, sizeof(record));
#if PG_VERSION_NUM >= 160000
	record.locator = index->rd_locator;
	record.snapshotConflictHorizon = xid;
	record.isCatalogRel = RelationIsAccessibleInLogicalDecoding(heap);
#else
	record.node = index->rd_node;
	record.latestRemovedFullXid = xid;
#endif
	record.block = block;
	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfBtreeReusePage);
	(void) XLogInsert(RM_BTREE_ID, XLOG_BTREE_REUSE_PAGE);
}

#endif							/* VECTOR_COMPAT_REUSE_PAGE_H */
