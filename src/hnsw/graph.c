/*
 * graph.c
 *	  The graph of HNSW: searching it, choosing neighbours.
 *
 * The inner loop is flat arrays only: every node whose distance is known has an
 * entry in found; two binary heaps hold indexes into it, one of candidates to
 * expand and one of the ef best; visited nodes are in an open-addressing
 * table.  Nothing is allocated per candidate, and because found forgets
 * nothing, a search can be resumed for further results without computing a
 * distance twice.
 */
#include "hnsw/graph.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "storage/buffer_map.h"

/*
 * If none of so many nodes nearest to a new one has a node one level up, the new
 * one is to have it.  On average four have.
 */
#define RISE_NEAREST(shape)	(4 * (shape)->m)

#define FIRST_FOUND			1024
#define FIRST_VISITED		2048	/* powers of two */
#define FIRST_VISITED_UPPER	256

/* ------------------------------------------------------------------------
 * Heaps: nearest on top; negated distances make it farthest on top.
 */

static inline bool
heap_less(GraphHeapEntry a, GraphHeapEntry b)
{
	return a.distance < b.distance ||
		(a.distance == b.distance && a.index < b.index);
}

static void
heap_sift_down(GraphHeap *heap, uint32 at)
{
	GraphHeapEntry *entries = heap->entries;
	GraphHeapEntry moved = entries[at];

	for (;;)
	{
		uint32		child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			heap_less(entries[child + 1], entries[child]))
			child++;
		if (!heap_less(entries[child], moved))
			break;
		entries[at] = entries[child];
		at = child;
	}
	entries[at] = moved;
}

static void
heap_make_room(GraphHeap *heap, MemoryContext context, uint32 count)
{
	uint32		room = Max(heap->room, 256);
	Size		size;

	if (count <= heap->room)
		return;
	while (room < count)
		room *= 2;
	size = mul_size(room, sizeof(GraphHeapEntry));
	if (heap->entries == NULL)
		heap->entries = (GraphHeapEntry *) MemoryContextAllocHuge(context, size);
	else
		heap->entries = (GraphHeapEntry *) repalloc_huge(heap->entries, size);
	heap->room = room;
}

static inline void
heap_push(GraphHeap *heap, MemoryContext context, GraphHeapEntry entry)
{
	uint32		at = heap->count;

	if (unlikely(at == heap->room))
		heap_make_room(heap, context, at + 1);
	heap->count++;
	while (at > 0)
	{
		uint32		parent = (at - 1) / 2;

		if (!heap_less(entry, heap->entries[parent]))
			break;
		heap->entries[at] = heap->entries[parent];
		at = parent;
	}
	heap->entries[at] = entry;
}

static inline GraphHeapEntry
heap_pop(GraphHeap *heap)
{
	GraphHeapEntry top = heap->entries[0];

	heap->entries[0] = heap->entries[--heap->count];
	if (heap->count > 0)
		heap_sift_down(heap, 0);
	return top;
}

/* ------------------------------------------------------------------------
 * Visited nodes
 */

static void
visited_reset(GraphSearch *search, uint32 slots)
{
	if (search->visited == NULL || search->visited_mask + 1 < slots)
	{
		if (search->visited != NULL)
			pfree(search->visited);
		search->visited = NULL;
		search->visited = (GraphId *)
			MemoryContextAllocHuge(search->context,
								   mul_size(slots, sizeof(GraphId)));
	}
	search->visited_mask = slots - 1;
	search->visited_count = 0;
	memset(search->visited, 0, slots * sizeof(GraphId));
}

static inline uint32
visited_slot(const GraphSearch *search, GraphId id)
{
	return (id * 0x9E3779B1u) >> 7 & search->visited_mask;
}

static void
visited_grow(GraphSearch *search)
{
	uint32		old_slots = search->visited_mask + 1;
	GraphId    *old = search->visited;

	search->visited = NULL;
	visited_reset(search, old_slots * 2);
	for (uint32 i = 0; i < old_slots; i++)
	{
		uint32		slot;

		if (old[i] == NO_SLOT)
			continue;
		slot = visited_slot(search, old[i]);
		while (search->visited[slot] != NO_SLOT)
			slot = (slot + 1) & search->visited_mask;
		search->visited[slot] = old[i];
		search->visited_count++;
	}
	pfree(old);
}

/* Remember a node; false if it was known. */
static inline bool
visited_add(GraphSearch *search, GraphId id)
{
	uint32		slot = visited_slot(search, id);

	while (search->visited[slot] != NO_SLOT)
	{
		if (search->visited[slot] == id)
			return false;
		slot = (slot + 1) & search->visited_mask;
	}
	search->visited[slot] = id;
	if (unlikely(++search->visited_count * 2 > search->visited_mask))
		visited_grow(search);
	return true;
}

/* ------------------------------------------------------------------------
 * Search
 */

