/*
 * scan_stats.h
 *	  What an index scan has done, in numbers.
 *
 * The opaque part of an IndexScanDesc of ours begins with a ScanStats, so that
 * EXPLAIN finds it without knowing the access method.  The numbers add up over
 * all rescans.
 */
#ifndef VECTOR_INDEX_SCAN_STATS_H
#define VECTOR_INDEX_SCAN_STATS_H

#include "compat/pg.h"

#include "access/relscan.h"
#include "utils/rel.h"

/* How the last search went about it */
typedef enum ScanMode
{
	SCAN_NONE,					/* there was none */
	SCAN_GRAPH,					/* through the graph, everything guides it */
	SCAN_GRAPH_PASSING,			/* through what passes the conditions only */
	SCAN_ALL_PASSING,			/* the distance of all that passes */
	SCAN_LISTS					/* through inverted lists */
} ScanMode;

typedef struct ScanStats
{
	Oid			index;
	ScanMode	mode;
	uint64		searches;		/* begun: once, and with each rescan */
	uint64		batches;		/* of results; more than searches: it went on */
	uint64		visited;		/* nodes, or entries of lists, looked at */
	uint64		filtered;		/* did not pass an index condition */
	uint64		distances;		/* computed from what the index has */
	uint64		reread;			/* rows read for their true distance */
	uint64		returned;		/* rows */
} ScanStats;

/* The scan ends: what vector_last_scan() shows */
extern void scan_stats_end(const ScanStats *stats);

/* Of a scan that an access method of ours has begun */
static inline const ScanStats *
scan_stats_of(IndexScanDesc scan)
{
	return (const ScanStats *) scan->opaque;
}

extern const char *scan_mode_name(ScanMode mode);

#endif							/* VECTOR_INDEX_SCAN_STATS_H */
