/*
 * index_match.c
 *	  Conditions and orders that our indexes can answer, where PostgreSQL does
 *	  not see it.
 *
 * PostgreSQL matches an index with a condition only where its operator is a
 * member of the index's operator class and the indexed value one of its
 * arguments.  In embedding <=> $1 < 0.3 the operator is float8's.  So, after
 * PostgreSQL has made its paths, further conditions are derived that an index
 * does know, and PostgreSQL makes paths once more, with them:
 *
 *	 value <-> x < r			value <<->> sphere(x, r)
 *	 x = ANY (array)			array @> ARRAY[x]
 *	 flag, NOT flag				flag = true, flag = false
 *
 * (and x IN (...) where PostgreSQL sees it, but would not order by it).
 *
 * A derived condition never fails where the query's own one holds for a row that
 * an index has.  That one stays, as a filter, and alone determines the number of
 * rows.
 *
 * Which of these paths a query may have is approximation.c's to say: an index
 * is closed to PostgreSQL but for the calls here.
 *
 * Distances are seen through what people do with them: 1 - (a <=> b) > 0.7,
 * (a <#> b) * -1 > 0.7.  The same holds for ORDER BY 1 - (a <=> b) DESC, which
 * is the order of the distance.
 */
#include "planner/index_match.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "hnsw/hnsw.h"
#include "index/filter.h"
#include "index/index_cost.h"
#include "index/metric.h"
#include "index/scan_target.h"
#include "ivf/ivf.h"
#include "planner/approximation.h"
#include "planner/distance_share.h"
#include "planner/exact.h"
#include "types/distance_function.h"

static set_rel_pathlist_hook_type previous_hook = NULL;

/* What can be asked of an index's first column */
typedef struct IndexDistance
{
	IndexOptInfo *index;
	Oid			operator;		/* that orders by the distance */
	Oid			function;		/* behind it */
	Oid			sphere_operator;
	Oid			sphere_type;
} IndexDistance;

/* ------------------------------------------------------------------------
 * Indexes
 */

bool
is_vector_index_am(amcostestimate_function amcostestimate)
{
	return amcostestimate == hnsw_cost_estimate ||
		amcostestimate == ivf_cost_estimate;
}

/* False where an operator class has no spheres, or is not on distances of ours */
static bool
get_index_distance(IndexOptInfo *index, IndexDistance *distance)
{
	CatCList   *operators = SearchSysCacheList1(AMOPSTRATEGY,
												ObjectIdGetDatum(index->opfamily[0]));

	memset(distance, 0, sizeof(IndexDistance));
	distance->index = index;
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amoplefttype != index->opcintype[0])
			continue;
		if (operator->amopstrategy == DISTANCE_STRATEGY &&
			operator->amoppurpose == AMOP_ORDER)
			distance->operator = operator->amopopr;
		if (operator->amopstrategy == SPHERE_STRATEGY &&
			operator->amoppurpose == AMOP_SEARCH)
		{
			distance->sphere_operator = operator->amopopr;
			distance->sphere_type = operator->amoprighttype;
		}
	}
	ReleaseCatCacheList(operators);
	if (!OidIsValid(distance->operator) ||
		!OidIsValid(distance->sphere_operator))
		return false;
	distance->function = get_opcode(distance->operator);
	return distance_value_of(distance->function) != NULL;
}

/* ------------------------------------------------------------------------
 * Distances in expressions
 */

/* Is it the same for all rows of a table? */
static bool
is_constant_for(PlannerInfo *root, RelOptInfo *rel, Node *expr)
{
	return !bms_is_member(rel->relid, pull_varnos(root, expr)) &&
		!contain_volatile_functions(expr) && !contain_subplans(expr);
}

