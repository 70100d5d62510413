/*
 * query.c
 *	  What is searched for: a value, prepared so that entries are compared with
 *	  it fast.
 */
#include "ivf/query.h"

#include <float.h>
#include <math.h>


#include "ivf/exact.h"
#include "math/distance/distance.h"

/* Rows that a list must have had at build for its radius to be relied on */
#define RADIUS_ROWS		16

IvfQuery *
ivf_query_create(IvfIndex *index)
{
	const IvfModel *model = index->model;
	const IvfLayout *layout = &index->layout;
	Size		slots = layout->slots + FASTSCAN_VECTORS;
	IvfQuery   *query = (IvfQuery *) palloc0(sizeof(IvfQuery));

	query->index = index;
	query->y = (float *) palloc0(mul_size(model->width, sizeof(float)));
	if (layout->pieces > 0)
		query->scratch = (uint8 *) palloc(ivf_codes_bytes(layout));
	if (layout->has_values)
		query->bounder = ivf_bounder_create(model);
	if (layout->fastscan)
		query->table = (FastScanTable *)
			palloc(fastscan_table_bytes(ivf_nibbles(model)));
	if (model->kind == IVF_RABITQ && !layout->fastscan)
	{
		query->rabitq = (RabitqQuery *)
			palloc0(rabitq_query_bytes(model->width, model->bits));
		query->codes = (const RabitqCode **) palloc(mul_size(slots, sizeof(RabitqCode *)));
	}
	if (model->kind == IVF_EXACT)
	{
		query->exact = (Sq8Query *) palloc0(sq8_query_bytes(model->dims));
		query->sums = (int64 *) palloc(mul_size(slots, sizeof(int64)));
	}
	if (model->kind == IVF_PQ)
	{
		query->numbers = (float *)
			palloc(mul_size(mul_size(model->pq.m, pq_centroids(&model->pq)),
							sizeof(float)));
		query->zeros = (float *) palloc0(mul_size(slots, sizeof(float)));
		query->ks = (float *) palloc(mul_size(slots, sizeof(float)));
		for (Size i = 0; i < slots; i++)
			query->ks[i] = model->column.traits->product ? -1 : -2;
	}
	return query;
}

/* The same of exact codes, which need neither y nor lists */
static void
set_exact(IvfQuery *query)
{
	const IvfModel *model = query->index->model;
	double		norm;

	query->norm = query->mean_product = 0;
	query->constant = query->value == NULL ||
		!column_floats(&model->column, query->value, query->y, &norm);
	if (!query->constant)
		exact_prepare(model, query->y, norm, query->exact);
	memset(query->y, 0, model->width * sizeof(float));
}

/* Tables of product codes, from y */
static void
set_pq_tables(IvfQuery *query)
{
	const IvfModel *model = query->index->model;

	pq_table(&model->pq, model->codebooks, query->y, query->numbers);
	if (query->index->layout.fastscan)
		fastscan_table_numbers(query->table, query->numbers, model->pq.m);
}

void
ivf_query_set_floats(IvfQuery *query, const float *y)
{
	const IvfModel *model = query->index->model;

	Assert(model->kind == IVF_PQ);
	query->value = NULL;
	query->constant = false;
	query->mean_product = 0;
	memcpy(query->y, y, model->width * sizeof(float));
	query->norm = sqrt(distance_kernels->f32_norm2(query->y, model->width));
	set_pq_tables(query);
}

void
ivf_query_set(IvfQuery *query, const struct varlena *value)
{
	const IvfModel *model = query->index->model;
	const IvfLayout *layout = &query->index->layout;

	query->value = value;
	if (query->exact != NULL)
	{
		set_exact(query);
		return;
	}
	query->constant = value == NULL || !ivf_transform(model, value, true, query->y);
	if (query->constant)
	{
		memset(query->y, 0, model->width * sizeof(float));
		return;
	}
	query->mean_product = 0;
	query->norm = sqrt(distance_kernels->f32_norm2(query->y, model->width));
	if (model->column.traits->product)
	{
		float	   *x = (float *) palloc(mul_size(model->dims, sizeof(float)));
		double		norm;

		(void) column_floats(&model->column, value, x, &norm);
		query->mean_product = distance_kernels->f32_ip(x, model->mean, model->dims);
		pfree(x);
	}
	if (query->bounder != NULL)
		bounded_query_set(&query->bounder->query, value);
	if (model->kind == IVF_PQ)
		set_pq_tables(query);
	else if (layout->fastscan)
		fastscan_table_rabitq(query->table, query->y, model->width);
	else if (model->kind == IVF_RABITQ)
		rabitq_query_prepare(query->rabitq, query->y, model->width, model->bits, 0);
}

/* ------------------------------------------------------------------------
 * Estimates
 */

