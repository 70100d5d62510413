/*
 * recall.c
 *	  vector_recall(): what an index finds of what there is.
 *
 * The nearest rows of each query are found twice, in one snapshot: without
 * indexes, and by the index.  A row that the index returns counts as found if
 * it is no farther than the k-th of the exact answer, so that among rows of equal
 * distance any is as good as another.  Rows that have no distance (of length 0
 * under cosine) are no answer.
 */
#include "admin/recall.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/admin.h"
#include "hnsw/hnsw.h"
#include "index/scan.h"
#include "index/scan_target.h"

/* The most rows and queries that may be asked for */
#define MAX_K		10000
#define MAX_SAMPLE	100000

/* A sample of a larger table is taken from so many of its blocks, or more */
#define SAMPLE_BLOCKS	1000

/* And has so many times the rows that are wanted, before these are chosen */
#define SAMPLE_FACTOR	4

/* One row in so many is taken besides: for those that cannot be left out */
#define SPARE_PART	8

/* Of the time allowed, the part that exact searches may take */
#define EXACT_PART	0.9

/* Queries of the same rows are the same: the seed of their choice */
#define SAMPLE_SEED	1

/* The 97.5th percentile of the normal distribution */
#define NORMAL_95	1.959964

/* ------------------------------------------------------------------------
 * Keeping the planner from other indexes
 */

/* During a measurement: a table, and the one of our indexes that may be used */
static Oid	planned_heap = InvalidOid;
static Oid	planned_index = InvalidOid;

static relation_info_hook_type previous_hook = NULL;

/*
 * relation_info_hook.  Before the hook that closes our indexes to the planner
 * (planner/approximation.c): which ones order by a distance is not to be seen
 * afterwards.
 */
static void
hide_indexes(RELATION_INFO_PARAMETERS)
{
	ListCell   *cell;

	if (OidIsValid(planned_heap) && RELATION_INFO_RELID == planned_heap)
	{
		foreach(cell, rel->indexlist)
		{
			const IndexOptInfo *info = (const IndexOptInfo *) lfirst(cell);

			if (info->amcanorderbyop && info->indexoid != planned_index)
				rel->indexlist = foreach_delete_current(rel->indexlist, cell);
		}
	}
	if (previous_hook)
		previous_hook(RELATION_INFO_ARGUMENTS);
}

void
recall_init(void)
{
	previous_hook = relation_info_hook;
	relation_info_hook = hide_indexes;
}

/* Have a table planned with one of our indexes, or none; InvalidOid: as ever. */
static void
plan_with(Oid heap, Oid index)
{
	planned_heap = heap;
	planned_index = index;
}

/*
 * Run a plan for a value, with no index of ours but one (or none), in the
 * snapshot of the caller's statement; plans that have become invalid are made
 * anew on the way.  Returns milliseconds.
 */
static double
run_plan(const RecallMeasured *measured, SPIPlanPtr plan, Oid index, Datum value)
{
	instr_time	begin;
	instr_time	end;
	volatile int result = 0;

	plan_with(measured->heap, index);
	INSTR_TIME_SET_CURRENT(begin);
	PG_TRY();
	{
		result = SPI_execute_plan(plan, &value, NULL, true, 0);
	}
	PG_CATCH();
	{
		plan_with(InvalidOid, InvalidOid);
		hnsw_leave_out(InvalidOid, 0);
		PG_RE_THROW();
	}
	PG_END_TRY();
	INSTR_TIME_SET_CURRENT(end);
	plan_with(InvalidOid, InvalidOid);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "search failed: %s", SPI_result_code_string(result));
	INSTR_TIME_SUBTRACT(end, begin);
	return INSTR_TIME_GET_MILLISEC(end);
}

/* ------------------------------------------------------------------------
 * The statements
 */

/* A condition, so that a comment at its end hides nothing that follows */
static void
append_condition(StringInfo where, const char *condition)
{
	appendStringInfo(where, " %s (%s\n)", where->len == 0 ? "WHERE" : "AND", condition);
}

/*
 * Conditions: that there is a value, as the planner would else believe that an
 * index has too few rows for a k beyond these; the index's own, of a partial index;
 * and filter
 */
