/*
 * test_topk.c
 *	  Heaps, selection and binary search against a sort of everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "math/heap/heap.h"
#include "math/heap/topk.h"

static uint64_t random_state = 20261120;

static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int
compare_entries(const void *a, const void *b)
{
	const TopkEntry *x = a;
	const TopkEntry *y = b;

	return topk_entry_less(*x, *y) ? -1 : topk_entry_less(*y, *x);
}

/* Every k against every n, with few and with many distinct keys */
static void
keeps_the_smallest(void **state)
{
	(void) state;
	for (size_t k = 1; k <= 40; k++)
	{
		for (size_t n = 0; n <= 120; n += 1 + n / 8)
		{
			for (uint64_t keys = 2; keys < 1000000; keys *= 700)
			{
				/* exactly k entries, so that a sanitizer sees an overrun */
				TopkEntry  *kept = malloc(k * sizeof(TopkEntry));
				TopkEntry	all[120];
				Topk		topk;

				topk_init(&topk, kept, k);
				for (size_t i = 0; i < n; i++)
				{
					all[i].key = next_random() % keys;
					all[i].id = next_random() % 1000;
					if (topk_wants(&topk, all[i]))
						topk_add(&topk, all[i]);
				}
				topk_sort(topk.entries, topk.count);
				qsort(all, n, sizeof(TopkEntry), compare_entries);
				assert_int_equal(topk.count, n < k ? n : k);
				for (size_t i = 0; i < topk.count; i++)
				{
					assert_int_equal(kept[i].key, all[i].key);
					assert_int_equal(kept[i].id, all[i].id);
				}
				free(kept);
			}
		}
	}
}

/* The same of an array that is there as a whole; all of it stays there */
static void
selects_the_smallest(void **state)
{
	(void) state;
	for (size_t n = 0; n <= 200; n += 1 + n / 8)
	{
		for (uint64_t keys = 1; keys < 1000000; keys *= 30)
		{
			for (size_t k = 0; k <= n; k++)
			{
				TopkEntry  *some = malloc((n + 1) * sizeof(TopkEntry));
				TopkEntry	all[200];

				for (size_t i = 0; i < n; i++)
				{
					/* ascending, descending and in no order */
					all[i].key = k % 3 == 0 ? next_random() % keys
						: k % 3 == 1 ? i * keys / 200 : (n - i) * keys / 200;
					all[i].id = i;
					some[i] = all[i];
				}
				topk_select(some, n, k);
				qsort(all, n, sizeof(TopkEntry), compare_entries);
				qsort(some, k, sizeof(TopkEntry), compare_entries);
				qsort(some + k, n - k, sizeof(TopkEntry), compare_entries);
				assert_memory_equal(some, all, n * sizeof(TopkEntry));
				free(some);
			}
		}
	}
}

static void
keys_order_as_numbers_do(void **state)
{
	static const double ascending[] = {
		-INFINITY, -1.7e308, -2, -1, -1e-300, -4.9e-324, 0, 4.9e-324, 1e-300,
		0.5, 1, 1.0000000000000002, 1.7e308, INFINITY
	};
	size_t		n = sizeof(ascending) / sizeof(ascending[0]);

	(void) state;
	for (size_t i = 0; i + 1 < n; i++)
		assert_true(topk_key(ascending[i]) < topk_key(ascending[i + 1]));
	assert_true(topk_key(-0.0) == topk_key(0.0));
	assert_true(topk_key(INFINITY) < topk_key(NAN));
	assert_true(topk_key(-NAN) == TOPK_NAN);
	assert_true(topk_key(NAN) < TOPK_NULL);
}

/* A heap with the least key on top, in two arrays */
typedef struct Halves
{
	uint64_t   *keys;
	uint64_t   *ids;
} Halves;

#define GET_HALF(h, i)	((TopkEntry) {(h).keys[i], (h).ids[i]})
#define SET_HALF(h, i, entry) \
	((h).keys[i] = (entry).key, (h).ids[i] = (entry).id)
#define LESS(a, b) topk_entry_less(*(a), *(b))
HEAP(least, TopkEntry, LESS)
HEAP_OVER(halves, Halves, TopkEntry, GET_HALF, SET_HALF, LESS)

/* Every way to make and to use a heap gives entries in their order */
static void
heaps_give_entries_in_order(void **state)
{
	(void) state;
	for (size_t n = 1; n <= 120; n += 1 + n / 8)
		for (uint64_t keys = 2; keys < 1000000; keys *= 700)
		{
			TopkEntry	all[120];
			TopkEntry  *built = malloc(n * sizeof(TopkEntry));
			TopkEntry  *pushed = malloc(n * sizeof(TopkEntry));
			uint64_t   *key = malloc(n * sizeof(uint64_t));
			uint64_t   *id = malloc(n * sizeof(uint64_t));
			Halves		in_two = {key, id};

			for (size_t i = 0; i < n; i++)
			{
				all[i].key = next_random() % keys;
				all[i].id = next_random() % 1000;
				built[i] = all[i];
				SET_HALF(in_two, i, all[i]);
				least_rise(pushed, i, all[i]);
			}
			least_build(built, n);
			halves_build(in_two, n);
			halves_sort(in_two, n);
			qsort(all, n, sizeof(TopkEntry), compare_entries);
			for (size_t i = 0; i < n; i++)
			{
				TopkEntry	a = least_pop(built, n - i);
				TopkEntry	b = pushed[0];

				/* what replaces the top goes where it belongs: here, down */
				least_sink(pushed, n, 0, (TopkEntry) {UINT64_MAX, i});
				assert_int_equal(a.key, all[i].key);
				assert_int_equal(a.id, all[i].id);
				assert_int_equal(b.key, all[i].key);
				assert_int_equal(b.id, all[i].id);
				assert_int_equal(key[n - 1 - i], all[i].key);
				assert_int_equal(id[n - 1 - i], all[i].id);
			}
			free(id);
			free(key);
			free(pushed);
			free(built);
		}
}

static void
finds_the_lower_bound(void **state)
{
	(void) state;
	for (size_t n = 0; n <= 40; n++)
		for (size_t bound = 0; bound <= n; bound++)
		{
			size_t		found = 99;

			LOWER_BOUND(found, n, i, i < bound);
			assert_int_equal(found, bound);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_smallest),
		cmocka_unit_test(heaps_give_entries_in_order),
		cmocka_unit_test(finds_the_lower_bound),
		cmocka_unit_test(selects_the_smallest),
		cmocka_unit_test(keys_order_as_numbers_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
