/*
 * scan.h
 *	  What an index scan is, whatever the access method: beginning, rescans, one
 *	  row after the other, and the end.
 *
 * A scan looks for a target (scan_target.h), or for several, one after the other.
 * For each, the access method searches once, which finds a first batch of rows,
 * and then hands out rows until there are none; then it is asked for a further
 * batch, until there is none either.
 *
 *		routine->ambeginscan = my_begin_scan;	(calls vector_scan_begin)
 *		routine->amrescan = vector_scan_rescan;
 *		routine->amgettuple = vector_scan_next;
 *		routine->amendscan = vector_scan_end;
 *
 * Nothing stays pinned or locked between calls but a page of the table.  That a
 * row's TID may be removed and used again meanwhile does no harm, because the
 * snapshot, an MVCC one, does not see the new row.
 */
#ifndef VECTOR_INDEX_SCAN_H
#define VECTOR_INDEX_SCAN_H

#include "compat/pg.h"

#include "access/relscan.h"
#include "access/sdir.h"
#include "catalog/pg_collation.h"

#include "index/handler.h"
#include "index/scan_target.h"
#include "storage/heap_value.h"

/*
 * The planner's mark on the order of a scan whose query asks for the first rows, so
 * that they may be approximate (planner/approximation.c).  It stands where a plan's
 * operator has its collation, which distances do not have, and arrives as
 * sk_collation.  So a scan knows what its plan is for, whatever the settings were
 * when that was made.
 */
#define APPROXIMATE_ORDER	C_COLLATION_OID

/*
 * The planner's mark, in the same place, on the order of an approximate scan of one
 * of several partitions, whose rows are merged: how many times this one's rows all of
 * them have (2 and more), and the rows that the query wants of all; 0 if that is not
 * known.  No collation of distances, which have none, is mistaken for it.
 */
#define SHARED_ORDER_FLAG	0x80000000u
#define SHARED_ORDER_MOST	0x7FFFu

static inline Oid
shared_order(double parts, double rows)
{
	return SHARED_ORDER_FLAG |
		(uint32) Min(parts, SHARED_ORDER_MOST) << 16 |
		(uint32) Max(Min(rows, PG_UINT16_MAX), 0);
}

/* The parts of such a mark, and the rows wanted; 1 of any other mark */
static inline int
shared_order_parts(Oid mark, int *rows)
{
	if ((mark & SHARED_ORDER_FLAG) == 0)
		return 1;
	*rows = mark & PG_UINT16_MAX;
	return mark >> 16 & SHARED_ORDER_MOST;
}

static inline bool
is_order_mark(Oid collation)
{
	return collation == APPROXIMATE_ORDER || (collation & SHARED_ORDER_FLAG) != 0;
}

/* ------------------------------------------------------------------------
 * What a scan has done, in numbers
 */

/* How the last search went about it */
typedef enum ScanMode
{
	SCAN_NONE,					/* there was none */
	SCAN_GRAPH,					/* through the graph, everything guides it */
	SCAN_GRAPH_PASSING,			/* through what passes the conditions only */
	SCAN_ALL_PASSING,			/* the distance of all that passes */
	SCAN_LISTS					/* through inverted lists */
} ScanMode;

/* What may happen to a search; counted once for each */
typedef enum ScanEvent
{
	SCAN_FELL_BACK,				/* it has looked at all there is, since what the
								 * graph or its lists led to was too little */
	SCAN_HIT_TUPLES,			/* it has stopped at max_scan_tuples, */
	SCAN_HIT_MEMORY,			/* at the memory that it may use, */
	SCAN_HIT_PROBES,			/* at max_probes */
	SCAN_EVENTS
} ScanEvent;

/*
 * The opaque part of an IndexScanDesc of ours begins with one, so that EXPLAIN
 * finds it without knowing the access method.  Numbers add up over all rescans.
 */
typedef struct ScanStats
{
	Oid			index;
	ScanMode	mode;
	uint64		searches;		/* begun: once, and with each rescan */
	uint64		batches;		/* of results; more than searches: it went on */
	uint32		ef;				/* candidates of a graph's search; 0: it is none */
	uint64		visited;		/* nodes, or entries of lists, looked at */
	uint64		filtered;		/* did not pass an index condition */
	uint64		distances;		/* computed from what the index has */
	uint64		reread;			/* rows read for their true distance */
	uint64		returned;		/* rows */
	uint64		restarts;		/* walks begun anew, because vacuum was in the way */
	uint64		events[SCAN_EVENTS];	/* searches that a ScanEvent happened to */
	uint64		nanoseconds;	/* up to first rows, and for further batches */
	uint8		happened;		/* to this search: a bit for each ScanEvent */
} ScanStats;

