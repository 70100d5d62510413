/*
 * dense_io.c
 *	  vector and halfvec: text and binary form, type modifier.
 */
#include "types/dense.h"

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

/* Where parsers put elements before their number is known; 64 kB */
static union
{
	float		floats[DENSE_MAX_DIM];
	half		halves[DENSE_MAX_DIM];
}			scratch;

/* "[1,2,3]"; leading, trailing and inner white space is allowed */
static Datum
dense_in(FunctionCallInfo fcinfo, const DenseType *type)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim;
	ParseToken	token;
	ParseStatus status;

	status = dense_text_parse(str, strlen(str), type->too_large, DENSE_MAX_DIM,
							  scratch.floats, &dim, &token);
	if (status != PARSE_OK)
		return text_parse_error(&type->limits, status, str, &token,
								fcinfo->context);
	if (!check_typmod(typmod, dim, fcinfo->context))
		return (Datum) 0;

	/* the parser has checked every value */
	PG_RETURN_POINTER(dense_pack(type, scratch.floats, dim));
}

DENSE_SQL_FUNCTIONS(vector_in, halfvec_in, dense_in);

/*
 * Each element as the shortest decimal that reads back as the same float32
 * (halves are widened first, which is exact).
 */
static Datum
dense_out(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	const float *x = dense_floats(type, v);
	char	   *result;
	char	   *p;

	/* FLOAT_SHORTEST_DECIMAL_LEN counts a terminator; the comma takes it */
	p = result = (char *) palloc(FLOAT_SHORTEST_DECIMAL_LEN * (Size) v->dim + 3);
	*p++ = '[';
	for (int i = 0; i < v->dim; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += float_to_shortest_decimal_bufn(x[i], p);
	}
	*p++ = ']';
	*p = '\0';
	PG_RETURN_CSTRING(result);
}

DENSE_SQL_FUNCTIONS(vector_out, halfvec_out, dense_out);

/* int16 dim, int16 zero, elements; big endian */
static Datum
dense_recv(FunctionCallInfo fcinfo, const DenseType *type)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	const uint8_t *msg = (const uint8_t *) buf->data + buf->cursor;
	size_t		len = buf->len - buf->cursor;
	size_t		used;
	int			dim;
	ParseStatus status;
	DenseVector *result;

	status = dense_wire_parse(msg, len, type->elem_size, DENSE_MAX_DIM, &scratch,
							  &dim, &used);
	if (status != PARSE_OK)
		wire_parse_error(&type->limits, status);
	check_typmod(typmod, dim, NULL);
	buf->cursor += used;

	result = dense_new(type, dim);
	memcpy(result->elements, &scratch, type->elem_size * dim);
	PG_RETURN_POINTER(result);
}

DENSE_SQL_FUNCTIONS(vector_recv, halfvec_recv, dense_recv);

static Datum
dense_send(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *v = DENSE_ARG(0);
	Size		size = type->elem_size * v->dim;
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, v->dim);
	pq_sendint16(&buf, v->unused);
	enlargeStringInfo(&buf, size);
	if (type == &vector_type)
		wire_copy_u32((uint8_t *) buf.data + buf.len, v->elements, v->dim);
	else
		wire_copy_u16((uint8_t *) buf.data + buf.len, v->elements, v->dim);
	buf.len += size;
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

DENSE_SQL_FUNCTIONS(vector_send, halfvec_send, dense_send);

/* vector(n): 1 <= n <= DENSE_MAX_DIM */
static Datum
dense_typmod_in(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_INT32(dimensions_typmod(PG_GETARG_ARRAYTYPE_P(0), &type->limits));
}

DENSE_SQL_FUNCTIONS(vector_typmod_in, halfvec_typmod_in, dense_typmod_in);
