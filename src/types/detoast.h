/*
 * detoast.h
 *	  Function arguments as plain varlenas, each TOASTed value fetched once.
 *
 * A similarity query compares every row with the same value.  When that value
 * comes from a table ("... <-> (SELECT embedding ...)") it may be a TOAST
 * pointer, which PG_DETOAST_DATUM would fetch again for every row.
 */
#ifndef VECTOR_TYPES_DETOAST_H
#define VECTOR_TYPES_DETOAST_H

#include "compat/pg.h"

extern struct varlena *detoast_argument(FunctionCallInfo fcinfo, int argno);

/*
 * Argument argno (0 or 1) as a varlena with a 4-byte header and aligned data.
 * May point into a buffer page or a copy that the next call frees: read only,
 * and never part of a result.
 */
static inline struct varlena *
plain_argument(FunctionCallInfo fcinfo, int argno)
{
	struct varlena *value = (struct varlena *) PG_GETARG_POINTER(argno);

	if (likely(!VARATT_IS_EXTENDED(value)))
		return value;
	return detoast_argument(fcinfo, argno);
}

/* Slow path of free_argument */
extern void free_detoasted(FunctionCallInfo fcinfo, int argno, void *value);

/*
 * Frees what plain_argument made for this call.  A function that a sort or an
 * index calls by itself has no memory context of a row that would be reset: it
 * frees its arguments, or a sort takes the memory of all its comparisons.
 */
static inline void
free_argument(FunctionCallInfo fcinfo, int argno, void *value)
{
	if (unlikely(value != (void *) PG_GETARG_POINTER(argno)))
		free_detoasted(fcinfo, argno, value);
}

#endif							/* VECTOR_TYPES_DETOAST_H */
