/*
 * entry_sort.h
 *	  The entries of a build, sorted by list and TID.
 */
#ifndef VECTOR_IVF_ENTRY_SORT_H
#define VECTOR_IVF_ENTRY_SORT_H

#include "compat/pg.h"

#include "executor/tuptable.h"
#include "utils/tuplesort.h"

#include "index/filter.h"
#include "ivf/model.h"

typedef struct IvfEntrySort
{
	Tuplesortstate *state;
	TupleTableSlot *put_slot;
	TupleTableSlot *get_slot;
	Size		code_bytes;
	Size		key_bytes;		/* of filter columns */
} IvfEntrySort;

/*
 * Begin a sort with so many kB of memory; coordinate says which part of a
 * parallel sort it is (NULL: it is the whole).  filter is NULL without filter
 * columns.
 */
extern IvfEntrySort *ivf_sort_begin(const IvfModel *model,
									const FilterShape *filter, int memory,
									SortCoordinate coordinate);

/* Add an entry of a list.  May leak memory into the current context. */
extern void ivf_sort_put(IvfEntrySort *sort, uint32 list, const IvfEntry *entry);

/*
 * After tuplesort_performsort: the next entry, whose code and keys are valid
 * until the one after that.  False if there is none.
 */
extern bool ivf_sort_get(IvfEntrySort *sort, uint32 *list, IvfEntry *entry);

extern void ivf_sort_end(IvfEntrySort *sort);

#endif							/* VECTOR_IVF_ENTRY_SORT_H */
