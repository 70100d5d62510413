/*
 * distance_cost.h
 *	  What it costs to compute a distance, for the planner.
 */
#ifndef VECTOR_PLANNER_DISTANCE_COST_H
#define VECTOR_PLANNER_DISTANCE_COST_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"

/*
 * Of a call of a distance function or operator: what it costs to fetch the
 * values of a table's column that are stored out of line, one by one; 0 where
 * they are in line.
 */
extern Cost distance_fetch_cost(PlannerInfo *root, Node *call);

#endif							/* VECTOR_PLANNER_DISTANCE_COST_H */
