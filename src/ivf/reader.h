/*
 * reader.h
 *	  Reading lists: which ones, in which order, and what of them is kept.
 *
 * A reader puts what it finds into a FoundSet, by estimate.  Conditions on filter
 * columns are tested on the keys of a page before anything is computed of its
 * codes, and only what passes is found.  With conditions, a reader reads further
 * lists than those that were asked for, until none is likely to hold an entry
 * that is nearer than the ten best that pass.
 */
#ifndef VECTOR_IVF_READER_H
#define VECTOR_IVF_READER_H

#include "index/filter.h"
#include "index/scan.h"
#include "ivf/found.h"
#include "ivf/query.h"

/* Reads lists for a scan; private to reader.c */
typedef struct IvfReader IvfReader;

/* What has been read since ivf_reader_start */
typedef struct IvfReadCounts
{
	uint64		entries;		/* that pass */
	uint64		inside;			/* of these, inside the range by estimate */
	uint64		last_inside;	/* the same of the lists read last */
} IvfReadCounts;

/*
 * In the current context; all arguments must outlive the reader.  filter is NULL
 * where the index has no filter columns.  on_standby: pages may leave lists while
 * these are read.
 */
extern IvfReader *ivf_reader_create(IvfQuery *query, const Filter *filter,
									FoundSet *found, ScanStats *stats,
									bool on_standby);

/*
 * Read the first lists of a query that has been set, so many (as the settings say:
 * ivf_scan_probes), or more where conditions say so.  deviations: estimates are lowered by so many of a code's
 * standard deviations, to give bounds (0: they are not).  radius: on the scale
 * of estimates, what is within is wanted whatever else is found; -INFINITY:
 * there is no such range.
 */
extern void ivf_reader_start(IvfReader *reader, int probes, double deviations,
							 double radius);

/*
 * What the estimate would be of an entry at the centroid of the last list that has
 * been read: most of what lies in lists that have not been is farther.  INFINITY
 * where all have been read.
 */
extern double ivf_reader_edge(IvfReader *reader);

/* Do settings allow to read further lists, and are there any? */
extern bool ivf_reader_has_more(const IvfReader *reader);

/* No further lists are read: count it if that is because of max_probes. */
extern void ivf_reader_note_end(IvfReader *reader);

/*
 * Read as many further lists as have been read, or as there are, but not more than
 * most (> 0).  They belong to the same round: what ivf_reader_again reads again.
 */
extern void ivf_reader_continue(IvfReader *reader, int most);

/* Forget which lists have been read, for ivf_reader_again: a round begins. */
extern void ivf_reader_new_round(IvfReader *reader);

/* Read the lists of this round again, for what found_again says. */
extern void ivf_reader_again(IvfReader *reader);

extern const IvfReadCounts *ivf_reader_counts(const IvfReader *reader);

#endif							/* VECTOR_IVF_READER_H */
