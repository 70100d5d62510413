/*
 * arena.h
 *	  Memory of searches that a backend keeps from one to the next.
 *
 * A search takes some hundred kilobytes in a few large pieces.  Taken from the
 * operating system and given back each time, they cost more than what is done with
 * them: every page of them is a fault, and is cleared.
 */
#ifndef VECTOR_SPARSE_ARENA_H
#define VECTOR_SPARSE_ARENA_H

#include "compat/pg.h"

/*
 * Lend the backend's arena until a context is reset or deleted.  false, if it is lent
 * already: the caller allocates as usual.  callback has to live as long as the
 * context's parent.
 */
extern bool arena_lend(MemoryContext context, MemoryContextCallback *callback);

/*
 * Memory from the arena, by whom it is lent to; of the current context, where the
 * arena has no room: the next search finds it larger, within limits.  Aligned to cache
 * lines; must not be freed.
 */
extern void *arena_alloc(Size size);

#endif							/* VECTOR_SPARSE_ARENA_H */
