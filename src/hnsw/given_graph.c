/*
 * given_graph.c
 *	  The graph in memory from neighbours that a table gives.
 *
 * Whoever has computed each row's nearest neighbours (on a GPU, most often) has
 * done what most of a build's time goes into.  So nothing is searched for here,
 * but at upper levels, which one row in m reaches.  Processes work in steps, and
 * wait for each other in between:
 *
 * 1. Rows of the indexed table become elements without edges.  Equal values, or
 *	  equal payloads, are found by a hash table of payloads; a second one leads
 *	  from the hash of a row's key to its element.
 * 2. Rows of the table of neighbours: the candidates' distances are computed,
 *	  and neighbours are chosen among them as an insertion does.
 * 3. What has lost most of its neighbours, because these have no list, counts
 *	  as without one, too.
 * 4. All that have a list form the ring: each comes after its nearest neighbour
 *	  that is in it already.
 * 5. Neighbours lead back.
 * 6. Nodes above level 0, by a search there, as usual.
 * 7. What has no list is inserted into the graph, as usual.
 *
 * A list is a hint.  It is not taken if it has too few known rows, or if its rows
 * are no nearer than rows picked at random: then the row has changed since.  If
 * that is so of many, the table is of other vectors, and none is taken.
 *
 * If memory is full during step 1, what is in memory is linked, and the graph is
 * written; the rest of the table is inserted on pages (build.c).
 *
 * Steps 4 to 6, as far as they are about one element, are in given_links.c.
 */
#include "hnsw/given_steps.h"

#include <math.h>

#include "common/hashfn.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/barrier.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hnsw/hnsw.h"
#include "index/build_report.h"
#include "math/random.h"

/* ------------------------------------------------------------------------
 * Shared memory
 */

void
given_graph_plan(RowHints *hints, MemoryGraphShared *memory, double rows,
				 double most, Size *sizes)
{
	uint32		buckets = 1024;
	int			array PG_USED_FOR_ASSERTS_ONLY;
	Size		tables;

	/* chains may be longer; both tables are an eighth of memory at most */
	while (buckets < rows && buckets < (uint32) 1 << 30 &&
		   (Size) buckets * 2 * (sizeof(uint32) + sizeof(GraphId)) <
		   memory->memory.limit / 8)
		buckets *= 2;
	tables = (Size) buckets * (sizeof(uint32) + sizeof(GraphId));
	memory->memory.limit -= Min(tables, memory->memory.limit / 2);
	array = build_memory_plan(&memory->memory, sizeof(RowKey), most);
	Assert(array == ARRAY_ROW_KEYS);
	memory->per_element += sizeof(RowKey) + sizeof(uint32) + sizeof(GraphId);

	sizes[0] = sizeof(GivenShared);
	sizes[1] = row_hints_scan_size(hints);
	sizes[2] = (Size) buckets * sizeof(pg_atomic_uint32);
	sizes[3] = (Size) buckets * sizeof(GraphId);
	sizes[4] = 0;
}

void
given_graph_init(BuildProcess *process, int chunk, RowHints *hints)
{
	GivenShared *shared = (GivenShared *) build_chunk(process, chunk);
	pg_atomic_uint32 *chains;

	shared->plan = hints->plan;
	shared->buckets = (uint32) (process->sizes[chunk + 2] / sizeof(pg_atomic_uint32));
	pg_atomic_init_u32(&shared->keys, 0);
	pg_atomic_init_u32(&shared->upper, 0);
	pg_atomic_init_u32(&shared->anchor, NO_SLOT);
	pg_atomic_init_u32(&shared->elements, 0);
	pg_atomic_init_u32(&shared->lists, 0);
	pg_atomic_init_u32(&shared->strange, 0);
	pg_atomic_init_u32(&shared->listed, 0);
	for (int i = 0; i < STEP_DONE; i++)
		pg_atomic_init_u32(&shared->next[i], 0);
	chains = (pg_atomic_uint32 *) build_chunk(process, chunk + 2);
	for (uint32 i = 0; i < shared->buckets; i++)
		pg_atomic_init_u32(&chains[i], 0);
	if (process->segment == NULL)
		return;
	BarrierInit(&shared->barrier, 0);
	row_hints_scan_init(hints, (ParallelTableScanDesc) build_chunk(process, chunk + 1));
	for (int i = 0; i < GIVEN_LOCKS; i++)
		LWLockInitialize(&shared->locks[i].lock, process->totals->tranche);
}

