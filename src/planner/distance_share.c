/*
 * distance_share.c
 *	  How many of a table's rows a condition on a distance passes: the distances
 *	  of a sample of an index's values, which the backend keeps.
 *
 * Rows of the sample come from blocks that are random, but the same for all
 * backends, and so are the plans.  README.md tells what is sampled, how shares are
 * estimated, when a sample is taken anew, and whom an estimate may tell anything.
 */
#include "planner/distance_share.h"

#include <math.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/snapmgr.h"

#include "index/as_owner.h"
#include "index/column.h"
#include "index/index_cost.h"
#include "index/scan_target.h"
#include "planner/derive.h"
#include "storage/recent_buffer.h"
#include "types/sphere.h"

#define SAMPLE_ROWS				512
#define SAMPLE_BLOCKS			128
#define SAMPLE_BYTES			(512 * 1024)

/*
 * Of a partition.  Of a query with more relations than this, partitions are not
 * sampled: it would take longer than many queries, and more memory than there is
 * for all samples.
 */
#define SAMPLE_ROWS_OF_CHILD	64
#define SAMPLE_BYTES_OF_CHILD	(128 * 1024)
#define MOST_RELATIONS			100

/* Of all samples of a backend; beyond, it begins again */
#define ALL_SAMPLES_BYTES		(32 * 1024 * 1024)

/* Values of a random sequence that is the same everywhere */
#define SAMPLE_SEED				0x5EED

/* So many nearest distances tell how the number of rows falls with the radius */
#define NEAREST					16

typedef struct DistanceSample
{
	Oid			index;			/* the key; must be first */
	bool		valid;
	Oid			index_file;
	Oid			heap_file;
	BlockNumber blocks;			/* of the table */
	int			wanted;
	MemoryContext context;		/* of the values; NULL: nothing has been read */
	Size		bytes;
	IndexColumn column;
	int			rows;			/* looked at: with those that have null */
	int			count;
	const struct varlena *values[SAMPLE_ROWS];
} DistanceSample;

static HTAB *samples = NULL;
static Size samples_bytes = 0;

/* ------------------------------------------------------------------------
 * Samples
 */

/* Relcache callback: an index's catalog entry has changed; InvalidOid: any may */
static void
samples_invalidate(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS all;
	DistanceSample *sample;

	if (OidIsValid(relid))
	{
		sample = (DistanceSample *) hash_search(samples, &relid, HASH_FIND, NULL);
		if (sample != NULL)
			sample->valid = false;
		return;
	}
	hash_seq_init(&all, samples);
	while ((sample = (DistanceSample *) hash_seq_search(&all)) != NULL)
		sample->valid = false;
}

/* Free a sample's values. */
static void
sample_reset(DistanceSample *sample)
{
	if (sample->context != NULL)
		MemoryContextDelete(sample->context);
	samples_bytes -= sample->bytes;
	sample->context = NULL;
	sample->bytes = 0;
	sample->valid = false;
	sample->rows = sample->count = 0;
}

/* The entry of an index, which may have no values yet */
static DistanceSample *
sample_entry(Oid index)
{
	DistanceSample *sample;
	bool		found;

	if (samples == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(DistanceSample)};

		samples = hash_create("vector samples", 16, &control,
							  HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(samples_invalidate, (Datum) 0);
	}
	sample = (DistanceSample *) hash_search(samples, &index, HASH_ENTER, &found);
	if (!found)
		memset((char *) sample + sizeof(Oid), 0,
			   sizeof(DistanceSample) - sizeof(Oid));
	return sample;
}

/* Free the samples of all other indexes. */
static void
evict_others(const DistanceSample *kept)
{
	HASH_SEQ_STATUS all;
	DistanceSample *sample;

	hash_seq_init(&all, samples);
	while ((sample = (DistanceSample *) hash_seq_search(&all)) != NULL)
	{
		Oid			index = sample->index;

		if (sample == kept)
			continue;
		sample_reset(sample);
		hash_search(samples, &index, HASH_REMOVE, NULL);
	}
}

