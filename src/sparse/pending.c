/*
 * pending.c
 *	  Rows that are added: they go to a list of pages, from which a segment is made
 *	  when it has become long (merge.c).
 *
 * A row that fits a page is written whole behind those that are there.  A longer
 * one goes to pieces first, and a page of its own leads to them.
 */
#include "sparse/inverted.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "sparse/pending.h"
#include "storage/page_check.h"
#include "storage/page_edit.h"
#include "storage/wait_point.h"

Size
pending_value_offset(const InvertedIndex *index)
{
	return MAXALIGN(offsetof(PendingRow, doc) + sizeof(InvertedDoc) +
					index->key_bytes);
}

/* ------------------------------------------------------------------------
 * Reading
 */

/* A row in size bytes, which must be sound: its value */
static const SparseVector *
row_value(InvertedIndex *index, const PendingRow *row, Size size)
{
	Size		offset = pending_value_offset(index);
	const SparseVector *value = (const SparseVector *) ((const char *) row + offset);

	if (size < offset + offsetof(SparseVector, indices) ||
		!column_value_valid(&index->column, value, size - offset))
		return NULL;
	return value;
}

static void
row_damaged(InvertedIndex *index, BlockNumber block)
{
	index_damaged(index->relation, block, NO_PLACE,
				  "A pending row has not the form of one.");
}

/* Put a long row together, palloc'd. */
static PendingRow *
read_long_row(InvertedIndex *index, const LongRow *row, uint32 owner,
			  BlockNumber at)
{
	Size		done = 0;
	BlockNumber block = row->piece;
	char	   *data;

	if (row->size > MAX_ROW_BYTES(index) || row->size <= INVERTED_ROOM)
		row_damaged(index, at);
	data = (char *) palloc(row->size);
	while (done < row->size)
	{
		Size		part = Min(INVERTED_ROOM, row->size - done);
		Buffer		buffer;

		if (block == InvalidBlockNumber)
			row_damaged(index, at);
		buffer = inverted_lock_page(index, block, owner, PART_PIECE,
									BUFFER_LOCK_SHARE);
		memcpy(data + done, inverted_data(BufferGetPage(buffer)), part);
		block = inverted_page(BufferGetPage(buffer))->next;
		UnlockReleaseBuffer(buffer);
		done += part;
	}
	((PendingRow *) data)->doc.tid = row->tid;
	return (PendingRow *) data;
}

void
pending_visit(InvertedIndex *index, const PendingList *list,
			  PendingVisit visit, void *state)
{
	BlockNumber block = list->head;
	ChainCheck	chain = {0};
	PGAlignedBlock copy;

	while (block != InvalidBlockNumber)
	{
		Buffer		buffer = inverted_lock_page(index, block, list->id,
												PART_PENDING, BUFFER_LOCK_SHARE);
		const InvertedPage *header = inverted_page((Page) copy.data);
		const SparseVector *value;
		BlockNumber at = block;

		CHECK_FOR_INTERRUPTS();
		inverted_check_count(index, buffer, INVERTED_ROOM);
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		if (pending_is_long(header))
		{
			const LongRow *row = (const LongRow *) inverted_data((Page) copy.data);

			if (!doc_is_dead(&row->tid))
			{
				PendingRow *whole = read_long_row(index, row, list->id, at);

				value = row_value(index, whole, row->size);
				if (value == NULL)
					row_damaged(index, at);
				visit(state, &whole->doc, value);
				pfree(whole);
			}
		}
		else
		{
			for (Size offset = 0; offset < header->count;)
			{
				const PendingRow *row = (const PendingRow *)
					(inverted_data((Page) copy.data) + offset);
				Size		room = header->count - offset;

				if (room < sizeof(PendingRow) || row->size > room ||
					row->size == 0 || row->size != MAXALIGN(row->size))
					row_damaged(index, at);
				value = row_value(index, row, row->size);
				if (value == NULL)
					row_damaged(index, at);
				if (!doc_is_dead(&row->doc.tid))
					visit(state, &row->doc, value);
				offset += row->size;
			}
		}
		block = at == list->tail && list->id != index->meta.pending.id
			? InvalidBlockNumber : header->next;
		if (chain_cycles(&chain, block))
			index_damaged(index->relation, at, NO_PLACE,
						  "Its list leads in a circle.");
	}
}

