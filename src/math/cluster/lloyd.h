/*
 * lloyd.h
 *	  k-means over rows in memory, one level: seeds, iterations, empty clusters.
 *
 * Private to src/math/cluster.
 */
#ifndef VECTOR_MATH_CLUSTER_LLOYD_H
#define VECTOR_MATH_CLUSTER_LLOYD_H

#include "matrix.h"

#define LLOYD_ITERATIONS	10

/* Seeds are drawn from so many rows a seed, and from so many at least */
#define SEED_ROWS			16
#define SEED_ROWS_MIN		4096

/* What training computes with, and where it stands */
typedef struct Training
{
	const ClusterHost *host;
	Work	   *work;
	const Space *space;
	uint64_t	random;
	double		progress_from;	/* of 0 .. 1, this part */
	double		progress_to;
} Training;

/* Rows in clusters; arrays are of the caller's */
typedef struct Clusters
{
	Rows		rows;
	size_t		k;
	float	   *centroids;		/* k * dims */
	uint32_t   *number;			/* of each row: its cluster */
	float	   *distance;		/* of each row: inner squared distance */
	uint32_t   *order;			/* rows' indexes, cluster by cluster */
	size_t	   *first;			/* k + 1: where a cluster begins in order */
	double	   *error;			/* of each cluster: sum of distances */
} Clusters;

/* number and distance of all rows, from the centroids */
typedef void (*LloydAssign) (Training *training, Clusters *clusters, void *arg);

/*
 * count indexes of n, spread evenly, ascending; count <= n.
 */
extern void random_sample(uint64_t *state, size_t n, size_t count,
						  uint32_t *sample);

/* Allocate the arrays except for centroids; clusters_free them. */
extern void clusters_init(Clusters *clusters, const ClusterHost *host,
						  const Rows *rows, size_t k, float *centroids);
extern void clusters_free(Clusters *clusters, const ClusterHost *host);
extern double clusters_bytes(size_t n, size_t k);

/* order, first and error from number and distance; returns the whole error */
extern double clusters_sort(Training *training, Clusters *clusters);

/*
 * The centroids of clusters from .. to - 1 that have rows: their means, or those
 * scaled to norm 1.
 */
extern void clusters_means(const ClusterHost *host, const Space *space,
						   Work *work, Clusters *clusters, size_t from,
						   size_t to);

/*
 * Improve the centroids in up to iterations steps; number, order and so on are
 * of the last ones.  Empty clusters may be left only where there is no other
 * one to divide, or (rarely) where that did not help for a while.
 */
extern KmeansResult lloyd_iterate(Training *training, Clusters *clusters,
								  int iterations, LloydAssign assign,
								  void *arg);

/* Seeds, then lloyd_iterate against all centroids */
extern KmeansResult lloyd(Training *training, Clusters *clusters,
						  int iterations);

/* Bytes that lloyd allocates at most, besides the clusters' arrays */
extern double lloyd_bytes(size_t n, size_t dims, size_t k);

#endif							/* VECTOR_MATH_CLUSTER_LLOYD_H */
