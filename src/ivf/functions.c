/*
 * functions.c
 *	  SQL functions: k-means, the centroids of an index, how far it has drifted, and
 *	  its upkeep.
 */
#include "ivf/index.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "index/as_owner.h"
#include "index/sample.h"
#include "ivf/centroids.h"
#include "ivf/rebalance.h"
#include "storage/heap_value.h"
#include "types/dense.h"
#include "types/own_type.h"

/* Rows of a cursor fetched at a time */
#define FETCH_ROWS	1000

/* Entries whose rows are looked at for the error of today */
#define DRIFT_ROWS	2000

/* The result of a function that returns a set, to be filled */
static Tuplestorestate *
begin_result(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;
	Tuplestorestate *store;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		!(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	*desc = CreateTupleDescCopy(*desc);
	store = tuplestore_begin_heap(true, false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = store;
	info->setDesc = *desc;
	MemoryContextSwitchTo(caller);
	return store;
}

/* ------------------------------------------------------------------------
 * vector_kmeans
 */

/* Is text a query, rather than the name of a table? */
static bool
is_query(const char *text)
{
	static const char *const words[] = {"select", "with", "values", "table"};

	while (isspace((unsigned char) *text) || *text == '(')
		text++;
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		Size		length = strlen(words[i]);

		if (pg_strncasecmp(text, words[i], length) == 0 &&
			(isspace((unsigned char) text[length]) || text[length] == '('))
			return true;
	}
	return false;
}

/* The query for a table: of its first column of type vector or halfvec */
static char *
query_for_table(const char *name)
{
	Relation	table = table_openrv(makeRangeVarFromNameList(qualified_name_list(name)),
									 AccessShareLock);
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s FROM %s",
					 quote_identifier(get_attname(RelationGetRelid(table),
												  ivf_vector_column(table), false)),
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
												RelationGetRelationName(table)));
	table_close(table, AccessShareLock);
	return query.data;
}

typedef struct Rows
{
	float	   *floats;
	Size		count;
	Size		room;
	int			dims;
} Rows;

/* Add a row; memory for k-means of all must be there. */
static void
add_row(Rows *rows, const DenseVector *vector, bool halves, Size k)
{
	if (rows->count == 0)
		rows->dims = vector->dim;
	if (vector->dim != rows->dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d", rows->dims,
						vector->dim)));
	if (rows->count == rows->room)
	{
		Size		room = Max(2 * rows->room, FETCH_ROWS);
		Size		bytes = mul_size(mul_size(room, rows->dims), sizeof(float));
		double		needed = (double) rows->count * rows->dims * sizeof(float) +
			kmeans_bytes(rows->count + 1, rows->dims, Min(k, rows->count + 1));

		/* the first rows are had in any case */
		if (rows->count > 0 && needed > maintenance_work_mem * 1024.0)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("k-means of more than %zu rows does not fit maintenance_work_mem",
							rows->count),
					 errhint("Increase maintenance_work_mem, or give a query with a sample of the rows.")));
		rows->floats = rows->floats == NULL
			? (float *) MemoryContextAllocHuge(CurrentMemoryContext, bytes)
			: (float *) repalloc_huge(rows->floats, bytes);
		rows->room = room;
	}
	if (halves)
		distance_kernels->f16_to_f32(DENSE_HALVES(vector),
									 rows->floats + rows->count * rows->dims,
									 rows->dims);
	else
		memcpy(rows->floats + rows->count * rows->dims, DENSE_FLOATS(vector),
			   rows->dims * sizeof(float));
	rows->count++;
}

