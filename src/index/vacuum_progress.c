/*
 * vacuum_progress.c
 *	  How far VACUUM is in an index.
 */
#include "index/vacuum_progress.h"

#include "access/parallel.h"
#include "commands/progress.h"
#include "pgstat.h"
#include "utils/rel.h"

/* Of a command's numbers, the last four; VACUUM uses eleven, from the first on */
#define PARAM_INDEX		(PGSTAT_NUM_PROGRESS_PARAM - 4)
#define PARAM_PHASE		(PGSTAT_NUM_PROGRESS_PARAM - 3)
#define PARAM_DONE		(PGSTAT_NUM_PROGRESS_PARAM - 2)
#define PARAM_TOTAL		(PGSTAT_NUM_PROGRESS_PARAM - 1)

/* A worker's command: PostgreSQL has 1 to 4, vector_index_check 101 */
#define COMMAND_VACUUM	102

static bool shown = false;
static bool own_command = false;

void
vacuum_progress_begin(Relation index)
{
	/* an error that ended another vacuum has ended its progress, too */
	own_command = IsParallelWorker() && MyBEEntry != NULL &&
		MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID;
	if (own_command)
	{
		pgstat_progress_start_command(PROGRESS_COMMAND_CREATE_INDEX,
									  index->rd_index->indrelid);
		pgstat_progress_update_param(PROGRESS_CREATEIDX_COMMAND, COMMAND_VACUUM);
	}

	/* validating a concurrent build calls vacuum, too, and shows its own progress */
	shown = own_command || (MyBEEntry != NULL &&
							MyBEEntry->st_progress_command == PROGRESS_COMMAND_VACUUM);
	if (shown)
		pgstat_progress_update_param(PARAM_INDEX, RelationGetRelid(index));
}

void
vacuum_phase(VacuumPhase phase, int64 total)
{
	static const int params[] = {PARAM_PHASE, PARAM_DONE, PARAM_TOTAL};
	int64		values[] = {phase, 0, total};

	if (shown)
		pgstat_progress_update_multi_param(lengthof(params), params, values);
}

void
vacuum_progress(int64 done)
{
	if (shown)
		pgstat_progress_update_param(PARAM_DONE, done);
}

void
vacuum_progress_end(void)
{
	static const int params[] = {PARAM_INDEX, PARAM_PHASE, PARAM_DONE, PARAM_TOTAL};
	int64		values[lengthof(params)] = {0};

	if (shown)
		pgstat_progress_update_multi_param(lengthof(params), params, values);
	if (own_command)
		pgstat_progress_end_command();
	shown = own_command = false;
}

void
vacuum_progress_save(VacuumProgress *progress)
{
	progress->command = PROGRESS_COMMAND_INVALID;
	if (MyBEEntry == NULL)
		return;
	progress->command = MyBEEntry->st_progress_command;
	progress->target = MyBEEntry->st_progress_command_target;
	for (int i = 0; i < PGSTAT_NUM_PROGRESS_PARAM; i++)
		progress->params[i] = MyBEEntry->st_progress_param[i];
}

void
vacuum_progress_restore(const VacuumProgress *progress)
{
	int			params[PGSTAT_NUM_PROGRESS_PARAM];

	if (progress->command == PROGRESS_COMMAND_INVALID)
		return;
	for (int i = 0; i < PGSTAT_NUM_PROGRESS_PARAM; i++)
		params[i] = i;
	pgstat_progress_start_command(progress->command, progress->target);
	pgstat_progress_update_multi_param(PGSTAT_NUM_PROGRESS_PARAM, params,
									   progress->params);
}
