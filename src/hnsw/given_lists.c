/*
 * given_lists.c
 *	  One element of a graph that a table gives: its list, and the neighbours that
 *	  are chosen from it.
 *
 * A list is kept as the numbers of its elements, where the element's node will
 * have its edges and what is known of them.  Then each element tells those in its
 * list of itself.  So when neighbours are chosen, all that may lead to each
 * other are candidates of each other, and nothing has to be linked back.  No step
 * takes a lock: a list belongs to the process that has claimed it, a place
 * among those told is taken by an atomic addition, and an element's neighbours
 * are chosen by one process.
 *
 * given_graph.c has the steps.
 */
#include "hnsw/given_steps.h"

#include <math.h>

#include "miscadmin.h"

#include "hnsw/hnsw.h"
#include "math/heap/heap.h"
#include "math/random.h"
#include "storage/recent_buffer.h"

/* Of so many in an element's list, one may know a pivot near by */
#define GIVEN_ASKED_FOR_PIVOT	8

/* ------------------------------------------------------------------------
 * Reading lists
 */

/* The elements of count keys, in their order, into ids; those that are not there go. */
static int
find_keys(const GivenGraph *given, const uint64 *hashes, int count, GraphId *ids)
{
	uint32		mask = given->shared->buckets - 1;
	uint32		numbers[GIVEN_CANDIDATES];
	int			found = 0;

	count = Min(count, GIVEN_CANDIDATES);
	for (int i = 0; i < count; i++)
		__builtin_prefetch(&given->key_chains[hashes[i] & mask]);
	for (int i = 0; i < count; i++)
	{
		numbers[i] = pg_atomic_read_u32(&given->key_chains[hashes[i] & mask]);
		if (numbers[i] != 0)
			__builtin_prefetch(given_row_key(given, numbers[i] - 1));
	}
	for (int i = 0; i < count; i++)
	{
		for (uint32 number = numbers[i]; number != 0;)
		{
			const RowKey *key = given_row_key(given, number - 1);

			if (key->hash == hashes[i])
			{
				ids[found++] = key->id;
				break;
			}
			number = key->next;
		}
	}
	return found;
}

static inline bool
is_among(GraphId id, const GraphId *ids, int count)
{
	bool		found = false;

	for (int i = 0; i < count; i++)
		found |= ids[i] == id;
	return found;
}

/* Drop what is there twice, and id itself. */
static int
drop_repeated(GraphId *ids, int count, GraphId id)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (ids[i] != id && !is_among(ids[i], ids, kept))
			ids[kept++] = ids[i];
	}
	return kept;
}

/*
 * Fewer candidates than these are no list.  Of a partition, or by a predicate,
 * most of a row's neighbours may be elsewhere.
 */
static int
least_candidates(const GivenGraph *given)
{
	uint32		elements = pg_atomic_read_u32(&given->shared->elements);

	return (int) Min((uint32) Max(given->graph->index->shape.m / 2, 1),
					 Max(elements, 2) - 1);
}

void
given_take_list(GivenGraph *given, const RowHint *hint)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	GraphId		ids[GIVEN_CANDIDATES];
	GraphEdges	edges;
	GraphNode  *node;
	GivenList  *list;
	GraphId		id;
	uint32		none = 0;
	int			count;
	int			first;
	int			rest;

	if (find_keys(given, &hint->key, 1, &id) == 0)
		return;
	list = given_list(graph, id);
	if (pg_atomic_read_u32(&list->taken) != 0)
		return;
	count = find_keys(given, hint->neighbors, hint->count, ids);
	count = drop_repeated(ids, count, id);
	if (count < least_candidates(given) ||
		!pg_atomic_compare_exchange_u32(&list->taken, &none, 1))
		return;

	/* a head's first edge stays */
	node = memory_node(graph, 0, id);
	node_get_edges(shape, 0, node, &edges);
	first = Min(count, graph_capacity(shape, 0) - edges.count);
	rest = Min(count - first, given_list_room(shape) / 2);
	memcpy(edges.ids + edges.count, ids, first * sizeof(GraphId));
	edges.count += first;
	node_set_edges(shape, node, &edges);
	memcpy(given_list_ids(graph, id), ids + first, rest * sizeof(GraphId));
	list->count = rest;
}

