/*
 * analyze.c
 *	  ANALYZE for vector types: nulls, width, number of distinct values.
 *
 * What ANALYZE does by default for a type with an order is of no use here and
 * costs much: it would sort vectors, and keep a hundred of them as most common
 * values and as many as histogram bounds, for every planner call to load.
 * Nobody asks for a range of vectors; what the planner can use is the width
 * (for sorts and hashes), the nulls, and the number of distinct values (for
 * GROUP BY, DISTINCT and =).
 */
#include "compat/pg.h"

#include <math.h>

#include "common/hashfn.h"

#include "math/heap/heap.h"

/*
 * Stored values are told apart by a hash of their stored bytes.  That takes
 * values for distinct that are equal but for the sign of a zero, which does not
 * matter in an estimate.
 */
ASCENDING(compare_hashes, uint64, uint64, *e)

/*
 * The number of distinct values in a table of total rows, from a sample of n
 * values that has d distinct ones, of which f1 occur once: the estimator Duj1
 * of Haas and Stokes, as in PostgreSQL's analyze.c.  In the form of
 * pg_statistic.stadistinct: negative means a fraction of the rows.
 */
static float4
estimate_distinct(double n, double d, double f1, double total)
{
	double		estimate;

	if (n <= 0 || total <= 0)
		return 0;
	if (f1 == d)
		return -1;
	estimate = n * d / ((n - f1) + f1 * n / total);
	estimate = Max(estimate, d);
	estimate = Min(estimate, total);
	return estimate > 0.1 * total ? (float4) -(estimate / total)
		: (float4) floor(estimate + 0.5);
}

/* VacAttrStats.compute_stats */
static void
vector_compute_stats(VacAttrStats *stats, AnalyzeAttrFetchFunc fetchfunc,
					 int samplerows, double totalrows)
{
	uint64	   *hashes = (uint64 *) palloc(sizeof(uint64) * Max(samplerows, 1));
	int			hashed = 0;		/* values in hashes */
	int			external = 0;	/* values stored out of line */
	int			nulls = 0;
	double		width = 0;
	double		distinct;
	double		once;
	double		values;

	for (int i = 0; i < samplerows; i++)
	{
		bool		isnull;
		Datum		value = fetchfunc(stats, i, &isnull);
		struct varlena *v;

		analyze_delay_point();
		if (isnull)
		{
			nulls++;
			continue;
		}
		v = (struct varlena *) DatumGetPointer(value);
		width += VARSIZE_ANY(v);

		/*
		 * Fetching what is stored out of line would read many times the
		 * pages that ANALYZE has read so far.  Such values are taken for
		 * distinct, as ANALYZE does with wide values of other types.
		 */
		if (VARATT_IS_EXTERNAL(v))
			external++;
		else
			hashes[hashed++] =
				hash_bytes_extended((const unsigned char *) VARDATA_ANY(v),
									(int) VARSIZE_ANY_EXHDR(v), 0);
	}

	values = (double) hashed + external;
	if (samplerows <= 0)
		return;

	qsort(hashes, hashed, sizeof(uint64), compare_hashes);
	distinct = once = external;
	for (int i = 0; i < hashed;)
	{
		int			next = i + 1;

		while (next < hashed && hashes[next] == hashes[i])
			next++;
		distinct++;
		if (next == i + 1)
			once++;
		i = next;
	}

	stats->stats_valid = true;
	stats->stanullfrac = (float4) ((double) nulls / samplerows);
	stats->stawidth = values > 0 ? (int32) (width / values) : 0;
	stats->stadistinct = estimate_distinct(values, distinct, once,
										   totalrows * (1 - stats->stanullfrac));
	if (stats->stadistinct < 0)
		stats->stadistinct *= 1 - stats->stanullfrac;
}

/* typanalyze function of vector, halfvec and sparsevec */
SQL_FUNCTION(vector_typanalyze)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);

	stats->compute_stats = vector_compute_stats;
	/* as many as std_typanalyze samples */
	stats->minrows = 300 * statistics_target(stats);
	PG_RETURN_BOOL(true);
}
