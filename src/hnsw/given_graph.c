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
 * 2. Rows of the table of neighbours: each list is kept as numbers of elements.
 * 3. The recall of some lists is measured; some elements with a list become
 *	  pivots.
 * 4. Of each pivot, the nearest others are found, in two steps.
 * 5. Elements tell those in their lists of themselves; each has a pivot from its list,
 *	  or that of one in it.
 * 6. Neighbours are chosen, as an insertion does, among an element's list, those
 *	  that have told it, and pivots: for the elements of one pivot after the other.
 * 7. What has lost most of its neighbours, because these have no list, counts
 *	  as without one, too.
 * 8. All that have a list form the ring: each comes after its nearest neighbour
 *	  that is in it already.
 * 9. Pivots that are diverse neighbours lead back, where they do not yet.
 * 10. Nodes above level 0, by a search there, as usual.
 * 11. What has no list is inserted into the graph, as usual.
 *
 * A list is a hint.  It is not taken if it has too few known rows, or if rows are
 * nearer that are not in it, as far as pivots tell: then the row has changed
 * since.  If that is so of many, or others are nearer than most lists say, the
 * table is of other vectors, and none is taken.
 *
 * If memory is full during step 1, what is in memory is linked, and the graph is
 * written; the rest of the table is inserted on pages (build.c).
 *
 * Steps 2 to 6, as far as they are about one element, are in given_lists.c, steps
 * 8 to 10 in given_links.c.
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
	sizes[4] = sizeof(GivenPivots);
	sizes[5] = 0;
}