GivenGraph *
given_graph_join(BuildProcess *process, int chunk, MemoryGraph *graph)
{
	GivenGraph *given = (GivenGraph *) palloc0(sizeof(GivenGraph));

	given->shared = (GivenShared *) build_chunk(process, chunk);
	given->graph = graph;
	given->inserter = graph->inserter;
	given->keys = &graph->memory->array[ARRAY_ROW_KEYS];
	given->key_chains = (pg_atomic_uint32 *) build_chunk(process, chunk + 2);
	given->payload_chains = (GraphId *) build_chunk(process, chunk + 3);
	given->leader = process->leader;
	given->hints = row_hints_join(&given->shared->plan);
	given->info = process->info;
	given->first = row_hints_ask(given->hints, process->info);
	given->context = AllocSetContextCreate(CurrentMemoryContext,
										   "hnsw given neighbors",
										   ALLOCSET_DEFAULT_SIZES);
	if (!graph->alone)
	{
		given->scan = (ParallelTableScanDesc) build_chunk(process, chunk + 1);
		given->step = (GivenStep) BarrierAttach(&given->shared->barrier);
	}

	/* a worker that comes late helps with what is left */
	if (given->step != STEP_PLACE)
		given_graph_link(given);
	return given;
}

void
given_graph_leave(GivenGraph *given)
{
	row_hints_forget(given->info, given->first);
	row_hints_close(given->hints);
	MemoryContextDelete(given->context);
	pfree(given);
}

/* ------------------------------------------------------------------------
 * Elements
 */

static inline RowKey *
row_key(const GivenGraph *given, uint32 number)
{
	return (RowKey *) build_array_at(given->keys, number);
}

static void
add_key(GivenGraph *given, uint64 hash, GraphId id)
{
	uint32		number = pg_atomic_fetch_add_u32(&given->shared->keys, 1);
	RowKey	   *key = row_key(given, number);

	key->hash = hash;
	key->id = id;
	key->next = pg_atomic_exchange_u32(&given->key_chains[hash & (given->shared->buckets - 1)],
									   number + 1);
}

/* The elements of count keys, into candidates; those that are not there go. */
static int
find_keys(const GivenGraph *given, const uint64 *hashes, int count,
		  GraphNear *candidates)
{
	uint32		mask = given->shared->buckets - 1;
	int			found = 0;

	count = Min(count, GIVEN_CANDIDATES);
	for (int i = 0; i < count; i++)
		__builtin_prefetch(&given->key_chains[hashes[i] & mask]);
	for (int i = 0; i < count; i++)
	{
		uint32		number = pg_atomic_read_u32(&given->key_chains[hashes[i] & mask]);

		if (number != 0)
			__builtin_prefetch(row_key(given, number - 1));
	}
	for (int i = 0; i < count; i++)
	{
		uint32		number = pg_atomic_read_u32(&given->key_chains[hashes[i] & mask]);

		while (number != 0)
		{
			const RowKey *key = row_key(given, number - 1);

			if (key->hash == hashes[i])
			{
				candidates[found++].id = key->id;
				break;
			}
			number = key->next;
		}
	}
	return found;
}

/* What stands for an element's payload, or for a value that lies elsewhere */
static uint64
payload_hash(const GivenGraph *given, const struct varlena *value)
{
	const HnswIndex *index = given->graph->index;

	if (codec_is_outer(&index->codec, value))
		return codec_hash(&index->codec, value);
	return DatumGetUInt64(hash_any_extended((const unsigned char *) given->inserter->payload,
											index->shape.payload_size, 0));
}

/*
 * The next element of a chain of payloads.  It is kept where a node that has no
 * edges yet would have the last one.
 */
static GraphId *
chain_next(const GivenGraph *given, GraphId id)
{
	const GraphShape *shape = &given->graph->index->shape;

	return (GraphId *) (memory_edges(given->graph, 0, id) +
						graph_capacity(shape, 0) - 1);
}

/*
 * The element of the value that the inserter is set to, or the one whose twin it
 * has become.
 */
