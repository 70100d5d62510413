/*
 * vacuum.c
 *	  Removing entries, list by list.
 *
 * On each page the last entries take the places of dead ones.  Where the
 * entries of a page fit the one before it, too, they move there, and the page
 * leaves the list: only if no other process has it pinned, since a walk
 * (ivf_walk_next) pins the next page before it leaves one, and would miss what
 * has moved to a page that it has seen.  Pages that left go to the free list.
 */
#include "ivf/generation.h"
#include "ivf/rebalance.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "index/as_owner.h"
#include "index/handler.h"
#include "index/vacuum_progress.h"
#include "storage/wait_point.h"

typedef struct IvfVacuum
{
	IndexVacuumInfo *info;
	IvfIndex   *index;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	bool		log;
	uint8	   *scratch;
	uint8	   *code;
	bool	   *dead;			/* by slot of a page */
	uint32	   *slots;			/* see plan_moves */
	SlotId	   *values;			/* of the entries removed from a page */
	uint32		value_count;
} IvfVacuum;

/* Move what pages have in arrays from one slot to another; of one page, or of two. */
static void
move_arrays(const IvfLayout *layout, Page to, uint32 to_slot, Page from,
			uint32 from_slot)
{
	ivf_page_tids(layout, to)[to_slot] = ivf_page_tids(layout, from)[from_slot];
	if (layout->has_values)
		ivf_page_values(layout, to)[to_slot] = ivf_page_values(layout, from)[from_slot];
	if (layout->factors > 0)
		ivf_page_add(layout, to)[to_slot] = ivf_page_add(layout, from)[from_slot];
	if (layout->factors > 1)
		ivf_page_k(layout, to)[to_slot] = ivf_page_k(layout, from)[from_slot];
	if (layout->factors > 2)
		ivf_page_error(layout, to)[to_slot] = ivf_page_error(layout, from)[from_slot];
	if (layout->filter != NULL)
	{
		uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
		uint8	   *columns[FILTER_MAX_COLUMNS];

		ivf_page_keys(layout, from, columns);
		filter_get(layout->filter, columns, from_slot, keys);
		ivf_page_keys(layout, to, columns);
		filter_put(layout->filter, columns, to_slot, keys);
	}
}

/* Move a code. */
static void
move_code(IvfVacuum *vacuum, uint8 *to, uint32 to_slot, const uint8 *from,
		  uint32 from_slot)
{
	const IvfLayout *layout = &vacuum->index->layout;
	const IvfModel *model = vacuum->index->model;

	ivf_get_code(model, layout, from, from_slot, vacuum->code);
	ivf_put_code(model, layout, to, to_slot, vacuum->code);
}

/*
 * The living entries at the end take the places of dead ones: slots[i] is where
 * entry i of what is left comes from.  Returns how many are left.
 */
static uint32
plan_moves(IvfVacuum *vacuum, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	const IvfLayout *layout = &vacuum->index->layout;
	uint32		count = ivf_list_page(page)->count;
	uint32		left = 0;
	uint32		last = count;

	for (uint32 i = 0; i < count; i++)
	{
		/* the callback believes that it is */
		if (!ItemPointerIsValid(&ivf_page_tids(layout, page)[i]))
			index_damaged(vacuum->index->relation, BufferGetBlockNumber(buffer), i,
						  "It has no row number.");
		vacuum->dead[i] = vacuum->callback(&ivf_page_tids(layout, page)[i],
										   vacuum->callback_state);
		left += !vacuum->dead[i];
		if (vacuum->dead[i] && layout->has_values)
			vacuum->values[vacuum->value_count++] = ivf_page_values(layout, page)[i];
	}
	for (uint32 i = 0; i < left; i++)
	{
		vacuum->slots[i] = i;
		if (!vacuum->dead[i])
			continue;
		do
			last--;
		while (vacuum->dead[last]);
		vacuum->slots[i] = last;
	}
	vacuum->stats->num_index_tuples += left;
	vacuum->stats->tuples_removed += count - left;
	return left;
}

