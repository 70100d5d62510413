/*
 * kernels.h
 *	  What k-means computes in its innermost loops, one table per instruction
 *	  set.
 *
 * Pure C: nothing here knows PostgreSQL.  Callers want cluster.h, which uses the
 * table in use; of this file they need cluster_set_level only.
 *
 * A kernel multiplies a tile, a few rows, by blocks of centroids.  Both are
 * cut into chunks of at most CLUSTER_CHUNK dimensions; sums go on from chunk to
 * chunk through memory.  A block of a chunk has for each of its dimensions
 * the elements of all its centroids, side by side.  Nothing in here is infinite
 * or NaN: shift sees to that.
 */
#ifndef VECTOR_MATH_CLUSTER_KERNELS_H
#define VECTOR_MATH_CLUSTER_KERNELS_H

#include "../distance/distance.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Dimensions at once: a tile of 14 rows of it (22 kB) stays in the first-level
 * cache of 32 kB while blocks stream by.
 */
#define CLUSTER_CHUNK		384

/* Floats from a tile's row to the next; no multiple of a page's part */
#define CLUSTER_STRIDE		(CLUSTER_CHUNK + 16)

/* The largest tile and block of any level */
#define CLUSTER_MAX_ROWS	14
#define CLUSTER_MAX_BLOCK	32

/* Elements are kept within this, so that no sum of 64,000 products overflows */
#define CLUSTER_LIMIT		0x1p54f

/* Where padding of a block starts: below the sum of any centroid */
#define CLUSTER_NOWHERE		(-3.4028234663852886e38f)

typedef struct ClusterTile
{
	const float *rows;			/* count rows, CLUSTER_STRIDE apart */
	int			count;			/* 1 .. the level's rows */
	size_t		dims;			/* of this chunk, 1 .. CLUSTER_CHUNK */
	const float *blocks;		/* blocks * dims * the level's block floats */
	size_t		nblocks;

	/* What sums start from, one a centroid; NULL: they are added to *sums */
	const float *start;

	/*
	 * The sums, block by block; in a block, row by row.  A block has room for
	 * all rows of a tile, whatever the count; what lies in the others is lost.
	 */
	float	   *sums;

	/*
	 * nearest only: the largest sum of each row yet and the centroid's number,
	 * replaced where there is a larger one; first is the number of the first
	 * centroid here.
	 */
	uint32_t	first;
	float	   *best;
	uint32_t   *number;
} ClusterTile;

typedef struct ClusterKernels
{
	const char *name;			/* as in DistanceKernels */
	int			rows;			/* of a tile */
	int			block;			/* centroids of a block */
	size_t		cache;			/* bytes of blocks that many tiles reuse */

	/*
	 * A tile's rows: out = row * scale - minus within +- CLUSTER_LIMIT, NaN at
	 * its lower end; count rows of dims floats, each with its scale; minus may
	 * be NULL, for 0.  norms (one a row) are increased by the sums of squares.
	 */
	void		(*shift) (const float *const *rows, int count,
						  const float *scales, const float *minus, size_t dims,
						  float *out, float *norms);

	/* sums = start (or what they were) + inner products */
	void		(*multiply) (const ClusterTile *tile);

	/* The same sums' largest, of the lowest number; the sums are not kept */
	void		(*nearest) (const ClusterTile *tile);

	/* sum += row * scale, element by element, in float64 */
	void		(*accumulate) (double *sum, const float *row, double scale,
							   size_t dims);
} ClusterKernels;

/* The table in use; points to the scalar one until cluster_set_level. */
extern const ClusterKernels *cluster_kernels;

/* The table of a level, or NULL; see simd_choose. */
extern const ClusterKernels *cluster_table(SimdLevel level);

/*
 * Put a level's table in use; returns 0, or -1 (and changes nothing).  Panels
 * made before keep theirs.
 */
extern int	cluster_set_level(SimdLevel level);

#endif							/* VECTOR_MATH_CLUSTER_KERNELS_H */
