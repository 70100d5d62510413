/*
 * loops.h
 *	  The loops of linear.h in plain C, compiled once for every instruction set.
 *
 * Included by scalar.c, avx2.c and avx512.c, which define
 *
 *	TARGET			the attribute that allows the instruction set, or nothing
 *	LANES			float32 values in a vector
 *	TILE_ROWS		rows whose sums, with two vectors each, fill the registers
 *	TABLE_NAME, table_name	of the table
 *
 * Vectors are the compiler's own (vector_size of gcc and clang): it chooses the
 * instructions, and fuses products with additions where there are such.
 */
#include "linear.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

/* The same at any address of a float */
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define LOAD(p)		(*(const Unaligned *) (p))
#define STORE(p, v)	(*(Unaligned *) (p) = (v))

#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLLED PRAGMA(clang loop unroll(full))
#else
#define UNROLLED PRAGMA(GCC unroll 16)
#endif

/* Columns of a tile: rows of b that are multiplied at once */
#define COLUMNS		(2 * LANES)

/*
 * Dimensions at once: a tile's rows of them stay in the first-level cache, and
 * a panel, COLUMNS rows of b of them, in the second.
 */
#define DEPTH		384

/* Rows first .. first + n - 1 of b, dimension by dimension, zeros behind n */
static TARGET void
pack(const float *b, size_t stride, size_t n, size_t depth, float *panel)
{
	for (size_t j = 0; j < COLUMNS; j++)
		for (size_t i = 0; i < depth; i++)
			panel[i * COLUMNS + j] = j < n ? b[j * stride + i] : 0;
}

/*
 * The products of rows rows of a with a panel, added to out or put there.  A
 * tile's sums stay in registers while the panel streams by (Goto, van de Geijn,
 * "Anatomy of high-performance matrix multiplication", 2008).
 */
INLINE void
tile(const float *a, size_t a_stride, int rows, const float *panel,
	 size_t depth, bool add, float *out, size_t out_stride)
{
	Vec			sums[TILE_ROWS][2];

	UNROLLED
	for (int r = 0; r < rows; r++)
		sums[r][0] = sums[r][1] = (Vec) {0};
	for (size_t i = 0; i < depth; i++)
	{
		Vec			left = LOAD(panel + i * COLUMNS);
		Vec			right = LOAD(panel + i * COLUMNS + LANES);

		UNROLLED
		for (int r = 0; r < rows; r++)
		{
			float		x = a[(size_t) r * a_stride + i];

			sums[r][0] += x * left;
			sums[r][1] += x * right;
		}
	}

	/* Added last, a chunk's sum has errors of its own size only */
	UNROLLED
	for (int r = 0; r < rows; r++)
	{
		float	   *to = out + (size_t) r * out_stride;

		UNROLLED
		for (int v = 0; v < 2; v++)
		{
			if (add)
				sums[r][v] += LOAD(to + v * LANES);
			STORE(to + v * LANES, sums[r][v]);
		}
	}
}

static TARGET void
full_tile(const float *a, size_t a_stride, const float *panel, size_t depth,
		  bool add, float *out, size_t out_stride)
{
	tile(a, a_stride, TILE_ROWS, panel, depth, add, out, out_stride);
}

static TARGET void
row_tile(const float *a, const float *panel, size_t depth, bool add, float *out)
{
	tile(a, 0, 1, panel, depth, add, out, 0);
}

/* All rows of a by one panel of n columns, n being COLUMNS or, at the end, less */
static TARGET void
panel_products(const float *a, size_t a_stride, size_t m, const float *panel,
			   size_t n, size_t depth, bool add, float *out, size_t out_stride)
{
	float		room[TILE_ROWS * COLUMNS];
	size_t		rows;

	for (size_t i = 0; i < m; i += rows)
	{
		float	   *to = n < COLUMNS ? room : out + i * out_stride;
		size_t		stride = n < COLUMNS ? COLUMNS : out_stride;

		rows = m - i < TILE_ROWS ? 1 : TILE_ROWS;
		if (n < COLUMNS && add)
			for (size_t r = 0; r < rows; r++)
				memcpy(room + r * COLUMNS, out + (i + r) * out_stride,
					   n * sizeof(float));
		if (rows == 1)
			row_tile(a + i * a_stride, panel, depth, add, to);
		else
			full_tile(a + i * a_stride, a_stride, panel, depth, add, to,
					  stride);
		if (n < COLUMNS)
			for (size_t r = 0; r < rows; r++)
				memcpy(out + (i + r) * out_stride, room + r * COLUMNS,
					   n * sizeof(float));
	}
}

