/*
 * detoast.c
 *	  Function arguments as plain varlenas, each TOASTed value fetched once.
 *
 * The state hangs on fn_extra, so it lives as long as the expression it
 * belongs to.  A value is kept from the second time on that the same TOAST
 * pointer comes as the same argument; a column that changes with each row
 * therefore costs a comparison of 16 bytes and no memory.  Within one
 * statement a TOAST pointer names one value: the snapshot keeps it from being
 * vacuumed, hence its id from being used again.
 */
#include "types/detoast.h"


typedef struct DetoastState
{
	bool		seen[2];		/* is last[] set? */
	struct varatt_external last[2];
	struct varlena *kept[2];	/* last[]'s value, or NULL */
} DetoastState;

/* Slow path of plain_argument */
struct varlena *
detoast_argument(FunctionCallInfo fcinfo, int argno)
{
	struct varlena *value = (struct varlena *) PG_GETARG_POINTER(argno);
	struct varatt_external pointer;
	DetoastState *state;

	Assert(argno == 0 || argno == 1);

	if (!VARATT_IS_EXTERNAL_ONDISK(value) || fcinfo->flinfo == NULL)
		return pg_detoast_datum(value);

	state = (DetoastState *) fcinfo->flinfo->fn_extra;
	if (state == NULL)
	{
		state = (DetoastState *) MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
														sizeof(DetoastState));
		fcinfo->flinfo->fn_extra = state;
	}

	memcpy(&pointer, VARDATA_EXTERNAL(value), sizeof(pointer));
	if (!state->seen[argno] ||
		memcmp(&pointer, &state->last[argno], sizeof(pointer)) != 0)
	{
		if (state->kept[argno] != NULL)
			pfree(state->kept[argno]);
		state->kept[argno] = NULL;
		state->last[argno] = pointer;
		state->seen[argno] = true;
		return pg_detoast_datum(value);
	}

	if (state->kept[argno] == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		state->kept[argno] = pg_detoast_datum(value);
		MemoryContextSwitchTo(caller);
	}
	return state->kept[argno];
}

void
free_detoasted(FunctionCallInfo fcinfo, int argno, void *value)
{
	struct varlena *argument = (struct varlena *) PG_GETARG_POINTER(argno);
	DetoastState *state;

	/* Only of such a value may a copy be kept, and only then is fn_extra ours. */
	if (VARATT_IS_EXTERNAL_ONDISK(argument) && fcinfo->flinfo != NULL)
	{
		state = (DetoastState *) fcinfo->flinfo->fn_extra;
		if (state != NULL && state->kept[argno] == value)
			return;
	}
	pfree(value);
}