GraphSearch *
graph_search_create(const GraphShape *shape, GraphStore *store,
					CodecQuery *query)
{
	GraphSearch *search = (GraphSearch *) palloc0(sizeof(GraphSearch));

	search->shape = shape;
	search->store = store;
	search->query = query;
	search->context = CurrentMemoryContext;
	search->found_room = FIRST_FOUND;
	search->found = (GraphFound *) palloc(FIRST_FOUND * sizeof(GraphFound));
	return search;
}

Size
graph_search_memory(const GraphSearch *search)
{
	return search->found_room * sizeof(GraphFound) +
		((Size) search->visited_mask + 1) * sizeof(GraphId) +
		(search->candidates.room + search->best.room + search->heads.room) *
		sizeof(GraphHeapEntry);
}

/* A number that can be compared */
static inline float
comparable(float distance)
{
	return distance <= FLT_MAX ? Max(distance, -FLT_MAX) : FLT_MAX;
}

static inline void
note_node(GraphSearch *search, GraphFound *found, const GraphNode *node)
{
	found->version = node->header.version;
	found->flags = node->header.flags;
	found->state = 0;
	if (node->header.state != SLOT_USED ||
		(search->skip_dead && (node->header.flags & NODE_DEAD)))
		found->state = GRAPH_SKIP;
	if (search->skip_twins && (node->header.flags & NODE_TWIN))
		found->state = GRAPH_SKIP | GRAPH_EXPANDED;

	/* freed, perhaps used again at another level, since its number was read */
	if (node->header.state == SLOT_FREE || (int) node->level != search->level)
		found->state = GRAPH_SKIP | GRAPH_EXPANDED;
}

typedef struct VisitArg
{
	GraphSearch *search;
	GraphFound *found;
} VisitArg;

static void
visit_distance(const GraphNode *node, void *arg)
{
	VisitArg   *visit = (VisitArg *) arg;
	const void *payload = node_payload(node);

	note_node(visit->search, visit->found, node);
	if (node->header.state == SLOT_FREE)
		visit->found->distance = FLT_MAX;
	else
		codec_distances(visit->search->query, &payload, 1,
						&visit->found->distance);
}

static inline bool
filter_passes_node(GraphFilter *filter, GraphId id)
{
	if (filter->bitmap != NULL)
		return id / 8 < filter->bitmap_bytes &&
			(filter->bitmap[id / 8] >> (id % 8) & 1) != 0;
	return filter->passes(filter, id);
}

/*
 * Add up to GRAPH_BATCH nodes to found, with their distances; passing: they are
 * known to pass the filter.
 */
static void
evaluate(GraphSearch *search, const GraphId *ids, int count, bool passing)
{
	GraphStore *store = search->store;
	GraphFound *found;
	const GraphNode *nodes[GRAPH_BATCH];
	const void *payloads[GRAPH_BATCH];
	float		distances[GRAPH_BATCH];

	if (search->found_count + count > search->found_room)
	{
		search->found_room *= 2;
		search->found = (GraphFound *)
			repalloc_huge(search->found,
						  mul_size(search->found_room, sizeof(GraphFound)));
	}
	found = search->found + search->found_count;
	search->found_count += count;
	search->distances += count;

	if (!store->careful)
	{
		store->nodes(store, search->level, ids, count, nodes);
		for (int i = 0; i < count; i++)
		{
			note_node(search, &found[i], nodes[i]);
			payloads[i] = node_payload(nodes[i]);
		}
		codec_distances(search->query, payloads, count, distances);
	}
	for (int i = 0; i < count; i++)
	{
		VisitArg	arg = {search, &found[i]};

		found[i].id = ids[i];
		if (store->careful || !store->check(store, i))
			store->visit(store, search->level, ids[i], visit_distance, &arg);
		else
			found[i].distance = distances[i];
		found[i].distance = comparable(found[i].distance);
		if (search->filter != NULL && search->level == 0 && !passing &&
			!filter_passes_node(search->filter, ids[i]))
			found[i].state |= GRAPH_SKIP;
		if (unlikely(found[i].flags & NODE_HEAD) && !search->skip_twins)
		{
			GraphHeapEntry entry = {found[i].distance,
			search->found_count - count + i};

			heap_push(&search->heads, search->context, entry);
		}
	}
}

/* Let a node with its distance take part. */
static inline void
offer(GraphSearch *search, uint32 index, uint32 ef)
{
	const GraphFound *found = &search->found[index];
	GraphHeapEntry entry = {found->distance, index};
	GraphHeapEntry negated = {-found->distance, index};
	GraphHeap  *best = &search->best;

	if (best->count >= ef && entry.distance >= -best->entries[0].distance)
		return;
	if (!(found->state & GRAPH_EXPANDED))
		heap_push(&search->candidates, search->context, entry);
	if (found->state & (GRAPH_SKIP | GRAPH_RETURNED))
		return;
	if (best->count >= ef)
	{
		best->entries[0] = negated;
		heap_sift_down(best, 0);
	}
	else
		heap_push(best, search->context, negated);
}

