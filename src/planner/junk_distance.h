/*
 * junk_distance.h
 *	  No distances computed only to be thrown away.
 */
#ifndef VECTOR_PLANNER_JUNK_DISTANCE_H
#define VECTOR_PLANNER_JUNK_DISTANCE_H

#include "compat/pg.h"

/* Install the planner hook; called at load. */
extern void junk_distance_init(void);

#endif							/* VECTOR_PLANNER_JUNK_DISTANCE_H */
