/*
 * page.c
 *	  Pages of lists: how entries lie on them, and the way from one to the next.
 */
#include "ivf/page.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "ivf/index.h"
#include "storage/recent_buffer.h"
#include "storage/wait_point.h"

IvfLayout
ivf_layout(const IvfModel *model, const FilterShape *filter)
{
	IvfLayout	layout = {0};
	Size		start = MAXALIGN(SizeOfPageHeaderData) + offsetof(IvfListPage, pieces);
	Size		end = BLCKSZ - MAXALIGN(sizeof(PageOpaque));
	Size		fixed;
	Size		alignment = 0;	/* of filter columns, at most */
	Size		units;

	layout.fastscan = ivf_uses_fastscan(model);
	layout.unit_slots = layout.fastscan ? FASTSCAN_VECTORS : 1;
	layout.unit_bytes = layout.fastscan
		? fastscan_block_bytes(ivf_nibbles(model)) : ivf_code_bytes(model);
	layout.factors = ivf_factors(model);
	layout.has_values = model->keeps_values;
	layout.filter = filter;
	if (!layout.fastscan && model->kind != IVF_PQ)
		layout.unit_bytes = MAXALIGN(layout.unit_bytes);

	/* what a unit takes in the arrays; alignment may take 16 bytes more */
	fixed = layout.unit_slots *
		(sizeof(ItemPointerData) + layout.factors * sizeof(float) +
		 (layout.has_values ? sizeof(SlotId) : 0));
	if (filter != NULL)
	{
		fixed += layout.unit_slots * filter->entry_bytes;
		alignment = filter->count * MAXIMUM_ALIGNOF;
		if (start + fixed + alignment + 16 +
			(layout.unit_bytes / SLOT_PAGE_ROOM + 1) * sizeof(BlockNumber) >= end)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("filter columns do not fit a page of the index"),
					 errdetail("They take %zu bytes an entry, and a page has %u entries or more.",
							   filter->entry_bytes, layout.unit_slots),
					 errhint("Use fewer filter columns.")));
	}
	units = (end - start - 16 - alignment) / (layout.unit_bytes + fixed);
	layout.slots = Max(units, 1) * layout.unit_slots;
	if (units == 0)
	{
		/* one unit, whose codes go on to other pages */
		Size		rest;

		while ((rest = end - MAXALIGN(start + layout.pieces * sizeof(BlockNumber) +
									  fixed + 8 + alignment)) +
			   layout.pieces * SLOT_PAGE_ROOM < layout.unit_bytes)
			layout.pieces++;
		start += layout.pieces * sizeof(BlockNumber);
	}
	layout.add = INTALIGN(start);
	layout.k = layout.add + (layout.factors > 0 ? layout.slots * sizeof(float) : 0);
	layout.error = layout.k + (layout.factors > 1 ? layout.slots * sizeof(float) : 0);
	layout.values = layout.error + (layout.factors > 2 ? layout.slots * sizeof(float) : 0);
	layout.tids = layout.values + (layout.has_values ? layout.slots * sizeof(SlotId) : 0);
	layout.keys = MAXALIGN(layout.tids + layout.slots * sizeof(ItemPointerData));
	layout.codes = layout.keys +
		(filter != NULL ? filter_block_bytes(filter, layout.slots) : 0);
	Assert(layout.pieces > 0 || layout.codes + ivf_codes_bytes(&layout) <= end);
	return layout;
}

void
ivf_list_page_init(const IvfLayout *layout, Page page, uint32 list)
{
	IvfListPage *header = ivf_list_page(page);

	header->list = list;
	header->next = InvalidBlockNumber;
	header->generation = 0;
	for (uint32 i = 0; i < layout->pieces; i++)
		header->pieces[i] = InvalidBlockNumber;
	ivf_list_page_set_count(layout, page, 0);
}

/* Where what count entries use ends */
static inline Size
content_end(const IvfLayout *layout, uint32 count)
{
	Size		units = !layout->fastscan ? count
		: (count + FASTSCAN_VECTORS - 1) / FASTSCAN_VECTORS;

	return layout->codes + Min(units * layout->unit_bytes, ivf_head_codes(layout));
}

