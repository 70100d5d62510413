/*
 * test_postings.c
 *	  Tests of weights, scores and inversion of posting lists, each against the
 *	  obvious way to compute it; of kernels, at every level.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "levels.h"
#include "random.h"
#include "math/sparse/postings.h"

static float
random_weight(void)
{
	return (float) random_bits() / (float) UINT32_MAX * 4 + 1e-6f;
}

/* Codes are within half a step (or one, of what is less), and keep the sign. */
static void
test_codes(void **state)
{
	const float greatest[] = {1, 3, 183, 254.9f, 255, 256, 1e-30f, 3e38f, FLT_MIN};

	(void) state;
	for (size_t g = 0; g < sizeof(greatest) / sizeof(greatest[0]); g++)
	{
		for (int negative = 0; negative <= 1; negative++)
		{
			float		step = weight_step(greatest[g], negative);
			int			exponent;

			assert_true(step > 0 && isfinite(step));
			assert_true(frexpf(step, &exponent) == 0.5f);
			for (int i = 0; i < 2000; i++)
			{
				float		weight = random_weight() / 4.1f * greatest[g];
				uint8_t		code;
				float		kept;

				if (i == 0)
					weight = greatest[g];
				if (weight == 0)
					continue;
				if (negative && i % 2 == 0)
					weight = -weight;
				code = weight_encode(weight, step, negative);
				kept = weight_decode(code, step, negative);
				assert_true(kept != 0 && (kept < 0) == (weight < 0));
				assert_true(fabsf(kept - weight) <=
							(fabsf(weight) < step ? step : step * 0.501f));
				assert_true((float) code_bound(code, negative) * step >= fabsf(kept));
				assert_true((float) weight_bound(weight, step) * step >= fabsf(weight));
				/* coded again, it is the same */
				assert_int_equal(weight_encode(kept, step, negative), code);
			}
		}
	}
}

/* Whole numbers up to what a code can be are kept exactly. */
static void
test_whole_numbers(void **state)
{
	(void) state;
	for (int most = 1; most <= CODE_MOST; most++)
	{
		float		step = weight_step((float) most, false);

		for (int i = 1; i <= most; i++)
			assert_true(weight_decode(weight_encode((float) i, step, false), step, false) == (float) i);
	}
}

/* Scores are those of one product after the other, and not above their bounds. */
static void
test_scores(void **state)
{
	(void) state;
	for (int round = 0; round < 200; round++)
	{
		float		scores[RANGE_DOCS];
		float		wanted[RANGE_DOCS];
		float		bound = 0;

		for (int i = 0; i < RANGE_DOCS; i++)
			scores[i] = wanted[i] = SCORE_UNTOUCHED;
		for (int term = 0; term < 10; term++)
		{
			bool		negative = term % 3 == 0;
			float		step = weight_step(4.1f, negative);
			float		q = (term % 4 == 0 ? -1 : 1) * random_weight();
			uint8_t		places[RANGE_DOCS];
			uint8_t		codes[RANGE_DOCS];
			float		weights[RANGE_DOCS];
			PostingGroup group = {0};
			size_t		count = 0;

			for (int i = 0; i < RANGE_DOCS; i++)
			{
				float		weight = random_weight();

				if (random_bits() % 4 != 0)
					continue;
				if (negative && random_bits() % 2)
					weight = -weight;
				places[count] = (uint8_t) i;
				codes[count] = weight_encode(weight, step, negative);
				weights[count] = weight_decode(codes[count], step, negative);
				wanted[i] += q * weights[count];
				if (code_bound(codes[count], negative) > group.greatest)
					group.greatest = code_bound(codes[count], negative);
				count++;
			}
			if (round % 2)
				score_codes(scores, places, codes, count, q, step, negative);
			else
				score_weights(scores, places, weights, count, q);
			if (q > 0 || negative)
				assert_true(score_bounds(&bound, 1, &group, 1, fabsf(q), step));
		}
		for (int i = 0; i < RANGE_DOCS; i++)
		{
			assert_true(scores[i] == wanted[i]);
			assert_int_equal(score_is_untouched(scores[i]), score_is_untouched(wanted[i]));
			assert_true(scores[i] <= bound);
		}
	}
}

