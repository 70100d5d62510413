/*
 * progress.h
 *	  Phases of a build, as pg_stat_progress_create_index shows them.
 */
#ifndef VECTOR_IVF_PROGRESS_H
#define VECTOR_IVF_PROGRESS_H

#include "commands/progress.h"

/* the first one, "initializing", is PostgreSQL's */
#define IVF_PHASE_SAMPLE	2
#define IVF_PHASE_KMEANS	3
#define IVF_PHASE_CODES		4
#define IVF_PHASE_ASSIGN	5
#define IVF_PHASE_WRITE		6
#define IVF_PHASE_WAL		7

#endif							/* VECTOR_IVF_PROGRESS_H */
