/*
 * partition_merge.c
 *	  The nearest rows of several partitions, in order, each read by an index.
 *
 * PostgreSQL merges them by a MergeAppend, which takes a row of every partition
 * before it returns the first, and compares distances that are computed anew from
 * each row's value.  Below a LIMIT this node takes its place.  It asks scans how
 * near their next row can be, which they know without the table, and has a row
 * fetched only when none can be nearer.  Rows whose distances are known closely
 * enough, by what the scan has found out, are compared by that (intervals, as in
 * hnsw/scan.c); the operator is called only where two intervals overlap.
 *
 * The plan is changed when PostgreSQL has finished it, as in junk_distance.c: what a
 * MergeAppend is decided by (its cost, its order) is the same here.
 */
#include "planner/partition_merge.h"

#include <math.h>

#include "access/genam.h"
#include "executor/executor.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

#include "index/scan.h"
#include "math/heap/topk.h"
#include "planner/planner.h"

/* Members of CustomScan.custom_private, a list of integers */
enum
{
	MERGE_COLUMN,				/* of a row, its distance */
	MERGE_SHOWN,				/* it is one, not a function of it, or a null */
	MERGE_ROWS					/* that are wanted; 0: not known */
};

/* Rows wanted where that is not known; and the most that partitions are weighed by */
#define ROWS_UNKNOWN	10
#define MOST_ROWS		100

/* Rows of a partition that are looked at to tell its part of the nearest ones */
#define MOST_FOUND		64

/* One partition */
typedef struct MergePart
{
	IndexScanState *scan;
	TupleTableSlot *slot;		/* the next row; NULL: not fetched */
	uint64		low;			/* its distance is at least this, (topk_key) */
	uint64		high;			/* and, if it is fetched, at most this */
} MergePart;

typedef struct MergeState
{
	CustomScanState css;		/* first */
	AttrNumber	column;
	bool		shown;
	int			rows;			/* wanted, or thought to be */
	int			count;
	MergePart  *parts;
	binaryheap *heap;			/* of indexes into parts, least low on top */
	bool		started;
	int			returned;		/* whose row was returned last; below 0: none's */
} MergeState;

/* ------------------------------------------------------------------------
 * The scans
 */

/*
 * Have a scan begun, as ExecIndexScan would have it with its first row: what it looks
 * for may be known only now.
 */
static IndexScanDesc
begin_scan(IndexScanState *node)
{
	if (node->ss.ps.chgParam != NULL ||
		(node->iss_NumRuntimeKeys != 0 && !node->iss_RuntimeKeysReady))
		ExecReScan((PlanState *) node);
	if (node->iss_ScanDesc == NULL)
	{
		node->iss_ScanDesc = begin_ordered_scan(node);
		index_rescan(node->iss_ScanDesc, node->iss_ScanKeys, node->iss_NumScanKeys,
					 node->iss_OrderByKeys, node->iss_NumOrderByKeys);
	}
	return node->iss_ScanDesc;
}

/* How near can the next row of a partition be?  False if there is none. */
static bool
look_ahead(MergePart *part)
{
	IndexScanDesc desc = begin_scan(part->scan);

	part->slot = NULL;
	part->low = vector_scan_peek(desc);
	part->high = PG_UINT64_MAX;
	return part->low != PG_UINT64_MAX;
}

/* The distance of a partition's row, by the operator */
static void
compute_distance(MergePart *part)
{
	IndexScanState *node = part->scan;
	ExprContext *context = node->ss.ps.ps_ExprContext;
	bool		null;
	Datum		distance;

	/* the slot's values, if projected, are in this context until the next row */
	context->ecxt_scantuple = node->ss.ss_ScanTupleSlot;
	distance = ExecEvalExprSwitchContext((ExprState *) linitial(node->indexorderbyorig),
										 context, &null);
	part->low = part->high = null ? TOPK_NAN
		: topk_key(DatumGetFloat8(distance));
}

/* Fetch a partition's next row; false if there is none. */
static bool
fetch(MergeState *state, MergePart *part)
{
	bool		null;
	Datum		distance;

	part->slot = ExecProcNode((PlanState *) part->scan);
	if (TupIsNull(part->slot))
		return false;
	if (state->shown)
	{
		distance = slot_getattr(part->slot, state->column, &null);
		part->low = part->high = null ? TOPK_NAN
			: topk_key(DatumGetFloat8(distance));
	}
	else
		vector_scan_interval(part->scan->iss_ScanDesc, &part->low, &part->high);
	return true;
}

/* ------------------------------------------------------------------------
 * The merge
 */

static int
compare_parts(Datum a, Datum b, void *arg)
{
	const MergePart *parts = ((MergeState *) arg)->parts;
	const MergePart *left = &parts[DatumGetInt32(a)];
	const MergePart *right = &parts[DatumGetInt32(b)];

	/* the greatest is on top */
	if (left->low != right->low)
		return left->low < right->low ? 1 : -1;
	return 0;
}

