/*
 * junk_distance.c
 *	  No distances computed only to be thrown away.
 *
 * Where a Limit without ties stands on an index scan, and neither shows the
 * distance to anyone, its place in the target list is taken by a null (README.md).
 * Whatever stands above the Limit cannot refer to the column: it is the top of
 * a query, and the column is junk.
 */
#include "planner/planner.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/planner.h"

#include "index/scan.h"
#include "planner/distance_call.h"
#include "planner/foreign_limit.h"
#include "planner/partition_merge.h"
#include "types/distance_function.h"

static planner_hook_type previous_hook = NULL;

/* Does the scan return its rows in the order of this distance of ours? */
static bool
orders_by(const IndexScan *scan, Expr *expr)
{
	Oid			function;

	(void) call_arguments(expr, &function);
	return OidIsValid(function) && distance_value_of(function) != NULL &&
		list_member(scan->indexorderbyorig, expr);
}

static void
strip_scan(IndexScan *scan)
{
	ListCell   *cell;

	/* the mark is for the index; the distances computed here are without */
	foreach(cell, scan->indexorderbyorig)
	{
		OpExpr	   *order = (OpExpr *) lfirst(cell);

		if (IsA(order, OpExpr) && is_order_mark(order->inputcollid))
			order->inputcollid = InvalidOid;
	}
	foreach(cell, scan->scan.plan.targetlist)
	{
		TargetEntry *entry = (TargetEntry *) lfirst(cell);

		if (entry->resjunk && orders_by(scan, entry->expr))
			entry->expr = (Expr *) makeNullConst(exprType((Node *) entry->expr),
												 -1, InvalidOid);
	}
}

/* The same for a scan that is merged with others by a column, which nobody shows */
static void
strip_merged(IndexScan *scan, AttrNumber column)
{
	TargetEntry *entry = list_nth_node(TargetEntry, scan->scan.plan.targetlist,
									   column - 1);

	entry->expr = (Expr *) makeNullConst(exprType((Node *) entry->expr), -1, InvalidOid);
}

/*
 * A scan of a partition that PostgreSQL merges has nobody who tells it how many of the
 * nearest rows it has, so it begins as a scan of its own does.
 */
static void
unshare_scan(IndexScan *scan)
{
	List	   *lists[] = {scan->indexorderby, scan->indexorderbyorig};
	ListCell   *cell;
	int			rows;

	for (int i = 0; i < lengthof(lists); i++)
	{
		foreach(cell, lists[i])
		{
			OpExpr	   *order = (OpExpr *) lfirst(cell);

			if (IsA(order, OpExpr) && shared_order_parts(order->inputcollid, &rows) > 1)
				order->inputcollid = InvalidOid;
		}
	}
}

/*
 * Merge partitions by their scans' distances, below a Limit or its projection, which
 * may show what is junk below it; and send the limit to other servers.  locks: rows are
 * locked, and may be read again.
 */
static void
merge_below(const Limit *limit, Plan *plan, bool locks)
{
	Plan	   *below = outerPlan(plan);

	if (below == NULL || locks)
		return;
	if (IsA(below, MergeAppend))
	{
		limit_foreign_scans(limit, (MergeAppend *) below);
		outerPlan(plan) = merge_partitions((MergeAppend *) below,
										   IsA(plan, Limit) ? strip_merged : NULL);
	}
	else if (IsA(below, Result) && IsA(plan, Limit) && below->qual == NIL &&
			 ((Result *) below)->resconstantqual == NULL)
		merge_below(limit, below, locks);
}

static void
strip_plan(Plan *plan, bool locks)
{
	ListCell   *cell;

	if (plan == NULL)
		return;
	if (IsA(plan, Limit) && outerPlan(plan) != NULL &&
		IsA(outerPlan(plan), IndexScan) &&
		((Limit *) plan)->limitOption != LIMIT_OPTION_WITH_TIES)
		strip_scan((IndexScan *) outerPlan(plan));
	if (IsA(plan, Limit) &&
		((Limit *) plan)->limitOption != LIMIT_OPTION_WITH_TIES)
		merge_below((Limit *) plan, plan, locks);
	if (IsA(plan, IndexScan))
		unshare_scan((IndexScan *) plan);
	if (IsA(plan, SubqueryScan))
		strip_plan(((SubqueryScan *) plan)->subplan, locks);
	if (IsA(plan, Append))
	{
		foreach(cell, ((Append *) plan)->appendplans)
			strip_plan((Plan *) lfirst(cell), locks);
	}
	if (IsA(plan, MergeAppend))
	{
		foreach(cell, ((MergeAppend *) plan)->mergeplans)
			strip_plan((Plan *) lfirst(cell), locks);
	}
	strip_plan(outerPlan(plan), locks);
	strip_plan(innerPlan(plan), locks);
}

/* planner_hook */
static PlannedStmt *
plan_without_junk(PLANNER_PARAMETERS)
{
	PlannedStmt *result = previous_hook ? previous_hook(PLANNER_ARGUMENTS)
		: standard_planner(PLANNER_ARGUMENTS);
	ListCell   *cell;

	strip_plan(result->planTree, result->rowMarks != NIL);
	foreach(cell, result->subplans)
		strip_plan((Plan *) lfirst(cell), result->rowMarks != NIL);
	return result;
}

void
junk_distance_init(void)
{
	previous_hook = planner_hook;
	planner_hook = plan_without_junk;
}
