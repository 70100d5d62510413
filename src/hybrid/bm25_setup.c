/*
 * bm25_setup.c
 *	  To set BM25 up on a table, to bring it up to date, and to take it away.
 *
 * What a set-up is made of is plain SQL, which bm25_setup returns and, unless
 * it is a dry run, executes as the role that calls it.  A set-up is found again
 * by its row trigger, whose function is known by its address.
 */
#include "hybrid/bm25.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_ts_config.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tsearch/ts_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "catalog/pg_type.h"

/* -- finding ------------------------------------------------------------------- */

/* The tables of the set-up whose table of settings has a name in a schema */
void
bm25_name_tables(Bm25Tables *tables, Oid schema, const char *name)
{
	const char *schema_name = get_namespace_name(schema);

	tables->schema = schema;
	tables->name = pstrdup(name);
	tables->settings = quote_qualified_identifier(schema_name, name);
	tables->terms = quote_qualified_identifier(schema_name, makeObjectName(name, NULL, "terms"));
	tables->changes = quote_qualified_identifier(schema_name, makeObjectName(name, NULL, "changes"));
}

static bool
is_document_function(Oid function)
{
	FmgrInfo	info;

	fmgr_info(function, &info);
	return info.fn_addr == bm25_document;
}

/* A trigger that may be a set-up's, copied: its function and arguments */
typedef struct SetupTrigger
{
	Oid			function;
	char	   *vector_column;
	char	   *length_column;
	char	   *name;
} SetupTrigger;

/*
 * The triggers of a table with this column for their first argument.  Copies:
 * looking functions up can have the relation's own read anew.
 */
static List *
setup_triggers(const TriggerDesc *triggers, const char *column)
{
	List	   *found = NIL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		SetupTrigger *copy;

		if (trigger->tgnargs <= BM25_ARG_SOURCES ||
			strcmp(trigger->tgargs[BM25_ARG_VECTOR], column) != 0)
			continue;
		copy = (SetupTrigger *) palloc(sizeof(SetupTrigger));
		copy->function = trigger->tgfoid;
		copy->vector_column = pstrdup(trigger->tgargs[BM25_ARG_VECTOR]);
		copy->length_column = pstrdup(trigger->tgargs[BM25_ARG_LENGTH]);
		copy->name = pstrdup(trigger->tgargs[BM25_ARG_NAME]);
		found = lappend(found, copy);
	}
	return found;
}

/*
 * The set-up of a table whose vectors are in a column.  Error where there is
 * none.  Keeps ACCESS SHARE lock on the table.
 */
void
bm25_find(Bm25Setup *setup, Oid table, const char *column)
{
	Relation	rel = table_open(table, AccessShareLock);
	List	   *triggers = setup_triggers(rel->trigdesc, column);
	SetupTrigger *found = NULL;
	ListCell   *cell;

	foreach(cell, triggers)
	{
		SetupTrigger *trigger = (SetupTrigger *) lfirst(cell);

		if (found == NULL && is_document_function(trigger->function))
			found = trigger;
	}
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no set-up of BM25 with vectors in a column \"%s\"",
						RelationGetRelationName(rel), column),
				 errhint("Call bm25_setup first, and give its vector_column.")));
	setup->table = table;
	setup->vector_column = found->vector_column;
	setup->length_column = found->length_column;
	bm25_name_tables(&setup->tables, RelationGetNamespace(rel), found->name);
	table_close(rel, NoLock);
}

static char *
qualified_table(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
									  get_rel_name(table));
}

/* -- statements ------------------------------------------------------------------ */

/*
 * From here to bm25_unrestrict, and at the latest to the end of the
 * (sub)transaction, search_path is pg_catalog alone, so that no object of
 * another schema takes the place of one that a statement means.
 */
int
bm25_restrict(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
bm25_unrestrict(int level)
{
	AtEOXact_GUC(true, level);
}

static void
run_restricted(List *statements)
{
	int			level = bm25_restrict();
	ListCell   *cell;

	foreach(cell, statements)
		bm25_run((const char *) lfirst(cell), false);
	bm25_unrestrict(level);
}

static text *
script_of(List *statements)
{
	StringInfoData script;
	ListCell   *cell;

	initStringInfo(&script);
	foreach(cell, statements)
		appendStringInfo(&script, "%s%s;", script.len > 0 ? "\n" : "", (const char *) lfirst(cell));
	return cstring_to_text_with_len(script.data, script.len);
}

/* -- bm25_setup -------------------------------------------------------------------- */

typedef struct NewSetup
{
	Oid			table;
	Relation	rel;
	Oid			extension;		/* schema */
	int			nsources;
	char	  **sources;
	bool	   *is_vector;		/* tsvector */
	char	   *config;			/* qualified name */
	double		k1;
	double		b;
	char	   *vector_column;
	char	   *length_column;
	char	   *name;
	Bm25Tables	tables;
} NewSetup;

static void
check_table(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		rel->rd_rel->relhassubclass || has_superclass(RelationGetRelid(rel)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot set BM25 up on \"%s\"", RelationGetRelationName(rel)),
				 errdetail("It must be an ordinary table without partitions, parents or children.")));
}