static TARGET void
products(const float *a, size_t a_stride, size_t m, const float *b,
		 size_t b_stride, size_t n, size_t depth, float *out,
		 size_t out_stride)
{
	float		panel[DEPTH * COLUMNS] __attribute__((aligned(64)));

	for (size_t from = 0; from < depth; from += DEPTH)
	{
		size_t		chunk = depth - from < DEPTH ? depth - from : DEPTH;

		for (size_t j = 0; j < n; j += COLUMNS)
		{
			size_t		columns = n - j < COLUMNS ? n - j : COLUMNS;

			pack(b + j * b_stride + from, b_stride, columns, chunk, panel);
			panel_products(a + from, a_stride, m, panel, columns, chunk,
						   from > 0, out + j, out_stride);
		}
	}
}

INLINE Vec
choose(Ints mask, Vec a, Vec b)
{
	return (Vec) ((mask & (Ints) a) | (~mask & (Ints) b));
}

/*
 * Lane by lane, put into *top the larger of it and sums, and its number into
 * *numbers: of equal ones the lower number.
 */
INLINE void
merge(Vec *top, Ints *numbers, Vec sums, Ints its)
{
	Ints		better = (sums > *top) | ((sums == *top) & (its < *numbers));

	*top = choose(better, sums, *top);
	*numbers = (better & its) | (~better & *numbers);
}

/* Every lane's partner is the one step lanes away: half as many remain. */
#define FOUR(v, step, i) \
	(v)[(i) ^ (step)], (v)[((i) + 1) ^ (step)], (v)[((i) + 2) ^ (step)], \
	(v)[((i) + 3) ^ (step)]
#if LANES == 16
#define PARTNERS(v, step) \
	{FOUR(v, step, 0), FOUR(v, step, 4), FOUR(v, step, 8), FOUR(v, step, 12)}
#elif LANES == 8
#define PARTNERS(v, step) {FOUR(v, step, 0), FOUR(v, step, 4)}
#else
#define PARTNERS(v, step) {FOUR(v, step, 0)}
#endif
#define MERGE_LANES(step) \
	if (LANES > (step)) \
		merge(&top, &numbers, (Vec) PARTNERS(top, (step) % LANES), \
			  (Ints) PARTNERS(numbers, (step) % LANES))

static TARGET void
largest(const float *sums, size_t n, uint32_t first, float *best,
		uint32_t *number)
{
	size_t		i = 0;

	if (n >= 2 * LANES)
	{
		Vec			top = LOAD(sums);
		Vec			other_top = LOAD(sums + LANES);
		Ints		here = {0};
		Ints		numbers;
		Ints		other_numbers;

		for (int lane = 0; lane < LANES; lane++)
			here[lane] = lane;
		numbers = here;
		other_numbers = here + LANES;
		for (i = 2 * LANES; i + 2 * LANES <= n; i += 2 * LANES)
		{
			Vec			sum = LOAD(sums + i);
			Vec			other = LOAD(sums + i + LANES);
			Ints		better = sum > top;
			Ints		other_better = other > other_top;

			/* numbers ascend, so only what is larger takes the place */
			here += 2 * LANES;
			top = choose(better, sum, top);
			numbers = (better & here) | (~better & numbers);
			other_top = choose(other_better, other, other_top);
			other_numbers = (other_better & (here + LANES)) |
				(~other_better & other_numbers);
		}
		merge(&top, &numbers, other_top, other_numbers);
		MERGE_LANES(8);
		MERGE_LANES(4);
		MERGE_LANES(2);
		MERGE_LANES(1);
		if (top[0] > *best)
		{
			*best = top[0];
			*number = first + (uint32_t) numbers[0];
		}
	}
	for (; i < n; i++)
		if (sums[i] > *best)
		{
			*best = sums[i];
			*number = first + (uint32_t) i;
		}
}

INLINE Vec
within(Vec x, float limit)
{
	Vec			high = (Vec) {0} + limit;

	/* of a NaN, both comparisons are false */
	x = choose(x > -high, x, -high);
	return choose(x < high, x, high);
}

static TARGET float
shift(const float *row, float scale, const float *minus, float limit,
	  size_t dims, float *out)
{
	Vec			squares = {0};
	float		sum = 0;
	size_t		i = 0;

	for (; i + LANES <= dims; i += LANES)
	{
		Vec			x = LOAD(row + i) * scale;

		if (minus != NULL)
			x -= LOAD(minus + i);
		x = within(x, limit);
		squares += x * x;
		STORE(out + i, x);
	}
	for (int lane = 0; lane < LANES; lane++)
		sum += squares[lane];
	for (; i < dims; i++)
	{
		float		x = row[i] * scale - (minus != NULL ? minus[i] : 0);

		x = x > -limit ? x : -limit;
		x = x < limit ? x : limit;
		sum += x * x;
		out[i] = x;
	}
	return sum;
}

static TARGET void
accumulate(double *sum, const float *row, double scale, size_t dims)
{
	for (size_t i = 0; i < dims; i++)
		sum[i] += row[i] * scale;
}

const LinearKernels table_name = {
	.name = TABLE_NAME,
	.products = products,
	.largest = largest,
	.shift = shift,
	.accumulate = accumulate
};
