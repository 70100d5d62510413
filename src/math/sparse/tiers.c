/*
 * tiers.c
 *	  Which segments of an index are merged.
 */
#include "tiers.h"

#include <string.h>

/* Segments in the order of their living rows, and what they may become */
typedef struct Tiers
{
	const TierSegment *segments;
	size_t		order[TIERS_MOST];	/* by living rows, ascending */
	size_t		count;
	uint64_t	most_docs;
	uint64_t	most_pages;
	bool	   *chosen;
} Tiers;

static uint32_t
living(const TierSegment *segment)
{
	return segment->docs - segment->dead;
}

static int
tier_of(const TierSegment *segment)
{
	double		docs = living(segment);
	int			tier = 0;

	while (docs > FIRST_TIER_DOCS)
	{
		docs /= TIER_SEGMENTS;
		tier++;
	}
	return tier;
}

static void
sort(Tiers *tiers)
{
	for (size_t i = 0; i < tiers->count; i++)
	{
		size_t		place = i;

		for (; place > 0 && living(&tiers->segments[tiers->order[place - 1]]) >
			 living(&tiers->segments[i]); place--)
			tiers->order[place] = tiers->order[place - 1];
		tiers->order[place] = i;
	}
}

/*
 * Choose the smallest of a tier (-1: of all) that go into one segment; none, if
 * they are fewer than least.
 */
static size_t
take(Tiers *tiers, int tier, size_t least)
{
	uint64_t	docs = 0;
	uint64_t	pages = 0;
	size_t		count = 0;

	for (size_t i = 0; i < tiers->count; i++)
	{
		const TierSegment *segment = &tiers->segments[tiers->order[i]];

		if ((tier >= 0 && tier_of(segment) != tier) ||
			docs + living(segment) > tiers->most_docs ||
			pages + segment->pages > tiers->most_pages)
			continue;
		tiers->chosen[tiers->order[i]] = true;
		docs += living(segment);
		pages += segment->pages;
		count++;
	}
	if (count >= least)
		return count;
	memset(tiers->chosen, 0, tiers->count * sizeof(bool));
	return 0;
}

/* A segment that has many dead rows */
static size_t
take_dead(Tiers *tiers)
{
	for (size_t i = 0; i < tiers->count; i++)
	{
		if (tiers->segments[i].dead > tiers->segments[i].docs / DEAD_PART)
		{
			tiers->chosen[i] = true;
			return 1;
		}
	}
	return 0;
}

/* All of one segment's rows are there: to write it anew would change nothing. */
static bool
is_pointless(const Tiers *tiers, size_t count)
{
	for (size_t i = 0; i < tiers->count; i++)
	{
		if (count == 1 && tiers->chosen[i])
			return tiers->segments[i].dead == 0;
	}
	return false;
}

size_t
tiers_choose(const TierSegment *segments, size_t count, size_t room,
			 uint64_t most_docs, uint64_t most_pages, bool everything,
			 bool *chosen)
{
	Tiers		tiers = {.segments = segments, .count = count,
		.most_docs = most_docs, .most_pages = most_pages, .chosen = chosen};
	size_t		taken = 0;
	int			last;

	memset(chosen, 0, count * sizeof(bool));
	if (count == 0)
		return 0;
	sort(&tiers);
	last = tier_of(&segments[tiers.order[count - 1]]);
	if (everything)
	{
		taken = take(&tiers, -1, 1);
		if (is_pointless(&tiers, taken))
			taken = 0;
		return taken;
	}
	for (int tier = 0; tier <= last && taken == 0; tier++)
		taken = take(&tiers, tier, TIER_SEGMENTS);
	if (taken == 0)
		taken = take_dead(&tiers);

	/* great ones first: they are what does not go away by itself */
	for (int tier = last; tier >= 0 && taken == 0 && count > room / 4 * 3; tier--)
		taken = take(&tiers, tier, 2);
	if (taken == 0 && count + TIER_SEGMENTS > room)
		taken = take(&tiers, -1, 2);
	return taken;
}
