/*
 * filter_bounds.h
 *	  Summaries of many entries' keys: what keys there may be (see filter.h).
 *
 * For each column the least and the greatest key that is not null, and a bit for
 * each key (a Bloom filter with one hash); of arrays all their bits.  One
 * entry's keys widen it.
 */
#ifndef VECTOR_INDEX_FILTER_BOUNDS_H
#define VECTOR_INDEX_FILTER_BOUNDS_H

#include "compat/pg.h"

#include "index/filter_key.h"
#include "index/filter_test.h"

#define FILTER_BOUND_WORDS	6

typedef struct FilterBounds
{
	uint64		low;
	uint64		high;
	uint64		bits[FILTER_BOUND_WORDS];
} FilterBounds;

/* A summary of no entries; bounds has shape->count members. */
extern void filter_bounds_init(const FilterShape *shape, FilterBounds *bounds);

/* Add an entry's keys; true if that has changed the summary. */
extern bool filter_bounds_add(const FilterShape *shape, FilterBounds *bounds,
							  const uint8 *keys);

/* May any entry of a summary pass? */
extern bool filter_may_pass(const Filter *filter, const FilterBounds *bounds);

#endif							/* VECTOR_INDEX_FILTER_BOUNDS_H */
