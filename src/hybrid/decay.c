/*
 * decay.c
 *	  How much a row counts by its distance from a wanted number, time or place:
 *	  1 up to an offset, `decay` at a further `scale`, and less beyond.
 */
#include "compat/pg.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "utils/float.h"
#include "utils/timestamp.h"

typedef enum Shape
{
	EXPONENTIAL,
	GAUSSIAN,
	LINEAR
} Shape;

/*
 * The value of a shape at a distance, all in one unit; errors where the
 * parameters are out of range.
 */
static double
decayed(Shape shape, double distance, double scale, double offset, double decay)
{
	double		x;

	if (!(scale > 0) || isinf(scale))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scale must be greater than 0")));
	if (!(offset >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset must be 0 or greater")));
	if (!(decay > 0 && decay < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("decay must be between 0 and 1, both excluded")));
	if (isnan(distance))
		return get_float8_nan();
	x = Max(0, fabs(distance) - offset) / scale;
	switch (shape)
	{
		case EXPONENTIAL:
			return exp(log(decay) * x);
		case GAUSSIAN:
			return exp(log(decay) * x * x);
		case LINEAR:
			return Max(0, 1 - (1 - decay) * x);
	}
	pg_unreachable();
}

static double
decay_of_number(FunctionCallInfo fcinfo, Shape shape)
{
	return decayed(shape, PG_GETARG_FLOAT8(0) - PG_GETARG_FLOAT8(1),
				   PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(4));
}

/* An interval in microseconds; months have 30 days, days 24 hours */
static double
microseconds(const Interval *interval)
{
	return (double) interval->time +
		((double) interval->day + (double) interval->month * DAYS_PER_MONTH) * (double) USECS_PER_DAY;
}

static double
decay_of_time(FunctionCallInfo fcinfo, Shape shape)
{
	TimestampTz value = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz origin = PG_GETARG_TIMESTAMPTZ(1);
	double		distance = (double) value - (double) origin;

	if (TIMESTAMP_NOT_FINITE(value) || TIMESTAMP_NOT_FINITE(origin))
		distance = value == origin ? 0 : get_float8_infinity();
	return decayed(shape, distance, microseconds(PG_GETARG_INTERVAL_P(2)),
				   microseconds(PG_GETARG_INTERVAL_P(3)), PG_GETARG_FLOAT8(4));
}

SQL_FUNCTION(exp_decay)
{
	PG_RETURN_FLOAT8(decay_of_number(fcinfo, EXPONENTIAL));
}

SQL_FUNCTION(gauss_decay)
{
	PG_RETURN_FLOAT8(decay_of_number(fcinfo, GAUSSIAN));
}

SQL_FUNCTION(linear_decay)
{
	PG_RETURN_FLOAT8(decay_of_number(fcinfo, LINEAR));
}

SQL_FUNCTION(exp_decay_time)
{
	PG_RETURN_FLOAT8(decay_of_time(fcinfo, EXPONENTIAL));
}

SQL_FUNCTION(gauss_decay_time)
{
	PG_RETURN_FLOAT8(decay_of_time(fcinfo, GAUSSIAN));
}

SQL_FUNCTION(linear_decay_time)
{
	PG_RETURN_FLOAT8(decay_of_time(fcinfo, LINEAR));
}

/*
 * globe_distance(latitude, longitude, latitude, longitude): meters between two
 * places given in degrees, on a sphere of the earth's mean radius (within 0.6 %
 * of the distance on the ellipsoid).  By haversines, which are exact for near
 * places.
 */
SQL_FUNCTION(globe_distance)
{
	const double radius = 6371008.8;
	double		angle[4];
	double		h;

	for (int i = 0; i < 4; i++)
	{
		double		degrees = PG_GETARG_FLOAT8(i);
		double		most = i % 2 == 0 ? 90 : 180;

		if (!(fabs(degrees) <= most))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 i % 2 == 0 ? errmsg("latitude must be between -90 and 90 degrees")
					 : errmsg("longitude must be between -180 and 180 degrees")));
		angle[i] = degrees * M_PI / 180;
	}
	h = pow(sin((angle[2] - angle[0]) / 2), 2) +
		cos(angle[0]) * cos(angle[2]) * pow(sin((angle[3] - angle[1]) / 2), 2);
	PG_RETURN_FLOAT8(2 * radius * asin(sqrt(Min(1, h))));
}