/* What all partitions but the one on top have is at least so far. */
static uint64
second_low(const MergeState *state)
{
	uint64		low = PG_UINT64_MAX;

	/* one of its children is the second */
	for (int i = 1; i <= 2 && i < state->heap->bh_size; i++)
		low = Min(low, state->parts[DatumGetInt32(state->heap->bh_nodes[i])].low);
	return low;
}

/*
 * Have each partition searched according to its part of the nearest rows: as many as
 * are wanted, of all that the shares' searches have found.
 */
static void
share_search(MergeState *state)
{
	Topk		nearest;
	TopkEntry	entries[MOST_ROWS];
	int		   *of = (int *) palloc0(mul_size(state->count, sizeof(int)));

	topk_init(&nearest, entries, state->rows);
	for (int i = 0; i < state->count; i++)
	{
		uint64		lows[MOST_FOUND];
		int			count = state->parts[i].low == PG_UINT64_MAX ? 0
			: vector_scan_found(state->parts[i].scan->iss_ScanDesc, lows, MOST_FOUND);

		for (int j = 0; j < count; j++)
		{
			TopkEntry	entry = {lows[j], i};

			if (topk_wants(&nearest, entry))
				topk_add(&nearest, entry);
		}
	}
	for (Size i = 0; i < nearest.count; i++)
		of[entries[i].id]++;
	for (int i = 0; i < state->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (of[i] == 0)
			continue;
		vector_scan_search_on(state->parts[i].scan->iss_ScanDesc,
							  (double) of[i] / state->rows);
		(void) look_ahead(&state->parts[i]);
	}
	pfree(of);
}

static void
start(MergeState *state)
{
	state->started = true;
	for (int i = 0; i < state->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) look_ahead(&state->parts[i]);
	}
	share_search(state);
	binaryheap_reset(state->heap);
	for (int i = 0; i < state->count; i++)
	{
		if (state->parts[i].low != PG_UINT64_MAX)
			binaryheap_add_unordered(state->heap, Int32GetDatum(i));
	}
	binaryheap_build(state->heap);
}

/* The partition on top has changed, or has no more rows. */
static void
put_in_order(MergeState *state, bool has_row)
{
	if (has_row)
		binaryheap_replace_first(state->heap, binaryheap_first(state->heap));
	else
		(void) binaryheap_remove_first(state->heap);
}

