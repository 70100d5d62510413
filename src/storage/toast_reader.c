/*
 * toast_reader.c
 *	  Values of one table that are stored out of line, read one after the
 *	  other.
 *
 * PostgreSQL fetches a TOASTed value by opening the TOAST table and its index
 * and descending the index: 2.5 microseconds for a vector of 784 dimensions,
 * ten times what its distance takes.  But a scan of a whole table reads the
 * TOAST table in its order, too: rows and their values were written together.
 * So the reader looks for the next chunk where it would be, behind the one read
 * last, and asks the index only if it is not there.
 *
 * Why a chunk found so is the right one: a chunk tuple is never changed, and
 * its number (chunk_id, chunk_seq) is unique among all tuples of the TOAST
 * table, dead ones included, because new numbers are checked against the index
 * without regard to visibility (GetNewOidWithIndex).  The row that refers to it
 * is visible, so it has not been removed; the number alone identifies it.  The
 * line pointer and the tuple are read under a share lock.
 *
 * The page behind the one being read is prefetched as a whole: chunks lie on a
 * page from its end to its beginning, which the processor does not foresee.
 * (60,000 x 784 float32: 160 ms by PostgreSQL's function, 41 without, 27 with
 * the prefetch, of which 14 are what faiss takes to read as much memory.)
 *
 * Anything unexpected (compressed values, another table's values, a missing
 * chunk) goes to PostgreSQL's own function, which knows or complains.
 *
 * Locks: the TOAST table and its indexes are opened with AccessShareLock, as
 * PostgreSQL does for each value, and kept until toast_reader_end.  Order:
 * index, then heap buffer; one buffer locked at a time.  No page of the index
 * stays pinned between calls: a vacuum of the TOAST table waits for such a pin,
 * and for a cursor that keeps it, for as long as that does.
 */
#include "storage/toast_reader.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/recent_buffer.h"

/* Line pointers that are looked at for the next chunk before the index is */
#define LOOK_AHEAD	8

struct ToastReader
{
	Relation	relation;
	MemoryContext context;

	/* set by open_toast, with the first value out of line */
	Relation	toast;			/* NULL before that */
	Relation   *indexes;
	int			index_count;
	IndexScanDesc scan;			/* by chunk_id, chunk_seq */

	Buffer		buffer;			/* pinned, of the chunk read last; or invalid */
	OffsetNumber offset;		/* that chunk's, on the buffer's page */
	BlockNumber blocks;			/* of the TOAST table, when last looked at */

	struct varlena *value;		/* room for the result */
	Size		room;			/* bytes */
	struct varlena *detoasted;	/* the result, where PostgreSQL made it */
};

ToastReader *
toast_reader_begin(Relation relation)
{
	ToastReader *reader = (ToastReader *) palloc0(sizeof(ToastReader));

	reader->relation = relation;
	reader->context = CurrentMemoryContext;
	reader->buffer = InvalidBuffer;
	return reader;
}

static void
open_toast(ToastReader *reader)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->context);
	int			valid;

	reader->toast = table_open(reader->relation->rd_rel->reltoastrelid,
							   AccessShareLock);
	valid = toast_open_indexes(reader->toast, AccessShareLock,
							   &reader->indexes, &reader->index_count);
	reader->scan = begin_index_scan(reader->toast, reader->indexes[valid],
									SnapshotAny, 2);
	reader->blocks = RelationGetNumberOfBlocks(reader->toast);
	MemoryContextSwitchTo(caller);
}

/* Pin block, and remember that the tuple before offset was read last. */
static void
move_to(ToastReader *reader, BlockNumber block, OffsetNumber offset)
{
	BlockTag	tag = relation_block_tag(reader->toast);
	Buffer		guess = near_buffer(&tag, block, reader->buffer);

	if (!BufferIsValid(reader->buffer) ||
		BufferGetBlockNumber(reader->buffer) != block)
	{
		toast_reader_pause(reader);
		reader->buffer = read_recent_buffer(reader->toast, block, guess, NULL);
		guess = near_buffer(&tag, block + 1, reader->buffer);
		if (guess != InvalidBuffer)
			prefetch_far(BufferGetBlock(guess), BLCKSZ);
	}
	reader->offset = offset - 1;
}

/* Where the index has the chunk; false if it does not */
static bool
move_by_index(ToastReader *reader, Oid id, int32 seq)
{
	ScanKeyData keys[2];
	ItemPointer tid;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(seq));
	index_rescan(reader->scan, keys, 2, NULL, 0);
	tid = index_getnext_tid(reader->scan, ForwardScanDirection);
	found = tid != NULL;
	if (found)
		move_to(reader, ItemPointerGetBlockNumber(tid),
				ItemPointerGetOffsetNumber(tid));

	/*
	 * The scan has pinned the index's page, as it does for a snapshot that is
	 * not of MVCC; starting it anew releases the pin.
	 */
	index_rescan(reader->scan, keys, 2, NULL, 0);
	return found;
}

