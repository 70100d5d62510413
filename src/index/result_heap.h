/*
 * result_heap.h
 *	  What a scan has found and not returned yet, the nearest on top.
 *
 * RESULT_HEAP(Heap, name, Result, above) defines Heap, a heap of Results that
 * grows, and its functions.  above(a, b) says of two results, given by pointer,
 * whether a comes before b (math/heap/heap.h).
 *
 *	name_init(heap)
 *		An empty heap, in the current memory context, where it stays.
 *	name_reserve(heap, room)
 *		Have room for so many results in all.
 *	name_push(heap, result)
 *		One more result.
 *	name_pop(heap)
 *		Take away the first result; returns it.
 *	name_replace(heap, result)
 *		Put a result in the place of the first.
 *	name_moved(heap)
 *		The first result has changed, and may not be the first any more.
 *	name_rebuild(heap)
 *		Any results have changed, or have been appended.
 *	name_second(heap)
 *		The result that would be the first without the first; NULL: none
 */
#ifndef VECTOR_INDEX_RESULT_HEAP_H
#define VECTOR_INDEX_RESULT_HEAP_H

#include "compat/pg.h"

#include "math/heap/heap.h"

#define RESULT_HEAP_ROOM	64

#define RESULT_HEAP(Heap, name, Result, above) \
HEAP(name##_in_array, Result, above) \
\
typedef struct Heap \
{ \
	Result	   *results; \
	int			count; \
	int			room; \
} Heap; \
\
HEAP_FUNCTION void \
name##_init(Heap *heap) \
{ \
	heap->count = 0; \
	heap->room = RESULT_HEAP_ROOM; \
	heap->results = (Result *) palloc(RESULT_HEAP_ROOM * sizeof(Result)); \
} \
\
HEAP_FUNCTION void \
name##_reserve(Heap *heap, int room) \
{ \
	if (likely(room <= heap->room)) \
		return; \
	heap->room = room; \
	heap->results = (Result *) \
		repalloc_huge(heap->results, mul_size(room, sizeof(Result))); \
} \
\
HEAP_FUNCTION void \
name##_push(Heap *heap, Result result) \
{ \
	if (heap->count == heap->room) \
		name##_reserve(heap, 2 * heap->room); \
	name##_in_array_rise(heap->results, heap->count++, result); \
} \
\
HEAP_FUNCTION Result \
name##_pop(Heap *heap) \
{ \
	return name##_in_array_pop(heap->results, heap->count--); \
} \
\
HEAP_FUNCTION void \
name##_replace(Heap *heap, Result result) \
{ \
	name##_in_array_sink(heap->results, heap->count, 0, result); \
} \
\
HEAP_FUNCTION void \
name##_moved(Heap *heap) \
{ \
	name##_replace(heap, heap->results[0]); \
} \
\
HEAP_FUNCTION void \
name##_rebuild(Heap *heap) \
{ \
	name##_in_array_build(heap->results, heap->count); \
} \
\
HEAP_FUNCTION const Result * \
name##_second(const Heap *heap) \
{ \
	const Result *results = heap->results; \
\
	if (heap->count < 2) \
		return NULL; \
	return heap->count > 2 && above(&results[2], &results[1]) ? &results[2] \
		: &results[1]; \
}

#endif							/* VECTOR_INDEX_RESULT_HEAP_H */
