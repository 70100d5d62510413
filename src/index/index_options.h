/*
 * index_options.h
 *	  Options and settings that every access method has.
 *
 * An index keeps its options in its metapage by numbers of its own, which are
 * part of its format: what is an enum here is not.
 */
#ifndef VECTOR_INDEX_INDEX_OPTIONS_H
#define VECTOR_INDEX_INDEX_OPTIONS_H

#include "compat/pg.h"

#include "access/reloptions.h"

/* Where true distances come from */
typedef enum IndexRerank
{
	RERANK_HEAP,				/* the table */
	RERANK_INDEX				/* values in half precision, and the table for ties */
} IndexRerank;

/* How a scan goes on when it has returned what it has found at first */
typedef enum IterativeScan
{
	ITERATIVE_OFF,				/* it ends */
	ITERATIVE_RELAXED,			/* what comes later may be nearer */
	ITERATIVE_STRICT
} IterativeScan;

/* Add the option "rerank", an IndexRerank with a default, to a kind of index. */
extern void add_rerank_option(relopt_kind kind, IndexRerank rerank);

/* Define the setting ACCESS_METHOD.iterative_scan, an IterativeScan: strict. */
extern void define_iterative_scan(const char *name, const char *description,
								  int *setting);

#endif							/* VECTOR_INDEX_INDEX_OPTIONS_H */
