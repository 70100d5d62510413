/*
 * exact_scan.c
 *	  The executor node of an exact search.
 *
 * One pass over the table computes the distance of every visible row that
 * passes the filter and keeps the k nearest, as (distance, TID) only.  Then
 * those rows are fetched by TID, nearest first.  Nulls come last, behind NaN,
 * as a sort would have them.
 *
 * k is the number of rows that the query asks for, so one pass is the rule.  If
 * more are wanted (WITH TIES, or an incremental sort above, read to the end of a
 * group of equal distances), another pass keeps the next ones, four times as
 * many: those that are larger than the last one returned, in the order of
 * (distance, TID).  A process of a parallel scan makes no second pass.
 *
 * README.md tells of locks, and where the time of such a scan goes.
 */
#include "planner/exact.h"

#include "access/heapam.h"
#include "access/parallel.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "math/heap/topk.h"
#include "planner/distance_call.h"
#include "storage/recent_buffer.h"
#include "storage/toast_reader.h"
#include "types/distance_function.h"

/* Blocks that a process of a parallel scan takes at a time */
#define CHUNK_BLOCKS	64

/* What the processes of a parallel scan share */
typedef struct ExactSharedScan
{
	pg_atomic_uint64 next_block;
} ExactSharedScan;

typedef struct ExactScanState
{
	CustomScanState css;

	DistanceValue distance;
	ExprState  *query_expr;		/* the value that rows are compared with */
	AttrNumber	column;
	TupleTableSlot *row_slot;	/* for filters */
	ToastReader *reader;		/* of values stored out of line */
	MemoryContext query_context;	/* the detoasted query */
	struct varlena *query;		/* NULL if null */
	ExactSharedScan *shared;	/* NULL unless the scan is parallel */

	Topk		topk;
	TopkEntry  *entries;
	bool		scanned;		/* topk holds the result of a pass */
	bool		complete;		/* no row is left beyond those in topk */
	size_t		next;			/* entry to return next */
	TopkEntry	last;			/* largest entry of the pass before */
	bool		has_last;
} ExactScanState;

/*
 * The offsets of the tuples on a page that the snapshot sees; returns their
 * number.  Takes the buffer's share lock and releases it.
 */
static int
visible_tuples(Relation relation, Snapshot snapshot, Buffer buffer,
			   OffsetNumber *offsets)
{
	Page		page = BufferGetPage(buffer);
	bool		all_visible;
	bool		check_serializable;
	OffsetNumber max;
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	TestForOldSnapshot(snapshot, relation, page);

	/*
	 * On a standby the page's flag may run ahead of what snapshots see; see
	 * heapgetpage.
	 */
	all_visible = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;
	check_serializable = CheckForSerializableConflictOutNeeded(relation,
															   snapshot);
	max = PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= max; offset++)
	{
		if (!ItemIdIsNormal(PageGetItemId(page, offset)))
			continue;
		if (!all_visible || check_serializable)
		{
			HeapTupleData tuple = tuple_on_page(relation, buffer, offset);
			bool		visible = true;

			if (!all_visible)
				visible = HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer);
			if (check_serializable)
				HeapCheckForSerializableConflictOut(visible, relation, &tuple,
													buffer, snapshot);
			if (!visible)
				continue;
		}
		offsets[count++] = offset;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return count;
}

/* Does the tuple pass the query's filter? */
static bool
passes_filter(ExactScanState *state, HeapTuple tuple, Buffer buffer)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;

	if (state->css.ss.ps.qual == NULL)
		return true;

	ResetExprContext(econtext);
	ExecStoreBufferHeapTuple(tuple, state->row_slot, buffer);
	econtext->ecxt_scantuple = state->row_slot;
	if (ExecQual(state->css.ss.ps.qual, econtext))
		return true;
	InstrCountFiltered1(&state->css.ss.ps, 1);
	return false;
}

