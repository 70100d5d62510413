/*
 * scan_target.c
 *	  What an index scan looks for: a value, and how far from it.
 */
#include "index/scan_target.h"

#include "utils/snapmgr.h"

#include "math/topk/topk.h"
#include "types/sphere.h"

static bool
same_value(const struct varlena *a, const struct varlena *b)
{
	return a == b || (a != NULL && b != NULL && VARSIZE(a) == VARSIZE(b) &&
					  memcmp(a, b, VARSIZE(a)) == 0);
}

/* Take a sphere into account. */
static void
add_sphere(ScanTarget *target, const struct varlena *center, double radius)
{
	if (same_value(target->value, center))
		target->bound = Min(target->bound, topk_key(radius));
	else
		target->recheck = true;
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
			column_check_dims(column, target->value);
	}

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		key = &scan->keyData[i];
		const struct varlena *center;
		double		radius;

		/* what an index has is not null */
		if (key->sk_attno != 1 || (key->sk_flags & SK_SEARCHNOTNULL))
			continue;
		if (key->sk_flags & SK_SEARCHNULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot find nulls with %s index", am)));
		if ((key->sk_flags & SK_ISNULL) ||
			!sphere_parts(DatumGetHeapTupleHeader(key->sk_argument), &center,
						  &radius))
		{
			found = target->empty = true;
			continue;
		}
		column_check_dims(column, center);
		if (!found)
			target->value = center;
		found = true;
		add_sphere(target, center, radius);
	}
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot scan %s index without order", am)));
}
