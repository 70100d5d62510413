/*
 * found.c
 *	  What a scan has found in its lists and has not returned yet.
 */
#include "ivf/found.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* Room at the beginning, in rows */
#define FIRST_ROOM	1024

/* Times as many rows are kept when lists are read again */
#define AGAIN_FACTOR	4

/* Rows are gathered until they are so many times those kept */
#define FULL_FACTOR		3

/* Rows that stand for all, where the order of all is not wanted */
#define SAMPLE_ROWS		64

static Size
rows_of_memory(void)
{
	return mul_size(work_mem, 1024) / (sizeof(IvfFound) + sizeof(TopkEntry));
}

static void
set_keep(FoundSet *set, Size keep)
{
	set->keep = keep;
	set->full = mul_size(keep, FULL_FACTOR);
}

void
found_init(FoundSet *set)
{
	set->room = FIRST_ROOM;
	set->rows = (IvfFound *) palloc(FIRST_ROOM * sizeof(IvfFound));
	set->order = (TopkEntry *) palloc(FIRST_ROOM * sizeof(TopkEntry));
	found_start(set, FIRST_ROOM / 2, 1);
}

void
found_start(FoundSet *set, Size keep, Size least)
{
	set->count = 0;
	set->cutoff = INFINITY;
	set->taken = -INFINITY;
	set->again = set->doubles = false;
	set->least = least;
	set_keep(set, Max(Min(keep, rows_of_memory() / FULL_FACTOR), least));
}

void
found_again(FoundSet *set)
{
	Assert(set->count == 0);
	set->floor = set->cutoff;
	set->cutoff = INFINITY;
	set->again = true;
	set_keep(set, Max(Min(mul_size(set->keep, AGAIN_FACTOR), rows_of_memory() / FULL_FACTOR),
					  set->keep));
}

/* The last of the first count entries in order (count > 0) */
static TopkEntry
last_of(const FoundSet *set, Size count)
{
	TopkEntry	last = set->order[0];

	for (Size i = 1; i < count; i++)
	{
		if (topk_entry_less(last, set->order[i]))
			last = set->order[i];
	}
	return last;
}

static inline TopkEntry
entry_of(const FoundSet *set, Size row)
{
	TopkEntry	entry = {topk_key(set->rows[row].bound), row};

	return entry;
}

/* A bound that about count rows are within, by a sample; INFINITY: any */
static double
bound_of_about(const FoundSet *set, Size count)
{
	Size		sample = count * SAMPLE_ROWS / Max(set->count, 1) + 1;

	if (set->count < 2 * SAMPLE_ROWS || sample >= SAMPLE_ROWS)
		return INFINITY;
	for (Size i = 0; i < SAMPLE_ROWS; i++)
		set->order[i] = entry_of(set, i * set->count / SAMPLE_ROWS);
	topk_select(set->order, SAMPLE_ROWS, sample);
	return set->rows[last_of(set, sample).id].bound;
}

static Size
count_within(const FoundSet *set, double bound)
{
	Size		count = 0;

	for (Size i = 0; i < set->count; i++)
		count += set->rows[i].bound <= bound;
	return count;
}

/* The last of the count rows with the least bounds (0 < count <= set->count) */
static TopkEntry
last_of_least(FoundSet *set, Size count)
{
	double		bound = bound_of_about(set, 2 * count);
	Size		within = 0;

	if (count_within(set, bound) < count)
		bound = INFINITY;
	for (Size i = 0; i < set->count; i++)
	{
		set->order[within] = entry_of(set, i);
		within += set->rows[i].bound <= bound;
	}
	topk_select(set->order, within, count);
	return last_of(set, count);
}

/*
 * Forget all but about set->keep rows, and those at the same bound as the last.
 * None that are nearer than one taken: should lists be read again, it would be
 * found once more.
 */
static void
forget_far(FoundSet *set)
{
	double		cutoff = bound_of_about(set, set->keep);
	Size		count = 0;

	if (isinf(cutoff) || count_within(set, cutoff) < set->least)
		cutoff = set->rows[last_of_least(set, set->keep).id].bound;
	cutoff = Max(cutoff, set->taken);
	set->cutoff = cutoff;
	for (Size i = 0; i < set->count; i++)
	{
		if (set->rows[i].bound <= cutoff)
			set->rows[count++] = set->rows[i];
	}
	set->count = count;
	/* not again for each page where many are at one bound */
	set->full = Max(set->full, mul_size(count, 2));
}

void
found_reserve(FoundSet *set, Size count)
{
	if (add_size(set->count, count) > set->full && set->count > set->keep)
		forget_far(set);
	if (add_size(set->count, count) <= set->room)
		return;
	set->room = Max(mul_size(set->room, 2), set->count + count);
	set->rows = (IvfFound *)
		repalloc_huge(set->rows, mul_size(set->room, sizeof(IvfFound)));
	pfree(set->order);
	set->order = NULL;
	set->order = (TopkEntry *)
		MemoryContextAllocHuge(GetMemoryChunkContext(set->rows),
							   mul_size(set->room, sizeof(TopkEntry)));
}

const IvfFound *
found_take(FoundSet *set, Size count)
{
	TopkEntry	last;
	Size		left = set->count - count;
	Size		behind = set->count;

	Assert(count <= set->count);
	if (count > 0 && left > 0)
	{
		last = last_of_least(set, count);
		/* those taken change places with those of the end that are not */
		for (Size i = 0; i < left; i++)
		{
			IvfFound	row = set->rows[i];

			if (topk_entry_less(last, entry_of(set, i)))
				continue;
			do
				behind--;
			while (!topk_entry_less(last, entry_of(set, behind)));
			set->rows[i] = set->rows[behind];
			set->rows[behind] = row;
		}
	}
	set->count = left;
	for (Size i = left; i < left + count; i++)
		set->taken = Max(set->taken, set->rows[i].bound);
	return set->rows + left;
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare(&((IvfFound *) unconstify(void *, a))->tid,
							  &((IvfFound *) unconstify(void *, b))->tid);
}

void
found_remove_doubles(FoundSet *set)
{
	Size		count = Min(set->count, 1);

	if (!set->doubles)
		return;
	set->doubles = false;
	qsort(set->rows, set->count, sizeof(IvfFound), compare_tids);
	for (Size i = 1; i < set->count; i++)
	{
		if (compare_tids(&set->rows[count - 1], &set->rows[i]) != 0)
			set->rows[count++] = set->rows[i];
	}
	set->count = count;
}
