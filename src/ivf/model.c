/*
 * model.c
 *	  How values become codes, and centroids codes of their own.
 */
#include "ivf/exact.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "index/sample.h"
#include "math/distance/distance.h"

/* Dimensions from which lists are chosen by codes, if they are many */
#define CODED_WIDTH		64

/* ------------------------------------------------------------------------
 * The model
 */

void
ivf_model_init(IvfModel *model, const IvfMeta *meta, IndexColumn column)
{
	memset(model, 0, sizeof(*model));
	model->kind = (IvfKind) meta->kind;
	model->column = column;
	model->dims = meta->dims;
	model->width = meta->width;
	model->bits = meta->bits;
	model->opq = meta->opq;
	model->lists = meta->lists;
	model->keeps_values = meta->value_slot_size > 0;
	if (model->kind == IVF_RABITQ &&
		rotation_init(&model->rotation, model->dims, meta->seed) != 0)
		elog(ERROR, "cannot rotate %d dimensions", model->dims);
	if (model->kind == IVF_PQ &&
		pq_shape_init(&model->pq, model->width, meta->m, model->bits) != 0)
		elog(ERROR, "cannot cut %d dimensions into %u parts", model->width,
			 meta->m);
	model->has_codes = (uint64) model->lists * model->width > IVF_CACHED_CENTROIDS &&
		model->width >= CODED_WIDTH &&
		rotation_init(&model->code_rotation, model->width, meta->seed + 1) == 0;
}

/* Bytes of the FastScan blocks of the centroids' codes */
static Size
code_block_bytes(const IvfModel *model)
{
	return mul_size((model->lists + FASTSCAN_VECTORS - 1) / FASTSCAN_VECTORS,
					fastscan_block_bytes(model->code_rotation.padded / 4));
}

IvfConstants
ivf_constants(const IvfMeta *meta)
{
	IvfConstants result;
	IvfModel	model;
	IndexColumn column = {0};
	uint64		at = 0;

	ivf_model_init(&model, meta, column);
	result.mean = at;
	at += meta->dims;
	result.codebooks = at;
	if (model.kind == IVF_PQ)
		at += pq_codebook_floats(&model.pq);
	result.weights = at;
	if (model.kind == IVF_EXACT)
		at += meta->dims;
	result.matrix = at;
	if (model.opq)
		at += (uint64) meta->dims * meta->dims;
	result.code_blocks = result.code_add = result.code_k = at;
	if (model.has_codes)
	{
		uint64		blocks = (meta->lists + FASTSCAN_VECTORS - 1) / FASTSCAN_VECTORS;

		at += code_block_bytes(&model) / sizeof(float);
		result.code_add = at;
		at += blocks * FASTSCAN_VECTORS;
		result.code_k = at;
		at += blocks * FASTSCAN_VECTORS;
	}
	result.centroids = at;
	at += (uint64) meta->lists * meta->width;
	result.total = at;
	return result;
}

void
ivf_transform_floats(const IvfModel *model, bool for_query, float *y)
{
	float		largest = 0;
	int			dims = model->dims;

	if (model->mean != NULL &&
		!(for_query && model->column.traits->product))
	{
		for (int i = 0; i < dims; i++)
			y[i] -= model->mean[i];
	}

	/*
	 * Products of these must not become infinite and then no number.  What is
	 * too long keeps its direction.
	 */
	for (int i = 0; i < dims; i++)
		largest = Max(largest, fabsf(y[i]));
	if (unlikely(largest > 1e18f))
	{
		largest = Min(largest, FLT_MAX);
		for (int i = 0; i < dims; i++)
			y[i] = Max(Min(y[i], FLT_MAX), -FLT_MAX) / largest * 1e18f;
	}
	if (model->kind == IVF_RABITQ)
		rotation_apply(&model->rotation, model->signs, y);
	else if (model->opq)
	{
		float	   *x = (float *) palloc(mul_size(dims, sizeof(float)));

		memcpy(x, y, dims * sizeof(float));
		pq_rotate(model->matrix, dims, x, y);
		pfree(x);
	}
}