static char *
conditions(Relation heap, Relation index, const char *expression,
		   const char *filter)
{
	StringInfoData where;
	Datum		predicate;
	bool		isnull;

	initStringInfo(&where);
	append_condition(&where, psprintf("(%s) IS NOT NULL", expression));
	predicate = SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
								Anum_pg_index_indpred, &isnull);
	if (!isnull)
		append_condition(&where,
						 TextDatumGetCString(DirectFunctionCall2(pg_get_expr, predicate,
																 ObjectIdGetDatum(RelationGetRelid(heap)))));
	if (filter != NULL)
		append_condition(&where, filter);
	return where.data;
}

/* The operator that the index orders by, for use in a statement */
static char *
qualified_operator(Relation index)
{
	Oid			oid = get_opfamily_member(index->rd_opfamily[0], index->rd_opcintype[0],
										  index->rd_opcintype[0], DISTANCE_STRATEGY);
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
	Form_pg_operator form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", oid);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)",
					quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * May a function of somebody else's expression not be run as the caller?  One of a
 * superuser's, or of a role that the caller is a member of, may.
 */
static bool
is_of_others(Oid function, void *context)
{
	HeapTuple	tuple;
	Oid			owner;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return !superuser_arg(owner) && !is_member_of_role_nosuper(GetUserId(), owner);
}

static bool
calls_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_of_others, context))
		return true;
	return expression_tree_walker(node, calls_others, context);
}

/*
 * Searches have the index's expressions and predicate, which the table's owner has
 * written, and run as the caller: so must no function that does what its owner may not.
 */
static void
check_functions(Relation index)
{
	static const AttrNumber columns[] = {Anum_pg_index_indexprs, Anum_pg_index_indpred};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		bool		isnull;
		Datum		nodes = SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
											columns[i], &isnull);

		if (!isnull && calls_others((Node *) stringToNode(TextDatumGetCString(nodes)), NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("index \"%s\" calls functions of other roles",
							RelationGetRelationName(index)),
					 errdetail("They would run with the rights of the role that measures."),
					 errhint("Measure the index as the owner of its table, by SET ROLE.")));
	}
}

RecallMeasured *
recall_begin(Oid index_oid, int k, const char *filter)
{
	RecallMeasured *measured = (RecallMeasured *) palloc0(sizeof(RecallMeasured));
	Oid			heap_oid = IndexGetRelation(index_oid, true);
	Relation	heap;
	Relation	index;

	if (k < 1 || k > MAX_K)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be between 1 and %d", MAX_K)));
	heap = OidIsValid(heap_oid) ? table_open(heap_oid, AccessShareLock) : NULL;
	index = index_open(index_oid, AccessShareLock);
	if (heap == NULL || heap_oid != index->rd_index->indrelid)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(index))));
	require_usable_index(index);
	check_functions(index);
	measured->index = index_oid;
	measured->heap = heap_oid;
	measured->k = k;
	measured->context = CurrentMemoryContext;
	measured->type = index->rd_opcintype[0];
	get_typlenbyval(measured->type, &measured->type_length,
					&measured->type_by_value);
	measured->expression =
		TextDatumGetCString(DirectFunctionCall3(pg_get_indexdef_ext,
												ObjectIdGetDatum(index_oid),
												Int32GetDatum(1), BoolGetDatum(false)));
	measured->table =
		quote_qualified_identifier(get_namespace_name(RelationGetNamespace(heap)),
								   RelationGetRelationName(heap));
	measured->where = conditions(heap, index, measured->expression, filter);
	measured->operator = qualified_operator(index);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return measured;
}

/* A statement of one parameter, or none (InvalidOid), that reads */
static SPIPlanPtr
prepare(const char *statement, Oid type)
{
	SPIPrepareOptions options = {.parseMode = RAW_PARSE_DEFAULT};
	SPIPlanPtr	plan;

	options.cursorOptions = CURSOR_OPT_GENERIC_PLAN | CURSOR_OPT_PARALLEL_OK;
	if (!OidIsValid(type))
		plan = SPI_prepare_extended(statement, &options);
	else
		plan = SPI_prepare_cursor(statement, 1, &type, options.cursorOptions);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (!SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("queries and filter must be parts of one statement that reads"),
				 errdetail("They gave: %s", statement)));
	return plan;
}

