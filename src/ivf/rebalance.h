/*
 * rebalance.h
 *	  Upkeep of lists while they are searched and written.
 */
#ifndef VECTOR_IVF_REBALANCE_H
#define VECTOR_IVF_REBALANCE_H

#include "compat/pg.h"

#include "utils/relcache.h"

/* What has been done */
typedef struct IvfRebalanced
{
	uint32		lists;			/* that there are now */
	uint32		replaced;		/* made anew */
	uint64		entries;		/* in all lists */
	uint64		moved;			/* in those made anew */
	uint64		left;			/* in lists that want it still */
	uint64		pages_freed;	/* of the generation before */
	bool		waits;			/* a snapshot still needs that: nothing was done */
} IvfRebalanced;

/*
 * Make lists anew that are too long, or far from their centroids, with those that are
 * too short: of budget entries at most, or one list.  The caller holds ShareUpdateExclusiveLock on the
 * table, has become its owner (as_owner.h), and allocates in a context of its own.
 */
extern void ivf_rebalance_lists(Relation relation, Relation heap, uint64 budget,
								IvfRebalanced *result);

#endif							/* VECTOR_IVF_REBALANCE_H */
