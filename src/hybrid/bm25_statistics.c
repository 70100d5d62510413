/*
 * bm25_statistics.c
 *	  The statistics of a set-up: how they change with a statement, and how
 *	  changes are merged.
 *
 * A statement leaves one row in the table of changes, whatever it did, so
 * statements of several sessions do not meet.  Every MERGE_EVERYth of them
 * merges what it sees, unless another transaction is merging: that is known by
 * SHARE UPDATE EXCLUSIVE lock on the table of changes, which is only tried here
 * and kept to the end of the transaction.  Readers add up both.
 *
 * All statements run as the role that runs the statement or the function.
 */
#include "hybrid/bm25.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MERGE_EVERY 64

/* -- statements and their plans ---------------------------------------------- */

/* two names whose every character is a quote, and a purpose */
#define PLAN_KEY (5 * NAMEDATALEN)

typedef struct PlanEntry
{
	char		key[PLAN_KEY];	/* purpose and the qualified table of settings */
	SPIPlanPtr	plan;
} PlanEntry;

static HTAB *plans = NULL;

/*
 * A query's plan, kept for the session.  The purpose says which query of a
 * set-up it is; PostgreSQL plans it anew where a table has changed.
 */
SPIPlanPtr
bm25_plan(const Bm25Tables *tables, const char *purpose, const char *query,
		  int nargs, Oid *types)
{
	char		key[PLAN_KEY] = {0};
	PlanEntry  *entry;
	bool		found;

	if (plans == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(key);
		control.entrysize = sizeof(PlanEntry);
		plans = hash_create("plans of bm25", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	snprintf(key, sizeof(key), "%s %s", purpose, tables->settings);
	entry = (PlanEntry *) hash_search(plans, key, HASH_FIND, &found);
	if (!found)
	{
		/* what is looked up does not change the plan: making one would take longer */
		SPIPlanPtr	plan = SPI_prepare_cursor(query, nargs, types,
											  CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", query,
				 SPI_result_code_string(SPI_result));
		entry = (PlanEntry *) hash_search(plans, key, HASH_ENTER, &found);
		entry->plan = plan;
	}
	return entry->plan;
}

void
bm25_execute(SPIPlanPtr plan, Datum *values, bool read_only)
{
	int			rc = SPI_execute_plan(plan, values, NULL, read_only, 0);

	if (rc < 0)
		elog(ERROR, "could not execute: %s", SPI_result_code_string(rc));
}

void
bm25_run(const char *query, bool read_only)
{
	int			rc = SPI_execute(query, read_only, 0);

	if (rc < 0)
		elog(ERROR, "could not execute \"%s\": %s", query,
			 SPI_result_code_string(rc));
}

/* A value of the last statement's result, rows from 0, columns from 1 */
Datum
bm25_result(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/* -- merging ------------------------------------------------------------------- */

/*
 * The statement that adds the visible changes to the counts.  Who executes it
 * holds SHARE UPDATE EXCLUSIVE lock on the table of changes, or a stronger one,
 * since before its snapshot was taken.
 */
char *
bm25_merge_statement(const Bm25Tables *tables)
{
	return psprintf("WITH gone AS (DELETE FROM %s RETURNING documents, total_length, terms, counts), "
					"term AS (SELECT u.id, sum(u.n)::bigint AS n FROM gone g CROSS JOIN LATERAL unnest(g.terms, g.counts) AS u(id, n) "
					"GROUP BY u.id HAVING sum(u.n) <> 0), "
					"merged AS (UPDATE %s t SET documents = t.documents + term.n FROM term WHERE t.id = term.id) "
					"UPDATE %s s SET documents = s.documents + g.documents, total_length = s.total_length + g.total_length, "
					"average_length = coalesce(s.average_length, (s.total_length + g.total_length)::double precision / nullif(s.documents + g.documents, 0)) "
					"FROM (SELECT coalesce(sum(documents), 0)::bigint AS documents, coalesce(sum(total_length), 0)::bigint AS total_length FROM gone) g",
					tables->changes, tables->terms, tables->settings);
}

static bool
may(Oid table, AclMode mode)
{
	return OidIsValid(table) &&
		pg_class_aclcheck(table, GetUserId(), mode) == ACLCHECK_OK;
}

/*
 * Merge, if this role may and nobody else is merging.  Not in a transaction
 * with a snapshot of its own, in which it could fail.
 */
static void
merge_if_free(const Bm25Tables *tables)
{
	Oid			changes;

	if (IsolationUsesXactSnapshot())
		return;
	changes = get_relname_relid(makeObjectName(tables->name, NULL, "changes"),
								tables->schema);
	if (!may(changes, ACL_DELETE) ||
		!may(get_relname_relid(makeObjectName(tables->name, NULL, "terms"),
							   tables->schema), ACL_UPDATE) ||
		!may(get_relname_relid(tables->name, tables->schema), ACL_UPDATE) ||
		!ConditionalLockRelationOid(changes, ShareUpdateExclusiveLock))
		return;
	bm25_run(bm25_merge_statement(tables), false);
}

/* -- the statement triggers ------------------------------------------------------ */

static void
count_change(FunctionCallInfo fcinfo, TriggerData *trigger,
			 const Bm25Tables *tables)
{
	const char *columns = psprintf("%s AS v, %s AS l",
								   quote_identifier(trigger->tg_trigger->tgargs[BM25_ARG_VECTOR]),
								   quote_identifier(trigger->tg_trigger->tgargs[BM25_ARG_LENGTH]));
	const char *extension = quote_identifier(get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	const char *rows;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		rows = psprintf("SELECT 1 AS sign, %s FROM bm25_new", columns);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		rows = psprintf("SELECT -1 AS sign, %s FROM bm25_old", columns);
	else
		/* what has not changed goes before its terms are looked at */
		rows = psprintf("SELECT sum(r.sign)::integer AS sign, r.v, r.l FROM (SELECT 1 AS sign, %s FROM bm25_new "
						"UNION ALL SELECT -1, %s FROM bm25_old) r GROUP BY r.v, r.l HAVING sum(r.sign) <> 0",
						columns, columns);
	if (SPI_register_trigger_data(trigger) < 0)
		elog(ERROR, "could not register transition tables");
	bm25_run(psprintf("WITH changed AS MATERIALIZED (SELECT * FROM (%s) r WHERE v IS NOT NULL), "
					  "term AS (SELECT u.id, sum(c.sign)::integer AS n FROM changed c "
					  "CROSS JOIN LATERAL unnest(%s.sparsevec_indices(c.v)) AS u(id) GROUP BY u.id HAVING sum(c.sign) <> 0) "
					  "INSERT INTO %s (documents, total_length, terms, counts) "
					  "SELECT d.documents, d.total_length, coalesce(t.ids, '{}'), coalesce(t.ns, '{}') "
					  "FROM (SELECT coalesce(sum(sign), 0) AS documents, coalesce(sum(sign * l::bigint), 0) AS total_length FROM changed) d, "
					  "(SELECT array_agg(id) AS ids, array_agg(n) AS ns FROM term) t "
					  "WHERE d.documents <> 0 OR d.total_length <> 0 OR t.ids IS NOT NULL RETURNING id::bigint",
					  rows, extension, tables->changes),
			 false);
	if (SPI_processed > 0)
	{
		bool		isnull;

		if (DatumGetInt64(bm25_result(0, 1, &isnull)) % MERGE_EVERY == 0)
			merge_if_free(tables);
	}
}

/* No document is left: nobody else writes, for TRUNCATE holds the table alone. */
static void
forget_all(const Bm25Tables *tables)
{
	bm25_run(psprintf("DELETE FROM %s", tables->changes), false);
	bm25_run(psprintf("UPDATE %s SET documents = 0 WHERE documents <> 0", tables->terms), false);
	bm25_run(psprintf("UPDATE %s SET documents = 0, total_length = 0", tables->settings), false);
}

/*
 * Trigger after a statement has inserted, updated or deleted rows, with
 * transition tables bm25_old and bm25_new, or after TRUNCATE.
 */
SQL_FUNCTION(bm25_statistics)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Bm25Tables	tables;
	int			level;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs <= BM25_ARG_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s is a trigger that bm25_setup makes", "bm25_statistics")));
	bm25_name_tables(&tables, RelationGetNamespace(trigger->tg_relation),
					 trigger->tg_trigger->tgargs[BM25_ARG_NAME]);

	level = bm25_restrict();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		forget_all(&tables);
	else
		count_change(fcinfo, trigger, &tables);
	SPI_finish();
	bm25_unrestrict(level);
	PG_RETURN_POINTER(NULL);
}
