/*
 * row_estimate.h
 *	  How many rows of a relation a query's conditions pass, where PostgreSQL
 *	  cannot tell.
 */
#ifndef VECTOR_PLANNER_ROW_ESTIMATE_H
#define VECTOR_PLANNER_ROW_ESTIMATE_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"

/*
 * The part of a table's rows that has nulls in the first column of an index, as
 * far as ANALYZE knows, or the index was built with others less.
 */
extern double null_share(PlannerInfo *root, IndexOptInfo *index);

/*
 * How many rows the query's distance ranges pass, where a sample of the values
 * tells: set in their RestrictInfos, and for the relation.  PostgreSQL has taken
 * each for a third.  Returns those that are known now.
 */
extern List *estimate_ranges(PlannerInfo *root, RelOptInfo *rel);

/* The rows of a table with partitions, after its partitions' have been estimated */
extern void sum_partition_rows(PlannerInfo *root, RelOptInfo *rel);

/*
 * The rows of a partial index are counted.  All meet the conditions that its
 * predicate implies, of which the planner often knows nothing (vector_dims(e) =
 * 12 is taken to pass one row in two hundred).
 */
extern void raise_rows_to_index(PlannerInfo *root, IndexOptInfo *index);

#endif							/* VECTOR_PLANNER_ROW_ESTIMATE_H */
