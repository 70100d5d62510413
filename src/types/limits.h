/*
 * limits.h
 *	  What a type allows: errors where a text, a message, a type modifier or a
 *	  value is beyond.
 */
#ifndef VECTOR_TYPES_LIMITS_H
#define VECTOR_TYPES_LIMITS_H

#include "compat/pg.h"

#include "utils/array.h"

#include "math/text/text.h"

/* A type's name and limits, as its messages need them */
typedef struct TypeLimits
{
	const char *name;			/* SQL name of the type */
	int			max_dims;
	int			max_nonzero;	/* sparse only */
	char		opening;		/* bracket that opens the text form */
} TypeLimits;

/*
 * Raise the error that a text parser's status stands for.
 *
 * str: the whole input.  token: the number at fault, for PARSE_OUT_OF_RANGE.
 * context: where soft errors go (fcinfo->context), or NULL.  Returns 0, for
 * the input function to return, and only when the error was soft.
 */
extern Datum text_parse_error(const TypeLimits *type, ParseStatus status,
							  const char *str, const ParseToken *token,
							  struct Node *context);

/* Raise what is wrong with a value that no text or message stands behind. */
pg_noreturn extern void value_error(const TypeLimits *type, ParseStatus status);

/* Error unless 1 <= dims <= type->max_dims. */
extern void check_dims(const TypeLimits *type, int64 dims);

/* Raise what a wire parser's status stands for. */
pg_noreturn extern void wire_parse_error(const TypeLimits *type, ParseStatus status);

/*
 * The dimensions that a modifier list asks for.  Errors: more than one
 * modifier, not an integer, or outside 1 .. type->max_dims.
 */
extern int32 dimensions_typmod(ArrayType *modifiers, const TypeLimits *type);

/*
 * Error unless dims satisfies the type modifier (-1: any does).  context:
 * where soft errors go, or NULL; false means that one was raised.
 */
extern bool check_typmod(int32 typmod, int dims, struct Node *context);

#endif							/* VECTOR_TYPES_LIMITS_H */
