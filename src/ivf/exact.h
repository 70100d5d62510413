/*
 * exact.h
 *	  The codes of flat: 8 bits a dimension, with proven errors (sq8.h).
 *
 * What such a code says of a distance is certain, so a scan that reads from the table
 * what codes do not rule out returns what a sort would.
 *
 * All values have an entry.  Of one that has no direction under cosine distance, it is
 * known that no distance is a number; of one whose sums may overflow, or lose their
 * digits, nothing is.
 */
#ifndef VECTOR_IVF_EXACT_H
#define VECTOR_IVF_EXACT_H

#include "ivf/model.h"

/* For IvfMeta.bits */
#define EXACT_BITS		8

/* Are there bounds for a metric?  *sq8, unless NULL, is what they are called there. */
extern bool exact_metric(Metric metric, Sq8Metric *sq8);

/* Encode a value: add, k, error and code of entry.  floats is room for dims. */
extern void exact_encode(const IvfModel *model, const struct varlena *value,
						 float *floats, IvfEntry *entry);

/* Does an entry say of a value what is true?  As above */
extern bool exact_holds(const IvfModel *model, const struct varlena *value,
						float *floats, const IvfEntry *entry);

/*
 * Prepare a query, whose floats (those of column_floats, which has not failed) and norm
 * these are.
 */
extern void exact_prepare(const IvfModel *model, const float *floats, double norm,
						  Sq8Query *query);

#endif							/* VECTOR_IVF_EXACT_H */
