/*
 * cost.c
 *	  What a scan costs, for the planner: by the lengths of the query's lists.
 *
 * A scan goes through the block maxima of all lists of the query's terms, and then
 * through the postings of the ranges that may have the best rows.  Where the query is
 * known, so are its lists; else one like the rows is taken for it: a term is in a
 * query as often as it is in a row, so its list has the sum of squared lengths,
 * divided by the sum of lengths, on average.
 *
 * Times are measured as those of the other access methods, with everything cached.
 */
#include "sparse/inverted.h"

#include <math.h>

#include "access/genam.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "index/index_cost.h"
#include "sparse/query.h"
#include "storage/page_check.h"

/* Nanoseconds: to begin; a term of the query; a posting; a row's key; a pending row */
#define BEGIN_TIME		15000
#define TERM_TIME		1500
#define POSTING_TIME	2.5
#define KEY_TIME		1.0
#define PENDING_TIME	400

/* A row that is returned, or tested again */
#define ROW_TIME		600

/* Pending rows of a page, where nobody has counted */
#define PAGE_ROWS		16

/* What the planner takes from an index */
typedef struct IndexLists
{
	double		rows;
	double		postings;		/* of the query's terms */
	double		terms;
	double		pending;		/* rows */
} IndexLists;

/* The value that a path is ordered by, or its sphere's center, if it is known */
static const SparseVector *
known_value(const IndexPath *path)
{
	Node	   *expr;
	List	   *args;
	Const	   *constant;

	if (path->indexorderbys == NIL)
		return NULL;
	expr = (Node *) linitial(path->indexorderbys);
	if (!IsA(expr, OpExpr))
		return NULL;
	args = ((OpExpr *) expr)->args;
	if (list_length(args) != 2)
		return NULL;
	constant = (Const *) lsecond(args);
	if (!IsA(constant, Const) || constant->constisnull)
		return NULL;
	return (const SparseVector *) PG_DETOAST_DATUM(constant->constvalue);
}

/* What the lists of a query have, or of one like the rows, if it is NULL */
static IndexLists
count_lists(InvertedIndex *index, const SparseVector *value)
{
	IndexLists	lists = {0};
	QueryTerms	query;

	/* a scan says that it is damaged */
	if (index == NULL)
		return lists;
	if (value != NULL && value->dim == index->column.dims)
		query_prepare(index, value, inverted_drop_ratio, &query);
	else
		value = NULL;
	for (uint32 i = 0; i < index->meta.segments; i++)
	{
		QuerySegment segment = {0};
		Segment    *opened = segment_open(index, &index->meta.segment[i]);
		const InvertedRoot *root;

		if (opened == NULL)
			continue;
		segment.segment = opened;
		root = &opened->root;
		lists.rows += root->docs - index->meta.segment[i].dead;
		if (value != NULL)
		{
			query_find_terms(index, &query, &segment);
			for (int k = 0; k < segment.list_count; k++)
				lists.postings += segment.lists[k].term.docs;
			lists.terms += segment.list_count;
		}
		else if (root->docs > 0 && root->postings > 0)
		{
			double		terms = (double) root->postings / root->docs;

			lists.terms += terms;
			lists.postings += terms * root->squares / root->postings;
		}
		segment_close(opened);
	}
	lists.pending = ((double) index->meta.pending.pages + index->meta.sealed.pages) * PAGE_ROWS;
	return lists;
}

void
inverted_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
					   Cost *startup_cost, Cost *total_cost,
					   Selectivity *selectivity, double *correlation,
					   double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	MemoryContext context;
	MemoryContext caller;
	Relation	relation;
	IndexLists	lists = {0};
	ScanTimes	times;
	Selectivity filters;
	double		rows = Max(info->tuples, 1);
	bool		bounded;
	int			conditions;

	if (index_path_disabled(path, startup_cost, total_cost, selectivity,
							correlation, pages))
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "sparse cost",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	relation = index_open(info->indexoid, NoLock);
	if (info->pages > 0)
		lists = count_lists(inverted_open_lenient(relation), known_value(path));
	index_close(relation, NoLock);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);

	conditions = index_path_filters(root, path, &filters, selectivity, &bounded);
	times.start = BEGIN_TIME + lists.terms * TERM_TIME +
		lists.postings * POSTING_TIME + conditions * KEY_TIME * rows +
		lists.pending * PENDING_TIME;
	times.rows = rows * *selectivity;
	times.first_rows = times.rows;
	times.first_row = times.row = ROW_TIME;
	times.reach = rows;
	index_path_costs(root, path, &times, startup_cost, total_cost);
	index_path_pages(path, Min(info->pages,
							   (lists.postings * 4 + lists.terms * BLCKSZ) / BLCKSZ),
					 true, startup_cost, total_cost, correlation, pages);
}
