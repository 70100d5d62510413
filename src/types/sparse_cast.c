/*
 * sparse_cast.c
 *	  Casts of sparsevec: to itself with a type modifier, from and to vector
 *	  and halfvec, from arrays.
 *
 * A cast function has the value, the type modifier of the target and whether
 * the cast is explicit; the last makes no difference here.
 */
#include "types/sparse.h"

#include "types/array_input.h"
#include "types/dense.h"

/*
 * To itself: only the type modifier is checked.  The argument is the result,
 * so it must not be one that detoast_argument keeps.
 */
SQL_FUNCTION(sparsevec)
{
	SparseVector *v = (SparseVector *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));

	check_typmod(PG_GETARG_INT32(1), v->dim, NULL);
	PG_RETURN_POINTER(v);
}

static Datum
dense_to_sparse(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	SparseBuilder builder;

	check_typmod(PG_GETARG_INT32(1), v->dim, NULL);
	sparse_build_begin(&builder, v->dim);
	for (int i = 0; i < v->dim; i++)
		sparse_build_add(&builder, i, x[i]);
	PG_RETURN_POINTER(sparse_build_finish(&builder));
}

DENSE_SQL_FUNCTIONS(vector_to_sparsevec, halfvec_to_sparsevec, dense_to_sparse);

static Datum
sparse_to_dense(FunctionCallInfo fcinfo, const DenseType *type)
{
	SparseVector *v = SPARSE_ARG(0);
	const float *values = sparse_values(v);
	float	   *x;

	check_typmod(PG_GETARG_INT32(1), v->dim, NULL);
	check_dims(&type->limits, v->dim);
	x = (float *) palloc0(sizeof(float) * v->dim);
	for (int i = 0; i < v->nnz; i++)
		x[v->indices[i]] = values[i];
	PG_RETURN_POINTER(dense_from_floats(type, x, v->dim));
}

DENSE_SQL_FUNCTIONS(sparsevec_to_vector, sparsevec_to_halfvec, sparse_to_dense);

/* From integer[], bigint[], real[], double precision[] or numeric[] */
SQL_FUNCTION(array_to_sparsevec)
{
	ArrayInput	input;
	SparseBuilder builder;

	array_input_begin(&input, PG_GETARG_ARRAYTYPE_P(0));

	sparse_build_begin(&builder, input.count);
	check_typmod(PG_GETARG_INT32(1), input.count, NULL);
	for (int i = 0; i < input.count; i++)
		sparse_build_add(&builder, i, array_input_get(&input, i));
	PG_RETURN_POINTER(sparse_build_finish(&builder));
}
