/*
 * progress.h
 *	  Phases of a build, as pg_stat_progress_create_index shows them.
 */
#ifndef VECTOR_HNSW_PROGRESS_H
#define VECTOR_HNSW_PROGRESS_H

#include "commands/progress.h"

/* the first one, "initializing", is PostgreSQL's */
#define HNSW_PHASE_SAMPLE	2
#define HNSW_PHASE_LOAD		3
#define HNSW_PHASE_WRITE	4
#define HNSW_PHASE_WAL		5

#endif							/* VECTOR_HNSW_PROGRESS_H */
