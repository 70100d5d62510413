/*
 * handler.c
 *	  What PostgreSQL is told about the access method, its options, and functions.
 */
#include "sparse/inverted.h"

#include "access/reloptions.h"
#include "access/xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

#include "index/scan.h"
#include "index/handler.h"
#include "sparse/progress.h"

double		inverted_drop_ratio = 0;

static relopt_kind option_kind;

static relopt_enum_elt_def weight_kinds[] = {
	{"int8", WEIGHT_CODES},
	{"float4", WEIGHT_FLOATS},
	{(const char *) NULL}
};

void
inverted_init(void)
{
	option_kind = add_reloption_kind();
	add_enum_reloption(option_kind, "weights",
					   "How weights are kept: in 8 bits, or as they are",
					   weight_kinds, WEIGHT_CODES,
					   "Valid values are \"int8\" and \"float4\".",
					   AccessExclusiveLock);
	add_int_reloption(option_kind, "pending_list_limit",
					  "Size of the list of pending rows, in kilobytes",
					  DEFAULT_PENDING_LIMIT, 64, 1024 * 1024,
					  ShareUpdateExclusiveLock);
	DefineCustomRealVariable("sparse_inverted.drop_ratio",
							 "Sets the part of a query's elements, the smallest ones, that a scan for the first rows does not look at.",
							 "0 looks at all: results are exact.",
							 &inverted_drop_ratio, 0, 0, 1, PGC_USERSET,
							 GUC_EXPLAIN, NULL, NULL, NULL);
	MarkGUCPrefixReserved("sparse_inverted");
}

bytea *
inverted_reloptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{"weights", RELOPT_TYPE_ENUM, offsetof(InvertedOptions, weights)},
		{"pending_list_limit", RELOPT_TYPE_INT, offsetof(InvertedOptions, pending_list_limit)},
	};

	return (bytea *) build_reloptions(reloptions, validate, option_kind,
									  sizeof(InvertedOptions), table,
									  lengthof(table));
}

const InvertedOptions *
inverted_options(Relation index)
{
	static const InvertedOptions defaults = {
		.weights = WEIGHT_CODES,
		.pending_list_limit = DEFAULT_PENDING_LIMIT
	};

	return index->rd_options != NULL
		? (const InvertedOptions *) index->rd_options : &defaults;
}

static char *
inverted_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case INVERTED_PHASE_INVERT:
			return "inverting tuples";
		case INVERTED_PHASE_MERGE:
			return "merging runs";
		case INVERTED_PHASE_WAL:
			return "writing WAL";
		default:
			return NULL;
	}
}

SQL_FUNCTION(sparse_inverted_handler)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 0;
	routine->amsupport = INVERTED_PROCS;
	routine->amcanorderbyop = true;
	routine->amcanmulticol = true;
	routine->amsearcharray = true;
	routine->amsearchnulls = true;
	routine->amoptionalkey = true;
	routine->amusemaintenanceworkmem = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_NO_PARALLEL;
	routine->amkeytype = InvalidOid;

	routine->ambuild = inverted_build;
	routine->ambuildempty = inverted_build_empty;
	routine->aminsert = inverted_insert;
	routine->ambulkdelete = inverted_bulk_delete;
	routine->amvacuumcleanup = inverted_vacuum_cleanup;
	routine->amcostestimate = inverted_cost_estimate;
	routine->amoptions = inverted_reloptions;
	routine->ambuildphasename = inverted_build_phase_name;
	routine->amvalidate = index_validate;
	routine->amadjustmembers = index_adjust_members;
	routine->ambeginscan = inverted_begin_scan;
	routine->amrescan = vector_scan_rescan;
	routine->amgettuple = vector_scan_next;
	routine->amendscan = vector_scan_end;
	PG_RETURN_POINTER(routine);
}

SQL_FUNCTION(sparse_inverted_support)
{
	PG_RETURN_POINTER(&column_types[COLUMN_SPARSEVEC]);
}

/*
 * sparse_inverted_flush(index regclass, everything boolean) returns bigint: make
 * segments of pending rows; everything: and one segment of all.  Returns the
 * number of rows that were pending.  For the index's owner.
 */
SQL_FUNCTION(sparse_inverted_flush)
{
	Oid			oid = PG_GETARG_OID(0);
	Relation	relation;
	uint64		rows;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("Pending rows cannot be flushed during recovery.")));
	relation = index_open(oid, RowExclusiveLock);
	if (relation->rd_indam->amcostestimate != inverted_cost_estimate)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a %s index",
						RelationGetRelationName(relation), INVERTED_NAME)));
	if (RELATION_IS_OTHER_TEMP(relation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!owns_relation(oid))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX,
					   RelationGetRelationName(relation));
	rows = inverted_merge(inverted_open(relation), true, PG_GETARG_BOOL(1));
	index_close(relation, RowExclusiveLock);
	PG_RETURN_INT64((int64) rows);
}
