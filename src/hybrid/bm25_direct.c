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
 * Nothing is kept from one call to the next: all of this is asked of PostgreSQL's
 * caches of relations and catalogs, which others' changes reach by themselves.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"

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
	if (rel == NULL || rel->rd_rel->relkind != RELKIND_RELATION ||
		RelationGetNamespace(rel) != schema ||
		strcmp(RelationGetRelationName(rel), name) != 0 ||
		rel->rd_rel->relhassubclass || rel->rd_rel->relrowsecurity ||
		RELATION_IS_OTHER_TEMP(rel) ||
		pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
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
	direct->config = attribute_of(direct->settings, "config", TEXTOID);
	direct->documents = attribute_of(direct->settings, "documents", INT8OID);
	direct->term = attribute_of(direct->terms, "term", TEXTOID);
	direct->term_id = attribute_of(direct->terms, "id", INT4OID);
	direct->term_documents = attribute_of(direct->terms, "documents", INT8OID);
	direct->changed_documents = attribute_of(direct->changes, "documents", INT8OID);
	direct->changed_terms = attribute_of(direct->changes, "terms", INT4ARRAYOID);
	direct->changed_counts = attribute_of(direct->changes, "counts", INT4ARRAYOID);
	return direct->config && direct->documents && direct->term &&
		direct->term_id && direct->term_documents && direct->changed_documents &&
		direct->changed_terms && direct->changed_counts &&
		TupleDescAttr(RelationGetDescr(direct->terms),
					  direct->term - 1)->attcollation == C_COLLATION_OID;
}

/*
 * Open the tables of a set-up.  False if they have to be read by statements.
 * bm25_direct_end follows in either case.
 */
bool
bm25_direct_begin(Bm25Direct *direct, const Bm25Tables *tables)
{
	bool		plain = true;

	memset(direct, 0, sizeof(Bm25Direct));
	if (ExecutorCheckPerms_hook != NULL || !ActiveSnapshotSet() ||
		!may_use_schema(tables->schema))
		return false;
	direct->settings = open_table(tables->schema, tables->name, &plain);
	direct->terms = open_table(tables->schema, makeObjectName(tables->name, NULL, "terms"), &plain);
	direct->changes = open_table(tables->schema, makeObjectName(tables->name, NULL, "changes"), &plain);
	if (!plain || !find_columns(direct))
		return false;
	direct->index = open_index(direct->terms, direct->term);
	return direct->index != NULL;
}

void
bm25_direct_end(Bm25Direct *direct)
{
	if (direct->index != NULL)
		index_close(direct->index, NoLock);
	if (direct->changes != NULL)
		relation_close(direct->changes, NoLock);
	if (direct->terms != NULL)
		relation_close(direct->terms, NoLock);
	if (direct->settings != NULL)
		relation_close(direct->settings, NoLock);
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
		Datum		config = slot_getattr(slot, direct->config, &null_config);

		*documents = (double) DatumGetInt64(slot_getattr(slot, direct->documents, &null_documents));
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
		int32		id = DatumGetInt32(slot_getattr(slot, direct->term_id, &null_id));
		int64		documents = DatumGetInt64(slot_getattr(slot, direct->term_documents, &null_documents));

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
		Datum		value = slot_getattr(slot, direct->changed_documents, &isnull);
		Datum		counts;

		CHECK_FOR_INTERRUPTS();
		if (!isnull)
			*documents += (double) DatumGetInt64(value);
		value = slot_getattr(slot, direct->changed_terms, &isnull);
		counts = slot_getattr(slot, direct->changed_counts, &null_counts);
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
