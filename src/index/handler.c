/*
 * handler.c
 *	  What PostgreSQL asks of every access method alike.
 */
#include "index/handler.h"

#include "access/amapi.h"
#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "storage/bufmgr.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "index/column.h"
#include "index/filter.h"
#include "index/scan_target.h"

static relopt_enum_elt_def reranks[] = {
	{"heap", RERANK_HEAP},
	{"index", RERANK_INDEX},
	{(const char *) NULL}
};

static const struct config_enum_entry iterative_scans[] = {
	{"off", ITERATIVE_OFF, false},
	{"relaxed_order", ITERATIVE_RELAXED, false},
	{"strict_order", ITERATIVE_STRICT, false},
	{NULL, 0, false}
};

void
add_rerank_option(relopt_kind kind, IndexRerank rerank)
{
	add_enum_reloption(kind, "rerank", "Where true distances come from", reranks,
					   rerank,
					   rerank == RERANK_HEAP ? "Valid values are \"heap\" and \"index\"."
					   : "Valid values are \"index\" and \"heap\".",
					   AccessExclusiveLock);
}

void
define_iterative_scan(const char *name, const char *description, int *setting)
{
	DefineCustomEnumVariable(name, description, NULL, setting, ITERATIVE_STRICT,
							 iterative_scans, PGC_USERSET, 0, NULL, NULL, NULL);
}

IndexBulkDeleteResult *
bulk_delete_stats(IndexBulkDeleteResult *stats)
{
	if (stats == NULL)
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	return stats;
}

IndexBulkDeleteResult *
vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;

	/* nothing was deleted: the table knows better than a look at every page */
	if (stats == NULL)
	{
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}

/* ------------------------------------------------------------------------
 * Operator classes
 */

/* Support functions of ivfflat that pgvector's classes name: 3 and 4 */
#define IVF_KMEANS_DISTANCE_PROC	3
#define IVF_KMEANS_NORM_PROC		4

/* Complain about an operator class or family. */
#define INVALID(...) \
	do { \
		ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), \
					   errmsg(__VA_ARGS__))); \
		valid = false; \
	} while (0)

/*
 * The operator class of a filter column has operators to search by, without
 * support functions: the types' own hash functions serve.
 */
static bool
validate_filter(Form_pg_opclass class, const char *am, CatCList *operators)
{
	const char *name = NameStr(class->opcname);
	bool		valid = true;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amopstrategy < 1 ||
			operator->amopstrategy > FILTER_STRATEGIES ||
			operator->amoppurpose != AMOP_SEARCH ||
			!check_amop_signature(operator->amopopr, BOOLOID,
								  operator->amoplefttype,
								  operator->amoprighttype))
			INVALID("operator class \"%s\" of access method %s has an operator that is not for filter columns",
					name, am);
	}
	return valid;
}

/* Is an operator class one of filter columns: nothing in it is a distance? */
static bool
is_filter_class(CatCList *operators, CatCList *procs)
{
	for (int i = 0; i < operators->n_members; i++)
	{
		if (((Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple))->amoppurpose == AMOP_ORDER)
			return false;
	}
	return operators->n_members > 0 && procs->n_members == 0;
}

/* Is it one that orders by a distance? */
static bool
is_order(Form_pg_amop operator)
{
	return operator->amopstrategy == DISTANCE_STRATEGY &&
		operator->amoppurpose == AMOP_ORDER &&
		opfamily_can_sort_type(operator->amopsortfamily,
							   get_op_rettype(operator->amopopr)) &&
		check_amop_signature(operator->amopopr, FLOAT8OID,
							 operator->amoplefttype, operator->amoprighttype);
}

/* Is it one that compares a distance with the radius of a sphere? */
static bool
is_in_sphere(Form_pg_amop operator)
{
	return operator->amopstrategy == SPHERE_STRATEGY &&
		operator->amoppurpose == AMOP_SEARCH &&
		get_typtype(operator->amoprighttype) == TYPTYPE_COMPOSITE &&
		check_amop_signature(operator->amopopr, BOOLOID,
							 operator->amoplefttype, operator->amoprighttype);
}

