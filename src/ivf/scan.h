/*
 * scan.h
 *	  What the two kinds of scans have in common.
 *
 * scan.c looks for the values nearest to one; max_sim.c, in an index of arrays,
 * for the rows whose arrays are most similar to one.
 */
#ifndef VECTOR_IVF_SCAN_H
#define VECTOR_IVF_SCAN_H

#include "index/scan.h"
#include "ivf/reader.h"

/* What the state of both begins with */
#define IVF_SCAN_MEMBERS \
	VectorScan	common;			/* first */ \
	IvfIndex   *index; \
	IvfQuery   *query; \
	IvfReader  *reader; \
	Filter	   *filter;			/* NULL: the index has no filter columns */ \
	FoundSet	found			/* in lists that were read, and in no batch yet */

typedef struct IvfScanBase
{
	IVF_SCAN_MEMBERS;
} IvfScanBase;

/*
 * Begin a scan whose opaque part has size bytes and begins with IVF_SCAN_MEMBERS.
 * What it allocates further belongs into the context of common.
 */
extern IndexScanDesc ivf_scan_begin(Relation index, int nkeys, int norderbys,
									Size size, const ScanMethods *methods);

/*
 * A search begins: look at the conditions on filter columns.  False where they let
 * nothing pass.
 */
extern bool ivf_scan_start(IvfScanBase *scan);

/* ambeginscan of an index of arrays (max_sim.c) */
extern IndexScanDesc ivf_begin_max_sim(Relation index, int nkeys, int norderbys);

#endif							/* VECTOR_IVF_SCAN_H */
