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
compare(const DenseType *type, const DenseVector *a, const DenseVector *b)
{
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

static int
dense_cmp(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *a = DENSE_ARG(0);
	DenseVector *b = DENSE_ARG(1);
	int			result = compare(type, a, b);

	free_argument(fcinfo, 0, a);
	free_argument(fcinfo, 1, b);
	return result;
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

/* A hash of the elements' bytes, with zeros made positive */
static uint64
hash(FunctionCallInfo fcinfo, const DenseType *type, uint64 seed)
{
	DenseVector *v = DENSE_ARG(0);
	int			size = (int) type->elem_size * v->dim;
	unsigned char *copy = (unsigned char *) palloc(size);
	uint64		result;

	memcpy(copy, v->elements, size);
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
	free_argument(fcinfo, 0, v);
	result = hash_bytes_extended(copy, size, seed);
	pfree(copy);
	return result;
}

/* The lower half of what a seed of 0 gives, as PostgreSQL wants it */
static Datum
dense_hash(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_UINT32((uint32) hash(fcinfo, type, 0));
}

DENSE_SQL_FUNCTIONS(vector_hash, halfvec_hash, dense_hash);

static Datum
dense_hash_extended(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_UINT64(hash(fcinfo, type, PG_GETARG_INT64(1)));
}

DENSE_SQL_FUNCTIONS(vector_hash_extended, halfvec_hash_extended,
					dense_hash_extended);
