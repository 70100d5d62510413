/*
 * scalar.c
 *	  The quantizer kernels in plain C: the specification of the others.
 *
 * Nothing here is tuned, so that it can be checked by reading.  Every other
 * table gives the same bits, hence the running sums of encode (SUM_LANES of
 * them, which vectors of 4, 8 or 16 floats can all keep) and the products kept
 * apart from the additions behind them.
 */
#include "tables.h"

#include <math.h>
#include <string.h>

/*
 * A product as it is rounded, not to be fused with an addition: some compilers
 * do that unasked where the processor has the instruction.
 */
static inline float
product(float a, float b)
{
	float		c = a * b;

#if defined(__x86_64__)
	__asm__("" : "+x" (c));
#elif defined(__aarch64__)
	__asm__("" : "+w" (c));
#else
	__asm__("" : "+m" (c));
#endif
	return c;
}

static inline int
bit(const uint8_t *bits, size_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/*
 * Rotation.
 */

/* Multiply by H / sqrt(n), H a Hadamard matrix, n a power of two */
static void
hadamard(float *x, size_t n)
{
	float		scale = (float) (1 / sqrt((double) n));

	/* First, so that nothing overflows unless the norm does */
	for (size_t i = 0; i < n; i++)
		x[i] = product(x[i], scale);
	for (size_t h = 1; h < n; h *= 2)
		for (size_t i = 0; i < n; i += 2 * h)
			for (size_t j = i; j < i + h; j++)
			{
				float		a = x[j];
				float		b = x[j + h];

				x[j] = a + b;
				x[j + h] = a - b;
			}
}

/* Turn every element and the one half the array away by 45 degrees */
static void
turn_pairs(float *x, size_t n)
{
	for (size_t i = 0; i < n / 2; i++)
	{
		float		a = x[i];
		float		b = x[i + n / 2];

		x[i] = product(a + b, (float) M_SQRT1_2);
		x[i + n / 2] = product(a - b, (float) M_SQRT1_2);
	}
}

static void
rotate(float *x, size_t dims, const uint8_t *signs)
{
	size_t		block = power_of_two_below(dims);

	for (int round = 0; round < ROUNDS; round++)
	{
		for (size_t i = 0; i < dims; i++)
			if (bit(signs + round * dims / 8, i))
				x[i] = -x[i];

		/*
		 * The block at the start, then the one at the end, which together are
		 * everything; then pairs.
		 */
		hadamard(round % 2 == 0 ? x : x + dims - block, block);
		if (round % 2 == 1 && block < dims)
			turn_pairs(x, dims);
	}
}

/*
 * Encoding.
 */

/* How many whole steps x is from zero; last is the most there are */
static inline float
steps(float x, float last)
{
	return (float) (int) (x < last ? x : last);
}

/*
 * The fit of u = (steps + 1/2) to r at a scale t: their inner product, and u's
 * with itself.
 */
static void
fit(const float *residual, size_t dims, float scale, float t, float last,
	float *ur, float *uu)
{
	float		ur_lanes[SUM_LANES] = {0};
	float		uu_lanes[SUM_LANES] = {0};

	for (size_t i = 0; i < dims; i++)
	{
		float		r = product(fabsf(residual[i]), scale);
		float		u = steps(product(r, t), last) + 0.5f;

		ur_lanes[i % SUM_LANES] += product(u, r);
		uu_lanes[i % SUM_LANES] += product(u, u);
	}
	*ur = sum_lanes(ur_lanes);
	*uu = sum_lanes(uu_lanes);
}

static void
encode(const float *residual, size_t dims, int bits, uint8_t *levels,
	   EncodeSums *sums)
{
	int			half_levels = 1 << (bits - 1);
	float		last = (float) (half_levels - 1);
	float		largest = 0;
	float		rr_lanes[SUM_LANES] = {0};
	float		unit;
	float		best = 1;
	float		best_ur = 0;
	float		best_uu = 1;
	float		ur;
	float		uu;

	for (size_t i = 0; i < dims; i++)
		if (fabsf(residual[i]) > largest)
			largest = fabsf(residual[i]);
	sums->scale = sums->rr = sums->ur = 0;
	if (!(largest >= TINY_RESIDUAL))
	{
		for (size_t i = 0; i < dims; i++)
			levels[i] = (uint8_t) half_levels;
		return;
	}

	sums->scale = power_of_two_scale(largest);
	for (size_t i = 0; i < dims; i++)
	{
		float		r = product(fabsf(residual[i]), sums->scale);

		rr_lanes[i % SUM_LANES] += product(r, r);
	}
	sums->rr = sum_lanes(rr_lanes);

	/* What a scale of 1 is: the largest element, half_levels steps from 0 */
	unit = (float) half_levels / (largest * sums->scale);
	if (bits > 1)
	{
		ScaleRange	range = coarse_scales(bits);
		float		middle;

		for (int stage = 0; stage < 2; stage++)
		{
			int			count = stage == 0 ? COARSE_SCALES : FINE_SCALES;

			for (int k = 0; k < count; k++)
			{
				float		t = range.first + product((float) k, range.step);

				fit(residual, dims, sums->scale, product(unit, t), last, &ur,
					&uu);
				if (fits_better(ur, uu, best_ur, best_uu))
				{
					best = t;
					best_ur = ur;
					best_uu = uu;
				}
			}
			middle = best;
			range = fine_scales(middle, range.step);
		}
	}
	else
		fit(residual, dims, sums->scale, unit, last, &best_ur, &best_uu);
	sums->ur = best_ur;

	for (size_t i = 0; i < dims; i++)
	{
		float		r = product(fabsf(residual[i]), sums->scale);
		int			k = (int) steps(product(r, product(unit, best)), last);

		levels[i] = (uint8_t) (residual[i] < 0 ? half_levels - 1 - k :
							   half_levels + k);
	}
}

/*
 * Inner products of codes, packed as rabitq.h says, and a query.
 */

static int64_t
dot1(const void *query, const uint8_t *code, size_t dims)
{
	const int8_t *q = query;
	int64_t		sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += bit(code, i) * q[i];
	return sum;
}

static int64_t
dot2(const void *query, const uint8_t *code, size_t dims)
{
	const int8_t *q = query;
	size_t		part = dims / 4;
	int64_t		sum = 0;

	for (size_t i = 0; i < part; i++)
		for (size_t k = 0; k < 4; k++)
			sum += (code[i] >> (2 * k) & 3) * q[i + k * part];
	return sum;
}

static int64_t
dot4(const void *query, const uint8_t *code, size_t dims)
{
	const int8_t *q = query;
	size_t		part = dims / 2;
	int64_t		sum = 0;

	for (size_t i = 0; i < part; i++)
		sum += (code[i] & 15) * q[i] + (code[i] >> 4) * q[i + part];
	return sum;
}

static int64_t
dot8(const void *query, const uint8_t *code, size_t dims)
{
	const int16_t *q = query;
	int64_t		sum = 0;

	for (size_t i = 0; i < dims; i++)
		sum += code[i] * q[i];
	return sum;
}

#define DOT_MANY(name, dot) \
static void \
name(const void *query, const void *const *codes, size_t offset, size_t dims, \
	 size_t count, int64_t *out) \
{ \
	for (size_t i = 0; i < count; i++) \
		out[i] = dot(query, (const uint8_t *) codes[i] + offset, dims); \
}

DOT_MANY(dot1_many, dot1)
DOT_MANY(dot2_many, dot2)
DOT_MANY(dot4_many, dot4)
DOT_MANY(dot8_many, dot8)

/*
 * Codes of sq8.h.
 */

static void
sq8_sums(const int16_t *query, const uint8_t *codes, size_t stride, size_t dims,
		 size_t count, const uint8_t *ahead, int64_t *out)
{
	(void) ahead;
	for (size_t i = 0; i < count; i++)
		out[i] = dot8(query, codes + i * stride, dims);
}

static float
sq8_reach(const float *x, const float *mean, const float *weights, size_t dims)
{
	float		largest = 0;

	for (size_t i = 0; i < dims; i++)
	{
		float		y = fabsf(x[i] - mean[i]) / weights[i];

		if (y > largest)
			largest = y;
	}
	return largest;
}

static void
sq8_levels(const float *x, const float *mean, const float *weights, size_t dims,
		   float scale, float inverse, uint8_t *levels, Sq8Sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; i < dims; i++)
	{
		size_t		lane = i % SUM_LANES;
		float		moved = x[i] - mean[i];
		float		steps = product(moved, inverse) / weights[i];
		float		coded;
		float		left;

		steps = steps > SQ8_STEPS ? SQ8_STEPS : steps < -SQ8_STEPS ? -SQ8_STEPS : steps;
		steps = (steps + SQ8_ROUNDER) - SQ8_ROUNDER;
		coded = product(product(scale, weights[i]), steps);
		left = moved - coded;
		sums->x[lane] += product(x[i], x[i]);
		sums->moved[lane] += product(moved, moved);
		sums->coded[lane] += product(coded, coded);
		sums->left[lane] += product(left, left);
		levels[i] = (uint8_t) (int) (steps + (SQ8_STEPS + 1));
	}
}

