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

/* Rows of a panel: columns of a tile */
#define COLUMNS		(2 * LANES)

/*
 * Dimensions whose products are summed up on their own: a chunk's sum then has
 * errors of its own size only.
 */
#define DEPTH		384

/*
 * The products of rows rows of a with a panel.  The sums stay in registers while
 * the panel streams by (Goto, van de Geijn, "Anatomy of high-performance matrix
 * multiplication", 2008).
 */
INLINE void
multiply(const float *a, size_t a_stride, int rows, const float *panel,
		 size_t depth, Vec sums[TILE_ROWS][2])
{
	Vec			before[TILE_ROWS][2];
	size_t		i = 0;

	for (;;)
	{
		size_t		end = depth - i <= DEPTH ? depth : i + DEPTH;
		bool		first = i == 0;

		UNROLLED
		for (int r = 0; r < rows; r++)
			sums[r][0] = sums[r][1] = (Vec) {0};
		for (; i < end; i++)
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
		if (!first)
		{
			UNROLLED
			for (int r = 0; r < rows; r++)
			{
				sums[r][0] += before[r][0];
				sums[r][1] += before[r][1];
			}
		}
		if (i == depth)
			return;
		UNROLLED
		for (int r = 0; r < rows; r++)
		{
			before[r][0] = sums[r][0];
			before[r][1] = sums[r][1];
		}
	}
}

/* The products of some rows with one panel, n columns of which are wanted */
INLINE void
products_of_some(const float *a, size_t a_stride, int rows,
				 const float *panel, size_t n, size_t depth, float *out,
				 size_t out_stride)
{
	Vec			sums[TILE_ROWS][2];

	multiply(a, a_stride, rows, panel, depth, sums);
	UNROLLED
	for (int r = 0; r < rows; r++)
	{
		float	   *to = out + (size_t) r * out_stride;

		if (n < COLUMNS)
			memcpy(to, sums[r], n * sizeof(float));
		else
		{
			STORE(to, sums[r][0]);
			STORE(to + LANES, sums[r][1]);
		}
	}
}

/*
 * How many of m rows, from number *from on, are multiplied next: the last ones
 * together with some before them, which then are done twice.
 */
static size_t
next_rows(size_t m, size_t *from)
{
	if (m < TILE_ROWS)
		return 1;
	if (m - *from < TILE_ROWS)
		*from = m - TILE_ROWS;
	return TILE_ROWS;
}

static TARGET void
products(const float *a, size_t a_stride, size_t m, const float *panels,
		 size_t n, size_t depth, float *out, size_t out_stride)
{
	size_t		rows;

	for (size_t j = 0; j < n; j += COLUMNS)
	{
		const float *panel = panels + j * depth;
		size_t		columns = n - j < COLUMNS ? n - j : COLUMNS;

		for (size_t i = 0; i < m; i += rows)
		{
			rows = next_rows(m, &i);
			if (rows == 1)
				products_of_some(a + i * a_stride, a_stride, 1, panel,
								 columns, depth, out + i * out_stride + j,
								 out_stride);
			else
				products_of_some(a + i * a_stride, a_stride, TILE_ROWS, panel,
								 columns, depth, out + i * out_stride + j,
								 out_stride);
		}
	}
}

