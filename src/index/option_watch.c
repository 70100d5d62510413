/*
 * option_watch.c
 *	  Learn of the options of an index that is created or altered.
 *
 * An access method gets an index's options to parse, not the index: so ALTER
 * INDEX ... SET accepts what does not suit the column, and the next REINDEX
 * fails.  PostgreSQL has a hook where a row of pg_class has been written and
 * the command can still fail.  It is always installed in time: a command that
 * creates or alters an index opens it, which calls its access method's handler,
 * which loads this library.
 */
#include "index/option_watch.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* One for each access method that registers one */
#define MAX_WATCHES	8

typedef struct Watch
{
	ambuild_function ambuild;
	OptionsChanged changed;
} Watch;

static Watch watches[MAX_WATCHES];
static int	watch_count = 0;
static object_access_hook_type previous_hook = NULL;

/* The newest version of a relation's row of pg_class; NULL where it is gone */
static HeapTuple
newest_tuple(Relation catalog, Oid relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, SnapshotSelf, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Has an altered index other options than before? */
static bool
has_other_options(Relation relation, const bytea *options)
{
	const bytea *old = relation->rd_options;

	if (old == NULL || options == NULL)
		return old != options;
	return VARSIZE(old) != VARSIZE(options) ||
		memcmp(old, options, VARSIZE(old)) != 0;
}

/* Tell the index's access method, if it is one of ours. */
static void
relation_changed(Oid oid, bool created)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	HeapTuple	tuple = newest_tuple(catalog, oid);
	Form_pg_class form;
	const IndexAmRoutine *routine;
	Datum		datum;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
	{
		form = (Form_pg_class) GETSTRUCT(tuple);
		if ((form->relkind == RELKIND_INDEX ||
			 form->relkind == RELKIND_PARTITIONED_INDEX) &&
			OidIsValid(form->relam))
		{
			routine = GetIndexAmRoutineByAmId(form->relam, false);
			datum = heap_getattr(tuple, Anum_pg_class_reloptions,
								 RelationGetDescr(catalog), &isnull);
			for (int i = 0; i < watch_count; i++)
			{
				Relation	relation;
				const bytea *options;

				if (watches[i].ambuild != routine->ambuild)
					continue;
				options = isnull ? NULL : routine->amoptions(datum, false);
				relation = created ? NULL : relation_open(oid, AccessShareLock);
				watches[i].changed(oid, relation, options,
								   relation != NULL && !IsBinaryUpgrade &&
								   has_other_options(relation, options));
				if (relation != NULL)
					relation_close(relation, AccessShareLock);
			}
		}
		heap_freetuple(tuple);
	}
	table_close(catalog, AccessShareLock);
}

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int part,
				 void *arg)
{
	if (previous_hook != NULL)
		previous_hook(access, class, object, part, arg);
	if (class != RelationRelationId || part != 0)
		return;
	if (access == OAT_POST_CREATE)
		relation_changed(object, true);
	else if (access == OAT_POST_ALTER)
	{
		/* an altered relation's kind can be had without a search */
		char		kind = get_rel_relkind(object);

		if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
			relation_changed(object, false);
	}
}

void
option_watch(ambuild_function ambuild, OptionsChanged changed)
{
	if (watch_count == 0)
	{
		previous_hook = object_access_hook;
		object_access_hook = on_object_access;
	}
	Assert(watch_count < MAX_WATCHES);
	watches[watch_count].ambuild = ambuild;
	watches[watch_count].changed = changed;
	watch_count++;
}
