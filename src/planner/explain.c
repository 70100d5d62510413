/*
 * explain.c
 *	  EXPLAIN ANALYZE shows what an index scan did.
 *
 * From 18 on, PostgreSQL has a hook where it shows a node, and the lines stand below
 * the scan's.  Before, they stand behind the plan: a hook around the query tells where
 * EXPLAIN writes to, and another is called when its execution ends, after the plan has
 * been shown and before the scans have been closed.  EXPLAIN EXECUTE and auto_explain
 * do not call the first one; vector_last_scan() tells the same of the scan that ended
 * last.
 */
#include "planner/planner.h"

#include "access/relscan.h"
#include "commands/explain.h"
#include "compat/explain.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "index/scan.h"
#include "planner/derive.h"

/* A node's scan of an index of ours that has searched; NULL if it has none */
static IndexScanDesc
node_scan(const PlanState *node)
{
	IndexScanDesc scan;

	if (!IsA(node, IndexScanState))
		return NULL;
	scan = ((const IndexScanState *) node)->iss_ScanDesc;
	if (scan == NULL ||
		!is_vector_index_am(scan->indexRelation->rd_indam->amcostestimate) ||
		scan_stats_of(scan)->searches == 0)
		return NULL;
	return scan;
}

/* The counters of a scan; index: its name, where they do not stand below its node */
static void
show_stats(const ScanStats *stats, const char *index, ExplainState *es)
{
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		appendStringInfoSpaces(es->str, es->indent * 2);
		appendStringInfo(es->str,
						 "Vector Search%s%s: %s, batches=" UINT64_FORMAT
						 " visited=" UINT64_FORMAT " filtered=" UINT64_FORMAT
						 " distances=" UINT64_FORMAT " reread=" UINT64_FORMAT,
						 index != NULL ? " using " : "",
						 index != NULL ? quote_identifier(index) : "",
						 scan_mode_name(stats->mode), stats->batches,
						 stats->visited, stats->filtered, stats->distances,
						 stats->reread);
		if (stats->ef > 0)
			appendStringInfo(es->str, " ef=%u", stats->ef);
		appendStringInfoChar(es->str, '\n');
		return;
	}
	if (index != NULL)
		ExplainPropertyText("Index Name", index, es);
	ExplainPropertyText("Vector Search", scan_mode_name(stats->mode), es);
	ExplainPropertyUInteger("Vector Batches", NULL, stats->batches, es);
	ExplainPropertyUInteger("Vector Visited", NULL, stats->visited, es);
	ExplainPropertyUInteger("Vector Filtered", NULL, stats->filtered, es);
	ExplainPropertyUInteger("Vector Distances", NULL, stats->distances, es);
	ExplainPropertyUInteger("Vector Reread", NULL, stats->reread, es);
	if (stats->ef > 0)
		ExplainPropertyUInteger("Vector Ef", NULL, stats->ef, es);
}

#ifdef HAVE_EXPLAIN_PER_NODE_HOOK

static explain_per_node_hook_type previous_hook = NULL;

/* explain_per_node_hook */
static void
explain_scan(PlanState *node, List *ancestors, const char *relationship,
			 const char *plan_name, ExplainState *es)
{
	IndexScanDesc scan;

	if (previous_hook)
		previous_hook(node, ancestors, relationship, plan_name, es);
	scan = es->analyze ? node_scan(node) : NULL;
	if (scan != NULL)
		show_stats(scan_stats_of(scan), NULL, es);
}

void
explain_init(void)
{
	previous_hook = explain_per_node_hook;
	explain_per_node_hook = explain_scan;
}

#else

static ExplainOneQuery_hook_type previous_query_hook = NULL;
static ExecutorEnd_hook_type previous_end_hook = NULL;

/* Where the innermost EXPLAIN ANALYZE under way writes to; NULL: there is none */
static ExplainState *current = NULL;

/* Add the scans of a node and of those below it to a list. */
static bool
collect_scans(PlanState *node, void *list)
{
	List	  **scans = (List **) list;

	if (node == NULL)
		return false;
	if (node_scan(node) != NULL)
		*scans = lappend(*scans, node_scan(node));
	return planstate_tree_walker(node, collect_scans, list);
}

static void
show_scans(List *scans, ExplainState *es)
{
	ListCell   *cell;

	ExplainOpenGroup("Vector-Searches", "Vector Searches", false, es);
	foreach(cell, scans)
	{
		IndexScanDesc scan = (IndexScanDesc) lfirst(cell);

		ExplainOpenGroup("Vector-Search", NULL, true, es);
		show_stats(scan_stats_of(scan), RelationGetRelationName(scan->indexRelation), es);
		ExplainCloseGroup("Vector-Search", NULL, true, es);
	}
	ExplainCloseGroup("Vector-Searches", "Vector Searches", false, es);
}

/* ExecutorEnd_hook: is it the execution of the query that is explained? */
static void
end_execution(QueryDesc *query)
{
	if (current != NULL && current->pstmt == query->plannedstmt && query->planstate != NULL)
	{
		List	   *scans = NIL;

		(void) collect_scans(query->planstate, &scans);
		if (scans != NIL)
			show_scans(scans, current);
	}
	if (previous_end_hook)
		previous_end_hook(query);
	else
		standard_ExecutorEnd(query);
}

/* ExplainOneQuery_hook */
static void
explain_query(Query *query, int options, IntoClause *into, ExplainState *es,
			  const char *text, ParamListInfo params, QueryEnvironment *env)
{
	ExplainState *outer = current;

	current = es->analyze ? es : NULL;
	PG_TRY();
	{
		if (previous_query_hook)
			previous_query_hook(query, options, into, es, text, params, env);
		else
			explain_one_query(query, options, into, es, text, params, env);
	}
	PG_FINALLY();
	{
		current = outer;
	}
	PG_END_TRY();
}

void
explain_init(void)
{
	previous_query_hook = ExplainOneQuery_hook;
	ExplainOneQuery_hook = explain_query;
	previous_end_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = end_execution;
}

#endif							/* HAVE_EXPLAIN_PER_NODE_HOOK */
