/*
 * tune.c
 *	  vector_tune(): the smallest setting that finds a recall, by measurement; and
 *	  hnsw_recall(): what an index's own calibration says.
 */
#include "compat/pg.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "admin/recall.h"
#include "hnsw/calibrate.h"
#include "hnsw/hnsw.h"
#include "ivf/ivf.h"

/* Of the time allowed, the part that exact searches may take */
#define EXACT_PART	0.7

/* Settings further apart than this are worth one more measurement between them */
#define CLOSE_ENOUGH	1.06

/* Candidates that inverted files with codes compare, as tried: 0 is their own choice */
static const int reranks[] = {0, 200, 400, 1000, 4000};

/* Of what may be missed, the part that codes may lose with all lists read */
#define CODES_PART	0.75

/* What is tuned, and what has been found out */
typedef struct Tuning
{
	RecallMeasured *measured;
	const char *name;			/* of the setting; NULL: there is nothing to set */
	int			most;			/* its greatest value */
	const char *rerank;			/* of inverted files with codes: another setting */
	int			reranked;		/* its value */
	int			known;			/* queries whose answers are known */
	double		target;
	int			value;			/* the setting that was measured last */
	RecallSummary summary;		/* with that */
} Tuning;

static void
set_for_now(const char *name, int value)
{
	(void) set_config_option(name, psprintf("%d", value), PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Measure one value of the setting.  Returns whether it does. */
static bool
try(Tuning *tuning, int value)
{
	RecallMeasured *measured = tuning->measured;

	recall_index_begin(measured);
	if (tuning->name != NULL)
	{
		set_for_now(tuning->name, value);
		(void) set_config_option("ivf.target_recall", "0", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	if (tuning->rerank != NULL)
		set_for_now(tuning->rerank, tuning->reranked);
	for (int i = 0; i < tuning->known; i++)
		recall_search(measured, i);
	recall_index_end(measured);
	recall_summary(measured, &tuning->summary);
	tuning->value = value;
	return tuning->summary.recall >= tuning->target;
}

/*
 * The smallest value that finds the recall, or the greatest one there is.  Recall
 * rises with the setting, but for chance: it is looked for by halving the range, in
 * factors.
 */
static void
search_smallest(Tuning *tuning)
{
	int			low = 0;		/* does not do */
	int			high = tuning->most;

	if (tuning->name == NULL)
	{
		(void) try(tuning, 0);
		return;
	}
	/* most searches need few */
	for (int value = 1; value < high; value = value < 8 ? 8 : value * 3)
	{
		if (try(tuning, value))
			high = value;
		else
			low = value;
	}
	while (high > low + 1 && (low == 0 || (double) high / low > CLOSE_ENOUGH))
	{
		int			middle = (int) Max(low + 1, Min(sqrt((double) Max(low, 1) * high), high - 1));

		if (try(tuning, middle))
			high = middle;
		else
			low = middle;
	}
	if (tuning->value != high)
		(void) try(tuning, high);
}

/*
 * The same of inverted files with codes: as few compared as will do, first.  What codes
 * lose with all lists must leave something for lists to lose, or nearly all lists would
 * have to be read.
 */
static void
search_with_rerank(Tuning *tuning)
{
	double		enough = 1 - (1 - tuning->target) * CODES_PART;
	double		best = -1;
	int			best_reranked = 0;

	for (int i = 0; i < (int) lengthof(reranks); i++)
	{
		tuning->reranked = reranks[i];
		(void) try(tuning, tuning->most);
		if (tuning->summary.recall > best)
		{
			best = tuning->summary.recall;
			best_reranked = reranks[i];
		}
		if (best >= enough)
			break;
	}
	tuning->reranked = best_reranked;
	search_smallest(tuning);
}

/* What can be set of an index */
static void
choose_setting(Tuning *tuning)
{
	Relation	index = index_open(tuning->measured->index, AccessShareLock);
	const IndexAmRoutine *routine = index->rd_indam;

	if (routine->ambuild == hnsw_build)
	{
		tuning->name = "hnsw.ef_search";
		tuning->most = HNSW_MAX_EF_SEARCH;
	}
	/* all of flat is read */
	else if (routine->ambuild == ivf_build && routine->amcostestimate != flat_cost_estimate)
	{
		const char *am = get_am_name(index->rd_rel->relam);

		tuning->name = psprintf("%s.probes", am);
		tuning->most = ivf_list_count(index);
		if (strcmp(am, "ivfflat") != 0)
			tuning->rerank = psprintf("%s.rerank", am);
	}
	index_close(index, NoLock);
}

/* Calibrate an hnsw index by the queries of a measurement. */
static void
recalibrate(const Tuning *tuning)
{
	const RecallMeasured *measured = tuning->measured;
	Relation	index = index_open(measured->index, AccessShareLock);
	HnswQueries *queries = hnsw_queries_create(0);
	HnswCalibration calibration;

	for (int i = 0; i < measured->count; i++)
		hnsw_queries_add(queries, (const struct varlena *) DatumGetPointer(measured->queries[i].value),
						 measured->of_rows ? &measured->queries[i].row : NULL);
	if (hnsw_calibrate(index, Max(index->rd_rel->reltuples, 0), queries, &calibration))
		hnsw_keep_calibration(index, &calibration, RelationNeedsWAL(index));
	index_close(index, NoLock);
}

/* What makes it the index's own; NULL: there is nothing to be set */
static char *
statement(const Tuning *tuning, const char *index)
{
	if (tuning->name == NULL)
		return NULL;
	if (tuning->rerank == NULL)
		return psprintf("ALTER INDEX %s SET (%s = %d)", index, strchr(tuning->name, '.') + 1,
						tuning->value);
	return psprintf("ALTER INDEX %s SET (probes = %d, rerank_rows = %d)", index,
					tuning->value, tuning->reranked);
}

/* Do so. */
static void
apply(const Tuning *tuning, const char *index)
{
	if (!owns_relation(tuning->measured->index))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX,
					   get_rel_name(tuning->measured->index));
	if (tuning->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" is exact: there is nothing to tune",
						get_rel_name(tuning->measured->index))));
	if (SPI_execute(statement(tuning, index), false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not alter index %s", index);
	if (strcmp(tuning->name, "hnsw.ef_search") == 0)
		recalibrate(tuning);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < 8; i++)
	{
		if (PG_ARGISNULL(i) && i != 2 && i != 5)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("only queries and filter may be null")));
	}
	if (!(PG_GETARG_FLOAT8(1) > 0 && PG_GETARG_FLOAT8(1) <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target_recall must be greater than 0 and at most 1")));
}

/* The exact answers of as many queries as time allows */
static void
know_answers(Tuning *tuning, double limit)
{
	TimestampTz begin = GetCurrentTimestamp();

	while (tuning->known < tuning->measured->count &&
		   (tuning->known == 0 ||
			!TimestampDifferenceExceeds(begin, GetCurrentTimestamp(),
										(int) Min(limit * EXACT_PART, INT_MAX))))
		recall_find_nearest(tuning->measured, tuning->known++);
}

/*
 * vector_tune(index regclass, target_recall float8, queries text, k integer, sample
 * integer, filter text, apply boolean, time_limit interval): the smallest setting
 * that finds the recall; apply: it becomes the index's, and a graph is calibrated anew.
 */
SQL_FUNCTION(vector_tune)
{
	Tuning		tuning = {0};
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};
	char	   *index;
	char	   *to_write;
	MemoryContext caller = CurrentMemoryContext;
	HeapTuple	tuple;

	check_arguments(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tuning.target = PG_GETARG_FLOAT8(1);
	tuning.measured = recall_begin(PG_GETARG_OID(0), PG_GETARG_INT32(3),
								   PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5)));
	if (PG_ARGISNULL(2))
		recall_take_rows(tuning.measured, PG_GETARG_INT32(4));
	else
		recall_take_queries(tuning.measured, text_to_cstring(PG_GETARG_TEXT_PP(2)),
							PG_GETARG_INT32(4));
	know_answers(&tuning, recall_time_limit(PG_GETARG_DATUM(7)));
	if (!recall_any_wanted(tuning.measured))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is nothing to be found to tune index \"%s\" by",
						get_rel_name(tuning.measured->index)),
				 errhint("The table, or what fulfils the filter, must have rows, and queries must have answers.")));
	choose_setting(&tuning);
	if (tuning.rerank != NULL)
		search_with_rerank(&tuning);
	else
		search_smallest(&tuning);
	index = quote_qualified_identifier(get_namespace_name(get_rel_namespace(tuning.measured->index)),
									   get_rel_name(tuning.measured->index));
	if (PG_GETARG_BOOL(6))
		apply(&tuning, index);

	to_write = statement(&tuning, index);
	nulls[0] = to_write == NULL;
	if (to_write != NULL)
		values[0] = CStringGetTextDatum(to_write);
	values[1] = Float8GetDatum(tuning.summary.recall);
	values[2] = Float8GetDatum(tuning.summary.low);
	values[3] = Float8GetDatum(tuning.summary.high);
	values[4] = Int32GetDatum(tuning.summary.queries);
	values[5] = Float8GetDatum(tuning.summary.index_p50);
	values[6] = Float8GetDatum(tuning.summary.index_p95);
	values[7] = BoolGetDatum(tuning.summary.recall >= tuning.target);
	MemoryContextSwitchTo(caller);
	tuple = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}

