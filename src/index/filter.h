/*
 * filter.h
 *	  Filter columns: further key columns of ordinary types, whose conditions
 *	  an index tests by itself.
 *
 * An index keeps a key of fixed width for each filter column of each entry: an
 * unsigned number, 0 for null.
 *
 * - FILTER_ORDERED: keys order as values do (bool, integers, floats, numeric,
 *	 uuid, date, time, timestamps, interval).
 * - FILTER_EQUALITY: equal values have equal keys (enums: their OID; else a
 *	 hash: text, bytea, inet).  Where something of the value that orders can be
 *	 told in 8 bytes (the first ones of text in a collation whose order is the
 *	 bytes', or whose sort keys can be trusted), a second key of the same column
 *	 follows, FILTER_ORDERED, for conditions other than equality.
 * - FILTER_ELEMENTS: an array's key is a signature, 128 bits of which each
 *	 element sets two (Faloutsos and Christodoulakis, "Signature files", 1984).
 *
 * Conditions become tests of keys: a range, a set, or bits.  A test never fails
 * where the condition holds; where it may pass without (a hash, the first half
 * of a uuid), the filter says recheck, and the executor compares the row.
 *
 * Keys of many entries lie by column, not by entry, so that a test of all of
 * them is one loop over an array (math/keys).
 */
#ifndef VECTOR_INDEX_FILTER_H
#define VECTOR_INDEX_FILTER_H

#include "compat/pg.h"

#include "access/skey.h"
#include "utils/relcache.h"
#include "utils/sortsupport.h"

/* ------------------------------------------------------------------------
 * Values become keys (filter_key.c)
 */

/* Keys that an entry can have: two of each further key column of an index */
#define FILTER_MAX_COLUMNS	(2 * (INDEX_MAX_KEYS - 1))

/* The widest key, of arrays */
#define FILTER_MAX_WIDTH	16

typedef enum FilterKind
{
	FILTER_ORDERED,
	FILTER_EQUALITY,
	FILTER_ELEMENTS
} FilterKind;

typedef struct FilterColumn FilterColumn;

/*
 * A constant's place among a column's keys: key is that of the greatest value
 * not above the constant (below: of the least value above it); exact if the
 * two are equal and no other value has the key.
 */
typedef struct FilterConstant
{
	uint64		key;
	bool		exact;
	bool		too_low;		/* below all values */
	bool		too_high;		/* above all of them */
} FilterConstant;

/*
 * The key of a value of a column's type: a number in the order of values, or a
 * hash.  A number of 0 shares key 1 with the next one, as 0 means null.
 */
typedef uint64 (*FilterKeyOf) (FilterColumn *column, Datum value);

/* The place of a value of another type, which an operator has on its right */
typedef FilterConstant (*FilterConstantOf) (Oid subtype, Datum value);

/* A key of an entry: of a column of the index, or the second of that column */
struct FilterColumn
{
	FilterKind	kind;
	AttrNumber	attribute;		/* of the index, from 1: 2 or more */
	bool		ordered_next;	/* the next one is this column's second key */
	Oid			type;			/* of the operator class's input */
	Oid			collation;
	uint8		width;			/* bytes of a key: 1, 2, 4, 8 or 16 */
	uint8		exact_from;		/* a key not below tells the value; 0: none does */
	Size		offset;			/* of the key among an entry's keys */
	FilterKeyOf key;			/* NULL for FILTER_ELEMENTS */
	FilterConstantOf constant;	/* NULL: operators take the column's type only */
	FmgrInfo	hash;			/* of values, or of elements; fn_oid may be 0 */
	SortSupport prefix;			/* of text and bytea: gives the second key */
	Oid			enum_type;		/* the enum, where type is anyenum */
};

typedef struct FilterShape
{
	int			count;			/* of keys */
	Size		entry_bytes;	/* of an entry's keys, one behind the other */
	FilterColumn columns[FLEXIBLE_ARRAY_MEMBER];
} FilterShape;

/*
 * The filter columns of an index: all but the first; NULL if there are none.
 * In the current context.  Errors (feature not supported) where a column's
 * operator class is none for filters.
 */
extern FilterShape *filter_shape(Relation index);

/*
 * A number of how keys look: an index that was built with another one cannot be
 * read.
 */
extern uint32 filter_digest(const FilterShape *shape);

/*
 * An entry's keys, shape->entry_bytes of them, zero where null.  values and
 * isnull are those of all columns of the index.  May leak memory into the
 * current context.
 */
extern void filter_make_keys(FilterShape *shape, const Datum *values,
							 const bool *isnull, uint8 *keys);

/* ------------------------------------------------------------------------
 * Keys of many entries: an array for each column, each MAXALIGNed
 */

/* Bytes of the arrays for slots entries */
extern Size filter_block_bytes(const FilterShape *shape, uint32 slots);

