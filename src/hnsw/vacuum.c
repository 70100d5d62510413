/*
 * vacuum.c
 *	  Removing what the table has lost.
 *
 * In rounds, each for as many deleted elements as fit maintenance_work_mem:
 *
 * 1. mark: heap TIDs are removed; an element without any is marked deleted,
 *	  and so are its nodes above.  From here on no insertion chooses it
 *	  as a neighbour.  Then wait for insertions that may have chosen it before.
 * 2. mend: every node that leads to a deleted one gets new neighbours, chosen
 *	  from its own and from those of the deleted ones; the entry point moves if
 *	  it must.  After this nothing leads to the deleted elements.
 * 3. free: their slots, and those of their values and TIDs.
 *
 * The first two read the index once each in the order of its pages, the third
 * only touches pages with deleted elements.  Insertions and scans go on all the
 * time.  An interrupted vacuum leaves deleted elements behind, which the next
 * one treats as its own.
 *
 * Locks: one page at a time, but for a node's page and then those of its TIDs.
 * README.md says why a freed slot is never met.
 */
#include "hnsw/hnsw.h"

#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hnsw/vacuum.h"
#include "index/vacuum_progress.h"
#include "math/heap/heap.h"
#include "storage/page_check.h"
#include "storage/wait_point.h"

/* ------------------------------------------------------------------------
 * Sets of nodes
 */

/* An empty set, with room for so many nodes, in the current context */
static void
node_set_init(NodeSet *set, Size room)
{
	memset(set, 0, sizeof(*set));
	set->room = room;
	set->ids = (GraphId *) palloc_extended(mul_size(room, sizeof(GraphId)),
										   MCXT_ALLOC_HUGE);
}

static void
node_set_clear(NodeSet *set)
{
	if (set->bits != NULL)
		pfree(set->bits);
	set->bits = NULL;
	set->count = 0;
	set->end = 0;
}

/* Add a node whose number is greater than all before. */
static void
node_set_add(NodeSet *set, GraphId id)
{
	if (set->count == set->room)
	{
		set->room = mul_size(set->room, 2);
		set->ids = (GraphId *) repalloc_huge(set->ids,
											 mul_size(set->room, sizeof(GraphId)));
	}
	set->ids[set->count++] = id;
}

