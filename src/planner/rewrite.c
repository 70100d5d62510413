/*
 * rewrite.c
 *	  Ways to ask for the nearest rows that PostgreSQL does not see as such, put in
 *	  words that it does, before it plans.
 *
 * - A subquery numbers its rows by distance, row_number() OVER (ORDER BY distance),
 *   and the query around it takes those up to a number: the subquery gets that
 *   number as its LIMIT.  For rank(), rows of equal distance come with it.
 * - Two tables without a join by equality, ORDER BY a.v <-> b.v LIMIT k: the k rows
 *   are among the k nearest of each row of b, so a becomes a lateral subquery with
 *   the query's order and limit.
 *
 * Both mean the same as before, whatever plan is found for them.  README.md has
 * what is left alone.
 */
#include "planner/planner.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "planner/approximation.h"
#include "planner/derive.h"
#include "planner/distance_call.h"
#include "types/distance_function.h"

static planner_hook_type previous_hook = NULL;

/* Does a query return rows as it reads them, and lock or change none? */
static bool
is_plain_select(const Query *query)
{
	return query->commandType == CMD_SELECT && query->jointree != NULL &&
		query->groupClause == NIL && query->groupingSets == NIL &&
		query->distinctClause == NIL && query->setOperations == NULL &&
		query->havingQual == NULL && query->rowMarks == NIL &&
		!query->hasAggs && !query->hasTargetSRFs && !query->hasModifyingCTE &&
		!contain_volatile_functions((Node *) query->targetList) &&
		!contain_volatile_functions((Node *) query->jointree);
}

/* ------------------------------------------------------------------------
 * Row numbers up to a number
 */

/*
 * Is a query one that could have a LIMIT instead of row numbers: does it number
 * its rows in one order, which begins with a distance, and return them all?
 */
static bool
numbers_by_distance(const Query *query)
{
	const WindowClause *window;
	const TargetEntry *first;

	if (!is_plain_select(query) || !query->hasWindowFuncs ||
		query->limitCount != NULL || query->limitOffset != NULL ||
		list_length(query->windowClause) != 1)
		return false;
	window = linitial_node(WindowClause, query->windowClause);
	if (!window_ranks_rows(query, window) ||
		(query->sortClause != NIL && !equal(query->sortClause, window->orderClause)))
		return false;
	first = get_sortgroupclause_tle(linitial(window->orderClause), query->targetList);
	return has_distance((Node *) first->expr, NULL);
}

/* The query that an entry of a range table is, where only this one reads it */
static Query *
query_of_entry(const Query *query, RangeTblEntry *entry)
{
	ListCell   *cell;

	if (entry->rtekind == RTE_SUBQUERY)
		return entry->subquery;
	if (entry->rtekind != RTE_CTE || entry->ctelevelsup != 0)
		return NULL;
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0)
			return cte->cterefcount == 1 && !cte->cterecursive &&
				IsA(cte->ctequery, Query) ? (Query *) cte->ctequery : NULL;
	}
	return NULL;
}

/*
 * number <= bound, number < bound or number = bound, either way round, where the
 * number is a column of a subquery and the bound the same for all rows; false
 * where it is none.
 */
static bool
match_number_bound(Expr *clause, Var **number, Expr **bound)
{
	Oid			operator;
	int			strategy;
	Expr	   *left;

	if (!IsA(clause, OpExpr) || list_length(((OpExpr *) clause)->args) != 2)
		return false;
	operator = ((OpExpr *) clause)->opno;
	left = linitial(((OpExpr *) clause)->args);
	*bound = lsecond(((OpExpr *) clause)->args);
	if (!IsA(left, Var))
	{
		Expr	   *swap = left;

		left = *bound;
		*bound = swap;
		operator = get_commutator(operator);
	}
	if (!IsA(left, Var) || !OidIsValid(operator))
		return false;
	*number = (Var *) left;
	strategy = get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID);
	return (strategy == BTLessStrategyNumber ||
			strategy == BTLessEqualStrategyNumber ||
			strategy == BTEqualStrategyNumber) &&
		(*number)->varlevelsup == 0 && (*number)->varattno > 0 &&
		!contain_vars_of_level((Node *) *bound, 0) &&
		!checkExprHasSubLink((Node *) *bound) &&
		!contain_volatile_functions((Node *) *bound);
}

