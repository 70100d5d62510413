/*
 * search.c
 *	  Searching the graph.
 *
 * The inner loop is flat arrays only: every node whose distance is known has an
 * entry in found; two binary heaps hold indexes into it, one of candidates to
 * expand and one of the ef best; visited nodes are in an open-addressing
 * table.  Nothing is allocated per candidate, and because found forgets
 * nothing, a search can be resumed for further results without computing a
 * distance twice.
 */
#include "hnsw/search.h"

#include "miscadmin.h"

#define FIRST_FOUND			1024
#define FIRST_VISITED		2048	/* powers of two */
#define FIRST_VISITED_UPPER	256

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
	heap_init(&search->candidates);
	heap_init(&search->best);
	heap_init(&search->heads);
	return search;
}

Size
graph_search_memory(const GraphSearch *search)
{
	return search->found_room * sizeof(GraphFound) +
		((Size) search->visited_mask + 1) * sizeof(GraphId) +
		((Size) search->candidates.room + search->best.room + search->heads.room) *
		sizeof(GraphHeapEntry);
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
		found[i].id = ids[i];
		if (store->careful || !store->check(store, i))
		{
			const GraphNode *node = store->hold(store, search->level, ids[i]);
			const void *payload = node_payload(node);

			note_node(search, &found[i], node);
			distances[i] = FLT_MAX;
			if (node->header.state != SLOT_FREE)
				codec_distances(search->query, &payload, 1, &distances[i]);
			store->release(store);
		}
		found[i].distance = comparable(distances[i]);
		if (search->filter != NULL && search->level == 0 && !passing &&
			!filter_passes_node(search->filter, ids[i]))
			found[i].state |= GRAPH_SKIP;
		if (unlikely(found[i].flags & NODE_HEAD) && !search->skip_twins)
		{
			GraphHeapEntry entry = {found[i].distance,
			search->found_count - count + i};

			heap_push(&search->heads, entry);
		}
	}
}

/* Let a node with its distance take part. */
static inline void
push_found(GraphSearch *search, uint32 index, uint32 ef)
{
	const GraphFound *found = &search->found[index];
	GraphHeapEntry entry = {found->distance, index};
	GraphHeapEntry negated = {-found->distance, index};
	GraphHeap  *best = &search->best;

	if (best->count >= ef && entry.distance >= -best->results[0].distance)
		return;
	if (!(found->state & GRAPH_EXPANDED))
		heap_push(&search->candidates, entry);
	if (found->state & (GRAPH_SKIP | GRAPH_RETURNED))
		return;
	if (best->count >= ef)
		heap_replace(best, negated);
	else
		heap_push(best, negated);
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
		push_found(search, search->found_count - 1, UINT32_MAX);
	}
}

void
graph_search_leave_out(GraphSearch *search, GraphId id)
{
	(void) visited_add(search, id);
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
			push_found(search, first + k, ef);
		}
	}
}

void
graph_read_edges(GraphStore *store, const GraphShape *shape, int level,
				 GraphId id, GraphEdges *edges)
{
	node_get_edges(shape, level, store->hold(store, level, id), edges);
	store->release(store);
}

