/*
 * handler.c
 *	  What PostgreSQL is told about the three access methods.
 */
#include "ivf/ivf.h"

#include "commands/progress.h"
#include "commands/vacuum.h"
#include "utils/rel.h"

#include "index/column.h"
#include "index/handler.h"
#include "index/scan.h"
#include "ivf/options.h"

const char *const ivf_names[IVF_KINDS] = {"ivfflat", "ivfpq", "ivfrabitq"};

static char *
ivf_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case IVF_PHASE_SAMPLE:
			return "sampling table";
		case IVF_PHASE_KMEANS:
			return "performing k-means";
		case IVF_PHASE_CODES:
			return "training quantizer";
		case IVF_PHASE_ASSIGN:
			return "assigning tuples";
		case IVF_PHASE_WRITE:
			return "loading tuples";
		case IVF_PHASE_WAL:
			return "writing WAL";
		default:
			return NULL;
	}
}

static bool
ivfflat_validate(Oid opclass)
{
	return index_validate(opclass, "ivfflat", IVF_PROCS);
}

static bool
ivfpq_validate(Oid opclass)
{
	return index_validate(opclass, "ivfpq", IVF_PROCS);
}

static bool
ivfrabitq_validate(Oid opclass)
{
	return index_validate(opclass, "ivfrabitq", IVF_PROCS);
}

static IndexAmRoutine *
make_routine(void)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 0;
	routine->amsupport = IVF_PROCS;
	routine->amcanorderbyop = true;
	routine->amcanmulticol = true;
	routine->amsearcharray = true;
	routine->amsearchnulls = true;
	routine->amoptionalkey = true;
	routine->amusemaintenanceworkmem = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;

	routine->ambuild = ivf_build;
	routine->ambuildempty = ivf_build_empty;
	routine->aminsert = ivf_insert;
	routine->ambulkdelete = ivf_bulk_delete;
	routine->amvacuumcleanup = vacuum_cleanup;
	routine->amcostestimate = ivf_cost_estimate;
	routine->ambuildphasename = ivf_build_phase_name;
	routine->amadjustmembers = index_adjust_members;
	routine->ambeginscan = ivf_begin_scan;
	routine->amrescan = ivf_rescan;
	routine->amgettuple = vector_scan_next;
	routine->amendscan = vector_scan_end;
	return routine;
}

SQL_FUNCTION(ivfflathandler)
{
	IndexAmRoutine *routine = make_routine();

	routine->amoptions = ivfflat_reloptions;
	routine->amvalidate = ivfflat_validate;
	RETURN_AM_ROUTINE(routine);
}

SQL_FUNCTION(ivfpqhandler)
{
	IndexAmRoutine *routine = make_routine();

	routine->amoptions = ivfpq_reloptions;
	routine->amvalidate = ivfpq_validate;
	RETURN_AM_ROUTINE(routine);
}

SQL_FUNCTION(ivfrabitqhandler)
{
	IndexAmRoutine *routine = make_routine();

	routine->amoptions = ivfrabitq_reloptions;
	routine->amvalidate = ivfrabitq_validate;
	RETURN_AM_ROUTINE(routine);
}

/* Each access method has its own parser of options. */
IvfKind
ivf_kind_of(Relation index)
{
	if (index->rd_indam->amoptions == ivfpq_reloptions)
		return IVF_PQ;
	if (index->rd_indam->amoptions == ivfrabitq_reloptions)
		return IVF_RABITQ;
	return IVF_FLAT;
}
