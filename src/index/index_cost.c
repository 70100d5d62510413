/*
 * index_cost.c
 *	  What the cost estimates of access methods share.
 */
#include "index/index_cost.h"

#include "nodes/primnodes.h"
#include "utils/float.h"

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

void
index_path_disable(IndexPath *path, Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation,
				   double *pages)
{
	disable_path(&path->path);
	*startup_cost = *total_cost = get_float8_infinity();
	*selectivity = 0;
	*correlation = 0;
	*pages = 0;
}
