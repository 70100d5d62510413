/*
 * rabitq.h
 *	  RaBitQ: codes of 1, 2, 4 or 8 bits a dimension, and distances estimated
 *	  from them.
 *
 * Gao and Long, "RaBitQ", SIGMOD 2024; Gao et al., "Practical and
 * asymptotically optimal quantization of high-dimensional vectors", SIGMOD
 * 2025.
 *
 * All vectors here are rotated (rotation.h) and have dims elements, a multiple
 * of QUANTIZE_DIMS_STEP.  Let c be a centre (a list's centroid; the data's
 * mean; nothing), o a vector, r = o - c its residual, q a query.  A code has a
 * level 0 .. 2^B - 1 for each dimension and stands for the direction
 *
 *		u = level - (2^B - 1) / 2,
 *
 * chosen to have the smallest angle with r.  With K = <r, r> / <u, r>, the
 * vector K u is r plus something orthogonal to r, whose inner product with a
 * vector x that it does not depend on is zero on average over rotations:
 *
 *		<r, x> ~ K <u, x>.
 *
 * A code is stored with two floats, add and k, and a query carries a float
 * base, such that
 *
 *		distance ~ base + add + k <u, q>
 *
 *					add						k		base
 *		|o - q|^2	<r, r> + 2 K <u, c>		-2 K	|q - c|^2
 *		- <o, q>	K <u, c> - <r, c>		-K		- <c, q>
 *
 * so one prepared query serves all centres.  Where all vectors have the same
 * centre, shift them and the queries there instead: |o - q|^2 needs
 * c = 0 then and nothing else; for - <o, q>, prepare q - c, with uc = 0 and
 * rc = <r, c>.  Cosine distance is half of |o - q|^2, or 1 - <o, q>, of
 * vectors of norm 1.
 */
#ifndef VECTOR_MATH_RABITQ_H
#define VECTOR_MATH_RABITQ_H

#include "quantize.h"

/* A code as it is stored: factors, then dims * B / 8 bytes of levels */
typedef struct RabitqCode
{
	float		add;
	float		k;
	uint8_t		levels[];
} RabitqCode;

typedef enum RabitqMetric
{
	RABITQ_L2SQ,				/* |o - q|^2 */
	RABITQ_NEGATIVE_IP			/* - <o, q> */
} RabitqMetric;

/* What encoding finds out about a residual, both finite */
typedef struct RabitqFit
{
	double		norm2;			/* <r, r> */
	double		scale;			/* K; 0 for a zero residual */
} RabitqFit;

/*
 * Factors out of a fit: uc = <u, c>, rc = <r, c>, as the table above says.
 * What leaves the range of float becomes its largest value.
 */
extern void rabitq_factors(RabitqCode *code, RabitqMetric metric,
						   RabitqFit fit, double uc, double rc);

/* Is this a number of bits that a code can have? */
static inline int
rabitq_bits_valid(int bits)
{
	return bits == 1 || bits == 2 || bits == 4 || bits == 8;
}

/*
 * Bytes of the levels alone, and of a RabitqCode; 0 where bits or dims (padded)
 * are not valid.
 */
extern size_t rabitq_level_bytes(size_t dims, int bits);
extern size_t rabitq_code_bytes(size_t dims, int bits);

/*
 * Encode a residual of finite elements into packed levels: for 1 bit, bit
 * i % 8 of byte i / 8 is dimension i.  For B = 2 and 4, the dimensions are cut
 * into 8 / B equal parts, and bits k B .. k B + B - 1 of byte i are dimension
 * i of part k.  For 8, byte i is dimension i.
 *
 * A residual with no element of 2^-100 or more counts as zero: its scale is 0.
 */
extern RabitqFit rabitq_encode(const float *residual, size_t dims, int bits,
							   uint8_t *levels);

/* <u, x> in float, for a vector that is no query: a centre */
extern float rabitq_dot(const uint8_t *levels, size_t dims, int bits,
						const float *x);

/* u, into dims floats */
extern void rabitq_decode(const uint8_t *levels, size_t dims, int bits,
						  float *u);

/*
 * A query, prepared once for many codes: rounded to int8 for codes of up to 4
 * bits, to 13 bits in int16 for codes of 8, so that what is summed are
 * integers.  See README.md for the error.
 */
typedef struct RabitqQuery
{
	uint32_t	dims;
	int32_t		bits;			/* of the codes that it meets */
	float		base;			/* the caller's, see above */
	float		step;			/* a value of 1 is this much of q */
	float		weight;			/* of a code's add: 1, unless the caller says 0 */
	int64_t		sum;			/* of the values */
	int16_t		values[];		/* int8_t where bits < 8 */
} RabitqQuery;

/* Bytes of a RabitqQuery; 0 where bits or dims are not valid */
extern size_t rabitq_query_bytes(size_t dims, int bits);

/*
 * Prepare a rotated query of finite elements.  query has rabitq_query_bytes.
 */
extern void rabitq_query_prepare(RabitqQuery *query, const float *q,
								 size_t dims, int bits, float base);

/*
 * Prepare the vector that a code stands for, K u, as a query, exactly: for the
 * distance from one code to another, which building a graph from codes needs.
 * K is that of the code's fit: -k / 2 for RABITQ_L2SQ, -k for
 * RABITQ_NEGATIVE_IP.
 */
extern void rabitq_query_from_code(RabitqQuery *query, const uint8_t *levels,
								   size_t dims, int bits, float scale,
								   float base);

/*
 * The estimated distances from the query to count codes of its dims and bits,
 * which are asked for from memory ahead of their turn: the neighbours of a node.
 */
extern void rabitq_estimate_many(const RabitqQuery *query,
								 const RabitqCode *const *codes, size_t count,
								 float *out);

#endif							/* VECTOR_MATH_RABITQ_H */
