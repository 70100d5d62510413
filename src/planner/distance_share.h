/*
 * distance_share.h
 *	  How many of a table's rows a condition on a distance passes.
 */
#ifndef VECTOR_PLANNER_DISTANCE_SHARE_H
#define VECTOR_PLANNER_DISTANCE_SHARE_H

#include "compat/pg.h"

#include "nodes/pathnodes.h"

/* No estimate can be made. */
#define UNKNOWN_SHARE	(-1.0)

/*
 * The part of a table's rows that are in a sphere, an expression, by the distance
 * of an index.  Where its center is known only when the query runs, a value like
 * the table's own is taken for it.  UNKNOWN_SHARE where its radius is not known,
 * the user may not know, or there is nothing to tell by.
 */
extern double sphere_share(PlannerInfo *root, IndexOptInfo *index, Node *sphere);

#endif							/* VECTOR_PLANNER_DISTANCE_SHARE_H */
