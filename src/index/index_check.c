/*
 * index_check.c
 *	  Can an index be used as it is?
 *
 * An access method says why not, as an error, when a scan begins: the metapage is
 * pgvector's, of a version that is not read, or does not fit the column.  Here that
 * becomes an answer, for those who want to know before a query does.
 */
#include "compat/pg.h"

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "index/index_check.h"
#include "index/scan.h"

/* See index_check.h */
ErrorData *
index_error_of(void (*function) (void *), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL && error->sqlerrcode != ERRCODE_FEATURE_NOT_SUPPORTED &&
		error->sqlerrcode != ERRCODE_INDEX_CORRUPTED &&
		error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
		ReThrowError(error);
	return error;
}

/* Begin a scan of an index, and end it. */
static void
try_scan(void *argument)
{
	Relation	index = (Relation) argument;
	IndexScanDesc scan = index->rd_indam->ambeginscan(index, 0, 0);

	index->rd_indam->amendscan(scan);
	IndexScanEnd(scan);
}

/*
 * SQL: vector_index_problem(index regclass) returns text: the message of the error
 * that a scan of the index begins with, null if there is none.  Errors that say
 * nothing about the index are raised.  Locks the index in access share mode.
 */
SQL_FUNCTION(vector_index_problem)
{
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	ErrorData  *error;

	if (index->rd_indam->amgettuple != vector_scan_next)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not one of this extension's access methods",
						RelationGetRelationName(index))));
	if (!RELKIND_HAS_STORAGE(index->rd_rel->relkind))
	{
		/* a partitioned index */
		index_close(index, NoLock);
		PG_RETURN_NULL();
	}

	error = index_error_of(try_scan, index);
	index_close(index, NoLock);
	if (error == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(error->message));
}
