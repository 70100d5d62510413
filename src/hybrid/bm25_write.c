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
#include "common/hashfn.h"
#include "types/own_type.h"
#include "types/sparse.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

/* Terms whose numbers are kept; what comes first is frequent, as a rule */
#define MOST_KEPT	(256 * 1024)

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

typedef struct TermKey
{
	const char *word;			/* not terminated */
	int			length;
} TermKey;

typedef struct TermNumber
{
	TermKey		key;
	int32		id;
} TermNumber;

/*
 * What the rows of a statement have in common: kept with the trigger's function,
 * which is there for as long as the statement runs.  So numbers that an aborted
 * (sub)transaction has given are forgotten with it.
 */
typedef struct DocumentWriter
{
	Bm25Tables	tables;
	int			columns[2];		/* attributes: vector and length */
	int			nsources;
	int		   *sources;		/* attributes */
	bool		has_weights;
	Weights		weights;
	HTAB	   *numbers;		/* TermNumber, by term */
	MemoryContext context;
} DocumentWriter;

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

/*
 * The column of vectors, or that of lengths.  Whoever owns the table may have given it
 * another type since, or have made the trigger by hand.
 */
static int
written_attribute(TupleDesc desc, const char *name, bool is_vector)
{
	int			number = attribute(desc, name);
	Form_pg_attribute att = TupleDescAttr(desc, number - 1);
	bool		fits;

	if (is_vector)
		fits = getBaseType(att->atttypid) == att->atttypid &&
			own_type(att->atttypid) == OWN_SPARSEVEC &&
			(att->atttypmod < 0 || att->atttypmod == BM25_DIMS);
	else
		fits = att->atttypid == INT4OID;
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, which cannot hold what BM25 writes", name,
						format_type_with_typemod(att->atttypid, att->atttypmod)),
				 errhint("Give it its type back, or call bm25_drop and bm25_setup.")));
	return number;
}