/* Run a query as its caller, and collect the vectors of its first column. */
static void
collect_rows(const char *query, Rows *rows, Size k)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr	plan;
	Portal		portal;
	Oid			type;
	OwnType		own;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL || !SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot cluster the result of \"%s\"", query),
				 errhint("Give the name of a table, or a query that returns vectors.")));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	type = portal->tupDesc->natts > 0
		? TupleDescAttr(portal->tupDesc, 0)->atttypid : InvalidOid;
	own = own_type(type);
	if (own != OWN_VECTOR && own != OWN_HALFVEC)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 OidIsValid(type)
				 ? errmsg("first column is of type %s, not vector or halfvec",
						  format_type_be_qualified(type))
				 : errmsg("query has no column of type vector or halfvec")));
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			Datum		datum = SPI_getbinval(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc, 1, &isnull);
			const DenseVector *vector;
			MemoryContext spi;

			if (isnull)
				continue;
			vector = (const DenseVector *) PG_DETOAST_DATUM(datum);
			spi = MemoryContextSwitchTo(caller);
			add_row(rows, vector, own == OWN_HALFVEC, k);
			MemoryContextSwitchTo(spi);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

/*
 * A squared distance in double, which holds that of any two rows.  The distances that
 * rows are assigned by are float32, and too short where elements are very large.
 */
static double
wide_square(const float *a, const float *b, Size dims)
{
	double		sum = 0;

	for (Size i = 0; i < dims; i++)
	{
		double		difference = (double) a[i] - b[i];

		sum += difference * difference;
	}
	return sum;
}

/*
 * vector_kmeans(source text, k int, iterations int, seed int, spherical bool):
 * k-means of a query's or table's vectors.
 */
SQL_FUNCTION(vector_kmeans)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			k = PG_GETARG_INT32(1);
	KmeansParams params = {
		.k = k,
		.iterations = PG_GETARG_INT32(2),
		.seed = (uint64) PG_GETARG_INT32(3),
		.spherical = PG_GETARG_BOOL(4)
	};
	TupleDesc	desc;
	Tuplestorestate *store;
	Rows		rows = {0};
	float	   *centroids;
	uint32	   *nearest;
	uint64	   *sizes;
	double	   *errors;
	CentroidPanel *panel;

	if (k < 1 || k > IVF_MAX_LISTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be between 1 and %d", IVF_MAX_LISTS)));
	if (params.iterations < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("iterations must not be negative")));
	store = begin_result(fcinfo, &desc);
	collect_rows(is_query(source) ? source : query_for_table(source), &rows, k);
	if (rows.count == 0)
		return (Datum) 0;

	params.k = Min(params.k, rows.count);
	centroids = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(mul_size(params.k, rows.dims), sizeof(float)));
	(void) kmeans(&index_host, rows.floats, rows.count, rows.dims, &params,
				  centroids, NULL);
	panel = centroid_panel_create(&index_host, centroids, params.k, rows.dims, false);
	nearest = (uint32 *)
		MemoryContextAllocHuge(CurrentMemoryContext, mul_size(rows.count, sizeof(uint32)));
	centroid_panel_nearest(panel, &index_host, rows.floats, rows.count, nearest, NULL);
	sizes = (uint64 *) palloc0(mul_size(params.k, sizeof(uint64)));
	errors = (double *) palloc0(mul_size(params.k, sizeof(double)));
	for (Size i = 0; i < rows.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sizes[nearest[i]]++;
		errors[nearest[i]] += wide_square(rows.floats + i * rows.dims,
										  centroids + (Size) nearest[i] * rows.dims,
										  rows.dims);
	}
	for (Size i = 0; i < params.k; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = PointerGetDatum(dense_from_floats(&vector_type,
													  centroids + i * rows.dims,
													  rows.dims));
		values[2] = Int64GetDatum((int64) sizes[i]);
		values[3] = Float8GetDatum(sizes[i] > 0 ? errors[i] / sizes[i] : 0);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Looking into an index
 */

/*
 * Error unless the caller may see all that an index tells of its table: SELECT
 * on the table or on each column in the index, and no policy that hides rows.
 * (As PostgreSQL has it for an index's values in error messages; of expressions
 * and predicates it is not known what they show, so these take SELECT on the
 * table.)
 */
static void
check_access(Oid heap, Oid index)
{
	HeapTuple	tuple;
	Form_pg_index form;
	AclResult	access = pg_class_aclcheck(heap, GetUserId(), ACL_SELECT);

	if (access != ACLCHECK_OK)
	{
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", index);
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
		{
			access = ACLCHECK_OK;
			for (int i = 0; i < form->indnatts && access == ACLCHECK_OK; i++)
				access = pg_attribute_aclcheck(heap, form->indkey.values[i],
											   GetUserId(), ACL_SELECT);
		}
		ReleaseSysCache(tuple);
	}
	if (access != ACLCHECK_OK)
		aclcheck_error(access, OBJECT_TABLE, get_rel_name(heap));
	if (check_enable_rls(heap, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for indexes of table %s",
						get_rel_name(heap)),
				 errdetail("The table's row-level security may hide rows from role \"%s\", which its indexes would show.",
						   GetUserNameFromId(GetUserId(), false))));
}

