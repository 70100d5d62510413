/*
 * toast_reader.h
 *	  Values of one table that are stored out of line, read one after the
 *	  other.
 */
#ifndef VECTOR_STORAGE_TOAST_READER_H
#define VECTOR_STORAGE_TOAST_READER_H

#include "compat/pg.h"

#include "utils/relcache.h"

typedef struct ToastReader ToastReader;

/*
 * A reader of relation's values, allocated in the current context.  relation
 * must stay open, and locked, until toast_reader_end.  Costs nothing until the
 * first value that is stored out of line.
 */
extern ToastReader *toast_reader_begin(Relation relation);

/*
 * value, which may be stored in any way, as a plain varlena with a 4-byte
 * header.  The result is value itself, or valid until the next call.  value
 * must belong to a row that the active snapshot sees.
 *
 * Between calls one buffer of the TOAST table may stay pinned; none is locked.
 */
extern struct varlena *toast_reader_get(ToastReader *reader,
										struct varlena *value);

/* Release the pin; the next toast_reader_get takes one again. */
extern void toast_reader_pause(ToastReader *reader);

/* Release everything but memory. */
extern void toast_reader_end(ToastReader *reader);

#endif							/* VECTOR_STORAGE_TOAST_READER_H */
