/*
 * wait_point.c
 *	  Places where a test has a process wait.
 */
#include "storage/wait_point.h"

#ifdef USE_ASSERT_CHECKING

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

/* The lock of pg_advisory_lock(7, 7) */
#define WAIT_KEY	7

static char *wanted = NULL;
static bool waited = false;

static void
assign_wanted(const char *newval, void *extra)
{
	waited = false;
}

void
wait_point(const char *name)
{
	LOCKTAG		tag;

	if (waited || wanted == NULL || strcmp(wanted, name) != 0)
		return;
	waited = true;
	/* as LockAcquire is called by pg_advisory_lock_int4 */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, WAIT_KEY, WAIT_KEY, 2);
	(void) LockAcquire(&tag, ShareLock, true, false);
	LockRelease(&tag, ShareLock, true);
}

void
wait_point_init(void)
{
	DefineCustomStringVariable("vector.wait_point",
							   "Sets a place where this session waits once for pg_advisory_lock(7, 7).",
							   "For tests, on a server with assertions.",
							   &wanted, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							   NULL, assign_wanted, NULL);
}

#endif
