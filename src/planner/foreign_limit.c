/*
 * foreign_limit.c
 *	  A LIMIT over partitions on other servers, sent to these.
 *
 * postgres_fdw sends a partition's conditions and its ORDER BY, and PostgreSQL keeps
 * the LIMIT above the MergeAppend to itself.  So a server plans for all its rows, and
 * sends fetch_size of them.  Of n rows in order none is behind the first n of its
 * partition: the statement that is sent may end with LIMIT n, if all of its conditions
 * are in it.  That is known when the plan is finished, and the statement is a string in
 * it, which ends with its ORDER BY; postgres_fdw puts its own LIMIT in that place.
 *
 * Nothing else changes: who may read what, as whom a server is asked, and which rows
 * pass is PostgreSQL's to say, as before.
 */
#include "planner/foreign_limit.h"

#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_proc.h"
#include "catalog/dependency.h"
#include "commands/extension.h"
#include "foreign/foreign.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "planner/distance_call.h"

static bool
is_postgres_fdw(Oid server)
{
	Oid			handler = GetForeignDataWrapper(GetForeignServer(server)->fdwid)->fdwhandler;
	Oid			extension = get_extension_oid("postgres_fdw", true);

	return OidIsValid(handler) && OidIsValid(extension) &&
		getExtensionOfObject(ProcedureRelationId, handler) == extension;
}

/* A limit or an offset that is a number which is known; absent: what it is then */
static bool
known_number(const Node *node, int64 absent, int64 *number)
{
	*number = absent;
	if (node == NULL)
		return true;
	if (!IsA(node, Const) || ((const Const *) node)->constisnull)
		return false;
	*number = DatumGetInt64(((const Const *) node)->constvalue);
	return *number >= 0;
}

/*
 * The first member of postgres_fdw's fdw_private is the statement.  It is one of a
 * plain SELECT from one table, all of whose conditions are in it.
 */
static void
limit_scan(ForeignScan *scan, AttrNumber column, int64 rows)
{
	TargetEntry *entry = list_nth_node(TargetEntry, scan->scan.plan.targetlist,
									   column - 1);
	const char *statement;

	if (scan->operation != CMD_SELECT || scan->scan.scanrelid == 0 ||
		scan->scan.plan.qual != NIL || scan->fdw_private == NIL ||
		!IsA(linitial(scan->fdw_private), String) ||
		!has_distance((Node *) entry->expr, NULL) ||
		!is_postgres_fdw(scan->fs_server))
		return;
	statement = strVal(linitial(scan->fdw_private));
	if (strncmp(statement, "SELECT ", strlen("SELECT ")) != 0)
		return;
	linitial(scan->fdw_private) =
		makeString(psprintf("%s LIMIT " INT64_FORMAT "::bigint", statement, rows));
}

void
limit_foreign_scans(const Limit *limit, const MergeAppend *append)
{
	int64		count;
	int64		offset;
	ListCell   *cell;

	if (limit->limitOption == LIMIT_OPTION_WITH_TIES || limit->limitCount == NULL ||
		!known_number(limit->limitCount, 0, &count) ||
		!known_number(limit->limitOffset, 0, &offset) ||
		count > PG_INT64_MAX - offset)
		return;
	foreach(cell, append->mergeplans)
	{
		if (IsA(lfirst(cell), ForeignScan))
			limit_scan((ForeignScan *) lfirst(cell), append->sortColIdx[0], count + offset);
	}
}