void
graph_search_begin(GraphSearch *search, int level, const GraphId *ids,
				   int count)
{
	search->level = level;
	search->found_count = 0;
	search->candidates.count = 0;
	search->best.count = 0;
	search->heads.count = 0;
	visited_reset(search, level == 0 ? FIRST_VISITED : FIRST_VISITED_UPPER);
	for (int i = 0; i < count; i++)
	{
		if (!visited_add(search, ids[i]))
			continue;
		evaluate(search, &ids[i], 1, false);
		offer(search, search->found_count - 1, UINT32_MAX);
	}
}

void
graph_search_add(GraphSearch *search, const GraphId *ids, int count,
				 bool lead_on, int ef)
{
	GraphId		fresh[GRAPH_BATCH];

	for (int i = 0; i < count;)
	{
		uint32		first = search->found_count;
		int			part = 0;

		CHECK_FOR_INTERRUPTS();
		for (; i < count && part < GRAPH_BATCH; i++)
		{
			if (visited_add(search, ids[i]))
				fresh[part++] = ids[i];
		}
		evaluate(search, fresh, part, false);
		for (int k = 0; k < part; k++)
		{
			if (!lead_on)
				search->found[first + k].state |= GRAPH_EXPANDED;
			offer(search, first + k, ef);
		}
	}
}

typedef struct NeighborsArg
{
	const GraphShape *shape;
	int			capacity;
	int			count;
	GraphId		twin;			/* the first one, if it is a head */
	GraphId		ids[GRAPH_MAX_NEIGHBORS];
} NeighborsArg;

static void
visit_neighbors(const GraphNode *node, void *arg)
{
	NeighborsArg *neighbors = (NeighborsArg *) arg;

	/* read once: the page may change under a peek */
	int			count = *(const volatile uint16 *) &node->neighbors;
	uint8		flags = *(const volatile uint8 *) &node->header.flags;
	const GraphId *edges = node_neighbors(neighbors->shape, node);
	int			first;

	count = Min(count, neighbors->capacity);
	neighbors->twin = first_twin(flags, edges, count);
	first = neighbors->twin != NO_SLOT ? 1 : 0;
	neighbors->count = count - first;
	memcpy(neighbors->ids, edges + first, neighbors->count * sizeof(GraphId));
	for (int i = 0; i < neighbors->count; i++)
		neighbors->ids[i] = edge_id(neighbors->ids[i]);
}

/* The neighbours of a node, in any state */
static void
read_neighbors(GraphSearch *search, GraphId id, NeighborsArg *neighbors)
{
	GraphStore *store = search->store;
	const GraphNode *node;

	neighbors->shape = search->shape;
	neighbors->capacity = graph_capacity(search->shape, search->level);
	store->nodes(store, search->level, &id, 1, &node);
	visit_neighbors(node, neighbors);
	if (!store->check(store, 0))
		store->visit(store, search->level, id, visit_neighbors, neighbors);
}

/*
 * With two_hops, enough neighbours of a node that pass: up to as many as a node
 * can have, 2 m, and fewer where a search for many goes more ways anyhow.  Where
 * those near the query fail, the way to those that pass is longer, and there
 * are fewer ways: m / 2 more.
 */
static inline int
hops_enough(const GraphSearch *search, uint32 ef)
{
	int			m = search->shape->m;

	return m + m / 2 + Min(m / 2, 20 * m / (int) ef) +
		(search->filter->ways < 0 ? m / 2 : 0);
}

/* Lists of neighbours on their way from memory while one is looked through */
#define HOPS_FORESEEN	4

/* Almost enough, the neighbours of one node more, and its twins */
#define PASSING_NEIGHBORS \
	(GRAPH_MAX_NEIGHBORS + GRAPH_MAX_NEIGHBORS / 4 + 2 * GRAPH_MAX_NEIGHBORS)

/*
 * Add fresh ones of a list that pass to ids, of which there are count; *seen
 * counts those met before, too.  Returns how many there are then.
 */
static int
add_passing(GraphSearch *search, const GraphId *list, int list_count, int *seen,
			GraphId *ids, int count)
{
	for (int i = 0; i < list_count; i++)
	{
		if (list[i] == NO_SLOT || !filter_passes_node(search->filter, list[i]))
			continue;
		(*seen)++;
		if (visited_add(search, list[i]))
			ids[count++] = list[i];
	}
	return count;
}

/*
 * The fresh neighbours of a node that pass, and if those are too few, of its
 * neighbours that fail.  Returns how many; ids has room for
 * PASSING_NEIGHBORS.
 */
