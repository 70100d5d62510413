/*
 * vacuum.c
 *	  Removing what the table has lost.
 *
 * In rounds, each for as many deleted elements as fit maintenance_work_mem:
 *
 * 1. mark: heap TIDs are removed; an element without any is marked deleted,
 *	  and so are its nodes above.  From here on nobody chooses it as a
 *	  neighbour.  Then wait for insertions that may have chosen it before.
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
 * README.md says why nobody can meet a freed slot.
 */
#include "hnsw/hnsw.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index/index_vacuum.h"
#include "storage/page_check.h"

/* Deleted nodes that are passed through in search of others for one node */
#define MEND_EXPANSIONS	64

/* Candidates for the neighbours of a node that is mended */
#define MEND_CANDIDATES	512

/* Slots of the table that tells candidates apart; a power of two */
#define MEND_TABLE		2048

/*
 * If none of so many candidates has a node one level up, the node mended gets
 * it.  Fewer than for an insertion, because candidates are fewer, and the
 * farthest may be of other regions.
 */
#define MEND_RISE_NEAREST(shape)	(3 * (shape)->m)

/* With fewer neighbours left, a node is searched new ones from the entry point */
#define MEND_LEAST		4

/* A set of nodes of one level, or of all upper ones; added in order */
typedef struct NodeSet
{
	GraphId    *ids;
	Size		count;
	Size		room;
	uint8	   *bits;			/* one for each number; NULL: too many */
	GraphId		end;			/* numbers from here on are not in bits */
} NodeSet;

typedef struct Vacuum
{
	IndexVacuumInfo *info;
	Relation	relation;
	HnswIndex  *index;
	PageStore	store;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	NodeSet		base;
	NodeSet		upper;
	GraphEntry	survivor;		/* of the highest level; with neighbours, if any is */
	bool		survivor_linked;
	BlockNumber free_tids[1024];	/* see note_free_tids */
	int			free_tids_count;

	/* for mending */
	HnswInserter *inserter;		/* for new nodes above others */
	GraphSearch *search;
	GraphSelector *selector;
	CodecQuery *query;
	GraphFound **results;
	GraphNear  *candidates;
	PGAlignedBlock page;		/* a copy of the page being mended */
	GraphId   **lists;			/* new neighbours by slot */
	int		   *counts;			/* how many; -1: nothing to change */
	uint8	   *flags;			/* of nodes, in the end */
} Vacuum;

/* ------------------------------------------------------------------------
 * Sets
 */

static void
set_init(NodeSet *set, Size room)
{
	memset(set, 0, sizeof(*set));
	set->room = room;
	set->ids = (GraphId *) palloc_extended(mul_size(room, sizeof(GraphId)),
										   MCXT_ALLOC_HUGE);
}

static void
set_clear(NodeSet *set)
{
	if (set->bits != NULL)
		pfree(set->bits);
	set->bits = NULL;
	set->count = 0;
	set->end = 0;
}

static inline bool
set_full(const NodeSet *set, Size more)
{
	return set->count + more > set->room;
}

static void
set_add(NodeSet *set, GraphId id)
{
	if (set->count == set->room)
	{
		set->room = mul_size(set->room, 2);
		set->ids = (GraphId *) repalloc_huge(set->ids,
											 mul_size(set->room, sizeof(GraphId)));
	}
	set->ids[set->count++] = id;
}

/* After the last addition */
static void
set_finish(NodeSet *set)
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