static void
check_source(NewSetup *setup, int i)
{
	AttrNumber	number = get_attnum(setup->table, setup->sources[i]);
	Form_pg_attribute att;

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of \"%s\" does not exist", setup->sources[i],
						RelationGetRelationName(setup->rel))));
	att = TupleDescAttr(RelationGetDescr(setup->rel), number - 1);
	if (!bm25_type_is_document(att->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, which is neither text nor tsvector",
						setup->sources[i], format_type_be(att->atttypid))));
	if (att->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is generated", setup->sources[i]),
				 errdetail("Its value is not known yet when the triggers of a row run."),
				 errhint("Name the columns that it is made from.")));
	setup->is_vector[i] = getBaseType(att->atttypid) == TSVECTOROID;
}

static char *
config_name(Oid config)
{
	HeapTuple	tuple = SearchSysCache1(TSCONFIGOID, ObjectIdGetDatum(config));
	Form_pg_ts_config form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no text search configuration %u", config)));
	form = (Form_pg_ts_config) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->cfgnamespace), NameStr(form->cfgname));
	ReleaseSysCache(tuple);
	return name;
}

static void
check_parameters(double k1, double b)
{
	if (!(k1 >= 0 && k1 <= 1000))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k1 must be between 0 and 1000")));
	if (!(b >= 0 && b <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("b must be between 0 and 1")));
}

/* The number of words of a row, as an expression; NULL where all text is */
static char *
length_expression(const NewSetup *setup)
{
	const char *extension = quote_identifier(get_namespace_name(setup->extension));
	StringInfoData nonnull,
				sum;

	initStringInfo(&nonnull);
	initStringInfo(&sum);
	for (int i = 0; i < setup->nsources; i++)
	{
		const char *column = quote_identifier(setup->sources[i]);

		appendStringInfo(&nonnull, "%s%s", i ? ", " : "", column);
		if (setup->is_vector[i])
			appendStringInfo(&sum, "%scoalesce(%s.bm25_length(%s), 0)", i ? " + " : "", extension, column);
		else
			appendStringInfo(&sum, "%scoalesce(%s.bm25_length(%s::regconfig, %s::text), 0)", i ? " + " : "",
							 extension, quote_literal_cstr(setup->config), column);
	}
	return psprintf("CASE WHEN num_nonnulls(%s) > 0 THEN %s END", nonnull.data, sum.data);
}

static char *
trigger_statement(const NewSetup *setup, const char *suffix, const char *event,
				  const char *references, const char *function, bool sources)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfo(&s, "CREATE TRIGGER %s %s ON %s%s FOR EACH %s EXECUTE FUNCTION %s.%s(%s, %s, %s",
					 quote_identifier(makeObjectName(setup->name, NULL, suffix)), event,
					 qualified_table(setup->table), references, sources ? "ROW" : "STATEMENT",
					 quote_identifier(get_namespace_name(setup->extension)), function,
					 quote_literal_cstr(setup->vector_column), quote_literal_cstr(setup->length_column),
					 quote_literal_cstr(setup->name));
	for (int i = 0; sources && i < setup->nsources; i++)
		appendStringInfo(&s, ", %s", quote_literal_cstr(setup->sources[i]));
	appendStringInfoChar(&s, ')');
	return s.data;
}