/*
 * The k nearest rows of a parameter; one more where it is a row's value, because
 * that row may be among them
 */
static SPIPlanPtr
prepare_search(const RecallMeasured *measured)
{
	return prepare(psprintf("SELECT ctid, %s %s $1 FROM ONLY %s%s ORDER BY %s %s $1 LIMIT %d",
							measured->expression, measured->operator,
							measured->table, measured->where,
							measured->expression, measured->operator,
							measured->k + measured->of_rows),
				   measured->type);
}

/* ------------------------------------------------------------------------
 * Queries
 */

static char *
type_name(const RecallMeasured *measured)
{
	return format_type_extended(measured->type, -1,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/*
 * Keep the results of the last statement: a value, and the row that it is of.
 */
static void
keep_queries(RecallMeasured *measured, bool rows)
{
	SPITupleTable *table = SPI_tuptable;
	MemoryContext caller = MemoryContextSwitchTo(measured->context);

	measured->queries = (RecallQuery *)
		palloc0(mul_size(Max(SPI_processed, 1), sizeof(RecallQuery)));
	measured->count = measured->measured = 0;
	measured->of_rows = rows;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		RecallQuery *query = &measured->queries[measured->count];
		bool		isnull;
		Datum		value = SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull);

		if (isnull)
			continue;
		if (measured->type_length == -1)
			query->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		else
			query->value = datumCopy(value, measured->type_by_value,
									 measured->type_length);
		query->wanted = -1;
		if (rows)
			query->row = *(ItemPointer) DatumGetPointer(SPI_getbinval(table->vals[i],
																	   table->tupdesc,
																	   2, &isnull));
		measured->count++;
	}
	MemoryContextSwitchTo(caller);
	SPI_freetuptable(table);
}

static void
run_for_queries(RecallMeasured *measured, const char *statement, bool rows,
				int count)
{
	SPIPlanPtr	plan = prepare(statement, InvalidOid);

	if (SPI_execute_plan(plan, NULL, NULL, true, count) != SPI_OK_SELECT)
		elog(ERROR, "query failed: %s", statement);
	keep_queries(measured, rows);
	SPI_freeplan(plan);
}

/*
 * Find out which elements are to be left out, and put those queries first that they
 * can be left out of: of more than count, the others are dropped.
 */
static void
leave_out_rows(RecallMeasured *measured, int count)
{
	Relation	index = index_open(measured->index, AccessShareLock);
	RecallQuery *sorted;
	int			place = 0;

	if (index->rd_indam->ambuild == hnsw_build)
	{
		sorted = (RecallQuery *) palloc(mul_size(Max(measured->count, 1), sizeof(RecallQuery)));
		for (int i = 0; i < measured->count; i++)
		{
			RecallQuery *query = &measured->queries[i];

			CHECK_FOR_INTERRUPTS();
			query->element = hnsw_element_of(index,
											 (const struct varlena *) DatumGetPointer(query->value),
											 &query->row);
			if (query->element != 0)
				sorted[place++] = *query;
		}
		for (int i = 0; i < measured->count; i++)
		{
			if (measured->queries[i].element == 0)
				sorted[place++] = measured->queries[i];
		}
		memcpy(measured->queries, sorted, place * sizeof(RecallQuery));
		pfree(sorted);
	}
	index_close(index, NoLock);
	measured->count = Min(measured->count, count);
}

