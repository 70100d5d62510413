/*
 * filter_test.c
 *	  Conditions on filter columns become tests of keys, and of summaries of many
 *	  entries' keys.
 */
#include "index/filter.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "utils/catcache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "math/heap/heap.h"
#include "math/keys/keys.h"

/* From so many members on, a set is searched by halves */
#define SET_SEARCH	8

/* ------------------------------------------------------------------------
 * Conditions
 */

Filter *
filter_create(const FilterShape *shape)
{
	Filter	   *filter = (Filter *) palloc0(sizeof(Filter));

	filter->shape = shape;
	filter->context = AllocSetContextCreate(CurrentMemoryContext,
											"index filter",
											ALLOCSET_SMALL_SIZES);
	return filter;
}

static FilterTest *
add_test(Filter *filter, FilterTestKind kind, int column)
{
	FilterTest *test = &filter->tests[filter->count++];

	memset(test, 0, sizeof(*test));
	test->kind = kind;
	test->column = column;
	return test;
}

/* Everything but null */
static void
add_not_null(Filter *filter, int column)
{
	int			width = filter->shape->columns[column].width;
	FilterTest *test;

	if (filter->shape->columns[column].kind == FILTER_ELEMENTS)
	{
		test = add_test(filter, FILTER_TEST_BITS, column);
		test->values = (uint64 *) palloc0(2 * sizeof(uint64));
		test->values[0] = SIGNATURE_ANY;
		test->count = 1;
		return;
	}
	test = add_test(filter, FILTER_TEST_RANGE, column);
	test->low = 1;
	test->high = filter_greatest_key(width);
}

static void
add_null(Filter *filter, int column)
{
	(void) add_test(filter, filter->shape->columns[column].kind == FILTER_ELEMENTS
					? FILTER_TEST_NO_ARRAY : FILTER_TEST_RANGE, column);
}

/*
 * The keys that may fulfil a comparison: false if there are none.
 */
static bool
comparison_range(const FilterColumn *column, int strategy, FilterConstant constant,
				 uint64 *low, uint64 *high, bool *exact)
{
	*low = 1;
	*high = filter_greatest_key(column->width);
	*exact = true;
	switch (strategy)
	{
		case FILTER_LESS:
		case FILTER_LESS_EQUAL:
			if (constant.too_low)
				return false;
			if (constant.too_high)
				return true;
			*exact = constant.exact;
			*high = constant.key;
			if (strategy == FILTER_LESS && constant.exact)
				*high -= 1;
			return *high >= *low;
		case FILTER_EQUAL:
			*exact = constant.exact;
			*low = *high = constant.key;
			return !constant.too_low && !constant.too_high;
		default:
			if (constant.too_high)
				return false;
			if (constant.too_low)
				return true;
			*exact = constant.exact;
			*low = constant.key;
			if (strategy == FILTER_GREATER && constant.exact)
			{
				if (*low == *high)
					return false;
				*low += 1;
			}
			return true;
	}
}

ASCENDING(compare_keys, uint64, uint64, *e)

/* Make a test of one of the collected keys: a range, if it is a single one. */
static void
finish_set(FilterTest *test)
{
	int			count = 0;

	qsort(test->values, test->count, sizeof(uint64), compare_keys);
	for (int i = 0; i < test->count; i++)
	{
		if (count == 0 || test->values[i] != test->values[count - 1])
			test->values[count++] = test->values[i];
	}
	test->count = count;
	if (count > 0)
	{
		test->low = test->values[0];
		test->high = test->values[count - 1];
	}
	if (count == 1)
		test->kind = FILTER_TEST_RANGE;
}

/* An enum's values that fulfil a comparison with one of some constants */
static void
add_enum_range(Filter *filter, int number, ScanKey key, const Datum *constants,
			   int count)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME,
										   ObjectIdGetDatum(column->enum_type));
	FilterTest *test = add_test(filter, FILTER_TEST_SET, number);

	test->values = (uint64 *) palloc(mul_size(Max(list->n_members, 1), sizeof(uint64)));
	for (int i = 0; i < list->n_members; i++)
	{
		Oid			value = ((Form_pg_enum) GETSTRUCT(&list->members[i]->tuple))->oid;
		bool		holds = false;

		for (int k = 0; k < count && !holds; k++)
			holds = DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation,
												   ObjectIdGetDatum(value),
												   constants[k]));
		if (holds)
			test->values[test->count++] = value;
	}
	ReleaseCatCacheList(list);
	finish_set(test);
	filter->impossible |= test->count == 0;
}

