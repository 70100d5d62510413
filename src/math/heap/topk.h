/*
 * topk.h
 *	  The k smallest of (key, id) entries: of a stream by a bounded max-heap in a
 *	  flat array, of an array by selection.
 *
 * Entries are ordered by key, then by id, so the result does not depend on the
 * order of arrival.  Pure C; the caller owns the memory.
 */
#ifndef VECTOR_MATH_HEAP_TOPK_H
#define VECTOR_MATH_HEAP_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct TopkEntry
{
	uint64_t	key;
	uint64_t	id;
} TopkEntry;

typedef struct Topk
{
	TopkEntry  *entries;		/* room for capacity; a heap until topk_sort */
	size_t		capacity;		/* k, at least 1 */
	size_t		count;
} Topk;

/* Keys of what is no number: behind all numbers, nulls last, as in SQL */
#define TOPK_NAN	(UINT64_MAX - 1)
#define TOPK_NULL	UINT64_MAX

/* A key that orders as the numbers do; zeros of either sign are equal */
static inline uint64_t
topk_key(double number)
{
	uint64_t	bits;

	if (number != number)
		return TOPK_NAN;
	number += 0.0;				/* -0 becomes 0 */
	memcpy(&bits, &number, sizeof(bits));
	return bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63);
}

/* The number of a key that topk_key has made of one */
static inline double
topk_number(uint64_t key)
{
	uint64_t	bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
	double		number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

static inline bool
topk_entry_less(TopkEntry a, TopkEntry b)
{
	return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static inline void
topk_init(Topk *topk, TopkEntry *entries, size_t capacity)
{
	topk->entries = entries;
	topk->capacity = capacity;
	topk->count = 0;
}

/* Would an entry be kept? */
static inline bool
topk_wants(const Topk *topk, TopkEntry entry)
{
	return topk->count < topk->capacity ||
		topk_entry_less(entry, topk->entries[0]);
}

/* Keep an entry that topk_wants; O(log k) */
extern void topk_add(Topk *topk, TopkEntry entry);

/* Put n entries in ascending order; nothing can be added to a Topk after that. */
extern void topk_sort(TopkEntry *entries, size_t n);

/*
 * Put the k least of n entries, no two of which are the same, in front, in no
 * order; O(n) on average (Hoare, Algorithm 65: FIND, CACM 4(7), 1961; partitioned
 * as by Lomuto).
 */
extern void topk_select(TopkEntry *entries, size_t n, size_t k);

#endif							/* VECTOR_MATH_HEAP_TOPK_H */
