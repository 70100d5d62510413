/*
 * bm25_write.c
 *	  A document's vector, written with its row.
 *
 * The weight of a term that occurs tf times in a document of dl words is
 *
 *		tf / (tf + k1 * (1 - b + b * dl / average))
 *
 * where the average length is the one in use, which only bm25_refresh changes:
 * all documents are measured alike.  The other factor of BM25, the inverse
 * document frequency, is the query's, so that no document changes when others
 * come and go.
 *
 * Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25
 * and Beyond", 2009; without their constant factor k1 + 1, as Lucene does.
 */
#include "hybrid/bm25.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "types/sparse.h"
#include "utils/builtins.h"
#include "utils/datum.h"

typedef struct Weights
{
	Oid			configuration;
	double		k1;
	double		b;
	double		average;		/* 0 where there is none yet */
} Weights;

typedef struct Element
{
	int32		id;				/* from 1 */
	float		weight;
} Element;

static int
attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\", which the set-up of BM25 names, does not exist", name),
			 errhint("Give it its name back, or call bm25_drop and bm25_setup.")));
}

static void
read_weights(Weights *weights, const Bm25Tables *tables)
{
	bool		isnull;

	bm25_execute(bm25_plan(tables, "weights",
						   psprintf("SELECT config::regconfig::oid, k1, b, coalesce(average_length, 0) FROM %s", tables->settings),
						   0, NULL),
				 NULL, false);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("table %s has not one row", tables->settings),
				 errhint("Call bm25_drop and bm25_setup.")));
	weights->configuration = DatumGetObjectId(bm25_result(0, 1, &isnull));
	weights->k1 = DatumGetFloat8(bm25_result(0, 2, &isnull));
	weights->b = DatumGetFloat8(bm25_result(0, 3, &isnull));
	weights->average = DatumGetFloat8(bm25_result(0, 4, &isnull));
}

/*
 * Look up the numbers of terms, 0 for those that have none; how many have none.
 */
static int
look_up(const Bm25Tables *tables, Datum words, int count, int32 *ids)
{
	Oid			type = TEXTARRAYOID;
	int			missing = 0;

	bm25_execute(bm25_plan(tables, "numbers",
						   psprintf("SELECT w.place::integer, (SELECT min(t.id) FROM %s t WHERE t.term = w.term) "
									"FROM unnest($1) WITH ORDINALITY AS w(term, place)", tables->terms),
						   1, &type),
				 &words, false);
	if (SPI_processed != count)
		elog(ERROR, "%lld of %d terms looked up", (long long) SPI_processed, count);
	for (int i = 0; i < count; i++)
	{
		bool		isnull;
		int			place = DatumGetInt32(bm25_result(i, 1, &isnull));
		Datum		id = bm25_result(i, 2, &isnull);

		ids[place - 1] = isnull ? 0 : DatumGetInt32(id);
		missing += isnull;
	}
	SPI_freetuptable(SPI_tuptable);
	return missing;
}

/* The numbers of terms, new ones for those that have none */
static void
number_terms(const Bm25Tables *tables, const Bm25Terms *terms, int32 *ids)
{
	Datum		words = bm25_terms_array(terms);
	Oid			type = TEXTARRAYOID;
	Bm25Terms	missing;

	if (look_up(tables, words, terms->count, ids) == 0)
		return;
	bm25_terms_begin(&missing);
	missing.terms = (Bm25Term *) palloc(sizeof(Bm25Term) * terms->count);
	for (int i = 0; i < terms->count; i++)
		if (ids[i] == 0)
			missing.terms[missing.count++] = terms->terms[i];
	words = bm25_terms_array(&missing);
	bm25_execute(bm25_plan(tables, "new terms",
						   psprintf("INSERT INTO %s (term) SELECT unnest($1)", tables->terms), 1, &type),
				 &words, false);
	words = bm25_terms_array(terms);
	if (look_up(tables, words, terms->count, ids) != 0)
		elog(ERROR, "terms of %s have no number", tables->terms);
}

static int
compare(const void *a, const void *b)
{
	int32		x = ((const Element *) a)->id;
	int32		y = ((const Element *) b)->id;

	return (x > y) - (x < y);
}

