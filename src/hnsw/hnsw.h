/*
 * hnsw.h
 *	  The hnsw access method: its options and settings, and what PostgreSQL calls.
 *
 * README.md tells how the index works, and what is in which file.
 */
#ifndef VECTOR_HNSW_H
#define VECTOR_HNSW_H

#include "compat/pg.h"

#include "commands/progress.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "utils/relcache.h"

#include "index/handler.h"

#define HNSW_MIN_M			2
#define HNSW_MAX_M			100
#define HNSW_DEFAULT_M		16
#define HNSW_MIN_EF_CONSTRUCTION	4
#define HNSW_MAX_EF_CONSTRUCTION	1000
#define HNSW_DEFAULT_EF_CONSTRUCTION	64
#define HNSW_MIN_EF_SEARCH	1
#define HNSW_MAX_EF_SEARCH	1000
#define HNSW_DEFAULT_EF_SEARCH	40

typedef enum HnswQuantizer
{
	HNSW_QUANTIZER_AUTO,
	HNSW_QUANTIZER_NONE,
	HNSW_QUANTIZER_RABITQ1,
	HNSW_QUANTIZER_RABITQ2,
	HNSW_QUANTIZER_RABITQ4,
	HNSW_QUANTIZER_RABITQ8
} HnswQuantizer;

typedef struct HnswOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			m;
	int			ef_construction;
	int			ef_search;		/* 0: the setting's */
	HnswQuantizer quantizer;
	IndexRerank rerank;
	double		target_recall;	/* 0: none */
	int			neighbors;		/* offset of a table's name; 0: none */
} HnswOptions;

extern int	hnsw_ef_search;
extern double hnsw_target_recall;
extern int	hnsw_iterative_scan;
extern int	hnsw_max_scan_tuples;
extern double hnsw_scan_mem_multiplier;
extern int	hnsw_seed;

/* Define settings and options; called at load. */
extern void hnsw_init(void);

/* An index's options, defaults filled in; never NULL */
extern const HnswOptions *hnsw_options(Relation index);

/* The name of the table that gives neighbours to a build; NULL: none */
static inline const char *
hnsw_neighbor_table(const HnswOptions *options)
{
	return options->neighbors == 0 ? NULL
		: (const char *) options + options->neighbors;
}

/*
 * The ef_search of a scan, unless a recall is declared: the index's, unless the
 * session has set one
 */
extern int	hnsw_scan_ef(Relation index);

/*
 * The recall that is declared: by the session, or else of the index; 0: none is, or
 * an ef_search is set that goes before it.
 */
extern double hnsw_declared_recall(Relation index);

/*
 * The number of the element of a row, whose plain value is given, for
 * hnsw_leave_out; 0 where it cannot be left out without harm to searches for
 * others, or has not been found.
 */
extern uint32 hnsw_element_of(Relation index, const struct varlena *value,
							  ItemPointer tid);

/*
 * From now on, scans of an index in this session pass an element by, as if it had
 * never been inserted; index InvalidOid: no longer.  For measurements: a row is easier
 * to find than a value that the index does not have.
 */
extern void hnsw_leave_out(Oid index, uint32 element);

extern bytea *hnsw_reloptions(Datum reloptions, bool validate);

/* Phases of a build; the first one, "initializing", is PostgreSQL's */
#define HNSW_PHASE_SAMPLE	2
#define HNSW_PHASE_LOAD		3
#define HNSW_PHASE_WRITE	4
#define HNSW_PHASE_WAL		5
#define HNSW_PHASE_LINK		6

AM_FUNCTION(ambuild, hnsw_build);
AM_FUNCTION(ambuildempty, hnsw_build_empty);
AM_FUNCTION(aminsert, hnsw_insert);
AM_FUNCTION(ambulkdelete, hnsw_bulk_delete);
AM_FUNCTION(ambeginscan, hnsw_begin_scan);
AM_FUNCTION(amcostestimate, hnsw_cost_estimate);

/* verify.c: is an index what it promises to be? */
extern const struct VerifyMethods hnsw_verify_methods;

#endif							/* VECTOR_HNSW_H */
