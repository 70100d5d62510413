/*
 * exact_path.c
 *	  Where an exact scan is possible, and what it costs.
 *
 * PostgreSQL's own plan for an exact search is a sequential scan that computes
 * a distance per row, under a sort that keeps the first k.  Three quarters of
 * its time go into moving rows between nodes and waiting for memory.  The exact
 * scan (exact_scan.c) replaces both nodes where
 *
 * - the query reads one ordinary table, and nothing groups, joins or locks its
 *   rows;
 * - it is ordered first by a distance function of ours (which operator it
 *   hides behind does not matter) of a column and a value that does not depend
 *   on the row; ascending, nulls last;
 * - it has a LIMIT that the planner knows, of no more rows than work_mem holds
 *	 as (distance, TID).
 *
 * On a large table parallel workers share the pass, below a Gather Merge.
 * Elsewhere, and where it is cheaper, the planner's own plan stands.
 */
#include "planner/exact.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/spccache.h"

#include "index/index_cost.h"
#include "math/heap/topk.h"
#include "planner/distance_call.h"
#include "planner/distance_cost.h"
#include "planner/planner.h"
#include "types/distance_function.h"

bool		enable_exact_scan = true;

static set_rel_pathlist_hook_type previous_hook = NULL;

/* What it costs to pass a row by, in units of cpu_tuple_cost; measured */
#define EXACT_TUPLE_COST 0.5
#define EXACT_FILTERED_COST 0.8

/*
 * Values out of line that are read one after the other, as an exact scan does,
 * take so much of what they take one by one; measured
 */
#define EXACT_FETCH_COST 0.22

/* Are its rows stored by PostgreSQL's own table access method? */
static bool
is_heap(Oid relid)
{
	Relation	relation = table_open(relid, NoLock);	/* the planner locked it */
	bool		result = relation->rd_rel->relam == HEAP_TABLE_AM_OID;

	table_close(relation, NoLock);
	return result;
}

/*
 * Does expr compute the distance of one of rel's columns, directly stored, and
 * of a value that is the same for every row?  *column is the argument that is
 * the column.
 */
static bool
is_distance_of_column(RelOptInfo *rel, Expr *expr, int *column)
{
	Oid			function;
	List	   *args = call_arguments(expr, &function);

	if (list_length(args) != 2)
		return false;

	for (*column = 0; *column < 2; (*column)++)
	{
		Node	   *var = list_nth(args, *column);
		Node	   *value = list_nth(args, 1 - *column);

		if (IsA(var, Var) && ((Var *) var)->varno == rel->relid &&
			((Var *) var)->varlevelsup == 0 && ((Var *) var)->varattno > 0 &&
			!contain_var_clause(value) && !contain_volatile_functions(value) &&
			!contain_subplans(value))
			return distance_value_of(function) != NULL;
	}
	return false;
}

/* The expression that pathkey orders rel by, if an exact scan can */
static Expr *
distance_of_pathkey(RelOptInfo *rel, PathKey *pathkey, int *column)
{
	EclassIterator members;
	EquivalenceMember *member;

	/* the order of numbers that everyone knows, not one that a user defined */
	if (get_opfamily_member(pathkey->pk_opfamily, FLOAT8OID, FLOAT8OID,
							BTLessStrategyNumber) != Float8LessOperator)
		return NULL;
	if (pathkey_is_descending(pathkey) || pathkey->pk_nulls_first ||
		pathkey->pk_eclass->ec_has_volatile)
		return NULL;

	eclass_iterator_begin(&members, pathkey->pk_eclass, rel->relids);
	while ((member = eclass_iterator_next(&members)) != NULL)
	{
		if (bms_equal(member->em_relids, rel->relids) &&
			is_distance_of_column(rel, member->em_expr, column))
			return member->em_expr;
	}
	return NULL;
}

/* How many processes' work a number of workers does; as PostgreSQL has it */
static double
parallel_divisor(int workers)
{
	double		leader = 1.0 - 0.3 * workers;

	if (workers == 0)
		return 1;
	return workers + (parallel_leader_participation ? Max(leader, 0) : 0);
}

/*
 * Like cost_seqscan and a bounded sort, but a row that is passed by costs less,
 * and all of it comes before the first row.  Each of several processes reads a
 * part of the table and returns up to wanted rows.
 */
