/*
 * generation.c
 *	  Generations of lists: prepared, published, freed.  See generation.h.
 */
#include "ivf/generation.h"

#include "access/transam.h"
#include "access/xact.h"
#include "compat/reuse_page.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ------------------------------------------------------------------------
 * The metapage
 */

uint64
ivf_build_id(Relation relation)
{
	Buffer		buffer = ReadBuffer(relation, META_BLOCK);
	uint64		id;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	id = ivf_page_meta(BufferGetPage(buffer))->build_id;
	UnlockReleaseBuffer(buffer);
	return id;
}

/* Begin to change the metapage; in an index built before, it is shorter. */
static IvfMeta *
edit_meta(Relation relation, Buffer *buffer, PageEdit *edit)
{
	Page		page;

	*buffer = ReadBuffer(relation, META_BLOCK);
	page_lock(relation, *buffer, PAGE_META, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(edit, relation, RelationNeedsWAL(relation));
	page = page_edit_page(edit, *buffer, false);
	((PageHeader) page)->pd_lower = (char *) (ivf_page_meta(page) + 1) - (char *) page;
	return ivf_page_meta(page);
}

/* What edit_meta has begun is done. */
#define END_EDIT(buffer, edit) \
	(page_edit_end(edit), UnlockReleaseBuffer(buffer))

void
ivf_store_calibration(IvfIndex *index, const IvfMeta *meta)
{
	Buffer		buffer;
	PageEdit	edit;
	IvfMeta    *stored = edit_meta(index->relation, &buffer, &edit);

	memcpy(stored->recall, meta->recall, sizeof(meta->recall));
	memcpy(stored->reach, meta->reach, sizeof(meta->reach));
	memcpy(stored->depth, meta->depth, sizeof(meta->depth));
	END_EDIT(buffer, &edit);
}

void
ivf_store_looked_at(Relation relation, double rows)
{
	Buffer		buffer;
	PageEdit	edit;

	edit_meta(relation, &buffer, &edit)->looked_at = rows;
	END_EDIT(buffer, &edit);
}

/* ------------------------------------------------------------------------
 * Pages are freed
 */

/*
 * Is a locked page one of a list, of a generation from first to last?  Its pieces are
 * copied then, and its successor.
 */
static bool
is_of_generations(IvfIndex *index, Page page, uint32 first, uint32 last,
				  BlockNumber *next, BlockNumber *pieces)
{
	const IvfListPage *header = ivf_list_page(page);

	if (!page_is_sound(page, PAGE_RECORD) || page_opaque(page)->in_free_list ||
		((PageHeader) page)->pd_lower <= MAXALIGN(SizeOfPageHeaderData) ||
		header->list == PG_UINT32_MAX ||
		header->generation < first || header->generation > last)
		return false;
	*next = header->next;
	memcpy(pieces, header->pieces, index->layout.pieces * sizeof(BlockNumber));
	return true;
}

/* Take a page that nothing leads to out of its list, if it is of these generations. */
static bool
free_list_page(IvfIndex *index, BlockNumber block, uint32 first, uint32 last)
{
	BlockNumber *pieces = (BlockNumber *)
		palloc(Max(index->layout.pieces, 1) * sizeof(BlockNumber));
	Buffer		buffer = map_read(index->map, block);
	BlockNumber next;
	PageEdit	edit;
	Page		page;
	bool		is;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	is = is_of_generations(index, BufferGetPage(buffer), first, last, &next, pieces);
	if (is)
	{
		page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
		page = page_edit_page(&edit, buffer, false);
		ivf_list_page_set_count(&index->layout, page, 0);
		ivf_list_page(page)->list = PG_UINT32_MAX;
		ivf_list_page(page)->next = InvalidBlockNumber;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	if (is)
		ivf_offer_page(index, block, pieces);
	pfree(pieces);
	return is;
}

/* Make a page of constants one for entries, and free it; false if it is none. */
static bool
free_raw_page(IvfIndex *index, BlockNumber block)
{
	Buffer		buffer = map_read(index->map, block);
	PageEdit	edit;
	Page		page;
	bool		is;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	is = page_is_sound(BufferGetPage(buffer), PAGE_RAW);
	if (is)
	{
		page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
		page = page_edit_page(&edit, buffer, true);
		slot_page_init(page, PAGE_RECORD);
		ivf_list_page_init(&index->layout, page, PG_UINT32_MAX);
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	if (is)
		slot_page_offer(index->relation, PAGE_RECORD, block);
	return is;
}

/*
 * Free the pages of a list that has been replaced, the last one first: after a crash
 * in between, the head still leads to those that are left.  One that has been
 * freed, and used again, has a higher number.
 */
static void
free_chain(IvfIndex *index, uint32 list, BlockNumber head, uint64 *pages)
{
	BlockNumber *blocks = (BlockNumber *) palloc(64 * sizeof(BlockNumber));
	BlockNumber *pieces = (BlockNumber *)
		palloc(Max(index->layout.pieces, 1) * sizeof(BlockNumber));
	Size		room = 64;
	Size		count = 0;
	Size		most = RelationGetNumberOfBlocks(index->relation);
	BlockNumber next;

	for (BlockNumber block = head; block != InvalidBlockNumber; block = next)
	{
		Buffer		buffer = map_read(index->map, block);
		Page		page = BufferGetPage(buffer);
		bool		is;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		is = is_of_generations(index, page, 0, index->meta.old_generation, &next,
							   pieces) && ivf_list_page(page)->list == list;
		UnlockReleaseBuffer(buffer);
		if (!is || count > most)
			break;
		if (count == room)
		{
			room *= 2;
			blocks = (BlockNumber *) repalloc_huge(blocks, room * sizeof(BlockNumber));
		}
		blocks[count++] = block;
	}
	while (count > 0)
	{
		CHECK_FOR_INTERRUPTS();
		*pages += free_list_page(index, blocks[--count], 0,
								 index->meta.old_generation);
	}
	pfree(pieces);
	pfree(blocks);
}

/* The head of a list in the old directory; InvalidBlockNumber: that page is free */
static BlockNumber
old_head(IvfIndex *index, uint32 list)
{
	Buffer		buffer = map_read(index->map, index->meta.old_directory +
								  list / IVF_LISTS_PER_PAGE);
	Page		page = BufferGetPage(buffer);
	BlockNumber head = InvalidBlockNumber;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (page_is_sound(page, PAGE_RAW))
		head = ((IvfList *) PageGetContents(page))[list % IVF_LISTS_PER_PAGE].head;
	UnlockReleaseBuffer(buffer);
	return head;
}

bool
ivf_free_old_generation(IvfIndex *index, Relation heap, uint64 *pages)
{
	const IvfMeta *meta = &index->meta;
	FullTransactionId xid = FullTransactionIdFromU64(meta->old_xid);
	Buffer		buffer;
	PageEdit	edit;

	if (meta->old_lists == 0)
		return true;
	if (!GlobalVisCheckRemovableFullXid(heap, xid))
		return false;
	log_page_reuse(index->relation, heap, meta->old_directory, xid);
	for (uint32 list = 0; list < meta->old_lists; list++)
	{
		BlockNumber head = old_head(index, list);

		if (head != InvalidBlockNumber && head != ivf_get_list(index, list).head)
			free_chain(index, list, head, pages);
	}

	/*
	 * The directory last: after a crash, what it leads to is looked at again.  Its
	 * pages, constants and summaries wait for the next generation, which wants as
	 * many in a row.
	 */
	edit_meta(index->relation, &buffer, &edit)->old_lists = 0;
	END_EDIT(buffer, &edit);
	index->meta.old_lists = 0;
	return true;
}

void
ivf_sweep(IvfIndex *index, uint64 *pages)
{
	const IvfMeta *meta = &index->meta;
	BlockNumber end = ivf_raw_end(meta, index->filter);
	BlockNumber blocks = RelationGetNumberOfBlocks(index->relation);

	if (meta->begun == meta->generation)
		return;
	for (BlockNumber block = 1; block < blocks; block++)
	{
		bool		kept = block >= meta->old_directory && block < meta->old_end;

		CHECK_FOR_INTERRUPTS();
		if (block >= meta->directory && block < end)
			continue;
		*pages += free_list_page(index, block, meta->generation + 1, PG_UINT32_MAX) ||
			(!kept && free_raw_page(index, block));
	}
}

/* ------------------------------------------------------------------------
 * The next generation
 */

void
ivf_begin_generation(const IvfIndex *index, uint32 lists, IvfIndex *next)
{
	IvfIndex   *writable = unconstify(IvfIndex *, index);
	Buffer		buffer;
	PageEdit	edit;
	uint32		number = index->meta.begun + 1;

	edit_meta(writable->relation, &buffer, &edit)->begun = number;
	END_EDIT(buffer, &edit);
	writable->meta.begun = number;

	*next = *index;
	next->meta.generation = next->meta.begun = number;
	next->meta.lists = lists;
	next->meta.build_id = ivf_new_build_id(index->relation);
	next->centroids = ivf_constants(&next->meta).centroids;
}

/*
 * Are there so many pages in a row that the generation before the current one had,
 * and that have been kept for this?  If they do not do, they are freed.
 */
static bool
take_kept_pages(IvfIndex *index, BlockNumber count)
{
	const IvfMeta *meta = &index->meta;
	bool		fit = meta->old_end - meta->old_directory == count &&
		meta->old_end <= RelationGetNumberOfBlocks(index->relation);

	Assert(meta->old_lists == 0);
	for (BlockNumber block = meta->old_directory; fit && block < meta->old_end; block++)
	{
		Buffer		buffer = map_read(index->map, block);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		fit = page_is_sound(BufferGetPage(buffer), PAGE_RAW);
		UnlockReleaseBuffer(buffer);
	}
	if (fit)
		return true;
	for (BlockNumber block = meta->old_directory; block < meta->old_end; block++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) free_raw_page(index, block);
	}
	return false;
}

/* Fill in page number i of the directory, constants and summaries of next. */
static void
fill_raw_page(const IvfIndex *next, Page page, BlockNumber block,
			  const float *floats, const IvfList *records)
{
	const IvfMeta *meta = &next->meta;
	uint64		total = ivf_constants(meta).total;
	Size		bytes = 0;

	if (block < meta->constants)
	{
		uint32		first = (block - meta->directory) * IVF_LISTS_PER_PAGE;

		bytes = IVF_LISTS_PER_PAGE * sizeof(IvfList);
		memset(PageGetContents(page), 0, bytes);
		memcpy(PageGetContents(page), records + first,
			   Min(meta->lists - first, IVF_LISTS_PER_PAGE) * sizeof(IvfList));
	}
	else if (next->filter == NULL || block < meta->summaries)
	{
		uint64		done = (uint64) (block - meta->constants) * IVF_RAW_FLOATS;

		bytes = Min(total - done, (uint64) IVF_RAW_FLOATS) * sizeof(float);
		memcpy(PageGetContents(page), floats + done, bytes);
	}
	else
	{
		int			per_page = ivf_summaries_per_page(next->filter);

		for (int i = 0; i < per_page; i++)
			filter_bounds_init(next->filter, ivf_summary(next->filter, page, i));
		bytes = per_page * next->filter->count * sizeof(FilterBounds);
	}
	((PageHeader) page)->pd_lower += bytes;
}

/* Where constants and summaries lie, behind the directory */
static void
place_raw_pages(IvfIndex *next)
{
	IvfMeta    *meta = &next->meta;

	meta->constants = meta->directory + (meta->lists - 1) / IVF_LISTS_PER_PAGE + 1;
	meta->summaries = next->filter == NULL ? 0 : meta->constants +
		(ivf_constants(meta).total + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
}

void
ivf_write_generation(IvfIndex *index, IvfIndex *next, const float *floats,
					 const bool *replaced)
{
	Relation	relation = index->relation;
	IvfMeta    *meta = &next->meta;
	IvfList    *records = (IvfList *) palloc0(mul_size(meta->lists, sizeof(IvfList)));
	BlockNumber end;
	bool		kept;

	for (uint32 list = 0; list < meta->lists; list++)
	{
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		if (list < index->meta.lists && !replaced[list])
			continue;
		buffer = ivf_claim_page(next, list);
		records[list].head = records[list].fill = BufferGetBlockNumber(buffer);
		records[list].pages = 1;
		ReleaseBuffer(buffer);
	}

	meta->directory = 0;
	place_raw_pages(next);
	end = ivf_raw_end(meta, next->filter);
	kept = take_kept_pages(index, end);

	/* in a row: no other process extends the index meanwhile */
	if (!kept)
		LockRelationForExtension(relation, ExclusiveLock);
	meta->directory = kept ? meta->old_directory : RelationGetNumberOfBlocks(relation);
	place_raw_pages(next);
	end = ivf_raw_end(meta, next->filter);
	for (BlockNumber block = meta->directory; block < end; block++)
	{
		Buffer		buffer = ReadBufferExtended(relation, MAIN_FORKNUM,
												kept ? block : P_NEW, RBM_NORMAL, NULL);
		PageEdit	edit;
		Page		page;

		CHECK_FOR_INTERRUPTS();
		if (BufferGetBlockNumber(buffer) != block)
			elog(ERROR, "new pages of index \"%s\" do not lie in a row",
				 RelationGetRelationName(relation));
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, relation, RelationNeedsWAL(relation));
		page = page_edit_page(&edit, buffer, true);
		slot_page_init(page, PAGE_RAW);
		fill_raw_page(next, page, block, floats, records);
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
	if (!kept)
		UnlockRelationForExtension(relation, ExclusiveLock);
	pfree(records);
}

/* Bring the directory of next up to date. */
static void
publish_records(IvfIndex *index, IvfIndex *next, const bool *replaced,
				const IvfListSum *sums)
{
	IvfList		records[IVF_LISTS_PER_PAGE];

	for (uint32 first = 0; first < next->meta.lists; first += IVF_LISTS_PER_PAGE)
	{
		uint32		end = Min(first + IVF_LISTS_PER_PAGE, next->meta.lists);
		Buffer		buffer;
		PageEdit	edit;
		IvfList    *to;

		for (uint32 list = first; list < end; list++)
		{
			bool		stays = list < index->meta.lists && !replaced[list];

			records[list - first] = ivf_get_list(stays ? index : next, list);
			if (stays)
				continue;
			records[list - first].radius = ivf_list_radius(&sums[list]);
			records[list - first].built = sums[list].rows;
		}
		buffer = map_read(next->map, next->meta.directory + first / IVF_LISTS_PER_PAGE);
		page_lock(next->relation, buffer, PAGE_RAW, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, next->relation, RelationNeedsWAL(next->relation));
		to = (IvfList *) PageGetContents(page_edit_page(&edit, buffer, false));
		memcpy(to, records, (end - first) * sizeof(IvfList));
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
}

/* Copy the summaries of lists that stay. */
static void
publish_summaries(IvfIndex *index, IvfIndex *next, const bool *replaced)
{
	const FilterShape *filter = index->filter;
	Size		bytes = filter->count * sizeof(FilterBounds);
	uint32		per_page = ivf_summaries_per_page(filter);

	for (uint32 first = 0; first < index->meta.lists; first += per_page)
	{
		PGAlignedBlock copy;
		Buffer		from = map_read(index->map, index->meta.summaries + first / per_page);
		Buffer		to = map_read(next->map, next->meta.summaries + first / per_page);
		PageEdit	edit;
		Page		page;

		page_lock(index->relation, from, PAGE_RAW, BUFFER_LOCK_SHARE);
		memcpy(copy.data, BufferGetPage(from), BLCKSZ);
		UnlockReleaseBuffer(from);
		page_lock(next->relation, to, PAGE_RAW, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, next->relation, RelationNeedsWAL(next->relation));
		page = page_edit_page(&edit, to, false);
		for (uint32 list = first; list < Min(first + per_page, index->meta.lists); list++)
		{
			if (!replaced[list])
				memcpy(ivf_summary(filter, page, list),
					   ivf_summary(filter, (Page) copy.data, list), bytes);
		}
		page_edit_end(&edit);
		UnlockReleaseBuffer(to);
	}
}

void
ivf_end_queries_of_dropped(IvfIndex *index, Relation heap)
{
	TransactionId last = GetOldestNonRemovableTransactionId(heap);
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		before;

	/* what removed those rows is older */
	TransactionIdRetreat(last);
	before = XidFromFullTransactionId(next) - last;
	log_page_reuse(index->relation, heap, index->meta.directory,
				   FullTransactionIdFromU64(U64FromFullTransactionId(next) - before));
}

bool
ivf_in_vacuum(void)
{
	return (MyProc->statusFlags & PROC_IN_VACUUM) != 0;
}

void
ivf_publish_generation(IvfIndex *index, IvfIndex *next, const bool *replaced,
					   const IvfListSum *sums)
{
	IvfMeta    *meta = &next->meta;
	Buffer		buffer;
	PageEdit	edit;
	IvfMeta    *stored;

	publish_records(index, next, replaced, sums);
	if (index->filter != NULL)
		publish_summaries(index, next, replaced);
	meta->old_generation = index->meta.generation;
	meta->old_lists = index->meta.lists;
	meta->old_directory = index->meta.directory;
	meta->old_end = ivf_raw_end(&index->meta, index->filter);
	if (!ivf_in_vacuum())
		meta->old_xid = U64FromFullTransactionId(GetTopFullTransactionId());
	stored = edit_meta(index->relation, &buffer, &edit);

	/*
	 * Who has read the old metapage has a snapshot from before this lock on it, and so
	 * an xmin that is not beyond the next transaction.  VACUUM's own number, if it had
	 * one, would not hold snapshots back, since these leave VACUUM out.
	 */
	if (ivf_in_vacuum())
		meta->old_xid = U64FromFullTransactionId(ReadNextFullTransactionId());
	meta->common = stored->common;
	*stored = *meta;
	END_EDIT(buffer, &edit);
}
