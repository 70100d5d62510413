/*
 * scan_statistics.c
 *	  What scans have done, in SQL: the view vector_stat_scans, and beginning anew.
 */
#include "admin/admin.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "index/scan_counters.h"

/* May the caller see these sums?  Those of no index in particular, as a monitor. */
static bool
may_see(const ScanSums *sums)
{
	Oid			table;

	if (!OidIsValid(sums->index))
		return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	table = IndexGetRelation(sums->index, true);
	return OidIsValid(table) && may_watch_index(sums->index, table);
}

/* vector_scan_counters(): a row for each index that has been scanned */
SQL_FUNCTION(vector_scan_counters)
{
	TupleDesc	desc;
	Tuplestorestate *store = begin_set_result(fcinfo, &desc);
	int			count;
	const ScanSums *sums = scan_counters_read(&count);

	for (int i = 0; i < count; i++)
	{
		Datum		values[SCAN_COUNTERS + 3];
		bool		nulls[SCAN_COUNTERS + 3] = {false};
		int			at = 0;

		CHECK_FOR_INTERRUPTS();
		if (sums[i].counters[COUNT_SCANS] == 0 || !may_see(&sums[i]))
			continue;
		nulls[at] = !OidIsValid(sums[i].index);
		values[at++] = ObjectIdGetDatum(sums[i].index);
		for (int counter = 0; counter < COUNT_NANOSECONDS; counter++)
			values[at++] = Int64GetDatum((int64) sums[i].counters[counter]);
		values[at++] = Float8GetDatum(sums[i].counters[COUNT_NANOSECONDS] / 1e6);
		values[at++] = TimestampTzGetDatum(sums[i].since);
		values[at++] = BoolGetDatum(scan_counters_shared());
		Assert(at == desc->natts);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * vector_stat_reset(index regclass): for its owner; with null, of all indexes, for
 * the database's owner.  A session that has sums of its own may reset them.
 */
SQL_FUNCTION(vector_stat_reset)
{
	Oid			index = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);

	if (scan_counters_shared())
	{
		if (OidIsValid(index) && !owns_relation(index))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(index));
		if (!OidIsValid(index) && !owns_database(MyDatabaseId))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_DATABASE,
						   get_database_name(MyDatabaseId));
	}
	scan_counters_reset(index);
	PG_RETURN_VOID();
}
