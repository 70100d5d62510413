/*
 * scan_counters.h
 *	  What scans have done, added up for each index.
 *
 * Where the library is preloaded (shared_preload_libraries), the sums are in shared
 * memory: of all sessions, since the server started.  Else a backend has sums of its
 * own scans.  A scan is added once, when it ends; one that ends with an error is not.
 *
 * A table of a fixed number of entries, found by hashing.  Adding takes no lock: the
 * key of an entry is read and written as one number, and counters are added to
 * atomically.  Only who writes keys, which happens once for each index, takes the
 * table's lock.  An entry is freed when its index is gone, and so when no scan of it
 * can be under way: a scan's lock on its index is held until its transaction ends.
 * Where there is no entry left, scans are added to one that stands for all other
 * indexes, so that sums stay true.
 */
#ifndef VECTOR_INDEX_SCAN_COUNTERS_H
#define VECTOR_INDEX_SCAN_COUNTERS_H

#include "compat/pg.h"

#include "datatype/timestamp.h"

#include "index/scan.h"

typedef enum ScanCounter
{
	COUNT_SCANS,
	COUNT_SEARCHES,
	COUNT_BATCHES,
	COUNT_VISITED,
	COUNT_FILTERED,
	COUNT_DISTANCES,
	COUNT_REREAD,
	COUNT_RETURNED,
	COUNT_RESTARTS,
	COUNT_EVENTS,				/* ScanEvent, one after the other */
	COUNT_NANOSECONDS = COUNT_EVENTS + SCAN_EVENTS,
	SCAN_COUNTERS
} ScanCounter;

/* The sums of an index, or of all that have no entry of their own (InvalidOid) */
typedef struct ScanSums
{
	Oid			database;
	Oid			index;
	TimestampTz since;
	uint64		counters[SCAN_COUNTERS];
} ScanSums;

/* vector.track_scans */
extern bool track_scans;

/* Define settings, and ask for shared memory if there is some to be had. */
extern void scan_counters_init(void);

/* Are the sums those of all sessions? */
extern bool scan_counters_shared(void);

/* A scan has ended. */
extern void scan_counters_add(const ScanStats *stats);

/*
 * The sums of this database's indexes and, last, those of all other indexes, in the
 * current context; *count of them.  Entries of indexes that are gone are freed.
 */
extern ScanSums *scan_counters_read(int *count);

/*
 * Begin anew for an index of this database, or, with InvalidOid, for all of them
 * (and, for all databases, for those without an entry).
 */
extern void scan_counters_reset(Oid index);

#endif							/* VECTOR_INDEX_SCAN_COUNTERS_H */
