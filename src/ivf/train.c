/*
 * train.c
 *	  Centroids and codebooks from a sample: the beginning of a build.
 *
 * Blocks of the table are read in an order that is spread over all of it, until
 * there are rows enough: IVF_SAMPLE_PER_LIST for each list, or as many as memory
 * holds.  The rows are moved by their mean and rotated in place, clustered, and
 * their residuals train product quantization.  Clustering and product quantization
 * are done by as many processes as PostgreSQL plans for a build: the leader moves
 * the sample to memory that all of them see (index/team.h).
 */
#include "ivf/build.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/rel.h"

#include "index/build_report.h"
#include "index/distributed.h"
#include "index/sample.h"
#include "index/team.h"
#include "ivf/centroids.h"
#include "math/heap/heap.h"
#include "math/random.h"
#include "types/detoast.h"

/* Rows of the sample, at least */
#define SAMPLE_MIN_ROWS	20000

/* Blocks that are read before the number of rows is estimated */
#define FIRST_BLOCKS	64

/* Copies of its rows that training a rotation makes */
#define OPQ_COPIES		4

/* Rows of a list, where there are fewer rows than lists */
#define ROWS_PER_LIST	10

/* Rows that RaBitQ needs for its mean; product quantization, for each number */
#define LEAST_ROWS		100
#define ROWS_PER_NUMBER	((Size) 16)

/* Multiplications of an iteration of k-means that are worth a team */
#define TEAM_WORK		((double) (1 << 28))

/* Allocations of a team's memory that there may be at a time */
#define TEAM_ALLOCS		256

/* Bytes of the sample that are moved to a team's memory at once */
#define MOVE_BYTES		((Size) 8 * 1024 * 1024)

/*
 * Outliers are more than OUTLIER_LENGTHS median distances from the centre, and
 * are at most one in OUTLIER_PART rows
 */
#define OUTLIER_LENGTHS	8
#define OUTLIER_PART	64

typedef struct Sample
{
	IvfMeta    *meta;
	IndexColumn column;
	float	   *rows;			/* count * width */
	Size		count;
	Size		room;
	Size		target;			/* rows wanted */
	bool		full;			/* there are more rows than target */
	double		seen;			/* values, those kept and others */
	uint64		random;			/* the state of a generator */
	double		needed;			/* bytes, if memory does not do for a full sample; or 0 */
	int			workers;		/* that train with this process, as planned */
	Team	   *team;			/* NULL: this process trains alone */
} Sample;

/* ------------------------------------------------------------------------
 * The constants
 */

void
train_point_model(IvfModel *model, const IvfMeta *meta, IndexColumn column,
				  float *floats)
{
	IvfConstants at = ivf_constants(meta);

	ivf_model_init(model, meta, column);
	model->mean = floats + at.mean;
	model->codebooks = floats + at.codebooks;
	model->matrix = floats + at.matrix;
	model->weights = floats + at.weights;
	if (model->kind == IVF_RABITQ)
	{
		model->signs = (uint8 *) palloc(rotation_sign_bytes(&model->rotation));
		rotation_signs(&model->rotation, model->signs);
	}
	if (model->has_codes)
	{
		model->code_signs = (uint8 *) palloc(rotation_sign_bytes(&model->code_rotation));
		rotation_signs(&model->code_rotation, model->code_signs);
		model->code_blocks = (uint8 *) (floats + at.code_blocks);
		model->code_add = floats + at.code_add;
		model->code_k = floats + at.code_k;
	}
}

static Training *
training_create(const IvfMeta *meta)
{
	Training   *training = (Training *) palloc0(sizeof(Training));
	Size		bytes = mul_size(ivf_constants(meta).total, sizeof(float));

	training->meta = *meta;
	training->floats = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	memset(training->floats, 0, bytes);
	return training;
}

Training *
train_nothing(Relation index)
{
	IvfMeta		meta;
	IndexColumn column;
	Training   *training;

	ivf_describe(index, ivf_options(index, ivf_kind_of(index)), &meta, &column);
	meta.opq = false;
	training = training_create(&meta);
	for (uint32 i = 0; meta.kind == IVF_EXACT && i < meta.dims; i++)
		training->floats[ivf_constants(&meta).weights + i] = 1;
	return training;
}

