/*
 * topk.c
 *	  The k smallest of (key, id) entries: a bounded max-heap in a flat array,
 *	  and selection.
 */
#include "math/heap/topk.h"

#include "math/heap/heap.h"

#define LARGER(a, b) topk_entry_less(*(b), *(a))
HEAP(topk_heap, TopkEntry, LARGER)

void
topk_add(Topk *topk, TopkEntry entry)
{
	if (topk->count == topk->capacity)
		topk_heap_sink(topk->entries, topk->count, 0, entry);
	else
		topk_heap_rise(topk->entries, topk->count++, entry);
}

void
topk_sort(TopkEntry *entries, size_t n)
{
	topk_heap_sort(entries, n);
}

/* The middle one of three */
static TopkEntry *
middle_of(TopkEntry *a, TopkEntry *b, TopkEntry *c)
{
	if (topk_entry_less(*b, *a))
	{
		TopkEntry  *swap = a;

		a = b;
		b = swap;
	}
	/* a, b */
	return topk_entry_less(*c, *a) ? a : topk_entry_less(*b, *c) ? b : c;
}

void
topk_select(TopkEntry *entries, size_t n, size_t k)
{
	while (n > 1 && k > 0 && k < n)
	{
		TopkEntry  *middle = middle_of(&entries[0], &entries[n / 2], &entries[n - 1]);
		TopkEntry	pivot = *middle;
		size_t		below = 0;

		*middle = entries[n - 1];

		/* without a branch, which would be foreseen wrongly half of the time */
		for (size_t i = 0; i < n - 1; i++)
		{
			TopkEntry	entry = entries[i];
			bool		less = (entry.key < pivot.key) |
				((entry.key == pivot.key) & (entry.id < pivot.id));

			entries[i] = entries[below];
			entries[below] = entry;
			below += less;
		}
		entries[n - 1] = entries[below];
		entries[below] = pivot;

		/* the pivot is in its place */
		if (k <= below)
			n = below;
		else
		{
			entries += below + 1;
			n -= below + 1;
			k -= below + 1;
		}
	}
}
