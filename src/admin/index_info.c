/*
 * index_info.c
 *	  vector_index_info(), which the view vector_indexes calls for all indexes: what
 *	  each is like, by its metapage and PostgreSQL's counters, or by a walk.
 *
 * A view for monitoring must not fail, nor wait: an index that is damaged has a row
 * that says so, one that another session has locked (REINDEX) has one without
 * numbers.
 */
#include "admin/admin.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

#include "admin/cached_blocks.h"
#include "admin/index_report.h"
#include "hnsw/hnsw.h"
#include "index/as_owner.h"
#include "index/index_check.h"
#include "ivf/ivf.h"
#include "sparse/inverted.h"
#include "storage/slot_page.h"

#define LOCKED_PROBLEM	"index is locked by another session"
#define INVALID_PROBLEM	"index is not valid"
#define RECOVERY_PROBLEM	"index is not available during recovery"

/* One index of those asked for */
typedef struct Watched
{
	Oid			index;
	Oid			table;
	const char *problem;
	bool		unusable;		/* the problem is one that REINDEX mends */
	bool		known;			/* report has been filled in */
	IndexReport report;
	double		drift;
	CachedBlocks cached;
} Watched;

/* See admin.h */
bool
may_watch_index(Oid index, Oid table)
{
	return owns_relation(index) ||
		has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
		(pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		 check_enable_rls(table, InvalidOid, true) != RLS_ENABLED);
}

/* See admin.h */
Relation
open_index_at_once(Oid index, bool *locked)
{
	*locked = false;
	if (!ConditionalLockRelationOid(index, AccessShareLock))
	{
		*locked = true;
		return NULL;
	}
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(index)))
	{
		UnlockRelationOid(index, AccessShareLock);
		return NULL;
	}
	return index_open(index, NoLock);
}

/* See index_report.h */
void
report_option(IndexReport *report, const char *format,...)
{
	StringInfoData option;

	initStringInfo(&option);
	for (;;)
	{
		va_list		arguments;
		int			missing;

		va_start(arguments, format);
		missing = appendStringInfoVA(&option, format, arguments);
		va_end(arguments);
		if (missing == 0)
			break;
		enlargeStringInfo(&option, missing);
	}
	report->options = lappend(report->options, option.data);
}

/* See index_report.h */
double
value_blocks(double rows, uint32 slot_size)
{
	return slot_size == 0 ? 0 : ceil(rows / slot_geometry(PAGE_VALUE, slot_size).per_page);
}

/* ------------------------------------------------------------------------
 * What an index is like
 */

static void
init_report(IndexReport *report)
{
	memset(report, 0, sizeof(*report));
	report->dimensions = report->levels = report->lists = report->segments =
		REPORT_UNKNOWN;
	report->imbalance = report->pending_pages = report->hot_blocks =
		report->built_rows = report->rows = report->dead = REPORT_UNKNOWN;
}

typedef struct ReportArgument
{
	Relation	index;
	IndexReport *report;
} ReportArgument;

/*
 * Fill in a report; errors say what is wrong with the index.  As the table's owner,
 * who has chosen the functions in the index's expressions.
 */
static void
fill_report(void *argument)
{
	Relation	index = ((ReportArgument *) argument)->index;
	IndexReport *report = ((ReportArgument *) argument)->report;
	AsOwner		owner;
	BlockNumber pages;
	double		rows;
	double		visible;

	/* an index has its table's owner */
	as_owner_begin(&owner, index);
	report->blocks = RelationGetNumberOfBlocks(index);
	estimate_rel_size(index, NULL, &pages, &rows, &visible);
	report->rows = index->rd_rel->reltuples >= 0 ? rows : REPORT_UNKNOWN;
	if (index->rd_indam->ambuild == hnsw_build)
		report_hnsw(index, report);
	else if (index->rd_indam->ambuild == ivf_build)
		report_ivf(index, report);
	else
		report_sparse(index, report);
	report->hot_blocks = Max(report->hot_blocks, 0);
	as_owner_end(&owner);
}

