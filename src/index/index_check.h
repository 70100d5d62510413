/*
 * index_check.h
 *	  Errors that tell of an index what is wrong with it, as answers.
 */
#ifndef VECTOR_INDEX_INDEX_CHECK_H
#define VECTOR_INDEX_INDEX_CHECK_H

#include "compat/pg.h"

/*
 * Call a function in a subtransaction.  Returns the error by which it says that an
 * index, or what it was read from, is damaged or of a format that is not read, in the
 * current context; NULL if there is none.  Other errors are raised.
 */
extern ErrorData *index_error_of(void (*function) (void *), void *argument);

#endif							/* VECTOR_INDEX_INDEX_CHECK_H */
