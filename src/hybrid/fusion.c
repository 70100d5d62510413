/*
 * fusion.c
 *	  Scores of a ranked subquery's rows that can be added up with those of
 *	  others: window functions over the subquery.
 *
 * minmax_score and zscore_score take distances, as the operators give them:
 * smaller is better.  A NULL or NaN has no score: the result is NULL, which
 * sum() leaves out.  rrf_score takes the order of the window.
 */
#include "compat/pg.h"

#include <math.h>

#include "miscadmin.h"
#include "windowapi.h"

static double
checked_weight(WindowObject window, int arg)
{
	bool		isnull;
	double		weight = DatumGetFloat8(WinGetFuncArgCurrent(window, arg, &isnull));

	if (isnull || !(weight >= 0) || isinf(weight))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight must be a number, 0 or greater")));
	return weight;
}

/*
 * rrf_score(weight, k) OVER (ORDER BY distance): weight / (k + rank), where
 * rank is the row's number in the window.  Source: Cormack, Clarke and
 * Buettcher, "Reciprocal Rank Fusion outperforms Condorcet", 2009.
 */
SQL_FUNCTION(rrf_score)
{
	WindowObject window = PG_WINDOW_OBJECT();
	double		weight = checked_weight(window, 0);
	bool		isnull;
	double		k = DatumGetFloat8(WinGetFuncArgCurrent(window, 1, &isnull));
	int64		rank = WinGetCurrentPosition(window) + 1;

	if (isnull || !(k > 0) || isinf(k))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be greater than 0")));
	WinSetMarkPosition(window, rank - 1);
	PG_RETURN_FLOAT8(weight / (k + rank));
}

/* What is known of the distances of a partition, once its first row is asked for */
typedef struct Distribution
{
	bool		known;
	int64		count;			/* of distances that are numbers */
	double		least;
	double		greatest;
	int			exponent;		/* of the unit of these: 2^exponent */
	double		mean;
	double		deviation;		/* of a sample */
} Distribution;

/* Row i's distance of the partition; false where it is none or there is no row */
static bool
distance_at(WindowObject window, int64 i, bool *end, double *distance)
{
	bool		isnull;
	Datum		datum = WinGetFuncArgInPartition(window, 0, i, WINDOW_SEEK_HEAD,
												 false, &isnull, end);

	if (*end || isnull)
		return false;
	*distance = DatumGetFloat8(datum);
	if (isinf(*distance))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("distance must not be infinite")));
	return !isnan(*distance);
}

/*
 * The mean and the deviation of the partition, both in units of 2^exponent, by
 * Welford's method: one pass, without loss where the mean is large
 */
static void
sum_up(WindowObject window, Distribution *d, int exponent)
{
	double		squares = 0;
	bool		end = false;

	d->exponent = exponent;
	d->count = 0;
	d->mean = 0;
	for (int64 i = 0; !end; i++)
	{
		double		x;
		double		before;

		CHECK_FOR_INTERRUPTS();
		if (!distance_at(window, i, &end, &x))
			continue;
		before = d->mean;
		d->count++;
		d->least = d->count == 1 ? x : Min(d->least, x);
		d->greatest = d->count == 1 ? x : Max(d->greatest, x);
		x = ldexp(x, -exponent);
		d->mean += (x - before) / d->count;
		squares += (x - before) * (x - d->mean);
	}
	d->deviation = d->count > 1 ? sqrt(squares / (d->count - 1)) : 0;
}

static const Distribution *
distribution(WindowObject window)
{
	Distribution *d = (Distribution *) WinGetPartitionLocalMemory(window, sizeof(Distribution));

	if (d->known)
		return d;
	sum_up(window, d, 0);

	/* squares that double has no range for */
	if (d->count > 0 && d->greatest > d->least &&
		!(d->deviation > 0 && d->deviation < INFINITY))
		sum_up(window, d, ilogb(Max(fabs(d->least), fabs(d->greatest))));
	d->known = true;
	return d;
}

static bool
current_distance(WindowObject window, double *distance)
{
	bool		end;

	return distance_at(window, WinGetCurrentPosition(window), &end, distance);
}

/*
 * minmax_score(distance, weight) OVER (): from weight for the nearest row down
 * to 0 for the farthest.  Where all are equally far, each has the weight.
 */
SQL_FUNCTION(minmax_score)
{
	WindowObject window = PG_WINDOW_OBJECT();
	double		weight = checked_weight(window, 1);
	const Distribution *d = distribution(window);
	double		x;

	if (!current_distance(window, &x))
		PG_RETURN_NULL();
	if (d->greatest <= d->least)
		PG_RETURN_FLOAT8(weight);
	/* halves: the difference of two finite numbers may be infinite */
	PG_RETURN_FLOAT8(weight * ((d->greatest / 2 - x / 2) / (d->greatest / 2 - d->least / 2)));
}

/*
 * zscore_score(distance, weight) OVER (): the weight times where the row is
 * between three standard deviations above the mean (0) and three below (1); not
 * cut off.  Where all are equally far, each has half the weight.
 */
SQL_FUNCTION(zscore_score)
{
	WindowObject window = PG_WINDOW_OBJECT();
	double		weight = checked_weight(window, 1);
	const Distribution *d = distribution(window);
	double		x;

	if (!current_distance(window, &x))
		PG_RETURN_NULL();
	if (!(d->deviation > 0))
		PG_RETURN_FLOAT8(weight * 0.5);
	x = ldexp(x, -d->exponent);
	PG_RETURN_FLOAT8(weight * (0.5 + (d->mean - x) / (6 * d->deviation)));
}
