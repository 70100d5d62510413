/*
 * planner.h
 *	  What the planner does with distances and our indexes: a file each.
 */
#ifndef VECTOR_PLANNER_PLANNER_H
#define VECTOR_PLANNER_PLANNER_H

#include "compat/pg.h"

/* Each installs a hook or two, and defines its settings; called at load. */
extern void approximation_init(void);
extern void exact_scan_init(void);
extern void explain_init(void);
extern void index_match_init(void);
extern void junk_distance_init(void);
extern void partition_merge_init(void);
extern void rewrite_init(void);

#endif							/* VECTOR_PLANNER_PLANNER_H */