/* ------------------------------------------------------------------------
 * Distances
 */

#define ST_SORT sort_near
#define ST_ELEMENT_TYPE GraphNear
#define ST_COMPARE(a, b) ((a)->distance < (b)->distance ? -1 : \
						  (a)->distance > (b)->distance ? 1 : \
						  (a)->id < (b)->id ? -1 : (a)->id > (b)->id)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Sort what is nearly in order. */
static void
insertion_sort(GraphNear *candidates, int count)
{
	for (int i = 1; i < count; i++)
	{
		GraphNear	moved = candidates[i];
		int			at = i;

		for (; at > 0 && candidates[at - 1].distance > moved.distance; at--)
			candidates[at] = candidates[at - 1];
		candidates[at] = moved;
	}
}

/*
 * Put candidates in order, of which the first are in order; without id, and once
 * each: what is there twice has the same distance.
 */
static int
order_candidates(GraphNear *candidates, int sorted, int count, GraphId id)
{
	GraphNear	merged[GIVEN_MOST_CANDIDATES];
	int			kept = 0;
	int			a = 0;
	int			b = sorted;

	sort_near(candidates + sorted, count - sorted);
	while (a < sorted || b < count)
	{
		const GraphNear *next;

		if (b == count || (a < sorted && !(candidates[b].distance < candidates[a].distance)))
			next = &candidates[a++];
		else
			next = &candidates[b++];
		if (next->id == id)
			continue;

		/* among those that are equally far, most often the last one */
		for (int i = kept - 1; i >= 0 && merged[i].distance == next->distance; i--)
		{
			if (merged[i].id == next->id)
			{
				next = NULL;
				break;
			}
		}
		if (next != NULL)
			merged[kept++] = *next;
	}
	memcpy(candidates, merged, kept * sizeof(GraphNear));
	return kept;
}

/* Elements with their distances from what the query is set to, but for twins */
static int
measure(GivenGraph *given, const GraphId *ids, int count, GraphNear *out)
{
	MemoryGraph *graph = given->graph;
	const void *payloads[GRAPH_BATCH];
	float		distances[GRAPH_BATCH];
	int			kept = 0;

	for (int done = 0; done < count; done += GRAPH_BATCH)
	{
		int			part = Min(count - done, GRAPH_BATCH);

		for (int i = 0; i < part; i++)
			payloads[i] = node_payload(memory_node(graph, 0, ids[done + i]));
		codec_distances(given->inserter->query, payloads, part, distances);
		for (int i = 0; i < part; i++)
		{
			if (memory_node(graph, 0, ids[done + i])->header.flags & NODE_TWIN)
				continue;
			out[kept].id = ids[done + i];
			out[kept].rises = false;
			out[kept++].distance = comparable(distances[i]);
		}
	}
	return kept;
}

/* ------------------------------------------------------------------------
 * Pivots
 */

/* The pivots nearest to one, in ascending order of distance */
typedef struct NearestPivots
{
	int			count;
	uint16		numbers[GIVEN_NEAR_PIVOTS / 2];
	float		distances[GIVEN_NEAR_PIVOTS / 2];
} NearestPivots;

ASCENDING(compare_ids, GraphId, GraphId, *e)

void
given_take_pivots(GivenGraph *given)
{
	const SlotGeometry *geometry = graph_geometry(&given->graph->index->shape, 0);
	GivenPivots *pivots = given->pivots;
	uint32		elements = pg_atomic_read_u32(&given->graph->shared->base_count);
	uint64		random = elements;
	uint32		wanted = Min(elements / GIVEN_PIVOT_OF + 1, GIVEN_MOST_PIVOTS);
	uint32		few;

	/* one without a list will not be part of the graph before all others are */
	for (uint64 tries = 0; tries < 4 * (uint64) wanted && pivots->count < wanted &&
		 elements > 0; tries++)
	{
		GraphId		id = geometry->per_page + splitmix64_next(&random) % elements;
		GraphNode  *node = memory_node(given->graph, 0, id);

		if (!given_has_list(given->graph, id) || (node->header.flags & NODE_PIVOT))
			continue;
		node->header.flags |= NODE_PIVOT;
		pivots->ids[pivots->count++] = id;
	}
	qsort(pivots->ids, pivots->count, sizeof(GraphId), compare_ids);
	few = Min(Max(pivots->count / GIVEN_FEW_OF, GIVEN_NEAR_PIVOTS / 2), GIVEN_MOST_FEW);
	pivots->step = Max(pivots->count / few, 1);
	while (pivots->count / pivots->step > GIVEN_MOST_FEW - 1)
		pivots->step++;
}

