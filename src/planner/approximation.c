/*
 * approximation.c
 *	  Approximation is asked for, never slipped in.
 *
 * PostgreSQL believes that an index scan finds every row, and that an ordered
 * one returns them all in order.  An approximate index may miss some.  README.md
 * tells which queries ask for that.  Of all others, PostgreSQL must not see such
 * paths even for a moment: add_path frees what looks worse, and the exact plan
 * would be gone.  So our indexes are closed as soon as the planner has read about
 * them (relation_info_hook), and index_match.c opens them for the paths that are
 * allowed.
 *
 * An exact index (is_exact_index) may answer everything, where the values are
 * known not to be null: an index has no nulls.
 */
#include "planner/approximation.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"

#include "planner/derive.h"
#include "planner/planner.h"

bool		approximate_without_limit = false;

static relation_info_hook_type previous_hook = NULL;

bool
query_changes_rows(const PlannerInfo *root)
{
	CmdType		command = root->parse->commandType;

	return command != CMD_SELECT && command != CMD_INSERT;
}

bool
approximate_spheres_allowed(const PlannerInfo *root)
{
	for (; root != NULL; root = root->parent_root)
	{
		if (query_changes_rows(root))
			return false;
	}
	return true;
}

bool
approximate_all_allowed(const PlannerInfo *root)
{
	return approximate_without_limit && approximate_spheres_allowed(root);
}

/*
 * Is it the query that PostgreSQL makes of min(distance): SELECT distance ORDER
 * BY distance LIMIT 1?  The minimum that was asked for is one of all rows.  The
 * name of its column is planagg.c's.
 */
static bool
is_minimum(const PlannerInfo *root)
{
	const List *tlist = root->parse->targetList;
	const char *name;

	if (root->parent_root == NULL || !root->parent_root->parse->hasAggs ||
		list_length(tlist) != 1)
		return false;
	name = linitial_node(TargetEntry, tlist)->resname;
	return name != NULL && strcmp(name, "agg_target") == 0;
}

/* LIMIT ALL and LIMIT NULL are none; that of a parameter is one */
static bool
has_limit(const Query *parse)
{
	return parse->limitCount != NULL &&
		!(IsA(parse->limitCount, Const) &&
		  ((Const *) parse->limitCount)->constisnull);
}

/*
 * Does an expression have a function over a window that does something else than
 * number rows?  find_window_functions is for queries whose sublinks are plans by
 * now, and this one is asked before.
 */
static bool
has_other_function(Node *node, void *context)
{
	const Index *window = (const Index *) context;

	if (node == NULL)
		return false;
	if (IsA(node, WindowFunc))
	{
		Oid			function = ((WindowFunc *) node)->winfnoid;

		return ((WindowFunc *) node)->winref == *window &&
			function != F_ROW_NUMBER && function != F_RANK_ &&
			function != F_DENSE_RANK_;
	}
	return expression_tree_walker(node, has_other_function, context);
}

bool
window_ranks_rows(const Query *query, const WindowClause *window)
{
	Index		number = window->winref;

	return window->partitionClause == NIL && window->orderClause != NIL &&
		!has_other_function((Node *) query->targetList, &number);
}

/*
 * Do all window functions of a query number its rows in the order that it returns
 * them in?  Those of the first rows need no others.
 */
static bool
numbers_rows_in_order(const Query *query)
{
	ListCell   *cell;

	foreach(cell, query->windowClause)
	{
		const WindowClause *window = lfirst_node(WindowClause, cell);

		if (!window_ranks_rows(query, window) || query->sortClause == NIL ||
			!equal(linitial(window->orderClause), linitial(query->sortClause)))
			return false;
	}
	return true;
}

/* Does a query return rows as it reads them, none made of several? */
static bool
returns_rows_read(const PlannerInfo *root)
{
	const Query *parse = root->parse;

	return parse->commandType == CMD_SELECT && parse->groupClause == NIL &&
		parse->groupingSets == NIL && parse->distinctClause == NIL &&
		parse->setOperations == NULL && parse->havingQual == NULL &&
		!parse->hasAggs &&
		(!parse->hasWindowFuncs || numbers_rows_in_order(parse));
}