/* ------------------------------------------------------------------------
 * Adding
 */

/* Set up a claimed page for data; pinned, not locked */
static void
fill_page(InvertedIndex *index, Buffer buffer, uint32 owner,
		  InvertedPart part, const void *data, Size bytes, bool is_long,
		  BlockNumber next)
{
	InvertedPage *header;
	PageEdit	edit;
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	page = page_edit_page(&edit, buffer, true);
	header = inverted_init_page(page, owner, part, data, bytes);
	header->count = bytes;
	header->is_long = is_long;
	header->next = next;
	page_edit_end(&edit);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
}

/* Write a row to pieces; the first one. */
static BlockNumber
write_pieces(InvertedIndex *index, uint32 owner, const char *row, Size size)
{
	Size		start = (size - 1) / INVERTED_ROOM * INVERTED_ROOM;
	BlockNumber next = InvalidBlockNumber;

	/* the last one first, so that each knows its successor */
	for (;;)
	{
		Buffer		buffer = slot_page_claim(index->relation, PAGE_RECORD,
											 RelationNeedsWAL(index->relation));

		fill_page(index, buffer, owner, PART_PIECE, row + start,
				  Min(INVERTED_ROOM, size - start), false, next);
		next = BufferGetBlockNumber(buffer);
		ReleaseBuffer(buffer);
		if (start == 0)
			return next;
		start -= INVERTED_ROOM;
	}
}

/* Give back pages that nothing leads to: pieces, and the page for them. */
static void
offer_unused(InvertedIndex *index, BlockNumber piece, uint32 owner,
			 BlockNumber block)
{
	while (piece != InvalidBlockNumber)
	{
		Buffer		buffer = inverted_lock_page(index, piece, owner, PART_PIECE,
												BUFFER_LOCK_SHARE);
		BlockNumber next = inverted_page(BufferGetPage(buffer))->next;

		UnlockReleaseBuffer(buffer);
		slot_page_offer(index->relation, PAGE_RECORD, piece);
		piece = next;
	}
	slot_page_offer(index->relation, PAGE_RECORD, block);
}

/* Add a row to the last page, if it has room, and is that still. */
static bool
add_to_tail(InvertedIndex *index, const PendingRow *row)
{
	const PendingList *list = &index->meta.pending;
	Buffer		buffer;
	InvertedPage *header;
	PageEdit	edit;
	Page		page;
	bool		done = false;

	if (list->tail == InvalidBlockNumber)
		return false;
	buffer = inverted_lock_page(index, list->tail, list->id, PART_PENDING,
								BUFFER_LOCK_EXCLUSIVE);
	header = inverted_page(BufferGetPage(buffer));
	inverted_check_count(index, buffer, INVERTED_ROOM);
	if (!header->sealed && !pending_is_long(header) &&
		header->next == InvalidBlockNumber &&
		row->size <= INVERTED_ROOM - header->count)
	{
		page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
		page = page_edit_page(&edit, buffer, false);
		header = inverted_page(page);
		memcpy(inverted_data(page) + header->count, row, row->size);
		header->count += row->size;
		((PageHeader) page)->pd_lower = MAXALIGN(SizeOfPageHeaderData) +
			MAXALIGN(sizeof(InvertedPage) + header->count);
		page_edit_end(&edit);
		done = true;
	}
	UnlockReleaseBuffer(buffer);
	return done;
}

