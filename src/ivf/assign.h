/*
 * assign.h
 *	  Rows of the table to the lists of their nearest centroids: what each
 *	  process of a build does.
 */
#ifndef VECTOR_IVF_ASSIGN_H
#define VECTOR_IVF_ASSIGN_H

#include "compat/pg.h"

#include "storage/lwlock.h"

#include "index/parallel_build.h"
#include "ivf/calibrate.h"
#include "ivf/entry_sort.h"

/* Chunks of memory that the processes of a build share */
enum IvfBuildChunk
{
	IVF_CHUNK_SHARED,			/* IvfBuildShared */
	IVF_CHUNK_FLOATS,			/* the constants, as they will lie in the index */
	IVF_CHUNK_QUERIES,			/* y's, transformed as queries */
	IVF_CHUNK_NEIGHBORS,		/* IvfNeighbor, of the queries */
	IVF_CHUNK_SUMS,				/* IvfListSum, of all lists */
	IVF_CHUNK_SORT				/* Sharedsort */
};

typedef struct IvfBuildShared
{
	IvfMeta		meta;
	int			queries;		/* whose neighbours are looked for */
	LWLock		lock;			/* of what follows, of sums and neighbours; not
								 * initialised where one process builds alone */
	double		error;			/* sum of squared distances */
	double		code_error;		/* the same of codes */
} IvfBuildShared;

/*
 * Assign, encode and sort the rows of this process's part of the table, and add
 * up in the chunks what has been found out.  Returns the sort, done, as part
 * coordinate of a parallel one (NULL: it is the whole).
 */
extern IvfEntrySort *ivf_assign_rows(BuildProcess *process,
									 SortCoordinate coordinate);

#endif							/* VECTOR_IVF_ASSIGN_H */
