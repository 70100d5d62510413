/*
 * ivf.h
 *	  Inverted files: what the files of ivfflat, ivfpq and ivfrabitq share.
 *
 * README.md tells how the index works; in which order its files are read:
 * handler, options, model, page, coarse, train, build, insert, scan, vacuum,
 * cost, functions.
 */
#ifndef VECTOR_IVF_H
#define VECTOR_IVF_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "index/bounded.h"
#include "index/column.h"
#include "index/filter.h"
#include "index/index_options.h"
#include "index/sample.h"
#include "math/cluster/cluster.h"
#include "math/heap/topk.h"
#include "math/quantize/fastscan.h"
#include "math/quantize/pq.h"
#include "math/quantize/rabitq.h"
#include "math/quantize/rotation.h"
#include "storage/buffer_map.h"
#include "storage/page_edit.h"
#include "storage/slot_page.h"
#include "storage/value_store.h"

/* ------------------------------------------------------------------------
 * Options (options.c)
 */

/* The access methods */
typedef enum IvfKind
{
	IVF_FLAT,					/* values as they are */
	IVF_PQ,						/* product quantization */
	IVF_RABITQ,
	IVF_KINDS
} IvfKind;

extern const char *const ivf_names[IVF_KINDS];

#define IVF_MAX_LISTS		32768
#define IVF_DEFAULT_LISTS	100

/* OPQ's matrix has this squared */
#define IVF_MAX_OPQ_DIMS	2048

typedef struct IvfOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			lists;			/* 0: chosen by the number of rows */
	int			m;				/* ivfpq: parts; 0: chosen by dimensions */
	int			nbits;			/* ivfpq */
	bool		opq;			/* ivfpq */
	int			bits;			/* ivfrabitq; 0: chosen by dimensions */
	IndexRerank rerank;			/* ivfpq, ivfrabitq */
	int			centroids;		/* offset of a string: a table's name */
} IvfOptions;

/* Settings of one access method */
typedef struct IvfSettings
{
	int			probes;			/* 0: by ivf_target_recall */
	int			max_probes;
	int			iterative_scan; /* IterativeScan */
	int			rerank;			/* candidates whose true distances are read */
} IvfSettings;

extern IvfSettings ivf_settings[IVF_KINDS];
extern double ivf_target_recall;	/* 0: probes says */
extern int	ivf_seed;

/* Define settings and options; called at load. */
extern void ivf_init(void);

/* An index's options, defaults filled in; never NULL */
extern const IvfOptions *ivf_options(Relation index, IvfKind kind);

/* The name of the table that gives centroids, or NULL */
extern const char *ivf_centroid_table(const IvfOptions *options);

extern bytea *ivfflat_reloptions(Datum reloptions, bool validate);
extern bytea *ivfpq_reloptions(Datum reloptions, bool validate);
extern bytea *ivfrabitq_reloptions(Datum reloptions, bool validate);

/* ------------------------------------------------------------------------
 * The metapage
 */

#define IVF_MAGIC		0x20465649	/* "IVF " */
#define IVF_VERSION		1
#define IVF_FILTER_VERSION	2	/* of an index with filter columns */

/* Numbers of probes whose recall was measured at build */
#define IVF_RECALL_POINTS	24

typedef struct IvfRecall
{
	uint32		probes;			/* 0: no more points */
	float		recall;			/* of the ten nearest */
} IvfRecall;

typedef struct IvfMeta
{
	IndexMeta	common;
	uint8		kind;			/* IvfKind */
	uint8		column_kind;	/* ColumnKind */
	uint8		metric;			/* Metric */
	uint8		bits;			/* of a rabitq dimension, or a pq number */
	bool		opq;
	bool		trained;		/* codes come from rows enough to be worth something */
	uint8		keeps_values;	/* true distances come from the index */
	uint32		value_slot_size;	/* 0: no values are kept */
	uint32		dims;
	uint32		width;			/* dimensions of centroids */
	uint32		m;				/* parts, for ivfpq */
	uint32		lists;
	uint32		directory;		/* first block of the lists' records */
	uint32		constants;		/* first block of floats */
	uint64		seed;
	uint64		build_id;		/* no two builds have the same */
	double		rows;			/* at build */
	double		error;			/* at build: mean squared distance from centroids */
	IvfRecall	recall[IVF_RECALL_POINTS];
	float		reach[IVF_RECALL_POINTS];	/* see ivf_reach; none of an index built before */

	/*
	 * At build: what estimates are too small by, the mean squared distance of
	 * residuals from their product code (RaBitQ's estimates have no such bias)
	 */
	float		code_error;

	/* filter columns; all zero without any */
	uint32		filter_columns;
	uint32		filter_digest;
	BlockNumber summaries;		/* first block of the lists' FilterBounds */
} IvfMeta;