/* The order of numbers that everyone knows */
static Oid
float8_family(void)
{
	return lookup_type_cache(FLOAT8OID, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/* A call of one of float8's functions */
static Expr *
float8_call(Oid function, Expr *a, Expr *b)
{
	return (Expr *) makeFuncExpr(function, FLOAT8OID,
								 b == NULL ? list_make1(a) : list_make2(a, b),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Expr *
float8_constant(double number)
{
	return (Expr *) makeConst(FLOAT8OID, -1, InvalidOid, sizeof(float8),
							  Float8GetDatum(number), false, FLOAT8PASSBYVAL);
}

/* Numbers that distances are subtracted from are small; larger ones may overflow */
#define MAX_CONSTANT	1e6

/*
 * A bound, moved by a constant, so much wider that rounding (of the query's own
 * sum, and of ours) cannot matter.  What is not small any more needs no more:
 * distances are float4's sums.
 */
static Expr *
widened(Expr *moved, Expr *old_bound, double constant, bool upper)
{
	MinMaxExpr *size = makeNode(MinMaxExpr);

	size->minmaxtype = FLOAT8OID;
	size->op = IS_LEAST;
	size->location = -1;
	size->args = list_make2(float8_call(F_FLOAT8ABS, old_bound, NULL),
							float8_constant(1e100));
	return float8_call(F_FLOAT8PL, moved,
					   float8_call(F_FLOAT8MUL,
								   float8_call(F_FLOAT8PL, (Expr *) size,
											   float8_constant(fabs(constant))),
								   float8_constant(upper ? 1e-15 : -1e-15)));
}

/* A number that is not null: true and its value */
static bool
is_number(Node *expr, double *number)
{
	Const	   *constant = (Const *) expr;

	if (!IsA(expr, Const) || constant->constisnull ||
		constant->consttype != FLOAT8OID)
		return false;
	*number = DatumGetFloat8(constant->constvalue);
	return true;
}

/* What a distance, or what is made of it, is compared with */
typedef struct Bound
{
	Expr	   *expr;
	bool		upper;			/* from above */
} Bound;

/* Both sides of a comparison are negated. */
static void
negate_bound(Bound *bound)
{
	bound->expr = float8_call(F_FLOAT8UM, bound->expr, NULL);
	bound->upper = !bound->upper;
}

/*
 * Is expr a distance of an index's column from something that is the same for
 * all rows, or does it rise and fall with one?  Then *value is what the distance
 * is from, and *falling whether expr falls when it rises.  *bound is what expr
 * is compared with, and becomes what the distance is compared with; it may
 * become wider.
 *
 * What is added to a distance is left alone: distance + 0 is how people keep an
 * index out.
 */
static bool
find_distance(PlannerInfo *root, const IndexDistance *distance, Expr *expr,
			  Node **value, bool *falling, Bound *bound)
{
	RelOptInfo *rel = distance->index->rel;

	*falling = false;
	for (;;)
	{
		Oid			function;
		List	   *args = exact_distance_arguments(expr, &function);
		Node	   *first;
		Node	   *second;
		Expr	   *old_bound = bound->expr;
		double		number;

		if (list_length(args) == 1 && function == F_FLOAT8UM)
		{
			negate_bound(bound);
			*falling = !*falling;
			expr = (Expr *) linitial(args);
			continue;
		}
		if (list_length(args) != 2)
			return false;
		first = (Node *) linitial(args);
		second = (Node *) lsecond(args);

		switch (function)
		{
			case F_FLOAT8MUL:
				/* turns a negative inner product round */
				if (is_number(first, &number) && number == -1)
					expr = (Expr *) second;
				else if (is_number(second, &number) && number == -1)
					expr = (Expr *) first;
				else
					return false;
				negate_bound(bound);
				*falling = !*falling;
				continue;

			case F_FLOAT8MI:
				/* a similarity: number - distance */
				if (!is_number(first, &number) || !(fabs(number) <= MAX_CONSTANT))
					return false;
				expr = (Expr *) second;
				bound->upper = !bound->upper;
				bound->expr = widened(float8_call(F_FLOAT8MI, (Expr *) first, old_bound),
									  old_bound, number, bound->upper);
				*falling = !*falling;
				continue;

			default:
				if (match_index_to_operand(first, 0, distance->index))
					*value = second;
				else if (match_index_to_operand(second, 0, distance->index))
					*value = first;
				else
					return false;
				if (!is_constant_for(root, rel, *value))
					return false;
				if (function == distance->function)
					return true;
				if (!metric_is_negated(distance_value_of(function),
									   distance_value_of(distance->function)))
					return false;
				negate_bound(bound);
				*falling = !*falling;
				return true;
		}
	}
}

/* ------------------------------------------------------------------------
 * Conditions
 */

/*
 * A RestrictInfo for a condition that follows from parent's.  As PostgreSQL does
 * where it commutes one: what is said of the place in the query stays.
 */
static RestrictInfo *
derive_restriction(PlannerInfo *root, const RestrictInfo *parent,
				   OpExpr *clause)
{
	RestrictInfo *derived = makeNode(RestrictInfo);

	memcpy(derived, parent, sizeof(RestrictInfo));
	derived->clause = (Expr *) clause;
	derived->orclause = NULL;
	derived->left_relids = pull_varnos(root, (Node *) linitial(clause->args));
	derived->right_relids = pull_varnos(root, (Node *) lsecond(clause->args));
	derived->clause_relids = bms_union(derived->left_relids,
									   derived->right_relids);
	derived->parent_ec = NULL;
	derived->eval_cost.startup = -1;
	derived->norm_selec = -1;
	derived->outer_selec = -1;
	derived->mergeopfamilies = NIL;
	derived->left_ec = derived->right_ec = NULL;
	derived->left_em = derived->right_em = NULL;
	derived->scansel_cache = NIL;
	derived->hashjoinoperator = InvalidOid;
	return derived;
}

static OpExpr *
make_condition(Oid operator, Node *left, Node *right, Oid collation)
{
	OpExpr	   *clause = (OpExpr *)
		make_opclause(operator, BOOLOID, false, (Expr *) left, (Expr *) right,
					  InvalidOid, collation);

	set_opfuncid(clause);
	return clause;
}

/* A column of an index, as an expression */
static Node *
index_column_expr(const IndexOptInfo *index, int column)
{
	TargetEntry *entry = list_nth_node(TargetEntry, index->indextlist, column);

	return (Node *) copyObject(entry->expr);
}

/*
 * A radius that is NaN, which all distances are at most, where the value that
 * distances are from has none to anything (zero under cosine distance): NaN is
 * above every number, so number - distance > bound holds there.
 */
static Expr *
nan_where_distances_are(const IndexDistance *distance, Node *value, Expr *radius)
{
	OpExpr	   *to_itself = (OpExpr *)
		make_opclause(distance->operator, FLOAT8OID, false, (Expr *) value,
					  (Expr *) copyObject(value), InvalidOid, InvalidOid);
	DistanceValue kind = distance_value_of(distance->function);

	if (kind != cosine_distance_value &&
		kind != halfvec_cosine_distance_value &&
		kind != sparsevec_cosine_distance_value)
		return radius;
	set_opfuncid(to_itself);
	return float8_call(F_FLOAT8PL, radius,
					   float8_call(F_FLOAT8MUL, (Expr *) to_itself,
								   float8_constant(0)));
}

/*
 * distance < bound, in any spelling, as a sphere; NULL where it is none.  *upper
 * is false where the bound is one from below: all that is not in the sphere
 * meets the condition, then.
 */
static OpExpr *
derive_bound(PlannerInfo *root, const IndexDistance *distance, Expr *clause,
			 bool *upper)
{
	OpExpr	   *comparison = (OpExpr *) clause;

	if (!IsA(clause, OpExpr) || list_length(comparison->args) != 2)
		return NULL;
	for (int side = 0; side < 2; side++)
	{
		Expr	   *expr = (Expr *) list_nth(comparison->args, side);
		Bound		bound = {(Expr *) list_nth(comparison->args, 1 - side)};
		RowExpr    *sphere;
		Node	   *value;
		bool		falling;

		switch (get_op_opfamily_strategy(comparison->opno, float8_family()))
		{
			case BTLessStrategyNumber:
			case BTLessEqualStrategyNumber:
				bound.upper = side == 0;
				break;
			case BTGreaterStrategyNumber:
			case BTGreaterEqualStrategyNumber:
				bound.upper = side == 1;
				break;
			default:
				return NULL;
		}
		if (exprType((Node *) expr) != FLOAT8OID ||
			!is_constant_for(root, distance->index->rel, (Node *) bound.expr))
			continue;
		if (exprType((Node *) bound.expr) == FLOAT4OID)
			bound.expr = (Expr *) makeFuncExpr(F_FLOAT8_FLOAT4, FLOAT8OID,
											   list_make1(bound.expr), InvalidOid,
											   InvalidOid, COERCE_IMPLICIT_CAST);
		if (!find_distance(root, distance, expr, &value, &falling, &bound))
			continue;
		*upper = bound.upper;
		if (falling)
			bound.expr = nan_where_distances_are(distance, value, bound.expr);

		sphere = makeNode(RowExpr);
		sphere->args = list_make2(value, bound.expr);
		sphere->row_typeid = distance->sphere_type;
		sphere->row_format = COERCE_EXPLICIT_CAST;
		sphere->location = -1;
		return make_condition(distance->sphere_operator,
							  index_column_expr(distance->index, 0),
							  eval_const_expressions(root, (Node *) sphere),
							  InvalidOid);
	}
	return NULL;
}

/* The same, but NULL where the distance is bounded from below */
static OpExpr *
derive_sphere(PlannerInfo *root, const IndexDistance *distance, Expr *clause)
{
	bool		upper;
	OpExpr	   *sphere = derive_bound(root, distance, clause, &upper);

	return sphere != NULL && upper ? sphere : NULL;
}

/* value = ANY (array) as array @> ARRAY[value], for a filter column */
static OpExpr *
derive_element(PlannerInfo *root, IndexOptInfo *index, Expr *clause)
{
	ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;
	Node	   *value;
	Node	   *array;

	if (!IsA(clause, ScalarArrayOpExpr) || !any->useOr)
		return NULL;
	value = (Node *) linitial(any->args);
	array = (Node *) lsecond(any->args);
	if (!is_constant_for(root, index->rel, value))
		return NULL;
	for (int column = 1; column < index->nkeycolumns; column++)
	{
		Oid			element = exprType(value);
		Oid			contains = get_opfamily_member(index->opfamily[column],
												   ANYARRAYOID, ANYARRAYOID,
												   FILTER_CONTAINS);
		ArrayExpr  *one;

		/* @> compares elements by their type's own equality */
		if (!OidIsValid(contains) ||
			!match_index_to_operand(array, column, index) ||
			get_array_type(element) != exprType(array) ||
			lookup_type_cache(element, TYPECACHE_EQ_OPR)->eq_opr != any->opno)
			continue;
		one = makeNode(ArrayExpr);
		one->array_typeid = exprType(array);
		one->array_collid = exprCollation(value);
		one->element_typeid = element;
		one->elements = list_make1(value);
		one->location = -1;
		return make_condition(contains, array,
							  eval_const_expressions(root, (Node *) one),
							  any->inputcollid);
	}
	return NULL;
}

/* flag and NOT flag as comparisons, for a filter column */
static OpExpr *
derive_flag(PlannerInfo *root, IndexOptInfo *index, Expr *clause)
{
	Node	   *flag = (Node *) clause;
	bool		is = true;

	if (matches_boolean_columns || exprType(flag) != BOOLOID)
		return NULL;
	if (is_notclause(flag))
	{
		flag = (Node *) get_notclausearg(flag);
		is = false;
	}
	else if (IsA(flag, BooleanTest) &&
			 (((BooleanTest *) flag)->booltesttype == IS_TRUE ||
			  ((BooleanTest *) flag)->booltesttype == IS_FALSE))
	{
		is = ((BooleanTest *) flag)->booltesttype == IS_TRUE;
		flag = (Node *) ((BooleanTest *) flag)->arg;
	}
	for (int column = 1; column < index->nkeycolumns; column++)
	{
		Oid			equal = get_opfamily_member(index->opfamily[column], BOOLOID,
												BOOLOID, FILTER_EQUAL);

		if (OidIsValid(equal) && match_index_to_operand(flag, column, index))
			return make_condition(equal, flag, makeBoolConst(is, false),
								  InvalidOid);
	}
	return NULL;
}

/*
 * The ranges among a list of restrictions, as RestrictInfos with spheres.  Of
 * those in known, it is known how many rows they pass.
 */
static List *
derive_ranges(PlannerInfo *root, const IndexDistance *distance,
			  List *restrictions, const List *known)
{
	List	   *derived = NIL;
	ListCell   *cell;

	foreach(cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		RestrictInfo *sphere;
		OpExpr	   *clause;

		if (restriction->pseudoconstant)
			continue;
		clause = derive_sphere(root, distance, restriction->clause);
		if (clause == NULL)
			continue;
		sphere = derive_restriction(root, restriction, clause);

		/*
		 * Only the index evaluates it, on values of the right dimensions, so
		 * nothing can be learnt from its errors: row-level security need not
		 * come first.
		 */
		sphere->leakproof = true;
		if (list_member_ptr(known, restriction))
			sphere->norm_selec = restriction->norm_selec;
		derived = lappend(derived, sphere);
	}
	return derived;
}

/* What a list of restrictions says of filter columns, as RestrictInfos */
static List *
derive_filters(PlannerInfo *root, IndexOptInfo *index, List *restrictions)
{
	List	   *derived = NIL;
	ListCell   *cell;

	foreach(cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		OpExpr	   *clause;

		if (restriction->pseudoconstant)
			continue;
		clause = derive_element(root, index, restriction->clause);
		if (clause == NULL)
			clause = derive_flag(root, index, restriction->clause);
		if (clause != NULL)
			derived = lappend(derived,
							  derive_restriction(root, restriction, clause));
	}
	return derived;
}

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

		if (derive_sphere(root, distance, clause) != NULL)
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

/* A path key, known to nobody else, of an index's distance from value */
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
 * Is the first thing that the query wants its rows ordered by a distance of an
 * index, or rises with one?  Then *derived is a path key for that distance where
 * PostgreSQL does not see it, else NULL.
 *
 * An index has no nulls: where they come first, there must be none.
 */
static bool
match_order(PlannerInfo *root, const IndexDistance *distance, PathKey **derived)
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
		Bound		unused = {float8_constant(0)};
		Node	   *value;
		bool		falling;

		if (!bms_equal(member->em_relids, rel->relids) ||
			!find_distance(root, distance, member->em_expr, &value, &falling,
						   &unused))
			continue;
		if (is_plain_order(distance, member->em_expr, pathkey) &&
			list_length(root->query_pathkeys) == 1)
			return true;
		if (falling != pathkey_is_descending(pathkey))
			continue;
		if (pathkey->pk_nulls_first && !is_never_null(root, distance))
			continue;
		*derived = make_distance_pathkey(distance, value, pathkey);
		return true;
	}
	return false;
}

/* pg_class.reltuples: below 0 if nobody has counted */
static double
counted_tuples(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	double		result = -1;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * The part of a table's rows that has nulls in the first column of an index, as
 * far as ANALYZE knows, or the index was built with others less.
 */
static double
null_share(PlannerInfo *root, IndexOptInfo *index)
{
	VariableStatData column;
	double		share = 0;

	examine_variable(root, index_column_expr(index, 0), index->rel->relid, &column);
	if (HeapTupleIsValid(column.statsTuple))
		share = ((Form_pg_statistic) GETSTRUCT(column.statsTuple))->stanullfrac;
	else if (index->indpred == NIL)
	{
		double		entries = counted_tuples(index->indexoid);
		double		rows = counted_tuples(planner_rt_fetch(index->rel->relid, root)->relid);

		if (entries >= 0 && rows > entries)
			share = 1 - entries / rows;
	}
	ReleaseVariableStats(column);
	return share;
}

/* How many rows the query wants to be first, as far as is known; 0 if it is not */
static double
rows_wanted(const PlannerInfo *root, double rows)
{
	if (root->limit_tuples > 0)
		return root->limit_tuples;
	return root->tuple_fraction >= 1 ? root->tuple_fraction
		: root->tuple_fraction * rows;
}

/*
 * Does an index have as many rows as the query wants, with some to spare for
 * what is an estimate?  Those that it lacks, nulls, are the last in order, so
 * only a LIMIT that comes to them asks for more than an index has.
 */
static bool
has_rows_wanted(PlannerInfo *root, const IndexDistance *distance)
{
	IndexOptInfo *index = distance->index;
	double		rows = index->rel->rows;
	double		share;

	if (approximate_all_allowed(root) || is_never_null(root, distance))
		return true;
	share = null_share(root, index);
	return rows * share < 0.5 || rows * (1 - share) >= 2 * rows_wanted(root, rows);
}

/* ------------------------------------------------------------------------
 * Paths
 */

/*
 * Have the parameterizations of a table known with the query's own conditions
 * on them, before derived ones are put beside.
 */
static void
know_parameterizations(PlannerInfo *root, RelOptInfo *rel, List *joins)
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

	know_parameterizations(root, rel, joins);
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
with_clauses(PlannerInfo *root, IndexPath *path, List *clauses)
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

/* Paths of an index in an order of its distances, which order says if it is not NULL */
static void
add_ordered_paths(PlannerInfo *root, IndexOptInfo *index, List *conditions,
				  PathKey *order)
{
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
		path = with_clauses(root, path, arrays);
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

/* known: conditions of which it is known how many rows they pass */
static void
add_index_paths(PlannerInfo *root, IndexOptInfo *index, const List *known)
{
	RelOptInfo *rel = index->rel;
	bool		ranges_allowed = approximate_all_allowed(root);
	IndexDistance distance;
	List	   *filters;
	List	   *ranges;
	List	   *joins = NIL;
	PathKey    *order;

	if (!is_vector_index_am((amcostestimate_function) index->amcostestimate) ||
		(index->indpred != NIL && !index->predOK))
		return;

	filters = derive_filters(root, index, index->indrestrictinfo);
	if (!get_index_distance(index, &distance))
	{
		/* somebody's own operator class: no more is known of it */
		if (approximate_order_allowed(root, rel))
			add_ordered_paths(root, index, filters, NULL);
		return;
	}
	ranges = derive_ranges(root, &distance, index->indrestrictinfo, known);
	if (approximate_order_allowed(root, rel) &&
		match_order(root, &distance, &order) && has_rows_wanted(root, &distance))
		add_ordered_paths(root, index, list_concat_copy(filters, ranges), order);

	if (ranges_allowed)
	{
		filters = list_concat(filters, ranges);
		joins = derive_ranges(root, &distance, rel->joininfo, NIL);
	}
	if ((ranges_allowed && (ranges != NIL || joins != NIL)) ||
		(approximate_spheres_allowed(root) &&
		 (has_search_operator(index, index->indrestrictinfo) ||
		  has_search_operator(index, rel->joininfo))))
		add_unordered_paths(root, index, filters,
							list_concat(joins,
										derive_filters(root, index, rel->joininfo)));
}

/* Another estimate of how many rows of a relation the query's conditions pass */
static void
set_rows(RelOptInfo *rel, double rows)
{
	List	   *lists[] = {rel->pathlist, rel->partial_pathlist};
	double		factor = rows / rel->rows;
	ListCell   *cell;

	for (int i = 0; i < lengthof(lists); i++)
	{
		foreach(cell, lists[i])
		{
			Path	   *path = (Path *) lfirst(cell);

			path->rows = clamp_row_est(path->rows * factor);
		}
	}
	foreach(cell, rel->ppilist)
	{
		ParamPathInfo *parameters = lfirst_node(ParamPathInfo, cell);

		parameters->ppi_rows = clamp_row_est(parameters->ppi_rows * factor);
	}
	rel->rows = clamp_row_est(rows);
}

/*
 * How many rows the query's distance ranges pass, where a sample of the values
 * tells: set in their RestrictInfos, and for the relation.  PostgreSQL has taken
 * each for a third.  Returns those that are known now.
 */
static List *
estimate_ranges(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *known = NIL;
	ListCell   *index_cell;
	ListCell   *cell;

	if (rel->baserestrictinfo == NIL)
		return NIL;
	foreach(index_cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, index_cell);
		IndexDistance distance;

		if (!is_vector_index_am((amcostestimate_function) index->amcostestimate) ||
			(index->indpred != NIL && !index->predOK) ||
			!get_index_distance(index, &distance))
			continue;
		foreach(cell, rel->baserestrictinfo)
		{
			RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
			OpExpr	   *sphere;
			bool		upper;
			double		share;

			if (restriction->pseudoconstant || list_member_ptr(known, restriction))
				continue;
			sphere = derive_bound(root, &distance, restriction->clause, &upper);
			if (sphere == NULL)
				continue;
			share = sphere_share(root, index, (Node *) lsecond(sphere->args));
			if (share < 0)
				continue;
			restriction->norm_selec = upper ? share
				: Max(1 - null_share(root, index) - share, 0);
			known = lappend(known, restriction);
		}
	}
	if (known != NIL)
		set_rows(rel, rel->tuples *
				 clauselist_selectivity(root, rel->baserestrictinfo, 0, JOIN_INNER,
										NULL));
	return known;
}

/* The rows of a table with partitions, after its partitions' have been estimated */
static void
sum_rows(PlannerInfo *root, RelOptInfo *rel)
{
	double		rows = 0;
	ListCell   *cell;

	foreach(cell, root->append_rel_list)
	{
		AppendRelInfo *append = lfirst_node(AppendRelInfo, cell);
		RelOptInfo *child = root->simple_rel_array[append->child_relid];

		if (append->parent_relid == rel->relid && child != NULL &&
			!IS_DUMMY_REL(child))
			rows += child->rows;
	}
	if (rows > 0)
		rel->rows = clamp_row_est(rows);
}

/*
 * The rows of a partial index are counted.  All meet the conditions that its
 * predicate implies, of which the planner often knows nothing (vector_dims(e) =
 * 12 is taken to pass one row in two hundred).
 */
static void
count_rows_of_partial_index(PlannerInfo *root, IndexOptInfo *index)
{
	RelOptInfo *rel = index->rel;
	double		rows;

	if (index->indpred == NIL || !index->predOK ||
		!is_vector_index_am((amcostestimate_function) index->amcostestimate))
		return;
	rows = index->tuples *
		clauselist_selectivity(root, index->indrestrictinfo, 0, JOIN_INNER, NULL);
	if (rows > rel->rows)
		set_rows(rel, rows);
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
		sum_rows(root, rel);
	else if (has_paths)
		known = estimate_ranges(root, rel);
	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (!has_paths || rte->inh || IS_DUMMY_REL(rel) || query_changes_rows(root))
		return;
	foreach(cell, rel->indexlist)
		count_rows_of_partial_index(root, lfirst_node(IndexOptInfo, cell));
	foreach(cell, rel->indexlist)
		add_index_paths(root, lfirst_node(IndexOptInfo, cell), known);
}

void
index_match_init(void)
{
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = index_match_rel_pathlist;
}
