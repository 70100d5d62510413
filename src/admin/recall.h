/*
 * recall.h
 *	  Recall by measurement: what an index finds of what there is, and how long
 *	  both take.
 *
 * Searches are SQL statements of the caller's, planned and run as the caller's
 * own: privileges and row security are those of any query.  The planner is only
 * kept from all indexes of this extension but the one that is measured, and from
 * all of them where the answer must be exact.
 *
 *		SPI_connect();
 *		measured = recall_begin(index, k, filter);
 *		recall_take_rows(measured, 100);		or recall_take_queries
 *		for each query: recall_find_nearest(measured, query);
 *		recall_index_begin(measured);
 *		for each query: recall_search(measured, query);
 *		recall_index_end(measured);
 *		recall_summary(measured, &summary);
 *
 * The middle part may be repeated under other settings.  All statements use the
 * snapshot of the statement that calls.
 */
#ifndef VECTOR_ADMIN_RECALL_H
#define VECTOR_ADMIN_RECALL_H

#include "compat/pg.h"

#include "executor/spi.h"
#include "storage/itemptr.h"

/* A value that is searched for */
typedef struct RecallQuery
{
	Datum		value;			/* of the type that the index orders */
	ItemPointerData row;		/* whose value it is, which does not count as found;
								 * invalid: none */
	uint32		element;		/* of that row, to be left out; 0: none */
	int			wanted;			/* rows that are the nearest: k, or as many as
								 * there are; -1: not known yet */
	double		farthest;		/* the distance of the last of these */
	double		exact_time;		/* milliseconds of the exact search */
	int			found;			/* of wanted, by the index */
	double		index_time;		/* milliseconds of the last search by the index */
} RecallQuery;

typedef struct RecallMeasured
{
	Oid			index;
	Oid			heap;
	int			k;
	char	   *expression;		/* what the index orders, as SQL */
	char	   *table;			/* qualified */
	char	   *where;			/* conditions */
	char	   *operator;		/* qualified */
	Oid			type;			/* that the index orders */
	int16		type_length;
	bool		type_by_value;
	bool		of_rows;		/* queries are values of rows */
	SPIPlanPtr	exact_plan;		/* NULL: not made yet */
	SPIPlanPtr	index_plan;
	RecallQuery *queries;
	int			count;
	int			measured;		/* the first so many have been searched for by both */
	int			gucs;			/* nest level, between recall_index_begin and _end */
	MemoryContext context;
} RecallMeasured;

/* Milliseconds: of searches by the index, and exact ones */
typedef struct RecallSummary
{
	int			queries;		/* whose answer is not empty */
	double		recall;			/* NAN: there are none */
	double		low;			/* of 95 % confidence */
	double		high;
	double		index_p50;
	double		index_p95;
	double		exact_p50;
	double		exact_p95;
} RecallSummary;

/* Installs a planner hook, which does nothing but during a measurement */
extern void recall_init(void);

/*
 * A measurement of an index's k nearest rows (of those that fulfil filter, a
 * condition in SQL; NULL: all), in the current memory context, which must last
 * for as long as the measurement.  Errors: no index of ours, one that is
 * partitioned, not valid, or of another session's temporary table; one whose
 * expressions or predicate call functions of roles that are no superusers, and that the
 * caller is no member of.  Locks table and index in access share mode until the end of the
 * transaction.
 */
extern RecallMeasured *recall_begin(Oid index, int k, const char *filter);

/*
 * Queries: count rows of the index's table, always the same ones; the first count
 * results of a query; those of an array.
 *
 * A row is easier to find than a value that an hnsw index does not have, as it was
 * built by searches for it, and its own edges lead to what is nearest (recall .98
 * with ef_search 3, where other values need 50).  So searches for rows pass by the
 * row's own element, where they can do without it.
 */
extern void recall_take_rows(RecallMeasured *measured, int count);
extern void recall_take_queries(RecallMeasured *measured, const char *query,
								int count);
extern void recall_take_array(RecallMeasured *measured, Datum array, Oid type,
							  int count);

/* Is there a query whose answer is known, and not empty? */
extern bool recall_any_wanted(const RecallMeasured *measured);

/* Search for a query without indexes: sets wanted, farthest, exact_time. */
extern void recall_find_nearest(RecallMeasured *measured, int query);

/*
 * Between these, settings keep the planner at the index.  Error if it does not
 * use the index even so.  A subtransaction that ends takes the settings back.
 */
extern void recall_index_begin(RecallMeasured *measured);
extern void recall_index_end(RecallMeasured *measured);

/* Search for a query by the index: sets found and index_time. */
extern void recall_search(RecallMeasured *measured, int query);

/* What the first measured->measured queries say */
extern void recall_summary(const RecallMeasured *measured,
						   RecallSummary *summary);

/*
 * Milliseconds until which a measurement may last, from an argument that is a time
 * limit; error if that is not positive.
 */
extern double recall_time_limit(Datum interval);

#endif							/* VECTOR_ADMIN_RECALL_H */
