/*
 * scan_target.c
 *	  What an index scan looks for: a value, and how far from it.
 */
#include "index/scan_target.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "index/filter.h"
#include "types/sphere.h"

static bool
same_value(const struct varlena *a, const struct varlena *b)
{
	return a == b || (a != NULL && b != NULL && VARSIZE(a) == VARSIZE(b) &&
					  memcmp(a, b, VARSIZE(a)) == 0);
}

/*
 * The key of a radius.  What is no number is greater than all numbers in SQL,
 * and lets in every distance that is a number.
 */
static uint64
bound_key(double radius)
{
	return Min(topk_key(radius), topk_key(INFINITY));
}

/* Take a sphere into account. */
static void
add_sphere(ScanTarget *target, const TargetSphere *sphere)
{
	if (same_value(target->value, sphere->center))
	{
		target->unlimited = sphere->unlimited &&
			(target->unlimited || !scan_target_bounded(target));
		target->bound = Min(target->bound, sphere->bound);
	}
	else
		target->recheck = true;
}

/*
 * The spheres of a key: one, or those of an array, of which rows are to be in any
 * one.  Spheres that are null, or have a part that is, hold nothing.  Of those
 * around the same value, the largest is left.  Returns how many.
 */
static int
read_spheres(ScanKey key, const IndexColumn *column, TargetSphere **spheres)
{
	Datum	   *elements = &key->sk_argument;
	int			count = 1;
	int			kept = 0;

	if (key->sk_flags & SK_ISNULL)
		return 0;
	if (key->sk_flags & SK_SEARCHARRAY)
		elements = filter_array_members(key->sk_argument, &count);
	*spheres = (TargetSphere *) palloc(mul_size(Max(count, 1), sizeof(TargetSphere)));
	for (int i = 0; i < count; i++)
	{
		TargetSphere *sphere = &(*spheres)[kept];
		double		radius;
		int			same = 0;

		CHECK_FOR_INTERRUPTS();
		if (!sphere_parts(DatumGetHeapTupleHeader(elements[i]), &sphere->center,
						  &radius))
			continue;
		column_check_dims(column, sphere->center);
		sphere->bound = bound_key(radius);
		sphere->unlimited = isnan(radius);
		while (same < kept && !same_value((*spheres)[same].center, sphere->center))
			same++;
		if (same == kept)
			kept++;
		else
		{
			(*spheres)[same].bound = Max((*spheres)[same].bound, sphere->bound);
			(*spheres)[same].unlimited |= sphere->unlimited;
		}
	}
	return kept;
}

static void
take_sphere(ScanTarget *target, const TargetSphere *sphere)
{
	target->value = sphere->center;
	target->bound = sphere->bound;
	target->unlimited = sphere->unlimited;
}

/* Search the spheres of an array, beginning with the first. */
static void
take_spheres(ScanTarget *target, TargetSphere *spheres, int count)
{
	target->spheres = spheres;
	target->sphere_count = count;
	target->next_sphere = 1;
	take_sphere(target, &spheres[0]);
	if (count > 1)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(ItemPointerData);
		control.entrysize = sizeof(ItemPointerData);
		control.hcxt = CurrentMemoryContext;
		target->returned = hash_create("rows in spheres", 256, &control,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
}

bool
scan_target_next(ScanTarget *target)
{
	if (target->next_sphere >= target->sphere_count)
		return false;
	take_sphere(target, &target->spheres[target->next_sphere++]);
	target->empty = false;
	return true;
}

bool
scan_target_repeats(ScanTarget *target, ItemPointer tid)
{
	bool		found;

	if (target->returned == NULL)
		return false;
	(void) hash_search(target->returned, tid, HASH_ENTER, &found);
	return found;
}

void
scan_target_set(ScanTarget *target, IndexScanDesc scan,
				const IndexColumn *column, const char *am)
{
	bool		found = false;

	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with %s", am)));

	memset(target, 0, sizeof(ScanTarget));
	target->bound = PG_UINT64_MAX;
	if (scan->numberOfOrderBys > 0)
	{
		ScanKey		order = scan->orderByData;

		found = target->ordered = true;
		if (!(order->sk_flags & SK_ISNULL))
			target->value = (const struct varlena *)
				PG_DETOAST_DATUM(order->sk_argument);
		if (target->value != NULL)
			column_values(column, target->value, &target->values);
	}

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		key = &scan->keyData[i];
		TargetSphere *spheres;
		int			count;

		/* what an index has is not null */
		if (key->sk_attno != 1 || (key->sk_flags & SK_SEARCHNOTNULL))
			continue;
		if (key->sk_flags & SK_SEARCHNULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot find nulls with %s index", am)));
		if (key->sk_strategy != SPHERE_STRATEGY ||
			(key->sk_flags & ~(SK_ISNULL | SK_SEARCHARRAY)) != 0)
			elog(ERROR, "unexpected scan key of %s index: strategy %d, flags %x",
				 am, key->sk_strategy, key->sk_flags);

		count = read_spheres(key, column, &spheres);
		if (count == 0)
			found = target->empty = true;
		else if (!found)
		{
			take_spheres(target, spheres, count);
			found = true;
		}
		else if (count == 1 && target->sphere_count <= 1)
			add_sphere(target, &spheres[0]);
		else
			target->recheck = true;
	}

	/* whatever the others hold, a row must be in all of them */
	if (target->empty)
		target->sphere_count = 0;
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot scan %s index without order", am)));
}
