/*
 * row_hints.c
 *	  A user's table that tells a build something of rows.
 */
#include "index/row_hints.h"

#include "access/detoast.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

/*
 * Bytes of an array of neighbours' keys.  A longer one is none: it may be a
 * thousand times as large as what is kept of it in the table, and beyond
 * maintenance_work_mem.
 */
#define MAX_ARRAY_SIZE	(1024 * 1024)

void
row_hints_check_name(const char *option, const char *value)
{
	if (value != NULL &&
		(strchr(value, '.') == NULL || list_length(qualified_name_list(value)) != 2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", option, value),
				 errhint("Name a table with its schema, as in 'public.%s'.", option)));
}

/* ------------------------------------------------------------------------
 * Is it a table of hints?
 */

/* The hash function of a type, and its family; InvalidOid: none of PostgreSQL's */
static Oid
hash_function(Oid type, Oid *family)
{
	Oid			base = getBaseType(type);
	TypeCacheEntry *entry;

	*family = InvalidOid;
	if (type_is_array(base) || type_is_rowtype(base) || type_is_range(base) ||
		type_is_multirange(base))
		return InvalidOid;
	entry = lookup_type_cache(base, TYPECACHE_HASH_OPFAMILY |
							  TYPECACHE_HASH_EXTENDED_PROC);
	if (!OidIsValid(entry->hash_extended_proc) ||
		entry->hash_extended_proc >= FirstNormalObjectId)
		return InvalidOid;
	*family = entry->hash_opf;
	return entry->hash_extended_proc;
}

/* Types of the key's columns here and there have one family of hash functions. */
static bool
match_types(Oid heap, Oid key, RowHintColumn *column)
{
	Oid			heap_family;
	Oid			key_family;

	column->heap_hash = hash_function(heap, &heap_family);
	column->key_hash = hash_function(key, &key_family);
	return OidIsValid(column->heap_hash) && OidIsValid(column->key_hash) &&
		heap_family == key_family;
}

/* The column of an array whose elements have a key's type, behind the last one */
static bool
find_array(Relation table, Oid key, AttrNumber *last, RowHintColumn *column)
{
	TupleDesc	desc = RelationGetDescr(table);
	Oid			key_family;
	Oid			family;

	(void) hash_function(key, &key_family);
	for (AttrNumber number = *last + 1; number <= desc->natts; number++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, number - 1);
		Oid			element = attribute->attisdropped ? InvalidOid
			: get_base_element_type(attribute->atttypid);

		if (!OidIsValid(element))
			continue;
		column->element_hash = hash_function(element, &family);
		if (!OidIsValid(column->element_hash) || family != key_family)
			return false;
		column->element = element;
		column->array = *last = number;
		return true;
	}
	return false;
}

static bool
is_integer(Oid type)
{
	type = getBaseType(type);
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/*
 * Find the key's columns, and what the table says of rows.  Returns what is
 * wrong with them, or NULL.
 */
static const char *
find_columns(Relation table, Relation heap, RowHintPlan *plan)
{
	TupleDesc	desc = RelationGetDescr(table);
	AttrNumber	last = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		const char *name = NameStr(attribute->attname);
		RowHintColumn *column;
		AttrNumber	number;
		Oid			type;
		int32		modifier;

		if (attribute->attisdropped ||
			OidIsValid(get_base_element_type(attribute->atttypid)))
			continue;
		if (plan->kind == HINT_LIST && strcmp(name, "list") == 0)
		{
			if (!is_integer(attribute->atttypid))
				return "Its column \"list\" is no integer.";
			plan->list = attribute->attnum;
			plan->list_type = getBaseType(attribute->atttypid);
			continue;
		}
		number = get_attnum(RelationGetRelid(heap), name);
		if (number <= 0)
			continue;
		if (plan->keys == ROW_HINT_MAX_KEYS)
			return psprintf("Its key has more than %d columns.", ROW_HINT_MAX_KEYS);
		column = &plan->columns[plan->keys];
		get_atttypetypmodcoll(RelationGetRelid(heap), number, &type, &modifier,
							  &column->collation);
		if (!match_types(type, attribute->atttypid, column))
			return psprintf("Its column \"%s\" has type %s, and that of the indexed table %s.",
							name, format_type_be(attribute->atttypid),
							format_type_be(type));
		if (plan->kind == HINT_NEIGHBORS &&
			!find_array(table, attribute->atttypid, &last, column))
			return psprintf("It has no array of %s for the neighbors' \"%s\".",
							format_type_be(attribute->atttypid), name);
		column->heap = number;
		column->key = attribute->attnum;
		plan->keys++;
	}
	if (plan->keys == 0)
		return "It has no column with the name of one of the indexed table.";
	if (plan->kind == HINT_LIST && plan->list == InvalidAttrNumber)
		return "It has no column \"list\".";
	return NULL;
}

static bool
may_read_column(Oid table, AttrNumber column, Oid role)
{
	return column == InvalidAttrNumber ||
		pg_attribute_aclcheck(table, column, role, ACL_SELECT) == ACLCHECK_OK;
}