static int
passing_neighbors(GraphSearch *search, uint32 index, uint32 ef, GraphId *ids)
{
	GraphFilter *filter = search->filter;
	NeighborsArg near;
	NeighborsArg far;
	int			failing = 0;
	int			seen = 0;
	int			count = 0;
	int			enough;

	read_neighbors(search, search->found[index].id, &near);
	for (int i = 0; i < near.count; i++)
	{
		GraphId		id = near.ids[i];

		if (id == NO_SLOT)
			continue;
		if (!filter_passes_node(filter, id))
			near.ids[failing++] = id;
		else
		{
			seen++;
			if (visited_add(search, id))
				ids[count++] = id;
		}
	}

	/* only a starting point fails, or a twin */
	if ((search->found[index].state & GRAPH_SKIP) &&
		!(search->found[index].flags & NODE_TWIN))
		filter->ways += seen > 0 ? 1 : -1;
	enough = hops_enough(search, ef);
	for (int i = 0; i < Min(failing, HOPS_FORESEEN); i++)
		search->store->foresee(search->store, search->level, near.ids[i]);
	for (int i = 0; i < failing && seen < enough; i++)
	{
		if (i + HOPS_FORESEEN < failing)
			search->store->foresee(search->store, search->level,
								   near.ids[i + HOPS_FORESEEN]);

		/* who fails counts as visited when his neighbours have been looked at */
		if (!visited_add(search, near.ids[i]))
			continue;
		read_neighbors(search, near.ids[i], &far);
		count = add_passing(search, far.ids, far.count, &seen, ids, count);

		/* twins are as near as their head: the first one, and those it knows */
		if (far.twin == NO_SLOT)
			continue;
		count = add_passing(search, &far.twin, 1, &seen, ids, count);
		read_neighbors(search, far.twin, &far);
		count = add_passing(search, far.ids, far.count, &seen, ids, count);
	}
	Assert(count <= PASSING_NEIGHBORS);
	return count;
}

/*
 * Let nodes that have just been met take part, with their distances; passing:
 * they are known to pass the filter.
 */
static void
take_part(GraphSearch *search, const GraphId *ids, int count, bool passing,
		  uint32 ef)
{
	for (int done = 0; done < count; done += GRAPH_BATCH)
	{
		int			part = Min(count - done, GRAPH_BATCH);
		uint32		first = search->found_count;

		evaluate(search, ids + done, part, passing);
		for (int i = 0; i < part; i++)
			offer(search, first + i, ef);
	}
}

static void
expand(GraphSearch *search, uint32 index, uint32 ef)
{
	NeighborsArg neighbors;
	int			fresh = 0;

	if (search->candidates.count > 0)
		search->store->foresee(search->store, search->level,
							   search->found[search->candidates.entries[0].index].id);
	if (search->filter != NULL && search->filter->two_hops && search->level == 0)
	{
		GraphId		ids[PASSING_NEIGHBORS];
		int			count = passing_neighbors(search, index, ef, ids);

		take_part(search, ids, count, true, ef);
		return;
	}
	read_neighbors(search, search->found[index].id, &neighbors);
	for (int i = 0; i < neighbors.count; i++)
	{
		GraphId		id = neighbors.ids[i];

		if (id != NO_SLOT && visited_add(search, id))
			neighbors.ids[fresh++] = id;
	}
	take_part(search, neighbors.ids, fresh, false, ef);
}

/*
 * Let the twins of the nearest head take part, if they are results for ef.  They
 * do that only now, because they would end a walk early: they are many in one
 * place.  False if there is no such head.
 */
static bool
open_head(GraphSearch *search, uint32 ef)
{
	GraphHeap  *heads = &search->heads;

	while (heads->count > 0 &&
		   (search->best.count < ef ||
			heads->entries[0].distance < -search->best.entries[0].distance))
	{
		NeighborsArg neighbors;

		CHECK_FOR_INTERRUPTS();
		read_neighbors(search, search->found[heap_pop(heads).index].id, &neighbors);
		if (neighbors.twin != NO_SLOT && visited_add(search, neighbors.twin))
		{
			take_part(search, &neighbors.twin, 1, false, ef);
			return true;
		}
	}
	return false;
}

/* Walk on until no candidate is nearer than the ef-th best. */
static void
walk(GraphSearch *search, uint32 ef)
{
	while (search->candidates.count > 0)
	{
		uint32		index;

		if (search->best.count >= ef &&
			search->candidates.entries[0].distance >
			-search->best.entries[0].distance)
			break;
		CHECK_FOR_INTERRUPTS();
		index = heap_pop(&search->candidates).index;
		search->found[index].state |= GRAPH_EXPANDED;
		expand(search, index, ef);
	}
}

void
graph_search_run(GraphSearch *search, int ef)
{
	do
		walk(search, ef);
	while (unlikely(open_head(search, ef)));
}

void
graph_search_resume(GraphSearch *search, int ef)
{
	search->candidates.count = 0;
	search->best.count = 0;

	/* results first, so that few candidates are offered in vain */
	for (uint32 i = 0; i < search->found_count; i++)
	{
		if (!(search->found[i].state & (GRAPH_SKIP | GRAPH_RETURNED)))
		{
			GraphHeapEntry entry = {-search->found[i].distance, i};

			if (search->best.count < (uint32) ef)
				heap_push(&search->best, search->context, entry);
			else if (entry.distance > search->best.entries[0].distance)
			{
				search->best.entries[0] = entry;
				heap_sift_down(&search->best, 0);
			}
		}
	}
	for (uint32 i = 0; i < search->found_count; i++)
	{
		GraphHeapEntry entry = {search->found[i].distance, i};

		if (!(search->found[i].state & GRAPH_EXPANDED))
			heap_push(&search->candidates, search->context, entry);
	}
	graph_search_run(search, ef);
}

