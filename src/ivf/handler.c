/*
 * handler.c
 *	  What PostgreSQL is told about the four access methods.
 */
#include "ivf/ivf.h"

#include "commands/progress.h"
#include "commands/vacuum.h"
#include "utils/rel.h"

#include "index/column.h"
#include "index/handler.h"
#include "index/scan.h"
#include "ivf/options.h"

const char *const ivf_names[IVF_KINDS] = {"ivfflat", "ivfpq", "ivfrabitq", "flat"};

static char *
ivf_build_phase_name(int64 phase)
{
	static char *const names[] = {
		[PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE] = "initializing",
		[IVF_PHASE_SAMPLE] = "sampling table",
		[IVF_PHASE_KMEANS] = "performing k-means",
		[IVF_PHASE_CODES] = "training quantizer",
		[IVF_PHASE_ASSIGN] = "assigning tuples",
		[IVF_PHASE_WRITE] = "loading tuples",
		[IVF_PHASE_WAL] = "writing WAL"
	};

	return phase > 0 && phase < lengthof(names) ? names[phase] : NULL;
}

/* One of the access methods, which has options of its own */
static IndexAmRoutine *
make_routine(amoptions_function options)
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
	routine->amvacuumcleanup = ivf_vacuum_cleanup;
	routine->amcostestimate = ivf_cost_estimate;
	routine->amoptions = options;
	routine->ambuildphasename = ivf_build_phase_name;
	routine->amvalidate = index_validate;
	routine->amadjustmembers = index_adjust_members;
	routine->ambeginscan = ivf_begin_scan;
	routine->amrescan = ivf_rescan;
	routine->amgettuple = vector_scan_next;
	routine->amendscan = vector_scan_end;
	return routine;
}

SQL_FUNCTION(ivfflathandler)
{
	RETURN_AM_ROUTINE(make_routine(ivfflat_reloptions));
}

SQL_FUNCTION(ivfpqhandler)
{
	RETURN_AM_ROUTINE(make_routine(ivfpq_reloptions));
}

SQL_FUNCTION(ivfrabitqhandler)
{
	RETURN_AM_ROUTINE(make_routine(ivfrabitq_reloptions));
}

SQL_FUNCTION(flat_handler)
{
	IndexAmRoutine *routine = make_routine(flat_reloptions);

	routine->amcostestimate = flat_cost_estimate;
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
	if (index->rd_indam->amoptions == flat_reloptions)
		return IVF_EXACT;
	return IVF_FLAT;
}
