/*
 * sparse_io.c
 *	  sparsevec: text and binary form, type modifier.
 */
#include "types/sparse.h"

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

/* "{index:value, ...}/dim", indices from 1, in any order, zeros allowed */
SQL_FUNCTION(sparsevec_in)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			nnz;
	int			dim;
	ParseToken	token;
	ParseStatus status;

	status = sparse_text_parse(str, strlen(str), SPARSE_MAX_DIM,
							   SPARSE_MAX_NNZ, sparse_scratch_indices,
							   sparse_scratch_values, &nnz, &dim, &token);
	if (status != PARSE_OK)
		return text_parse_error(&sparse_limits, status, str, &token,
								fcinfo->context);
	if (!check_typmod(typmod, dim, fcinfo->context))
		return (Datum) 0;

	PG_RETURN_POINTER(sparse_from_elements(dim, nnz, sparse_scratch_indices,
										   sparse_scratch_values));
}

SQL_FUNCTION(sparsevec_out)
{
	SparseVector *v = SPARSE_ARG(0);
	const float *values = sparse_values(v);
	char	   *result;
	char	   *p;

	/* an element: an index of 10 digits at most, ':', a value, ',' */
	p = result = (char *) palloc((FLOAT_SHORTEST_DECIMAL_LEN + 12) *
								 (Size) v->nnz + 16);
	*p++ = '{';
	for (int i = 0; i < v->nnz; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += pg_ltoa(v->indices[i] + 1, p);
		*p++ = ':';
		p += float_to_shortest_decimal_bufn(values[i], p);
	}
	*p++ = '}';
	*p++ = '/';
	p += pg_ltoa(v->dim, p);
	*p = '\0';
	PG_RETURN_CSTRING(result);
}

/* int32 dim, int32 nnz, int32 zero, indices from 0, values; big endian */
SQL_FUNCTION(sparsevec_recv)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	size_t		used;
	int			nnz;
	int			dim;
	ParseStatus status;

	status = sparse_wire_parse((const uint8_t *) buf->data + buf->cursor,
							   buf->len - buf->cursor, SPARSE_MAX_DIM,
							   SPARSE_MAX_NNZ, sparse_scratch_indices,
							   sparse_scratch_values, &nnz, &dim, &used);
	if (status != PARSE_OK)
		wire_parse_error(&sparse_limits, status);
	check_typmod(typmod, dim, NULL);
	buf->cursor += used;

	PG_RETURN_POINTER(sparse_from_elements(dim, nnz, sparse_scratch_indices,
										   sparse_scratch_values));
}

SQL_FUNCTION(sparsevec_send)
{
	SparseVector *v = SPARSE_ARG(0);
	Size		size = sizeof(uint32) * v->nnz;
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint32(&buf, v->dim);
	pq_sendint32(&buf, v->nnz);
	pq_sendint32(&buf, v->unused);
	enlargeStringInfo(&buf, 2 * size);
	wire_copy_u32((uint8_t *) buf.data + buf.len, v->indices, v->nnz);
	wire_copy_u32((uint8_t *) buf.data + buf.len + size, sparse_values(v),
				 v->nnz);
	buf.len += 2 * size;
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

SQL_FUNCTION(sparsevec_typmod_in)
{
	PG_RETURN_INT32(dimensions_typmod(PG_GETARG_ARRAYTYPE_P(0),
									  &sparse_limits));
}
