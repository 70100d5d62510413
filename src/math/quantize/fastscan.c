/*
 * fastscan.c
 *	  Blocks and tables; the scan itself is a kernel.
 */
#include "fastscan.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define MAX_SUM			65535
#define MAX_ENTRY		255

/* Columns a kernel reads at once, at most */
#define COLUMN_STEP		4

static size_t
columns_of(size_t nibbles)
{
	return (nibbles + COLUMN_STEP - 1) / COLUMN_STEP * COLUMN_STEP;
}

size_t
fastscan_block_bytes(size_t nibbles)
{
	if (nibbles == 0 || nibbles > FASTSCAN_MAX_NIBBLES)
		return 0;
	return columns_of(nibbles) * 16;
}

size_t
fastscan_table_bytes(size_t nibbles)
{
	size_t		bytes = fastscan_block_bytes(nibbles);

	return bytes > 0 ? offsetof(FastScanTable, entries) + bytes : 0;
}

static inline uint8_t
nibble(const uint8_t *code, size_t j)
{
	return code[j / 2] >> (4 * (j % 2)) & 15;
}

void
fastscan_put(uint8_t *block, size_t nibbles, size_t slot, const uint8_t *code)
{
	int			shift = slot < 16 ? 0 : 4;
	uint8_t    *byte = block + slot % 16;

	assert(slot < FASTSCAN_VECTORS);
	for (size_t j = 0; j < nibbles; j++, byte += 16)
		*byte = (uint8_t) ((*byte & ~(15 << shift)) |
						   nibble(code, j) << shift);
}

void
fastscan_get(const uint8_t *block, size_t nibbles, size_t slot, uint8_t *code)
{
	int			shift = slot < 16 ? 0 : 4;
	const uint8_t *byte = block + slot % 16;

	assert(slot < FASTSCAN_VECTORS);
	memset(code, 0, (nibbles + 1) / 2);
	for (size_t j = 0; j < nibbles; j++, byte += 16)
		code[j / 2] |= (uint8_t) ((*byte >> shift & 15) << (4 * (j % 2)));
}

/*
 * Tables.
 */

/*
 * Settle the scale from the columns' ranges (largest number less smallest).
 * An entry is at most range / scale + 1/2; what the roundings of both floats
 * can add to that is covered by the second half that a column is given.
 */
static void
begin_table(FastScanTable *table, size_t nibbles, float largest_range,
			double range_sum)
{
	assert(fastscan_block_bytes(nibbles) > 0);
	table->nibbles = (uint32_t) nibbles;
	table->columns = (uint32_t) columns_of(nibbles);
	table->scale = (float) fmax(largest_range / MAX_ENTRY,
								range_sum / (MAX_SUM - (double) nibbles));
	table->bias = 0;
	memset(table->entries + nibbles * 16, 0,
		   (table->columns - nibbles) * 16);
}

/* The 16 entries of a column; inverse is 0 where the scale is */
static inline void
set_entries(uint8_t *entries, const float *numbers, float lowest,
			float inverse)
{
	for (int e = 0; e < 16; e++)
	{
		float		entry = (numbers[e] - lowest) * inverse + 0.5f;

		entries[e] = (uint8_t) (int) (entry < MAX_ENTRY ? entry : MAX_ENTRY);
	}
}

/* Scales too small to divide by leave nothing of their numbers but the bias */
static float
inverse_scale(FastScanTable *table)
{
	if (table->scale >= 0x1p-100f)
		return 1 / table->scale;
	table->scale = 0;
	return 0;
}

static inline float
lowest_of(const float *numbers)
{
	float		lowest = numbers[0];

	for (int e = 1; e < 16; e++)
		lowest = numbers[e] < lowest ? numbers[e] : lowest;
	return lowest;
}

static inline float
highest_of(const float *numbers)
{
	float		highest = numbers[0];

	for (int e = 1; e < 16; e++)
		highest = numbers[e] > highest ? numbers[e] : highest;
	return highest;
}

void
fastscan_table_numbers(FastScanTable *table, const float *numbers,
					   size_t nibbles)
{
	float		largest_range = 0;
	double		range_sum = 0;
	double		bias = 0;
	float		inverse;

	for (size_t j = 0; j < nibbles; j++)
	{
		float		range = highest_of(numbers + 16 * j) -
			lowest_of(numbers + 16 * j);

		largest_range = range > largest_range ? range : largest_range;
		range_sum += range;
	}
	begin_table(table, nibbles, largest_range, range_sum);
	inverse = inverse_scale(table);
	for (size_t j = 0; j < nibbles; j++)
	{
		float		lowest = lowest_of(numbers + 16 * j);

		set_entries(table->entries + 16 * j, numbers + 16 * j, lowest, inverse);
		bias += lowest;
	}
	table->bias = (float) bias;
}

void
fastscan_table_rabitq(FastScanTable *table, const float *q, size_t dims)
{
	float		largest_range = 0;
	double		range_sum = 0;
	float		inverse;

	assert(dims % 4 == 0);

	/* A nibble's numbers are the sums of q over the bits set in it */
	for (size_t i = 0; i < dims; i += 4)
	{
		float		range = fabsf(q[i]) + fabsf(q[i + 1]) + fabsf(q[i + 2]) +
			fabsf(q[i + 3]);

		largest_range = range > largest_range ? range : largest_range;
		range_sum += range;
	}
	begin_table(table, dims / 4, largest_range, range_sum);
	inverse = inverse_scale(table);

	/* The least <u, q> there is: every u has the other sign, and is 1/2 */
	table->bias = (float) (-range_sum / 2);
	for (size_t i = 0; i < dims; i += 4)
	{
		float		numbers[16];
		float		low[4] = {0, q[i], q[i + 1], q[i] + q[i + 1]};
		float		high[4] = {0, q[i + 2], q[i + 3], q[i + 2] + q[i + 3]};
		float		lowest = 0;

		for (int e = 0; e < 16; e++)
			numbers[e] = low[e % 4] + high[e / 4];
		for (int b = 0; b < 4; b++)
			lowest += q[i + b] < 0 ? q[i + b] : 0;
		set_entries(table->entries + 4 * i, numbers, lowest, inverse);
	}
}

void
fastscan_estimate(const FastScanTable *table, const uint8_t *block,
				  const float *add, const float *k, float base, float *out)
{
	uint16_t	sums[FASTSCAN_VECTORS];

	quantize_kernels->scan(block, table->entries, table->columns, sums);
	for (int i = 0; i < FASTSCAN_VECTORS; i++)
		out[i] = base + add[i] +
			k[i] * (table->bias + table->scale * (float) sums[i]);
}