static TupleTableSlot *
merge_exec(CustomScanState *node)
{
	MergeState *state = (MergeState *) node;

	if (!state->started)
		start(state);
	else if (state->returned >= 0)
		put_in_order(state, look_ahead(&state->parts[state->returned]));
	state->returned = -1;

	while (!binaryheap_empty(state->heap))
	{
		int			first = DatumGetInt32(binaryheap_first(state->heap));
		MergePart  *part = &state->parts[first];

		CHECK_FOR_INTERRUPTS();
		if (part->slot == NULL)
			put_in_order(state, fetch(state, part));
		else if (part->low != part->high && part->high > second_low(state))
		{
			compute_distance(part);
			put_in_order(state, true);
		}
		else
		{
			state->returned = first;
			return part->slot;
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * The node
 */

static void
merge_begin(CustomScanState *node, EState *estate, int eflags)
{
	MergeState *state = (MergeState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	ListCell   *cell;

	state->column = (AttrNumber) list_nth_int(scan->custom_private, MERGE_COLUMN);
	state->shown = list_nth_int(scan->custom_private, MERGE_SHOWN) != 0;
	state->rows = list_nth_int(scan->custom_private, MERGE_ROWS);
	state->rows = state->rows == 0 ? ROWS_UNKNOWN : Min(state->rows, MOST_ROWS);
	state->parts = (MergePart *)
		palloc0(mul_size(list_length(scan->custom_plans), sizeof(MergePart)));
	foreach(cell, scan->custom_plans)
	{
		PlanState  *child = ExecInitNode((Plan *) lfirst(cell), estate, eflags);

		node->custom_ps = lappend(node->custom_ps, child);
		state->parts[state->count++].scan = castNode(IndexScanState, child);
	}
	state->heap = binaryheap_allocate(state->count, compare_parts, state);
	state->returned = -1;

	/* rows are those of the partitions, in their slots */
	node->ss.ps.resultopsset = true;
	node->ss.ps.resultopsfixed = false;
}

static void
merge_end(CustomScanState *node)
{
	ListCell   *cell;

	foreach(cell, node->custom_ps)
		ExecEndNode((PlanState *) lfirst(cell));
}

static void
merge_rescan(CustomScanState *node)
{
	MergeState *state = (MergeState *) node;
	ListCell   *cell;

	foreach(cell, node->custom_ps)
	{
		PlanState  *child = (PlanState *) lfirst(cell);

		if (node->ss.ps.chgParam != NULL)
			UpdateChangedParamSet(child, node->ss.ps.chgParam);

		/* with a change pending, it is begun anew when it is looked at */
		if (child->chgParam == NULL)
			ExecReScan(child);
	}
	state->started = false;
	state->returned = -1;
}

static const CustomExecMethods merge_exec_methods = {
	.CustomName = "VectorMergeAppend",
	.BeginCustomScan = merge_begin,
	.ExecCustomScan = merge_exec,
	.EndCustomScan = merge_end,
	.ReScanCustomScan = merge_rescan
};

static Node *
create_merge_state(CustomScan *scan)
{
	MergeState *state = (MergeState *) newNode(sizeof(MergeState), T_CustomScanState);

	state->css.methods = &merge_exec_methods;
	return (Node *) state;
}

static const CustomScanMethods merge_methods = {
	.CustomName = "VectorMergeAppend",
	.CreateCustomScanState = create_merge_state
};

/* ------------------------------------------------------------------------
 * The plan
 */

/*
 * Is it an approximate scan in the order of one distance, of one of several partitions?
 * *rows: as in shared_order
 */
static bool
is_shared_scan(const Plan *plan, int *rows)
{
	const IndexScan *scan = (const IndexScan *) plan;

	return IsA(plan, IndexScan) && list_length(scan->indexorderby) == 1 &&
		IsA(linitial(scan->indexorderby), OpExpr) &&
		shared_order_parts(linitial_node(OpExpr, scan->indexorderby)->inputcollid,
						   rows) > 1;
}

/* An expression with a null in place of a distance, which context is */
static Node *
without_distance(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (equal(node, context))
		return (Node *) makeNullConst(exprType(node), -1, InvalidOid);
	return expression_tree_mutator(node, without_distance, context);
}

/*
 * Are rows of all scans to be merged by the same function of the distance that each is
 * in the order of, such as 1 - distance?  It rises or falls with all of them alike.  So
 * the distances alone tell the order.  *plain: it is the distance itself.
 */
static bool
same_function(const List *plans, AttrNumber column, bool *plain)
{
	Node	   *function = NULL;
	ListCell   *cell;

	*plain = false;
	foreach(cell, plans)
	{
		IndexScan  *scan = (IndexScan *) lfirst(cell);
		Node	   *key = (Node *) list_nth_node(TargetEntry, scan->scan.plan.targetlist,
												 column - 1)->expr;
		OpExpr	   *distance = linitial_node(OpExpr, scan->indexorderbyorig);
		Node	   *form;

		/* the mark is for the index; the distances computed here are without */
		distance->inputcollid = InvalidOid;
		form = without_distance(key, distance);
		if (contain_var_clause(form) || (function != NULL && !equal(form, function)))
			return false;
		function = form;
		*plain = IsA(form, Const);
	}
	return true;
}

Plan *
merge_partitions(MergeAppend *append, void (*strip) (IndexScan *scan, AttrNumber column))
{
	CustomScan *result;
	TargetEntry *entry;
	ListCell   *cell;
	AttrNumber	column;
	int			rows = 0;
	bool		junk;
	bool		plain;

	/* partitions that are known to be of no use only when it runs stay PostgreSQL's */
	if (append->numCols != 1 || merge_append_prunes(append) ||
		list_length(append->mergeplans) < 2)
		return (Plan *) append;
	foreach(cell, append->mergeplans)
	{
		if (!is_shared_scan((Plan *) lfirst(cell), &rows))
			return (Plan *) append;
	}

	column = append->sortColIdx[0];
	if (!same_function(append->mergeplans, column, &plain))
		return (Plan *) append;
	entry = list_nth_node(TargetEntry, append->plan.targetlist, column - 1);
	junk = strip != NULL && entry->resjunk;
	result = makeNode(CustomScan);
	memcpy(&result->scan.plan, &append->plan, sizeof(Plan));
	NodeSetTag(result, T_CustomScan);
	result->custom_scan_tlist = (List *)
		copyObject(((Plan *) linitial(append->mergeplans))->targetlist);
	result->scan.plan.targetlist = NIL;
	foreach(cell, append->plan.targetlist)
	{
		TargetEntry *old = lfirst_node(TargetEntry, cell);
		TargetEntry *copy = flatCopyTargetEntry(old);

		copy->expr = (Expr *) makeVar(INDEX_VAR, old->resno, exprType((Node *) old->expr),
									  exprTypmod((Node *) old->expr),
									  exprCollation((Node *) old->expr), 0);
		result->scan.plan.targetlist = lappend(result->scan.plan.targetlist, copy);
	}
	result->custom_plans = append->mergeplans;
	result->custom_private = list_make3_int(column, plain && !junk, rows);
	result->custom_relids = bms_copy(append->apprelids);
	result->methods = &merge_methods;
	if (junk)
	{
		foreach(cell, append->mergeplans)
			strip((IndexScan *) lfirst(cell), column);
	}
	return (Plan *) result;
}

void
partition_merge_init(void)
{
	RegisterCustomScanMethods(&merge_methods);
}
