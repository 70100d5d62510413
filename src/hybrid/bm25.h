/*
 * bm25.h
 *	  BM25 over sparsevec: what a set-up on a table consists of, and what the
 *	  files of this room share about it.
 *
 * A set-up belongs to a table and one of its columns, the vectors.  Its own
 * tables lie in the table's schema, are named after table and column, and hold
 * everything there is to know; the extension keeps nothing elsewhere:
 *
 *	  docs_bm25			one row: configuration, k1, b, the average length in
 *						use, and the merged counts of documents and words
 *	  docs_bm25_terms	term, its number, in how many documents it is (merged)
 *	  docs_bm25_changes	what statements since the last merge have changed
 *
 * True at any snapshot: merged counts plus the visible changes are the counts
 * of the documents that are visible.  A term may have several numbers, when
 * transactions met it at the same time; a document has it under one of them,
 * and a query under all.  So writers never wait for each other.
 */
#ifndef VECTOR_HYBRID_BM25_H
#define VECTOR_HYBRID_BM25_H

#include "compat/pg.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* Dimensions of a vector of terms: as many as the type has */
#define BM25_DIMS 1000000000

/* The tables of a set-up, quoted and with their schema */
typedef struct Bm25Tables
{
	Oid			schema;
	char	   *name;			/* of the table of settings, unquoted */
	char	   *settings;
	char	   *terms;
	char	   *changes;
} Bm25Tables;

/* What a trigger's arguments say about a set-up */
typedef struct Bm25Setup
{
	Oid			table;
	char	   *vector_column;
	char	   *length_column;
	Bm25Tables	tables;
} Bm25Setup;

/* The arguments of the set-up's row trigger */
#define BM25_ARG_VECTOR 0
#define BM25_ARG_LENGTH 1
#define BM25_ARG_NAME 2
#define BM25_ARG_SOURCES 3		/* and following: columns of text */

/* A term of a document or query */
typedef struct Bm25Term
{
	const char *word;			/* not terminated */
	int			length;			/* bytes */
	int64		count;			/* occurrences */
	int64		place;			/* where, or -1 where that is not known */
} Bm25Term;

/* Terms: as they come, then, once counted, distinct and in order of bytes */
typedef struct Bm25Terms
{
	Bm25Term   *terms;
	int			count;
	int			room;
	int			texts;			/* texts added so far */
	int64		total;			/* occurrences, once counted */
} Bm25Terms;

/*
 * A number of a term of a query, and how many documents have it.  A term that has
 * several is found in the sum of their documents.
 */
typedef struct Bm25Number
{
	int			term;			/* among the query's, from 0 */
	int32		id;
	double		documents;
} Bm25Number;

typedef struct Bm25Numbers
{
	Bm25Number *numbers;
	int			count;
	int			room;
} Bm25Numbers;

/* Columns of a set-up's tables */
typedef struct Bm25Columns
{
	AttrNumber	config;
	AttrNumber	documents;
	AttrNumber	term;
	AttrNumber	term_id;
	AttrNumber	term_documents;
	AttrNumber	changed_documents;
	AttrNumber	changed_terms;
	AttrNumber	changed_counts;
} Bm25Columns;

/* A set-up's tables that are read without a statement */
typedef struct Bm25Direct
{
	Relation	settings;
	Relation	terms;
	Relation	changes;
	Relation	index;			/* of terms */
	Bm25Columns columns;
} Bm25Direct;

/* bm25_terms.c */
extern void bm25_terms_begin(Bm25Terms *terms);
extern void bm25_terms_add_text(Bm25Terms *terms, Oid configuration,
								const char *text, int length);
extern void bm25_terms_add_datum(Bm25Terms *terms, Oid configuration,
								 Datum value, Oid type);
extern void bm25_terms_count(Bm25Terms *terms);
extern Datum bm25_terms_array(const Bm25Terms *terms);
extern bool bm25_type_is_document(Oid type);

/* bm25_setup.c */
extern void bm25_name_tables(Bm25Tables *tables, Oid schema, const char *name);
extern int	bm25_restrict(void);
extern void bm25_unrestrict(int level);
extern void bm25_find(Bm25Setup *setup, Oid table, const char *column);

/* bm25_statistics.c */
extern SPIPlanPtr bm25_plan(const Bm25Tables *tables, const char *purpose,
							const char *query, int nargs, Oid *types);
extern void bm25_execute(SPIPlanPtr plan, Datum *values, bool read_only);
extern void bm25_run(const char *query, bool read_only);
extern char *bm25_merge_statement(const Bm25Tables *tables);
extern Datum bm25_result(int row, int column, bool *isnull);

/* bm25_query.c */
extern void bm25_add_number(Bm25Numbers *numbers, int term, int32 id, double documents);

/* bm25_direct.c */
extern bool bm25_direct_begin(Bm25Direct *direct, Oid table, const char *column);
extern bool bm25_direct_settings(Bm25Direct *direct, Oid *configuration, double *documents);
extern void bm25_direct_numbers(Bm25Direct *direct, const Bm25Terms *terms,
								Bm25Numbers *numbers, double *documents);
extern void bm25_direct_end(Bm25Direct *direct);

/*
 * bm25_write.c.  An error: a vector has each dimension once, and the primary key of the
 * table of terms, by which that is so, is gone.
 */
pg_noreturn extern void bm25_same_number(int32 id);

/* known by its address */
extern PGDLLEXPORT Datum bm25_document(PG_FUNCTION_ARGS);

#endif							/* VECTOR_HYBRID_BM25_H */