/* What tells the value that an index has of a row */
typedef struct RowReader
{
	IndexInfo  *index_info;
	EState	   *estate;
	ExprState  *predicate;
	TupleTableSlot *slot;
} RowReader;

static void
reader_begin(RowReader *reader, Relation heap, Relation index)
{
	reader->index_info = BuildIndexInfo(index);
	reader->slot = MakeSingleTupleTableSlot(RelationGetDescr(heap),
											&TTSOpsHeapTuple);
	reader->estate = CreateExecutorState();
	GetPerTupleExprContext(reader->estate)->ecxt_scantuple = reader->slot;
	reader->predicate = ExecPrepareQual(reader->index_info->ii_Predicate,
										reader->estate);
}

/* False where a row does not belong to the index.  The value may be toasted. */
static bool
reader_value(RowReader *reader, HeapTuple tuple, Datum *value, bool *isnull)
{
	ExprContext *context = GetPerTupleExprContext(reader->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	MemoryContext caller;

	ResetExprContext(context);
	ExecStoreHeapTuple(tuple, reader->slot, false);
	if (!ExecQual(reader->predicate, context))
		return false;
	caller = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
	FormIndexDatum(reader->index_info, reader->slot, reader->estate, values, nulls);
	MemoryContextSwitchTo(caller);
	*value = values[0];
	*isnull = nulls[0];
	return true;
}

/*
 * Copies of up to most visible rows of a block, spread over it.  Locks it.  No
 * predicate locks are taken: the answer to a query does not depend on this.
 */
static int
read_block(Relation heap, Snapshot snapshot, BlockNumber block, int most,
		   HeapTuple *tuples)
{
	Buffer		buffer = ReadBuffer(heap, block);
	Page		page = BufferGetPage(buffer);
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	int			normal = 0;
	int			count = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page))
	{
		OffsetNumber last = Min(PageGetMaxOffsetNumber(page), MaxHeapTuplesPerPage);

		for (OffsetNumber i = FirstOffsetNumber; i <= last; i++)
		{
			if (ItemIdIsNormal(PageGetItemId(page, i)))
				offsets[normal++] = i;
		}
	}
	most = Min(most, normal);
	for (int i = 0; i < most; i++)
	{
		/* the rows in equal parts; of each part one, another one on each page */
		int			start = i * normal / most;
		int			rest = (i + 1) * normal / most - start;
		HeapTupleData tuple = tuple_on_page(heap, buffer,
											offsets[start + block % rest]);

		if (HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			tuples[count++] = heap_copytuple(&tuple);
	}
	UnlockReleaseBuffer(buffer);
	return count;
}

/* Fill in rows, count, values and bytes, in context. */
static void
read_rows(DistanceSample *sample, Relation heap, Relation index,
		  MemoryContext context)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	BlockNumber chosen[SAMPLE_BLOCKS];
	BlockSamplerData sampler;
	RowReader	reader;
	HeapTuple	tuples[SAMPLE_ROWS];
	Size		most_bytes = sample->wanted == SAMPLE_ROWS ? SAMPLE_BYTES
		: SAMPLE_BYTES_OF_CHILD;
	int			count = 0;
	int			per_block;

	BlockSampler_Init(&sampler, blocks, SAMPLE_BLOCKS, SAMPLE_SEED);
	while (BlockSampler_HasMore(&sampler) && count < SAMPLE_BLOCKS)
	{
		chosen[count] = BlockSampler_Next(&sampler);
		PrefetchBuffer(heap, MAIN_FORKNUM, chosen[count++]);
	}
	per_block = (sample->wanted + count - 1) / Max(count, 1);
	reader_begin(&reader, heap, index);
	for (int i = 0; i < count; i++)
	{
		int			rows;

		CHECK_FOR_INTERRUPTS();
		rows = read_block(heap, GetActiveSnapshot(), chosen[i],
						  Min(per_block, sample->wanted - sample->rows), tuples);
		for (int row = 0; row < rows; row++)
		{
			Datum		value;
			bool		isnull;

			if (reader_value(&reader, tuples[row], &value, &isnull))
			{
				sample->rows++;
				if (!isnull)
				{
					MemoryContext caller = MemoryContextSwitchTo(context);
					struct varlena *copy = PG_DETOAST_DATUM_COPY(value);

					MemoryContextSwitchTo(caller);
					sample->values[sample->count++] = copy;
					sample->bytes += VARSIZE(copy);
				}
			}
			heap_freetuple(tuples[row]);
		}
		/* large values: fewer of each block, and then of fewer blocks */
		if (sample->bytes >= most_bytes)
			break;
		if (sample->bytes > most_bytes * (double) (i + 1) / count)
			per_block = Max(per_block / 2, 1);
	}
	FreeExecutorState(reader.estate);
	ExecDropSingleTupleTableSlot(reader.slot);
}

