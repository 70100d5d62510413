/*
 * column.c
 *	  What an index is on: a type, a metric, a number of dimensions.
 */
#include "index/column.h"

#include <math.h>

#include "access/genam.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/varbit.h"

#include "math/distance/distance.h"
#include "types/dense.h"
#include "types/own_type.h"
#include "types/sparse.h"

/* Places of types of arrays, behind those of ColumnKind */
enum
{
	VECTOR_ARRAYS = COLUMN_KINDS,
	HALFVEC_ARRAYS
};

/* By ColumnKind */
const ColumnType column_types[] = {
	{COLUMN_VECTOR, "vector", DENSE_MAX_DIM},
	{COLUMN_HALFVEC, "halfvec", DENSE_MAX_DIM},
	{COLUMN_SPARSEVEC, "sparsevec", SPARSE_MAX_DIM},
	{COLUMN_BIT, "bit", 64000},
	[VECTOR_ARRAYS] = {COLUMN_VECTOR, "vector", DENSE_MAX_DIM, true},
	[HALFVEC_ARRAYS] = {COLUMN_HALFVEC, "halfvec", DENSE_MAX_DIM, true},
};

/* The last support function of an operator class: what gives its type */
#define TYPE_SUPPORT(name, kind) \
	SQL_FUNCTION(name) \
	{ \
		PG_RETURN_POINTER(&column_types[kind]); \
	} \
	extern int	no_such_variable

TYPE_SUPPORT(ivfflat_halfvec_support, COLUMN_HALFVEC);
TYPE_SUPPORT(ivfflat_bit_support, COLUMN_BIT);
TYPE_SUPPORT(hnsw_halfvec_support, COLUMN_HALFVEC);
TYPE_SUPPORT(hnsw_sparsevec_support, COLUMN_SPARSEVEC);
TYPE_SUPPORT(hnsw_bit_support, COLUMN_BIT);
TYPE_SUPPORT(ivf_vector_array_support, VECTOR_ARRAYS);
TYPE_SUPPORT(ivf_halfvec_array_support, HALFVEC_ARRAYS);

/*
 * The type of an index's first column, and its modifier.  A column of a domain
 * has no modifier of its own: it is that of the type which the domain is over,
 * through as many domains as there are.
 */
static Oid
base_type(Relation index, int32 *typmod)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(index), 0);

	*typmod = attribute->atttypmod;
	return getBaseTypeAndTypmod(attribute->atttypid, typmod);
}

int
index_declared_dims(Relation index)
{
	int32		typmod;

	base_type(index, &typmod);
	return typmod;
}

IndexColumn
index_column(Relation index, int procs)
{
	IndexColumn column;
	Oid			proc = index_getprocid(index, 1, DISTANCE_PROC);
	DistanceValue support = OidIsValid(proc) ? distance_value_of(proc) : NULL;
	bool		has_norm = OidIsValid(index_getprocid(index, 1, NORM_PROC));

	if (!OidIsValid(proc))
	{
		Oid			element = get_base_element_type(TupleDescAttr(RelationGetDescr(index), 0)->atttypid);

		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("first column of index \"%s\" is no vector",
						RelationGetRelationName(index)),
				 own_type(element) == OWN_NONE
				 ? errhint("Name the vector's column first, then those of conditions.")
				 : errhint("Name an operator class for arrays of vectors, vector_maxsim_ops or halfvec_maxsim_ops.")));
	}
	column.type = &column_types[COLUMN_VECTOR];
	if (OidIsValid(index_getprocid(index, 1, procs)))
		column.type = (const ColumnType *)
			DatumGetPointer(FunctionCall1(index_getprocinfo(index, 1, procs),
										  PointerGetDatum(NULL)));
	column.dims = index_declared_dims(index);
	if (!metric_find(support, column.type->kind, has_norm, &column.metric))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("operator class of index \"%s\" does not use the distance functions of this extension",
						RelationGetRelationName(index)),
				 errhint("Use one of the operator classes that come with the extension.")));
	column.traits = &metric_traits[column.metric];
	column.distance = column.traits->distance[column.type->kind];
	return column;
}

IndexColumn
index_column_checked(Relation index, int procs, const char *am)
{
	IndexColumn column = index_column(index, procs);
	int32		typmod;

	/* PostgreSQL takes it for bit, but its values may be of any length. */
	if (base_type(index, &typmod) == VARBITOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type not supported for %s index", am),
				 errhint("Declare the column as bit(n), or index an expression with a cast to it.")));
	if (column.dims < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Declare the column as %s(n)%s, or index an expression with a cast to it.",
						 column.type->name, column.type->array ? "[]" : "")));
	if (column.dims > column.type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for %s index",
						column.type->max_dims, am)));
	return column;
}

