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
	bool		null_documents;
	double		documents;

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
	documents = DatumGetFloat8(bm25_result(0, 2, &null_documents));
	if (isnull || null_documents)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table %s has a null where there must be none", tables->settings),
				 errhint("Call bm25_drop and bm25_setup.")));
	return documents;
}

void
bm25_add_number(Bm25Numbers *numbers, int term, int32 id, double documents)
{
	Bm25Number *number;

	if (numbers->count == numbers->room)
	{
		numbers->room = numbers->room > 0 ? numbers->room * 2 : 16;
		numbers->numbers = numbers->numbers == NULL
			? (Bm25Number *) palloc(sizeof(Bm25Number) * numbers->room)
			: (Bm25Number *) repalloc_huge(numbers->numbers, sizeof(Bm25Number) * (Size) numbers->room);
	}
	number = &numbers->numbers[numbers->count++];
	number->term = term;
	number->id = id;
	number->documents = documents;
}

/*
 * For each number of each term: place of the term from 1, number, documents
 * that have it.  OFFSET 0 has terms looked up one by one, whatever the planner
 * knows of their table.
 */
static void
look_up(const Bm25Tables *tables, const Bm25Terms *terms, Bm25Numbers *numbers)
{
	Datum		words = bm25_terms_array(terms);
	Oid			type = TEXTARRAYOID;

	bm25_execute(bm25_plan(tables, "frequencies",
						   psprintf("WITH found AS MATERIALIZED (SELECT w.place, t.id, t.documents "
									"FROM unnest($1) WITH ORDINALITY AS w(term, place) "
								"CROSS JOIN LATERAL (SELECT t.id, t.documents FROM %s t WHERE t.term = w.term OFFSET 0) t), "
									"changed AS MATERIALIZED (SELECT u.id, sum(u.n) AS n FROM %s c CROSS JOIN LATERAL unnest(c.terms, c.counts) AS u(id, n) "
									"WHERE u.id IN (SELECT id FROM found) GROUP BY u.id) "
									"SELECT f.place::integer, f.id::integer, (f.documents + coalesce(d.n, 0))::double precision "
									"FROM found f LEFT JOIN changed d ON d.id = f.id",
									tables->terms, tables->changes),
						   1, &type),
				 &words, true);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		bm25_add_number(numbers, DatumGetInt32(bm25_result(i, 1, &isnull)) - 1,
						DatumGetInt32(bm25_result(i, 2, &isnull)),
						DatumGetFloat8(bm25_result(i, 3, &isnull)));
	}
}

/* What a query is made of */
typedef struct WordQuery
{
	const text *text;
	Bm25Terms	terms;
	Bm25Numbers numbers;
	double		documents;		/* in the table */
} WordQuery;

static void
find_terms(WordQuery *query, Oid configuration)
{
	bm25_terms_begin(&query->terms);
	bm25_terms_add_text(&query->terms, configuration, VARDATA_ANY(query->text),
						VARSIZE_ANY_EXHDR(query->text));
	bm25_terms_count(&query->terms);
}

/*
 * Read what the query needs of tables by scans of our own, and close them.  False if
 * that is not possible.
 */
static bool
read_directly(Bm25Direct *direct, WordQuery *query)
{
	Oid			configuration = InvalidOid;
	bool		possible = bm25_direct_settings(direct, &configuration, &query->documents);

	if (possible)
	{
		find_terms(query, configuration);
		bm25_direct_numbers(direct, &query->terms, &query->numbers, &query->documents);
	}
	bm25_direct_end(direct);
	return possible;
}

/* The same by statements, within a connection of SPI */
static void
read_by_statements(const Bm25Tables *tables, WordQuery *query)
{
	int			level = bm25_restrict();
	Oid			configuration;

	query->documents = read_settings(tables, &configuration);
	find_terms(query, configuration);
	look_up(tables, &query->terms, &query->numbers);
	bm25_unrestrict(level);
}

/* The elements of a query's vector, by their numbers; elements has room for all. */
static int
weigh(const WordQuery *query, Element *elements)
{
	double	   *having = (double *) palloc0(sizeof(double) * Max(query->terms.count, 1));
	int			count = 0;

	for (int i = 0; i < query->numbers.count; i++)
		having[query->numbers.numbers[i].term] += query->numbers.numbers[i].documents;
	for (int i = 0; i < query->numbers.count; i++)
	{
		const Bm25Number *number = &query->numbers.numbers[i];
		double		n = having[number->term];

		/* A term that no document has any more cannot be found. */
		if (n < 1 || number->id < 1 || number->id > BM25_DIMS)
			continue;
		n = Min(n, query->documents);
		elements[count].id = number->id;
		elements[count++].weight = (float) (query->terms.terms[number->term].count *
											log1p((query->documents - n + 0.5) / (n + 0.5)));
	}
	qsort(elements, count, sizeof(Element), compare);
	for (int i = 1; i < count; i++)
		if (elements[i].id == elements[i - 1].id)
			bm25_same_number(elements[i].id);
	return count;
}

SQL_FUNCTION(bm25_query)
{
	WordQuery	query = {0};
	Oid			table = PG_GETARG_OID(0);
	const char *column = NameStr(*PG_GETARG_NAME(2));
	Bm25Direct	direct;
	Bm25Setup	setup;
	Element    *elements;
	int			count;
	SparseBuilder builder;
	Datum		result;
	bool		connected = false;

	query.text = PG_GETARG_TEXT_PP(1);
	if (!(bm25_direct_begin(&direct, table, column) && read_directly(&direct, &query)))
	{
		bm25_find(&setup, table, column);
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		connected = true;
		read_by_statements(&setup.tables, &query);
	}
	elements = (Element *) palloc(sizeof(Element) * Max(query.numbers.count, 1));
	count = weigh(&query, elements);
	sparse_build_begin(&builder, BM25_DIMS);
	for (int i = 0; i < count; i++)
		sparse_build_add(&builder, elements[i].id - 1, elements[i].weight);
	result = PointerGetDatum(sparse_build_finish(&builder));
	if (connected)
	{
		result = SPI_datumTransfer(result, false, -1);
		SPI_finish();
	}
	PG_RETURN_DATUM(result);
}
