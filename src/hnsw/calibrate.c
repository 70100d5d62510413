/*
 * calibrate.c
 *	  The ef_search that a recall takes: measured, and used.
 *
 * Some rows are searched for, as a scan does it.  Their nearest are found by a look
 * at all elements: the best by codes, put in order by the values that the index
 * keeps.  One walk tells what every ef_search finds, because a walk for more goes
 * on where one for fewer ends.
 *
 * A row is easier to find than a value that the index does not have: the graph was
 * built by searches for it, and its own edges lead to what is nearest.  So the
 * walk is through the graph as if its element had never been inserted (without.c).
 */
#include "hnsw/calibrate.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hnsw/page.h"
#include "hnsw/scan.h"
#include "hnsw/search.h"
#include "hnsw/without.h"
#include "math/random.h"
#include "storage/page_check.h"

/* Queries that are kept; some of them turn out to be of no use */
#define MAX_QUERIES		256

/* Distances from all elements that are computed, about; and least queries */
#define ALL_DISTANCES	1e8
#define FEWER_DISTANCES	2e7
#define LEAST_QUERIES	64

/* Queries whose answers say something */
#define ENOUGH_QUERIES	24

/*
 * Queries of which the 100 nearest are asked for, too: each of these answers tells ten
 * times as much as one of ten rows, and takes walks several times as long.
 */
#define MANY_QUERIES	40

/* Nodes kept on the way down: those of a scan with ef_search 20 */
#define CALIBRATION_BEAM	4

static const int ks[HNSW_CALIBRATED_KS] = {10, 100};

#define MOST_K	100

/* These, and the numbers above, are part of the format. */
static const int efs[HNSW_CALIBRATED_EFS] = {
	10, 13, 17, 22, 28, 36, 46, 60, 78, 100, 130, 170, 220, 280, 360, 460, 600,
	780, 1000
};

int
hnsw_calibrated_k(int number)
{
	return ks[number];
}

int
hnsw_calibrated_ef(int number)
{
	return efs[number];
}

/* ------------------------------------------------------------------------
 * Using it
 */

bool
hnsw_calibration_fits(const HnswCalibration *calibration)
{
	if (calibration->version > HNSW_CALIBRATION_VERSION)
		return false;
	for (int k = 0; k < HNSW_CALIBRATED_KS; k++)
	{
		for (int i = 0; i < HNSW_CALIBRATED_EFS; i++)
		{
			if (!(calibration->recall[k][i] >= 0 && calibration->recall[k][i] <= 1))
				return false;
		}
	}
	return true;
}

/* The ef_search for a recall of one of ks, between those measured */
static double
ef_of(const float *recall, double wanted)
{
	int			at = 0;
	double		part;

	while (at < HNSW_CALIBRATED_EFS && recall[at] < wanted)
		at++;
	if (at == 0)
		return efs[0];
	if (at == HNSW_CALIBRATED_EFS)
		return efs[HNSW_CALIBRATED_EFS - 1];
	part = (wanted - recall[at - 1]) / (recall[at] - recall[at - 1]);
	return efs[at - 1] * pow((double) efs[at] / efs[at - 1], part);
}

int
hnsw_ef_for(const HnswCalibration *calibration, double recall, double k)
{
	double		few = ef_of(calibration->recall[0], recall);
	double		many = Max(ef_of(calibration->recall[1], recall), few);
	double		ef = few;

	if (k > ks[1])
		ef = many * k / ks[1];
	else if (k > ks[0])
		ef = few * pow(many / few, log(k / ks[0]) / log((double) ks[1] / ks[0]));
	return (int) Max(HNSW_MIN_EF_SEARCH, Min(ceil(ef), HNSW_MAX_EF_SEARCH));
}

/* ------------------------------------------------------------------------
 * Queries
 */

HnswQueries *
hnsw_queries_create(uint64 seed)
{
	HnswQueries *queries = (HnswQueries *) palloc0(sizeof(HnswQueries));

	queries->values = (struct varlena **) palloc0(MAX_QUERIES * sizeof(struct varlena *));
	queries->tids = (ItemPointerData *) palloc0(MAX_QUERIES * sizeof(ItemPointerData));
	queries->random = seed;
	queries->context = CurrentMemoryContext;
	return queries;
}