/* After the last addition, and before any question */
static void
node_set_finish(NodeSet *set)
{
	Size		bytes;

	if (set->count == 0)
		return;
	set->end = set->ids[set->count - 1] + 1;
	bytes = set->end / 8 + 1;
	if (bytes > mul_size(set->room, sizeof(GraphId)))
		return;
	set->bits = (uint8 *) palloc_extended(bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (Size i = 0; i < set->count; i++)
		set->bits[set->ids[i] / 8] |= 1 << (set->ids[i] % 8);
}

bool
node_set_search(const NodeSet *set, GraphId id)
{
	Size		place;

	LOWER_BOUND(place, set->count, i, set->ids[i] < id);
	return set->ids[place] == id;
}

/* Is there no room for so many more? */
static inline bool
node_set_full(const NodeSet *set, Size more)
{
	return set->count + more > set->room;
}

/* ------------------------------------------------------------------------
 * Pages
 */

Buffer
vacuum_lock_nodes(Vacuum *vacuum, BlockNumber block, PageKind kind, int mode)
{
	Buffer		buffer;

	index_vacuum_delay_point();
	buffer = ReadBufferExtended(vacuum->relation, MAIN_FORKNUM, block,
								RBM_NORMAL, vacuum->info->strategy);
	LockBuffer(buffer, mode);
	if (page_check_any(vacuum->relation, buffer) &&
		page_opaque(BufferGetPage(buffer))->kind == kind)
	{
		hnsw_check_nodes(vacuum->relation, vacuum->index, kind == PAGE_UPPER,
						 buffer);
		return buffer;
	}
	UnlockReleaseBuffer(buffer);
	return InvalidBuffer;
}

static inline bool
is_dead(Vacuum *vacuum, ItemPointer tid)
{
	return vacuum->callback(tid, vacuum->callback_state);
}

/* ------------------------------------------------------------------------
 * 1. Mark
 */

/*
 * Pages of TIDs with new free slots, to be offered when nothing is locked; if
 * they are too many to remember, the next vacuum finds them.
 */
static void
note_free_tids(Vacuum *vacuum, BlockNumber block)
{
	int			count = vacuum->free_tids_count;

	if (count > 0 && vacuum->free_tids[count - 1] == block)
		return;
	if (count < (int) lengthof(vacuum->free_tids))
		vacuum->free_tids[vacuum->free_tids_count++] = block;
}

static void
offer_free_tids(Vacuum *vacuum)
{
	for (int i = 0; i < vacuum->free_tids_count; i++)
		slot_page_offer(vacuum->relation, PAGE_TIDS, vacuum->free_tids[i]);
	vacuum->free_tids_count = 0;
}

/* Remove dead TIDs from one slot; its page is locked.  Returns what is left. */
static int
prune_slot(Vacuum *vacuum, Buffer buffer, SlotId id)
{
	const SlotGeometry *geometry = &vacuum->index->tids;
	const HnswTids *tids = (const HnswTids *)
		slot_of(geometry, BufferGetPage(buffer), id);
	ItemPointerData kept[HNSW_TIDS_PER_SLOT];
	int			count = 0;

	for (int i = 0; i < tids->count; i++)
	{
		ItemPointerData tid = tids->tids[i];

		if (!is_dead(vacuum, &tid))
			kept[count++] = tid;
	}
	if (count < tids->count)
	{
		PageEdit	edit;
		HnswTids   *changed;

		vacuum->stats->tuples_removed += tids->count - count;
		page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
		changed = (HnswTids *) slot_of(geometry,
									   page_edit_page(&edit, buffer, false), id);
		memcpy(changed->tids, kept, count * sizeof(ItemPointerData));
		changed->count = count;
		page_edit_end(&edit);
	}
	vacuum->stats->num_index_tuples += count;
	return count;
}

/*
 * Free a slot of TIDs: what it has goes to the slot before, which has room, and
 * this one, or the node if it is the first, leads on to the next.  Their pages are
 * locked: the node's first, then those of its slots from the first to the last.
 */
static void
spare_slot(Vacuum *vacuum, Buffer before_buffer, SlotId before, bool is_node,
		   Buffer buffer, SlotId id)
{
	const SlotGeometry *geometry = &vacuum->index->tids;
	PageEdit	edit;
	Page		page;
	HnswTids   *spared;

	page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
	page = page_edit_page(&edit, before_buffer, false);
	spared = (HnswTids *) slot_of(geometry, page_edit_page(&edit, buffer, false),
								  id);
	if (is_node)
		((GraphNode *) slot_of(&vacuum->index->shape.base, page,
							   before))->more_tids = spared->next;
	else
	{
		HnswTids   *kept = (HnswTids *) slot_of(geometry, page, before);

		memcpy(kept->tids + kept->count, spared->tids,
			   spared->count * sizeof(ItemPointerData));
		kept->count += spared->count;
		kept->next = spared->next;
	}
	slot_page_release(&spared->header);
	page_edit_end(&edit);
}

/*
 * Remove dead TIDs from an element's slots, and slots that can be spared then.  The
 * element's page is locked exclusively.  A slot before the one looked at stays
 * locked, to be linked to the one behind.
 */
static void
prune_tids(Vacuum *vacuum, Buffer node_buffer, GraphId node_id)
{
	const SlotGeometry *geometry = &vacuum->index->tids;
	const SlotGeometry *base = &vacuum->index->shape.base;
	GraphNode  *node = (GraphNode *) slot_of(base, BufferGetPage(node_buffer),
											 node_id);
	SlotId		before = NO_SLOT;
	Buffer		before_buffer = InvalidBuffer;
	SlotId		id = node->more_tids;
	ChainCheck	chain = {0};

	while (id != NO_SLOT)
	{
		BlockNumber block = slot_block(geometry, id);
		bool		same = before != NO_SLOT && slot_block(geometry, before) == block;
		Buffer		buffer;
		SlotId		next;
		int			count;
		bool		spare;

		if (id == before || chain_cycles(&chain, id) ||
			!map_has_block(vacuum->store.map, block))
			index_damaged(vacuum->relation, BufferGetBlockNumber(node_buffer),
						  node_id % base->per_page,
						  "Its row numbers lead to a block that is not there, or in a circle.");
		buffer = same ? before_buffer
			: ReadBufferExtended(vacuum->relation, MAIN_FORKNUM, block,
								 RBM_NORMAL, vacuum->info->strategy);
		if (!same)
			page_lock_below(vacuum->relation, buffer, PAGE_TIDS,
							BUFFER_LOCK_EXCLUSIVE);
		(void) hnsw_check_tids(vacuum->relation, vacuum->index, buffer, id);
		count = prune_slot(vacuum, buffer, id);
		next = ((HnswTids *) slot_of(geometry, BufferGetPage(buffer), id))->next;

		/* what is left may fit the slot before */
		spare = count == 0 ||
			(before != NO_SLOT && count + ((HnswTids *)
										   slot_of(geometry, BufferGetPage(before_buffer),
												   before))->count <= HNSW_TIDS_PER_SLOT);
		if (spare)
		{
			spare_slot(vacuum, before == NO_SLOT ? node_buffer : before_buffer,
					   before == NO_SLOT ? node_id : before, before == NO_SLOT,
					   buffer, id);
			note_free_tids(vacuum, block);
			if (!same)
				UnlockReleaseBuffer(buffer);
		}
		else
		{
			if (BufferIsValid(before_buffer) && !same)
				UnlockReleaseBuffer(before_buffer);
			before = id;
			before_buffer = buffer;
		}
		id = next;
	}
	if (BufferIsValid(before_buffer))
		UnlockReleaseBuffer(before_buffer);
}

/* Mark what is dead on a page of level 0. */
static void
mark_page(Vacuum *vacuum, Buffer buffer)
{
	const SlotGeometry *geometry = &vacuum->index->shape.base;
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page		page = BufferGetPage(buffer);
	uint32		slots = slots_in_use(geometry, page);
	bool		tid_dead[BLCKSZ / sizeof(GraphNode)];
	bool		any = false;

	for (uint32 slot = 0; slot < slots; slot++)
	{
		GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);

		tid_dead[slot] = false;
		if (node->header.state != SLOT_USED)
			continue;
		if (node->more_tids != NO_SLOT)
			prune_tids(vacuum, buffer, slot_id(geometry, block, slot));
		if (!ItemPointerIsValid(&node->tid))
			any |= node->more_tids == NO_SLOT &&
				!(node->header.flags & NODE_HEAD);
		else if (is_dead(vacuum, &node->tid))
		{
			tid_dead[slot] = true;
			any = true;
			vacuum->stats->tuples_removed++;
		}
		else
			vacuum->stats->num_index_tuples++;
	}

	if (any)
	{
		PageEdit	edit;

		page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
		page = page_edit_page(&edit, buffer, false);
		for (uint32 slot = 0; slot < slots; slot++)
		{
			GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);

			if (node->header.state != SLOT_USED)
				continue;
			if (tid_dead[slot])
			{
				ItemPointerSetInvalid(&node->tid);
				node->header.flags &= ~NODE_DEAD;
			}

			/* a head leads to its twins, until they are gone */
			if (!ItemPointerIsValid(&node->tid) &&
				node->more_tids == NO_SLOT && !(node->header.flags & NODE_HEAD))
				node->header.state = SLOT_DELETED;
		}
		page_edit_end(&edit);
		page = BufferGetPage(buffer);
	}
	for (uint32 slot = 0; slot < slots; slot++)
	{
		if (slot_at(geometry, page, slot)->state == SLOT_DELETED)
			node_set_add(&vacuum->base, slot_id(geometry, block, slot));
	}
}