/* Remove dead entries from an exclusively locked page. */
static void
clean_page(IvfVacuum *vacuum, Buffer buffer)
{
	IvfIndex   *index = vacuum->index;
	const IvfLayout *layout = &index->layout;
	bool		in_pieces = layout->pieces > 0;
	Page		page = BufferGetPage(buffer);
	uint32		left = plan_moves(vacuum, buffer);
	PageEdit	edit;

	if (left == ivf_list_page(page)->count)
		return;

	/*
	 * Pieces are changed before the page, and each by a record of its own:
	 * until the page's count goes down, a dead entry has a living one's code,
	 * but its row is seen by no snapshot.
	 */
	if (in_pieces && left > 0)
	{
		(void) ivf_page_codes(index, page, vacuum->scratch);
		for (uint32 i = 0; i < left; i++)
		{
			if (vacuum->slots[i] != i)
				move_code(vacuum, vacuum->scratch, i, vacuum->scratch,
						  vacuum->slots[i]);
		}
		ivf_write_pieces(index, page, vacuum->scratch, vacuum->log);
	}

	page_edit_begin(&edit, index->relation, vacuum->log);
	page = page_edit_page(&edit, buffer, false);
	for (uint32 i = 0; i < left; i++)
	{
		uint8	   *codes = (uint8 *) page + layout->codes;

		if (vacuum->slots[i] == i)
			continue;
		move_arrays(layout, page, i, page, vacuum->slots[i]);
		if (!in_pieces)
			move_code(vacuum, codes, i, codes, vacuum->slots[i]);
	}
	if (in_pieces && left > 0)
		memcpy((char *) page + layout->codes, vacuum->scratch,
			   ivf_head_codes(layout));
	ivf_list_page_set_count(layout, page, left);
	page_edit_end(&edit);
}

/*
 * Join the page that follows an exclusively locked one to it, if its entries
 * fit and no other process has it pinned.  True if it is gone; its block is *gone, and its
 * pieces are in pieces.
 */
static bool
join_next(IvfVacuum *vacuum, Buffer buffer, BlockNumber *gone,
		  BlockNumber *pieces)
{
	IvfIndex   *index = vacuum->index;
	const IvfLayout *layout = &index->layout;
	Page		page = BufferGetPage(buffer);
	Page		next_page;
	Buffer		next;
	PageEdit	edit;
	uint32		count = ivf_list_page(page)->count;
	uint32		moving;

	*gone = ivf_list_page(page)->next;
	if (*gone == InvalidBlockNumber)
		return false;
	next = map_read(index->map, *gone);
	if (!ConditionalLockBufferForCleanup(next))
	{
		ReleaseBuffer(next);
		return false;
	}
	ivf_check_page(index, next);
	next_page = BufferGetPage(next);
	if (!ivf_page_of_list(next_page, ivf_list_page(page)->list))
		ivf_not_of_list(index, *gone, ivf_list_page(page)->list);
	moving = ivf_list_page(next_page)->count;
	if (moving > 0 && (layout->pieces > 0 || count + moving > layout->slots))
	{
		UnlockReleaseBuffer(next);
		return false;
	}
	memcpy(pieces, ivf_list_page(next_page)->pieces,
		   layout->pieces * sizeof(BlockNumber));

	page_edit_begin(&edit, index->relation, vacuum->log);
	page = page_edit_page(&edit, buffer, false);
	next_page = page_edit_page(&edit, next, false);
	for (uint32 i = 0; i < moving; i++)
	{
		uint8	   *codes = (uint8 *) page + layout->codes;
		uint32		slot = count + i;

		if (slot % layout->unit_slots == 0)
			memset(codes + slot / layout->unit_slots * layout->unit_bytes, 0,
				   layout->unit_bytes);
		move_arrays(layout, page, slot, next_page, i);
		move_code(vacuum, codes, slot, (uint8 *) next_page + layout->codes, i);
	}
	ivf_list_page_set_count(layout, page, count + moving);
	ivf_list_page(page)->next = ivf_list_page(next_page)->next;
	ivf_list_page_set_count(layout, next_page, 0);
	ivf_list_page(next_page)->list = PG_UINT32_MAX;
	ivf_list_page(next_page)->next = InvalidBlockNumber;
	page_edit_end(&edit);
	UnlockReleaseBuffer(next);
	return true;
}

