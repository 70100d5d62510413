/*
 * sample.h
 *	  Some blocks of a table, read before an index is built on it; some values
 *	  of it, and what they say about all of them: where their middle is, and how
 *	  long they are.
 */
#ifndef VECTOR_INDEX_SAMPLE_H
#define VECTOR_INDEX_SAMPLE_H

#include "compat/pg.h"

#include "nodes/execnodes.h"
#include "utils/relcache.h"

#include "index/column.h"
#include "math/cluster/cluster.h"

/* ------------------------------------------------------------------------
 * Blocks
 */

typedef struct BlockSample
{
	Relation	heap;
	Relation	index;
	IndexInfo  *info;
	void		(*add) (const struct varlena *value, void *arg);
	void	   *arg;
	BlockNumber blocks;			/* of the table */
	BlockNumber stride;			/* from one to the next, see block_sample_next */
	BlockNumber read;
	double		rows;			/* of those read, nulls too */
	MemoryContext context;		/* of one row */
} BlockSample;

/*
 * Begin to read blocks of heap.  add(value, arg) will be called for each row
 * that is to be indexed and has a value, which is plain, and whose memory, like
 * what add allocates, is freed afterwards.
 */
extern void block_sample_begin(BlockSample *sample, Relation heap,
							   Relation index, IndexInfo *info,
							   void (*add) (const struct varlena *value, void *arg),
							   void *arg);

/* Read ranges of count blocks, equally far from each other; all of few blocks */
extern void block_sample_ranges(BlockSample *sample, int ranges, int count);

/*
 * How far it is from one block to the next, so that the first few are from all
 * over a relation, and all come: a golden section of their number, without a
 * divisor in common with it.
 */
extern BlockNumber scattered_stride(BlockNumber blocks);

/*
 * Read one more block, far from those before, until all have been read; false
 * then.  The blocks read so far are always all over the table.
 */
extern bool block_sample_next(BlockSample *sample);

/* Rows of the table to be indexed: an estimate */
extern double block_sample_rows(const BlockSample *sample);

extern void block_sample_end(BlockSample *sample);

/* ------------------------------------------------------------------------
 * Values
 */

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
