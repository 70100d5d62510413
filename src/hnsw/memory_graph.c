/*
 * memory_graph.c
 *	  The graph in memory, while an index is built.
 *
 * It lies in memory of at most maintenance_work_mem, shared by all processes that
 * build, which is taken when it is needed (index/build_memory.h).  It holds
 * codes, not values: those go to their pages at once, where the index keeps them
 * at all.  A node in memory is the same bytes as on its page; only numbers change
 * when the graph is written, since neighbours are put on one page then
 * (node_order.c).
 *
 * Concurrency.  A node's record is complete before anything refers to it; after
 * that, only its edges change.  They are changed under one of a set of locks
 * (node_lock), and read without: the number of edges is raised after the edge has
 * been written, and a number read half way through a change is either an old edge
 * or a new one.  An element that rises above the entry point keeps others from
 * taking the entry point until it is done.
 */
#include "hnsw/memory_graph.h"

#include <limits.h>

#include "miscadmin.h"

#include "hnsw/page.h"
#include "storage/recent_buffer.h"

/* A head's edge to its first twin */
static const BuildEdge twin_edge = {-FLT_MAX, false, true};

/*
 * Arrays of the graph's memory: of level 0, a node, its edges and its filter
 * columns' keys; of upper levels, a node and its edges; further TIDs
 */
enum
{
	ARRAY_BASE,
	ARRAY_UPPER,
	ARRAY_TIDS
};

/* ------------------------------------------------------------------------
 * Memory
 */

Size
memory_graph_plan(MemoryGraphShared *shared, const HnswIndex *index, double rows,
				  double most)
{
	const GraphShape *shape = &index->shape;
	Size		limit = mul_size(maintenance_work_mem, 1024);
	double		upper_share = 1.2 / (shape->m - 1);
	Size		key_size = index->filter != NULL ? index->filter->entry_bytes : 0;
	Size		base_size = MAXALIGN(shape->base.slot_size +
									 graph_capacity(shape, 0) * sizeof(BuildEdge) +
									 key_size);
	Size		upper_size = MAXALIGN(shape->upper.slot_size +
									  graph_capacity(shape, 1) * sizeof(BuildEdge));

	shared->memory.limit = limit;
	(void) build_memory_plan(&shared->memory, base_size, most);
	(void) build_memory_plan(&shared->memory, upper_size, most * upper_share);
	(void) build_memory_plan(&shared->memory, sizeof(BuildTid), most);
	shared->per_element = base_size + upper_share * upper_size + sizeof(BuildTid);
	return (Size) Min((double) limit,
					  rows * shared->per_element + BUILD_MAX_ARRAYS * BUILD_LEAST_PIECE);
}

void
memory_graph_init(MemoryGraphShared *shared, int participants, int tranche)
{
	shared->participants = participants;
	pg_atomic_init_u32(&shared->base_count, 0);
	pg_atomic_init_u32(&shared->upper_count, 0);
	pg_atomic_init_u32(&shared->tid_count, 0);
	shared->entry.id = NO_SLOT;
	shared->entry.level = -1;
	if (participants == 1)
		return;
	LWLockInitialize(&shared->memory.lock, tranche);
	LWLockInitialize(&shared->entry_lock, tranche);
	for (int i = 0; i < MEMORY_NODE_LOCKS; i++)
		LWLockInitialize(&shared->node_locks[i].lock, tranche);
}

/* ------------------------------------------------------------------------
 * Nodes
 */

static void
memory_nodes(GraphStore *store, int level, const GraphId *ids, int count,
			 const GraphNode **nodes)
{
	const MemoryGraph *graph = (const MemoryGraph *) store;
	Size		bytes = sizeof(GraphNode) + graph->index->shape.payload_size;

	for (int i = 0; i < count; i++)
	{
		nodes[i] = memory_node(graph, level, ids[i]);
		if (count > 1)
			prefetch_far((const char *) nodes[i], bytes);
	}
}