/* ------------------------------------------------------------------------
 * The sample
 */

/*
 * Add one value to the sample.  Where it is full, elements of arrays still take
 * the places of others, as many as make each as likely as any other: the first
 * arrays alone may have enough, and are like each other.
 */
static void
sample_one(Sample *sample, const struct varlena *value)
{
	int			width = sample->meta->width;
	float	   *row;
	double		norm;

	sample->seen++;
	if (sample->count >= sample->target)
	{
		uint64		place;

		sample->full = true;
		if (!sample->column.type->array)
			return;
		place = splitmix64_next(&sample->random) % (uint64) sample->seen;
		if (place < sample->count)
			(void) column_floats(&sample->column, value,
								 sample->rows + place * width, &norm);
		return;
	}
	if (sample->count == sample->room)
	{
		sample->room = Min(2 * sample->room, sample->target);
		sample->rows = (float *)
			repalloc_huge(sample->rows,
						  mul_size(mul_size(sample->room, width), sizeof(float)));
	}
	row = sample->rows + sample->count * width;
	memset(row, 0, width * sizeof(float));
	if (column_floats(&sample->column, value, row, &norm))
		sample->count++;
}

/* Add a value, or an array's values, to the sample: for BlockSample. */
static void
sample_value(const struct varlena *value, void *arg)
{
	Sample	   *sample = (Sample *) arg;
	MultiVector values;

	column_values(&sample->column, value, &values);
	for (int i = 0; i < values.count; i++)
		sample_one(sample, column_values_get(&values, i));
}

/* Values of an index that a row has, on average, by what has been read */
static double
values_of_row(const Sample *sample, const BlockSample *blocks)
{
	return sample->column.type->array && blocks->rows > 0
		? sample->seen / blocks->rows : 1;
}

double
ivf_training_bytes(const IvfMeta *meta, Size rows, Size lists, bool given)
{
	double		kmeans_needs = given ? 0 : kmeans_bytes(rows, meta->width, lists);

	return ((double) rows + lists) * meta->width * sizeof(float) +
		Max(kmeans_needs, centroid_panel_bytes(lists, meta->width, true));
}

/* Bytes that a process takes for its parts of what a team trains */
static double
part_bytes(const IvfMeta *meta, Size rows, Size lists)
{
	double		bytes = cluster_do_bytes(rows, meta->width, lists);
	PqShape		shape;

	if (meta->kind == IVF_PQ &&
		pq_shape_init(&shape, meta->width, meta->m, meta->bits) == 0)
		bytes = Max(bytes, pq_do_bytes(&shape, Min(rows, IVF_PQ_SAMPLE_ROWS)));
	return bytes;
}

/* Bytes that training takes, by as many processes as are planned */
static double
sample_bytes(const Sample *sample, Size rows, Size lists, bool given)
{
	double		bytes = ivf_training_bytes(sample->meta, rows, lists, given);

	if (sample->workers > 0)
		bytes += (sample->workers + 1) * part_bytes(sample->meta, rows, lists);
	return bytes;
}

/* The lists of an index whose table has not even as many rows: see train() */
static Size
lists_of_few(Size rows)
{
	return Max(1, rows / ROWS_PER_LIST);
}

/*
 * Set how many rows the sample is to have: at most wanted, and as memory has
 * room for.  Where that is less than there are lists to be, nothing is wrong as
 * long as the table has no more rows: it gets fewer lists then.  So needed is
 * set, for an error when more rows turn up.
 */
