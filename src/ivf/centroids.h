/*
 * centroids.h
 *	  Centroids from a table, and what an index has to do with that table.
 */
#ifndef VECTOR_IVF_CENTROIDS_H
#define VECTOR_IVF_CENTROIDS_H

#include "ivf/meta.h"

/*
 * The first column of a table that is of type vector or halfvec (or of a domain
 * over one); error if there is none.
 */
extern AttrNumber ivf_vector_column(Relation table);

/*
 * The centroids of an index, from the table of that name: meta->width floats
 * each, in the current context; *lists says how many.  The index depends on the
 * table from then on.  The table is read by a scan, without any code of its
 * owner's, with the rights of the index's owner; it stays locked to the end of
 * the transaction.  heap is the table of an index that is being built; NULL while
 * options are altered.
 *
 * Errors where the table cannot be read as centroids.  NULL instead, where an
 * index without centroids will do: none are there yet, and the indexed table is
 * empty, too; or an error would keep a transaction from committing, or a server
 * from being upgraded.
 */
extern float *ivf_read_centroids(Relation index, Relation heap,
								 const char *name, const IvfMeta *meta,
								 Size *lists);

/*
 * Is an index built while a transaction commits (a temporary table with ON
 * COMMIT DELETE ROWS)?  Then nothing must be asked for or announced.
 */
extern bool ivf_is_committing(void);

/*
 * What follows from the options of an index that has been created or altered
 * (see option_watch): they are checked together with its column, and the index
 * depends on its table of centroids.
 */
extern void ivf_options_changed(Oid index, Relation relation,
								const bytea *options, bool changed);

#endif							/* VECTOR_IVF_CENTROIDS_H */
