/*
 * scalar.c
 *	  The k-means kernels in plain C: the specification.
 *
 * The other levels may add in another order and fuse products with additions,
 * so that sums differ in their last bits.
 */
#include "tables.h"

#define TILE_ROWS	4
#define BLOCK		8
#define CACHE_BYTES ((size_t) 192 * 1024)

static void
shift(const float *const *rows, int count, const float *scales,
	  const float *minus, size_t dims, float *out, float *norms)
{
	for (int r = 0; r < count; r++)
	{
		float	   *to = out + (size_t) r * CLUSTER_STRIDE;
		float		sum = 0;

		for (size_t i = 0; i < dims; i++)
		{
			float		x = rows[r][i] * scales[r];

			if (minus != NULL)
				x -= minus[i];
			x = x > -CLUSTER_LIMIT ? x : -CLUSTER_LIMIT;
			x = x < CLUSTER_LIMIT ? x : CLUSTER_LIMIT;
			sum += x * x;
			to[i] = x;
		}
		norms[r] += sum;
	}
}

/*
 * The sums of a tile with block b, for rows behind the count, too; row by row,
 * so that a compiler can keep the sums in registers.
 */
static void
sum_block(const ClusterTile *tile, size_t b, float sums[TILE_ROWS][BLOCK])
{
	for (int r = 0; r < TILE_ROWS; r++)
	{
		const float *block = tile->blocks + b * tile->dims * BLOCK;
		const float *row = tile->rows + r * CLUSTER_STRIDE;
		float		sum[BLOCK];

		for (int j = 0; j < BLOCK; j++)
			sum[j] = tile->start != NULL ? tile->start[b * BLOCK + j] : 0;
		for (size_t i = 0; i < tile->dims; i++)
			for (int j = 0; j < BLOCK; j++)
				sum[j] += row[i] * block[i * BLOCK + j];
		for (int j = 0; j < BLOCK; j++)
			sums[r][j] = tile->start != NULL ? sum[j] :
				sum[j] + tile->sums[(b * TILE_ROWS + r) * BLOCK + j];
	}
}

static void
multiply(const ClusterTile *tile)
{
	for (size_t b = 0; b < tile->nblocks; b++)
	{
		float		sums[TILE_ROWS][BLOCK];

		sum_block(tile, b, sums);
		for (int r = 0; r < TILE_ROWS; r++)
			for (int j = 0; j < BLOCK; j++)
				tile->sums[(b * TILE_ROWS + r) * BLOCK + j] = sums[r][j];
	}
}

static void
nearest(const ClusterTile *tile)
{
	for (size_t b = 0; b < tile->nblocks; b++)
	{
		float		sums[TILE_ROWS][BLOCK];

		sum_block(tile, b, sums);
		for (int r = 0; r < tile->count; r++)
			for (int j = 0; j < BLOCK; j++)
				if (sums[r][j] > tile->best[r])
				{
					tile->best[r] = sums[r][j];
					tile->number[r] = tile->first + (uint32_t) (b * BLOCK + j);
				}
	}
}

static void
accumulate(double *sum, const float *row, double scale, size_t dims)
{
	for (size_t i = 0; i < dims; i++)
		sum[i] += row[i] * scale;
}

const ClusterKernels cluster_scalar = CLUSTER_TABLE("scalar");
