/*
 * query.h
 *	  What is searched for: a value, prepared so that entries are compared with
 *	  it fast.
 *
 * Estimates of ivfflat are what the operator gives, those of flat what it gives at
 * least; those of other codes are reduced distances (MetricTraits) of y's.
 */
#ifndef VECTOR_IVF_QUERY_H
#define VECTOR_IVF_QUERY_H

#include "ivf/coarse.h"

typedef struct IvfQuery
{
	IvfIndex   *index;
	const struct varlena *value;	/* NULL: anything is as near */
	bool		constant;		/* all distances are taken for equal */
	float	   *y;
	double		norm;			/* of y */
	double		mean_product;	/* <q, mean>, which inner products of y's lack */

	/* what is looked up, or computed with, for each entry */
	FastScanTable *table;
	RabitqQuery *rabitq;
	float	   *numbers;		/* pq: products with the codebooks */

	/* arrays that stand for factors which pages do not have */
	float	   *zeros;
	float	   *ks;

	uint8	   *scratch;		/* codes of a page in pieces */
	const RabitqCode **codes;	/* of a page */
	Sq8Query   *exact;			/* exact codes; NULL: others */
	int64	   *sums;			/* of a page */
	const uint8 *ahead;			/* codes of a page that will be read soon, or NULL */
	IvfBounder *bounder;		/* NULL: no values are kept */
} IvfQuery;

/* In the current context, which must outlive it */
extern IvfQuery *ivf_query_create(IvfIndex *index);

/* Prepare the search for a value, which must outlive it (or be NULL). */
extern void ivf_query_set(IvfQuery *query, const struct varlena *value);

/*
 * Prepare for a y, transformed as a query, of which no true distances will be asked:
 * product codes only.
 */
extern void ivf_query_set_floats(IvfQuery *query, const float *y);

/*
 * Estimates of count entries of a locked page whose entries have codes: of those
 * in slots, ascending, or of the first count ones if that is NULL.  passes has a
 * flag for each slot of the page, if slots are given.  base is the list's
 * (IvfNear).  limit: of exact codes, bounds above it may be infinite.  estimates needs room for all slots of the page and
 * FASTSCAN_VECTORS more, and gets those of slots[i], or of slot i, at i.
 */
extern void ivf_query_estimate(IvfQuery *query, Page page, const uint32 *slots,
							   const uint8 *passes, uint32 count, float base,
							   double limit, float *estimates);

/*
 * How far an estimate of a list's entry may be from the true value, in standard
 * deviations: 1-, 2-, 4- and 8-bit RaBitQ codes only
 */
extern float ivf_query_slack(const IvfQuery *query, const IvfNear *near,
							 double deviations);

/* Are estimates on the scale of the operator's results? */
static inline bool
ivf_estimates_distances(IvfKind kind)
{
	return kind == IVF_FLAT || kind == IVF_EXACT;
}

/* From an operator's result to the scale of codes' estimates, and back */
extern double ivf_query_reduce(const IvfQuery *query, double distance);
extern double ivf_query_restore(const IvfQuery *query, double reduced);

#endif							/* VECTOR_IVF_QUERY_H */
