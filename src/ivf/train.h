/*
 * train.h
 *	  Centroids and codebooks from a sample: the beginning of a build.
 */
#ifndef VECTOR_IVF_TRAIN_H
#define VECTOR_IVF_TRAIN_H

#include "compat/pg.h"

#include "nodes/execnodes.h"

#include "ivf/model.h"

typedef struct Training
{
	IvfMeta		meta;			/* blocks, rows and recall not filled in */
	float	   *floats;			/* the constants, by ivf_constants */
	double		rows;			/* of the table: an estimate */
	float	   *queries;		/* some of the sample, transformed as queries */
	int			query_count;
} Training;

/*
 * Train on a sample of the table, in the current context, within
 * maintenance_work_mem.  Errors where options do not fit the column, or memory
 * does not suffice.
 */
extern Training *train(Relation heap, Relation index, IndexInfo *index_info);

/* What an index has that nothing is known of: one list around 0 */
extern Training *train_nothing(Relation index);

/* A model whose arrays lie in floats, the constants; in the current context */
extern void train_point_model(IvfModel *model, const IvfMeta *meta,
							  IndexColumn column, float *floats);

#endif							/* VECTOR_IVF_TRAIN_H */