bool
ivf_transform(const IvfModel *model, const struct varlena *value,
			  bool for_query, float *y)
{
	double		norm;

	if (!column_floats(&model->column, value, y, &norm))
		return false;
	ivf_transform_floats(model, for_query, y);
	return true;
}

/*
 * The inverse of a rotation, which is orthogonal, needs no steps of its own:
 * element i of T' y is <y, T e_i>.
 */
static void
rotate_back(const IvfModel *model, float *y)
{
	float	   *x = (float *) palloc(mul_size(model->dims, sizeof(float)));
	float	   *unit = (float *) palloc(mul_size(model->width, sizeof(float)));

	for (int i = 0; i < model->dims; i++)
	{
		CHECK_FOR_INTERRUPTS();
		memset(unit, 0, model->width * sizeof(float));
		unit[i] = 1;
		rotation_apply(&model->rotation, model->signs, unit);
		x[i] = distance_kernels->f32_ip(y, unit, model->width);
	}
	memcpy(y, x, model->dims * sizeof(float));
	pfree(unit);
	pfree(x);
}

void
ivf_transform_back(const IvfModel *model, float *y)
{
	if (model->kind == IVF_RABITQ)
		rotate_back(model, y);
	else if (model->opq)
	{
		float	   *x = (float *) palloc(mul_size(model->dims, sizeof(float)));

		pq_rotate_back(model->matrix, model->dims, y, x);
		memcpy(y, x, model->dims * sizeof(float));
		pfree(x);
	}
	if (model->mean != NULL)
	{
		for (int i = 0; i < model->dims; i++)
			y[i] += model->mean[i];
	}
}

void
ivf_make_centroid_codes(IvfModel *model, const float *centroids)
{
	int			padded = model->code_rotation.padded;
	Size		nibbles = padded / 4;
	Size		block_bytes = fastscan_block_bytes(nibbles);
	float	   *rotated = (float *) palloc(padded * sizeof(float));
	RabitqCode *code = (RabitqCode *) palloc(rabitq_code_bytes(padded, 1));
	uint32		slots = (model->lists + FASTSCAN_VECTORS - 1) /
		FASTSCAN_VECTORS * FASTSCAN_VECTORS;

	memset(model->code_blocks, 0, code_block_bytes(model));
	for (uint32 i = 0; i < slots; i++)
	{
		RabitqFit	fit;

		if (i >= (uint32) model->lists)
		{
			/* no list: never among the nearest */
			model->code_add[i] = FLT_MAX;
			model->code_k[i] = 0;
			continue;
		}
		CHECK_FOR_INTERRUPTS();
		memcpy(rotated, centroids + (Size) i * model->width,
			   model->width * sizeof(float));
		rotation_apply(&model->code_rotation, model->code_signs, rotated);
		fit = rabitq_encode(rotated, padded, 1, code->levels);
		rabitq_factors(code, RABITQ_L2SQ, fit, 0, 0);
		model->code_add[i] = code->add;
		model->code_k[i] = code->k;
		fastscan_put(model->code_blocks + i / FASTSCAN_VECTORS * block_bytes,
					 nibbles, i % FASTSCAN_VECTORS, code->levels);
	}
	pfree(code);
	pfree(rotated);
}

/* ------------------------------------------------------------------------
 * Entries
 */

Size
ivf_code_bytes(const IvfModel *model)
{
	switch (model->kind)
	{
		case IVF_PQ:
			return pq_code_bytes(&model->pq);
		case IVF_RABITQ:
			return model->bits == 1 ? rabitq_level_bytes(model->width, 1)
				: rabitq_code_bytes(model->width, model->bits);
		case IVF_EXACT:
			return sq8_code_bytes(model->width);
		default:
			return column_value_size(&model->column);
	}
}

/* What encoding needs; of a flat index, the model only */
struct IvfEncoder
{
	const IvfModel *model;
	PqEncoder  *pq;
	RabitqCode *rabitq;
	float	   *residual;
	float	   *decoded;
	double		error;			/* the sum so far: see ivf_encoder_error */
};

