/*
 * progress.h
 *	  Phases of a build, as pg_stat_progress_create_index shows them.
 */
#ifndef VECTOR_SPARSE_PROGRESS_H
#define VECTOR_SPARSE_PROGRESS_H

#include "commands/progress.h"

/* the first one, "initializing", is PostgreSQL's */
#define INVERTED_PHASE_INVERT	2
#define INVERTED_PHASE_MERGE	3
#define INVERTED_PHASE_WAL		4

#endif							/* VECTOR_SPARSE_PROGRESS_H */
