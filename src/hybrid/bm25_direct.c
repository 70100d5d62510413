/*
 * bm25_direct.c
 *	  What a query needs of a set-up's tables, read from them without a statement.
 *
 * A statement through SPI takes many times as long as finding a handful of words
 * by their index.  So tables that are as bm25_setup has made them are scanned here,
 * by the caller's snapshot.  For what a statement would do differently, nothing is
 * read and false returned, and bm25_query makes the statement, which has the same
 * result, or the error that is due:
 *
 * - a table, column or index that is not there any more, or is another kind;
 * - a role that has not the right to read a whole table, or to use its schema;
 * - policies of row security;
 * - an extension that wants to be asked for each statement (ExecutorCheckPerms_hook).
 *
 * All of this is asked of PostgreSQL's caches of relations and catalogs, which others'
 * changes reach by themselves.  Which tables and columns they are is kept from one call
 * to the next until one of these changes; what a role may do is asked each time.
 */
#include "hybrid/bm25.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "math/heap/heap.h"

/* -- are the tables as they were made? ---------------------------------------- */

/* The attribute of a name and type, or 0 */
static AttrNumber
attribute_of(Relation rel, const char *name, Oid type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->atttypid == type &&
			att->attgenerated == '\0' && strcmp(NameStr(att->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

/* Can an open table be read as it is, by the current role? */
static bool
is_plain(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		!rel->rd_rel->relhassubclass && !rel->rd_rel->relrowsecurity &&
		!RELATION_IS_OTHER_TEMP(rel) &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/*
 * Open a table of the set-up, and say whether it can be read as it is.  NULL if there
 * is none; else its lock is kept to the end of the transaction, as a statement's.
 */
static Relation
open_table(Oid schema, const char *name, bool *plain)
{
	Oid			table = get_relname_relid(name, schema);
	Relation	rel = OidIsValid(table) ? try_relation_open(table, AccessShareLock) : NULL;

	/* before the lock was had, another may have got the name */
	if (rel == NULL || RelationGetNamespace(rel) != schema ||
		strcmp(RelationGetRelationName(rel), name) != 0 || !is_plain(rel))
		*plain = false;
	return rel;
}

/* A B-tree whose first column terms are, as text of the collation "C" */
static bool
finds_terms(Relation index, AttrNumber term)
{
	Form_pg_index form = index->rd_index;

	return index->rd_rel->relam == BTREE_AM_OID && form->indisvalid &&
		!form->indcheckxmin && form->indkey.values[0] == term &&
		index->rd_opfamily[0] == TEXT_BTREE_FAM_OID &&
		index->rd_indcollation[0] == C_COLLATION_OID &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

static Relation
open_index(Relation terms, AttrNumber term)
{
	List	   *indexes = RelationGetIndexList(terms);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (finds_terms(index, term))
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

/* The columns of the tables, which are open; false if one is not as it was made */
static bool
find_columns(Bm25Direct *direct)
{
	Bm25Columns *columns = &direct->columns;

	columns->config = attribute_of(direct->settings, "config", TEXTOID);
	columns->documents = attribute_of(direct->settings, "documents", INT8OID);
	columns->term = attribute_of(direct->terms, "term", TEXTOID);
	columns->term_id = attribute_of(direct->terms, "id", INT4OID);
	columns->term_documents = attribute_of(direct->terms, "documents", INT8OID);
	columns->changed_documents = attribute_of(direct->changes, "documents", INT8OID);
	columns->changed_terms = attribute_of(direct->changes, "terms", INT4ARRAYOID);
	columns->changed_counts = attribute_of(direct->changes, "counts", INT4ARRAYOID);
	return columns->config && columns->documents && columns->term &&
		columns->term_id && columns->term_documents && columns->changed_documents &&
		columns->changed_terms && columns->changed_counts &&
		TupleDescAttr(RelationGetDescr(direct->terms),
					  columns->term - 1)->attcollation == C_COLLATION_OID;
}

/* -- what is kept from one call to the next -------------------------------------- */

/* A set-up whose tables were as they were made, until something changes */
typedef struct KeptSetup
{
	bool		valid;
	NameData	column;			/* of the vectors, */
	Oid			table;			/* of this one */
	Oid			schema;
	Oid			settings;
	Oid			terms;
	Oid			changes;
	Oid			index;
	Bm25Columns columns;
} KeptSetup;

#define MOST_KEPT	16

static KeptSetup kept[MOST_KEPT];
static uint64 changes;			/* that have been heard of so far */

/* A RelcacheCallbackFunction */
static void
forget_relation(Datum arg, Oid relation)
{
	changes++;
	for (int i = 0; i < MOST_KEPT; i++)
	{
		const KeptSetup *setup = &kept[i];

		if (relation == InvalidOid || relation == setup->table ||
			relation == setup->settings || relation == setup->terms ||
			relation == setup->changes || relation == setup->index)
			kept[i].valid = false;
	}
}

/* A SyscacheCallbackFunction: the trigger's function may be another one now */
static void
forget_all(Datum arg, int cache, uint32 hash)
{
	forget_relation((Datum) 0, InvalidOid);
}

/*
 * Keep what has been found of a set-up, whose tables are open.  Where there is no
 * room, one after the other is replaced.
 */
static void
keep_setup(const Bm25Direct *direct, const Bm25Setup *found)
{
	static int	next = 0;
	KeptSetup  *setup = &kept[next];

	next = (next + 1) % MOST_KEPT;
	setup->table = found->table;
	namestrcpy(&setup->column, found->vector_column);
	setup->schema = found->tables.schema;
	setup->settings = RelationGetRelid(direct->settings);
	setup->terms = RelationGetRelid(direct->terms);
	setup->changes = RelationGetRelid(direct->changes);
	setup->index = RelationGetRelid(direct->index);
	setup->columns = direct->columns;
	setup->valid = true;
}

static const KeptSetup *
find_kept(Oid table, const char *column)
{
	for (int i = 0; i < MOST_KEPT; i++)
	{
		if (kept[i].valid && kept[i].table == table &&
			strcmp(NameStr(kept[i].column), column) == 0)
			return &kept[i];
	}
	return NULL;
}

/* Can the current role have tables read in a schema without a statement? */
static bool
may_read(Oid schema)
{
	return ExecutorCheckPerms_hook == NULL && ActiveSnapshotSet() && may_use_schema(schema);
}

void
bm25_direct_end(Bm25Direct *direct)
{
	if (direct->index != NULL)
		relation_close(direct->index, NoLock);
	if (direct->changes != NULL)
		relation_close(direct->changes, NoLock);
	if (direct->terms != NULL)
		relation_close(direct->terms, NoLock);
	if (direct->settings != NULL)
		relation_close(direct->settings, NoLock);
}

/* Find a set-up, and open its tables.  False if they have to be read by statements. */
static bool
open_found(Bm25Direct *direct, Oid table, const char *column)
{
	uint64		before = changes;
	bool		plain = true;
	Bm25Setup	setup;
	const Bm25Tables *tables = &setup.tables;

	bm25_find(&setup, table, column);
	if (!may_read(tables->schema))
		return false;
	direct->settings = open_table(tables->schema, tables->name, &plain);
	direct->terms = open_table(tables->schema, makeObjectName(tables->name, NULL, "terms"), &plain);
	direct->changes = open_table(tables->schema, makeObjectName(tables->name, NULL, "changes"), &plain);
	if (!plain || !find_columns(direct))
		return false;
	direct->index = open_index(direct->terms, direct->columns.term);
	if (direct->index == NULL)
		return false;
	/* what has changed meanwhile may be something that had been looked at */
	if (changes == before)
		keep_setup(direct, &setup);
	return true;
}

/*
 * Open the tables of a set-up that is kept, if it is, and still as it was.  Locks are
 * those that open_found takes.
 *
 * Getting a lock has others' changes of before heard of; so what is valid when all
 * are had is true to the end.  An index is not dropped while its table is locked.
 */
static bool
open_kept(Bm25Direct *direct, Oid table, const char *column)
{
	const KeptSetup *setup = find_kept(table, column);

	if (setup == NULL || !may_read(setup->schema))
		return false;
	LockRelationOid(table, AccessShareLock);
	direct->settings = try_relation_open(setup->settings, AccessShareLock);
	direct->terms = try_relation_open(setup->terms, AccessShareLock);
	direct->changes = try_relation_open(setup->changes, AccessShareLock);
	direct->index = try_relation_open(setup->index, AccessShareLock);
	direct->columns = setup->columns;
	return setup->valid && direct->settings != NULL && direct->terms != NULL &&
		direct->changes != NULL && direct->index != NULL &&
		is_plain(direct->settings) && is_plain(direct->terms) &&
		is_plain(direct->changes);
}

/*
 * Open the tables of the set-up of a table and column, whose locks are kept to the end
 * of the transaction; error where there is none.  False, and none is open, if they have
 * to be read by statements; else bm25_direct_end follows.
 */
bool
bm25_direct_begin(Bm25Direct *direct, Oid table, const char *column)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, forget_all, (Datum) 0);
		registered = true;
	}
	memset(direct, 0, sizeof(Bm25Direct));
	if (open_kept(direct, table, column))
		return true;
	bm25_direct_end(direct);
	memset(direct, 0, sizeof(Bm25Direct));
	if (open_found(direct, table, column))
		return true;
	bm25_direct_end(direct);
	return false;
}

/* -- reading -------------------------------------------------------------------- */

/*
 * A text search configuration by the name that the set-up has it under.  InvalidOid
 * if that is not a schema and a name, so that a search path has to tell.
 */
static Oid
configuration_named(const text *name)
{
	List	   *names = qualified_name_list(text_to_cstring(name));

	return list_length(names) == 2 ? get_ts_config_oid(names, true) : InvalidOid;
}

/*
 * The configuration of a set-up, and the documents that are merged.  False if a
 * statement has to say what is wrong with its table.
 */
bool
bm25_direct_settings(Bm25Direct *direct, Oid *configuration, double *documents)
{
	TupleTableSlot *slot = table_slot_create(direct->settings, NULL);
	TableScanDesc scan = table_beginscan(direct->settings, GetActiveSnapshot(), 0, NULL);
	int			rows = 0;
	bool		whole = true;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		null_config;
		bool		null_documents;
		Datum		config = slot_getattr(slot, direct->columns.config, &null_config);

		*documents = (double) DatumGetInt64(slot_getattr(slot, direct->columns.documents, &null_documents));
		if (null_config || null_documents || rows++ > 0)
			whole = false;
		else
			*configuration = configuration_named(DatumGetTextPP(config));
		if (!whole)
			break;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return whole && rows == 1 && OidIsValid(*configuration);
}

/* Rows of the table of terms that have a term: their numbers, and documents merged */
static void
find_term(Bm25Direct *direct, IndexScanDesc scan, TupleTableSlot *slot,
		  const Bm25Term *term, int place, Bm25Numbers *numbers)
{
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   C_COLLATION_OID, F_TEXTEQ,
						   PointerGetDatum(cstring_to_text_with_len(term->word, term->length)));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool		null_id;
		bool		null_documents;
		int32		id = DatumGetInt32(slot_getattr(slot, direct->columns.term_id, &null_id));
		int64		documents = DatumGetInt64(slot_getattr(slot, direct->columns.term_documents, &null_documents));

		if (!null_id && !null_documents)
			bm25_add_number(numbers, place, id, (double) documents);
	}
}

/* The numbers of terms, each with the documents that have it, merged. */
static void
find_terms(Bm25Direct *direct, const Bm25Terms *terms, Bm25Numbers *numbers)
{
	TupleTableSlot *slot = table_slot_create(direct->terms, NULL);
	IndexScanDesc scan = begin_index_scan(direct->terms, direct->index,
										  GetActiveSnapshot(), 1);

	for (int i = 0; i < terms->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		find_term(direct, scan, slot, &terms->terms[i], i, numbers);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

static int
compare_ids(const void *a, const void *b)
{
	int32		x = (*(Bm25Number *const *) a)->id;
	int32		y = (*(Bm25Number *const *) b)->id;

	return (x > y) - (x < y);
}

/* Elements of an array of integers, of any shape; nulls are 0 */
static int
integers_of(Datum value, int32 **integers)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (!ARR_HASNULL(array))
	{
		*integers = (int32 *) ARR_DATA_PTR(array);
		return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	}
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, &nulls, &count);
	*integers = (int32 *) palloc(sizeof(int32) * count);
	for (int i = 0; i < count; i++)
		(*integers)[i] = nulls[i] ? 0 : DatumGetInt32(elements[i]);
	return count;
}

/*
 * Add what one statement has changed to numbers, which are sorted.  A number that is
 * there several times (its primary key is gone) has the change each time.
 */
static void
add_changes(Bm25Number **numbers, int count, Datum terms, Datum counts)
{
	int32	   *ids;
	int32	   *ns;
	int			id_count = integers_of(terms, &ids);
	int			n_count = integers_of(counts, &ns);

	for (int i = 0; i < Min(id_count, n_count); i++)
	{
		int			place;

		LOWER_BOUND(place, count, k, numbers[k]->id < ids[i]);
		for (; place < count && numbers[place]->id == ids[i]; place++)
			numbers[place]->documents += ns[i];
	}
}

/* What has not been merged yet: documents, and those that have the numbers */
static void
read_changes(Bm25Direct *direct, Bm25Numbers *numbers, double *documents)
{
	TupleTableSlot *slot = table_slot_create(direct->changes, NULL);
	TableScanDesc scan = table_beginscan(direct->changes, GetActiveSnapshot(), 0, NULL);
	Bm25Number **sorted = (Bm25Number **) palloc(sizeof(Bm25Number *) * Max(numbers->count, 1));
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "changes of bm25",
											  ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < numbers->count; i++)
		sorted[i] = &numbers->numbers[i];
	qsort(sorted, numbers->count, sizeof(Bm25Number *), compare_ids);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext caller = MemoryContextSwitchTo(row);
		bool		isnull;
		bool		null_counts;
		Datum		value = slot_getattr(slot, direct->columns.changed_documents, &isnull);
		Datum		counts;

		CHECK_FOR_INTERRUPTS();
		if (!isnull)
			*documents += (double) DatumGetInt64(value);
		value = slot_getattr(slot, direct->columns.changed_terms, &isnull);
		counts = slot_getattr(slot, direct->columns.changed_counts, &null_counts);
		if (numbers->count > 0 && !isnull && !null_counts)
			add_changes(sorted, numbers->count, value, counts);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row);
}

/*
 * The numbers of a query's terms, each with the documents that have it, and to
 * *documents, which are merged ones, what is not merged yet.
 */
void
bm25_direct_numbers(Bm25Direct *direct, const Bm25Terms *terms,
					Bm25Numbers *numbers, double *documents)
{
	find_terms(direct, terms, numbers);
	read_changes(direct, numbers, documents);
}