/* The number of an element that is a pivot */
static uint32
pivot_number(const GivenPivots *pivots, GraphId id)
{
	const GraphId *found = (const GraphId *) bsearch(&id, pivots->ids, pivots->count,
													 sizeof(GraphId), compare_ids);

	return found == NULL ? 0 : (uint32) (found - pivots->ids);
}

/* One more pivot among those nearest to one, in order */
static void
keep_nearest(NearestPivots *nearest, uint16 number, float distance)
{
	int			at = nearest->count;

	if (at == GIVEN_NEAR_PIVOTS / 2)
	{
		if (!(distance < nearest->distances[at - 1]))
			return;
		at--;
	}
	else
		nearest->count++;
	for (; at > 0 && nearest->distances[at - 1] > distance; at--)
	{
		nearest->distances[at] = nearest->distances[at - 1];
		nearest->numbers[at] = nearest->numbers[at - 1];
	}
	nearest->distances[at] = distance;
	nearest->numbers[at] = number;
}

/* The numbers of those nearest to a pivot; where there are too few, the first again */
static void
take_nearest(const NearestPivots *nearest, uint16 *numbers)
{
	for (int i = 0; i < GIVEN_NEAR_PIVOTS / 2; i++)
		numbers[i] = nearest->numbers[i < nearest->count ? i : 0];
}

/* Which of some pivots are among the nearest to the query? */
static void
compare_pivots(GivenGraph *given, const uint16 *numbers, int count,
			   NearestPivots *nearest)
{
	GraphId		ids[GRAPH_BATCH] = {0};
	GraphNear	near[GRAPH_BATCH];

	for (int i = 0; i < count; i++)
		ids[i] = given->pivots->ids[numbers[i]];
	(void) measure(given, ids, count, near);
	for (int i = 0; i < count; i++)
		keep_nearest(nearest, numbers[i], near[i].distance);
}

void
given_group_pivot(GivenGraph *given, uint32 pivot)
{
	GivenPivots *pivots = given->pivots;
	uint16	   *near = pivots->near[pivot] + GIVEN_NEAR_PIVOTS / 2;
	NearestPivots nearest = {0};
	uint16		numbers[GRAPH_BATCH];
	int			count = 0;

	given_set_query(given, pivots->ids[pivot]);
	for (uint32 number = 0; number < pivots->count; number += pivots->step)
	{
		numbers[count++] = (uint16) number;
		if (count == GRAPH_BATCH)
		{
			compare_pivots(given, numbers, count, &nearest);
			count = 0;
		}
	}
	compare_pivots(given, numbers, count, &nearest);
	take_nearest(&nearest, near);
	pivots->next[pivot] = (uint16)
		pg_atomic_exchange_u32(&pivots->groups[near[0] / pivots->step], pivot + 1);
}

void
given_relate_pivot(GivenGraph *given, uint32 pivot)
{
	GivenPivots *pivots = given->pivots;
	const uint16 *few = pivots->near[pivot] + GIVEN_NEAR_PIVOTS / 2;
	NearestPivots nearest = {0};
	uint16		numbers[GRAPH_BATCH];
	int			count = 0;

	given_set_query(given, pivots->ids[pivot]);
	for (int i = 0; i < GIVEN_NEAR_PIVOTS / 2; i++)
	{
		if (i > 0 && few[i] == few[0])
			break;
		for (uint32 number = pg_atomic_read_u32(&pivots->groups[few[i] / pivots->step]);
			 number != 0; number = pivots->next[number - 1])
		{
			numbers[count++] = (uint16) (number - 1);
			if (count == GRAPH_BATCH)
			{
				compare_pivots(given, numbers, count, &nearest);
				count = 0;
			}
		}
	}
	compare_pivots(given, numbers, count, &nearest);
	take_nearest(&nearest, pivots->near[pivot]);
}

