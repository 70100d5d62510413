/*
 * options.h
 *	  Storage parameters of inverted files.
 */
#ifndef VECTOR_IVF_OPTIONS_H
#define VECTOR_IVF_OPTIONS_H

#include "index/handler.h"
#include "ivf/ivf.h"

#define IVF_DEFAULT_LISTS	100

typedef struct IvfOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			lists;			/* 0: chosen by the number of rows */
	int			m;				/* ivfpq: parts; 0: chosen by dimensions */
	int			nbits;			/* ivfpq */
	bool		opq;			/* ivfpq */
	int			bits;			/* ivfrabitq; 0: chosen by dimensions */
	IndexRerank rerank;			/* ivfpq, ivfrabitq */
	int			centroids;		/* offset of a string: a table's name */
	int			assignments;	/* the same */
	int			probes;			/* this and the following: of scans; 0: settings say */
	int			rerank_rows;	/* ivfpq, ivfrabitq */
	double		target_recall;
	int			vacuum_budget;	/* -1: ivf.vacuum_budget says */
} IvfOptions;

/* An index's options, defaults filled in; never NULL */
extern const IvfOptions *ivf_options(Relation index, IvfKind kind);

/* How thorough a scan is */
typedef struct IvfEffort
{
	double		target_recall;	/* 0: probes says */
	int			probes;			/* 0: as many as a recall of .95 needs */
	int			rerank;			/* 0: chosen by the codes */
} IvfEffort;

/*
 * What is in force for scans of an index that begin now.  ivf.target_recall goes before
 * probes; what is set for the session goes before what the index has of its own.
 */
extern IvfEffort ivf_effort(Relation index, IvfKind kind);

/* The name of the table that gives centroids, or NULL */
extern const char *ivf_centroid_table(const IvfOptions *options);

/* The name of the table that gives rows' lists, or NULL */
extern const char *ivf_assignment_table(const IvfOptions *options);

extern bytea *ivfflat_reloptions(Datum reloptions, bool validate);
extern bytea *ivfpq_reloptions(Datum reloptions, bool validate);
extern bytea *ivfrabitq_reloptions(Datum reloptions, bool validate);
extern bytea *flat_reloptions(Datum reloptions, bool validate);

#endif							/* VECTOR_IVF_OPTIONS_H */
