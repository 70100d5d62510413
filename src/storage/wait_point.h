/*
 * wait_point.h
 *	  Places where a test has a process wait, while another one does something.
 *
 * Only in a build for a server with assertions; else a wait point is nothing.  A
 * session that is to wait names the point, and then waits there once for a lock
 * that the test holds:
 *
 *	test:		SELECT pg_advisory_lock(7, 7);
 *	session:	SET vector.wait_point = 'hnsw insert entry'; INSERT ...
 *	test:		... until pg_locks tells that it waits ...; what comes between;
 *				SELECT pg_advisory_unlock(7, 7);
 *
 * No buffer is locked at a wait point, and no critical section entered.
 */
#ifndef VECTOR_STORAGE_WAIT_POINT_H
#define VECTOR_STORAGE_WAIT_POINT_H

#include "compat/pg.h"

#ifdef USE_ASSERT_CHECKING

/* Wait here, if the session's setting names this point and it has not waited yet. */
extern void wait_point(const char *name);

/* Define the setting. */
extern void wait_point_init(void);

#define WAIT_POINT(name)	wait_point(name)

#else
#define WAIT_POINT(name)	((void) 0)
#define wait_point_init()	((void) 0)
#endif

#endif							/* VECTOR_STORAGE_WAIT_POINT_H */