/* A list's record in the directory */
typedef struct IvfList
{
	BlockNumber head;			/* its first page; never changes */
	BlockNumber fill;			/* where an insertion looks first */
	uint32		pages;
	float		radius;			/* at build: root of the mean squared distance */
	uint64		built;			/* entries at build */
} IvfList;

#define IVF_LISTS_PER_PAGE	((int) (SLOT_PAGE_ROOM / sizeof(IvfList)))
#define IVF_RAW_FLOATS		((int) (SLOT_PAGE_ROOM / sizeof(float)))

static inline IvfMeta *
ivf_page_meta(Page page)
{
	return (IvfMeta *) PageGetContents(page);
}

/* ------------------------------------------------------------------------
 * The model: how values become codes (model.c)
 *
 * A value's floats x become y = T (x - mean), of width floats: T is a random
 * rotation for ivfrabitq, the rotation of OPQ if asked for, or nothing.
 * Centroids are such y's, and a code stands for the residual y - c.
 */

typedef struct IvfModel
{
	IvfKind		kind;
	IndexColumn column;
	int			dims;
	int			width;
	int			bits;
	bool		opq;
	bool		keeps_values;	/* in half precision, beside the codes */
	int			lists;

	float	   *mean;			/* dims; NULL: zero */
	Rotation	rotation;		/* rabitq */
	uint8	   *signs;
	float	   *matrix;			/* opq: dims * dims */
	PqShape		pq;
	float	   *codebooks;

	/*
	 * Centroids: their floats where these are few; else 1-bit codes around 0,
	 * rotated by a rotation of their own, and the floats are on pages.
	 */
	float	   *centroids;		/* lists * width, or NULL */
	bool		has_codes;
	Rotation	code_rotation;
	uint8	   *code_signs;
	uint8	   *code_blocks;	/* FastScan */
	float	   *code_add;		/* 32 a block: the squared norm */
	float	   *code_k;
	BlockNumber *heads;			/* of the lists; not while an index is built */
	float	   *radii;			/* of the lists, at build */
	double		usual_error;	/* squared radius that three of four lists are
								 * within: what a few rows far away cannot move */
	uint32	   *built;			/* their entries then, or many */
} IvfModel;

/* Floats of centroids that every backend keeps */
#define IVF_CACHED_CENTROIDS	(64 * 1024)

/* Floats of the constants as they lie in the index, and where each begins */
typedef struct IvfConstants
{
	uint64		mean;
	uint64		codebooks;
	uint64		matrix;
	uint64		code_blocks;	/* bytes, four a float */
	uint64		code_add;
	uint64		code_k;
	uint64		centroids;
	uint64		total;
} IvfConstants;

extern IvfConstants ivf_constants(const IvfMeta *meta);

/*
 * Fill in what meta says; the arrays stay NULL.  Errors where numbers do not
 * fit each other.
 */
extern void ivf_model_init(IvfModel *model, const IvfMeta *meta,
						   IndexColumn column);

/*
 * The y of a value, width floats.  False where it is not indexed (cosine
 * without direction).  What leaves float's range is brought back into it.
 * for_query: to be compared by the metric; an inner product needs the value
 * as it is then, T x.
 */
extern bool ivf_transform(const IvfModel *model, const struct varlena *value,
						  bool for_query, float *y);

/* The same of dims floats, which are normalised already, in place */
extern void ivf_transform_floats(const IvfModel *model, bool for_query,
								 float *y);

/* Of a y, like a centroid's, back to x, in place; dims floats are left */
extern void ivf_transform_back(const IvfModel *model, float *y);

/* Bytes of the FastScan blocks of the centroids' codes */
extern Size ivf_code_block_bytes(const IvfModel *model);

/* Make the centroids' codes, into the arrays of model (code_blocks, ...). */
extern void ivf_make_centroid_codes(IvfModel *model, const float *centroids);

/* Bytes of an entry's code: levels, numbers, or the value itself */
extern Size ivf_code_bytes(const IvfModel *model);

/*
 * The factors that pages have in arrays: add and k, or add alone, or none.
 * (RaBitQ codes of more than one bit have theirs before the levels.)
 */