static void
check_sample(int count)
{
	if (count < 1 || count > MAX_SAMPLE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample must be between 1 and %d", MAX_SAMPLE)));
}

/*
 * Rows by a hash of their place: always the same, and from all over the table.
 * Of a large one, some blocks are looked at, and all of it only if these have too
 * few rows that fulfil the conditions.
 */
void
recall_take_rows(RecallMeasured *measured, int count)
{
	Relation	heap = table_open(measured->heap, AccessShareLock);
	double		blocks = RelationGetNumberOfBlocks(heap);
	double		per_block = heap->rd_rel->reltuples > 0 && blocks > 0
		? Max(heap->rd_rel->reltuples / blocks, 0.1) : 1;
	double		wanted = Max(SAMPLE_BLOCKS, SAMPLE_FACTOR * count / per_block);

	check_sample(count);
	table_close(heap, NoLock);
	for (int attempt = blocks > 2 * wanted ? 0 : 1; attempt < 2; attempt++)
	{
		StringInfoData statement;

		initStringInfo(&statement);
		appendStringInfo(&statement, "SELECT %s, ctid FROM ONLY %s",
						 measured->expression, measured->table);
		if (attempt == 0)
			appendStringInfo(&statement, " TABLESAMPLE SYSTEM (%.9g) REPEATABLE (%d)",
							 100 * wanted / blocks, SAMPLE_SEED);
		appendStringInfo(&statement,
						 "%s ORDER BY pg_catalog.hashtidextended(ctid, %d) LIMIT %d",
						 measured->where, SAMPLE_SEED, count + count / SPARE_PART + 1);
		run_for_queries(measured, statement.data, true, 0);
		pfree(statement.data);
		if (measured->count >= count)
			break;
	}
	leave_out_rows(measured, count);
}

void
recall_take_queries(RecallMeasured *measured, const char *query, int count)
{
	check_sample(count);
	run_for_queries(measured,
					psprintf("SELECT q.v::%s FROM (%s\n) AS q (v)",
							 type_name(measured), query),
					false, count);
}

void
recall_take_array(RecallMeasured *measured, Datum array, Oid type, int count)
{
	SPIPlanPtr	plan;

	check_sample(count);
	plan = prepare(psprintf("SELECT q.v::%s FROM pg_catalog.unnest($1) AS q (v)",
							type_name(measured)),
				   type);
	if (SPI_execute_plan(plan, &array, NULL, true, count) != SPI_OK_SELECT)
		elog(ERROR, "unnest failed");
	keep_queries(measured, false);
	SPI_freeplan(plan);
}

/* ------------------------------------------------------------------------
 * Searches
 */

/*
 * The distances of the last statement's rows but the query's own, those that are
 * numbers; k of them at most, into distances.  Returns how many.
 */
static int
read_distances(const RecallMeasured *measured, const RecallQuery *query,
			   double *distances)
{
	SPITupleTable *table = SPI_tuptable;
	int			count = 0;
	int			rows = 0;

	for (uint64 i = 0; i < SPI_processed && rows < measured->k; i++)
	{
		bool		isnull;
		ItemPointer row = (ItemPointer)
			DatumGetPointer(SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull));
		Datum		distance;

		if (ItemPointerIsValid(&query->row) &&
			ItemPointerEquals(row, unconstify(ItemPointerData *, &query->row)))
			continue;
		rows++;
		distance = SPI_getbinval(table->vals[i], table->tupdesc, 2, &isnull);
		if (!isnull && !isnan(DatumGetFloat8(distance)))
			distances[count++] = DatumGetFloat8(distance);
	}
	SPI_freetuptable(table);
	return count;
}

void
recall_find_nearest(RecallMeasured *measured, int number)
{
	RecallQuery *query = &measured->queries[number];
	double	   *distances = (double *) palloc(measured->k * sizeof(double));

	CHECK_FOR_INTERRUPTS();
	if (measured->exact_plan == NULL)
		measured->exact_plan = prepare_search(measured);
	query->exact_time = run_plan(measured, measured->exact_plan, InvalidOid,
								 query->value);
	query->wanted = read_distances(measured, query, distances);
	query->farthest = query->wanted > 0 ? distances[query->wanted - 1] : NAN;
	pfree(distances);
}

bool
recall_any_wanted(const RecallMeasured *measured)
{
	for (int i = 0; i < measured->count; i++)
	{
		if (measured->queries[i].wanted > 0)
			return true;
	}
	return false;
}

/* Does a plan read the index in its order? */
static bool
uses_index(const Plan *plan, Oid index)
{
	while (plan != NULL && !IsA(plan, IndexScan))
		plan = plan->lefttree;
	return plan != NULL && ((const IndexScan *) plan)->indexid == index;
}

