/*
 * linear.h
 *	  Linear algebra of training: products of matrices, and eigenvectors of
 *	  symmetric ones.
 *
 * Pure C: nothing here knows PostgreSQL.  OpenBLAS does the work where it can
 * be loaded (see README.md); else, and wherever it has nothing to win, loops of
 * our own do, which are the specification.  Both give sums that differ in their
 * last bits; one of them gives the same bits for the same call.
 *
 * Matrices are row-major; the floats from one row to the next are their stride.
 */
#ifndef VECTOR_MATH_LINEAR_H
#define VECTOR_MATH_LINEAR_H

#include "math/host.h"
#include "math/simd/level.h"

#include <stdbool.h>

typedef struct LinearKernels
{
	const char *name;			/* as in DistanceKernels */

	int			columns;		/* rows of a panel */

	/*
	 * As linear_products, and as linear_nearest: panels has n rows of depth
	 * floats in panels; see LinearRows.
	 */
	void		(*products) (const float *a, size_t a_stride, size_t m,
							 const float *panels, size_t n, size_t depth,
							 float *out, size_t out_stride);
	void		(*nearest) (const float *a, size_t a_stride, size_t m,
							const float *panels, size_t n, size_t depth,
							uint32_t first, float *best, uint32_t *number);

	/*
	 * The largest of n sums, of the lowest number among equal ones, where it is
	 * larger than *best: into *best, and its number, counted from first on,
	 * into *number.  No sum is NaN.
	 */
	void		(*largest) (const float *sums, size_t n, uint32_t first,
							float *best, uint32_t *number);

	/*
	 * out = row * scale - minus (NULL: 0), each element within +- limit, NaN at
	 * its lower end; returns the sum of squares.
	 */
	float		(*shift) (const float *row, float scale, const float *minus,
						  float limit, size_t dims, float *out);

	/* sum += row * scale, element by element, in float64 */
	void		(*accumulate) (double *sum, const float *row, double scale,
							   size_t dims);
} LinearKernels;

SIMD_TABLE_IN_USE(linear, LinearKernels, linear_kernels);
extern const LinearKernels linear_scalar;
extern const LinearKernels linear_avx2;
extern const LinearKernels linear_avx512;

/* May OpenBLAS be used?  It may, until this says otherwise. */
extern void linear_allow_openblas(bool allow);

/*
 * To be called before the functions below, as often as one likes: loads OpenBLAS
 * where that is allowed and has not been tried yet in this process, and tells
 * host->report what came of it.  Returns whether OpenBLAS does the work.
 */
extern bool linear_begin(const ClusterHost *host);

/* Bytes that OpenBLAS takes for its own buffers; 0 where it is not in use */
extern size_t linear_bytes(void);

/* Below any product of rows here, and never chosen as the largest */
#define LINEAR_NOWHERE	(-3.4028234663852886e38f)

/* Columns that linear_products and linear_nearest may begin at */
#define LINEAR_COLUMNS	32

/*
 * n rows of depth floats, laid out to be multiplied by many others.  OpenBLAS
 * wants them one after the other.  Our own loops want panels: the elements of
 * some rows side by side, dimension by dimension; the last panel is filled up
 * with rows of zeros.
 */
typedef struct LinearRows
{
	const LinearKernels *kernels;	/* whose panels; NULL: OpenBLAS's */
	size_t		n;
	size_t		depth;
	size_t		step;			/* floats from an element of a row to the next */
	float	   *data;
} LinearRows;

/*
 * Floats of memory for LinearRows; SIZE_MAX: too many.  Before linear_begin, at
 * least as many as after it.
 */
extern size_t linear_rows_floats(size_t n, size_t depth);

/* Lay out n rows in that memory; their elements are still to be put there. */
extern void linear_rows_init(LinearRows *rows, size_t n, size_t depth,
							 float *memory);

/* The first element of row number; the others are rows->step apart. */
static inline float *
linear_row(const LinearRows *rows, size_t number)
{
	size_t		columns = rows->step;

	return rows->data + number / columns * columns * rows->depth +
		number % columns;
}

/*
 * out = a b': the inner products of m rows of a with n of b's, from number from
 * (a multiple of LINEAR_COLUMNS) on, none of whose elements are infinite or NaN;
 * out has m rows of n floats.
 */
extern void linear_products(const float *a, size_t a_stride, size_t m,
							const LinearRows *b, size_t from, size_t n,
							float *out, size_t out_stride);

/*
 * The largest of these products of each row of a, whose last element is 1, where
 * it is larger than the row's best: into best, and the number in b, the lowest
 * one of equal products, into number.  sums is room for m * n floats; our own
 * loops do not use it.
 */
extern void linear_nearest(const float *a, size_t a_stride, size_t m,
						   const LinearRows *b, size_t from, size_t n,
						   float *sums, float *best, uint32_t *number);

/*
 * Eigenvectors of the symmetric matrix a of n rows, none of whose eigenvalues
 * is much below 0: vectors gets n of them as rows, orthogonal to about 1e-5,
 * values their eigenvalues, in no order.  a is overwritten.  Returns false,
 * and vectors is of no use, where that does not converge.  Time grows with n^3;
 * OpenBLAS calls no tick meanwhile (0.2 s at n = 768).
 */
extern bool linear_eigenvectors(const ClusterHost *host, float *a, size_t n,
								float *values, float *vectors);

/* Private: functions of OpenBLAS, NULL where it is not in use */
typedef struct LinearLibrary
{
	/* cblas_sgemm of an interface with 32-bit integers */
	void		(*sgemm) (int order, int trans_a, int trans_b, int m, int n,
						  int k, float alpha, const float *a, int a_stride,
						  const float *b, int b_stride, float beta, float *c,
						  int c_stride);

	/* Fortran's: by address, with the lengths of strings at the end */
	void		(*ssyevd) (const char *job, const char *triangle, const int *n,
						   float *a, const int *stride, float *values,
						   float *work, const int *work_floats, int *ints,
						   const int *ints_count, int *failed,
						   size_t job_length, size_t triangle_length);
} LinearLibrary;

extern const LinearLibrary *linear_library;

#endif							/* VECTOR_MATH_LINEAR_H */