static inline int
ivf_factors(const IvfModel *model)
{
	if (model->kind == IVF_FLAT)
		return 0;
	if (model->kind == IVF_RABITQ)
		return model->bits == 1 ? 2 : 0;
	return model->column.metric == METRIC_IP ? 0 : 1;
}

static inline bool
ivf_uses_fastscan(const IvfModel *model)
{
	return (model->kind == IVF_RABITQ && model->bits == 1) ||
		(model->kind == IVF_PQ && model->bits == 4);
}

static inline Size
ivf_nibbles(const IvfModel *model)
{
	return model->kind == IVF_PQ ? model->pq.m : model->width / 4;
}

/* An entry of a list; code has ivf_code_bytes */
typedef struct IvfEntry
{
	ItemPointerData tid;
	SlotId		value;			/* NO_SLOT: none is kept */
	float		add;
	float		k;
	uint8	   *code;
	const uint8 *keys;			/* of filter columns; NULL: there are none */
} IvfEntry;

/* What encoding needs; NULL for flat */
typedef struct IvfEncoder
{
	const IvfModel *model;		/* must outlive this */
	PqEncoder  *pq;
	RabitqCode *rabitq;
	float	   *residual;
	float	   *decoded;
	double		error;			/* see IvfMeta.code_error: the sum so far */
} IvfEncoder;

extern IvfEncoder *ivf_encoder_create(const IvfModel *model);

/*
 * Encode value, whose transform is y, as an entry of the list of centroid c:
 * fills in add, k and code.
 */
extern void ivf_encode(IvfEncoder *encoder, const struct varlena *value,
					   const float *y, const float *c, IvfEntry *entry);

/*
 * A value kept in the index: with its row's TID, so that a reader sees whether
 * the slot has been given to another entry meanwhile.
 */
typedef struct IvfValue
{
	ItemPointerData tid;
	uint16		unused;
	BoundedValue bounded;
} IvfValue;

/* Bytes of it */
static inline Size
ivf_value_size(const IndexColumn *column)
{
	return add_size(offsetof(IvfValue, bounded), bounded_size(column));
}

/* What makes such values, and intervals of distances from them */
typedef struct IvfBounder
{
	BoundedQuery query;
	IvfValue   *value;			/* room for one */
	Size		size;			/* of it */
	BlockNumber target;			/* see slot_page_find */
} IvfBounder;

extern IvfBounder *ivf_bounder_create(const IvfModel *model);

/* Keep a value; returns its number. */
extern SlotId ivf_write_value(IvfBounder *bounder, ValueStore *values,
							  const struct varlena *value, ItemPointer tid,
							  bool log);

/* ------------------------------------------------------------------------
 * An open index (page.c)
 */

/* How entries lie on a page of a list */
typedef struct IvfLayout
{
	bool		fastscan;
	uint32		unit_slots;		/* entries whose codes lie together: 32 or 1 */
	Size		unit_bytes;
	uint32		slots;			/* of a page */
	uint32		factors;
	uint32		pieces;			/* pages that codes go on to */
	bool		has_values;
	const FilterShape *filter;	/* NULL: no filter columns */
	Size		tids;			/* offsets from the page's beginning */
	Size		values;
	Size		add;
	Size		k;
	Size		keys;			/* of filter columns, by column */
	Size		codes;
} IvfLayout;

/* At the beginning of a list's page; block numbers of pieces follow */
typedef struct IvfListPage
{
	uint32		list;
	uint32		count;
	BlockNumber next;
	uint32		unused;
	BlockNumber pieces[FLEXIBLE_ARRAY_MEMBER];
} IvfListPage;

typedef struct IvfIndex
{
	Relation	relation;
	IvfMeta		meta;
	uint64		centroids;		/* where they begin among the constants */
	IvfModel   *model;			/* shared by all users of the backend */
	IvfLayout	layout;
	BufferMap  *map;
	ValueStore	values;			/* where the index has any */
	FilterShape *filter;		/* NULL: no filter columns */
	IvfKind		kind;
} IvfIndex;

/* Error where filter columns are too wide for a page. */
extern IvfLayout ivf_layout(const IvfModel *model, const FilterShape *filter);

/* Where an index keeps values (meta->value_slot_size > 0) */
extern ValueStore ivf_value_store(Relation relation, const IvfMeta *meta);

/* Open an index, in the current context, which keeps the model in memory. */
extern IvfIndex *ivf_open(Relation relation);

/* Floats from the constants, by ivf_constants */
extern void ivf_read_floats(IvfIndex *index, uint64 offset, uint64 count,
							float *out);
