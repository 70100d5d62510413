/*
 * parallel_build.h
 *	  What the workers of a build have from its leader, and give back: the text
 *	  of its query, and the WAL and buffers that they have used.
 *
 * As nbtree's builds do (nbtsort.c), so that pg_stat_activity shows what a
 * worker works on, and pg_stat_statements counts its work with the statement.
 */
#ifndef VECTOR_INDEX_PARALLEL_BUILD_H
#define VECTOR_INDEX_PARALLEL_BUILD_H

#include "compat/pg.h"

#include "access/parallel.h"

/* Leader: before InitializeParallelDSM, and after it if there is a segment */
extern void parallel_build_estimate(ParallelContext *context);
extern void parallel_build_share(ParallelContext *context);

/* Worker: report the query; begin and end counting */
extern void parallel_build_report(shm_toc *toc);
extern void parallel_build_begin_usage(void);
extern void parallel_build_end_usage(shm_toc *toc);

/* Leader: when all workers have finished */
extern void parallel_build_add_usage(ParallelContext *context);

#endif							/* VECTOR_INDEX_PARALLEL_BUILD_H */
