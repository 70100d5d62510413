/*
 * explain.h
 *	  EXPLAIN ANALYZE shows what an index scan did, where PostgreSQL lets it.
 */
#ifndef VECTOR_PLANNER_EXPLAIN_H
#define VECTOR_PLANNER_EXPLAIN_H

#include "compat/pg.h"

/* Install the hook, from PostgreSQL 18 on; called at load. */
extern void explain_init(void);

#endif							/* VECTOR_PLANNER_EXPLAIN_H */