void
given_graph_init(BuildProcess *process, int chunk, RowHints *hints)
{
	GivenShared *shared = (GivenShared *) build_chunk(process, chunk);
	pg_atomic_uint32 *chains;
	GivenPivots *pivots;

	shared->plan = hints->plan;
	shared->buckets = (uint32) (process->sizes[chunk + 2] / sizeof(pg_atomic_uint32));
	pg_atomic_init_u32(&shared->keys, 0);
	pg_atomic_init_u32(&shared->upper, 0);
	pg_atomic_init_u32(&shared->anchor, NO_SLOT);
	pg_atomic_init_u32(&shared->elements, 0);
	pg_atomic_init_u32(&shared->lists, 0);
	pg_atomic_init_u32(&shared->strange, 0);
	pg_atomic_init_u32(&shared->poor, 0);
	pg_atomic_init_u32(&shared->looked, 0);
	pg_atomic_init_u32(&shared->recall, 0);
	pg_atomic_init_u32(&shared->listed, 0);
	for (int i = 0; i < STEP_DONE; i++)
		pg_atomic_init_u32(&shared->next[i], 0);
	chains = (pg_atomic_uint32 *) build_chunk(process, chunk + 2);
	for (uint32 i = 0; i < shared->buckets; i++)
		pg_atomic_init_u32(&chains[i], 0);
	pivots = (GivenPivots *) build_chunk(process, chunk + 4);
	for (int i = 0; i < GIVEN_MOST_FEW; i++)
		pg_atomic_init_u32(&pivots->groups[i], 0);
	for (int i = 0; i < GIVEN_MOST_PIVOTS; i++)
		pg_atomic_init_u32(&pivots->elements[i], NO_SLOT);
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
	given->pivots = (GivenPivots *) build_chunk(process, chunk + 4);
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

static void
add_key(GivenGraph *given, uint64 hash, GraphId id)
{
	uint32		number = pg_atomic_fetch_add_u32(&given->shared->keys, 1);
	RowKey	   *key = given_row_key(given, number);

	key->hash = hash;
	key->id = id;
	key->next = pg_atomic_exchange_u32(&given->key_chains[hash & (given->shared->buckets - 1)],
									   number + 1);
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
	for (id = *chain; id != NO_SLOT; id = given_list(given->graph, id)->chain)
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
		given_list_init(given->graph, id, *chain);
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
 * Steps
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

static void
read_lists(GivenGraph *given)
{
	RowHintScan *scan = row_hints_scan_begin(given->hints, given->scan);
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	RowHint		hint;

	while (row_hints_next(scan, &hint))
	{
		given_take_list(given, &hint);
		MemoryContextReset(given->context);
	}
	MemoryContextSwitchTo(caller);
	row_hints_scan_end(scan);
}

/* One step for all pivots */
static void
for_pivots(GivenGraph *given, void (*act) (GivenGraph *given, uint32 pivot))
{
	uint32		part;

	while ((part = pg_atomic_fetch_add_u32(&given->shared->next[given->step],
										   GIVEN_PIVOT_PART)) < given->pivots->count)
	{
		uint32		end = Min(part + GIVEN_PIVOT_PART, given->pivots->count);

		CHECK_FOR_INTERRUPTS();
		for (uint32 pivot = part; pivot < end; pivot++)
			act(given, pivot);
	}
}

/* How good are some of the lists?  One process chooses the pivots, too. */
static void
look_at_lists(GivenGraph *given)
{
	GivenShared *shared = given->shared;
	const SlotGeometry *geometry = graph_geometry(&given->graph->index->shape, 0);
	uint32		elements = pg_atomic_read_u32(&given->graph->shared->base_count);
	uint32		part;

	while ((part = pg_atomic_fetch_add_u32(&shared->next[STEP_LOOK], 1)) < GIVEN_LOOKED_AT)
	{
		GraphId		id = geometry->per_page +
			(uint32) ((uint64) elements * part / GIVEN_LOOKED_AT);
		double		recall = -1;

		if (part == 0)
			given_take_pivots(given);
		if (elements > GIVEN_LOOKED_AT)
			recall = given_list_recall(given, id, elements / GIVEN_LOOKED_AMONG + 1);
		if (recall < 0)
			continue;
		pg_atomic_fetch_add_u32(&shared->looked, 1);
		pg_atomic_fetch_add_u32(&shared->recall, (uint32) (recall * 1000));
	}
}

/* One step for all elements */
static void
for_all(GivenGraph *given, void (*act) (GivenGraph *given, GraphId id))
{
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	GraphId		from;
	GraphId		to;

	while (next_part(given, &from, &to))
	{
		for (GraphId id = from; id < to; id++)
		{
			CHECK_FOR_INTERRUPTS();
			act(given, id);
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(given->context);
}

/*
 * Choose the neighbours of all elements that have a list: those of one pivot after the
 * other, and of pivots that are near each other, since these have candidates in common,
 * which are in the processor's caches then.
 */
static void
choose_all(GivenGraph *given)
{
	const GivenPivots *pivots = given->pivots;
	MemoryContext caller = MemoryContextSwitchTo(given->context);
	uint32		elements = pg_atomic_read_u32(&given->graph->shared->base_count);
	uint32		group;

	while ((group = pg_atomic_fetch_add_u32(&given->shared->next[STEP_CHOOSE], 1)) < GIVEN_MOST_FEW)
	{
		if (given->leader)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 (int64) elements * group / GIVEN_MOST_FEW);
		for (uint32 pivot = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &pivots->groups[group]));
			 pivot != 0; pivot = pivots->next[pivot - 1])
		{
			GraphId		id = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &pivots->elements[pivot - 1]));

			while (id != NO_SLOT)
			{
				GraphId		next = given_list(given->graph, id)->chain;

				CHECK_FOR_INTERRUPTS();
				given_choose(given, id);
				id = next;
			}
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(given->context);
	pg_atomic_fetch_add_u32(&given->shared->lists, given->lists);
	pg_atomic_fetch_add_u32(&given->shared->strange, given->strange);
	pg_atomic_fetch_add_u32(&given->shared->poor, given->poor);
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

/* The mean recall of lists that have been looked at; 1 where these are few */
static double
measured_recall(const GivenGraph *given)
{
	uint32		looked = pg_atomic_read_u32(&given->shared->looked);

	return looked < GIVEN_LOOKED_AT / 4 ? 1
		: pg_atomic_read_u32(&given->shared->recall) / (1000.0 * looked);
}

typedef enum Verdict
{
	LISTS_SERVE,
	LISTS_STRANGE,				/* of something else */
	LISTS_FAR,					/* of rows farther away than the neighbours */
	LISTS_FEW
} Verdict;

/* Is the table one of these rows' neighbours, and of enough of them? */
static Verdict
judge_lists(const GivenGraph *given)
{
	uint32		lists = pg_atomic_read_u32(&given->shared->lists);
	uint32		strange = pg_atomic_read_u32(&given->shared->strange);

	if (lists >= GIVEN_VERDICT_LISTS && strange > lists / 4)
		return LISTS_STRANGE;
	if (measured_recall(given) < GIVEN_LEAST_RECALL)
		return LISTS_FAR;
	if (pg_atomic_read_u32(&given->shared->listed) <
		pg_atomic_read_u32(&given->shared->elements) / 2)
		return LISTS_FEW;
	return LISTS_SERVE;
}

static inline bool
lists_serve(const GivenGraph *given)
{
	return judge_lists(given) == LISTS_SERVE;
}

#define WITHOUT_HINT	"Compute the neighbors of the rows as they are now, or use ALTER INDEX ... RESET (neighbors)."

/* Say so, if it is not, or if it is a poor one. */
static void
announce(const GivenGraph *given)
{
	uint32		lists = pg_atomic_read_u32(&given->shared->lists);
	uint32		strange = pg_atomic_read_u32(&given->shared->strange);
	uint32		poor = pg_atomic_read_u32(&given->shared->poor);
	uint32		listed = pg_atomic_read_u32(&given->shared->listed);
	uint32		looked = pg_atomic_read_u32(&given->shared->looked);
	uint32		elements = pg_atomic_read_u32(&given->shared->elements);
	double		recall = measured_recall(given);
	const char *name = RelationGetRelationName(given->hints->table);

	switch (judge_lists(given))
	{
		case LISTS_STRANGE:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("table \"%s\" does not have the neighbors of the indexed rows",
							name),
					 errdetail("In %u of %u of its rows, the neighbors are no nearer than rows picked at random. The index is built without it.",
							   strange, lists),
					 errhint(WITHOUT_HINT)));
			break;
		case LISTS_FAR:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("table \"%s\" does not have the nearest neighbors of the indexed rows",
							name),
					 errdetail("Of what is as near as the neighbors in %u of its rows, these have %.0f %%. The index is built without it.",
							   looked, recall * 100),
					 errhint(WITHOUT_HINT)));
			break;
		case LISTS_FEW:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("table \"%s\" has the neighbors of few of the indexed rows",
							name),
					 errdetail("They serve for %u of %u values. The index is built without it.",
							   listed, elements),
					 errhint(WITHOUT_HINT)));
			break;
		case LISTS_SERVE:
			if (lists >= GIVEN_VERDICT_LISTS && poor >= lists / 10)
				ereport(WARNING,
						(errcode(ERRCODE_DATA_EXCEPTION),
						 errmsg("table \"%s\" has poor neighbors of some of the indexed rows",
								name),
						 errdetail("In %u of %u of its rows, others are nearer, as a sample shows. These rows are inserted without it.",
								   poor, lists),
						 errhint(WITHOUT_HINT)));
			ereport(DEBUG1,
					(errmsg("table \"%s\" has given the neighbors of %u of %u values",
							name, listed, elements),
					 errdetail("Measured recall of lists: %.3f.", recall)));
			break;
	}
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
			node->header.flags &= ~(NODE_LISTED | NODE_POOR | NODE_RINGED | NODE_PIVOT);
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
		case STEP_LOOK:
			look_at_lists(given);
			break;
		case STEP_GROUP:
			for_pivots(given, given_group_pivot);
			break;
		case STEP_RELATE:
			for_pivots(given, given_relate_pivot);
			break;
		case STEP_REVERSE:
			for_all(given, given_tell_listed);
			break;
		case STEP_ASSIGN:
			for_all(given, given_assign_pivot);
			break;
		case STEP_CHOOSE:
			choose_all(given);
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