/* May a role read all that is read of the table?  Returns why not, or NULL. */
static const char *
check_rights(Relation table, const RowHintPlan *plan, Oid role)
{
	Oid			oid = RelationGetRelid(table);
	bool		may = may_read_column(oid, plan->list, role);

	for (int i = 0; i < plan->keys; i++)
		may = may && may_read_column(oid, plan->columns[i].key, role) &&
			may_read_column(oid, plan->columns[i].array, role);
	if (!may && pg_class_aclcheck(oid, role, ACL_SELECT) != ACLCHECK_OK)
		return psprintf("Permission denied for role \"%s\".",
						GetUserNameFromId(role, false));
	if (check_enable_rls(oid, role, true) == RLS_ENABLED)
		return psprintf("Row-level security may hide rows from role \"%s\".",
						GetUserNameFromId(role, false));
	return NULL;
}

/* What is wrong with a table, or NULL */
static const char *
problem_with(Relation table, Relation heap, Relation index, RowHintPlan *plan)
{
	const char *problem;

	if (table->rd_rel->relkind != RELKIND_RELATION)
		return "It is not an ordinary table.";
	if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "It is temporary.";
	problem = find_columns(table, heap, plan);
	if (problem != NULL)
		return problem;
	if (index->rd_att->natts + plan->keys > INDEX_MAX_KEYS)
		return psprintf("Its key and the index have more than %d columns.",
						INDEX_MAX_KEYS);
	return check_rights(table, plan, index->rd_rel->relowner);
}

/* ------------------------------------------------------------------------
 * Open it
 */

/*
 * The table of that name, locked; NULL if there is none that role can see.  (What
 * opens a table by its name has an error where a schema may not be used.)
 */
static Relation
open_named(const char *name, Oid role)
{
	RangeVar   *range = makeRangeVarFromNameList(qualified_name_list(name));
	Oid			schema = get_namespace_oid(range->schemaname, true);
	Oid			table;

	if (!OidIsValid(schema) ||
		!DatumGetBool(DirectFunctionCall3(has_schema_privilege_id_id,
										  ObjectIdGetDatum(role),
										  ObjectIdGetDatum(schema),
										  CStringGetTextDatum("USAGE"))))
		return NULL;
	table = get_relname_relid(range->relname, schema);
	return OidIsValid(table) ? try_relation_open(table, AccessShareLock) : NULL;
}

/* Look up the functions that a plan names. */
static RowHints *
prepare(const RowHintPlan *plan, Relation table)
{
	RowHints   *hints = (RowHints *) palloc0(sizeof(RowHints));

	hints->plan = *plan;
	hints->table = table;
	for (int i = 0; i < plan->keys; i++)
	{
		const RowHintColumn *column = &plan->columns[i];

		fmgr_info(column->heap_hash, &hints->heap_hash[i]);
		fmgr_info(column->key_hash, &hints->key_hash[i]);
		if (plan->kind != HINT_NEIGHBORS)
			continue;
		fmgr_info(column->element_hash, &hints->element_hash[i]);
		get_typlenbyvalalign(column->element, &hints->length[i],
							 &hints->by_value[i], &hints->align[i]);
	}
	return hints;
}

RowHints *
row_hints_open(Relation heap, Relation index, RowHintKind kind,
			   const char *option, const char *name)
{
	RowHintPlan plan = {.kind = kind};
	Relation	table;
	RowHints   *hints;
	const char *problem;

	if (name == NULL || !ActiveSnapshotSet() || IsBinaryUpgrade)
		return NULL;
	table = open_named(name, index->rd_rel->relowner);
	if (table == NULL)
	{
		ereport(NOTICE,
				(errmsg("index \"%s\" is built without table \"%s\", which does not exist",
						RelationGetRelationName(index), name),
				 errhint("Use ALTER INDEX ... RESET (%s) if it is not needed any more.",
						 option)));
		return NULL;
	}
	problem = problem_with(table, heap, index, &plan);
	if (problem != NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("index \"%s\" is built without table \"%s\" of its option \"%s\"",
						RelationGetRelationName(index), name, option),
				 errdetail_internal("%s", problem)));
		relation_close(table, NoLock);
		return NULL;
	}
	plan.table = RelationGetRelid(table);
	hints = prepare(&plan, table);

	/* the latest one: this command itself may have written the rows */
	hints->snapshot = RegisterSnapshot(GetLatestSnapshot());
	return hints;
}

RowHints *
row_hints_join(const RowHintPlan *plan)
{
	return prepare(plan, table_open(plan->table, AccessShareLock));
}

void
row_hints_close(RowHints *hints)
{
	if (hints->snapshot != NULL)
		UnregisterSnapshot(hints->snapshot);
	relation_close(hints->table, NoLock);
	pfree(hints);
}

/* ------------------------------------------------------------------------
 * Keys
 */

/*
 * FormIndexDatum evaluates as many attributes as the IndexInfo says, not as the
 * index has.
 */