static void
cost_exact_scan(CustomPath *path, PlannerInfo *root, RelOptInfo *rel,
				Expr *distance, double wanted)
{
	double		divisor = parallel_divisor(path->path.parallel_workers);
	double		rows = clamp_row_est(rel->rows / divisor);
	double		kept = Min(wanted, rows);
	double		seq_page_cost_here;
	QualCost	filter = rel->baserestrictcost;
	QualCost	per_distance;
	Cost		fetch = distance_fetch_cost(root, (Node *) distance);
	double		share = rows * divisor / clamp_row_est(rel->tuples);
	double		tuple_cost = rel->baserestrictinfo == NIL ? EXACT_TUPLE_COST
		: EXACT_FILTERED_COST;
	Cost		total;

	get_tablespace_page_costs(rel->reltablespace, NULL, &seq_page_cost_here);
	cost_qual_eval_node(&per_distance, (Node *) distance, root);

	/* the fewer values are wanted, the less often the next one is near */
	per_distance.per_tuple -= fetch * (1 - EXACT_FETCH_COST) * Min(share, 1);

	total = seq_page_cost_here * rel->pages +
		filter.startup + per_distance.startup +
		(tuple_cost * cpu_tuple_cost + filter.per_tuple) *
		rel->tuples / divisor + per_distance.per_tuple * rows;
	/* what is kept is found again by its TID, in a page seen just before */
	total += kept * (2 * cpu_operator_cost * log2(kept + 2) + cpu_tuple_cost);

	path->path.rows = rows;
	path->path.startup_cost = total;
	path->path.total_cost = total + cpu_tuple_cost * (rows - kept) +
		rel->reltarget->cost.per_tuple * kept;
}

static Plan *
plan_exact_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
				List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = extract_actual_clauses(clauses, false);
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->custom_exprs = list_make1(linitial(path->custom_private));
	scan->custom_private = (List *) lsecond(path->custom_private);
	scan->methods = &exact_scan_methods;
	return &scan->scan.plan;
}

static const CustomPathMethods exact_path_methods = {
	.CustomName = "VectorExactScan",
	.PlanCustomPath = plan_exact_scan
};

/* Is root->limit_tuples no estimate? */
static bool
limit_is_constant(Query *parse)
{
	return parse->limitCount != NULL && IsA(parse->limitCount, Const) &&
		(parse->limitOffset == NULL || IsA(parse->limitOffset, Const));
}

/* workers: 0 for a path of one process, else of a partial path */
static CustomPath *
make_exact_path(PlannerInfo *root, RelOptInfo *rel, PathKey *pathkey,
				List *private, double wanted, int workers)
{
	CustomPath *path = makeNode(CustomPath);

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.pathkeys = list_make1(pathkey);
	path->path.parallel_aware = workers > 0;
	path->path.parallel_safe = rel->consider_parallel &&
		is_parallel_safe(root, (Node *) linitial(private));
	path->path.parallel_workers = workers;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = private;
	path->methods = &exact_path_methods;
	cost_exact_scan(path, root, rel, linitial(private), wanted);
	return path;
}

static void
add_exact_path(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	Query	   *parse = root->parse;
	PathKey    *pathkey;
	Expr	   *distance;
	int			column;
	List	   *private;
	CustomPath *path;
	int			workers;
	double		wanted = root->limit_tuples;

	if (IS_DUMMY_REL(rel) || !enable_exact_scan || !enable_seqscan ||
		root->query_pathkeys == NIL || wanted < 1)
		return;

	/* what looks behind the last row for equal distances needs a few more */
	if (list_length(root->query_pathkeys) > 1 ||
		parse->limitOption == LIMIT_OPTION_WITH_TIES)
		wanted += 32;
	if (wanted * sizeof(TopkEntry) > work_mem * 1024.0)
		return;
	if (!IS_SIMPLE_REL(rel) || rte->rtekind != RTE_RELATION ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) ||
		rte->inh || rte->tablesample != NULL || !is_heap(rte->relid))
		return;
	if (parse->commandType != CMD_SELECT || parse->rowMarks != NIL ||
		root->rowMarks != NIL || !query_reads_one_table(root) ||
		rel->lateral_relids != NULL)
		return;

	pathkey = (PathKey *) linitial(root->query_pathkeys);
	distance = distance_of_pathkey(rel, pathkey, &column);
	if (distance == NULL)
		return;

	private = list_make2(distance, list_make2_int(column, (int) wanted));
	path = make_exact_path(root, rel, pathkey, private, wanted, 0);
	add_path(rel, &path->path);

	/*
	 * Each process ends after its k nearest rows, which are enough if k is all
	 * that anyone asks for; an estimated LIMIT may turn out to be more.
	 */
	workers = compute_parallel_worker(rel, rel->pages, -1,
									  max_parallel_workers_per_gather);
	if (path->path.parallel_safe && workers > 0 &&
		wanted == root->limit_tuples && limit_is_constant(parse))
	{
		path = make_exact_path(root, rel, pathkey, private, wanted, workers);
		add_partial_path(rel, &path->path);
	}
}

/* set_rel_pathlist_hook */
static void
exact_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti,
				   RangeTblEntry *rte)
{
	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	add_exact_path(root, rel, rte);
}

void
exact_scan_init(void)
{
	DefineCustomBoolVariable("vector.enable_exact_scan",
							 "Enables the planner's use of exact scans.",
							 "An exact scan finds the nearest rows of a table in one pass, without an index.",
							 &enable_exact_scan,
							 true, PGC_USERSET, GUC_EXPLAIN,
							 NULL, NULL, NULL);
	RegisterCustomScanMethods(&exact_scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = exact_rel_pathlist;
}
