/*
 * explain.h
 *	  EXPLAIN of a query, as PostgreSQL does it where no hook is set.
 */
#ifndef VECTOR_COMPAT_EXPLAIN_H
#define VECTOR_COMPAT_EXPLAIN_H

#include "compat/pg.h"

#ifndef HAVE_EXPLAIN_PER_NODE_HOOK

#include "commands/explain.h"
#include "executor/instrument.h"
#include "portability/instr_time.h"
#include "tcop/tcopprot.h"

/* 17 has it as a function; before, it was the end of ExplainOneQuery (explain.c). */
static inline void
explain_one_query(Query *query, int options, IntoClause *into, ExplainState *es,
				  const char *text, ParamListInfo params, QueryEnvironment *env)
{
#if PG_VERSION_NUM >= 170000
	standard_ExplainOneQuery(query, options, into, es, text, params, env);
#else
	PlannedStmt *plan;
	instr_time	begin;
	instr_time	duration;
	BufferUsage before;
	BufferUsage used;

	memset(&used, 0, sizeof(used));
	before = pgBufferUsage;
	INSTR_TIME_SET_CURRENT(begin);
	plan = pg_plan_query(query, text, options, params);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, begin);
	BufferUsageAccumDiff(&used, &pgBufferUsage, &before);
	ExplainOnePlan(plan, into, es, text, params, env, &duration,
				   es->buffers ? &used : NULL);
#endif
}

#endif							/* HAVE_EXPLAIN_PER_NODE_HOOK */

#endif							/* VECTOR_COMPAT_EXPLAIN_H */
