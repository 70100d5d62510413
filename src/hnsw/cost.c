/*
 * cost.c
 *	  What a scan costs, for the planner.
 */
#include "hnsw/hnsw.h"

#include <math.h>

#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "index/index_cost.h"

/*
 * Nodes whose distance a search computes, for each of its ef results: grows
 * with m and slowly with the number of rows (measured, see bench/RESULTS.md).
 */
#define NODES_PER_RESULT(m, rows)	(0.35 * (m) * log10((rows) + 10))

/* A node costs as much as this many operators: a page looked up, a code read */
#define NODE_COST	4

/* Nodes that share a page fault, where the index is larger than the cache */
#define NODES_PER_FAULT	20

void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	GenericCosts costs = {0};
	Relation	index;
	double		rows = Max(info->tuples, 1);
	double		page_cost;
	double		nodes;
	double		rounds = 1;
	int			m;
	int			ef;

	if (!index_path_possible(path))
	{
		index_path_disable(path, startup_cost, total_cost, selectivity,
						   correlation, pages);
		return;
	}

	index = index_open(info->indexoid, NoLock);
	m = hnsw_options(index)->m;
	ef = hnsw_scan_ef(index);
	index_close(index, NoLock);
	get_tablespace_page_costs(info->reltablespace, &page_cost, NULL);

	/* the walk down, then the search at level 0, until it has ef results */
	nodes = Min(rows, 2 * m * log(rows + 1) / log(m) +
				ef * NODES_PER_RESULT(m, rows));
	costs.numIndexTuples = nodes;
	genericcostestimate(root, path, loop_count, &costs);

	/* as many rows as the query wants, of which ef come from each walk */
	if (root->limit_tuples > 0 && path->indexinfo->rel->tuples > 0)
	{
		double		share = Max(path->indexinfo->rel->rows, 1) /
			path->indexinfo->rel->tuples;

		rounds = Max(1, root->limit_tuples / Max(share, 1e-9) / ef);
	}

	*startup_cost = nodes * NODE_COST * cpu_operator_cost +
		Min(nodes / NODES_PER_FAULT, info->pages) * page_cost;

	/* all rows, if the query should want them */
	*total_cost = *startup_cost * Max(1, Min(rounds, rows / ef)) +
		rows * NODE_COST * cpu_operator_cost;
	*total_cost = Max(*total_cost, costs.indexTotalCost);
	*selectivity = costs.indexSelectivity;
	*correlation = costs.indexCorrelation;
	*pages = costs.numIndexPages;
}