static void
set_target(Sample *sample, Size wanted, Size lists, bool given)
{
	const IvfMeta *meta = sample->meta;
	double		limit = maintenance_work_mem * 1024.0;
	Size		least = given ? 1 : Min(wanted, Max(lists, 1));

	while (wanted > least && sample_bytes(sample, wanted, lists, given) > limit)
		wanted = Max(least, wanted - wanted / 8 - 1);
	sample->needed = 0;
	if (lists > 1 && !given &&
		ivf_training_bytes(meta, wanted, lists, given) > limit)
	{
		sample->needed = ivf_training_bytes(meta, wanted, lists, given);
		/* one less than lists at most: with as many rows, they would be wanted */
		wanted = lists - 1;
		while (wanted > 1 &&
			   ivf_training_bytes(meta, wanted, lists_of_few(wanted), given) > limit)
			wanted -= wanted / 8 + 1;
	}
	sample->target = Max(sample->count, Max(wanted, 1));
}

/* As many lists as rows want, and memory has room for */
static Size
lists_for(const IvfMeta *meta, double rows)
{
	Size		lists = (Size) Max(1, Min(IVF_MAX_LISTS, round(4 * sqrt(rows))));

	while (lists > 1 &&
		   ivf_training_bytes(meta, lists, lists, false) > maintenance_work_mem * 1024.0)
		lists = Max(1, lists * 3 / 4);
	return lists;
}

/* Read the sample.  *rows is an estimate of the table's; *lists is chosen. */
static void
take_sample(Relation heap, Relation index, IndexInfo *index_info,
			Sample *sample, Size *lists, bool given, double *rows)
{
	BlockSample blocks;
	bool		chosen;

	block_sample_begin(&blocks, heap, index, index_info, sample_value, sample);
	build_phase(IVF_PHASE_SAMPLE);

	/* not more lists than there can be rows */
	if (!given && !sample->column.type->array)
		*lists = Min(*lists, Max((Size) blocks.blocks, 1) * MaxHeapTuplesPerPage);
	chosen = *lists > 0;
	set_target(sample, chosen ? Max(*lists * IVF_SAMPLE_PER_LIST, SAMPLE_MIN_ROWS)
			   : SAMPLE_MIN_ROWS, chosen ? *lists : 1, given);
	sample->room = Min(sample->target, 1024);
	sample->rows = (float *)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   mul_size(mul_size(sample->room, sample->meta->width),
										sizeof(float)));
	while (blocks.read < blocks.blocks)
	{
		if (blocks.read == FIRST_BLOCKS && !chosen)
		{
			*lists = lists_for(sample->meta, Max(block_sample_rows(&blocks),
												 heap->rd_rel->reltuples) *
							   values_of_row(sample, &blocks));
			set_target(sample, Max(*lists * IVF_SAMPLE_PER_LIST, SAMPLE_MIN_ROWS),
					   *lists, given);
			chosen = true;
		}
		if (sample->needed > 0 ? sample->full
			: sample->count >= sample->target && blocks.read >= FIRST_BLOCKS)
			break;
		(void) block_sample_next(&blocks);
	}
	if (sample->needed > 0 && sample->full)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("memory required is %.0f MB, maintenance_work_mem is %d MB",
						ceil(sample->needed / 1048576.0),
						maintenance_work_mem / 1024),
				 errhint("Increase maintenance_work_mem, or use fewer lists.")));
	*rows = block_sample_rows(&blocks);
	if (!chosen)
		*lists = lists_for(sample->meta, blocks.rows * values_of_row(sample, &blocks));
	block_sample_end(&blocks);
}

/* ------------------------------------------------------------------------
 * Training
 */

static void
report_progress(void *arg, double done)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 (int64) (done * 100));
}

void
ivf_train_codebooks(const ClusterHost *host, IvfModel *model, uint64 seed,
					const CentroidPanel *panel, const float *centroids,
					float *rows, Size count)
{
	int			width = model->width;
	uint32	   *nearest;

	count = Min(count, IVF_PQ_SAMPLE_ROWS);
	nearest = host_alloc(host, count, sizeof(uint32));
	centroid_panel_nearest(panel, host, rows, count, nearest, NULL);
	for (Size i = 0; i < count; i++)
	{
		float	   *row = rows + i * width;
		const float *c = centroids + (Size) nearest[i] * width;

		for (int j = 0; j < width; j++)
			row[j] -= c[j];
	}
	pq_train(host, &model->pq, rows, count, seed, model->codebooks);
	host_release(host, nearest);
}

