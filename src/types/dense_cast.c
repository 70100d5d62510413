/*
 * dense_cast.c
 *	  Casts of vector and halfvec: to themselves with a type modifier, to each
 *	  other, from and to arrays, from bit.
 *
 * A cast function has the value, the type modifier of the target and whether
 * the cast is explicit; the last makes no difference here.
 */
#include "types/dense.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/varbit.h"

#include "types/array_input.h"

/*
 * To itself: only the type modifier is checked.  The argument is the result,
 * so it must not be one that detoast_argument keeps.
 */
static Datum
dense_same(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = (DenseVector *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));

	check_typmod(PG_GETARG_INT32(1), v->dim, NULL);
	PG_RETURN_POINTER(v);
}

DENSE_SQL_FUNCTIONS(vector, halfvec, dense_same);

/* From the other type; type is the target */
static Datum
dense_convert(FunctionCallInfo fcinfo, const DenseType *from,
			  const DenseType *to)
{
	DenseVector *v = DENSE_ARG(0);

	check_typmod(PG_GETARG_INT32(1), v->dim, NULL);
	PG_RETURN_POINTER(dense_from_floats(to, dense_floats(from, v), v->dim));
}

SQL_FUNCTION(vector_to_halfvec)
{
	return dense_convert(fcinfo, &vector_type, &halfvec_type);
}

SQL_FUNCTION(halfvec_to_vector)
{
	return dense_convert(fcinfo, &halfvec_type, &vector_type);
}

/* From integer[], bigint[], real[], double precision[] or numeric[] */
static Datum
array_to_dense(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayInput	input;
	float	   *values;

	array_input_begin(&input, PG_GETARG_ARRAYTYPE_P(0));

	check_dims(&type->limits, input.count);
	check_typmod(PG_GETARG_INT32(1), input.count, NULL);

	values = (float *) palloc(sizeof(float) * input.count);
	for (int i = 0; i < input.count; i++)
		values[i] = array_input_get(&input, i);
	PG_RETURN_POINTER(dense_from_floats(type, values, input.count));
}

DENSE_SQL_FUNCTIONS(array_to_vector, array_to_halfvec, array_to_dense);

/* From bit: a bit becomes 0 or 1 */
static Datum
bit_to_dense(FunctionCallInfo fcinfo, const DenseType *type)
{
	VarBit	   *bit = PG_GETARG_VARBIT_P(0);
	const bits8 *bits = VARBITS(bit);
	int			dim = VARBITLEN(bit);
	float	   *values;

	check_dims(&type->limits, dim);
	check_typmod(PG_GETARG_INT32(1), dim, NULL);

	values = (float *) palloc(sizeof(float) * dim);
	for (int i = 0; i < dim; i++)
		values[i] = (bits[i / BITS_PER_BYTE] >> (7 - i % BITS_PER_BYTE)) & 1;
	PG_RETURN_POINTER(dense_pack(type, values, dim));
}

DENSE_SQL_FUNCTIONS(bit_to_vector, bit_to_halfvec, bit_to_dense);

/* To real[] */
static Datum
dense_to_float4(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	ArrayType  *result = new_array(v->dim, FLOAT4OID, sizeof(float4));

	memcpy(ARR_DATA_PTR(result), dense_floats(type, v),
		   sizeof(float4) * v->dim);
	PG_RETURN_ARRAYTYPE_P(result);
}

DENSE_SQL_FUNCTIONS(vector_to_float4, halfvec_to_float4, dense_to_float4);

/* To double precision[], exactly */
static Datum
dense_to_float8(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	ArrayType  *result = new_array(v->dim, FLOAT8OID, sizeof(float8));
	float8	   *values = (float8 *) ARR_DATA_PTR(result);

	for (int i = 0; i < v->dim; i++)
		values[i] = x[i];
	PG_RETURN_ARRAYTYPE_P(result);
}

DENSE_SQL_FUNCTIONS(vector_to_float8, halfvec_to_float8, dense_to_float8);

/* To bigint[], rounded as PostgreSQL casts a real: to the nearest, ties to even */
static Datum
dense_to_int8(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	ArrayType  *result = new_array(v->dim, INT8OID, sizeof(int64));
	int64	   *values = (int64 *) ARR_DATA_PTR(result);

	for (int i = 0; i < v->dim; i++)
	{
		float		rounded = rintf(x[i]);

		if (!FLOAT4_FITS_IN_INT64(rounded))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("bigint out of range")));
		values[i] = (int64) rounded;
	}
	PG_RETURN_ARRAYTYPE_P(result);
}

DENSE_SQL_FUNCTIONS(vector_to_int8, halfvec_to_int8, dense_to_int8);