static void
read_weights(Weights *weights, const Bm25Tables *tables)
{
	bool		isnull;

	bm25_execute(bm25_plan(tables, "weights",
						   psprintf("SELECT config::regconfig::oid, k1::double precision, b::double precision, "
									"coalesce(average_length, 0)::double precision FROM %s", tables->settings),
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

static uint32
term_hash(const void *key, Size size)
{
	const TermKey *term = (const TermKey *) key;

	return hash_bytes((const unsigned char *) term->word, term->length);
}

static int
term_match(const void *a, const void *b, Size size)
{
	const TermKey *x = (const TermKey *) a;
	const TermKey *y = (const TermKey *) b;

	return x->length != y->length || memcmp(x->word, y->word, x->length) != 0;
}

/* Look up the numbers of terms in the table, 0 for those that have none. */
static void
look_up(const Bm25Tables *tables, const Bm25Terms *terms, int32 *ids)
{
	Datum		words = bm25_terms_array(terms);
	Oid			type = TEXTARRAYOID;

	bm25_execute(bm25_plan(tables, "numbers",
						   psprintf("SELECT w.place::integer, (SELECT min(t.id)::integer FROM %s t WHERE t.term = w.term) "
									"FROM unnest($1) WITH ORDINALITY AS w(term, place)", tables->terms),
						   1, &type),
				 &words, false);
	if (SPI_processed != terms->count)
		elog(ERROR, "%lld of %d terms looked up", (long long) SPI_processed, terms->count);
	for (int i = 0; i < terms->count; i++)
	{
		bool		isnull;
		int			place = DatumGetInt32(bm25_result(i, 1, &isnull));
		Datum		id = bm25_result(i, 2, &isnull);

		ids[place - 1] = isnull ? 0 : DatumGetInt32(id);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Give terms new numbers. */
static void
add_numbers(const Bm25Tables *tables, const Bm25Terms *terms, int32 *ids)
{
	Datum		words = bm25_terms_array(terms);
	Oid			type = TEXTARRAYOID;

	bm25_execute(bm25_plan(tables, "new terms",
						   psprintf("INSERT INTO %s (term) SELECT unnest($1) RETURNING id::integer", tables->terms),
						   1, &type),
				 &words, false);
	if (SPI_processed != terms->count)
		elog(ERROR, "%lld of %d terms added", (long long) SPI_processed, terms->count);

	/* rows are returned as they are inserted, and inserted as unnest gives them */
	for (int i = 0; i < terms->count; i++)
	{
		bool		isnull;

		ids[i] = DatumGetInt32(bm25_result(i, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Take from terms those whose ids are 0; their places in terms.  The result is
 * palloc'd.
 */
static Bm25Terms
without_number(const Bm25Terms *terms, const int32 *ids, int *places)
{
	Bm25Terms	left = {0};

	left.terms = (Bm25Term *) palloc(sizeof(Bm25Term) * Max(terms->count, 1));
	for (int i = 0; i < terms->count; i++)
	{
		if (ids[i] != 0)
			continue;
		places[left.count] = i;
		left.terms[left.count++] = terms->terms[i];
	}
	return left;
}

static void
keep_number(DocumentWriter *writer, const Bm25Term *term, int32 id)
{
	TermKey		key = {term->word, term->length};
	TermNumber *number;
	char	   *word;

	if (hash_get_num_entries(writer->numbers) >= MOST_KEPT)
		return;
	word = (char *) MemoryContextAlloc(writer->context, Max(term->length, 1));
	memcpy(word, term->word, term->length);
	number = (TermNumber *) hash_search(writer->numbers, &key, HASH_ENTER, NULL);
	number->key.word = word;
	number->id = id;
}

/* The numbers of terms, new ones for those that have none */
static void
number_terms(DocumentWriter *writer, const Bm25Terms *terms, int32 *ids)
{
	int		   *places = (int *) palloc(sizeof(int) * Max(terms->count, 1));
	int		   *new_places = (int *) palloc(sizeof(int) * Max(terms->count, 1));
	int32	   *found;
	int32	   *added;
	Bm25Terms	unknown;
	Bm25Terms	new_terms;

	for (int i = 0; i < terms->count; i++)
	{
		TermKey		key = {terms->terms[i].word, terms->terms[i].length};
		TermNumber *number = (TermNumber *) hash_search(writer->numbers, &key, HASH_FIND, NULL);

		ids[i] = number != NULL ? number->id : 0;
	}
	unknown = without_number(terms, ids, places);
	if (unknown.count == 0)
		return;
	found = (int32 *) palloc(sizeof(int32) * unknown.count);
	look_up(&writer->tables, &unknown, found);
	new_terms = without_number(&unknown, found, new_places);
	if (new_terms.count > 0)
	{
		added = (int32 *) palloc(sizeof(int32) * new_terms.count);
		add_numbers(&writer->tables, &new_terms, added);
		for (int i = 0; i < new_terms.count; i++)
			found[new_places[i]] = added[i];
	}
	for (int i = 0; i < unknown.count; i++)
	{
		ids[places[i]] = found[i];
		keep_number(writer, &unknown.terms[i], found[i]);
	}
}

static int
compare(const void *a, const void *b)
{
	int32		x = ((const Element *) a)->id;
	int32		y = ((const Element *) b)->id;

	return (x > y) - (x < y);
}

void
bm25_same_number(int32 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("two terms have the number %d", id),
			 errhint("Call bm25_drop and bm25_setup.")));
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
	{
		if (i > 0 && elements[i].id == elements[i - 1].id)
			bm25_same_number(elements[i].id);
		sparse_build_add(&builder, elements[i].id - 1, elements[i].weight);
	}
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

/* What the statement's rows have in common, made with the first of them */
static DocumentWriter *
document_writer(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
	DocumentWriter *writer = (DocumentWriter *) fcinfo->flinfo->fn_extra;
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	char	  **args = trigger->tg_trigger->tgargs;
	HASHCTL		control = {0};
	MemoryContext caller;

	if (writer != NULL)
		return writer;

	/* rows that come by the parent do not fire the triggers that count them */
	if (trigger->tg_relation->rd_rel->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has a set-up of BM25, and has become a partition",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("Detach it.")));
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	writer = (DocumentWriter *) palloc0(sizeof(DocumentWriter));
	writer->context = CurrentMemoryContext;
	bm25_name_tables(&writer->tables, RelationGetNamespace(trigger->tg_relation),
					 args[BM25_ARG_NAME]);
	writer->columns[0] = written_attribute(desc, args[BM25_ARG_VECTOR], true);
	writer->columns[1] = written_attribute(desc, args[BM25_ARG_LENGTH], false);
	writer->nsources = trigger->tg_trigger->tgnargs - BM25_ARG_SOURCES;
	writer->sources = (int *) palloc(sizeof(int) * writer->nsources);
	for (int i = 0; i < writer->nsources; i++)
		writer->sources[i] = attribute(desc, args[BM25_ARG_SOURCES + i]);
	control.keysize = sizeof(TermKey);
	control.entrysize = sizeof(TermNumber);
	control.hash = term_hash;
	control.match = term_match;
	control.hcxt = CurrentMemoryContext;
	writer->numbers = hash_create("terms of bm25", 1024, &control,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = writer;
	return writer;
}

/* The vector and the length of a row, in the caller's context of SPI */
static void
compute_document(DocumentWriter *writer, TupleDesc desc, HeapTuple row,
				 Datum *values, bool *nulls)
{
	Bm25Terms	terms;
	int32	   *ids;
	SparseVector *vector;

	if (!writer->has_weights)
		read_weights(&writer->weights, &writer->tables);
	writer->has_weights = true;
	bm25_terms_begin(&terms);
	for (int i = 0; i < writer->nsources; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(row, writer->sources[i], desc, &isnull);

		if (!isnull)
			bm25_terms_add_datum(&terms, writer->weights.configuration, value,
								 TupleDescAttr(desc, writer->sources[i] - 1)->atttypid);
	}
	if (terms.texts == 0)
		return;
	bm25_terms_count(&terms);
	ids = (int32 *) palloc0(sizeof(int32) * Max(terms.count, 1));
	number_terms(writer, &terms, ids);
	vector = document_vector(&writer->weights, &terms, ids);
	values[0] = SPI_datumTransfer(PointerGetDatum(vector), false, -1);
	values[1] = Int32GetDatum((int32) Min(terms.total, PG_INT32_MAX));
	nulls[0] = nulls[1] = false;
}

/*
 * Trigger before a row is inserted or updated: sets the columns of the vector
 * and of the length, both NULL where all text is NULL.  What a statement gives
 * these columns itself has no effect.
 */
SQL_FUNCTION(bm25_document)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	DocumentWriter *writer;
	TupleDesc	desc;
	HeapTuple	row;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};
	int			level;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs <= BM25_ARG_SOURCES)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s is a trigger that bm25_setup makes", "bm25_document")));
	writer = document_writer(fcinfo, trigger);
	desc = RelationGetDescr(trigger->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)
		? trigger->tg_newtuple : trigger->tg_trigtuple;

	if (!must_compute(trigger, row, writer->columns[0], writer->sources, writer->nsources))
	{
		for (int i = 0; i < 2; i++)
			values[i] = heap_getattr(trigger->tg_trigtuple, writer->columns[i], desc, &nulls[i]);
		return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 2, writer->columns, values, nulls));
	}

	level = bm25_restrict();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	compute_document(writer, desc, row, values, nulls);
	SPI_finish();
	bm25_unrestrict(level);
	return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 2, writer->columns, values, nulls));
}
