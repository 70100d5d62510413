/*
 * host.h
 *	  What long computations get from their caller: memory and interruptions.
 *
 * Pure C rooms allocate nothing themselves.  The caller's functions do not
 * return where they fail: they may jump out at any call, and then free what was
 * allocated themselves.
 */
#ifndef VECTOR_MATH_HOST_H
#define VECTOR_MATH_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Who a message is for */
typedef enum HostAudience
{
	HOST_DETAIL,				/* whoever looks closely */
	HOST_NOTE					/* whoever runs the machine */
} HostAudience;

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
	void	   *arg;
} ClusterHost;

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
