/*
 * test_keys.c
 *	  Tests of keys: every level against comparisons of one number after the
 *	  other, of every width and of counts around those of a register.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "levels.h"
#include "random.h"
#include "math/keys/keys.h"

static uint64_t
random_word(void)
{
	return (uint64_t) random_bits() << 32 | random_bits();
}

static const int widths[KEY_WIDTHS] = {1, 2, 4, 8};

static uint64_t
key_at(const uint8_t *keys, int width, size_t i)
{
	uint8_t		key1;
	uint16_t	key2;
	uint32_t	key4;
	uint64_t	key8;

	switch (width)
	{
		case 1:
			memcpy(&key1, keys + i, 1);
			return key1;
		case 2:
			memcpy(&key2, keys + 2 * i, 2);
			return key2;
		case 4:
			memcpy(&key4, keys + 4 * i, 4);
			return key4;
		default:
			memcpy(&key8, keys + 8 * i, 8);
			return key8;
	}
}

/* Random keys, some of them equal, the least and the greatest among them */
static uint8_t *
make_keys(int width, size_t count)
{
	uint8_t    *keys = malloc(count * width + 1);

	assert_non_null(keys);
	for (size_t i = 0; i < count; i++)
	{
		uint64_t	kind = random_word() % 8;
		uint64_t	key = kind == 0 ? 0 : kind == 1 ? UINT64_MAX : kind < 4 ? random_word() % 4
			: random_word();

		for (int b = 0; b < width; b++)
			keys[i * width + b] = (uint8_t) (key >> 8 * b);
	}
	return keys;
}

static void
tests_agree(void **state)
{
	const KeyKernels *table = keys_table(*(SimdLevel *) *state);

	if (table == NULL)
		skip();
	for (int w = 0; w < KEY_WIDTHS; w++)
	{
		int			width = widths[w];
		uint64_t	greatest = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;

		assert_int_equal(key_width_number(width), w);
		for (size_t count = 0; count < 200; count++)
		{
			uint8_t    *keys = make_keys(width, count);
			uint64_t	a = count > 0 ? key_at(keys, width, random_word() % count) : 0;
			uint64_t	b = random_word() & greatest;
			uint64_t	ranges[][2] = {
				{0, greatest}, {0, 0}, {1, greatest}, {greatest, greatest},
				{a, a}, {a < b ? a : b, a < b ? b : a}, {0, a}, {a, greatest}
			};

			for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++)
			{
				uint8_t    *passes = malloc(count + 1);
				uint8_t    *any = malloc(count + 1);

				assert_non_null(passes);
				assert_non_null(any);
				for (size_t i = 0; i < count; i++)
				{
					passes[i] = i % 3 != 0;
					any[i] = i % 5 == 0;
				}
				passes[count] = any[count] = 77;
				table->range[w] (keys, count, ranges[r][0], ranges[r][1], passes);
				table->equal[w] (keys, count, ranges[r][0], any);
				for (size_t i = 0; i < count; i++)
				{
					uint64_t	key = key_at(keys, width, i);

					assert_int_equal(passes[i], i % 3 != 0 && key >= ranges[r][0] &&
									 key <= ranges[r][1]);
					assert_int_equal(any[i], i % 5 == 0 || key == ranges[r][0]);
				}
				assert_int_equal(passes[count], 77);
				assert_int_equal(any[count], 77);
				free(passes);
				free(any);
			}
			free(keys);
		}
	}
}

static void
packs_bits(void **state)
{
	const KeyKernels *table = keys_table(*(SimdLevel *) *state);

	if (table == NULL)
		skip();
	for (size_t count = 0; count < 1000; count += 8)
	{
		uint8_t    *bytes = malloc(count + 1);
		uint8_t    *bits = malloc(count / 8 + 1);
		uint32_t	ones = 0;

		assert_non_null(bytes);
		assert_non_null(bits);
		for (size_t i = 0; i < count; i++)
			ones += bytes[i] = random_word() % 3 == 0;
		bits[count / 8] = 0xa5;
		assert_int_equal(table->pack(bytes, count, bits), ones);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(bits[i / 8] >> i % 8 & 1, bytes[i]);
		assert_int_equal(bits[count / 8], 0xa5);
		free(bytes);
		free(bits);
	}
}

static void
levels_are_set(void **state)
{
	(void) state;
	assert_ptr_equal(key_kernels, keys_table(SIMD_SCALAR));
	assert_int_equal(keys_set_level(SIMD_AUTO), 0);
	assert_ptr_equal(key_kernels, keys_table(SIMD_AUTO));
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		assert_int_equal(keys_set_level(levels[i]), keys_table(levels[i]) == NULL ? -1 : 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_set),
		AT_EVERY_LEVEL(tests_agree),
		AT_EVERY_LEVEL(packs_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