/* Fewer results than these may be equally far by chance */
#define LEVEL_LEAST		16

bool
graph_search_level(const GraphSearch *search, int ef)
{
	const GraphHeap *best = &search->best;
	const IndexColumn *column = &search->query->codec->column;
	float		distance;

	if (best->count < (uint32) ef || ef < LEVEL_LEAST || search->query->constant)
		return false;
	distance = search->found[best->entries[0].index].distance;
	if (distance == 0 && column->metric != METRIC_IP)
		return false;
	for (uint32 i = 0; i < best->count; i++)
	{
		const GraphFound *found = &search->found[best->entries[i].index];

		if (found->distance != distance || (found->flags & NODE_TWIN))
			return false;
	}
	return true;
}

int
graph_search_take(GraphSearch *search, int count, bool mark, GraphFound **out)
{
	GraphHeap  *best = &search->best;
	int			taken;

	/* what the search has kept may be just what is asked for */
	if (best->count != (uint32) count)
	{
		best->count = 0;
		for (uint32 i = 0; i < search->found_count; i++)
		{
			GraphFound *found = &search->found[i];
			GraphHeapEntry entry = {-found->distance, i};

			if (best->count >= (uint32) count &&
				entry.distance <= best->entries[0].distance)
				continue;
			if (found->state & (GRAPH_SKIP | GRAPH_RETURNED))
				continue;
			if (best->count < (uint32) count)
				heap_push(best, search->context, entry);
			else
			{
				best->entries[0] = entry;
				heap_sift_down(best, 0);
			}
		}
	}
	taken = best->count;
	while (best->count > 0)
	{
		GraphFound *found = &search->found[heap_pop(best).index];

		if (mark)
			found->state |= GRAPH_RETURNED;
		out[best->count] = found;
	}
	return taken;
}

typedef struct BelowArg
{
	int			level;
	uint16		version;
	GraphId		below;
} BelowArg;

static void
visit_below(const GraphNode *node, void *arg)
{
	BelowArg   *below = (BelowArg *) arg;

	if (node->header.state != SLOT_FREE &&
		node->header.version == below->version &&
		(int) node->level == below->level)
		below->below = node->below;
}

/*
 * From the nearest nodes of a search at an upper level, which are still those
 * that were found, to the ones below them: up to count, into ids.  Returns how
 * many; 0 if there is none.
 */
static int
go_down(GraphSearch *search, GraphId *ids, int count)
{
	int			result = 0;

	while (result < count)
	{
		GraphFound *nearest = NULL;
		BelowArg	arg = {search->level, 0, NO_SLOT};

		for (uint32 i = 0; i < search->found_count; i++)
		{
			GraphFound *found = &search->found[i];

			if (!(found->state & GRAPH_RETURNED) &&
				(nearest == NULL || found->distance < nearest->distance))
				nearest = found;
		}
		if (nearest == NULL)
			break;
		nearest->state |= GRAPH_RETURNED;
		arg.version = nearest->version;
		search->store->visit(search->store, search->level, nearest->id,
							 visit_below, &arg);
		if (arg.below != NO_SLOT)
			ids[result++] = arg.below;
	}
	return result;
}

int
graph_descend(GraphSearch *search, GraphEntry entry, int level, GraphId *ids,
			  int count)
{
	int			starts = 1;

	ids[0] = entry.id;
	for (int at = entry.level; at > level && starts > 0; at--)
	{
		graph_search_begin(search, at, ids, starts);
		graph_search_run(search, count);
		starts = go_down(search, ids, count);
	}
	return starts;
}

/* ------------------------------------------------------------------------
 * Neighbours
 */

GraphSelector *
graph_selector_create(const GraphShape *shape, GraphStore *store,
					  const Codec *codec, ValueStore *outer, int room)
{
	GraphSelector *selector = (GraphSelector *) palloc0(sizeof(GraphSelector));

	room = Max(room, GRAPH_MAX_NEIGHBORS + 1);
	selector->shape = shape;
	selector->store = store;
	selector->codec = codec;
	selector->outer = outer;
	selector->context = CurrentMemoryContext;
	selector->room = room;
	selector->candidates = (GraphNear *) palloc(mul_size(room, sizeof(GraphNear)));
	selector->payload = (char *) palloc(shape->payload_size);
	if (!store->stable)
		selector->payloads = (char *)
			palloc(mul_size(GRAPH_MAX_NEIGHBORS + 1, shape->payload_size));
	selector->base = codec_query_create(codec, outer, false);
	return selector;
}