/* Plan the search by the index, and see that it is one. */
static void
check_plan(const RecallMeasured *measured)
{
	CachedPlan *volatile cached = NULL;
	bool		used;

	plan_with(measured->heap, measured->index);
	PG_TRY();
	{
		cached = SPI_plan_get_cached_plan(measured->index_plan);
	}
	PG_CATCH();
	{
		plan_with(InvalidOid, InvalidOid);
		PG_RE_THROW();
	}
	PG_END_TRY();
	plan_with(InvalidOid, InvalidOid);
	used = cached != NULL &&
		uses_index(linitial_node(PlannedStmt, cached->stmt_list)->planTree,
				   measured->index);
	/* a plan that is not saved belongs to no resource owner */
	if (cached != NULL)
		ReleaseCachedPlan(cached, NULL);
	if (!used)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" cannot be used for this search",
						get_rel_name(measured->index)),
				 errdetail("The planner has found no plan that reads it in its order.")));
}

void
recall_index_begin(RecallMeasured *measured)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan",
	"enable_sort", "enable_tidscan", "vector.enable_exact_scan"};

	measured->gucs = NewGUCNestLevel();
	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_indexscan", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (measured->index_plan == NULL)
		measured->index_plan = prepare_search(measured);
	check_plan(measured);
	measured->measured = 0;
}

void
recall_index_end(RecallMeasured *measured)
{
	AtEOXact_GUC(false, measured->gucs);
}

void
recall_search(RecallMeasured *measured, int number)
{
	RecallQuery *query = &measured->queries[number];
	double	   *distances = (double *) palloc(measured->k * sizeof(double));
	int			count;

	CHECK_FOR_INTERRUPTS();
	hnsw_leave_out(query->element != 0 ? measured->index : InvalidOid, query->element);
	query->index_time = run_plan(measured, measured->index_plan, measured->index,
								 query->value);
	hnsw_leave_out(InvalidOid, 0);
	count = read_distances(measured, query, distances);
	query->found = 0;
	for (int i = 0; i < count && query->found < query->wanted; i++)
		query->found += distances[i] <= query->farthest;
	measured->measured = Max(measured->measured, number + 1);
	pfree(distances);
}

/* ------------------------------------------------------------------------
 * What they say
 */

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* A percentile of count times, which are sorted then; the nearest rank */
static double
percentile(double *times, int count, double part)
{
	qsort(times, count, sizeof(double), compare_doubles);
	return times[Max((int) ceil(part * count) - 1, 0)];
}

/*
 * Wilson's interval (1927) of a share, of trials that are worth so many
 * independent ones.
 *
 * The rows of one query are not independent: where one is missed, others are
 * likely to be.  So their number is divided by the design effect (Kish, Survey
 * Sampling, 1965): the variance of the mean over queries, against that of as many
 * independent rows; at least 1, and at most the rows of a query.
 */
static void
confidence(RecallSummary *summary, double rows, double squares)
{
	double		p = summary->recall;
	double		n = summary->queries;
	double		per_query = rows / n;
	double		binomial = p * (1 - p) / per_query;
	double		variance = n > 1 ? squares / (n - 1) : binomial;
	double		effect = binomial > 0 ? Max(1, Min(variance / binomial, per_query)) : 1;
	double		trials = rows / effect;
	double		z2 = NORMAL_95 * NORMAL_95;
	double		middle = (p + z2 / (2 * trials)) / (1 + z2 / trials);
	double		half = NORMAL_95 / (1 + z2 / trials) *
		sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials));

	summary->low = p > 0 ? Max(middle - half, 0) : 0;
	summary->high = p < 1 ? Min(middle + half, 1) : 1;
}

void
recall_summary(const RecallMeasured *measured, RecallSummary *summary)
{
	Size		room = mul_size(Max(measured->measured, 1), sizeof(double));
	double	   *times = (double *) palloc(room);
	double		rows = 0;
	double		found = 0;
	double		squares = 0;

	memset(summary, 0, sizeof(*summary));
	summary->recall = summary->low = summary->high = NAN;
	summary->index_p50 = summary->index_p95 = NAN;
	summary->exact_p50 = summary->exact_p95 = NAN;
	for (int i = 0; i < measured->measured; i++)
	{
		summary->queries += measured->queries[i].wanted > 0;
		rows += measured->queries[i].wanted;
		found += measured->queries[i].found;
	}
	if (summary->queries > 0)
	{
		summary->recall = found / rows;
		for (int i = 0; i < measured->measured; i++)
		{
			const RecallQuery *query = &measured->queries[i];
			double		of_query = query->wanted > 0
				? (double) query->found / query->wanted - summary->recall : 0;

			squares += of_query * of_query;
		}
		confidence(summary, rows, squares);
	}
	if (measured->measured > 0)
	{
		for (int i = 0; i < measured->measured; i++)
			times[i] = measured->queries[i].index_time;
		summary->index_p50 = percentile(times, measured->measured, 0.5);
		summary->index_p95 = percentile(times, measured->measured, 0.95);
		for (int i = 0; i < measured->measured; i++)
			times[i] = measured->queries[i].exact_time;
		summary->exact_p50 = percentile(times, measured->measured, 0.5);
		summary->exact_p95 = percentile(times, measured->measured, 0.95);
	}
	pfree(times);
}