/* open_index, of one who may read the index or needs not */
static IvfIndex *
open_index_for(Oid oid, bool read, Relation *relation, Relation *heap)
{
	Oid			heap_oid = IndexGetRelation(oid, true);

	if (!OidIsValid(heap_oid))
	{
		if (get_rel_name(oid) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("index with OID %u does not exist", oid)));
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(oid))));
	}
	if (get_rel_relkind(oid) != RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partitioned index", get_rel_name(oid)),
				 errhint("Name the index of a partition.")));
	if (read)
		check_access(heap_oid, oid);
	*heap = table_open(heap_oid, AccessShareLock);
	*relation = index_open(oid, AccessShareLock);
	/* nothing was locked when the table was looked up */
	if ((*relation)->rd_index->indrelid != heap_oid)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(*relation))));
	if ((*relation)->rd_indam->ambuild != ivf_build ||
		ivf_kind_of(*relation) == IVF_EXACT)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not an inverted file",
						RelationGetRelationName(*relation)),
				 errhint("Use an index of access method ivfflat, ivfpq or ivfrabitq.")));
	if (RELATION_IS_OTHER_TEMP(*relation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!(*relation)->rd_index->indisready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" has not been built",
						RelationGetRelationName(*relation)),
				 errhint("Use REINDEX to build the index.")));
	return ivf_open(*relation);
}

/* Open an inverted file by name, and its table; error if it is none. */
static IvfIndex *
open_index(Oid oid, Relation *relation, Relation *heap)
{
	return open_index_for(oid, true, relation, heap);
}

static void
close_index(Relation relation, Relation heap)
{
	index_close(relation, AccessShareLock);
	table_close(heap, AccessShareLock);
}

/* ivf_centroids(index regclass): its centroids, as training gave them */
SQL_FUNCTION(ivf_centroids)
{
	TupleDesc	desc;
	Tuplestorestate *store = begin_result(fcinfo, &desc);
	Relation	relation;
	Relation	heap;
	IvfIndex   *index = open_index(PG_GETARG_OID(0), &relation, &heap);
	float	   *centroid = (float *) palloc(mul_size(index->meta.width, sizeof(float)));

	if (index->meta.dims > DENSE_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("centroids of %u dimensions do not fit a vector",
						index->meta.dims)));
	for (uint32 list = 0; list < index->meta.lists; list++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		CHECK_FOR_INTERRUPTS();
		ivf_read_centroid(index, list, centroid);
		ivf_transform_back(index->model, centroid);
		for (uint32 i = 0; i < index->meta.dims; i++)
		{
			if (!isfinite(centroid[i]))
				index_damaged(relation, index->meta.constants, NO_PLACE,
							  "A centroid's elements there, or behind it, are no numbers.");
		}
		values[0] = Int32GetDatum((int32) list + 1);
		values[1] = PointerGetDatum(dense_from_floats(&vector_type, centroid,
													  index->meta.dims));
		tuplestore_putvalues(store, desc, values, nulls);
	}
	close_index(relation, heap);
	return (Datum) 0;
}

