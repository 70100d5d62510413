/*
 * distance_call.h
 *	  Calls of distance functions, behind an operator or not.
 */
#ifndef VECTOR_PLANNER_DISTANCE_CALL_H
#define VECTOR_PLANNER_DISTANCE_CALL_H

#include "compat/pg.h"

#include "nodes/nodeFuncs.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "types/distance_function.h"

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

/* An expression walker: is there a distance of ours in an expression?  context: NULL */
static inline bool
has_distance(Node *node, void *context)
{
	Oid			function;

	if (node == NULL)
		return false;
	(void) call_arguments((Expr *) node, &function);
	if (OidIsValid(function) && distance_value_of(function) != NULL)
		return true;
	return expression_tree_walker(node, has_distance, context);
}

#endif							/* VECTOR_PLANNER_DISTANCE_CALL_H */