static void
memory_prefetch(GraphStore *store, int level, GraphId id)
{
	const MemoryGraph *graph = (const MemoryGraph *) store;

	prefetch_edges(&graph->index->shape,
				   (const char *) memory_node(graph, level, id), level);
}

static bool
memory_check(GraphStore *store, int i)
{
	return true;
}

static const GraphNode *
memory_hold(GraphStore *store, int level, GraphId id)
{
	return memory_node((const MemoryGraph *) store, level, id);
}

static void
memory_release(GraphStore *store)
{
}

/*
 * Does a new neighbour at a distance come before one that is there?  Equal
 * distances are in a different order at every node, so that among many equal
 * ones not all nodes keep the same.
 */
static inline bool
comes_before(GraphId to, float distance, GraphId id, float other_distance,
			 GraphId other)
{
	if (distance != other_distance)
		return distance < other_distance;
	return (id ^ to) * 0x9E3779B1u < (edge_id(other) ^ to) * 0x9E3779B1u;
}

/*
 * Which of a full node's neighbours makes room for a new one: the farthest that
 * is not diverse, or else the farthest, and none that the ring needs.  edge is
 * the new one, to be put in at place; distances are those of the others from
 * it.  -1: none, the new one is turned down.
 */
static int
choose_victim(const BuildEdge *edges, int count, const BuildEdge *edge,
			  int place, const float *distances)
{
	int			farthest = -1;

	for (int i = count - 1; i >= 0; i--)
	{
		if (i + 1 == place && !edge->ring)
		{
			if (!edge->diverse)
				return -1;
			if (farthest < 0)
				farthest = INT_MAX; /* the new one, if all are diverse */
		}
		if (edges[i].ring)
			continue;
		if (!edges[i].diverse ||
			(edge->diverse && i >= place && distances[i] < edges[i].distance))
			return i;
		if (farthest < 0)
			farthest = i;
	}
	return farthest == INT_MAX ? -1 : farthest;
}

void
memory_set_edges(MemoryGraph *graph, int level, GraphId id,
				 const GraphLinks *links)
{
	const GraphShape *shape = &graph->index->shape;
	GraphNode  *node = memory_node(graph, level, id);
	BuildEdge  *known = memory_edges(graph, level, id);
	GraphId		twin = NO_SLOT;
	GraphEdges	edges;

	if (level == 0 && (node->header.flags & NODE_HEAD))
	{
		node_get_edges(shape, level, node, &edges);
		twin = edges_twin(&edges);
	}

	edges_from_links(shape, links, &edges);
	for (int i = 0; i < edges.count; i++)
	{
		bool		near = i < links->count &&
			edge_id(edges.ids[i]) == links->near[i].id;

		known[i].ring = edge_in_ring(edges.ids[i]);
		known[i].distance = near ? links->near[i].distance : FLT_MAX;
		known[i].diverse = near && links->near[i].diverse;
	}
	if (twin != NO_SLOT)
	{
		int			moved = edges_add_twin(shape, &edges, twin);

		memmove(known + 1, known, moved * sizeof(BuildEdge));
		known[0] = twin_edge;
	}
	node_set_edges(shape, node, &edges);
}

void
memory_move_edges(const GraphShape *shape, GraphNode *node,
				  const GraphEdges *edges, BuildEdge *known, int place,
				  int dropped, GraphId id, const BuildEdge *edge)
{
	int			step = dropped >= place ? -1 : 1;

	if (step > 0)
		place--;
	for (int i = dropped; i != place; i += step)
	{
		node_put_edge(shape, node, i, edges->ids[i + step]);
		known[i] = known[i + step];
	}
	node_put_edge(shape, node, place, id | (edge->ring ? EDGE_RING : 0));
	known[place] = *edge;
}

/*
 * Put a new element into the ring behind a node, which is locked, by its links:
 * the one that comes next after the node comes after it.
 */
