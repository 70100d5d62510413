/*
 * dense_aggregate.c
 *	  avg(vector) and avg(halfvec); sum needs nothing but +.
 *
 * The transition state is a double precision[] that SQL can see and pass:
 * { number of rows, sum of element 1, sum of element 2, ... }, or { 0 } before
 * the first row.  So every function here checks the array it is given.  What
 * it is given need not be what rows would have made: any numbers are computed
 * with, as pgvector does, and only a mean that is no vector is refused.
 */
#include "types/dense.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/lsyscache.h"

#include "types/array_input.h"

/*
 * The state's elements; *dim is the number of sums.  Errors unless it is a
 * one-dimensional double precision[] without nulls that has a first element.
 */
static float8 *
check_state(FunctionCallInfo fcinfo, ArrayType *state, int *dim)
{
	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 || ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s: expected state array",
						get_func_name(fcinfo->flinfo->fn_oid))));

	*dim = ARR_DIMS(state)[0] - 1;
	return (float8 *) ARR_DATA_PTR(state);
}

/* A new state for dim sums, zeroed */
static ArrayType *
new_state(int dim, float8 **values)
{
	ArrayType  *state = new_array(dim + 1, FLOAT8OID, sizeof(float8));

	*values = (float8 *) ARR_DATA_PTR(state);
	return state;
}

/* state + one row */
static Datum
dense_accum(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	DenseVector *v = DENSE_ARG(1);
	const float *x = dense_floats(type, v);
	int			dim;
	float8	   *old = check_state(fcinfo, state, &dim);
	float8	   *new = old;
	bool		overflow = false;

	if (dim > 0)
		check_typmod(dim, v->dim, NULL);

	/* Only an aggregate's own state may be changed in place. */
	if (dim == 0 || !AggCheckCallContext(fcinfo, NULL))
	{
		state = new_state(v->dim, &new);
		memcpy(new, old, sizeof(float8) * (dim + 1));
	}

	new[0] += 1;
	for (int i = 0; i < v->dim; i++)
	{
		new[i + 1] += x[i];
		overflow |= isinf(new[i + 1]) != 0;
	}
	if (unlikely(overflow))
		float_overflow_error();
	PG_RETURN_ARRAYTYPE_P(state);
}

DENSE_SQL_FUNCTIONS(vector_accum, halfvec_accum, dense_accum);

/* state + state, from parallel workers; halfvec's states are the same */
SQL_FUNCTION(vector_combine)
{
	ArrayType  *states[2] = {PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1)};
	int			dim[2];
	float8	   *a = check_state(fcinfo, states[0], &dim[0]);
	float8	   *b = check_state(fcinfo, states[1], &dim[1]);
	ArrayType  *result;
	float8	   *sums;

	if (a[0] == 0)
		PG_RETURN_ARRAYTYPE_P(states[1]);
	if (b[0] == 0)
		PG_RETURN_ARRAYTYPE_P(states[0]);
	check_typmod(dim[0], dim[1], NULL);

	result = new_state(dim[0], &sums);
	for (int i = 0; i <= dim[0]; i++)
	{
		sums[i] = a[i] + b[i];
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}
	PG_RETURN_ARRAYTYPE_P(result);
}

/* The mean, or null where there was no row */
static Datum
dense_avg(FunctionCallInfo fcinfo, const DenseType *type)
{
	int			dim;
	float8	   *state = check_state(fcinfo, PG_GETARG_ARRAYTYPE_P(0), &dim);
	float	   *mean;

	if (state[0] == 0)
		PG_RETURN_NULL();

	check_dims(&type->limits, dim);
	mean = (float *) palloc(sizeof(float) * dim);
	for (int i = 0; i < dim; i++)
		mean[i] = (float) (state[i + 1] / state[0]);
	PG_RETURN_POINTER(dense_from_floats(type, mean, dim));
}

DENSE_SQL_FUNCTIONS(vector_avg, halfvec_avg, dense_avg);
