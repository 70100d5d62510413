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

#define INLINE static inline __attribute__((always_inline)) TARGET

#include "math/simd/vec.h"

/* For the end of a row */
typedef float FourFloats __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

/* Rows of a panel: columns of a tile */
#define COLUMNS		(2 * LANES)

/*
 * Dimensions whose products are summed up on their own: a chunk's sum then has
 * errors of its own size only.
 */
#define DEPTH		384

/*
 * Into sums: start (a column of panels; NULL: zeros) and the products of rows rows
 * of a with one vector of a panel's columns, or with both.  The sums stay in
 * registers while the panel streams by (Goto, van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008).  Only deep products may have
 * more than DEPTH elements: the compiler finds no registers for sums that others
 * may have to be added to.  gcc 16 does not see that what was before is only read
 * where it has been written.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
INLINE void
multiply(const float *a, size_t a_stride, int rows, const float *panel,
		 size_t depth, bool deep, const float *start, int vectors,
		 Vec sums[TILE_ROWS][2])
{
	Vec			before[TILE_ROWS][2];
	Vec			left = {0};
	Vec			right = {0};
	size_t		i = 0;

	if (start != NULL)
	{
		left = vec_load_f32(start);
		right = vec_load_f32(start + LANES);
	}
	for (;;)
	{
		size_t		end = !deep || depth - i <= DEPTH ? depth : i + DEPTH;
		bool		first = i == 0;

		UNROLLED
		for (int r = 0; r < rows; r++)
		{
			sums[r][0] = left;
			sums[r][1] = right;
		}
		for (; i < end; i++)
		{
			left = vec_load_f32(panel + i * COLUMNS);
			right = vec_load_f32(panel + i * COLUMNS + LANES);
			UNROLLED
			for (int r = 0; r < rows; r++)
			{
				float		x = a[(size_t) r * a_stride + i];

				sums[r][0] += x * left;
				if (vectors == 2)
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
		left = right = (Vec) {0};
		UNROLLED
		for (int r = 0; r < rows; r++)
		{
			before[r][0] = sums[r][0];
			before[r][1] = sums[r][1];
		}
	}
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* The products of some rows with one panel, n columns of which are wanted */
INLINE void
products_of_some(const float *a, size_t a_stride, int rows,
				 const float *panel, size_t n, size_t depth, float *out,
				 size_t out_stride)
{
	Vec			sums[TILE_ROWS][2];

	multiply(a, a_stride, rows, panel, depth, true, NULL, 2, sums);
	UNROLLED
	for (int r = 0; r < rows; r++)
	{
		float	   *to = out + (size_t) r * out_stride;

		if (n < COLUMNS)
			memcpy(to, sums[r], n * sizeof(float));
		else
		{
			vec_store_f32(to, sums[r][0]);
			vec_store_f32(to + LANES, sums[r][1]);
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

#define CHOOSE(mask, a, b) (((mask) & (a)) | (~(mask) & (b)))

INLINE Vec
choose(Ints mask, Vec a, Vec b)
{
	return (Vec) CHOOSE(mask, (Ints) a, (Ints) b);
}

/* Every lane's partner is the one step lanes away. */
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
 * Of two rows' tops make one vector: lanes whose number has the bit step are the
 * second row's, the others the first one's.  Each has the larger of two lanes
 * that are step apart, of equal ones the one of the lower number.
 */
#define MERGE_TWO(r, step) \
	{ \
		Ints		second = (here & (step)) != 0; \
		Vec			top = choose(second, tops[(r) + (step)], tops[r]); \
		Vec			crossed = choose(second, tops[r], tops[(r) + (step)]); \
		Vec			other = PARTNERS(crossed, step); \
		Ints		its = CHOOSE(second, numbers[(r) + (step)], numbers[r]); \
		Ints		its_crossed = CHOOSE(second, numbers[r], \
										 numbers[(r) + (step)]); \
		Ints		others = PARTNERS(its_crossed, step); \
		Ints		better = (other > top) | \
			((other == top) & (others < its)); \
\
		tops[r] = choose(better, other, top); \
		numbers[r] = CHOOSE(better, others, its); \
	}
#define MERGE(step) \
	UNROLLED \
	for (int r = 0; r < LANES; r += 2 * (step)) \
		MERGE_TWO(r, step)

/*
 * The largest of all lanes of each of LANES rows, of equal ones that of the lowest
 * number: into the lanes of the first one's
 */
INLINE void
merge_rows(Vec *tops, Ints *numbers)
{
	Ints		here = lane_numbers();

	MERGE(1);
	MERGE(2);
#if LANES >= 8
	MERGE(4);
#endif
#if LANES >= 16
	MERGE(8);
#endif
}

/* Rows of a tile, made as many as there are in whole vectors */
#define TILE_LANES	((TILE_ROWS + LANES - 1) / LANES * LANES)

/*
 * The largest of each row's lanes into best where it is larger, and first + its
 * number, of equal ones the lowest, into number
 */
INLINE void
take(Vec tops[TILE_LANES], Ints numbers[TILE_LANES], int rows, uint32_t first,
	 float *best, uint32_t *number)
{
	UNROLLED
	for (int r = rows; r < TILE_LANES; r++)
	{
		tops[r] = tops[0];
		numbers[r] = numbers[0];
	}
	UNROLLED
	for (int from = 0; from < rows; from += LANES)
	{
		merge_rows(tops + from, numbers + from);
		for (int r = from; r < rows && r < from + LANES; r++)
			if (tops[from][r - from] > best[r])
			{
				best[r] = tops[from][r - from];
				number[r] = first + (uint32_t) numbers[from][r - from];
			}
	}
}

static TARGET void
largest(const float *sums, size_t n, uint32_t first, float *best,
		uint32_t *number)
{
	Vec			tops[TILE_LANES];
	Ints		numbers[TILE_LANES];
	Ints		here = lane_numbers();
	size_t		i = 0;

	tops[0] = vec_set(LINEAR_NOWHERE);
	numbers[0] = (Ints) {0};
	for (; i + LANES <= n; i += LANES)
	{
		look(&tops[0], &numbers[0], vec_load_f32(sums + i), here);
		here += LANES;
	}
	take(tops, numbers, 1, first, best, number);
	for (; i < n; i++)
		if (sums[i] > *best)
		{
			*best = sums[i];
			*number = first + (uint32_t) i;
		}
}

/*
 * Look at the products of some rows with columns columns of a panel, the first of
 * which has a number; columns of a vector that are not wanted fill it up.
 */
INLINE void
look_at_panel(const float *a, size_t a_stride, int rows, const float *panel,
			  size_t columns, size_t depth, bool deep, int vectors,
			  int32_t number, Vec *tops, Ints *numbers)
{
	Vec			sums[TILE_ROWS][2];
	Ints		here = lane_numbers();

	multiply(a, a_stride, rows, panel, depth - 1, deep,
			 panel + (depth - 1) * COLUMNS, vectors, sums);
	UNROLLED
	for (int v = 0; v < vectors; v++)
	{
		if (columns < (size_t) vectors * LANES)
		{
			Ints		wanted = here < (Ints) {0} + (int32_t) columns;

			UNROLLED
			for (int r = 0; r < rows; r++)
				sums[r][v] = choose(wanted, sums[r][v],
									vec_set(LINEAR_NOWHERE));
		}
		UNROLLED
		for (int r = 0; r < rows; r++)
			look(&tops[r], &numbers[r], sums[r][v], here + number);
		here += LANES;
	}
}

/* The largest products of some rows with n rows in panels */
INLINE void
nearest_of_some(const float *a, size_t a_stride, int rows,
				const float *panels, size_t n, size_t depth, bool deep,
				uint32_t first, float *best, uint32_t *number)
{
	Vec			tops[TILE_LANES];
	Ints		numbers[TILE_LANES];
	size_t		j = 0;

	UNROLLED
	for (int r = 0; r < rows; r++)
	{
		tops[r] = vec_set(LINEAR_NOWHERE);
		numbers[r] = (Ints) {0};
	}
	for (; n - j > LANES; j += n - j < COLUMNS ? n - j : COLUMNS)
		look_at_panel(a, a_stride, rows, panels + j * depth, n - j, depth,
					  deep, 2, (int32_t) j, tops, numbers);
	if (j < n)
		look_at_panel(a, a_stride, rows, panels + j * depth, n - j, depth,
					  deep, 1, (int32_t) j, tops, numbers);
	take(tops, numbers, rows, first, best, number);
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
							true, first, best + i, number + i);
		else if (depth > DEPTH)
			nearest_of_some(a + i * a_stride, a_stride, TILE_ROWS, panels, n,
							depth, true, first, best + i, number + i);
		else
			nearest_of_some(a + i * a_stride, a_stride, TILE_ROWS, panels, n,
							depth, false, first, best + i, number + i);
	}
}

/* The sum of the lanes, four of them added to four others as long as there are */
INLINE float
sum_lanes(Vec v)
{
	FourFloats	parts[LANES / 4];

	memcpy(parts, &v, sizeof(parts));
	UNROLLED
	for (int part = 1; part < LANES / 4; part++)
		parts[0] += parts[part];
	return (parts[0][0] + parts[0][1]) + (parts[0][2] + parts[0][3]);
}

/*
 * Shift the elements of a row from number i on that are whole vectors of a type,
 * and add their squares to squares.
 */
#define SHIFT_VECTORS(Floats, Integers, squares) \
	for (; i + sizeof(Floats) / sizeof(float) <= dims; \
		 i += sizeof(Floats) / sizeof(float)) \
	{ \
		Floats		high = (Floats) {0} + limit; \
		Floats		x; \
		Floats		less = {0}; \
		Integers	inside; \
\
		memcpy(&x, row + i, sizeof(x)); \
		if (minus != NULL) \
			memcpy(&less, minus + i, sizeof(less)); \
		x = x * scale - less; \
		/* of a NaN, both comparisons are false */ \
		inside = x > -high; \
		x = (Floats) CHOOSE(inside, (Integers) x, (Integers) -high); \
		inside = x < high; \
		x = (Floats) CHOOSE(inside, (Integers) x, (Integers) high); \
		squares += x * x; \
		memcpy(out + i, &x, sizeof(x)); \
	}

static TARGET float
shift(const float *row, float scale, const float *minus, float limit,
	  size_t dims, float *out)
{
	Vec			squares = {0};
	FourFloats	last_squares = {0};
	float		sum = 0;
	size_t		i = 0;

	SHIFT_VECTORS(Vec, Ints, squares);
	SHIFT_VECTORS(FourFloats, FourInts, last_squares);
	for (; i < dims; i++)
	{
		float		x = row[i] * scale - (minus != NULL ? minus[i] : 0);

		x = x > -limit ? x : -limit;
		x = x < limit ? x : limit;
		sum += x * x;
		out[i] = x;
	}
	return sum + sum_lanes(squares) +
		((last_squares[0] + last_squares[1]) + (last_squares[2] + last_squares[3]));
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
