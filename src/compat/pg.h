/*
 * pg.h
 *	  PostgreSQL's headers, with the differences between versions 14 to 18
 *	  (and 19, as far as it can be had) levelled.
 *
 * Every file that talks to PostgreSQL includes this one first, in place of
 * postgres.h, and tests no version number itself.
 */
#ifndef VECTOR_COMPAT_PG_H
#define VECTOR_COMPAT_PG_H

#include "pg_config.h"

#if PG_VERSION_NUM < 140000
#error "vector needs PostgreSQL 14 or later"
#endif

/*
 * Our symbols are hidden unless they are meant for the server, so that no
 * other library's function of the same name can take their place.  From 16 on
 * PGDLLEXPORT says so by itself.
 */
#if PG_VERSION_NUM < 160000
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "commands/vacuum.h"

/* Declare and register a function that SQL calls; its body follows. */
#define SQL_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS)

extern PGDLLEXPORT void _PG_init(void);

/* 18 put the mark of what never returns in front of a declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* Soft errors (pg_input_is_valid, COPY ... ON_ERROR) came with 16. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* Reserving a prefix of setting names */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* EXPLAIN's functions got headers of their own with 18. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#else
#include "commands/explain.h"
#endif

/* A hook where EXPLAIN shows a node came with 18. */
#if PG_VERSION_NUM >= 180000
#define HAVE_EXPLAIN_PER_NODE_HOOK
#endif

/* A custom scan's word that it can project came with 15; 14 took it for granted. */
#if PG_VERSION_NUM < 150000
#define CUSTOMPATH_SUPPORT_PROJECTION 0
#endif

/* What names a relation's files, with its accessor */
#if PG_VERSION_NUM >= 160000
#define relation_locator(relation) ((relation)->rd_locator)
#else
#define relation_locator(relation) ((relation)->rd_node)
#endif

