/*
 * sample.h
 *	  Some values of a table, and what they say about all of them: where their
 *	  middle is, and how long they are.
 */
#ifndef VECTOR_INDEX_SAMPLE_H
#define VECTOR_INDEX_SAMPLE_H

#include "compat/pg.h"

#include "index/column.h"
#include "math/cluster/cluster.h"

typedef struct ValueSample
{
	IndexColumn column;			/* a vector or halfvec */
	int			room;			/* the most values that are kept */
	int			count;			/* kept; each as likely as any other */
	uint64		seen;
	uint64		random;			/* the generator's state */
	float	   *floats;			/* count times column.dims, of norm 1 for cosine */
	float	   *one;
} ValueSample;

/* Memory and interrupts, for math/cluster */
extern const ClusterHost index_host;

/* An empty one, in the current memory context */
extern ValueSample *sample_create(IndexColumn column);

/* One more value, a plain varlena; those of other dimensions are left out. */
extern void sample_add(ValueSample *sample, const struct varlena *value);

/*
 * The mean of the values but for those far from all others, of which there may
 * be almost half: column.dims floats, in the current memory context.  The
 * sample must not be empty.
 */
extern float *sample_centre(const ValueSample *sample);

/* A squared distance from a point that nine of ten values are within */
extern float sample_radius(const ValueSample *sample, const float *point);

/* Lengths: a tenth is below low, a half below median, a tenth above high */
extern void sample_norms(const ValueSample *sample, double *low,
						 double *median, double *high, double *longest);

/*
 * Can codes of so many bits a dimension, of values less centre, tell near values
 * from nearer ones, almost everywhere?  Not where they lie in heaps far from
 * each other.  Of inner products that is not asked: true.
 */
extern bool sample_resolved(const ValueSample *sample, const float *centre,
							int bits);

#endif							/* VECTOR_INDEX_SAMPLE_H */
