/*
 * calibrate.h
 *	  How many lists a search must read: measured at build, used by searches.
 */
#ifndef VECTOR_IVF_CALIBRATE_H
#define VECTOR_IVF_CALIBRATE_H

#include <float.h>
#include <math.h>

#include "ivf/model.h"
#include "math/cluster/cluster.h"

/* ------------------------------------------------------------------------
 * At build
 */

/* Neighbours of a sampled row, and one more: itself */
#define IVF_NEIGHBORS	11

typedef struct IvfNeighbor
{
	float		distance;
	uint32		list;			/* PG_UINT32_MAX: there is none yet */
	ItemPointerData tid;
} IvfNeighbor;

/* What is summed up over the rows of a list */
typedef struct IvfListSum
{
	double		error;			/* squared distances from the centroid */
	uint64		rows;
} IvfListSum;

/* One more row, at this squared distance, which may be beyond float */
static inline void
ivf_list_sum_add(IvfListSum *sum, float distance)
{
	sum->error += Min(distance, FLT_MAX);
	sum->rows++;
}

/* The root of the mean squared distance of a list's rows from its centroid */
static inline double
ivf_list_radius(const IvfListSum *sum)
{
	return sum->rows > 0 ? sqrt(sum->error / sum->rows) : 0;
}

/* No neighbours yet of so many queries; IVF_NEIGHBORS each */
extern void ivf_neighbors_init(IvfNeighbor *neighbors, int queries);

/* A row of a list is at this distance of the query of these neighbours. */
extern void ivf_neighbors_add(IvfNeighbor *neighbors, float distance,
							  uint32 list, const ItemPointerData *tid);

/*
 * Which of some rows, whose y's, lists and TIDs these are, are neighbours of count
 * queries, which panel is of?  product: by inner product, not by Euclidean distance.
 * products has room for rows times count numbers.
 */
extern void ivf_neighbors_find(IvfNeighbor *neighbors, const CentroidPanel *panel,
							   int count, bool product, const float *ys, int rows,
							   const uint32 *lists, const ItemPointerData *tids,
							   float *products);

/*
 * Fill in recall and reach of meta, from the neighbours of count queries (y's,
 * transformed as such).  sums are those of all lists.
 */
extern void ivf_calibrate(IvfMeta *meta, const IvfModel *model,
						  const float *centroids, const float *queries,
						  int count, const IvfNeighbor *neighbors,
						  const IvfListSum *sums);

/*
 * What product codes lose: where the neighbours stand by estimate, among all that
 * is read with them.  Fills in depth of meta, and lowers its recall by what is lost
 * even so.  The index, which is complete, has meta already.
 */
extern void ivf_calibrate_codes(Relation index, IvfMeta *meta,
								const float *queries, int count,
								const IvfNeighbor *neighbors);

/* ------------------------------------------------------------------------
 * In a search
 */

/* The probes of a scan of an index with these lists, by its calibration */
extern int	ivf_scan_probes(const IvfMeta *meta, const IvfEffort *effort);

/*
 * Lists that a scan is expected to read, to find ten rows of which this share
 * passes
 */
extern double ivf_filtered_probes(const IvfMeta *meta, const IvfEffort *effort,
								  double share);

/* Rows to be compared by a scan with product codes that reads so many lists; or 0 */
extern int	ivf_scan_depth(const IvfMeta *meta, int probes);

/* The reach that was measured of so many probes; INFINITY: nothing was */
extern double ivf_scan_reach(const IvfMeta *meta, int probes);

/*
 * How far beyond the tenth nearest row found so far, at squared distance (or
 * negative product) tenth, a list of this rank is.  The lists that may have
 * nearer rows are those up to a number of this that calibration has found
 * (meta->reach).  unit is |q| times the root of the mean error, for products.
 */
extern double ivf_reach(const MetricTraits *traits, double rank, double tenth,
						double unit);

#endif							/* VECTOR_IVF_CALIBRATE_H */