/* Codes in FastScan blocks: all entries of a block that has one which passes */
static void
estimate_blocks(const IvfQuery *query, Page page, const uint8 *codes,
				const uint8 *passes, float base, float *estimates)
{
	const IvfLayout *layout = &query->index->layout;
	uint32		count = ivf_list_page(page)->count;
	const float *add = layout->factors > 0 ? ivf_page_add(layout, page) : query->zeros;
	const float *k = layout->factors > 1 ? ivf_page_k(layout, page) : query->ks;

	for (uint32 i = 0; i < count; i += FASTSCAN_VECTORS)
	{
		if (passes == NULL || memchr(passes + i, 1, FASTSCAN_VECTORS) != NULL)
			fastscan_estimate(query->table,
							  codes + i / FASTSCAN_VECTORS * layout->unit_bytes,
							  add + i, k + i, base, estimates + i);
	}
}

/* Product codes of 8 bits: the whole page, or one run of slots after the other */
static void
estimate_pq8(const IvfQuery *query, Page page, const uint8 *codes,
			 const uint32 *slots, uint32 count, float base, float *estimates)
{
	const IvfModel *model = query->index->model;
	const IvfLayout *layout = &query->index->layout;
	const float *add = layout->factors > 0 ? ivf_page_add(layout, page) : NULL;

	for (uint32 i = 0; i < count;)
	{
		uint32		first = slots != NULL ? slots[i] : i;
		uint32		run = slots != NULL ? 1 : count;

		while (i + run < count && slots[i + run] == first + run)
			run++;
		pq_estimate8(&model->pq, query->numbers,
					 codes + first * layout->unit_bytes, layout->unit_bytes,
					 run, add != NULL ? add + first : NULL, query->ks[0], base,
					 estimates + first);
		i += run;
	}
}

/* RaBitQ codes of more than one bit */
static void
estimate_rabitq(IvfQuery *query, const uint8 *codes, const uint32 *slots,
				uint32 count, float base, float *estimates)
{
	Size		unit_bytes = query->index->layout.unit_bytes;

	for (uint32 i = 0; i < count; i++)
		query->codes[i] = (const RabitqCode *)
			(codes + (slots != NULL ? slots[i] : i) * unit_bytes);
	query->rabitq->base = base;
	rabitq_estimate_many(query->rabitq, query->codes, count, estimates);
}

/* Exact codes: the whole page, or one run of slots after the other */
static void
estimate_exact(IvfQuery *query, Page page, const uint8 *codes, const uint32 *slots,
			   uint32 count, double limit, float *estimates)
{
	const IvfLayout *layout = &query->index->layout;

	for (uint32 i = 0; i < count;)
	{
		uint32		first = slots != NULL ? slots[i] : i;
		uint32		run = slots != NULL ? 1 : count;

		while (i + run < count && slots[i + run] == first + run)
			run++;
		sq8_bounds(query->exact, codes + first * layout->unit_bytes, layout->unit_bytes,
				   ivf_page_k(layout, page) + first, ivf_page_error(layout, page) + first,
				   ivf_page_add(layout, page) + first, run, limit,
				   query->ahead != NULL ? query->ahead + first * layout->unit_bytes : NULL,
				   query->sums, estimates + i);
		i += run;
	}
}

void
ivf_query_estimate(IvfQuery *query, Page page, const uint32 *slots,
				   const uint8 *passes, uint32 count, float base,
				   double limit, float *estimates)
{
	const uint8 *codes = ivf_page_codes(query->index, page, query->scratch);

	if (query->exact != NULL)
	{
		estimate_exact(query, page, codes, slots, count, limit, estimates);
		return;
	}
	if (query->rabitq != NULL)
	{
		estimate_rabitq(query, codes, slots, count, base, estimates);
		return;
	}
	if (query->table != NULL)
		estimate_blocks(query, page, codes, slots != NULL ? passes : NULL, base,
						estimates);
	else
		estimate_pq8(query, page, codes, slots, count, base, estimates);

	/* these lie by slot */
	for (uint32 i = 0; slots != NULL && i < count; i++)
		estimates[i] = estimates[slots[i]];
}

/*
 * A code's error e has length radius * ratio and any direction, so <e, q - c> has
 * a standard deviation of |e| |q - c| / sqrt(width); a squared distance has twice
 * that.
 *
 * That holds for RaBitQ.  Product quantization's error has no random direction,
 * and is far larger for some rows than for others: bounds from its mean, or
 * from any quantile, were too tight on one set of data and useless on another.
 */
float
ivf_query_slack(const IvfQuery *query, const IvfNear *near, double deviations)
{
	const IvfModel *model = query->index->model;
	/* (1 - cos^2) / cos^2 of the angle between residual and code, by bits */
	static const double error2[] = {[1] = 0.57, [2] = 0.135,[4] = 0.0118,[8] = 6e-5};
	double		radius2 = (double) model->radii[near->list] * model->radii[near->list];
	double		deviation;

	/* of few rows at build, it is no measure of those that came later */
	if (model->built[near->list] < RADIUS_ROWS)
		radius2 = Max(radius2, model->usual_error);
	deviation = sqrt(error2[model->bits] * radius2 / model->width) * near->spread;
	if (!model->column.traits->product)
		deviation *= 2;
	return (float) Min(deviations * deviation, FLT_MAX);
}

double
ivf_query_reduce(const IvfQuery *query, double distance)
{
	return query->index->model->column.traits->reduce(distance) + query->mean_product;
}

double
ivf_query_restore(const IvfQuery *query, double reduced)
{
	return query->index->model->column.traits->restore(reduced - query->mean_product);
}
