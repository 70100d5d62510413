/*
 * scan_stats.c
 *	  What an index scan has done, in numbers.
 */
#include "index/scan_stats.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* Of this session, and the role that it was done for */
static ScanStats last_scan;
static Oid	last_role = InvalidOid;

const char *
scan_mode_name(ScanMode mode)
{
	static const char *const names[] = {
		[SCAN_NONE] = "none",
		[SCAN_GRAPH] = "graph",
		[SCAN_GRAPH_PASSING] = "graph of passing rows",
		[SCAN_ALL_PASSING] = "all passing rows",
		[SCAN_LISTS] = "lists"
	};

	return names[mode];
}

void
scan_stats_end(const ScanStats *stats)
{
	last_scan = *stats;
	last_role = GetUserId();
}

/*
 * vector_last_scan(OUT index, mode, searches, batches, visited, filtered,
 * distances, reread, returned): the session's index scan that ended last.  Null
 * where there was none, or where it was another role's (a function's that runs
 * with its owner's rights): its numbers tell of rows that the caller may not see.
 */
SQL_FUNCTION(vector_last_scan)
{
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {0};

	if (last_scan.searches == 0 || !has_privs_of_role(GetUserId(), last_role))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = ObjectIdGetDatum(last_scan.index);
	values[1] = CStringGetTextDatum(scan_mode_name(last_scan.mode));
	values[2] = Int64GetDatum((int64) last_scan.searches);
	values[3] = Int64GetDatum((int64) last_scan.batches);
	values[4] = Int64GetDatum((int64) last_scan.visited);
	values[5] = Int64GetDatum((int64) last_scan.filtered);
	values[6] = Int64GetDatum((int64) last_scan.distances);
	values[7] = Int64GetDatum((int64) last_scan.reread);
	values[8] = Int64GetDatum((int64) last_scan.returned);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
