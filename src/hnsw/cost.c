/*
 * cost.c
 *	  What a scan costs, for the planner.
 *
 * A scan descends, walks until it has ef_search results, and returns those.
 * When more are wanted, it walks on; each further row then costs the nodes that
 * were looked at for it, and a true distance.  With conditions on filter
 * columns, it goes about it as hnsw_filter_begin decides.
 *
 * Times are measured (bench/planner/calibrate.py), with everything cached.
 */
#include "hnsw/hnsw.h"

#include <math.h>

#include "access/genam.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

#include "hnsw/calibrate.h"
#include "hnsw/filter.h"
#include "index/index_cost.h"

/*
 * Nodes whose distance a search computes, for each of its ef results: grows
 * with m and slowly with the number of rows.  Data that is easy needs a third.
 */
#define NODES_PER_RESULT(m, rows)	(0.25 * (m) * log10((rows) + 10))

/* Nodes of the upper levels */
#define UPPER_NODES(m, rows)	(3.5 * (m) * Max(log10(rows) - 2, 0))

/*
 * Nanoseconds: to begin; a node, by the dimensions and by how much of the index
 * the processor's caches hold; a key of an element (which takes half of that,
 * but the few rows of a bitmap scan, that is compared with it, cost more in
 * PostgreSQL's eyes than they take from its cache)
 */
#define BEGIN_TIME		12000
#define NODE_TIME(dims, rows)	(100 + 45 * Max(log10(rows) - 3, 0) + 0.1 * (dims))
#define KEY_TIME		0.4

/* An element whose code is compared without walking */
#define CODE_TIME(dims)	(90 + 0.03 * (dims))

/* Of rows beyond the first batch, then, so many need their true distance */
#define ALL_READ_SHARE	0.6

/* A row of the first batch, which seldom needs its true distance */
#define FIRST_ROW_TIME	1000

/* Nodes looked at for each further row, after the first batch */
#define NODES_PER_ROW	6

/* A walk in hops, against one through all nodes: at first, and to walk on */
#define HOPS_FACTOR		1.6
#define HOPS_ROW_FACTOR(share) Max(cbrt(0.8 / (share)), 1)

/*
 * Bytes that a scan keeps of each node that it has met, and rows that it returns
 * for each that it may meet
 */
#define NODE_BYTES		48
#define ROWS_PER_NODE	0.6

/* Nodes that share a page fault, where the index is larger than the cache */
#define NODES_PER_FAULT	4

/* The ef_search that a scan will begin with */
static int
expected_ef(Relation index)
{
	double		recall = hnsw_declared_recall(index);
	HnswCalibration calibration;

	if (recall == 0)
		return hnsw_scan_ef(index);
	hnsw_get_calibration(index, &calibration);
	return hnsw_is_calibrated(&calibration) ? hnsw_ef_for(&calibration, recall, 1)
		: hnsw_scan_ef(index);
}

void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	Relation	index;
	ScanTimes	times;
	Selectivity filters;
	double		rows = Max(info->tuples, 1);
	double		matching;
	double		nodes;
	double		node_time;
	double		most;
	bool		bounded;
	int			conditions;
	int			m;
	int			ef;
	int			dims;

	if (index_path_disabled(path, startup_cost, total_cost, selectivity,
							correlation, pages))
		return;

	index = index_open(info->indexoid, NoLock);
	m = hnsw_options(index)->m;
	ef = expected_ef(index);
	dims = index_declared_dims(index);
	index_close(index, NoLock);

	conditions = index_path_filters(root, path, &filters, selectivity, &bounded);
	matching = Max(rows * filters, 1);
	node_time = NODE_TIME(dims, rows);
	nodes = Min(rows, ef * NODES_PER_RESULT(m, rows));

	times.start = BEGIN_TIME + UPPER_NODES(m, rows) * node_time;
	times.first_rows = ef;
	times.first_row = FIRST_ROW_TIME;
	times.row = NODES_PER_ROW * node_time + row_read_time(dims);
	times.rows = rows * *selectivity;
	most = work_mem * 1024.0 * hnsw_scan_mem_multiplier / NODE_BYTES;
	if (!bounded)
		most = Min(most, hnsw_max_scan_tuples);
	times.reach = rows <= most ? rows : most * ROWS_PER_NODE;
	if (hnsw_iterative_scan == ITERATIVE_OFF)
		times.rows = Min(times.rows, ef);

	if (conditions > 0)
	{
		double		few = hnsw_filter_few(ef);

		/* keys are tested all at once, but where most pass */
		if (matching <= few || filters < HNSW_WALK_SHARE)
			times.start += conditions * KEY_TIME * rows;
		if (matching <= few)
		{
			/* the walk is not needed, nor nodes for further rows */
			times.start += matching * CODE_TIME(dims);
			times.row = ALL_READ_SHARE * row_read_time(dims);
			times.reach = Min(rows, most);
			nodes = matching;
		}
		else if (filters < HNSW_WALK_SHARE)
		{
			times.start += nodes * HOPS_FACTOR * node_time;
			times.row *= HOPS_ROW_FACTOR(filters);
			nodes *= HOPS_FACTOR;
		}
		else
		{
			times.start += Min(rows, nodes / filters) * node_time;
			times.row += NODES_PER_ROW * (1 / filters - 1) * node_time;
			nodes /= filters;
		}
	}
	else
		times.start += nodes * node_time;

	index_path_costs(root, path, &times, startup_cost, total_cost);

	index_path_pages(path, Min(nodes / NODES_PER_FAULT, info->pages), false,
					 startup_cost, total_cost, correlation, pages);
}
