/*
 * neighbors.c
 *	  Choosing the neighbours of a node; the ring of all elements.
 */
#include "hnsw/neighbors.h"

#include "miscadmin.h"

/*
 * If none of so many nodes nearest to a new one has a node one level up, the new
 * one is to have it.  On average four have.
 */
#define RISE_NEAREST(shape)	(4 * (shape)->m)

/* ------------------------------------------------------------------------
 * Choosing
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

/*
 * A node's payload: where it is, if it stays there, or a copy.  NULL if the
 * node is not in use.
 */
static const void *
get_payload(GraphSelector *selector, int level, GraphId id, char *copy)
{
	GraphStore *store = selector->store;
	Size		size = selector->shape->payload_size;
	const GraphNode *node;
	bool		used;

	if (!store->careful)
	{
		store->nodes(store, level, &id, 1, &node);
		if (store->stable)
			return node_payload(node);
		used = node->header.state == SLOT_USED;
		memcpy(copy, node_payload(node), size);
		if (store->check(store, 0))
			return used ? copy : NULL;
	}
	node = store->hold(store, level, id);
	used = node->header.state == SLOT_USED;
	memcpy(copy, node_payload(node), size);
	store->release(store);
	return used ? copy : NULL;
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

static int
compare_near(const void *a, const void *b)
{
	const GraphNear *x = (const GraphNear *) a;
	const GraphNear *y = (const GraphNear *) b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id ? 1 : 0;
}

/* Candidates that graph_select looks at together */
#define SELECT_TOGETHER	32

/* A part of the candidates, none of which is passed over yet */
typedef struct Undecided
{
	int			count;
	int			numbers[SELECT_TOGETHER];	/* among all candidates */
	const void *payloads[SELECT_TOGETHER];
} Undecided;

/* Pass over what is nearer to a chosen one than to the node. */
static void
pass_over(Undecided *undecided, CodecQuery *chosen, const GraphNear *candidates)
{
	float		distances[SELECT_TOGETHER];
	int			left = 0;

	codec_distances(chosen, undecided->payloads, undecided->count, distances);
	for (int i = 0; i < undecided->count; i++)
	{
		int			number = undecided->numbers[i];

		if (distances[i] < candidates[number].distance)
			continue;
		undecided->numbers[left] = number;
		undecided->payloads[left++] = undecided->payloads[i];
	}
	undecided->count = left;
}

/*
 * Which of the candidates from one on are diverse, where some have been chosen?
 * Compared are the same ones as if each was compared with those chosen before until
 * one is nearer, but many at a time: nodes have to stay where they are.  Returns how
 * many are chosen now.
 */
static int
choose_diverse(GraphSelector *selector, int level, GraphNear *candidates,
			   int from, int count, int chosen, int limit)
{
	int			done = from;

	for (int i = from; i < count; i++)
		candidates[i].diverse = false;
	while (done < count && chosen < limit)
	{
		Undecided	undecided;

		undecided.count = 0;
		for (; done < count && undecided.count < SELECT_TOGETHER; done++)
		{
			undecided.payloads[undecided.count] =
				get_payload(selector, level, candidates[done].id,
							selector->payload);
			undecided.numbers[undecided.count++] = done;
		}
		for (int k = 0; k < chosen && undecided.count > 0; k++)
			pass_over(&undecided, selector->chosen[k].query, candidates);
		while (undecided.count > 0 && chosen < limit)
		{
			CodecQuery *query = chosen_query(selector, chosen++);

			candidates[undecided.numbers[0]].diverse = true;
			codec_query_set_payload(query, undecided.payloads[0]);
			undecided.count--;
			memmove(undecided.numbers, undecided.numbers + 1,
					undecided.count * sizeof(int));
			memmove(undecided.payloads, undecided.payloads + 1,
					undecided.count * sizeof(void *));
			if (undecided.count > 0 && chosen < limit)
				pass_over(&undecided, query, candidates);
		}
	}
	return chosen;
}

/* Fill up with the nearest that are not diverse, up to limit; returns how many there are. */
static int
fill_up(GraphNear *candidates, int count, int chosen, int limit)
{
	int			room = limit - chosen;
	int			kept = 0;

	for (int i = 0; i < count && kept < limit; i++)
	{
		if (candidates[i].diverse || room-- > 0)
			candidates[kept++] = candidates[i];
	}
	return kept;
}

/*
 * Of far candidates in any order, those that no chosen one is nearer to, into out, in
 * ascending order and once each.  Returns how many.
 */
static int
take_far(GraphSelector *selector, int level, const GraphNear *far, int count,
		 int chosen, GraphNear *out)
{
	int			taken = 0;

	for (int done = 0; done < count; done += SELECT_TOGETHER)
	{
		Undecided	undecided;

		undecided.count = Min(count - done, SELECT_TOGETHER);
		for (int i = 0; i < undecided.count; i++)
		{
			undecided.numbers[i] = done + i;
			undecided.payloads[i] = get_payload(selector, level, far[done + i].id,
												selector->payload);
		}
		for (int k = 0; k < chosen && undecided.count > 0; k++)
			pass_over(&undecided, selector->chosen[k].query, far);
		for (int i = 0; i < undecided.count; i++)
		{
			const GraphNear *one = &far[undecided.numbers[i]];
			int			at = taken;

			while (at > 0 && compare_near(&out[at - 1], one) > 0)
				at--;
			if (at > 0 && out[at - 1].id == one->id)
				continue;
			memmove(out + at + 1, out + at, (taken++ - at) * sizeof(GraphNear));
			out[at] = *one;
		}
	}
	return taken;
}

int
graph_select_far(GraphSelector *selector, GraphNear *candidates, int count,
				 const GraphNear *far, int far_count)
{
	int			limit = graph_capacity(selector->shape, 0);
	int			chosen;
	int			taken = 0;

	Assert(selector->store->stable);
	chosen = choose_diverse(selector, 0, candidates, 0, count, 0, limit);
	if (chosen < limit)
		taken = take_far(selector, 0, far, far_count, chosen, candidates + count);
	chosen = choose_diverse(selector, 0, candidates, count, count + taken, chosen,
							limit);
	return fill_up(candidates, count + taken, chosen, limit);
}

/* graph_select, of nodes that stay where they are */
static int
select_stable(GraphSelector *selector, int level, GraphNear *candidates, int count)
{
	int			limit = graph_capacity(selector->shape, level);
	int			chosen = choose_diverse(selector, level, candidates, 0, count, 0,
										limit);

	return fill_up(candidates, count, chosen, limit);
}

int
graph_select(GraphSelector *selector, int level, GraphNear *candidates,
			 int count)
{
	int			limit = graph_capacity(selector->shape, level);
	int			chosen = 0;
	int			passed = 0;
	int			kept;

	if (selector->store->stable)
		return select_stable(selector, level, candidates, count);
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

			payload = memcpy(selector->chosen[chosen].payload, payload,
							 selector->shape->payload_size);
			codec_query_set_payload(query, payload);
			candidate.diverse = true;
			selector->picked[chosen++] = candidate;
		}
		else if (passed < limit)
		{
			candidate.diverse = false;
			selector->passed[passed++] = candidate;
		}
	}

	/* merge, in ascending order */
	passed = Min(passed, limit - chosen);
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
				const GraphNode *node = store->hold(store, level, ids[i]);

				used[i] = node->header.state == SLOT_USED;
				rises[i] = (node->header.flags & NODE_RISES) != 0;
				payloads[i] = node_payload(node);
				if (used[i])
					codec_distances(query, &payloads[i], 1, &distances[i]);
				store->release(store);
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

