/*
 * bm25_terms.c
 *	  The terms of a text and how often each occurs, by a text search
 *	  configuration of PostgreSQL.
 *
 * Words are taken from the parser and the dictionaries directly, as to_tsvector
 * does, but counted without a tsvector's limits (255 places of a word, none
 * beyond the 16,383rd).
 */
#include "hybrid/bm25.h"

#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "tsearch/ts_type.h"
#include "tsearch/ts_utils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

void
bm25_terms_begin(Bm25Terms *terms)
{
	terms->room = 64;
	terms->count = 0;
	terms->texts = 0;
	terms->total = 0;
	terms->terms = (Bm25Term *) palloc(sizeof(Bm25Term) * terms->room);
}

static void
add(Bm25Terms *terms, const char *word, int length, int64 count, int64 place)
{
	Bm25Term   *term;

	if (terms->count == terms->room)
	{
		/* below 2^30: one for each byte of a text at most */
		terms->room *= 2;
		terms->terms = (Bm25Term *)
			repalloc_huge(terms->terms, sizeof(Bm25Term) * (Size) terms->room);
	}
	term = &terms->terms[terms->count++];
	term->word = word;
	term->length = length;
	term->count = count;
	term->place = place;
}

/*
 * Add the words of a text.  The terms point into memory of the current context.
 * Errors of the parser and the dictionaries.
 */
void
bm25_terms_add_text(Bm25Terms *terms, Oid configuration,
					const char *text, int length)
{
	ParsedText	parsed;

	parsed.lenwords = Max(length / 6, 2);
	if (parsed.lenwords > MaxAllocSize / sizeof(ParsedWord))
		parsed.lenwords = MaxAllocSize / sizeof(ParsedWord);
	parsed.curwords = 0;
	parsed.pos = 0;
	parsed.words = (ParsedWord *) palloc(sizeof(ParsedWord) * parsed.lenwords);
	parsetext(configuration, &parsed, (char *) text, length);

	for (int i = 0; i < parsed.curwords; i++)
	{
		const ParsedWord *word = &parsed.words[i];

		/*
		 * The last place stands for all that follow it, so it does not tell
		 * whether two occurrences are one.
		 */
		add(terms, word->word, word->len, 1,
			word->pos.pos >= MAXENTRYPOS - 1 ? -1
			: ((int64) terms->texts << 16 | word->pos.pos));
	}
	terms->texts++;
}

static void
add_tsvector(Bm25Terms *terms, TSVector vector)
{
	WordEntry  *entries = ARRPTR(vector);

	for (int i = 0; i < vector->size; i++)
		add(terms, STRPTR(vector) + entries[i].pos, entries[i].len,
			entries[i].haspos ? Max(POSDATALEN(vector, &entries[i]), 1) : 1, -1);
	terms->texts++;
}

/* Whether values of a type can be documents: a tsvector, or a string */
bool
bm25_type_is_document(Oid type)
{
	return getBaseType(type) == TSVECTOROID ||
		TypeCategory(type) == TYPCATEGORY_STRING;
}

/* Add what a column holds, of a type that can be a document. */
void
bm25_terms_add_datum(Bm25Terms *terms, Oid configuration, Datum value, Oid type)
{
	Oid			base = getBaseType(type);

	if (base == TSVECTOROID)
		add_tsvector(terms, DatumGetTSVector(value));
	else if (base == TEXTOID || base == VARCHAROID || base == BPCHAROID)
	{
		text	   *string = DatumGetTextPP(value);

		bm25_terms_add_text(terms, configuration, VARDATA_ANY(string),
							VARSIZE_ANY_EXHDR(string));
	}
	else
	{
		Oid			output;
		bool		varlena;
		char	   *string;

		getTypeOutputInfo(type, &output, &varlena);
		string = OidOutputFunctionCall(output, value);
		bm25_terms_add_text(terms, configuration, string, strlen(string));
	}
}

static int
compare(const void *a, const void *b)
{
	const Bm25Term *x = (const Bm25Term *) a;
	const Bm25Term *y = (const Bm25Term *) b;
	int			order = memcmp(x->word, y->word, Min(x->length, y->length));

	if (order == 0)
		order = x->length - y->length;
	if (order == 0)
		order = (x->place > y->place) - (x->place < y->place);
	return order;
}

/*
 * Make the terms distinct, in order, each with its number of occurrences.  A
 * dictionary may give one word twice at a place; that is one occurrence, as it
 * is in a tsvector.
 */
void
bm25_terms_count(Bm25Terms *terms)
{
	int			kept = 0;
	int64		last_place = -1;

	qsort(terms->terms, terms->count, sizeof(Bm25Term), compare);
	terms->total = 0;
	for (int i = 0; i < terms->count; i++)
	{
		Bm25Term	term = terms->terms[i];
		Bm25Term   *last = kept > 0 ? &terms->terms[kept - 1] : NULL;

		if (last != NULL && last->length == term.length &&
			memcmp(last->word, term.word, term.length) == 0)
		{
			if (term.place >= 0 && term.place == last_place)
				continue;
			last->count += term.count;
		}
		else
			terms->terms[kept++] = term;
		last_place = term.place;
		terms->total += term.count;
	}
	terms->count = kept;
}

/* The terms as text[] */
Datum
bm25_terms_array(const Bm25Terms *terms)
{
	Datum	   *words = (Datum *) palloc(sizeof(Datum) * Max(terms->count, 1));

	for (int i = 0; i < terms->count; i++)
		words[i] = PointerGetDatum(cstring_to_text_with_len(terms->terms[i].word,
															terms->terms[i].length));
	return PointerGetDatum(construct_array(words, terms->count, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

static Datum
length_of(Bm25Terms *terms)
{
	bm25_terms_count(terms);
	return Int32GetDatum((int32) Min(terms->total, PG_INT32_MAX));
}

/* The number of words of a text, as BM25 counts them */
SQL_FUNCTION(bm25_length)
{
	text	   *string = PG_GETARG_TEXT_PP(1);
	Bm25Terms	terms;

	bm25_terms_begin(&terms);
	bm25_terms_add_text(&terms, PG_GETARG_OID(0), VARDATA_ANY(string),
						VARSIZE_ANY_EXHDR(string));
	return length_of(&terms);
}

SQL_FUNCTION(bm25_tsvector_length)
{
	Bm25Terms	terms;

	bm25_terms_begin(&terms);
	add_tsvector(&terms, PG_GETARG_TSVECTOR(0));
	return length_of(&terms);
}
