/*
 * team.c
 *	  Processes that compute together: see team.h.
 *
 * The memory that all see is a stack: an allocation lies behind the one before it,
 * and is given back when it has been released and all behind it have.
 */
#include "index/team.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "index/build_memory.h"
#include "index/sample.h"

/* Keys in the table of contents */
#define KEY_TEAM	UINT64CONST(0xA800000000000001)
#define KEY_MEMORY	UINT64CONST(0xA800000000000002)
#define KEY_QUERY	UINT64CONST(0xA800000000000003)

/* What PostgreSQL puts into the segment: about so much, and for each worker */
#define CONTEXT_BYTES	((Size) 128 * 1024)
#define WORKER_BYTES	((Size) 32 * 1024)

/* Where allocations begin, so that rows do not share lines of caches */
#define ALIGNMENT		64

typedef struct TeamShared
{
	char	   *base;			/* where the leader has the memory */
	int64		query_id;
	ConditionVariable published;	/* a job is there, or no more will be */
	ConditionVariable done;		/* a process has left the job */

	slock_t		mutex;			/* of what follows */
	bool		over;
	HostTask	task;
	Size		parts;			/* of the job; 0: there is none */
	Size		next;			/* the first one that nobody does yet */
	int			active;			/* processes at it, other than the leader */
	char		job[HOST_JOB_BYTES] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} TeamShared;

/* Before each allocation */
typedef struct Allocation
{
	struct Allocation *before;
	char	   *behind;			/* where the next one may begin */
	bool		released;
} Allocation;

StaticAssertDecl(sizeof(Allocation) + ALIGNMENT <= TEAM_ALLOC_BYTES,
				 "TEAM_ALLOC_BYTES is too small");

struct Team
{
	ParallelContext *context;
	TeamShared *shared;
	TeamWork	work;
	MemoryContext private;		/* of what the leader's parts allocate */
	char	   *memory;
	char	   *end;
	Allocation *last;			/* NULL: nothing is allocated */
	bool		alone;			/* something is not in memory that all see */
};

/* ------------------------------------------------------------------------
 * Parts of jobs
 */

static bool
next_part(void *arg, size_t *part)
{
	TeamShared *shared = (TeamShared *) arg;
	bool		any;

	SpinLockAcquire(&shared->mutex);
	any = shared->next < shared->parts;
	if (any)
		*part = shared->next++;
	SpinLockRelease(&shared->mutex);
	return any;
}

/* All parts of a job that this process does alone */
typedef struct AllParts
{
	size_t		next;
	size_t		parts;
} AllParts;

static bool
next_of_all(void *arg, size_t *part)
{
	AllParts   *all = (AllParts *) arg;

	*part = all->next;
	return all->next++ < all->parts;
}

/* Do parts of a job with private memory, which is freed afterwards. */
static void
do_parts(TeamWork work, MemoryContext context, HostTask task, const void *job,
		 const HostParts *parts)
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	work(&index_host, task, job, parts);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
}

/* ------------------------------------------------------------------------
 * Workers
 */

/* Take part in the current job, if it has parts left: a copy of it, in job. */
static bool
join_job(TeamShared *shared, HostTask *task, char *job, bool *over)
{
	bool		joined;

	SpinLockAcquire(&shared->mutex);
	*over = shared->over;
	joined = !shared->over && shared->next < shared->parts;
	if (joined)
	{
		shared->active++;
		*task = shared->task;
		memcpy(job, shared->job, HOST_JOB_BYTES);
	}
	SpinLockRelease(&shared->mutex);
	return joined;
}

void
team_worker(shm_toc *toc, TeamWork work)
{
	TeamShared *shared = (TeamShared *) shm_toc_lookup(toc, KEY_TEAM, false);
	char	   *memory = (char *) shm_toc_lookup(toc, KEY_MEMORY, false);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "team",
												  ALLOCSET_DEFAULT_SIZES);
	HostParts	parts = {.offset = memory - shared->base, .next = next_part,
	.arg = shared};
	char		job[HOST_JOB_BYTES] pg_attribute_aligned(MAXIMUM_ALIGNOF);
	HostTask	task;
	bool		over = false;

	debug_query_string = (const char *) shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	pgstat_report_query_id(shared->query_id, false);
	ConditionVariablePrepareToSleep(&shared->published);
	while (!over)
	{
		if (!join_job(shared, &task, job, &over))
		{
			if (!over)
				ConditionVariableSleep(&shared->published, PG_WAIT_EXTENSION);
			continue;
		}
		/* the computation may wait for other things */
		ConditionVariableCancelSleep();
		do_parts(work, context, task, job, &parts);
		SpinLockAcquire(&shared->mutex);
		shared->active--;
		SpinLockRelease(&shared->mutex);
		ConditionVariableSignal(&shared->done);
		ConditionVariablePrepareToSleep(&shared->published);
	}
	ConditionVariableCancelSleep();
}

/* ------------------------------------------------------------------------
 * The leader
 */

