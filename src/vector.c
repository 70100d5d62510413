/*
 * vector.c
 *	  Module entry: settings and the choice of kernels.
 *
 * Loading picks the kernels this processor runs best.  Nothing here needs
 * shared_preload_libraries: the library is loaded by the first statement that
 * touches one of its functions.
 */
#include "compat/pg.h"

#include "admin/recall.h"
#include "hnsw/hnsw.h"
#include "index/build_report.h"
#include "index/scan_counters.h"
#include "ivf/ivf.h"
#include "math/distance/distance.h"
#include "math/keys/keys.h"
#include "math/linear/linear.h"
#include "math/quantize/quantize.h"
#include "math/sparse/postings.h"
#include "planner/planner.h"
#include "sparse/inverted.h"
#include "storage/wait_point.h"

PG_MODULE_MAGIC;

static bool use_openblas = true;
static int	simd_level = SIMD_AUTO;

static const struct config_enum_entry simd_options[] = {
	{"auto", SIMD_AUTO, false},
	{"scalar", SIMD_SCALAR, false},
	{"neon", SIMD_NEON, false},
	{"avx2", SIMD_AVX2, false},
	{"avx512", SIMD_AVX512, false},
	{NULL, 0, false}
};


static void
assign_openblas(bool newval, void *extra)
{
	linear_allow_openblas(newval);
}

/* Refuse a level that this processor (or this build) cannot run. */
static bool
check_simd_level(int *newval, void **extra, GucSource source)
{
	if (simd_runs((SimdLevel) *newval))
		return true;

	GUC_check_errdetail("This processor does not support the instruction set.");
	GUC_check_errhint("\"auto\" chooses the best supported one.");
	return false;
}

static void
assign_simd_level(int newval, void *extra)
{
	(void) distance_set_level((SimdLevel) newval);
	(void) quantize_set_level((SimdLevel) newval);
	(void) linear_set_level((SimdLevel) newval);
	(void) keys_set_level((SimdLevel) newval);
	(void) postings_set_level((SimdLevel) newval);
}

/* The setting shows what "auto" has chosen. */
static const char *
show_simd_level(void)
{
	return distance_kernels->name;
}

void
_PG_init(void)
{
	DefineCustomEnumVariable("vector.simd",
							 "Sets the instruction set of the distance kernels.",
							 "\"auto\" takes the best one the processor has; the others are for tests.",
							 &simd_level,
							 SIMD_AUTO, simd_options,
							 PGC_USERSET, GUC_NOT_IN_SAMPLE,
							 check_simd_level, assign_simd_level,
							 show_simd_level);
	DefineCustomBoolVariable("vector.openblas",
							 "Lets OpenBLAS multiply matrices when indexes are built, where it is installed.",
							 "Else the extension's own loops do.",
							 &use_openblas,
							 true,
							 PGC_USERSET, GUC_NOT_IN_SAMPLE,
							 NULL, assign_openblas, NULL);
	build_report_init();
	scan_counters_init();
	approximation_init();
	exact_scan_init();
	explain_init();
	index_match_init();
	junk_distance_init();
	partition_merge_init();
	rewrite_init();
	hnsw_init();
	ivf_init();
	inverted_init();
	recall_init();
	wait_point_init();
	MarkGUCPrefixReserved("vector");
}
