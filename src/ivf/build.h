/*
 * build.h
 *	  The steps of a build (build.c), in their order.
 */
#ifndef VECTOR_IVF_BUILD_H
#define VECTOR_IVF_BUILD_H

#include "compat/pg.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/lwlock.h"
#include "utils/tuplesort.h"

#include "index/filter.h"
#include "index/parallel_build.h"
#include "ivf/calibrate.h"

/* ------------------------------------------------------------------------
 * Centroids and codebooks from a sample (train.c)
 */

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

/* Rows of the sample for each list */
#define IVF_SAMPLE_PER_LIST		64

/* Rows from which on a sample tells how many lists to search */
#define IVF_CALIBRATION_ROWS	1000

/* Rows whose neighbours are looked for, at most */
#define IVF_MAX_QUERIES			128

/* Residuals that product quantization is trained on, at most */
#define IVF_PQ_SAMPLE_ROWS		65536

/*
 * Bytes of so many rows of a sample, and of what clusters them; given: centroids are,
 * and there is no k-means
 */
extern double ivf_training_bytes(const IvfMeta *meta, Size rows, Size lists,
								 bool given);

/*
 * The model's codebooks, of the residuals of count y's of a sample, or some of them,
 * which take the place of rows.  panel is of centroids.
 */
extern void ivf_train_codebooks(const ClusterHost *host, IvfModel *model,
								uint64 seed, const CentroidPanel *panel,
								const float *centroids, float *rows, Size count);

/* A model whose arrays lie in floats, the constants; in the current context */
extern void train_point_model(IvfModel *model, const IvfMeta *meta,
							  IndexColumn column, float *floats);

/* ------------------------------------------------------------------------
 * The entries, sorted by list and TID (entry_sort.c)
 */

typedef struct IvfEntrySort
{
	Tuplesortstate *state;
	TupleTableSlot *put_slot;
	TupleTableSlot *get_slot;
	Size		code_bytes;
	Size		key_bytes;		/* of filter columns */
} IvfEntrySort;

/*
 * Begin a sort with so many kB of memory; coordinate says which part of a
 * parallel sort it is (NULL: it is the whole).  filter is NULL without filter
 * columns.
 */
extern IvfEntrySort *ivf_sort_begin(const IvfModel *model,
									const FilterShape *filter, int memory,
									SortCoordinate coordinate);

/* Add an entry of a list.  May leak memory into the current context. */
extern void ivf_sort_put(IvfEntrySort *sort, uint32 list, const IvfEntry *entry);

/*
 * After tuplesort_performsort: the next entry, whose code and keys are valid
 * until the one after that.  False if there is none.
 */
extern bool ivf_sort_get(IvfEntrySort *sort, uint32 *list, IvfEntry *entry);

extern void ivf_sort_end(IvfEntrySort *sort);

/* ------------------------------------------------------------------------
 * Rows to the lists of their nearest centroids, by each process (assign.c)
 */

/* Chunks of memory that the processes of a build share */
enum IvfBuildChunk
{
	IVF_CHUNK_SHARED,			/* IvfBuildShared */
	IVF_CHUNK_FLOATS,			/* the constants, as they will lie in the index */
	IVF_CHUNK_QUERIES,			/* y's, transformed as queries */
	IVF_CHUNK_NEIGHBORS,		/* IvfNeighbor, of the queries */
	IVF_CHUNK_SUMS,				/* IvfListSum, of all lists */
	IVF_CHUNK_SORT,				/* Sharedsort */
	IVF_CHUNK_CHAINS = IVF_CHUNK_SORT,	/* of flat: IvfChains */
	IVF_CHUNK_ASSIGNMENTS		/* IvfAssignments, if there is a table of them */
};

typedef struct IvfBuildShared
{
	IvfMeta		meta;
	int			queries;		/* whose neighbours are looked for */
	bool		assigned;		/* a table gives rows' lists */
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

/* ------------------------------------------------------------------------
 * The rows of flat, which has one list, by each process (exact_build.c)
 */

/* The pages that a process has written, each of which leads to the next */
typedef struct IvfChain
{
	BlockNumber head;
	BlockNumber last;
	uint32		pages;
	uint64		rows;
} IvfChain;

/* Of all processes that have had rows; changed under IvfBuildShared.lock */
typedef struct IvfChains
{
	FilterBounds bounds[FILTER_MAX_COLUMNS];	/* of all rows */
	int			count;
	IvfChain	chains[FLEXIBLE_ARRAY_MEMBER];
} IvfChains;

/* Bytes of it, for as many processes as there may be */
extern Size ivf_chains_size(void);

/* Encode and write the rows of this process's part of the table. */
extern void ivf_write_rows(BuildProcess *process);

/* Leader: make one list of what all have written, and write its record. */
extern void ivf_join_chains(BuildProcess *process, const IvfModel *model,
							const IvfMeta *meta, const FilterShape *filter);

/* ------------------------------------------------------------------------
 * The pages of a new index (write.c)
 */

/*
 * Metapage, directory, constants and summaries; fills in where they begin.  The
 * records of lists are written with these.
 */
extern void ivf_create_pages(Relation index, ForkNumber fork, IvfMeta *meta,
							 const float *floats, const FilterShape *filter);

/*
 * Write all lists, from a sort that is done (NULL: there are no rows), with the
 * sums of their rows.
 */
extern void ivf_write_lists(Relation index, ForkNumber fork,
							const IvfModel *model, const IvfMeta *meta,
							const FilterShape *filter, IvfEntrySort *sort,
							const IvfListSum *sums);

/* The record of a list; with filter (not NULL) its summary, too */
extern void ivf_write_record(Relation index, ForkNumber fork, const IvfMeta *meta,
							 uint32 list, const IvfList *record,
							 const FilterShape *filter, const FilterBounds *bounds);

/* Keep in the metapage what only the whole table has told. */
extern void ivf_update_meta(Relation index, const IvfMeta *meta);

#endif							/* VECTOR_IVF_BUILD_H */