/* The edges of a node, in any state; returns where those to neighbours begin. */
static int
read_edges(GraphSearch *search, GraphId id, GraphEdges *edges)
{
	GraphStore *store = search->store;
	const GraphNode *node;

	store->nodes(store, search->level, &id, 1, &node);
	node_get_edges(search->shape, search->level, node, edges);
	if (!store->check(store, 0))
		graph_read_edges(store, search->shape, search->level, id, edges);
	return edges_twin(edges) != NO_SLOT ? 1 : 0;
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
#define HOPS_PREFETCHED	4

/*
 * Room for what passing_neighbors gives: almost as many as hops_enough says, and
 * then the neighbours of one node more, and its twins
 */
#define PASSING_NEIGHBORS \
	(GRAPH_MAX_NEIGHBORS + GRAPH_MAX_NEIGHBORS / 4 + 2 * GRAPH_MAX_NEIGHBORS)

/*
 * Add to ids, of which there are count, one that passes and has not been met;
 * *seen counts it if it passes.  Returns how many there are then.
 */
static inline int
add_passing(GraphSearch *search, GraphId id, int *seen, GraphId *ids, int count)
{
	if (id == NO_SLOT || !filter_passes_node(search->filter, id))
		return count;
	(*seen)++;
	if (visited_add(search, id))
		ids[count++] = id;
	return count;
}

/*
 * The neighbours, of a node that fails, that pass; and those of its twins, which
 * are as near as it is: the first one, and those that this one knows.
 */
static int
passing_beyond(GraphSearch *search, GraphId id, int *seen, GraphId *ids,
			   int count)
{
	GraphEdges	far;
	GraphId		twin;

	for (int i = read_edges(search, id, &far); i < far.count; i++)
		count = add_passing(search, edge_id(far.ids[i]), seen, ids, count);
	twin = edges_twin(&far);
	if (twin == NO_SLOT)
		return count;
	count = add_passing(search, twin, seen, ids, count);
	for (int i = read_edges(search, twin, &far); i < far.count; i++)
		count = add_passing(search, edge_id(far.ids[i]), seen, ids, count);
	return count;
}

/*
 * The neighbours of a node that pass and have not been met, and if those are too
 * few, of its neighbours that fail.  Returns how many; ids has room for
 * PASSING_NEIGHBORS.
 */
static int
passing_neighbors(GraphSearch *search, uint32 index, uint32 ef, GraphId *ids)
{
	GraphFilter *filter = search->filter;
	GraphEdges	near;
	int			failing = 0;
	int			seen = 0;
	int			count = 0;
	int			enough;

	for (int i = read_edges(search, search->found[index].id, &near);
		 i < near.count; i++)
	{
		GraphId		id = edge_id(near.ids[i]);

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
	for (int i = 0; i < Min(failing, HOPS_PREFETCHED); i++)
		search->store->prefetch(search->store, search->level, near.ids[i]);
	for (int i = 0; i < failing && seen < enough; i++)
	{
		if (i + HOPS_PREFETCHED < failing)
			search->store->prefetch(search->store, search->level,
									near.ids[i + HOPS_PREFETCHED]);

		/* a node that fails counts as visited once its edges have been read */
		if (visited_add(search, near.ids[i]))
			count = passing_beyond(search, near.ids[i], &seen, ids, count);
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
			push_found(search, first + i, ef);
	}
}

static void
expand(GraphSearch *search, uint32 index, uint32 ef)
{
	GraphEdges	edges;
	int			fresh = 0;

	if (search->candidates.count > 0)
		search->store->prefetch(search->store, search->level,
							   search->found[search->candidates.results[0].index].id);
	if (search->filter != NULL && search->filter->two_hops && search->level == 0)
	{
		GraphId		ids[PASSING_NEIGHBORS];
		int			count = passing_neighbors(search, index, ef, ids);

		take_part(search, ids, count, true, ef);
		return;
	}
	for (int i = read_edges(search, search->found[index].id, &edges);
		 i < edges.count; i++)
	{
		GraphId		id = edge_id(edges.ids[i]);

		if (id != NO_SLOT && visited_add(search, id))
			edges.ids[fresh++] = id;
	}
	take_part(search, edges.ids, fresh, false, ef);
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
			heads->results[0].distance < -search->best.results[0].distance))
	{
		GraphEdges	edges;
		GraphId		twin;

		CHECK_FOR_INTERRUPTS();
		(void) read_edges(search, search->found[heap_pop(heads).index].id, &edges);
		twin = edges_twin(&edges);
		if (twin != NO_SLOT && visited_add(search, twin))
		{
			take_part(search, &twin, 1, false, ef);
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
			search->candidates.results[0].distance >
			-search->best.results[0].distance)
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

	/* results first, so that few candidates are pushed in vain */
	for (uint32 i = 0; i < search->found_count; i++)
	{
		if (!(search->found[i].state & (GRAPH_SKIP | GRAPH_RETURNED)))
		{
			GraphHeapEntry entry = {-search->found[i].distance, i};

			if (search->best.count < ef)
				heap_push(&search->best, entry);
			else if (entry.distance > search->best.results[0].distance)
				heap_replace(&search->best, entry);
		}
	}
	for (uint32 i = 0; i < search->found_count; i++)
	{
		GraphHeapEntry entry = {search->found[i].distance, i};

		if (!(search->found[i].state & GRAPH_EXPANDED))
			heap_push(&search->candidates, entry);
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

	if (best->count < ef || ef < LEVEL_LEAST || search->query->constant)
		return false;
	distance = search->found[best->results[0].index].distance;
	if (distance == 0 && !column->traits->product)
		return false;
	for (int i = 0; i < best->count; i++)
	{
		const GraphFound *found = &search->found[best->results[i].index];

		if (found->distance != distance || (found->flags & NODE_TWIN))
			return false;
	}
	return true;
}

bool
graph_search_ties(const GraphSearch *search)
{
	const GraphHeap *best = &search->best;

	for (int i = 1; i < best->count; i++)
	{
		if (best->results[i].distance != best->results[0].distance)
			return false;
	}
	return best->count > 1;
}

int
graph_search_take(GraphSearch *search, int count, bool mark, GraphFound **out)
{
	GraphHeap  *best = &search->best;
	int			taken;

	/* what the search has kept may be just what is asked for */
	if (best->count != count)
	{
		best->count = 0;
		for (uint32 i = 0; i < search->found_count; i++)
		{
			GraphFound *found = &search->found[i];
			GraphHeapEntry entry = {-found->distance, i};

			if (best->count >= count &&
				entry.distance <= best->results[0].distance)
				continue;
			if (found->state & (GRAPH_SKIP | GRAPH_RETURNED))
				continue;
			if (best->count < count)
				heap_push(best, entry);
			else
				heap_replace(best, entry);
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

int
graph_go_down(GraphSearch *search, GraphId *ids, int count)
{
	GraphStore *store = search->store;
	int			result = 0;

	while (result < count)
	{
		GraphFound *nearest = NULL;
		const GraphNode *node;

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
		node = store->hold(store, search->level, nearest->id);
		if (node->header.state != SLOT_FREE &&
			node->header.version == nearest->version &&
			(int) node->level == search->level && node->below != NO_SLOT)
			ids[result++] = node->below;
		store->release(store);
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
		starts = graph_go_down(search, ids, count);
	}
	return starts;
}
