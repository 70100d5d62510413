/*
 * insert.c
 *	  One more element in the graph on pages.
 *
 * An insertion walks the graph for its neighbours without a lock, writes the
 * element's node, puts it into the ring of all elements, writes its nodes above,
 * and then adds itself to its neighbours one by one.  Each of these changes is
 * one WAL record of one page (two where a TID goes to a slot of its own), and
 * after each the graph is a valid one: an element that nothing leads to yet, or
 * one that only some neighbours know.
 *
 * Locks: a share lock on the metapage as a heavyweight page lock for as long as
 * an insertion takes, which lets vacuum wait for all insertions that may have
 * seen what it is about to free (see README.md); buffers one at a time, but for
 * a node's page and then the page of its TIDs.
 */
#include "hnsw/hnsw.h"

#include <math.h>

#include "access/genam.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "storage/page_check.h"
#include "types/detoast.h"

/* How often a neighbour that others change meanwhile is tried */
#define LINK_ATTEMPTS	8

int
hnsw_level(const HnswIndex *index, uint64 hash)
{
	uint64		z = hash ^ (index->meta.seed + UINT64CONST(0x9e3779b97f4a7c15));
	double		uniform;

	/* SplitMix64's finisher: the hash is used for other things, too */
	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	z ^= z >> 31;
	uniform = ((double) (z >> 11) + 1) * 0x1p-53;	/* in (0, 1] */
	return Min((int) (-log(uniform) / log(index->meta.m)), GRAPH_MAX_LEVEL - 1);
}

const struct varlena *
hnsw_indexed_value(const Codec *codec, Datum value, bool isnull)
{
	const struct varlena *plain;

	if (isnull)
		return NULL;
	plain = (const struct varlena *) PG_DETOAST_DATUM(value);
	column_check_dims(&codec->column, plain);
	return codec_indexes(codec, plain) ? plain : NULL;
}

uint64
hnsw_hash(const HnswIndex *index, const struct varlena *value,
		  const uint8 *entry_keys)
{
	uint64		hash = codec_hash(&index->codec, value);

	if (index->filter == NULL)
		return hash;
	return hash ^ DatumGetUInt64(hash_any_extended(entry_keys,
												   index->filter->entry_bytes,
												   hash));
}

HnswInserter *
hnsw_inserter_create(Relation relation, HnswIndex *index, bool log)
{
	HnswInserter *inserter = (HnswInserter *) palloc0(sizeof(HnswInserter));
	int			ef = index->meta.ef_construction;

	inserter->relation = relation;
	inserter->index = index;
	page_store_init(&inserter->store, relation, index, log);
	inserter->query = codec_query_create(&index->codec, &inserter->store.values,
										 true);
	inserter->search = graph_search_create(&index->shape, &inserter->store.store,
										   inserter->query);
	inserter->search->skip_twins = true;
	inserter->selector = graph_selector_create(&index->shape,
											   &inserter->store.store,
											   &index->codec,
											   &inserter->store.values, ef);
	inserter->payload = (char *) palloc0(index->shape.payload_size);
	inserter->link_payload = (char *) palloc(index->shape.payload_size);
	inserter->links = (GraphLinks *) palloc(GRAPH_MAX_LEVEL * sizeof(GraphLinks));
	if (hnsw_keeps_bounded(index))
		inserter->bounded = (char *)
			palloc(bounded_size(&index->codec.column));
	inserter->results = (GraphFound **) palloc(mul_size(ef, sizeof(GraphFound *)));
	for (int kind = 0; kind < PAGE_KINDS; kind++)
		inserter->targets[kind] = InvalidBlockNumber;
	if (index->filter != NULL)
	{
		inserter->keys = (HnswKeys *) palloc(sizeof(HnswKeys));
		hnsw_keys_init(inserter->keys, relation, index, inserter->store.map, log);
		inserter->entry_keys = (uint8 *) palloc0(index->filter->entry_bytes);
	}
	return inserter;
}

