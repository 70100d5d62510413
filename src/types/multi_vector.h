/*
 * multi_vector.h
 *	  Arrays of vector or halfvec as one value: a document, or a query, of
 *	  several vectors, and their similarity by late interaction.
 */
#ifndef VECTOR_TYPES_MULTI_VECTOR_H
#define VECTOR_TYPES_MULTI_VECTOR_H

#include "compat/pg.h"

#include "types/dense.h"

/*
 * The vectors of an array, which lie one after the other, all of one length:
 * those of a document are compared without being taken apart.
 */
typedef struct MultiVector
{
	const DenseType *type;
	int			count;			/* 0: the array is empty */
	int			dims;
	Size		step;			/* bytes from one to the next */
	const char *first;
} MultiVector;

/*
 * Look at a plain array of the type.  Errors: more than one array dimension, null
 * elements, vectors of different dimensions.
 */
extern void multi_vector_read(MultiVector *out, const DenseType *type,
							  const struct varlena *array);

/* One of its vectors, from 0 */
static inline const DenseVector *
multi_vector_get(const MultiVector *vectors, int number)
{
	return (const DenseVector *) (vectors->first + number * vectors->step);
}

/* A query that documents are compared with; private to multi_vector.c */
typedef struct MaxSimQuery MaxSimQuery;

/*
 * Prepare a query, a plain array of the type, in the current context; it is not
 * referred to after that.  Errors as multi_vector_read's, and where it is empty.
 */
extern MaxSimQuery *max_sim_query_create(const DenseType *type,
										 const struct varlena *query);

/*
 * The MaxSim of a plain array, the document: the sum, over the query's vectors,
 * of the greatest inner product with one of the document's.  False where the
 * document is empty.  Errors as multi_vector_read's, and where dimensions differ
 * from the query's.
 */
extern bool max_sim_value(MaxSimQuery *query, const struct varlena *document,
						  double *result);

#endif							/* VECTOR_TYPES_MULTI_VECTOR_H */
