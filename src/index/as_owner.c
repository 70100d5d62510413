/*
 * as_owner.c
 *	  Somebody else's expressions run as their owner.
 */
#include "index/as_owner.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rel.h"

void
as_owner_begin(AsOwner *scope, Relation heap)
{
	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	SetUserIdAndSecContext(heap->rd_rel->relowner,
						   scope->security_context | SECURITY_RESTRICTED_OPERATION);
	scope->nest_level = NewGUCNestLevel();
	RestrictSearchPath();
}

void
as_owner_end(const AsOwner *scope)
{
	AtEOXact_GUC(false, scope->nest_level);
	SetUserIdAndSecContext(scope->user, scope->security_context);
}