void
memory_join_ring(MemoryGraph *graph, GraphNode *node, GraphId to,
				 GraphEdges *edges, BuildEdge *known, GraphId id,
				 GraphLinks *links)
{
	int			at = edges_ring_place(edges);
	GraphId		next = at < 0 ? to : edge_id(edges->ids[at]);

	/* it leads on before anything leads to it */
	if (next != links->next)
	{
		links->next = next;
		memory_set_edges(graph, 0, id, links);
		pg_write_barrier();
	}
	if (at < 0)
		return;
	edges->ids[at] = next;
	known[at].ring = false;
	node_put_edge(&graph->index->shape, node, at, next);
}

/*
 * Make a new element, whose value the query is set to, a neighbour of a node;
 * ring, which has its links then: the one that comes next in the ring.
 * Neighbours stay in ascending order of distance.  If there is one too many,
 * one goes: as graph_drop_one does, but that a neighbour that was not diverse
 * because of one that has gone is not looked at again.
 *
 * See the head of this file about the order of these stores.
 */
void
memory_link(MemoryGraph *graph, int level, const GraphNear *to, GraphId id,
			GraphLinks *ring)
{
	const GraphShape *shape = &graph->index->shape;
	GraphNode  *node = memory_node(graph, level, to->id);
	BuildEdge  *known = memory_edges(graph, level, to->id);
	const void *payloads[GRAPH_MAX_NEIGHBORS];
	float		distances[GRAPH_MAX_NEIGHBORS];
	BuildEdge	edge = {to->distance, true, ring != NULL};
	LWLock	   *lock = node_lock(graph, to->id);
	GraphEdges	edges;
	int			place;
	int			dropped;

	lock_if_shared(graph, lock, LW_EXCLUSIVE);
	node_get_edges(shape, level, node, &edges);
	if (ring != NULL)
		memory_join_ring(graph, node, to->id, &edges, known, id, ring);
	for (int i = 0; i < edges.count; i++)
		payloads[i] = node_payload(memory_node(graph, level, edge_id(edges.ids[i])));
	codec_distances(graph->inserter->query, payloads, edges.count, distances);

	for (place = first_neighbor(edges.flags); place < edges.count; place++)
	{
		if (comes_before(to->id, edge.distance, id, known[place].distance,
						 edges.ids[place]))
			break;
		if (known[place].diverse && distances[place] < edge.distance)
			edge.diverse = false;
	}

	dropped = edges.count;
	if (dropped == graph_capacity(shape, level))
		dropped = choose_victim(known, dropped, &edge, place, distances);
	if (dropped >= 0)
	{
		for (int i = place; i < edges.count && edge.diverse; i++)
		{
			if (distances[i] < known[i].distance)
				known[i].diverse = false;
		}
		memory_move_edges(shape, node, &edges, known, place, dropped, id, &edge);
	}
	unlock_if_shared(graph, lock);
}

uint8 *
memory_keys(MemoryGraph *graph, GraphId id)
{
	return (uint8 *) (memory_edges(graph, 0, id) +
					  graph_capacity(&graph->index->shape, 0));
}

bool
memory_add_tid(MemoryGraph *graph, GraphId id, uint64 hash, ItemPointer tid)
{
	HnswInserter *inserter = graph->inserter;
	GraphNode  *node = memory_node(graph, 0, id);
	LWLock	   *lock = node_lock(graph, id);
	uint32		number;

	if (node->hash != hash ||
		!codec_same(inserter->query, inserter->payload, node_payload(node)))
		return false;
	if (graph->index->filter != NULL &&
		memcmp(memory_keys(graph, id), inserter->entry_keys,
			   graph->index->filter->entry_bytes) != 0)
		return false;
	number = pg_atomic_fetch_add_u32(&graph->shared->tid_count, 1);
	memory_tid(graph, number)->tid = *tid;
	lock_if_shared(graph, lock, LW_EXCLUSIVE);
	memory_tid(graph, number)->next = node->more_tids;
	node->more_tids = number + 1;
	unlock_if_shared(graph, lock);
	return true;
}