/* A result of many rows */
static void
begin_result(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	desc;
	MemoryContext caller;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		!(info->allowedModes & SFRM_Materialize) ||
		get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	info->returnMode = SFRM_Materialize;
	info->setDesc = CreateTupleDescCopy(desc);
	info->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(caller);
}

/*
 * hnsw_recall(index regclass): a row for each point of an index's calibration.
 * Needs SELECT on the table, and no policies that apply to the role, as the points tell
 * of all rows.
 */
SQL_FUNCTION(hnsw_recall)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			heap = IndexGetRelation(PG_GETARG_OID(0), true);
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	HnswCalibration calibration;
	AclResult	access;

	if (index->rd_indam->ambuild != hnsw_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not an hnsw index",
						RelationGetRelationName(index))));
	access = pg_class_aclcheck(heap, GetUserId(), ACL_SELECT);
	if (access != ACLCHECK_OK)
		aclcheck_error(access, OBJECT_TABLE, get_rel_name(heap));
	if (check_enable_rls(heap, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for indexes of table %s", get_rel_name(heap)),
				 errdetail("The table's row-level security may hide rows from role \"%s\", which its indexes tell of.",
						   GetUserNameFromId(GetUserId(), false))));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
	hnsw_get_calibration(index, &calibration);
	index_close(index, NoLock);
	begin_result(fcinfo);
	for (int k = 0; k < HNSW_CALIBRATED_KS && hnsw_is_calibrated(&calibration); k++)
	{
		for (int i = 0; i < HNSW_CALIBRATED_EFS; i++)
		{
			Datum		values[3];
			bool		nulls[3] = {false};

			values[0] = Int32GetDatum(hnsw_calibrated_k(k));
			values[1] = Int32GetDatum(hnsw_calibrated_ef(i));
			values[2] = Float4GetDatum(calibration.recall[k][i]);
			tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