ASCENDING(compare_doubles, double, double, *e)

/*
 * A few rows that are very far from all others have nearly all of the error, and
 * would get nearly all centroids.  In the sample they are moved nearer, in their
 * direction, so that they get some of them.  Where such rows are many, they stay:
 * they have a right to centroids of their own.
 */
static void
pull_outliers(Sample *sample)
{
	Size		width = sample->meta->width;
	Size		count = sample->count;
	double	   *lengths;
	double	   *sorted;
	double		limit;

	if (count == 0)
		return;
	lengths = (double *) MemoryContextAllocHuge(CurrentMemoryContext,
												mul_size(count, sizeof(double)));
	sorted = (double *) MemoryContextAllocHuge(CurrentMemoryContext,
											   mul_size(count, sizeof(double)));
	for (Size i = 0; i < count; i++)
	{
		const float *row = sample->rows + i * width;
		double		norm2 = 0;

		for (Size j = 0; j < width; j++)
			norm2 += (double) row[j] * row[j];
		lengths[i] = sorted[i] = isfinite(norm2) ? sqrt(norm2) : INFINITY;
	}
	CHECK_FOR_INTERRUPTS();
	qsort(sorted, count, sizeof(double), compare_doubles);
	limit = OUTLIER_LENGTHS * sorted[count / 2];
	if (limit > 0 && sorted[count - 1 - count / OUTLIER_PART] <= limit)
	{
		for (Size i = 0; i < count; i++)
		{
			float	   *row = sample->rows + i * width;

			if (lengths[i] <= limit)
				continue;
			for (Size j = 0; j < width; j++)
				row[j] = isinf(lengths[i]) ? 0 :
					(float) (row[j] * (limit / lengths[i]));
		}
	}
	pfree(lengths);
	pfree(sorted);
}

/* Rows that codes need to be worth something */
static Size
least_rows(const IvfMeta *meta, bool has_centroids)
{
	if (meta->kind == IVF_PQ)
		return ROWS_PER_NUMBER << meta->bits;
	if (meta->kind == IVF_RABITQ)
		return has_centroids ? 0 : LEAST_ROWS;
	return 0;
}

/* Say what comes of an empty table. */
static void
announce_empty(const IvfMeta *meta)
{
	ereport(ivf_is_committing() ? DEBUG1 : NOTICE,
			(errmsg("%s index created with no values", ivf_names[meta->kind]),
			 errdetail("It has one list, and searches all of it."),
			 errhint("Use REINDEX when the table has values to index.")));
}

static void
announce_fewer_lists(const IvfMeta *meta, Size lists, Size wanted)
{
	ereport(NOTICE,
			(errmsg("%s index created with little data", ivf_names[meta->kind]),
			 errdetail_plural("It has %zu list instead of %zu.",
							  "It has %zu lists instead of %zu.",
							  lists, lists, wanted),
			 errhint("Use REINDEX when the table has more data.")));
}

static void
announce_untrained(const IvfMeta *meta, Size rows, Size needed)
{
	ereport(NOTICE,
			(errmsg("%s index created with little data", ivf_names[meta->kind]),
			 errdetail("Its codes have had %zu rows to learn from, and need %zu.",
					   rows, needed),
			 errhint("It reads every row of the lists that it searches. Use REINDEX when the table has more data.")));
}

/* Add the mean, times sign, to count rows. */
static void
shift_rows(const IvfModel *model, float *rows, Size count, float sign)
{
	for (Size i = 0; i < count; i++)
	{
		for (int j = 0; j < model->dims; j++)
			rows[i * model->width + j] += sign * model->mean[j];
	}
}

/* Train OPQ's rotation (and first codebooks) on rows, which stay as they are. */
static void
train_rotation(const ClusterHost *host, IvfModel *model, uint64 seed,
			   float *rows, Size count)
{
	Size		most = (Size) maintenance_work_mem * 1024 /
		(OPQ_COPIES * sizeof(float) * model->width);

	/* as many as there is memory for copies of */
	count = Min(count, Max(most, 1024));
	shift_rows(model, rows, count, -1);
	pq_train_opq(host, &model->pq, rows, count, seed, model->matrix,
				 model->codebooks);
	shift_rows(model, rows, count, 1);
}

