/*
 * index_match.h
 *	  Conditions and orders that our indexes can answer, where PostgreSQL does
 *	  not see it.
 */
#ifndef VECTOR_PLANNER_INDEX_MATCH_H
#define VECTOR_PLANNER_INDEX_MATCH_H

#include "compat/pg.h"

#include "access/amapi.h"

/* Is it the cost estimate of an access method of ours, as the planner knows it? */
extern bool is_vector_index_am(amcostestimate_function amcostestimate);

/* Install the planner hook; called at load. */
extern void index_match_init(void);

#endif							/* VECTOR_PLANNER_INDEX_MATCH_H */