/* A comparison with one of some constants, none of them null */
static void
add_comparison(Filter *filter, int number, ScanKey key, const Datum *constants,
			   int count)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	Oid			subtype = OidIsValid(key->sk_subtype) ? key->sk_subtype : column->type;
	uint64		low = PG_UINT64_MAX;
	uint64		high = 0;
	bool		any = false;
	FilterTest *test;

	if (key->sk_strategy != FILTER_EQUAL && OidIsValid(column->enum_type))
	{
		add_enum_range(filter, number, key, constants, count);
		return;
	}

	/* a hash tells nothing of the order: there may be another key */
	if (key->sk_strategy != FILTER_EQUAL && column->ordered_next)
	{
		number++;
		column++;
	}
	if (key->sk_strategy != FILTER_EQUAL && column->kind == FILTER_EQUALITY)
	{
		add_not_null(filter, number);
		filter->recheck = true;
		filter->impossible |= count == 0;
		return;
	}

	test = add_test(filter, key->sk_strategy == FILTER_EQUAL
					? FILTER_TEST_SET : FILTER_TEST_RANGE, number);
	test->values = (uint64 *) palloc(mul_size(Max(count, 1), sizeof(uint64)));
	for (int i = 0; i < count; i++)
	{
		uint64		from;
		uint64		to;
		bool		exact;

		if (!comparison_range(column, key->sk_strategy,
							  filter_constant(column, subtype, constants[i]),
							  &from, &to, &exact))
			continue;
		any = true;
		low = Min(low, from);
		high = Max(high, to);
		filter->recheck |= !exact;
		if (test->kind == FILTER_TEST_SET)
			test->values[test->count++] = from;
	}
	test->low = low;
	test->high = high;
	if (test->kind == FILTER_TEST_SET)
		finish_set(test);
	filter->impossible |= !any;
}

/* && or @> */
static void
add_array_condition(Filter *filter, int number, ScanKey key, Datum value)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	FilterTest *test;
	Datum	   *elements;
	int			count;

	filter->recheck = true;
	test = add_test(filter, FILTER_TEST_BITS, number);
	if (key->sk_strategy == FILTER_CONTAINS)
	{
		test->values = (uint64 *) palloc0(2 * sizeof(uint64));
		filter_array_signature(column, value, test->values);
		test->count = 1;
		return;
	}
	elements = filter_array_members(value, &count);
	test->values = (uint64 *) palloc0(mul_size(Max(count, 1), 2 * sizeof(uint64)));
	test->count = count;
	for (int i = 0; i < count; i++)
		filter_add_element(column, elements[i], test->values + 2 * i);
	filter->impossible |= count == 0;
}

/* The (first) key of a column of the index */
static int
find_column(const FilterShape *shape, AttrNumber attribute)
{
	for (int i = 0; i < shape->count; i++)
	{
		if (shape->columns[i].attribute == attribute)
			return i;
	}
	elog(ERROR, "no key of column %d", attribute);
	pg_unreachable();
}

static void
add_key(Filter *filter, ScanKey key)
{
	int			number = find_column(filter->shape, key->sk_attno);
	Datum	   *members;
	int			count;

	if (key->sk_flags & (SK_UNARY | SK_ROW_HEADER | SK_ROW_MEMBER | SK_ROW_END |
						 SK_ORDER_BY))
		elog(ERROR, "unexpected scan key of a filter column: flags %x",
			 key->sk_flags);
	if (key->sk_flags & SK_SEARCHNULL)
		add_null(filter, number);
	else if (key->sk_flags & SK_SEARCHNOTNULL)
		add_not_null(filter, number);
	else if (key->sk_flags & SK_ISNULL)
		filter->impossible = true;
	else if (key->sk_flags & SK_SEARCHARRAY)
	{
		members = filter_array_members(key->sk_argument, &count);
		if (filter->shape->columns[number].kind == FILTER_ELEMENTS)
		{
			add_not_null(filter, number);
			filter->recheck = true;
			filter->impossible |= count == 0;
		}
		else
			add_comparison(filter, number, key, members, count);
	}
	else if (key->sk_strategy > FILTER_GREATER)
		add_array_condition(filter, number, key, key->sk_argument);
	else
		add_comparison(filter, number, key, &key->sk_argument, 1);
}