/* Mark the nodes above deleted elements on a page. */
static void
mark_upper_page(Vacuum *vacuum, Buffer buffer)
{
	const SlotGeometry *geometry = &vacuum->index->shape.upper;
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page		page = BufferGetPage(buffer);
	uint32		slots = slots_in_use(geometry, page);
	PageEdit	edit = {0};	/* begun for the first change; compilers cannot tell */
	bool		editing = false;

	for (uint32 slot = 0; slot < slots; slot++)
	{
		GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);

		if (node->header.state == SLOT_FREE)
			continue;
		if (node->header.state == SLOT_USED &&
			node_set_has(&vacuum->base, node->element))
		{
			if (!editing)
			{
				page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
				page = page_edit_page(&edit, buffer, false);
				node = (GraphNode *) slot_at(geometry, page, slot);
				editing = true;
			}
			node->header.state = SLOT_DELETED;
		}
		if (node->header.state == SLOT_DELETED)
			node_set_add(&vacuum->upper, slot_id(geometry, block, slot));
	}
	if (editing)
		page_edit_end(&edit);
}

/* Has a page a slot that was freed, without being on the list? */
static bool
has_unlisted_space(const SlotGeometry *geometry, Page page)
{
	uint32		slots = slots_in_use(geometry, page);

	if (page_opaque(page)->in_free_list)
		return false;
	for (uint32 slot = 0; slot < slots; slot++)
	{
		if (slot_at(geometry, page, slot)->state == SLOT_FREE)
			return true;
	}
	return false;
}

