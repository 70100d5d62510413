/*
 * codec.c
 *	  How an index keeps the value of an element, and what distances it
 *	  computes from that.
 */
#include "index/codec.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "math/distance/distance.h"
#include "storage/page_check.h"
#include "types/dense.h"
#include "types/sparse.h"

bool
codec_quantizable(const IndexColumn *column)
{
	return (column->type->kind == COLUMN_VECTOR ||
			column->type->kind == COLUMN_HALFVEC) &&
		column->traits->coded;
}

/* From so many dimensions on, a sample of sparse values would have few rows */
#define SPARSE_MEAN_DIMS	32768

bool
codec_has_mean(const IndexColumn *column, int bits)
{
	if (bits > 0)
		return true;
	if (!column->traits->product)
		return false;
	return column->type->kind == COLUMN_SPARSEVEC ?
		column->dims <= SPARSE_MEAN_DIMS : column->type->kind != COLUMN_BIT;
}

Size
codec_code_size(const IndexColumn *column, int bits)
{
	return rabitq_code_bytes(rotation_padded(column->dims), bits);
}

Size
codec_constants_size(const IndexColumn *column, int bits)
{
	Size		size = 0;

	if (bits > 0)
		size = MAXALIGN(rotation_padded(column->dims) / 2);
	if (codec_has_mean(column, bits))
		size = add_size(size, MAXALIGN(mul_size(column->dims, sizeof(float))));
	return size;
}

void
codec_init(Codec *codec, IndexColumn column, int bits, Size payload_size,
		   uint64 seed, const float *mean, void *constants)
{
	float	   *own_mean = (float *) constants;

	memset(codec, 0, sizeof(*codec));
	codec->column = column;
	codec->bits = bits;
	codec->payload_size = payload_size;
	codec->seed = seed;
	if (bits > 0)
	{
		uint8	   *signs = (uint8 *) constants;

		if (rotation_init(&codec->rotation, column.dims, seed) != 0)
			elog(ERROR, "cannot rotate %d dimensions", column.dims);
		rotation_signs(&codec->rotation, signs);
		codec->signs = signs;
		own_mean = (float *)
			(signs + MAXALIGN(rotation_sign_bytes(&codec->rotation)));
	}
	if (!codec_has_mean(&column, bits))
		return;
	if (mean != NULL)
		memcpy(own_mean, mean, column.dims * sizeof(float));
	else
		memset(own_mean, 0, column.dims * sizeof(float));
	codec_set_mean(codec, own_mean, false, 0, 0);
}

void
codec_set_mean(Codec *codec, const float *mean, bool centred, float weight,
			   float most)
{
	codec->mean = mean;
	codec->mean_norm2 = mean != NULL ?
		distance_kernels->f32_norm2(mean, codec->column.dims) : 0;
	codec->centred = centred;
	codec->weight = weight;
	codec->most = most;
}

bool
codec_plain_valid(const Codec *codec, const void *payload)
{
	const OuterValue *outer = (const OuterValue *) payload;

	if (!PAYLOAD_IS_OUTER(payload))
		return column_value_valid(&codec->column, payload, codec->payload_size);
	return outer->value != NO_SLOT && outer->size > codec->payload_size &&
		outer->size <= column_value_size(&codec->column);
}

bool
codec_indexes(const Codec *codec, const struct varlena *value)
{
	if (!codec->column.traits->normalized)
		return true;

	/*
	 * Not the distance from itself: the operator computes in float, and that
	 * may be no number where distances from others are.
	 */
	return column_nonzero(&codec->column, value);
}

uint64
codec_hash(const Codec *codec, const struct varlena *value)
{
	return hash_bytes_extended((const unsigned char *) VARDATA(value),
							   VARSIZE(value) - VARHDRSZ, codec->seed);
}

CodecQuery *
codec_query_create(const Codec *codec, ValueStore *outer, bool from_values)
{
	CodecQuery *query = (CodecQuery *) palloc0(sizeof(CodecQuery));

	query->codec = codec;
	query->outer = outer;
	if (codec->bits > 0)
	{
		Size		padded = codec->rotation.padded;

		query->rabitq = (RabitqQuery *)
			palloc0(rabitq_query_bytes(padded, codec->bits));
		if (!from_values)
			return query;
		bounded_query_init(&query->exact, &codec->column);
		query->floats = query->exact.floats;
		query->residual = (float *) palloc(mul_size(padded, sizeof(float)));
	}
	return query;
}

/*
 * Plain elements of a centred codec.
 */

