/*
 * exact.h
 *	  Exact search: ORDER BY column <-> value LIMIT k by one pass over a table
 *	  that keeps the k nearest rows.
 *
 * exact_path.c decides where that is possible and what it costs; exact_scan.c
 * runs it.  What one tells the other is in a CustomScan: the expression of the
 * distance is the only member of custom_exprs, the rest is in custom_private.
 */
#ifndef VECTOR_PLANNER_EXACT_H
#define VECTOR_PLANNER_EXACT_H

#include "compat/pg.h"

#include "nodes/extensible.h"

/* Members of CustomScan.custom_private, a list of integers */
typedef enum ExactPrivate
{
	EXACT_COLUMN_ARGUMENT,		/* which argument of the operator is the column */
	EXACT_LIMIT,				/* rows to keep in the first pass */
	EXACT_PRIVATE_COUNT
} ExactPrivate;

/* vector.enable_exact_scan */
extern bool enable_exact_scan;

extern const CustomScanMethods exact_scan_methods;

#endif							/* VECTOR_PLANNER_EXACT_H */
