/*
 * page_tuple.h
 *	  A heap page's tuples, for scans that read pages without PostgreSQL's.
 */
#ifndef VECTOR_STORAGE_PAGE_TUPLE_H
#define VECTOR_STORAGE_PAGE_TUPLE_H

#include "compat/pg.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

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

#endif							/* VECTOR_STORAGE_PAGE_TUPLE_H */