void
graph_drop_one(GraphSelector *selector, int level, const void *payload,
			   GraphEdges *edges)
{
	Ranking		ranking;
	GraphId    *ids = edges->ids;
	int			count = edges->count;
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
	edges->count = alive + kept_count;
	if (gone)
		return;
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
	if (dropped < 0)
		return;
	edges->count--;
	memmove(ids + dropped, ids + dropped + 1,
			(edges->count - dropped) * sizeof(GraphId));
}

/* ------------------------------------------------------------------------
 * The ring, and chains of twins
 */

void
edges_set_next(const GraphShape *shape, GraphEdges *edges, GraphId next)
{
	int			place = edges_ring_place(edges);

	if (place >= 0)
		edges->ids[place] = edge_id(edges->ids[place]);
	if (next == NO_SLOT)
		return;
	for (int i = first_neighbor(edges->flags); i < edges->count; i++)
	{
		if (edges->ids[i] == next)
		{
			edges->ids[i] |= EDGE_RING;
			return;
		}
	}
	if (edges->count < graph_capacity(shape, 0))
		place = edges->count++;
	else if (place < 0)
		place = edges->count - 1;
	edges->ids[place] = next | EDGE_RING;
}

int
edges_add_twin(const GraphShape *shape, GraphEdges *edges, GraphId twin)
{
	int			place = edges->count;

	if (place == graph_capacity(shape, 0))
	{
		do
			place--;
		while (place > 0 && edge_in_ring(edges->ids[place]));
	}
	memmove(edges->ids + 1, edges->ids, place * sizeof(GraphId));
	edges->ids[0] = twin | EDGE_RING;
	edges->count = Max(edges->count, place + 1);
	edges->flags |= NODE_HEAD;
	return place;
}

void
edges_from_links(const GraphShape *shape, const GraphLinks *links,
				 GraphEdges *edges)
{
	edges->flags = 0;
	edges->count = links->count;
	for (int i = 0; i < links->count; i++)
		edges->ids[i] = links->near[i].id;
	if (links->next != NO_SLOT)
		edges_set_next(shape, edges, links->next);
}

GraphId
graph_first_used(GraphStore *store, const GraphShape *shape, GraphId id,
				 GraphId *next)
{
	GraphEdges	edges;
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
		graph_read_edges(store, shape, 0, id, &edges);
		*next = edges_next(&edges);
		if (edges.state == SLOT_USED)
			return id;
		id = *next;
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

/* ------------------------------------------------------------------------
 * The links of a new element
 */

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
	links->count = graph_select(selector, level, selector->candidates, count);
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
		count = graph_go_down(search, starts, GRAPH_INSERT_BEAM);
	}
	if (count == 0)
		return -1;
	return graph_find_base_links(search, selector, starts, count, ef, results,
								 &links[0]);
}
