/*
 * handler.c
 *	  What PostgreSQL is told about the access method; its options and settings.
 */
#include "hnsw/hnsw.h"

#include <limits.h>

#include "access/reloptions.h"
#include "utils/guc.h"

#include "hnsw/page.h"
#include "index/option_watch.h"
#include "index/row_hints.h"
#include "index/scan.h"

int			hnsw_ef_search = HNSW_DEFAULT_EF_SEARCH;
int			hnsw_iterative_scan = ITERATIVE_STRICT;
int			hnsw_max_scan_tuples = 20000;
double		hnsw_scan_mem_multiplier = 1;
double		hnsw_target_recall = 0;
int			hnsw_seed = 0;

/* Has hnsw.ef_search been set, be it to its default? */
static bool ef_search_is_set = false;
static bool target_recall_is_set = false;

static relopt_kind option_kind;

static relopt_enum_elt_def quantizers[] = {
	{"auto", HNSW_QUANTIZER_AUTO},
	{"none", HNSW_QUANTIZER_NONE},
	{"rabitq1", HNSW_QUANTIZER_RABITQ1},
	{"rabitq2", HNSW_QUANTIZER_RABITQ2},
	{"rabitq4", HNSW_QUANTIZER_RABITQ4},
	{"rabitq8", HNSW_QUANTIZER_RABITQ8},
	{(const char *) NULL}
};

/* What the next REINDEX would refuse is refused at once. */
static void
options_changed(Oid index, Relation relation, const bytea *options,
				bool changed)
{
	if (changed && options != NULL)
		pfree(hnsw_describe(relation, (const HnswOptions *) options, NULL, 0));
}

static void
assign_ef_search(int newval, void *extra)
{
	ef_search_is_set = *(const bool *) extra;
}

static void
assign_target_recall(double newval, void *extra)
{
	target_recall_is_set = *(const bool *) extra;
}

static void
check_neighbors(const char *value)
{
	row_hints_check_name("neighbors", value);
}

