/*
 * hnsw.h
 *	  The hnsw access method, as PostgreSQL calls it.
 *
 * README.md tells how the index works, and what is in which file.
 */
#ifndef VECTOR_HNSW_H
#define VECTOR_HNSW_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "utils/relcache.h"

#include "hnsw/options.h"

extern IndexBuildResult *hnsw_build(Relation heap, Relation index,
									IndexInfo *index_info);
extern void hnsw_build_empty(Relation index);

extern bool hnsw_insert(Relation index, Datum *values, bool *isnull,
						ItemPointer heap_tid, Relation heap,
						IndexUniqueCheck check_unique, bool index_unchanged,
						IndexInfo *index_info);

extern IndexBulkDeleteResult *hnsw_bulk_delete(IndexVacuumInfo *info,
											   IndexBulkDeleteResult *stats,
											   IndexBulkDeleteCallback callback,
											   void *callback_state);

extern IndexScanDesc hnsw_begin_scan(Relation index, int nkeys, int norderbys);

extern void hnsw_cost_estimate(PlannerInfo *root, IndexPath *path,
							   double loop_count, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

#endif							/* VECTOR_HNSW_H */
