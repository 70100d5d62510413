/*
 * cost.c
 *	  What a scan costs, for the planner.
 *
 * A scan compares the query with the lists' centers, goes through the entries of
 * the nearest ones (probes), and reads the rows that its codes do not tell apart.
 * When more are wanted than these lists have, it goes on with further lists.
 * Conditions on filter columns are tested before an entry's distance.
 *
 * Times are measured (bench/planner/calibrate.py), with everything cached.
 */
#include "ivf/ivf.h"

#include "access/genam.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"

#include "index/index_cost.h"
#include "ivf/calibrate.h"

/* Nanoseconds: to begin; a center; an entry's keys, for each condition; a page */
#define BEGIN_TIME			20000
#define CENTER_TIME(dims)	(5 + 0.06 * (dims))
#define KEY_TIME			1.0
#define PAGE_TIME			45

/*
 * Rows that lists must have for a search with conditions: it reads on until it
 * has found ten that are not likely to be beaten
 */
#define ROWS_PASSING		60

/* A row whose distance is known; of those with RaBitQ codes, so many are read */
#define FLAT_ROW_TIME		600
#define RABITQ_READ_SHARE	0.5

/*
 * Of arrays: vectors of a query, which the planner does not count; rows that are
 * compared at first; a row, and each float of it, to be read and compared
 */
#define QUERY_VECTORS		32
#define COMPARED_ROWS		100
#define ROW_TIME			2000
#define ELEMENT_TIME		3.5

/*
 * Rows of flat that are read for their order, beside those returned, which are, too;
 * and rows for which it reads all codes again
 */
#define READ_BESIDE			10
#define ROWS_A_PASS			(work_mem * 8.0)

/* Rows that are read for the first one, where codes are compared */
#define READ_ROWS			40

/* An entry's distance: computed with, or looked up, 32 at a time or one by one */
static double
entry_time(const IvfMeta *meta, int dims)
{
	if (meta->kind == IVF_FLAT)
		return 25 + 0.3 * dims;
	if (meta->kind == IVF_RABITQ && meta->bits > 1)
		return 20 + 0.03 * dims;
	if (meta->kind == IVF_EXACT)
		return 6 + 0.03 * dims;
	return 2 + 0.006 * dims;
}

/*
 * The times of a scan of arrays: a search for each vector of the query, then the
 * first batch is read and compared.  An entry takes entry nanoseconds; selectivity
 * is that of all conditions.
 */
static void
estimate_max_sim(ScanTimes *times, const IvfMeta *meta, const IndexOptInfo *info,
				 int dims, double share, double entry, double selectivity)
{
	double		rows = Max(info->rel->tuples, 1);
	double		entries = Max(meta->rows, rows);
	double		read = ROW_TIME + entries / rows * dims * ELEMENT_TIME;

	times->rows = rows * selectivity;
	times->start = BEGIN_TIME + QUERY_VECTORS *
		(meta->lists * CENTER_TIME(dims) + entries * share * entry) +
		Min(times->rows, COMPARED_ROWS) * read;
	times->first_rows = Min(times->rows, COMPARED_ROWS / 2);
	times->first_row = 0;
	/* two are compared for each that is returned, and lists read again */
	times->row = 3 * read;
	times->reach = rows * ivf_settings[meta->kind].max_probes / meta->lists;
	if (ivf_settings[meta->kind].iterative_scan == ITERATIVE_OFF)
		times->rows = times->first_rows;
}

void
ivf_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				  Cost *startup_cost, Cost *total_cost,
				  Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	Relation	index;
	Buffer		buffer;
	IvfMeta		meta;
	IvfEffort	effort;
	ScanTimes	times;
	Selectivity filters;
	double		rows = Max(info->tuples, 1);
	double		share;
	double		possible = 1;
	double		entry;
	int			conditions;
	bool		bounded;
	int			dims;

	if (index_path_disabled(path, startup_cost, total_cost, selectivity,
							correlation, pages))
		return;

	index = index_open(info->indexoid, NoLock);
	memset(&meta, 0, sizeof(meta));
	if (info->pages > 0)
	{
		buffer = ReadBuffer(index, META_BLOCK);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		meta = *ivf_page_meta(BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
	}

	/* a scan says that it is damaged; plans that do without it are still made */
	meta.kind = ivf_kind_of(index);
	meta.lists = Max(Min(meta.lists, IVF_MAX_LISTS), 1);
	dims = index_declared_dims(index);
	effort = ivf_effort(index, (IvfKind) meta.kind);
	index_close(index, NoLock);
	share = (double) ivf_scan_probes(&meta, &effort) / meta.lists;

	conditions = index_path_filters(root, path, &filters, selectivity, &bounded);
	if (conditions > 0)
	{
		double		matching = Max(rows * filters, 1);

		/* lists that have none are left out, where their summaries tell */
		possible = Min(matching / meta.lists, 1);
		share = Min(Max(share, ROWS_PASSING / matching), possible);
	}
	entry = conditions * KEY_TIME + filters * entry_time(&meta, dims) +
		PAGE_TIME * info->pages / rows;

	if (OidIsValid(get_element_type(info->opcintype[0])))
	{
		estimate_max_sim(&times, &meta, info, dims, share, entry, *selectivity);
		index_path_costs(root, path, &times, startup_cost, total_cost);
		index_path_pages(path, info->pages * share, false, startup_cost, total_cost,
						 correlation, pages);
		return;
	}
	times.start = BEGIN_TIME + meta.lists * CENTER_TIME(dims) + rows * share * entry;
	times.rows = rows * *selectivity;
	times.first_rows = Max(times.rows * share / possible, 1);
	if (meta.kind == IVF_EXACT)
	{
		times.first_row = row_read_time(dims) + rows * entry / ROWS_A_PASS;
		times.first_rows = times.rows;
		times.start += Min(times.rows, READ_BESIDE) * row_read_time(dims);
	}
	else if (meta.kind == IVF_FLAT)
		times.first_row = FLAT_ROW_TIME;
	else
	{
		/* RaBitQ's bounds, or the values kept in the index, spare some */
		times.first_row = row_read_time(dims);
		if (meta.kind == IVF_RABITQ)
			times.first_row *= RABITQ_READ_SHARE;
		times.start += Min(times.rows, READ_ROWS) * times.first_row;
	}

	/* further rows: of further lists, with all their entries */
	times.row = times.first_row + entry * possible / Max(*selectivity, 1 / rows);
	times.reach = rows * ivf_settings[meta.kind].max_probes / meta.lists;
	if (ivf_settings[meta.kind].iterative_scan == ITERATIVE_OFF)
		times.rows = times.first_rows;
	index_path_costs(root, path, &times, startup_cost, total_cost);

	/* lists lie in order, but for their beginnings */
	index_path_pages(path, info->pages * share, true, startup_cost, total_cost,
					 correlation, pages);
}

void
flat_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation, double *pages)
{
	ivf_cost_estimate(root, path, loop_count, startup_cost, total_cost, selectivity,
					  correlation, pages);
}