/* Another TID of an element that has the query's value, if one is there */
static bool
memory_duplicate(MemoryGraph *graph, int results, uint64 hash, ItemPointer tid)
{
	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		if (memory_add_tid(graph, graph->inserter->results[i]->id, hash, tid))
			return true;
	}
	return false;
}

bool
memory_graph_make_room(MemoryGraph *graph, int level)
{
	MemoryGraphShared *shared = graph->shared;
	uint32		others = shared->participants - 1;

	return build_array_reserve(graph->base,
							   pg_atomic_read_u32(&shared->base_count) + others + 1) &&
		build_array_reserve(graph->upper,
							pg_atomic_read_u32(&shared->upper_count) +
							others * GRAPH_MAX_LEVEL + level) &&
		build_array_reserve(graph->tids,
							pg_atomic_read_u32(&shared->tid_count) + others + 1);
}

GraphId
memory_write(MemoryGraph *graph, int level, const GraphNode *head,
			 const GraphLinks *links, uint8 flags)
{
	const GraphShape *shape = &graph->index->shape;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	GraphId		id = geometry->per_page +
		pg_atomic_fetch_add_u32(level == 0 ? &graph->shared->base_count
								: &graph->shared->upper_count, 1);
	GraphNode  *node = memory_node(graph, level, id);

	*node = *head;
	node->header.state = SLOT_USED;
	node->header.flags = flags;
	node->level = level;
	memcpy(node_payload(node), graph->inserter->payload, shape->payload_size);
	if (level == 0 && graph->index->filter != NULL)
		memcpy(memory_keys(graph, id), graph->inserter->entry_keys,
			   graph->index->filter->entry_bytes);
	node_clear_edges(shape, level, node);
	memory_set_edges(graph, level, id, links);
	pg_write_barrier();
	return id;
}

/*
 * Where a new twin of a head leads: to the first twin (or to the head), to those
 * that this one leads to, and to the head.
 */
static void
memory_find_twins(MemoryGraph *graph, GraphId head, GraphLinks *links)
{
	const GraphShape *shape = &graph->index->shape;
	const GraphNear twin = {.id = NO_SLOT};
	GraphEdges	edges;

	graph_links_clear(links);
	node_get_edges(shape, 0, memory_node(graph, 0, head), &edges);
	links->next = edges_twin(&edges);
	if (links->next == NO_SLOT)
		links->next = head;
	if (links->next != head)
	{
		node_get_edges(shape, 0, memory_node(graph, 0, links->next), &edges);
		links->near[links->count++] = twin;
		links->near[0].id = links->next;
		for (int i = 0; i < edges.count &&
			 links->count < graph_capacity(shape, 0) - 1; i++)
		{
			if (edge_id(edges.ids[i]) == head)
				continue;
			links->near[links->count] = twin;
			links->near[links->count++].id = edge_id(edges.ids[i]);
		}
	}
	links->near[links->count] = twin;
	links->near[links->count++].id = head;
}

/* Let the chain of a node's twins, which is locked, begin with one. */
static void
memory_join_chain(MemoryGraph *graph, GraphId head, GraphId id)
{
	const GraphShape *shape = &graph->index->shape;
	GraphNode  *node = memory_node(graph, 0, head);
	BuildEdge  *known = memory_edges(graph, 0, head);
	GraphEdges	edges;
	int			place;

	if (node->header.flags & NODE_HEAD)
	{
		node_put_edge(shape, node, 0, id | EDGE_RING);
		return;
	}
	node_get_edges(shape, 0, node, &edges);
	place = edges_add_twin(shape, &edges, id);
	memmove(known + 1, known, place * sizeof(BuildEdge));
	known[0] = twin_edge;
	for (int i = place; i >= 0; i--)
		node_put_edge(shape, node, i, edges.ids[i]);
	pg_write_barrier();
	node->header.flags |= NODE_HEAD;
}