/* Has a support function the signature of its number?  *known: there is such a number */
static bool
has_signature(Form_pg_amproc proc, Oid type, int type_proc, bool *known)
{
	*known = true;
	if (proc->amprocnum == type_proc)
		return check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1,
									  INTERNALOID);
	switch (proc->amprocnum)
	{
		case DISTANCE_PROC:
		case IVF_KMEANS_DISTANCE_PROC:
			return check_amproc_signature(proc->amproc, FLOAT8OID, true, 2, 2,
										  type, type);
		case NORM_PROC:
		case IVF_KMEANS_NORM_PROC:
			return check_amproc_signature(proc->amproc, FLOAT8OID, true, 1, 1,
										  type);
	}
	*known = false;
	return false;
}

/*
 * An operator class has an operator that orders by a float8 distance, perhaps
 * one that tells what is in a sphere, and the support functions of
 * index/column.h, which are those of the elements where it is on arrays.
 */
static bool
validate_vector(Form_pg_opclass class, const char *am, CatCList *operators,
				CatCList *procs, int procs_wanted)
{
	const char *name = NameStr(class->opcname);
	bool		valid = true;
	bool		has_distance = false;
	Oid			element = get_element_type(class->opcintype);

	for (int i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&procs->members[i]->tuple);
		bool		known;
		bool		right = has_signature(proc, OidIsValid(element) ? element : class->opcintype,
										  procs_wanted, &known);

		has_distance |= proc->amprocnum == DISTANCE_PROC;
		if (!known)
			INVALID("operator class \"%s\" of access method %s has an invalid support number %d",
					name, am, proc->amprocnum);
		else if (!right)
			INVALID("operator class \"%s\" of access method %s has support function %d with a wrong signature",
					name, am, proc->amprocnum);
	}
	if (!has_distance)
		INVALID("operator class \"%s\" of access method %s is missing support function %d",
				name, am, DISTANCE_PROC);

	if (operators->n_members == 0)
		INVALID("operator class \"%s\" of access method %s has no operator", name, am);
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (!is_order(operator) && !is_in_sphere(operator))
			INVALID("operator class \"%s\" of access method %s has an operator that is neither for ordering by distance nor for spheres",
					name, am);
	}
	return valid;
}

bool
index_validate(Oid opclass_oid)
{
	HeapTuple	class_tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
	Form_pg_opclass class;
	const char *am;
	CatCList   *operators;
	CatCList   *procs;
	bool		valid;

	if (!HeapTupleIsValid(class_tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
	class = (Form_pg_opclass) GETSTRUCT(class_tuple);
	am = get_am_name(class->opcmethod);
	operators = SearchSysCacheList1(AMOPSTRATEGY,
									ObjectIdGetDatum(class->opcfamily));
	procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(class->opcfamily));
	valid = is_filter_class(operators, procs)
		? validate_filter(class, am, operators)
		: validate_vector(class, am, operators, procs,
						  GetIndexAmRoutineByAmId(class->opcmethod, false)->amsupport);
	ReleaseCatCacheList(procs);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(class_tuple);
	return valid;
}

void
index_adjust_members(Oid family, Oid opclass, List *operators, List *functions)
{
	ListCell   *cell;

	foreach(cell, operators)
	{
		OpFamilyMember *member = (OpFamilyMember *) lfirst(cell);

		if (member->lefttype != member->righttype)
		{
			member->ref_is_hard = false;
			member->ref_is_family = true;
			member->refobjid = family;
		}
	}
}

static bool
note_is_set(void **extra, GucSource source)
{
	bool	   *is_set = (bool *) setting_extra(sizeof(bool));

	if (is_set == NULL)
		return false;
	*is_set = source != PGC_S_DEFAULT;
	*extra = is_set;
	return true;
}

bool
check_int_is_set(int *newval, void **extra, GucSource source)
{
	return note_is_set(extra, source);
}

bool
check_real_is_set(double *newval, void **extra, GucSource source)
{
	return note_is_set(extra, source);
}