/* Rows of a table that are live, or dead and not vacuumed, by its statistics */
static double
table_counter(PGFunction counter, Oid table)
{
	return (double) DatumGetInt64(DirectFunctionCall1(counter, ObjectIdGetDatum(table)));
}

static void
watch_index(Watched *watched, Relation index)
{
	ReportArgument argument = {index, &watched->report};
	ErrorData  *error;

	init_report(&watched->report);
	watched->cached.tag = relation_block_tag(index);
	watched->cached.local = RelationUsesLocalBuffers(index);
	error = index_error_of(fill_report, &argument);
	watched->known = error == NULL;
	if (error != NULL)
	{
		watched->problem = error->message;
		watched->unusable = true;
		init_report(&watched->report);
		watched->report.blocks = RelationGetNumberOfBlocks(index);
	}
	if (!index->rd_index->indisvalid)
	{
		watched->problem = INVALID_PROBLEM;
		watched->unusable = true;
	}

	/* an index that was built on an empty table has not been counted yet */
	if (watched->report.rows == REPORT_UNKNOWN && watched->known &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		watched->report.rows = table_counter(pg_stat_get_live_tuples, watched->table);
	watched->report.dead = table_counter(pg_stat_get_dead_tuples, watched->table) +
		Max(watched->report.dead, 0);
}

/* ------------------------------------------------------------------------
 * The walk
 */

static int64
count_of(const Verify *verify, const char *item)
{
	for (int i = 0; i < verify->count_count; i++)
	{
		if (strcmp(verify->counts[i].item, item) == 0)
			return verify->counts[i].value;
	}
	return 0;
}

/*
 * Count what an index has, entry by entry, as vector_index_check does, and how far
 * it has drifted.  heap and index are open.
 */
static void
walk_index(Watched *watched, Relation heap, Relation index)
{
	Verify		verify = {0};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "index walk",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	AsOwner		owner;
	IvfDriftSums drift = {0};

	as_owner_begin(&owner, heap);
	verify.heap = heap;
	verify.index = index;
	verify.methods = verify_methods_of(index);
	verify_index(&verify);
	if (index->rd_indam->ambuild == ivf_build && verify.violations == 0 &&
		ivf_kind_of(index) != IVF_EXACT)
		ivf_measure_drift(index, heap, &drift);
	as_owner_end(&owner);
	MemoryContextSwitchTo(caller);

	if (verify.violations > 0)
	{
		watched->problem = psprintf(INT64_FORMAT " violated invariants, which vector_index_check() lists",
									verify.violations);
		watched->unusable = true;
	}
	watched->report.rows = (double) count_of(&verify, "rows");
	watched->report.dead = (double) (count_of(&verify, "elements_deleted") +
									 count_of(&verify, "rows_dead")) +
		table_counter(pg_stat_get_dead_tuples, watched->table);
	if (drift.entries > 0)
		watched->report.imbalance = drift.imbalance;
	if (drift.built_error > 0 && drift.rows > 0)
		watched->drift = drift.error / drift.built_error;
	MemoryContextDelete(context);
}

/* ------------------------------------------------------------------------
 * Rows of the result
 */

#define INFO_COLUMNS	24

/* A row of the result that is being made */
typedef struct InfoRow
{
	Datum		values[INFO_COLUMNS];
	bool		nulls[INFO_COLUMNS];
	int			count;
} InfoRow;

static void
put_null(InfoRow *row)
{
	row->nulls[row->count++] = true;
}

static void
put(InfoRow *row, Datum value)
{
	Assert(row->count < INFO_COLUMNS);
	row->values[row->count++] = value;
}

static void
put_text(InfoRow *row, const char *text)
{
	if (text == NULL)
		put_null(row);
	else
		put(row, CStringGetTextDatum(text));
}

static void
put_int(InfoRow *row, int number)
{
	if (number == REPORT_UNKNOWN)
		put_null(row);
	else
		put(row, Int32GetDatum(number));
}

static void
put_bigint(InfoRow *row, double number)
{
	if (number < 0)
		put_null(row);
	else
		put(row, Int64GetDatum((int64) rint(number)));
}

static void
put_float(InfoRow *row, double number)
{
	if (isnan(number) || number < 0)
		put_null(row);
	else
		put(row, Float8GetDatum(number));
}

static void
put_options(InfoRow *row, const List *options)
{
	Datum	   *texts = (Datum *) palloc(Max(list_length(options), 1) * sizeof(Datum));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, options)
		texts[count++] = CStringGetTextDatum((const char *) lfirst(cell));
	put(row, PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false,
											 TYPALIGN_INT)));
}

