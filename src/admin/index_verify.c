/*
 * index_verify.c
 *	  vector_index_check() and vector_index_check_summary(): is an index what its
 *	  access method promises, and does it fit its table?
 *
 * What is looked at, and why nothing need stop meanwhile: index/verify.h, and the
 * verify.c of each access method.
 */
#include "compat/pg.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "admin/admin.h"
#include "hnsw/hnsw.h"
#include "index/as_owner.h"
#include "index/scan.h"
#include "index/verify.h"
#include "ivf/ivf.h"
#include "sparse/inverted.h"

/* See admin.h */
const VerifyMethods *
verify_methods_of(Relation index)
{
	const IndexAmRoutine *routine = index->rd_indam;

	if (routine->ambuild == hnsw_build)
		return &hnsw_verify_methods;
	if (routine->ambuild == ivf_build)
		return &ivf_verify_methods;
	if (routine->ambuild == inverted_build)
		return &inverted_verify_methods;
	return NULL;
}

void
require_usable_index(Relation index)
{
	const char *name = RelationGetRelationName(index);

	if (index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is partitioned", name),
				 errhint("Name an index of its partitions, which pg_partition_tree() lists.")));
	if (verify_methods_of(index) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not one of this extension's access methods",
						name)));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
	if (!index->rd_index->indisvalid || !index->rd_index->indisready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", name),
				 errhint("Use REINDEX to rebuild the index.")));
	if (index->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT &&
		RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot access temporary or unlogged relations during recovery")));
}

void
require_may_check(Oid index)
{
	if (!owns_relation(index) &&
		!has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(index));
}

/*
 * Rows that were not in the index when it was made, because only old snapshots see
 * them, may not be in it yet for this one.
 */
static void
check_all_rows(Relation index)
{
	if (index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   GetLatestSnapshot()->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of index \"%s\" cannot be compared with its table yet",
						RelationGetRelationName(index)),
				 errhint("Try again when transactions that are older than the index have ended.")));
}

/*
 * Check the index that is the first argument, with all rows of its table if the
 * second says so.  Locks index and table in access share mode.
 */
static void
run_check(FunctionCallInfo fcinfo, Verify *verify)
{
	Oid			oid = PG_GETARG_OID(0);
	Oid			table = IndexGetRelation(oid, true);
	MemoryContext context;
	MemoryContext caller;
	AsOwner		owner;

	/* as for all: the table before the index */
	if (OidIsValid(table))
		require_may_check(oid);
	verify->heap = OidIsValid(table) ? table_open(table, AccessShareLock) : NULL;
	verify->index = index_open(oid, AccessShareLock);
	if (verify->heap == NULL || table != IndexGetRelation(oid, false))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(verify->index))));

	/*
	 * Whatever the table's owner has put into the index's expressions.  From here
	 * on, because PostgreSQL may evaluate parts of them when it first reads them.
	 */
	as_owner_begin(&owner, verify->heap);
	require_usable_index(verify->index);
	verify->methods = verify_methods_of(verify->index);
	verify->all_rows = PG_GETARG_BOOL(1);
	if (verify->all_rows)
		check_all_rows(verify->index);

	context = AllocSetContextCreate(CurrentMemoryContext, "index check",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	verify_index(verify);
	MemoryContextSwitchTo(caller);
	as_owner_end(&owner);
	index_close(verify->index, NoLock);
	table_close(verify->heap, NoLock);
}

/* See admin.h */
Tuplestorestate *
begin_set_result(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;
	Tuplestorestate *store;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		!(info->allowedModes & SFRM_Materialize) ||
		get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	*desc = CreateTupleDescCopy(*desc);
	store = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(caller);
	info->returnMode = SFRM_Materialize;
	info->setResult = store;
	info->setDesc = *desc;
	return store;
}

/*
 * vector_index_check(index regclass, heapallindexed boolean): a row for each
 * violated invariant.
 */
SQL_FUNCTION(vector_index_check)
{
	Verify		verify = {0};

	verify.store = begin_set_result(fcinfo, &verify.desc);
	run_check(fcinfo, &verify);
	return (Datum) 0;
}

/*
 * vector_index_check_summary(index regclass, heapallindexed boolean): what has been
 * looked at, in numbers, the last of which is that of violated invariants.
 */
SQL_FUNCTION(vector_index_check_summary)
{
	Verify		verify = {0};
	TupleDesc	desc;
	Tuplestorestate *store = begin_set_result(fcinfo, &desc);

	run_check(fcinfo, &verify);
	for (int i = 0; i < verify.count_count; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = CStringGetTextDatum(verify.counts[i].item);
		values[1] = Int64GetDatum(verify.counts[i].value);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	return (Datum) 0;
}