void
filter_set(Filter *filter, ScanKey keys, int nkeys)
{
	MemoryContext caller;

	MemoryContextReset(filter->context);
	filter->impossible = false;
	filter->recheck = false;
	filter->count = 0;
	caller = MemoryContextSwitchTo(filter->context);
	filter->tests = (FilterTest *) palloc(mul_size(Max(nkeys, 1), sizeof(FilterTest)));
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i].sk_attno > 1)
			add_key(filter, &keys[i]);
	}
	MemoryContextSwitchTo(caller);
}

/* ------------------------------------------------------------------------
 * Tests
 */

static inline bool
in_set(const FilterTest *test, uint64 key)
{
	int			low = 0;
	int			high = test->count;

	if (key < test->low || key > test->high)
		return false;
	while (high - low > SET_SEARCH)
	{
		int			middle = low + (high - low) / 2;

		if (test->values[middle] <= key)
			low = middle;
		else
			high = middle;
	}
	for (; low < high; low++)
	{
		if (test->values[low] == key)
			return true;
	}
	return false;
}

static inline bool
test_key(const FilterTest *test, const uint8 *key, int width)
{
	uint64		number;

	switch (test->kind)
	{
		case FILTER_TEST_BITS:
			return filter_has_bits(test, key);
		case FILTER_TEST_NO_ARRAY:
			return !(filter_load_key(key, 8) & SIGNATURE_ANY);
		case FILTER_TEST_SET:
			return in_set(test, filter_load_key(key, width));
		default:
			number = filter_load_key(key, width);
			return number >= test->low && number <= test->high;
	}
}

bool
filter_passes(const Filter *filter, uint8 *const *columns, uint32 slot)
{
	if (filter->impossible)
		return false;
	for (int i = 0; i < filter->count; i++)
	{
		const FilterTest *test = &filter->tests[i];
		int			width = filter->shape->columns[test->column].width;

		if (!test_key(test, columns[test->column] + (Size) slot * width, width))
			return false;
	}
	return true;
}

/* Sets of so few members are compared with one after the other, for many keys */
#define SET_LOOP_MEMBERS	16
#define SET_LOOP_KEYS		1024

/* Test keys of a column against a small set. */
static void
pass_small_set(const FilterTest *test, const uint8 *column, int width,
			   uint32 count, uint8 *pg_restrict passes)
{
	int			kernel = key_width_number(width);

	for (uint32 first = 0; first < count; first += SET_LOOP_KEYS)
	{
		uint32		part = Min(count - first, SET_LOOP_KEYS);
		uint8		any[SET_LOOP_KEYS];

		memset(any, 0, part);
		for (int m = 0; m < test->count; m++)
			key_kernels->equal[kernel] (column + (Size) first * width, part,
										test->values[m], any);
		for (uint32 i = 0; i < part; i++)
			passes[first + i] &= any[i];
	}
}

void
filter_pass_many(const Filter *filter, uint8 *const *columns, uint32 count,
				 uint8 *passes)
{
	if (filter->impossible)
	{
		memset(passes, 0, count);
		return;
	}
	for (int t = 0; t < filter->count; t++)
	{
		const FilterTest *test = &filter->tests[t];
		const uint8 *column = columns[test->column];
		int			width = filter->shape->columns[test->column].width;

		if (test->kind == FILTER_TEST_RANGE)
		{
			key_kernels->range[key_width_number(width)] (column, count,
														 test->low, test->high,
														 passes);
			continue;
		}
		if (test->kind == FILTER_TEST_SET && test->count <= SET_LOOP_MEMBERS)
		{
			pass_small_set(test, column, width, count, passes);
			continue;
		}
		for (uint32 i = 0; i < count; i++)
		{
			if (passes[i])
				passes[i] = test_key(test, column + (Size) i * width, width);
		}
	}
}

/* ------------------------------------------------------------------------
 * Summaries of many entries' keys
 */

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
