/*
 * options.c
 *	  Storage parameters and settings.
 */
#include "ivf/options.h"

#include <limits.h>

#include "access/reloptions.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "index/option_watch.h"
#include "index/row_hints.h"
#include "ivf/centroids.h"
#include "math/quantize/pq.h"
#include "math/quantize/rabitq.h"

IvfSettings ivf_settings[IVF_KINDS] = {
	{1, IVF_MAX_LISTS, ITERATIVE_STRICT, 0},
	{0, IVF_MAX_LISTS, ITERATIVE_STRICT, 0},
	{0, IVF_MAX_LISTS, ITERATIVE_STRICT, 0},
	{1, 1, ITERATIVE_STRICT, 0},	/* nothing to be set: all of flat is read */
};
double		ivf_target_recall = 0;
int			ivf_seed = 0;
int			ivf_vacuum_budget = 0;

static relopt_kind option_kinds[IVF_KINDS];

/* Which settings have been set, be it to their defaults? */
typedef struct SettingsSet
{
	bool		probes;
	bool		rerank;
} SettingsSet;

static SettingsSet is_set[IVF_KINDS];
static bool target_recall_is_set = false;

static void
assign_target_recall(double newval, void *extra)
{
	target_recall_is_set = *(const bool *) extra;
}

/* A hook is not told which setting it is for. */
#define ASSIGN_HOOK(kind, setting) \
static void \
assign_##kind##_##setting(int newval, void *extra) \
{ \
	is_set[kind].setting = *(const bool *) extra; \
}

ASSIGN_HOOK(IVF_FLAT, probes)
ASSIGN_HOOK(IVF_PQ, probes)
ASSIGN_HOOK(IVF_RABITQ, probes)
ASSIGN_HOOK(IVF_PQ, rerank)
ASSIGN_HOOK(IVF_RABITQ, rerank)

static const GucIntAssignHook assign_probes[IVF_KINDS] = {
	assign_IVF_FLAT_probes, assign_IVF_PQ_probes, assign_IVF_RABITQ_probes
};
static const GucIntAssignHook assign_rerank[IVF_KINDS] = {
	NULL, assign_IVF_PQ_rerank, assign_IVF_RABITQ_rerank
};

static void
check_bits(const char *name, int value, bool valid, const char *values)
{
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %d out of bounds for option \"%s\"", value, name),
				 errdetail("Valid values are %s.", values)));
}

static void
check_centroids(const char *value)
{
	row_hints_check_name("centroids", value);
}

static void
check_assignments(const char *value)
{
	row_hints_check_name("assignments", value);
}

static void
define_settings(IvfKind kind)
{
	IvfSettings *settings = &ivf_settings[kind];
	const char *am = ivf_names[kind];
	bool		flat = kind == IVF_FLAT;

	DefineCustomIntVariable(psprintf("%s.probes", am),
							"Sets the number of lists that are searched.",
							flat ? NULL : "0 chooses as many as ivf.target_recall needs, or a recall of 0.95.",
							&settings->probes, settings->probes, flat ? 1 : 0,
							IVF_MAX_LISTS, PGC_USERSET, 0, check_int_is_set,
							assign_probes[kind], NULL);
	define_iterative_scan(psprintf("%s.iterative_scan", am),
						  "Sets how a scan goes on when the first probes were not enough.",
						  &settings->iterative_scan);
	DefineCustomIntVariable(psprintf("%s.max_probes", am),
							"Sets the number of lists after which an iterative scan ends.",
							NULL, &settings->max_probes, IVF_MAX_LISTS, 1,
							IVF_MAX_LISTS, PGC_USERSET, 0, NULL, NULL, NULL);
	if (!flat)
		DefineCustomIntVariable(psprintf("%s.rerank", am),
								"Sets how many candidates at a time are read from the table for their true distance.",
								"0 chooses by the width of the codes.",
								&settings->rerank, 0, 0, IVF_MAX_RERANK,
								PGC_USERSET, 0, check_int_is_set, assign_rerank[kind],
								NULL);
	MarkGUCPrefixReserved(am);
}

