/*
 * insert.c
 *	  One more entry, in the list of the nearest centroid.
 *
 * Locks: the generation of lists, shared, all the while (generation.h), but for
 * flat; with filter columns, the list's summary, alone; the list's record,
 * alone; then pages of the list, one at a time.  A new page is claimed while no
 * other is locked, and linked under the lock of the last one.  See README.md.
 */
#include "ivf/coarse.h"
#include "ivf/generation.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "storage/wait_point.h"
#include "types/detoast.h"

/* What an insertion needs; kept for the statement */
typedef struct IvfInserter
{
	IvfIndex   *index;
	IvfCoarse  *coarse;
	IvfEncoder *encoder;
	float	   *y;
	float	   *centroid;
	uint8	   *scratch;
	uint8	   *code;
	uint8	   *keys;			/* of filter columns */
	IvfBounder *bounder;		/* where values are kept */
} IvfInserter;

static IvfInserter *
inserter_create(Relation relation)
{
	IvfInserter *inserter = (IvfInserter *) palloc0(sizeof(IvfInserter));
	IvfIndex   *index = ivf_open(relation);
	Size		floats = mul_size(index->meta.width, sizeof(float));

	inserter->index = index;
	inserter->coarse = ivf_coarse_create(index);
	inserter->encoder = ivf_encoder_create(index->model);
	inserter->y = (float *) palloc0(floats);
	inserter->centroid = (float *) palloc(floats);
	inserter->scratch = (uint8 *) palloc(ivf_codes_bytes(&index->layout));
	inserter->code = (uint8 *) palloc0(ivf_code_bytes(index->model));
	if (index->filter != NULL)
		inserter->keys = (uint8 *) palloc(index->filter->entry_bytes);
	if (index->layout.has_values)
		inserter->bounder = ivf_bounder_create(index->model);
	return inserter;
}

/*
 * Write an entry into a page with room, which is exclusively locked; pieces
 * first.  Before the count includes the slot, no process reads it.
 */
static void
write_entry(IvfInserter *inserter, Buffer buffer, const IvfEntry *entry)
{
	IvfIndex   *index = inserter->index;
	const IvfLayout *layout = &index->layout;
	bool		log = RelationNeedsWAL(index->relation);
	Page		page = BufferGetPage(buffer);
	uint32		slot = ivf_list_page(page)->count;
	uint8	   *codes = inserter->scratch;
	PageEdit	edit;

	if (layout->pieces > 0)
	{
		(void) ivf_page_codes(index, page, codes);
		if (slot == 0)
			memset(codes, 0, ivf_codes_bytes(layout));
		ivf_put_code(index->model, layout, codes, slot, entry->code);
		ivf_write_pieces(index, page, codes, log);
	}

	page_edit_begin(&edit, index->relation, log);
	page = page_edit_page(&edit, buffer, false);
	if (layout->pieces > 0)
		memcpy((char *) page + layout->codes, codes, ivf_head_codes(layout));
	else
	{
		codes = (uint8 *) page + layout->codes;

		/* what a removed entry or an earlier life of the page has left */
		if (slot % layout->unit_slots == 0)
			memset(codes + slot / layout->unit_slots * layout->unit_bytes, 0,
				   layout->unit_bytes);
		ivf_put_code(index->model, layout, codes, slot, entry->code);
	}
	ivf_put_arrays(layout, page, slot, entry);
	ivf_list_page_set_count(layout, page, slot + 1);
	page_edit_end(&edit);
}

Buffer
ivf_claim_page(IvfIndex *index, uint32 list)
{
	const IvfLayout *layout = &index->layout;
	bool		log = RelationNeedsWAL(index->relation);
	Buffer		buffer = slot_page_claim(index->relation, PAGE_RECORD, log);
	BlockNumber *pieces = (BlockNumber *)
		palloc(Max(layout->pieces, 1) * sizeof(BlockNumber));
	PageEdit	edit;
	Page		page;

	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Buffer		piece = slot_page_claim(index->relation, PAGE_PIECE, log);

		pieces[i] = BufferGetBlockNumber(piece);
		ReleaseBuffer(piece);
	}
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, index->relation, log);
	page = page_edit_page(&edit, buffer, true);
	ivf_list_page_init(layout, page, list);
	ivf_list_page(page)->generation = index->meta.generation;
	memcpy(ivf_list_page(page)->pieces, pieces,
		   layout->pieces * sizeof(BlockNumber));
	page_edit_end(&edit);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	pfree(pieces);
	return buffer;
}

/*
 * A page of the list that a spare one may be linked behind, from block on: the
 * first one with room, or the last one.  Exclusively locked; InvalidBuffer if
 * block has left the list meanwhile.
 */
static Buffer
find_page(IvfIndex *index, uint32 list, BlockNumber block)
{
	IvfListWalk walk;

	ivf_walk_begin(&walk, index, list, block, BUFFER_LOCK_EXCLUSIVE);
	walk.may_leave = true;
	while (ivf_walk_next(&walk))
	{
		if (ivf_list_page(walk.page)->count < index->layout.slots ||
			walk.next_block == InvalidBlockNumber)
			return walk.buffer;
	}
	return InvalidBuffer;
}

