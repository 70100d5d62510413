/*
 * distributed.c
 *	  Are a table's rows on other servers?
 *
 * citus lists the tables that it has distributed in pg_catalog.pg_dist_partition, one
 * row each, with the table in the column logicalrelid.  It is read as a table of that
 * name and form, so nothing of citus is needed to build or to run this.  Only a
 * superuser can make a table in pg_catalog.
 */
#include "index/distributed.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

bool
is_distributed_table(Oid table)
{
	Oid			catalog = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
	AttrNumber	column;
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	if (!OidIsValid(catalog) || get_rel_relkind(catalog) != RELKIND_RELATION)
		return false;
	column = get_attnum(catalog, "logicalrelid");
	if (column <= 0 || get_atttype(catalog, column) != REGCLASSOID)
		return false;

	relation = table_open(catalog, AccessShareLock);
	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}
