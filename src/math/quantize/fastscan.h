/*
 * fastscan.h
 *	  Blocks of 32 vectors' 4-bit numbers, looked up in a table 32 at a time.
 *
 * André, Kermarrec, Le Scouarnec, "Quicker ADC", TPAMI 2019: the table of a
 * column has 16 entries of a byte and fits a register, in which a shuffle
 * instruction looks up 16 indices or more.
 *
 * A vector has some number of nibbles: the bits of a 1-bit RaBitQ code, four
 * dimensions each, or product quantization with 16 centroids a subspace.  Its
 * packed code has two to a byte, the first one in the lower half; that is how
 * rabitq.h packs 1 bit.  A block has a column of 16 bytes for each nibble,
 * filled up to a multiple of 4 columns; byte i of a column has vector i in its
 * lower half and vector i + 16 in the upper one.  A slot that no vector was
 * put in reads as zeros.
 */
#ifndef VECTOR_MATH_FASTSCAN_H
#define VECTOR_MATH_FASTSCAN_H

#include "quantize.h"

/* Vectors in a block */
#define FASTSCAN_VECTORS	32

/* The most nibbles a vector can have: those of 16,000 dimensions, and more */
#define FASTSCAN_MAX_NIBBLES 16000

/* Bytes of a block; 0 where nibbles is 0 or above FASTSCAN_MAX_NIBBLES */
extern size_t fastscan_block_bytes(size_t nibbles);

/*
 * Set and read the packed code of one slot of a block, (nibbles + 1) / 2 bytes.  A
 * new block is all zeros.
 */
extern void fastscan_put(uint8_t *block, size_t nibbles, size_t slot,
						 const uint8_t *code);
extern void fastscan_get(const uint8_t *block, size_t nibbles, size_t slot,
						 uint8_t *code);

/*
 * A query's table: entry e of column j stands for lowest_j + scale * e, and
 * bias is the sum of what does not depend on the code.  scale is as small as
 * two bounds allow: an entry is at most 255, and no sum exceeds 65535.
 */
typedef struct FastScanTable
{
	uint32_t	nibbles;
	uint32_t	columns;		/* filled up */
	float		scale;
	float		bias;
	uint8_t		entries[];		/* 16 a column */
} FastScanTable;

/* Bytes of a FastScanTable; 0 as above */
extern size_t fastscan_table_bytes(size_t nibbles);

/*
 * Make the table of any 16 finite numbers a nibble: a sum looked up is then
 * the sum of numbers[16 * j + nibble j], within scale / 2 times nibbles.
 */
extern void fastscan_table_numbers(FastScanTable *table, const float *numbers,
								   size_t nibbles);

/*
 * Make the table of a rotated query, of dims elements (see rabitq.h), for
 * codes of 1 bit: a sum is then <u, q>.
 */
extern void fastscan_table_rabitq(FastScanTable *table, const float *q,
								  size_t dims);

/*
 * Estimated distances of a block's 32 slots, base + add + k * sum, as in
 * rabitq.h; add and k have a factor for every slot.
 */
extern void fastscan_estimate(const FastScanTable *table,
							  const uint8_t *block, const float *add,
							  const float *k, float base, float *out);

#endif							/* VECTOR_MATH_FASTSCAN_H */
