/*
 * centroids.c
 *	  Centroids from a table, and what an index has to do with that table:
 *	  README.md tells what happens to both.
 *
 * The table is read with its rows as they are: no view, no rule, no policy, no
 * function of its owner's has a say.  (An index's owner trusts the rows of the
 * table, not the code of the table's owner; and SQL cannot run while a
 * transaction commits, when ON COMMIT DELETE ROWS has an index built.)
 */
#include "ivf/centroids.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "types/dense.h"
#include "types/own_type.h"

bool
ivf_is_committing(void)
{
	return !ActiveSnapshotSet();
}

/* How bad it is if a table is no good as one of centroids */
static int
complaint(void)
{
	return ivf_is_committing() || IsBinaryUpgrade ? DEBUG1 : ERROR;
}

/* ------------------------------------------------------------------------
 * The table
 */

/* The first column of type vector or halfvec; 0 if there is none */
static AttrNumber
find_vector_column(Relation table)
{
	TupleDesc	desc = RelationGetDescr(table);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		OwnType		type;

		if (attribute->attisdropped)
			continue;
		type = own_type(attribute->atttypid);
		if (type == OWN_VECTOR || type == OWN_HALFVEC)
			return attribute->attnum;
	}
	return InvalidAttrNumber;
}

AttrNumber
ivf_vector_column(Relation table)
{
	AttrNumber	column = find_vector_column(table);

	if (column == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table \"%s\" has no column of type vector or halfvec",
						RelationGetRelationName(table)),
				 errhint("Name a table with a vector in each row.")));
	return column;
}

/*
 * Walk over what an index depends on as on its table of centroids: the entries
 * of pg_depend on a column of another table.  (Those on columns of its own
 * table are of another kind, and an expression can depend on no more of another
 * table than its name.)  Returns the table, or InvalidOid; all entries but the
 * one on keep and keep_column are removed if remove is set, and *kept says
 * whether that one is there.
 */