/*
 * Remove a list's dead entries, page by page.  Returns the first page with room,
 * or InvalidBlockNumber.
 */
static BlockNumber
clean_list(IvfVacuum *vacuum, uint32 list, BlockNumber head)
{
	IvfIndex   *index = vacuum->index;
	BlockNumber room = InvalidBlockNumber;
	IvfListWalk walk;

	ivf_walk_begin(&walk, index, list, head, BUFFER_LOCK_EXCLUSIVE);
	walk.strategy = vacuum->info->strategy;
	while (ivf_walk_next(&walk))
	{
		vacuum->value_count = 0;
		clean_page(vacuum, walk.buffer);
		if (room == InvalidBlockNumber &&
			ivf_list_page(walk.page)->count < index->layout.slots)
			room = walk.block;
		ivf_walk_release(&walk);

		/* a scan that has found these entries sees that slots have other TIDs */
		for (uint32 i = 0; i < vacuum->value_count; i++)
			value_store_free(&index->values, vacuum->values[i]);
		index_vacuum_delay_point();
	}
	return room;
}

/* Join the pages of a list where two fit one. */
static void
join_pages(IvfVacuum *vacuum, uint32 list, BlockNumber head)
{
	IvfIndex   *index = vacuum->index;
	BlockNumber *pieces = (BlockNumber *)
		palloc(Max(index->layout.pieces, 1) * sizeof(BlockNumber));
	BlockNumber block = head;
	int			pages_gone = 0;
	ChainCheck	chain = {0};

	while (block != InvalidBlockNumber)
	{
		Buffer		buffer = map_read(index->map, block);
		const IvfListPage *header = ivf_list_page(BufferGetPage(buffer));
		BlockNumber gone;
		BlockNumber next;
		bool		joined;

		index_vacuum_delay_point();
		ivf_lock_page(index, buffer, BUFFER_LOCK_EXCLUSIVE);
		if (!ivf_page_of_list(BufferGetPage(buffer), list))
			ivf_not_of_list(index, block, list);
		joined = header->count < index->layout.slots &&
			join_next(vacuum, buffer, &gone, pieces);
		next = header->next;
		UnlockReleaseBuffer(buffer);
		if (!joined)
		{
			block = next;
			if (chain_cycles(&chain, block))
				ivf_not_of_list(index, block, list);
			continue;
		}

		/* insertions may have moved fill there */
		WAIT_POINT("ivf vacuum joined");
		if (ivf_get_list(index, list).fill == gone)
			ivf_set_fill(index, list, block, 0);
		ivf_offer_page(index, gone, pieces);
		vacuum->stats->pages_newly_deleted++;
		vacuum->stats->pages_deleted++;
		pages_gone++;
	}
	if (pages_gone > 0)
		ivf_set_fill(index, list, ivf_get_list(index, list).fill, -pages_gone);
	pfree(pieces);
}

static void
vacuum_list(IvfVacuum *vacuum, uint32 list)
{
	IvfIndex   *index = vacuum->index;
	IvfList		record = ivf_get_list(index, list);
	BlockNumber room;

	ivf_check_head(index, list, record.head);
	room = clean_list(vacuum, list, record.head);
	if (room == InvalidBlockNumber)
		return;

	/*
	 * Insertions begin at the first page with room, so that none is sent to a
	 * page that is about to leave the list.  One that was sent there before finds
	 * that the page has left.
	 */
	WAIT_POINT("ivf vacuum cleaned");
	if (room != record.fill)
		ivf_set_fill(index, list, room, 0);
	join_pages(vacuum, list, record.head);
}

