/*
 * node_set.c
 *	  A set of nodes: those that a round of vacuum removes.
 */
#include "hnsw/vacuum.h"

#include "math/heap/heap.h"

void
node_set_init(NodeSet *set, Size room)
{
	memset(set, 0, sizeof(*set));
	set->room = room;
	set->ids = (GraphId *) palloc_extended(mul_size(room, sizeof(GraphId)),
										   MCXT_ALLOC_HUGE);
}

void
node_set_clear(NodeSet *set)
{
	if (set->bits != NULL)
		pfree(set->bits);
	set->bits = NULL;
	set->count = 0;
	set->end = 0;
}

void
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

void
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
