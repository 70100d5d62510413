/*
 * build_recall.c
 *	  How well an index finds its own rows: some of its values are searched for, and
 *	  what is found is compared with what a look at all rows finds.
 *
 * The values are rows of the table, which an index finds better than most queries
 * from outside.  So a low recall tells that something is wrong, and a high one that
 * the index is as it should be; vector_recall() measures queries.
 */
#include "index/build_report.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "index/column.h"
#include "index/sample.h"
#include "index/scan.h"
#include "math/heap/topk.h"

#define QUERIES			20
#define NEAREST			10

/* Where values to search for are taken from: ranges of blocks all over the table */
#define SAMPLE_RANGES	64

/* Rows between two looks at the clock */
#define ROWS_AT_ONCE	1024

typedef struct Recall
{
	Relation	heap;
	Relation	index;
	IndexColumn column;
	Snapshot	snapshot;
	instr_time	start;
	double		seconds;		/* that all may take */
	MemoryContext context;

	struct varlena *queries[QUERIES];
	int			count;
	uint64		seen;			/* values that these were taken from */
	uint64		random;
	TopkEntry	entries[QUERIES][NEAREST];
	Topk		nearest[QUERIES];
} Recall;

/* A BlockSample's callback: each value is as likely to be kept as any other. */
static void
keep_value(const struct varlena *value, void *arg)
{
	Recall	   *recall = (Recall *) arg;
	int			place = recall->count;
	MemoryContext caller;

	recall->seen++;
	if (place == QUERIES)
	{
		/* Knuth's MMIX generator: the upper bits are random enough for this */
		recall->random = recall->random * UINT64CONST(6364136223846793005) +
			UINT64CONST(1442695040888963407);
		if ((recall->random >> 33) % recall->seen >= QUERIES)
			return;
		place = (int) ((recall->random >> 20) % QUERIES);
		pfree(recall->queries[place]);
	}
	else
		recall->count++;
	caller = MemoryContextSwitchTo(recall->context);
	recall->queries[place] = (struct varlena *) palloc(VARSIZE(value));
	memcpy(recall->queries[place], value, VARSIZE(value));
	MemoryContextSwitchTo(caller);
}

static bool
out_of_time(const Recall *recall)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, recall->start);
	return INSTR_TIME_GET_DOUBLE(now) > recall->seconds;
}

static void
compare_row(Recall *recall, Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM(datum);

	if (recall->column.traits->normalized && !column_nonzero(&recall->column, value))
		return;
	for (int i = 0; i < recall->count; i++)
	{
		TopkEntry	entry = {topk_key(recall->column.distance(value, recall->queries[i])), 0};

		if (topk_wants(&recall->nearest[i], entry))
			topk_add(&recall->nearest[i], entry);
	}
}

/* Look at all rows; false if there was no time for that. */
static bool
find_exact(Recall *recall)
{
	IndexInfo  *info = BuildIndexInfo(recall->index);
	EState	   *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	ExprState  *predicate = ExecPrepareQual(info->ii_Predicate, estate);
	TupleTableSlot *slot = table_slot_create(recall->heap, NULL);
	TableScanDesc scan = table_beginscan(recall->heap, recall->snapshot, 0, NULL);
	uint64		rows = 0;
	bool		done = true;

	context->ecxt_scantuple = slot;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (++rows % ROWS_AT_ONCE == 0 && out_of_time(recall))
		{
			done = false;
			break;
		}
		MemoryContextReset(context->ecxt_per_tuple_memory);
		if (!ExecQual(predicate, context))
			continue;
		caller = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
		FormIndexDatum(info, slot, estate, values, nulls);
		if (!nulls[0])
			compare_row(recall, values[0]);
		MemoryContextSwitchTo(caller);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	return done;
}

/* How many of a value's nearest rows does a scan find? */
static int
count_found(Recall *recall, int query)
{
	Topk	   *nearest = &recall->nearest[query];
	IndexScanDesc scan = recall->index->rd_indam->ambeginscan(recall->index, 0, 1);
	ScanKeyData key = {0};
	int			returned = 0;
	int			found = 0;

	scan->heapRelation = recall->heap;
	scan->xs_snapshot = recall->snapshot;
	key.sk_attno = 1;
	key.sk_strategy = DISTANCE_STRATEGY;
	key.sk_argument = PointerGetDatum(recall->queries[query]);
	recall->index->rd_indam->amrescan(scan, NULL, 0, &key, 1);
	while (returned < (int) nearest->count &&
		   recall->index->rd_indam->amgettuple(scan, ForwardScanDirection))
	{
		bool		all_dead;
		ItemPointerData tid = scan->xs_heaptid;
		const struct varlena *value = vector_scan_read(scan, &tid, &all_dead);

		CHECK_FOR_INTERRUPTS();
		if (value == NULL)
			continue;
		returned++;
		found += topk_key(recall->column.distance(value, recall->queries[query])) <=
			nearest->entries[0].key;
	}

	/* it is nobody's scan */
	((VectorScan *) scan->opaque)->stats.searches = 0;
	recall->index->rd_indam->amendscan(scan);
	IndexScanEnd(scan);
	return found;
}

int
build_recall(Relation heap, Relation index, double seconds, double *result)
{
	Recall	   *recall;
	BlockSample blocks;
	int			found = 0;
	int			wanted = 0;
	int			searched = 0;

	if (!ActiveSnapshotSet())
		return 0;
	recall = (Recall *) palloc0(sizeof(Recall));
	recall->heap = heap;
	recall->index = index;
	recall->column = index_column(index, index->rd_indam->amsupport);
	recall->snapshot = GetActiveSnapshot();
	recall->context = CurrentMemoryContext;
	recall->seconds = seconds;
	INSTR_TIME_SET_CURRENT(recall->start);
	if (recall->column.type->array)
		return 0;
	block_sample_begin(&blocks, heap, index, BuildIndexInfo(index), keep_value, recall);
	block_sample_ranges(&blocks, SAMPLE_RANGES, 1);
	block_sample_end(&blocks);
	for (int i = 0; i < recall->count; i++)
		topk_init(&recall->nearest[i], recall->entries[i], NEAREST);
	if (recall->count == 0 || !find_exact(recall))
		return 0;
	for (; searched < recall->count && !out_of_time(recall); searched++)
	{
		found += count_found(recall, searched);
		wanted += (int) recall->nearest[searched].count;
	}
	*result = wanted > 0 ? (double) found / wanted : 1;
	return searched;
}
