/*
 * build_report.c
 *	  What a build has taken: in the server's log, and for the session to ask for.
 */
#include "index/build_report.h"

#include <math.h>

#include "access/amapi.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "commands/defrem.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Phases have small numbers; those beyond are not timed */
#define PHASES		16

/* The part of a build's time that measuring its recall may take, and seconds */
#define RECALL_PART		0.1
#define RECALL_LEAST	1.0

static int	log_min_duration = -1;

/* The build of this backend that began last */
static struct
{
	instr_time	start;
	instr_time	phase_start;
	int			phase;
	double		seconds[PHASES];
	Size		memory;
	int			workers;
}			report;

/* The build that ended last, as vector_last_build() tells of it */
static struct
{
	Oid			index;			/* InvalidOid: there was none */
	Oid			role;			/* as which it ran: the table's owner */
	double		rows;
	double		seconds;
	double		bytes;
	Size		memory;
	int			workers;
	int			phases;			/* that took time, in order; */
	const char *names[PHASES];	/* constants */
	double		phase_seconds[PHASES];
}			last_build;

void
build_report_init(void)
{
	DefineCustomIntVariable("vector.log_build_min_duration",
							"Sets the time above which builds of indexes are logged.",
							"-1 logs none, 0 logs all.",
							&log_min_duration, -1, -1, INT_MAX, PGC_SUSET,
							GUC_UNIT_MS, NULL, NULL, NULL);
}

static double
seconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

void
build_report_begin(Relation index)
{
	memset(&report, 0, sizeof(report));
	INSTR_TIME_SET_CURRENT(report.start);
	report.phase_start = report.start;
	report.phase = PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE;
}

static void
end_phase(void)
{
	if (report.phase >= 0 && report.phase < PHASES)
		report.seconds[report.phase] += seconds_since(report.phase_start);
	INSTR_TIME_SET_CURRENT(report.phase_start);
}

void
build_phase(int phase)
{
	end_phase();
	report.phase = phase;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}

void
build_report_memory(Size bytes)
{
	report.memory = Max(report.memory, bytes);
}

void
build_report_workers(int workers)
{
	report.workers = workers;
}

/* Keep the phases that took time, for vector_last_build(). */
static void
keep_phases(Relation index)
{
	last_build.phases = 0;
	for (int phase = 0; phase < PHASES; phase++)
	{
		const char *name = report.seconds[phase] > 0
			? index->rd_indam->ambuildphasename(phase) : NULL;

		if (name == NULL)
			continue;
		last_build.names[last_build.phases] = name;
		last_build.phase_seconds[last_build.phases++] = report.seconds[phase];
	}
}

/* "sampling table 0.1 s, loading tuples 2.3 s" */
static char *
phases_text(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < last_build.phases; i++)
		appendStringInfo(&text, "%s%s %.3f s", i > 0 ? ", " : "", last_build.names[i],
						 last_build.phase_seconds[i]);
	return text.data;
}

void
build_report_end(Relation heap, Relation index, const IndexBuildResult *result)
{
	double		seconds = seconds_since(report.start);
	double		recall = 0;
	int			searched;
	StringInfoData measured;

	end_phase();
	keep_phases(index);
	last_build.index = RelationGetRelid(index);
	last_build.role = GetUserId();
	last_build.rows = result->index_tuples;
	last_build.seconds = seconds;
	last_build.bytes = RelationGetNumberOfBlocks(index) * (double) BLCKSZ;
	last_build.memory = report.memory;
	last_build.workers = report.workers;
	if (log_min_duration < 0 || seconds * 1000 < log_min_duration)
		return;
	searched = build_recall(heap, index, Max(seconds * RECALL_PART, RECALL_LEAST), &recall);
	initStringInfo(&measured);
	if (searched > 0)
		appendStringInfo(&measured, "recall %.3f of the 10 nearest of %d rows", recall, searched);
	else
		appendStringInfoString(&measured, "recall not measured");
	ereport(LOG,
			(errmsg("index \"%s.%s\" of table \"%s\" built by %s in %.3f s: %.0f rows, %.0f kB, %s",
					get_namespace_name(RelationGetNamespace(index)),
					RelationGetRelationName(index), RelationGetRelationName(heap),
					get_am_name(index->rd_rel->relam), seconds, result->index_tuples,
					RelationGetNumberOfBlocks(index) * (BLCKSZ / 1024.0), measured.data),
			 errdetail("Phases: %s. Memory: %.0f kB. Parallel workers: %d.",
					   phases_text(), ceil(report.memory / 1024.0), report.workers),
			 errhidestmt(true)));
}

/*
 * vector_last_build(OUT index, rows, size, seconds, memory, workers, phases,
 * phase_seconds): the session's build
 * of an index that ended last.  Null where there was none, or where it was of another
 * role's table.
 */
SQL_FUNCTION(vector_last_build)
{
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};
	Datum		names[PHASES];
	Datum		seconds[PHASES];

	if (!OidIsValid(last_build.index) || !has_privs_of_role(GetUserId(), last_build.role))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = ObjectIdGetDatum(last_build.index);
	values[1] = Int64GetDatum((int64) last_build.rows);
	values[2] = Int64GetDatum((int64) last_build.bytes);
	values[3] = Float8GetDatum(last_build.seconds);
	values[4] = Int64GetDatum((int64) last_build.memory);
	values[5] = Int32GetDatum(last_build.workers);
	for (int i = 0; i < last_build.phases; i++)
	{
		names[i] = CStringGetTextDatum(last_build.names[i]);
		seconds[i] = Float8GetDatum(last_build.phase_seconds[i]);
	}
	values[6] = PointerGetDatum(construct_array(names, last_build.phases, TEXTOID, -1,
												false, TYPALIGN_INT));
	values[7] = PointerGetDatum(construct_array(seconds, last_build.phases, FLOAT8OID, 8,
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
