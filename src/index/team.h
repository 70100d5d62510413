/*
 * team.h
 *	  Processes that compute together: PostgreSQL's workers do parts of the jobs
 *	  that a leader's computation (math/host.h) shares with them.
 *
 * The leader takes the memory of its computation from a segment that all have
 * mapped, and publishes one job after the other in it.  Whoever is free takes the
 * next part.  Workers that come late, or never, are not waited for: the leader does
 * what nobody else does.  Between two jobs, workers sleep.
 *
 * A worker that fails ends the leader's command with its error; when the leader's
 * command ends, on whatever way, its workers do.
 *
 *		PGDLLEXPORT void my_worker(dsm_segment *segment, shm_toc *toc)
 *		{
 *			team_worker(toc, do_parts);
 *		}
 *
 *		team = team_begin(workers, bytes, "my_am", "my_worker", do_parts);
 *		if (team != NULL)
 *			rows = team_host(team)->alloc(...);
 *		... kmeans(team_host(team), rows, ...)
 *		team_end(team);
 */
#ifndef VECTOR_INDEX_TEAM_H
#define VECTOR_INDEX_TEAM_H

#include "compat/pg.h"

#include "storage/dsm.h"
#include "storage/shm_toc.h"

#include "math/host.h"

typedef struct Team Team;

/* Do parts of a job, in any of the processes; host has memory of its own. */
typedef void (*TeamWork) (const ClusterHost *host, HostTask task,
						  const void *job, const HostParts *parts);

/*
 * A team of this process and so many workers, that run the function named worker,
 * with so many bytes of memory for all.  NULL where there are no workers to be had,
 * or not as much memory (a notice says so, of an index of am): then this process
 * computes alone.  Until team_end the session is in parallel mode: nothing may be
 * written.
 */
extern Team *team_begin(int workers, Size bytes, const char *am,
						const char *worker, TeamWork work);

/* Bytes that an allocation takes besides */
#define TEAM_ALLOC_BYTES	128

/*
 * What a computation of the team's runs with.  Where memory does not suffice,
 * alloc takes private memory, and the leader does the rest alone.
 */
extern ClusterHost team_host(Team *team);

/* How many workers have been started */
extern int	team_workers(const Team *team);

/* The workers end, and the team's memory is gone; so is team. */
extern void team_end(Team *team);

/* What a worker runs, until the leader's team_end */
extern void team_worker(shm_toc *toc, TeamWork work);

#endif							/* VECTOR_INDEX_TEAM_H */
