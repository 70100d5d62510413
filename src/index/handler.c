/*
 * handler.c
 *	  Options, settings and results of vacuum that are alike in every access
 *	  method.
 */
#include "index/handler.h"

#include "storage/bufmgr.h"
#include "storage/lock.h"

static relopt_enum_elt_def reranks[] = {
	{"heap", RERANK_HEAP},
	{"index", RERANK_INDEX},
	{(const char *) NULL}
};

static const struct config_enum_entry iterative_scans[] = {
	{"off", ITERATIVE_OFF, false},
	{"relaxed_order", ITERATIVE_RELAXED, false},
	{"strict_order", ITERATIVE_STRICT, false},
	{NULL, 0, false}
};

void
add_rerank_option(relopt_kind kind, IndexRerank rerank)
{
	add_enum_reloption(kind, "rerank", "Where true distances come from", reranks,
					   rerank,
					   rerank == RERANK_HEAP ? "Valid values are \"heap\" and \"index\"."
					   : "Valid values are \"index\" and \"heap\".",
					   AccessExclusiveLock);
}

void
define_iterative_scan(const char *name, const char *description, int *setting)
{
	DefineCustomEnumVariable(name, description, NULL, setting, ITERATIVE_STRICT,
							 iterative_scans, PGC_USERSET, 0, NULL, NULL, NULL);
}

IndexBulkDeleteResult *
bulk_delete_stats(IndexBulkDeleteResult *stats)
{
	if (stats == NULL)
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	return stats;
}

IndexBulkDeleteResult *
vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;

	/* nothing was deleted: the table knows better than a look at every page */
	if (stats == NULL)
	{
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
