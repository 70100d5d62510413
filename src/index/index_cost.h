/*
 * index_cost.h
 *	  What the cost estimates of access methods share.
 */
#ifndef VECTOR_INDEX_INDEX_COST_H
#define VECTOR_INDEX_INDEX_COST_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"

/*
 * Nanoseconds as a cost.  With PostgreSQL's own costs, a sequential scan of what
 * is cached takes 0.7 microseconds for each unit alone, and 1.0 where other work
 * shares the memory (bench/planner/calibrate.py).  All costs scale with
 * cpu_operator_cost.
 */
#define COST_OF_TIME(ns)	((ns) * (0.001 / 0.85 / 0.0025) * cpu_operator_cost)

/*
 * Rows that are near each other lie anywhere in the table, but what it takes to
 * fetch one from the cache is in a scan's times already: have PostgreSQL add a
 * third of what it would.
 */
#define ROW_CORRELATION		0.8

/*
 * Can an index be scanned this way: by distance, or inside a sphere?  What has
 * neither would be an error, and an index has no nulls.
 */
extern bool index_path_possible(const IndexPath *path);

/* The part of a table's rows that is in a sphere of which nothing is known */
#define DEFAULT_SPHERE_SHARE	0.005

/* Does a query read one table only (which may have partitions)? */
extern bool query_reads_one_table(PlannerInfo *root);

/*
 * What a scan costs, in nanoseconds: before its first row, for each of the first
 * rows, and for each one after them; how many there are, and how many it comes
 * to before it gives up.
 */
typedef struct ScanTimes
{
	double		start;
	double		first_rows;
	double		first_row;
	double		row;
	double		rows;
	double		reach;
} ScanTimes;

/*
 * The conditions of a path on filter columns: how many, and which part of the
 * index's rows fulfils them.  *all is the part that fulfils all conditions;
 * *bounded, whether a bound on the distance is among them.
 */
extern int	index_path_filters(PlannerInfo *root, const IndexPath *path,
							   Selectivity *filters, Selectivity *all,
							   bool *bounded);

/*
 * amcostestimate's results from a scan's times.  PostgreSQL takes a part of the
 * rows to cost a part of the total; where it is known how many rows the query
 * wants from this path, the total is such that this part is right.  The path is no
 * longer one for workers if what it orders by is not.
 */
extern void index_path_costs(PlannerInfo *root, IndexPath *path,
							 const ScanTimes *times, Cost *startup_cost,
							 Cost *total_cost);

/*
 * Nanoseconds to read a row that an index has found, for the distance or to
 * return it, where the column has dims dimensions
 */
static inline double
row_read_time(int dims)
{
	return 2000 + 5.0 * Max(dims, 0);
}

/*
 * Is a path one that cannot be scanned (see index_path_possible)?  It is ruled
 * out then, as far as that can be, and amcostestimate's results are set.
 */
extern bool index_path_disabled(IndexPath *path, Cost *startup_cost,
								Cost *total_cost, Selectivity *selectivity,
								double *correlation, double *pages);

/*
 * amcostestimate's last results, where a scan reads so many pages of the index:
 * what does not fit the cache is read, one page after the other (in_order) or
 * anywhere.  Added to the costs.
 */
extern void index_path_pages(const IndexPath *path, double read, bool in_order,
							 Cost *startup_cost, Cost *total_cost,
							 double *correlation, double *pages);

#endif							/* VECTOR_INDEX_INDEX_COST_H */