/* Lock a page with a free slot of a kind. */
static Buffer
lock_free_slot(HnswInserter *inserter, const SlotGeometry *geometry, int *slot)
{
	bool		full = false;

	for (;;)
	{
		BlockNumber block = slot_page_find(inserter->relation, geometry->kind,
										   &inserter->targets[geometry->kind],
										   full, inserter->store.log);
		Buffer		buffer = map_read(inserter->store.map, block);

		CHECK_FOR_INTERRUPTS();
		page_lock(inserter->relation, buffer, geometry->kind,
				  BUFFER_LOCK_EXCLUSIVE);
		*slot = slot_page_free_slot(geometry, BufferGetPage(buffer));
		if (*slot >= 0)
			return buffer;
		UnlockReleaseBuffer(buffer);
		full = true;
	}
}

/* ------------------------------------------------------------------------
 * The same value again
 */

typedef struct SameArg
{
	HnswInserter *inserter;
	uint64		hash;
	bool		same;
} SameArg;

static void
visit_same(const GraphNode *node, void *arg)
{
	SameArg    *same = (SameArg *) arg;

	same->same = node->hash == same->hash &&
		node->header.state == SLOT_USED &&
		!(node->header.flags & NODE_DEAD) &&
		codec_same(same->inserter->query, same->inserter->payload,
				   node_payload(node));
}