void
hnsw_queries_add(HnswQueries *queries, const struct varlena *value,
				 ItemPointer tid)
{
	uint64		place = queries->seen++;

	if (queries->count < MAX_QUERIES)
		queries->count++;
	else
	{
		place = splitmix64_next(&queries->random) % queries->seen;
		if (place >= MAX_QUERIES)
			return;
		pfree(queries->values[place]);
	}
	queries->values[place] = (struct varlena *)
		MemoryContextAlloc(queries->context, VARSIZE(value));
	memcpy(queries->values[place], value, VARSIZE(value));
	if (tid != NULL)
		queries->tids[place] = *tid;
	else
		ItemPointerSetInvalid(&queries->tids[place]);
}

void
hnsw_queries_spare(HnswQueries *queries, double rows)
{
	int			enough = (int) Max(FEWER_DISTANCES / Max(rows, 1), LEAST_QUERIES);

	queries->count = Min(queries->count, enough);
}

/* ------------------------------------------------------------------------
 * What is nearest: a look at all elements
 */

/* An element near a query: by its code at first, then by its value */
typedef struct Near
{
	double		distance;
	GraphId		id;
} Near;

#define FARTHER(a, b) ((a)->distance > (b)->distance)
RESULT_HEAP(NearHeap, near_heap, Near, FARTHER)

typedef struct Asked
{
	CodecQuery *query;
	ItemPointerData tid;
	GraphId		itself;			/* NO_SLOT: not met, or of no row */
	bool		useless;		/* its element has a part in the graph that the walk
								 * cannot do without */
	NearHeap	near;			/* the farthest on top */
	double		farthest[HNSW_CALIBRATED_KS];	/* of the k nearest */
	int			wanted[HNSW_CALIBRATED_KS];
} Asked;

typedef struct Measurement
{
	PageStore	store;
	WithoutStore walked;		/* what searches walk on */
	HnswIndex  *index;
	GraphSearch *search;
	GraphEntry	entry;
	Asked	   *asked;			/* by TID */
	int			count;
	int			room;			/* elements that are kept for each */
	char	   *bounded;		/* a value kept in the index */
	GraphFound **taken;
	const void **payloads;		/* of a page */
	GraphId    *ids;
	float	   *distances;
	GraphId    *near_ids;		/* room for what is near a query */
} Measurement;

static int
compare_asked(const void *a, const void *b)
{
	return ItemPointerCompare(&((Asked *) unconstify(void *, a))->tid,
							  &((Asked *) unconstify(void *, b))->tid);
}

/* Can the walk do without an element: is it in nobody's way? */
static bool
can_leave_out(const GraphNode *node, GraphId id, const GraphEntry *entry)
{
	return id != entry->id &&
		(node->header.flags & (NODE_RISES | NODE_HEAD | NODE_TWIN)) == 0;
}

/* Is an element that of a row that is searched for? */
static void
note_itself(Measurement *measurement, const GraphNode *node, GraphId id)
{
	Asked		key;
	Asked	   *asked;

	if (!ItemPointerIsValid(&node->tid))
		return;
	key.tid = node->tid;
	asked = (Asked *) bsearch(&key, measurement->asked, measurement->count,
							  sizeof(Asked), compare_asked);
	if (asked == NULL)
		return;
	asked->itself = id;
	asked->useless = !can_leave_out(node, id, &measurement->entry);
}

/* Compare the elements of a page with all queries. */
static void
look_at_page(Measurement *measurement, BlockNumber block)
{
	const SlotGeometry *geometry = &measurement->index->shape.base;
	Buffer		buffer = map_read(measurement->store.map, block);
	Page		page = BufferGetPage(buffer);
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (page_check_any(measurement->store.relation, buffer) &&
		page_opaque(page)->kind == PAGE_RECORD)
	{
		uint32		slots = slots_in_use(geometry, page);

		hnsw_check_nodes(measurement->store.relation, measurement->index, false,
						 buffer);
		for (uint32 slot = 0; slot < slots; slot++)
		{
			const GraphNode *node = (const GraphNode *) slot_at(geometry, page, slot);

			if (node->header.state != SLOT_USED || (node->header.flags & NODE_DEAD))
				continue;
			measurement->ids[count] = slot_id(geometry, block, slot);
			measurement->payloads[count] = node_payload(node);
			note_itself(measurement, node, measurement->ids[count++]);
		}
	}
	for (int q = 0; q < measurement->count && count > 0; q++)
	{
		NearHeap   *heap = &measurement->asked[q].near;

		codec_distances(measurement->asked[q].query, measurement->payloads, count,
						measurement->distances);
		for (int i = 0; i < count; i++)
		{
			Near		one = {comparable(measurement->distances[i]), measurement->ids[i]};

			if (heap->count < measurement->room)
				near_heap_push(heap, one);
			else if (one.distance < heap->results[0].distance)
				near_heap_replace(heap, one);
		}
	}
	UnlockReleaseBuffer(buffer);
}