/* What a walk over all lists has seen */
typedef struct Drift
{
	uint64		entries;
	uint64		pages;
	double		squares;		/* of entries of lists */
	double		built_squares;
	double		built;
	double		error;			/* of the rows looked at, squared distances */
	uint64		rows;
	uint64		step;			/* one entry in so many is looked at */

	HeapValues *values;
	ItemPointerData *tids;		/* of a page */
	float	   *y;
	float	   *centroid;
} Drift;

/* Add the distance of an entry's row from the list's centroid, if it is seen. */
static void
drift_row(Drift *drift, const IvfModel *model, ItemPointer tid)
{
	bool		all_dead;
	const struct varlena *value = heap_values_get(drift->values, tid, &all_dead);

	if (value == NULL || !ivf_transform(model, value, false, drift->y))
		return;
	drift->error += distance_kernels->f32_l2sq(drift->y, drift->centroid,
											   model->width);
	drift->rows++;
}

static void
drift_list(Drift *drift, IvfIndex *index, Relation heap, uint32 list)
{
	IvfList		record = ivf_get_list(index, list);
	uint64		length = 0;
	IvfListWalk walk;

	ivf_read_centroid(index, list, drift->centroid);
	ivf_walk_begin(&walk, index, list, record.head, BUFFER_LOCK_SHARE);
	walk.may_leave = TransactionStartedDuringRecovery();
	while (ivf_walk_next(&walk))
	{
		uint32		count = ivf_list_page(walk.page)->count;

		memcpy(drift->tids, ivf_page_tids(&index->layout, walk.page),
			   count * sizeof(ItemPointerData));
		ivf_walk_release(&walk);
		drift->pages++;
		for (uint32 i = 0; i < count; i++)
		{
			if ((drift->entries + i) % drift->step != 0)
				continue;
			check_heap_tid(index->map, heap, &drift->tids[i], walk.block);
			drift_row(drift, index->model, &drift->tids[i]);
		}
		drift->entries += count;
		length += count;
	}
	drift->squares += (double) length * length;
	drift->built_squares += (double) record.built * record.built;
	drift->built += record.built;
}

/* See ivf.h */
void
ivf_measure_drift(Relation relation, Relation heap, IvfDriftSums *sums)
{
	IvfIndex   *index = ivf_open(relation);
	Size		floats = mul_size(index->meta.width, sizeof(float));
	Drift		drift = {0};

	drift.step = Max(1, (uint64) (index->meta.rows / DRIFT_ROWS));
	drift.y = (float *) palloc0(floats);
	drift.centroid = (float *) palloc(floats);
	drift.tids = (ItemPointerData *)
		palloc(index->layout.slots * sizeof(ItemPointerData));
	drift.values = heap_values_begin(heap, relation, GetActiveSnapshot());
	for (uint32 list = 0; list < index->meta.lists; list++)
		drift_list(&drift, index, heap, list);
	heap_values_end(drift.values);

	sums->pages = drift.pages;
	sums->built = drift.built;
	sums->entries = drift.entries;
	sums->rows = drift.rows;
	sums->built_imbalance = drift.built_squares * index->meta.lists /
		(drift.built * drift.built);
	sums->imbalance = drift.squares * index->meta.lists /
		((double) drift.entries * drift.entries);
	sums->built_error = index->meta.error;
	sums->error = drift.error / Max(drift.rows, 1);
}

/*
 * ivf_drift(index regclass): how even lists are and how far rows are from their
 * centroids, today and at build.  Imbalance is the mean length of the list that
 * an entry is in, in mean lengths: 1 where all lists are equal.
 */