double
recall_time_limit(Datum datum)
{
	const Interval *interval = DatumGetIntervalP(datum);
	double		limit = interval->time +
		(interval->day + (double) interval->month * DAYS_PER_MONTH) * USECS_PER_DAY;

	if (!(limit > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time_limit must be positive")));
	return limit / 1000;
}

/* ------------------------------------------------------------------------
 * The function
 */

/* The queries that arguments ask for: a query, an array, or rows of the table */
static void
take_queries(RecallMeasured *measured, FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	int			sample = PG_GETARG_INT32(3);

	if (PG_ARGISNULL(1))
		recall_take_rows(measured, sample);
	else if (type == TEXTOID)
		recall_take_queries(measured, text_to_cstring(PG_GETARG_TEXT_PP(1)), sample);
	else
		recall_take_array(measured, PG_GETARG_DATUM(1), type, sample);
}

/* Search for all queries, as far as time allows; one at least.  Returns whether it did. */
static bool
measure(RecallMeasured *measured, double limit)
{
	TimestampTz begin = GetCurrentTimestamp();
	int			known = 0;
	int			number = 0;

	while (known < measured->count &&
		   (known == 0 || !TimestampDifferenceExceeds(begin, GetCurrentTimestamp(),
													  (int) Min(limit * EXACT_PART, INT_MAX))))
		recall_find_nearest(measured, known++);
	/* where conditions rule out all rows, no plan has the index */
	if (!recall_any_wanted(measured))
		return known == measured->count;
	recall_index_begin(measured);
	while (number < known &&
		   (number == 0 || !TimestampDifferenceExceeds(begin, GetCurrentTimestamp(),
													   (int) Min(limit, INT_MAX))))
		recall_search(measured, number++);
	recall_index_end(measured);
	return number == measured->count;
}

/* One row of a summary; complete: no query was left out for want of time */
static HeapTuple
summary_row(TupleDesc desc, const RecallSummary *summary, bool complete)
{
	const double numbers[] = {summary->recall, summary->low, summary->high,
		summary->index_p50, summary->index_p95, summary->exact_p50,
	summary->exact_p95};
	Datum		values[9];
	bool		nulls[9] = {false};

	values[0] = Int32GetDatum(summary->queries);
	for (int i = 0; i < (int) lengthof(numbers); i++)
	{
		values[i + 1] = Float8GetDatum(numbers[i]);
		nulls[i + 1] = isnan(numbers[i]);
	}
	values[8] = BoolGetDatum(complete);
	return heap_form_tuple(BlessTupleDesc(desc), values, nulls);
}

/*
 * vector_recall(index regclass, queries, k integer, sample integer, filter text,
 * time_limit interval): the recall of the settings in force, against an exact
 * search.  queries is text, a query whose first column is searched for, or an
 * array, or null, for rows of the table.
 */
SQL_FUNCTION(vector_recall)
{
	RecallMeasured *measured;
	RecallSummary summary;
	TupleDesc	desc;
	bool		complete;
	MemoryContext caller = CurrentMemoryContext;

	for (int i = 0; i < 6; i++)
	{
		if (PG_ARGISNULL(i) && i != 1 && i != 4)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("index, k, sample and time_limit must not be null")));
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	measured = recall_begin(PG_GETARG_OID(0), PG_GETARG_INT32(2),
							PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	take_queries(measured, fcinfo);
	complete = measure(measured, recall_time_limit(PG_GETARG_DATUM(5)));
	recall_summary(measured, &summary);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	PG_RETURN_DATUM(HeapTupleGetDatum(summary_row(desc, &summary, complete)));
}