/*
 * If the chunk is among the next few tuples of the pinned page, copy its data,
 * which must be size bytes, to destination.
 */
static bool
copy_from_page(ToastReader *reader, Oid id, int32 seq, char *destination,
			   Size size)
{
	Page		page = BufferGetPage(reader->buffer);
	bool		found = false;
	OffsetNumber last;

	LockBuffer(reader->buffer, BUFFER_LOCK_SHARE);
	last = Min(PageGetMaxOffsetNumber(page), reader->offset + LOOK_AHEAD);
	for (OffsetNumber offset = reader->offset + 1; offset <= last; offset++)
	{
		HeapTupleData tuple;
		TupleDesc	desc = RelationGetDescr(reader->toast);
		bool		isnull;
		struct varlena *data;

		if (!ItemIdIsNormal(PageGetItemId(page, offset)))
			continue;
		tuple = tuple_on_page(reader->toast, reader->buffer, offset);
		if (DatumGetObjectId(fastgetattr(&tuple, 1, desc, &isnull)) != id ||
			DatumGetInt32(fastgetattr(&tuple, 2, desc, &isnull)) != seq)
			continue;
		data = (struct varlena *)
			DatumGetPointer(fastgetattr(&tuple, 3, desc, &isnull));
		if (!isnull && !VARATT_IS_COMPRESSED(data) &&
			!VARATT_IS_EXTERNAL(data) && VARSIZE_ANY_EXHDR(data) == size)
		{
			/* gcc would make a slow "rep movsq" of a memcpy of bounded size */
			memmove(destination, VARDATA_ANY(data), size);
			reader->offset = offset;
			found = true;
		}
		break;
	}
	LockBuffer(reader->buffer, BUFFER_LOCK_UNLOCK);
	return found;
}

/* Copy one chunk from behind the one read last, or from where the index says. */
static bool
copy_chunk(ToastReader *reader, Oid id, int32 seq, char *destination, Size size)
{
	if (BufferIsValid(reader->buffer))
	{
		BlockNumber next = BufferGetBlockNumber(reader->buffer) + 1;

		if (copy_from_page(reader, id, seq, destination, size))
			return true;
		if (next < reader->blocks)
		{
			move_to(reader, next, FirstOffsetNumber);
			if (copy_from_page(reader, id, seq, destination, size))
				return true;
		}
	}
	return move_by_index(reader, id, seq) &&
		copy_from_page(reader, id, seq, destination, size);
}

/* The whole value, into reader->value; false if it is not as expected */
static bool
read_chunks(ToastReader *reader, const struct varatt_external *pointer)
{
	Size		size = VARATT_EXTERNAL_GET_EXTSIZE(*pointer);
	Size		needed = add_size(size, VARHDRSZ);
	int32		seq = 0;

	if (reader->toast == NULL)
		open_toast(reader);
	if (reader->room < needed)
	{
		if (reader->value != NULL)
			pfree(reader->value);
		reader->value = NULL;
		reader->room = 0;
		reader->value = (struct varlena *) MemoryContextAlloc(reader->context,
															  needed);
		reader->room = needed;
	}
	SET_VARSIZE(reader->value, needed);
	for (Size done = 0; done < size; done += TOAST_MAX_CHUNK_SIZE)
	{
		if (!copy_chunk(reader, pointer->va_valueid, seq++,
						VARDATA(reader->value) + done,
						Min(size - done, TOAST_MAX_CHUNK_SIZE)))
			return false;
	}
	return true;
}

struct varlena *
toast_reader_get(ToastReader *reader, struct varlena *value)
{
	MemoryContext caller;

	if (!VARATT_IS_EXTENDED(value))
		return value;
	if (VARATT_IS_EXTERNAL_ONDISK(value))
	{
		struct varatt_external pointer;

		VARATT_EXTERNAL_GET_POINTER(pointer, value);
		if (!VARATT_EXTERNAL_IS_COMPRESSED(pointer) &&
			pointer.va_toastrelid == reader->relation->rd_rel->reltoastrelid &&
			read_chunks(reader, &pointer))
			return reader->value;
	}

	if (reader->detoasted != NULL)
		pfree(reader->detoasted);
	reader->detoasted = NULL;
	caller = MemoryContextSwitchTo(reader->context);
	reader->detoasted = pg_detoast_datum(value);
	MemoryContextSwitchTo(caller);
	return reader->detoasted;
}

void
toast_reader_pause(ToastReader *reader)
{
	if (BufferIsValid(reader->buffer))
		ReleaseBuffer(reader->buffer);
	reader->buffer = InvalidBuffer;
}

void
toast_reader_end(ToastReader *reader)
{
	toast_reader_pause(reader);
	if (reader->toast == NULL)
		return;
	index_endscan(reader->scan);
	toast_close_indexes(reader->indexes, reader->index_count, AccessShareLock);
	table_close(reader->toast, AccessShareLock);
	reader->toast = NULL;
}
