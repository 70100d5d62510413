/*
 * heap_value.h
 *	  Indexed values read from the table, for distances that an index cannot
 *	  tell exactly.
 */
#ifndef VECTOR_STORAGE_HEAP_VALUE_H
#define VECTOR_STORAGE_HEAP_VALUE_H

#include "compat/pg.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct HeapValues HeapValues;

/*
 * A reader for an index's column, in the current context.  Both relations stay
 * open until heap_values_end.
 */
extern HeapValues *heap_values_begin(Relation heap, Relation index,
									 Snapshot snapshot);

/*
 * The value of the row that tid, from the index, leads to and that the
 * snapshot sees: plain (with a 4-byte header), valid until the next call.  NULL
 * if there is no such row; then *all_dead says whether no snapshot can see one.
 */
extern const struct varlena *heap_values_get(HeapValues *values,
											 ItemPointer tid, bool *all_dead);

/* Release pins; the reader can be used again. */
extern void heap_values_pause(HeapValues *values);

extern void heap_values_end(HeapValues *values);

#endif							/* VECTOR_STORAGE_HEAP_VALUE_H */
