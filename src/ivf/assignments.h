/*
 * assignments.h
 *	  Lists of rows from a table (option "assignments"), while an index is built.
 */
#ifndef VECTOR_IVF_ASSIGNMENTS_H
#define VECTOR_IVF_ASSIGNMENTS_H

#include "compat/pg.h"

#include "index/parallel_build.h"
#include "index/row_hints.h"
#include "ivf/options.h"

typedef struct IvfAssignments IvfAssignments;

/*
 * Leader: open the table that the options name.  NULL, after a message, if there
 * is none, or it is of no use; *size is what its chunk takes, half of
 * maintenance_work_mem at most, and what does not fit is not read.
 */
extern RowHints *ivf_assignments_open(Relation heap, Relation index,
									  const IvfOptions *options, Size *size);

/* Leader: read the table into a chunk of so many bytes, for so many lists. */
extern void ivf_assignments_read(IvfAssignments *assignments, Size size,
								 RowHints *hints, uint32 lists);

/* The columns and functions of keys, which never change */
extern const RowHintPlan *ivf_assignments_plan(const IvfAssignments *assignments);

/*
 * The list of the row with a key, from 0; -1: it is not there, or the table has
 * turned out to be one of other rows or other centroids.
 */
extern int64 ivf_assignments_get(const IvfAssignments *assignments, uint64 key);

/*
 * Is the next list to be compared with the nearest centroid's?  seen: lists of
 * this process before.
 */
extern bool ivf_assignments_check_due(uint64 seen);

/* A list has been compared: it was as good, or not. */
extern void ivf_assignments_checked(IvfAssignments *assignments, bool good);

/* Leader, at the end: say so if the table has turned out to be of no use. */
extern void ivf_assignments_announce(IvfAssignments *assignments);

#endif							/* VECTOR_IVF_ASSIGNMENTS_H */
