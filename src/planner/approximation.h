/*
 * approximation.h
 *	  Which queries ask for an approximate answer, and which index paths they
 *	  may have.
 */
#ifndef VECTOR_PLANNER_APPROXIMATION_H
#define VECTOR_PLANNER_APPROXIMATION_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"

/* vector.approximate_without_limit */
extern bool approximate_without_limit;

/*
 * Does a query change the rows that it reads?  Then it finds them exactly,
 * whatever it says.
 */
extern bool query_changes_rows(const PlannerInfo *root);

/*
 * Does a window of a query number its rows in one order: row_number(), rank() and
 * dense_rank(), of all rows as one partition?
 */
extern bool window_ranks_rows(const Query *query, const WindowClause *window);

/* May an index say which rows of a relation come first, by an approximate order? */
extern bool approximate_order_allowed(PlannerInfo *root, RelOptInfo *rel);

/*
 * May an index answer value <<->> sphere(...)?  Not in a statement that changes
 * rows, nor in a part of one: a subquery, a CTE.
 */
extern bool approximate_spheres_allowed(const PlannerInfo *root);

/*
 * Is all approximate that may be: ranges and orders without a LIMIT, too, and with
 * one above the rows that an index has?
 */
extern bool approximate_all_allowed(const PlannerInfo *root);

/*
 * May PostgreSQL make paths of an index?  Our indexes are closed to it from the
 * beginning of planning, and opened while index_match.c has paths made.
 */
extern void open_index(IndexOptInfo *index);
extern void close_index(IndexOptInfo *index);

#endif							/* VECTOR_PLANNER_APPROXIMATION_H */