SQL_FUNCTION(ivf_drift)
{
	TupleDesc	desc;
	Tuplestorestate *store = begin_result(fcinfo, &desc);
	Relation	relation;
	Relation	heap;
	IvfIndex   *index = open_index(PG_GETARG_OID(0), &relation, &heap);
	IvfDriftSums sums;
	AsOwner		owner;
	Datum		values[9];
	bool		nulls[9] = {false};

	as_owner_begin(&owner, heap);
	ivf_measure_drift(relation, heap, &sums);
	as_owner_end(&owner);

	values[0] = Int32GetDatum((int32) index->meta.lists);
	values[1] = BoolGetDatum(index->meta.trained);
	values[2] = Int64GetDatum((int64) sums.pages);
	values[3] = Int64GetDatum((int64) sums.built);
	values[4] = Int64GetDatum((int64) sums.entries);
	values[5] = Float8GetDatum(sums.built_imbalance);
	nulls[5] = sums.built == 0;
	values[6] = Float8GetDatum(sums.imbalance);
	nulls[6] = sums.entries == 0;
	values[7] = Float8GetDatum(sums.built_error);
	nulls[7] = index->meta.rows == 0;
	values[8] = Float8GetDatum(sums.error);
	nulls[8] = sums.rows == 0;
	tuplestore_putvalues(store, desc, values, nulls);
	close_index(relation, heap);
	return (Datum) 0;
}

/* ivf_recall(index regclass): the recall that was measured at build */
SQL_FUNCTION(ivf_recall)
{
	TupleDesc	desc;
	Tuplestorestate *store = begin_result(fcinfo, &desc);
	Relation	relation;
	Relation	heap;
	IvfIndex   *index = open_index(PG_GETARG_OID(0), &relation, &heap);

	for (int i = 0; i < IVF_RECALL_POINTS && index->meta.recall[i].probes > 0; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = Int32GetDatum((int32) index->meta.recall[i].probes);
		values[1] = Float4GetDatum(index->meta.recall[i].recall);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	close_index(relation, heap);
	return (Datum) 0;
}

/*
 * ivf_rebalance(index regclass, budget bigint): lists that are too long or far from
 * their centroids are made anew; see rebalance.c
 */
SQL_FUNCTION(ivf_rebalance)
{
	TupleDesc	desc;
	Tuplestorestate *store = begin_result(fcinfo, &desc);
	Oid			oid = PG_GETARG_OID(0);
	int64		budget = PG_GETARG_INT64(1);
	Oid			heap_oid = IndexGetRelation(oid, true);
	Relation	relation;
	Relation	heap;
	IvfIndex   *index;
	IvfRebalanced result;
	AsOwner		owner;
	Datum		values[7];
	bool		nulls[7] = {false};

	PreventCommandIfReadOnly("ivf_rebalance()");
	PreventCommandDuringRecovery("ivf_rebalance()");
	if (budget < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("budget must be at least 1")));
	if (OidIsValid(heap_oid) && !owns_relation(oid) && !may_maintain(heap_oid))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(oid));

	/* as VACUUM, which must not run meanwhile */
	if (OidIsValid(heap_oid) && get_rel_relkind(oid) == RELKIND_INDEX)
		LockRelationOid(heap_oid, ShareUpdateExclusiveLock);
	index = open_index_for(oid, false, &relation, &heap);
	if (!index->meta.trained)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" was built with too little data to learn from",
						RelationGetRelationName(relation)),
				 errhint("Use REINDEX to build the index.")));
	if (index->model->column.type->array)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("lists of an index of arrays cannot be rebalanced"),
				 errhint("Use REINDEX CONCURRENTLY to rebuild the index.")));
	as_owner_begin(&owner, heap);
	ivf_rebalance_lists(relation, heap, (uint64) budget, &result);
	as_owner_end(&owner);

	values[0] = Int32GetDatum((int32) result.lists);
	values[1] = Int32GetDatum((int32) result.replaced);
	values[2] = Int64GetDatum((int64) result.entries);
	values[3] = Int64GetDatum((int64) result.moved);
	values[4] = Int64GetDatum((int64) result.left);
	values[5] = Int64GetDatum((int64) result.pages_freed);
	values[6] = BoolGetDatum(result.waits);
	nulls[2] = nulls[4] = result.waits;
	tuplestore_putvalues(store, desc, values, nulls);
	close_index(relation, heap);
	return (Datum) 0;
}
