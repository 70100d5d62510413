/*
 * ivf.h
 *	  Inverted files: the access methods ivfflat, ivfpq, ivfrabitq, and flat, which
 *	  has one list, as PostgreSQL and the rest of the extension see them.
 *
 * README.md tells how the index works, and in which order its files are read.
 */
#ifndef VECTOR_IVF_H
#define VECTOR_IVF_H

#include "compat/pg.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "index/handler.h"

/* The access methods */
typedef enum IvfKind
{
	IVF_FLAT,					/* values as they are */
	IVF_PQ,						/* product quantization */
	IVF_RABITQ,
	IVF_EXACT,					/* one list, of codes with proven errors: flat */
	IVF_KINDS
} IvfKind;

extern const char *const ivf_names[IVF_KINDS];

#define IVF_MAX_LISTS		32768

/* The most rows whose true distances a setting has read at a time */
#define IVF_MAX_RERANK		100000

/* The access method of an index: by its handler */
extern IvfKind ivf_kind_of(Relation index);

/* Settings of one access method */
typedef struct IvfSettings
{
	int			probes;			/* 0: by ivf_target_recall */
	int			max_probes;
	int			iterative_scan; /* IterativeScan */
	int			rerank;			/* candidates whose true distances are read */
} IvfSettings;

extern IvfSettings ivf_settings[IVF_KINDS];
extern double ivf_target_recall;	/* 0: probes says */
extern int	ivf_seed;
extern int	ivf_vacuum_budget;	/* entries that a VACUUM may move; 0: none */

/* Lists that an index, which is open, has */
extern int	ivf_list_count(Relation index);

/* Define settings and options; called at load. */
extern void ivf_init(void);

/*
 * Phases of a build, as pg_stat_progress_create_index shows them; the first one,
 * "initializing", is PostgreSQL's
 */
#define IVF_PHASE_SAMPLE	2
#define IVF_PHASE_KMEANS	3
#define IVF_PHASE_CODES		4
#define IVF_PHASE_ASSIGN	5
#define IVF_PHASE_WRITE		6
#define IVF_PHASE_WAL		7

AM_FUNCTION(ambuild, ivf_build);
AM_FUNCTION(ambuildempty, ivf_build_empty);
AM_FUNCTION(aminsert, ivf_insert);
AM_FUNCTION(ambulkdelete, ivf_bulk_delete);
AM_FUNCTION(amvacuumcleanup, ivf_vacuum_cleanup);
AM_FUNCTION(ambeginscan, ivf_begin_scan);
AM_FUNCTION(amrescan, ivf_rescan);
AM_FUNCTION(amcostestimate, ivf_cost_estimate);

/* The same of flat: the planner knows by it that an index is exact. */
extern void flat_cost_estimate(PlannerInfo *root, IndexPath *path,
							   double loop_count, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

/* How even lists are, and how far rows are from their centroids */
typedef struct IvfDriftSums
{
	uint64		pages;
	double		built;			/* entries at build */
	uint64		entries;
	uint64		rows;			/* looked at for error */
	double		built_imbalance;	/* see ivf_drift; a number if built > 0 */
	double		imbalance;		/* if entries > 0 */
	double		built_error;	/* mean squared distance from centroids */
	double		error;			/* if rows > 0 */
} IvfDriftSums;

/*
 * Walk over all lists of an index of a table, and read some rows by the active
 * snapshot.  Evaluates the index's expressions: to be called as the table's owner.
 */
extern void ivf_measure_drift(Relation index, Relation heap, IvfDriftSums *sums);

/* verify.c: is an index what it promises to be? */
extern const struct VerifyMethods ivf_verify_methods;

#endif							/* VECTOR_IVF_H */
