/*
 * own_type.c
 *	  Which SQL types are those of this extension.
 */
#include "types/own_type.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

extern PGDLLEXPORT Datum vector_in(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum halfvec_in(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum sparsevec_in(PG_FUNCTION_ARGS);

OwnType
own_type(Oid type)
{
	HeapTuple	tuple;
	Form_pg_type form;
	Oid			input = InvalidOid;
	FmgrInfo	info;

	if (!OidIsValid(type))
		return OWN_NONE;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(getBaseType(type)));
	if (!HeapTupleIsValid(tuple))
		return OWN_NONE;
	form = (Form_pg_type) GETSTRUCT(tuple);
	/* no need to load the library of a type that cannot be ours */
	if (form->typtype == TYPTYPE_BASE && form->typlen == -1 &&
		form->typisdefined && !OidIsValid(form->typelem))
		input = form->typinput;
	ReleaseSysCache(tuple);
	if (!OidIsValid(input))
		return OWN_NONE;

	fmgr_info(input, &info);
	if (info.fn_addr == vector_in)
		return OWN_VECTOR;
	if (info.fn_addr == halfvec_in)
		return OWN_HALFVEC;
	if (info.fn_addr == sparsevec_in)
		return OWN_SPARSEVEC;
	return OWN_NONE;
}
