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

#endif							/* VECTOR_TYPES_DETOAST_H */
