/*
 * handler.c
 *	  What PostgreSQL is told about the access method.
 */
#include "hnsw/hnsw.h"

#include "index/scan.h"

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

static bool
hnsw_validate(Oid opclass)
{
	return index_validate(opclass, "hnsw", INDEX_PROCS);
}

SQL_FUNCTION(hnswhandler)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 0;
	routine->amsupport = INDEX_PROCS;
	routine->amcanorderbyop = true;
	routine->amcanmulticol = true;
	routine->amoptionalkey = true;
	routine->amsearcharray = true;
	routine->amsearchnulls = true;
	routine->amusemaintenanceworkmem = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;

	routine->ambuild = hnsw_build;
	routine->ambuildempty = hnsw_build_empty;
	routine->aminsert = hnsw_insert;
	routine->ambulkdelete = hnsw_bulk_delete;
	routine->amvacuumcleanup = vacuum_cleanup;
	routine->amcostestimate = hnsw_cost_estimate;
	routine->amoptions = hnsw_reloptions;
	routine->ambuildphasename = hnsw_build_phase_name;
	routine->amvalidate = hnsw_validate;
	routine->amadjustmembers = index_adjust_members;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = vector_scan_rescan;
	routine->amgettuple = vector_scan_next;
	routine->amendscan = vector_scan_end;

	RETURN_AM_ROUTINE(routine);
}
