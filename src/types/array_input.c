/*
 * array_input.c
 *	  The numbers of an SQL array, as float32.
 */
#include "types/array_input.h"

#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"

ArrayType *
new_array(int count, Oid type, Size elem_size)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + elem_size * count;
	ArrayType  *result;

	if (count == 0)
		return construct_empty_array(type);
	result = (ArrayType *) palloc0(size);
	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;
	result->elemtype = type;
	ARR_DIMS(result)[0] = count;
	ARR_LBOUND(result)[0] = 1;
	return result;
}

void
array_input_begin(ArrayInput *input, ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	input->type = ARR_ELEMTYPE(array);
	input->count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	input->data = ARR_DATA_PTR(array);
	input->numerics = NULL;

	switch (input->type)
	{
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
			break;
		case NUMERICOID:
			deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
							  &input->numerics, NULL, &input->count);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("unsupported array type"),
					 errhint("Use an array of integer, bigint, real, double precision or numeric.")));
	}
}

float
array_input_get(const ArrayInput *input, int i)
{
	switch (input->type)
	{
		case INT4OID:
			return (float) ((const int32 *) input->data)[i];
		case INT8OID:
			return (float) ((const int64 *) input->data)[i];
		case FLOAT4OID:
			return ((const float4 *) input->data)[i];
		case FLOAT8OID:
			return (float) ((const float8 *) input->data)[i];
		default:
			Assert(input->type == NUMERICOID);
			return DatumGetFloat4(DirectFunctionCall1(numeric_float4,
													  input->numerics[i]));
	}
}
