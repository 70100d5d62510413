/*
 * distributed.h
 *	  Are a table's rows on other servers?
 */
#ifndef VECTOR_INDEX_DISTRIBUTED_H
#define VECTOR_INDEX_DISTRIBUTED_H

#include "compat/pg.h"

/*
 * Has the extension citus distributed a table?  Then the rows are in tables of other
 * names, mostly on other servers, and this one, which keeps its name, is empty.  Locks
 * citus's catalog for reading.  Without citus in the database: false.
 */
extern bool is_distributed_table(Oid table);

#endif							/* VECTOR_INDEX_DISTRIBUTED_H */
