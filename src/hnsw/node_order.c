/*
 * node_order.c
 *	  In which order the graph's nodes go to pages: neighbours together.
 *
 * A walk visits a node's neighbours, and then theirs.  Where many of these share a
 * page, it needs fewer pages.  So a page is filled with nodes that lead to each
 * other: after a first one, the next is always that which most of those on the
 * page lead to.  The first one of the next page is the best of those that had no
 * room.  (Wang et al., "Starling: An I/O-efficient disk-resident graph index
 * framework for high-dimensional vector similarity search on data segment",
 * SIGMOD 2024, pack blocks by the same measure.)
 */
#include "hnsw/memory_graph.h"

#include "miscadmin.h"

#include "index/sample.h"

#define NOT_PLACED		PG_UINT32_MAX

/* Pages being filled; nodes of a level are counted from 0 here */
typedef struct Packer
{
	MemoryGraph *graph;
	int			level;			/* 0, or 1 for all above */
	uint32		count;			/* of nodes */
	uint32		placed;			/* of them have a place */
	uint32		unplaced;		/* all before this one have */
	NodeOrder  *order;
	uint8	   *leading;		/* how many nodes on this page lead to a node */
	uint32	   *candidates;		/* those that any leads to, and without a place */
	int			candidate_count;
} Packer;

/* Give a node the next place, and let what it leads to be candidates. */
static void
place_node(Packer *packer, uint32 number)
{
	const GraphShape *shape = &packer->graph->index->shape;
	uint32		first = graph_geometry(shape, packer->level)->per_page;
	const GraphNode *node = memory_node(packer->graph, packer->level,
										first + number);
	GraphEdges	edges;

	packer->order->numbers[packer->placed] = number;
	packer->order->places[number] = packer->placed++;
	node_get_edges(shape, node->level, node, &edges);
	for (int i = 0; i < edges.count; i++)
	{
		uint32		to = edge_id(edges.ids[i]) - first;

		if (packer->order->places[to] != NOT_PLACED)
			continue;
		if (packer->leading[to] == 0)
			packer->candidates[packer->candidate_count++] = to;
		if (packer->leading[to] < PG_UINT8_MAX)
			packer->leading[to]++;
	}
}

/*
 * Take the candidate that most lead to, the one met first where there are
 * several; if there is none, the first node without a place.
 */
static uint32
next_node(Packer *packer)
{
	uint32	   *candidates = packer->candidates;
	int			best = 0;
	uint32		number;

	if (packer->candidate_count == 0)
	{
		while (packer->order->places[packer->unplaced] != NOT_PLACED)
			packer->unplaced++;
		return packer->unplaced;
	}
	for (int i = 1; i < packer->candidate_count; i++)
	{
		if (packer->leading[candidates[i]] > packer->leading[candidates[best]])
			best = i;
	}
	number = candidates[best];
	packer->leading[number] = 0;
	packer->candidate_count--;
	memmove(candidates + best, candidates + best + 1,
			(packer->candidate_count - best) * sizeof(uint32));
	return number;
}

/* The page is full: what its nodes lead to does not matter for the next one. */
static void
forget_candidates(Packer *packer)
{
	for (int i = 0; i < packer->candidate_count; i++)
		packer->leading[packer->candidates[i]] = 0;
	packer->candidate_count = 0;
}

/*
 * Put full pages into an order in which each stretch has some from all over the
 * graph.
 */
static void
scatter_pages(NodeOrder *order, uint32 count, uint32 per_page)
{
	uint32		pages = count / per_page;
	uint32		stride = scattered_stride(pages);

	for (uint32 page = 0; page < pages; page++)
	{
		uint32		to = (uint32) ((uint64) page * stride % pages);

		for (uint32 i = 0; i < per_page; i++)
			order->places[order->numbers[page * per_page + i]] = to * per_page + i;
	}
	for (uint32 number = 0; number < count; number++)
		order->numbers[order->places[number]] = number;
}

static uint32 *
numbers_create(uint32 count)
{
	return (uint32 *) MemoryContextAllocHuge(CurrentMemoryContext,
											 mul_size(Max(count, 1), sizeof(uint32)));
}

void
node_order_create(NodeOrder *order, MemoryGraph *graph, int level, uint32 count)
{
	const GraphShape *shape = &graph->index->shape;
	uint32		per_page = graph_geometry(shape, level)->per_page;
	Packer		packer = {graph, level, count, 0, 0, order};

	order->numbers = numbers_create(count);
	order->places = numbers_create(count);
	memset(order->places, 0xFF, count * sizeof(uint32));
	packer.leading = (uint8 *) MemoryContextAllocExtended(CurrentMemoryContext,
														  Max(count, 1),
														  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	packer.candidates = (uint32 *) palloc(mul_size(mul_size(per_page, sizeof(uint32)),
												   graph_capacity(shape, level)));
	while (packer.placed < count)
	{
		uint32		number = next_node(&packer);

		if (packer.placed % per_page == 0)
		{
			CHECK_FOR_INTERRUPTS();
			forget_candidates(&packer);
		}
		place_node(&packer, number);
	}
	pfree(packer.candidates);
	pfree(packer.leading);

	/*
	 * Neighbours have filter columns' keys in common where these depend on values.
	 * Scans look at a few pages of keys, which are in the order of elements, for the
	 * share of all that fulfils their conditions.
	 */
	if (level == 0 && graph->index->filter != NULL)
		scatter_pages(order, count, per_page);
}

void
node_order_free(NodeOrder *order)
{
	pfree(order->numbers);
	pfree(order->places);
}
