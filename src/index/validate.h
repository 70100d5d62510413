/*
 * validate.h
 *	  Operator classes of our access methods.
 */
#ifndef VECTOR_INDEX_VALIDATE_H
#define VECTOR_INDEX_VALIDATE_H

#include "compat/pg.h"

/*
 * amvalidate for an access method of that name, with so many support functions
 * (column.h): an operator class has one operator, which orders by a float8
 * distance.  Says what is wrong as INFO, and returns whether nothing is.
 */
extern bool index_validate(Oid opclass, const char *am, int procs);

/*
 * amadjustmembers: an operator between two types is an optional member of its
 * operator family.  The operator of spheres is the one in classes of vectors; it
 * can so be added to a class that pgvector made, and be taken away again, and
 * the catalog is the same whichever way it came.
 */
extern void index_adjust_members(Oid family, Oid opclass, List *operators,
								 List *functions);

#endif							/* VECTOR_INDEX_VALIDATE_H */
