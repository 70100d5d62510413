/*
 * sweep.c
 *	  All elements, page after page: what a walk has not led to.
 *
 * A scan to the end rests on this, and on nothing that the graph promises: an
 * element whose row a snapshot sees is in use on its page since before that
 * row was committed, and stays there until its row is dead to everybody.
 */
#include "hnsw/scan.h"

#include "miscadmin.h"
#include "utils/rel.h"

/* Blocks asked for ahead of the one that is read */
#define BLOCKS_AHEAD	16

/* The elements in use of a block, into ids; returns how many. */
static int
read_block(PageStore *store, BlockNumber block, GraphId *ids)
{
	const SlotGeometry *geometry = &store->index->shape.base;
	Buffer		buffer = map_read(store->map, block);
	Page		page = BufferGetPage(buffer);
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page) && page_opaque(page)->kind == PAGE_RECORD)
	{
		uint32		slots = Min(slots_in_use(geometry, page), geometry->per_page);

		for (uint32 slot = 0; slot < slots; slot++)
		{
			if (slot_at(geometry, page, slot)->state == SLOT_USED)
				ids[count++] = slot_id(geometry, block, slot);
		}
	}
	UnlockReleaseBuffer(buffer);
	return count;
}

bool
hnsw_sweep(PageStore *store, GraphSearch *search, int ef, bool lead_on,
		   uint32 most, Size memory)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(store->relation);
	uint32		per_page = store->index->shape.base.per_page;
	uint64		step = 1;
	uint64		at = 0;
	GraphId    *ids = (GraphId *) palloc(per_page * sizeof(GraphId));
	BlockNumber done;

	if ((uint64) blocks * per_page > most)
		step = scattered_stride(blocks);
	for (done = 0; done < blocks; done++)
	{
		CHECK_FOR_INTERRUPTS();
		if (search->found_count >= most || graph_search_memory(search) > memory)
			break;
		if (step == 1 && done + BLOCKS_AHEAD < blocks)
			map_prefetch(store->map, done + BLOCKS_AHEAD);
		if (at != META_BLOCK)
			graph_search_add(search, ids,
							 read_block(store, (BlockNumber) at, ids), lead_on,
							 ef);
		at = (at + step) % blocks;
	}
	pfree(ids);
	return done == blocks;
}