IvfEncoder *
ivf_encoder_create(const IvfModel *model)
{
	IvfEncoder *encoder = (IvfEncoder *) palloc0(sizeof(IvfEncoder));

	encoder->model = model;
	if (model->kind == IVF_FLAT)
		return encoder;
	encoder->residual = (float *) palloc0(mul_size(model->width, sizeof(float)));
	encoder->decoded = (float *) palloc0(mul_size(model->width, sizeof(float)));
	if (model->kind == IVF_EXACT)
		return encoder;
	if (model->kind == IVF_PQ)
		encoder->pq = pq_encoder_create(&index_host, &model->pq, model->codebooks);
	else
		encoder->rabitq = (RabitqCode *)
			palloc0(rabitq_code_bytes(model->width, model->bits));
	return encoder;
}

void
ivf_encode(IvfEncoder *encoder, const struct varlena *value, const float *y,
		   const float *c, IvfEntry *entry)
{
	const IvfModel *model = encoder->model;
	int			width = model->width;
	bool		product = model->column.traits->product;

	entry->add = entry->k = entry->error = 0;
	if (model->kind == IVF_EXACT)
	{
		exact_encode(model, value, encoder->residual, entry);
		return;
	}
	if (model->kind == IVF_FLAT)
	{
		Size		size = VARSIZE(value);

		Assert(size <= ivf_code_bytes(model));
		memcpy(entry->code, value, size);
		memset(entry->code + size, 0, ivf_code_bytes(model) - size);
		return;
	}

	for (int i = 0; i < width; i++)
		encoder->residual[i] = y[i] - c[i];
	if (model->kind == IVF_RABITQ)
	{
		RabitqCode *code = encoder->rabitq;
		RabitqFit	fit = rabitq_encode(encoder->residual, width, model->bits,
										code->levels);

		rabitq_factors(code, product ? RABITQ_NEGATIVE_IP : RABITQ_L2SQ, fit,
					   rabitq_dot(code->levels, width, model->bits, c),
					   product ? distance_kernels->f32_ip(encoder->residual, c, width) : 0);
		entry->add = code->add;
		entry->k = code->k;
		memcpy(entry->code, model->bits == 1 ? (void *) code->levels : code,
			   ivf_code_bytes(model));
		return;
	}

	pq_encode(encoder->pq, encoder->residual, 1, entry->code);
	if (!product)
	{
		float		lost;

		pq_decode(&model->pq, model->codebooks, entry->code, encoder->decoded);
		lost = distance_kernels->f32_l2sq(encoder->residual, encoder->decoded, width);
		encoder->error += Min(lost, FLT_MAX);
		entry->add = (float) distance_kernels->f32_norm2(encoder->decoded, width) +
			2 * distance_kernels->f32_ip(encoder->decoded, c, width);
		entry->add = Max(Min(entry->add, FLT_MAX), -FLT_MAX);
	}
}

double
ivf_encoder_error(const IvfEncoder *encoder)
{
	return encoder->error;
}

/* ------------------------------------------------------------------------
 * Values beside the codes
 */

IvfBounder *
ivf_bounder_create(const IvfModel *model)
{
	IvfBounder *bounder = (IvfBounder *) palloc0(sizeof(IvfBounder));

	bounded_query_init(&bounder->query, &model->column);
	bounder->size = ivf_value_size(&model->column);
	bounder->value = (IvfValue *) palloc0(bounder->size);
	bounder->target = InvalidBlockNumber;
	return bounder;
}

SlotId
ivf_write_value(IvfBounder *bounder, ValueStore *values,
				const struct varlena *value, ItemPointer tid, bool log)
{
	bounded_query_set(&bounder->query, value);
	bounded_make(&bounder->query, &bounder->value->bounded);
	bounder->value->tid = *tid;
	return value_store_write(values, &bounder->target, bounder->value,
							 bounder->size, log);
}