/* The elements of a list, and then others, that it has been told of */
static int
candidate_ids(GivenGraph *given, GraphId id, GraphId *ids, int *listed)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	const GivenList *list = given_list(graph, id);
	const GraphId *others = given_list_ids(graph, id);
	int			room = given_list_room(shape);
	int			told = (int) Min(pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &list->told)),
								 (uint32) (room - list->count));
	GraphEdges	edges;
	int			first;
	int			count;

	node_get_edges(shape, 0, memory_node(graph, 0, id), &edges);
	first = first_neighbor(edges.flags);
	count = edges.count - first;
	memcpy(ids, edges.ids + first, count * sizeof(GraphId));
	memcpy(ids + count, others, list->count * sizeof(GraphId));
	count += list->count;
	*listed = count;
	for (int i = 0; i < told; i++)
	{
		GraphId		one = others[room - 1 - i];

		if (!is_among(one, ids, *listed))
			ids[count++] = one;
	}
	return count;
}

/* Put an element among those of a pivot. */
static void
join_pivot(GivenGraph *given, GraphId id, uint32 pivot)
{
	GivenList  *list = given_list(given->graph, id);

	list->chain = pg_atomic_exchange_u32(&given->pivots->elements[pivot], id);
	pg_atomic_write_u32(&list->taken, pivot + GIVEN_PIVOT_FOUND);
}

/* The number of the first pivot among an element and those in its list, or -1 */
static int
listed_pivot(const GivenGraph *given, GraphId id, const GraphId *ids, int count)
{
	const MemoryGraph *graph = given->graph;

	if (memory_node(graph, 0, id)->header.flags & NODE_PIVOT)
		return pivot_number(given->pivots, id);
	for (int i = 0; i < count; i++)
	{
		if (memory_node(graph, 0, ids[i])->header.flags & NODE_PIVOT)
			return pivot_number(given->pivots, ids[i]);
	}
	return -1;
}

/*
 * An element is among the nearest of those that are nearest to it, most often:
 * these are told.  What many have in their lists keeps those that come first.  They
 * are kept from the end of the room for ids, the list from its beginning.
 */
void
given_tell_listed(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	uint32		room = given_list_room(shape);
	GraphEdges	edges;
	int			first;
	int			pivot;

	if (!given_has_list(graph, id))
		return;
	node_get_edges(shape, 0, memory_node(graph, 0, id), &edges);
	first = first_neighbor(edges.flags);
	for (int i = first; i < edges.count; i++)
	{
		__builtin_prefetch(memory_node(graph, 0, edges.ids[i]));
		__builtin_prefetch(&given_list(graph, edges.ids[i])->told, 1);
	}
	for (int i = first; i < edges.count; i++)
	{
		GivenList  *list = given_list(graph, edges.ids[i]);
		uint32		place = pg_atomic_fetch_add_u32(&list->told, 1);

		/* of a twin, any number may stand there: it stays within the room */
		if (place < room - Min(list->count, room / 2))
			given_list_ids(graph, edges.ids[i])[room - 1 - place] = id;
	}
	pivot = listed_pivot(given, id, edges.ids + first, edges.count - first);
	if (pivot >= 0)
		join_pivot(given, id, pivot);
}

/*
 * The pivot of an element that has none in its list: that of one of these, or the
 * nearest of some.
 */