/* The distance of an element by the value that the index keeps */
static double
kept_distance(Measurement *measurement, const Asked *asked, const Near *one)
{
	GraphNode  *node;
	Buffer		buffer = page_store_lock(&measurement->store, 0, one->id,
										 BUFFER_LOCK_SHARE, &node);
	double		low = one->distance;
	double		high = one->distance;

	/* freed meanwhile: as far as can be */
	if (node->header.state != SLOT_USED)
		low = high = INFINITY;
	else
	{
		Buffer		value_buffer;
		const void *value =
			value_store_get(&measurement->store.values, node->value,
							measurement->bounded,
							bounded_size(&measurement->index->codec.column),
							&value_buffer);

		if (value != NULL)
			(void) bounded_interval(&asked->query->exact, value, &low, &high);
		if (BufferIsValid(value_buffer))
			UnlockReleaseBuffer(value_buffer);
	}
	UnlockReleaseBuffer(buffer);
	return (low + high) / 2;
}

static int
compare_near(const void *a, const void *b)
{
	const Near *x = (const Near *) a;
	const Near *y = (const Near *) b;

	return x->distance < y->distance ? -1 : x->distance > y->distance;
}

static int
compare_ids(const void *a, const void *b)
{
	const Near *x = (const Near *) a;
	const Near *y = (const Near *) b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Put what is near a query in order: how far are the k nearest? */
static void
order_near(Measurement *measurement, Asked *asked)
{
	NearHeap   *heap = &asked->near;
	int			count = 0;

	for (int i = 0; i < heap->count; i++)
	{
		if (heap->results[i].id != asked->itself)
			heap->results[count++] = heap->results[i];
	}
	heap->count = count;
	if (hnsw_keeps_bounded(measurement->index))
	{
		for (int i = 0; i < count; i++)
			heap->results[i].distance = kept_distance(measurement, asked,
													  &heap->results[i]);
	}
	qsort(heap->results, count, sizeof(Near), compare_near);
	for (int k = 0; k < HNSW_CALIBRATED_KS; k++)
	{
		asked->wanted[k] = Min(ks[k], count);
		asked->farthest[k] = asked->wanted[k] > 0
			? heap->results[asked->wanted[k] - 1].distance : 0;
	}
	qsort(heap->results, count, sizeof(Near), compare_ids);
}

/* Take an element out of the graph that is walked. */
static void
leave_out(Measurement *measurement, const Asked *asked)
{
	GraphId    *near = measurement->near_ids;

	without_none(&measurement->walked);
	if (asked->itself == NO_SLOT)
		return;
	for (int i = 0; i < asked->near.count; i++)
		near[i] = asked->near.results[i].id;
	without_set(&measurement->walked, asked->itself, near, asked->near.count);
}

/* ------------------------------------------------------------------------
 * What searches find
 */

/* How many of the nearest are among count elements taken?  At most as are wanted. */
static void
count_found(const Measurement *measurement, const Asked *asked, int count,
			int *found)
{
	for (int k = 0; k < HNSW_CALIBRATED_KS; k++)
		found[k] = 0;
	for (int i = 0; i < count; i++)
	{
		Near		key = {0, measurement->taken[i]->id};
		const Near *one = (const Near *) bsearch(&key, asked->near.results,
												 asked->near.count, sizeof(Near),
												 compare_ids);

		for (int k = 0; one != NULL && k < HNSW_CALIBRATED_KS; k++)
			found[k] += one->distance <= asked->farthest[k] &&
				found[k] < asked->wanted[k];
	}
}

/*
 * Walk for one value of ef_search after the other, and add what each finds to
 * sums, of the first few of ks.  False if the walk could not begin.
 */
static bool
search_for(Measurement *measurement, const Asked *asked, int few,
		   double sums[HNSW_CALIBRATED_KS][HNSW_CALIBRATED_EFS])
{
	GraphSearch *search = measurement->search;
	const Codec *codec = &measurement->index->codec;
	GraphId		starts[CALIBRATION_BEAM];
	int			count;
	bool		all = false;

	leave_out(measurement, asked);
	search->query = asked->query;
	count = graph_descend(search, measurement->entry, 0, starts, CALIBRATION_BEAM);
	for (int i = 0; i < count; i++)
	{
		if (starts[i] == asked->itself)
			return false;
	}
	if (count == 0)
		return false;
	graph_search_begin(search, 0, starts, count);
	if (asked->itself != NO_SLOT)
		graph_search_leave_out(search, asked->itself);
	hnsw_add_scattered(&measurement->store, search, HNSW_SCATTERED_STARTS);
	for (int i = 0; i < HNSW_CALIBRATED_EFS; i++)
	{
		int			found[HNSW_CALIBRATED_KS];

		CHECK_FOR_INTERRUPTS();
		if (!all)
		{
			int			width = hnsw_walk_width(codec, efs[i]);

			if (i == 0)
				graph_search_run(search, width);
			else
				graph_search_resume(search, width);
			count = graph_search_take(search, efs[i] + hnsw_extra_candidates(efs[i], codec->bits),
									  false, measurement->taken);
			count_found(measurement, asked, count, found);
			all = true;
			for (int k = 0; k < few; k++)
				all &= found[k] == asked->wanted[k];
		}
		for (int k = 0; k < few; k++)
			sums[k][i] += (double) (all ? asked->wanted[k] : found[k]) / asked->wanted[k];
	}
	return true;
}

/* ------------------------------------------------------------------------
 * The measurement
 */

static Measurement *
begin_measurement(Relation index, double rows, const HnswQueries *queries)
{
	Measurement *measurement = (Measurement *) palloc0(sizeof(Measurement));
	HnswIndex  *opened = hnsw_open(index);
	const Codec *codec = &opened->codec;
	int			per_page = opened->shape.base.per_page;
	int			most = efs[HNSW_CALIBRATED_EFS - 1];

	measurement->index = opened;
	page_store_init(&measurement->store, index, opened, false);
	measurement->count = Min(queries->count,
							 (int) Max(Min(ALL_DISTANCES / Max(rows, 1), MAX_QUERIES),
									   LEAST_QUERIES));
	measurement->room = MOST_K + hnsw_extra_candidates(MOST_K, codec->bits) + 1;
	measurement->asked = (Asked *) palloc0(measurement->count * sizeof(Asked));
	for (int i = 0; i < measurement->count; i++)
	{
		Asked	   *asked = &measurement->asked[i];

		asked->query = codec_query_create(codec, &measurement->store.values, true);
		column_check_dims(&codec->column, queries->values[i]);
		codec_query_set(asked->query, queries->values[i], false);
		asked->tid = queries->tids[i];
		asked->itself = NO_SLOT;
		near_heap_init(&asked->near);
	}
	qsort(measurement->asked, measurement->count, sizeof(Asked), compare_asked);
	without_init(&measurement->walked, index, opened);
	measurement->search = graph_search_create(&opened->shape,
											  &measurement->walked.page.store, NULL);
	if (hnsw_keeps_bounded(opened))
		measurement->bounded = (char *) palloc(bounded_size(&codec->column));
	measurement->taken = (GraphFound **)
		palloc((most + hnsw_extra_candidates(most, codec->bits)) * sizeof(GraphFound *));
	measurement->payloads = (const void **) palloc(per_page * sizeof(void *));
	measurement->ids = (GraphId *) palloc(per_page * sizeof(GraphId));
	measurement->distances = (float *) palloc(per_page * sizeof(float));
	measurement->near_ids = (GraphId *) palloc(measurement->room * sizeof(GraphId));
	hnsw_get_entry(index, &measurement->entry);
	return measurement;
}

/* Search for all queries that are of use; returns how many these are. */
static int
measure(Measurement *measurement, HnswCalibration *calibration)
{
	double		sums[HNSW_CALIBRATED_KS][HNSW_CALIBRATED_EFS] = {{0}};
	BlockNumber blocks = RelationGetNumberOfBlocks(measurement->store.relation);
	int			used = 0;

	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		look_at_page(measurement, block);
	}
	for (int q = 0; q < measurement->count; q++)
	{
		Asked	   *asked = &measurement->asked[q];

		/* a row whose element has another TID first is one of several equal ones */
		if (asked->useless || asked->query->constant ||
			(ItemPointerIsValid(&asked->tid) && asked->itself == NO_SLOT))
			continue;
		order_near(measurement, asked);
		if (asked->wanted[0] == ks[0])
		{
			int			few = used < MANY_QUERIES ? HNSW_CALIBRATED_KS : 1;

			if (search_for(measurement, asked, few, sums))
				used++;
		}
	}
	for (int k = 0; k < HNSW_CALIBRATED_KS && used > 0; k++)
	{
		int			of = k == 0 ? used : Min(used, MANY_QUERIES);

		for (int i = 0; i < HNSW_CALIBRATED_EFS; i++)
			calibration->recall[k][i] = (float) Min(sums[k][i] / of, 1);
	}
	return used;
}