/* A dense value less the mean */
static void
centre_dense(const Codec *codec, const struct varlena *value, float *out)
{
	const DenseVector *dense = (const DenseVector *) value;
	const float *mean = codec->mean;
	const float *floats = DENSE_FLOATS(dense);
	int			dims = codec->column.dims;

	if (codec->column.type->kind == COLUMN_HALFVEC)
	{
		distance_kernels->f16_to_f32(DENSE_HALVES(dense), out, dims);
		floats = out;
	}
	for (int i = 0; i < dims; i++)
		out[i] = floats[i] - mean[i];
}

/* |value - mean|^2 of a sparse value, and <value, mean> */
static double
centre_sparse(const Codec *codec, const struct varlena *value,
			  double *value_mean)
{
	const SparseVector *sparse = (const SparseVector *) value;
	const float *values = sparse_values(sparse);
	double		norm2 = 0;
	double		product = 0;

	for (int i = 0; i < sparse->nnz; i++)
	{
		norm2 += (double) values[i] * values[i];
		if (codec->mean != NULL)
			product += (double) values[i] * codec->mean[sparse->indices[i]];
	}
	*value_mean = product;
	return norm2 - 2 * product + codec->mean_norm2;
}

static double
dense_product(const float *a, const float *b, int dims)
{
	double		result = distance_kernels->f32_ip(a, b, dims);

	if (unlikely(!isfinite(result)))
	{
		result = 0;
		for (int i = 0; i < dims; i++)
			result += (double) a[i] * b[i];
	}
	return result;
}

static inline double
length_term(const Codec *codec, double norm2)
{
	return codec->weight * Min(norm2, codec->most);
}

/* Prepare a plain query whose value is an element of a centred codec. */
static void
set_plain_element(CodecQuery *query)
{
	const Codec *codec = query->codec;
	int			dims = codec->column.dims;
	double		norm2;

	query->element = codec->centred;
	if (!query->element)
		return;
	if (codec->column.type->kind == COLUMN_SPARSEVEC)
		norm2 = centre_sparse(codec, query->value, &query->value_mean);
	else
	{
		if (query->floats == NULL)
		{
			MemoryContext context = GetMemoryChunkContext(query);
			Size		size = mul_size(dims, sizeof(float));

			query->floats = (float *) MemoryContextAlloc(context, size);
			query->residual = (float *) MemoryContextAlloc(context, size);
		}
		centre_dense(codec, query->value, query->floats);
		norm2 = dense_product(query->floats, query->floats, dims);
	}
	query->base = length_term(codec, norm2);
}

static float
plain_element_distance(CodecQuery *query, const struct varlena *value)
{
	const Codec *codec = query->codec;
	double		product;
	double		norm2;
	double		result;

	if (codec->column.type->kind == COLUMN_SPARSEVEC)
	{
		double		value_mean;

		/* the operator gives - <x, y> */
		product = -codec->column.distance(value, query->value);
		norm2 = centre_sparse(codec, value, &value_mean);
		product += codec->mean_norm2 - query->value_mean - value_mean;
	}
	else
	{
		int			dims = codec->column.dims;

		centre_dense(codec, value, query->residual);
		product = dense_product(query->floats, query->residual, dims);
		norm2 = dense_product(query->residual, query->residual, dims);
	}
	result = query->base + length_term(codec, norm2) - 2 * product;
	return (float) Max(Min(result, FLT_MAX), -FLT_MAX);
}

void
codec_query_set(CodecQuery *query, const struct varlena *value, bool element)
{
	const Codec *codec = query->codec;
	/* in a centred index, what is searched for keeps its own origin (codec.h) */
	bool		search = codec->centred && !element;
	int			dims = codec->column.dims;
	double		base = 0;
	double		residual_mean = 0;

	query->value = value;
	query->constant = value == NULL || !codec_indexes(codec, value);
	query->element = false;
	if (query->constant)
		return;
	if (codec->bits == 0)
	{
		if (element)
			set_plain_element(query);
		return;
	}

	/* what codec_indexes has a norm, in double precision */
	(void) bounded_query_set(&query->exact, value);
	for (int i = 0; i < dims; i++)
	{
		float		residual = query->floats[i] - (search ? 0 : codec->mean[i]);

		residual_mean += (double) residual * codec->mean[i];
		base += (double) residual * residual;
		/* where a float overflows, the estimate is useless, but stays a number */
		query->residual[i] = Max(Min(residual, FLT_MAX), -FLT_MAX);
	}
	rotation_apply(&codec->rotation, codec->signs, query->residual);
	query->residual_mean = residual_mean;

	/* - <c, q> = - <c, c> - <c, q - c> */
	if (search)
		base = -2 * residual_mean;
	else if (codec->centred)
		base = codec->weight * Min(base, codec->most);
	else if (codec->column.traits->product)
		base = -codec->mean_norm2 - residual_mean;
	rabitq_query_prepare(query->rabitq, query->residual, codec->rotation.padded,
						 codec->bits, (float) Max(Min(base, FLT_MAX), -FLT_MAX));
	if (search)
		query->rabitq->weight = 0;
}

