/*
 * pq.h
 *	  Product quantization: a vector as the numbers of the nearest centroids of
 *	  its parts, and distances summed up from tables.
 *
 * Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search",
 * TPAMI 2011; rotation: Ge, He, Ke, Sun, "Optimized Product Quantization",
 * CVPR 2013.
 *
 * Vectors have dims floats, cut into m parts of dims / m (the last of padded
 * vectors filled up with zeros): pq_part floats each.  A code has a number of
 * nbits for each part: 4 bits, two to a byte, the first one in the lower half
 * (what fastscan_put takes), or a byte.
 *
 * Residual coding.  A code stands for r^, near to r = o - c.  Then
 *
 *		|q - c - r^|^2	= |q - c|^2 + (|r^|^2 + 2 <c, r^>) - 2 <q, r^>
 *		- <q, c + r^>	= - <q, c> - <q, r^>
 *
 * so one table of <q, centroid> for each part serves all lists:
 * distance ~ base + add + k * sum with k = -2 or -1, as in rabitq.h.
 */
#ifndef VECTOR_MATH_PQ_H
#define VECTOR_MATH_PQ_H

#include "../cluster/cluster.h"
#include "fastscan.h"

/* The most parts */
#define PQ_MAX_PARTS	4000

typedef struct PqShape
{
	uint32_t	dims;			/* of vectors */
	uint32_t	m;				/* parts */
	uint32_t	part;			/* floats in a part: dims / m, rounded up */
	int32_t		nbits;			/* 4 or 8 */
} PqShape;

/* Fill in *shape; 0, or -1 where numbers are out of range or m > dims. */
extern int	pq_shape_init(PqShape *shape, size_t dims, size_t m, int nbits);

/* Centroids of a part: 16 or 256 */
extern size_t pq_centroids(const PqShape *shape);

/* Floats of all codebooks: m * centroids * part, part by part */
extern size_t pq_codebook_floats(const PqShape *shape);

/* Bytes of a code: (m + 1) / 2 or m */
extern size_t pq_code_bytes(const PqShape *shape);

/*
 * Train codebooks on n rows of dims floats.  n may be smaller than the number
 * of centroids.  Deterministic by seed.  Where host->share is there, rows lie in
 * memory of host->alloc.
 */
extern void pq_train(const ClusterHost *host, const PqShape *shape,
					 const float *rows, size_t n, uint64_t seed,
					 float *codebooks);

/* Parts of the job HOST_CODEBOOKS, which pq_train shares: as cluster_do */
extern void pq_do(const ClusterHost *host, const void *job,
				  const HostParts *parts);

/* Bytes that it allocates at most, where pq_train has n rows */
extern double pq_do_bytes(const PqShape *shape, size_t n);

/*
 * Train a rotation and codebooks for it: rotation gets dims * dims floats,
 * orthogonal to about 1e-5; a rotated vector is y_i = sum_j rotation[i][j] x_j.
 */
extern void pq_train_opq(const ClusterHost *host, const PqShape *shape,
						 const float *rows, size_t n, uint64_t seed,
						 float *rotation, float *codebooks);

/* y = R x, and x = R' y */
extern void pq_rotate(const float *rotation, size_t dims, const float *x,
					  float *y);
extern void pq_rotate_back(const float *rotation, size_t dims, const float *y,
						   float *x);

/* What encoding many rows needs, made once of codebooks */
typedef struct PqEncoder PqEncoder;
extern PqEncoder *pq_encoder_create(const ClusterHost *host,
									const PqShape *shape,
									const float *codebooks);
extern void pq_encoder_free(const ClusterHost *host, PqEncoder *encoder);

/*
 * Encode n rows; codes has n * pq_code_bytes.  Unused upper halves are zero.
 * Elements that are not finite give some code.
 */
extern void pq_encode(PqEncoder *encoder, const float *rows, size_t n,
					  uint8_t *codes);

/* r^: what a code stands for, dims floats */
extern void pq_decode(const PqShape *shape, const float *codebooks,
					  const uint8_t *code, float *row);

/*
 * The table of a query: <q, centroid> for each part and centroid, m * centroids
 * floats.  For 4 bits, fastscan_table_numbers takes it as it is.
 */
extern void pq_table(const PqShape *shape, const float *codebooks,
					 const float *q, float *numbers);

/*
 * For 8 bits: the sums of count codes (stride bytes from one to the next) over
 * the table's numbers, out[i] = base + add[i] + k * sum.  add may be NULL: 0.
 */
extern void pq_estimate8(const PqShape *shape, const float *numbers,
						 const uint8_t *codes, size_t stride, size_t count,
						 const float *add, float k, float base, float *out);

#endif							/* VECTOR_MATH_PQ_H */