/* The statements before the one that writes the vectors */
static List *
setup_statements(const NewSetup *setup)
{
	const Bm25Tables *t = &setup->tables;
	const char *table = qualified_table(setup->table);
	const char *kind = setup->rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED TABLE" : "TABLE";
	List	   *list = NIL;

	list = lappend(list, psprintf("CREATE %s %s (config text NOT NULL, k1 double precision NOT NULL, b double precision NOT NULL, "
								  "average_length double precision, documents bigint NOT NULL DEFAULT 0, total_length bigint NOT NULL DEFAULT 0)",
								  kind, t->settings));
	list = lappend(list, psprintf("CREATE %s %s (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "
								  "term text COLLATE \"C\" NOT NULL, documents bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70)",
								  kind, t->terms));
	list = lappend(list, psprintf("CREATE INDEX ON %s (term, id)", t->terms));
	list = lappend(list, psprintf("CREATE %s %s (id bigint GENERATED BY DEFAULT AS IDENTITY, documents bigint NOT NULL, "
								  "total_length bigint NOT NULL, terms integer[] NOT NULL, counts integer[] NOT NULL)",
								  kind, t->changes));
	/* without, a publication of all tables would have every merge fail */
	list = lappend(list, psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t->settings));
	list = lappend(list, psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t->changes));
	list = lappend(list, psprintf("INSERT INTO %s (config, k1, b, average_length) SELECT %s, %s, %s, "
								  "nullif(avg(l), 0)::double precision FROM (SELECT %s AS l FROM %s) d",
								  t->settings, quote_literal_cstr(setup->config),
								  DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(setup->k1))),
								  DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(setup->b))),
								  length_expression(setup), table));
	list = lappend(list, psprintf("ALTER TABLE %s ADD COLUMN %s %s.sparsevec(%d), ADD COLUMN %s integer", table,
								  quote_identifier(setup->vector_column),
								  quote_identifier(get_namespace_name(setup->extension)), BM25_DIMS,
								  quote_identifier(setup->length_column)));
	return lappend(list, trigger_statement(setup, "document", "BEFORE INSERT OR UPDATE", "", "bm25_document", true));
}

/*
 * Those behind it: what there is is counted at once, which takes a part of the time
 * and none of the space that the triggers of a statement on all rows would take.
 */
static List *
statistics_statements(const NewSetup *setup)
{
	const Bm25Tables *t = &setup->tables;
	const char *table = qualified_table(setup->table);
	const char *vector = quote_identifier(setup->vector_column);
	List	   *list = NIL;

	list = lappend(list, psprintf("UPDATE %s t SET documents = c.n FROM (SELECT u.id, count(*) AS n FROM %s d "
								  "CROSS JOIN LATERAL unnest(%s.sparsevec_indices(d.%s)) AS u(id) GROUP BY u.id) c WHERE t.id = c.id",
								  t->terms, table, quote_identifier(get_namespace_name(setup->extension)), vector));
	list = lappend(list, psprintf("UPDATE %s SET documents = d.n, total_length = d.l FROM (SELECT count(%s) AS n, "
								  "coalesce(sum(%s), 0) AS l FROM %s) d",
								  t->settings, vector, quote_identifier(setup->length_column), table));
	list = lappend(list, trigger_statement(setup, "insert", "AFTER INSERT", " REFERENCING NEW TABLE AS bm25_new", "bm25_statistics", false));
	list = lappend(list, trigger_statement(setup, "update", "AFTER UPDATE", " REFERENCING OLD TABLE AS bm25_old NEW TABLE AS bm25_new", "bm25_statistics", false));
	list = lappend(list, trigger_statement(setup, "delete", "AFTER DELETE", " REFERENCING OLD TABLE AS bm25_old", "bm25_statistics", false));
	return lappend(list, trigger_statement(setup, "truncate", "AFTER TRUNCATE", "", "bm25_statistics", false));
}

static char *
rewrite_statement(Oid table, const char *vector_column)
{
	return psprintf("UPDATE %s SET %s = NULL", qualified_table(table), quote_identifier(vector_column));
}

static void
read_sources(NewSetup *setup, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &setup->nsources);
	if (setup->nsources == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no column is given"),
				 errhint("Name the columns of text, as in ARRAY['title', 'body'].")));
	setup->sources = (char **) palloc(sizeof(char *) * setup->nsources);
	setup->is_vector = (bool *) palloc0(sizeof(bool) * setup->nsources);
	for (int i = 0; i < setup->nsources; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the name of a column must not be null")));
		setup->sources[i] = TextDatumGetCString(elements[i]);
		check_source(setup, i);
	}
}

/*
 * What is locked against others must be seen as it is then.  A transaction with a
 * snapshot of before would not see what they had committed: no vector is written for
 * these rows, and they are counted nowhere.
 */
static void
check_isolation(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that keeps its first snapshot", function),
				 errhint("Call it in a transaction of isolation level READ COMMITTED.")));
}

/*
 * bm25_setup(table, columns, config, k1, b, vector_column, dry_run): the
 * statements of the set-up, executed unless it is a dry run.
 */