static Oid
walk_dependencies(Oid index, bool remove, Oid keep, AttrNumber keep_column,
				  bool *kept)
{
	Relation	depend = table_open(DependRelationId,
									remove ? RowExclusiveLock : AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			found = InvalidOid;

	*kept = false;
	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(index));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend entry = (Form_pg_depend) GETSTRUCT(tuple);

		if (entry->refclassid != RelationRelationId ||
			entry->deptype != DEPENDENCY_NORMAL || entry->refobjsubid <= 0)
			continue;
		found = entry->refobjid;
		if (found == keep && entry->refobjsubid == keep_column)
			*kept = true;
		else if (remove)
			CatalogTupleDelete(depend, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(depend, remove ? RowExclusiveLock : AccessShareLock);
	return found;
}

/* An index depends on a column of a table, or, with InvalidOid, on none. */
static void
record_dependency(Oid index, Oid table, AttrNumber column)
{
	ObjectAddress depender;
	ObjectAddress referenced;
	bool		kept;

	(void) walk_dependencies(index, true, table, column, &kept);
	if (kept || !OidIsValid(table))
		return;
	ObjectAddressSet(depender, RelationRelationId, index);
	ObjectAddressSubSet(referenced, RelationRelationId, table, column);
	recordDependencyOn(&depender, &referenced, DEPENDENCY_NORMAL);
}

/* The column of a table that an index is to depend on; 0: on none */
static AttrNumber
column_to_record(Relation table, Oid heap)
{
	if (table->rd_rel->relkind != RELKIND_RELATION ||
		table->rd_rel->relpersistence == RELPERSISTENCE_TEMP ||
		IsCatalogRelation(table) || RelationGetRelid(table) == heap)
		return InvalidAttrNumber;
	return find_vector_column(table);
}

/* The table of that name, locked; NULL if there is none */
static Relation
open_named(const char *name, bool missing_ok)
{
	return table_openrv_extended(makeRangeVarFromNameList(qualified_name_list(name)),
								 AccessShareLock, missing_ok);
}

/* May role see all rows of a column? */
static bool
may_read(Relation table, AttrNumber column, Oid role)
{
	Oid			oid = RelationGetRelid(table);

	return pg_class_aclcheck(oid, role, ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck(oid, column, role, ACL_SELECT) == ACLCHECK_OK;
}

/*
 * Open the table of an index's centroids, and find their column.  NULL, or an
 * error (as complaint() has it), where it is not one to be read.  One that has been
 * renamed serves, unless the index is just given another name for it.
 */
static Relation
open_centroids(Relation index, const char *name, AttrNumber *column)
{
	int			level = complaint();
	Oid			owner = index->rd_rel->relowner;
	const char *old_name = ivf_centroid_table(ivf_options(index, ivf_kind_of(index)));
	Relation	table = open_named(name, true);

	if (table == NULL && old_name != NULL && strcmp(name, old_name) == 0)
	{
		bool		kept;
		Oid			recorded = walk_dependencies(RelationGetRelid(index), false,
												 InvalidOid, 0, &kept);

		if (OidIsValid(recorded))
			table = try_relation_open(recorded, AccessShareLock);
		if (table != NULL)
		{
			const char *now =
				quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
										   RelationGetRelationName(table));

			ereport(level == ERROR ? NOTICE : level,
					(errmsg("table \"%s\" with the centroids of index \"%s\" has been renamed",
							name, RelationGetRelationName(index)),
					 errdetail("Centroids are read from %s. A dump of the index still has the old name.",
							   now),
					 errhint("Use ALTER INDEX ... SET (centroids = %s).",
							 quote_literal_cstr(now))));
		}
	}
	if (table == NULL)
	{
		ereport(level,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" with the centroids of the index does not exist", name),
				 errhint("Use ALTER INDEX ... RESET (centroids) to let the index find its own.")));
		return NULL;
	}
	*column = find_vector_column(table);
	if (table->rd_rel->relkind != RELKIND_RELATION)
		ereport(level,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" with the centroids of the index is not a table", name),
				 errdetail("An index reads them whenever it is built: not through a view, from partitions, or from elsewhere."),
				 errhint("Use CREATE TABLE ... AS to make a table of them.")));
	else if (RELATION_IS_OTHER_TEMP(table))
		ereport(level,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
	else if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP &&
			 index->rd_rel->relpersistence != RELPERSISTENCE_TEMP)
		ereport(level,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("centroids of an index on a permanent table cannot be in temporary table \"%s\"",
						name)));
	else if (*column == InvalidAttrNumber)
	{
		if (level == ERROR)
			(void) ivf_vector_column(table);
	}
	else if (!may_read(table, *column, owner))
		ereport(level,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s",
						RelationGetRelationName(table))));
	else if (check_enable_rls(RelationGetRelid(table), owner, true) == RLS_ENABLED)
		ereport(level,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("table \"%s\" with the centroids of the index has row-level security",
						name),
				 errdetail("Its policies hide rows from the index's owner, \"%s\".",
						   GetUserNameFromId(owner, false))));
	else
		return table;
	table_close(table, NoLock);
	return NULL;
}

/* One centroid's floats; false, or an error, where it is not one */
static bool
copy_centroid(const char *name, const DenseVector *vector, OwnType type,
			  const IvfMeta *meta, float *row)
{
	int			level = complaint();

	if (vector->dim != meta->dims)
	{
		ereport(level,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("centroids of table \"%s\" have %d dimensions, and the column has %u",
						name, vector->dim, meta->dims)));
		return false;
	}
	memset(row, 0, meta->width * sizeof(float));
	if (type == OWN_HALFVEC)
		distance_kernels->f16_to_f32(DENSE_HALVES(vector), row, meta->dims);
	else
		memcpy(row, DENSE_FLOATS(vector), meta->dims * sizeof(float));
	return true;
}

