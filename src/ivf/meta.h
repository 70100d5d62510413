/*
 * meta.h
 *	  The metapage, and what follows from its numbers: the records of lists, and
 *	  the order of the constants.
 */
#ifndef VECTOR_IVF_META_H
#define VECTOR_IVF_META_H

#include "index/column.h"
#include "index/filter.h"
#include "ivf/options.h"
#include "storage/slot_page.h"

/* OPQ's matrix has this squared */
#define IVF_MAX_OPQ_DIMS	2048

#define IVF_MAGIC		0x20465649	/* "IVF " */
#define IVF_VERSION		1
#define IVF_FILTER_VERSION	2	/* of an index with filter columns */

/* Numbers of probes whose recall was measured at build */
#define IVF_RECALL_POINTS	24

typedef struct IvfRecall
{
	uint32		probes;			/* 0: no more points */
	float		recall;			/* of the ten nearest */
} IvfRecall;

typedef struct IvfMeta
{
	IndexMeta	common;
	uint8		kind;			/* IvfKind */
	uint8		column_kind;	/* column_number */
	uint8		metric;			/* Metric */
	uint8		bits;			/* of a rabitq dimension, or a pq number */
	bool		opq;
	bool		trained;		/* codes come from rows enough to be worth something */
	uint8		keeps_values;	/* true distances come from the index */
	uint32		value_slot_size;	/* 0: no values are kept */
	uint32		dims;
	uint32		width;			/* dimensions of centroids */
	uint32		m;				/* parts, for ivfpq */
	uint32		lists;
	uint32		directory;		/* first block of the lists' records */
	uint32		constants;		/* first block of floats */
	uint64		seed;
	uint64		build_id;		/* no two builds have the same */
	double		rows;			/* at build */
	double		error;			/* at build: mean squared distance from centroids */
	IvfRecall	recall[IVF_RECALL_POINTS];
	float		reach[IVF_RECALL_POINTS];	/* see ivf_reach; none of an index built before */

	/*
	 * At build: what estimates are too small by, the mean squared distance of
	 * residuals from their product code (RaBitQ's estimates have no such bias)
	 */
	float		code_error;

	/* filter columns; all zero without any */
	uint32		filter_columns;
	uint32		filter_digest;
	BlockNumber summaries;		/* first block of the lists' FilterBounds */

	/*
	 * Of product codes, and of each number of probes in recall: rows to be compared
	 * by their true distance for that.  0: what a scan takes anyhow; so in an index
	 * built before these were measured.
	 */
	uint16		depth[IVF_RECALL_POINTS];

	/* Generations of lists (generation.h); all zero in an index never rebalanced */
	uint32		generation;		/* the current one */
	uint32		begun;			/* the last one that was begun */
	uint32		old_generation; /* the one before, */
	uint32		old_lists;		/* of so many lists; 0: their pages have been freed */
	BlockNumber old_directory;	/* its directory, constants and summaries, */
	BlockNumber old_end;		/* up to this block: freed or not, for the next one */
	uint64		old_xid;		/* the transaction that has replaced it */

	/*
	 * Rows of the table when VACUUM last looked for lists to be rebalanced, and left none
	 * that is; 0: it has not.  Not the index's rows: that may be a partial one.
	 */
	double		looked_at;
} IvfMeta;

/* A list's record in the directory */
typedef struct IvfList
{
	BlockNumber head;			/* its first page; never changes */
	BlockNumber fill;			/* where an insertion looks first */
	uint32		pages;
	float		radius;			/* at build: root of the mean squared distance */
	uint64		built;			/* entries at build */
} IvfList;

#define IVF_LISTS_PER_PAGE	((int) (SLOT_PAGE_ROOM / sizeof(IvfList)))
#define IVF_RAW_FLOATS		((int) (SLOT_PAGE_ROOM / sizeof(float)))

static inline IvfMeta *
ivf_page_meta(Page page)
{
	return (IvfMeta *) PageGetContents(page);
}

/* Lists whose summaries of filter columns a page has */
static inline int
ivf_summaries_per_page(const FilterShape *filter)
{
	return SLOT_PAGE_ROOM / (filter->count * sizeof(FilterBounds));
}

/* Floats of the constants as they lie in the index, and where each begins */
typedef struct IvfConstants
{
	uint64		mean;
	uint64		codebooks;
	uint64		weights;
	uint64		matrix;
	uint64		code_blocks;	/* bytes, four a float */
	uint64		code_add;
	uint64		code_k;
	uint64		centroids;
	uint64		total;
} IvfConstants;

extern IvfConstants ivf_constants(const IvfMeta *meta);

/* The block behind the directory, constants and summaries, which lie in a row */
extern BlockNumber ivf_raw_end(const IvfMeta *meta, const FilterShape *filter);

/* A number that no other build or generation of an index has */
extern uint64 ivf_new_build_id(Relation index);

/*
 * What the options and the column of an index say: the metapage that it begins
 * with, of one list, and the column.  Errors where options and column do not
 * go together.
 */
extern void ivf_describe(Relation index, const IvfOptions *options,
						 IvfMeta *meta, IndexColumn *column);

/*
 * Read the metapage.  Error where it is of another kind, of a format version that
 * is not known, damaged, or of another column or other filter columns than the
 * index is on.  Sets column->dims where the column does not say.
 */
extern void ivf_read_meta(Relation index, IvfMeta *meta, IndexColumn *column,
						  const FilterShape *filter);

#endif							/* VECTOR_IVF_META_H */
