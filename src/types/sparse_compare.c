/*
 * sparse_compare.c
 *	  Order, equality and hash of sparsevec.
 *
 * The order is that of the dense vectors they stand for: lexicographic by
 * value, and a vector that continues another one is the larger.
 */
#include "types/sparse.h"

#include "common/hashfn.h"

static int
compare(const SparseVector *a, const SparseVector *b)
{
	const float *av = sparse_values(a);
	const float *bv = sparse_values(b);
	int			dim = Min(a->dim, b->dim);
	int			i = 0;
	int			j = 0;

	/* Go through the indices below dim that either has. */
	for (;;)
	{
		int			ai = i < a->nnz ? a->indices[i] : dim;
		int			bi = j < b->nnz ? b->indices[j] : dim;
		int			at = Min(ai, bi);
		float		x;
		float		y;

		if (at >= dim)
			break;
		x = ai == at ? av[i++] : 0;
		y = bi == at ? bv[j++] : 0;
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

static int
sparse_cmp(FunctionCallInfo fcinfo)
{
	SparseVector *a = SPARSE_ARG(0);
	SparseVector *b = SPARSE_ARG(1);
	int			result = compare(a, b);

	free_argument(fcinfo, 0, a);
	free_argument(fcinfo, 1, b);
	return result;
}

SQL_FUNCTION(sparsevec_cmp)
{
	PG_RETURN_INT32(sparse_cmp(fcinfo));
}

#define SPARSE_COMPARISON(name, op) \
	SQL_FUNCTION(sparsevec_##name) \
	{ \
		PG_RETURN_BOOL(sparse_cmp(fcinfo) op 0); \
	} \
	extern int	no_such_variable

SPARSE_COMPARISON(lt, <);
SPARSE_COMPARISON(le, <=);
SPARSE_COMPARISON(eq, ==);
SPARSE_COMPARISON(ne, !=);
SPARSE_COMPARISON(ge, >=);
SPARSE_COMPARISON(gt, >);

/*
 * Equal vectors are equal byte for byte: zeros, which have two signs, are not
 * stored.
 */
SQL_FUNCTION(sparsevec_hash)
{
	SparseVector *v = SPARSE_ARG(0);
	Datum		hash = hash_any((const unsigned char *) VARDATA(v),
								VARSIZE(v) - VARHDRSZ);

	free_argument(fcinfo, 0, v);
	return hash;
}

SQL_FUNCTION(sparsevec_hash_extended)
{
	SparseVector *v = SPARSE_ARG(0);
	Datum		hash = hash_any_extended((const unsigned char *) VARDATA(v),
										 VARSIZE(v) - VARHDRSZ,
										 PG_GETARG_INT64(1));

	free_argument(fcinfo, 0, v);
	return hash;
}
