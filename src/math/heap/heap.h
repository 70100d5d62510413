/*
 * heap.h
 *	  Binary heaps over whatever entries a caller has, binary search, and orders
 *	  for qsort.
 *
 * HEAP(name, Entry, above) defines the functions of a heap in a flat array of
 * Entry.  above(a, b) says of two entries, given by pointer, whether a must
 * stand above b; it is inlined, so that a heap costs what one written by hand
 * does.  entries[0] is on top, and the children of i are 2i + 1 and 2i + 2.
 *
 *		#define NEARER(a, b) ((a)->distance < (b)->distance)
 *		HEAP(nearest, Candidate, NEARER)
 *
 * The caller owns the array and counts its entries.
 *
 *	name_sink(entries, count, at, entry)
 *		Put an entry in place of the one at slot at, above whose children it
 *		may not belong, or from where it may have to sink: entry must not
 *		belong above at's parent.  With at = 0 it replaces the top.
 *	name_rise(entries, at, entry)
 *		Put an entry in slot at, which is the first free one: at is the count
 *		before, and the caller has made room.
 *	name_pop(entries, count)
 *		Take the top out of a heap of count >= 1 entries; returns it.  The
 *		first count - 1 slots then are the heap.
 *	name_build(entries, count)
 *		Make a heap of entries in any order; O(count).
 *	name_sort(entries, count)
 *		Sort entries in any order in place, what belongs on top last (heapsort: it
 *		allocates nothing, and takes n log n steps whatever the entries are).
 *
 * HEAP_OVER is for entries that do not lie in one array: Entries is the type of
 * what holds them (passed by value), get(entries, i) reads an entry and
 * set(entries, i, entry) writes one.
 */
#ifndef VECTOR_MATH_HEAP_HEAP_H
#define VECTOR_MATH_HEAP_HEAP_H

#include <stddef.h>

/* A user of a heap seldom needs all functions of it. */
#define HEAP_FUNCTION static inline __attribute__((unused))

#define HEAP_SET(entries, i, entry) ((entries)[i] = (entry))

/* Entries of an array are compared where they lie. */
#define HEAP(name, Entry, above) \
HEAP_FUNCTION const Entry * \
name##_look(const Entry *entries, size_t i, Entry *room) \
{ \
	(void) room; \
	return &entries[i]; \
} \
HEAP_FUNCTIONS(name, Entry *, Entry, HEAP_SET, above)

#define HEAP_OVER(name, Entries, Entry, get, set, above) \
HEAP_FUNCTION const Entry * \
name##_look(Entries entries, size_t i, Entry *room) \
{ \
	*room = get(entries, i); \
	return room; \
} \
HEAP_FUNCTIONS(name, Entries, Entry, set, above)

/* name_look(entries, i, room) is where entry i can be seen: perhaps in room. */
#define HEAP_FUNCTIONS(name, Entries, Entry, set, above) \
HEAP_FUNCTION Entry \
name##_get(Entries entries, size_t i) \
{ \
	Entry		room; \
\
	return *name##_look(entries, i, &room); \
} \
\
HEAP_FUNCTION void \
name##_sink(Entries entries, size_t count, size_t at, Entry entry) \
{ \
	for (;;) \
	{ \
		size_t		child = 2 * at + 1; \
		Entry		rooms[2]; \
		const Entry *next; \
\
		if (child >= count) \
			break; \
		next = name##_look(entries, child, &rooms[0]); \
		if (child + 1 < count) \
		{ \
			const Entry *other = name##_look(entries, child + 1, &rooms[1]); \
\
			if (above(other, next)) \
			{ \
				next = other; \
				child++; \
			} \
		} \
		if (!above(next, &entry)) \
			break; \
		set(entries, at, *next); \
		at = child; \
	} \
	set(entries, at, entry); \
} \
\
HEAP_FUNCTION void \
name##_rise(Entries entries, size_t at, Entry entry) \
{ \
	while (at > 0) \
	{ \
		Entry		room; \
		const Entry *parent = name##_look(entries, (at - 1) / 2, &room); \
\
		if (!above(&entry, parent)) \
			break; \
		set(entries, at, *parent); \
		at = (at - 1) / 2; \
	} \
	set(entries, at, entry); \
} \
\
HEAP_FUNCTION Entry \
name##_pop(Entries entries, size_t count) \
{ \
	Entry		top = name##_get(entries, 0); \
\
	if (count > 1) \
		name##_sink(entries, count - 1, 0, name##_get(entries, count - 1)); \
	return top; \
} \
\
HEAP_FUNCTION void \
name##_build(Entries entries, size_t count) \
{ \
	for (size_t i = count / 2; i-- > 0;) \
		name##_sink(entries, count, i, name##_get(entries, i)); \
} \
\
HEAP_FUNCTION void \
name##_sort(Entries entries, size_t count) \
{ \
	name##_build(entries, count); \
	for (; count > 1; count--) \
	{ \
		Entry		top = name##_pop(entries, count); \
\
		set(entries, count - 1, top); \
	} \
}

/*
 * Binary search among 0 .. n - 1: set result to the first i for which the
 * expression before is false, and to n where it is true for all.  It must be
 * true up to some i and false from there on.
 *
 *		LOWER_BOUND(place, set->count, i, set->ids[i] < id);
 */
#define LOWER_BOUND(result, n, i, before) \
	do { \
		size_t		low_ = 0; \
		size_t		high_ = (n); \
\
		while (low_ < high_) \
		{ \
			size_t		i = low_ + (high_ - low_) / 2; \
\
			if (before) \
				low_ = i + 1; \
			else \
				high_ = i; \
		} \
		(result) = low_; \
	} while (0)

/*
 * ASCENDING(name, Entry, Key, key) defines an order for qsort, of entries by key, an
 * expression of the entry at e.
 *
 *		ASCENDING(compare_ids, Candidate, uint32_t, e->id)
 */
#define ASCENDING(name, Entry, Key, key) \
static int \
name(const void *a_, const void *b_) \
{ \
	const Entry *e = a_; \
	Key			x_ = key; \
	Key			y_; \
\
	e = b_; \
	y_ = key; \
	return (x_ > y_) - (x_ < y_); \
}

#endif							/* VECTOR_MATH_HEAP_HEAP_H */