static void
test_bounds_damaged(void **state)
{
	float		bounds[2] = {0, 0};
	PostingGroup groups[2] = {{.range = 1, .greatest = 3}, {.range = 2, .greatest = 3}};

	(void) state;
	assert_false(score_bounds(bounds, 2, groups, 2, 2, 0.5f));
	assert_true(bounds[0] == 0 && bounds[1] == 3);
}

/* The greatest of each block and of all, whatever the number of bounds */
static void
test_greatest(void **state)
{
	const PostingKernels *table = postings_table(*(SimdLevel *) *state);

	if (table == NULL)
		skip();
	for (size_t count = 0; count < 3 * BOUND_BLOCK + 20; count++)
	{
		float		bounds[3 * BOUND_BLOCK + 20] = {0};
		float		blocks[4];
		float		most = -INFINITY;

		for (size_t i = 0; i < count; i++)
			bounds[i] = random_bits() % 8 == 0 ? -1 : (float) (random_bits() % 1000);
		if (count > 0 && random_bits() % 4 == 0)
			bounds[random_bits() % count] = INFINITY;
		for (size_t block = 0; block * BOUND_BLOCK < count; block++)
			blocks[block] = NAN;
		(void) table->greatest(bounds, count, blocks);
		for (size_t i = 0; i < count; i++)
		{
			if (i % BOUND_BLOCK == 0)
				most = -INFINITY;
			most = bounds[i] > most ? bounds[i] : most;
			if (i + 1 == count || (i + 1) % BOUND_BLOCK == 0)
				assert_true(blocks[i / BOUND_BLOCK] == most);
		}
		most = -INFINITY;
		for (size_t i = 0; i < count; i++)
			most = bounds[i] > most ? bounds[i] : most;
		assert_true(table->greatest(bounds, count, blocks) == most);
	}
}

/* Which numbers are below another one, and the greatest of these; nothing behind them */
static void
test_reach(void **state)
{
	const PostingKernels *table = postings_table(*(SimdLevel *) *state);

	if (table == NULL)
		skip();
	for (int round = 0; round < 20; round++)
	{
		for (size_t count = 0; count <= 64; count++)
		{
			const float lows[] = {-INFINITY, -1, 0, FLT_TRUE_MIN, 7, INFINITY};
			float		numbers[65];

			for (size_t i = 0; i <= count; i++)
			{
				uint32_t	kind = random_bits() % 16;

				numbers[i] = kind == 0 ? NAN : kind == 1 ? INFINITY : kind == 2 ? -INFINITY
					: kind == 3 ? -0.0f : (float) (random_bits() % 20) - 6;
			}
			numbers[count] = 1000;
			for (size_t l = 0; l < sizeof(lows) / sizeof(lows[0]); l++)
			{
				uint64_t	wanted = 0;
				float		most = -INFINITY;
				float		rest = NAN;

				for (size_t i = 0; i < count; i++)
				{
					if (!(numbers[i] < lows[l]))
						wanted |= UINT64_C(1) << i;
					else if (numbers[i] > most)
						most = numbers[i];
				}
				assert_true(table->reach(numbers, count, lows[l], &rest) == wanted);
				assert_true(rest == most);
			}
		}
	}
}

/* Documents before each so many groups, and ranges that do not ascend */
static void
test_groups_sum(void **state)
{
	const PostingKernels *table = postings_table(*(SimdLevel *) *state);

	if (table == NULL)
		skip();
	for (size_t count = 0; count < 100; count++)
	{
		PostingGroup groups[100];
		uint32_t	sums[100 / GROUPS_SUMMED + 1];
		uint32_t	docs = 0;
		uint32_t	all;
		uint16_t	range = (uint16_t) (random_bits() % 100);

		for (size_t i = 0; i < count; i++)
		{
			groups[i].range = range;
			groups[i].others = (uint8_t) (random_bits() % RANGE_DOCS);
			range = (uint16_t) (range + 1 + random_bits() % 600);
		}
		assert_true(table->groups_sum(groups, count, sums, &all));
		for (size_t i = 0; i < count; i++)
		{
			if (i % GROUPS_SUMMED == 0)
				assert_int_equal(sums[i / GROUPS_SUMMED], docs);
			docs += groups[i].others + 1u;
		}
		assert_int_equal(all, docs);
		for (size_t i = 1; i < count; i++)
		{
			PostingGroup before = groups[i];

			groups[i].range = groups[i - 1].range;
			assert_false(table->groups_sum(groups, count, sums, &all));
			groups[i] = before;
		}
	}
}

