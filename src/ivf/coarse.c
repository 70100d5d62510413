/*
 * coarse.c
 *	  Which lists are near: by codes of their centroids, then by floats.
 *
 * By inner product, a list's best entry may lie anywhere around its centroid, the
 * farther out the larger the list's radius r (root mean square of the residuals).
 * An entry's residual in the direction of the query has a standard deviation of
 * about r / sqrt(dims), and the largest of a few hundred is some three deviations
 * out: product_margin.
 */
#include "ivf/coarse.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "math/distance/distance.h"
#include "math/heap/topk.h"

/*
 * Lists whose centroids are compared by their floats, to find the count nearest
 * ones
 */
static inline int
looked_at(int count, bool product)
{
	return product ? 4 * count + 64 : 2 * count + 32;
}

/* Lists are gathered until they are so many times those wanted */
#define GATHERED_FACTOR	4

struct IvfCoarse
{
	IvfIndex   *index;
	FastScanTable *table;
	float	   *rotated;
	TopkEntry  *entries;		/* of all lists */
	int			room;			/* in the arrays that follow */
	IvfNear    *near;
	IvfNear    *ordered;		/* see order_lists, which swaps both */
	float	   *centroid;
};

IvfCoarse *
ivf_coarse_create(IvfIndex *index)
{
	const IvfModel *model = index->model;
	IvfCoarse  *coarse = (IvfCoarse *) palloc0(sizeof(IvfCoarse));

	coarse->index = index;
	coarse->centroid = (float *) palloc(mul_size(model->width, sizeof(float)));
	if (model->has_codes)
	{
		coarse->table = (FastScanTable *)
			palloc(fastscan_table_bytes(model->code_rotation.padded / 4));
		coarse->rotated = (float *)
			palloc(mul_size(model->code_rotation.padded, sizeof(float)));
	}
	return coarse;
}

/* What a list's best entry is likely to have more than its centroid */
static inline double
product_margin(double norm, double radius, int dims)
{
	return 3 * norm * radius / sqrt(dims);
}

double
ivf_rank(const MetricTraits *traits, const float *y, double norm,
		 const float *c, int width, int dims, double radius)
{
	double		distance = traits->reduced(y, c, width);

	return traits->product ? distance - product_margin(norm, radius, dims) : distance;
}

/* Put the count nearest of the n lists in coarse->near in order. */
static void
order_lists(IvfCoarse *coarse, int n, int count)
{
	IvfNear    *near = coarse->near;

	for (int i = 0; i < n; i++)
	{
		coarse->entries[i].key = topk_key(near[i].rank);
		coarse->entries[i].id = (uint64) near[i].list << 32 | i;
	}
	topk_select(coarse->entries, n, count);
	topk_sort(coarse->entries, count);
	for (int i = 0; i < count; i++)
		coarse->ordered[i] = near[(uint32) coarse->entries[i].id];
	coarse->near = coarse->ordered;
	coarse->ordered = near;
}

/*
 * The count lists (at most all) that codes say are nearest, in no order, with
 * ranks by these
 */
static void
by_codes(IvfCoarse *coarse, const float *y, double norm, int count, bool product)
{
	const IvfModel *model = coarse->index->model;
	Size		nibbles = model->code_rotation.padded / 4;
	Size		block_bytes = fastscan_block_bytes(nibbles);
	static const float zeros[FASTSCAN_VECTORS];
	float		limit = INFINITY;	/* at first, none is beyond it */
	int			gathered = 0;

	memcpy(coarse->rotated, y, model->width * sizeof(float));
	rotation_apply(&model->code_rotation, model->code_signs, coarse->rotated);
	fastscan_table_rabitq(coarse->table, coarse->rotated,
						  model->code_rotation.padded);
	for (int i = 0; i < model->lists; i += FASTSCAN_VECTORS)
	{
		float		estimates[FASTSCAN_VECTORS];

		fastscan_estimate(coarse->table,
						  model->code_blocks + i / FASTSCAN_VECTORS * block_bytes,
						  product ? zeros : model->code_add + i, model->code_k + i,
						  0, estimates);
		for (int j = 0; j < Min(FASTSCAN_VECTORS, model->lists - i); j++)
		{
			/* most are not worth making a key of */
			if (estimates[j] > limit)
				continue;
			coarse->entries[gathered].key = topk_key(estimates[j]);
			coarse->entries[gathered++].id = i + j;
		}
		if (gathered / GATHERED_FACTOR >= count)
		{
			uint64		last = 0;

			topk_select(coarse->entries, gathered, count);
			gathered = count;
			for (int j = 0; j < count; j++)
				last = Max(last, coarse->entries[j].key);
			limit = (float) topk_number(last);
		}
	}
	topk_select(coarse->entries, gathered, count);
	for (int i = 0; i < count; i++)
	{
		IvfNear    *near = &coarse->near[i];

		near->list = coarse->entries[i].id;
		near->spread = -1;
		near->rank = (float) topk_number(coarse->entries[i].key);
		if (!product)
			near->rank = Max(near->rank + norm * norm, 0);
		else
			near->rank -= product_margin(norm, model->radii[near->list], model->dims);
	}
}

