/*
 * assign.h
 *	  Rows of the table to the lists of their nearest centroids: what each
 *	  process of a build does.
 */
#ifndef VECTOR_IVF_ASSIGN_H
#define VECTOR_IVF_ASSIGN_H

#include "compat/pg.h"

#include "access/tableam.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/tuplesort.h"

#include "ivf/calibrate.h"
#include "ivf/entry_sort.h"

/* What the processes of a build share */
typedef struct IvfBuildShared
{
	Oid			heap;
	Oid			index;
	bool		concurrent;
	int			participants;	/* that memory is divided among */
	IvfMeta		meta;
	int			queries;		/* whose neighbours are looked for */
	pg_atomic_uint64 tuples;	/* indexed so far */

	/* protects the rest, sums and neighbours; unused if one process builds alone */
	LWLock		lock;
	double		heap_tuples;
	double		index_tuples;
	double		error;			/* sum of squared distances */
	double		code_error;		/* the same of codes */
	bool		broken_hot_chain;
} IvfBuildShared;

/* Where a process has what all share */
typedef struct IvfBuildParts
{
	IvfBuildShared *shared;
	float	   *floats;			/* the constants, as they will lie in the index */
	float	   *queries;		/* transformed as queries are */
	IvfNeighbor *neighbors;		/* of these */
	IvfListSum *sums;			/* of all lists */
} IvfBuildParts;

/*
 * Assign, encode and sort the rows of the table, or of scan, this process's part
 * of a parallel scan (else NULL).  Adds up in parts what has been found out.
 * report: this process reports progress.  Returns the sort, done, as part
 * coordinate of a parallel one (else NULL).
 */
extern IvfEntrySort *ivf_assign_rows(Relation heap, Relation index,
									 IndexInfo *index_info,
									 const IvfBuildParts *parts,
									 TableScanDesc scan,
									 SortCoordinate coordinate, bool report);

#endif							/* VECTOR_IVF_ASSIGN_H */
