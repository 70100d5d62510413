/*
 * explain.c
 *	  EXPLAIN ANALYZE shows what an index scan did, where PostgreSQL lets it.
 *
 * Before 18 it does not; vector_last_scan() tells the same of the scan that ended
 * last.
 */
#include "planner/planner.h"

#ifdef HAVE_EXPLAIN_PER_NODE_HOOK

#include "access/relscan.h"
#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "index/scan.h"
#include "planner/derive.h"

static explain_per_node_hook_type previous_hook = NULL;

/* The counters of a node that scans an index of ours; NULL if it does not */
static const ScanStats *
node_stats(const PlanState *node)
{
	IndexScanDesc scan;

	if (!IsA(node, IndexScanState))
		return NULL;
	scan = ((const IndexScanState *) node)->iss_ScanDesc;
	if (scan == NULL || !is_vector_index_am(scan->indexRelation->rd_indam->amcostestimate))
		return NULL;
	return scan_stats_of(scan);
}

/* explain_per_node_hook */
static void
explain_scan(PlanState *node, List *ancestors, const char *relationship,
			 const char *plan_name, ExplainState *es)
{
	const ScanStats *stats;

	if (previous_hook)
		previous_hook(node, ancestors, relationship, plan_name, es);
	if (!es->analyze)
		return;
	stats = node_stats(node);
	if (stats == NULL || stats->searches == 0)
		return;

	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		ExplainIndentText(es);
		appendStringInfo(es->str,
						 "Vector Search: %s, batches=" UINT64_FORMAT
						 " visited=" UINT64_FORMAT " filtered=" UINT64_FORMAT
						 " distances=" UINT64_FORMAT " reread=" UINT64_FORMAT "\n",
						 scan_mode_name(stats->mode), stats->batches,
						 stats->visited, stats->filtered, stats->distances,
						 stats->reread);
		return;
	}
	ExplainPropertyText("Vector Search", scan_mode_name(stats->mode), es);
	ExplainPropertyUInteger("Vector Batches", NULL, stats->batches, es);
	ExplainPropertyUInteger("Vector Visited", NULL, stats->visited, es);
	ExplainPropertyUInteger("Vector Filtered", NULL, stats->filtered, es);
	ExplainPropertyUInteger("Vector Distances", NULL, stats->distances, es);
	ExplainPropertyUInteger("Vector Reread", NULL, stats->reread, es);
}

void
explain_init(void)
{
	previous_hook = explain_per_node_hook;
	explain_per_node_hook = explain_scan;
}

#else

void
explain_init(void)
{
}

#endif							/* HAVE_EXPLAIN_PER_NODE_HOOK */
