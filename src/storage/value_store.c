/*
 * value_store.c
 *	  Values of an index's elements, outside of the element.
 */
#include "storage/value_store.h"

#include "miscadmin.h"

#include "storage/page_check.h"
#include "storage/page_edit.h"

Size
value_slot_size(Size size)
{
	Size		most = MAXALIGN_DOWN(SLOT_PAGE_ROOM) - offsetof(ValuePiece, data);
	Size		pieces = (size + most - 1) / most;
	Size		piece = pieces > 0 ? (size + pieces - 1) / pieces : 1;

	return MAXALIGN(add_size(piece, offsetof(ValuePiece, data)));
}

/* One piece; the pieces behind it are written already. */
static SlotId
write_piece(ValueStore *store, BlockNumber *target, const char *data,
			Size size, SlotId next, bool log)
{
	bool		full = false;

	for (;;)
	{
		BlockNumber block = slot_page_find(store->index, PAGE_VALUE, target,
										   full, log);
		Buffer		buffer = map_read(store->map, block);
		int			slot;
		PageEdit	edit;
		Page		page;
		ValuePiece *piece;
		SlotId		id;

		CHECK_FOR_INTERRUPTS();
		page_lock(store->index, buffer, PAGE_VALUE, BUFFER_LOCK_EXCLUSIVE);
		slot = slot_page_free_slot(&store->geometry, BufferGetPage(buffer));
		if (slot < 0)
		{
			UnlockReleaseBuffer(buffer);
			full = true;
			continue;
		}
		id = slot_id(&store->geometry, block, slot);
		page_edit_begin(&edit, store->index, log);
		page = page_edit_page(&edit, buffer, false);
		piece = (ValuePiece *) slot_page_take(&store->geometry, page, slot);
		piece->next = next;
		memcpy(piece->data, data, size);
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
		return id;
	}
}

SlotId
value_store_write(ValueStore *store, BlockNumber *target, const void *data,
				  Size size, bool log)
{
	Size		room = value_piece_room(&store->geometry);
	Size		start = size > 0 ? (size - 1) / room * room : 0;
	SlotId		next = NO_SLOT;

	/* the last piece first, so that each knows its successor */
	for (;;)
	{
		next = write_piece(store, target, (const char *) data + start,
						   Min(room, size - start), next, log);
		if (start == 0)
			return next;
		start -= room;
	}
}

/* Error if an index without values has a record that names one. */
static inline void
check_keeps(ValueStore *store, SlotId id)
{
	if (unlikely(store->geometry.per_page == 0))
		index_damaged(store->index, InvalidBlockNumber, NO_PLACE,
					  psprintf("One of its records has value %u, but it keeps no values.", id));
}

/* Pin the page of a piece. */
static Buffer
read_piece(ValueStore *store, SlotId id)
{
	check_keeps(store, id);
	return map_read(store->map, slot_block(&store->geometry, id));
}

bool
value_store_read(ValueStore *store, SlotId id, void *data, Size size)
{
	Size		room = value_piece_room(&store->geometry);
	Size		done = 0;

	while (done < size)
	{
		Size		part = Min(room, size - done);
		Buffer		buffer;
		const ValuePiece *piece;
		bool		valid;

		if (id == NO_SLOT)
			return false;
		buffer = read_piece(store, id);
		page_lock_below(store->index, buffer, PAGE_VALUE, BUFFER_LOCK_SHARE);
		piece = (const ValuePiece *) slot_of(&store->geometry,
											 BufferGetPage(buffer), id);
		valid = piece->header.state == SLOT_USED;
		/* gcc would make a slow "rep movsq" of a memcpy of bounded size */
		memmove((char *) data + done, piece->data, part);
		id = piece->next;
		UnlockReleaseBuffer(buffer);
		if (!valid)
			return false;
		done += part;
	}
	return true;
}

const void *
value_store_get(ValueStore *store, SlotId id, void *scratch, Size size,
				Buffer *buffer)
{
	const ValuePiece *piece;

	*buffer = InvalidBuffer;
	if (size > value_piece_room(&store->geometry))
		return value_store_read(store, id, scratch, size) ? scratch : NULL;
	if (id == NO_SLOT)
		return NULL;
	check_keeps(store, id);
	*buffer = page_lock_record(store->map, slot_block(&store->geometry, id),
							   PAGE_VALUE);
	piece = (const ValuePiece *) slot_of(&store->geometry,
										 BufferGetPage(*buffer), id);
	if (piece->header.state == SLOT_USED)
		return piece->data;
	UnlockReleaseBuffer(*buffer);
	*buffer = InvalidBuffer;
	return NULL;
}

void
value_store_free(ValueStore *store, SlotId id)
{
	while (id != NO_SLOT)
	{
		Buffer		buffer = read_piece(store, id);
		BlockNumber block = BufferGetBlockNumber(buffer);
		uint32		slot = id % store->geometry.per_page;
		PageEdit	edit;
		ValuePiece *piece;
		bool		listed;

		/* each is freed, so this ends even where pieces lead in a circle */
		CHECK_FOR_INTERRUPTS();
		page_lock(store->index, buffer, PAGE_VALUE, BUFFER_LOCK_EXCLUSIVE);
		if (slot >= slots_in_use(&store->geometry, BufferGetPage(buffer)) ||
			slot_at(&store->geometry, BufferGetPage(buffer), slot)->state != SLOT_USED)
			index_damaged(store->index, block, slot,
						  "It should have a value, and has none.");
		page_edit_begin(&edit, store->index, RelationNeedsWAL(store->index));
		piece = (ValuePiece *) slot_of(&store->geometry,
									   page_edit_page(&edit, buffer, false), id);
		id = piece->next;
		piece->next = NO_SLOT;
		slot_page_release(&piece->header);
		page_edit_end(&edit);
		listed = page_opaque(BufferGetPage(buffer))->in_free_list;
		UnlockReleaseBuffer(buffer);
		if (!listed)
			slot_page_offer(store->index, PAGE_VALUE, block);
	}
}
