/*
 * fuzz.h
 *	  What the fuzz targets share.
 *
 * Each target is one file with LLVMFuzzerTestOneInput and is built by run.sh
 * with AddressSanitizer and UndefinedBehaviorSanitizer.  Inputs are copied to,
 * and results written to, allocations of exactly the promised size, so every
 * access outside is seen.
 */
#ifndef VECTOR_FUZZ_H
#define VECTOR_FUZZ_H

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/text/text.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert, never compiled out */
#define CHECK(condition) \
	do \
	{ \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: not so: %s\n", \
					__FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* malloc that cannot fail; for 0 bytes, an allocation none may be used of */
static inline void *
room(size_t size)
{
	void	   *p = malloc(size);

	CHECK(p != NULL || size == 0);
	return p;
}

/* size bytes and the terminator that text parsers are promised */
static inline char *
text_copy(const void *data, size_t size)
{
	char	   *s = room(size + 1);

	memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* A growing buffer for printing what was parsed */
typedef struct Printed
{
	char	   *s;
	size_t		len;
	size_t		room;
} Printed;

static inline __attribute__((format(printf, 2, 3))) void
print(Printed *to, const char *format,...)
{
	va_list		args;

	if (to->room - to->len < 64)
	{
		to->room = to->room * 2 + 128;
		to->s = realloc(to->s, to->room);
		CHECK(to->s != NULL);
	}
	va_start(args, format);
	to->len += (size_t) vsnprintf(to->s + to->len, to->room - to->len, format, args);
	va_end(args);
	CHECK(to->len < to->room);
}

/* The grammar's white space, by another route than the parsers' */
static inline const char *
reference_space(const char *p)
{
	return p + strspn(p, " \t\n\v\f\r");
}

/*
 * A number by strtof alone; NULL if there is none, and the status an element
 * gets from it.
 */
static inline const char *
reference_number(const char *p, float limit, float *value, ParseStatus *status)
{
	char	   *stop;

	if (reference_space(p) != p)
		return NULL;
	*value = strtof(p, &stop);
	if (stop == p)
		return NULL;

	*status = PARSE_OK;
	if (isnan(*value))
		*status = PARSE_NAN;
	else if (isinf(*value))
		*status = strcspn(p, "iI") < (size_t) (stop - p) ? PARSE_INFINITE : PARSE_OUT_OF_RANGE;
	else if (*value >= limit || *value <= -limit)
		*status = PARSE_OUT_OF_RANGE;
	return stop;
}

#endif							/* VECTOR_FUZZ_H */