/* ClusterHost.share: returns when all parts are done, and no process is at it. */
static void
share_job(void *arg, HostTask task, const void *job, size_t bytes, size_t count)
{
	Team	   *team = (Team *) arg;
	TeamShared *shared = team->shared;
	HostParts	parts = {.next = next_part, .arg = shared};
	AllParts	all = {.parts = count};
	int			active;

	Assert(bytes <= HOST_JOB_BYTES);
	if (team->alone)
	{
		parts.next = next_of_all;
		parts.arg = &all;
		do_parts(team->work, team->private, task, job, &parts);
		return;
	}
	SpinLockAcquire(&shared->mutex);
	shared->task = task;
	memcpy(shared->job, job, bytes);
	shared->next = 0;
	shared->parts = count;
	SpinLockRelease(&shared->mutex);
	if (count > 1)
		ConditionVariableBroadcast(&shared->published);
	do_parts(team->work, team->private, task, job, &parts);

	ConditionVariablePrepareToSleep(&shared->done);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		active = shared->active;
		SpinLockRelease(&shared->mutex);
		if (active == 0)
			break;
		ConditionVariableSleep(&shared->done, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/* ClusterHost.alloc */
static void *
team_alloc(void *arg, size_t count, size_t size)
{
	Team	   *team = (Team *) arg;
	Size		bytes = mul_size(count, size);
	char	   *from = team->last == NULL ? team->memory : team->last->behind;
	char	   *at = (char *) TYPEALIGN(ALIGNMENT, from + sizeof(Allocation));
	Allocation *allocation = (Allocation *) (at - sizeof(Allocation));

	if (at > team->end || bytes > (Size) (team->end - at))
	{
		team->alone = true;
		return index_host.alloc(index_host.arg, count, size);
	}
	allocation->before = team->last;
	allocation->behind = (char *) TYPEALIGN(MAXIMUM_ALIGNOF, at + bytes);
	allocation->released = false;
	team->last = allocation;
	return at;
}

/* ClusterHost.release */
static void
team_release(void *arg, void *memory)
{
	Team	   *team = (Team *) arg;

	if ((char *) memory < team->memory || (char *) memory >= team->end)
	{
		index_host.release(index_host.arg, memory);
		return;
	}
	((Allocation *) ((char *) memory - sizeof(Allocation)))->released = true;
	while (team->last != NULL && team->last->released)
		team->last = team->last->before;
}

ClusterHost
team_host(Team *team)
{
	ClusterHost host = index_host;

	host.alloc = team_alloc;
	host.release = team_release;
	host.share = share_job;
	host.arg = team;
	return host;
}

int
team_workers(const Team *team)
{
	return team->context->nworkers_launched;
}

/* Plan the segment, create it, and set up what is in it; false if there is none. */
static bool
init_team(Team *team, Size bytes)
{
	ParallelContext *context = team->context;
	Size		query_size = debug_query_string != NULL
		? strlen(debug_query_string) + 1 : 0;
	TeamShared *shared;

	shm_toc_estimate_chunk(&context->estimator, sizeof(TeamShared));
	shm_toc_estimate_chunk(&context->estimator, bytes);
	shm_toc_estimate_keys(&context->estimator, 2);
	if (query_size > 0)
	{
		shm_toc_estimate_chunk(&context->estimator, query_size);
		shm_toc_estimate_keys(&context->estimator, 1);
	}
	InitializeParallelDSM(context);
	if (context->seg == NULL)
		return false;

	shared = (TeamShared *) shm_toc_allocate(context->toc, sizeof(TeamShared));
	memset(shared, 0, sizeof(TeamShared));
	team->shared = shared;
	team->memory = (char *) shm_toc_allocate(context->toc, bytes);
	team->end = team->memory + bytes;
	shared->base = team->memory;
	shared->query_id = pgstat_get_my_query_id();
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->published);
	ConditionVariableInit(&shared->done);
	shm_toc_insert(context->toc, KEY_TEAM, shared);
	shm_toc_insert(context->toc, KEY_MEMORY, team->memory);
	if (query_size > 0)
	{
		char	   *query = (char *) shm_toc_allocate(context->toc, query_size);

		memcpy(query, debug_query_string, query_size);
		shm_toc_insert(context->toc, KEY_QUERY, query);
	}
	return true;
}

/* Leave parallel mode. */
static void
dissolve(Team *team)
{
	DestroyParallelContext(team->context);
	ExitParallelMode();
	if (team->private != NULL)
		MemoryContextDelete(team->private);
	pfree(team);
}

Team *
team_begin(int workers, Size bytes, const char *am, const char *worker,
		   TeamWork work)
{
	Size		segment = add_size(add_size(CONTEXT_BYTES, bytes),
								   mul_size(workers, WORKER_BYTES));
	Team	   *team;

	if (workers == 0 || !shared_memory_tried(segment, am, "trained"))
		return NULL;
	team = (Team *) palloc0(sizeof(Team));
	team->work = work;
	EnterParallelMode();
	team->context = CreateParallelContext("vector", worker, workers);
	if (init_team(team, bytes))
		LaunchParallelWorkers(team->context);
	if (team->context->nworkers_launched == 0)
	{
		dissolve(team);
		return NULL;
	}
	ereport(DEBUG1,
			(errmsg("training with %d parallel workers",
					team->context->nworkers_launched)));
	team->private = AllocSetContextCreate(CurrentMemoryContext, "team",
										  ALLOCSET_DEFAULT_SIZES);
	return team;
}

void
team_end(Team *team)
{
	SpinLockAcquire(&team->shared->mutex);
	team->shared->over = true;
	SpinLockRelease(&team->shared->mutex);
	ConditionVariableBroadcast(&team->shared->published);
	WaitForParallelWorkersToFinish(team->context);
	dissolve(team);
}
