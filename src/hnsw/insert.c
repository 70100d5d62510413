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

#include "hnsw/insert.h"
#include "math/random.h"
#include "storage/wait_point.h"

int
hnsw_level(const HnswIndex *index, uint64 hash)
{
	/* mixed, because the hash is used for other things, too */
	uint64		mixed = splitmix64_mix(hash ^ (index->meta.seed + SPLITMIX64_STEP));
	double		uniform = ((double) (mixed >> 11) + 1) * 0x1p-53;	/* in (0, 1] */

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
		inserter->keys = hnsw_keys_create(relation, index, inserter->store.map, log);
		inserter->entry_keys = (uint8 *) palloc0(index->filter->entry_bytes);
	}
	return inserter;
}

/* ------------------------------------------------------------------------
 * Insertion
 */

/*
 * Any element in use but own, where a walk has found none: all that the entry
 * point leads to may be deleted, and not mended yet.  Reads the index until there
 * is one.
 */
static GraphId
find_any(HnswInserter *inserter, GraphId own)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(inserter->relation);
	GraphId		ids[BLCKSZ / sizeof(GraphNode)];

	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		int			count = page_store_elements(&inserter->store, block, NODE_TWIN,
												ids);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
		{
			if (ids[i] != own)
				return ids[i];
		}
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
		WAIT_POINT("hnsw insert entry");
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
		   !hnsw_link_back(inserter, 0, links->after, id | EDGE_RING, links->known))
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
		hnsw_set_next(inserter, id, links->next);
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

	codec_query_set(inserter->query, value, true);
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
	if (hnsw_insert_duplicate(inserter, results, head.hash, heap_tid))
		return;
	first = hnsw_find_head(inserter, results);
	if (first != NO_SLOT && hnsw_insert_twin(inserter, first, &head))
		return;
	while (links[top].rise && top < GRAPH_MAX_LEVEL - 1)
		find_upper_links(inserter, ++top, &entry);

	head.value = hnsw_write_value(inserter);
	ids[0] = hnsw_write_node(inserter, 0, &head, &links[0],
						top > 0 ? NODE_RISES : 0);
	if (inserter->keys != NULL)
		hnsw_keys_put(inserter->keys, ids[0], inserter->entry_keys);

	/* before anything else leads to it */
	WAIT_POINT("hnsw insert ring");
	join_ring(inserter, ids[0]);
	ItemPointerSetInvalid(&head.tid);
	head.element = ids[0];
	for (int level = 1; level <= top; level++)
	{
		head.below = ids[level - 1];
		ids[level] = hnsw_write_node(inserter, level, &head, &links[level],
								level < top ? NODE_RISES : 0);
	}

	/*
	 * It becomes the entry point if it rises above it, or if there is nothing
	 * else, unless another insertion has been quicker.  Then, if it knows no
	 * neighbour, it looks again.
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
				hnsw_set_links(inserter, level, ids[level], &links[level]);
			join_ring(inserter, ids[0]);
		}
	}

	WAIT_POINT("hnsw insert link");
	for (int level = 0; level <= top; level++)
		hnsw_link_all_back(inserter, level, ids[level]);
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
	above = hnsw_write_node(inserter, level, &head, links, 0);

	buffer = page_store_lock(store, node->level, id, BUFFER_LOCK_EXCLUSIVE,
							 &below);
	page_edit_begin(&edit, inserter->relation, store->log);
	below = page_store_edit(store, node->level, id, &edit, buffer);
	below->header.flags |= NODE_RISES;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);

	hnsw_link_all_back(inserter, level, above);
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