static void
insert_entry(IvfInserter *inserter, uint32 list, const IvfEntry *entry)
{
	IvfIndex   *index = inserter->index;
	Buffer		spare = InvalidBuffer;

	for (;;)
	{
		IvfList		record = ivf_get_list(index, list);
		Buffer		buffer;
		BlockNumber block;
		PageEdit	edit;
		Page		page;

		WAIT_POINT("ivf insert fill");
		buffer = find_page(index, list, record.fill);
		if (!BufferIsValid(buffer))
		{
			/* the page has left the list, as a head never does */
			CHECK_FOR_INTERRUPTS();
			if (record.fill == record.head)
				ivf_not_of_list(index, record.head, list);
			if (ivf_get_list(index, list).fill == record.fill)
				ivf_set_fill(index, list, record.head, 0);
			continue;
		}
		page = BufferGetPage(buffer);
		block = BufferGetBlockNumber(buffer);
		if (ivf_list_page(page)->count < index->layout.slots)
		{
			write_entry(inserter, buffer, entry);
			UnlockReleaseBuffer(buffer);
			if (BufferIsValid(spare))
			{
				/* another process has made room meanwhile */
				ivf_offer_page(index, BufferGetBlockNumber(spare),
							   ivf_list_page(BufferGetPage(spare))->pieces);
				ReleaseBuffer(spare);
			}
			if (block != record.fill)
				ivf_set_fill(index, list, block, 0);
			return;
		}

		/* the last page, and full */
		if (!BufferIsValid(spare))
		{
			UnlockReleaseBuffer(buffer);
			spare = ivf_claim_page(index, PG_UINT32_MAX);
			WAIT_POINT("ivf insert spare");
			continue;
		}

		/* no process knows the spare page: its entry first, then the link to it */
		LockBuffer(spare, BUFFER_LOCK_EXCLUSIVE);
		write_entry(inserter, spare, entry);
		page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
		page = page_edit_page(&edit, buffer, false);
		ivf_list_page(page)->next = BufferGetBlockNumber(spare);
		page = page_edit_page(&edit, spare, false);
		ivf_list_page(page)->list = list;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
		LockBuffer(spare, BUFFER_LOCK_UNLOCK);
		ivf_set_fill(index, list, BufferGetBlockNumber(spare), 1);
		ReleaseBuffer(spare);
		return;
	}
}

void
ivf_add_entry(IvfIndex *index, uint32 list, const IvfEntry *entry)
{
	IvfInserter inserter = {.index = index};

	if (index->layout.pieces > 0)
		inserter.scratch = (uint8 *) palloc(ivf_codes_bytes(&index->layout));
	if (entry->keys != NULL)
		ivf_widen_summary(index, list, entry->keys);
	insert_entry(&inserter, list, entry);
	if (inserter.scratch != NULL)
		pfree(inserter.scratch);
}

/* Insert one value of a row, whose keys are in inserter->keys. */
static void
insert_value(IvfInserter *inserter, const struct varlena *value,
			 ItemPointer heap_tid)
{
	IvfIndex   *index = inserter->index;
	IvfEntry	entry;
	IvfNear    *nearest;

	CHECK_FOR_INTERRUPTS();
	entry.tid = *heap_tid;
	entry.code = inserter->code;
	entry.keys = inserter->keys;
	entry.value = NO_SLOT;
	if (index->kind == IVF_EXACT)
	{
		ivf_encode(inserter->encoder, value, NULL, NULL, &entry);
		if (inserter->keys != NULL)
			ivf_widen_summary(index, 0, inserter->keys);
		insert_entry(inserter, 0, &entry);
		return;
	}
	if (!ivf_transform(index->model, value, false, inserter->y))
		return;
	(void) ivf_nearest_lists(inserter->coarse, inserter->y, 1, false, &nearest);
	ivf_read_centroid(index, nearest->list, inserter->centroid);
	ivf_encode(inserter->encoder, value, inserter->y, inserter->centroid, &entry);
	if (inserter->bounder != NULL)
		entry.value = ivf_write_value(inserter->bounder, &index->values, value,
									  heap_tid, RelationNeedsWAL(index->relation));
	if (inserter->keys != NULL)
		ivf_widen_summary(index, nearest->list, inserter->keys);
	insert_entry(inserter, nearest->list, &entry);
}

bool
ivf_insert(Relation relation, Datum *values, bool *isnull, ItemPointer heap_tid,
		   Relation heap, IndexUniqueCheck check_unique, bool index_unchanged,
		   IndexInfo *index_info)
{
	IvfInserter *inserter = (IvfInserter *) index_info->ii_AmCache;
	MemoryContext context;
	MemoryContext caller;
	MultiVector elements;
	bool		generations;

	if (isnull[0])
		return false;
	/* no new generation of lists takes the place of the one that this goes to */
	generations = ivf_kind_of(relation) != IVF_EXACT;
	if (generations)
		LockPage(relation, META_BLOCK, ShareLock);
	if (inserter == NULL ||
		(generations && ivf_build_id(relation) != inserter->index->meta.build_id))
	{
		caller = MemoryContextSwitchTo(index_info->ii_Context);
		inserter = inserter_create(relation);
		index_info->ii_AmCache = inserter;
		MemoryContextSwitchTo(caller);
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "ivf insert",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	column_values(&inserter->index->model->column,
				  (const struct varlena *) PG_DETOAST_DATUM(values[0]), &elements);
	if (inserter->keys != NULL && elements.count > 0)
		filter_make_keys(inserter->index->filter, values, isnull, inserter->keys);
	for (int i = 0; i < elements.count; i++)
		insert_value(inserter, column_values_get(&elements, i), heap_tid);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (generations)
		UnlockPage(relation, META_BLOCK, ShareLock);
	return false;
}