/* Put a TID into the first slot of an element's TIDs; false if it is full. */
static bool
append_tid(HnswInserter *inserter, SlotId head, ItemPointer tid)
{
	const SlotGeometry *geometry = &inserter->index->tids;
	Buffer		buffer = map_read(inserter->store.map, slot_block(geometry, head));
	bool		room;

	page_lock_below(inserter->relation, buffer, PAGE_TIDS, BUFFER_LOCK_EXCLUSIVE);
	room = hnsw_check_tids(inserter->relation, inserter->index, buffer, head)->count <
		HNSW_TIDS_PER_SLOT;
	if (room)
	{
		PageEdit	edit;
		HnswTids   *tids;

		page_edit_begin(&edit, inserter->relation, inserter->store.log);
		tids = (HnswTids *) slot_of(geometry,
									page_edit_page(&edit, buffer, false), head);
		tids->tids[tids->count++] = *tid;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	return room;
}

/*
 * Give an element of the same value one more TID.  False if it is not there any
 * more.
 */
static bool
add_tid(HnswInserter *inserter, GraphId id, uint64 hash, ItemPointer tid)
{
	PageStore  *store = &inserter->store;
	const SlotGeometry *geometry = &inserter->index->tids;
	bool		full = false;

	for (;;)
	{
		/* before any page is locked */
		BlockNumber block = slot_page_find(inserter->relation, PAGE_TIDS,
										   &inserter->targets[PAGE_TIDS], full,
										   store->log);
		SameArg		same = {inserter, hash, false};
		GraphNode  *node;
		Buffer		buffer = page_store_lock(store, 0, id,
											 BUFFER_LOCK_EXCLUSIVE, &node);
		Buffer		tids_buffer;
		PageEdit	edit;
		int			slot;

		visit_same(node, &same);
		if (!same.same ||
			(node->more_tids != NO_SLOT &&
			 append_tid(inserter, node->more_tids, tid)))
		{
			UnlockReleaseBuffer(buffer);
			return same.same;
		}

		tids_buffer = map_read(store->map, block);
		page_lock_below(inserter->relation, tids_buffer, PAGE_TIDS,
						BUFFER_LOCK_EXCLUSIVE);
		slot = slot_page_free_slot(geometry, BufferGetPage(tids_buffer));
		full = slot < 0;
		if (!full)
		{
			SlotId		tids_id = slot_id(geometry, block, slot);
			HnswTids   *tids;

			page_edit_begin(&edit, inserter->relation, store->log);
			node = page_store_edit(store, 0, id, &edit, buffer);
			tids = (HnswTids *)
				slot_page_take(geometry, page_edit_page(&edit, tids_buffer, false),
							   slot);
			tids->next = node->more_tids;
			tids->tids[tids->count++] = *tid;
			node->more_tids = tids_id;
			page_edit_end(&edit);
		}
		UnlockReleaseBuffer(tids_buffer);
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
		if (!full)
			return true;
	}
}

/* Add the TID to an element, if its value and its keys are the same. */
static bool
add_tid_if_same(HnswInserter *inserter, GraphId id, uint64 hash,
				ItemPointer tid)
{
	SameArg		same = {inserter, hash, false};

	inserter->store.store.visit(&inserter->store.store, 0, id, visit_same,
								&same);
	/* the hash, which is compared again, says that the keys stay these */
	return same.same &&
		(inserter->keys == NULL ||
		 hnsw_keys_equal(inserter->keys, id, inserter->entry_keys)) &&
		add_tid(inserter, id, hash, tid);
}

/* Add the TID to an element of the same value among the results, if any. */
static bool
insert_duplicate(HnswInserter *inserter, int results, uint64 hash,
				 ItemPointer tid)
{
	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		if (add_tid_if_same(inserter, inserter->results[i]->id, hash, tid))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Records
 */

/* Write a new element's node at one level. */
static GraphId
write_node(HnswInserter *inserter, int level, const GraphNode *head,
		   const GraphLinks *links, uint8 flags)
{
	const GraphShape *shape = &inserter->index->shape;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	int			slot;
	Buffer		buffer = lock_free_slot(inserter, geometry, &slot);
	GraphId		id = slot_id(geometry, BufferGetBlockNumber(buffer), slot);
	PageEdit	edit;
	GraphNode  *node;
	SlotHeader	header;

	page_edit_begin(&edit, inserter->relation, inserter->store.log);
	node = (GraphNode *) slot_page_take(geometry,
										page_edit_page(&edit, buffer, false),
										slot);
	header = node->header;
	*node = *head;
	node->header = header;
	node->header.flags = flags;
	node->level = level;
	memcpy(node_payload(node), inserter->payload, shape->payload_size);
	node->neighbors = graph_edges(shape, links, node_neighbors(shape, node));
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	return id;
}

/* Give an existing node its neighbours. */
static void
set_links(HnswInserter *inserter, int level, GraphId id, const GraphLinks *links)
{
	PageStore  *store = &inserter->store;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(store, level, id,
										 BUFFER_LOCK_EXCLUSIVE, &node);
	PageEdit	edit;

	page_edit_begin(&edit, inserter->relation, store->log);
	node = page_store_edit(store, level, id, &edit, buffer);
	node->neighbors = graph_edges(&inserter->index->shape, links,
								  node_neighbors(&inserter->index->shape, node));
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

/* Change which element comes behind a new one in the ring. */
static void
set_next(HnswInserter *inserter, GraphId id, GraphId next)
{
	PageStore  *store = &inserter->store;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(store, 0, id, BUFFER_LOCK_EXCLUSIVE,
										 &node);
	PageEdit	edit;

	page_edit_begin(&edit, inserter->relation, store->log);
	node = page_store_edit(store, 0, id, &edit, buffer);
	node->neighbors = graph_set_next(&inserter->index->shape,
									 node->header.flags,
									 node_neighbors(&inserter->index->shape, node),
									 node->neighbors, next);
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

/* ------------------------------------------------------------------------
 * Links to the new element
 */

/*
 * Which neighbour of a node is to make room for a new one: its place in ids, of
 * which there are count, or count: none, the new one is turned down.
 */
static int
find_place(HnswInserter *inserter, int level, uint8 flags, const GraphId *ids,
		   int count, GraphId edge)
{
	int			first = first_neighbor(flags);
	GraphId		after[GRAPH_MAX_NEIGHBORS + 1];
	int			left;

	/* what leads to twins is no neighbour */
	if (first > 0)
		return first + find_place(inserter, level, flags & ~NODE_HEAD,
								  ids + first, count - first, edge);
	memcpy(after, ids, count * sizeof(GraphId));
	after[count] = edge;
	if (edge_in_ring(edge))
		(void) graph_set_next(&inserter->index->shape, flags, after, count,
							  NO_SLOT);
	left = graph_drop_one(inserter->selector, level, inserter->link_payload,
						  after, count + 1);
	if (left > count)
		return count;
	for (int i = 0; i < count; i++)
	{
		if (!edges_lead_to(after, left, edge_id(ids[i])))
			return i;
	}
	return count;
}

/*
 * Make a new element a neighbour of a node.
 *
 * The node's choice of neighbours may turn it down; but not the edge of the
 * ring (only at level 0), which takes the place of the one to known (NO_SLOT:
 * none).  Then the result is false, and nothing has changed, if the node does
 * not lead to that one any more, or has been deleted.
 *
 * What is computed is computed without a lock, from a copy; if somebody has
 * changed the node meanwhile, again.  Few numbers on the page change, so the
 * WAL record is short.
 */
static bool
link_back(HnswInserter *inserter, int level, GraphId to, GraphId edge,
		  GraphId known)
{
	PageStore  *store = &inserter->store;
	const GraphShape *shape = &inserter->index->shape;
	int			capacity = graph_capacity(shape, level);
	bool		ring = edge_in_ring(edge);
	GraphId		before[GRAPH_MAX_NEIGHBORS];
	int			count_before = -1;
	int			place = 0;

	for (int attempt = 0; attempt < LINK_ATTEMPTS || ring; attempt++)
	{
		GraphNode  *node;
		Buffer		buffer = page_store_lock(store, level, to,
											 BUFFER_LOCK_EXCLUSIVE, &node);
		GraphId    *ids = node_neighbors(shape, node);
		int			count = node->neighbors;
		PageEdit	edit;
		uint8		flags = node->header.flags;
		bool		refused = ring &&
			(node->header.state != SLOT_USED ||
			 ring_next(flags, ids, count) != known);

		/*
		 * A node that has been marked deleted meanwhile is linked all the same,
		 * but in the ring: when it is mended, what it leads to is what replaces
		 * it.
		 */
		if (refused || node->header.state == SLOT_FREE ||
			(!ring && edges_lead_to(ids, count, edge)))
		{
			UnlockReleaseBuffer(buffer);
			return !refused;
		}
		if (count < capacity)
			place = count;
		else if (ring && attempt >= LINK_ATTEMPTS)
		{
			/* others are quicker: any place will do */
			place = known != NO_SLOT ? ring_place(flags, ids, count) : count - 1;
		}
		else if (count != count_before ||
				 memcmp(before, ids, count * sizeof(GraphId)) != 0)
		{
			count_before = count;
			memcpy(before, ids, count * sizeof(GraphId));
			memcpy(inserter->link_payload, node_payload(node),
				   shape->payload_size);
			UnlockReleaseBuffer(buffer);
			place = find_place(inserter, level, flags, before, count, edge);
			if (place == count)
				return true;
			continue;
		}

		page_edit_begin(&edit, inserter->relation, store->log);
		node = page_store_edit(store, level, to, &edit, buffer);
		ids = node_neighbors(shape, node);
		if (ring)
			(void) graph_set_next(shape, flags, ids, count, NO_SLOT);
		ids[place] = edge;
		if (place == node->neighbors)
			node->neighbors++;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
		return true;
	}
	return true;
}

/* Make an element's node at one level a neighbour of its neighbours. */
static void
link_all_back(HnswInserter *inserter, int level, GraphId id)
{
	const GraphLinks *links = &inserter->links[level];

	for (int i = 0; i < links->count; i++)
	{
		if (graph_links_back(&inserter->index->shape, links, i))
			(void) link_back(inserter, level, links->near[i].id, id, NO_SLOT);
	}
}

/* ------------------------------------------------------------------------
 * Twins
 */

typedef struct HeadArg
{
	HnswInserter *inserter;
	bool		found;
} HeadArg;

static void
visit_head(const GraphNode *node, void *arg)
{
	HeadArg    *head = (HeadArg *) arg;

	head->found = node->header.state == SLOT_USED &&
		!(node->header.flags & NODE_TWIN) &&
		codec_same(head->inserter->query, head->inserter->payload,
				   node_payload(node));
}

/* The element among the results that has the new one's payload; NO_SLOT: none */
static GraphId
find_head(HnswInserter *inserter, int results)
{
	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		HeadArg		head = {inserter, false};

		inserter->store.store.visit(&inserter->store.store, 0,
									inserter->results[i]->id, visit_head, &head);
		if (head.found)
			return inserter->results[i]->id;
	}
	return NO_SLOT;
}

typedef struct TwinArg
{
	const GraphShape *shape;
	bool		used;
	uint8		flags;
	GraphId		twin;			/* of a head */
	int			count;
	GraphId		ids[GRAPH_MAX_NEIGHBORS];
} TwinArg;

static void
visit_twin(const GraphNode *node, void *arg)
{
	TwinArg    *twin = (TwinArg *) arg;
	const GraphId *edges = node_neighbors(twin->shape, node);

	twin->used = node->header.state == SLOT_USED;
	twin->flags = node->header.flags;
	twin->count = Min(node->neighbors, graph_capacity(twin->shape, 0));
	memcpy(twin->ids, edges, twin->count * sizeof(GraphId));
	twin->twin = first_twin(twin->flags, edges, twin->count);
}

/*
 * Make an element a head, if it is none.  False if it has been deleted
 * meanwhile; else it is not while this insertion lasts.
 */
static bool
make_head(HnswInserter *inserter, GraphId id)
{
	PageStore  *store = &inserter->store;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(store, 0, id, BUFFER_LOCK_EXCLUSIVE,
										 &node);
	bool		used = node->header.state == SLOT_USED;

	if (used && !(node->header.flags & NODE_HEAD))
	{
		PageEdit	edit;
		GraphId    *ids;
		int			place;

		page_edit_begin(&edit, inserter->relation, store->log);
		node = page_store_edit(store, 0, id, &edit, buffer);
		ids = node_neighbors(&inserter->index->shape, node);
		place = graph_spare_place(&inserter->index->shape, ids, node->neighbors);
		memmove(ids + 1, ids, place * sizeof(GraphId));
		ids[0] = id | EDGE_RING;
		node->neighbors = Max(node->neighbors, place + 1);
		node->header.flags |= NODE_HEAD;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	return used;
}

/*
 * Where a new twin of a head leads, into links: to the first twin in use (next;
 * the head, if there is none), to those that this one leads to, and to the head.
 * links->known is what the head leads to.
 *
 * tid, unless NULL, goes to one of these if it has the same value and the same
 * keys; returns whether it did.
 */
static bool
find_twins(HnswInserter *inserter, GraphId head, uint64 hash, ItemPointer tid,
		   GraphLinks *links)
{
	GraphStore *store = &inserter->store.store;
	const GraphShape *shape = &inserter->index->shape;
	TwinArg		first = {shape};
	TwinArg		twin = {shape};
	GraphId		beyond;

	graph_links_clear(links);
	store->visit(store, 0, head, visit_twin, &twin);
	links->known = twin.twin;
	links->next = graph_first_used(store, shape, twin.twin, &beyond);
	if (links->next == NO_SLOT)
		links->next = head;
	if (links->next != head)
		store->visit(store, 0, links->next, visit_twin, &first);

	for (int i = -1; i < first.count && links->next != head; i++)
	{
		GraphId		id = i < 0 ? links->next : edge_id(first.ids[i]);

		store->visit(store, 0, id, visit_twin, &twin);
		if (!twin.used || !(twin.flags & NODE_TWIN))
			continue;
		if (tid != NULL && add_tid_if_same(inserter, id, hash, tid))
			return true;
		if (links->count < graph_capacity(shape, 0) - 1)
			links->near[links->count++].id = id;
	}
	links->near[links->count++].id = head;
	return false;
}

/*
 * Put a twin, which leads on already, at the beginning of its head's chain.
 * False if that does not begin with known any more.
 */
static bool
join_chain(HnswInserter *inserter, GraphId head, GraphId id, GraphId known)
{
	PageStore  *store = &inserter->store;
	const GraphShape *shape = &inserter->index->shape;
	GraphNode  *node;
	Buffer		buffer = page_store_lock(store, 0, head, BUFFER_LOCK_EXCLUSIVE,
										 &node);
	bool		same = known != NO_SLOT &&
		first_twin(node->header.flags, node_neighbors(shape, node),
				   node->neighbors) == known;

	if (same)
	{
		PageEdit	edit;

		page_edit_begin(&edit, inserter->relation, store->log);
		node = page_store_edit(store, 0, head, &edit, buffer);
		node_neighbors(shape, node)[0] = id | EDGE_RING;
		page_edit_end(&edit);
	}
	UnlockReleaseBuffer(buffer);
	return same;
}

/*
 * Insert an element whose payload a head has, as one of its twins; *node is what
 * is known of its node.  False, and nothing is done, if the head has been
 * deleted meanwhile.
 */
static bool
insert_twin(HnswInserter *inserter, GraphId head, GraphNode *node)
{
	GraphLinks *links = &inserter->links[0];
	ItemPointerData tid = node->tid;
	GraphId		id;

	if (!make_head(inserter, head))
		return false;
	if (find_twins(inserter, head, node->hash, &tid, links))
		return true;
	node->value = hnsw_write_value(inserter);
	id = write_node(inserter, 0, node, links, NODE_TWIN);
	if (inserter->keys != NULL)
		hnsw_keys_put(inserter->keys, id, inserter->entry_keys);
	while (!join_chain(inserter, head, id, links->known))
	{
		CHECK_FOR_INTERRUPTS();

		/* it may be none any more, since vacuum has removed its last twin */
		(void) make_head(inserter, head);
		(void) find_twins(inserter, head, node->hash, NULL, links);
		set_links(inserter, 0, id, links);
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Insertion
 */

/*
 * Any element in use but own, for who has found none by walking: all that the
 * entry point leads to may be deleted, and not mended yet.  Reads the index
 * until there is one.
 */
static GraphId
find_any(HnswInserter *inserter, GraphId own)
{
	const SlotGeometry *geometry = &inserter->index->shape.base;
	BlockNumber blocks = RelationGetNumberOfBlocks(inserter->relation);

	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		Buffer		buffer = map_read(inserter->store.map, block);
		Page		page;
		GraphId		found = NO_SLOT;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (page_check_any(inserter->relation, buffer) &&
			page_opaque(page)->kind == PAGE_RECORD)
		{
			uint32		slots = slots_in_use(geometry, page);

			for (uint32 slot = 0; slot < slots && found == NO_SLOT; slot++)
			{
				GraphId		id = slot_id(geometry, block, slot);

				const SlotHeader *header = slot_at(geometry, page, slot);

				if (id != own && header->state == SLOT_USED &&
					!(header->flags & NODE_TWIN))
					found = id;
			}
		}
		UnlockReleaseBuffer(buffer);
		if (found != NO_SLOT)
			return found;
	}
	return NO_SLOT;
}

/*
 * The neighbours of the new element, whose node at level 0 may be there already
 * (own).  *entry is the entry point that was used, as it is now.  Returns the
 * number of elements found.
 */
static int
find_links(HnswInserter *inserter, int level, GraphId own, GraphEntry *entry)
{
	int			ef = inserter->index->meta.ef_construction;
	int			found = -1;

	while (found < 0)
	{
		for (int at = 0; at <= level; at++)
			graph_links_clear(&inserter->links[at]);
		hnsw_get_entry(inserter->relation, entry);
		if (entry->level < 0)
			return 0;
		found = graph_find_links(inserter->search, inserter->selector, *entry,
								 level, ef, inserter->results, inserter->links);
		if (found < 0)
			hnsw_entry_failed(inserter->relation, *entry);
	}
	if (inserter->links[0].count == 0)
	{
		GraphId		start = find_any(inserter, own);

		if (start != NO_SLOT)
			found = graph_find_base_links(inserter->search, inserter->selector,
										  &start, 1, ef, inserter->results,
										  &inserter->links[0]);
	}
	return found;
}

/*
 * Put a new element, which nothing leads to yet, in its place in the ring.  It
 * leads on already, so all that could be reached before can be reached after
 * the one change that makes it part of the ring, and it can.
 */
static void
join_ring(HnswInserter *inserter, GraphId id)
{
	GraphLinks *links = &inserter->links[0];

	while (links->after != NO_SLOT &&
		   !link_back(inserter, 0, links->after, id | EDGE_RING, links->known))
	{
		CHECK_FOR_INTERRUPTS();
		if (!graph_find_next(&inserter->store.store, &inserter->index->shape,
							 links))
		{
			/* all of this part of the ring has been deleted meanwhile */
			links->after = find_any(inserter, id);
			if (!graph_find_next(&inserter->store.store,
								 &inserter->index->shape, links))
				break;
		}

		/* two that knew of each other only */
		if (links->known == id)
			break;
		set_next(inserter, id, links->next);
	}
}

/*
 * The neighbours at one level of the element that the query is set to; none, if
 * the graph does not rise so high.  *entry is the entry point, as it is now.
 */
static void
find_upper_links(HnswInserter *inserter, int level, GraphEntry *entry)
{
	GraphLinks *links = &inserter->links[level];
	int			found;

	do
	{
		graph_links_clear(links);
		hnsw_get_entry(inserter->relation, entry);
		if (entry->level < level)
			return;
		found = graph_find_upper_links(inserter->search, inserter->selector,
									   *entry, level,
									   inserter->index->meta.ef_construction,
									   inserter->results, links);
		if (found < 0)
			hnsw_entry_failed(inserter->relation, *entry);
	} while (found < 0);
}

void
hnsw_set_value(HnswInserter *inserter, const struct varlena *value)
{
	const Codec *codec = &inserter->index->codec;

	codec_query_set_element(inserter->query, value);
	memset(inserter->payload, 0, inserter->index->shape.payload_size);
	if (!codec_is_outer(codec, value))
		codec_encode(inserter->query, inserter->payload);
}

SlotId
hnsw_write_value(HnswInserter *inserter)
{
	const HnswIndex *index = inserter->index;
	const struct varlena *value = inserter->query->value;
	const void *data = value;
	Size		size = VARSIZE(value);
	SlotId		id;

	if (index->codec.bits > 0)
	{
		if (index->meta.rerank_heap)
			return NO_SLOT;
		bounded_make(&inserter->query->exact, inserter->bounded);
		data = inserter->bounded;
		size = bounded_size(&index->codec.column);
	}
	else if (!codec_is_outer(&index->codec, value))
		return NO_SLOT;

	id = value_store_write(&inserter->store.values,
						   &inserter->targets[PAGE_VALUE], data, size,
						   inserter->store.log);
	if (index->codec.bits == 0)
	{
		OuterValue *outer = (OuterValue *) inserter->payload;

		outer->value = id;
		outer->size = size;
	}
	return id;
}

void
hnsw_insert_value(HnswInserter *inserter, const struct varlena *value,
				  ItemPointer heap_tid)
{
	HnswIndex  *index = inserter->index;
	GraphLinks *links = inserter->links;
	bool		log = inserter->store.log;
	GraphId		ids[GRAPH_MAX_LEVEL];
	GraphNode	head;
	GraphEntry	entry;
	GraphEntry	own;
	GraphId		first;
	int			results;
	int			top;

	hnsw_set_value(inserter, value);
	memset(&head, 0, sizeof(head));
	head.hash = hnsw_hash(index, value, inserter->entry_keys);
	head.tid = *heap_tid;
	top = hnsw_level(index, head.hash);

	results = find_links(inserter, top, NO_SLOT, &entry);
	if (insert_duplicate(inserter, results, head.hash, heap_tid))
		return;
	first = find_head(inserter, results);
	if (first != NO_SLOT && insert_twin(inserter, first, &head))
		return;
	while (links[top].rise && top < GRAPH_MAX_LEVEL - 1)
		find_upper_links(inserter, ++top, &entry);

	head.value = hnsw_write_value(inserter);
	ids[0] = write_node(inserter, 0, &head, &links[0],
						top > 0 ? NODE_RISES : 0);
	if (inserter->keys != NULL)
		hnsw_keys_put(inserter->keys, ids[0], inserter->entry_keys);

	/* before anything else leads to it */
	join_ring(inserter, ids[0]);
	ItemPointerSetInvalid(&head.tid);
	head.element = ids[0];
	for (int level = 1; level <= top; level++)
	{
		head.below = ids[level - 1];
		ids[level] = write_node(inserter, level, &head, &links[level],
								level < top ? NODE_RISES : 0);
	}

	/*
	 * It becomes the entry point if it rises above it, or if there is nothing
	 * else; unless somebody has been quicker.  Then, whoever knows no neighbour
	 * looks again.
	 */
	own.id = ids[top];
	own.level = top;
	while (entry.level < top || links[0].count == 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (hnsw_set_entry(inserter->relation, entry, own, log))
			break;
		if (links[0].count > 0)
			hnsw_get_entry(inserter->relation, &entry);
		else
		{
			(void) find_links(inserter, top, ids[0], &entry);
			for (int level = 0; level <= top; level++)
				set_links(inserter, level, ids[level], &links[level]);
			join_ring(inserter, ids[0]);
		}
	}

	for (int level = 0; level <= top; level++)
		link_all_back(inserter, level, ids[level]);
}

void
hnsw_raise(HnswInserter *inserter, GraphId id, const GraphNode *node)
{
	PageStore  *store = &inserter->store;
	int			level = node->level + 1;
	const GraphLinks *links = &inserter->links[level];
	GraphNode	head;
	GraphNode  *below;
	GraphEntry	entry;
	GraphId		above;
	Buffer		buffer;
	PageEdit	edit;

	if (level == GRAPH_MAX_LEVEL)
		return;
	memcpy(inserter->payload, node_payload(node),
		   inserter->index->shape.payload_size);
	codec_query_set_payload(inserter->query, inserter->payload);
	find_upper_links(inserter, level, &entry);
	if (links->count == 0)
		return;

	memset(&head, 0, sizeof(head));
	ItemPointerSetInvalid(&head.tid);
	head.hash = node->hash;
	head.element = node->level == 0 ? id : node->element;
	head.below = id;
	above = write_node(inserter, level, &head, links, 0);

	buffer = page_store_lock(store, node->level, id, BUFFER_LOCK_EXCLUSIVE,
							 &below);
	page_edit_begin(&edit, inserter->relation, store->log);
	below = page_store_edit(store, node->level, id, &edit, buffer);
	below->header.flags |= NODE_RISES;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);

	link_all_back(inserter, level, above);
}

bool
hnsw_insert(Relation index, Datum *values, bool *isnull, ItemPointer heap_tid,
			Relation heap, IndexUniqueCheck check_unique,
			bool index_unchanged, IndexInfo *index_info)
{
	HnswInserter *inserter = (HnswInserter *) index_info->ii_AmCache;
	MemoryContext context;
	MemoryContext caller;
	const struct varlena *value;

	if (isnull[0])
		return false;

	/* kept for the statement */
	if (inserter == NULL)
	{
		caller = MemoryContextSwitchTo(index_info->ii_Context);
		inserter = hnsw_inserter_create(index, hnsw_open(index),
										RelationNeedsWAL(index));
		index_info->ii_AmCache = inserter;
		MemoryContextSwitchTo(caller);
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw insert",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	value = hnsw_indexed_value(&inserter->index->codec, values[0], isnull[0]);
	if (value != NULL)
	{
		if (inserter->keys != NULL)
			filter_make_keys(inserter->index->filter, values, isnull,
							 inserter->entry_keys);
		LockPage(index, META_BLOCK, ShareLock);
		if (inserter->index->centre.unknown)
			hnsw_refresh_centre(index, inserter->index);
		hnsw_insert_value(inserter, value, heap_tid);
		UnlockPage(index, META_BLOCK, ShareLock);
		if (inserter->index->centre.unknown)
			hnsw_learn_centre(inserter, heap);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return false;
}