/* Take a sample anew. */
static void
sample_read(DistanceSample *sample, Relation heap, Relation index)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "vector sample, reading",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vector sample",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	DistanceSample *fresh;

	if (samples_bytes > ALL_SAMPLES_BYTES)
		evict_others(sample);

	/* an error, or a query within an expression, finds the old one as it was */
	caller = MemoryContextSwitchTo(scratch);
	fresh = (DistanceSample *) palloc(sizeof(DistanceSample));
	memcpy(fresh, sample, sizeof(DistanceSample));
	fresh->context = context;
	fresh->rows = fresh->count = 0;
	fresh->bytes = 0;
	fresh->column = index_column(index, index->rd_indam->amsupport);
	fresh->valid = true;
	if (RelationGetIndexExpressions(index) == NIL &&
		RelationGetIndexPredicate(index) == NIL)
		read_rows(fresh, heap, index, context);
	else
	{
		AsOwner		scope;

		as_owner_begin(&scope, heap);
		read_rows(fresh, heap, index, context);
		as_owner_end(&scope);
	}
	MemoryContextSwitchTo(caller);

	sample = sample_entry(fresh->index);
	sample_reset(sample);
	memcpy(sample, fresh, sizeof(DistanceSample));
	MemoryContextSetParent(context, CacheMemoryContext);
	samples_bytes += sample->bytes;
	MemoryContextDelete(scratch);
}

/* Has a table so many more or fewer blocks that a sample is another table's? */
static bool
changed_much(BlockNumber before, BlockNumber now)
{
	BlockNumber some = before / 4;

	return now > before + some || now + some < before;
}

/* An index's sample; NULL where none can be had.  May be freed by the next call. */
static const DistanceSample *
get_sample(PlannerInfo *root, IndexOptInfo *info)
{
	RelOptInfo *rel = info->rel;
	int			wanted = rel->reloptkind == RELOPT_BASEREL ? SAMPLE_ROWS
		: SAMPLE_ROWS_OF_CHILD;
	DistanceSample *sample = NULL;
	Relation	heap;

	if (wanted < SAMPLE_ROWS && root->simple_rel_array_size > MOST_RELATIONS)
		return NULL;
	heap = table_open(planner_rt_fetch(rel->relid, root)->relid, NoLock);
	if (heap->rd_tableam == GetHeapamTableAmRoutine() &&
		!RELATION_IS_OTHER_TEMP(heap) &&
		ActiveSnapshotSet() && IsMVCCSnapshot(GetActiveSnapshot()))
	{
		Relation	index = index_open(info->indexoid, NoLock);
		BlockNumber blocks = RelationGetNumberOfBlocks(heap);

		sample = sample_entry(info->indexoid);
		if (!sample->valid || sample->wanted < wanted ||
			sample->index_file != index->rd_rel->relfilenode ||
			sample->heap_file != heap->rd_rel->relfilenode ||
			changed_much(sample->blocks, blocks))
		{
			sample->index_file = index->rd_rel->relfilenode;
			sample->heap_file = heap->rd_rel->relfilenode;
			sample->blocks = blocks;
			sample->wanted = wanted;
			sample->valid = false;
			sample_read(sample, heap, index);
			sample = sample_entry(info->indexoid);
		}
		index_close(index, NoLock);
	}
	table_close(heap, NoLock);
	return sample;
}

