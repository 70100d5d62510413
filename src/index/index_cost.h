/*
 * index_cost.h
 *	  What the cost estimates of access methods share.
 */
#ifndef VECTOR_INDEX_INDEX_COST_H
#define VECTOR_INDEX_INDEX_COST_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"

/*
 * Can an index be scanned this way: by distance, or inside a sphere?  What has
 * neither would be an error, and an index has no nulls.
 */
extern bool index_path_possible(const IndexPath *path);

/* Rule a path out, as far as that can be; what amcostestimate gives then. */
extern void index_path_disable(IndexPath *path, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

#endif							/* VECTOR_INDEX_INDEX_COST_H */