/*
 * FastScan: byte i of a column has the nibbles of vectors i (low) and i + 16.
 */
static void
scan(const uint8_t *block, const uint8_t *table, size_t columns,
	 uint16_t *sums)
{
	for (int v = 0; v < 32; v++)
		sums[v] = 0;
	for (size_t column = 0; column < columns; column++)
		for (int i = 0; i < 16; i++)
		{
			uint8_t		both = block[column * 16 + i];

			sums[i] += table[column * 16 + (both & 15)];
			sums[i + 16] += table[column * 16 + (both >> 4)];
		}
}

/*
 * Product quantization.
 */

static void
pq_columns(const float *rows, size_t stride, size_t dims, const float *mean,
		   float *columns)
{
	for (size_t i = 0; i < dims; i++)
		for (size_t r = 0; r < PQ_ROWS; r++)
			columns[i * PQ_ROWS + r] = rows[r * stride + i] - mean[i];
}

static void
pq_nearest(const float *columns, size_t parts, size_t width,
		   const float *centroids, const float *bias, size_t count,
		   uint8_t *numbers)
{
	for (size_t j = 0; j < parts; j++)
	{
		for (size_t r = 0; r < PQ_ROWS; r++)
		{
			float		best = -INFINITY;

			numbers[r] = 0;
			for (size_t c = 0; c < count; c++)
			{
				const float *centroid = centroids +
					c / PQ_GROUP * PQ_GROUP * width + c % PQ_GROUP;
				float		score = bias[c];

				for (size_t i = 0; i < width; i++)
					score += product(columns[i * PQ_ROWS + r],
									 centroid[i * PQ_GROUP]);
				if (score > best)
				{
					best = score;
					numbers[r] = (uint8_t) c;
				}
			}
		}
		columns += width * PQ_ROWS;
		centroids += width * count;
		bias += count;
		numbers += PQ_ROWS;
	}
}

static void
pq_products(const float *q, size_t parts, size_t used, const float *centroids,
			size_t width, size_t count, float *out)
{
	for (size_t j = 0; j < parts; j++)
	{
		for (size_t c = 0; c < count; c++)
		{
			float		sum = 0;

			for (size_t i = 0; i < used; i++)
				sum += product(q[i], centroids[c * width + i]);
			out[c] = sum;
		}
		q += used;
		centroids += width * count;
		out += count;
	}
}

const QuantizeKernels quantize_scalar = QUANTIZE_TABLE("scalar");