/* ------------------------------------------------------------------------
 * Rights
 */

/*
 * May the user see an index's values, of all rows?  For a partition, the table
 * that the query names decides, as in examine_variable.
 */
static bool
may_read_values(PlannerInfo *root, IndexOptInfo *index)
{
	Index		varno = index->rel->relid;
	int			column = index->indexkeys[0];
	RangeTblEntry *rte;
	Oid			user;

	while (root->append_rel_array != NULL && root->append_rel_array[varno] != NULL)
	{
		Index		parent = root->append_rel_array[varno]->parent_relid;

		if (planner_rt_fetch(parent, root)->rtekind != RTE_RELATION)
			break;
		varno = parent;
		column = 0;
	}
	rte = planner_rt_fetch(varno, root);
	if (rte->securityQuals != NIL)
		return false;
	user = OidIsValid(index->rel->userid) ? index->rel->userid : GetUserId();
	if (pg_class_aclcheck(rte->relid, user, ACL_SELECT) == ACLCHECK_OK)
		return true;
	return column > 0 && index->indpred == NIL &&
		pg_attribute_aclcheck(rte->relid, column, user, ACL_SELECT) == ACLCHECK_OK;
}

/* ------------------------------------------------------------------------
 * Estimates
 */

/*
 * How many of the values are at most at radius from center (NULL: from another
 * value, each), and the nearest distances in ascending order
 */
static int
count_within(const DistanceSample *sample, const struct varlena *center,
			 double radius, double *nearest, int *kept)
{
	int			within = 0;

	*kept = 0;
	for (int i = 0; i < sample->count; i++)
	{
		const struct varlena *value = sample->values[i];
		const struct varlena *other = center != NULL ? center
			: sample->values[(i + sample->count / 2) % sample->count];
		double		distance;
		int			place;

		if (column_value_dims(&sample->column, value) !=
			column_value_dims(&sample->column, other))
			continue;
		distance = sample->column.distance(value, other);
		if (isnan(distance))
			continue;
		if (distance <= radius)
			within++;
		if (*kept == NEAREST && distance >= nearest[NEAREST - 1])
			continue;
		for (place = Min(*kept, NEAREST - 1);
			 place > 0 && nearest[place - 1] > distance; place--)
			nearest[place] = nearest[place - 1];
		nearest[place] = distance;
		*kept = Min(*kept + 1, NEAREST);
	}
	return within;
}

/*
 * The part of the distances below radius, less than all of nearest, as a part of
 * those below the last of nearest: by how these thin out.  Distances that have a
 * least one, 0, do so with a power of the radius (its exponent by Hill's
 * estimator, the intrinsic dimension of the data); others exponentially.
 */
static double
tail_share(bool has_floor, const double *nearest, double radius)
{
	double		last = nearest[NEAREST - 1];
	double		sum = 0;

	if (!has_floor)
	{
		for (int i = 0; i < NEAREST - 1; i++)
			sum += last - nearest[i];
		return sum > 0 ? exp((radius - last) * (NEAREST - 1) / sum) : 0;
	}
	if (radius <= 0 || last <= 0)
		return 0;
	for (int i = 0; i < NEAREST - 1; i++)
		sum += log(last / Max(nearest[i], last * 1e-6));
	return sum > 0 ? pow(radius / last, (NEAREST - 1) / sum) : 0;
}