/* A number of rows as LIMIT takes it: of type bigint, and null or negative is 0 */
static Node *
make_row_limit(Expr *bound)
{
	MinMaxExpr *result = makeNode(MinMaxExpr);
	Expr	   *number = copyObject(bound);
	Oid			type = exprType((Node *) number);

	if (type != INT8OID)
		number = (Expr *) makeFuncExpr(type == INT2OID ? F_INT8_INT2 : F_INT8_INT4,
									   INT8OID, list_make1(number), InvalidOid,
									   InvalidOid, COERCE_IMPLICIT_CAST);
	result->minmaxtype = INT8OID;
	result->op = IS_GREATEST;
	result->args = list_make2(number,
							  makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
										Int64GetDatum(0), false, true));
	result->location = -1;
	return (Node *) result;
}

static void
limit_by_number(Query *query)
{
	ListCell   *cell;

	if (query->commandType != CMD_SELECT || query->jointree == NULL)
		return;
	foreach(cell, make_ands_implicit((Expr *) query->jointree->quals))
	{
		Var		   *number;
		Expr	   *bound;
		Query	   *subquery;
		TargetEntry *entry;

		if (!match_number_bound(lfirst(cell), &number, &bound))
			continue;
		subquery = query_of_entry(query, rt_fetch(number->varno, query->rtable));
		if (subquery == NULL || !numbers_by_distance(subquery))
			continue;
		entry = get_tle_by_resno(subquery->targetList, number->varattno);
		if (entry == NULL || !IsA(entry->expr, WindowFunc) ||
			((WindowFunc *) entry->expr)->winfnoid == F_DENSE_RANK_)
			continue;
		subquery->limitCount = make_row_limit(bound);
		IncrementVarSublevelsUp(subquery->limitCount, 1, 0);
		subquery->limitOption =
			((WindowFunc *) entry->expr)->winfnoid == F_ROW_NUMBER
			? LIMIT_OPTION_COUNT : LIMIT_OPTION_WITH_TIES;
		subquery->sortClause = copyObject(linitial_node(WindowClause,
														subquery->windowClause)->orderClause);
	}
}

/* ------------------------------------------------------------------------
 * The nearest of each row of another table
 */

/* Two relations of a query, and what it says of them */
typedef struct CrossJoin
{
	Query	   *query;
	int			item;			/* the one with the index; a place in rtable */
	int			other;
	List	   *relations;		/* both, as integers */
	List	   *quals;			/* all conditions, wherever they stand */
} CrossJoin;

/* Gather relations and conditions; false for what is no inner join of two */
static bool
flatten_jointree(CrossJoin *join, Node *node)
{
	ListCell   *cell;

	if (IsA(node, RangeTblRef))
	{
		join->relations = lappend_int(join->relations, ((RangeTblRef *) node)->rtindex);
		return list_length(join->relations) <= 2;
	}
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *expr = (JoinExpr *) node;

		join->quals = list_concat(join->quals,
								  list_copy(make_ands_implicit((Expr *) expr->quals)));
		return expr->jointype == JOIN_INNER && flatten_jointree(join, expr->larg) &&
			flatten_jointree(join, expr->rarg);
	}
	foreach(cell, ((FromExpr *) node)->fromlist)
	{
		if (!flatten_jointree(join, lfirst(cell)))
			return false;
	}
	join->quals = list_concat(join->quals,
							  list_copy(make_ands_implicit((Expr *) ((FromExpr *) node)->quals)));
	return true;
}

/* Which of the query's own relations does an expression read? */
static Relids
relations_of(Node *node)
{
	return pull_varnos_of_level(NULL, node, 0);
}

