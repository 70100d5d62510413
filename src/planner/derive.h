/*
 * derive.h
 *	  What a query says about an index's distances and filter columns, in words
 *	  that PostgreSQL can match with the index.
 */
#ifndef VECTOR_PLANNER_DERIVE_H
#define VECTOR_PLANNER_DERIVE_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "nodes/pathnodes.h"

/* What can be asked of an index's first column */
typedef struct IndexDistance
{
	IndexOptInfo *index;
	Oid			operator;		/* that orders by the distance */
	Oid			function;		/* behind it */
	Oid			sphere_operator;
	Oid			sphere_type;
} IndexDistance;

/* Is it the cost estimate of an access method of ours, as the planner knows it? */
extern bool is_vector_index_am(amcostestimate_function amcostestimate);

/*
 * Does an index of ours find all rows that are not null, in the true order, unless
 * its order has the mark APPROXIMATE_ORDER (index/scan.h)?  Then it may answer what
 * asks for the whole truth.
 */
extern bool is_exact_index(const IndexOptInfo *index);

/* Is it an index of ours, and no partial one whose rows are not all that is needed? */
extern bool is_usable_index(const IndexOptInfo *index);

/* False where an operator class has no spheres, or is not on distances of ours */
extern bool get_index_distance(IndexOptInfo *index, IndexDistance *distance);

/* A column of an index, from 0, as an expression */
extern Node *index_column_expr(const IndexOptInfo *index, int column);

/* Is an expression the same for all rows of a table? */
extern bool is_constant_for(PlannerInfo *root, RelOptInfo *rel, Node *expr);

/* The operator family of float8's usual order */
extern Oid	float8_family(void);

/*
 * Is expr a distance of an index's column from something that is the same for
 * all rows, or does it rise and fall with one?  Then *value is what the distance
 * is from, and *falling whether expr falls when it rises.
 *
 * What is added to a distance is left alone: distance + 0 is how people keep an
 * index out.
 */
extern bool find_distance(PlannerInfo *root, const IndexDistance *distance,
						  Expr *expr, Node **value, bool *falling);

/*
 * distance < bound, in any spelling, as a sphere; NULL where it is none.  *upper
 * is false where the bound is one from below: all that is not in the sphere
 * meets the condition, then.  Where upper is NULL, such a bound is none.
 */
extern OpExpr *derive_bound(PlannerInfo *root, const IndexDistance *distance,
							Expr *clause, bool *upper);

/*
 * The ranges among a list of restrictions, as RestrictInfos with spheres.  Of
 * those in known, it is known how many rows they pass.  An exact index has rows whose
 * distance may be no number (zero vectors under cosine distance); of it, only ranges that
 * such rows do not meet are derived, as distance < bound, and not 1 - distance > bound.
 */
extern List *derive_ranges(PlannerInfo *root, const IndexDistance *distance,
						   List *restrictions, const List *known);

/* What a list of restrictions says of filter columns, as RestrictInfos */
extern List *derive_filters(PlannerInfo *root, IndexOptInfo *index,
							List *restrictions);

#endif							/* VECTOR_PLANNER_DERIVE_H */
