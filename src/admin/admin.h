/*
 * admin.h
 *	  What the functions about indexes of any access method share.
 */
#ifndef VECTOR_ADMIN_H
#define VECTOR_ADMIN_H

#include "compat/pg.h"

#include "funcapi.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

#include "index/verify.h"

/* How an index is checked; NULL: its access method is none of ours */
extern const VerifyMethods *verify_methods_of(Relation index);

/*
 * Error unless an index, which is open, is one of ours with pages that can be read
 * now: not partitioned, not another session's temporary one, valid, and not without
 * content on a standby.
 */
extern void require_usable_index(Relation index);

/*
 * Error unless the caller may have all of an index read: its owner, or a member of
 * pg_monitor, for no more than TIDs and numbers are shown.
 */
extern void require_may_check(Oid index);

/* The result of a function that returns a set of rows, to be filled */
extern Tuplestorestate *begin_set_result(FunctionCallInfo fcinfo,
										 TupleDesc *desc);

/*
 * May the caller see what an index of a table, both given by OID, is like and what
 * its scans have done?  Owners may, members of pg_monitor, and roles with SELECT on
 * the table from which no policy hides rows.
 */
extern bool may_watch_index(Oid index, Oid table);

/*
 * Lock an index in access share mode and open it, for a caller that wants no error
 * and does not wait.  NULL, with nothing locked, where it is gone or another session
 * has locked it (*locked).
 */
extern Relation open_index_at_once(Oid index, bool *locked);

#endif							/* VECTOR_ADMIN_H */
