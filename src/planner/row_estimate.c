/*
 * row_estimate.c
 *	  How many rows of a relation a query's conditions pass, where PostgreSQL
 *	  cannot tell.
 */
#include "planner/row_estimate.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "planner/derive.h"
#include "planner/distance_share.h"

/* pg_class.reltuples: below 0 if it was never counted */
static double
catalog_tuples(Oid relid)
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

double
null_share(PlannerInfo *root, IndexOptInfo *index)
{
	VariableStatData column;
	double		share = 0;

	examine_variable(root, index_column_expr(index, 0), index->rel->relid, &column);
	if (HeapTupleIsValid(column.statsTuple))
		share = ((Form_pg_statistic) GETSTRUCT(column.statsTuple))->stanullfrac;
	else if (index->indpred == NIL)
	{
		double		entries = catalog_tuples(index->indexoid);
		double		rows = catalog_tuples(planner_rt_fetch(index->rel->relid, root)->relid);

		if (entries >= 0 && rows > entries)
			share = 1 - entries / rows;
	}
	ReleaseVariableStats(column);
	return share;
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

List *
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

		if (!is_usable_index(index) || !get_index_distance(index, &distance))
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

void
sum_partition_rows(PlannerInfo *root, RelOptInfo *rel)
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

void
raise_rows_to_index(PlannerInfo *root, IndexOptInfo *index)
{
	RelOptInfo *rel = index->rel;
	double		rows;

	/* an index of arrays has an entry for each element */
	if (index->indpred == NIL || !is_usable_index(index) ||
		OidIsValid(get_element_type(index->opcintype[0])))
		return;
	rows = index->tuples *
		clauselist_selectivity(root, index->indrestrictinfo, 0, JOIN_INNER, NULL);
	if (rows > rel->rows)
		set_rows(rel, rows);
}
