/*
 * linear.c
 *	  Which loops this processor runs, and whether they or OpenBLAS multiply.
 */
#include "linear.h"

#include <string.h>

/*
 * A library packs both sides anew at every call, which our own loops' panels save:
 * below this depth they are faster, by README.md's figures.
 */
#define SHALLOW		512

SIMD_DISPATCH(linear, LinearKernels, linear_kernels, linear_scalar,
			  SIMD_ARM_TABLES(linear_scalar)
			  SIMD_X86_TABLES(linear_avx2, linear_avx512))

/* Do our own loops multiply rows of such a depth? */
static bool
by_own_loops(size_t depth)
{
	return linear_library == NULL || depth < SHALLOW;
}

size_t
linear_rows_floats(size_t n, size_t depth)
{
	if (by_own_loops(depth))
		n = size_plus(n, LINEAR_COLUMNS - 1) / LINEAR_COLUMNS * LINEAR_COLUMNS;
	return size_times(n, depth);
}

void
linear_rows_init(LinearRows *rows, size_t n, size_t depth, float *memory)
{
	rows->kernels = by_own_loops(depth) ? linear_kernels : NULL;
	rows->n = n;
	rows->depth = depth;
	rows->step = rows->kernels != NULL ? (size_t) rows->kernels->columns : 1;
	rows->data = memory;
	if (n % rows->step > 0)
		memset(memory + n / rows->step * rows->step * depth, 0,
			   rows->step * depth * sizeof(float));
}

void
linear_products(const float *a, size_t a_stride, size_t m,
				const LinearRows *b, size_t from, size_t n, float *out,
				size_t out_stride)
{
	enum
	{
		ROW_MAJOR = 101, NOT_TRANSPOSED = 111, TRANSPOSED = 112
	};
	const float *data = b->data + from * b->depth;

	if (m == 0 || n == 0)
		return;
	if (b->kernels != NULL)
		b->kernels->products(a, a_stride, m, data, n, b->depth, out,
							 out_stride);
	else
		linear_library->sgemm(ROW_MAJOR, NOT_TRANSPOSED, TRANSPOSED, (int) m,
							  (int) n, (int) b->depth, 1, a, (int) a_stride,
							  data, (int) b->depth, 0, out, (int) out_stride);
}

void
linear_nearest(const float *a, size_t a_stride, size_t m, const LinearRows *b,
			   size_t from, size_t n, float *sums, float *best,
			   uint32_t *number)
{
	if (b->kernels != NULL)
	{
		b->kernels->nearest(a, a_stride, m, b->data + from * b->depth, n,
							b->depth, (uint32_t) from, best, number);
		return;
	}
	linear_products(a, a_stride, m, b, from, n, sums, n);
	for (size_t i = 0; i < m; i++)
		linear_kernels->largest(sums + i * n, n, (uint32_t) from, &best[i],
								&number[i]);
}
