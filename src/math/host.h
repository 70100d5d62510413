/*
 * host.h
 *	  What long computations get from their caller: memory, interruptions, and
 *	  other processes.
 *
 * Pure C rooms allocate nothing themselves.  The caller's functions do not
 * return where they fail: they may jump out at any call, and then free what was
 * allocated themselves.
 */
#ifndef VECTOR_MATH_HOST_H
#define VECTOR_MATH_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who a message is for */
typedef enum HostAudience
{
	HOST_DETAIL,				/* whoever looks closely */
	HOST_NOTE					/* whoever runs the machine */
} HostAudience;

/*
 * What several processes may do together, part by part: jobs, each of a kind that
 * one function knows (cluster_do, pq_do).
 */
typedef enum HostTask
{
	HOST_ASSIGN,				/* rows to their nearest centroids */
	HOST_MEANS,					/* centroids of the rows that they have */
	HOST_GROUPS,				/* k-means of groups of rows */
	HOST_CODEBOOKS				/* of product quantization */
} HostTask;

/* Bytes of a job's description at most */
#define HOST_JOB_BYTES	256

/* A process's part in a job */
typedef struct HostParts
{
	ptrdiff_t	offset;			/* of its memory from what the job's pointers say */

	/* The next part that nobody does yet; false: there is none. */
	bool		(*next) (void *arg, size_t *part);
	void	   *arg;
} HostParts;

typedef struct ClusterHost
{
	/* count * size bytes, checked for overflow, not cleared; never NULL */
	void	   *(*alloc) (void *arg, size_t count, size_t size);
	void		(*release) (void *arg, void *memory);

	/* Called every few milliseconds: an interrupt may be served here. */
	void		(*tick) (void *arg);

	/* How far it is, 0 .. 1, now and then; may be NULL */
	void		(*progress) (void *arg, double done);

	/* Something that is worth a message; hint may be NULL, as may the function */
	void		(*report) (void *arg, HostAudience audience,
						   const char *message, const char *hint);

	/*
	 * Have the parts 0 .. parts - 1 of a job done by this process and others, and
	 * return when all are; NULL: there is this process only.  What the job, of so
	 * many bytes, points to must come from alloc: memory that the others see, too,
	 * at other addresses.
	 */
	void		(*share) (void *arg, HostTask task, const void *job,
						  size_t bytes, size_t parts);
	void	   *arg;
} ClusterHost;

/* Multiplications that are worth sharing: some tenths of a millisecond */
#define HOST_SHARE_WORK ((double) (1 << 24))

/* A job's pointer, where this process has it */
static inline void *
host_here(const HostParts *parts, const void *pointer)
{
	return pointer == NULL ? NULL
		: (void *) ((uintptr_t) pointer + (uintptr_t) parts->offset);
}

/* Multiplications between two ticks: below a millisecond of one processor */
#define HOST_TICK_WORK	((size_t) 1 << 22)

static inline void *
host_alloc(const ClusterHost *host, size_t count, size_t size)
{
	return host->alloc(host->arg, count, size);
}

static inline void
host_release(const ClusterHost *host, void *memory)
{
	host->release(host->arg, memory);
}

static inline void
host_report(const ClusterHost *host, HostAudience audience,
			const char *message, const char *hint)
{
	if (host->report != NULL)
		host->report(host->arg, audience, message, hint);
}

/*
 * Count work that was done, in multiplications, towards the next tick; *done is
 * what was done since the last one.
 */
static inline void
host_work(const ClusterHost *host, size_t *done, size_t work)
{
	*done += work;
	if (*done >= HOST_TICK_WORK)
	{
		*done = 0;
		host->tick(host->arg);
	}
}

/* Products and sums of sizes, SIZE_MAX where they overflow */
static inline size_t
size_times(size_t a, size_t b)
{
	size_t		product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t
size_plus(size_t a, size_t b)
{
	size_t		sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

#endif							/* VECTOR_MATH_HOST_H */