/* An array of count members, in place of an old one */
static void *
grow(IvfCoarse *coarse, void *old, int count, Size size)
{
	if (old != NULL)
		pfree(old);
	return MemoryContextAllocHuge(GetMemoryChunkContext(coarse),
								  mul_size(count, size));
}

/* Make room for count lists, and for the estimates of all. */
static void
need_lists(IvfCoarse *coarse, int count)
{
	if (coarse->entries == NULL)
		coarse->entries = (TopkEntry *)
			grow(coarse, NULL, coarse->index->model->lists, sizeof(TopkEntry));
	if (count <= coarse->room)
		return;
	coarse->room = count;
	coarse->near = (IvfNear *) grow(coarse, coarse->near, count, sizeof(IvfNear));
	coarse->ordered = (IvfNear *) grow(coarse, coarse->ordered, count, sizeof(IvfNear));
}

void
ivf_measure_list(IvfCoarse *coarse, const float *y, double norm,
				 const MetricTraits *traits, IvfNear *near)
{
	const IvfModel *model = coarse->index->model;
	const float *c = coarse->centroid;

	if (model->centroids != NULL)
		c = model->centroids + (Size) near->list * model->width;
	else
		ivf_read_centroid(coarse->index, near->list, coarse->centroid);
	near->base = traits->reduced(y, c, model->width);
	near->rank = near->base;
	if (traits->product)
	{
		near->rank -= product_margin(norm, model->radii[near->list], model->dims);
		near->spread = sqrtf(distance_kernels->f32_l2sq(y, c, model->width));
	}
	else
	{
		near->base = Min(near->base, FLT_MAX);
		near->spread = sqrtf(near->base);
	}
}

int
ivf_all_lists(IvfCoarse *coarse, IvfNear **lists)
{
	int			count = coarse->index->model->lists;

	need_lists(coarse, count);
	for (int i = 0; i < count; i++)
	{
		coarse->near[i].list = i;
		coarse->near[i].spread = -1;
	}
	*lists = coarse->near;
	return count;
}

int
ivf_nearest_by_codes(IvfCoarse *coarse, const float *y, int count,
					 IvfNear **lists)
{
	const IvfModel *model = coarse->index->model;
	const MetricTraits *traits = model->column.traits;

	count = Min(count, model->lists);
	if (!model->has_codes || !traits->coded)
		return ivf_nearest_lists(coarse, y, count, true, lists);
	need_lists(coarse, count);
	by_codes(coarse, y, sqrt(distance_kernels->f32_norm2(y, model->width)), count,
			 traits->product);
	order_lists(coarse, count, count);
	*lists = coarse->near;
	return count;
}

int
ivf_nearest_lists(IvfCoarse *coarse, const float *y, int count,
				  bool for_query, IvfNear **lists)
{
	const IvfModel *model = coarse->index->model;
	const MetricTraits *traits = for_query ? model->column.traits
		: &metric_traits[METRIC_L2];
	double		norm = sqrt(distance_kernels->f32_norm2(y, model->width));
	int			candidates = model->lists;

	count = Min(count, model->lists);
	if (model->has_codes && traits->coded)
		candidates = Min(looked_at(count, traits->product), model->lists);
	need_lists(coarse, candidates);
	if (candidates < model->lists)
		by_codes(coarse, y, norm, candidates, traits->product);
	else
	{
		for (int i = 0; i < model->lists; i++)
			coarse->near[i].list = i;
	}

	for (int i = 0; i < candidates; i++)
	{
		if (i % 64 == 0)
			CHECK_FOR_INTERRUPTS();
		if (i + 1 < candidates)
			ivf_prefetch_centroid(coarse->index, coarse->near[i + 1].list);
		ivf_measure_list(coarse, y, norm, traits, &coarse->near[i]);
	}
	order_lists(coarse, candidates, count);
	*lists = coarse->near;
	return count;
}
