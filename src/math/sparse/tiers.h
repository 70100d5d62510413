/*
 * tiers.h
 *	  Which segments of an index are merged.
 *
 * An index that is added to is a number of segments.  Where TIER_SEGMENTS are of a
 * size, within a factor of TIER_SEGMENTS, they become one of the next size (a
 * log-structured merge tree with tiers: O'Neil et al. 1996, Lucene's): a row is
 * written again a logarithmic number of times, and there are a logarithmic number
 * of segments.  A segment has limits, though, and those that are near them are
 * merged with no other.  So that their number does not rise beyond what there is
 * room for, fewer than TIER_SEGMENTS are merged when there is little room left.
 */
#ifndef VECTOR_MATH_SPARSE_TIERS_H
#define VECTOR_MATH_SPARSE_TIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIER_SEGMENTS	4

/* Rows of a segment of the first tier, at most */
#define FIRST_TIER_DOCS	4096

/* A segment with more than one dead row in so many is written anew */
#define DEAD_PART		4

/* Segments that may be chosen from */
#define TIERS_MOST		64

typedef struct TierSegment
{
	uint32_t	docs;			/* with dead ones */
	uint32_t	dead;
	uint32_t	pages;
} TierSegment;

/*
 * Choose segments that are to become one: chosen has a member for each of count.
 * Their living rows are at most most_docs, their pages at most most_pages.  room is
 * how many segments there may be (count is not above it, nor room above
 * TIERS_MOST).  everything: as many as go into one, whatever their tiers.
 * Returns how many are chosen: 0, where nothing is to be merged; 1, where a segment
 * is to be written anew without its dead rows.
 */
extern size_t tiers_choose(const TierSegment *segments, size_t count,
						   size_t room, uint64_t most_docs,
						   uint64_t most_pages, bool everything,
						   bool *chosen);

#endif							/* VECTOR_MATH_SPARSE_TIERS_H */
