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

#endif							/* VECTOR_INDEX_VALIDATE_H */