/* Whatever the thresholds, each score is selected once, in falling groups. */
static void
test_select(void **state)
{
	if (postings_set_level(*(SimdLevel *) *state) != 0)
		skip();
	for (int round = 0; round < 300; round++)
	{
		float		scores[RANGE_DOCS];
		uint8_t		passes[RANGE_DOCS];
		int			seen[RANGE_DOCS] = {0};
		uint8_t		places[RANGE_DOCS];
		size_t		docs = 1 + random_bits() % RANGE_DOCS;
		float		high = NAN;
		float		rest;

		for (size_t i = 0; i < docs; i++)
		{
			scores[i] = (float) (random_bits() % 40) - 10;
			if (random_bits() % 50 == 0)
				scores[i] = random_bits() % 2 ? INFINITY : NAN;
			passes[i] = random_bits() % 3 != 0;
		}
		for (float low = 25;; low -= (float) (random_bits() % 10))
		{
			size_t		count;

			if (low < -10)
				low = -INFINITY;
			count = score_select(scores, docs, round % 2 ? passes : NULL, low,
								 high, places, &rest);
			for (size_t i = 0; i < count; i++)
			{
				assert_true(i == 0 || places[i] > places[i - 1]);
				assert_false(scores[places[i]] < low);
				seen[places[i]]++;
			}
			for (size_t i = 0; i < docs; i++)
			{
				if (!(round % 2 && !passes[i]) && scores[i] < low)
					assert_true(scores[i] <= rest);
			}
			assert_true(rest < low || rest == -INFINITY);
			high = low;
			if (low == -INFINITY)
				break;
		}
		for (size_t i = 0; i < docs; i++)
			assert_int_equal(seen[i], round % 2 ? passes[i] : 1);
	}
}

static void
test_sort(void **state)
{
	const uint32_t masks[] = {0, 1, 0x7ff, 0x800, 0x3fffff, 0x3fffffff};

	(void) state;
	for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++)
	{
		for (size_t count = 0; count < 3000; count = count * 3 + 1)
		{
			Posting    *postings = malloc((count + 1) * sizeof(Posting));
			Posting    *spare = malloc((count + 1) * sizeof(Posting));

			for (size_t i = 0; i < count; i++)
			{
				postings[i].dim = (int32_t) (random_bits() & masks[m]);
				postings[i].doc = (uint32_t) i;
				postings[i].weight = (float) postings[i].dim;
			}
			postings_sort(postings, spare, count);
			for (size_t i = 0; i < count; i++)
			{
				assert_true(postings[i].weight == (float) postings[i].dim);
				if (i > 0)
					assert_true(postings[i].dim > postings[i - 1].dim ||
								(postings[i].dim == postings[i - 1].dim &&
								 postings[i].doc > postings[i - 1].doc));
			}
			free(postings);
			free(spare);
		}
	}
}

static void
levels_are_set(void **state)
{
	(void) state;
	assert_ptr_equal(posting_kernels, postings_table(SIMD_SCALAR));
	assert_int_equal(postings_set_level(SIMD_AUTO), 0);
	assert_ptr_equal(posting_kernels, postings_table(SIMD_AUTO));
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		assert_int_equal(postings_set_level(levels[i]), postings_table(levels[i]) == NULL ? -1 : 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_set),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_scores),
		cmocka_unit_test(test_bounds_damaged),
		AT_EVERY_LEVEL(test_reach),
		AT_EVERY_LEVEL(test_greatest),
		AT_EVERY_LEVEL(test_groups_sum),
		AT_EVERY_LEVEL(test_select),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
