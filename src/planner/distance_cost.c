/*
 * distance_cost.c
 *	  What it costs to compute a distance, for the planner.
 *
 * A function's COST is one number.  A distance's depends on the dimensions, and
 * above all on where the value is stored: to fetch one that is out of line takes
 * a hundred times as long as to compute with it.  PostgreSQL counts the pages of
 * a table without those of its TOAST table, so a plan that computes all
 * distances of such a table would look cheap.
 */
#include "planner/distance_cost.h"

#include <math.h>

#include "access/heaptoast.h"
#include "catalog/pg_type_d.h"
#include "nodes/primnodes.h"
#include "nodes/supportnodes.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "index/index_cost.h"
#include "planner/distance_call.h"
#include "types/own_type.h"

/* Nanoseconds: a call, 16 elements; a value out of line, and a chunk of it */
#define CALL_TIME		20
#define ELEMENTS_TIME	1
#define FETCH_TIME		2400
#define CHUNK_TIME		500

/* Dimensions of a column that does not say */
#define SOME_DIMS		500

/* A value out of line leaves a pointer in the row; none of ours is as small */
#define POINTER_WIDTH	24

/* The column among a call's arguments; NULL if there is none, or two */
static const Var *
column_argument(List *args)
{
	const Var  *column = NULL;
	ListCell   *cell;

	foreach(cell, args)
	{
		if (!IsA(lfirst(cell), Var))
			continue;
		if (column != NULL)
			return NULL;
		column = (const Var *) lfirst(cell);
	}
	return column;
}

/* Dimensions of a column, as far as it says */
static double
column_dims(const Var *column)
{
	return column->vartypmod > 0 ? column->vartypmod : SOME_DIMS;
}

/* The size of a column's values, as far as it says */
static double
column_bytes(const Var *column)
{
	if (column->vartype == BITOID || column->vartype == VARBITOID)
		return column_dims(column) / BITS_PER_BYTE;
	switch (own_type(column->vartype))
	{
		case OWN_SPARSEVEC:
			return SOME_DIMS;
		case OWN_HALFVEC:
			return column_dims(column) * sizeof(uint16);
		default:
			return column_dims(column) * sizeof(float);
	}
}

/* Are a column's values out of line?  Where ANALYZE has not been, it is likely. */
static bool
is_out_of_line(PlannerInfo *root, const Var *column)
{
	RangeTblEntry *rte;
	int32		width;

	if (root == NULL || column->varattno <= 0 ||
		column->varno >= root->simple_rel_array_size ||
		column->varlevelsup != 0)
		return false;
	rte = planner_rt_fetch(column->varno, root);
	if (rte->rtekind != RTE_RELATION)
		return false;
	width = get_attavgwidth(rte->relid, column->varattno);
	if (width > 0)
		return width <= POINTER_WIDTH && column_bytes(column) > POINTER_WIDTH;
	return column_bytes(column) > TOAST_TUPLE_THRESHOLD;
}

Cost
distance_fetch_cost(PlannerInfo *root, Node *call)
{
	Oid			function;
	List	   *args = call_arguments((Expr *) call, &function);
	const Var  *column = column_argument(args);

	if (column == NULL || !is_out_of_line(root, column))
		return 0;
	return COST_OF_TIME(FETCH_TIME + CHUNK_TIME *
						ceil(column_bytes(column) / TOAST_MAX_CHUNK_SIZE));
}

/* Support function of distance functions: SupportRequestCost */
SQL_FUNCTION(vector_distance_support)
{
	SupportRequestCost *request = (SupportRequestCost *) PG_GETARG_POINTER(0);
	Oid			function;
	List	   *args;
	const Var  *column;

	if (!IsA(request, SupportRequestCost) || request->node == NULL)
		PG_RETURN_POINTER(NULL);
	args = call_arguments((Expr *) request->node, &function);
	column = column_argument(args);
	if (column == NULL)
		PG_RETURN_POINTER(NULL);
	request->startup = 0;
	request->per_tuple =
		COST_OF_TIME(CALL_TIME + ELEMENTS_TIME * column_dims(column) / 16) +
		distance_fetch_cost(request->root, request->node);
	PG_RETURN_POINTER(request);
}
