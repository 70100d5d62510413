/*
 * topk.c
 *	  The k smallest of (key, id) entries: a bounded max-heap in a flat array,
 *	  and selection.
 *
 * entries[0] is the largest entry kept; the children of i are 2i + 1, 2i + 2.
 */
#include "math/heap/topk.h"

/* Let entry sink from slot i of a heap of count entries to where it belongs. */
static void
sift_down(TopkEntry *entries, size_t count, size_t i, TopkEntry entry)
{
	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= count)
			break;
		if (child + 1 < count &&
			topk_entry_less(entries[child], entries[child + 1]))
			child++;
		if (!topk_entry_less(entry, entries[child]))
			break;
		entries[i] = entries[child];
		i = child;
	}
	entries[i] = entry;
}

void
topk_add(Topk *topk, TopkEntry entry)
{
	TopkEntry  *entries = topk->entries;

	if (topk->count == topk->capacity)
		sift_down(entries, topk->count, 0, entry);
	else
	{
		size_t		i = topk->count++;

		while (i > 0 && topk_entry_less(entries[(i - 1) / 2], entry))
		{
			entries[i] = entries[(i - 1) / 2];
			i = (i - 1) / 2;
		}
		entries[i] = entry;
	}
}

void
topk_sort(Topk *topk)
{
	for (size_t left = topk->count; left > 1; left--)
	{
		TopkEntry	largest = topk->entries[0];

		sift_down(topk->entries, left - 1, 0, topk->entries[left - 1]);
		topk->entries[left - 1] = largest;
	}
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