/* Are codes those of squared distances? */
static inline bool
codes_by_square(const Codec *codec)
{
	return !codec->column.traits->product || codec->centred;
}

/* The varlena behind a plain payload; outer ones are read into scratch. */
static const struct varlena *
plain_value(CodecQuery *query, const void *payload, int scratch)
{
	const OuterValue *outer = (const OuterValue *) payload;

	if (!PAYLOAD_IS_OUTER(payload))
		return (const struct varlena *) payload;

	Assert(query->outer != NULL);
	if (query->scratch_size[scratch] < outer->size)
	{
		if (query->scratch[scratch] != NULL)
			pfree(query->scratch[scratch]);
		query->scratch[scratch] = NULL;
		query->scratch_size[scratch] = 0;
		query->scratch[scratch] = (char *)
			MemoryContextAlloc(GetMemoryChunkContext(query), outer->size);
		query->scratch_size[scratch] = outer->size;
	}
	if (!value_store_read(query->outer, outer->value, query->scratch[scratch],
						  outer->size))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("value %u of index \"%s\" is missing", outer->value,
						RelationGetRelationName(query->outer->index)),
				 errhint("Use REINDEX to rebuild the index.")));
	if (!column_value_valid(&query->codec->column, query->scratch[scratch],
							outer->size))
		index_damaged(query->outer->index,
					  slot_block(&query->outer->geometry, outer->value),
					  outer->value % query->outer->geometry.per_page,
					  "It is not a value of the column.");
	return (const struct varlena *) query->scratch[scratch];
}

void
codec_query_set_payload(CodecQuery *query, const void *payload)
{
	const Codec *codec = query->codec;
	const RabitqCode *code = (const RabitqCode *) payload;
	bool		ip = !codes_by_square(codec);

	query->constant = false;
	if (codec->bits == 0)
	{
		query->value = plain_value(query, payload, 0);
		set_plain_element(query);
		return;
	}
	query->value = NULL;
	rabitq_query_from_code(query->rabitq, code->levels, codec->rotation.padded,
						   codec->bits, ip ? -code->k : -code->k / 2,
						   ip ? code->add - (float) codec->mean_norm2 : code->add);
}

void
codec_encode(const CodecQuery *query, void *payload)
{
	const Codec *codec = query->codec;
	RabitqCode *code = (RabitqCode *) payload;
	RabitqFit	fit;

	if (codec->bits == 0)
	{
		memcpy(payload, query->value, VARSIZE(query->value));
		return;
	}
	fit = rabitq_encode(query->residual, codec->rotation.padded, codec->bits,
						code->levels);
	rabitq_factors(code,
				   codes_by_square(codec) ? RABITQ_L2SQ : RABITQ_NEGATIVE_IP,
				   fit, 0, query->residual_mean);
	if (codec->centred)
		code->add = codec->weight * Min(code->add, codec->most);
}

bool
codec_is_outer(const Codec *codec, const struct varlena *value)
{
	return codec->bits == 0 && VARSIZE(value) > codec->payload_size;
}

bool
codec_same(CodecQuery *query, const void *encoded, const void *payload)
{
	const struct varlena *value;

	if (query->codec->bits > 0)
		return memcmp(encoded, payload, query->codec->payload_size) == 0;
	value = plain_value(query, payload, 1);
	return VARSIZE(value) == VARSIZE(query->value) &&
		memcmp(value, query->value, VARSIZE(value)) == 0;
}

double
codec_plain_distance(CodecQuery *query, const void *payload)
{
	const struct varlena *value;

	if (query->constant)
		return 0;
	value = plain_value(query, payload, 1);
	return query->codec->column.distance(value, query->value);
}

void
codec_distances(CodecQuery *query, const void *const *payloads, int count,
				float *out)
{
	if (query->constant)
		memset(out, 0, count * sizeof(float));
	else if (query->codec->bits > 0)
		rabitq_estimate_many(query->rabitq,
							 (const RabitqCode *const *) payloads, count, out);
	else if (query->element)
	{
		for (int i = 0; i < count; i++)
			out[i] = plain_element_distance(query,
											plain_value(query, payloads[i], 1));
	}
	else
	{
		for (int i = 0; i < count; i++)
			out[i] = (float) codec_plain_distance(query, payloads[i]);
	}
}