typedef struct CopyArg
{
	const GraphShape *shape;
	char	   *payload;
	bool		alive;
} CopyArg;

static void
visit_copy(const GraphNode *node, void *arg)
{
	CopyArg    *copy = (CopyArg *) arg;

	copy->alive = node->header.state == SLOT_USED;
	memcpy(copy->payload, node_payload(node), copy->shape->payload_size);
}

/*
 * A node's payload: where it is, if it stays there, or a copy.  NULL if the
 * node is not in use.
 */
static const void *
get_payload(GraphSelector *selector, int level, GraphId id, char *copy)
{
	CopyArg		arg = {selector->shape, copy, false};
	GraphStore *store = selector->store;
	const GraphNode *node;

	if (!store->careful)
	{
		store->nodes(store, level, &id, 1, &node);
		if (store->stable)
			return node_payload(node);
		visit_copy(node, &arg);
		if (store->check(store, 0))
			return arg.alive ? copy : NULL;
	}
	store->visit(store, level, id, visit_copy, &arg);
	return arg.alive ? copy : NULL;
}

/* The query that stands for the i-th chosen neighbour */
static CodecQuery *
chosen_query(GraphSelector *selector, int i)
{
	if (selector->chosen[i].query == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(selector->context);

		selector->chosen[i].query =
			codec_query_create(selector->codec, selector->outer, false);
		selector->chosen[i].payload = (char *) palloc(selector->shape->payload_size);
		MemoryContextSwitchTo(caller);
	}
	return selector->chosen[i].query;
}

int
graph_select(GraphSelector *selector, int level, GraphNear *candidates,
			 int count, int limit, int fill)
{
	int			chosen = 0;
	int			passed = 0;
	int			kept;

	Assert(limit <= GRAPH_MAX_NEIGHBORS);
	for (int i = 0; i < count && chosen < limit; i++)
	{
		GraphNear	candidate = candidates[i];
		const void *payload = get_payload(selector, level, candidate.id,
										  selector->payload);
		bool		diverse = true;

		if (payload == NULL)
			continue;
		for (int k = 0; k < chosen && diverse; k++)
		{
			float		distance;

			codec_distances(selector->chosen[k].query, &payload, 1, &distance);
			diverse = !(distance < candidate.distance);
		}
		if (diverse)
		{
			CodecQuery *query = chosen_query(selector, chosen);

			if (!selector->store->stable)
				payload = memcpy(selector->chosen[chosen].payload, payload,
								 selector->shape->payload_size);
			codec_query_set_payload(query, payload);
			candidate.diverse = true;
			selector->picked[chosen++] = candidate;
		}
		else if (passed < fill)
		{
			candidate.diverse = false;
			selector->passed[passed++] = candidate;
		}
	}

	/* merge, in ascending order */
	passed = Max(0, Min(passed, fill - chosen));
	kept = chosen + passed;
	for (int at = kept - 1, p = passed - 1, c = chosen - 1; at >= 0; at--)
	{
		if (p >= 0 && (c < 0 || selector->passed[p].distance > selector->picked[c].distance))
			candidates[at] = selector->passed[p--];
		else
			candidates[at] = selector->picked[c--];
	}
	return kept;
}

typedef struct RankArg
{
	CodecQuery *query;
	float		distance;
	bool		alive;
	bool		rises;
} RankArg;

static void
visit_rank(const GraphNode *node, void *arg)
{
	RankArg    *rank = (RankArg *) arg;
	const void *payload = node_payload(node);

	rank->alive = node->header.state == SLOT_USED;
	rank->rises = (node->header.flags & NODE_RISES) != 0;
	if (rank->alive)
		codec_distances(rank->query, &payload, 1, &rank->distance);
}

static int
compare_near(const void *a, const void *b)
{
	const GraphNear *x = (const GraphNear *) a;
	const GraphNear *y = (const GraphNear *) b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id ? 1 : 0;
}

int
graph_rank(GraphSelector *selector, int level, CodecQuery *query,
		   GraphNear *candidates, int count)
{
	GraphStore *store = selector->store;
	int			alive = 0;

	for (int done = 0; done < count; done += GRAPH_BATCH)
	{
		int			part = Min(count - done, GRAPH_BATCH);
		GraphId		ids[GRAPH_BATCH];
		const GraphNode *nodes[GRAPH_BATCH];
		const void *payloads[GRAPH_BATCH];
		float		distances[GRAPH_BATCH];
		bool		used[GRAPH_BATCH];
		bool		rises[GRAPH_BATCH];

		for (int i = 0; i < part; i++)
			ids[i] = candidates[done + i].id;
		if (!store->careful)
		{
			store->nodes(store, level, ids, part, nodes);
			for (int i = 0; i < part; i++)
			{
				used[i] = nodes[i]->header.state == SLOT_USED;
				rises[i] = (nodes[i]->header.flags & NODE_RISES) != 0;
				payloads[i] = node_payload(nodes[i]);
			}
			codec_distances(query, payloads, part, distances);
		}
		for (int i = 0; i < part; i++)
		{
			if (store->careful || !store->check(store, i))
			{
				RankArg		arg = {query, 0, false, false};

				store->visit(store, level, ids[i], visit_rank, &arg);
				used[i] = arg.alive;
				rises[i] = arg.rises;
				distances[i] = arg.distance;
			}
			if (!used[i])
				continue;
			candidates[alive].id = ids[i];
			candidates[alive].rises = rises[i];
			candidates[alive++].distance = comparable(distances[i]);
		}
	}
	qsort(candidates, alive, sizeof(GraphNear), compare_near);
	return alive;
}