extern void ivf_read_centroid(IvfIndex *index, uint32 list, float *out);

/* Ask for a centroid that will be read, from memory: only a hint */
extern void ivf_prefetch_centroid(const IvfIndex *index, uint32 list);

/* A list's record.  Locks its page. */
extern IvfList ivf_get_list(IvfIndex *index, uint32 list);

/* Change where insertions look first, and the number of pages. */
extern void ivf_set_fill(IvfIndex *index, uint32 list, BlockNumber fill,
						 int more_pages);

/* ------------------------------------------------------------------------
 * Summaries of lists' filter columns, each a FilterBounds for each column
 */

static inline int
ivf_summaries_per_page(const FilterShape *filter)
{
	return SLOT_PAGE_ROOM / (filter->count * sizeof(FilterBounds));
}

/* The summary of a list on its page */
static inline FilterBounds *
ivf_summary(const FilterShape *filter, Page page, uint32 list)
{
	return (FilterBounds *) PageGetContents(page) +
		list % ivf_summaries_per_page(filter) * filter->count;
}

/*
 * Make a list's summary hold an entry with these keys; before the entry is
 * written.  Locks its page.
 */
extern void ivf_widen_summary(IvfIndex *index, uint32 list, const uint8 *keys);

/* May any entry of a list pass?  Locks the summary's page. */
extern bool ivf_list_may_pass(IvfIndex *index, const Filter *filter,
							  uint32 list);

/* The same of all lists at once, into a flag for each */
extern void ivf_lists_may_pass(IvfIndex *index, const Filter *filter,
							   bool *may_pass);

/* Set up a page that slot_page_claim gave, or a new one, for a list. */
extern void ivf_list_page_init(const IvfLayout *layout, Page page, uint32 list);

static inline IvfListPage *
ivf_list_page(Page page)
{
	return (IvfListPage *) PageGetContents(page);
}

/* Lock a pinned page, which must be one for entries of lists. */
extern void ivf_lock_page(IvfIndex *index, Buffer buffer, int mode);

/* Error unless a locked page is one for entries of lists, and has as many as fit. */
extern void ivf_check_page(IvfIndex *index, Buffer buffer);

/*
 * Is a page that ivf_lock_page has locked one of a list, and has not left it?
 * (One that was claimed, and not set up yet, is of none.)
 */
static inline bool
ivf_page_of_list(Page page, uint32 list)
{
	return !page_opaque(page)->in_free_list &&
		ivf_list_page(page)->list == list &&
		((PageHeader) page)->pd_lower > MAXALIGN(SizeOfPageHeaderData);
}

/* Error: a page that a list leads to is not the list's. */
pg_noreturn extern void ivf_not_of_list(IvfIndex *index, BlockNumber block,
										uint32 list);

static inline ItemPointerData *
ivf_page_tids(const IvfLayout *layout, Page page)
{
	return (ItemPointerData *) ((char *) page + layout->tids);
}

static inline SlotId *
ivf_page_values(const IvfLayout *layout, Page page)
{
	return (SlotId *) ((char *) page + layout->values);
}

static inline float *
ivf_page_add(const IvfLayout *layout, Page page)
{
	return (float *) ((char *) page + layout->add);
}

static inline float *
ivf_page_k(const IvfLayout *layout, Page page)
{
	return (float *) ((char *) page + layout->k);
}

/* Where a page has the keys of each filter column */
static inline void
ivf_page_keys(const IvfLayout *layout, Page page, uint8 **columns)
{
	filter_block_columns(layout->filter, (char *) page + layout->keys,
						 layout->slots, columns);
}

/* Set pd_lower behind what count entries use. */
extern void ivf_list_page_set_count(const IvfLayout *layout, Page page,
									uint32 count);

/*
 * Bytes of the codes that a page of a list has in all (slots / unit_slots
 * units).  Where layout->pieces is 0 they lie on the page.
 */
static inline Size
ivf_codes_bytes(const IvfLayout *layout)
{
	return layout->slots / layout->unit_slots * layout->unit_bytes;
}

/*
 * The codes of a locked page: where they lie, or gathered into scratch, of
 * ivf_codes_bytes.
 */
extern const uint8 *ivf_page_codes(IvfIndex *index, Page page, uint8 *scratch);

/* Write codes to a page's pieces; the page is exclusively locked. */
extern void ivf_write_pieces(IvfIndex *index, Page page, const uint8 *codes,
							 bool log);

