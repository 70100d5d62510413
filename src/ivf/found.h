/*
 * found.h
 *	  What a scan has found in its lists and has not returned yet.
 *
 * Lists have thousands of entries, of which a scan wants few: those with the
 * least bounds.  So only some of these are kept, and what is beyond the cutoff is
 * forgotten.  Should it be wanted after all, the lists are read again
 * (found_again), and more are kept then.
 */
#ifndef VECTOR_IVF_FOUND_H
#define VECTOR_IVF_FOUND_H

#include "compat/pg.h"

#include <math.h>

#include "storage/itemptr.h"

#include "math/heap/topk.h"
#include "storage/slot_page.h"

typedef struct IvfFound
{
	double		bound;			/* an estimate, or less by a code's error */
	ItemPointerData tid;
	SlotId		value;			/* where the index keeps it; NO_SLOT: it does not */
	float		slack;			/* how much the bound is below the estimate */
} IvfFound;

typedef struct FoundSet
{
	IvfFound   *rows;			/* in no order */
	Size		count;
	Size		room;
	Size		keep;			/* about so many are left when some are forgotten */
	Size		least;			/* not fewer than these are left */
	Size		full;			/* some are forgotten when there are so many */
	TopkEntry  *order;			/* room for as many as rows has */
	double		cutoff;			/* rows of greater bounds have been forgotten */
	double		floor;			/* rows of bounds up to this were found before */
	bool		again;			/* there is a floor */
	double		taken;			/* the greatest bound of those taken */
	bool		doubles;		/* a row may be here twice: set by the reader */
} FoundSet;

/* Memory comes from the current context, which must outlive the set. */
extern void found_init(FoundSet *set);

/* Forget all, and keep about keep rows, or what fits work_mem, but least at least. */
extern void found_start(FoundSet *set, Size keep, Size least);

/* Before the same lists are read again, for what is beyond the cutoff */
extern void found_again(FoundSet *set);

/*
 * Before further lists are read, whose rows join those that are here: none of
 * these rows has been found before.
 */
static inline void
found_join(FoundSet *set)
{
	set->again = false;
}

/* Room for count further rows, to be added at once; may move the rows */
extern void found_reserve(FoundSet *set, Size count);

/* Add a row, if its bound, estimate - slack (not NaN), is not beyond. */
static inline void
found_add(FoundSet *set, double estimate, float slack, ItemPointerData tid,
		  SlotId value)
{
	double		bound = estimate - slack;
	IvfFound   *row = &set->rows[set->count];

	if (bound > set->cutoff || (set->again && bound <= set->floor))
		return;
	row->bound = bound;
	row->tid = tid;
	row->value = value;
	row->slack = slack;
	set->count++;
}

/* May there be more: here, or forgotten? */
static inline bool
found_more(const FoundSet *set)
{
	return set->count > 0 || set->cutoff < INFINITY;
}

/*
 * Take the count rows (at most set->count) with the least bounds out of the set.
 * They are valid until something is added.
 */
extern const IvfFound *found_take(FoundSet *set, Size count);

/* Of rows with the same TID, leave one, where set->doubles says that there are any. */
extern void found_remove_doubles(FoundSet *set);

#endif							/* VECTOR_IVF_FOUND_H */