/* What an index has of its own for its scans */
static void
add_scan_options(relopt_kind option_kind, IvfKind kind)
{
	add_int_reloption(option_kind, "probes",
					  psprintf("%s.probes for this index, unless the session sets it or ivf.target_recall; 0: none",
							   ivf_names[kind]),
					  0, 0, IVF_MAX_LISTS, ShareUpdateExclusiveLock);
	if (kind != IVF_FLAT)
		add_int_reloption(option_kind, "rerank_rows",
						  psprintf("%s.rerank for this index, unless the session sets it; 0: none",
								   ivf_names[kind]),
						  0, 0, IVF_MAX_RERANK, ShareUpdateExclusiveLock);
	add_real_reloption(option_kind, "target_recall",
					   "ivf.target_recall for this index, unless it has probes or the session sets one of both; 0: none",
					   0, 0, 1, ShareUpdateExclusiveLock);
}

void
ivf_init(void)
{
	for (int kind = 0; kind < IVF_KINDS; kind++)
	{
		relopt_kind option_kind = add_reloption_kind();

		option_kinds[kind] = option_kind;
		if (kind == IVF_EXACT)
			continue;			/* it has neither options nor settings */
		add_int_reloption(option_kind, "lists",
						  "Number of inverted lists; 0: chosen by the number of rows",
						  kind == IVF_FLAT ? IVF_DEFAULT_LISTS : 0, 0,
						  IVF_MAX_LISTS, AccessExclusiveLock);
		add_string_reloption(option_kind, "centroids",
							 "Table with the lists' centroids, one vector a row",
							 NULL, check_centroids, AccessExclusiveLock);
		add_string_reloption(option_kind, "assignments",
							 "Table with the rows' lists, for builds with centroids",
							 NULL, check_assignments, ShareUpdateExclusiveLock);
		if (kind != IVF_FLAT)
			add_rerank_option(option_kind, RERANK_HEAP);
		add_scan_options(option_kind, (IvfKind) kind);
		add_int_reloption(option_kind, "vacuum_budget",
						  "Entries that VACUUM may move to lists that are made anew; 0: none; -1: ivf.vacuum_budget says",
						  -1, -1, INT_MAX, ShareUpdateExclusiveLock);
		if (kind == IVF_PQ)
		{
			add_int_reloption(option_kind, "m",
							  "Parts that a vector is cut into; 0: chosen by the number of dimensions",
							  0, 0, PQ_MAX_PARTS, AccessExclusiveLock);
			add_int_reloption(option_kind, "nbits",
							  "Bits of a part's number, 4 or 8", 4, 1, 16,
							  AccessExclusiveLock);
			add_bool_reloption(option_kind, "opq",
							   "Rotate vectors so that parts lose least",
							   false, AccessExclusiveLock);
		}
		if (kind == IVF_RABITQ)
			add_int_reloption(option_kind, "bits",
							  "Bits of a dimension: 1, 2, 4 or 8; 0: chosen by the number of dimensions",
							  0, 0, 8, AccessExclusiveLock);
		define_settings((IvfKind) kind);
	}

	DefineCustomRealVariable("ivf.target_recall",
							 "Sets the recall for which scans of inverted files choose their probes.",
							 "As measured for the ten nearest rows when an index was built; 0 leaves it to the probes settings.",
							 &ivf_target_recall, 0, 0, 1, PGC_USERSET, 0,
							 check_real_is_set, assign_target_recall, NULL);
	DefineCustomIntVariable("ivf.vacuum_budget",
							"Sets the number of entries that VACUUM may move to lists that are made anew.",
							"Where lists of an inverted file have grown long or far from their centroids; 0 leaves them to ivf_rebalance().",
							&ivf_vacuum_budget, 0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("ivf.seed",
							"Sets the seed of the random choices in inverted files built from now on.",
							NULL, &ivf_seed, 0, 0, INT_MAX, PGC_USERSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("ivf");
	option_watch(ivf_build, ivf_options_changed);
}

/* Each access method knows some of these only. */
static bytea *
parse_options(Datum reloptions, bool validate, IvfKind kind)
{
	static const relopt_parse_elt table[] = {
		{"lists", RELOPT_TYPE_INT, offsetof(IvfOptions, lists)},
		{"centroids", RELOPT_TYPE_STRING, offsetof(IvfOptions, centroids)},
		{"assignments", RELOPT_TYPE_STRING, offsetof(IvfOptions, assignments)},
		{"rerank", RELOPT_TYPE_ENUM, offsetof(IvfOptions, rerank)},
		{"m", RELOPT_TYPE_INT, offsetof(IvfOptions, m)},
		{"nbits", RELOPT_TYPE_INT, offsetof(IvfOptions, nbits)},
		{"opq", RELOPT_TYPE_BOOL, offsetof(IvfOptions, opq)},
		{"bits", RELOPT_TYPE_INT, offsetof(IvfOptions, bits)},
		{"probes", RELOPT_TYPE_INT, offsetof(IvfOptions, probes)},
		{"rerank_rows", RELOPT_TYPE_INT, offsetof(IvfOptions, rerank_rows)},
		{"target_recall", RELOPT_TYPE_REAL, offsetof(IvfOptions, target_recall)},
		{"vacuum_budget", RELOPT_TYPE_INT, offsetof(IvfOptions, vacuum_budget)},
	};
	IvfOptions *options = (IvfOptions *)
		build_reloptions(reloptions, validate, option_kinds[kind],
						 sizeof(IvfOptions), table, lengthof(table));

	if (options == NULL || !validate)
		return (bytea *) options;
	if (options->assignments != 0 && options->centroids == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"assignments\" needs option \"centroids\""),
				 errdetail("Rows are assigned to the lists of these centroids.")));
	if (kind == IVF_RABITQ)
		check_bits("bits", options->bits,
				   options->bits == 0 || rabitq_bits_valid(options->bits),
				   "\"0\", \"1\", \"2\", \"4\" and \"8\"");
	if (kind == IVF_PQ)
		check_bits("nbits", options->nbits,
				   options->nbits == 4 || options->nbits == 8, "\"4\" and \"8\"");
	return (bytea *) options;
}