/* Read the rows of an open table; see ivf_read_centroids */
static float *
scan_centroids(Relation table, AttrNumber column, const char *name,
			   bool is_empty, const IvfMeta *meta, Size *lists)
{
	int			level = complaint();
	OwnType		type = own_type(TupleDescAttr(RelationGetDescr(table),
											  column - 1)->atttypid);
	Size		bytes = mul_size(meta->width, sizeof(float));
	Size		room = 256;
	Size		count = 0;
	float	   *centroids = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext, mul_size(room, bytes));
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "ivf centroid",
													  ALLOCSET_DEFAULT_SIZES);

	/* the latest one: this command itself may have written the rows */
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	bool		good = true;

	while (good && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, column, &isnull);
		MemoryContext caller;

		CHECK_FOR_INTERRUPTS();
		if (isnull)
		{
			ereport(level,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("table \"%s\" has a centroid that is null", name)));
			good = false;
			break;
		}
		if (count == IVF_MAX_LISTS)
		{
			ereport(level,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("table \"%s\" has more than %d centroids", name,
							IVF_MAX_LISTS)));
			good = false;
			break;
		}
		if (count == room)
		{
			room *= 2;
			centroids = (float *) repalloc_huge(centroids, mul_size(room, bytes));
		}
		caller = MemoryContextSwitchTo(row_context);
		good = copy_centroid(name, (const DenseVector *) PG_DETOAST_DATUM(value),
							 type, meta, centroids + count * meta->width);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
		count++;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(row_context);

	if (good && count == 0)
	{
		if (!is_empty)
			ereport(level,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("table \"%s\" has no centroids", name)));
		good = false;
	}
	if (!good)
	{
		pfree(centroids);
		return NULL;
	}
	*lists = count;
	return centroids;
}

float *
ivf_read_centroids(Relation index, Relation heap, const char *name,
				   const IvfMeta *meta, Size *lists)
{
	AttrNumber	column;
	Relation	table = open_centroids(index, name, &column);
	bool		is_empty = heap != NULL && RelationGetNumberOfBlocks(heap) == 0;
	float	   *centroids;

	if (table == NULL)
		return NULL;
	centroids = scan_centroids(table, column, name, is_empty, meta, lists);
	if (!ivf_is_committing())
	{
		column = column_to_record(table, index->rd_index->indrelid);
		record_dependency(RelationGetRelid(index),
						  column != InvalidAttrNumber ? RelationGetRelid(table) : InvalidOid,
						  column);
	}
	table_close(table, NoLock);
	return centroids;
}

/* ------------------------------------------------------------------------
 * Options
 */

void
ivf_options_changed(Oid index, Relation relation, const bytea *options,
					bool changed)
{
	const char *name = options == NULL ? NULL
		: ivf_centroid_table((const IvfOptions *) options);
	Relation	table;
	AttrNumber	column;
	Oid			recorded = InvalidOid;

	if (changed && options != NULL)
	{
		IvfMeta		meta;
		IndexColumn indexed;
		Size		lists;

		ivf_describe(relation, (const IvfOptions *) options, &meta,
					 &indexed);
		if (name != NULL)
		{
			pfree(ivf_read_centroids(relation, NULL, name, &meta, &lists));
			return;
		}
	}

	/* what cannot be read will be complained about when the index is built */
	table = name != NULL ? open_named(name, true) : NULL;
	if (table != NULL)
	{
		column = column_to_record(table, relation != NULL
								  ? relation->rd_index->indrelid : InvalidOid);
		if (column != InvalidAttrNumber)
			recorded = RelationGetRelid(table);
		table_close(table, NoLock);
	}
	if (OidIsValid(recorded))
		record_dependency(index, recorded, column);
	else if (relation != NULL && name == NULL)
		record_dependency(index, InvalidOid, InvalidAttrNumber);
}