static GraphId
place_element(GivenGraph *given, uint64 payload, uint64 hash, int level,
			  ItemPointer tid)
{
	MemoryGraph *graph = given->graph;
	HnswInserter *inserter = given->inserter;
	uint32		bucket = payload & (given->shared->buckets - 1);
	LWLock	   *lock = &given->shared->locks[bucket % GIVEN_LOCKS].lock;
	GraphId    *chain = &given->payload_chains[bucket];
	GraphNode	node;
	GraphId		id;

	memset(&node, 0, sizeof(node));
	node.hash = hash;
	node.tid = *tid;
	lock_if_shared(graph, lock, LW_EXCLUSIVE);
	for (id = *chain; id != NO_SLOT; id = *chain_next(given, id))
	{
		if (codec_same(inserter->query, inserter->payload,
					   node_payload(memory_node(graph, 0, id))))
			break;
	}
	if (id == NO_SLOT)
	{
		GraphLinks	links;

		graph_links_clear(&links);
		node.value = hnsw_write_value(inserter);
		id = memory_write(graph, 0, &node, &links, level > 0 ? NODE_RISES : 0);
		*chain_next(given, id) = *chain;
		*chain = id;
		pg_atomic_fetch_add_u32(&given->shared->elements, 1);
		pg_atomic_fetch_add_u32(&given->shared->upper, level);
	}
	else if (!memory_add_tid(graph, id, hash, tid))
		memory_put_twin(graph, id, &node);
	unlock_if_shared(graph, lock);
	return id;
}

bool
given_graph_place(GivenGraph *given, const struct varlena *value,
				  ItemPointer tid, const Datum *values, const bool *isnull)
{
	MemoryGraph *graph = given->graph;
	uint32		others = graph->shared->participants - 1;
	uint64		hash;
	uint64		key;
	int			level;
	GraphId		id;

	if (given->linked)
		return false;
	hash = hnsw_hash(graph->index, value, given->inserter->entry_keys);
	level = hnsw_level(graph->index, hash);
	if (!memory_graph_make_room(graph, 0) ||
		!build_array_reserve(graph->upper, pg_atomic_read_u32(&given->shared->upper) +
							 others * GRAPH_MAX_LEVEL + level) ||
		!build_array_reserve(given->keys,
							 pg_atomic_read_u32(&given->shared->keys) + others + 1))
		return false;
	hnsw_set_value(given->inserter, value);
	id = place_element(given, payload_hash(given, value), hash, level, tid);
	if (row_hints_key(given->hints, values, isnull, given->first, &key))
		add_key(given, key, id);
	return true;
}

/* ------------------------------------------------------------------------
 * Lists
 */

/*
 * The next elements that this process has in a step: numbers from one to, and not
 * with, another.  False if there are none.
 */
static bool
next_part(GivenGraph *given, GraphId *from, GraphId *to)
{
	const SlotGeometry *geometry = graph_geometry(&given->graph->index->shape, 0);
	uint32		count = pg_atomic_read_u32(&given->graph->shared->base_count);
	uint32		part = pg_atomic_fetch_add_u32(&given->shared->next[given->step],
											   GIVEN_PART);

	if (part >= count)
		return false;
	if (given->leader)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, part);
	*from = geometry->per_page + part;
	*to = geometry->per_page + Min(part + GIVEN_PART, count);
	return true;
}

/* Random elements in ascending order of their distance from id; how many */
static int
take_sample(GivenGraph *given, GraphId id, GraphNear *sample)
{
	const SlotGeometry *geometry = graph_geometry(&given->graph->index->shape, 0);
	uint32		elements = pg_atomic_read_u32(&given->graph->shared->base_count);
	uint64		random = id;
	int			count;
	int			kept = 0;

	for (int i = 0; i < GIVEN_SAMPLE; i++)
		sample[i].id = geometry->per_page + splitmix64_next(&random) % elements;
	count = graph_rank(given->graph->selector, 0, given->inserter->query, sample,
					   GIVEN_SAMPLE);

	/* looked at when they are in the caches */
	for (int i = 0; i < count; i++)
	{
		if (sample[i].id != id &&
			!(memory_node(given->graph, 0, sample[i].id)->header.flags & NODE_TWIN))
			sample[kept++] = sample[i];
	}
	return kept;
}

/*
 * Is an element's list one of its neighbours?  None of the random elements may be
 * nearer than its middle one, or not many more than would be if it is as far as
 * its place in the list says, where elements are few.  A list that is refused for
 * chance costs an insertion.  One whose middle is not even nearer than half of the
 * random elements is a list of something else.
 */
