/*
 * partition_merge.h
 *	  The nearest rows of several partitions, in order, each read by an index.
 */
#ifndef VECTOR_PLANNER_PARTITION_MERGE_H
#define VECTOR_PLANNER_PARTITION_MERGE_H

#include "compat/pg.h"

#include "nodes/plannodes.h"

/*
 * What takes the place of a MergeAppend of a finished plan, below a LIMIT: a node that
 * merges index scans of ours by the distances that these know, or the MergeAppend
 * itself, where it is of anything else.  strip: takes the distance away from a row of
 * a scan, and is called where nobody reads it; NULL: what is above reads it.
 */
extern Plan *merge_partitions(MergeAppend *append,
							  void (*strip) (IndexScan *scan, AttrNumber column));

#endif							/* VECTOR_PLANNER_PARTITION_MERGE_H */
