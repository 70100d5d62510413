/*
 * as_owner.h
 *	  Somebody else's expressions run as their owner.
 *
 *		AsOwner		scope;
 *
 *		as_owner_begin(&scope, heap);
 *		... evaluate expressions or predicates of heap's indexes ...
 *		as_owner_end(&scope);
 *
 * As CREATE INDEX, REINDEX and amcheck have it: a table's owner chooses the
 * functions in its indexes, so where another user has these evaluated (by a
 * function that is called with an index's name, not by a query that has the
 * expression itself), they run with the owner's rights, in a security-restricted operation,
 * with settings undone at the end, and from PostgreSQL 17 on with a search_path
 * of pg_catalog and pg_temp.  After an error, PostgreSQL resets all this with
 * the (sub)transaction.
 */
#ifndef VECTOR_INDEX_AS_OWNER_H
#define VECTOR_INDEX_AS_OWNER_H

#include "compat/pg.h"

#include "miscadmin.h"
#include "utils/rel.h"

typedef struct AsOwner
{
	Oid			user;
	int			security_context;
	int			nest_level;
} AsOwner;

static inline void
as_owner_begin(AsOwner *scope, Relation heap)
{
	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	SetUserIdAndSecContext(heap->rd_rel->relowner,
						   scope->security_context | SECURITY_RESTRICTED_OPERATION);
	scope->nest_level = NewGUCNestLevel();
	RestrictSearchPath();
}

static inline void
as_owner_end(const AsOwner *scope)
{
	AtEOXact_GUC(false, scope->nest_level);
	SetUserIdAndSecContext(scope->user, scope->security_context);
}

#endif							/* VECTOR_INDEX_AS_OWNER_H */
