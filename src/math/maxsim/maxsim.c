/*
 * maxsim.c
 *	  Late interaction: blocks of products, and the greatest of each column.
 */
#include "math/maxsim/maxsim.h"

#include <math.h>

/* Vectors of the query whose products are there at once: they stay in the cache */
#define COLUMNS_AT_ONCE	(8 * LINEAR_COLUMNS)

/* See maxsim.h */
size_t
maxsim_floats(size_t count, size_t dims)
{
	size_t		padded = size_plus(count, LINEAR_COLUMNS - 1) /
		LINEAR_COLUMNS * LINEAR_COLUMNS;

	return size_plus(size_plus(size_times(padded, dims), count),
					 MAXSIM_ROWS * COLUMNS_AT_ONCE);
}

/* See maxsim.h */
void
maxsim_init(MaxSim *sim, size_t count, size_t dims, float *memory)
{
	size_t		step = (size_t) linear_kernels->columns;
	size_t		padded = (count + step - 1) / step * step;

	sim->query.kernels = linear_kernels;
	sim->query.n = count;
	sim->query.depth = dims;
	sim->query.step = step;
	sim->query.data = memory;
	for (size_t i = (padded - step) * dims; i < padded * dims; i++)
		memory[i] = 0;
	sim->best = memory + padded * dims;
	sim->products = sim->best + count;
}

/* See maxsim.h */
void
maxsim_set(MaxSim *sim, size_t number, const float *floats)
{
	float	   *row = linear_row(&sim->query, number);

	for (size_t i = 0; i < sim->query.depth; i++)
		row[i * sim->query.step] = floats[i];
}

/* See maxsim.h */
void
maxsim_begin(MaxSim *sim)
{
	for (size_t i = 0; i < sim->query.n; i++)
		sim->best[i] = -INFINITY;
}

/* Put into best the greatest of it and count rows of n products. */
static void
raise_best(float *restrict best, const float *restrict products, size_t n,
		   size_t count)
{
	for (size_t r = 0; r < count; r++)
	{
		const float *row = products + r * n;

		for (size_t i = 0; i < n; i++)
			best[i] = row[i] > best[i] ? row[i] : best[i];
	}
}

/* See maxsim.h */
void
maxsim_add(MaxSim *sim, const float *rows, size_t stride, size_t count)
{
	const LinearRows *query = &sim->query;

	for (size_t i = 0; i < query->n; i += COLUMNS_AT_ONCE)
	{
		size_t		n = query->n - i < COLUMNS_AT_ONCE ? query->n - i : COLUMNS_AT_ONCE;

		query->kernels->products(rows, stride, count,
								 query->data + i * query->depth, n,
								 query->depth, sim->products, n);
		raise_best(sim->best + i, sim->products, n, count);
	}
}

/* See maxsim.h */
double
maxsim_sum(const MaxSim *sim)
{
	double		sum = 0;

	for (size_t i = 0; i < sim->query.n; i++)
		sum += sim->best[i];
	return sum;
}