/* Where the arrays begin, in a block that begins at base (MAXALIGNed) */
extern void filter_block_columns(const FilterShape *shape, void *base,
								 uint32 slots, uint8 **columns);

/* Put an entry's keys into the arrays, or get them. */
extern void filter_put(const FilterShape *shape, uint8 *const *columns,
					   uint32 slot, const uint8 *keys);
extern void filter_get(const FilterShape *shape, uint8 *const *columns,
					   uint32 slot, uint8 *keys);

/* ------------------------------------------------------------------------
 * Keys one by one
 */

/* Bit 0 of an array's signature: the array is not null */
#define SIGNATURE_ANY	UINT64CONST(1)

/* The greatest key of a width */
static inline uint64
filter_greatest_key(int width)
{
	return width >= 8 ? PG_UINT64_MAX : (UINT64CONST(1) << (8 * width)) - 1;
}

/* A key of width bytes, of which 16 are read as 8 */
static inline uint64
filter_load_key(const uint8 *at, int width)
{
	uint16		key2;
	uint32		key4;
	uint64		key8;

	switch (width)
	{
		case 1:
			return *at;
		case 2:
			memcpy(&key2, at, sizeof(key2));
			return key2;
		case 4:
			memcpy(&key4, at, sizeof(key4));
			return key4;
		default:
			memcpy(&key8, at, sizeof(key8));
			return key8;
	}
}

/* Where value, of type subtype, is among the keys of a column but arrays */
extern FilterConstant filter_constant(FilterColumn *column, Oid subtype,
									  Datum value);

/* The members of an array that are not null; count of them, palloc'd */
extern Datum *filter_array_members(Datum array, int *count);

/* Add an element's two bits to the 128 of a signature. */
extern void filter_add_element(FilterColumn *column, Datum element,
							   uint64 *signature);

/* All elements' bits, and SIGNATURE_ANY; nulls, which no operator finds, have none. */
extern void filter_array_signature(FilterColumn *column, Datum array,
								   uint64 *signature);

/* ------------------------------------------------------------------------
 * Conditions become tests of keys (filter_test.c)
 */

/* Strategies of filter columns' operator classes: btree's, and arrays' */
#define FILTER_LESS				1
#define FILTER_LESS_EQUAL		2
#define FILTER_EQUAL			3
#define FILTER_GREATER_EQUAL	4
#define FILTER_GREATER			5
#define FILTER_OVERLAP			6	/* && */
#define FILTER_CONTAINS			7	/* @> */
#define FILTER_STRATEGIES		7

typedef enum FilterTestKind
{
	FILTER_TEST_RANGE,			/* low <= key <= high */
	FILTER_TEST_SET,			/* one of values */
	FILTER_TEST_BITS,			/* has all bits of one of values (pairs) */
	FILTER_TEST_NO_ARRAY		/* a null array */
} FilterTestKind;

typedef struct FilterTest
{
	FilterTestKind kind;
	int			column;			/* which key, from 0 */
	uint64		low;
	uint64		high;
	uint64	   *values;			/* ascending; for bits, two words each */
	int			count;
} FilterTest;

/* The conditions of a scan on filter columns: all must hold */
typedef struct Filter
{
	const FilterShape *shape;
	MemoryContext context;		/* reset when conditions change */
	bool		impossible;		/* nothing can pass */
	bool		recheck;		/* what passes may not fulfil the conditions */
	int			count;
	FilterTest *tests;
} Filter;

/* In the current context; without conditions */
extern Filter *filter_create(const FilterShape *shape);

/*
 * Take the conditions of a scan: those of keys on columns behind the first.
 * Keys on the first column are left to the access method.
 */
extern void filter_set(Filter *filter, ScanKey keys, int nkeys);

/* Do the keys of one entry pass? */
extern bool filter_passes(const Filter *filter, uint8 *const *columns,
						  uint32 slot);

/*
 * Of count entries from slot 0 on: passes[i], which is 0 or 1, becomes 0 where
 * the keys do not pass.
 */
extern void filter_pass_many(const Filter *filter, uint8 *const *columns,
							 uint32 count, uint8 *passes);

/* Has a signature (16 bytes) all bits of one of a FILTER_TEST_BITS' values? */
static inline bool
filter_has_bits(const FilterTest *test, const void *signature)
{
	uint64		words[2];

	memcpy(words, signature, sizeof(words));
	if (!(words[0] & SIGNATURE_ANY))
		return false;
	for (int i = 0; i < test->count; i++)
	{
		const uint64 *bits = test->values + 2 * i;

		if ((words[0] & bits[0]) == bits[0] && (words[1] & bits[1]) == bits[1])
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Summaries of many entries' keys: what keys there may be
 *
 * For each column the least and the greatest key that is not null, and a bit for
 * each key (a Bloom filter with one hash); of arrays all their bits.  One
 * entry's keys widen it.
 */

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

#endif							/* VECTOR_INDEX_FILTER_H */
