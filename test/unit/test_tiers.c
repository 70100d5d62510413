/*
 * test_tiers.c
 *	  Tests of the choice of segments to be merged: histories of flushes and deletions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "math/sparse/tiers.h"

#define MOST_DOCS	4194304
#define MOST_PAGES	4000000

typedef struct History
{
	TierSegment segments[TIERS_MOST];
	size_t		count;
	size_t		greatest_count;
	uint64_t	written;		/* rows, by merges */
	uint64_t	most_pages;
} History;

static uint64_t
random_below(uint64_t most)
{
	return random_bits() % most;
}

/* Merge until nothing is chosen; each time less is left to do. */
static void
merge_all(History *history)
{
	bool		chosen[TIERS_MOST];
	size_t		taken;
	int			rounds = 0;

	while ((taken = tiers_choose(history->segments, history->count, TIERS_MOST,
								 MOST_DOCS, history->most_pages, false, chosen)) > 0)
	{
		TierSegment merged = {0, 0, 0};
		size_t		left = 0;
		size_t		dead = 0;

		assert_true(++rounds < 100);
		for (size_t i = 0; i < history->count; i++)
		{
			if (chosen[i])
			{
				merged.docs += history->segments[i].docs - history->segments[i].dead;
				merged.pages += history->segments[i].pages;
				dead += history->segments[i].dead;
			}
			else
				history->segments[left++] = history->segments[i];
		}
		assert_int_equal(history->count - left, taken);
		assert_true(taken > 1 || dead > 0);
		assert_true(merged.docs <= MOST_DOCS && merged.pages <= history->most_pages);
		history->written += merged.docs;
		history->count = left;
		if (merged.docs > 0)
			history->segments[history->count++] = merged;
	}
}

/* Rows are added to a segment of their own, as long as there is room. */
static bool
add(History *history, uint32_t docs, uint32_t pages)
{
	merge_all(history);
	if (history->count == TIERS_MOST)
		return false;
	history->segments[history->count++] = (TierSegment) {docs, 0, pages};
	if (history->count > history->greatest_count)
		history->greatest_count = history->count;
	merge_all(history);
	return true;
}

/* Of small segments there are few, and a row is written few times. */
static void
test_logarithmic(void **state)
{
	History		history = {.most_pages = MOST_PAGES};
	uint64_t	rows = 0;

	(void) state;
	for (int i = 0; i < 3000; i++)
	{
		uint32_t	docs = 100 + random_below(1000);

		rows += docs;
		assert_true(add(&history, docs, docs / 30 + 1));
	}
	assert_true(history.greatest_count <= 20);
	assert_true(history.written <= 10 * rows);
}

/*
 * An index that begins with segments as great as they can be goes on merging the
 * small ones.
 */
static void
test_beside_great_ones(void **state)
{
	History		history = {.most_pages = MOST_PAGES};

	(void) state;
	for (int i = 0; i < 30; i++)
		history.segments[history.count++] = (TierSegment) {MOST_DOCS - (uint32_t) random_below(1000000), 0, 50000};
	for (int i = 0; i < 3000; i++)
		assert_true(add(&history, 1000, 30));
	assert_true(history.greatest_count <= 46);
	assert_true(history.written <= (uint64_t) 10 * 3000 * 1000);
}

/* There is room for at least half of the rows that would fill all segments. */
static void
test_full(void **state)
{
	History		history = {.most_pages = MOST_PAGES};
	uint64_t	rows = 0;

	(void) state;
	for (;;)
	{
		uint32_t	docs = 20000 + random_below(400000);

		if (!add(&history, docs, docs / 30))
			break;
		rows += docs;
	}
	assert_true(rows >= (uint64_t) TIERS_MOST * MOST_DOCS / 2);
}

/* Pages are a limit of their own; one segment alone may be beyond it. */
static void
test_pages(void **state)
{
	History		history = {.most_pages = 1000};

	(void) state;
	for (int i = 0; i < 80; i++)
		assert_true(add(&history, 1000, 400));
	assert_true(history.count <= 60);
	history.segments[0].pages = 2000;
	merge_all(&history);
}

/* Dead rows go; nothing is written anew without need. */
static void
test_dead(void **state)
{
	TierSegment segments[] = {{1000, 250, 10}, {50000, 0, 10}, {2000, 501, 10}};
	bool		chosen[3];

	(void) state;
	assert_int_equal(tiers_choose(segments, 3, 64, MOST_DOCS, MOST_PAGES, false, chosen), 1);
	assert_true(chosen[2] && !chosen[0] && !chosen[1]);
	segments[2].dead = 500;
	assert_int_equal(tiers_choose(segments, 3, 64, MOST_DOCS, MOST_PAGES, false, chosen), 0);
	assert_int_equal(tiers_choose(segments, 3, 64, MOST_DOCS, MOST_PAGES, true, chosen), 3);
	assert_int_equal(tiers_choose(segments, 1, 64, MOST_DOCS, MOST_PAGES, true, chosen), 1);
	assert_int_equal(tiers_choose(segments + 1, 1, 64, MOST_DOCS, MOST_PAGES, true, chosen), 0);
	assert_int_equal(tiers_choose(segments, 0, 64, MOST_DOCS, MOST_PAGES, true, chosen), 0);
	segments[0] = (TierSegment) {1000, 1000, 10};
	assert_int_equal(tiers_choose(segments, 1, 64, MOST_DOCS, MOST_PAGES, false, chosen), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logarithmic),
		cmocka_unit_test(test_beside_great_ones),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