/* Free the pages of lists that ivf_rebalance has replaced. */
static void
free_old_generation(IvfVacuum *vacuum)
{
	IvfIndex   *index = vacuum->index;
	uint64		pages = 0;
	Relation	heap;

	if (index->meta.old_lists == 0)
		return;
	heap = table_open(index->relation->rd_index->indrelid, NoLock);
	(void) ivf_free_old_generation(index, heap, &pages);
	table_close(heap, NoLock);
	vacuum->stats->pages_newly_deleted += pages;
	vacuum->stats->pages_deleted += pages;
}

IndexBulkDeleteResult *
ivf_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	IvfVacuum	vacuum = {0};

	stats = bulk_delete_stats(stats);
	caller = MemoryContextSwitchTo(context);
	vacuum.info = info;
	vacuum.index = ivf_open(info->index);
	vacuum.stats = stats;
	vacuum.callback = callback;
	vacuum.callback_state = callback_state;
	vacuum.log = RelationNeedsWAL(info->index);
	vacuum.scratch = (uint8 *) palloc(ivf_codes_bytes(&vacuum.index->layout));
	vacuum.code = (uint8 *) palloc0(ivf_code_bytes(vacuum.index->model));
	vacuum.values = (SlotId *) palloc(vacuum.index->layout.slots * sizeof(SlotId));
	vacuum.slots = (uint32 *) palloc(vacuum.index->layout.slots * sizeof(uint32));
	vacuum.dead = (bool *) palloc(vacuum.index->layout.slots * sizeof(bool));
	vacuum_progress_begin(info->index);
	vacuum_phase(VACUUM_PHASE_LISTS, vacuum.index->meta.lists);
	for (uint32 list = 0; list < vacuum.index->meta.lists; list++)
	{
		vacuum_list(&vacuum, list);
		vacuum_progress(list + 1);
	}
	vacuum_progress_end();
	free_old_generation(&vacuum);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return stats;
}

/* ------------------------------------------------------------------------
 * Lists that have drifted
 */

/* Entries of an index below which lists are as they are */
#define REBALANCE_LEAST		200

/* Lists are looked at when this part of entries has been removed, or as many rows have come */
#define REMOVED_PART		100
#define GROWN_PART			10

/*
 * Have so many rows gone or come that a look at all lists is worth it?  The look
 * costs as much as removing entries does.  The index may have entries of a few rows of
 * the table only, so those that have come are counted from what the last look
 * left behind (looked_at).
 */
static bool
may_have_drifted(const IvfMeta *meta, const IndexVacuumInfo *info,
				 const IndexBulkDeleteResult *stats)
{
	double		rows = info->num_heap_tuples;
	double		before = meta->looked_at > 0 ? meta->looked_at : meta->rows;
	double		entries = stats != NULL ? stats->num_index_tuples : rows;

	if (!meta->trained || entries < REBALANCE_LEAST)
		return false;
	return (stats != NULL && stats->tuples_removed * REMOVED_PART >= entries) ||
		rows - before >= before / GROWN_PART;
}

/*
 * Is a function one that may read a table, whatever it has been declared as?  None of
 * PostgreSQL's own that an index may call, and none of this extension.
 */
static bool
may_read_tables(Oid function, void *context)
{
	return function >= FirstNormalObjectId &&
		getExtensionOfObject(ProcedureRelationId, function) != *(const Oid *) context;
}

/*
 * Values of somebody else's type, but for enums: PostgreSQL's own functions of any type,
 * as GREATEST and comparisons of arrays and rows, call functions of its.
 */
static bool
is_others_type(Oid type, Oid extension)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		type = element;
	return type >= FirstNormalObjectId && get_typtype(type) != TYPTYPE_ENUM &&
		getExtensionOfObject(TypeRelationId, type) != extension;
}

/* The constraints of a domain, too, may be anybody's functions. */
static bool
calls_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) ||
		(!IsA(node, List) && is_others_type(exprType(node), *(const Oid *) context)) ||
		check_functions_in_node(node, may_read_tables, context))
		return true;
	return expression_tree_walker(node, calls_others, context);
}

