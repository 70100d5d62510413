/*
 * sparse_array.c
 *	  The elements of a sparsevec as arrays, in the order of their indices.
 */
#include "types/sparse.h"

#include "catalog/pg_type.h"

#include "types/array_input.h"

/* Indices as the text form has them, counted from 1 */
SQL_FUNCTION(sparsevec_indices)
{
	SparseVector *v = SPARSE_ARG(0);
	ArrayType  *result = new_array(v->nnz, INT4OID, sizeof(int32));

	for (int i = 0; i < v->nnz; i++)
		((int32 *) ARR_DATA_PTR(result))[i] = v->indices[i] + 1;
	PG_RETURN_ARRAYTYPE_P(result);
}

SQL_FUNCTION(sparsevec_values)
{
	SparseVector *v = SPARSE_ARG(0);
	ArrayType  *result = new_array(v->nnz, FLOAT4OID, sizeof(float4));

	memcpy(ARR_DATA_PTR(result), sparse_values(v), sizeof(float4) * v->nnz);
	PG_RETURN_ARRAYTYPE_P(result);
}
