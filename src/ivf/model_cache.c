/*
 * model_cache.c
 *	  Models of open indexes, in memory: shared by all users of the backend, and
 *	  kept for the next statement until others take their place.
 */
#include "ivf/index.h"

#include <math.h>

#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "math/heap/heap.h"

typedef struct CachedModel
{
	IvfModel	model;			/* must be first */
	uint64		build_id;
	Oid			relation;
	int			users;
	uint64		used;			/* when last */
	Size		size;
	MemoryContext context;
	struct CachedModel *next;
} CachedModel;

#define MODEL_CACHE_BYTES	((Size) 64 * 1024 * 1024)

static CachedModel *models;
static uint64 model_clock;

/* The memory context of a user is reset. */
static void
release_model(void *arg)
{
	((CachedModel *) arg)->users--;
}

/* Free models that are not in use, the oldest first, until the rest is small. */
static void
trim_models(void)
{
	for (;;)
	{
		CachedModel **oldest = NULL;
		CachedModel *gone;
		Size		total = 0;

		for (CachedModel **at = &models; *at != NULL; at = &(*at)->next)
		{
			total += (*at)->size;
			if ((*at)->users == 0 &&
				(oldest == NULL || (*at)->used < (*oldest)->used))
				oldest = at;
		}
		if (total <= MODEL_CACHE_BYTES || oldest == NULL)
			return;
		gone = *oldest;
		*oldest = gone->next;
		MemoryContextDelete(gone->context);
	}
}

/* Read an array of the constants into the current context. */
static float *
load_floats(IvfIndex *index, uint64 offset, uint64 count)
{
	float	   *floats = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(Max(count, 1), sizeof(float)));

	ivf_read_floats(index, offset, count, floats);
	return floats;
}

ASCENDING(compare_doubles, double, double, *e)

/* The squared radius that three of four lists with several entries are within */
static double
usual_error(const IvfModel *model)
{
	double	   *squares = (double *) palloc(mul_size(model->lists, sizeof(double)));
	double		result = INFINITY;
	int			count = 0;

	for (int i = 0; i < model->lists; i++)
	{
		if (model->built[i] > 1)
			squares[count++] = (double) model->radii[i] * model->radii[i];
	}
	qsort(squares, count, sizeof(double), compare_doubles);
	if (count > 0)
		result = squares[count - 1 - count / 4];
	pfree(squares);
	return result;
}

static CachedModel *
load_model(IvfIndex *index, IndexColumn column)
{
	const IvfMeta *meta = &index->meta;
	IvfConstants at = ivf_constants(meta);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivf model",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CachedModel *cached = (CachedModel *) palloc0(sizeof(CachedModel));
	IvfModel   *model = &cached->model;

	/* before memory for all of it is asked for */
	if (at.total > 0)
		ReleaseBuffer(map_read(index->map,
							   meta->constants + (at.total - 1) / IVF_RAW_FLOATS));
	ivf_model_init(model, meta, column);
	model->mean = load_floats(index, at.mean, meta->dims);
	if (model->kind == IVF_RABITQ)
	{
		model->signs = (uint8 *) palloc(rotation_sign_bytes(&model->rotation));
		rotation_signs(&model->rotation, model->signs);
	}
	if (model->kind == IVF_PQ)
		model->codebooks = load_floats(index, at.codebooks,
									   pq_codebook_floats(&model->pq));
	if (model->kind == IVF_EXACT)
		model->weights = load_floats(index, at.weights, meta->dims);
	if (model->opq)
		model->matrix = load_floats(index, at.matrix,
									(uint64) meta->dims * meta->dims);
	if (model->has_codes)
	{
		model->code_signs = (uint8 *) palloc(rotation_sign_bytes(&model->code_rotation));
		rotation_signs(&model->code_rotation, model->code_signs);
		model->code_blocks = (uint8 *) load_floats(index, at.code_blocks,
												   at.code_add - at.code_blocks);
		model->code_add = load_floats(index, at.code_add, at.code_k - at.code_add);
		model->code_k = load_floats(index, at.code_k, at.code_k - at.code_add);
	}
	else if ((uint64) meta->lists * meta->width <= IVF_CACHED_CENTROIDS)
		model->centroids = load_floats(index, at.centroids,
									   (uint64) meta->lists * meta->width);
	model->heads = (BlockNumber *) palloc(mul_size(meta->lists, sizeof(BlockNumber)));
	model->radii = (float *) palloc(mul_size(meta->lists, sizeof(float)));
	model->built = (uint32 *) palloc(mul_size(meta->lists, sizeof(uint32)));
	for (uint32 i = 0; i < meta->lists; i++)
	{
		IvfList		list = ivf_get_list(index, i);

		model->heads[i] = list.head;
		model->radii[i] = list.radius;
		model->built[i] = Min(list.built, PG_UINT32_MAX);
	}
	model->usual_error = Min(usual_error(model), meta->error);
	cached->build_id = meta->build_id;
	cached->relation = RelationGetRelid(index->relation);
	cached->context = context;
	cached->size = MemoryContextMemAllocated(context, true);
	MemoryContextSwitchTo(caller);
	return cached;
}

/* What never changes of a metapage must not have changed. */
static bool
model_is_of(const IvfModel *model, const IvfMeta *meta)
{
	return model->lists == (int) meta->lists && model->dims == (int) meta->dims &&
		model->width == (int) meta->width && model->bits == meta->bits &&
		model->opq == meta->opq &&
		model->keeps_values == (meta->value_slot_size > 0) &&
		(model->kind != IVF_PQ || model->pq.m == meta->m);
}

IvfModel *
ivf_get_model(IvfIndex *index, IndexColumn column)
{
	CachedModel *cached;
	MemoryContextCallback *callback;
	Oid			relation = RelationGetRelid(index->relation);

	for (cached = models; cached != NULL; cached = cached->next)
	{
		if (cached->relation == relation &&
			cached->build_id == index->meta.build_id)
			break;
	}
	if (cached != NULL && !model_is_of(&cached->model, &index->meta))
		index_damaged(index->relation, META_BLOCK, NO_PLACE,
					  "Its numbers have changed.");
	if (cached == NULL)
	{
		cached = load_model(index, column);
		MemoryContextSetParent(cached->context, TopMemoryContext);
		cached->next = models;
		models = cached;
	}
	cached->used = ++model_clock;
	callback = (MemoryContextCallback *) palloc(sizeof(MemoryContextCallback));
	callback->func = release_model;
	callback->arg = cached;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	cached->users++;
	trim_models();
	return &cached->model;
}