/* Something has happened to the search that is under way. */
static inline void
scan_event(ScanStats *stats, ScanEvent event)
{
	if (stats->happened & 1 << event)
		return;
	stats->happened |= 1 << event;
	stats->events[event]++;
}

/* Of a scan that an access method of ours has begun */
static inline const ScanStats *
scan_stats_of(IndexScanDesc scan)
{
	return (const ScanStats *) scan->opaque;
}

extern const char *scan_mode_name(ScanMode mode);

/* ------------------------------------------------------------------------
 * The scan
 */

typedef struct ScanMethods
{
	/* Forget what has been found and returned.  Called before any other. */
	void		(*reset) (IndexScanDesc desc);

	/*
	 * Search for the scan's target: the first batch.  Sets scan->recheck where
	 * conditions on filter columns are to be tested again.
	 */
	void		(*search) (IndexScanDesc desc);

	/* The next row of what has been found, into xs_heaptid; false: none is left */
	bool		(*next_row) (IndexScanDesc desc);

	/* Find more; false if there is no more, or it is not wanted. */
	bool		(*next_batch) (IndexScanDesc desc);

	/* The row returned last is dead to everybody.  May be NULL. */
	void		(*kill) (IndexScanDesc desc);

	/*
	 * The next row of what has been found is at least so far (topk_key), by what is
	 * known without the table; PG_UINT64_MAX: none is left.  NULL where it is not
	 * known.
	 */
	uint64		(*peek) (IndexScanDesc desc);

	/* Between what the distance of the row returned last is.  NULL with peek. */
	void		(*interval) (IndexScanDesc desc, uint64 *low, uint64 *high);

	/*
	 * Of what a partition's share of a search (shared_order) has found before any row
	 * is returned, how far up to most rows are at least, in any order; how many.
	 * NULL with peek.
	 */
	int			(*found) (IndexScanDesc desc, uint64 *lows, int most);

	/* Search on: so large a part of the rows wanted is likely to come from here. */
	void		(*search_on) (IndexScanDesc desc, double part);
} ScanMethods;

/* An access method's scan begins with one; desc->opaque. */
typedef struct VectorScan
{
	ScanStats	stats;			/* first */
	const ScanMethods *methods;
	const char *am;				/* the access method's name, for messages */
	const IndexColumn *column;
	ScanTarget	target;
	bool		started;
	bool		recheck;
	HeapValues *heap_values;	/* made when first needed */
	MemoryContext context;		/* of the whole scan */
	MemoryContext query_context;	/* of its target */
} VectorScan;

/*
 * ambeginscan.  opaque will be size bytes, zeroed; what else a scan needs as long
 * as it lives is to be allocated in its context.  The caller sets column.
 */
extern IndexScanDesc vector_scan_begin(Relation index, int nkeys, int norderbys,
									   Size size, const char *am,
									   const ScanMethods *methods);

/* amrescan, amgettuple, amendscan */
extern void vector_scan_rescan(IndexScanDesc desc, ScanKey keys, int nkeys,
							   ScanKey orderbys, int norderbys);
extern bool vector_scan_next(IndexScanDesc desc, ScanDirection direction);
extern void vector_scan_end(IndexScanDesc desc);

/*
 * How near can the next row of a scan in order be?  A topk_key; PG_UINT64_MAX if there
 * is none.  Searches, if that has not been done, as vector_scan_next would.
 */
extern uint64 vector_scan_peek(IndexScanDesc desc);

/*
 * What a scan has found that has been peeked at, and has not returned any row: at
 * least how far, up to most of them, into lows.  Returns how many.
 */
extern int	vector_scan_found(IndexScanDesc desc, uint64 *lows, int most);

/* Let such a scan search for a part of the rows wanted; afterwards peek again. */
extern void vector_scan_search_on(IndexScanDesc desc, double part);

/* Between what, both included, the distance of the row returned last is: topk_keys */
extern void vector_scan_interval(IndexScanDesc desc, uint64 *low, uint64 *high);

/*
 * The indexed value of a row, from the table: see heap_values_get.  NULL if the
 * snapshot sees no such row.
 */
extern const struct varlena *vector_scan_read(IndexScanDesc desc,
											  ItemPointer tid, bool *all_dead);

/* May no row come that is nearer than one before it? */
static inline bool
vector_scan_strict(const VectorScan *scan, int iterative_scan)
{
	return scan->target.ordered && iterative_scan != ITERATIVE_RELAXED;
}

/*
 * A row's true distance is at most high, and no other row's is less than second:
 * is that all that must be known of it, so that it may be returned before the
 * others, if it may be returned at all?  All are keys (topk_key).
 */
static inline bool
scan_target_decided(const ScanTarget *target, uint64 high, uint64 second)
{
	return high <= target->bound && (!target->ordered || high <= second);
}

#endif							/* VECTOR_INDEX_SCAN_H */