/*
 * From block on, until the index ends or memory does.  Returns where to go on,
 * in the next round.
 */
static BlockNumber
mark(Vacuum *vacuum, BlockNumber block, BlockNumber blocks)
{
	uint32		per_page = vacuum->index->shape.base.per_page;

	vacuum_phase(VACUUM_PHASE_MARK, blocks);
	for (; block < blocks && !node_set_full(&vacuum->base, per_page); block++)
	{
		Buffer		buffer = vacuum_lock_nodes(vacuum, block, PAGE_RECORD,
											   BUFFER_LOCK_EXCLUSIVE);
		bool		unlisted;

		vacuum_progress(block);
		if (!BufferIsValid(buffer))
			continue;
		mark_page(vacuum, buffer);
		/* slots freed by a vacuum that ended before it put the page on the list */
		unlisted = has_unlisted_space(&vacuum->index->shape.base,
									  BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
		if (unlisted)
			slot_page_offer(vacuum->relation, PAGE_RECORD, block);
		offer_free_tids(vacuum);
	}
	node_set_finish(&vacuum->base);
	if (vacuum->base.count == 0)
		return block;

	/*
	 * Nodes above elements of pages up to here; those of deleted elements
	 * behind (which an interrupted vacuum has left) may be marked as well.
	 */
	blocks = RelationGetNumberOfBlocks(vacuum->relation);
	for (BlockNumber at = META_BLOCK + 1; at < blocks; at++)
	{
		Buffer		buffer = vacuum_lock_nodes(vacuum, at, PAGE_UPPER,
											   BUFFER_LOCK_EXCLUSIVE);

		if (!BufferIsValid(buffer))
			continue;
		mark_upper_page(vacuum, buffer);
		UnlockReleaseBuffer(buffer);
	}
	node_set_finish(&vacuum->upper);
	return block;
}

/* ------------------------------------------------------------------------
 * 3. Free
 */

/* Free an element's slots of TIDs; they are empty but for a crash's sake. */
static void
free_tids(Vacuum *vacuum, SlotId id)
{
	const SlotGeometry *geometry = &vacuum->index->tids;

	while (id != NO_SLOT)
	{
		Buffer		buffer = map_read(vacuum->store.map, slot_block(geometry, id));
		PageEdit	edit;
		HnswTids   *tids;

		/* each is freed, so this ends even where they lead in a circle */
		CHECK_FOR_INTERRUPTS();
		page_lock(vacuum->relation, buffer, PAGE_TIDS, BUFFER_LOCK_EXCLUSIVE);
		(void) hnsw_check_tids(vacuum->relation, vacuum->index, buffer, id);
		page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
		tids = (HnswTids *) slot_of(geometry, page_edit_page(&edit, buffer, false),
									id);
		id = tids->next;
		slot_page_release(&tids->header);
		page_edit_end(&edit);
		note_free_tids(vacuum, BufferGetBlockNumber(buffer));
		UnlockReleaseBuffer(buffer);
	}
	offer_free_tids(vacuum);
}

/* Free the nodes of a set, page by page. */
static void
free_nodes(Vacuum *vacuum, const NodeSet *set, PageKind kind)
{
	const SlotGeometry *geometry =
		graph_geometry(&vacuum->index->shape, kind == PAGE_RECORD ? 0 : 1);
	SlotId	   *values = (SlotId *) palloc(geometry->per_page * sizeof(SlotId));
	SlotId	   *tids = (SlotId *) palloc(geometry->per_page * sizeof(SlotId));
	const GraphEdges none = {.count = 0};

	/* before a node's slot can be another's */
	if (kind == PAGE_RECORD && vacuum->inserter->keys != NULL)
		hnsw_keys_clear(vacuum->inserter->keys, set->ids, set->count);
	vacuum_phase(VACUUM_PHASE_FREE, (int64) set->count);
	for (Size i = 0; i < set->count;)
	{
		BlockNumber block = slot_block(geometry, set->ids[i]);
		Buffer		buffer = vacuum_lock_nodes(vacuum, block, kind,
											   BUFFER_LOCK_EXCLUSIVE);
		int			count = 0;
		PageEdit	edit;
		Page		page;

		if (!BufferIsValid(buffer))
			index_damaged(vacuum->relation, block, NO_PLACE,
						  "It has changed its kind.");
		page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
		page = page_edit_page(&edit, buffer, false);
		for (; i < set->count && slot_block(geometry, set->ids[i]) == block; i++)
		{
			GraphNode  *node = (GraphNode *) slot_of(geometry, page, set->ids[i]);

			if (kind == PAGE_RECORD)
			{
				values[count] = node->value;
				tids[count++] = node->more_tids;
			}
			node_set_edges(&vacuum->index->shape, node, &none);
			node->value = NO_SLOT;
			node->more_tids = NO_SLOT;
			slot_page_release(&node->header);
		}
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);

		/* only now that no scan can read them any more */
		for (int k = 0; k < count; k++)
		{
			value_store_free(&vacuum->store.values, values[k]);
			free_tids(vacuum, tids[k]);
		}
		slot_page_offer(vacuum->relation, kind, block);
		vacuum_progress((int64) i);
	}
	pfree(values);
	pfree(tids);
}

