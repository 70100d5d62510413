/*
 * parallel_build.h
 *	  A build by several processes, or by one where no others are to be had.
 *
 * Each process scans a part of the table.  The leader, which is the backend of
 * CREATE INDEX, does so, too, and finishes the index when all have ended.
 * Workers get the text of the leader's query and report the WAL and buffers that
 * they have used, as in nbtree's builds (nbtsort.c), so that pg_stat_activity
 * shows what a worker works on, and pg_stat_statements counts its work with the
 * statement.
 *
 * What processes share, beside BuildTotals, lies in chunks whose sizes the access
 * method says beforehand.  A process that builds alone has them, too, in its own
 * memory, and needs no locks: process->segment is NULL.
 *
 *		PGDLLEXPORT void my_build_worker(dsm_segment *segment, shm_toc *toc)
 *		{
 *			build_worker(segment, toc, &methods);
 *		}
 *
 *		build_by_processes(heap, index, info, &methods, sizes, 0, rows, arg, result);
 */
#ifndef VECTOR_INDEX_PARALLEL_BUILD_H
#define VECTOR_INDEX_PARALLEL_BUILD_H

#include "compat/pg.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/spin.h"

#define BUILD_MAX_CHUNKS	7

/* What the processes of any build share */
typedef struct BuildTotals
{
	Oid			heap;
	Oid			index;
	bool		concurrent;
	int64		query_id;		/* of the statement */
	int			participants;	/* planned: the leader and its workers */
	int			tranche;		/* of the locks; not set for a process alone */
	pg_atomic_uint64 tuples;	/* indexed so far */

	slock_t		mutex;			/* of what follows */
	double		heap_tuples;
	bool		broken_hot_chain;
} BuildTotals;

/* A process's part in a build */
typedef struct BuildProcess
{
	Relation	heap;
	Relation	index;
	IndexInfo  *info;
	const struct BuildMethods *methods;
	BuildTotals *totals;
	dsm_segment *segment;		/* the one they share; NULL: this process alone */
	bool		leader;
	int			workers;		/* in the leader, when it finishes: that have run */
	TableScanDesc scan;			/* NULL: all of the table */
	const Size *sizes;			/* of chunks; in the leader */
	void	   *chunks[BUILD_MAX_CHUNKS];
	void	   *state;			/* the access method's own */
} BuildProcess;

typedef struct BuildMethods
{
	const char *am;				/* the access method's name, for messages */
	const char *worker;			/* name of the function that a worker runs */
	const char *tranche;		/* name of its locks */
	uint32		report_every;	/* tuples */

	/* Leader: set up the chunks, which are zeroed, before anybody runs. */
	void		(*init) (BuildProcess *process, void *arg);

	/* Scan the table with build_scan, and hand over what came of it. */
	void		(*run) (BuildProcess *process);

	/* Leader: complete the index.  All others have run. */
	void		(*finish) (BuildProcess *process, void *arg);

	/* Give back what this process holds; may be NULL. */
	void		(*leave) (BuildProcess *process);
} BuildMethods;

/*
 * Build with as many workers as PostgreSQL plans for, or alone.  sizes: bytes of
 * chunks, the last of them 0.  later: bytes of shared memory that processes will
 * ask for besides.  rows: how many the table has, an estimate, for progress.
 * Sets the tuples of *result.
 */
extern void build_by_processes(Relation heap, Relation index, IndexInfo *info,
							   const BuildMethods *methods, const Size *sizes,
							   Size later, double rows, void *arg,
							   IndexBuildResult *result);

/* What a worker runs, by the name that methods have */
extern void build_worker(dsm_segment *segment, shm_toc *toc,
						 const BuildMethods *methods);

/* A chunk.  A process alone allocates it, unless it has set chunks[number]. */
extern void *build_chunk(BuildProcess *process, int number);

/* Call row with state for each row of this process's part of the table. */
extern void build_scan(BuildProcess *process, IndexBuildCallback row,
					   void *state);

/* One more tuple is in the index. */
extern void build_count(BuildProcess *process);

/* At the end of a build: log all pages, if the index is logged.  phase: progress */
extern void build_log(Relation index, int phase);

#endif							/* VECTOR_INDEX_PARALLEL_BUILD_H */