/*
 * Rows of the sample that are to be searched for, at equal distances, not
 * transformed yet
 */
static void
pick_queries(Training *training, const IvfModel *model, const Sample *sample)
{
	Size		floats = model->width * sizeof(float);

	if (sample->count >= IVF_CALIBRATION_ROWS)
		training->query_count = Min(IVF_MAX_QUERIES, sample->count / 4);
	training->queries = (float *)
		palloc0(mul_size(Max(training->query_count, 1), floats));
	for (int i = 0; i < training->query_count; i++)
	{
		float	   *query = training->queries + (Size) i * model->width;
		Size		row = (Size) i * (sample->count / training->query_count);

		memcpy(query, sample->rows + row * model->width, floats);
		ivf_transform_floats(model, true, query);
	}
}

/* The centroids: those given, or by k-means of the sample, which is transformed */
static void
find_centroids(ClusterHost *host, IvfModel *model, const Sample *sample,
			   const float *given, float *centroids)
{
	Size		width = model->width;

	build_phase(IVF_PHASE_KMEANS);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, 100);
	if (given != NULL)
	{
		memcpy(centroids, given,
			   mul_size(model->lists, width * sizeof(float)));
		for (int i = 0; i < model->lists; i++)
			ivf_transform_floats(model, false, centroids + i * width);
	}
	else
	{
		KmeansParams params = {.k = model->lists, .seed = sample->meta->seed};

		host->progress = report_progress;
		(void) kmeans(host, sample->rows, sample->count, width, &params,
					  centroids, NULL);
		host->progress = NULL;
	}
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
	if (model->has_codes)
		ivf_make_centroid_codes(model, centroids);
}

/*
 * Train an index with meta->lists lists: the constants, from the sample, or from
 * centroids given where it is empty.  The sample's rows are used up.
 */
static Training *
train_constants(const IvfMeta *meta, Sample *sample, float *given)
{
	Training   *training = training_create(meta);
	ClusterHost host = index_host;
	ClusterHost shared = sample->team != NULL ? team_host(sample->team) : index_host;
	IvfModel	model;
	float	   *centroids = training->floats + ivf_constants(meta).centroids;
	float	   *rows = sample->count > 0 ? sample->rows : given;
	Size		count = sample->count > 0 ? sample->count : meta->lists;

	train_point_model(&model, &training->meta, sample->column, training->floats);
	(void) cluster_centre(&host, rows, count, meta->dims, model.width, model.mean);
	build_phase(IVF_PHASE_CODES);
	if (meta->kind == IVF_EXACT)
	{
		sq8_train(rows, count, model.width, model.mean, meta->dims, model.weights);
		training->queries = (float *) palloc0(model.width * sizeof(float));
		return training;
	}
	if (meta->opq)
		train_rotation(&host, &model, meta->seed, rows, count);

	pick_queries(training, &model, sample);
	for (Size i = 0; i < sample->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ivf_transform_floats(&model, false, sample->rows + i * model.width);
	}
	pull_outliers(sample);
	find_centroids(&shared, &model, sample, given, centroids);
	if (meta->kind == IVF_PQ && sample->count > 0)
	{
		CentroidPanel *panel = centroid_panel_create(&shared, centroids, model.lists,
													 model.width, true);

		build_phase(IVF_PHASE_CODES);
		ivf_train_codebooks(&shared, &model, meta->seed, panel, centroids,
							sample->rows, sample->count);
		centroid_panel_free(&shared, panel);
	}
	return training;
}

/* ClusterHost's work, in any process */
static void
do_parts(const ClusterHost *host, HostTask task, const void *job,
		 const HostParts *parts)
{
	if (task == HOST_CODEBOOKS)
		pq_do(host, job, parts);
	else
		cluster_do(host, task, job, parts);
}

extern PGDLLEXPORT void ivf_train_worker(dsm_segment *segment, shm_toc *toc);

