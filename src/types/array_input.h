/*
 * array_input.h
 *	  The numbers of an SQL array, as float32.
 */
#ifndef VECTOR_TYPES_ARRAY_INPUT_H
#define VECTOR_TYPES_ARRAY_INPUT_H

#include "compat/pg.h"

#include "utils/array.h"

typedef struct ArrayInput
{
	int			count;
	Oid			type;			/* of the elements */
	const void *data;			/* elements of a fixed-length type */
	Datum	   *numerics;		/* elements of type numeric */
} ArrayInput;

/*
 * Prepare to read array, an integer[], bigint[], real[], double precision[] or
 * numeric[].  Errors: more than one array dimension, a null element.
 */
extern void array_input_begin(ArrayInput *input, ArrayType *array);

/*
 * Element i, 0 <= i < count.  What is too large for float32 comes as an
 * infinity (a numeric raises its own error).
 */
extern float array_input_get(const ArrayInput *input, int i);

/* An array of count elements of a fixed-length type, zeroed */
extern ArrayType *new_array(int count, Oid type, Size elem_size);

#endif							/* VECTOR_TYPES_ARRAY_INPUT_H */
