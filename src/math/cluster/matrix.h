/*
 * matrix.h
 *	  Centroids in blocks, and the products of rows with them: one level.
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
#include "kernels.h"

/* Bytes; a matrix takes more room where its memory is not aligned to them */
#define MATRIX_ALIGNMENT 64

/* Tiles of rows that use a block of centroids while it is in the cache */
#define MATRIX_TILES	32

/* Multiplications between two ticks; well below a millisecond of AVX-512 */
#define MATRIX_TICK		((size_t) 1 << 22)

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

typedef struct Matrix
{
	const ClusterKernels *kernels;
	size_t		k;
	size_t		dims;
	size_t		chunk;			/* dimensions of every chunk but the last */
	size_t		blocks;
	float	   *start;			/* -|c'|^2 / 2, then CLUSTER_NOWHERE */
	float	   *data;			/* chunk by chunk, block by block */
} Matrix;

/* What a call computes with: buffers, and the multiplications since a tick */
typedef struct Work
{
	const ClusterHost *host;
	const ClusterKernels *kernels;
	void	   *memory;
	size_t		tiles;			/* tiles at once */
	size_t		todo;			/* multiplications until the next tick */
	float	   *tile;
	float	   *sums;
	float	   *scales;			/* one a row of all tiles, as the following */
	float	   *norms;
	float	   *best;
	uint32_t   *number;
} Work;

/* Tell the host that so many multiplications were done */
static inline void
work_done(Work *work, size_t multiplications)
{
	if (multiplications >= work->todo)
	{
		work->todo = MATRIX_TICK;
		work->host->tick(work->host->arg);
	}
	else
		work->todo -= multiplications;
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

/* An element in the space, exact but for its last rounding */
extern double space_element(float x, float scale, float shift);

/* Floats that a matrix lies in; SIZE_MAX: too many */
extern size_t matrix_floats(const ClusterKernels *kernels, size_t k,
							size_t dims);

/*
 * Lay out k centroids (those that ids names, or the first ones) in memory of
 * matrix_floats floats.
 */
extern void matrix_init(Matrix *matrix, const Space *space, Work *work,
						const Rows *centroids, float *memory);

/* Buffers for n rows; free with work_free */
extern void work_init(Work *work, const ClusterHost *host,
					  const ClusterKernels *kernels, size_t n);
extern void work_free(Work *work);

/* Bytes that work_init allocates at most */
extern size_t work_bytes(const ClusterKernels *kernels);

/*
 * The largest <x', c'> - |c'|^2 / 2 of each row, and where it is (the lowest of
 * equal ones).
 */
extern void matrix_nearest(const Matrix *matrix, const Space *space,
						   Work *work, const Rows *rows,
						   uint32_t *number, float *best);

/* The nearest centroid of each row, and the inner squared distance (or NULL) */
extern void matrix_assign(const Matrix *matrix, const Space *space,
						  Work *work, const Rows *rows, uint32_t *number,
						  float *distance);

/*
 * Called with sums of count rows from row on, and columns centroids from
 * column on: sums has blocks of the tile's rows * block centroids.  scales and
 * norms are those of these rows.
 */
typedef void (*MatrixUse) (void *arg, const Matrix *matrix, size_t row,
						   int count, const float *scales, const float *norms,
						   size_t column, size_t columns, const float *sums);

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
