/*
 * calibrate.h
 *	  The ef_search that a recall takes: measured when an index is built, or again
 *	  later, and used by searches that declare a recall.
 */
#ifndef VECTOR_HNSW_CALIBRATE_H
#define VECTOR_HNSW_CALIBRATE_H

#include "compat/pg.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"

/* Numbers of nearest rows whose recall is measured: 10 and 100 */
#define HNSW_CALIBRATED_KS	2

/* Values of ef_search that it is measured at: hnsw_calibrated_ef */
#define HNSW_CALIBRATED_EFS	19

/* Rows below which nothing is measured */
#define HNSW_CALIBRATION_ROWS	1000

#define HNSW_CALIBRATION_VERSION	1

/*
 * Part of the metapage.  All zero in an index that has none: of few rows, or built
 * before there was one.
 */
typedef struct HnswCalibration
{
	uint16		version;
	uint16		queries;		/* that it is the mean of */
	float		recall[HNSW_CALIBRATED_KS][HNSW_CALIBRATED_EFS];
} HnswCalibration;

/* What the numbers of an HnswCalibration stand for */
extern int	hnsw_calibrated_k(int number);
extern int	hnsw_calibrated_ef(int number);

/* Is it one, or none, in sound numbers? */
extern bool hnsw_calibration_fits(const HnswCalibration *calibration);

static inline bool
hnsw_is_calibrated(const HnswCalibration *calibration)
{
	return calibration->version != 0;
}

/* The ef_search that finds a recall of the k nearest; needs a calibration. */
extern int	hnsw_ef_for(const HnswCalibration *calibration, double recall,
						double k);

/* ------------------------------------------------------------------------
 * Measuring
 */

/* Values to be searched for; each added one is as likely as any other to be kept. */
typedef struct HnswQueries
{
	struct varlena **values;	/* plain */
	ItemPointerData *tids;		/* of the rows whose values they are, or invalid */
	int			count;
	uint64		seen;
	uint64		random;			/* the generator's state */
	MemoryContext context;
} HnswQueries;

/* None, in the current memory context */
extern HnswQueries *hnsw_queries_create(uint64 seed);

/* One more plain value, which is copied; tid: of its row; NULL: of none */
extern void hnsw_queries_add(HnswQueries *queries, const struct varlena *value,
							 ItemPointer tid);

/*
 * Of an index of so many rows that is built in little time, search for fewer: as many
 * as of one three times as large.
 */
extern void hnsw_queries_spare(HnswQueries *queries, double rows);

/*
 * Measure an index of about so many rows, by queries.  The index may be in use: pages
 * are locked in share mode, one at a time.  False if there is too little to measure.
 */
extern bool hnsw_calibrate(Relation index, double rows, HnswQueries *queries,
						   HnswCalibration *calibration);

/*
 * Write a calibration to the metapage, which is locked exclusively for that, and
 * have other sessions read it.
 */
extern void hnsw_keep_calibration(Relation index,
								  const HnswCalibration *calibration, bool log);

/*
 * The calibration of an index that may be none of this extension's, or damaged; all
 * zero then.
 */
extern void hnsw_get_calibration(Relation index, HnswCalibration *calibration);

#endif							/* VECTOR_HNSW_CALIBRATE_H */
