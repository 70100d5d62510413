/*
 * write.h
 *	  The pages of a new index: metapage and constants, then list by list.
 */
#ifndef VECTOR_IVF_WRITE_H
#define VECTOR_IVF_WRITE_H

#include "ivf/calibrate.h"
#include "ivf/entry_sort.h"

/*
 * Metapage, directory, constants and summaries; fills in where they begin.  The
 * records of lists are written with these.
 */
extern void ivf_create_pages(Relation index, ForkNumber fork, IvfMeta *meta,
							 const float *floats, const FilterShape *filter);

/*
 * Write all lists, from a sort that is done (NULL: there are no rows), with the
 * sums of their rows.
 */
extern void ivf_write_lists(Relation index, ForkNumber fork,
							const IvfModel *model, const IvfMeta *meta,
							const FilterShape *filter, IvfEntrySort *sort,
							const IvfListSum *sums);

/* Keep in the metapage what only the whole table has told. */
extern void ivf_update_meta(Relation index, const IvfMeta *meta);

#endif							/* VECTOR_IVF_WRITE_H */
