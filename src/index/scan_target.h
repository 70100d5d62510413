/*
 * scan_target.h
 *	  What an index scan looks for: a value, and how far from it.
 */
#ifndef VECTOR_INDEX_SCAN_TARGET_H
#define VECTOR_INDEX_SCAN_TARGET_H

#include "compat/pg.h"

#include "access/relscan.h"

#include "index/column.h"

/* Numbers of an operator class's operators (on the vector column) */
#define DISTANCE_STRATEGY	1	/* order by */
#define SPHERE_STRATEGY		2	/* search */

typedef struct ScanTarget
{
	const struct varlena *value;	/* NULL: null, nothing is nearer than another */
	bool		ordered;		/* by the distance from it; else in any order */
	bool		empty;			/* no row can meet the conditions */
	bool		recheck;		/* there are spheres around other values */
	uint64		bound;			/* topk_key of the greatest distance wanted */
} ScanTarget;

static inline bool
scan_target_bounded(const ScanTarget *target)
{
	return target->bound != PG_UINT64_MAX;
}

/*
 * The target of a scan by access method am, from its keys.  Without an order,
 * it is the center of its sphere; without either, error.  Values are in the
 * current context.  Errors where dimensions are wrong, and for a snapshot that
 * is no MVCC one.
 */
extern void scan_target_set(ScanTarget *target, IndexScanDesc scan,
							const IndexColumn *column, const char *am);

#endif							/* VECTOR_INDEX_SCAN_TARGET_H */