/* The sort key of a tuple's distance */
static uint64
distance_key(ExactScanState *state, TupleDesc desc, HeapTuple tuple)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, state->column, desc, &isnull);
	struct varlena *vector = (struct varlena *) DatumGetPointer(value);

	if (isnull || state->query == NULL)
		return TOPK_NULL;
	vector = toast_reader_get(state->reader, vector);
	return topk_key(state->distance(vector, state->query));
}

/* Prefetch a page, without its free space if it is filled like another one. */
static inline void
prefetch_page(const char *page, Page like)
{
	int			rows = Min(((PageHeader) like)->pd_upper, BLCKSZ);

	prefetch_bytes(page, SizeOfPageHeaderData);
	prefetch_far(page + rows, BLCKSZ - rows);
}

/*
 * Put what is nearest among the rows of a block into state->topk.  next: the
 * buffer that comes then, pinned, or InvalidBuffer.
 */
static void
scan_block(ExactScanState *state, Buffer buffer, Buffer next)
{
	Relation	relation = state->css.ss.ss_currentRelation;
	TupleDesc	desc = RelationGetDescr(relation);
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	int			count;

	if (BufferIsValid(next))
		prefetch_page(BufferGetBlock(next), BufferGetPage(buffer));
	count = visible_tuples(relation, state->css.ss.ps.state->es_snapshot,
						   buffer, offsets);

	/*
	 * From the last row to the first, which is from a page's beginning to its
	 * end: the processor prefetches in ascending order only.
	 */
	for (int i = count - 1; i >= 0; i--)
	{
		HeapTupleData tuple = tuple_on_page(relation, buffer, offsets[i]);
		TopkEntry	entry;

		pgstat_count_heap_getnext(relation);

		if (!passes_filter(state, &tuple, buffer))
			continue;
		entry.key = distance_key(state, desc, &tuple);
		entry.id = itemptr_encode(&tuple.t_self);
		if (state->has_last && !topk_entry_less(state->last, entry))
			continue;
		if (state->topk.count == state->topk.capacity)
			state->complete = false;
		if (topk_wants(&state->topk, entry))
			topk_add(&state->topk, entry);
	}
	if (state->css.ss.ps.qual != NULL)
		ExecClearTuple(state->row_slot);
}

/* Where a pass over the table stands */
typedef struct Pass
{
	BlockTag	tag;
	BlockNumber blocks;			/* of the table */
	BufferAccessStrategy strategy;
	uint64		next;			/* block to be read next */
	uint64		end;			/* of the chunk that this process has */
} Pass;

/* Pin the next block; InvalidBuffer at the end.  before: the one pinned last */
static Buffer
read_next(const ExactScanState *state, Pass *pass, Buffer before)
{
	BlockNumber block;

	if (pass->next == pass->end && state->shared != NULL)
	{
		pass->next = pg_atomic_fetch_add_u64(&state->shared->next_block,
											 CHUNK_BLOCKS);
		pass->end = Min(pass->next + CHUNK_BLOCKS, pass->blocks);
	}
	if (pass->next >= pass->end)
		return InvalidBuffer;
	block = (BlockNumber) pass->next++;
	return read_recent_buffer(state->css.ss.ss_currentRelation, block,
							  near_buffer(&pass->tag, block, before),
							  pass->strategy);
}

