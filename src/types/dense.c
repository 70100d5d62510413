/*
 * dense.c
 *	  vector and halfvec: descriptors, allocation, checks, and conversion to
 *	  and from float32.
 */
#include "types/dense.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/float.h"

const DenseType vector_type = {
	.limits = {.name = "vector", .max_dims = DENSE_MAX_DIM, .opening = '['},
	.elem_size = sizeof(float),
	.too_large = INFINITY
};

/* From 65520 on, halfway from the largest half to 2^16, values round away. */
const DenseType halfvec_type = {
	.limits = {.name = "halfvec", .max_dims = DENSE_MAX_DIM, .opening = '['},
	.elem_size = sizeof(half),
	.too_large = 65520.0f
};

DenseVector *
dense_new(const DenseType *type, int64 dim)
{
	DenseVector *result;
	Size		size;

	check_dims(&type->limits, dim);

	/* cannot overflow: dim is bounded */
	size = offsetof(DenseVector, elements) + (Size) dim * type->elem_size;
	result = (DenseVector *) palloc(size);
	SET_VARSIZE(result, size);
	result->dim = (int16) dim;
	result->unused = 0;
	return result;
}

void
dense_dims_differ(const DenseType *type, int a, int b)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d",
					type->limits.name, a, b)));
}

const float *
dense_floats(const DenseType *type, const DenseVector *v)
{
	float	   *result;

	if (type == &vector_type)
		return DENSE_FLOATS(v);

	result = (float *) palloc(sizeof(float) * v->dim);
	distance_kernels->f16_to_f32(DENSE_HALVES(v), result, v->dim);
	return result;
}

DenseVector *
dense_pack(const DenseType *type, const float *values, int64 dim)
{
	DenseVector *result = dense_new(type, dim);

	if (type == &vector_type)
		memcpy(DENSE_FLOATS(result), values, sizeof(float) * dim);
	else
		distance_kernels->f32_to_f16(values, DENSE_HALVES(result), dim);
	return result;
}

DenseVector *
dense_from_floats(const DenseType *type, const float *values, int64 dim)
{
	check_dims(&type->limits, dim);
	for (int i = 0; i < dim; i++)
	{
		/* not less, rather than greater: NaN must come here too */
		if (unlikely(!(fabsf(values[i]) < type->too_large)))
		{
			char		number[FLOAT_SHORTEST_DECIMAL_LEN];
			ParseToken	token = {.start = number};
			ParseStatus status = isnan(values[i]) ? PARSE_NAN
				: isinf(values[i]) ? PARSE_INFINITE : PARSE_OUT_OF_RANGE;

			token.len = float_to_shortest_decimal_buf(values[i], number);
			(void) text_parse_error(&type->limits, status, "", &token, NULL);
		}
	}
	return dense_pack(type, values, dim);
}

DenseVector *
dense_from_result(const DenseType *type, const float *values, int dim)
{
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(!(fabsf(values[i]) < type->too_large)))
			float_overflow_error();
	}
	return dense_pack(type, values, dim);
}
