/*
 * vacuum.c
 *	  Removing rows: a dead row's TID loses its offset.
 *
 * Postings of dead rows stay until their segment is merged, or has so many that it is
 * written anew.  The lock of merges is held meanwhile, so that no row moves to a
 * segment that has been vacuumed already.
 */
#include "sparse/inverted.h"

#include "commands/vacuum.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "index/handler.h"
#include "index/vacuum_progress.h"
#include "sparse/pending.h"
#include "storage/page_check.h"
#include "storage/page_edit.h"
#include "storage/wait_point.h"

typedef struct Vacuum
{
	InvertedIndex *index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	bool		log;
} Vacuum;

/* Is a row to be removed?  Dead ones have been. */
static bool
is_dead(Vacuum *vacuum, ItemPointer tid)
{
	if (doc_is_dead(tid))
		return false;
	if (vacuum->callback(tid, vacuum->callback_state))
	{
		vacuum->stats->tuples_removed++;
		return true;
	}
	vacuum->stats->num_index_tuples++;
	return false;
}

/* Of a page of rows; returns how many are removed. */
static uint32
clean_docs(Vacuum *vacuum, Buffer buffer, uint32 count)
{
	Page		page = BufferGetPage(buffer);
	uint32		removed = 0;
	bool		dead[BLCKSZ / sizeof(ItemPointerData)];
	PageEdit	edit;

	for (uint32 i = 0; i < count; i++)
	{
		dead[i] = is_dead(vacuum, &docs_tids(page)[i]);
		removed += dead[i];
	}
	if (removed == 0)
		return 0;
	page_edit_begin(&edit, vacuum->index->relation, vacuum->log);
	page = page_edit_page(&edit, buffer, false);
	for (uint32 i = 0; i < count; i++)
	{
		if (dead[i])
			ItemPointerSetInvalid(&docs_tids(page)[i]);
	}
	page_edit_end(&edit);
	return removed;
}

static void
clean_segment(Vacuum *vacuum, const InvertedSegment *entry)
{
	InvertedIndex *index = vacuum->index;
	Segment    *segment = segment_open(index, entry);
	uint32		removed = 0;

	for (uint32 i = 0; i < segment->root.pages[PART_DOCS]; i++)
	{
		Buffer		buffer;

		index_vacuum_delay_point();
		buffer = segment_lock(index, segment, PART_DOCS, i, BUFFER_LOCK_EXCLUSIVE);
		page_check_content(index->relation, buffer, sizeof(InvertedPage) + INVERTED_ROOM);
		removed += clean_docs(vacuum, buffer,
							  Min(index->page_docs,
								  segment->root.docs - i * index->page_docs));
		UnlockReleaseBuffer(buffer);
	}
	if (removed > 0)
	{
		Buffer		buffer = inverted_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
		InvertedMeta *meta;
		PageEdit	edit;

		page_edit_begin(&edit, index->relation, vacuum->log);
		meta = inverted_page_meta(page_edit_page(&edit, buffer, false));
		for (uint32 i = 0; i < meta->segments; i++)
		{
			if (meta->segment[i].id == entry->id)
				meta->segment[i].dead = Min(meta->segment[i].dead + removed,
											meta->segment[i].docs);
		}
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
	segment_close(segment);
}

/* Of a page of pending rows, exclusively locked */
static void
clean_pending_page(Vacuum *vacuum, Buffer buffer)
{
	InvertedIndex *index = vacuum->index;
	Page		page = BufferGetPage(buffer);
	Page		copy = NULL;
	InvertedPage *header = inverted_page(page);
	PageEdit	edit;

	if (pending_is_long(header))
	{
		if (!is_dead(vacuum, &((LongRow *) inverted_data(page))->tid))
			return;
		page_edit_begin(&edit, index->relation, vacuum->log);
		copy = page_edit_page(&edit, buffer, false);
		ItemPointerSetInvalid(&((LongRow *) inverted_data(copy))->tid);
		page_edit_end(&edit);
		return;
	}
	inverted_check_count(index, buffer, INVERTED_ROOM);
	for (Size offset = 0; offset < header->count;)
	{
		PendingRow *row = (PendingRow *) (inverted_data(page) + offset);

		if (header->count - offset < sizeof(PendingRow) || row->size == 0 ||
			row->size > header->count - offset || row->size != MAXALIGN(row->size))
			index_damaged(index->relation, BufferGetBlockNumber(buffer), NO_PLACE,
						  "A pending row has not the form of one.");
		if (is_dead(vacuum, &row->doc.tid))
		{
			if (copy == NULL)
			{
				page_edit_begin(&edit, index->relation, vacuum->log);
				copy = page_edit_page(&edit, buffer, false);
			}
			row = (PendingRow *) (inverted_data(copy) + offset);
			ItemPointerSetInvalid(&row->doc.tid);
		}
		offset += row->size;
	}
	if (copy != NULL)
		page_edit_end(&edit);
}

static void
clean_pending(Vacuum *vacuum, const PendingList *list)
{
	BlockNumber block = list->head;
	ChainCheck	chain = {0};

	while (block != InvalidBlockNumber)
	{
		Buffer		buffer;

		index_vacuum_delay_point();
		buffer = inverted_lock_page(vacuum->index, block, list->id, PART_PENDING,
									BUFFER_LOCK_EXCLUSIVE);
		clean_pending_page(vacuum, buffer);
		if (chain_cycles(&chain, block))
			index_damaged(vacuum->index->relation, block, NO_PLACE,
						  "Its list leads in a circle.");
		block = inverted_page(BufferGetPage(buffer))->next;
		UnlockReleaseBuffer(buffer);
	}
}

IndexBulkDeleteResult *
inverted_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
					 IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "sparse vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	Vacuum		vacuum = {0};

	stats = bulk_delete_stats(stats);
	caller = MemoryContextSwitchTo(context);
	vacuum.index = inverted_open(info->index);
	vacuum.stats = stats;
	vacuum.callback = callback;
	vacuum.callback_state = callback_state;
	vacuum.log = RelationNeedsWAL(info->index);
	vacuum_progress_begin(info->index);
	(void) inverted_lock_merge(vacuum.index, true);
	inverted_refresh(vacuum.index);
	vacuum_phase(VACUUM_PHASE_SEGMENTS, vacuum.index->meta.segments);

	/*
	 * Rows that are pending now will be in a segment only after the lock has been
	 * released; those that come to the list later are not among the dead ones.
	 */
	clean_pending(&vacuum, &vacuum.index->meta.sealed);
	clean_pending(&vacuum, &vacuum.index->meta.pending);
	WAIT_POINT("sparse vacuum pending");
	for (uint32 i = 0; i < vacuum.index->meta.segments; i++)
	{
		clean_segment(&vacuum, &vacuum.index->meta.segment[i]);
		vacuum_progress(i + 1);
	}
	inverted_unlock_merge(vacuum.index);
	vacuum_progress_end();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
inverted_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	MemoryContext context;
	MemoryContext caller;

	if (info->analyze_only)
		return stats;

	context = AllocSetContextCreate(CurrentMemoryContext, "sparse vacuum",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	vacuum_progress_begin(info->index);
	vacuum_phase(VACUUM_PHASE_MERGE, 0);
	(void) inverted_merge(inverted_open(info->index), true, false);
	vacuum_progress_end();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);

	return vacuum_cleanup(info, stats);
}