void
hnsw_init(void)
{
	option_kind = add_reloption_kind();
	add_int_reloption(option_kind, "m",
					  "Most neighbors of an element at an upper level; twice as many at level 0",
					  HNSW_DEFAULT_M, HNSW_MIN_M, HNSW_MAX_M,
					  AccessExclusiveLock);
	add_int_reloption(option_kind, "ef_construction",
					  "Candidates considered for the neighbors of a new element",
					  HNSW_DEFAULT_EF_CONSTRUCTION, HNSW_MIN_EF_CONSTRUCTION,
					  HNSW_MAX_EF_CONSTRUCTION, AccessExclusiveLock);
	add_int_reloption(option_kind, "ef_search",
					  "hnsw.ef_search for this index, unless the session sets it; 0: none",
					  0, 0, HNSW_MAX_EF_SEARCH, ShareUpdateExclusiveLock);
	add_enum_reloption(option_kind, "quantizer",
					   "Code that stands for a value in the graph", quantizers,
					   HNSW_QUANTIZER_AUTO,
					   "Valid values are \"auto\", \"none\", \"rabitq1\", \"rabitq2\", \"rabitq4\" and \"rabitq8\".",
					   AccessExclusiveLock);
	add_rerank_option(option_kind, RERANK_INDEX);
	add_real_reloption(option_kind, "target_recall",
					   "hnsw.target_recall for this index, unless the session sets it or hnsw.ef_search; 0: none",
					   0, 0, 1, ShareUpdateExclusiveLock);
	add_string_reloption(option_kind, "neighbors",
						 "Table with the nearest neighbors of rows, for builds",
						 NULL, check_neighbors, ShareUpdateExclusiveLock);

	DefineCustomIntVariable("hnsw.ef_search",
							"Sets the size of the dynamic candidate list for search.",
							NULL, &hnsw_ef_search, HNSW_DEFAULT_EF_SEARCH,
							HNSW_MIN_EF_SEARCH, HNSW_MAX_EF_SEARCH,
							PGC_USERSET, 0, check_int_is_set, assign_ef_search,
							NULL);
	DefineCustomRealVariable("hnsw.target_recall",
							 "Sets the recall for which searches choose their ef_search.",
							 "As measured when the index was built, or by vector_tune(); 0 leaves it to hnsw.ef_search, which goes before it where it is set.",
							 &hnsw_target_recall, 0, 0, 1, PGC_USERSET, 0,
							 check_real_is_set, assign_target_recall, NULL);
	define_iterative_scan("hnsw.iterative_scan",
						  "Sets how a scan goes on when the first ef_search rows were not enough.",
						  &hnsw_iterative_scan);
	DefineCustomIntVariable("hnsw.max_scan_tuples",
							"Sets the number of tuples after which an iterative scan ends.",
							NULL, &hnsw_max_scan_tuples, 20000, 1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("hnsw.scan_mem_multiplier",
							 "Sets the multiple of work_mem that an iterative scan may use.",
							 NULL, &hnsw_scan_mem_multiplier, 1, 1, 1000,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hnsw.seed",
							"Sets the seed of the random choices in indexes built from now on.",
							"Builds by one process with the same seed, of the same rows in the same order, give the same graph.",
							&hnsw_seed, 0, 0, INT_MAX, PGC_USERSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("hnsw");
	option_watch(hnsw_build, options_changed);
}

bytea *
hnsw_reloptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{"m", RELOPT_TYPE_INT, offsetof(HnswOptions, m)},
		{"ef_construction", RELOPT_TYPE_INT, offsetof(HnswOptions, ef_construction)},
		{"ef_search", RELOPT_TYPE_INT, offsetof(HnswOptions, ef_search)},
		{"quantizer", RELOPT_TYPE_ENUM, offsetof(HnswOptions, quantizer)},
		{"rerank", RELOPT_TYPE_ENUM, offsetof(HnswOptions, rerank)},
		{"target_recall", RELOPT_TYPE_REAL, offsetof(HnswOptions, target_recall)},
		{"neighbors", RELOPT_TYPE_STRING, offsetof(HnswOptions, neighbors)},
	};

	return (bytea *) build_reloptions(reloptions, validate, option_kind,
									  sizeof(HnswOptions), table,
									  lengthof(table));
}

const HnswOptions *
hnsw_options(Relation index)
{
	static const HnswOptions defaults = {
		.m = HNSW_DEFAULT_M,
		.ef_construction = HNSW_DEFAULT_EF_CONSTRUCTION,
		.quantizer = HNSW_QUANTIZER_AUTO,
		.rerank = RERANK_INDEX
	};

	return index->rd_options != NULL
		? (const HnswOptions *) index->rd_options : &defaults;
}

/* A setting that nobody has set gives way to the index's own. */
int
hnsw_scan_ef(Relation index)
{
	int			own = hnsw_options(index)->ef_search;

	return own > 0 && !ef_search_is_set ? own : hnsw_ef_search;
}

/*
 * What is set for the session goes before what the index has, and a number before
 * a recall.
 */
double
hnsw_declared_recall(Relation index)
{
	const HnswOptions *options = hnsw_options(index);

	if (ef_search_is_set)
		return 0;
	if (target_recall_is_set)
		return hnsw_target_recall;
	return options->ef_search > 0 ? 0 : options->target_recall;
}

/* ------------------------------------------------------------------------
 * The access method
 */

static char *
hnsw_build_phase_name(int64 phase)
{
	static char *const names[] = {
		[PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE] = "initializing",
		[HNSW_PHASE_SAMPLE] = "sampling table",
		[HNSW_PHASE_LOAD] = "loading tuples",
		[HNSW_PHASE_WRITE] = "writing graph",
		[HNSW_PHASE_WAL] = "writing WAL",
		[HNSW_PHASE_LINK] = "linking neighbors"
	};

	return phase > 0 && phase < lengthof(names) ? names[phase] : NULL;
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
	routine->amvalidate = index_validate;
	routine->amadjustmembers = index_adjust_members;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = vector_scan_rescan;
	routine->amgettuple = vector_scan_next;
	routine->amendscan = vector_scan_end;

	RETURN_AM_ROUTINE(routine);
}