/* Link a page to the list, unless that has changed since it was read. */
static bool
link_page(InvertedIndex *index, BlockNumber block, uint32 pages)
{
	PendingList list = index->meta.pending;
	Buffer		meta_buffer = inverted_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	InvertedMeta *meta = inverted_page_meta(BufferGetPage(meta_buffer));
	Buffer		tail = InvalidBuffer;
	PageEdit	edit;

	if (meta->pending.id != list.id || meta->pending.tail != list.tail)
	{
		UnlockReleaseBuffer(meta_buffer);
		return false;
	}
	if (list.tail != InvalidBlockNumber)
		tail = inverted_lock_page(index, list.tail, list.id, PART_PENDING,
								  BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	meta = inverted_page_meta(page_edit_page(&edit, meta_buffer, false));
	if (meta->pending.head == InvalidBlockNumber)
		meta->pending.head = block;
	meta->pending.tail = block;
	meta->pending.pages += pages;
	if (BufferIsValid(tail))
		inverted_page(page_edit_page(&edit, tail, false))->next = block;
	page_edit_end(&edit);
	if (BufferIsValid(tail))
		UnlockReleaseBuffer(tail);
	UnlockReleaseBuffer(meta_buffer);
	return true;
}

/* Add a row; returns the list's pages, if it has got new ones, else 0. */
static uint32
add_row(InvertedIndex *index, const PendingRow *row, Size size)
{
	bool		is_long = size > INVERTED_ROOM;

	for (;;)
	{
		BlockNumber piece = InvalidBlockNumber;
		LongRow		head = {0};
		Buffer		buffer;
		BlockNumber block;
		uint32		owner;
		uint32		pages = 1;

		CHECK_FOR_INTERRUPTS();
		inverted_refresh(index);
		WAIT_POINT("sparse insert read");
		if (!is_long && add_to_tail(index, row))
			return 0;
		owner = index->meta.pending.id;
		if (is_long)
		{
			piece = write_pieces(index, owner, (const char *) row, size);
			head.size = size;
			head.piece = piece;
			head.tid = row->doc.tid;
			pages += (size + INVERTED_ROOM - 1) / INVERTED_ROOM;
		}
		buffer = slot_page_claim(index->relation, PAGE_RECORD,
								 RelationNeedsWAL(index->relation));
		block = BufferGetBlockNumber(buffer);
		if (is_long)
			fill_page(index, buffer, owner, PART_PENDING, &head, sizeof(head),
					  true, InvalidBlockNumber);
		else
			fill_page(index, buffer, owner, PART_PENDING, row, size, false,
					  InvalidBlockNumber);
		ReleaseBuffer(buffer);
		WAIT_POINT("sparse insert link");
		if (link_page(index, block, pages))
			return index->meta.pending.pages + pages;
		offer_unused(index, piece, owner, block);
	}
}

bool
inverted_insert(Relation relation, Datum *values, bool *isnull,
				ItemPointer heap_tid, Relation heap,
				IndexUniqueCheck check_unique, bool index_unchanged,
				IndexInfo *index_info)
{
	InvertedIndex *index = (InvertedIndex *) index_info->ii_AmCache;
	MemoryContext context;
	MemoryContext caller;
	const SparseVector *value;
	PendingRow *row;
	Size		offset;
	Size		size;
	uint32		pages;

	if (isnull[0])
		return false;
	if (index == NULL)
	{
		caller = MemoryContextSwitchTo(index_info->ii_Context);
		index = inverted_open(relation);
		index_info->ii_AmCache = index;
		MemoryContextSwitchTo(caller);
	}
	context = AllocSetContextCreate(CurrentMemoryContext, "sparse insert",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	value = (const SparseVector *) PG_DETOAST_DATUM(values[0]);
	column_check_dims(&index->column, (const struct varlena *) value);

	offset = pending_value_offset(index);
	size = MAXALIGN(offset + VARSIZE(value));
	row = (PendingRow *) palloc0(size);
	row->size = size;
	row->doc.tid = *heap_tid;
	if (index->filter != NULL)
		filter_make_keys(index->filter, values, isnull, doc_keys(&row->doc));
	memcpy((char *) row + offset, value, VARSIZE(value));
	pages = add_row(index, row, size);
	if (pages > 0 && (uint64) pages * BLCKSZ >
		(uint64) inverted_options(relation)->pending_list_limit * 1024)
		(void) inverted_merge(index, false, false);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return false;
}
