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

#include "index/filter_bounds.h"
#include "index/filter_key.h"
#include "index/filter_test.h"

#endif							/* VECTOR_INDEX_FILTER_H */
