/*
 * parallel_build.c
 *	  What the workers of a build have from its leader, and give back.
 */
#include "index/parallel_build.h"

#include "executor/instrument.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"

/* Keys in the table of contents, apart from those of access methods */
#define KEY_QUERY		UINT64CONST(0xA700000000000001)
#define KEY_QUERY_ID	UINT64CONST(0xA700000000000002)
#define KEY_WAL			UINT64CONST(0xA700000000000003)
#define KEY_BUFFERS		UINT64CONST(0xA700000000000004)

void
parallel_build_estimate(ParallelContext *context)
{
	shm_toc_estimate_chunk(&context->estimator, sizeof(int64));
	shm_toc_estimate_chunk(&context->estimator,
						   mul_size(sizeof(WalUsage), context->nworkers));
	shm_toc_estimate_chunk(&context->estimator,
						   mul_size(sizeof(BufferUsage), context->nworkers));
	shm_toc_estimate_keys(&context->estimator, 3);
	if (debug_query_string != NULL)
	{
		shm_toc_estimate_chunk(&context->estimator,
							   strlen(debug_query_string) + 1);
		shm_toc_estimate_keys(&context->estimator, 1);
	}
}

void
parallel_build_share(ParallelContext *context)
{
	int64	   *query_id = (int64 *) shm_toc_allocate(context->toc, sizeof(int64));

	*query_id = (int64) pgstat_get_my_query_id();
	shm_toc_insert(context->toc, KEY_QUERY_ID, query_id);
	shm_toc_insert(context->toc, KEY_WAL,
				   shm_toc_allocate(context->toc,
									mul_size(sizeof(WalUsage), context->nworkers)));
	shm_toc_insert(context->toc, KEY_BUFFERS,
				   shm_toc_allocate(context->toc,
									mul_size(sizeof(BufferUsage), context->nworkers)));
	if (debug_query_string != NULL)
	{
		char	   *query = (char *) shm_toc_allocate(context->toc,
													  strlen(debug_query_string) + 1);

		strcpy(query, debug_query_string);
		shm_toc_insert(context->toc, KEY_QUERY, query);
	}
}

void
parallel_build_report(shm_toc *toc)
{
	debug_query_string = (const char *) shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	pgstat_report_query_id(*(int64 *) shm_toc_lookup(toc, KEY_QUERY_ID, false),
						   false);
}

void
parallel_build_begin_usage(void)
{
	InstrStartParallelQuery();
}

void
parallel_build_end_usage(shm_toc *toc)
{
	WalUsage   *wal = (WalUsage *) shm_toc_lookup(toc, KEY_WAL, false);
	BufferUsage *buffers = (BufferUsage *) shm_toc_lookup(toc, KEY_BUFFERS, false);

	InstrEndParallelQuery(&buffers[ParallelWorkerNumber],
						  &wal[ParallelWorkerNumber]);
}

void
parallel_build_add_usage(ParallelContext *context)
{
	WalUsage   *wal = (WalUsage *) shm_toc_lookup(context->toc, KEY_WAL, false);
	BufferUsage *buffers = (BufferUsage *) shm_toc_lookup(context->toc, KEY_BUFFERS, false);

	for (int i = 0; i < context->nworkers_launched; i++)
		InstrAccumParallelQuery(&buffers[i], &wal[i]);
}