void
ivf_train_worker(dsm_segment *segment, shm_toc *toc)
{
	team_worker(toc, do_parts);
}

/* The sample's rows into memory of its team; what has been moved is given back. */
static void
move_rows(Sample *sample)
{
	ClusterHost host = team_host(sample->team);
	Size		row_bytes = sample->meta->width * sizeof(float);
	Size		at_once = Max(MOVE_BYTES / row_bytes, 1);
	float	   *rows = host_alloc(&host, sample->count, row_bytes);
	Size		left = sample->count;

	while (left > 0)
	{
		Size		count = Min(left, at_once);

		CHECK_FOR_INTERRUPTS();
		left -= count;
		memcpy(rows + left * sample->meta->width,
			   sample->rows + left * sample->meta->width, count * row_bytes);
		if (left > 0)
			sample->rows = (float *) repalloc_huge(sample->rows, left * row_bytes);
	}
	pfree(sample->rows);
	sample->rows = rows;
	sample->room = sample->count;
}

/*
 * Have a team train, where that is worth it and there are workers.  Its memory has
 * the sample, which is moved there, and what k-means and product quantization take.
 */
static void
form_team(Sample *sample, bool given)
{
	const IvfMeta *meta = sample->meta;
	Size		lists = meta->lists;
	double		bytes = ivf_training_bytes(meta, sample->count, lists, given);
	PqShape		shape;

	if (sample->workers == 0 || meta->kind == IVF_EXACT ||
		(given && meta->kind != IVF_PQ) ||
		(double) sample->count * lists * meta->width < TEAM_WORK)
		return;
	bytes += cluster_do_bytes(sample->count, meta->width, lists);
	if (meta->kind == IVF_PQ &&
		pq_shape_init(&shape, meta->width, meta->m, meta->bits) == 0)
		bytes += (double) pq_codebook_floats(&shape) * sizeof(float) +
			(double) lists * meta->width * sizeof(float) +
			(double) sample->count * sizeof(uint32);
	bytes += TEAM_ALLOCS * TEAM_ALLOC_BYTES;
	sample->team = team_begin(sample->workers, (Size) bytes, ivf_names[meta->kind],
							  "ivf_train_worker", do_parts);
	if (sample->team != NULL)
		move_rows(sample);
}

Training *
train(Relation heap, Relation index, IndexInfo *index_info)
{
	IvfMeta		meta;
	Sample		sample = {0};
	const IvfOptions *options = ivf_options(index, ivf_kind_of(index));
	const char *table = ivf_centroid_table(options);
	Training   *training;
	float	   *given = NULL;
	Size		lists = options->lists;
	double		rows = 0;

	ivf_describe(index, options, &meta, &sample.column);
	sample.meta = &meta;
	if (meta.kind != IVF_EXACT)
		sample.workers = plan_create_index_workers(RelationGetRelid(heap),
												   RelationGetRelid(index));
	if (table != NULL)
		given = ivf_read_centroids(index, heap, table, &meta, &lists);
	if (table == NULL || given != NULL)
		take_sample(heap, index, index_info, &sample, &lists, given != NULL, &rows);

	if (given == NULL && sample.count == 0)
	{
		if (meta.kind != IVF_EXACT && !is_distributed_table(RelationGetRelid(heap)))
			announce_empty(&meta);
		training = train_nothing(index);
	}
	else
	{
		if (given == NULL && sample.count < lists)
		{
			lists = lists_of_few(sample.count);
			if (options->lists > 0)
				announce_fewer_lists(&meta, lists, options->lists);
		}
		meta.lists = lists;
		meta.trained = sample.count >= least_rows(&meta, given != NULL);
		if (!meta.trained && meta.kind == IVF_PQ && given != NULL)
			announce_untrained(&meta, sample.count, least_rows(&meta, true));
		form_team(&sample, given != NULL);
		training = train_constants(&meta, &sample, given);
	}
	training->rows = rows;
	if (given != NULL)
		pfree(given);
	if (sample.team != NULL)
		team_end(sample.team);
	else if (sample.rows != NULL)
		pfree(sample.rows);
	return training;
}
