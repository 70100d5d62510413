/*
 * matrix.c
 *	  Rows times centroids.
 *
 * Some rows at a time are brought into the space and multiplied by some
 * centroids at a time, by math/linear.  What is wanted of the sums is taken
 * from them while they are in the second-level cache.
 */
#include "matrix.h"

#include "math/heap/heap.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/*
 * Rows at once: as many as fit ROOM_FLOATS, within limits.  Fewer would have
 * centroids read too often, more would let ticks wait.
 */
#define ROOM_FLOATS		((size_t) 1 << 19)
#define ROOM_MIN		16
#define ROOM_MAX		504

/* Centroids at once whose sums are kept */
#define COLUMNS			((size_t) 256)

/* Floats of centroids that stay in the second-level cache while rows go by */
#define CACHE_FLOATS	((size_t) 1 << 17)

float
space_scale(double largest)
{
	int			exponent;

	if (!(largest > 0 && largest <= DBL_MAX))
		return 1;
	exponent = -ilogb(largest) - 1;
	exponent = exponent < -126 ? -126 : exponent > 126 ? 126 : exponent;
	return ldexpf(1, exponent);
}

float
space_row_scale(const Space *space, const float *row, size_t dims)
{
	double		norm = 0;

	if (!space->unit)
		return space->scale;
	for (size_t i = 0; i < dims; i++)
		norm += (double) row[i] * row[i];
	if (!(norm > 0))
		return space->scale;
	norm = space->scale / sqrt(norm);
	return norm < FLT_MAX ? (float) norm : FLT_MAX;
}

/*
 * An element in the space, rounded as elements in a matrix are.  What is beyond the
 * limit, or not finite, is at the limit, as linear's shift has it: of a row so far
 * out, and its own centroid, too, so that they are at one place.
 */
