/*
 * calibrate.c
 *	  How many lists a search must read: measured at build, used by searches.
 */
#include "ivf/calibrate.h"

#include "miscadmin.h"

#include "index/sample.h"
#include "ivf/coarse.h"
#include "ivf/reader.h"
#include "math/distance/distance.h"
#include "math/heap/heap.h"

/* Entries that a search reads, about, where no setting says how many lists */
#define LEAST_ROWS_READ	512

/* ------------------------------------------------------------------------
 * At build
 */

void
ivf_neighbors_init(IvfNeighbor *neighbors, int queries)
{
	for (int i = 0; i < queries * IVF_NEIGHBORS; i++)
	{
		neighbors[i].distance = FLT_MAX;
		neighbors[i].list = PG_UINT32_MAX;
	}
}

/* The neighbours are a heap, the farthest on top. */
#define FARTHER(a, b) ((a)->distance > (b)->distance)
HEAP(farthest, IvfNeighbor, FARTHER)

void
ivf_neighbors_add(IvfNeighbor *neighbors, float distance, uint32 list,
				  const ItemPointerData *tid)
{
	IvfNeighbor neighbor = {distance, list, *tid};

	if (distance < neighbors[0].distance)
		farthest_sink(neighbors, IVF_NEIGHBORS, 0, neighbor);
}

void
ivf_neighbors_find(IvfNeighbor *neighbors, const CentroidPanel *panel, int count,
				   bool product, const float *ys, int rows, const uint32 *lists,
				   const ItemPointerData *tids, float *products)
{
	if (product)
		centroid_panel_products(panel, &index_host, ys, rows, products);
	else
		centroid_panel_distances(panel, &index_host, ys, rows, products);
	for (int i = 0; i < rows; i++)
	{
		const float *of_row = products + (Size) i * count;

		for (int q = 0; q < count; q++)
			ivf_neighbors_add(neighbors + q * IVF_NEIGHBORS,
							  product ? -of_row[q] : of_row[q], lists[i], &tids[i]);
	}
}

ASCENDING(compare_doubles, double, double, *e)

/* What the neighbours of queries have told */
typedef struct Calibration
{
	uint64	   *at_rank;		/* neighbours by how many lists are nearer than
								 * theirs */
	double	   *reaches;		/* of the list of each neighbour */
	uint64		total;			/* neighbours */
	double	   *ranks;			/* of all lists, for one query */
	double	   *sorted;			/* the same, ascending */
} Calibration;

/* The neighbour that is the query: a row of the table, and the nearest to itself */
static int
place_of_itself(const IvfNeighbor *neighbors)
{
	int			itself = 0;

	for (int i = 1; i < IVF_NEIGHBORS; i++)
	{
		if (neighbors[i].distance < neighbors[itself].distance)
			itself = i;
	}
	return itself;
}

/* Where the lists of a query's neighbours stand in the order of lists */
static void
place_neighbors(Calibration *calibration, const IvfMeta *meta,
				const MetricTraits *traits, const float *centroids, const float *y,
				const IvfNeighbor *neighbors, const IvfListSum *sums)
{
	double	   *ranks = calibration->ranks;
	double		norm = sqrt(distance_kernels->f32_norm2(y, meta->width));
	int			itself = place_of_itself(neighbors);

	for (uint32 i = 0; i < meta->lists; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ranks[i] = ivf_rank(traits, y, norm, centroids + (Size) i * meta->width,
							meta->width, meta->dims, ivf_list_radius(&sums[i]));
	}
	memcpy(calibration->sorted, ranks, meta->lists * sizeof(double));
	qsort(calibration->sorted, meta->lists, sizeof(double), compare_doubles);

	for (int i = 0; i < IVF_NEIGHBORS; i++)
	{
		uint32		list = neighbors[i].list;
		size_t		nearer;

		if (i == itself || list == PG_UINT32_MAX)
			continue;
		LOWER_BOUND(nearer, meta->lists, j, calibration->sorted[j] < ranks[list]);
		calibration->at_rank[Min(nearer, meta->lists - 1)]++;
		calibration->reaches[calibration->total++] =
			ivf_reach(traits, ranks[list], neighbors[0].distance,
					  norm * sqrt(meta->error));
	}
}

