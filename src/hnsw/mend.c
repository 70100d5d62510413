/*
 * mend.c
 *	  Vacuum: new edges in place of those to deleted elements.
 *
 * Every node that leads to a deleted one gets new neighbours, chosen from its own
 * and from those of the deleted ones; the entry point moves if it must.
 */
#include "hnsw/vacuum.h"
#include "index/vacuum_progress.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"

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

/*
 * So many new neighbours of a node that is mended may lead back to it.  After 40
 * rounds in which an eighth of 570 sparse vectors was replaced, 5 were not found by
 * their own value at ef_search 100, 28 without this, 12 of a new index.  With all in the
 * place of 4, a vacuum after half of the rows went writes 2.4 MB in the place of 1.5.
 */
#define MEND_LINK_BACK	4

typedef struct Mender
{
	GraphSearch *search;
	GraphSelector *selector;
	CodecQuery *query;
	GraphFound **results;
	GraphNear  *candidates;
	PGAlignedBlock page;		/* a copy of the page being mended */
	GraphEdges *mended;			/* by slot; of count -1: nothing to change */
	GraphEntry	survivor;		/* of the highest level; with edges, if any has */
	bool		survivor_linked;
} Mender;

void
hnsw_mend_init(Vacuum *vacuum)
{
	const HnswIndex *index = vacuum->index;
	const GraphShape *shape = &index->shape;
	PageStore  *store = &vacuum->store;
	Mender	   *mender = (Mender *) palloc0(sizeof(Mender));

	mender->query = codec_query_create(&index->codec, &store->values, false);
	mender->search = graph_search_create(shape, &store->store, mender->query);
	mender->search->skip_twins = true;
	mender->selector = graph_selector_create(shape, &store->store, &index->codec,
											 &store->values, MEND_CANDIDATES);
	mender->results = (GraphFound **) palloc(MEND_CANDIDATES * sizeof(GraphFound *));
	mender->candidates = (GraphNear *) palloc(MEND_CANDIDATES * sizeof(GraphNear));
	mender->mended = (GraphEdges *)
		palloc(mul_size(Max(shape->base.per_page, shape->upper.per_page),
						sizeof(GraphEdges)));
	vacuum->mender = mender;
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
 * Candidates for the neighbours of a node, which has these edges, into
 * mender->candidates, where there are count already: its own; in the place of a
 * deleted one those of that one; and so on through deleted ones, as long as
 * nothing has been found in the place of one of its own, or there are fewer
 * than it has room for.  Returns how many there are then; *regions has the bits
 * of all deleted neighbours.
 */
static int
find_candidates(Vacuum *vacuum, MendTable *table, int level, GraphId id,
				const GraphEdges *own, int count, uint64 *regions)
{
	const GraphShape *shape = &vacuum->index->shape;
	const NodeSet *deleted = vacuum_set(vacuum, level);
	GraphNear  *candidates = vacuum->mender->candidates;
	GraphId		queue[MEND_EXPANSIONS];
	uint64		queue_regions[MEND_EXPANSIONS];
	int			queued = 0;
	uint64		found = 0;		/* regions that a candidate was found for */
	uint64		region = 0;		/* that of the list being read */
	GraphEdges	read;
	const GraphEdges *edges = own;
	bool		known;

	memset(table, 0, sizeof(*table));
	table->ids[table_find(table, id, &known)] = id;
	for (int i = 0; i < count; i++)
		table->ids[table_find(table, candidates[i].id, &known)] = candidates[i].id;

	*regions = 0;
	for (int next = 0;; next++)
	{
		for (int i = edges == own ? first_neighbor(own->flags) : 0;
			 i < edges->count; i++)
		{
			GraphId		neighbor = edge_id(edges->ids[i]);
			bool		gone = node_set_has(deleted, neighbor);
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
					candidates[count++].id = neighbor;
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
		graph_read_edges(&vacuum->store.store, shape, level, queue[next], &read);
		edges = &read;
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
		starts_count = graph_descend(vacuum->mender->search, entry, level, starts,
									 GRAPH_INSERT_BEAM);
		if (starts_count > 0)
			break;
		hnsw_entry_failed(vacuum->relation, entry);
	}
	graph_search_begin(vacuum->mender->search, level, starts, starts_count);
	graph_search_run(vacuum->mender->search, ef);
	found = graph_search_take(vacuum->mender->search, ef, false, vacuum->mender->results);
	for (int i = 0; i < found; i++)
	{
		if (vacuum->mender->results[i]->id == id)
			continue;
		vacuum->mender->candidates[count].id = vacuum->mender->results[i]->id;
		vacuum->mender->candidates[count++].distance = vacuum->mender->results[i]->distance;
	}
	return count;
}

/*
 * The element that comes in the ring, or in a chain of twins, in the place of
 * one, which may be deleted: the next one that is not; NO_SLOT: there is none.
 * No process changes where a deleted element leads in the ring (see README.md).
 */
static GraphId
follow_ring(Vacuum *vacuum, GraphId id)
{
	GraphEdges	edges;

	for (Size steps = 0; node_set_has(&vacuum->base, id); steps++)
	{
		index_vacuum_delay_point();
		if (steps > vacuum->base.count)
			return NO_SLOT;
		graph_read_edges(&vacuum->store.store, &vacuum->index->shape, 0, id, &edges);
		id = edges_next(&edges);
	}
	return id;
}

/*
 * Put an edge of the ring into a list: in the place of one that is not of the
 * ring, the last one, if there is no room.
 */
static void
put_ring_edge(const GraphShape *shape, GraphEdges *edges, GraphId id)
{
	int			last = -1;

	for (int i = 0; i < edges->count; i++)
	{
		if (edge_id(edges->ids[i]) == id)
		{
			edges->ids[i] |= EDGE_RING;
			return;
		}
		if (!edge_in_ring(edges->ids[i]))
			last = i;
	}
	if (edges->count < graph_capacity(shape, 0))
		last = edges->count++;
	if (last >= 0)
		edges->ids[last] = id | EDGE_RING;
}

/*
 * Where a node led in the ring, past deleted ones, its new edges lead, too, and
 * to its first twin; a head that has none any more is none.
 */
static void
keep_ring(Vacuum *vacuum, GraphId id, const GraphEdges *old, GraphEdges *edges)
{
	const GraphShape *shape = &vacuum->index->shape;
	GraphId		twin = NO_SLOT;

	for (int i = first_neighbor(old->flags); i < old->count; i++)
	{
		GraphId		next = NO_SLOT;

		if (edge_in_ring(old->ids[i]))
			next = follow_ring(vacuum, edge_id(old->ids[i]));
		if (next != NO_SLOT && next != id)
			put_ring_edge(shape, edges, next);
	}
	if (old->flags & NODE_HEAD)
		twin = follow_ring(vacuum, edges_twin(old));
	if (twin == NO_SLOT || twin == id)
		edges->flags &= ~NODE_HEAD;
	else
		(void) edges_add_twin(shape, edges, twin);
}

/*
 * The edges of a node that only leads on, a twin or what an earlier vacuum has
 * left behind, without those to deleted ones
 */
static void
mend_chain(Vacuum *vacuum, int level, GraphId id, const GraphEdges *old,
		   GraphEdges *edges)
{
	const NodeSet *deleted = vacuum_set(vacuum, level);

	for (int i = 0; i < old->count; i++)
	{
		GraphId		to = edge_id(old->ids[i]);

		if (edge_in_ring(old->ids[i]))
			to = follow_ring(vacuum, to);
		else if (node_set_has(deleted, to))
			to = NO_SLOT;
		if (to == NO_SLOT || to == id)
			continue;
		if (edge_in_ring(old->ids[i]))
			put_ring_edge(&vacuum->index->shape, edges, to);
		else if (!edges_lead_to(edges, to))
			edges->ids[edges->count++] = to;
	}
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
	GraphNear  *chosen = vacuum->mender->candidates;
	int			last = count - 1;
	bool		known;

	for (int i = 0; i < count; i++)
		regions &= ~table->regions[table_find(table, chosen[i].id, &known)];
	for (int i = 0; i < ranked_count && regions != 0; i++)
	{
		uint64		covers = regions &
			table->regions[table_find(table, ranked[i].id, &known)];
		int			place;

		if (covers == 0)
			continue;
		if (count < graph_capacity(&vacuum->index->shape, level))
			place = count++;
		else
		{
			while (last >= 0 && chosen[last].diverse)
				last--;
			if (last < 0)
				break;
			place = last--;
		}
		chosen[place] = ranked[i];
		chosen[place].diverse = true;
		regions &= ~covers;
	}
	return count;
}

/*
 * Put a node's own neighbours that are left in the place of those that are only a
 * filling and new to it.  An edge to what is far from all else leads there for a
 * whole region; candidates from the place of a deleted neighbour are all nearer,
 * and there are many.
 */
static void
keep_own(const GraphEdges *own, const GraphNear *ranked, int ranked_count,
		 GraphNear *chosen, int count)
{
	int			last = count - 1;

	for (int i = 0; i < ranked_count; i++)
	{
		bool		there = !edges_lead_to(own, ranked[i].id);

		for (int k = 0; k < count && !there; k++)
			there = chosen[k].id == ranked[i].id;
		if (there)
			continue;
		while (last >= 0 &&
			   (chosen[last].diverse || edges_lead_to(own, chosen[last].id)))
			last--;
		if (last < 0)
			break;
		chosen[last--] = ranked[i];
	}
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
 * New edges for a node, whose copy and old edges are given.  edges->flags are the
 * node's.
 */
static void
mend_node(Vacuum *vacuum, int level, GraphId id, const GraphNode *node,
		  const GraphEdges *old, GraphEdges *edges)
{
	Mender	   *mender = vacuum->mender;
	GraphNear  *candidates = mender->candidates;
	GraphNear	ranked[MEND_CANDIDATES];
	MendTable	table;
	uint64		regions;
	int			ranked_count;
	int			count;

	edges->count = 0;
	if (old->state != SLOT_USED || (old->flags & NODE_TWIN))
	{
		mend_chain(vacuum, level, id, old, edges);
		return;
	}
	codec_query_set_payload(mender->query, node_payload(node));

	/*
	 * Upper levels lead from one region to another.  What is near a node's
	 * neighbours is not enough for that; so its candidates are found as they
	 * were when it was new.  Deleted nodes still lead on.
	 */
	count = level > 0 ? search_candidates(vacuum, level, id) : 0;
	count = find_candidates(vacuum, &table, level, id, old, count, &regions);
	count = graph_rank(mender->selector, level, mender->query, candidates, count);
	if (count < MEND_LEAST && level == 0)
	{
		count = search_candidates(vacuum, level, id);
		count = find_candidates(vacuum, &table, level, id, old, count, &regions);
		count = graph_rank(mender->selector, level, mender->query, candidates,
						   count);
	}
	if (is_to_rise(vacuum, node, candidates, count))
		hnsw_raise(vacuum->inserter, id, node);
	ranked_count = count;
	memcpy(ranked, candidates, count * sizeof(GraphNear));

	/*
	 * It chooses among as many as a new one does.  There are more candidates here,
	 * and what is equally far from all and from each other (sets with no element,
	 * by Jaccard distance) counts as diverse wherever it is met: of all candidates
	 * each would be chosen, and vacuum by vacuum lists would fill with them.
	 */
	count = graph_select(mender->selector, level, candidates,
						 Min(count, vacuum->index->meta.ef_construction));
	count = cover_regions(vacuum, &table, level, regions, ranked, ranked_count,
						  count);
	keep_own(old, ranked, ranked_count, candidates, count);
	for (int i = 0; i < count; i++)
		edges->ids[i] = candidates[i].id;
	edges->count = count;
	if (level == 0)
		keep_ring(vacuum, id, old, edges);
}

/*
 * Does a node lead to a deleted one?  One that is deleted itself, and left for a
 * later round, must lead on until then.
 */
static bool
needs_mending(const Vacuum *vacuum, int level, GraphId id,
			  const GraphEdges *edges)
{
	const NodeSet *deleted = vacuum_set(vacuum, level);

	if (edges->state == SLOT_FREE || node_set_has(deleted, id))
		return false;

	/* a head without twins: its insertion was interrupted */
	if (edges_twin(edges) == id && level == 0)
		return true;
	for (int i = 0; i < edges->count; i++)
	{
		if (node_set_has(deleted, edge_id(edges->ids[i])))
			return true;
	}
	return false;
}

/* Remember the best one to be the entry point, if that must move. */
static void
consider_survivor(Mender *mender, const GraphNode *node, GraphId id)
{
	bool		linked = node_edge_count(node) > 0;

	if (linked < mender->survivor_linked ||
		(linked == mender->survivor_linked &&
		 (int) node->level <= mender->survivor.level))
		return;
	mender->survivor.id = id;
	mender->survivor.level = node->level;
	mender->survivor_linked = linked;
}

/*
 * The new edges of those nodes of a page, whose copy is mender->page, that need
 * them, into mender->mended; how many slots the page has.  *any: some do.
 */
static uint32
mend_copy(Vacuum *vacuum, const SlotGeometry *geometry, BlockNumber block,
		  bool *any)
{
	Mender	   *mender = vacuum->mender;
	Page		copy = (Page) mender->page.data;
	uint32		slots = slots_in_use(geometry, copy);

	*any = false;
	for (uint32 slot = 0; slot < slots; slot++)
	{
		const GraphNode *node = (const GraphNode *) slot_at(geometry, copy, slot);
		GraphId		id = slot_id(geometry, block, slot);
		GraphEdges *mended = &mender->mended[slot];
		GraphEdges	old;

		mended->count = -1;
		if (node->header.state == SLOT_USED &&
			!(node->header.flags & NODE_TWIN))
			consider_survivor(mender, node, id);
		node_get_edges(&vacuum->index->shape, node->level, node, &old);
		if (!needs_mending(vacuum, node->level, id, &old))
			continue;
		CHECK_FOR_INTERRUPTS();
		mended->flags = old.flags;
		mend_node(vacuum, node->level, id, node, &old, mended);
		*any = true;
	}
	return slots;
}

/*
 * A node that has lost a neighbour has, as a rule, lost one that led to it.  So the
 * nearest of its new neighbours may take it for one of theirs, as if it were new.
 * Otherwise a node that is far from all others is led to by fewer and fewer, until
 * no search finds it.
 */
static void
link_back(Vacuum *vacuum, GraphId id, const GraphNode *before,
		  const GraphEdges *mended)
{
	GraphEdges	old;
	int			linked = 0;

	if (before->header.state != SLOT_USED || (before->header.flags & NODE_TWIN))
		return;
	node_get_edges(&vacuum->index->shape, before->level, before, &old);
	for (int i = first_neighbor(mended->flags);
		 i < mended->count && linked < MEND_LINK_BACK; i++)
	{
		GraphId		to = edge_id(mended->ids[i]);

		CHECK_FOR_INTERRUPTS();
		if (edges_lead_to(&old, to))
			continue;
		(void) hnsw_link_back(vacuum->inserter, before->level, to, id, NO_SLOT);
		linked++;
	}
}

/*
 * Mend the nodes of a page: what is computed is computed from a copy, without a
 * lock.  Returns false if a node was changed by others meanwhile; then again.
 */
static bool
mend_page(Vacuum *vacuum, BlockNumber block, PageKind kind)
{
	const GraphShape *shape = &vacuum->index->shape;
	const SlotGeometry *geometry =
		graph_geometry(shape, kind == PAGE_RECORD ? 0 : 1);
	Page		copy = (Page) vacuum->mender->page.data;
	Buffer		buffer = vacuum_lock_nodes(vacuum, block, kind, BUFFER_LOCK_SHARE);
	Page		page;
	uint32		slots;
	bool		any;
	bool		done = true;
	PageEdit	edit;

	if (!BufferIsValid(buffer))
		return true;
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	slots = mend_copy(vacuum, geometry, block, &any);
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
		const GraphEdges *mended = &vacuum->mender->mended[slot];
		GraphEdges	old;

		if (mended->count < 0)
			continue;
		node_get_edges(shape, before->level, before, &old);
		if (!node_has_edges(shape, node, &old))
		{
			done = false;
			continue;
		}
		node_set_edges(shape, node, mended);
		if (!(mended->flags & NODE_HEAD))
			node->header.flags &= ~NODE_HEAD;
	}
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	for (uint32 slot = 0; slot < slots; slot++)
	{
		if (vacuum->mender->mended[slot].count >= 0)
			link_back(vacuum, slot_id(geometry, block, slot),
					  (const GraphNode *) slot_at(geometry, copy, slot),
					  &vacuum->mender->mended[slot]);
	}
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
		node_set_has(vacuum_set(vacuum, meta->entry_level), meta->entry))
	{
		meta->entry = vacuum->mender->survivor.id;
		meta->entry_level = vacuum->mender->survivor.level;
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

void
hnsw_mend(Vacuum *vacuum)
{
	BlockNumber blocks;

	/*
	 * Insertions that began before the elements were marked may yet write their
	 * numbers; those that begin now will not.
	 */
	wait_for_inserts(vacuum);

	vacuum->mender->survivor.id = NO_SLOT;
	vacuum->mender->survivor.level = -1;
	vacuum->mender->survivor_linked = false;
	blocks = RelationGetNumberOfBlocks(vacuum->relation);
	vacuum_phase(VACUUM_PHASE_MEND, 2 * (int64) blocks);
	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		vacuum_progress(block);
		while (!mend_page(vacuum, block, PAGE_UPPER))
			;
	}
	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		vacuum_progress((int64) blocks + block);
		while (!mend_page(vacuum, block, PAGE_RECORD))
			;
	}
	mend_entry(vacuum);

	/* insertions that read a number before it was replaced may yet go there */
	wait_for_inserts(vacuum);
}