static double
space_element(float x, float scale, float shift)
{
	double		exact = (double) x * scale - shift;

	exact = exact > -MATRIX_LIMIT ? exact : -MATRIX_LIMIT;
	exact = exact < MATRIX_LIMIT ? exact : MATRIX_LIMIT;
	return (double) (float) exact;
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Rows by number, to be sorted by their elements and then by number */
typedef struct NumberedRows
{
	const float *rows;
	size_t		dims;
	size_t		stride;
	uint32_t   *numbers;
} NumberedRows;

typedef struct NumberedRow
{
	const float *row;
	size_t		bytes;
	uint32_t	number;
} NumberedRow;

static inline bool
row_behind(const NumberedRow *a, const NumberedRow *b)
{
	int			order = memcmp(a->row, b->row, a->bytes);

	return order > 0 || (order == 0 && a->number > b->number);
}

#define GET_ROW(r, i) \
	((NumberedRow) {(r).rows + (r).numbers[i] * (r).stride, \
	 (r).dims * sizeof(float), (r).numbers[i]})
#define SET_ROW(r, i, entry) ((r).numbers[i] = (entry).number)
HEAP_OVER(numbered_rows, NumberedRows, NumberedRow, GET_ROW, SET_ROW, row_behind)

void
matrix_lowest(const float *rows, size_t k, size_t dims, size_t stride,
			  uint32_t *lowest, uint32_t *order)
{
	NumberedRows all = {rows, dims, stride, order};

	for (size_t j = 0; j < k; j++)
		order[j] = (uint32_t) j;
	numbered_rows_sort(all, k);
	for (size_t i = 0; i < k; i++)
	{
		bool		equal = i > 0 &&
			memcmp(rows + order[i] * stride, rows + order[i - 1] * stride,
				   dims * sizeof(float)) == 0;

		lowest[order[i]] = equal ? lowest[order[i - 1]] : order[i];
	}
}

void
matrix_init(Matrix *m, const Space *space, Work *w, const Rows *centroids,
			float *memory)
{
	size_t		dims = centroids->dims;

	assert(centroids->n > 0 && dims > 0);
	m->k = centroids->n;
	m->dims = dims;
	linear_rows_init(&m->rows, m->k, dims + 1, memory);
	for (size_t j = 0; j < m->k; j++)
	{
		const float *c = rows_at(centroids, j);
		float	   *to = linear_row(&m->rows, j);
		size_t		step = m->rows.step;
		double		norm = 0;

		for (size_t i = 0; i < dims; i++)
		{
			double		x = space_element(c[i], space->scale,
										  space->shift ? space->shift[i] : 0);

			to[i * step] = (float) x;
			norm += x * x;
		}
		to[dims * step] = (float) (-norm / 2);
		work_done(w, 8 * dims);
	}
	m->lowest = NULL;
	if (m->rows.kernels == NULL)
	{
		m->lowest = (uint32_t *) (memory + m->k * (dims + 1));
		matrix_lowest(memory, m->k, dims, dims + 1, m->lowest,
					  m->lowest + m->k);
	}
}

/*
 * Work.
 */

size_t
matrix_rows_at_once(size_t dims)
{
	size_t		rows = ROOM_FLOATS / size_plus(dims, 1);

	return rows < ROOM_MIN ? ROOM_MIN : min_size(rows, ROOM_MAX);
}

/* Floats of a row in all buffers */
static size_t
room_row_floats(size_t dims)
{
	return size_plus(dims, 1 + COLUMNS + 4);
}

double
work_bytes(size_t dims)
{
	return (double) matrix_rows_at_once(dims) * room_row_floats(dims) * sizeof(float) +
		linear_bytes();
}

void
work_init(Work *w, const ClusterHost *host, size_t n, size_t dims)
{
	size_t		rows = min_size(n, matrix_rows_at_once(dims));
	float	   *at;

	(void) linear_begin(host);
	w->host = host;
	w->done = 0;
	w->room = rows;
	w->memory = host_alloc(host, size_times(rows, room_row_floats(dims)),
						   sizeof(float));
	at = w->memory;
	w->rows = at;
	at += rows * (dims + 1);
	w->sums = at;
	at += rows * COLUMNS;
	w->scales = at;
	at += rows;
	w->norms = at;
	at += rows;
	w->best = at;
	at += rows;
	w->number = (uint32_t *) at;
}

void
work_free(Work *w)
{
	host_release(w->host, w->memory);
}

/*
 * Products.
 */

/* Scale for the products of a row: a power of two for its largest element */
static float
product_scale(const float *row, size_t dims)
{
	float		largest = 0;

	for (size_t i = 0; i < dims; i++)
		largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
	return space_scale(largest);
}

/* Bring count rows, from number from on, into the buffer */
static void
load_rows(const Matrix *m, const Space *space, Work *w, const Rows *rows,
		  MatrixProduct what, size_t from, size_t count)
{
	size_t		dims = m->dims;

	for (size_t i = 0; i < count; i++)
	{
		const float *row = rows_at(rows, from + i);
		float	   *to = w->rows + i * (dims + 1);

		w->scales[i] = what == SCORES ? space_row_scale(space, row, dims) :
			product_scale(row, dims);
		w->norms[i] = linear_kernels->shift(row, w->scales[i],
											what == SCORES ? space->shift : NULL,
											MATRIX_LIMIT, dims, to);
		to[dims] = what == SCORES;
	}
	work_done(w, 8 * count * dims);
}

/*
 * Centroids at once whose largest sums are looked for: our own loops keep no sums
 */
static size_t
nearest_columns(const Matrix *m)
{
	size_t		columns = CACHE_FLOATS / (m->dims + 1) / LINEAR_COLUMNS *
		LINEAR_COLUMNS;

	if (m->rows.kernels == NULL)
		return COLUMNS;
	return columns > 0 ? columns : LINEAR_COLUMNS;
}

/* The best and number of count rows, from number from on, into the buffers */
static void
nearest_rows(const Matrix *m, const Space *space, Work *w, const Rows *rows,
			 size_t from, size_t count)
{
	size_t		at_once = nearest_columns(m);

	load_rows(m, space, w, rows, SCORES, from, count);
	for (size_t i = 0; i < count; i++)
	{
		w->best[i] = LINEAR_NOWHERE;
		w->number[i] = 0;
	}
	for (size_t column = 0; column < m->k; column += at_once)
	{
		size_t		columns = min_size(at_once, m->k - column);

		linear_nearest(w->rows, m->dims + 1, count, &m->rows, column, columns,
					   w->sums, w->best, w->number);
		work_done(w, count * columns * (m->dims + 1));
	}
	for (size_t i = 0; i < count && m->lowest != NULL; i++)
		w->number[i] = m->lowest[w->number[i]];
}

void
matrix_assign(const Matrix *m, const Space *space, Work *w, const Rows *rows,
			  uint32_t *number, float *best, float *distance)
{
	size_t		count;

	for (size_t from = 0; from < rows->n; from += count)
	{
		count = min_size(rows->n - from, w->room);
		nearest_rows(m, space, w, rows, from, count);
		memcpy(number + from, w->number, count * sizeof(*number));
		if (best != NULL)
			memcpy(best + from, w->best, count * sizeof(*best));
		if (distance == NULL)
			continue;
		for (size_t i = 0; i < count; i++)
			distance[from + i] = (float)
				matrix_distance(m, space, rows_at(rows, from + i),
								w->scales[i], w->norms[i], w->number[i],
								w->best[i]);
		work_done(w, count * m->dims);
	}
}

void
matrix_multiply(const Matrix *m, const Space *space, Work *w, const Rows *rows,
				MatrixProduct what, MatrixUse use, void *arg)
{
	size_t		count;

	for (size_t from = 0; from < rows->n; from += count)
	{
		count = min_size(rows->n - from, w->room);
		load_rows(m, space, w, rows, what, from, count);
		for (size_t column = 0; column < m->k; column += COLUMNS)
		{
			size_t		columns = min_size(COLUMNS, m->k - column);

			linear_products(w->rows, m->dims + 1, count, &m->rows, column,
							columns, w->sums, columns);
			work_done(w, count * columns * (m->dims + 1));
			use(arg, m, w, from, count, column, columns);
		}
	}
}

double
matrix_distance(const Matrix *m, const Space *space, const float *row,
				float scale, float norm, size_t number, float best)
{
	const float *c = linear_row(&m->rows, number);
	double		sum = (double) norm - 2 * (double) best;

	if (sum * 16 > norm)
		return sum;
	sum = 0;
	for (size_t i = 0; i < m->dims; i++)
	{
		double		x = space_element(row[i], scale,
									  space->shift ? space->shift[i] : 0);

		x -= c[i * m->rows.step];
		sum += x * x;
	}
	return sum;
}