/* What the catalogs say of an index: method, operator class, type */
static void
put_catalog(InfoRow *row, Oid index)
{
	HeapTuple	class = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	HeapTuple	column = SearchSysCache2(ATTNUM, ObjectIdGetDatum(index), Int16GetDatum(1));
	bool		isnull;

	if (!HeapTupleIsValid(class) || !HeapTupleIsValid(tuple) || !HeapTupleIsValid(column))
	{
		/* dropped at this very moment */
		put_null(row);
		put_null(row);
		put_null(row);
	}
	else
	{
		oidvector  *classes = (oidvector *)
			DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull));
		Form_pg_attribute attribute = (Form_pg_attribute) GETSTRUCT(column);
		HeapTuple	opclass = SearchSysCache1(CLAOID, ObjectIdGetDatum(classes->values[0]));

		put_text(row, get_am_name(((Form_pg_class) GETSTRUCT(class))->relam));
		put_text(row, HeapTupleIsValid(opclass)
				 ? NameStr(((Form_pg_opclass) GETSTRUCT(opclass))->opcname) : NULL);
		put_text(row, format_type_with_typemod(attribute->atttypid, attribute->atttypmod));
		if (HeapTupleIsValid(opclass))
			ReleaseSysCache(opclass);
	}
	if (HeapTupleIsValid(column))
		ReleaseSysCache(column);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (HeapTupleIsValid(class))
		ReleaseSysCache(class);
}

static void
put_watched(Watched *watched, Tuplestorestate *store, TupleDesc desc)
{
	const IndexReport *report = &watched->report;
	double		blocks = report->blocks;
	double		added = REPORT_UNKNOWN;
	InfoRow		row = {0};

	if (report->built_rows >= 0 && report->rows > 0)
		added = Max(1 - report->built_rows / report->rows, 0);
	put(&row, ObjectIdGetDatum(watched->index));
	put(&row, ObjectIdGetDatum(watched->table));
	put_catalog(&row, watched->index);
	put_int(&row, report->dimensions);
	put_options(&row, report->options);
	put_bigint(&row, report->rows);
	put_bigint(&row, report->dead);
	put_bigint(&row, blocks < 0 ? REPORT_UNKNOWN : blocks * BLCKSZ);
	put_float(&row, blocks >= 0 && report->rows > 0 ? blocks * BLCKSZ / report->rows : REPORT_UNKNOWN);
	put_int(&row, report->levels);
	put_int(&row, report->lists);
	put_float(&row, report->imbalance);
	put_int(&row, report->segments);
	put_bigint(&row, report->pending_pages);
	put_text(&row, report->quantizer);
	put_text(&row, report->rerank);
	put_bigint(&row, report->hot_blocks < 0 ? REPORT_UNKNOWN : report->hot_blocks * BLCKSZ);
	put_float(&row, blocks > 0 ? Min(watched->cached.count / blocks, 1) : REPORT_UNKNOWN);
	put_float(&row, added);
	put_float(&row, watched->drift);
	if (watched->problem != NULL && !watched->unusable)
		put_null(&row);
	else
		put(&row, BoolGetDatum(watched->unusable));
	put_text(&row, watched->problem);
	Assert(row.count == desc->natts);
	tuplestore_putvalues(store, desc, row.values, row.nulls);
}

