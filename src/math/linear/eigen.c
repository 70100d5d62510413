/*
 * eigen.c
 *	  Eigenvectors of a symmetric matrix: LAPACK's divide and conquer, or
 *	  Jacobi's rotations where there is no library.
 */
#include "linear.h"

#include "math/distance/distance.h"

#include <math.h>
#include <string.h>

/* Rows count as orthogonal where the cosine between them is not above this. */
#define ORTHOGONAL	2e-6

/* Sweeps over all pairs at most; some ten are enough */
#define SWEEPS		40

/* Added to all eigenvalues, as a part of their mean: none then is 0. */
#define LIFT		1e-4

static bool
lapack(const ClusterHost *host, float *a, size_t n, float *values,
	   float *vectors)
{
	int			size = (int) n;
	size_t		floats = size_plus(size_times(2 * n, n), 6 * n + 1);
	int			floats_count = (int) floats;
	int			ints_count = 5 * size + 3;
	int			failed = 0;
	float	   *work;
	int		   *ints;

	if (floats > INT32_MAX)
		return false;
	work = host_alloc(host, floats, sizeof(*work));
	ints = host_alloc(host, (size_t) ints_count, sizeof(*ints));
	linear_library->ssyevd("V", "L", &size, a, &size, values, work,
						   &floats_count, ints, &ints_count, &failed, 1, 1);
	host_release(host, ints);
	host_release(host, work);

	/* what Fortran calls columns are rows here */
	memcpy(vectors, a, n * n * sizeof(*vectors));
	return failed == 0;
}

/* Rotate two rows: (x, y) becomes (c x - s y, s x + c y). */
static void
rotate(float *restrict x, float *restrict y, size_t n, float c, float s)
{
	for (size_t i = 0; i < n; i++)
	{
		float		before = x[i];

		x[i] = c * before - s * y[i];
		y[i] = s * before + c * y[i];
	}
}

/*
 * One sweep of one-sided Jacobi: rotate pairs of rows until they are orthogonal
 * to each other.  Returns how many pairs were not.
 */
static size_t
sweep(const ClusterHost *host, float *a, size_t n, double *squares,
	  size_t *done)
{
	size_t		rotated = 0;

	for (size_t p = 0; p < n; p++)
		squares[p] = distance_kernels->f32_ip(a + p * n, a + p * n, n);
	for (size_t p = 0; p < n; p++)
		for (size_t q = p + 1; q < n; q++)
		{
			double		product = distance_kernels->f32_ip(a + p * n, a + q * n, n);
			double		half;
			double		tangent;
			double		c;

			host_work(host, done, 2 * n);
			if (!(fabs(product) > ORTHOGONAL * sqrt(squares[p] * squares[q])))
				continue;
			half = (squares[q] - squares[p]) / (2 * product);
			tangent = copysign(1, half) / (fabs(half) + sqrt(1 + half * half));
			c = 1 / sqrt(1 + tangent * tangent);
			rotate(a + p * n, a + q * n, n, (float) c, (float) (c * tangent));
			squares[p] -= tangent * product;
			squares[q] += tangent * product;
			host_work(host, done, 4 * n);
			rotated++;
		}
	return rotated;
}

/*
 * Without a library: rotations V' that make the rows of a orthogonal to each other make V' a of it.
 * Where a is symmetric, V are its eigenvectors, and V' a has them as rows, each
 * times its eigenvalue (Hestenes, "Inversion of matrices by biorthogonalization
 * and related results", SIAM J. 6(1), 1958).  As long as no eigenvalue is 0,
 * nothing else needs to be remembered.
 */
bool
linear_eigenvectors(const ClusterHost *host, float *a, size_t n, float *values,
					float *vectors)
{
	double	   *squares;
	double		trace = 0;
	double		lift;
	size_t		done = 0;
	size_t		rotated = 1;

	if (linear_library != NULL)
		return lapack(host, a, n, values, vectors);
	squares = host_alloc(host, n, sizeof(*squares));
	for (size_t i = 0; i < n; i++)
		trace += a[i * n + i];
	lift = trace > 0 ? LIFT * trace / (double) n : 1;
	for (size_t i = 0; i < n; i++)
		a[i * n + i] += (float) lift;
	for (int i = 0; i < SWEEPS && rotated > 0; i++)
		rotated = sweep(host, a, n, squares, &done);
	for (size_t i = 0; i < n; i++)
	{
		double		norm = sqrt(squares[i]);

		values[i] = (float) (norm - lift);
		for (size_t j = 0; j < n; j++)
			vectors[i * n + j] = (float) (a[i * n + j] / norm);
	}
	host_release(host, squares);
	return rotated == 0;
}
