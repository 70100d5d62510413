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
							 page_store_elements(store, (BlockNumber) at, 0, ids),
							 lead_on, ef);
		at = (at + step) % blocks;
	}
	pfree(ids);
	return done == blocks;
}
