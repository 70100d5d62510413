/*
 * typmod.c
 *	  The type modifier of vector types: a number of dimensions.
 */
#include "types/typmod.h"

int32
dimensions_typmod(ArrayType *modifiers, const TypeLimits *type)
{
	int			n;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1",
						type->name)));
	if (values[0] > type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						type->name, type->max_dims)));
	return values[0];
}

bool
check_typmod(int32 typmod, int dims, struct Node *context)
{
	if (typmod != -1 && typmod != dims)
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dims)));
	return true;
}