static bool
is_plausible(GivenGraph *given, const GraphNear *candidates, int count,
			 const GraphNear *sample, int sample_count)
{
	float		middle = candidates[count / 2].distance;
	double		expected = (double) sample_count * (count / 2) /
		pg_atomic_read_u32(&given->shared->elements);
	int			nearer = 0;

	while (nearer < sample_count && sample[nearer].distance < middle)
		nearer++;
	given->lists++;
	given->strange += nearer > sample_count / 2;
	return nearer <= (expected < 0.02 ? 0 : ceil(3 * expected));
}

/*
 * Add the sample to an element's list, which is in order of distance, without
 * what is in it.  Where rows lie in clusters, lists never lead out of one, and a
 * search that the upper levels have led into a wrong one would stay there.  An
 * insertion has candidates in other clusters as long as its own is small; those
 * that are diverse keep clusters together.
 */
static int
add_sample(GraphNear *candidates, int count, const GraphNear *sample,
		   int sample_count)
{
	int			total = count;

	for (int i = 0; i < sample_count; i++)
	{
		bool		is_there = false;
		int			at = total;

		for (int k = 0; k < total && !is_there; k++)
			is_there = candidates[k].id == sample[i].id;
		if (is_there)
			continue;
		for (; at > 0 && candidates[at - 1].distance > sample[i].distance; at--)
			candidates[at] = candidates[at - 1];
		candidates[at] = sample[i];
		total++;
	}
	return total;
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

/* Drop what is there twice, and id itself.  They are in order of distance. */
static int
drop_repeated(GraphNear *candidates, int count, GraphId id)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (candidates[i].id != id &&
			(kept == 0 || candidates[i].id != candidates[kept - 1].id))
			candidates[kept++] = candidates[i];
	}
	return kept;
}

/* Choose the neighbours of an element from its list. */
static void
take_list(GivenGraph *given, const RowHint *hint)
{
	MemoryGraph *graph = given->graph;
	GraphSelector *selector = graph->selector;
	GraphNear  *candidates = given->candidates;
	int			least = least_candidates(given);
	GraphNode  *node;
	GraphLinks	links;
	GraphId		id;
	int			count;
	int			sample;

	if (find_keys(given, &hint->key, 1, candidates) == 0)
		return;
	id = candidates[0].id;
	node = memory_node(graph, 0, id);
	if (*(volatile uint8 *) &node->header.flags & NODE_LISTED)
		return;
	count = find_keys(given, hint->neighbors, hint->count, candidates);
	if (count < least)
		return;
	given_set_query(given, id);
	count = graph_rank(selector, 0, given->inserter->query,
					   candidates, count);
	count = drop_repeated(candidates, count, id);
	if (count < least)
		return;
	sample = take_sample(given, id, given->sample);
	if (!is_plausible(given, candidates, count, given->sample, sample))
		return;
	count = add_sample(candidates, count, given->sample, sample);

	graph_links_clear(&links);
	links.count = graph_select(selector, 0, candidates, count);
	memcpy(links.near, candidates, links.count * sizeof(GraphNear));
	lock_if_shared(graph, node_lock(graph, id), LW_EXCLUSIVE);
	if (!(node->header.flags & NODE_LISTED))
	{
		memory_set_edges(graph, 0, id, &links);
		node->header.flags |= NODE_LISTED;
	}
	unlock_if_shared(graph, node_lock(graph, id));
}

static void
read_lists(GivenGraph *given)
{
	RowHintScan *scan = row_hints_scan_begin(given->hints, given->scan);
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	RowHint		hint;

	while (row_hints_next(scan, &hint))
	{
		take_list(given, &hint);
		MemoryContextReset(given->context);
	}
	MemoryContextSwitchTo(caller);
	row_hints_scan_end(scan);
	pg_atomic_fetch_add_u32(&given->shared->lists, given->lists);
	pg_atomic_fetch_add_u32(&given->shared->strange, given->strange);
}

/*
 * Which elements lead to too few that have a list themselves?  Flags of others
 * change meanwhile, but for the one that is counted.
 */
static void
settle(GivenGraph *given)
{
	MemoryGraph *graph = given->graph;
	const GraphShape *shape = &graph->index->shape;
	uint32		listed = 0;
	GraphId		from;
	GraphId		to;

	while (next_part(given, &from, &to))
	{
		CHECK_FOR_INTERRUPTS();
		for (GraphId id = from; id < to; id++)
		{
			GraphNode  *node = memory_node(graph, 0, id);
			GraphEdges	edges;
			int			kept = 0;

			if (!(node->header.flags & NODE_LISTED))
				continue;
			node_get_edges(shape, 0, node, &edges);
			for (int i = first_neighbor(edges.flags); i < edges.count; i++)
			{
				if (memory_node(graph, 0, edge_id(edges.ids[i]))->header.flags & NODE_LISTED)
					kept++;
			}
			if (kept * 2 < Min(edges.count, shape->m))
				node->header.flags |= NODE_POOR;
			else
				listed++;
		}
	}
	pg_atomic_fetch_add_u32(&given->shared->listed, listed);
}