/* Put the nearest rows that come after state->last into state->topk, sorted. */
static void
scan_table(ExactScanState *state)
{
	Relation	relation = state->css.ss.ss_currentRelation;
	Pass		pass = {0};
	Buffer		next;

	pass.tag = relation_block_tag(relation);
	pass.blocks = RelationGetNumberOfBlocks(relation);
	pass.end = state->shared == NULL ? pass.blocks : 0;

	/* as initscan does */
	if (!RelationUsesLocalBuffers(relation) && pass.blocks > NBuffers / 4)
		pass.strategy = GetAccessStrategy(BAS_BULKREAD);
	PredicateLockRelation(relation, state->css.ss.ps.state->es_snapshot);
	pgstat_count_heap_scan(relation);

	topk_init(&state->topk, state->entries, state->topk.capacity);
	state->complete = true;

	/* one block ahead, so that its page can be prefetched */
	next = read_next(state, &pass, InvalidBuffer);
	while (BufferIsValid(next))
	{
		Buffer		buffer = next;

		CHECK_FOR_INTERRUPTS();
		next = read_next(state, &pass, buffer);
		scan_block(state, buffer, next);
		ReleaseBuffer(buffer);
	}
	toast_reader_pause(state->reader);
	if (pass.strategy != NULL)
		FreeAccessStrategy(pass.strategy);

	topk_sort(state->topk.entries, state->topk.count);
	state->scanned = true;
	state->next = 0;
}

/* Go on behind the entries that have been returned. */
static void
prepare_next_pass(ExactScanState *state)
{
	size_t		room = work_mem * (size_t) 1024 / sizeof(TopkEntry);

	state->last = state->topk.entries[state->topk.count - 1];
	state->has_last = true;
	if (state->topk.capacity < room)
	{
		state->topk.capacity = Min(mul_size(state->topk.capacity, 4), room);
		state->entries = (TopkEntry *)
			repalloc_huge(state->entries, mul_size(state->topk.capacity,
												   sizeof(TopkEntry)));
	}
}

/* Evaluate the value that rows are compared with. */
static void
evaluate_query(ExactScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	bool		isnull;
	Datum		value;

	MemoryContextReset(state->query_context);
	ResetExprContext(econtext);
	value = ExecEvalExprSwitchContext(state->query_expr, econtext, &isnull);
	state->query = NULL;
	if (!isnull)
	{
		MemoryContext caller = MemoryContextSwitchTo(state->query_context);

		state->query = pg_detoast_datum_copy((struct varlena *)
											 DatumGetPointer(value));
		MemoryContextSwitchTo(caller);
	}
}

/* ExecScan's access method: the next nearest row, or an empty slot */
static TupleTableSlot *
exact_next(ScanState *ss)
{
	ExactScanState *state = (ExactScanState *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	TopkEntry  *entry;
	ItemPointerData tid;

	if (!state->scanned)
	{
		evaluate_query(state);
		scan_table(state);
	}
	if (state->next == state->topk.count)
	{
		if (state->complete || state->shared != NULL)
			return ExecClearTuple(slot);
		prepare_next_pass(state);
		scan_table(state);
		if (state->topk.count == 0)
			return ExecClearTuple(slot);
	}

	entry = &state->topk.entries[state->next++];
	itemptr_decode(&tid, entry->id);
	if (!table_tuple_fetch_row_version(ss->ss_currentRelation, &tid,
									   ss->ps.state->es_snapshot, slot))
		elog(ERROR, "could not fetch row (%u,%u) of relation \"%s\" again",
			 ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid),
			 RelationGetRelationName(ss->ss_currentRelation));
	return slot;
}

static TupleTableSlot *
exact_exec(CustomScanState *node)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	TupleTableSlot *slot;

	CHECK_FOR_INTERRUPTS();
	slot = exact_next(&node->ss);
	if (TupIsNull(slot))
		return node->ss.ps.ps_ProjInfo
			? ExecClearTuple(node->ss.ps.ps_ProjInfo->pi_state.resultslot)
			: slot;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = slot;
	return node->ss.ps.ps_ProjInfo ? ExecProject(node->ss.ps.ps_ProjInfo) : slot;
}

static void
exact_rescan(CustomScanState *node)
{
	ExactScanState *state = (ExactScanState *) node;

	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	state->scanned = false;
	state->has_last = false;
}

