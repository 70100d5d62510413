/*
 * cluster.h
 *	  k-means over rows of float32, and the nearest of many centroids.
 *
 * Pure C: nothing here knows PostgreSQL.  Matrices are row-major without gaps.
 * Memory comes from the caller (math/host.h).
 */
#ifndef VECTOR_MATH_CLUSTER_H
#define VECTOR_MATH_CLUSTER_H

#include "math/host.h"

#include <stdbool.h>

/* ------------------------------------------------------------------------
 * Centroids, laid out for the kernels
 */

typedef struct CentroidPanel CentroidPanel;

/*
 * Copy k centroids of dims floats into a panel: about k * dims floats, and two
 * levels of them where two_level (below) is worth it.
 */
extern CentroidPanel *centroid_panel_create(const ClusterHost *host,
											const float *centroids,
											size_t k, size_t dims,
											bool two_level);
extern void centroid_panel_free(const ClusterHost *host, CentroidPanel *panel);

/* Bytes that centroid_panel_create allocates at most */
extern double centroid_panel_bytes(size_t k, size_t dims, bool two_level);

/*
 * The nearest centroid of each of n rows, by Euclidean distance, ties to the
 * lowest number; distance (may be NULL) gets its square, never below 0.  A
 * row with an element that is not finite gets some centroid.  In a two-level
 * panel only centroids in the nearest groups are looked at: almost always the
 * same answer, at a fraction of the time where there are thousands.
 */
extern void centroid_panel_nearest(const CentroidPanel *panel,
								   const ClusterHost *host,
								   const float *rows, size_t n,
								   uint32_t *nearest, float *distance);

/* All squared distances, n * k of them; of a panel of one level or two */
extern void centroid_panel_distances(const CentroidPanel *panel,
									 const ClusterHost *host,
									 const float *rows, size_t n, float *out);

/* All inner products <row, centroid>, n * k of them */
extern void centroid_panel_products(const CentroidPanel *panel,
									const ClusterHost *host,
									const float *rows, size_t n, float *out);

/* ------------------------------------------------------------------------
 * The middle of rows
 */

/*
 * The mean of n >= 1 rows of dims floats, each stride floats after the other, but
 * for those far from all others, of which there may be almost half; into centre.
 * Returns the largest difference that an element of the rows counted has from
 * it.
 */
extern double cluster_centre(const ClusterHost *host, const float *rows,
							 size_t n, size_t dims, size_t stride,
							 float *centre);

/* ------------------------------------------------------------------------
 * k-means
 */

typedef struct KmeansParams
{
	size_t		k;				/* 1 or more; may exceed the number of rows */
	int			iterations;		/* at most; 0: the default */
	uint64_t	seed;			/* same rows and seed, same centroids */
	bool		spherical;		/* centroids are scaled to norm 1; rows count as if
								 * they were */
} KmeansParams;

typedef struct KmeansResult
{
	double		error;			/* mean squared distance of rows to their centroid */
	int			iterations;		/* done */
	size_t		distinct;		/* clusters that have rows; the others are copies */
} KmeansResult;

/*
 * Centroids (k * dims) of n >= 1 rows of finite elements; n and k are below
 * 2^32 - 1.  sizes (k, may be NULL) gets the number of rows of each.
 * Hierarchical where k is large, so that 32,768 centroids take minutes.  Empty
 * clusters are filled from the largest; where there are fewer distinct rows
 * than k, centroids repeat.
 *
 * Where host->share is there, rows lie in memory of host->alloc.  The result has
 * the same bits, whatever processes there are.
 */
extern KmeansResult kmeans(const ClusterHost *host, const float *rows,
						   size_t n, size_t dims, const KmeansParams *params,
						   float *centroids, uint64_t *sizes);

/*
 * Bytes that kmeans allocates at most, rows not counted; with host->share, as many
 * as the centroids besides
 */
extern double kmeans_bytes(size_t n, size_t dims, size_t k);

/*
 * Do parts of a job (any but HOST_CODEBOOKS) that kmeans or centroid_panel_nearest
 * shares: in the process that runs these, and in others.
 */
extern void cluster_do(const ClusterHost *host, HostTask task, const void *job,
					   const HostParts *parts);

/*
 * Bytes that cluster_do allocates for k-means of n rows with k centroids: about,
 * since a group of rows may be much larger than others
 */
extern double cluster_do_bytes(size_t n, size_t dims, size_t k);

#endif							/* VECTOR_MATH_CLUSTER_H */
