/*
 * dense_compare.c
 *	  Order, equality and hash of vector and halfvec.
 *
 * The order is lexicographic by value; a vector that continues another one is
 * the larger.  Zeros of either sign are equal, so they hash alike.
 */
#include "types/dense.h"

#include "common/hashfn.h"

static int
dense_cmp(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *a = DENSE_ARG(0);
	DenseVector *b = DENSE_ARG(1);
	int			dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i++)
	{
		float		x = dense_element(type, a, i);
		float		y = dense_element(type, b, i);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

SQL_FUNCTION(vector_cmp)
{
	PG_RETURN_INT32(dense_cmp(fcinfo, &vector_type));
}

SQL_FUNCTION(halfvec_cmp)
{
	PG_RETURN_INT32(dense_cmp(fcinfo, &halfvec_type));
}

#define DENSE_COMPARISON(name, op) \
	SQL_FUNCTION(vector_##name) \
	{ \
		PG_RETURN_BOOL(dense_cmp(fcinfo, &vector_type) op 0); \
	} \
	SQL_FUNCTION(halfvec_##name) \
	{ \
		PG_RETURN_BOOL(dense_cmp(fcinfo, &halfvec_type) op 0); \
	} \
	extern int	no_such_variable

DENSE_COMPARISON(lt, <);
DENSE_COMPARISON(le, <=);
DENSE_COMPARISON(eq, ==);
DENSE_COMPARISON(ne, !=);
DENSE_COMPARISON(ge, >=);
DENSE_COMPARISON(gt, >);

/* The elements' bytes, with zeros made positive */
static const unsigned char *
hashable_bytes(const DenseType *type, const DenseVector *v, int *size)
{
	char	   *copy;

	*size = (int) type->elem_size * v->dim;
	copy = (char *) palloc(*size);
	memcpy(copy, v->elements, *size);
	if (type == &vector_type)
	{
		float	   *x = (float *) copy;

		for (int i = 0; i < v->dim; i++)
			x[i] = x[i] == 0 ? 0 : x[i];
	}
	else
	{
		half	   *x = (half *) copy;

		for (int i = 0; i < v->dim; i++)
			x[i] = x[i] == 0x8000 ? 0 : x[i];
	}
	return (const unsigned char *) copy;
}

static Datum
dense_hash(FunctionCallInfo fcinfo, const DenseType *type)
{
	int			size;
	const unsigned char *bytes = hashable_bytes(type, DENSE_ARG(0), &size);

	return hash_any(bytes, size);
}

DENSE_SQL_FUNCTIONS(vector_hash, halfvec_hash, dense_hash);

static Datum
dense_hash_extended(FunctionCallInfo fcinfo, const DenseType *type)
{
	int			size;
	const unsigned char *bytes = hashable_bytes(type, DENSE_ARG(0), &size);

	return hash_any_extended(bytes, size, PG_GETARG_INT64(1));
}

DENSE_SQL_FUNCTIONS(vector_hash_extended, halfvec_hash_extended,
					dense_hash_extended);
