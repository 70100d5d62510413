/*
 * index_match.h
 *	  Conditions and orders that our indexes can answer, where PostgreSQL does
 *	  not see it.
 */
#ifndef VECTOR_PLANNER_INDEX_MATCH_H
#define VECTOR_PLANNER_INDEX_MATCH_H

#include "compat/pg.h"

/* Install the planner hook; called at load. */
extern void index_match_init(void);

#endif							/* VECTOR_PLANNER_INDEX_MATCH_H */
