/*
 * cost.c
 *	  What a scan costs, for the planner.
 */
#include "ivf/ivf.h"

#include <math.h>

#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "index/index_cost.h"

/*
 * What an entry costs, in operators: a value is computed with, a code looked
 * up in tables, 32 at a time or one by one (measured, see bench/RESULTS.md).
 */
static double
entry_cost(const IvfMeta *meta)
{
	if (meta->kind == IVF_FLAT)
		return 2;
	if (meta->kind == IVF_RABITQ && meta->bits > 1)
		return 0.5;
	return 0.1;
}

/* Rows whose true distances are read from the table, and one's cost */
#define READ_ROWS	100
#define READ_COST	20

void
ivf_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				  Cost *startup_cost, Cost *total_cost,
				  Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	GenericCosts costs = {0};
	Relation	index;
	Buffer		buffer;
	IvfMeta		meta;
	double		rows = Max(info->tuples, 1);
	double		page_cost;
	double		share;
	double		rounds = 1;

	if (!index_path_possible(path))
	{
		index_path_disable(path, startup_cost, total_cost, selectivity,
						   correlation, pages);
		return;
	}

	index = index_open(info->indexoid, NoLock);
	buffer = ReadBuffer(index, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	meta = *ivf_page_meta(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	index_close(index, NoLock);
	if (meta.lists == 0 || meta.kind >= IVF_KINDS)
		meta.lists = 1;
	share = (double) ivf_scan_probes(&meta) / meta.lists;
	get_tablespace_page_costs(info->reltablespace, NULL, &page_cost);

	/* the lists' share of the index; what of it is cached, others know */
	costs.numIndexTuples = rows * share;
	genericcostestimate(root, path, loop_count, &costs);

	/* as many rows as the query wants */
	if (root->limit_tuples > 0 && info->rel->tuples > 0)
	{
		double		passing = Max(info->rel->rows, 1) / info->rel->tuples;

		rounds = Max(1, root->limit_tuples / Max(passing, 1e-9) / (rows * share));
	}

	*startup_cost = (meta.lists * 0.1 + rows * share * entry_cost(&meta)) *
		cpu_operator_cost + Min(info->pages * share, info->pages) * page_cost * 0.1;
	if (meta.kind != IVF_FLAT)
		*startup_cost += READ_ROWS * READ_COST * cpu_operator_cost;

	/* all rows that pass, if the query should want them */
	*total_cost = *startup_cost * Min(rounds, 1 / share) +
		rows * (entry_cost(&meta) +
				costs.indexSelectivity * (meta.kind == IVF_FLAT ? 1 : READ_COST)) *
		cpu_operator_cost;
	*total_cost = Max(*total_cost, costs.indexTotalCost);
	*selectivity = costs.indexSelectivity;
	*correlation = costs.indexCorrelation;
	*pages = costs.numIndexPages;
}
