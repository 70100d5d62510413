/*
 * vacuum_progress.h
 *	  How far VACUUM is in an index: vector_vacuum_progress().
 *
 * pg_stat_progress_vacuum has phases of the whole VACUUM, and none within an index.
 * A backend's progress has numbers to spare, though, that VACUUM does not use; what
 * is done in an index is shown there.  A worker of a parallel VACUUM has no progress
 * of its own: it gets one, of the kind that has numbers for anything (CREATE INDEX),
 * under a number that none of PostgreSQL's commands has.
 *
 *		vacuum_progress_begin(index);
 *		vacuum_phase(VACUUM_PHASE_MARK, blocks);
 *		vacuum_progress(block);
 *		vacuum_progress_end();
 */
#ifndef VECTOR_INDEX_VACUUM_PROGRESS_H
#define VECTOR_INDEX_VACUUM_PROGRESS_H

#include "compat/pg.h"

#include "pgstat.h"
#include "utils/relcache.h"

/* vector_vacuum_progress() knows these numbers. */
typedef enum VacuumPhase
{
	VACUUM_PHASE_MARK = 1,		/* of a graph: blocks */
	VACUUM_PHASE_MEND,			/* blocks, of all levels */
	VACUUM_PHASE_FREE,			/* elements */
	VACUUM_PHASE_LISTS,			/* lists */
	VACUUM_PHASE_SEGMENTS,		/* segments */
	VACUUM_PHASE_MERGE			/* of unknown length */
} VacuumPhase;

/* Nothing is shown where it is not VACUUM that an index is cleaned for. */
extern void vacuum_progress_begin(Relation index);
extern void vacuum_phase(VacuumPhase phase, int64 total);
extern void vacuum_progress(int64 done);
extern void vacuum_progress_end(void);

/*
 * What the backend shows of its command.  The end of a subtransaction by an error ends that,
 * too; a VACUUM that goes on afterwards has it again by vacuum_progress_restore.
 */
typedef struct VacuumProgress
{
	ProgressCommandType command;
	Oid			target;
	int64		params[PGSTAT_NUM_PROGRESS_PARAM];
} VacuumProgress;

extern void vacuum_progress_save(VacuumProgress *progress);
extern void vacuum_progress_restore(const VacuumProgress *progress);

#endif							/* VECTOR_INDEX_VACUUM_PROGRESS_H */