int
row_hints_ask(const RowHints *hints, IndexInfo *info)
{
	int			first = info->ii_NumIndexAttrs;

	for (int i = 0; i < hints->plan.keys; i++)
		info->ii_IndexAttrNumbers[first + i] = hints->plan.columns[i].heap;
	info->ii_NumIndexAttrs = first + hints->plan.keys;
	return first;
}

static uint64
hash_column(FmgrInfo *function, Oid collation, Datum value, uint64 before)
{
	uint64		hash = DatumGetUInt64(FunctionCall2Coll(function, collation, value,
														Int64GetDatum(0)));

	return before == 0 ? hash : hash_combine64(before, hash);
}

bool
row_hints_key(RowHints *hints, const Datum *values, const bool *isnull, int first,
			  uint64 *hash)
{
	*hash = 0;
	for (int i = 0; i < hints->plan.keys; i++)
	{
		if (isnull[first + i])
			return false;
		*hash = hash_column(&hints->heap_hash[i], hints->plan.columns[i].collation,
							values[first + i], *hash);
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Rows of hints
 */

Size
row_hints_scan_size(const RowHints *hints)
{
	return table_parallelscan_estimate(hints->table, hints->snapshot);
}

void
row_hints_scan_init(RowHints *hints, ParallelTableScanDesc shared)
{
	table_parallelscan_initialize(hints->table, shared, hints->snapshot);
}

RowHintScan *
row_hints_scan_begin(RowHints *hints, ParallelTableScanDesc shared)
{
	RowHintScan *scan = (RowHintScan *) palloc0(sizeof(RowHintScan));

	scan->hints = hints;
	if (shared == NULL && hints->snapshot == NULL)
		hints->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->scan = shared != NULL
		? table_beginscan_parallel(hints->table, shared)
		: table_beginscan(hints->table, hints->snapshot, 0, NULL);
	scan->slot = table_slot_create(hints->table, NULL);
	scan->context = AllocSetContextCreate(CurrentMemoryContext, "row hints",
										  ALLOCSET_DEFAULT_SIZES);
	return scan;
}

/* The neighbours' keys of a row; those of which a part is null are left out. */
static void
read_neighbors(RowHintScan *scan, RowHint *hint)
{
	RowHints   *hints = scan->hints;
	bool	   *missing = NULL;
	int			room = -1;

	for (int i = 0; i < hints->plan.keys; i++)
	{
		const RowHintColumn *column = &hints->plan.columns[i];
		bool		isnull;
		Datum		value = slot_getattr(scan->slot, column->array, &isnull);
		Datum	   *elements;
		bool	   *nulls;
		int			count;

		hint->count = 0;
		if (isnull || toast_raw_datum_size(value) > MAX_ARRAY_SIZE)
			return;
		deconstruct_array(DatumGetArrayTypeP(value), column->element,
						  hints->length[i], hints->by_value[i], hints->align[i],
						  &elements, &nulls, &count);
		if (room < 0)
		{
			room = count;
			hint->neighbors = (uint64 *) palloc0(mul_size(Max(count, 1), sizeof(uint64)));
			missing = (bool *) palloc0(Max(count, 1));
		}
		room = Min(room, count);
		for (int k = 0; k < room; k++)
		{
			if (nulls[k])
				missing[k] = true;
			else
				hint->neighbors[k] = hash_column(&hints->element_hash[i],
												 column->collation, elements[k],
												 hint->neighbors[k]);
		}
	}
	for (int k = 0; k < room; k++)
	{
		if (!missing[k])
			hint->neighbors[hint->count++] = hint->neighbors[k];
	}
}

/* A row's list; 0, which is none, for null */
static int64
read_list(RowHintScan *scan)
{
	const RowHintPlan *plan = &scan->hints->plan;
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, plan->list, &isnull);

	if (isnull)
		return 0;
	if (plan->list_type == INT2OID)
		return DatumGetInt16(value);
	return plan->list_type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

bool
row_hints_next(RowHintScan *scan, RowHint *hint)
{
	RowHints   *hints = scan->hints;

	while (table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
	{
		MemoryContext caller;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scan->context);
		caller = MemoryContextSwitchTo(scan->context);
		hint->key = 0;
		hint->count = 0;
		for (int i = 0; i < hints->plan.keys && !isnull; i++)
		{
			Datum		value = slot_getattr(scan->slot, hints->plan.columns[i].key,
											 &isnull);

			if (!isnull)
				hint->key = hash_column(&hints->key_hash[i],
										hints->plan.columns[i].collation, value,
										hint->key);
		}
		if (!isnull && hints->plan.kind == HINT_NEIGHBORS)
			read_neighbors(scan, hint);
		else if (!isnull)
			hint->list = read_list(scan);
		MemoryContextSwitchTo(caller);
		if (!isnull)
			return true;
	}
	return false;
}

void
row_hints_scan_end(RowHintScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	table_endscan(scan->scan);
	MemoryContextDelete(scan->context);
	pfree(scan);
}
