/*
 * build_report.h
 *	  What a build has taken, in the server's log: rows, time by phase, memory, size,
 *	  and the recall of some rows (vector.log_build_min_duration).
 *
 *		build_report_begin(index);			(ambuild)
 *		build_phase(MY_PHASE_LOAD);			(in the leader)
 *		build_report_end(heap, index, result);
 */
#ifndef VECTOR_INDEX_BUILD_REPORT_H
#define VECTOR_INDEX_BUILD_REPORT_H

#include "compat/pg.h"

#include "access/genam.h"
#include "utils/relcache.h"

/* Define the setting; called at load. */
extern void build_report_init(void);

/* A build begins, in its first phase; one that ended with an error is forgotten. */
extern void build_report_begin(Relation index);

/*
 * A phase of a build begins, one that ambuildphasename knows: shown as its progress.
 * The times of a phase that comes more than once are added up.
 */
extern void build_phase(int phase);

/* The build holds so much memory: the most of these counts. */
extern void build_report_memory(Size bytes);

/* So many processes have built beside this one. */
extern void build_report_workers(int workers);

/*
 * The build has ended: keep its figures for vector_last_build(), and log it, if it took
 * long enough.  That measures recall with the
 * settings of now, by the active snapshot, in a tenth of the build's time or a second;
 * it is called as the table's owner, as builds are.
 */
extern void build_report_end(Relation heap, Relation index,
							 const IndexBuildResult *result);

/*
 * build_recall.c: the share of the ten nearest rows of some of the index's own values
 * that its scans find, with the settings of now.  Returns how many values have been
 * searched for: 0 if that took more than so many seconds, or is not to be had.
 */
extern int	build_recall(Relation heap, Relation index, double seconds,
						 double *recall);

#endif							/* VECTOR_INDEX_BUILD_REPORT_H */
