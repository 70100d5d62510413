/*
 * dense.h
 *	  vector and halfvec: one stored form, two element types.
 *
 * Stored form, shared with pgvector, so that data moves by dump, binary COPY,
 * logical replication or a swap of the library file:
 *
 *		varlena header | int16 dim | int16 zero | dim elements
 *
 * where an element is a float32 (vector) or an IEEE 754 binary16 (halfvec).
 * Elements are finite: every way in refuses NaN and infinities.  1 <= dim <=
 * DENSE_MAX_DIM.
 *
 * What the two types do alike is written once, against a DenseType; what
 * differs (element size, widening, narrowing) is in the DenseType.
 */
#ifndef VECTOR_TYPES_DENSE_H
#define VECTOR_TYPES_DENSE_H

#include "compat/pg.h"

#include "math/distance/distance.h"
#include "types/detoast.h"
#include "types/limits.h"

#define DENSE_MAX_DIM 16000

typedef struct DenseVector
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int16		dim;
	int16		unused;			/* always 0 */
	char		elements[FLEXIBLE_ARRAY_MEMBER];	/* 4-byte aligned */
} DenseVector;

typedef struct DenseType
{
	TypeLimits	limits;
	Size		elem_size;		/* bytes */
	float		too_large;		/* a finite |value| from here on is refused */
} DenseType;

extern const DenseType vector_type;
extern const DenseType halfvec_type;

#define DENSE_FLOATS(v) ((float *) (v)->elements)
#define DENSE_HALVES(v) ((half *) (v)->elements)

/* Argument n, read only and for the length of this call */
#define DENSE_ARG(n) ((DenseVector *) plain_argument(fcinfo, n))

/*
 * The SQL functions of both types, from one function
 * Datum impl(FunctionCallInfo fcinfo, const DenseType *type).
 */
#define DENSE_SQL_FUNCTIONS(vector_name, halfvec_name, impl) \
	SQL_FUNCTION(vector_name) \
	{ \
		return impl(fcinfo, &vector_type); \
	} \
	SQL_FUNCTION(halfvec_name) \
	{ \
		return impl(fcinfo, &halfvec_type); \
	} \
	extern int	no_such_variable

/*
 * A new vector of dim elements, uninitialised but for its header, palloc'd in
 * the current context.  Errors unless 1 <= dim <= DENSE_MAX_DIM.
 */
extern DenseVector *dense_new(const DenseType *type, int64 dim);

/* Error that a and b differ in dimensions; never returns. */
pg_noreturn extern void dense_dims_differ(const DenseType *type, int a, int b);

static inline void
dense_check_same_dims(const DenseType *type, const DenseVector *a,
					  const DenseVector *b)
{
	if (unlikely(a->dim != b->dim))
		dense_dims_differ(type, a->dim, b->dim);
}

/* v's elements as float32: its own, or a palloc'd widened copy */
extern const float *dense_floats(const DenseType *type, const DenseVector *v);

/* Element i as float32 */
static inline float
dense_element(const DenseType *type, const DenseVector *v, int i)
{
	return type == &vector_type ? DENSE_FLOATS(v)[i]
		: half_to_float(DENSE_HALVES(v)[i]);
}

/*
 * A new vector from dim float32 values that are known to be finite and in the
 * type's range, rounded to the element type.
 */
extern DenseVector *dense_pack(const DenseType *type, const float *values,
							   int64 dim);

/*
 * A new vector from dim finite float32 values, rounded to the element type.
 * NaN and infinities are refused, and so are values too large for the element
 * type: as "out of range for type", with the number.  values may be shared
 * with no vector.
 */
extern DenseVector *dense_from_floats(const DenseType *type,
									  const float *values, int64 dim);

/*
 * The same for the result of an arithmetic operation on finite values, where
 * what is infinite or too large is "value out of range: overflow".
 */
extern DenseVector *dense_from_result(const DenseType *type,
									  const float *values, int dim);

#endif							/* VECTOR_TYPES_DENSE_H */