static SparseVector *
document_vector(const Weights *weights, const Bm25Terms *terms, const int32 *ids)
{
	Element    *elements = (Element *) palloc(sizeof(Element) * Max(terms->count, 1));
	double		share = weights->average > 0 ? terms->total / weights->average : 1;
	double		norm = weights->k1 * (1 - weights->b + weights->b * share);
	SparseBuilder builder;

	for (int i = 0; i < terms->count; i++)
	{
		double		tf = (double) terms->terms[i].count;

		if (ids[i] < 1 || ids[i] > BM25_DIMS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a term has the number %d, beyond %d", ids[i], BM25_DIMS)));
		elements[i].id = ids[i];
		elements[i].weight = (float) (tf / (tf + norm));
	}
	qsort(elements, terms->count, sizeof(Element), compare);
	sparse_build_begin(&builder, BM25_DIMS);
	for (int i = 0; i < terms->count; i++)
		sparse_build_add(&builder, elements[i].id - 1, elements[i].weight);
	return sparse_build_finish(&builder);
}

/*
 * Whether a row must get a new vector: its text is another, or its vector was
 * set to NULL, which is how bm25_refresh asks for it.
 */
static bool
must_compute(TriggerData *trigger, HeapTuple row, int vector,
			 const int *sources, int count)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		heap_attisnull(row, vector, desc))
		return true;
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, sources[i] - 1);
		bool		was_null;
		bool		is_null;
		Datum		was = heap_getattr(trigger->tg_trigtuple, sources[i], desc, &was_null);
		Datum		is = heap_getattr(row, sources[i], desc, &is_null);

		if (was_null != is_null ||
			(!is_null && !datum_image_eq(was, is, att->attbyval, att->attlen)))
			return true;
	}
	return false;
}

/*
 * Trigger before a row is inserted or updated: sets the columns of the vector
 * and of the length, both NULL where all text is NULL.  What a statement gives
 * these columns itself has no effect.
 */
SQL_FUNCTION(bm25_document)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	char	  **args;
	TupleDesc	desc;
	HeapTuple	row;
	Bm25Tables	tables;
	Weights		weights;
	Bm25Terms	terms;
	int			columns[2];
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};
	int			nsources;
	int		   *sources;
	int32	   *ids;
	int			level;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs <= BM25_ARG_SOURCES)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s is a trigger that bm25_setup makes", "bm25_document")));
	args = trigger->tg_trigger->tgargs;
	desc = RelationGetDescr(trigger->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)
		? trigger->tg_newtuple : trigger->tg_trigtuple;
	bm25_name_tables(&tables, RelationGetNamespace(trigger->tg_relation), args[BM25_ARG_NAME]);
	columns[0] = attribute(desc, args[BM25_ARG_VECTOR]);
	columns[1] = attribute(desc, args[BM25_ARG_LENGTH]);
	nsources = trigger->tg_trigger->tgnargs - BM25_ARG_SOURCES;
	sources = (int *) palloc(sizeof(int) * nsources);
	for (int i = 0; i < nsources; i++)
		sources[i] = attribute(desc, args[BM25_ARG_SOURCES + i]);

	if (!must_compute(trigger, row, columns[0], sources, nsources))
	{
		for (int i = 0; i < 2; i++)
			values[i] = heap_getattr(trigger->tg_trigtuple, columns[i], desc, &nulls[i]);
		return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 2, columns, values, nulls));
	}

	level = bm25_restrict();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_weights(&weights, &tables);
	bm25_terms_begin(&terms);
	for (int i = 0; i < nsources; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(row, sources[i], desc, &isnull);

		if (!isnull)
			bm25_terms_add_datum(&terms, weights.configuration, value,
								 TupleDescAttr(desc, sources[i] - 1)->atttypid);
	}
	if (terms.texts > 0)
	{
		SparseVector *vector;

		bm25_terms_count(&terms);
		ids = (int32 *) palloc0(sizeof(int32) * Max(terms.count, 1));
		if (terms.count > 0)
			number_terms(&tables, &terms, ids);
		vector = document_vector(&weights, &terms, ids);
		values[0] = SPI_datumTransfer(PointerGetDatum(vector), false, -1);
		values[1] = Int32GetDatum((int32) Min(terms.total, PG_INT32_MAX));
		nulls[0] = nulls[1] = false;
	}
	SPI_finish();
	bm25_unrestrict(level);
	return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 2, columns, values, nulls));
}