void
ivf_list_page_set_count(const IvfLayout *layout, Page page, uint32 count)
{
	ivf_list_page(page)->count = count;
	((PageHeader) page)->pd_lower = content_end(layout, count);
}

bool
ivf_page_fits(const IvfLayout *layout, Page page)
{
	uint32		count = ivf_list_page(page)->count;

	return count <= layout->slots &&
		((PageHeader) page)->pd_lower == content_end(layout, count);
}

void
ivf_check_page(IvfIndex *index, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	uint32		count = ivf_list_page(page)->count;
	Size		lower = ((PageHeader) page)->pd_lower;

	page_check_kind(index->relation, buffer, PAGE_RECORD);
	if (likely(count <= index->layout.slots &&
			   lower == content_end(&index->layout, count)))
		return;

	/* claimed by an insertion, and not set up yet: of no list */
	if (lower != MAXALIGN(SizeOfPageHeaderData))
		index_damaged(index->relation, BufferGetBlockNumber(buffer), NO_PLACE,
					  psprintf("It cannot have %u entries in %zu bytes.", count, lower));
}

void
ivf_lock_page(IvfIndex *index, Buffer buffer, int mode)
{
	Page		page = BufferGetPage(buffer);
	uint32		count;

	LockBuffer(buffer, mode);
	count = ivf_list_page(page)->count;
	if (unlikely(!page_is_sound(page, PAGE_RECORD) ||
				 count > index->layout.slots ||
				 ((PageHeader) page)->pd_lower != content_end(&index->layout, count)))
		ivf_check_page(index, buffer);
}

void
ivf_not_of_list(IvfIndex *index, BlockNumber block, uint32 list)
{
	index_damaged(index->relation, block, NO_PLACE,
				  psprintf("It is not a page of list %u, or follows itself there.",
						   list));
}

const uint8 *
ivf_page_codes(IvfIndex *index, Page page, uint8 *scratch)
{
	const IvfLayout *layout = &index->layout;
	const IvfListPage *header = ivf_list_page(page);
	Size		done = ivf_head_codes(layout);

	if (layout->pieces == 0)
		return (uint8 *) page + layout->codes;
	memcpy(scratch, (char *) page + layout->codes, done);
	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);
		Buffer		buffer;

		/* without entries, a page may have no pieces yet */
		if (header->pieces[i] == InvalidBlockNumber)
		{
			memset(scratch + done, 0, part);
			done += part;
			continue;
		}
		buffer = map_read(index->map, header->pieces[i]);
		page_lock_below(index->relation, buffer, PAGE_PIECE, BUFFER_LOCK_SHARE);
		memcpy(scratch + done, PageGetContents(BufferGetPage(buffer)), part);
		UnlockReleaseBuffer(buffer);
		done += part;
	}
	return scratch;
}

void
ivf_write_pieces(IvfIndex *index, Page page, const uint8 *codes, bool log)
{
	const IvfLayout *layout = &index->layout;
	const IvfListPage *header = ivf_list_page(page);
	Size		done = ivf_head_codes(layout);

	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);
		Buffer		buffer = map_read(index->map, header->pieces[i]);
		PageEdit	edit;
		Page		piece;

		page_lock_below(index->relation, buffer, PAGE_PIECE,
						BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, index->relation, log);
		piece = page_edit_page(&edit, buffer, false);
		memcpy(PageGetContents(piece), codes + done, part);
		((PageHeader) piece)->pd_lower = MAXALIGN(SizeOfPageHeaderData) + part;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
		done += part;
	}
}

void
ivf_offer_page(IvfIndex *index, BlockNumber block, const BlockNumber *pieces)
{
	for (uint32 i = 0; i < index->layout.pieces; i++)
	{
		if (pieces[i] != InvalidBlockNumber)
			slot_page_offer(index->relation, PAGE_PIECE, pieces[i]);
	}
	slot_page_offer(index->relation, PAGE_RECORD, block);
}

void
ivf_put_arrays(const IvfLayout *layout, Page page, uint32 slot,
			   const IvfEntry *entry)
{
	ivf_page_tids(layout, page)[slot] = entry->tid;
	if (layout->has_values)
		ivf_page_values(layout, page)[slot] = entry->value;
	if (layout->factors > 0)
		ivf_page_add(layout, page)[slot] = entry->add;
	if (layout->factors > 1)
		ivf_page_k(layout, page)[slot] = entry->k;
	if (layout->factors > 2)
		ivf_page_error(layout, page)[slot] = entry->error;
	if (layout->filter != NULL)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		ivf_page_keys(layout, page, columns);
		filter_put(layout->filter, columns, slot, entry->keys);
	}
}

