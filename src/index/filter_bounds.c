/*
 * filter_bounds.c
 *	  Summaries of many entries' keys.
 */
#include "index/filter.h"

/* The word of a summary that tells whether an array is null */
#define NULL_ARRAY_WORD	2

/* A key's bit in a summary (Steele, Lea and Flood's mix of 64 bits) */
static inline uint32
bound_bit(uint64 key)
{
	key = (key ^ key >> 30) * UINT64CONST(0xbf58476d1ce4e5b9);
	key = (key ^ key >> 27) * UINT64CONST(0x94d049bb133111eb);
	return (uint32) (((key >> 32) * (64 * FILTER_BOUND_WORDS)) >> 32);
}

static inline bool
has_bound_bit(const FilterBounds *bounds, uint64 key)
{
	uint32		bit = bound_bit(key);

	return (bounds->bits[bit / 64] >> bit % 64) & 1;
}

void
filter_bounds_init(const FilterShape *shape, FilterBounds *bounds)
{
	memset(bounds, 0, shape->count * sizeof(FilterBounds));
	for (int i = 0; i < shape->count; i++)
		bounds[i].low = PG_UINT64_MAX;
}

bool
filter_bounds_add(const FilterShape *shape, FilterBounds *bounds,
				  const uint8 *keys)
{
	bool		changed = false;

	for (int i = 0; i < shape->count; i++)
	{
		const FilterColumn *column = &shape->columns[i];
		const uint8 *key = keys + column->offset;
		FilterBounds after = bounds[i];

		if (column->kind == FILTER_ELEMENTS)
		{
			after.bits[0] |= filter_load_key(key, 8);
			after.bits[1] |= filter_load_key(key + 8, 8);
			after.bits[NULL_ARRAY_WORD] |= !(filter_load_key(key, 8) & SIGNATURE_ANY);
		}
		else
		{
			uint64		number = filter_load_key(key, column->width);
			uint32		bit = bound_bit(number);

			after.bits[bit / 64] |= UINT64CONST(1) << bit % 64;
			if (number > 0)
			{
				after.low = Min(after.low, number);
				after.high = Max(after.high, number);
			}
		}
		changed |= memcmp(&after, &bounds[i], sizeof(after)) != 0;
		bounds[i] = after;
	}
	return changed;
}

bool
filter_may_pass(const Filter *filter, const FilterBounds *bounds)
{
	if (filter->impossible)
		return false;
	for (int t = 0; t < filter->count; t++)
	{
		const FilterTest *test = &filter->tests[t];
		const FilterBounds *bound = &bounds[test->column];
		bool		any = false;

		switch (test->kind)
		{
			case FILTER_TEST_NO_ARRAY:
				any = bound->bits[NULL_ARRAY_WORD] & 1;
				break;
			case FILTER_TEST_BITS:
				any = filter_has_bits(test, bound->bits);
				break;
			case FILTER_TEST_SET:
				for (int i = 0; i < test->count && !any; i++)
					any = test->values[i] >= bound->low &&
						test->values[i] <= bound->high &&
						has_bound_bit(bound, test->values[i]);
				break;
			case FILTER_TEST_RANGE:
				any = test->low == test->high
					? has_bound_bit(bound, test->low)
					: bound->low <= test->high && bound->high >= test->low;
				break;
		}
		if (!any)
			return false;
	}
	return true;
}
