/*
 * sparse_array.c
 *	  The elements of a sparsevec as arrays, in the order of their indices.
 */
#include "types/sparse.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

/* Indices as the text form has them, counted from 1 */
SQL_FUNCTION(sparsevec_indices)
{
	SparseVector *v = SPARSE_ARG(0);
	Datum	   *elements = (Datum *) palloc(sizeof(Datum) * Max(v->nnz, 1));

	for (int i = 0; i < v->nnz; i++)
		elements[i] = Int32GetDatum(v->indices[i] + 1);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, v->nnz, INT4OID,
										  sizeof(int32), true, TYPALIGN_INT));
}

SQL_FUNCTION(sparsevec_values)
{
	SparseVector *v = SPARSE_ARG(0);
	Datum	   *elements = (Datum *) palloc(sizeof(Datum) * Max(v->nnz, 1));

	for (int i = 0; i < v->nnz; i++)
		elements[i] = Float4GetDatum(sparse_values(v)[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, v->nnz, FLOAT4OID,
										  sizeof(float4), true, TYPALIGN_INT));
}
