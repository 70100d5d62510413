/*
 * dense_cast.c
 *	  Casts of vector and halfvec: to themselves with a type modifier, to each
 *	  other, from and to arrays.
 *
 * A cast function has the value, the type modifier of the target and whether
 * the cast is explicit; the last makes no difference here.
 */
#include "types/dense.h"

#include "catalog/pg_type.h"

#include "types/array_input.h"
#include "types/typmod.h"

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

/* From integer[], real[], double precision[] or numeric[] */
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

/* To real[] */
static Datum
dense_to_float4(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float4) * v->dim;
	ArrayType  *result = (ArrayType *) palloc0(size);

	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;
	result->elemtype = FLOAT4OID;
	ARR_DIMS(result)[0] = v->dim;
	ARR_LBOUND(result)[0] = 1;
	memcpy(ARR_DATA_PTR(result), dense_floats(type, v),
		   sizeof(float4) * v->dim);
	PG_RETURN_ARRAYTYPE_P(result);
}

DENSE_SQL_FUNCTIONS(vector_to_float4, halfvec_to_float4, dense_to_float4);
