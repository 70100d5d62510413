/*
 * foreign_limit.h
 *	  A LIMIT over partitions on other servers, sent to these.
 */
#ifndef VECTOR_PLANNER_FOREIGN_LIMIT_H
#define VECTOR_PLANNER_FOREIGN_LIMIT_H

#include "compat/pg.h"

#include "nodes/plannodes.h"

/*
 * Of a finished plan: where children of a MergeAppend right below a Limit read a foreign
 * table of postgres_fdw in the order of a distance, have each read no more rows than the
 * limit comes to.
 */
extern void limit_foreign_scans(const Limit *limit, const MergeAppend *append);

#endif							/* VECTOR_PLANNER_FOREIGN_LIMIT_H */
