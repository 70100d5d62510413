/*
 * scan_target.h
 *	  What an index scan looks for: a value, and how far from it.
 */
#ifndef VECTOR_INDEX_SCAN_TARGET_H
#define VECTOR_INDEX_SCAN_TARGET_H

#include "compat/pg.h"

#include "access/relscan.h"
#include "utils/hsearch.h"

#include "index/column.h"
#include "math/heap/topk.h"

/* Numbers of an operator class's operators (on the vector column) */
#define DISTANCE_STRATEGY	1	/* order by */
#define SPHERE_STRATEGY		2	/* search */

/* One of the spheres of value <<->> ANY (array) */
typedef struct TargetSphere
{
	const struct varlena *center;
	uint64		bound;
	bool		unlimited;		/* its radius is no number */
} TargetSphere;

typedef struct ScanTarget
{
	const struct varlena *value;	/* NULL: null, nothing is nearer than another */
	MultiVector values;			/* those of an array, of an order's value */
	bool		ordered;		/* by the distance from it; else in any order */
	bool		empty;			/* no row can meet the conditions */
	bool		recheck;		/* there are spheres around other values */
	uint64		bound;			/* topk_key of the greatest distance wanted */
	bool		unlimited;		/* the radius is no number: see
								 * scan_target_undefined */

	/* an array's, without an order: searched one after the other */
	TargetSphere *spheres;
	int			sphere_count;
	int			next_sphere;
	HTAB	   *returned;		/* TIDs of rows in those before; NULL: one only */
} ScanTarget;

/*
 * Is there a greatest distance?  It is a number, perhaps infinite, also where
 * the radius is none: a distance that is no number is in no sphere (see
 * types/sphere.h), so no bound lets it in.
 */
static inline bool
scan_target_bounded(const ScanTarget *target)
{
	return target->bound != PG_UINT64_MAX;
}

/* The greatest distance wanted of a target that has one */
static inline double
scan_target_radius(const ScanTarget *target)
{
	return topk_number(target->bound);
}

/*
 * The target's value has no distance that is a number, from any value of the index
 * (a zero vector under cosine).  No row is in a sphere around it, unless its
 * radius is no number either: then all are that have a distance from themselves
 * (types/sphere.h), which the condition itself is asked for: some access methods
 * keep rows that have none.
 */
static inline void
scan_target_undefined(ScanTarget *target)
{
	if (target->value == NULL || !scan_target_bounded(target))
		return;
	if (target->unlimited)
	{
		target->bound = TOPK_NAN;
		target->recheck = true;
	}
	else
		target->empty = true;
}

/*
 * The target of a scan by access method am, from its keys.  Without an order,
 * it is the center of its sphere; without either, error.  Values are in the
 * current context.  Errors where dimensions are wrong, and for a snapshot that
 * is no MVCC one.
 */
extern void scan_target_set(ScanTarget *target, IndexScanDesc scan,
							const IndexColumn *column, const char *am);

/*
 * All rows of a target have been returned: what comes next is those of another
 * sphere, to be searched anew.  False if there is none.
 */
extern bool scan_target_next(ScanTarget *target);

/* Has a row been returned from a sphere before?  If not, it is now. */
extern bool scan_target_repeats(ScanTarget *target, ItemPointer tid);

#endif							/* VECTOR_INDEX_SCAN_TARGET_H */