void
memory_put_twin(MemoryGraph *graph, GraphId head, GraphNode *node)
{
	GraphLinks	links;
	GraphId		id;

	memory_find_twins(graph, head, &links);
	for (int i = 0; i < links.count - 1; i++)
	{
		if (memory_add_tid(graph, links.near[i].id, node->hash, &node->tid))
			return;
	}
	node->value = hnsw_write_value(graph->inserter);
	id = memory_write(graph, 0, node, &links, NODE_TWIN);
	lock_if_shared(graph, node_lock(graph, head), LW_EXCLUSIVE);
	memory_find_twins(graph, head, &links);
	memory_set_edges(graph, 0, id, &links);
	pg_write_barrier();
	memory_join_chain(graph, head, id);
	unlock_if_shared(graph, node_lock(graph, head));
}

/*
 * Insert an element that has the payload of one of the results, if one has, as
 * its twin.
 */
static bool
memory_twin(MemoryGraph *graph, int results, GraphNode *node)
{
	HnswInserter *inserter = graph->inserter;

	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		GraphId		result = inserter->results[i]->id;

		if (codec_same(inserter->query, inserter->payload,
					   node_payload(memory_node(graph, 0, result))))
		{
			memory_put_twin(graph, result, node);
			return true;
		}
	}
	return false;
}

GraphEntry
memory_take_entry(MemoryGraph *graph, int level, bool *rises)
{
	MemoryGraphShared *shared = graph->shared;
	GraphEntry	entry;

	lock_if_shared(graph, &shared->entry_lock, LW_SHARED);
	entry = shared->entry;
	unlock_if_shared(graph, &shared->entry_lock);
	*rises = level > entry.level;
	if (*rises)
	{
		lock_if_shared(graph, &shared->entry_lock, LW_EXCLUSIVE);
		entry = shared->entry;
	}
	return entry;
}

void
memory_give_entry(MemoryGraph *graph, GraphEntry entry, bool rises, GraphId id,
				  int level)
{
	MemoryGraphShared *shared = graph->shared;

	if (!rises)
		return;
	if (level > entry.level)
	{
		shared->entry.id = id;
		shared->entry.level = level;
	}
	unlock_if_shared(graph, &shared->entry_lock);
}

void
memory_write_upper(MemoryGraph *graph, uint64 hash, int level,
				   const GraphLinks *links, GraphId *ids)
{
	GraphNode	head;

	memset(&head, 0, sizeof(head));
	head.hash = hash;
	ItemPointerSetInvalid(&head.tid);
	head.element = ids[0];
	for (int at = 1; at <= level; at++)
	{
		head.below = ids[at - 1];
		ids[at] = memory_write(graph, at, &head, &links[at],
							   at < level ? NODE_RISES : 0);
	}
}

void
memory_link_back(MemoryGraph *graph, int from, int level,
				 const GraphLinks *links, const GraphId *ids)
{
	for (int at = from; at <= level; at++)
	{
		for (int i = 0; i < links[at].count; i++)
		{
			if (links[at].near[i].id != links[at].after)
				memory_link(graph, at, &links[at].near[i], ids[at], NULL);
		}
	}
}

/* An element's node at level 0 has its edges, and nothing leads to it yet. */
static void
connect_node(MemoryGraph *graph, GraphId id, uint64 hash, int level,
			 GraphLinks *links, GraphEntry entry, bool rises)
{
	GraphId		ids[GRAPH_MAX_LEVEL];

	ids[0] = id;

	/* before anything else leads to it */
	for (int i = 0; i < links[0].count; i++)
	{
		if (links[0].near[i].id == links[0].after)
			memory_link(graph, 0, &links[0].near[i], ids[0], &links[0]);
	}
	memory_write_upper(graph, hash, level, links, ids);
	memory_link_back(graph, 0, level, links, ids);
	memory_give_entry(graph, entry, rises, ids[level], level);
}

