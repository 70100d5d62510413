/*
 * coarse.h
 *	  Which lists are near to a value.
 */
#ifndef VECTOR_IVF_COARSE_H
#define VECTOR_IVF_COARSE_H

#include "ivf/index.h"

/* A list and how far it is: smaller is nearer */
typedef struct IvfNear
{
	double		rank;			/* what lists are ordered by */
	float		base;			/* of estimates, as in rabitq.h */
	float		spread;			/* |q - c|; negative: it and base are not known */
	uint32		list;
	BlockNumber head;			/* of the list; filled in by the reader */
} IvfNear;

/* Finds lists; private to coarse.c */
typedef struct IvfCoarse IvfCoarse;

extern IvfCoarse *ivf_coarse_create(IvfIndex *index);

/*
 * The count nearest lists of y in ascending order of rank, by inner product
 * or L1 where that is the metric and for_query is true, else by Euclidean
 * distance.  Returns how many (fewer if the index has fewer); valid until the
 * next call.
 */
extern int	ivf_nearest_lists(IvfCoarse *coarse, const float *y, int count,
							  bool for_query, IvfNear **lists);

/* The same for a query, by codes of the centroids where there are any */
extern int	ivf_nearest_by_codes(IvfCoarse *coarse, const float *y, int count,
								 IvfNear **lists);

/* All lists, in no order, with nothing known of them; as above */
extern int	ivf_all_lists(IvfCoarse *coarse, IvfNear **lists);

/* Fill in how far a list is from y, |y| being norm where that is asked for. */
extern void ivf_measure_list(IvfCoarse *coarse, const float *y, double norm,
							 const MetricTraits *traits, IvfNear *near);

/* The rank of a centroid for a query y; radius is the list's. */
extern double ivf_rank(const MetricTraits *traits, const float *y, double norm,
					   const float *c, int width, int dims, double radius);

#endif							/* VECTOR_IVF_COARSE_H */