void
ivf_put_code(const IvfModel *model, const IvfLayout *layout, uint8 *codes,
			 uint32 slot, const uint8 *code)
{
	if (layout->fastscan)
		fastscan_put(codes + slot / FASTSCAN_VECTORS * layout->unit_bytes,
					 ivf_nibbles(model), slot % FASTSCAN_VECTORS, code);
	else
		memcpy(codes + slot * layout->unit_bytes, code, ivf_code_bytes(model));
}

void
ivf_get_code(const IvfModel *model, const IvfLayout *layout,
			 const uint8 *codes, uint32 slot, uint8 *code)
{
	if (layout->fastscan)
		fastscan_get(codes + slot / FASTSCAN_VECTORS * layout->unit_bytes,
					 ivf_nibbles(model), slot % FASTSCAN_VECTORS, code);
	else
		memcpy(code, codes + slot * layout->unit_bytes, ivf_code_bytes(model));
}

/* ------------------------------------------------------------------------
 * A walk along the pages of a list
 */

void
ivf_walk_begin(IvfListWalk *walk, IvfIndex *index, uint32 list,
			   BlockNumber block, int mode)
{
	memset(walk, 0, sizeof(*walk));
	walk->index = index;
	walk->list = list;
	walk->mode = mode;
	walk->next_block = block;
}

void
ivf_walk_pin_next(IvfListWalk *walk)
{
	IvfIndex   *index = walk->index;

	if (BufferIsValid(walk->next) || walk->next_block == InvalidBlockNumber)
		return;
	if (walk->strategy == NULL)
		walk->next = map_read(index->map, walk->next_block);
	else
	{
		if (!map_has_block(index->map, walk->next_block))
			block_damaged(index->relation, walk->next_block);
		walk->next = ReadBufferExtended(index->relation, MAIN_FORKNUM,
										walk->next_block, RBM_NORMAL,
										walk->strategy);
	}
}

void
ivf_walk_release(IvfListWalk *walk)
{
	if (!BufferIsValid(walk->buffer))
		return;
	ivf_walk_pin_next(walk);
	UnlockReleaseBuffer(walk->buffer);
	walk->buffer = InvalidBuffer;
}

bool
ivf_walk_next(IvfListWalk *walk)
{
	Buffer		before = InvalidBuffer;

	if (walk->coupled && BufferIsValid(walk->buffer))
	{
		ivf_walk_pin_next(walk);
		if (InterruptPending)
		{
			walk->left = true;
			ivf_walk_release(walk);
			if (BufferIsValid(walk->next))
				ReleaseBuffer(walk->next);
			walk->next = InvalidBuffer;
			CHECK_FOR_INTERRUPTS();
			return false;
		}
		before = walk->buffer;
		walk->buffer = InvalidBuffer;
	}
	ivf_walk_release(walk);
	ivf_walk_pin_next(walk);
	if (!BufferIsValid(walk->next))
	{
		if (BufferIsValid(before))
			UnlockReleaseBuffer(before);
		return false;
	}
	CHECK_FOR_INTERRUPTS();
	if (!BufferIsValid(before))
		WAIT_POINT("ivf walk");
	walk->buffer = walk->next;
	walk->block = walk->next_block;
	walk->page = BufferGetPage(walk->buffer);
	walk->next = InvalidBuffer;
	ivf_lock_page(walk->index, walk->buffer, walk->mode);
	if (BufferIsValid(before))
		UnlockReleaseBuffer(before);
	walk->left = !ivf_page_of_list(walk->page, walk->list);
	if (unlikely((walk->left && !walk->may_leave) ||
				 chain_cycles(&walk->chain, walk->block)))
		ivf_not_of_list(walk->index, walk->block, walk->list);
	walk->next_block = InvalidBlockNumber;
	if (walk->left)
	{
		ivf_walk_release(walk);
		return false;
	}
	walk->next_block = ivf_list_page(walk->page)->next;
	return true;
}