/* The neighbours of a node in ascending order of distance */
typedef struct Ranking
{
	GraphSelector *selector;
	const void *payloads[GRAPH_MAX_NEIGHBORS + 1];
	float		distances[GRAPH_MAX_NEIGHBORS + 1];
	int8		diverse[GRAPH_MAX_NEIGHBORS + 1];	/* -1: not known yet */
} Ranking;

/*
 * Would graph_select choose the neighbour of rank i?  If no diverse one before
 * it is nearer to it than the node is; found out for as few as possible.
 */
static bool
is_diverse(Ranking *ranking, int i)
{
	float		others[GRAPH_MAX_NEIGHBORS];

	if (ranking->diverse[i] < 0)
	{
		ranking->diverse[i] = true;
		codec_query_set_payload(ranking->selector->base, ranking->payloads[i]);
		codec_distances(ranking->selector->base, ranking->payloads, i, others);
		for (int k = 0; k < i && ranking->diverse[i]; k++)
		{
			if (others[k] < ranking->distances[i] && is_diverse(ranking, k))
				ranking->diverse[i] = false;
		}
	}
	return ranking->diverse[i];
}

int
graph_drop_one(GraphSelector *selector, int level, const void *payload,
			   GraphId *ids, int count)
{
	Ranking		ranking;
	Size		size = selector->shape->payload_size;
	GraphId		kept[GRAPH_MAX_NEIGHBORS + 1];	/* of the ring, to deleted ones */
	int			kept_count = 0;
	int			alive = 0;
	int			dropped = -1;
	bool		gone = false;

	Assert(count <= GRAPH_MAX_NEIGHBORS + 1);
	for (int i = 0; i < count; i++)
	{
		char	   *copy = selector->payloads + alive * size;

		ranking.payloads[alive] = get_payload(selector, level, edge_id(ids[i]),
											  copy);
		if (ranking.payloads[alive] != NULL)
			ids[alive++] = ids[i];
		else if (edge_in_ring(ids[i]))
			kept[kept_count++] = ids[i];
		else
			gone = true;
	}
	memcpy(ids + alive, kept, kept_count * sizeof(GraphId));
	if (gone)
		return alive + kept_count;
	count = alive;

	codec_query_set_payload(selector->base, payload);
	codec_distances(selector->base, ranking.payloads, count, ranking.distances);

	/* most of them are in order since the last time */
	for (int i = 1; i < count; i++)
	{
		GraphId		id = ids[i];
		const void *moved = ranking.payloads[i];
		float		distance = comparable(ranking.distances[i]);
		int			at = i;

		for (; at > 0 && ranking.distances[at - 1] > distance; at--)
		{
			ids[at] = ids[at - 1];
			ranking.payloads[at] = ranking.payloads[at - 1];
			ranking.distances[at] = ranking.distances[at - 1];
		}
		ids[at] = id;
		ranking.payloads[at] = moved;
		ranking.distances[at] = distance;
	}

	ranking.selector = selector;
	memset(ranking.diverse, -1, sizeof(ranking.diverse));
	ranking.diverse[0] = true;
	for (int i = count - 1; i > 0; i--)
	{
		if (edge_in_ring(ids[i]))
			continue;
		if (dropped < 0)
			dropped = i;		/* the farthest, if all are diverse */
		if (!is_diverse(&ranking, i))
		{
			dropped = i;
			break;
		}
	}
	count += kept_count;
	if (dropped < 0)
		return count;
	memmove(ids + dropped, ids + dropped + 1,
			(count - 1 - dropped) * sizeof(GraphId));
	return count - 1;
}

int
graph_set_next(const GraphShape *shape, uint8 flags, GraphId *edges, int count,
			   GraphId next)
{
	int			place = ring_place(flags, edges, count);

	if (place >= 0)
		edges[place] = edge_id(edges[place]);
	if (next == NO_SLOT)
		return count;
	for (int i = first_neighbor(flags); i < count; i++)
	{
		if (edges[i] == next)
		{
			edges[i] |= EDGE_RING;
			return count;
		}
	}
	if (count < graph_capacity(shape, 0))
		place = count++;
	else if (place < 0)
		place = count - 1;
	edges[place] = next | EDGE_RING;
	return count;
}

