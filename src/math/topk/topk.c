/*
 * topk.c
 *	  The k smallest of a stream of (key, id) entries: a bounded max-heap in a
 *	  flat array.
 *
 * entries[0] is the largest entry kept; the children of i are 2i + 1, 2i + 2.
 */
#include "math/topk/topk.h"

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
