/*
 * text.h
 *	  The text and binary (wire) forms of dense and sparse vectors.
 *
 * Pure C: nothing here knows PostgreSQL, so every parser can be fuzzed on its
 * own.  A parser never reads outside [s, s + len), never writes more than the
 * stated number of elements, allocates nothing, and reports what is wrong as a
 * status; the caller words the error.
 */
#ifndef VECTOR_MATH_TEXT_H
#define VECTOR_MATH_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "math/distance/distance.h"	/* half */

typedef enum ParseStatus
{
	PARSE_OK = 0,
	PARSE_SYNTAX,				/* malformed */
	PARSE_NO_OPENING,			/* does not start with [ (or { if sparse) */
	PARSE_JUNK,					/* something follows the end */
	PARSE_UNEXPECTED_END,		/* sparse: no "/dims" behind } */
	PARSE_NO_DIMS,				/* fewer than one dimension */
	PARSE_TOO_MANY_DIMS,
	PARSE_TOO_MANY_NONZERO,		/* sparse */
	PARSE_OUT_OF_RANGE,			/* the number at *token is too large, or too small */
	PARSE_NAN,
	PARSE_INFINITE,
	PARSE_INDEX_BOUNDS,			/* sparse: an index outside 1 .. dims */
	PARSE_INDEX_DUPLICATE,		/* sparse */
	PARSE_INDEX_ORDER,			/* sparse wire: indices do not ascend */
	PARSE_ZERO_VALUE,			/* sparse wire: a stored zero */
	PARSE_RESERVED,				/* wire: the reserved field is not zero */
	PARSE_NEGATIVE_COUNT,		/* wire: a negative number of non-zeros */
	PARSE_MORE_THAN_DIMS,		/* wire: more non-zeros than dimensions */
	PARSE_TRUNCATED				/* wire: the message ends too early */
} ParseStatus;

/* Where a number that is PARSE_OUT_OF_RANGE stands in the input */
typedef struct ParseToken
{
	const char *start;
	size_t		len;
} ParseToken;

/*
 * Read one decimal number at the start of [s, end).
 *
 * Gives the float32 nearest to the decimal (ties to even), exactly as a
 * correctly rounding strtof does; what strtof accepts beyond plain decimals
 * (inf, infinity, nan, hexadecimal) is accepted too.  Leading white space is
 * not skipped.  Returns the first character behind the number, or NULL if there
 * is none.  *overflow is set where a finite decimal is too large for float32
 * (*value is then an infinity).  What is too small becomes a signed zero or a
 * denormal, without complaint.
 *
 * *end must be readable and must be '\0' (a C string's terminator).
 */
extern const char *decimal_to_float(const char *s, const char *end,
									float *value, int *overflow);

/*
 * "[1, 2.5, -3e0]" to out[0 .. *dims).  s[len] must be '\0'.
 *
 * out has room for max_dims elements.  limit: a finite number v with
 * |v| >= limit is PARSE_OUT_OF_RANGE (INFINITY for float32, where only
 * decimals that overflow are; 65520 for values that become float16).
 * Errors are found from left to right; *token is set for
 * PARSE_OUT_OF_RANGE only.
 */
extern ParseStatus dense_text_parse(const char *s, size_t len, float limit,
									int max_dims, float *out, int *dims,
									ParseToken *token);

/*
 * "{1:1.5, 3:3.5}/5" to ascending 0-based indices and values.  s[len] must be
 * '\0'.  Entries may come in any order; explicit zeros are dropped, and a
 * number too small for float32 is PARSE_OUT_OF_RANGE.  index and value have
 * room for max_nnz elements.
 */
extern ParseStatus sparse_text_parse(const char *s, size_t len, int max_dims,
									 int max_nnz, int32_t *index, float *value,
									 int *nnz, int *dims, ParseToken *token);

/*
 * Dense wire form, big endian: int16 dims, int16 zero, then dims elements of
 * size bytes: float32 (4) or float16 (2).  out has room for max_dims elements.
 * *used is the number of bytes read; what follows them is the caller's to judge.
 */
extern ParseStatus dense_wire_parse(const uint8_t *msg, size_t len, size_t size,
									int max_dims, void *out, int *dims,
									size_t *used);

/*
 * Sparse wire form, big endian: int32 dims, int32 nnz, int32 zero, then nnz
 * int32 indices (0-based, ascending), then nnz float32 values, none of them 0.
 */
extern ParseStatus sparse_wire_parse(const uint8_t *msg, size_t len,
									 int max_dims, int max_nnz,
									 int32_t *index, float *value,
									 int *nnz, int *dims, size_t *used);

/* Copy n elements between host and wire, either way; dst and src do not overlap. */
extern void wire_copy_u32(uint8_t *dst, const void *src, size_t n);
extern void wire_copy_u16(uint8_t *dst, const void *src, size_t n);

#endif							/* VECTOR_MATH_TEXT_H */