SQL_FUNCTION(bm25_setup)
{
	NewSetup	setup = {0};
	bool		dry_run;
	List	   *statements;
	List	   *statistics;
	text	   *script;

	for (int i = 0; i < PG_NARGS(); i++)
		if (i != 2 && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("arguments of bm25_setup must not be null")));
	setup.table = PG_GETARG_OID(0);
	setup.rel = table_open(setup.table, AccessShareLock);
	setup.extension = get_func_namespace(fcinfo->flinfo->fn_oid);
	check_table(setup.rel);
	read_sources(&setup, PG_GETARG_ARRAYTYPE_P(1));
	setup.config = config_name(PG_ARGISNULL(2) ? getTSCurrentConfig(true) : PG_GETARG_OID(2));
	setup.k1 = PG_GETARG_FLOAT8(3);
	setup.b = PG_GETARG_FLOAT8(4);
	check_parameters(setup.k1, setup.b);
	setup.vector_column = pstrdup(NameStr(*PG_GETARG_NAME(5)));
	setup.length_column = makeObjectName(setup.vector_column, NULL, "length");
	setup.name = makeObjectName(RelationGetRelationName(setup.rel), setup.vector_column, NULL);
	bm25_name_tables(&setup.tables, RelationGetNamespace(setup.rel), setup.name);
	dry_run = PG_GETARG_BOOL(6);
	if (!dry_run)
		check_isolation("bm25_setup");

	statements = setup_statements(&setup);
	statistics = statistics_statements(&setup);
	script = script_of(list_concat(lappend(list_copy(statements), rewrite_statement(setup.table, setup.vector_column)),
								   statistics));
	/* ALTER TABLE must find nobody else, this session included, at the table. */
	table_close(setup.rel, NoLock);
	if (!dry_run)
	{
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		/* Between the average and the triggers nobody may write. */
		statements = lcons(psprintf("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", qualified_table(setup.table)), statements);
		run_restricted(statements);
		bm25_run(rewrite_statement(setup.table, setup.vector_column), false);
		run_restricted(statistics);
		SPI_finish();
	}
	PG_RETURN_TEXT_P(script);
}

/* -- bm25_drop ------------------------------------------------------------------------ */

/* bm25_drop(table, vector_column, dry_run): likewise, to take a set-up away */
SQL_FUNCTION(bm25_drop)
{
	Bm25Setup	setup;
	List	   *list = NIL;
	const char *table;
	text	   *script;

	bm25_find(&setup, PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
	table = qualified_table(setup.table);
	for (int i = 0; i < 5; i++)
	{
		static const char *const suffixes[] = {"document", "insert", "update", "delete", "truncate"};

		list = lappend(list, psprintf("DROP TRIGGER %s ON %s",
									  quote_identifier(makeObjectName(setup.tables.name, NULL, suffixes[i])), table));
	}
	list = lappend(list, psprintf("ALTER TABLE %s DROP COLUMN %s, DROP COLUMN %s", table,
								  quote_identifier(setup.vector_column), quote_identifier(setup.length_column)));
	list = lappend(list, psprintf("DROP TABLE %s, %s, %s", setup.tables.settings, setup.tables.terms, setup.tables.changes));
	script = script_of(list);
	if (!PG_GETARG_BOOL(2))
	{
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		run_restricted(list);
		SPI_finish();
	}
	PG_RETURN_TEXT_P(script);
}

/* -- bm25_refresh --------------------------------------------------------------------- */

/*
 * bm25_refresh(table, vector_column, tolerance): merge what statements have
 * changed, and, where the average length in use is off by more than the
 * tolerance (a share of it), take the true one and write all vectors anew.
 * Writers of the table wait; readers do not.  Returns the number of rows that
 * were written.
 */
SQL_FUNCTION(bm25_refresh)
{
	Bm25Setup	setup;
	double		tolerance = PG_GETARG_FLOAT8(2);
	double		used;
	double		current;
	bool		was_null;
	bool		isnull;
	int64		written = 0;

	if (isnan(tolerance))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tolerance must be a number")));
	check_isolation("bm25_refresh");
	bm25_find(&setup, PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run_restricted(list_make2(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", qualified_table(setup.table)),
							  psprintf("LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE", setup.tables.changes)));
	/* the average in use before the merge, which sets it where there is none */
	run_restricted(list_make1(psprintf("SELECT average_length::double precision FROM %s", setup.tables.settings)));
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("table %s has not one row", setup.tables.settings)));
	used = DatumGetFloat8(bm25_result(0, 1, &was_null));
	run_restricted(list_make1(bm25_merge_statement(&setup.tables)));
	run_restricted(list_make1(psprintf("SELECT total_length::double precision / nullif(documents, 0) FROM %s",
									   setup.tables.settings)));
	current = DatumGetFloat8(bm25_result(0, 1, &isnull));
	if (!isnull && current > 0 &&
		(was_null || tolerance < 0 || fabs(current - used) > tolerance * used))
	{
		run_restricted(list_make1(psprintf("UPDATE %s SET average_length = total_length::double precision / documents",
										   setup.tables.settings)));
		bm25_run(rewrite_statement(setup.table, setup.vector_column), false);
		written = (int64) SPI_processed;
	}
	SPI_finish();
	PG_RETURN_INT64(written);
}