int
graph_spare_place(const GraphShape *shape, const GraphId *edges, int count)
{
	int			place = count;

	if (count < graph_capacity(shape, 0))
		return count;
	do
		place--;
	while (place > 0 && edge_in_ring(edges[place]));
	return place;
}

int
graph_edges(const GraphShape *shape, const GraphLinks *links, GraphId *edges)
{
	for (int i = 0; i < links->count; i++)
		edges[i] = links->near[i].id;
	return links->next == NO_SLOT ? links->count
		: graph_set_next(shape, 0, edges, links->count, links->next);
}

typedef struct RingArg
{
	const GraphShape *shape;
	bool		used;
	GraphId		next;
} RingArg;

static void
visit_ring(const GraphNode *node, void *arg)
{
	RingArg    *ring = (RingArg *) arg;

	ring->used = node->header.state == SLOT_USED;
	ring->next = ring_next(node->header.flags,
						   node_neighbors(ring->shape, node),
						   Min(node->neighbors, graph_capacity(ring->shape, 0)));
}

GraphId
graph_first_used(GraphStore *store, const GraphShape *shape, GraphId id,
				 GraphId *next)
{
	RingArg		ring = {shape, false, NO_SLOT};
	GraphId		met = NO_SLOT;

	/*
	 * A deleted one's edge does not change any more (README.md); where all are
	 * deleted, the way leads round in a circle.
	 */
	for (uint64 steps = 1; id != NO_SLOT && id != met; steps++)
	{
		CHECK_FOR_INTERRUPTS();
		if ((steps & (steps - 1)) == 0)
			met = id;
		store->visit(store, 0, id, visit_ring, &ring);
		*next = ring.next;
		if (ring.used)
			return id;
		id = ring.next;
	}
	*next = NO_SLOT;
	return NO_SLOT;
}

bool
graph_find_next(GraphStore *store, const GraphShape *shape, GraphLinks *links)
{
	GraphId		beyond;

	links->after = graph_first_used(store, shape, links->after, &links->known);
	links->next = graph_first_used(store, shape, links->known, &beyond);
	if (links->next == NO_SLOT)
		links->next = links->after;
	return links->after != NO_SLOT;
}

/* The neighbours of a new element among what a search has found */
static int
choose_links(GraphSearch *search, GraphSelector *selector, int ef,
			 GraphFound **results, GraphLinks *links)
{
	int			level = search->level;
	int			count = graph_search_take(search, ef, false, results);
	int			nearest;

	for (int i = 0; i < count; i++)
	{
		selector->candidates[i].id = results[i]->id;
		selector->candidates[i].distance = results[i]->distance;
	}
	links->count = graph_select(selector, level, selector->candidates, count,
								graph_capacity(search->shape, level),
								graph_fill(search->shape, level));
	memcpy(links->near, selector->candidates, links->count * sizeof(GraphNear));
	links->after = NO_SLOT;
	links->next = NO_SLOT;
	for (int i = 0; i < links->count && level == 0; i++)
	{
		links->after = links->near[i].id;
		if (graph_find_next(search->store, search->shape, links))
			break;
	}

	nearest = Min(RISE_NEAREST(search->shape), ef);
	links->rise = count >= nearest;
	for (int i = 0; i < nearest && links->rise; i++)
		links->rise = !(results[i]->flags & NODE_RISES);
	return count;
}

int
graph_find_base_links(GraphSearch *search, GraphSelector *selector,
					  const GraphId *starts, int count, int ef,
					  GraphFound **results, GraphLinks *links)
{
	graph_search_begin(search, 0, starts, count);
	graph_search_run(search, ef);
	return choose_links(search, selector, ef, results, links);
}

int
graph_find_upper_links(GraphSearch *search, GraphSelector *selector,
					   GraphEntry entry, int level, int ef,
					   GraphFound **results, GraphLinks *links)
{
	GraphId		starts[GRAPH_INSERT_BEAM];
	int			count = graph_descend(search, entry, level, starts,
									  GRAPH_INSERT_BEAM);

	if (count == 0)
		return -1;
	graph_search_begin(search, level, starts, count);
	graph_search_run(search, ef);
	return choose_links(search, selector, ef, results, links);
}

int
graph_find_links(GraphSearch *search, GraphSelector *selector, GraphEntry entry,
				 int level, int ef, GraphFound **results, GraphLinks *links)
{
	int			top = Min(level, entry.level);
	GraphId		starts[GRAPH_INSERT_BEAM];
	int			count = graph_descend(search, entry, top, starts,
									  GRAPH_INSERT_BEAM);

	for (int at = top; at > 0 && count > 0; at--)
	{
		graph_search_begin(search, at, starts, count);
		graph_search_run(search, ef);
		(void) choose_links(search, selector, ef, results, &links[at]);
		count = go_down(search, starts, GRAPH_INSERT_BEAM);
	}
	if (count == 0)
		return -1;
	return graph_find_base_links(search, selector, starts, count, ef, results,
								 &links[0]);
}