/* The codes' part that lies on the page itself */
static inline Size
ivf_head_codes(const IvfLayout *layout)
{
	return Min(ivf_codes_bytes(layout),
			   BLCKSZ - MAXALIGN(sizeof(PageOpaque)) - layout->codes);
}

/* Put an entry into a slot of codes and arrays. */
extern void ivf_put_code(const IvfModel *model, const IvfLayout *layout,
						 uint8 *codes, uint32 slot, const uint8 *code);
extern void ivf_get_code(const IvfModel *model, const IvfLayout *layout,
						 const uint8 *codes, uint32 slot, uint8 *code);

/* ------------------------------------------------------------------------
 * Which lists (coarse.c)
 */

/* A list and how far it is: smaller is nearer */
typedef struct IvfNear
{
	double		rank;			/* what lists are ordered by */
	float		base;			/* of estimates, as in rabitq.h */
	float		spread;			/* |q - c|; negative: it and base are not known */
	uint32		list;
	BlockNumber head;			/* of the list; filled in by who reads it */
} IvfNear;

typedef struct IvfCoarse
{
	IvfIndex   *index;
	FastScanTable *table;
	float	   *rotated;
	TopkEntry  *entries;		/* of all lists */
	int			room;			/* in the arrays that follow */
	IvfNear    *near;
	IvfNear    *ordered;		/* they change places */
	float	   *centroid;
} IvfCoarse;

extern IvfCoarse *ivf_coarse_create(IvfIndex *index);

/*
 * The count nearest lists of y in ascending order of rank, by inner product
 * or L1 where that is the metric and for_query is true, else by Euclidean
 * distance.  Returns how many (fewer if the index has fewer); valid until the
 * next call.
 */
extern int	ivf_nearest_lists(IvfCoarse *coarse, const float *y, int count,
							  bool for_query, IvfNear **lists);

/* The same for a query, by codes of the centroids where there are any */
extern int	ivf_nearest_by_codes(IvfCoarse *coarse, const float *y, int count,
								 IvfNear **lists);

/* All lists, in no order, with nothing known of them; as above */
extern int	ivf_all_lists(IvfCoarse *coarse, IvfNear **lists);

/* Fill in how far a list is from y, |y| being norm where that is asked for. */
extern void ivf_measure_list(IvfCoarse *coarse, const float *y, double norm,
							 Metric metric, IvfNear *near);

/* For qsort, of doubles that are numbers */
extern int	ivf_compare_doubles(const void *a, const void *b);

/* The rank of a centroid for a query y; radius is the list's. */
extern double ivf_rank(Metric metric, const float *y, double norm,
					   const float *c, int width, int dims, double radius);

/*
 * How far beyond the tenth nearest row found so far, at squared distance (or
 * negative product) tenth, a list of this rank is.  The lists that may have
 * nearer rows are those up to a number of this that calibration has found
 * (meta->reach).  unit is |q| times the root of the mean error, for products.
 */
extern double ivf_reach(Metric metric, double rank, double tenth, double unit);

/* ------------------------------------------------------------------------
 * Build, insert, vacuum, scan, cost
 */
extern IndexBuildResult *ivf_build(Relation heap, Relation index,
								   IndexInfo *index_info);
extern void ivf_build_empty(Relation index);

extern bool ivf_insert(Relation index, Datum *values, bool *isnull,
					   ItemPointer heap_tid, Relation heap,
					   IndexUniqueCheck check_unique, bool index_unchanged,
					   IndexInfo *index_info);

extern IndexBulkDeleteResult *ivf_bulk_delete(IndexVacuumInfo *info,
											  IndexBulkDeleteResult *stats,
											  IndexBulkDeleteCallback callback,
											  void *callback_state);

extern IndexScanDesc ivf_begin_scan(Relation index, int nkeys, int norderbys);
extern void ivf_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
					   ScanKey orderbys, int norderbys);
extern bool ivf_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void ivf_end_scan(IndexScanDesc scan);

/* The probes of a scan of an index with these lists: settings, calibration */
extern int	ivf_scan_probes(const IvfMeta *meta);

/* Lists that a scan reads to find ten rows of which this share passes */
extern double ivf_filtered_probes(const IvfMeta *meta, double share);

extern void ivf_cost_estimate(PlannerInfo *root, IndexPath *path,
							  double loop_count, Cost *startup_cost,
							  Cost *total_cost, Selectivity *selectivity,
							  double *correlation, double *pages);

/* The access method of an index: by its handler */
extern IvfKind ivf_kind_of(Relation index);

#endif							/* VECTOR_IVF_H */