/* Is a query nothing but one subquery, whose order it keeps? */
static bool
is_around_subquery(const PlannerInfo *root)
{
	int			relid;
	const RangeTblEntry *rte;

	if (root->simple_rte_array == NULL || root->parse->sortClause != NIL ||
		!bms_get_singleton_member(root->all_baserels, &relid))
		return false;
	rte = root->simple_rte_array[relid];
	return rte->rtekind == RTE_SUBQUERY && !rte->inh;
}

/*
 * Does a query ask for its first rows: by a LIMIT, by a cursor, or by a LIMIT of
 * the query around it?
 *
 * PostgreSQL gives a query without a LIMIT a tuple_fraction above 0 where it is a
 * cursor's, as DECLARE and PL/pgSQL's OPEN have them planned (and
 * cursor_tuple_fraction is below 1), and hands it on to a subquery that is all
 * that a query reads.
 */
static bool
returns_first_rows(const PlannerInfo *root)
{
	if (!returns_rows_read(root))
		return false;
	if (has_limit(root->parse))
		return !is_minimum(root);
	if (root->tuple_fraction <= 0)
		return false;
	return root->parent_root == NULL ||
		(is_around_subquery(root->parent_root) &&
		 returns_first_rows(root->parent_root));
}

/*
 * Is nothing but the query's own order ordered by its first key?  Other members
 * of the key's equivalence class are what it is joined with by equality: a merge
 * join would skip the rows that come late.
 */
static bool
is_sort_key_only(const PlannerInfo *root)
{
	const PathKey *first = linitial(root->query_pathkeys);
	int			members = 0;
	ListCell   *cell;

	foreach(cell, first->pk_eclass->ec_members)
	{
		if (!((EquivalenceMember *) lfirst(cell))->em_is_child)
			members++;
	}
	return members == 1;
}

/*
 * Does an outer join make nulls of a relation's columns where it finds no row?
 * Rows that a search misses would become false ones then.
 */
static bool
is_nullable_side(const PlannerInfo *root, const RelOptInfo *rel)
{
	Relids		relids = rel->top_parent_relids != NULL ? rel->top_parent_relids
		: rel->relids;
	ListCell   *cell;

	foreach(cell, root->join_info_list)
	{
		const SpecialJoinInfo *join = lfirst_node(SpecialJoinInfo, cell);

		if (bms_overlap(relids, join->syn_righthand) ||
			(join->jointype == JOIN_FULL &&
			 bms_overlap(relids, join->syn_lefthand)))
			return true;
	}
	return false;
}

bool
approximate_order_allowed(PlannerInfo *root, RelOptInfo *rel)
{
	if (root->query_pathkeys == NIL || root->parse->sortClause == NIL ||
		!returns_rows_read(root))
		return false;
	if (!returns_first_rows(root) &&
		(!approximate_all_allowed(root) || is_minimum(root)))
		return false;
	return is_sort_key_only(root) && !is_nullable_side(root, rel);
}

void
open_index(IndexOptInfo *index)
{
	index->amhasgettuple = true;
	index->amcanorderbyop = true;
}

void
close_index(IndexOptInfo *index)
{
	index->amhasgettuple = false;
	index->amcanorderbyop = false;
}

/* relation_info_hook */
static void
close_indexes(RELATION_INFO_PARAMETERS)
{
	ListCell   *cell;

	if (previous_hook)
		previous_hook(RELATION_INFO_ARGUMENTS);
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		if (is_vector_index_am((amcostestimate_function) index->amcostestimate))
			close_index(index);
	}
}

void
approximation_init(void)
{
	DefineCustomBoolVariable("vector.approximate_without_limit",
							 "Lets approximate indexes answer distance ranges and orders that have no LIMIT.",
							 "By default, only ORDER BY distance LIMIT, cursors and the sphere operators are answered approximately.",
							 &approximate_without_limit,
							 false, PGC_USERSET, GUC_EXPLAIN,
							 NULL, NULL, NULL);
	previous_hook = relation_info_hook;
	relation_info_hook = close_indexes;
}