/* ------------------------------------------------------------------------
 * All together
 */

static void
vacuum_init(Vacuum *vacuum, IndexVacuumInfo *info)
{
	HnswIndex  *index = hnsw_open(info->index);
	PageStore  *store = &vacuum->store;
	const GraphShape *shape = &index->shape;
	Size		kilobytes = maintenance_work_mem;
	Size		room;
	uint32		slots = Max(shape->base.per_page, shape->upper.per_page);

	if (AmAutoVacuumWorkerProcess() && autovacuum_work_mem != -1)
		kilobytes = autovacuum_work_mem;
	vacuum->info = info;
	vacuum->relation = info->index;
	vacuum->index = index;
	page_store_init(store, info->index, index, RelationNeedsWAL(info->index));

	/*
	 * Half for the sets, and in these half for the numbers and half for the
	 * bits; one in m or so has a node above.
	 */
	room = mul_size(kilobytes, 1024) / 4 / sizeof(GraphId);
	room = Min(room, mul_size(RelationGetNumberOfBlocks(info->index), slots));
	room = Max(room, mul_size(2, slots));
	node_set_init(&vacuum->base, room);
	node_set_init(&vacuum->upper, Max(room / 8, 64));
	vacuum->inserter = hnsw_inserter_create(info->index, index, store->log);
	hnsw_mend_init(vacuum);
}

IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	Vacuum	   *vacuum;
	BlockNumber blocks = RelationGetNumberOfBlocks(info->index);
	BlockNumber block = META_BLOCK + 1;

	stats = bulk_delete_stats(stats);
	caller = MemoryContextSwitchTo(context);
	vacuum = (Vacuum *) palloc0(sizeof(Vacuum));
	vacuum_init(vacuum, info);
	vacuum->stats = stats;
	vacuum->callback = callback;
	vacuum->callback_state = callback_state;
	vacuum_progress_begin(info->index);
	while (block < blocks)
	{
		block = mark(vacuum, block, blocks);
		if (vacuum->base.count > 0)
		{
			WAIT_POINT("hnsw vacuum marked");
			hnsw_mend(vacuum);
			WAIT_POINT("hnsw vacuum mended");
			free_nodes(vacuum, &vacuum->upper, PAGE_UPPER);
			WAIT_POINT("hnsw vacuum upper freed");
			free_nodes(vacuum, &vacuum->base, PAGE_RECORD);
		}
		node_set_clear(&vacuum->base);
		node_set_clear(&vacuum->upper);
	}
	vacuum_progress_end();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return stats;
}