static void
exact_begin(CustomScanState *node, EState *estate, int eflags)
{
	ExactScanState *state = (ExactScanState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	Oid			function;
	List	   *args = call_arguments(linitial(scan->custom_exprs), &function);
	int			column = list_nth_int(scan->custom_private,
									  EXACT_COLUMN_ARGUMENT);
	Relation	relation = node->ss.ss_currentRelation;

	/*
	 * ExecInitCustomScan made a virtual slot, and compiled filter and
	 * projection for it; rows come as heap tuples.
	 */
	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(relation),
						  table_slot_callbacks(relation));
	state->row_slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(relation),
											 &TTSOpsBufferHeapTuple);
	node->ss.ps.qual = ExecInitQual(scan->scan.plan.qual, &node->ss.ps);
	ExecAssignScanProjectionInfo(&node->ss);

	state->distance = distance_value_of(function);
	if (state->distance == NULL)
		elog(ERROR, "function %u is not a distance function", function);
	state->column = ((Var *) list_nth(args, column))->varattno;
	state->query_expr = ExecInitExpr((Expr *) list_nth(args, 1 - column),
									 &node->ss.ps);
	state->reader = toast_reader_begin(relation);
	state->query_context = AllocSetContextCreate(CurrentMemoryContext,
												 "exact scan query",
												 ALLOCSET_SMALL_SIZES);

	/* bounded in add_exact_path */
	state->topk.capacity = list_nth_int(scan->custom_private, EXACT_LIMIT);
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		state->entries = (TopkEntry *)
			MemoryContextAllocHuge(CurrentMemoryContext,
								   mul_size(state->topk.capacity,
											sizeof(TopkEntry)));
}

/* ExecEndCustomScan clears the slots; memory goes with the query's. */
static void
exact_end(CustomScanState *node)
{
	toast_reader_end(((ExactScanState *) node)->reader);
}

static void
exact_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	List	   *context = set_deparse_context_plan(es->deparse_cxt,
												   node->ss.ps.plan, ancestors);

	ExplainPropertyText("Order By",
						deparse_expression((Node *) linitial(scan->custom_exprs),
										   context,
										   list_length(es->rtable) > 1 ||
										   es->verbose, false),
						es);
}

static Size
exact_estimate_dsm(CustomScanState *node, ParallelContext *pcxt)
{
	return sizeof(ExactSharedScan);
}

static void
exact_initialize_dsm(CustomScanState *node, ParallelContext *pcxt,
					 void *coordinate)
{
	ExactScanState *state = (ExactScanState *) node;

	state->shared = (ExactSharedScan *) coordinate;
	pg_atomic_init_u64(&state->shared->next_block, 0);
}

static void
exact_reinitialize_dsm(CustomScanState *node, ParallelContext *pcxt,
					   void *coordinate)
{
	pg_atomic_write_u64(&((ExactSharedScan *) coordinate)->next_block, 0);
}

static void
exact_initialize_worker(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	((ExactScanState *) node)->shared = (ExactSharedScan *) coordinate;
}

static const CustomExecMethods exact_exec_methods = {
	.CustomName = "VectorExactScan",
	.BeginCustomScan = exact_begin,
	.ExecCustomScan = exact_exec,
	.EndCustomScan = exact_end,
	.ReScanCustomScan = exact_rescan,
	.EstimateDSMCustomScan = exact_estimate_dsm,
	.InitializeDSMCustomScan = exact_initialize_dsm,
	.ReInitializeDSMCustomScan = exact_reinitialize_dsm,
	.InitializeWorkerCustomScan = exact_initialize_worker,
	.ExplainCustomScan = exact_explain
};

static Node *
create_exact_scan_state(CustomScan *scan)
{
	ExactScanState *state = (ExactScanState *) newNode(sizeof(ExactScanState),
													   T_CustomScanState);

	state->css.methods = &exact_exec_methods;
	return (Node *) state;
}

const CustomScanMethods exact_scan_methods = {
	.CustomName = "VectorExactScan",
	.CreateCustomScanState = create_exact_scan_state
};
