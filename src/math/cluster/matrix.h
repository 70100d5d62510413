/*
 * matrix.h
 *	  Rows times centroids: sums, the largest of them, and exact distances.
 *
 * Private to src/math/cluster.
 *
 * All arithmetic is done in a space of its own, x' = x * scale - shift: shift
 * brings the middle of the data to 0, where squared distances by
 *
 *		|x' - c'|^2 = |x'|^2 - 2 (<x', c'> - |c'|^2 / 2)
 *
 * lose least to cancellation, and scale (a power of two) brings the largest
 * elements near 1, so that no square overflows or vanishes.  Distances in that
 * space are called inner ones; matrix_real_distance makes real ones of them.
 */
#ifndef VECTOR_MATH_CLUSTER_MATRIX_H
#define VECTOR_MATH_CLUSTER_MATRIX_H

#include "cluster.h"
#include "math/linear/linear.h"

/*
 * Elements are kept within this, so that no sum of 64,000 products overflows
 * and none is NaN.
 */
#define MATRIX_LIMIT	0x1p54f

typedef struct Space
{
	float		scale;
	bool		unit;			/* rows (not centroids) get norm 1 first */
	const float *shift;			/* dims floats; NULL: 0 */
} Space;

/* Rows in order, or those that ids names */
typedef struct Rows
{
	const float *rows;
	const uint32_t *ids;		/* NULL: 0, 1, ... */
	size_t		n;
	size_t		dims;
} Rows;

/*
 * Centroids in the space, with one more element each, -|c'|^2 / 2: rows have 1
 * there, and so products are the sums that are compared.
 */
typedef struct Matrix
{
	size_t		k;
	size_t		dims;
	LinearRows	rows;			/* k of dims + 1 floats */

	/* OpenBLAS only: of each centroid, the first one equal to it; else NULL */
	uint32_t   *lowest;
} Matrix;

/* What a call computes with: buffers for some rows, and work since a tick */
typedef struct Work
{
	const ClusterHost *host;
	size_t		done;			/* multiplications since the last tick */
	size_t		room;			/* rows at once */
	float	   *memory;
	float	   *rows;			/* room of them in the space, as in a matrix */
	float	   *sums;			/* of these rows, with some centroids */
	float	   *scales;			/* one a row, as the following */
	float	   *norms;
	float	   *best;
	uint32_t   *number;
} Work;

/* Tell the host that so many multiplications were done */
static inline void
work_done(Work *work, size_t multiplications)
{
	host_work(work->host, &work->done, multiplications);
}

static inline const float *
rows_at(const Rows *rows, size_t i)
{
	return rows->rows + (rows->ids != NULL ? rows->ids[i] : i) * rows->dims;
}

/* The power of two that brings the largest absolute value near 1 */
extern float space_scale(double largest);

/* The factor for one row: scale, or what brings it to norm 1 */
extern float space_row_scale(const Space *space, const float *row, size_t dims);

/* Floats that a matrix lies in; SIZE_MAX: too many */
static inline size_t
matrix_floats(size_t k, size_t dims)
{
	return size_plus(linear_rows_floats(k, size_plus(dims, 1)),
					 size_times(k, 2));
}

/*
 * Put into lowest, for each of k rows of dims floats, stride apart, the number of
 * the first row equal to it; order is room for k numbers.  Sums with equal
 * centroids may differ in their last bits, as a library multiplies the last
 * rows and columns of a block in a way of its own: which of the equal ones a row
 * belongs to must not depend on that.
 */
extern void matrix_lowest(const float *rows, size_t k, size_t dims,
						  size_t stride, uint32_t *lowest, uint32_t *order);

/*
 * Lay out k centroids (those that ids names, or the first ones) in memory of
 * matrix_floats floats.
 */
extern void matrix_init(Matrix *matrix, const Space *space, Work *work,
						const Rows *centroids, float *memory);

/* Buffers for n rows of dims floats, not all at once; free with work_free */
extern void work_init(Work *work, const ClusterHost *host, size_t n,
					  size_t dims);
extern void work_free(Work *work);

/* Bytes that work_init allocates at most, and the library that multiplies */
extern double work_bytes(size_t dims);

/*
 * The nearest centroid of each row (the lowest of equally near ones); where not
 * NULL, best gets the largest <x', c'> - |c'|^2 / 2 of each row, which tells it, and
 * distance the inner squared distance.
 */
extern void matrix_assign(const Matrix *matrix, const Space *space,
						  Work *work, const Rows *rows, uint32_t *number,
						  float *best, float *distance);

/* Rows that a call of matrix_assign takes at a time; work_init knows of fewer */
extern size_t matrix_rows_at_once(size_t dims);

/*
 * Called with the sums of count rows, from row on, with columns centroids, from
 * column on: count rows of columns floats.  work has the scales and norms of
 * these rows.
 */
typedef void (*MatrixUse) (void *arg, const Matrix *matrix, const Work *work,
						   size_t row, size_t count, size_t column,
						   size_t columns);

typedef enum MatrixProduct
{
	SCORES,						/* <x', c'> - |c'|^2 / 2 */
	PRODUCTS					/* <x * scale, c'>, each row with its own scale */
} MatrixProduct;

extern void matrix_multiply(const Matrix *matrix, const Space *space,
							Work *work, const Rows *rows, MatrixProduct what,
							MatrixUse use, void *arg);

/*
 * The inner squared distance of a row (of norm^2 norm in the space) to
 * centroid number, whose sum was best.  Where the sum has lost too many bits,
 * computed again from differences.
 */
extern double matrix_distance(const Matrix *matrix, const Space *space,
							  const float *row, float scale, float norm,
							  size_t number, float best);

/* A real squared distance of an inner one; infinite beyond float */
static inline float
matrix_real_distance(const Space *space, double inner)
{
	double		real = inner / ((double) space->scale * space->scale);

	return real <= 3.4028234663852886e38 ? (float) real : __builtin_inff();
}

#endif							/* VECTOR_MATH_CLUSTER_MATRIX_H */