/*
 * The points that the metapage keeps: numbers of probes that grow by a bit less
 * than a half each, the last one all lists.  Reach is the quantile of recall's
 * square: it keeps .98 where probes give .95, and that of recall itself, .99.
 */
static void
keep_points(const Calibration *calibration, IvfMeta *meta)
{
	uint64		total = calibration->total;
	uint64		sum = 0;
	double		probes = 1;
	int			point = 0;

	memset(meta->recall, 0, sizeof(meta->recall));
	for (uint32 i = 0; i < meta->lists && total > 0; i++)
	{
		sum += calibration->at_rank[i];
		if (i + 1 < (uint32) probes && i + 1 < meta->lists)
			continue;
		if (point == IVF_RECALL_POINTS)
			break;
		meta->recall[point].probes = i + 1;
		meta->recall[point].recall = (double) sum / total;
		meta->reach[point++] = calibration->reaches
			[sum > 0 ? (uint64) ((double) (sum - 1) * sum / total) : 0];
		probes = Max(probes + 1, probes * 1.45);
		if (point == IVF_RECALL_POINTS - 1)
			probes = meta->lists;
	}
}

void
ivf_calibrate(IvfMeta *meta, const IvfModel *model, const float *centroids,
			  const float *queries, int count, const IvfNeighbor *neighbors,
			  const IvfListSum *sums)
{
	Size		doubles = mul_size(meta->lists, sizeof(double));
	Calibration calibration = {0};

	calibration.at_rank = (uint64 *) palloc0(mul_size(meta->lists, sizeof(uint64)));
	calibration.ranks = (double *) palloc(doubles);
	calibration.sorted = (double *) palloc(doubles);
	calibration.reaches = (double *)
		palloc(mul_size(Max(count, 1), IVF_NEIGHBORS * sizeof(double)));
	for (int q = 0; q < count; q++)
		place_neighbors(&calibration, meta, model->column.traits, centroids,
						queries + (Size) q * meta->width,
						neighbors + q * IVF_NEIGHBORS, sums);
	qsort(calibration.reaches, calibration.total, sizeof(double),
		  compare_doubles);
	keep_points(&calibration, meta);
	pfree(calibration.reaches);
	pfree(calibration.sorted);
	pfree(calibration.ranks);
	pfree(calibration.at_rank);
}

/* ------------------------------------------------------------------------
 * What codes lose
 */

/* Recall of lists from which on codes are measured */
#define CODES_FROM		0.8

/* The most rows that are compared, and the steps in which their number is chosen */
#define MOST_DEPTH		2000
#define DEPTH_STEP		20

/* Of what lists lose, the part that codes may lose besides; and what they may anyhow */
#define CODES_PART		0.25
#define CODES_LEAST		0.005

/* Rows that are kept of what is read, for MOST_DEPTH of them to be told apart */
#define CODES_KEPT		(MOST_DEPTH + 48)

/*
 * How many rows of what has been found are before a neighbour, by their estimates?
 * MOST_DEPTH: too many, or it has not been found.
 */
static Size
rank_of(const FoundSet *found, const IvfNeighbor *neighbor)
{
	Size		rank = 0;
	double		bound = NAN;

	for (Size i = 0; i < found->count && isnan(bound); i++)
	{
		if (ItemPointerEquals(&found->rows[i].tid,
							  unconstify(ItemPointerData *, &neighbor->tid)))
			bound = found->rows[i].bound;
	}
	if (isnan(bound))
		return MOST_DEPTH;
	for (Size i = 0; i < found->count; i++)
		rank += found->rows[i].bound < bound;
	return Min(rank, MOST_DEPTH);
}

/* Choose the depth of a point from how many neighbours have which rank. */
static void
choose_depth(IvfMeta *meta, int point, const uint64 *at_rank, uint64 total)
{
	double		lists = meta->recall[point].recall;
	double		enough = lists - Max((1 - lists) * CODES_PART, CODES_LEAST);
	uint64		sum = 0;
	int			depth = 0;

	while (depth < MOST_DEPTH && (sum < enough * total || depth % DEPTH_STEP != 0))
		sum += at_rank[depth++];
	meta->depth[point] = (uint16) depth;
	meta->recall[point].recall = Min(lists, (float) sum / total);
}

