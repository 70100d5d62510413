/*
 * bm25_query.c
 *	  A query as a vector: for each of its terms the inverse document frequency
 *
 *		ln(1 + (N - n + 0.5) / (n + 0.5))
 *
 * times its occurrences in the query, where N documents are there and n have
 * the term, by the statistics that the caller's snapshot sees.  It is Lucene's
 * form, which is never negative.  The inner product with a document's vector
 * is its BM25.
 */
#include "hybrid/bm25.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "types/sparse.h"
#include "utils/builtins.h"

typedef struct Element
{
	int32		id;
	float		weight;
} Element;

static int
compare(const void *a, const void *b)
{
	int32		x = ((const Element *) a)->id;
	int32		y = ((const Element *) b)->id;

	return (x > y) - (x < y);
}

/* Configuration, and the number of documents with what is not merged yet */
static double
read_settings(const Bm25Tables *tables, Oid *configuration)
{
	bool		isnull;

	bm25_execute(bm25_plan(tables, "query",
						   psprintf("SELECT s.config::regconfig::oid, (s.documents + (SELECT coalesce(sum(c.documents), 0) FROM %s c))::double precision FROM %s s",
									tables->changes, tables->settings),
						   0, NULL),
				 NULL, true);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("table %s has not one row", tables->settings),
				 errhint("Call bm25_drop and bm25_setup.")));
	*configuration = DatumGetObjectId(bm25_result(0, 1, &isnull));
	return DatumGetFloat8(bm25_result(0, 2, &isnull));
}

/*
 * For each number of each term: place of the term from 1, number, documents
 * that have the term under any of its numbers.  OFFSET 0 has terms looked up one by
 * one, whatever the planner knows of their table.
 */
static void
look_up(const Bm25Tables *tables, const Bm25Terms *terms)
{
	Datum		words = bm25_terms_array(terms);
	Oid			type = TEXTARRAYOID;

	bm25_execute(bm25_plan(tables, "frequencies",
						   psprintf("WITH found AS MATERIALIZED (SELECT w.place, t.id, t.documents "
									"FROM unnest($1) WITH ORDINALITY AS w(term, place) "
								"CROSS JOIN LATERAL (SELECT t.id, t.documents FROM %s t WHERE t.term = w.term OFFSET 0) t), "
									"changed AS MATERIALIZED (SELECT u.id, sum(u.n) AS n FROM %s c CROSS JOIN LATERAL unnest(c.terms, c.counts) AS u(id, n) "
									"WHERE u.id IN (SELECT id FROM found) GROUP BY u.id) "
									"SELECT f.place::integer, f.id::integer, sum(f.documents + coalesce(d.n, 0)) OVER (PARTITION BY f.place)::double precision "
									"FROM found f LEFT JOIN changed d ON d.id = f.id",
									tables->terms, tables->changes),
						   1, &type),
				 &words, true);
}

SQL_FUNCTION(bm25_query)
{
	text	   *query = PG_GETARG_TEXT_PP(1);
	Bm25Setup	setup;
	Oid			configuration;
	double		documents;
	Bm25Terms	terms;
	Element    *elements;
	int			count = 0;
	SparseBuilder builder;
	Datum		result;
	int			level;

	bm25_find(&setup, PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(2)));
	level = bm25_restrict();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	documents = read_settings(&setup.tables, &configuration);
	bm25_terms_begin(&terms);
	bm25_terms_add_text(&terms, configuration, VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
	bm25_terms_count(&terms);
	look_up(&setup.tables, &terms);

	elements = (Element *) palloc(sizeof(Element) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		const Bm25Term *term = &terms.terms[DatumGetInt32(bm25_result(i, 1, &isnull)) - 1];
		int32		id = DatumGetInt32(bm25_result(i, 2, &isnull));
		double		n = DatumGetFloat8(bm25_result(i, 3, &isnull));

		/* A term that no document has any more cannot be found. */
		if (n < 1 || id < 1 || id > BM25_DIMS)
			continue;
		n = Min(n, documents);
		elements[count].id = id;
		elements[count++].weight = (float) (term->count * log1p((documents - n + 0.5) / (n + 0.5)));
	}
	qsort(elements, count, sizeof(Element), compare);
	sparse_build_begin(&builder, BM25_DIMS);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && elements[i].id == elements[i - 1].id)
			bm25_same_number(elements[i].id);
		sparse_build_add(&builder, elements[i].id - 1, elements[i].weight);
	}
	result = SPI_datumTransfer(PointerGetDatum(sparse_build_finish(&builder)), false, -1);
	SPI_finish();
	bm25_unrestrict(level);
	PG_RETURN_DATUM(result);
}
