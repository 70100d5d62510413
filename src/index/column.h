/*
 * column.h
 *	  What an index is on: a type, a metric, a number of dimensions.
 */
#ifndef VECTOR_INDEX_COLUMN_H
#define VECTOR_INDEX_COLUMN_H

#include "compat/pg.h"

#include "utils/rel.h"

#include "index/metric.h"
#include "types/multi_vector.h"

/* A type as an index sees it; what an operator class's support function gives */
typedef struct ColumnType
{
	ColumnKind	kind;
	const char *name;
	int			max_dims;		/* that can be indexed; INT_MAX: any */
	bool		array;			/* the column has arrays of it, and the index an
								 * entry for each element */
} ColumnType;

extern const ColumnType column_types[];

typedef struct IndexColumn
{
	const ColumnType *type;
	Metric		metric;
	const MetricTraits *traits; /* of the metric */
	int			dims;			/* or -1, where the column does not say */
	DistanceValue distance;		/* what the operator gives */
} IndexColumn;

/* Numbers of the support functions */
#define DISTANCE_PROC	1		/* orders as the operator does, of normalised
								 * values where there is a NORM_PROC */
#define NORM_PROC		2

/*
 * How many support functions an access method has (amsupport): the last one
 * gives a ColumnType.  Those of the inverted files between NORM_PROC and it are
 * pgvector's, for its k-means, and not called.
 */
#define INDEX_PROCS		3		/* of hnsw */
#define IVF_PROCS		5

/*
 * The column of an index whose access method has procs support functions.
 * Where its operator class has not the last one, the column is a vector.  Errors
 * (feature not supported) where the operator class is not built on functions of
 * this extension.
 */
extern IndexColumn index_column(Relation index, int procs);

/* Dimensions that the index's first column declares, or -1 */
extern int	index_declared_dims(Relation index);

/*
 * The same as index_column for an index of access method am that is about to be
 * built: errors where its dimensions are not known, or too many, or are no
 * property of its type (varbit).
 */
extern IndexColumn index_column_checked(Relation index, int procs,
										const char *am);

/* What metapages have as the column's kind: a ColumnKind, or one of arrays */
#define COLUMN_OF_ARRAYS	0x10

static inline int
column_number(const IndexColumn *column)
{
	return column->type->kind | (column->type->array ? COLUMN_OF_ARRAYS : 0);
}

/*
 * The values that a plain value of the column is in the index: itself, or the
 * elements of an array.  Error unless they have the column's dimensions.
 */
extern void column_values(const IndexColumn *column, const struct varlena *value,
						  MultiVector *values);

/* One of these, from 0 */
static inline const struct varlena *
column_values_get(const MultiVector *values, int number)
{
	return (const struct varlena *) multi_vector_get(values, number);
}

/* Dimensions of a value of the column's type */
extern int	column_value_dims(const IndexColumn *column,
							  const struct varlena *value);

/* Bytes of a value of the column; of sparsevec, the most that one can have */
extern Size column_value_size(const IndexColumn *column);

/*
 * Error unless a value to be stored, or to be searched for, has the column's
 * dimensions.
 */
extern void column_check_dims(const IndexColumn *column,
							  const struct varlena *value);

/*
 * Is what lies in room bytes of a page a plain value of the column?  Called for
 * each entry of a list, so only its lengths are looked at.
 */
extern bool column_value_valid(const IndexColumn *column, const void *value,
							   Size room);

/* Has a vector, halfvec or sparsevec an element that is not 0? */
extern bool column_nonzero(const IndexColumn *column,
						   const struct varlena *value);

/*
 * The float32 elements of a vector, halfvec or bit (0 and 1) value, as many as
 * column->dims, scaled to norm 1 for cosine.  False, with *norm 0, where that
 * has no direction.  *norm is of the value itself.
 */
extern bool column_floats(const IndexColumn *column,
						  const struct varlena *value, float *floats,
						  double *norm);

#endif							/* VECTOR_INDEX_COLUMN_H */
