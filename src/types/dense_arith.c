/*
 * dense_arith.c
 *	  Arithmetic and shape of vector and halfvec: + - * ||, subvector,
 *	  l2_normalize, binary_quantize, vector_dims.
 *
 * Halves are computed in float32 and rounded once.
 */
#include "types/dense.h"

#include <math.h>

#include "utils/float.h"
#include "utils/varbit.h"

typedef enum
{
	ADD, SUBTRACT, MULTIPLY
} Operation;

/* a op b, element by element */
static DenseVector *
dense_binary(FunctionCallInfo fcinfo, const DenseType *type, Operation op)
{
	DenseVector *va = DENSE_ARG(0);
	DenseVector *vb = DENSE_ARG(1);
	const float *a = dense_floats(type, va);
	const float *b = dense_floats(type, vb);
	float	   *r;
	DenseVector *result;

	dense_check_same_dims(type, va, vb);

	r = (float *) palloc(sizeof(float) * va->dim);
	for (int i = 0; i < va->dim; i++)
		r[i] = op == ADD ? a[i] + b[i] : op == SUBTRACT ? a[i] - b[i] : a[i] * b[i];
	result = dense_from_result(type, r, va->dim);

	/* a product that is 0 though neither factor is */
	if (op == MULTIPLY)
		for (int i = 0; i < va->dim; i++)
			if (unlikely(dense_element(type, result, i) == 0 &&
						 a[i] != 0 && b[i] != 0))
				float_underflow_error();
	return result;
}

#define DENSE_OPERATION(name, op) \
	static Datum \
	dense_##name(FunctionCallInfo fcinfo, const DenseType *type) \
	{ \
		PG_RETURN_POINTER(dense_binary(fcinfo, type, op)); \
	} \
	DENSE_SQL_FUNCTIONS(vector_##name, halfvec_##name, dense_##name)

DENSE_OPERATION(add, ADD);
DENSE_OPERATION(sub, SUBTRACT);
DENSE_OPERATION(mul, MULTIPLY);

static Datum
dense_concat(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *a = DENSE_ARG(0);
	DenseVector *b = DENSE_ARG(1);
	DenseVector *result = dense_new(type, (int64) a->dim + b->dim);
	Size		a_size = type->elem_size * a->dim;

	memcpy(result->elements, a->elements, a_size);
	memcpy(result->elements + a_size, b->elements, type->elem_size * b->dim);
	PG_RETURN_POINTER(result);
}

DENSE_SQL_FUNCTIONS(vector_concat, halfvec_concat, dense_concat);

/*
 * Elements start .. start + count - 1, counted from 1, as far as they exist
 * (like substring)
 */
static Datum
dense_subvector(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	int64		start = PG_GETARG_INT32(1);
	int64		count = PG_GETARG_INT32(2);
	int64		first = Max(start, 1);
	int64		end = Min(start + count, (int64) v->dim + 1);
	DenseVector *result = dense_new(type, count < 1 ? 0 : end - first);

	memcpy(result->elements, v->elements + (first - 1) * type->elem_size,
		   type->elem_size * result->dim);
	PG_RETURN_POINTER(result);
}

DENSE_SQL_FUNCTIONS(subvector, halfvec_subvector, dense_subvector);

/* v / |v|, or v where |v| = 0 */
static Datum
dense_l2_normalize(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	double		norm = sqrt(distance_kernels->f32_norm2(x, v->dim));
	float	   *r = (float *) palloc(sizeof(float) * v->dim);

	for (int i = 0; i < v->dim; i++)
		r[i] = norm > 0 ? (float) (x[i] / norm) : x[i];
	PG_RETURN_POINTER(dense_from_result(type, r, v->dim));
}

DENSE_SQL_FUNCTIONS(l2_normalize, halfvec_l2_normalize, dense_l2_normalize);

/* One bit an element, set where it is above 0; the first is the leftmost */
static Datum
dense_binary_quantize(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	Size		size = VARBITTOTALLEN(v->dim);
	VarBit	   *result = (VarBit *) palloc0(size);
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = v->dim;
	for (int i = 0; i < v->dim; i++)
		bits[i / 8] |= (x[i] > 0) << (7 - i % 8);
	PG_RETURN_VARBIT_P(result);
}

DENSE_SQL_FUNCTIONS(binary_quantize, halfvec_binary_quantize,
					dense_binary_quantize);

static Datum
dense_dims(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_INT32(DENSE_ARG(0)->dim);
}

DENSE_SQL_FUNCTIONS(vector_dims, halfvec_vector_dims, dense_dims);
