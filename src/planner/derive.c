/*
 * derive.c
 *	  What a query says about an index's distances and filter columns, in words
 *	  that PostgreSQL can match with the index.
 *
 *	 value <-> x < r			value <<->> sphere(x, r)
 *	 x = ANY (array)			array @> ARRAY[x]
 *	 flag, NOT flag				flag = true, flag = false
 *
 * A derived condition never fails where the query's own one holds for a row that
 * an index has.
 *
 * Distances are seen through what people do with them: 1 - (a <=> b) > 0.7,
 * (a <#> b) * -1 > 0.7.
 */
#include "planner/derive.h"

#include <math.h>

#include "access/stratnum.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "hnsw/hnsw.h"
#include "index/filter.h"
#include "index/metric.h"
#include "index/scan_target.h"
#include "ivf/ivf.h"
#include "planner/distance_call.h"
#include "sparse/inverted.h"
#include "types/distance_function.h"

/* ------------------------------------------------------------------------
 * Indexes
 */

/* Our access methods, as the planner knows them: by their cost estimates */
typedef struct VectorAm
{
	amcostestimate_function cost_estimate;
	bool		is_exact;
} VectorAm;

static const VectorAm vector_ams[] = {
	{hnsw_cost_estimate, false},
	{ivf_cost_estimate, false},
	{flat_cost_estimate, true},
	{inverted_cost_estimate, true},
};

static const VectorAm *
find_vector_am(amcostestimate_function amcostestimate)
{
	for (int i = 0; i < (int) lengthof(vector_ams); i++)
	{
		if (vector_ams[i].cost_estimate == amcostestimate)
			return &vector_ams[i];
	}
	return NULL;
}

bool
is_vector_index_am(amcostestimate_function amcostestimate)
{
	return find_vector_am(amcostestimate) != NULL;
}

bool
is_exact_index(const IndexOptInfo *index)
{
	const VectorAm *am = find_vector_am((amcostestimate_function) index->amcostestimate);

	return am != NULL && am->is_exact;
}

bool
is_usable_index(const IndexOptInfo *index)
{
	return is_vector_index_am((amcostestimate_function) index->amcostestimate) &&
		(index->indpred == NIL || index->predOK);
}

bool
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

bool
is_constant_for(PlannerInfo *root, RelOptInfo *rel, Node *expr)
{
	return !bms_is_member(rel->relid, pull_varnos(root, expr)) &&
		!contain_volatile_functions(expr) && !contain_subplans(expr);
}

Oid
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
 * A bound that a constant has moved, made so much wider that rounding (of the query's own
 * sum, and of ours) cannot matter.  What is not small any more needs no more:
 * distances are float4's sums.
 */
static Expr *
widen_bound(Expr *moved, Expr *old_bound, double constant, bool upper)
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
 * find_distance, where *bound is what expr is compared with: it becomes what the
 * distance is compared with, and may become wider.
 */
static bool
find_bounded_distance(PlannerInfo *root, const IndexDistance *distance, Expr *expr,
					  Node **value, bool *falling, Bound *bound)
{
	RelOptInfo *rel = distance->index->rel;

	*falling = false;
	for (;;)
	{
		Oid			function;
		List	   *args = call_arguments(expr, &function);
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
				bound->expr = widen_bound(float8_call(F_FLOAT8MI, (Expr *) first, old_bound),
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

bool
find_distance(PlannerInfo *root, const IndexDistance *distance, Expr *expr,
			  Node **value, bool *falling)
{
	Bound		unused = {float8_constant(0)};

	return find_bounded_distance(root, distance, expr, value, falling, &unused);
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

Node *
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
nan_radius(const IndexDistance *distance, Node *value, Expr *radius)
{
	OpExpr	   *to_itself = (OpExpr *)
		make_opclause(distance->operator, FLOAT8OID, false, (Expr *) value,
					  (Expr *) copyObject(value), InvalidOid, InvalidOid);
	const MetricTraits *traits = metric_of_distance(distance_value_of(distance->function));

	if (traits == NULL || !traits->normalized)
		return radius;
	set_opfuncid(to_itself);
	return float8_call(F_FLOAT8PL, radius,
					   float8_call(F_FLOAT8MUL, (Expr *) to_itself,
								   float8_constant(0)));
}

OpExpr *
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
		if (!find_bounded_distance(root, distance, expr, &value, &falling, &bound))
			continue;
		if (upper != NULL)
			*upper = bound.upper;
		else if (!bound.upper)
			return NULL;
		if (falling)
			bound.expr = nan_radius(distance, value, bound.expr);

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
 * May a row meet a range although its distance is no number, and so is in no sphere?
 * NaN is above all numbers: below a number it is not, and above one it is.
 */
static bool
is_met_by_nan(PlannerInfo *root, const IndexDistance *distance, const OpExpr *comparison)
{
	const MetricTraits *traits = metric_of_distance(distance_value_of(distance->function));
	int			strategy = get_op_opfamily_strategy(comparison->opno, float8_family());
	bool		is_left = bms_is_member(distance->index->rel->relid,
										pull_varnos(root, (Node *) linitial(comparison->args)));
	bool		upper = is_left == (strategy == BTLessStrategyNumber || strategy == BTLessEqualStrategyNumber);
	Node	   *bound = (Node *) list_nth(comparison->args, is_left ? 1 : 0);
	double		number;

	/* sums of squares, and of absolute values, are numbers, if infinite ones */
	if (traits != NULL && !traits->normalized && !traits->product)
		return false;
	if (!upper)
		return true;
	if (strategy == BTLessStrategyNumber || strategy == BTGreaterStrategyNumber)
		return false;
	return !is_number(bound, &number) || isnan(number);
}

List *
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
		clause = derive_bound(root, distance, restriction->clause, NULL);
		if (clause == NULL)
			continue;
		if (is_exact_index(distance->index) &&
			is_met_by_nan(root, distance, (OpExpr *) restriction->clause))
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

List *
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