/* Has a relation an index of ours that an operator orders by? */
static bool
has_index_for(const RangeTblEntry *entry, Oid operator)
{
	Relation	table;
	List	   *indexes;
	ListCell   *cell;
	bool		found = false;

	if (entry->rtekind != RTE_RELATION || entry->tablesample != NULL ||
		(entry->relkind != RELKIND_RELATION && entry->relkind != RELKIND_MATVIEW &&
		 entry->relkind != RELKIND_PARTITIONED_TABLE))
		return false;
	/* the rewriter has locked what a query reads */
	table = table_open(entry->relid, NoLock);
	indexes = RelationGetIndexList(table);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found = found || (index->rd_indam != NULL &&
						  is_vector_index_am((amcostestimate_function) index->rd_indam->amcostestimate) &&
						  OidIsValid(index->rd_opfamily[0]) &&
						  get_op_opfamily_sortfamily(operator, index->rd_opfamily[0]) != InvalidOid);
		index_close(index, NoLock);
	}
	list_free(indexes);
	table_close(table, NoLock);
	return found;
}

/* Is a condition `expression of the relation = something known`? */
static bool
is_equality(Expr *clause)
{
	Oid			type;

	if (!IsA(clause, OpExpr) || list_length(((OpExpr *) clause)->args) != 2)
		return false;
	type = exprType(linitial(((OpExpr *) clause)->args));
	return op_mergejoinable(((OpExpr *) clause)->opno, type) ||
		op_hashjoinable(((OpExpr *) clause)->opno, type);
}

/* Do the query's conditions on one relation alone look one row up? */
static bool
is_looked_up(const CrossJoin *join, int relation)
{
	ListCell   *cell;

	foreach(cell, join->quals)
	{
		if (is_equality(lfirst(cell)) &&
			bms_equal(relations_of(lfirst(cell)), bms_make_singleton(relation)))
			return true;
	}
	return false;
}

/*
 * Which of two relations is searched for the nearest of the other's rows?  The one
 * with an index; of two with one, that which no row is looked up in.  0 where it
 * is neither, or cannot be told.
 */
static int
choose_item(const CrossJoin *join, const OpExpr *distance)
{
	int			found = 0;
	int			side;

	for (side = 0; side < 2; side++)
	{
		Relids		item = relations_of(list_nth(distance->args, side));
		Relids		other = relations_of(list_nth(distance->args, 1 - side));
		int			relation;

		if (!bms_get_singleton_member(item, &relation) ||
			bms_num_members(other) != 1 || bms_overlap(item, other) ||
			!has_index_for(rt_fetch(relation, join->query->rtable), distance->opno))
			continue;
		if (found != 0 && is_looked_up(join, found) == is_looked_up(join, relation))
			return 0;
		if (found == 0 || is_looked_up(join, found))
			found = relation;
	}
	return found;
}

/*
 * Can a query be that of a CrossJoin?  A join by equality may be a small one, whose
 * rows are sorted faster than an index is searched for each row.
 */
static bool
match_cross_join(Query *query, CrossJoin *join)
{
	const SortGroupClause *first;
	Expr	   *distance;
	ListCell   *cell;

	if (query->limitCount == NULL || query->limitOffset != NULL ||
		query->limitOption != LIMIT_OPTION_COUNT || query->sortClause == NIL ||
		query->hasWindowFuncs || checkExprHasSubLink(query->limitCount) ||
		contain_volatile_functions(query->limitCount) || !is_plain_select(query))
		return false;
	first = linitial_node(SortGroupClause, query->sortClause);
	distance = get_sortgroupclause_tle((SortGroupClause *) first, query->targetList)->expr;
	if (!IsA(distance, OpExpr) || list_length(((OpExpr *) distance)->args) != 2 ||
		distance_value_of(((OpExpr *) distance)->opfuncid) == NULL ||
		first->sortop != Float8LessOperator)
		return false;

	memset(join, 0, sizeof(*join));
	join->query = query;
	if (!flatten_jointree(join, (Node *) query->jointree) ||
		list_length(join->relations) != 2)
		return false;
	foreach(cell, join->quals)
	{
		if (bms_num_members(relations_of(lfirst(cell))) > 1 && is_equality(lfirst(cell)))
			return false;
	}
	join->item = choose_item(join, (OpExpr *) distance);
	if (join->item == 0)
		return false;
	join->other = linitial_int(join->relations) == join->item
		? lsecond_int(join->relations) : linitial_int(join->relations);
	return true;
}

