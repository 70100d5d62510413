/*
 * index.h
 *	  An open index: its metapage, model, constants, directory and summaries.
 */
#ifndef VECTOR_IVF_INDEX_H
#define VECTOR_IVF_INDEX_H

#include "ivf/page.h"
#include "storage/buffer_map.h"

struct IvfIndex
{
	Relation	relation;
	IvfMeta		meta;
	uint64		centroids;		/* where they begin among the constants */
	IvfModel   *model;			/* shared by all users of the backend */
	IvfLayout	layout;
	BufferMap  *map;
	ValueStore	values;			/* where the index has any */
	FilterShape *filter;		/* NULL: no filter columns */
	IvfKind		kind;
	IvfEffort	effort;			/* of a scan, when its search began */
};

/* Where an index keeps values (meta->value_slot_size > 0) */
extern ValueStore ivf_value_store(Relation relation, const IvfMeta *meta);

/* Open an index, in the current context, which keeps the model in memory. */
extern IvfIndex *ivf_open(Relation relation);

/* Floats from the constants, by ivf_constants */
extern void ivf_read_floats(IvfIndex *index, uint64 offset, uint64 count,
							float *out);
extern void ivf_read_centroid(IvfIndex *index, uint32 list, float *out);

/* Ask for a centroid that will be read, from memory: only a hint */
extern void ivf_prefetch_centroid(const IvfIndex *index, uint32 list);

/* A list's record.  Locks its page. */
extern IvfList ivf_get_list(IvfIndex *index, uint32 list);

/* A list has a page, always; error if the first one that its record tells is none. */
extern void ivf_check_head(IvfIndex *index, uint32 list, BlockNumber head);

/* Change where insertions look first, and the number of pages. */
extern void ivf_set_fill(IvfIndex *index, uint32 list, BlockNumber fill,
						 int more_pages);

/*
 * The model of an index, read into memory or kept from before; its user's
 * current context lets go of it when it is reset.
 */
extern IvfModel *ivf_get_model(IvfIndex *index, IndexColumn column);

/* ------------------------------------------------------------------------
 * Summaries of lists' filter columns, each a FilterBounds for each column
 */

/* The summary of a list on its page */
static inline FilterBounds *
ivf_summary(const FilterShape *filter, Page page, uint32 list)
{
	return (FilterBounds *) PageGetContents(page) +
		list % ivf_summaries_per_page(filter) * filter->count;
}

/*
 * Make a list's summary hold an entry with these keys; before the entry is
 * written.  Locks its page.
 */
extern void ivf_widen_summary(IvfIndex *index, uint32 list, const uint8 *keys);

/* May any entry of a list pass?  Locks the summary's page. */
extern bool ivf_list_may_pass(IvfIndex *index, const Filter *filter,
							  uint32 list);

/* The same of all lists at once, into a flag for each */
extern void ivf_lists_may_pass(IvfIndex *index, const Filter *filter,
							   bool *may_pass);

#endif							/* VECTOR_IVF_INDEX_H */
