/*
 * maxsim.h
 *	  Late interaction: how similar a query of several vectors is to a document
 *	  of several vectors.
 *
 * MaxSim (Khattab and Zaharia, "ColBERT", SIGIR 2020) is the sum, over the
 * query's vectors, of the greatest inner product with one of the document's.
 *
 *		maxsim_init(&sim, count, dims, memory);
 *		for each vector of the query: maxsim_set(&sim, i, floats);
 *		for each document:
 *			maxsim_begin(&sim);
 *			for at most MAXSIM_ROWS vectors each: maxsim_add(&sim, rows, ...);
 *			maxsim_sum(&sim)
 *
 * The query is laid out for products of matrices by our own loops (math/linear)
 * once, and a document is read where it lies.  The product of two vectors is the
 * same number whatever stands beside them.
 *
 * Pure C.  All elements are finite.  A product whose sums leave the range of
 * float32 in both directions is no number, and never the greatest.
 */
#ifndef VECTOR_MATH_MAXSIM_H
#define VECTOR_MATH_MAXSIM_H

#include "math/linear/linear.h"

/* Vectors of a document that are compared at once */
#define MAXSIM_ROWS		64

typedef struct MaxSim
{
	LinearRows	query;
	float	   *best;			/* for each vector of the query */
	float	   *products;		/* room for those of a block */
} MaxSim;

/*
 * Floats of memory for a query of count vectors of dims elements; SIZE_MAX: too
 * many
 */
extern size_t maxsim_floats(size_t count, size_t dims);

/* Begin a query (count and dims > 0) in that memory. */
extern void maxsim_init(MaxSim *sim, size_t count, size_t dims, float *memory);

/* Vector number of the query */
extern void maxsim_set(MaxSim *sim, size_t number, const float *floats);

/* A document begins. */
extern void maxsim_begin(MaxSim *sim);

/* count of its vectors (at most MAXSIM_ROWS), stride floats from one to the next */
extern void maxsim_add(MaxSim *sim, const float *rows, size_t stride,
					   size_t count);

/* The MaxSim of what has been added; -INFINITY of nothing */
extern double maxsim_sum(const MaxSim *sim);

#endif							/* VECTOR_MATH_MAXSIM_H */