void
memory_graph_insert(MemoryGraph *graph, ItemPointer tid, uint64 hash, int level)
{
	HnswInserter *inserter = graph->inserter;
	GraphLinks *links = inserter->links;
	bool		rises;
	GraphEntry	entry = memory_take_entry(graph, level, &rises);
	GraphNode	head;
	GraphId		id;

	memset(&head, 0, sizeof(head));
	head.hash = hash;
	head.tid = *tid;
	for (int at = 0; at <= level; at++)
		graph_links_clear(&links[at]);
	if (entry.level >= 0)
	{
		int			results = graph_find_links(graph->search,
											   graph->selector, entry, level,
											   graph->index->meta.ef_construction,
											   inserter->results, links);

		if (memory_duplicate(graph, results, hash, tid) ||
			memory_twin(graph, results, &head))
		{
			if (rises)
				unlock_if_shared(graph, &graph->shared->entry_lock);
			return;
		}
	}

	head.value = hnsw_write_value(inserter);
	id = memory_write(graph, 0, &head, &links[0], level > 0 ? NODE_RISES : 0);
	connect_node(graph, id, hash, level, links, entry, rises);
}

/* The value that the index keeps is nearer to the truth than its code. */
static void
set_query_to(MemoryGraph *graph, const GraphNode *node)
{
	HnswInserter *inserter = graph->inserter;
	const struct varlena *value = NULL;

	memcpy(inserter->payload, node_payload(node), graph->index->shape.payload_size);
	if (graph->index->codec.bits > 0)
		value = hnsw_kept_value(inserter, node->value);
	if (value != NULL && codec_indexes(&graph->index->codec, value))
		codec_query_set(inserter->query, value, true);
	else
		codec_query_set_payload(inserter->query, inserter->payload);
}

void
memory_attach(MemoryGraph *graph, GraphId id)
{
	HnswInserter *inserter = graph->inserter;
	GraphLinks *links = inserter->links;
	const GraphNode *node = memory_node(graph, 0, id);
	uint64		hash = node->hash;
	int			level = hnsw_level(graph->index, hash);
	bool		rises;
	GraphEntry	entry = memory_take_entry(graph, level, &rises);

	set_query_to(graph, node);
	for (int at = 0; at <= level; at++)
		graph_links_clear(&links[at]);
	if (entry.level >= 0)
		(void) graph_find_links(graph->search, graph->selector, entry, level,
								graph->index->meta.ef_construction,
								inserter->results, links);
	memory_set_edges(graph, 0, id, &links[0]);
	pg_write_barrier();
	connect_node(graph, id, hash, level, links, entry, rises);
}

/* ------------------------------------------------------------------------
 * A process's part
 */

MemoryGraph *
memory_graph_join(MemoryGraphShared *shared, dsm_segment *segment,
				  HnswIndex *index, HnswInserter *inserter)
{
	MemoryGraph *graph = (MemoryGraph *) palloc0(sizeof(MemoryGraph));
	BuildMemory *memory = build_memory_join(&shared->memory, segment);

	graph->store.nodes = memory_nodes;
	graph->store.prefetch = memory_prefetch;
	graph->store.check = memory_check;
	graph->store.hold = memory_hold;
	graph->store.release = memory_release;
	graph->store.careful = false;
	graph->store.stable = true;
	graph->shared = shared;
	graph->alone = segment == NULL;
	graph->index = index;
	graph->inserter = inserter;
	graph->memory = memory;
	graph->base = &memory->array[ARRAY_BASE];
	graph->upper = &memory->array[ARRAY_UPPER];
	graph->tids = &memory->array[ARRAY_TIDS];
	graph->search = graph_search_create(&index->shape, &graph->store,
										inserter->query);
	graph->search->skip_twins = true;
	graph->selector = graph_selector_create(&index->shape, &graph->store,
											&index->codec, &inserter->store.values,
											index->meta.ef_construction);
	return graph;
}