/* The place of a number in a set, or of the next one above */
static Size
set_search(const NodeSet *set, GraphId id)
{
	Size		low = 0;
	Size		high = set->count;

	while (low < high)
	{
		Size		middle = low + (high - low) / 2;

		if (set->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline bool
set_has(const NodeSet *set, GraphId id)
{
	if (id >= set->end)
		return false;
	if (set->bits != NULL)
		return (set->bits[id / 8] >> (id % 8) & 1) != 0;
	return set->ids[set_search(set, id)] == id;
}

static inline const NodeSet *
set_of(const Vacuum *vacuum, int level)
{
	return level == 0 ? &vacuum->base : &vacuum->upper;
}

/* ------------------------------------------------------------------------
 * Pages
 */

/*
 * Pin and lock a block if it is a page of nodes of a kind; else InvalidBuffer.
 * Its nodes are checked.
 */
static Buffer
lock_page_of(Vacuum *vacuum, BlockNumber block, PageKind kind, int mode)
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
			PageEdit	edit;
			HnswTids   *moved;

			/* the node first, then its slots from the first to the last */
			page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
			if (before == NO_SLOT)
				((GraphNode *) slot_of(base,
									   page_edit_page(&edit, node_buffer, false),
									   node_id))->more_tids = next;
			else
			{
				HnswTids   *kept = (HnswTids *)
					slot_of(geometry, page_edit_page(&edit, before_buffer, false),
							before);

				moved = (HnswTids *) slot_of(geometry,
											 page_edit_page(&edit, buffer, false),
											 id);
				memcpy(kept->tids + kept->count, moved->tids,
					   count * sizeof(ItemPointerData));
				kept->count += count;
				kept->next = next;
			}
			moved = (HnswTids *) slot_of(geometry,
										 page_edit_page(&edit, buffer, false), id);
			slot_page_release(&moved->header);
			page_edit_end(&edit);
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
			set_add(&vacuum->base, slot_id(geometry, block, slot));
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
	PageEdit	edit = {0};	/* some compilers warn without */
	bool		editing = false;

	for (uint32 slot = 0; slot < slots; slot++)
	{
		GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);

		if (node->header.state == SLOT_FREE)
			continue;
		if (node->header.state == SLOT_USED &&
			set_has(&vacuum->base, node->element))
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
			set_add(&vacuum->upper, slot_id(geometry, block, slot));
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

	for (; block < blocks && !set_full(&vacuum->base, per_page); block++)
	{
		Buffer		buffer = lock_page_of(vacuum, block, PAGE_RECORD,
										  BUFFER_LOCK_EXCLUSIVE);

		bool		offer;

		if (!BufferIsValid(buffer))
			continue;
		mark_page(vacuum, buffer);
		/* freed by a vacuum that did not come to say so */
		offer = has_unlisted_space(&vacuum->index->shape.base,
								   BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
		if (offer)
			slot_page_offer(vacuum->relation, PAGE_RECORD, block);
		offer_free_tids(vacuum);
	}
	set_finish(&vacuum->base);
	if (vacuum->base.count == 0)
		return block;

	/*
	 * Nodes above elements of pages up to here; those of deleted elements
	 * behind (which an interrupted vacuum has left) may be marked as well.
	 */
	blocks = RelationGetNumberOfBlocks(vacuum->relation);
	for (BlockNumber at = META_BLOCK + 1; at < blocks; at++)
	{
		Buffer		buffer = lock_page_of(vacuum, at, PAGE_UPPER,
										  BUFFER_LOCK_EXCLUSIVE);

		if (!BufferIsValid(buffer))
			continue;
		mark_upper_page(vacuum, buffer);
		UnlockReleaseBuffer(buffer);
	}
	set_finish(&vacuum->upper);
	return block;
}

/* ------------------------------------------------------------------------
 * 2. Mend
 */

typedef struct ReadArg
{
	const GraphShape *shape;
	int			level;
	int			count;
	GraphId		next;			/* in the ring, or in a chain of twins */
	GraphId		ids[GRAPH_MAX_NEIGHBORS];
} ReadArg;

static void
visit_read(const GraphNode *node, void *arg)
{
	ReadArg    *read = (ReadArg *) arg;

	read->count = Min(node->neighbors, graph_capacity(read->shape, read->level));
	memcpy(read->ids, node_neighbors(read->shape, node),
		   read->count * sizeof(GraphId));
	read->next = ring_next(node->header.flags, read->ids, read->count);
}

/*
 * Candidates met, by number; and for each, in the place of which deleted
 * neighbours of the node (their bits, in the order of its list) it may come.
 */
typedef struct MendTable
{
	GraphId		ids[MEND_TABLE];
	uint64		regions[MEND_TABLE];
} MendTable;

/* The slot of a number; *known: it was there already */
static uint32
table_find(MendTable *table, GraphId id, bool *known)
{
	uint32		slot = (id * 0x9E3779B1u) >> 16 & (MEND_TABLE - 1);

	while (table->ids[slot] != NO_SLOT && table->ids[slot] != id)
		slot = (slot + 1) & (MEND_TABLE - 1);
	*known = table->ids[slot] == id;
	return slot;
}

/*
 * Candidates for the neighbours of a node, whose copy is given, into
 * vacuum->candidates, where there are count already: its own; in the place of a
 * deleted one those of that one; and so on through deleted ones, as long as
 * nothing has been found in the place of one of its own, or there are fewer
 * than it has room for.  Returns how many there are then; *regions has the bits
 * of all deleted neighbours.
 */
static int
find_candidates(Vacuum *vacuum, MendTable *table, int level, GraphId id,
				const GraphNode *node, int count, uint64 *regions)
{
	const GraphShape *shape = &vacuum->index->shape;
	const NodeSet *deleted = set_of(vacuum, level);
	GraphStore *store = &vacuum->store.store;
	GraphId		queue[MEND_EXPANSIONS];
	uint64		queue_regions[MEND_EXPANSIONS];
	int			queued = 0;
	uint64		found = 0;		/* regions that a candidate was found for */
	uint64		region = 0;		/* that of the list being read */
	ReadArg		read = {shape, level, 0};
	int			first = first_neighbor(node->header.flags);
	const GraphId *ids = node_neighbors(shape, node) + first;
	int			ids_count = node->neighbors - first;
	bool		known;

	memset(table, 0, sizeof(*table));
	table->ids[table_find(table, id, &known)] = id;
	for (int i = 0; i < count; i++)
		table->ids[table_find(table, vacuum->candidates[i].id, &known)] =
			vacuum->candidates[i].id;

	*regions = 0;
	for (int next = 0;; next++)
	{
		for (int i = 0; i < ids_count; i++)
		{
			GraphId		neighbor = edge_id(ids[i]);
			bool		gone = set_has(deleted, neighbor);
			uint32		slot;

			if (gone ? queued == MEND_EXPANSIONS : count == MEND_CANDIDATES)
				continue;
			slot = table_find(table, neighbor, &known);
			table->ids[slot] = neighbor;
			if (!gone)
			{
				if (neighbor != id)
				{
					table->regions[slot] |= region;
					found |= region;
				}
				if (!known)
					vacuum->candidates[count++].id = neighbor;
			}
			else if (!known)
			{
				queue[queued] = neighbor;
				queue_regions[queued] = next == 0 ? UINT64CONST(1) << queued : region;
				*regions |= queue_regions[queued++];
			}
		}

		/* skip what would lead to regions that are known well enough */
		while (next < queued && count >= graph_capacity(shape, level) &&
			   (queue_regions[next] & ~found) == 0)
			next++;
		if (next >= queued)
			break;
		region = queue_regions[next];
		store->visit(store, level, queue[next], visit_read, &read);
		ids = read.ids;
		ids_count = read.count;
	}
	return count;
}

/* Candidates by a search from the entry point */
static int
search_candidates(Vacuum *vacuum, int level, GraphId id)
{
	int			ef = Min(vacuum->index->meta.ef_construction, MEND_CANDIDATES / 2);
	GraphEntry	entry;
	GraphId		starts[GRAPH_INSERT_BEAM];
	int			starts_count;
	int			found;
	int			count = 0;

	for (;;)
	{
		hnsw_get_entry(vacuum->relation, &entry);
		if (entry.level < level)
			return 0;
		starts_count = graph_descend(vacuum->search, entry, level, starts,
									 GRAPH_INSERT_BEAM);
		if (starts_count > 0)
			break;
		hnsw_entry_failed(vacuum->relation, entry);
	}
	graph_search_begin(vacuum->search, level, starts, starts_count);
	graph_search_run(vacuum->search, ef);
	found = graph_search_take(vacuum->search, ef, false, vacuum->results);
	for (int i = 0; i < found; i++)
	{
		if (vacuum->results[i]->id == id)
			continue;
		vacuum->candidates[count].id = vacuum->results[i]->id;
		vacuum->candidates[count++].distance = vacuum->results[i]->distance;
	}
	return count;
}

/*
 * The element that comes in the ring, or in a chain of twins, in the place of
 * one, which may be deleted: the next one that is not.  NO_SLOT: there is none.  Nobody changes where a
 * deleted element leads in the ring (see README.md).
 */
static GraphId
follow_ring(Vacuum *vacuum, GraphId id)
{
	GraphStore *store = &vacuum->store.store;

	for (Size steps = 0; set_has(&vacuum->base, id); steps++)
	{
		ReadArg		read = {&vacuum->index->shape};

		index_vacuum_delay_point();
		if (steps > vacuum->base.count)
			return NO_SLOT;
		store->visit(store, 0, id, visit_read, &read);
		id = read.next;
	}
	return id;
}

/*
 * Put an edge of the ring into a list of neighbours: in the place of one that
 * is not of the ring, the last one, if there is no room.  Returns their number.
 */
static int
put_ring_edge(const GraphShape *shape, GraphId *list, int count, GraphId id)
{
	int			last = -1;

	for (int i = 0; i < count; i++)
	{
		if (edge_id(list[i]) == id)
		{
			list[i] |= EDGE_RING;
			return count;
		}
		if (!edge_in_ring(list[i]))
			last = i;
	}
	if (count < graph_capacity(shape, 0))
		last = count++;
	if (last >= 0)
		list[last] = id | EDGE_RING;
	return count;
}

/*
 * Where a node led in the ring, past deleted ones, its new list leads, too, and
 * to its first twin; a head that has none any more is none.  *flags are the
 * node's.
 */
static int
keep_ring(Vacuum *vacuum, GraphId id, const GraphNode *node, GraphId *list,
		  int count, uint8 *flags)
{
	const GraphShape *shape = &vacuum->index->shape;
	const GraphId *ids = node_neighbors(shape, node);
	int			first = first_neighbor(*flags);
	GraphId		twin = NO_SLOT;

	for (int i = first; i < node->neighbors; i++)
	{
		GraphId		next = NO_SLOT;

		if (edge_in_ring(ids[i]))
			next = follow_ring(vacuum, edge_id(ids[i]));
		if (next != NO_SLOT && next != id)
			count = put_ring_edge(shape, list, count, next);
	}

	if (first > 0)
		twin = follow_ring(vacuum, first_twin(*flags, ids, node->neighbors));
	if (twin == NO_SLOT || twin == id)
		*flags &= ~NODE_HEAD;
	else
	{
		int			place = graph_spare_place(shape, list, count);

		memmove(list + 1, list, place * sizeof(GraphId));
		list[0] = twin | EDGE_RING;
		count = Max(count, place + 1);
	}
	return count;
}

/*
 * The list of a node that only leads on, a twin or what an earlier vacuum has
 * left behind, without deleted ones
 */
static int
mend_chain(Vacuum *vacuum, int level, GraphId id, const GraphNode *node,
		   GraphId *list)
{
	const NodeSet *deleted = set_of(vacuum, level);
	const GraphId *ids = node_neighbors(&vacuum->index->shape, node);
	int			count = 0;

	for (int i = 0; i < node->neighbors; i++)
	{
		GraphId		to = edge_id(ids[i]);

		if (edge_in_ring(ids[i]))
			to = follow_ring(vacuum, to);
		else if (set_has(deleted, to))
			to = NO_SLOT;
		if (to == NO_SLOT || to == id)
			continue;
		if (edge_in_ring(ids[i]))
			count = put_ring_edge(&vacuum->index->shape, list, count, to);
		else if (!edges_lead_to(list, count, to))
			list[count++] = to;
	}
	return count;
}

/*
 * Where none of the neighbours chosen stands for a region that the node led to,
 * put the nearest candidate there in the place of one that is only a filling.
 * Otherwise regions far apart lose each other, deletion by deletion: the choice
 * leaves such an edge to nodes that are nearer to its end, which do not know it.
 */
static int
cover_regions(Vacuum *vacuum, MendTable *table, int level, uint64 regions,
			  const GraphNear *ranked, int ranked_count, int count)
{
	GraphNear  *chosen = vacuum->candidates;
	int			last = count - 1;
	bool		known;

	for (int i = 0; i < count; i++)
		regions &= ~table->regions[table_find(table, chosen[i].id, &known)];
	for (int i = 0; i < ranked_count && regions != 0; i++)
	{
		uint64		covers = regions &
			table->regions[table_find(table, ranked[i].id, &known)];

		if (covers == 0)
			continue;
		if (count < graph_capacity(&vacuum->index->shape, level))
			chosen[count++] = ranked[i];
		else
		{
			while (last >= 0 && chosen[last].diverse)
				last--;
			if (last < 0)
				break;
			chosen[last--] = ranked[i];
		}
		regions &= ~covers;
	}
	return count;
}

/*
 * Is a node to get one above it, because none of those nearest to it has one
 * (any more)?
 */
static bool
is_to_rise(Vacuum *vacuum, const GraphNode *node, const GraphNear *candidates,
		   int count)
{
	if (node->header.flags & NODE_RISES)
		return false;
	count = Min(count, MEND_RISE_NEAREST(&vacuum->index->shape));
	for (int i = 0; i < count; i++)
	{
		if (candidates[i].rises)
			return false;
	}
	return count > 0;
}

/*
 * New neighbours for a node, whose copy is given, into list, and its flags, where
 * they are others then.
 */
static int
mend_node(Vacuum *vacuum, int level, GraphId id, const GraphNode *node,
		  GraphId *list, uint8 *flags)
{
	const GraphShape *shape = &vacuum->index->shape;
	GraphNear  *candidates = vacuum->candidates;
	GraphNear	ranked[MEND_CANDIDATES];
	MendTable	table;
	uint64		regions;
	int			ranked_count;
	int			count;

	if (node->header.state != SLOT_USED || (node->header.flags & NODE_TWIN))
		return mend_chain(vacuum, level, id, node, list);
	codec_query_set_payload(vacuum->query, node_payload(node));

	/*
	 * Upper levels lead from one region to another.  What is near a node's
	 * neighbours is not enough for that; so its candidates are found as they
	 * were when it was new.  Deleted nodes still lead on.
	 */
	count = level > 0 ? search_candidates(vacuum, level, id) : 0;
	count = find_candidates(vacuum, &table, level, id, node, count, &regions);
	count = graph_rank(vacuum->selector, level, vacuum->query, candidates, count);
	if (count < MEND_LEAST && level == 0)
	{
		count = search_candidates(vacuum, level, id);
		count = find_candidates(vacuum, &table, level, id, node, count, &regions);
		count = graph_rank(vacuum->selector, level, vacuum->query, candidates,
						   count);
	}
	if (is_to_rise(vacuum, node, candidates, count))
		hnsw_raise(vacuum->inserter, id, node);
	ranked_count = count;
	memcpy(ranked, candidates, count * sizeof(GraphNear));
	count = graph_select(vacuum->selector, level, candidates, count,
						 graph_capacity(shape, level),
						 graph_fill(shape, level));
	count = cover_regions(vacuum, &table, level, regions, ranked, ranked_count,
						  count);
	for (int i = 0; i < count; i++)
		list[i] = candidates[i].id;
	if (level == 0)
		count = keep_ring(vacuum, id, node, list, count, flags);
	return count;
}

/*
 * Does a node lead to a deleted one?  One that is deleted itself, and left for a
 * later round, must lead on until then.
 */
static bool
needs_mending(const Vacuum *vacuum, int level, GraphId id,
			  const GraphNode *node)
{
	const NodeSet *deleted = set_of(vacuum, level);
	const GraphId *ids = node_neighbors(&vacuum->index->shape, node);

	if (node->header.state == SLOT_FREE || set_has(deleted, id))
		return false;

	/* a head without twins: its insertion was interrupted */
	if (first_twin(node->header.flags, ids, node->neighbors) == id && level == 0)
		return true;
	for (int i = 0; i < node->neighbors; i++)
	{
		if (set_has(deleted, edge_id(ids[i])))
			return true;
	}
	return false;
}

/* Remember the best one to be the entry point, if that must move. */
static void
consider_survivor(Vacuum *vacuum, const GraphNode *node, GraphId id)
{
	bool		linked = node->neighbors > 0;

	if (linked < vacuum->survivor_linked ||
		(linked == vacuum->survivor_linked &&
		 (int) node->level <= vacuum->survivor.level))
		return;
	vacuum->survivor.id = id;
	vacuum->survivor.level = node->level;
	vacuum->survivor_linked = linked;
}

/*
 * Mend the nodes of a page: what is computed is computed from a copy, without a
 * lock.  Returns false if a node was changed by others meanwhile; then again.
 */
static bool
mend_page(Vacuum *vacuum, BlockNumber block, PageKind kind)
{
	const GraphShape *shape = &vacuum->index->shape;
	int			any_level = kind == PAGE_RECORD ? 0 : 1;
	const SlotGeometry *geometry = graph_geometry(shape, any_level);
	Page		copy = (Page) vacuum->page.data;
	Buffer		buffer = lock_page_of(vacuum, block, kind, BUFFER_LOCK_SHARE);
	Page		page;
	uint32		slots;
	bool		any = false;
	bool		done = true;
	PageEdit	edit;

	if (!BufferIsValid(buffer))
		return true;
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);

	slots = slots_in_use(geometry, copy);
	for (uint32 slot = 0; slot < slots; slot++)
	{
		GraphNode  *node = (GraphNode *) slot_at(geometry, copy, slot);
		GraphId		id = slot_id(geometry, block, slot);

		vacuum->counts[slot] = -1;
		if (node->header.state == SLOT_USED &&
			!(node->header.flags & NODE_TWIN))
			consider_survivor(vacuum, node, id);
		if (!needs_mending(vacuum, node->level, id, node))
			continue;
		CHECK_FOR_INTERRUPTS();
		vacuum->flags[slot] = node->header.flags;
		vacuum->counts[slot] = mend_node(vacuum, node->level, id, node,
										 vacuum->lists[slot],
										 &vacuum->flags[slot]);
		any = true;
	}
	if (!any)
		return true;

	buffer = ReadBufferExtended(vacuum->relation, MAIN_FORKNUM, block,
								RBM_NORMAL, vacuum->info->strategy);
	page_lock(vacuum->relation, buffer, kind, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
	page = page_edit_page(&edit, buffer, false);
	for (uint32 slot = 0; slot < slots; slot++)
	{
		const GraphNode *before = (const GraphNode *) slot_at(geometry, copy, slot);
		GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);
		int			count = vacuum->counts[slot];

		if (count < 0)
			continue;
		if (node->neighbors != before->neighbors ||
			memcmp(node_neighbors(shape, node), node_neighbors(shape, before),
				   before->neighbors * sizeof(GraphId)) != 0)
		{
			done = false;
			continue;
		}
		memcpy(node_neighbors(shape, node), vacuum->lists[slot],
			   count * sizeof(GraphId));
		node->neighbors = count;
		if (!(vacuum->flags[slot] & NODE_HEAD))
			node->header.flags &= ~NODE_HEAD;
	}
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	return done;
}

/*
 * Move the entry point if it is deleted; and say that nodes are going to be
 * freed, for scans under way.
 */
static void
mend_entry(Vacuum *vacuum)
{
	Buffer		buffer = hnsw_lock_meta(vacuum->relation, BUFFER_LOCK_EXCLUSIVE);
	HnswMeta   *meta;
	PageEdit	edit;

	page_edit_begin(&edit, vacuum->relation, vacuum->store.log);
	meta = hnsw_page_meta(page_edit_page(&edit, buffer, false));
	meta->vacuums++;
	if (meta->entry_level >= 0 &&
		set_has(set_of(vacuum, meta->entry_level), meta->entry))
	{
		meta->entry = vacuum->survivor.id;
		meta->entry_level = vacuum->survivor.level;
	}
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

static void
wait_for_inserts(Vacuum *vacuum)
{
	LockPage(vacuum->relation, META_BLOCK, ExclusiveLock);
	UnlockPage(vacuum->relation, META_BLOCK, ExclusiveLock);
}

static void
mend(Vacuum *vacuum)
{
	BlockNumber blocks;

	/*
	 * Whoever began to insert before the elements were marked may yet write
	 * their numbers; whoever begins now will not.
	 */
	wait_for_inserts(vacuum);

	vacuum->survivor.id = NO_SLOT;
	vacuum->survivor.level = -1;
	vacuum->survivor_linked = false;
	blocks = RelationGetNumberOfBlocks(vacuum->relation);
	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		while (!mend_page(vacuum, block, PAGE_UPPER))
			;
	}
	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		while (!mend_page(vacuum, block, PAGE_RECORD))
			;
	}
	mend_entry(vacuum);

	/* whoever read a number before it was replaced may yet go there */
	wait_for_inserts(vacuum);
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

	/* before a node's slot can be another's */
	if (kind == PAGE_RECORD && vacuum->inserter->keys != NULL)
		hnsw_keys_clear(vacuum->inserter->keys, set->ids, set->count);
	for (Size i = 0; i < set->count;)
	{
		BlockNumber block = slot_block(geometry, set->ids[i]);
		Buffer		buffer = lock_page_of(vacuum, block, kind,
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
			node->neighbors = 0;
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
	set_init(&vacuum->base, room);
	set_init(&vacuum->upper, Max(room / 8, 64));
	vacuum->inserter = hnsw_inserter_create(info->index, index, store->log);
	vacuum->query = codec_query_create(&index->codec, &store->values, false);
	vacuum->search = graph_search_create(shape, &store->store, vacuum->query);
	vacuum->search->skip_twins = true;
	vacuum->selector = graph_selector_create(shape, &store->store, &index->codec,
											 &store->values, MEND_CANDIDATES);
	vacuum->results = (GraphFound **) palloc(MEND_CANDIDATES * sizeof(GraphFound *));
	vacuum->candidates = (GraphNear *) palloc(MEND_CANDIDATES * sizeof(GraphNear));
	vacuum->lists = (GraphId **) palloc(slots * sizeof(GraphId *));
	for (uint32 i = 0; i < slots; i++)
		vacuum->lists[i] = (GraphId *) palloc(GRAPH_MAX_NEIGHBORS * sizeof(GraphId));
	vacuum->counts = (int *) palloc(slots * sizeof(int));
	vacuum->flags = (uint8 *) palloc(slots);
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
	while (block < blocks)
	{
		block = mark(vacuum, block, blocks);
		if (vacuum->base.count > 0)
		{
			mend(vacuum);
			free_nodes(vacuum, &vacuum->upper, PAGE_UPPER);
			free_nodes(vacuum, &vacuum->base, PAGE_RECORD);
		}
		set_clear(&vacuum->base);
		set_clear(&vacuum->upper);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return stats;
}