/* Is the table one of these rows' neighbours, and of enough of them? */
static bool
lists_serve(const GivenGraph *given)
{
	uint32		lists = pg_atomic_read_u32(&given->shared->lists);
	uint32		strange = pg_atomic_read_u32(&given->shared->strange);

	return (lists < GIVEN_VERDICT_LISTS || strange <= lists / 4) &&
		pg_atomic_read_u32(&given->shared->listed) >=
		pg_atomic_read_u32(&given->shared->elements) / 2;
}

/* Say so, if it is not. */
static void
announce(const GivenGraph *given)
{
	uint32		lists = pg_atomic_read_u32(&given->shared->lists);
	uint32		strange = pg_atomic_read_u32(&given->shared->strange);
	uint32		listed = pg_atomic_read_u32(&given->shared->listed);
	uint32		elements = pg_atomic_read_u32(&given->shared->elements);
	const char *name = RelationGetRelationName(given->hints->table);

	if (lists >= GIVEN_VERDICT_LISTS && strange > lists / 4)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table \"%s\" does not have the neighbors of the indexed rows",
						name),
				 errdetail("In %u of %u of its rows, the neighbors are no nearer than rows picked at random. The index is built without it.",
						   strange, lists)));
	else if (listed < elements / 2)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table \"%s\" has the neighbors of few of the indexed rows",
						name),
				 errdetail("They serve for %u of %u values. The index is built without it.",
						   listed, elements)));
	else
		ereport(DEBUG1,
				(errmsg("table \"%s\" has given the neighbors of %u of %u values",
						name, listed, elements)));
}

/* ------------------------------------------------------------------------
 * All together
 */

/* One step for all elements that have a list */
static void
for_listed(GivenGraph *given, void (*act) (GivenGraph *given, GraphId id))
{
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	GraphId		from;
	GraphId		to;

	while (lists_serve(given) && next_part(given, &from, &to))
	{
		for (GraphId id = from; id < to; id++)
		{
			CHECK_FOR_INTERRUPTS();
			if (given_is_listed(given->graph, id))
				act(given, id);
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(given->context);
}

/* Insert what has no list; flags that are ours go. */
static void
insert_rest(GivenGraph *given)
{
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	bool		serve = lists_serve(given);
	GraphId		from;
	GraphId		to;

	while (next_part(given, &from, &to))
	{
		for (GraphId id = from; id < to; id++)
		{
			GraphNode  *node = memory_node(given->graph, 0, id);
			bool		listed = serve && given_is_listed(given->graph, id);

			CHECK_FOR_INTERRUPTS();
			node->header.flags &= ~(NODE_LISTED | NODE_POOR | NODE_RINGED);
			if (!listed && !(node->header.flags & NODE_TWIN))
				memory_attach(given->graph, id);
			MemoryContextReset(given->context);
		}
	}
	MemoryContextSwitchTo(caller);
}

static void
run_step(GivenGraph *given)
{
	switch (given->step)
	{
		case STEP_READ:
			read_lists(given);
			break;
		case STEP_SETTLE:
			settle(given);
			break;
		case STEP_RING:
			if (given->leader)
				announce(given);
			for_listed(given, given_join_ring);
			break;
		case STEP_BACK:
			for_listed(given, given_link_back);
			break;
		case STEP_RAISE:
			for_listed(given, given_raise_element);
			break;
		case STEP_REST:
			insert_rest(given);
			break;
		default:
			break;
	}
}

void
given_graph_link(GivenGraph *given)
{
	if (given->linked)
		return;
	if (given->leader)
		build_phase(HNSW_PHASE_LINK);
	while (given->step < STEP_DONE)
	{
		run_step(given);
		if (!given->graph->alone)
			(void) BarrierArriveAndWait(&given->shared->barrier, PG_WAIT_EXTENSION);
		given->step++;
	}
	if (!given->graph->alone)
		(void) BarrierDetach(&given->shared->barrier);
	given->linked = true;
}