bytea *
ivfflat_reloptions(Datum reloptions, bool validate)
{
	return parse_options(reloptions, validate, IVF_FLAT);
}

bytea *
ivfpq_reloptions(Datum reloptions, bool validate)
{
	return parse_options(reloptions, validate, IVF_PQ);
}

bytea *
ivfrabitq_reloptions(Datum reloptions, bool validate)
{
	return parse_options(reloptions, validate, IVF_RABITQ);
}

bytea *
flat_reloptions(Datum reloptions, bool validate)
{
	return parse_options(reloptions, validate, IVF_EXACT);
}

const IvfOptions *
ivf_options(Relation index, IvfKind kind)
{
	static const IvfOptions defaults[IVF_KINDS] = {
		{.lists = IVF_DEFAULT_LISTS, .vacuum_budget = -1},
		{.nbits = 4, .vacuum_budget = -1},
		{.bits = 0, .vacuum_budget = -1},
		{.lists = 1},
	};

	return index->rd_options != NULL
		? (const IvfOptions *) index->rd_options : &defaults[kind];
}

IvfEffort
ivf_effort(Relation index, IvfKind kind)
{
	const IvfOptions *own = ivf_options(index, kind);
	const IvfSettings *settings = &ivf_settings[kind];
	IvfEffort	effort = {
		.target_recall = ivf_target_recall,
		.probes = settings->probes,
		.rerank = own->rerank_rows > 0 && !is_set[kind].rerank ? own->rerank_rows
		: settings->rerank
	};

	if (ivf_target_recall > 0 || is_set[kind].probes)
		return effort;
	if (own->probes > 0)
		effort.probes = own->probes;
	else if (!target_recall_is_set)
		effort.target_recall = own->target_recall;
	return effort;
}

const char *
ivf_centroid_table(const IvfOptions *options)
{
	return options->centroids == 0 ? NULL
		: (const char *) options + options->centroids;
}

const char *
ivf_assignment_table(const IvfOptions *options)
{
	return options->assignments == 0 ? NULL
		: (const char *) options + options->assignments;
}
