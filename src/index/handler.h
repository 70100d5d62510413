/*
 * handler.h
 *	  What PostgreSQL asks of every access method alike: options and settings,
 *	  operator classes, the results of vacuum.
 *
 * An index keeps its options in its metapage by numbers of its own, which are
 * part of its format: what is an enum here is not.
 */
#ifndef VECTOR_INDEX_HANDLER_H
#define VECTOR_INDEX_HANDLER_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "access/reloptions.h"
#include "utils/guc.h"

/* Declare what PostgreSQL calls, with the type that amapi.h gives: ambuild, ... */
#define AM_FUNCTION(member, name) extern __typeof__(*(member##_function) NULL) name

/* ------------------------------------------------------------------------
 * Options
 */

/* Where true distances come from */
typedef enum IndexRerank
{
	RERANK_HEAP,				/* the table */
	RERANK_INDEX				/* values in half precision, and the table for ties */
} IndexRerank;

/* How a scan goes on when it has returned what it has found at first */
typedef enum IterativeScan
{
	ITERATIVE_OFF,				/* it ends */
	ITERATIVE_RELAXED,			/* what comes later may be nearer */
	ITERATIVE_STRICT
} IterativeScan;

/* Add the option "rerank", an IndexRerank with a default, to a kind of index. */
extern void add_rerank_option(relopt_kind kind, IndexRerank rerank);

/* Define the setting ACCESS_METHOD.iterative_scan, an IterativeScan: strict. */
extern void define_iterative_scan(const char *name, const char *description,
								  int *setting);

/*
 * Check hooks of settings that an index's own storage parameter gives way to: *extra, a bool,
 * tells the assign hook whether the setting has been set, be it to its default.
 */
extern bool check_int_is_set(int *newval, void **extra, GucSource source);
extern bool check_real_is_set(double *newval, void **extra, GucSource source);

/* ------------------------------------------------------------------------
 * Operator classes
 */

/*
 * amvalidate: an operator class has one operator, which orders by a float8
 * distance, and support functions (column.h), the last of which tells the type.
 * Says what is wrong as INFO, and returns whether nothing is.
 */
extern bool index_validate(Oid opclass);

/*
 * amadjustmembers: an operator between two types is an optional member of its
 * operator family.  The operator of spheres is the one in classes of vectors; it
 * can so be added to a class that pgvector made, and be taken away again, and
 * the catalog is the same whichever way it came.
 */
extern void index_adjust_members(Oid family, Oid opclass, List *operators,
								 List *functions);

/* ------------------------------------------------------------------------
 * Vacuum
 */

/* The results that a bulk delete adds to: stats, or new ones where it is NULL */
extern IndexBulkDeleteResult *bulk_delete_stats(IndexBulkDeleteResult *stats);

/*
 * amvacuumcleanup: an index frees its pages when it deletes from them, so that
 * only its size is left to be reported.
 */
extern IndexBulkDeleteResult *vacuum_cleanup(IndexVacuumInfo *info,
											 IndexBulkDeleteResult *stats);

#endif							/* VECTOR_INDEX_HANDLER_H */
