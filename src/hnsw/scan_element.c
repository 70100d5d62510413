/*
 * scan_element.c
 *	  What a scan reads of an element: its true distance, or bounds of it; its TIDs.
 */
#include "hnsw/scan.h"

#include <math.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "storage/page_check.h"
#include "storage/recent_buffer.h"

/* Values asked for ahead of their turn */
#define VALUES_AHEAD	6

/* Lock an element in share mode if it is still the same; else InvalidBuffer. */
static Buffer
lock_element(HnswScan *scan, GraphId id, uint16 version, GraphNode **node)
{
	Buffer		buffer = page_store_lock(&scan->store, 0, id,
										 BUFFER_LOCK_SHARE, node);

	if ((*node)->header.state == SLOT_USED &&
		(*node)->header.version == version)
		return buffer;
	UnlockReleaseBuffer(buffer);
	return InvalidBuffer;
}

/*
 * Say that an element's only TID is dead to everybody: a hint, not logged.
 * wal_consistency_checking compares whole pages after each change and cannot
 * be told to overlook it (generic WAL): a standby would stop.
 */
void
hnsw_mark_dead(HnswScan *scan, const Candidate *result)
{
	GraphNode  *node;
	Buffer		buffer;

	if (wal_consistency_checking[RM_GENERIC_ID])
		return;
	buffer = lock_element(scan, result->id, result->version, &node);
	if (!BufferIsValid(buffer))
		return;
	/* vacuum may have removed it, and an insertion added another */
	if (ItemPointerIsValid(&node->tid) &&
		ItemPointerEquals(&node->tid,
						  unconstify(ItemPointerData *, &result->tid)) &&
		node->more_tids == NO_SLOT && !(node->header.flags & NODE_DEAD))
	{
		node->header.flags |= NODE_DEAD;
		MarkBufferDirtyHint(buffer, true);
	}
	UnlockReleaseBuffer(buffer);
}

void
hnsw_load_tids(HnswScan *scan, IndexScanDesc desc, const Candidate *result)
{
	const SlotGeometry *geometry = &scan->index->tids;
	GraphNode  *node;
	Buffer		buffer;
	SlotId		id;
	ChainCheck	chain = {0};

	scan->tids[0] = result->tid;
	scan->tid_count = 1;
	scan->tid_next = 0;
	if (result->more_tids == NO_SLOT)
		return;

	scan->tid_count = 0;
	buffer = lock_element(scan, result->id, result->version, &node);
	if (!BufferIsValid(buffer))
		return;
	if (ItemPointerIsValid(&node->tid))
		scan->tids[scan->tid_count++] = node->tid;
	for (id = node->more_tids; id != NO_SLOT;)
	{
		Buffer		tids_buffer = map_read(scan->store.map,
										   slot_block(geometry, id));
		const HnswTids *tids;

		page_lock_below(scan->store.relation, tids_buffer, PAGE_TIDS,
						BUFFER_LOCK_SHARE);
		tids = hnsw_check_tids(scan->store.relation, scan->index, tids_buffer, id);
		if (chain_cycles(&chain, id))
			index_damaged(scan->store.relation, BufferGetBlockNumber(tids_buffer),
						  id % geometry->per_page,
						  "Its row numbers lead in a circle.");
		for (int i = 0; i < tids->count; i++)
			check_heap_tid(scan->store.map, desc->heapRelation, &tids->tids[i],
						   BufferGetBlockNumber(tids_buffer));
		if (scan->tid_count + HNSW_TIDS_PER_SLOT > scan->tid_room)
		{
			scan->tid_room = 2 * scan->tid_room + HNSW_TIDS_PER_SLOT;
			scan->tids = (ItemPointerData *)
				repalloc_huge(scan->tids,
							  mul_size(scan->tid_room, sizeof(ItemPointerData)));
		}
		memcpy(scan->tids + scan->tid_count, tids->tids,
			   tids->count * sizeof(ItemPointerData));
		scan->tid_count += tids->count;
		id = tids->next;
		UnlockReleaseBuffer(tids_buffer);
	}
	UnlockReleaseBuffer(buffer);
}

bool
hnsw_make_exact(IndexScanDesc desc, Candidate *result)
{
	HnswScan   *scan = (HnswScan *) desc->opaque;
	const struct varlena *value = NULL;
	bool		all_dead = false;

	if (result->more_tids == NO_SLOT)
	{
		value = vector_scan_read(desc, &result->tid, &all_dead);
		if (value == NULL && all_dead && desc->ignore_killed_tuples)
			hnsw_mark_dead(scan, result);
	}
	else
	{
		hnsw_load_tids(scan, desc, result);
		for (int i = 0; i < scan->tid_count && value == NULL; i++)
		{
			CHECK_FOR_INTERRUPTS();
			value = vector_scan_read(desc, &scan->tids[i], &all_dead);
		}
		scan->tid_count = 0;
	}
	scan->common.stats.reread++;
	if (value == NULL)
		return false;
	result->low = result->high =
		topk_key(scan->index->codec.column.distance(value, scan->query->value));
	return true;
}

