/*
 * index_cost.c
 *	  What the cost estimates of access methods share.
 */
#include "index/index_cost.h"

#include <math.h>

#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

bool
index_path_possible(const IndexPath *path)
{
	bool		possible = path->indexorderbys != NIL;
	ListCell   *clause_cell;
	ListCell   *qual_cell;

	foreach(clause_cell, path->indexclauses)
	{
		IndexClause *clause = lfirst_node(IndexClause, clause_cell);

		if (clause->indexcol != 0)
			continue;
		foreach(qual_cell, clause->indexquals)
		{
			Node	   *qual = (Node *) lfirst_node(RestrictInfo, qual_cell)->clause;

			if (!IsA(qual, NullTest))
				possible = true;
			else if (((NullTest *) qual)->nulltesttype == IS_NULL)
				return false;
		}
	}
	return possible;
}

bool
query_reads_one_table(PlannerInfo *root)
{
	int			tables = 0;

	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];

		if (rel != NULL && rel->reloptkind == RELOPT_BASEREL)
			tables++;
	}
	return tables == 1;
}

int
index_path_filters(PlannerInfo *root, const IndexPath *path,
				   Selectivity *filters, Selectivity *all, bool *bounded)
{
	RelOptInfo *rel = path->indexinfo->rel;
	Selectivity inside;
	List	   *conditions = NIL;
	List	   *on_vectors = NIL;
	ListCell   *clause_cell;
	ListCell   *qual_cell;

	*bounded = false;
	foreach(clause_cell, path->indexclauses)
	{
		IndexClause *clause = lfirst_node(IndexClause, clause_cell);

		foreach(qual_cell, clause->indexquals)
		{
			if (clause->indexcol > 0)
				conditions = lappend(conditions, lfirst(qual_cell));
			else
			{
				on_vectors = lappend(on_vectors, lfirst(qual_cell));
				*bounded |= !IsA(lfirst_node(RestrictInfo, qual_cell)->clause, NullTest);
			}
		}
	}
	*filters = clauselist_selectivity(root, conditions, rel->relid, JOIN_INNER,
									  NULL);
	inside = clauselist_selectivity(root, on_vectors, rel->relid, JOIN_INNER,
									NULL);

	/*
	 * Where it is not known how many rows a bound lets in, and other conditions are
	 * left to be tested on each of these, another plan may need few rows for
	 * certain: then expect as many as the rest of PostgreSQL does.
	 */
	if (*bounded && inside == DEFAULT_SPHERE_SHARE && path->path.rows <
		0.9 * DEFAULT_INEQ_SEL * *filters * Max(rel->tuples, 1))
		inside = Max(inside, DEFAULT_INEQ_SEL);
	*all = *filters * inside;
	return list_length(conditions);
}

/*
 * The part of the path's rows that the query asks for, as far as is known: 0 if
 * it is not.  A LIMIT says it where it stands on the path alone, in its order.
 */
static double
limit_share(PlannerInfo *root, const IndexPath *path)
{
	if (root->limit_tuples <= 0 || path->indexorderbys == NIL ||
		path->path.param_info != NULL || !query_reads_one_table(root))
		return 0;
	return Min(root->limit_tuples / Max(path->path.rows, 1), 1);
}

/*
 * What PostgreSQL is going to add for each row of a path below a LIMIT to compute
 * the distance that the rows are ordered by, where it is not shown: the planner
 * takes that away again (planner/junk_distance.c).
 */
static Cost
junk_distance_cost(PlannerInfo *root, const IndexPath *path)
{
	ListCell   *cell;

	foreach(cell, root->processed_tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk && list_member(path->indexorderbys, entry->expr))
		{
			QualCost	cost;

			cost_qual_eval_node(&cost, (Node *) entry->expr, root);
			return cost.per_tuple;
		}
	}
	return 0;
}

void
index_path_costs(PlannerInfo *root, IndexPath *path, const ScanTimes *times,
				 Cost *startup_cost, Cost *total_cost)
{
	double		wanted = limit_share(root, path);
	double		share = wanted > 0 ? wanted : 1;
	double		rows = Max(times->rows, 1);
	double		first;
	double		farthest;
	double		time;
	Cost		run;

	/*
	 * PostgreSQL asks whether a worker can evaluate a path's conditions, but not
	 * its order: of a value that comes from outside of the query (LATERAL), a
	 * worker has none.
	 */
	if (path->path.parallel_safe)
		path->path.parallel_safe =
			is_parallel_safe(root, (Node *) path->indexorderbys);

	if (wanted > 0)
		rows = Max(rows * share, Min(rows, root->limit_tuples));
	first = Min(rows, times->first_rows);

	/*
	 * Where not all rows pass, those that do may lie farther out than on average:
	 * two standard deviations.
	 */
	farthest = rows;
	if (wanted > 0 && rows > root->limit_tuples)
		farthest = Min(rows + 2 * rows / sqrt(root->limit_tuples),
					   Max(times->rows, rows));
	time = first * times->first_row + (rows - first) * times->row;

	/* what does not come to an answer is none */
	if (farthest > times->reach)
		time *= 4;
	run = COST_OF_TIME(time) / share;
	if (wanted > 0)
		run = Max(run - path->path.rows * junk_distance_cost(root, path), 0);
	*startup_cost = COST_OF_TIME(times->start);
	*total_cost = *startup_cost + run;
}

bool
index_path_disabled(IndexPath *path, Cost *startup_cost, Cost *total_cost,
					Selectivity *selectivity, double *correlation,
					double *pages)
{
	if (index_path_possible(path))
		return false;
	disable_path(&path->path);
	*startup_cost = *total_cost = get_float8_infinity();
	*selectivity = 0;
	*correlation = 0;
	*pages = 0;
	return true;
}

void
index_path_pages(const IndexPath *path, double read, bool in_order,
				 Cost *startup_cost, Cost *total_cost, double *correlation,
				 double *pages)
{
	const IndexOptInfo *info = path->indexinfo;
	double		uncached = Max(1 - effective_cache_size /
							   Max((double) info->pages, 1), 0);
	double		random_cost;
	double		sequential_cost;
	Cost		cost;

	get_tablespace_page_costs(info->reltablespace, &random_cost,
							  &sequential_cost);
	*pages = read;
	cost = read * uncached * (in_order ? sequential_cost : random_cost);
	*startup_cost += cost;
	*total_cost += cost;
	*correlation = ROW_CORRELATION;
}