int
column_value_dims(const IndexColumn *column, const struct varlena *value)
{
	switch (column->type->kind)
	{
		case COLUMN_SPARSEVEC:
			return ((const SparseVector *) value)->dim;
		case COLUMN_BIT:
			return VARBITLEN(value);
		default:
			return ((const DenseVector *) value)->dim;
	}
}

void
column_check_dims(const IndexColumn *column, const struct varlena *value)
{
	int			dims = column_value_dims(column, value);

	if (likely(dims == column->dims))
		return;
	if (column->type->kind == COLUMN_BIT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %d and %d", column->dims, dims)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d", column->type->name,
					column->dims, dims)));
}

void
column_values(const IndexColumn *column, const struct varlena *value,
			  MultiVector *values)
{
	if (!column->type->array)
	{
		column_check_dims(column, value);
		memset(values, 0, sizeof(*values));
		values->count = 1;
		values->first = (const char *) value;
		return;
	}
	multi_vector_read(values, column->type->kind == COLUMN_VECTOR ? &vector_type : &halfvec_type,
					  value);
	if (values->count > 0)
		column_check_dims(column, column_values_get(values, 0));
}

Size
column_value_size(const IndexColumn *column)
{
	switch (column->type->kind)
	{
		case COLUMN_SPARSEVEC:
			return offsetof(SparseVector, indices) +
				SPARSE_MAX_NNZ * (sizeof(int32) + sizeof(float));
		case COLUMN_BIT:
			return VARBITTOTALLEN(column->dims);
		case COLUMN_HALFVEC:
			return offsetof(DenseVector, elements) + column->dims * sizeof(half);
		default:
			return offsetof(DenseVector, elements) + column->dims * sizeof(float);
	}
}

bool
column_value_valid(const IndexColumn *column, const void *value, Size room)
{
	const SparseVector *sparse = (const SparseVector *) value;
	Size		size;

	if (!VARATT_IS_4B_U(value))
		return false;
	size = VARSIZE(value);
	if (size > room)
		return false;
	if (column->type->kind != COLUMN_SPARSEVEC)
		return size == column_value_size(column) &&
			column_value_dims(column, (const struct varlena *) value) == column->dims;
	return size >= offsetof(SparseVector, indices) &&
		sparse->dim == column->dims &&
		sparse->nnz >= 0 && sparse->nnz <= SPARSE_MAX_NNZ &&
		size == offsetof(SparseVector, indices) +
		sparse->nnz * (sizeof(int32) + sizeof(float));
}

bool
column_nonzero(const IndexColumn *column, const struct varlena *value)
{
	const DenseVector *dense = (const DenseVector *) value;
	const SparseVector *sparse = (const SparseVector *) value;

	/* no square of a float is 0 in double precision */
	switch (column->type->kind)
	{
		case COLUMN_VECTOR:
			return distance_kernels->f32_norm2(DENSE_FLOATS(dense), dense->dim) > 0;
		case COLUMN_HALFVEC:
			return distance_kernels->f16_norm2(DENSE_HALVES(dense), dense->dim) > 0;
		case COLUMN_SPARSEVEC:
			return distance_kernels->f32_norm2(sparse_values(sparse), sparse->nnz) > 0;
		default:
			return true;
	}
}

bool
column_floats(const IndexColumn *column, const struct varlena *value,
			  float *floats, double *norm)
{
	int			dims = column->dims;

	if (column->type->kind == COLUMN_VECTOR)
		memcpy(floats, DENSE_FLOATS((const DenseVector *) value),
			   dims * sizeof(float));
	else if (column->type->kind == COLUMN_HALFVEC)
		distance_kernels->f16_to_f32(DENSE_HALVES((const DenseVector *) value),
									 floats, dims);
	else
	{
		const bits8 *bits = VARBITS((const VarBit *) value);

		Assert(column->type->kind == COLUMN_BIT);
		for (int i = 0; i < dims; i++)
			floats[i] = (bits[i / BITS_PER_BYTE] >> (7 - i % BITS_PER_BYTE)) & 1;
	}
	*norm = sqrt(distance_kernels->f32_norm2(floats, dims));
	if (column->traits->normalized)
	{
		if (!(*norm > 0))
			return false;
		for (int i = 0; i < dims; i++)
			floats[i] = (float) (floats[i] / *norm);
	}
	return true;
}
