/*
 * index_match.c
 *	  Conditions and orders that our indexes can answer, where PostgreSQL does
 *	  not see it.
 *
 * After PostgreSQL has made its paths, conditions are derived that an index
 * knows (derive.c), and PostgreSQL makes paths once more, with them.  The query's
 * own conditions stay, as filters, and alone determine the number of rows.
 * Orders are seen through, too: ORDER BY 1 - (a <=> b) DESC is the order of the
 * distance.
 *
 * Which of these paths a query may have is approximation.c's to say: an index
 * is closed to PostgreSQL but for the calls here.
 */
#include "planner/planner.h"

#include <math.h>

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "index/index_cost.h"
#include "index/scan.h"
#include "planner/approximation.h"
#include "planner/derive.h"
#include "planner/row_estimate.h"

static set_rel_pathlist_hook_type previous_hook = NULL;

/* Does a list of restrictions name an operator of an index's first column? */
static bool
has_search_operator(const IndexOptInfo *index, List *restrictions)
{
	ListCell   *cell;

	foreach(cell, restrictions)
	{
		Expr	   *clause = lfirst_node(RestrictInfo, cell)->clause;
		Oid			operator = InvalidOid;

		if (IsA(clause, OpExpr))
			operator = ((OpExpr *) clause)->opno;
		else if (IsA(clause, ScalarArrayOpExpr))
			operator = ((ScalarArrayOpExpr *) clause)->opno;
		if (OidIsValid(operator) && op_in_opfamily(operator, index->opfamily[0]))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Order
 */

/* Does the table, or the query, keep nulls out of an index's first column? */
static bool
is_never_null(PlannerInfo *root, const IndexDistance *distance)
{
	IndexOptInfo *index = distance->index;
	ListCell   *cell;

	if (index->indexkeys[0] > 0 &&
		column_is_not_null(planner_rt_fetch(index->rel->relid, root)->relid,
						   index->rel, index->indexkeys[0]))
		return true;
	foreach(cell, index->rel->baserestrictinfo)
	{
		Expr	   *clause = lfirst_node(RestrictInfo, cell)->clause;

		if (OidIsValid(distance->sphere_operator) &&
			derive_bound(root, distance, clause, NULL) != NULL)
			return true;
		if (IsA(clause, NullTest) &&
			((NullTest *) clause)->nulltesttype == IS_NOT_NULL &&
			match_index_to_operand((Node *) ((NullTest *) clause)->arg, 0, index))
			return true;
	}
	return false;
}

/* Does PostgreSQL find by itself that an index has the order of expr? */
static bool
is_plain_order(const IndexDistance *distance, Expr *expr, const PathKey *pathkey)
{
	return IsA(expr, OpExpr) &&
		((OpExpr *) expr)->opno == distance->operator &&
		!pathkey_is_descending(pathkey) && !pathkey->pk_nulls_first;
}

/* A path key of an index's distance from value, which is in no list of the planner's */
static PathKey *
make_distance_pathkey(const IndexDistance *distance, Node *value,
					  const PathKey *like)
{
	PathKey    *pathkey = makeNode(PathKey);
	EquivalenceClass *eclass = makeNode(EquivalenceClass);
	EquivalenceMember *member = makeNode(EquivalenceMember);

	member->em_expr = make_opclause(distance->operator, FLOAT8OID, false,
									(Expr *) index_column_expr(distance->index, 0),
									(Expr *) value, InvalidOid, InvalidOid);
	set_opfuncid((OpExpr *) member->em_expr);
	member->em_relids = bms_copy(distance->index->rel->relids);
	member->em_datatype = FLOAT8OID;
	eclass->ec_opfamilies = list_make1_oid(like->pk_opfamily);
	eclass->ec_members = list_make1(member);
	eclass->ec_relids = bms_copy(member->em_relids);

	memcpy(pathkey, like, sizeof(PathKey));
	pathkey->pk_eclass = eclass;
	pathkey_set_ascending(pathkey);
	pathkey->pk_nulls_first = false;
	return pathkey;
}

/*
 * Is the first key of the query's order a distance of an index, or does it rise
 * with one?  Then *derived is a path key for that distance where PostgreSQL does
 * not see it, else NULL.
 *
 * An index has no nulls: where they come first, there must be none.  NaN, the
 * cosine distance of a zero vector, is last in an index and in the order of the
 * distance, but first in a descending order of what falls as the distance rises.
 * So the latter is matched only where the order may be approximate.
 */
static bool
match_order(PlannerInfo *root, const IndexDistance *distance, bool approximate,
			PathKey **derived)
{
	RelOptInfo *rel = distance->index->rel;
	PathKey    *pathkey = (PathKey *) linitial(root->query_pathkeys);
	EclassIterator members;
	EquivalenceMember *member;

	*derived = NULL;
	if (pathkey->pk_opfamily != float8_family() ||
		pathkey->pk_eclass->ec_has_volatile)
		return false;

	eclass_iterator_begin(&members, pathkey->pk_eclass, rel->relids);
	while ((member = eclass_iterator_next(&members)) != NULL)
	{
		Node	   *value;
		bool		falling;

		if (!bms_equal(member->em_relids, rel->relids) ||
			!find_distance(root, distance, member->em_expr, &value, &falling))
			continue;
		if (is_plain_order(distance, member->em_expr, pathkey) &&
			list_length(root->query_pathkeys) == 1)
			return true;
		if (falling != pathkey_is_descending(pathkey) ||
			(falling && !approximate))
			continue;
		if (pathkey->pk_nulls_first && !is_never_null(root, distance))
			continue;
		*derived = make_distance_pathkey(distance, value, pathkey);
		return true;
	}
	return false;
}

/* The rows that the query asks for, as far as is known; 0 if it is not */
static double
limit_rows(const PlannerInfo *root, double rows)
{
	if (root->limit_tuples > 0)
		return root->limit_tuples;
	return root->tuple_fraction >= 1 ? root->tuple_fraction
		: root->tuple_fraction * rows;
}

/*
 * Does an index have as many rows as the query asks for, with some to spare since
 * both are estimates?  Rows that it does not have, nulls, are the last in order,
 * so only a LIMIT that comes to them asks for more.
 */
static bool
has_enough_rows(PlannerInfo *root, const IndexDistance *distance)
{
	IndexOptInfo *index = distance->index;
	double		rows = index->rel->rows;
	double		share;

	if (approximate_all_allowed(root) || is_never_null(root, distance))
		return true;
	share = null_share(root, index);
	return rows * share < 0.5 || rows * (1 - share) >= 2 * limit_rows(root, rows);
}

/* ------------------------------------------------------------------------
 * Paths
 */

/*
 * Have the parameterizations of a table known with the query's own conditions
 * on them, before derived ones are put beside.
 */
static void
build_param_infos(PlannerInfo *root, RelOptInfo *rel, List *joins)
{
	ListCell   *cell;

	foreach(cell, joins)
	{
		Relids		outer = bms_copy(lfirst_node(RestrictInfo, cell)->clause_relids);

		outer = bms_del_member(outer, rel->relid);
		outer = bms_add_members(outer, rel->lateral_relids);
		if (!bms_is_empty(outer))
			(void) get_baserel_parampathinfo(root, rel, outer);
	}
}

/*
 * The paths of one index with further conditions, in the order of pathkeys; with
 * the query's conditions on joins and those of joins, if not in any order.
 */
static List *
make_index_paths(PlannerInfo *root, IndexOptInfo *index, List *conditions,
				 List *joins, List *pathkeys)
{
	RelOptInfo *rel = index->rel;
	RelOptInfo	saved = *rel;
	List	   *restrictions = index->indrestrictinfo;
	List	   *query_pathkeys = root->query_pathkeys;
	List	   *result;

	build_param_infos(root, rel, joins);
	saved.ppilist = rel->ppilist;
	rel->indexlist = list_make1(index);
	rel->pathlist = NIL;
	index->indrestrictinfo = list_concat_copy(restrictions, conditions);
	if (pathkeys == NIL)
		rel->joininfo = list_concat_copy(rel->joininfo, joins);
	else
	{
		/* a scan for each row of another table has no order */
		rel->joininfo = NIL;
		rel->has_eclass_joins = false;
	}
	root->query_pathkeys = pathkeys;
	open_index(index);

	create_index_paths(root, rel);
	result = rel->pathlist;

	close_index(index);
	rel->indexlist = saved.indexlist;
	rel->pathlist = saved.pathlist;
	rel->joininfo = saved.joininfo;
	rel->has_eclass_joins = saved.has_eclass_joins;
	index->indrestrictinfo = restrictions;
	root->query_pathkeys = query_pathkeys;
	return result;
}

/*
 * Conditions x = ANY (array) on filter columns, as clauses of an index.  Up to
 * version 16, PostgreSQL makes no ordered path with such a condition on a column
 * behind the first, since a btree would lose its order by it.  Ours do not.
 */
static List *
array_clauses(PlannerInfo *root, IndexOptInfo *index)
{
	List	   *clauses = NIL;
	ListCell   *cell;

	foreach(cell, index->indrestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) restriction->clause;

		if (!IsA(any, ScalarArrayOpExpr) || !any->useOr ||
			!restriction_is_securely_promotable(restriction, index->rel) ||
			!is_constant_for(root, index->rel, (Node *) lsecond(any->args)))
			continue;
		for (int column = 1; column < index->nkeycolumns; column++)
		{
			Oid			collation = index->indexcollations[column];
			IndexClause *clause;

			if (!match_index_to_operand((Node *) linitial(any->args), column, index) ||
				!op_in_opfamily(any->opno, index->opfamily[column]) ||
				(OidIsValid(collation) && collation != any->inputcollid))
				continue;
			clause = makeNode(IndexClause);
			clause->rinfo = restriction;
			clause->indexquals = list_make1(restriction);
			clause->indexcol = column;
			clauses = lappend(clauses, clause);
			break;
		}
	}
	return clauses;
}

/* A path with those of some clauses that it lacks; the same, if it lacks none */
static IndexPath *
add_clauses(PlannerInfo *root, IndexPath *path, List *clauses)
{
	List	   *all = list_copy(path->indexclauses);
	ListCell   *cell;

	foreach(cell, clauses)
	{
		IndexClause *clause = lfirst_node(IndexClause, cell);

		if (!is_redundant_with_indexclauses(clause->rinfo, path->indexclauses))
			all = lappend(all, clause);
	}
	if (list_length(all) == list_length(path->indexclauses))
		return path;
	return create_index_path(root, path->indexinfo, all, path->indexorderbys,
							 path->indexorderbycols, path->path.pathkeys,
							 path->indexscandir,
							 path->path.pathtype == T_IndexOnlyScan,
							 PATH_REQ_OUTER(&path->path), 1.0, false);
}

/*
 * Where the rows of a relation are merged with those of its sisters (partitions,
 * tables that inherit, branches of UNION ALL), and the first ones are wanted: the
 * mark for an approximate scan of it, by the estimates of their rows.  InvalidOid
 * where it has nearly all the rows.
 */
static Oid
shared_order_of(const PlannerInfo *root, const RelOptInfo *rel)
{
	int			top;
	double		parts;

	if (rel->reloptkind != RELOPT_OTHER_MEMBER_REL ||
		!bms_get_singleton_member(rel->top_parent_relids, &top) ||
		root->simple_rel_array[top] == NULL)
		return InvalidOid;
	parts = rint(root->simple_rel_array[top]->rows / Max(rel->rows, 1));
	return parts >= 2 ? shared_order(parts, root->limit_tuples) : InvalidOid;
}

/* Copies of the distances that order a path, with a mark */
static List *
mark_orders(List *orders, Oid mark)
{
	List	   *marked = (List *) copyObject(orders);
	ListCell   *cell;

	foreach(cell, marked)
	{
		if (IsA(lfirst(cell), OpExpr))
			((OpExpr *) lfirst(cell))->inputcollid = mark;
	}
	return marked;
}

/* Paths of an index in an order of its distances, which order says if it is not NULL */
static void
add_ordered_paths(PlannerInfo *root, IndexOptInfo *index, List *conditions,
				  PathKey *order)
{
	bool		approximate = approximate_order_allowed(root, index->rel);
	Oid			mark = !approximate ? InvalidOid
		: is_exact_index(index) ? APPROXIMATE_ORDER
		: shared_order_of(root, index->rel);
	List	   *arrays = array_clauses(root, index);
	List	   *paths;
	ListCell   *cell;

	paths = make_index_paths(root, index, conditions, NIL,
							 order == NULL ? root->query_pathkeys
							 : list_make1(order));
	foreach(cell, paths)
	{
		IndexPath  *path = (IndexPath *) lfirst(cell);

		if (!IsA(path, IndexPath) || path->indexorderbys == NIL ||
			path->path.param_info != NULL)
			continue;
		path = add_clauses(root, path, arrays);
		if (OidIsValid(mark))
			path->indexorderbys = mark_orders(path->indexorderbys, mark);
		if (order != NULL)
			path->path.pathkeys = list_make1(linitial(root->query_pathkeys));
		add_path(index->rel, &path->path);
	}
}

/* Paths of an index that are in no order: by a sphere, or by a range */
static void
add_unordered_paths(PlannerInfo *root, IndexOptInfo *index, List *conditions,
					List *joins)
{
	List	   *paths = make_index_paths(root, index, conditions, joins, NIL);
	ListCell   *cell;

	foreach(cell, paths)
	{
		IndexPath  *path = (IndexPath *) lfirst(cell);

		if (IsA(path, IndexPath) && index_path_possible(path))
			add_path(index->rel, &path->path);
	}
}

/*
 * May an index say in which order the rows of its table come?  An exact one may
 * wherever it has all rows; else a query must ask for the first ones.
 */
static bool
order_allowed(PlannerInfo *root, const IndexDistance *distance, bool exact,
			  bool approximate)
{
	if (approximate)
		return has_enough_rows(root, distance);
	return exact && root->query_pathkeys != NIL && is_never_null(root, distance);
}

/* known: conditions of which it is known how many rows they pass */
static void
add_index_paths(PlannerInfo *root, IndexOptInfo *index, const List *known)
{
	RelOptInfo *rel = index->rel;
	bool		exact = is_exact_index(index);
	bool		approximate = approximate_order_allowed(root, rel);
	bool		ranges_allowed = exact || approximate_all_allowed(root);
	IndexDistance distance;
	List	   *filters;
	List	   *ranges;
	List	   *joins = NIL;
	PathKey    *order;

	if (!is_usable_index(index) || (query_changes_rows(root) && !exact))
		return;

	filters = derive_filters(root, index, index->indrestrictinfo);
	if (!get_index_distance(index, &distance))
	{
		/* an operator class of arrays, or not ours: no more is known of it */
		if (approximate && has_enough_rows(root, &distance))
			add_ordered_paths(root, index, filters, NULL);
		return;
	}
	ranges = derive_ranges(root, &distance, index->indrestrictinfo, known);
	if (order_allowed(root, &distance, exact, approximate) &&
		match_order(root, &distance, approximate, &order))
		add_ordered_paths(root, index, list_concat_copy(filters, ranges), order);

	if (ranges_allowed)
	{
		filters = list_concat(filters, ranges);
		joins = derive_ranges(root, &distance, rel->joininfo, NIL);
	}
	if ((ranges_allowed && (ranges != NIL || joins != NIL)) ||
		((exact || approximate_spheres_allowed(root)) &&
		 (has_search_operator(index, index->indrestrictinfo) ||
		  has_search_operator(index, rel->joininfo))))
		add_unordered_paths(root, index, filters,
							list_concat(joins,
										derive_filters(root, index, rel->joininfo)));
}

/* set_rel_pathlist_hook */
static void
index_match_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti,
						 RangeTblEntry *rte)
{
	ListCell   *cell;
	List	   *known = NIL;

	/*
	 * Only where PostgreSQL looked for index paths: not in a relation that it
	 * has proved empty, of whose indexes it knows no conditions (those of
	 * row-level security neither), nor in one that is sampled.
	 */
	bool		has_paths = rte->rtekind == RTE_RELATION &&
		rte->tablesample == NULL && IS_SIMPLE_REL(rel) && !IS_DUMMY_REL(rel);

	/* what others offer has its cost by the number of rows */
	if (has_paths && rte->inh)
		sum_partition_rows(root, rel);
	else if (has_paths)
		known = estimate_ranges(root, rel);
	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (!has_paths || rte->inh || IS_DUMMY_REL(rel))
		return;
	foreach(cell, rel->indexlist)
	{
		if (!query_changes_rows(root))
			raise_rows_to_index(root, lfirst_node(IndexOptInfo, cell));
	}
	foreach(cell, rel->indexlist)
		add_index_paths(root, lfirst_node(IndexOptInfo, cell), known);
}

void
index_match_init(void)
{
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = index_match_rel_pathlist;
}
