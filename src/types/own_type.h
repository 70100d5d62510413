/*
 * own_type.h
 *	  Which SQL types are those of this extension.
 */
#ifndef VECTOR_TYPES_OWN_TYPE_H
#define VECTOR_TYPES_OWN_TYPE_H

#include "compat/pg.h"

typedef enum OwnType
{
	OWN_NONE,
	OWN_VECTOR,
	OWN_HALFVEC,
	OWN_SPARSEVEC
} OwnType;

/*
 * Which of our types an SQL type is, or is a domain over.  A type is recognised
 * by the address of the C function that reads its text form: neither its name
 * nor its schema matters, and to make another type with that function takes a
 * superuser.  OWN_NONE for InvalidOid, too.
 */
extern OwnType own_type(Oid type);

#endif							/* VECTOR_TYPES_OWN_TYPE_H */