/* Find out what is known of an element's true distance. */
static void
read_element(HnswScan *scan, IndexScanDesc desc, const GraphFound *found)
{
	const HnswIndex *index = scan->index;
	GraphNode  *node;
	Buffer		buffer = lock_element(scan, found->id, found->version, &node);
	Candidate	result;
	double		low = -INFINITY;
	double		high = INFINITY;

	if (!BufferIsValid(buffer))
		return;
	result.id = found->id;
	result.version = found->version;
	result.tid = node->tid;
	result.more_tids = node->more_tids;
	if (ItemPointerIsValid(&result.tid))
		check_heap_tid(scan->store.map, desc->heapRelation, &result.tid,
					   BufferGetBlockNumber(buffer));

	/* what a crash in the middle of a vacuum may leave */
	if (!ItemPointerIsValid(&result.tid) && result.more_tids == NO_SLOT)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}

	/* a locked node's value is not freed */
	if (scan->query->constant)
		low = high = 0;
	else if (index->codec.bits == 0)
		low = high = codec_plain_distance(scan->query, node_payload(node));
	else if (hnsw_keeps_bounded(index))
	{
		Buffer		value_buffer;
		const void *value =
			value_store_get(&scan->store.values, node->value, scan->bounded,
							bounded_size(&index->codec.column),
							&value_buffer);

		if (value != NULL)
			bounded_interval(&scan->query->exact, value, &low, &high);
		if (BufferIsValid(value_buffer))
			UnlockReleaseBuffer(value_buffer);
	}
	UnlockReleaseBuffer(buffer);

	/* what is not bounded may be no number at all */
	result.low = topk_key(low);
	result.high = high == INFINITY ? TOPK_NAN : topk_key(high);
	candidates_push(&scan->results, result);
}

/* Ask for the memory of a value. */
static void
prefetch_value(HnswScan *scan, SlotId id)
{
	const SlotGeometry *geometry = &scan->index->values;
	BlockNumber block = slot_block(geometry, id);
	Buffer		guess = id == NO_SLOT ? InvalidBuffer
		: map_guess(scan->store.map, block);

	if (guess > 0)
		prefetch_far((const char *) BufferGetBlock(guess) +
					 slot_offset(geometry, id % geometry->per_page),
					 geometry->slot_size);
}

/*
 * Which values the elements taken have, as far as hints tell; those that are not
 * in memory are read from disk ahead.
 */
static void
prefetch_values(HnswScan *scan, int count)
{
	GraphStore *store = &scan->store.store;

	for (int done = 0; done < count; done += GRAPH_BATCH)
	{
		int			part = Min(count - done, GRAPH_BATCH);
		GraphId		ids[GRAPH_BATCH];
		const GraphNode *nodes[GRAPH_BATCH];

		for (int i = 0; i < part; i++)
			ids[i] = scan->taken[done + i]->id;
		store->nodes(store, 0, ids, part, nodes);
		for (int i = 0; i < part; i++)
		{
			scan->values[done + i] = nodes[i]->value;
			if (!store->check(store, i))
				scan->values[done + i] = NO_SLOT;
			if (scan->values[done + i] != NO_SLOT)
				map_prefetch(scan->store.map,
							 slot_block(&scan->index->values,
										scan->values[done + i]));
		}
	}
}

void
hnsw_read_elements(HnswScan *scan, IndexScanDesc desc, int count)
{
	bool		has_values = hnsw_keeps_bounded(scan->index);

	if (has_values)
	{
		prefetch_values(scan, count);
		for (int i = 0; i < Min(count, VALUES_AHEAD); i++)
			prefetch_value(scan, scan->values[i]);
	}
	for (int i = 0; i < count; i++)
	{
		if (has_values && i + VALUES_AHEAD < count)
			prefetch_value(scan, scan->values[i + VALUES_AHEAD]);
		read_element(scan, desc, scan->taken[i]);
	}

	/* rows that are going to be read, for their values or just to be returned */
	if (has_values || scan->index->codec.bits == 0)
		return;
	for (int i = 0; i < scan->results.count; i++)
	{
		const Candidate *result = &scan->results.results[i];

		if (ItemPointerIsValid(&result->tid))
			PrefetchBuffer(desc->heapRelation, MAIN_FORKNUM,
						   ItemPointerGetBlockNumber(&result->tid));
	}
}
