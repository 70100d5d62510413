/*
 * linear.c
 *	  Which loops this processor runs, and whether they or OpenBLAS multiply.
 *
 * The pointers here are plain process state, not for two threads at once.
 */
#include "linear.h"

/* A library has nothing to win where a sum has fewer products */
#define SHALLOW		128

extern const LinearKernels linear_scalar;

#ifdef SIMD_X86
extern const LinearKernels linear_avx2;
extern const LinearKernels linear_avx512;
#endif

const LinearKernels *linear_kernels = &linear_scalar;

static const void *const tables[SIMD_LEVELS] = {
	[SIMD_SCALAR] = &linear_scalar,
	SIMD_ARM_TABLES(linear_scalar)
	SIMD_X86_TABLES(linear_avx2, linear_avx512)
};

/* See linear.h */
const LinearKernels *
linear_table(SimdLevel level)
{
	return simd_choose(tables, level);
}

/* See linear.h */
int
linear_set_level(SimdLevel level)
{
	const LinearKernels *table = linear_table(level);

	if (table == NULL)
		return -1;
	linear_kernels = table;
	return 0;
}

/* See linear.h */
void
linear_products(const float *a, size_t a_stride, size_t m, const float *b,
				size_t b_stride, size_t n, size_t depth, float *out,
				size_t out_stride)
{
	enum
	{
		ROW_MAJOR = 101, NOT_TRANSPOSED = 111, TRANSPOSED = 112
	};

	if (m == 0 || n == 0)
		return;
	if (linear_library == NULL || depth < SHALLOW)
		linear_kernels->products(a, a_stride, m, b, b_stride, n, depth, out,
								 out_stride);
	else
		linear_library->sgemm(ROW_MAJOR, NOT_TRANSPOSED, TRANSPOSED, (int) m,
							  (int) n, (int) depth, 1, a, (int) a_stride, b,
							  (int) b_stride, 0, out, (int) out_stride);
}
