/*
 * limits.c
 *	  Errors where a text, a message, a type modifier or a value is beyond what a
 *	  type allows, or the pure parsers (math/text) do not understand it.
 *
 * Messages and SQLSTATEs are the ones that pgvector's clients know.
 */
#include "types/limits.h"

/* What a type does not allow: its name is the first argument, its limit the second */
static const struct
{
	int			code;
	const char *message;
}			limit_errors[] = {
	[PARSE_NO_DIMS] = {ERRCODE_DATA_EXCEPTION, "%s must have at least 1 dimension"},
	[PARSE_TOO_MANY_DIMS] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED, "%s cannot have more than %d dimensions"},
	[PARSE_TOO_MANY_NONZERO] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED, "%s cannot have more than %d non-zero elements"},
	[PARSE_NAN] = {ERRCODE_DATA_EXCEPTION, "NaN not allowed in %s"},
	[PARSE_INFINITE] = {ERRCODE_DATA_EXCEPTION, "infinite value not allowed in %s"},
	[PARSE_INDEX_BOUNDS] = {ERRCODE_DATA_EXCEPTION, "%s index out of bounds"},
	[PARSE_INDEX_DUPLICATE] = {ERRCODE_DATA_EXCEPTION, "%s indices must not contain duplicates"}
};

/* What is wrong with a message, all else being in order */
static const char *const message_errors[] = {
	[PARSE_RESERVED] = "Its reserved field must be 0.",
	[PARSE_NEGATIVE_COUNT] = "Its number of non-zero elements must not be negative.",
	[PARSE_MORE_THAN_DIMS] = "It must not have more non-zero elements than dimensions.",
	[PARSE_INDEX_ORDER] = "Its indices must be in ascending order.",
	[PARSE_ZERO_VALUE] = "It must not contain zero values."
};

Datum
text_parse_error(const TypeLimits *type, ParseStatus status, const char *str,
				 const ParseToken *token, struct Node *context)
{
	const char *detail = NULL;

	if (status < lengthof(limit_errors) && limit_errors[status].message != NULL)
		ereturn(context, (Datum) 0,
				(errcode(limit_errors[status].code),
				 errmsg(limit_errors[status].message, type->name,
						status == PARSE_TOO_MANY_NONZERO ? type->max_nonzero
						: type->max_dims)));
	switch (status)
	{
		case PARSE_OUT_OF_RANGE:
			ereturn(context, (Datum) 0,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for type %s",
							pnstrdup(token->start, token->len), type->name)));
		case PARSE_NO_OPENING:
			detail = psprintf("Vector contents must start with \"%c\".",
							  type->opening);
			break;
		case PARSE_JUNK:
			detail = type->opening == '[' ? "Junk after closing right brace."
				: "Junk after closing.";
			break;
		case PARSE_UNEXPECTED_END:
			detail = "Unexpected end of input.";
			break;
		default:
			Assert(status == PARSE_SYNTAX);
			break;
	}
	ereturn(context, (Datum) 0,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"",
					type->name, str),
			 detail ? errdetail_internal("%s", detail) : 0,
			 type->opening == '[' && str[0] == '{'
			 ? errhint("To make a %s of an array, cast to the array's type first: '{1,2,3}'::real[]::%s.",
					   type->name, type->name) : 0));
}

void
value_error(const TypeLimits *type, ParseStatus status)
{
	(void) text_parse_error(type, status, "", NULL, NULL);
	pg_unreachable();
}

void
check_dims(const TypeLimits *type, int64 dims)
{
	if (dims < 1)
		value_error(type, PARSE_NO_DIMS);
	if (dims > type->max_dims)
		value_error(type, PARSE_TOO_MANY_DIMS);
}

void
wire_parse_error(const TypeLimits *type, ParseStatus status)
{
	/* worded as pq_copymsgbytes does */
	if (status == PARSE_TRUNCATED)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));

	if (status >= lengthof(message_errors) || message_errors[status] == NULL)
		value_error(type, status);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary representation of type %s", type->name),
			 errdetail_internal("%s", message_errors[status])));
}

int32
dimensions_typmod(ArrayType *modifiers, const TypeLimits *type)
{
	int			n;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1",
						type->name)));
	if (values[0] > type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						type->name, type->max_dims)));
	return values[0];
}

bool
check_typmod(int32 typmod, int dims, struct Node *context)
{
	if (typmod != -1 && typmod != dims)
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dims)));
	return true;
}
