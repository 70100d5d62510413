/*
 * build.c
 *	  CREATE INDEX: the graph in memory, then on pages.
 *
 * The graph is built in memory of at most maintenance_work_mem, shared by all
 * processes that build, which is taken when it is needed (index/build_memory.h).
 * It holds codes, not values: those go to their pages at once, where the index
 * keeps them at all.  A node in memory is
 * the same bytes as on its page; only numbers change when the graph is
 * written, all by the same amount, since nodes lie in their pages in the order
 * in which they lie in memory.
 *
 * If memory runs out, the graph is written, and what is left of the table is
 * inserted as by INSERT, but without WAL.
 *
 * Nothing is logged before the end, when all pages are, as a whole.
 *
 * Concurrency.  A node's record is complete before anything refers to it; after
 * that, only its neighbours change.  They are changed under one of a set of
 * locks (node_lock), and read without: the number of neighbours is raised
 * after the neighbour has been written, and a number read half way through a
 * change is either an old neighbour or a new one.  An element that rises above
 * the entry point keeps others from taking the entry point until it is done.
 * To write the graph, a process waits until nobody is inside (build_enter,
 * build_leave).
 */
#include "hnsw/hnsw.h"

#include <float.h>
#include <limits.h>
#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "hnsw/progress.h"
#include "index/build_memory.h"
#include "index/metapage.h"
#include "index/parallel_build.h"
#include "storage/recent_buffer.h"
#include "types/dense.h"

#define NODE_LOCKS		1024	/* a power of two */

/* Ranges of blocks, and blocks in each, that are looked at beforehand */
#define SAMPLE_RANGES	64
#define SAMPLE_BLOCKS	2
#define SAMPLE_MAX_SIZES	10000

typedef enum BuildState
{
	BUILD_MEMORY,				/* the graph is in memory */
	BUILD_WRITING,
	BUILD_PAGES					/* it is on pages */
} BuildState;

/* One more heap TID of an element, in memory */
typedef struct BuildTid
{
	uint32		next;			/* number in the array plus 1; 0: none */
	ItemPointerData tid;
} BuildTid;

/* What the processes of a build share */
typedef struct BuildShared
{
	BuildMemoryShared memory;	/* the graph's: see ARRAY_* */
	pg_atomic_uint32 base_count;
	pg_atomic_uint32 upper_count;
	pg_atomic_uint32 tid_count;
	double		per_element;	/* bytes */
	double		rows;			/* to be indexed: an estimate */

	slock_t		mutex;			/* of what follows */
	BuildState	state;
	int			inside;			/* processes that are in the graph */

	ConditionVariable changed;	/* state or inside has */
	LWLock		entry_lock;
	GraphEntry	entry;
	LWLockPadded node_locks[NODE_LOCKS];
} BuildShared;

/*
 * What is known of a node's neighbours, in their order.  It makes room for a
 * new one without computing again what the others are to each other, and is
 * forgotten when the graph is written.
 */
typedef struct BuildEdge
{
	float		distance;
	bool		diverse;
	bool		ring;			/* EDGE_RING */
} BuildEdge;

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

/* The graph in memory, for graph.c */
typedef struct MemoryStore
{
	GraphStore	store;			/* must be first */
	const GraphShape *shape;
	BuildArray *base;
	BuildArray *upper;
} MemoryStore;

/* A process's part in a build */
typedef struct Builder
{
	BuildProcess *process;
	BuildShared *shared;
	bool		alone;			/* no locks are needed */
	HnswIndex  *index;
	BuildMemory *build_memory;
	MemoryStore memory;
	BuildArray *tids;
	GraphSearch *search;
	GraphSelector *selector;
	HnswInserter *inserter;		/* values' pages, and all when memory is full */
	MemoryContext tuple_context;
} Builder;

/* ------------------------------------------------------------------------
 * A look at the table beforehand
 */

typedef struct Sample
{
	ValueSample *values;		/* NULL: of a type without a mean */
	Size	   *sizes;			/* of sparsevecs; NULL: of another type */
	int			size_count;
} Sample;

static void
sample_value(const struct varlena *value, void *arg)
{
	Sample	   *sample = (Sample *) arg;

	if (sample->sizes != NULL && sample->size_count < SAMPLE_MAX_SIZES)
		sample->sizes[sample->size_count++] = VARSIZE(value);
	if (sample->values != NULL)
		sample_add(sample->values, value);
}

