/*
 * index_options.c
 *	  Options and settings that every access method has.
 */
#include "index/index_options.h"

#include "storage/lock.h"
#include "utils/guc.h"

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