bool
hnsw_calibrate(Relation index, double rows, HnswQueries *queries,
			   HnswCalibration *calibration)
{
	MemoryContext context;
	MemoryContext caller;
	Measurement *measurement;

	memset(calibration, 0, sizeof(*calibration));
	if (rows < HNSW_CALIBRATION_ROWS || queries->count < ENOUGH_QUERIES)
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw calibration",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	measurement = begin_measurement(index, rows, queries);
	/* codes around a centre that is to be learnt will be made anew */
	if (measurement->entry.level >= 0 && !measurement->index->centre.unknown)
		calibration->queries = measure(measurement, calibration);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (calibration->queries < ENOUGH_QUERIES)
	{
		memset(calibration, 0, sizeof(*calibration));
		return false;
	}
	calibration->version = HNSW_CALIBRATION_VERSION;
	return true;
}

/* Nearest elements among which a row's own is looked for */
#define OWN_EF	40

uint32
hnsw_element_of(Relation index, const struct varlena *value, ItemPointer tid)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw element",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	HnswIndex  *opened = hnsw_open(index);
	GraphFound *taken[OWN_EF];
	GraphId		starts[CALIBRATION_BEAM];
	GraphId		result = NO_SLOT;
	PageStore	store;
	GraphSearch *search;
	GraphEntry	entry;
	CodecQuery *query;
	int			count = 0;

	page_store_init(&store, index, opened, false);
	query = codec_query_create(&opened->codec, &store.values, true);
	column_check_dims(&opened->codec.column, value);
	codec_query_set(query, value, false);
	search = graph_search_create(&opened->shape, &store.store, query);
	hnsw_get_entry(index, &entry);
	if (entry.level >= 0)
		count = graph_descend(search, entry, 0, starts, CALIBRATION_BEAM);
	if (count > 0)
	{
		graph_search_begin(search, 0, starts, count);
		graph_search_run(search, hnsw_walk_width(&opened->codec, OWN_EF));
		count = graph_search_take(search, OWN_EF, false, taken);
	}
	for (int i = 0; i < count && result == NO_SLOT; i++)
	{
		GraphNode  *node;
		Buffer		buffer = page_store_lock(&store, 0, taken[i]->id,
											 BUFFER_LOCK_SHARE, &node);

		if (node->header.state == SLOT_USED && ItemPointerIsValid(&node->tid) &&
			ItemPointerEquals(&node->tid, tid) &&
			can_leave_out(node, taken[i]->id, &entry))
			result = taken[i]->id;
		UnlockReleaseBuffer(buffer);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

void
hnsw_keep_calibration(Relation index, const HnswCalibration *calibration,
					  bool log)
{
	Buffer		buffer = hnsw_lock_meta(index, BUFFER_LOCK_EXCLUSIVE);
	PageEdit	edit;
	Page		page;
	char	   *end;

	page_edit_begin(&edit, index, log);
	page = page_edit_page(&edit, buffer, false);
	*hnsw_page_calibration(page) = *calibration;
	end = (char *) (hnsw_page_calibration(page) + 1);
	((PageHeader) page)->pd_lower = Max(((PageHeader) page)->pd_lower, end - (char *) page);
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	if (log)
		CacheInvalidateRelcache(index);
	else if (index->rd_amcache != NULL)
	{
		/* nobody else knows a new index */
		pfree(index->rd_amcache);
		index->rd_amcache = NULL;
	}
}

void
hnsw_get_calibration(Relation index, HnswCalibration *calibration)
{
	Buffer		buffer;
	Page		page;

	memset(calibration, 0, sizeof(*calibration));
	if (!RELKIND_HAS_STORAGE(index->rd_rel->relkind) ||
		RelationGetNumberOfBlocks(index) == 0)
		return;
	buffer = ReadBuffer(index, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (hnsw_page_has_calibration(page))
		*calibration = *hnsw_page_calibration(page);
	UnlockReleaseBuffer(buffer);
	if (!hnsw_calibration_fits(calibration))
		memset(calibration, 0, sizeof(*calibration));
}