/* An index scan got a place for its counters with 18, and flags with 19. */
#if PG_VERSION_NUM >= 190000
#define begin_index_scan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define begin_index_scan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define begin_index_scan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* The same of an IndexScanState's index, in its orders */
#if PG_VERSION_NUM >= 190000
#define begin_ordered_scan(node) \
	index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, \
					(node)->ss.ps.state->es_snapshot, (node)->iss_Instrument, \
					(node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define begin_ordered_scan(node) \
	index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, \
					(node)->ss.ps.state->es_snapshot, &(node)->iss_Instrument, \
					(node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys)
#else
#define begin_ordered_scan(node) \
	index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, \
					(node)->ss.ps.state->es_snapshot, \
					(node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys)
#endif

/* Does a MergeAppend leave children out when it runs?  Where that is said changed with 18. */
#if PG_VERSION_NUM >= 180000
#define merge_append_prunes(append) ((append)->part_prune_index >= 0)
#else
#define merge_append_prunes(append) ((append)->part_prune_info != NULL)
#endif

/* Count a search of the index in EXPLAIN ANALYZE, which shows it from 18 on. */
#if PG_VERSION_NUM >= 180000
#define count_index_search(scan) \
	do { \
		if ((scan)->instrument) \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define count_index_search(scan) ((void) 0)
#endif

/* From 18 on, what no cost can rule out is counted. */
#if PG_VERSION_NUM >= 180000
#define disable_path(path) ((path)->disabled_nodes = 2)
#else
#define disable_path(path) ((void) (path))
#endif

/* "Snapshot too old" went with 17. */
#if PG_VERSION_NUM >= 170000
#define TestForOldSnapshot(snapshot, relation, page) ((void) 0)
#endif

/* How a path key says descending changed with 18. */
#if PG_VERSION_NUM >= 180000
#define pathkey_is_descending(pathkey) ((pathkey)->pk_cmptype == COMPARE_GT)
#else
#define pathkey_is_descending(pathkey) \
	((pathkey)->pk_strategy == BTGreaterStrategyNumber)
#endif

#if PG_VERSION_NUM >= 180000
#define pathkey_set_ascending(pathkey) ((pathkey)->pk_cmptype = COMPARE_LT)
#else
#define pathkey_set_ascending(pathkey) \
	((pathkey)->pk_strategy = BTLessStrategyNumber)
#endif

/*
 * Conditions "flag" and "NOT flag" are matched with an index's boolean column
 * whatever its operator family from 16 on; before, only with btree's and hash's.
 */
#if PG_VERSION_NUM >= 160000
#define matches_boolean_columns true
#else
#define matches_boolean_columns false
#endif

/* Is a table's column known not to be null?  From 17 on, the planner keeps that. */
#if PG_VERSION_NUM >= 170000
#include "nodes/pathnodes.h"
#define column_is_not_null(relid, rel, attnum) \
	((void) (relid), bms_is_member(attnum, (rel)->notnullattnums))
#else
#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "nodes/pathnodes.h"
#include "utils/syscache.h"
static inline bool
column_is_not_null(Oid relid, RelOptInfo *rel, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
										Int16GetDatum(attnum));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}
#endif

/*
 * The members of an equivalence class that belong to a relation: all of them
 * were in one list up to 17, those of partitions are apart from 18 on.
 */
#if PG_VERSION_NUM >= 180000
#include "optimizer/paths.h"
typedef EquivalenceMemberIterator EclassIterator;
#define eclass_iterator_begin(iterator, eclass, relids) \
	setup_eclass_member_iterator(iterator, eclass, relids)
#define eclass_iterator_next(iterator) eclass_member_iterator_next(iterator)
#else
#include "nodes/pathnodes.h"
typedef struct EclassIterator
{
	List	   *members;
	int			next;
} EclassIterator;

static inline void
eclass_iterator_begin(EclassIterator *iterator, EquivalenceClass *eclass,
					  Relids relids)
{
	iterator->members = eclass->ec_members;
	iterator->next = 0;
}

static inline EquivalenceMember *
eclass_iterator_next(EclassIterator *iterator)
{
	if (iterator->next >= list_length(iterator->members))
		return NULL;
	return (EquivalenceMember *) list_nth(iterator->members, iterator->next++);
}
#endif

/* A column's statistics target, and what ANALYZE samples for it */
static inline int
statistics_target(VacAttrStats *stats)
{
#if PG_VERSION_NUM >= 170000
	return stats->attstattarget < 0 ? default_statistics_target
		: stats->attstattarget;
#else
	return stats->attr->attstattarget < 0 ? default_statistics_target
		: stats->attr->attstattarget;
#endif
}

/* Interrupts and the cost-based delay, in ANALYZE */
static inline void
analyze_delay_point(void)
{
#if PG_VERSION_NUM >= 180000
	vacuum_delay_point(true);
#else
	vacuum_delay_point();
#endif
}

/* Whether this is an autovacuum worker got another name with 17. */
#if PG_VERSION_NUM < 170000
#define AmAutoVacuumWorkerProcess() IsAutoVacuumWorkerProcess()
#endif

/* What a setting's check hook hands to its assign hook has an allocator from 16 on. */
#if PG_VERSION_NUM >= 160000
#define setting_extra(bytes) guc_malloc(LOG, bytes)
#else
#define setting_extra(bytes) malloc(bytes)
#endif

/* A parser of names got a place for soft errors with 16. */
#if PG_VERSION_NUM >= 160000
#define qualified_name_list(name) stringToQualifiedNameList(name, NULL)
#else
#define qualified_name_list(name) stringToQualifiedNameList(name)
#endif

/* Maintenance got a search_path of its own with 17. */
#if PG_VERSION_NUM < 170000
#define RestrictSearchPath() ((void) 0)
#endif

/* Is a relation, or a database, the user's?  One function for all kinds of objects came with 16. */
#include "miscadmin.h"
#include "utils/acl.h"
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#define owns_relation(oid) \
	object_ownercheck(RelationRelationId, oid, GetUserId())
#define owns_database(oid) \
	object_ownercheck(DatabaseRelationId, oid, GetUserId())
#else
#define owns_relation(oid) pg_class_ownercheck(oid, GetUserId())
#define owns_database(oid) pg_database_ownercheck(oid, GetUserId())
#endif

/* May the user maintain a table of another one?  The privilege came with 17. */
#if PG_VERSION_NUM >= 170000
#define may_maintain(oid) \
	(pg_class_aclcheck(oid, GetUserId(), ACL_MAINTAIN) == ACLCHECK_OK)
#else
#define may_maintain(oid) owns_relation(oid)
#endif

/* May the current role use what is in a schema? */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_namespace.h"
#define may_use_schema(oid) \
	(object_aclcheck(NamespaceRelationId, oid, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#else
#define may_use_schema(oid) \
	(pg_namespace_aclcheck(oid, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#endif

/* Temporary files that processes share were of one kind, and got another name, with 15. */
#include "storage/sharedfileset.h"
#if PG_VERSION_NUM >= 150000
#define create_shared_file(set, name)	BufFileCreateFileSet(&(set)->fs, name)
#define export_shared_file(file)	BufFileExportFileSet(file)
#define open_shared_file(set, name) \
	BufFileOpenFileSet(&(set)->fs, name, O_RDONLY, false)
#else
#define create_shared_file(set, name)	BufFileCreateShared(set, name)
#define export_shared_file(file)	BufFileExportShared(file)
#define open_shared_file(set, name) BufFileOpenShared(set, name, O_RDONLY)
#endif

/* Interrupts and the cost-based delay, in VACUUM */
static inline void
index_vacuum_delay_point(void)
{
#if PG_VERSION_NUM >= 180000
	vacuum_delay_point(false);
#else
	vacuum_delay_point();
#endif
}

/*
 * 19 gave some functions another argument, of which the rest of the code has no
 * need.  A macro of a function's own name is not expanded in itself.
 */
#if PG_VERSION_NUM >= 190000
#include "access/tableam.h"
#include "executor/executor.h"
#define table_beginscan(relation, snapshot, nkeys, keys) \
	table_beginscan(relation, snapshot, nkeys, keys, SO_NONE)
#define table_beginscan_parallel(relation, scan) \
	table_beginscan_parallel(relation, scan, SO_NONE)
#define table_index_fetch_begin(relation) \
	table_index_fetch_begin(relation, SO_NONE)
#define ExecInitScanTupleSlot(estate, scan, desc, ops) \
	ExecInitScanTupleSlot(estate, scan, desc, ops, 0)
#endif

/* From 19 on, a tranche of locks has its name from the beginning. */
#if PG_VERSION_NUM >= 190000
#include "storage/lwlock.h"
#define LWLockNewTrancheId() LWLockNewTrancheId("vector")
#define LWLockRegisterTranche(id, name) ((void) 0)
#endif

/* A tuple descriptor made attribute by attribute must be finished from 19 on. */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(desc) ((void) (desc))
#endif

/* Headers that came with others before 19, and a type that went */
#if PG_VERSION_NUM >= 190000
#include "executor/instrument.h"
#include "utils/wait_classes.h"
typedef uint8 bits8;
#endif

/*
 * The end of an access method's handler: PostgreSQL copies the routine up to 18,
 * and keeps the pointer from 19 on.
 */
#if PG_VERSION_NUM >= 190000
#include "access/amapi.h"
#define RETURN_AM_ROUTINE(routine) \
	do { \
		static IndexAmRoutine kept; \
		kept = *(routine); \
		PG_RETURN_POINTER(&kept); \
	} while (0)
#else
#define RETURN_AM_ROUTINE(routine) PG_RETURN_POINTER(routine)
#endif

/*
 * A hook where the planner has read about a table and its indexes, and has made
 * no path yet: it was get_relation_info's up to 18, and is build_simple_rel's.
 */
#if PG_VERSION_NUM >= 190000
#include "optimizer/pathnode.h"
typedef build_simple_rel_hook_type relation_info_hook_type;
#define relation_info_hook build_simple_rel_hook
#define RELATION_INFO_PARAMETERS \
	PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte
#define RELATION_INFO_ARGUMENTS root, rel, rte
#define RELATION_INFO_RELID rte->relid
#else
#include "optimizer/plancat.h"
typedef get_relation_info_hook_type relation_info_hook_type;
#define relation_info_hook get_relation_info_hook
#define RELATION_INFO_PARAMETERS \
	PlannerInfo *root, Oid relid, bool inherited, RelOptInfo *rel
#define RELATION_INFO_ARGUMENTS root, relid, inherited, rel
#define RELATION_INFO_RELID relid
#endif

/* The planner is told of EXPLAIN from 19 on. */
#if PG_VERSION_NUM >= 190000
#define PLANNER_PARAMETERS \
	Query *parse, const char *query_string, int options, ParamListInfo params, \
	ExplainState *explain
#define PLANNER_ARGUMENTS parse, query_string, options, params, explain
#else
#define PLANNER_PARAMETERS \
	Query *parse, const char *query_string, int options, ParamListInfo params
#define PLANNER_ARGUMENTS parse, query_string, options, params
#endif

/* What privileges a range table's entry asks for is in a list of its own from 16 on. */
#if PG_VERSION_NUM >= 160000
#define move_entry_permissions(query, entry, subquery) \
	do { \
		if ((entry)->perminfoindex != 0) \
		{ \
			(subquery)->rteperminfos = \
				list_make1(copyObject(getRTEPermissionInfo((query)->rteperminfos, entry))); \
			(entry)->perminfoindex = 1; \
		} \
	} while (0)
#define ask_no_permissions(entry) ((entry)->perminfoindex = 0)
#else
#define move_entry_permissions(query, entry, subquery) ((void) 0)
#define ask_no_permissions(entry) \
	((entry)->requiredPerms = 0, (entry)->selectedCols = NULL)
#endif

#endif							/* VECTOR_COMPAT_PG_H */
