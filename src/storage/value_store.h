/*
 * value_store.h
 *	  Values of an index's elements, outside of the element: cut into pieces
 *	  where they are longer than a page.
 *
 * Every piece is a slot: its header, the next piece's number, data.  Slots of
 * one index have one size, so a value of any length goes anywhere.
 */
#ifndef VECTOR_STORAGE_VALUE_STORE_H
#define VECTOR_STORAGE_VALUE_STORE_H

#include "compat/pg.h"

#include "storage/buffer_map.h"
#include "storage/slot_page.h"

typedef struct ValuePiece
{
	SlotHeader	header;
	SlotId		next;			/* NO_SLOT in the last one */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} ValuePiece;

typedef struct ValueStore
{
	Relation	index;
	BufferMap  *map;
	SlotGeometry geometry;
} ValueStore;

/*
 * The slot size for values of size bytes each: one slot if a page has room,
 * else as few as possible, of equal length.
 */
extern Size value_slot_size(Size size);

/* Data bytes of a piece */
static inline Size
value_piece_room(const SlotGeometry *geometry)
{
	return geometry->slot_size - offsetof(ValuePiece, data);
}

/*
 * Write a value of size bytes.  Returns the number of its first piece.  Locks:
 * as slot_page_find, then one page at a time.  The record that refers to the
 * value is written after it: a failure in between (an error, a crash) leaves
 * pieces that nothing refers to, until the index is rebuilt.
 */
extern SlotId value_store_write(ValueStore *store, BlockNumber *target,
								const void *data, Size size, bool log);

/*
 * Read the first size bytes of a value.  Returns false (and has written
 * rubbish) if a piece is missing: the value was freed meanwhile.  Locks one
 * page at a time.
 */
extern bool value_store_read(ValueStore *store, SlotId id, void *data,
							 Size size);

/*
 * The first size bytes of a value: where they lie, if they are in one piece,
 * else a copy in scratch.  NULL if a piece is missing.  *buffer is the page
 * that holds them, pinned and locked in share mode, or InvalidBuffer.
 */
extern const void *value_store_get(ValueStore *store, SlotId id,
								   void *scratch, Size size, Buffer *buffer);

/*
 * Free a value's pieces.  Adds the blocks where slots became free to the
 * index's lists.  Locks one page at a time.
 */
extern void value_store_free(ValueStore *store, SlotId id);

#endif							/* VECTOR_STORAGE_VALUE_STORE_H */