/* Columns of a relation that are read, at any depth */
typedef struct ColumnsRead
{
	int			relation;
	int			depth;
	int			last;			/* the greatest number of a column */
	bool		other_kinds;	/* whole rows, system columns, rows of joins */
	const List *range_table;
} ColumnsRead;

static bool
read_columns(Node *node, void *context)
{
	ColumnsRead *columns = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if ((int) var->varlevelsup != columns->depth)
			return false;
		if (rt_fetch(var->varno, columns->range_table)->rtekind == RTE_JOIN)
			columns->other_kinds = true;
		else if ((int) var->varno == columns->relation)
		{
			columns->other_kinds = columns->other_kinds || var->varattno <= 0;
			columns->last = Max(columns->last, var->varattno);
		}
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		columns->depth++;
		result = query_tree_walker((Query *) node, read_columns, context, 0);
		columns->depth--;
		return result;
	}
	return expression_tree_walker(node, read_columns, context);
}

/* An item, as the query knows it, and how far above a node the query is */
typedef struct ItemLevel
{
	int			item;
	int			above;
} ItemLevel;

/* Columns of the item, which are of a query above, become those of relation 1 here */
static bool
bring_item_down(Node *node, void *context)
{
	ItemLevel  *level = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if ((int) var->varlevelsup == level->above && (int) var->varno == level->item)
		{
			var->varno = 1;
			var->varnosyn = 0;
			var->varattnosyn = 0;
			var->varlevelsup = level->above - 1;
		}
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		level->above++;
		result = query_tree_walker((Query *) node, bring_item_down, context, 0);
		level->above--;
		return result;
	}
	return expression_tree_walker(node, bring_item_down, context);
}

/* An expression of the query, as it is in a subquery that reads the item alone */
static void *
move_down(const CrossJoin *join, const void *node)
{
	Node	   *result = copyObject((Node *) node);
	ItemLevel	level = {join->item, 1};

	IncrementVarSublevelsUp(result, 1, 0);
	(void) bring_item_down(result, &level);
	return result;
}

/*
 * The subquery's columns: those of the item up to the last that is read, with the
 * item's numbers, and null for those that nobody reads; then what it is ordered by.
 */
static void
make_columns(const CrossJoin *join, Query *subquery, int last)
{
	RangeTblEntry *entry = linitial_node(RangeTblEntry, subquery->rtable);
	ListCell   *cell;
	int			number;

	for (number = 1; number <= last; number++)
	{
		char	   *name = get_rte_attribute_name(entry, number);
		Expr	   *column;
		Oid			type;
		int32		typmod;
		Oid			collation;

		if (get_rte_attribute_is_dropped(entry, number))
			column = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		else
		{
			get_atttypetypmodcoll(entry->relid, number, &type, &typmod, &collation);
			column = (Expr *) makeVar(1, number, type, typmod, collation, 0);
		}
		subquery->targetList = lappend(subquery->targetList,
									   makeTargetEntry(column, number, pstrdup(name), false));
	}
	foreach(cell, join->query->sortClause)
	{
		SortGroupClause *key = copyObject(lfirst_node(SortGroupClause, cell));
		TargetEntry *shown = get_sortgroupclause_tle(key, join->query->targetList);
		TargetEntry *hidden = makeTargetEntry(move_down(join, shown->expr), number++,
											  NULL, true);

		hidden->ressortgroupref = key->tleSortGroupRef;
		subquery->targetList = lappend(subquery->targetList, hidden);
		subquery->sortClause = lappend(subquery->sortClause, key);
	}
}

/* A list of conditions as a query has them */
static Node *
conditions_of(List *quals)
{
	return quals == NIL ? NULL : (Node *) make_ands_explicit(quals);
}

