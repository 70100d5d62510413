/*
 * handler.c
 *	  What PostgreSQL is told about the access method.
 */
#include "hnsw/hnsw.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "hnsw/progress.h"

static char *
hnsw_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case HNSW_PHASE_SAMPLE:
			return "sampling table";
		case HNSW_PHASE_LOAD:
			return "loading tuples";
		case HNSW_PHASE_WRITE:
			return "writing graph";
		case HNSW_PHASE_WAL:
			return "writing WAL";
		default:
			return NULL;
	}
}

/* Complain about an operator class or family. */
#define INVALID(...) \
	do { \
		ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), \
					   errmsg(__VA_ARGS__))); \
		valid = false; \
	} while (0)

/*
 * An operator class has one operator, which orders by a float8 distance, and
 * the support functions of index/column.h.
 */
bool
hnsw_validate(Oid opclass_oid)
{
	bool		valid = true;
	HeapTuple	class_tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
	Form_pg_opclass class;
	CatCList   *operators;
	CatCList   *procs;
	const char *name;
	bool		has_distance = false;

	if (!HeapTupleIsValid(class_tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
	class = (Form_pg_opclass) GETSTRUCT(class_tuple);
	name = NameStr(class->opcname);
	operators = SearchSysCacheList1(AMOPSTRATEGY,
									ObjectIdGetDatum(class->opcfamily));
	procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(class->opcfamily));

	for (int i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&procs->members[i]->tuple);
		bool		right;

		switch (proc->amprocnum)
		{
			case DISTANCE_PROC:
				right = check_amproc_signature(proc->amproc, FLOAT8OID, true, 2, 2,
											   class->opcintype, class->opcintype);
				has_distance = true;
				break;
			case NORM_PROC:
				right = check_amproc_signature(proc->amproc, FLOAT8OID, true, 1, 1,
											   class->opcintype);
				break;
			case TYPE_PROC:
				right = check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1,
											   INTERNALOID);
				break;
			default:
				INVALID("operator class \"%s\" of access method hnsw has an invalid support number %d",
						name, proc->amprocnum);
				continue;
		}
		if (!right)
			INVALID("operator class \"%s\" of access method hnsw has support function %d with a wrong signature",
					name, proc->amprocnum);
	}
	if (!has_distance)
		INVALID("operator class \"%s\" of access method hnsw is missing support function %d",
				name, DISTANCE_PROC);

	if (operators->n_members == 0)
		INVALID("operator class \"%s\" of access method hnsw has no operator", name);
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amopstrategy != 1 ||
			operator->amoppurpose != AMOP_ORDER ||
			!opfamily_can_sort_type(operator->amopsortfamily,
									get_op_rettype(operator->amopopr)) ||
			!check_amop_signature(operator->amopopr, FLOAT8OID,
								  operator->amoplefttype,
								  operator->amoprighttype))
			INVALID("operator class \"%s\" of access method hnsw has an operator that is not for ordering by distance",
					name);
	}

	ReleaseCatCacheList(procs);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(class_tuple);
	return valid;
}

SQL_FUNCTION(hnswhandler)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 0;
	routine->amsupport = INDEX_PROCS;
	routine->amcanorderbyop = true;
	routine->amoptionalkey = true;
	routine->amusemaintenanceworkmem = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;

	routine->ambuild = hnsw_build;
	routine->ambuildempty = hnsw_build_empty;
	routine->aminsert = hnsw_insert;
	routine->ambulkdelete = hnsw_bulk_delete;
	routine->amvacuumcleanup = hnsw_vacuum_cleanup;
	routine->amcostestimate = hnsw_cost_estimate;
	routine->amoptions = hnsw_reloptions;
	routine->ambuildphasename = hnsw_build_phase_name;
	routine->amvalidate = hnsw_validate;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = hnsw_rescan;
	routine->amgettuple = hnsw_get_tuple;
	routine->amendscan = hnsw_end_scan;

	PG_RETURN_POINTER(routine);
}