void
given_assign_pivot(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	GivenPivots *pivots = given->pivots;
	GraphEdges	edges;
	GraphId		some[GRAPH_BATCH];
	GraphNear	near[GRAPH_BATCH];
	uint32		numbers[GRAPH_BATCH];
	uint64		random = id;
	int			first;
	int			best = 0;

	if (!given_has_list(graph, id) || pivots->count == 0 ||
		pg_atomic_read_u32(&given_list(graph, id)->taken) >= GIVEN_PIVOT_FOUND)
		return;
	node_get_edges(&graph->index->shape, 0, memory_node(graph, 0, id), &edges);
	first = first_neighbor(edges.flags);
	for (int i = first; i < Min(edges.count, first + GIVEN_ASKED_FOR_PIVOT); i++)
	{
		uint32		taken = given_has_list(graph, edges.ids[i])
			? pg_atomic_read_u32(&given_list(graph, edges.ids[i])->taken) : 0;

		if (taken >= GIVEN_PIVOT_FOUND)
		{
			join_pivot(given, id, taken - GIVEN_PIVOT_FOUND);
			return;
		}
	}
	for (int i = 0; i < GRAPH_BATCH; i++)
	{
		numbers[i] = splitmix64_next(&random) % pivots->count;
		some[i] = pivots->ids[numbers[i]];
	}
	given_set_query(given, id);
	(void) measure(given, some, GRAPH_BATCH, near);
	for (int i = 1; i < GRAPH_BATCH; i++)
	{
		if (near[i].distance < near[best].distance)
			best = i;
	}
	join_pivot(given, id, numbers[best]);
}

/* ------------------------------------------------------------------------
 * Are lists as good as they look?
 */

/*
 * Of the elements that are at least as near as the middle of an element's list, which
 * part does the list have?  By a look at all, or at one in step.  -1: it has no list.
 */
double
given_list_recall(GivenGraph *given, GraphId id, uint32 step)
{
	MemoryGraph *graph = given->graph;
	const SlotGeometry *geometry = graph_geometry(&graph->index->shape, 0);
	uint32		elements = pg_atomic_read_u32(&graph->shared->base_count);
	GraphId		ids[GIVEN_MOST_CANDIDATES];
	GraphNear  *list = given->candidates;
	float		middle;
	double		nearer = 0;
	int			count;
	int			listed;

	if (!given_has_list(graph, id))
		return -1;
	(void) candidate_ids(given, id, ids, &listed);
	given_set_query(given, id);
	count = measure(given, ids, listed, list);
	if (count == 0)
		return -1;
	sort_near(list, count);
	middle = list[count / 2].distance;
	for (uint32 done = 0; done < elements;)
	{
		GraphId		some[GRAPH_BATCH];
		GraphNear	near[GRAPH_BATCH];
		int			part = 0;

		CHECK_FOR_INTERRUPTS();
		for (; part < GRAPH_BATCH && done < elements; done += step)
			some[part++] = geometry->per_page + done;
		part = measure(given, some, part, near);
		for (int i = 0; i < part; i++)
		{
			if (near[i].distance < middle && near[i].id != id &&
				!is_among(near[i].id, ids, listed))
				nearer += step;
		}
	}
	return (count / 2 + 1) / (count / 2 + 1 + nearer);
}

/* ------------------------------------------------------------------------
 * Choosing neighbours
 */

/*
 * Is an element's list, in order, one of its neighbours?  No random element that is
 * not in it, which come first in the sample, may be nearer than its middle one, or
 * not many more than would be if that is as far as its place in the list says,
 * where elements are few; of the pivots near by, as many as stand for GIVEN_NEARER
 * elements, or one, since distances of codes are estimates.  A list whose middle is not even nearer than half of the random ones
 * is a list of something else.
 */
static bool
is_plausible(GivenGraph *given, GraphId id, const GraphNear *list, int count,
			 const GraphNear *sample, int sampled)
{
	float		middle = list[count / 2].distance;
	double		expected = (double) GIVEN_SAMPLE * (count / 2) /
		pg_atomic_read_u32(&given->shared->elements);
	int			allowed = expected < 0.02 ? 0 : (int) ceil(3 * expected);
	int			allowed_near = allowed +
		(int) Max((uint64) GIVEN_NEARER * given->pivots->count /
				  pg_atomic_read_u32(&given->shared->elements), 1);
	int			nearer = 0;
	int			near_random = 0;

	for (int i = 0; i < sampled; i++)
	{
		bool		better = sample[i].distance < middle && sample[i].id != id;

		for (int k = 0; better && k < count; k++)
			better = sample[i].id != list[k].id;
		nearer += better;
		if (i < GIVEN_SAMPLE)
			near_random = nearer;
	}
	given->lists++;
	given->strange += near_random > GIVEN_SAMPLE / 2;
	if (near_random <= allowed && nearer <= allowed_near)
		return true;
	given->poor++;
	return false;
}