/*
 * An entry of a query's range table goes to a subquery's, with the privileges that
 * are asked for; its old place is the subquery's.
 */
static void
move_entry(const Query *query, RangeTblEntry *entry, Query *subquery)
{
	RangeTblEntry *inner = copyObject(entry);

	subquery->rtable = list_make1(inner);
	move_entry_permissions(query, inner, subquery);
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = subquery;
	entry->lateral = true;
	entry->relid = InvalidOid;
	entry->relkind = 0;
	entry->rellockmode = 0;
	entry->inh = false;
	entry->securityQuals = NIL;
	ask_no_permissions(entry);
}

/* The item becomes SELECT columns FROM item WHERE what is said of it ORDER BY … LIMIT … */
static void
make_item_query(CrossJoin *join, int last)
{
	Query	   *query = join->query;
	Query	   *result = makeNode(Query);
	RangeTblEntry *entry = rt_fetch(join->item, query->rtable);
	RangeTblRef *reference = makeNode(RangeTblRef);
	List	   *moved = NIL;
	List	   *stay = NIL;
	ListCell   *cell;

	foreach(cell, join->quals)
	{
		if (bms_is_member(join->item, relations_of(lfirst(cell))))
			moved = lappend(moved, move_down(join, lfirst(cell)));
		else
			stay = lappend(stay, lfirst(cell));
	}
	join->quals = stay;

	reference->rtindex = 1;
	result->commandType = CMD_SELECT;
	result->querySource = query->querySource;
	result->canSetTag = true;
	result->hasSubLinks = query->hasSubLinks;
	result->hasRowSecurity = query->hasRowSecurity;
	entry->securityQuals = move_down(join, entry->securityQuals);
	move_entry(query, entry, result);
	result->jointree = makeFromExpr(list_make1(reference),
									conditions_of(moved));
	make_columns(join, result, last);
	result->limitCount = move_down(join, query->limitCount);
	result->limitOption = LIMIT_OPTION_COUNT;
}

static void
search_for_each(Query *query)
{
	CrossJoin	join;
	ColumnsRead columns = {0};
	RangeTblEntry *entry;
	RangeTblRef *references[2];
	int			i;

	if (!match_cross_join(query, &join) ||
		rt_fetch(join.other, query->rtable)->lateral)
		return;
	columns.relation = join.item;
	columns.range_table = query->rtable;
	(void) query_tree_walker(query, read_columns, &columns, QTW_IGNORE_JOINALIASES);
	if (columns.other_kinds || columns.last == 0)
		return;

	make_item_query(&join, columns.last);
	entry = rt_fetch(join.item, query->rtable);
	entry->eref->colnames = list_truncate(entry->eref->colnames, columns.last);
	for (i = 0; i < 2; i++)
	{
		references[i] = makeNode(RangeTblRef);
		references[i]->rtindex = i == 0 ? join.other : join.item;
	}
	query->jointree = makeFromExpr(list_make2(references[0], references[1]),
								   conditions_of(join.quals));
}

/* ------------------------------------------------------------------------
 * All queries of a statement
 */

/*
 * Not what a query reads that changes rows: these it finds exactly (README.md), but
 * for an order that has a LIMIT.  The conditions of MERGE's ON would not even filter.
 */
static bool
rewrite_queries(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, rewrite_queries, context);
	if (((Query *) node)->commandType != CMD_SELECT &&
		((Query *) node)->commandType != CMD_INSERT)
		return false;
	limit_by_number((Query *) node);
	search_for_each((Query *) node);
	return query_tree_walker((Query *) node, rewrite_queries, context, 0);
}

/* planner_hook */
static PlannedStmt *
plan_rewritten(PLANNER_PARAMETERS)
{
	(void) rewrite_queries((Node *) parse, NULL);
	return previous_hook ? previous_hook(PLANNER_ARGUMENTS)
		: standard_planner(PLANNER_ARGUMENTS);
}

void
rewrite_init(void)
{
	previous_hook = planner_hook;
	planner_hook = plan_rewritten;
}
