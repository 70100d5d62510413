/*
 * typmod.h
 *	  The type modifier of vector types: a number of dimensions.
 */
#ifndef VECTOR_TYPES_TYPMOD_H
#define VECTOR_TYPES_TYPMOD_H

#include "compat/pg.h"

#include "utils/array.h"

#include "types/parse_error.h"

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

#endif							/* VECTOR_TYPES_TYPMOD_H */