/*
 * May expressions of an index be evaluated by VACUUM?  Other processes do not wait with
 * removing rows for VACUUM's snapshot (PROC_IN_VACUUM).  A function that reads a table
 * would miss a row there that has been replaced, and an entry be lost by its result.
 */
static bool
can_be_evaluated(Relation index)
{
	Oid			extension = getExtensionOfObject(AccessMethodRelationId,
												 index->rd_rel->relam);
	bool		isnull;
	Datum		nodes = SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
										Anum_pg_index_indexprs, &isnull);

	return isnull ||
		!calls_others((Node *) stringToNode(TextDatumGetCString(nodes)), &extension);
}

/* From PostgreSQL 15 on, message_level does not tell of VACUUM (VERBOSE). */
static int
message_level(const IndexVacuumInfo *info)
{
	return Max(info->message_level, LOG);
}

/* What VACUUM does of ivf_rebalance(), in a subtransaction of its own */
static void
rebalance(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, int budget)
{
	Relation	relation = info->index;
	Relation	heap = table_open(relation->rd_index->indrelid, NoLock);
	IvfRebalanced result;
	AsOwner		owner;

	as_owner_begin(&owner, heap);
	ivf_rebalance_lists(relation, heap, (uint64) budget, &result);
	as_owner_end(&owner);
	table_close(heap, NoLock);
	if (!result.waits && result.left == 0)
		ivf_store_looked_at(relation, info->num_heap_tuples);
	if (stats != NULL)
	{
		stats->pages_newly_deleted += result.pages_freed;
		stats->pages_deleted += result.pages_freed;
	}
	ereport(result.replaced > 0 ? message_level(info) : DEBUG1,
			(errmsg("index \"%s\": %u of %u lists have been made anew, with " UINT64_FORMAT " entries",
					RelationGetRelationName(relation), result.replaced, result.lists,
					result.moved)));
}

/*
 * Rows are read, and expressions evaluated, which VACUUM does not do: an error there,
 * as of memory, must not keep the table from being vacuumed.  What has been written of
 * a generation that does not come to be is freed by the next one (ivf_sweep).
 */
static void
rebalance_if_possible(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, int budget)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner resources = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(caller, "ivf vacuum rebalance",
												  ALLOCSET_DEFAULT_SIZES);
	VacuumProgress progress;

	vacuum_progress_save(&progress);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		rebalance(info, stats, budget);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = resources;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = resources;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		vacuum_progress_restore(&progress);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("lists of index \"%s\" have not been rebalanced: %s",
						RelationGetRelationName(info->index), error->message),
				 error->hint == NULL ? 0 : errhint("%s", error->hint)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
}

/*
 * amvacuumcleanup: lists that have drifted are made anew, up to a budget; not by a
 * parallel VACUUM, in which there are no subtransactions.
 */
IndexBulkDeleteResult *
ivf_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	IvfKind		kind = ivf_kind_of(info->index);
	int			budget = ivf_options(info->index, kind)->vacuum_budget;

	if (budget < 0)
		budget = ivf_vacuum_budget;
	if (!info->analyze_only && kind != IVF_EXACT && budget > 0 && !IsInParallelMode())
	{
		IndexColumn column = index_column(info->index, IVF_PROCS);
		IvfMeta		meta;

		ivf_read_meta(info->index, &meta, &column, filter_shape(info->index));
		if (column.type->array || !may_have_drifted(&meta, info, stats))
			return vacuum_cleanup(info, stats);
		if (can_be_evaluated(info->index))
			rebalance_if_possible(info, stats, budget);
		else
		{
			ereport(message_level(info),
					(errmsg("lists of index \"%s\" are not rebalanced by VACUUM",
							RelationGetRelationName(info->index)),
					 errdetail("The index has functions or types that are neither PostgreSQL's own nor this extension's, and that may read a table."),
					 errhint("Call ivf_rebalance().")));
			ivf_store_looked_at(info->index, info->num_heap_tuples);
		}
	}
	return vacuum_cleanup(info, stats);
}
