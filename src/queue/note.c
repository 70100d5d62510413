/*
 * note.c
 *	  Keys of rows that statements insert, noted while they run.
 *
 * A statement-level trigger learns which rows were inserted from a transition
 * table, for which PostgreSQL copies each row, whole, to memory or a temporary
 * file.  Here the condition of a row trigger notes the key alone, and never holds,
 * so that nothing is queued for the trigger itself:
 *
 *		CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW
 *			WHEN (vector_queue_note(7, NEW.id)) EXECUTE FUNCTION f();
 *
 * A statement-level trigger of the same table takes what has been noted, as arrays
 * of keys.  The number is any that the two agree on.
 *
 * Notes belong to the subtransaction in which they were made, and are gone at its
 * end.  So what a statement takes within a subtransaction, whose effects may be
 * undone, leaves alone what a statement around it has noted before.
 */
#include "compat/pg.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

/* Keys of one array, and about how many bytes they have, at most */
#define MOST_KEYS	50000
#define MOST_BYTES	((Size) 16 * 1024 * 1024)

/* Columns of a key */
#define MOST_COLUMNS	INDEX_MAX_KEYS

typedef struct Column
{
	Oid			type;
	int16		length;
	bool		by_value;
	ArrayBuildState *keys;		/* NULL: none yet */
} Column;

/* What a subtransaction has noted under a number */
typedef struct Notes
{
	struct Notes *next;
	MemoryContext context;		/* of all this; a child of the subtransaction's */
	SubTransactionId subxact;
	int32		queue;
	int64		total;
	int			columns;
	Column	   *column;
	int			keys;			/* in the columns' */
	Size		bytes;
	TupleDesc	desc;			/* of arrays */
	Tuplestorestate *full;		/* rows of arrays that are full, or NULL */
} Notes;

static Notes *all_notes = NULL;

/* Changes with each note that is gone, so that nobody looks at it again */
static uint64 generation = 0;

/* -- the end of transactions ------------------------------------------------------ */

static void
forget(Notes **link)
{
	Notes	   *notes = *link;

	*link = notes->next;
	generation++;
	if (notes->full != NULL)
		tuplestore_end(notes->full);
	MemoryContextDelete(notes->context);
}

/* Notes of a transaction that ends; its memory goes by itself. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
	{
		/* temporary files have to be closed by whoever has opened them */
		while (all_notes != NULL)
			forget(&all_notes);
	}
	else if (event == XACT_EVENT_ABORT)
	{
		all_notes = NULL;
		generation++;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId subxact,
				   SubTransactionId parent, void *arg)
{
	Notes	  **link = &all_notes;

	if (event != SUBXACT_EVENT_PRE_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (*link != NULL)
	{
		if ((*link)->subxact != subxact)
			link = &(*link)->next;
		else if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
			forget(link);
		else
		{
			*link = (*link)->next;
			generation++;
		}
	}
}

/* -- noting ------------------------------------------------------------------------ */

static Notes **
find(int32 queue)
{
	SubTransactionId subxact = GetCurrentSubTransactionId();
	Notes	  **link = &all_notes;

	while (*link != NULL && ((*link)->queue != queue || (*link)->subxact != subxact))
		link = &(*link)->next;
	return link;
}

/* Columns as the arguments of a call are, from the second on */
static void
describe(Notes *notes, FmgrInfo *call, int columns)
{
	notes->columns = columns;
	notes->column = (Column *) palloc0(sizeof(Column) * columns);
	notes->desc = CreateTemplateTupleDesc(columns);
	for (int i = 0; i < columns; i++)
	{
		Column	   *column = &notes->column[i];
		Oid			array;

		column->type = get_fn_expr_argtype(call, i + 1);
		array = OidIsValid(column->type) ? get_array_type(column->type) : InvalidOid;
		if (!OidIsValid(array))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a key of type %s cannot be noted", format_type_be(column->type)),
					 errdetail("There are no arrays of this type.")));
		get_typlenbyval(column->type, &column->length, &column->by_value);
		TupleDescInitEntry(notes->desc, i + 1, NULL, array, -1, 0);
	}
}

static Notes *
begin(int32 queue, FmgrInfo *call, int columns)
{
	static bool registered = false;
	MemoryContext context;
	MemoryContext caller;
	Notes	   *notes;

	if (!registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	context = AllocSetContextCreate(CurTransactionContext, "keys of a queue",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	notes = (Notes *) palloc0(sizeof(Notes));
	notes->context = context;
	notes->queue = queue;
	notes->subxact = GetCurrentSubTransactionId();
	describe(notes, call, columns);
	MemoryContextSwitchTo(caller);
	notes->next = all_notes;
	all_notes = notes;
	return notes;
}

/* Are the arguments of a call of the notes' types? */
static bool
fits(const Notes *notes, FmgrInfo *call, int columns)
{
	bool		same = notes->columns == columns;

	for (int i = 0; i < columns && same; i++)
		same = notes->column[i].type == get_fn_expr_argtype(call, i + 1);
	return same;
}

/* What a call has found the last time */
typedef struct Call
{
	Notes	   *notes;
	uint64		generation;
} Call;

/* The notes of a call's number, made if there are none. */
static Notes *
notes_of(FunctionCallInfo fcinfo, int32 queue)
{
	Call	   *call = (Call *) fcinfo->flinfo->fn_extra;
	Notes	   *notes;

	if (call != NULL && call->generation == generation &&
		call->notes->queue == queue &&
		call->notes->subxact == GetCurrentSubTransactionId())
		return call->notes;
	if (PG_NARGS() < 2 || PG_NARGS() > MOST_COLUMNS + 1 ||
		get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the columns of a key have to be given one by one")));
	notes = *find(queue);
	if (notes == NULL)
		notes = begin(queue, fcinfo->flinfo, PG_NARGS() - 1);
	else if (!fits(notes, fcinfo->flinfo, PG_NARGS() - 1))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("keys of other types have been noted under the number %d", queue)));
	if (call == NULL)
		call = (Call *) MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Call));
	call->notes = notes;
	call->generation = generation;
	fcinfo->flinfo->fn_extra = call;
	return notes;
}

