/*
 * twins.c
 *	  Elements of the same value, or of the same payload, as a new one.
 *
 * The same value with the same keys gets one more TID.  The same payload makes the
 * new element a twin of the one that has it (README.md, "Twins").
 */
#include "hnsw/insert.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "storage/page_check.h"

/* ------------------------------------------------------------------------
 * The same value again
 */

/* Is a node that of an element with the query's value, to which TIDs may be added? */
static bool
is_same(HnswInserter *inserter, const GraphNode *node, uint64 hash)
{
	return node->hash == hash && node->header.state == SLOT_USED &&
		!(node->header.flags & NODE_DEAD) &&
		codec_same(inserter->query, inserter->payload, node_payload(node));
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
		GraphNode  *node;
		Buffer		buffer = page_store_lock(store, 0, id,
											 BUFFER_LOCK_EXCLUSIVE, &node);
		Buffer		tids_buffer;
		PageEdit	edit;
		int			slot;
		bool		same = is_same(inserter, node, hash);

		if (!same ||
			(node->more_tids != NO_SLOT &&
			 append_tid(inserter, node->more_tids, tid)))
		{
			UnlockReleaseBuffer(buffer);
			return same;
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
	GraphStore *store = &inserter->store.store;
	bool		same = is_same(inserter, store->hold(store, 0, id), hash);

	store->release(store);
	/* the hash, which is compared again, says that the keys stay these */
	return same &&
		(inserter->keys == NULL ||
		 hnsw_keys_equal(inserter->keys, id, inserter->entry_keys)) &&
		add_tid(inserter, id, hash, tid);
}

bool
hnsw_insert_duplicate(HnswInserter *inserter, int results, uint64 hash,
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
 * Twins
 */

GraphId
hnsw_find_head(HnswInserter *inserter, int results)
{
	GraphStore *store = &inserter->store.store;

	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		GraphId		id = inserter->results[i]->id;
		const GraphNode *node = store->hold(store, 0, id);
		bool		found = node->header.state == SLOT_USED &&
			!(node->header.flags & NODE_TWIN) &&
			codec_same(inserter->query, inserter->payload, node_payload(node));

		store->release(store);
		if (found)
			return id;
	}
	return NO_SLOT;
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
	GraphEdges	first;
	GraphEdges	twin;
	GraphId		beyond;

	graph_links_clear(links);
	graph_read_edges(store, shape, 0, head, &twin);
	links->known = edges_twin(&twin);
	links->next = graph_first_used(store, shape, links->known, &beyond);
	if (links->next == NO_SLOT)
		links->next = head;
	first.count = 0;
	if (links->next != head)
		graph_read_edges(store, shape, 0, links->next, &first);

	for (int i = -1; i < first.count && links->next != head; i++)
	{
		GraphId		id = i < 0 ? links->next : edge_id(first.ids[i]);

		graph_read_edges(store, shape, 0, id, &twin);
		if (twin.state != SLOT_USED || !(twin.flags & NODE_TWIN))
			continue;
		if (tid != NULL && add_tid_if_same(inserter, id, hash, tid))
			return true;
		if (links->count < graph_capacity(shape, 0) - 1)
			links->near[links->count++].id = id;
	}
	links->near[links->count++].id = head;
	return false;
}

bool
hnsw_insert_twin(HnswInserter *inserter, GraphId head, GraphNode *node)
{
	GraphLinks *links = &inserter->links[0];
	ItemPointerData tid = node->tid;
	GraphId		id;

	if (!hnsw_make_head(inserter, head))
		return false;
	if (find_twins(inserter, head, node->hash, &tid, links))
		return true;
	node->value = hnsw_write_value(inserter);
	id = hnsw_write_node(inserter, 0, node, links, NODE_TWIN);
	if (inserter->keys != NULL)
		hnsw_keys_put(inserter->keys, id, inserter->entry_keys);
	while (!hnsw_join_chain(inserter, head, id, links->known))
	{
		CHECK_FOR_INTERRUPTS();

		/* it may be none any more, since vacuum has removed its last twin */
		(void) hnsw_make_head(inserter, head);
		(void) find_twins(inserter, head, node->hash, NULL, links);
		hnsw_set_links(inserter, 0, id, links);
	}
	return true;
}