INLINE Vec
choose(Ints mask, Vec a, Vec b)
{
	return (Vec) ((mask & (Ints) a) | (~mask & (Ints) b));
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

/* Put into every lane the largest of its own and its partner's: then of all. */
#define LARGEST_LANES(v, step) \
	if (LANES > (step)) \
		(v) = choose((Vec) PARTNERS(v, (step) % LANES) > (v), \
					 (Vec) PARTNERS(v, (step) % LANES), v)
#define LOWEST_LANES(v, step) \
	if (LANES > (step)) \
	{ \
		Ints		partners = PARTNERS(v, (step) % LANES); \
		Ints		lower = partners < (v); \
		(v) = (lower & partners) | (~lower & (v)); \
	}

/* 0, 1, ... */
INLINE Ints
lane_numbers(void)
{
	Ints		lanes = {0};

	for (int lane = 0; lane < LANES; lane++)
		lanes[lane] = lane;
	return lanes;
}

/*
 * Lane by lane, put into *top the larger of it and sums, and its number into
 * *numbers: its are larger numbers than those seen before.
 */
INLINE void
look(Vec *top, Ints *numbers, Vec sums, Ints its)
{
	Ints		better = sums > *top;

	*top = choose(better, sums, *top);
	*numbers = (better & its) | (~better & *numbers);
}

/*
 * The largest of all lanes into *best if it is larger, and first + its number, of
 * equal ones the lowest, into *number
 */
INLINE void
take(Vec top, Ints numbers, uint32_t first, float *best, uint32_t *number)
{
	Vec			largest = top;
	Ints		others;

	LARGEST_LANES(largest, 8);
	LARGEST_LANES(largest, 4);
	LARGEST_LANES(largest, 2);
	LARGEST_LANES(largest, 1);
	if (!(largest[0] > *best))
		return;
	others = top < largest;
	numbers = (others & INT32_MAX) | (~others & numbers);
	LOWEST_LANES(numbers, 8);
	LOWEST_LANES(numbers, 4);
	LOWEST_LANES(numbers, 2);
	LOWEST_LANES(numbers, 1);
	*best = largest[0];
	*number = first + (uint32_t) numbers[0];
}

static TARGET void
largest(const float *sums, size_t n, uint32_t first, float *best,
		uint32_t *number)
{
	Vec			top = (Vec) {0} + LINEAR_NOWHERE;
	Ints		numbers = {0};
	Ints		here = lane_numbers();
	size_t		i = 0;

	for (; i + LANES <= n; i += LANES)
	{
		look(&top, &numbers, LOAD(sums + i), here);
		here += LANES;
	}
	take(top, numbers, first, best, number);
	for (; i < n; i++)
		if (sums[i] > *best)
		{
			*best = sums[i];
			*number = first + (uint32_t) i;
		}
}

/* The largest products of some rows with n rows in panels */
INLINE void
nearest_of_some(const float *a, size_t a_stride, int rows,
				const float *panels, size_t n, size_t depth, uint32_t first,
				float *best, uint32_t *number)
{
	Vec			tops[TILE_ROWS];
	Ints		numbers[TILE_ROWS];
	Ints		here = lane_numbers();

	UNROLLED
	for (int r = 0; r < rows; r++)
	{
		tops[r] = (Vec) {0} + LINEAR_NOWHERE;
		numbers[r] = (Ints) {0};
	}
	for (size_t j = 0; j < n; j += COLUMNS)
	{
		Vec			sums[TILE_ROWS][2];

		multiply(a, a_stride, rows, panels + j * depth, depth, sums);
		UNROLLED
		for (int v = 0; v < 2; v++)
		{
			/* what fills up the last panel is not looked at */
			if (n - j < COLUMNS)
			{
				Ints		there = here < (Ints) {0} + (int32_t) n;

				UNROLLED
				for (int r = 0; r < rows; r++)
					sums[r][v] = choose(there, sums[r][v],
										(Vec) {0} + LINEAR_NOWHERE);
			}
			UNROLLED
			for (int r = 0; r < rows; r++)
				look(&tops[r], &numbers[r], sums[r][v], here);
			here += LANES;
		}
	}
	for (int r = 0; r < rows; r++)
		take(tops[r], numbers[r], first, &best[r], &number[r]);
}

static TARGET void
nearest(const float *a, size_t a_stride, size_t m, const float *panels,
		size_t n, size_t depth, uint32_t first, float *best, uint32_t *number)
{
	size_t		rows;

	for (size_t i = 0; i < m; i += rows)
	{
		rows = next_rows(m, &i);
		if (rows == 1)
			nearest_of_some(a + i * a_stride, a_stride, 1, panels, n, depth,
							first, best + i, number + i);
		else
			nearest_of_some(a + i * a_stride, a_stride, TILE_ROWS, panels, n,
							depth, first, best + i, number + i);
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
	.columns = COLUMNS,
	.products = products,
	.nearest = nearest,
	.largest = largest,
	.shift = shift,
	.accumulate = accumulate
};