/*
 * Pivots near an element and random ones, with their distances.  Where rows lie in
 * clusters, lists never lead out of one, and a search that the upper levels have led
 * into a wrong one would stay there.  An insertion has candidates in other clusters as
 * long as its own is small; those that are diverse keep clusters together.  So pivots
 * are candidates, too.
 */
static int
measure_pivots(GivenGraph *given, GraphId id, GraphNear *sample)
{
	const GivenPivots *pivots = given->pivots;
	uint32		taken = pg_atomic_read_u32(&given_list(given->graph, id)->taken);
	uint32		start = taken - GIVEN_PIVOT_FOUND;
	uint64		random = id;
	GraphId		ids[GIVEN_SAMPLE + GIVEN_NEAR_PIVOTS + 1];
	int			count = 0;

	while (count < GIVEN_SAMPLE)
		ids[count++] = pivots->ids[splitmix64_next(&random) % pivots->count];
	ids[count++] = pivots->ids[start];
	for (int i = 0; i < GIVEN_NEAR_PIVOTS; i++)
		ids[count++] = pivots->ids[pivots->near[start][i]];
	count = measure(given, ids, count, sample);
	for (int i = 0; i < count; i++)
		sample[i].rises = true;
	return count;
}

/* Keep which of an element's edges lead to pivots. */
static void
note_edges(MemoryGraph *graph, GraphId id, const GraphLinks *links)
{
	BuildEdge  *known = memory_edges(graph, 0, id);
	int			room = graph_capacity(&graph->index->shape, 0);
	int			first = first_neighbor(memory_node(graph, 0, id)->header.flags);

	for (int i = first; i < room; i++)
		known[i].note = 0;
	for (int i = 0; i < Min(links->count, room - first); i++)
	{
		if (links->near[i].rises && links->near[i].diverse)
			known[first + i].note = GIVEN_TO_PIVOT;
	}
}

/*
 * Put those of the sample behind the candidates that are not farther than all of these.
 * Returns how many are left in the sample, without id: by inner products, an element
 * may be farther from itself than from others.
 */
static int
take_near(GraphNear *candidates, int *count, GraphNear *sample, int sampled,
		  GraphId id)
{
	float		farthest = -FLT_MAX;
	int			left = 0;

	for (int i = 0; i < *count; i++)
		farthest = Max(farthest, candidates[i].distance);
	for (int i = 0; i < sampled; i++)
	{
		if (sample[i].id == id)
			continue;
		if (sample[i].distance > farthest)
			sample[left++] = sample[i];
		else
			candidates[(*count)++] = sample[i];
	}
	return left;
}

void
given_choose(GivenGraph *given, GraphId id)
{
	MemoryGraph *graph = given->graph;
	Size		bytes = sizeof(GraphNode) + graph->index->shape.payload_size;
	GraphNode  *node = memory_node(graph, 0, id);
	GraphNear  *candidates = given->candidates;
	GraphId		ids[GIVEN_MOST_CANDIDATES];
	GraphNear	sample[GIVEN_SAMPLE + GIVEN_NEAR_PIVOTS + 1];
	GraphLinks	links;
	int			listed;
	int			first;
	int			told;
	int			count;
	int			sampled;

	told = candidate_ids(given, id, ids, &listed);
	for (int i = 0; i < told; i++)
		prefetch_far((const char *) memory_node(graph, 0, ids[i]), bytes);
	given_set_query(given, id);
	sampled = measure_pivots(given, id, sample);

	graph_links_clear(&links);
	first = listed;
	listed = measure(given, ids, listed, candidates);
	insertion_sort(candidates, listed);
	if (is_plausible(given, id, candidates, listed, sample, sampled))
	{
		count = listed + measure(given, ids + first, told - first,
								 candidates + listed);
		sampled = take_near(candidates, &count, sample, sampled, id);
		count = order_candidates(candidates, listed, count, id);
		links.count = graph_select_far(graph->selector, candidates, count, sample,
									   sampled);
		memcpy(links.near, candidates, links.count * sizeof(GraphNear));
	}
	memory_set_edges(graph, 0, id, &links);
	note_edges(graph, id, &links);
	pg_write_barrier();
	if (links.count > 0)
		node->header.flags |= NODE_LISTED;
}
