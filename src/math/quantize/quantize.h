/*
 * quantize.h
 *	  Kernels of the quantizers over plain arrays, one table per instruction
 *	  set.
 *
 * Pure C: nothing here knows PostgreSQL.  Most callers want the functions of
 * rotation.h, rabitq.h, fastscan.h and pq.h, which call the table in use.
 *
 * The scalar table is the specification, and every other one gives the same
 * bits: floats are added in the same order (16 running sums, see encode) and
 * no product is fused with the addition that follows it; what an estimate sums
 * are integers.  So a code does not depend on the processor that made it.
 *
 * dims is a multiple of QUANTIZE_DIMS_STEP, at most QUANTIZE_MAX_DIMS, except
 * in the pq_ and sq8_ kernels.  Arrays need the alignment of their element type only.
 */
#ifndef VECTOR_MATH_QUANTIZE_H
#define VECTOR_MATH_QUANTIZE_H

#include "../distance/distance.h"

#include <stddef.h>
#include <stdint.h>

/* Dimensions after padding are a multiple of this */
#define QUANTIZE_DIMS_STEP	64

/* The most dimensions, padded; the sums below are bounded for it */
#define QUANTIZE_MAX_DIMS	16000

/* Bytes behind a query's values that a dot kernel may read (and ignore) */
#define QUANTIZE_READ_PAD	64

/* The largest absolute value of a query, as int8 and as int16 */
#define QUERY_MAX_INT8		127
#define QUERY_MAX_INT16		4095

/* Rows that product quantization encodes at once, and centroids likewise */
#define PQ_ROWS			16
#define PQ_GROUP		8

/* Indices of dot and dot_many: bits per dimension 1, 2, 4, 8 */
#define QUANTIZE_WIDTHS		4

/* Sums that encode leaves; all of them of |residual| * scale */
typedef struct EncodeSums
{
	float		scale;			/* a power of two; 0 for a zero vector */
	float		rr;				/* <r, r> */
	float		ur;				/* <u, r> > 0 */
} EncodeSums;

/* Running sums of a kernel: element i goes into sum i modulo this */
#define SUM_LANES		16

/* Sums of squares that sq8_levels leaves: of x, of x - m, of y, of what is left */
typedef struct Sq8Sums
{
	float		x[SUM_LANES];
	float		moved[SUM_LANES];
	float		coded[SUM_LANES];
	float		left[SUM_LANES];
} Sq8Sums;

typedef struct QuantizeKernels
{
	const char *name;			/* as in DistanceKernels */

	/* rotation.h: dims floats in place; signs has 4 * dims / 8 bytes */
	void		(*rotate) (float *x, size_t dims, const uint8_t *signs);

	/*
	 * rabitq.h: the level (0 .. 2^bits - 1) of every dimension, and sums.  bits
	 * is 1, 2, 4 or 8; what is searched, and what is summed in which order, is
	 * written in scalar.c.
	 */
	void		(*encode) (const float *residual, size_t dims, int bits,
						   uint8_t *levels, EncodeSums *sums);

	/*
	 * The sum of level * query value over all dimensions, exact.  query is
	 * int8_t (int16_t where bits is 8) within QUERY_MAX_*, and readable for
	 * QUANTIZE_READ_PAD bytes behind its end; code is packed as rabitq.h says,
	 * and never read past its end.
	 */
	int64_t		(*dot[QUANTIZE_WIDTHS]) (const void *query,
										 const uint8_t *code, size_t dims);

	/* The same for the codes at codes[i] + offset, asked for ahead of time */
	void		(*dot_many[QUANTIZE_WIDTHS]) (const void *query,
											  const void *const *codes,
											  size_t offset, size_t dims,
											  size_t count, int64_t *out);

	/*
	 * sq8.h: the sum of level * query value for each of count codes, stride bytes
	 * from one to the next.  dims is a multiple of SQ8_DIMS_STEP; query is int16_t,
	 * such that 256 * |value| * dims is below 2^32, and readable like that of dot.
	 * ahead, unless NULL, is where codes lie that will be needed later: they are asked
	 * for from memory at the same pace.
	 */
	void		(*sq8_sums) (const int16_t *query, const uint8_t *codes,
							 size_t stride, size_t dims, size_t count,
							 const uint8_t *ahead, int64_t *out);

	/*
	 * sq8.h: the largest |x - mean| / weight of dims floats; and the levels, at scale
	 * (inverse is 1 / scale), with sums of squares, in SUM_LANES parts: element i is
	 * in part i modulo this.  The scalar kernel has the order of operations.
	 */
	float		(*sq8_reach) (const float *x, const float *mean,
							  const float *weights, size_t dims);
	void		(*sq8_levels) (const float *x, const float *mean,
							   const float *weights, size_t dims, float scale,
							   float inverse, uint8_t *levels, Sq8Sums *sums);

	/*
	 * fastscan.h: the sums of 32 vectors' table entries, modulo 2^16.  columns
	 * is a multiple of 4; block and table have 16 bytes a column.
	 */
	void		(*scan) (const uint8_t *block, const uint8_t *table,
						 size_t columns, uint16_t *sums);

	/*
	 * pq.h: PQ_ROWS rows, stride floats from one to the next, turned into
	 * columns, columns[i * PQ_ROWS + r] = rows[r * stride + i] - mean[i].
	 */
	void		(*pq_columns) (const float *rows, size_t stride, size_t dims,
							   const float *mean, float *columns);

	/*
	 * For each of parts parts of width columns, and each of PQ_ROWS rows, the
	 * number (numbers[part * PQ_ROWS + row]) of the centroid c that has the
	 * largest bias + <row, c>, summed up in this order; the lowest where
	 * several have, and 0 where none is above minus infinity.  A part has
	 * count biases and count * width floats of centroids, in groups of
	 * PQ_GROUP: [group][column][centroid of the group].  count is a multiple
	 * of PQ_GROUP, at most 256.
	 */
	void		(*pq_nearest) (const float *columns, size_t parts,
							   size_t width, const float *centroids,
							   const float *bias, size_t count,
							   uint8_t *numbers);

	/*
	 * For each of parts parts, the inner products of used floats of q with
	 * count centroids, summed up from the first to the last; used floats of q
	 * are a part.  A centroid has width floats, of which the first used count;
	 * count is a multiple of 16.
	 */
	void		(*pq_products) (const float *q, size_t parts, size_t used,
								const float *centroids, size_t width,
								size_t count, float *out);
} QuantizeKernels;

SIMD_TABLE_IN_USE(quantize, QuantizeKernels, quantize_kernels);

#endif							/* VECTOR_MATH_QUANTIZE_H */
