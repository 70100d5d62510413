/*
 * distance_call.h
 *	  Calls of distance functions, behind an operator or not.
 */
#ifndef VECTOR_PLANNER_DISTANCE_CALL_H
#define VECTOR_PLANNER_DISTANCE_CALL_H

#include "compat/pg.h"

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/*
 * The arguments of an operator or function call, and the function; NIL where
 * expr is neither.
 */
static inline List *
call_arguments(Expr *expr, Oid *function)
{
	if (IsA(expr, OpExpr))
	{
		*function = ((OpExpr *) expr)->opfuncid;
		return ((OpExpr *) expr)->args;
	}
	if (IsA(expr, FuncExpr))
	{
		*function = ((FuncExpr *) expr)->funcid;
		return ((FuncExpr *) expr)->args;
	}
	*function = InvalidOid;
	return NIL;
}

#endif							/* VECTOR_PLANNER_DISTANCE_CALL_H */
