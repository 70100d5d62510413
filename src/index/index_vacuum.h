/*
 * index_vacuum.h
 *	  What vacuum does alike for every access method.
 */
#ifndef VECTOR_INDEX_INDEX_VACUUM_H
#define VECTOR_INDEX_INDEX_VACUUM_H

#include "compat/pg.h"

#include "access/genam.h"

/* The results that a bulk delete adds to: stats, or new ones where it is NULL */
extern IndexBulkDeleteResult *bulk_delete_stats(IndexBulkDeleteResult *stats);

/*
 * amvacuumcleanup: an index frees its pages when it deletes from them, so that
 * only its size is left to be reported.
 */
extern IndexBulkDeleteResult *vacuum_cleanup(IndexVacuumInfo *info,
											 IndexBulkDeleteResult *stats);

#endif							/* VECTOR_INDEX_INDEX_VACUUM_H */
