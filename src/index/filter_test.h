/*
 * filter_test.h
 *	  Conditions on filter columns become tests of keys (see filter.h).
 */
#ifndef VECTOR_INDEX_FILTER_TEST_H
#define VECTOR_INDEX_FILTER_TEST_H

#include "compat/pg.h"

#include "access/skey.h"

#include "index/filter_key.h"

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

#endif							/* VECTOR_INDEX_FILTER_TEST_H */