/* ------------------------------------------------------------------------
 * The function
 */

/* Is it an index of ours that can be read?  Error where it is another's. */
static bool
is_watchable(Relation index)
{
	if (verify_methods_of(index) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not one of this extension's access methods",
						RelationGetRelationName(index))));
	return RELKIND_HAS_STORAGE(index->rd_rel->relkind) && !RELATION_IS_OTHER_TEMP(index);
}

/* Why an index has nothing that could be read, though nothing is damaged; or NULL */
static const char *
nothing_to_read(Relation index)
{
	if (!index->rd_index->indisready)
		return INVALID_PROBLEM;
	if (!RelationIsPermanent(index) && RecoveryInProgress())
		return RECOVERY_PROBLEM;
	return NULL;
}

/* Look at one index; false if there is nothing to be told of it, or to the caller. */
static bool
watch(Oid oid, bool walk, Watched *watched)
{
	Relation	heap = NULL;
	Relation	index;
	bool		locked;
	bool		watchable;

	memset(watched, 0, sizeof(*watched));
	init_report(&watched->report);
	watched->report.blocks = REPORT_UNKNOWN;
	watched->drift = REPORT_UNKNOWN;
	watched->index = oid;
	watched->table = IndexGetRelation(oid, true);
	if (!OidIsValid(watched->table) || !may_watch_index(oid, watched->table))
		return false;
	if (walk)
	{
		/* as for all: the table before the index */
		require_may_check(oid);
		heap = table_open(watched->table, AccessShareLock);
		index = index_open(oid, AccessShareLock);
	}
	else
	{
		index = open_index_at_once(oid, &locked);
		if (index == NULL)
		{
			watched->problem = LOCKED_PROBLEM;
			return locked;
		}
	}
	watchable = is_watchable(index) && index->rd_index->indrelid == watched->table;
	if (watchable)
	{
		watched->problem = nothing_to_read(index);
		watched->unusable = watched->problem != NULL && !index->rd_index->indisready;
		if (watched->problem == NULL)
			watch_index(watched, index);
		if (walk && watched->problem == NULL)
			walk_index(watched, heap, index);
	}
	index_close(index, walk ? NoLock : AccessShareLock);
	if (heap != NULL)
		table_close(heap, NoLock);
	return watchable;
}

/*
 * vector_index_info(indexes regclass[], walk boolean): a row for each index of ours
 * that the caller may see.  Locks each in access share mode for as long as it is
 * looked at, and, with walk, up to the end of the transaction.
 */
SQL_FUNCTION(vector_index_info)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	bool		walk = PG_GETARG_BOOL(1);
	TupleDesc	desc;
	Tuplestorestate *store = begin_set_result(fcinfo, &desc);
	Datum	   *oids;
	bool	   *nulls;
	int			count;
	int			watched_count = 0;
	Watched    *watched;
	CachedBlocks *cached;

	deconstruct_array(array, ARR_ELEMTYPE(array), sizeof(Oid), true, TYPALIGN_INT, &oids,
					  &nulls, &count);
	watched = (Watched *) palloc_extended(mul_size(Max(count, 1), sizeof(Watched)), MCXT_ALLOC_HUGE);
	cached = (CachedBlocks *) palloc_extended(mul_size(Max(count, 1), sizeof(CachedBlocks)), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nulls[i] && watch(DatumGetObjectId(oids[i]), walk, &watched[watched_count]))
		{
			cached[watched_count] = watched[watched_count].cached;
			watched_count++;
		}
	}
	count_cached_blocks(cached, watched_count);
	for (int i = 0; i < watched_count; i++)
	{
		watched[i].cached.count = cached[i].count;
		put_watched(&watched[i], store, desc);
	}
	return (Datum) 0;
}