/* A row of arrays from the keys that are in the columns, none afterwards */
static void
take_keys(Notes *notes, Tuplestorestate *store)
{
	Datum		values[MOST_COLUMNS];
	bool		nulls[MOST_COLUMNS] = {false};

	for (int i = 0; i < notes->columns; i++)
	{
		values[i] = makeArrayResult(notes->column[i].keys, notes->context);
		notes->column[i].keys = NULL;
	}
	tuplestore_putvalues(store, notes->desc, values, nulls);
	for (int i = 0; i < notes->columns; i++)
		pfree(DatumGetPointer(values[i]));
	notes->keys = 0;
	notes->bytes = 0;
}

/* Arrays that are full go where memory is not: beyond work_mem, to a file. */
static void
set_aside(Notes *notes)
{
	if (notes->full == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(notes->context);
		ResourceOwner owner = CurrentResourceOwner;

		/* the file is kept for longer than the portal that writes to it */
		CurrentResourceOwner = CurTransactionResourceOwner;
		notes->full = tuplestore_begin_heap(false, false, work_mem);
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(caller);
	}
	take_keys(notes, notes->full);
}

/*
 * vector_queue_note(queue, VARIADIC key): note a key, its columns one by one, of
 * types that there are arrays of.  False, always.
 */
SQL_FUNCTION(vector_queue_note)
{
	Notes	   *notes;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the number of a queue must not be null")));
	notes = notes_of(fcinfo, PG_GETARG_INT32(0));
	for (int i = 0; i < notes->columns; i++)
	{
		Column	   *column = &notes->column[i];
		bool		isnull = PG_ARGISNULL(i + 1);
		Datum		value = isnull ? (Datum) 0 : PG_GETARG_DATUM(i + 1);

		/* what another table has out of line is read, and counted */
		if (!isnull && column->length == -1)
			value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
		if (column->keys == NULL)
			column->keys = initArrayResult(column->type, notes->context, true);
		accumArrayResult(column->keys, value, isnull, column->type, notes->context);
		if (!isnull && !column->by_value)
			notes->bytes += datumGetSize(value, false, column->length);
	}
	notes->total++;
	if (++notes->keys >= MOST_KEYS || notes->bytes >= MOST_BYTES)
		set_aside(notes);
	PG_RETURN_BOOL(false);
}

/* -- taking ------------------------------------------------------------------------ */

/* vector_queue_noted(queue): how many keys have been noted, and not taken */
SQL_FUNCTION(vector_queue_noted)
{
	Notes	   *notes = *find(PG_GETARG_INT32(0));

	PG_RETURN_INT64(notes != NULL ? notes->total : 0);
}

/* Are the columns that a caller expects those of the notes? */
static void
check_expected(const Notes *notes, TupleDesc expected)
{
	bool		same = expected->natts == notes->columns;

	for (int i = 0; i < notes->columns && same; i++)
		same = TupleDescAttr(expected, i)->atttypid == TupleDescAttr(notes->desc, i)->atttypid;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the keys that were noted under the number %d are not what is expected", notes->queue),
				 errdetail("Each column is an array of the type of one of the key's.")));
}

/* Move what has been noted to a result. */
static void
move(Notes *notes, Tuplestorestate *store)
{
	if (notes->full != NULL)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(notes->desc, &TTSOpsMinimalTuple);

		while (tuplestore_gettupleslot(notes->full, true, false, slot))
		{
			CHECK_FOR_INTERRUPTS();
			tuplestore_puttupleslot(store, slot);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	if (notes->keys > 0)
		take_keys(notes, store);
}

/*
 * vector_queue_take(queue): what has been noted, and is no more: rows of arrays, one
 * for each column of a key, of at most MOST_KEYS.
 */
SQL_FUNCTION(vector_queue_take)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Notes	  **link = find(PG_GETARG_INT32(0));
	MemoryContext caller;
	Tuplestorestate *store;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		!(info->allowedModes & SFRM_Materialize) || info->expectedDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (*link != NULL)
		check_expected(*link, info->expectedDesc);
	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	store = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0,
								  false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = store;
	info->setDesc = CreateTupleDescCopy(info->expectedDesc);
	MemoryContextSwitchTo(caller);
	if (*link != NULL)
	{
		move(*link, store);
		forget(find(PG_GETARG_INT32(0)));
	}
	return (Datum) 0;
}