/*
 * The part of a table's rows within radius, from a sample.  Where few of it are,
 * their number says little, and is corrected by the next ones' distances, as far
 * as chance allows for it.
 */
static double
estimate_share(const DistanceSample *sample, const struct varlena *center,
			   double radius)
{
	double		nearest[NEAREST];
	double		rows = sample->rows + 1;
	double		share;
	int			within;
	int			kept;

	if (isnan(radius))
		return sample->count / rows;
	within = count_within(sample, center, radius, nearest, &kept);
	share = (within + 0.5) / rows;
	if (within >= 4 || kept < NEAREST || !isfinite(nearest[NEAREST - 1]) ||
		!isfinite(nearest[0]))
		return share;
	share = (NEAREST - 0.5) / rows *
		tail_share(sample->column.traits->has_floor, nearest, radius);
	share = Max(share, within / 3.0 / rows);
	return Min(share, (within + 2) / rows);
}

/* The share within radius of center (NULL: not known), from the index's sample */
static double
share_within(PlannerInfo *root, IndexOptInfo *index,
			 const struct varlena *center, double radius)
{
	const DistanceSample *sample = get_sample(root, index);

	/* hardly any row meets the index's predicate: a few tell nothing of many */
	if (sample == NULL || sample->rows == 0 ||
		(sample->rows < NEAREST && index->tuples > 2 * sample->rows))
		return UNKNOWN_SHARE;
	return estimate_share(sample, center, radius);
}

double
sphere_share(PlannerInfo *root, IndexOptInfo *index, Node *sphere)
{
	Node	   *estimate = IsA(sphere, Const) ? sphere
		: estimate_expression_value(root, sphere);
	const struct varlena *center = NULL;
	double		radius;

	if (!may_read_values(root, index))
		return UNKNOWN_SHARE;
	if (IsA(estimate, RowExpr))
	{
		Node	   *first = (Node *) linitial(((RowExpr *) estimate)->args);
		Node	   *second = (Node *) lsecond(((RowExpr *) estimate)->args);

		if (!IsA(second, Const))
			return UNKNOWN_SHARE;
		if (((Const *) second)->constisnull ||
			(IsA(first, Const) && ((Const *) first)->constisnull))
			return 0;
		if (IsA(first, Const))
			center = PG_DETOAST_DATUM(((Const *) first)->constvalue);
		radius = DatumGetFloat8(((Const *) second)->constvalue);
	}
	else if (IsA(estimate, Const))
	{
		const Const *constant = (const Const *) estimate;

		if (constant->constisnull ||
			!sphere_parts(DatumGetHeapTupleHeader(constant->constvalue), &center,
						  &radius))
			return 0;
	}
	else
		return UNKNOWN_SHARE;
	return share_within(root, index, center, radius);
}

/* Restriction selectivity of the operators of spheres */
SQL_FUNCTION(vector_spheresel)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid			operator = PG_GETARG_OID(1);
	List	   *args = (List *) PG_GETARG_POINTER(2);
	double		share = UNKNOWN_SHARE;
	int			relid;
	Relids		relids;

	if (root == NULL || list_length(args) != 2)
		PG_RETURN_FLOAT8(DEFAULT_SPHERE_SHARE);
	relids = pull_varnos(root, (Node *) linitial(args));
	if (bms_get_singleton_member(relids, &relid) &&
		relid < root->simple_rel_array_size &&
		root->simple_rel_array[relid] != NULL)
	{
		ListCell   *cell;

		foreach(cell, root->simple_rel_array[relid]->indexlist)
		{
			IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

			if (!is_usable_index(index) ||
				!op_in_opfamily(operator, index->opfamily[0]) ||
				!match_index_to_operand((Node *) linitial(args), 0, index))
				continue;
			share = sphere_share(root, index, (Node *) lsecond(args));
			if (share >= 0)
				break;
		}
	}
	PG_RETURN_FLOAT8(share < 0 ? DEFAULT_SPHERE_SHARE : share);
}
