/*
 * meta.c
 *	  The metapage: what it begins with, and what is checked of it.
 */
#include "ivf/meta.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "index/metapage.h"
#include "ivf/exact.h"

/* From so many dimensions on, one bit of each tells near rows from far ones */
#define ONE_BIT_DIMS	256

uint64
ivf_new_build_id(Relation index)
{
	static uint32 counter;

	return ((uint64) GetCurrentTimestamp() << 16) ^
		((uint64) MyProcPid << 40) ^ RelationGetRelid(index) ^ ++counter;
}

/* How product codes are made, of so many dimensions */
static void
describe_pq(const IvfOptions *options, int dims, IvfMeta *meta)
{
	PqShape		shape;

	meta->bits = options->nbits;
	meta->opq = options->opq;
	meta->m = options->m;
	if (meta->m == 0)
		meta->m = Max(1, dims / meta->bits);
	if (meta->m > (uint32) dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("m must not exceed the number of dimensions"),
				 errdetail("m is %u, and the column has %d dimensions.",
						   meta->m, dims)));
	if (pq_shape_init(&shape, dims, meta->m, meta->bits) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d dimensions cannot be cut into %u parts", dims,
						meta->m),
				 errhint("Use an m that divides the number of dimensions.")));
	if (meta->opq && dims > IVF_MAX_OPQ_DIMS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("opq is not supported for more than %d dimensions",
						IVF_MAX_OPQ_DIMS),
				 errhint("Use opq = off, or ivfrabitq.")));
}

void
ivf_describe(Relation index, const IvfOptions *options, IvfMeta *meta,
			 IndexColumn *column)
{
	IvfKind		kind = ivf_kind_of(index);
	FilterShape *filter;
	int			dims;

	*column = index_column_checked(index, IVF_PROCS, ivf_names[kind]);
	dims = column->dims;
	if (kind != IVF_FLAT && column->type->kind != COLUMN_VECTOR &&
		column->type->kind != COLUMN_HALFVEC)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type %s is not supported for %s index",
						column->type->name, ivf_names[kind])));
	if (kind == IVF_EXACT && !exact_metric(column->metric, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("operator class is not supported for %s index", ivf_names[kind]),
				 errhint("Use one for Euclidean distance, inner product or cosine distance.")));
	if (column->type->array && options->rerank == RERANK_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rerank = index is not supported for arrays of %s",
						column->type->name),
				 errhint("Use rerank = heap: similarities of arrays are computed from the table.")));
	memset(meta, 0, sizeof(*meta));
	metapage_init(&meta->common, IVF_MAGIC, IVF_VERSION);
	meta->kind = kind;
	meta->column_kind = column_number(column);
	meta->metric = column->metric;
	meta->dims = meta->width = dims;
	meta->keeps_values = options->rerank == RERANK_INDEX;
	if (meta->keeps_values)
		meta->value_slot_size = value_slot_size(ivf_value_size(column));
	filter = filter_shape(index);
	if (filter != NULL)
	{
		meta->common.version = IVF_FILTER_VERSION;
		meta->filter_columns = filter->count;
		meta->filter_digest = filter_digest(filter);
	}
	meta->seed = (uint64) ivf_seed;
	meta->build_id = ivf_new_build_id(index);
	meta->lists = 1;
	if (kind == IVF_RABITQ)
	{
		meta->bits = options->bits;
		if (meta->bits == 0)
			meta->bits = dims >= ONE_BIT_DIMS ? 1 : 4;
		meta->width = rotation_padded(dims);
	}
	if (kind == IVF_EXACT)
		meta->bits = EXACT_BITS;
	if (kind == IVF_PQ)
		describe_pq(options, dims, meta);
}

/* Do the numbers of a metapage fit each other, and what the index is on? */
static bool
meta_fits(const IvfMeta *meta, const IndexColumn *column,
		  const FilterShape *filter)
{
	/* a bool that is neither may not even be looked at as one */
	const uint8 *opq = (const uint8 *) &meta->opq;
	const uint8 *trained = (const uint8 *) &meta->trained;
	bool		quantizes = meta->kind != IVF_FLAT;
	Size		value_size = 0;
	BlockNumber block = META_BLOCK + 1;
	uint64		floats;

	if (meta->common.version != (filter != NULL ? IVF_FILTER_VERSION : IVF_VERSION) ||
		meta->dims < 1 || column->dims > column->type->max_dims ||
		meta->lists < 1 || meta->lists > IVF_MAX_LISTS ||
		meta->keeps_values > (column->type->array ? 0 : 1) || *opq > 1 || *trained > 1 ||
		(quantizes && column->type->kind != COLUMN_VECTOR &&
		 column->type->kind != COLUMN_HALFVEC) ||
		(meta->opq && (meta->kind != IVF_PQ || meta->dims > IVF_MAX_OPQ_DIMS)) ||
		meta->width != (meta->kind == IVF_RABITQ ? rotation_padded(meta->dims)
						: meta->dims))
		return false;
	if (meta->kind == IVF_RABITQ && !rabitq_bits_valid(meta->bits))
		return false;
	if (meta->kind == IVF_EXACT &&
		(meta->bits != EXACT_BITS || meta->lists != 1 || meta->keeps_values ||
		 column->type->array || !exact_metric(column->metric, NULL)))
		return false;
	if (meta->kind == IVF_PQ)
	{
		PqShape		shape;

		if (pq_shape_init(&shape, meta->width, meta->m, meta->bits) != 0)
			return false;
	}
	if (meta->keeps_values)
		value_size = value_slot_size(ivf_value_size(column));
	if (meta->value_slot_size != value_size)
		return false;

	/* numbers that are computed with, and may be made integers of */
	if (!(meta->rows >= 0 && meta->rows < 1e15) || !isfinite(meta->error) ||
		!isfinite(meta->code_error))
		return false;
	for (int i = 0; i < IVF_RECALL_POINTS; i++)
	{
		if (!isfinite(meta->recall[i].recall) || isnan(meta->reach[i]))
			return false;
	}

	/* what follows lies in a row */
	if (meta->directory < block || meta->directory > MaxBlockNumber / 2 ||
		meta->old_lists > IVF_MAX_LISTS || meta->generation > meta->begun)
		return false;
	block = meta->directory + (meta->lists + IVF_LISTS_PER_PAGE - 1) / IVF_LISTS_PER_PAGE;
	if (meta->constants != block)
		return false;
	floats = ivf_constants(meta).total;
	if (filter == NULL)
		return meta->summaries == 0;
	return meta->summaries ==
		block + (floats + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
}

BlockNumber
ivf_raw_end(const IvfMeta *meta, const FilterShape *filter)
{
	if (filter != NULL)
		return meta->summaries + (meta->lists - 1) / ivf_summaries_per_page(filter) + 1;
	return meta->constants +
		(ivf_constants(meta).total + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
}

void
ivf_read_meta(Relation index, IvfMeta *meta, IndexColumn *column,
			  const FilterShape *filter)
{
	IvfKind		kind = ivf_kind_of(index);
	const MetaFormat format = {ivf_names[kind], IVF_MAGIC, IVF_VERSION, IVF_FILTER_VERSION};

	metapage_read(index, &format, meta, sizeof(*meta));
	if (meta->kind != kind)
		metapage_not_of(index, ivf_names[kind]);
	metapage_check_column(index, column, meta->column_kind, meta->metric, meta->dims);
	metapage_check_filter(index, filter == NULL ? meta->filter_columns == 0
						  : meta->filter_columns == filter->count &&
						  meta->filter_digest == filter_digest(filter));
	metapage_check_numbers(index, meta_fits(meta, column, filter));
}