static int
compare_sizes(const void *a, const void *b)
{
	Size		x = *(const Size *) a;
	Size		y = *(const Size *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * Look at a few blocks all over the table.  Returns the index's description
 * with the mean of the values; *rows is an estimate of the table's.
 */
static HnswIndex *
sample_table(Relation heap, Relation index, IndexInfo *index_info, double *rows)
{
	HnswIndex  *described = hnsw_describe(index, hnsw_options(index), NULL, 0);
	Sample		sample = {0};
	BlockSample blocks;
	Size		sparse_size = 0;

	if (described->codec.column.type->kind == COLUMN_SPARSEVEC)
		sample.sizes = (Size *) palloc(SAMPLE_MAX_SIZES * sizeof(Size));
	if (codec_quantizable(&described->codec.column) ||
		codec_has_mean(&described->codec.column, 0))
		sample.values = sample_create(described->codec.column);
	block_sample_begin(&blocks, heap, index, index_info, sample_value, &sample);
	block_sample_ranges(&blocks, SAMPLE_RANGES, SAMPLE_BLOCKS);
	block_sample_end(&blocks);
	*rows = block_sample_rows(&blocks);

	if (sample.size_count > 0)
	{
		/* nineteen of twenty fit their element */
		qsort(sample.sizes, sample.size_count, sizeof(Size), compare_sizes);
		sparse_size = sample.sizes[(Size) (sample.size_count - 1) * 19 / 20];
	}
	return hnsw_describe(index, hnsw_options(index), sample.values, sparse_size);
}

/* ------------------------------------------------------------------------
 * The graph in memory.  Numbers begin with per_page, as if on block 1: so that
 * 0 stands for none, and writing adds a constant.
 */

static inline GraphNode *
memory_node(const MemoryStore *memory, int level, GraphId id)
{
	const SlotGeometry *geometry = graph_geometry(memory->shape, level);

	return (GraphNode *) build_array_at(level == 0 ? memory->base : memory->upper,
										id - geometry->per_page);
}

static void
memory_nodes(GraphStore *store, int level, const GraphId *ids, int count,
			 const GraphNode **nodes)
{
	const MemoryStore *memory = (const MemoryStore *) store;
	Size		bytes = sizeof(GraphNode) + memory->shape->payload_size;

	for (int i = 0; i < count; i++)
	{
		nodes[i] = memory_node(memory, level, ids[i]);
		if (count > 1)
			prefetch_far((const char *) nodes[i], bytes);
	}
}

static void
memory_foresee(GraphStore *store, int level, GraphId id)
{
	const MemoryStore *memory = (const MemoryStore *) store;

	prefetch_neighbors(memory->shape,
					   (const char *) memory_node(memory, level, id), level);
}

static bool
memory_check(GraphStore *store, int i)
{
	return true;
}

static void
memory_visit(GraphStore *store, int level, GraphId id,
			 void (*visit) (const GraphNode *node, void *arg), void *arg)
{
	visit(memory_node((const MemoryStore *) store, level, id), arg);
}

static inline void
build_lock(Builder *builder, LWLock *lock, LWLockMode mode)
{
	if (!builder->alone)
		LWLockAcquire(lock, mode);
}

static inline void
build_unlock(Builder *builder, LWLock *lock)
{
	if (!builder->alone)
		LWLockRelease(lock);
}

static LWLock *
node_lock(Builder *builder, GraphId id)
{
	return &builder->shared->node_locks[id % NODE_LOCKS].lock;
}

static inline BuildEdge *
memory_edges(const MemoryStore *memory, int level, GraphId id)
{
	return (BuildEdge *) ((char *) memory_node(memory, level, id) +
						  graph_geometry(memory->shape, level)->slot_size);
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

/* Put the edges of a new element into its node, and what is known of them. */
static void
memory_set_edges(Builder *builder, int level, GraphId id,
				 const GraphLinks *links)
{
	const GraphShape *shape = &builder->index->shape;
	GraphNode  *node = memory_node(&builder->memory, level, id);
	BuildEdge  *edges = memory_edges(&builder->memory, level, id);
	GraphId    *ids = node_neighbors(shape, node);

	node->neighbors = graph_edges(shape, links, ids);
	for (int i = 0; i < node->neighbors; i++)
	{
		bool		near = i < links->count && edge_id(ids[i]) == links->near[i].id;

		edges[i].ring = edge_in_ring(ids[i]);
		edges[i].distance = near ? links->near[i].distance : FLT_MAX;
		edges[i].diverse = near && links->near[i].diverse;
	}
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
static void
memory_link(Builder *builder, int level, const GraphNear *to, GraphId id,
			GraphLinks *ring)
{
	const GraphShape *shape = &builder->index->shape;
	GraphNode  *node = memory_node(&builder->memory, level, to->id);
	BuildEdge  *edges = memory_edges(&builder->memory, level, to->id);
	volatile GraphId *ids = node_neighbors(shape, node);
	const void *payloads[GRAPH_MAX_NEIGHBORS];
	float		distances[GRAPH_MAX_NEIGHBORS];
	BuildEdge	edge = {to->distance, true, ring != NULL};
	LWLock	   *lock = node_lock(builder, to->id);
	int			count;
	int			place;
	int			dropped;

	build_lock(builder, lock, LW_EXCLUSIVE);
	count = node->neighbors;
	if (ring != NULL)
	{
		int			at = ring_place(node->header.flags, (const GraphId *) ids,
									count);
		GraphId		next = at < 0 ? to->id : edge_id(ids[at]);

		/* it leads on before anything leads to it */
		if (next != ring->next)
		{
			ring->next = next;
			memory_set_edges(builder, level, id, ring);
			pg_write_barrier();
		}
		if (at >= 0)
		{
			ids[at] = next;
			edges[at].ring = false;
		}
	}
	for (int i = 0; i < count; i++)
		payloads[i] = node_payload(memory_node(&builder->memory, level,
											   edge_id(ids[i])));
	codec_distances(builder->inserter->query, payloads, count, distances);

	for (place = first_neighbor(node->header.flags); place < count; place++)
	{
		if (comes_before(to->id, edge.distance, id, edges[place].distance, ids[place]))
			break;
		if (edges[place].diverse && distances[place] < edge.distance)
			edge.diverse = false;
	}

	dropped = count;
	if (count == graph_capacity(shape, level))
	{
		dropped = choose_victim(edges, count, &edge, place, distances);
		if (dropped < 0)
		{
			build_unlock(builder, lock);
			return;
		}
	}

	if (edge.diverse)
	{
		for (int i = place; i < count; i++)
		{
			if (distances[i] < edges[i].distance)
				edges[i].diverse = false;
		}
	}
	if (dropped >= place)
	{
		for (int i = dropped; i > place; i--)
		{
			ids[i] = ids[i - 1];
			edges[i] = edges[i - 1];
		}
	}
	else
	{
		place--;
		for (int i = dropped; i < place; i++)
		{
			ids[i] = ids[i + 1];
			edges[i] = edges[i + 1];
		}
	}
	ids[place] = id | (ring != NULL ? EDGE_RING : 0);
	edges[place] = edge;
	if (dropped == count)
	{
		pg_write_barrier();
		node->neighbors = count + 1;
	}
	build_unlock(builder, lock);
}

/* The filter columns' keys of an element */
static uint8 *
memory_keys(Builder *builder, GraphId id)
{
	return (uint8 *) (memory_edges(&builder->memory, 0, id) +
					  graph_capacity(&builder->index->shape, 0));
}

static BuildTid *
memory_tid(Builder *builder, uint32 number)
{
	return (BuildTid *) build_array_at(builder->tids, number);
}

/* Add a TID to an element, if it has the query's value and the same keys. */
static bool
memory_add_tid(Builder *builder, GraphId id, uint64 hash, ItemPointer tid)
{
	HnswInserter *inserter = builder->inserter;
	GraphNode  *node = memory_node(&builder->memory, 0, id);
	LWLock	   *lock = node_lock(builder, id);
	uint32		number;

	if (node->hash != hash ||
		!codec_same(inserter->query, inserter->payload, node_payload(node)))
		return false;
	if (builder->index->filter != NULL &&
		memcmp(memory_keys(builder, id), inserter->entry_keys,
			   builder->index->filter->entry_bytes) != 0)
		return false;
	number = pg_atomic_fetch_add_u32(&builder->shared->tid_count, 1);
	memory_tid(builder, number)->tid = *tid;
	build_lock(builder, lock, LW_EXCLUSIVE);
	memory_tid(builder, number)->next = node->more_tids;
	node->more_tids = number + 1;
	build_unlock(builder, lock);
	return true;
}

/* Another TID of an element that has the query's value, if one is there */
static bool
memory_duplicate(Builder *builder, int results, uint64 hash, ItemPointer tid)
{
	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES); i++)
	{
		if (memory_add_tid(builder, builder->inserter->results[i]->id, hash, tid))
			return true;
	}
	return false;
}

/*
 * Have room for one more element of level, or for one more TID of an element,
 * besides what the other processes may be about to add; false if memory does not
 * allow it.
 */
static bool
memory_make_room(Builder *builder, int level)
{
	BuildShared *shared = builder->shared;
	uint32		others = builder->process->totals->participants - 1;

	return build_array_reserve(builder->memory.base,
							   pg_atomic_read_u32(&shared->base_count) + others + 1) &&
		build_array_reserve(builder->memory.upper,
							pg_atomic_read_u32(&shared->upper_count) +
							others * GRAPH_MAX_LEVEL + level) &&
		build_array_reserve(builder->tids,
							pg_atomic_read_u32(&shared->tid_count) + others + 1);
}

/* Write a new element's node at one level. */
static GraphId
memory_write(Builder *builder, int level, const GraphNode *head,
			 const GraphLinks *links, uint8 flags)
{
	const GraphShape *shape = &builder->index->shape;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	GraphId		id = geometry->per_page +
		pg_atomic_fetch_add_u32(level == 0 ? &builder->shared->base_count
								: &builder->shared->upper_count, 1);
	GraphNode  *node = memory_node(&builder->memory, level, id);

	*node = *head;
	node->header.state = SLOT_USED;
	node->header.flags = flags;
	node->level = level;
	memcpy(node_payload(node), builder->inserter->payload, shape->payload_size);
	if (level == 0 && builder->index->filter != NULL)
		memcpy(memory_keys(builder, id), builder->inserter->entry_keys,
			   builder->index->filter->entry_bytes);
	memset(node_neighbors(shape, node), 0,
		   graph_capacity(shape, level) * sizeof(GraphId));
	memory_set_edges(builder, level, id, links);
	pg_write_barrier();
	return id;
}

/*
 * Where a new twin of a head leads: to the first twin (or to the head), to those
 * that this one leads to, and to the head.
 */
static void
memory_find_twins(Builder *builder, GraphId head, GraphLinks *links)
{
	const GraphShape *shape = &builder->index->shape;
	const GraphNode *node = memory_node(&builder->memory, 0, head);
	const GraphNear twin = {.id = NO_SLOT};

	graph_links_clear(links);
	links->next = first_twin(node->header.flags, node_neighbors(shape, node),
							 node->neighbors);
	if (links->next == NO_SLOT)
		links->next = head;
	if (links->next != head)
	{
		const GraphId *ids;

		node = memory_node(&builder->memory, 0, links->next);
		ids = node_neighbors(shape, node);
		links->near[links->count++] = twin;
		links->near[0].id = links->next;
		for (int i = 0; i < node->neighbors &&
			 links->count < graph_capacity(shape, 0) - 1; i++)
		{
			if (edge_id(ids[i]) == head)
				continue;
			links->near[links->count] = twin;
			links->near[links->count++].id = edge_id(ids[i]);
		}
	}
	links->near[links->count] = twin;
	links->near[links->count++].id = head;
}

/*
 * Insert an element that has the payload of one of the results, if one has, as
 * its twin.
 */
static bool
memory_twin(Builder *builder, int results, GraphNode *node)
{
	const GraphShape *shape = &builder->index->shape;
	HnswInserter *inserter = builder->inserter;
	GraphLinks	links;
	GraphId		head = NO_SLOT;
	GraphNode  *head_node = NULL;
	LWLock	   *lock;
	GraphId    *ids;
	BuildEdge  *edges;
	GraphId		id;

	for (int i = 0; i < Min(results, HNSW_DUPLICATE_CANDIDATES) && head == NO_SLOT; i++)
	{
		head_node = memory_node(&builder->memory, 0, inserter->results[i]->id);
		if (codec_same(inserter->query, inserter->payload, node_payload(head_node)))
			head = inserter->results[i]->id;
	}
	if (head == NO_SLOT)
		return false;

	memory_find_twins(builder, head, &links);
	for (int i = 0; i < links.count - 1; i++)
	{
		if (memory_add_tid(builder, links.near[i].id, node->hash, &node->tid))
			return true;
	}
	node->value = hnsw_write_value(inserter);
	id = memory_write(builder, 0, node, &links, NODE_TWIN);

	lock = node_lock(builder, head);
	ids = node_neighbors(shape, head_node);
	edges = memory_edges(&builder->memory, 0, head);
	build_lock(builder, lock, LW_EXCLUSIVE);
	memory_find_twins(builder, head, &links);
	memory_set_edges(builder, 0, id, &links);
	pg_write_barrier();
	if (!(head_node->header.flags & NODE_HEAD))
	{
		const BuildEdge edge = {-FLT_MAX, false, true};
		int			place = graph_spare_place(shape, ids, head_node->neighbors);

		memmove(ids + 1, ids, place * sizeof(GraphId));
		memmove(edges + 1, edges, place * sizeof(BuildEdge));
		edges[0] = edge;
		ids[0] = id | EDGE_RING;
		head_node->neighbors = Max(head_node->neighbors, place + 1);
		pg_write_barrier();
		head_node->header.flags |= NODE_HEAD;
	}
	else
		ids[0] = id | EDGE_RING;
	build_unlock(builder, lock);
	return true;
}

/* Insert into the graph in memory, which has room for it. */
static void
memory_insert(Builder *builder, ItemPointer tid, uint64 hash, int level)
{
	BuildShared *shared = builder->shared;
	HnswInserter *inserter = builder->inserter;
	GraphLinks *links = inserter->links;
	GraphId		ids[GRAPH_MAX_LEVEL];
	GraphNode	head;
	GraphEntry	entry;
	bool		rises;

	build_lock(builder, &shared->entry_lock, LW_SHARED);
	entry = shared->entry;
	build_unlock(builder, &shared->entry_lock);
	rises = level > entry.level;
	if (rises)
	{
		build_lock(builder, &shared->entry_lock, LW_EXCLUSIVE);
		entry = shared->entry;
	}

	memset(&head, 0, sizeof(head));
	head.hash = hash;
	head.tid = *tid;
	for (int at = 0; at <= level; at++)
		graph_links_clear(&links[at]);
	if (entry.level >= 0)
	{
		int			results = graph_find_links(builder->search,
											   builder->selector, entry, level,
											   builder->index->meta.ef_construction,
											   inserter->results, links);

		if (memory_duplicate(builder, results, hash, tid) ||
			memory_twin(builder, results, &head))
		{
			if (rises)
				build_unlock(builder, &shared->entry_lock);
			return;
		}
	}

	head.value = hnsw_write_value(inserter);
	ids[0] = memory_write(builder, 0, &head, &links[0],
						  level > 0 ? NODE_RISES : 0);

	/* before anything else leads to it */
	for (int i = 0; i < links[0].count; i++)
	{
		if (links[0].near[i].id == links[0].after)
			memory_link(builder, 0, &links[0].near[i], ids[0], &links[0]);
	}
	ItemPointerSetInvalid(&head.tid);
	head.element = ids[0];
	for (int at = 1; at <= level; at++)
	{
		head.below = ids[at - 1];
		ids[at] = memory_write(builder, at, &head, &links[at],
							   at < level ? NODE_RISES : 0);
	}
	for (int at = 0; at <= level; at++)
	{
		for (int i = 0; i < links[at].count; i++)
		{
			if (links[at].near[i].id != links[at].after)
				memory_link(builder, at, &links[at].near[i], ids[at], NULL);
		}
	}
	if (rises)
	{
		if (level > entry.level)
		{
			shared->entry.id = ids[level];
			shared->entry.level = level;
		}
		build_unlock(builder, &shared->entry_lock);
	}
}

/* ------------------------------------------------------------------------
 * Writing the graph
 */

/* Pages of one kind being filled in order */
typedef struct PageWriter
{
	Builder    *builder;
	const SlotGeometry *geometry;
	Buffer		buffer;			/* locked; invalid before the first slot */
	BlockNumber block;			/* the last one */
	uint32		next;			/* slot */
} PageWriter;

static SlotHeader *
writer_next(PageWriter *writer, SlotId *id)
{
	Page		page;

	if (!BufferIsValid(writer->buffer) ||
		writer->next == writer->geometry->per_page)
	{
		if (BufferIsValid(writer->buffer))
			UnlockReleaseBuffer(writer->buffer);
		writer->buffer = InvalidBuffer;
		CHECK_FOR_INTERRUPTS();
		writer->buffer = index_extend(writer->builder->process->index, MAIN_FORKNUM);
		writer->block = BufferGetBlockNumber(writer->buffer);
		slot_page_init(BufferGetPage(writer->buffer), writer->geometry->kind);
		MarkBufferDirty(writer->buffer);
		writer->next = 0;
	}
	page = BufferGetPage(writer->buffer);
	*id = slot_id(writer->geometry, writer->block, writer->next);
	return slot_page_take(writer->geometry, page, writer->next++);
}

static void
writer_end(PageWriter *writer)
{
	if (BufferIsValid(writer->buffer))
		UnlockReleaseBuffer(writer->buffer);
}

/* Write an element's further TIDs; they begin at number, in memory. */
static SlotId
write_tids(Builder *builder, PageWriter *writer, uint32 number)
{
	SlotId		head = NO_SLOT;
	HnswTids   *tids = NULL;

	while (number != 0)
	{
		const BuildTid *tid = memory_tid(builder, number - 1);

		if (tids == NULL || tids->count == HNSW_TIDS_PER_SLOT)
		{
			SlotId		id;

			tids = (HnswTids *) writer_next(writer, &id);
			tids->next = head;
			head = id;
		}
		tids->tids[tids->count++] = tid->tid;
		number = tid->next;
	}
	return head;
}

/* Write the nodes of level 0 or of all others. */
static BlockNumber
write_nodes(Builder *builder, PageKind kind, uint32 count, GraphId base_shift,
			GraphId upper_shift)
{
	const GraphShape *shape = &builder->index->shape;
	int			level = kind == PAGE_RECORD ? 0 : 1;
	const SlotGeometry *geometry = graph_geometry(shape, level);
	PageWriter	writer = {builder, geometry, InvalidBuffer, InvalidBlockNumber, 0};
	GraphId		shift = level == 0 ? base_shift : upper_shift;

	for (uint32 i = 0; i < count; i++)
	{
		GraphId		id = geometry->per_page + i;
		const GraphNode *node = memory_node(&builder->memory, level, id);
		GraphId		written;
		GraphNode  *copy = (GraphNode *) writer_next(&writer, &written);
		GraphId    *ids;

		if (written != id + shift)
			elog(ERROR, "hnsw node %u was to be written as %u", written, id + shift);
		memcpy(copy, node, geometry->slot_size);
		ids = node_neighbors(shape, copy);
		for (int k = 0; k < copy->neighbors; k++)
			ids[k] += shift;
		if (level > 0)
		{
			copy->element += base_shift;
			copy->below += copy->level == 1 ? base_shift : upper_shift;
		}
	}
	writer_end(&writer);
	return writer.block;
}

/*
 * What is added to numbers: block 1 in memory is the next one to be written.
 */
static GraphId
shift_to(const SlotGeometry *geometry, BlockNumber first, uint32 count)
{
	/* error if the last one is out of range */
	(void) slot_id(geometry, first + count / geometry->per_page,
				   geometry->per_page - 1);
	return (GraphId) (first - 1) * geometry->per_page;
}

/* Move the graph from memory to pages.  Nobody else is in it. */
static void
write_graph(Builder *builder)
{
	BuildShared *shared = builder->shared;
	const GraphShape *shape = &builder->index->shape;
	uint32		base_count = pg_atomic_read_u32(&shared->base_count);
	uint32		upper_count = pg_atomic_read_u32(&shared->upper_count);
	PageWriter	tids = {builder, &builder->index->tids, InvalidBuffer, InvalidBlockNumber, 0};
	BlockNumber first;
	BlockNumber last[PAGE_KINDS];
	GraphId		base_shift;
	GraphId		upper_shift;
	Buffer		buffer;
	HnswMeta   *meta;

	if (builder->process->leader)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE,
									 HNSW_PHASE_WRITE);
	for (int kind = 0; kind < PAGE_KINDS; kind++)
		last[kind] = InvalidBlockNumber;

	/* these numbers are final at once */
	for (uint32 i = 0; i < base_count; i++)
	{
		GraphNode  *node = memory_node(&builder->memory, 0,
									   shape->base.per_page + i);

		node->more_tids = write_tids(builder, &tids, node->more_tids);
	}
	writer_end(&tids);
	last[PAGE_TIDS] = tids.block;

	first = RelationGetNumberOfBlocks(builder->process->index);
	base_shift = shift_to(&shape->base, first, base_count);
	first += (base_count + shape->base.per_page - 1) / shape->base.per_page;
	upper_shift = shift_to(&shape->upper, first, upper_count);
	last[PAGE_RECORD] = write_nodes(builder, PAGE_RECORD, base_count,
									base_shift, upper_shift);
	last[PAGE_UPPER] = write_nodes(builder, PAGE_UPPER, upper_count,
								   base_shift, upper_shift);

	for (uint32 i = 0; i < base_count && builder->index->filter != NULL; i++)
	{
		GraphId		id = shape->base.per_page + i;

		CHECK_FOR_INTERRUPTS();
		hnsw_keys_put(builder->inserter->keys, id + base_shift,
					  memory_keys(builder, id));
	}

	buffer = ReadBuffer(builder->process->index, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = hnsw_page_meta(BufferGetPage(buffer));
	meta->entry_level = shared->entry.level;
	meta->entry = shared->entry.level < 0 ? NO_SLOT : shared->entry.id +
		(shared->entry.level == 0 ? base_shift : upper_shift);
	for (int kind = 0; kind < PAGE_KINDS; kind++)
	{
		if (last[kind] != InvalidBlockNumber)
			meta->common.space.filling[kind] = last[kind];
	}
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	if (builder->process->leader)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE,
									 HNSW_PHASE_LOAD);
}

/* ------------------------------------------------------------------------
 * Processes together
 */

/* Wait for the graph to be in memory or on pages; go inside if in memory. */
static bool
build_enter(Builder *builder)
{
	BuildShared *shared = builder->shared;
	BuildState	state;

	if (builder->alone)
		return shared->state == BUILD_MEMORY;
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		state = shared->state;
		if (state == BUILD_MEMORY)
			shared->inside++;
		SpinLockRelease(&shared->mutex);
		if (state != BUILD_WRITING)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return state == BUILD_MEMORY;
}

static void
build_leave(Builder *builder)
{
	BuildShared *shared = builder->shared;
	bool		wake;

	if (builder->alone)
		return;
	SpinLockAcquire(&shared->mutex);
	wake = --shared->inside == 0 && shared->state == BUILD_WRITING;
	SpinLockRelease(&shared->mutex);
	if (wake)
		ConditionVariableBroadcast(&shared->changed);
}

/* Memory is full: the first process to say so writes the graph. */
static void
build_to_pages(Builder *builder)
{
	BuildShared *shared = builder->shared;
	double		rows;
	uint64		tuples;
	bool		mine;
	int			inside;

	SpinLockAcquire(&shared->mutex);
	mine = shared->state == BUILD_MEMORY;
	if (mine)
		shared->state = BUILD_WRITING;
	SpinLockRelease(&shared->mutex);
	if (!mine)
		return;

	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		inside = shared->inside;
		SpinLockRelease(&shared->mutex);
		if (inside == 0)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	tuples = pg_atomic_read_u64(&builder->process->totals->tuples);
	rows = Max(shared->rows, tuples * 2.0);
	if (shared->memory.refused)
		ereport(NOTICE,
				(errmsg("hnsw graph no longer fits into %s after " UINT64_FORMAT " tuples",
						builder->alone ? "memory" : "shared memory", tuples),
				 errdetail("The rest of the table is inserted into the graph on disk, which takes longer."),
				 builder->alone ? 0 : errhint(SHARED_MEMORY_HINT)));
	else
		ereport(NOTICE,
				(errmsg("hnsw graph no longer fits into maintenance_work_mem after " UINT64_FORMAT " tuples",
						tuples),
				 errdetail("The rest of the table is inserted into the graph on disk, which takes longer."),
				 errhint("Set maintenance_work_mem to %.0f MB or more.",
						 ceil(rows * 1.25 * shared->per_element / (1024 * 1024)))));
	write_graph(builder);

	SpinLockAcquire(&shared->mutex);
	shared->state = BUILD_PAGES;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

static void
build_value(Builder *builder, const struct varlena *value, ItemPointer tid)
{
	HnswInserter *inserter = builder->inserter;

	while (build_enter(builder))
	{
		uint64		hash = hnsw_hash(builder->index, value,
									 inserter->entry_keys);
		int			level = hnsw_level(builder->index, hash);
		bool		room = memory_make_room(builder, level);

		if (room)
		{
			hnsw_set_value(inserter, value);
			memory_insert(builder, tid, hash, level);
		}
		build_leave(builder);
		if (room)
			return;
		build_to_pages(builder);
	}
	hnsw_insert_value(inserter, value, tid);
}

static void
build_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Builder    *builder = (Builder *) state;
	MemoryContext caller = MemoryContextSwitchTo(builder->tuple_context);
	const struct varlena *value = hnsw_indexed_value(&builder->index->codec,
													 values[0], isnull[0]);

	if (value != NULL)
	{
		if (builder->index->filter != NULL)
			filter_make_keys(builder->index->filter, values, isnull,
							 builder->inserter->entry_keys);
		build_value(builder, value, tid);
		build_count(builder->process);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(builder->tuple_context);
}

/* ------------------------------------------------------------------------
 * A process's part
 */

static Builder *
builder_create(BuildProcess *process)
{
	Builder    *builder = (Builder *) palloc0(sizeof(Builder));
	BuildShared *shared = (BuildShared *) build_chunk(process, 0);
	HnswIndex  *index = hnsw_open(process->index);
	MemoryStore *memory = &builder->memory;
	HnswInserter *inserter = hnsw_inserter_create(process->index, index, false);

	builder->process = process;
	builder->shared = shared;
	builder->alone = process->segment == NULL;
	builder->index = index;
	builder->inserter = inserter;
	memory->store.nodes = memory_nodes;
	memory->store.foresee = memory_foresee;
	memory->store.check = memory_check;
	memory->store.visit = memory_visit;
	memory->store.careful = false;
	memory->store.stable = true;
	memory->shape = &index->shape;
	builder->build_memory = build_memory_join(&shared->memory, process->segment);
	memory->base = &builder->build_memory->array[ARRAY_BASE];
	memory->upper = &builder->build_memory->array[ARRAY_UPPER];
	builder->tids = &builder->build_memory->array[ARRAY_TIDS];
	builder->search = graph_search_create(&index->shape, &memory->store,
										  inserter->query);
	builder->search->skip_twins = true;
	builder->selector = graph_selector_create(&index->shape, &memory->store,
											  &index->codec,
											  &inserter->store.values,
											  index->meta.ef_construction);
	builder->tuple_context = AllocSetContextCreate(CurrentMemoryContext,
												   "hnsw build tuple",
												   ALLOCSET_DEFAULT_SIZES);
	return builder;
}

/* BuildMethods.run */
static void
run(BuildProcess *process)
{
	process->state = builder_create(process);
	build_scan(process, build_row, process->state);
}

/* BuildMethods.leave */
static void
leave(BuildProcess *process)
{
	build_memory_leave(((Builder *) process->state)->build_memory);
}

/* BuildMethods.finish */
static void
finish(BuildProcess *process, void *arg)
{
	Builder    *builder = (Builder *) process->state;

	if (builder->shared->state == BUILD_MEMORY)
		write_graph(builder);
}

/* ------------------------------------------------------------------------
 * The build
 */

/*
 * Plan the graph's memory.  rows is an estimate; most: there cannot be more.
 * Returns how many bytes the estimate asks for.
 */
static Size
plan_memory(BuildShared *shared, const HnswIndex *index, double rows,
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

	build_memory_init(&shared->memory, limit);
	(void) build_memory_plan(&shared->memory, base_size, most);
	(void) build_memory_plan(&shared->memory, upper_size, most * upper_share);
	(void) build_memory_plan(&shared->memory, sizeof(BuildTid), most);
	shared->per_element = base_size + upper_share * upper_size + sizeof(BuildTid);
	shared->rows = rows;
	return (Size) Min((double) limit,
					  rows * shared->per_element + BUILD_MAX_ARRAYS * BUILD_LEAST_PIECE);
}

/* BuildMethods.init; arg: a BuildShared with the plan of its memory */
static void
init_shared(BuildProcess *process, void *arg)
{
	BuildShared *shared = (BuildShared *) build_chunk(process, 0);
	int			tranche = process->totals->tranche;

	*shared = *(const BuildShared *) arg;
	pg_atomic_init_u32(&shared->base_count, 0);
	pg_atomic_init_u32(&shared->upper_count, 0);
	pg_atomic_init_u32(&shared->tid_count, 0);
	SpinLockInit(&shared->mutex);
	shared->state = BUILD_MEMORY;
	shared->inside = 0;
	ConditionVariableInit(&shared->changed);
	shared->entry.id = NO_SLOT;
	shared->entry.level = -1;
	if (process->segment == NULL)
		return;
	LWLockInitialize(&shared->memory.lock, tranche);
	LWLockInitialize(&shared->entry_lock, tranche);
	for (int i = 0; i < NODE_LOCKS; i++)
		LWLockInitialize(&shared->node_locks[i].lock, tranche);
}

static const BuildMethods methods = {
	.am = "hnsw",
	.worker = "hnsw_build_worker",
	.tranche = "hnsw_build",
	.report_every = 64,
	.init = init_shared,
	.run = run,
	.finish = finish,
	.leave = leave
};

extern PGDLLEXPORT void hnsw_build_worker(dsm_segment *segment, shm_toc *toc);

void
hnsw_build_worker(dsm_segment *segment, shm_toc *toc)
{
	build_worker(segment, toc, &methods);
}

IndexBuildResult *
hnsw_build(Relation heap, Relation index, IndexInfo *index_info)
{
	static const Size sizes[] = {sizeof(BuildShared), 0};
	IndexBuildResult *result = (IndexBuildResult *) palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	BuildShared *plan = (BuildShared *) palloc0(sizeof(BuildShared));
	HnswIndex  *described;
	double		rows;
	double		expected;
	double		most;
	Size		bytes;

	build_check_empty(index);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, HNSW_PHASE_SAMPLE);
	described = sample_table(heap, index, index_info, &rows);
	hnsw_create_pages(index, MAIN_FORKNUM, described);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, HNSW_PHASE_LOAD);

	/*
	 * Of a predicate, the table's statistics say nothing.  What a sample of it
	 * may have missed, the number of blocks bounds (or, if this is a table of
	 * another access method than heap, a multiple of what was found).
	 */
	expected = rows;
	if (index_info->ii_Predicate == NIL)
		expected = Max(rows, heap->rd_rel->reltuples);
	most = Max((double) RelationGetNumberOfBlocks(heap) * MaxHeapTuplesPerPage,
			   expected * 4);
	bytes = plan_memory(plan, described, expected, most);
	build_by_processes(heap, index, index_info, &methods, sizes, bytes, rows,
					   plan, result);
	build_log(index, HNSW_PHASE_WAL);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
hnsw_build_empty(Relation index)
{
	HnswIndex  *described = hnsw_describe(index, hnsw_options(index), NULL, 0);

	hnsw_create_pages(index, INIT_FORKNUM, described);
	pfree(described);
}
