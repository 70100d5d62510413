/*
 * index_report.h
 *	  What an index is like, as far as its metapage and directory say.
 */
#ifndef VECTOR_INDEX_REPORT_H
#define VECTOR_INDEX_REPORT_H

#include "compat/pg.h"

#include "nodes/pg_list.h"
#include "utils/relcache.h"

#define REPORT_UNKNOWN	(-1)

/* Numbers are REPORT_UNKNOWN, and names NULL, where an access method has none */
typedef struct IndexReport
{
	/* filled in beforehand */
	double		rows;			/* an estimate, as the planner makes it */
	double		blocks;			/* of the index */

	List	   *options;		/* "name=value", char *: what it was built with */
	int			dimensions;
	int			levels;			/* of the graph */
	int			lists;
	double		imbalance;		/* mean size of the list that a page is in, in mean
								 * sizes: 1 where all are equal */
	int			segments;
	double		pending_pages;
	const char *quantizer;
	const char *rerank;			/* where true distances come from */
	double		hot_blocks;		/* that searches read all over */
	double		built_rows;		/* when it was built */
	double		dead;			/* rows removed from the table, and still in it */
	bool		is_exact;
} IndexReport;

/* Add an option, as printf does. */
extern void report_option(IndexReport *report, const char *format,...) pg_attribute_printf(2, 3);

/*
 * Of an index of the access method, which is open and locked in access share mode.
 * Errors where its pages are damaged or of a format that is not read.
 */
extern void report_hnsw(Relation index, IndexReport *report);
extern void report_ivf(Relation index, IndexReport *report);
extern void report_sparse(Relation index, IndexReport *report);

/* Blocks that so many slots of a page of values take, 0 where there are none */
extern double value_blocks(double rows, uint32 slot_size);

#endif							/* VECTOR_INDEX_REPORT_H */
