/*
 * codes.h
 *	  One code at a time, and a block of codes: what tests ask of quantizers.
 */
#ifndef TEST_UNIT_CODES_H
#define TEST_UNIT_CODES_H

#include "math/quantize/fastscan.h"
#include "math/quantize/rabitq.h"

#include <string.h>

static inline float
estimate_one(const RabitqQuery *query, const RabitqCode *code)
{
	float		estimate;

	rabitq_estimate_many(query, &code, 1, &estimate);
	return estimate;
}

/* A block of the count first codes, whatever was there */
static inline void
pack_block(uint8_t *block, size_t nibbles, const uint8_t *const *codes,
		   size_t count)
{
	memset(block, 0, fastscan_block_bytes(nibbles));
	for (size_t slot = 0; slot < count; slot++)
		fastscan_put(block, nibbles, slot, codes[slot]);
}

static inline void
block_sums(const FastScanTable *table, const uint8_t *block, uint16_t *sums)
{
	quantize_kernels->scan(block, table->entries, table->columns, sums);
}

#endif							/* TEST_UNIT_CODES_H */
