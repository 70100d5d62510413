/*
 * groups.c
 *	  The best rows of the nearest groups: nearest_groups().
 *
 * How many rows must be read until ten documents have been met is not known when
 * a query is planned, so no LIMIT says it.  A cursor reads the query's rows, in
 * its order, until there are enough groups and enough rows of each.
 */
#include "compat/pg.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

/* What the rows of a group have in common: their first column */
typedef struct GroupKey
{
	Datum		value;
	bool		isnull;
	uint32		hash;
} GroupKey;

typedef struct GroupFound
{
	GroupKey	key;
	char		status;			/* simplehash's */
	int			rows;			/* that have been returned */
} GroupFound;

/* The type of keys */
typedef struct KeyType
{
	TypeCacheEntry *entry;
	Oid			collation;
} KeyType;

static bool keys_equal(const KeyType *type, const GroupKey *a, const GroupKey *b);

#define SH_PREFIX group
#define SH_ELEMENT_TYPE GroupFound
#define SH_KEY_TYPE GroupKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) ((key).hash)
#define SH_EQUAL(table, a, b) keys_equal((table)->private_data, &(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* One call of nearest_groups() */
typedef struct GroupSearch
{
	int			groups;			/* wanted */
	int			rows_per_group;
	KeyType		key_type;
	group_hash *found;
	int			full;			/* groups that have all their rows */
	Tuplestorestate *store;
	TupleDesc	desc;			/* of the result */
} GroupSearch;

static bool
keys_equal(const KeyType *type, const GroupKey *a, const GroupKey *b)
{
	if (a->isnull || b->isnull)
		return a->isnull && b->isnull;
	return DatumGetBool(FunctionCall2Coll(&type->entry->eq_opr_finfo,
										  type->collation, a->value, b->value));
}

static GroupKey
make_key(const KeyType *type, Datum value, bool isnull)
{
	GroupKey	key = {value, isnull, 0};

	if (!isnull)
		key.hash = DatumGetUInt32(FunctionCall1Coll(&type->entry->hash_proc_finfo,
													type->collation, value));
	return key;
}

/* The type of the first column; an error where its values cannot be hashed */
static KeyType
find_key_type(TupleDesc desc)
{
	Form_pg_attribute column = TupleDescAttr(desc, 0);
	KeyType		type;

	type.collation = column->attcollation;
	type.entry = lookup_type_cache(column->atttypid,
								   TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO);
	if (!OidIsValid(type.entry->eq_opr) || !OidIsValid(type.entry->hash_proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("type %s of the first column cannot be grouped by",
						format_type_be(column->atttypid)),
				 errhint("The first column of the query is the group: take one whose type has a hash operator class, or cast it.")));
	return type;
}

/* Does the caller expect what the query returns? */
static void
check_columns(TupleDesc expected, TupleDesc actual)
{
	int			i;

	if (expected->natts != actual->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the query returns %d columns, and %d are expected",
						actual->natts, expected->natts)));
	for (i = 0; i < actual->natts; i++)
	{
		Oid			wanted = TupleDescAttr(expected, i)->atttypid;
		Oid			found = TupleDescAttr(actual, i)->atttypid;

		if (wanted != found)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column %d of the query is of type %s, and %s is expected",
							i + 1, format_type_be(found), format_type_be(wanted))));
	}
}

/* Take a row if its group still needs one; false once nothing is wanted any more */
static bool
take_row(GroupSearch *search, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, 1, desc, &isnull);
	GroupKey	key = make_key(&search->key_type, value, isnull);
	GroupFound *group = group_lookup(search->found, key);

	if (group == NULL)
	{
		MemoryContext previous;
		bool		found;

		if (search->found->members >= search->groups)
			return true;
		previous = MemoryContextSwitchTo(search->found->ctx);
		if (!isnull)
			key.value = datumCopy(value, search->key_type.entry->typbyval,
								  search->key_type.entry->typlen);
		MemoryContextSwitchTo(previous);
		group = group_insert(search->found, key, &found);
		group->rows = 0;
	}
	if (group->rows >= search->rows_per_group)
		return true;
	tuplestore_puttuple(search->store, tuple);
	group->rows++;
	if (group->rows == search->rows_per_group)
		search->full++;
	return search->full < search->groups;
}

/* Read the query's rows until there are enough */
static void
read_groups(GroupSearch *search, const char *query, int nargs, Oid *types,
			Datum *values, const char *nulls)
{
	/* more than a row at a time, and not many more than may be needed */
	long		batch = Min(Max((long) search->groups * search->rows_per_group, 10), 1000);
	Portal		portal;
	bool		more = true;

	portal = SPI_cursor_open_with_args(NULL, query, nargs, types, values, nulls, true,
									   CURSOR_OPT_FAST_PLAN | CURSOR_OPT_NO_SCROLL);
	check_columns(search->desc, portal->tupDesc);
	search->key_type = find_key_type(portal->tupDesc);
	search->found->private_data = &search->key_type;
	while (more)
	{
		uint64		i;

		SPI_cursor_fetch(portal, true, batch);
		if (SPI_processed == 0)
			break;
		for (i = 0; i < SPI_processed && more; i++)
		{
			CHECK_FOR_INTERRUPTS();
			more = take_row(search, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

/* The arguments from a number on, as SPI takes them; NULL where there are none */
static int
query_arguments(FunctionCallInfo fcinfo, int from, Oid **types, Datum **values,
				char **nulls)
{
	bool	   *isnull;
	int			count;
	int			i;

	*nulls = NULL;
	if (PG_NARGS() <= from)
		return 0;
	count = extract_variadic_args(fcinfo, from, true, values, types, &isnull);
	if (count < 0)				/* VARIADIC NULL */
		return 0;
	*nulls = palloc(count + 1);
	for (i = 0; i < count; i++)
		(*nulls)[i] = isnull[i] ? 'n' : ' ';
	return count;
}

/*
 * nearest_groups(query text, groups int, rows_per_group int [, VARIADIC "any"])
 * returns setof record: of the rows of a query, in its order, the first
 * rows_per_group of each of the first groups.  A group is what is equal in the first
 * column; nulls are one.  The query runs as the caller, in the statement's snapshot,
 * reads only as far as is needed, and has the last arguments as $1, $2, …
 *
 * Errors where a number is below 1 or null, the query is no SELECT or null, or its
 * columns are not those of the caller's column list.
 */
SQL_FUNCTION(nearest_groups)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GroupSearch search = {0};
	MemoryContext previous;
	Oid		   *types = NULL;
	Datum	   *values = NULL;
	char	   *nulls;
	char	   *query;
	int			nargs;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		PG_GETARG_INT32(1) < 1 || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nearest_groups needs a query, and at least 1 group and 1 row of each")));
	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0 ||
		result->expectedDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("nearest_groups must be called in FROM, with a list of columns"),
				 errhint("FROM nearest_groups(…) AS t (document integer, id integer, distance double precision)")));
	search.groups = PG_GETARG_INT32(1);
	search.rows_per_group = PG_GETARG_INT32(2);
	query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	nargs = query_arguments(fcinfo, 3, &types, &values, &nulls);

	previous = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	search.desc = CreateTupleDescCopy(result->expectedDesc);
	search.store = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
										 false, work_mem);
	MemoryContextSwitchTo(previous);
	search.found = group_create(CurrentMemoryContext, 64, NULL);

	SPI_connect();
	read_groups(&search, query, nargs, types, values, nulls);
	SPI_finish();

	result->returnMode = SFRM_Materialize;
	result->setResult = search.store;
	result->setDesc = search.desc;
	return (Datum) 0;
}