void
ivf_calibrate_codes(Relation relation, IvfMeta *meta, const float *queries,
					int count, const IvfNeighbor *neighbors)
{
	IvfIndex   *index = ivf_open(relation);
	IvfQuery   *query = ivf_query_create(index);
	uint64	   *at_rank = (uint64 *) palloc((MOST_DEPTH + 1) * sizeof(uint64));
	ScanStats	stats = {0};
	FoundSet	found;
	IvfReader  *reader;

	found_init(&found);
	reader = ivf_reader_create(query, NULL, &found, &stats, false);
	for (int point = 0; point < IVF_RECALL_POINTS && meta->recall[point].probes > 0; point++)
	{
		uint64		total = 0;
		bool		all = meta->recall[point].recall >= 1;

		if (meta->recall[point].recall < CODES_FROM)
			continue;
		memset(at_rank, 0, (MOST_DEPTH + 1) * sizeof(uint64));
		for (int q = 0; q < count; q++)
		{
			const IvfNeighbor *near = neighbors + q * IVF_NEIGHBORS;
			int			itself = place_of_itself(near);

			CHECK_FOR_INTERRUPTS();
			ivf_query_set_floats(query, queries + (Size) q * meta->width);
			found_start(&found, CODES_KEPT, 1);
			ivf_reader_new_round(reader);
			ivf_reader_start(reader, meta->recall[point].probes, 0, -INFINITY);
			for (int i = 0; i < IVF_NEIGHBORS; i++)
			{
				if (i == itself || near[i].list == PG_UINT32_MAX)
					continue;
				at_rank[rank_of(&found, &near[i])]++;
				total++;
			}
		}
		if (total > 0)
			choose_depth(meta, point, at_rank, total);

		/* with further lists, what is read is the same as far as it matters */
		if (all)
		{
			for (int i = point + 1; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
			{
				meta->depth[i] = meta->depth[point];
				meta->recall[i].recall = meta->recall[point].recall;
			}
			break;
		}
	}
	pfree(at_rank);
}

/* ------------------------------------------------------------------------
 * In a search
 */

int
ivf_scan_probes(const IvfMeta *meta, const IvfEffort *effort)
{
	int			probes = effort->probes;
	double		target = effort->target_recall;
	double		least = 1;

	if (target == 0 && probes == 0)
	{
		target = 0.95;
		/* reading lists of a few rows each costs next to nothing */
		least = LEAST_ROWS_READ * meta->lists / Max(meta->rows, 1);
	}
	if (target > 0)
	{
		float		best = 0;

		/* where codes lose too much for it: no more lists than are of use */
		probes = meta->lists;
		for (int i = 0; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
		{
			if (meta->recall[i].recall <= best)
				continue;
			best = meta->recall[i].recall;
			probes = meta->recall[i].probes;
			if (best >= target)
				break;
		}
	}
	return (int) Max(1, Min(Max(probes, least), meta->lists));
}

/*
 * Entries of which a share passes are as far apart as if there were so many
 * fewer rows, and their lists with them.  Measured on Fashion-MNIST: 14, 29, 59,
 * 135 and 332 of 980 lists, where 9 do without conditions, for shares of .1, .03,
 * .01, .003 and .001.
 */
double
ivf_filtered_probes(const IvfMeta *meta, const IvfEffort *effort, double share)
{
	return Min(ivf_scan_probes(meta, effort) / sqrt(Max(share, 1e-9)), meta->lists);
}

int
ivf_scan_depth(const IvfMeta *meta, int probes)
{
	int			depth = 0;

	for (int i = 0; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
	{
		if (i == 0 || (int) meta->recall[i].probes <= probes)
			depth = meta->depth[i];
	}
	return depth;
}

double
ivf_scan_reach(const IvfMeta *meta, int probes)
{
	double		reach = INFINITY;

	for (int i = 0; i < IVF_RECALL_POINTS && meta->recall[i].probes > 0; i++)
	{
		if (i == 0 || (int) meta->recall[i].probes <= probes)
			reach = meta->reach[i];
	}
	return reach;
}

double
ivf_reach(const MetricTraits *traits, double rank, double tenth, double unit)
{
	double		reach = INFINITY;

	if (!traits->has_floor)
		reach = unit > 0 ? (rank - tenth) / unit : 0;
	else if (tenth > 0)
		reach = rank / tenth;

	/* products beyond double, less each other, say nothing */
	return isnan(reach) ? INFINITY : reach;
}
