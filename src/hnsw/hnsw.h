/*
 * hnsw.h
 *	  The hnsw access method: what its files share.
 *
 * README.md tells how the index works; in which order its files are read:
 * handler, options, page, graph, build, insert, scan, sweep, vacuum, cost, check.
 */
#ifndef VECTOR_HNSW_H
#define VECTOR_HNSW_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "hnsw/graph.h"
#include "index/codec.h"
#include "index/filter.h"
#include "index/index_options.h"
#include "index/sample.h"
#include "storage/page_edit.h"
#include "storage/slot_page.h"
#include "storage/value_store.h"

/* ------------------------------------------------------------------------
 * Options (options.c)
 */

#define HNSW_MIN_M			2
#define HNSW_MAX_M			100
#define HNSW_DEFAULT_M		16
#define HNSW_MIN_EF_CONSTRUCTION	4
#define HNSW_MAX_EF_CONSTRUCTION	1000
#define HNSW_DEFAULT_EF_CONSTRUCTION	64
#define HNSW_MIN_EF_SEARCH	1
#define HNSW_MAX_EF_SEARCH	1000
#define HNSW_DEFAULT_EF_SEARCH	40

typedef enum HnswQuantizer
{
	HNSW_QUANTIZER_AUTO,
	HNSW_QUANTIZER_NONE,
	HNSW_QUANTIZER_RABITQ1,
	HNSW_QUANTIZER_RABITQ2,
	HNSW_QUANTIZER_RABITQ4,
	HNSW_QUANTIZER_RABITQ8
} HnswQuantizer;

typedef struct HnswOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			m;
	int			ef_construction;
	int			ef_search;		/* 0: the setting's */
	HnswQuantizer quantizer;
	IndexRerank rerank;
} HnswOptions;

extern int	hnsw_ef_search;
extern int	hnsw_iterative_scan;
extern int	hnsw_max_scan_tuples;
extern double hnsw_scan_mem_multiplier;
extern int	hnsw_seed;

/* Define settings and options; called at load. */
extern void hnsw_init(void);

/* An index's options, defaults filled in; never NULL */
extern const HnswOptions *hnsw_options(Relation index);

/* The ef_search of a scan: the index's, unless the session has set one */
extern int	hnsw_scan_ef(Relation index);

extern bytea *hnsw_reloptions(Datum reloptions, bool validate);

/* ------------------------------------------------------------------------
 * Pages (page.c)
 */

#define HNSW_MAGIC		0x57534E48	/* "HNSW" */
#define HNSW_VERSION	1
#define HNSW_VERSION_FILTER	2	/* with filter columns */
#define HNSW_VERSION_CENTRE	2	/* added to these where there is an HnswCentre */

/* On the metapage, block 0 */
typedef struct HnswMeta
{
	IndexMeta	common;
	uint32		dims;
	uint16		m;
	uint16		ef_construction;
	uint8		column_kind;	/* ColumnKind */
	uint8		metric;			/* Metric */
	uint8		bits;			/* of the quantizer; 0: none */
	uint8		rerank_heap;	/* true distances come from the table */
	uint32		payload_size;
	uint32		value_slot_size;	/* 0: no values are kept */
	uint32		raw_blocks;		/* blocks 1 .. raw_blocks hold the mean */
	uint64		seed;
	uint32		entry;			/* SlotId of the entry point, at its level */
	int32		entry_level;	/* -1: the graph is empty */
	uint32		vacuums;		/* counts rounds of vacuum, before nodes are freed */
	uint16		filter_columns;
	uint16		filter_bytes;	/* of an element's keys */
} HnswMeta;

/* Behind it, where there are filter columns: where the directory is (keys.c) */
#define HNSW_KEY_DIRECTORY	1024

typedef struct HnswKeyMeta
{
	BlockNumber directory[HNSW_KEY_DIRECTORY];
} HnswKeyMeta;

/*
 * Behind that again, whether there are filter columns or not: how codes were
 * made.  In indexes of before it is all zero.
 */
typedef struct HnswCentre
{
	float		weight;			/* Codec.weight */
	float		most;			/* Codec.most */
	uint8		centred;		/* Codec.centred */
	uint8		unknown;		/* few rows have been seen: the mean is to be
								 * learnt (centre.c) */
	uint16		rows;			/* seen or inserted while it is unknown */
} HnswCentre;

/* So many rows say where the middle of the data is */
#define HNSW_LEARN_ROWS		128

/* Heap TIDs of an element beyond its first, in a slot of their own */
#define HNSW_TIDS_PER_SLOT	20

typedef struct HnswTids
{
	SlotHeader	header;
	uint16		count;
	uint16		unused;
	SlotId		next;
	ItemPointerData tids[HNSW_TIDS_PER_SLOT];
} HnswTids;

/*
 * An open index: what of its metapage never changes, ready to be used.  One
 * chunk of memory, with the codec's constants at its end.
 */
typedef struct HnswIndex
{
	Size		size;			/* of this chunk */
	HnswMeta	meta;			/* entry and space: not kept up to date */
	HnswCentre	centre;			/* rows: not kept up to date */
	Codec		codec;
	GraphShape	shape;
	SlotGeometry values;		/* where meta.value_slot_size > 0 */
	SlotGeometry tids;
	FilterShape *filter;		/* NULL: no filter columns; an allocation apart */
} HnswIndex;

/* Are half precision values kept beside the codes? */
static inline bool
hnsw_keeps_bounded(const HnswIndex *index)
{
	return index->codec.bits > 0 && !index->meta.rerank_heap;
}

static inline HnswMeta *
hnsw_page_meta(Page page)
{
	return (HnswMeta *) PageGetContents(page);
}

static inline HnswKeyMeta *
hnsw_page_keys(Page page)
{
	return (HnswKeyMeta *) (hnsw_page_meta(page) + 1);
}

static inline HnswCentre *
hnsw_page_centre(Page page)
{
	return (HnswCentre *) (hnsw_page_keys(page) + 1);
}

/*
 * An index's description, in the current memory context.  Errors where the
 * metapage is another extension's, a newer version's or broken.
 */
extern HnswIndex *hnsw_open(Relation index);

/*
 * The description of an index that is about to be built: column and options
 * checked together, sizes computed; sample may be NULL.  sparse_size: for
 * sparsevec, the bytes of a value that is kept in its element; 0 for a default.
 */
extern HnswIndex *hnsw_describe(Relation index, const HnswOptions *options,
								const ValueSample *sample, Size sparse_size);

/*
 * Of an index by inner product: how its elements are to be compared with each
 * other, by a sample of their values.
 */
extern void hnsw_choose_metric(HnswCentre *centre, const ValueSample *sample,
							   const float *mean);

/* Floats on a page of the mean */
#define RAW_FLOATS		((int) (SLOT_PAGE_ROOM / sizeof(float)))

/* The mean, in whole pages, in the current memory context */
extern float *hnsw_read_mean(Relation index, const HnswMeta *meta);

/* Write the metapage and the mean of an empty index. */
extern void hnsw_create_pages(Relation index, ForkNumber fork,
							  const HnswIndex *described);

/* Pin and lock the metapage, and check what of it changes. */
extern Buffer hnsw_lock_meta(Relation index, int mode);

/* Read or set the entry point.  Locks the metapage. */
extern void hnsw_get_entry(Relation index, GraphEntry *entry);

/*
 * The way down from an entry point has led nowhere, as it does where vacuum has
 * freed it since it was read.  Error if it is still the entry point: then the
 * index is damaged, and another attempt would do no better.
 */
extern void hnsw_entry_failed(Relation index, GraphEntry entry);

/*
 * Set the entry point if it is still the one that the caller knows.  Locks the
 * metapage exclusively.  Returns whether it did.
 */
extern bool hnsw_set_entry(Relation index, GraphEntry known, GraphEntry entry,
						   bool log);

/* A store of an index's pages, for graph.c */
typedef struct PageStore
{
	GraphStore	store;			/* must be first */
	HnswIndex  *index;
	Relation	relation;
	BufferMap  *map;
	ValueStore	values;			/* where the index has any */
	bool		log;			/* changes go to WAL */
	BlockNumber blocks[GRAPH_BATCH];
	Buffer		buffers[GRAPH_BATCH];
} PageStore;

extern void page_store_init(PageStore *store, Relation relation,
							HnswIndex *index, bool log);

/*
 * Error unless the nodes on a locked page, which is sound, are nodes of level 0
 * (upper: of levels above).
 */
extern void hnsw_check_nodes(Relation relation, const HnswIndex *index,
							 bool upper, Buffer buffer);

/* A slot of TIDs, in use, on a locked page, which is sound.  Error if it is not. */
extern HnswTids *hnsw_check_tids(Relation relation, const HnswIndex *index,
								 Buffer buffer, SlotId id);

/* Pin a node's page and lock it in mode; *node is on it, and checked. */
extern Buffer page_store_lock(PageStore *store, int level, GraphId id,
							  int mode, GraphNode **node);

/* The same node on the page of an edit, to be changed */
static inline GraphNode *
page_store_edit(PageStore *store, int level, GraphId id, PageEdit *edit,
				Buffer buffer)
{
	return (GraphNode *) slot_of(graph_geometry(&store->index->shape, level),
								 page_edit_page(edit, buffer, false), id);
}

/* ------------------------------------------------------------------------
 * Filter columns' keys of elements (keys.c)
 */

typedef struct HnswKeys
{
	Relation	relation;
	BufferMap  *map;
	const FilterShape *shape;
	uint32		per_page;		/* elements, a multiple of 8 */
	uint32		elements_per_block; /* of pages of level 0 */
	bool		log;			/* changes go to WAL */
	MemoryContext context;
	BlockNumber *blocks;		/* of key pages; InvalidBlockNumber: none known */
	uint32		pages;			/* in blocks */
	uint32		page_count;		/* that there were when it was read */
	uint32		room;
} HnswKeys;

/* Elements whose keys a page has */
extern uint32 hnsw_keys_per_page(const FilterShape *shape);

/* Of an index that has filter columns; in the current context */
extern void hnsw_keys_init(HnswKeys *keys, Relation relation,
						   const HnswIndex *index, BufferMap *map, bool log);

/* Read the directory, for who goes through all pages. */
extern void hnsw_keys_refresh(HnswKeys *keys);

/*
 * Write an element's keys.  Locks the metapage and a page of the directory, if
 * there is no page yet; then the page of keys.
 */
extern void hnsw_keys_put(HnswKeys *keys, GraphId id, const uint8 *entry);

/* Are an element's keys these?  Locks their page. */
extern bool hnsw_keys_equal(HnswKeys *keys, GraphId id, const uint8 *entry);

/* Elements, in ascending order, are about to be freed.  Locks page after page. */
extern void hnsw_keys_clear(HnswKeys *keys, const GraphId *ids, Size count);

/* Does an element exist whose keys pass? */
extern bool hnsw_keys_pass(HnswKeys *keys, const Filter *filter, GraphId id);

/*
 * The same of all elements of a page, into passes, per_page of 0 or 1.  *used,
 * unless NULL, is how many exist.  False if there is no such page.
 */
extern bool hnsw_keys_pass_page(HnswKeys *keys, const Filter *filter,
								uint32 number, uint32 *used, uint8 *passes);

/* ------------------------------------------------------------------------
 * Conditions of a scan (filter.c)
 */

typedef enum HnswFilterMode
{
	FILTER_NONE,				/* no conditions, or nothing passes */
	FILTER_WALK,				/* what fails is no result */
	FILTER_HOPS,				/* through elements that pass */
	FILTER_ALL					/* all that pass are compared */
} HnswFilterMode;

typedef struct HnswFilter
{
	GraphFilter graph;			/* must be first */
	Filter	   *filter;
	HnswKeys	keys;
	MemoryContext context;
	HnswFilterMode mode;
	double		share;			/* of elements that pass */
	double		elements;		/* in the index: an estimate */
	double		matching;		/* of them pass: an estimate, or all */
	uint64		failed;			/* elements found to fail since creation, about */
	uint8	   *bitmap;			/* memory of graph.bitmap */
	Size		bitmap_room;
	uint8	   *passes;			/* of a page */
	GraphId    *seeds;			/* some that pass */
	uint32		seed_count;
} HnswFilter;

/* From this share on, elements that fail are worth their distance */
#define HNSW_WALK_SHARE		0.4

/*
 * Up to twice so many elements that pass are compared rather than walked among
 * (see bench/RESULTS.md)
 */
static inline double
hnsw_filter_few(int ef)
{
	return Max(5000, 25.0 * ef);
}

/* Of an index that has filter columns; in the current context */
extern HnswFilter *hnsw_filter_create(Relation relation,
									  const HnswIndex *index, BufferMap *map);

/*
 * Take a scan's conditions, and choose the mode (FILTER_NONE where there are
 * none, or filter->impossible).  Locks pages of keys, one at a time.
 */
extern void hnsw_filter_begin(HnswFilter *filter, ScanKey keys, int nkeys,
							  int ef);

/* Add all elements that pass to a search's results, up to most in all. */
extern void hnsw_filter_add_all(HnswFilter *filter, GraphSearch *search,
								int ef, uint32 most);

/* ------------------------------------------------------------------------
 * All elements (sweep.c)
 */

/*
 * Add all elements in use to a search's results, met or not, unless it has
 * found most or holds more bytes than memory before.  lead_on: they are
 * starting points, too.  Locks pages, one at a time.  Returns whether all are
 * added.
 */
extern bool hnsw_sweep(PageStore *store, GraphSearch *search, int ef,
					   bool lead_on, uint32 most, Size memory);

/* ------------------------------------------------------------------------
 * Build, insert, vacuum, scan, cost, check
 */
extern IndexBuildResult *hnsw_build(Relation heap, Relation index,
									IndexInfo *index_info);
extern void hnsw_build_empty(Relation index);

extern bool hnsw_insert(Relation index, Datum *values, bool *isnull,
						ItemPointer heap_tid, Relation heap,
						IndexUniqueCheck check_unique, bool index_unchanged,
						IndexInfo *index_info);

/* What an insertion needs; made once for many */
typedef struct HnswInserter
{
	Relation	relation;
	HnswIndex  *index;
	PageStore	store;
	GraphSearch *search;
	GraphSelector *selector;
	CodecQuery *query;
	char	   *payload;
	char	   *link_payload;	/* of a node that gets a new neighbour */
	char	   *bounded;
	GraphFound **results;
	GraphLinks *links;
	BlockNumber targets[PAGE_KINDS];	/* see slot_page_find */
	HnswKeys   *keys;			/* NULL: no filter columns */
	uint8	   *entry_keys;		/* of the element to be inserted */
} HnswInserter;

/*
 * An element has been inserted while the mean is unknown: count it, and learn
 * the mean if there are enough.  The caller has no lock.
 */
extern void hnsw_learn_centre(HnswInserter *inserter, Relation heap);

/* Who knows an index as one of unknown mean: it may be known by now. */
extern void hnsw_refresh_centre(Relation relation, HnswIndex *index);

extern HnswInserter *hnsw_inserter_create(Relation relation, HnswIndex *index,
										  bool log);

/* Nearest elements that are looked at for the value of a new one */
#define HNSW_DUPLICATE_CANDIDATES	16

/* Prepare the query and the payload (but that of an outer value). */
extern void hnsw_set_value(HnswInserter *inserter,
						   const struct varlena *value);

/*
 * Write what is kept of the value outside of its node, if anything, and
 * complete the payload.
 */
extern SlotId hnsw_write_value(HnswInserter *inserter);

/*
 * Insert a value that codec_indexes and that has the right dimensions; its keys,
 * if the index has filter columns, are in inserter->entry_keys.
 */
extern void hnsw_insert_value(HnswInserter *inserter,
							  const struct varlena *value,
							  ItemPointer heap_tid);

/*
 * Give an element a node one level up from its highest, of which node is a
 * copy, if the graph rises so high.  Only for vacuum, which knows that the
 * element stays.
 */
extern void hnsw_raise(HnswInserter *inserter, GraphId id,
					   const GraphNode *node);

/* The hash of an element: of its value and its keys (NULL: none) */
extern uint64 hnsw_hash(const HnswIndex *index, const struct varlena *value,
						const uint8 *entry_keys);

/*
 * The plain form of a value to be indexed, in the current context; NULL where
 * it is not indexed.  Error where its dimensions are wrong.
 */
extern const struct varlena *hnsw_indexed_value(const Codec *codec,
												Datum value, bool isnull);

/* A pseudorandom level for an element, from its hash */
extern int	hnsw_level(const HnswIndex *index, uint64 hash);

extern IndexBulkDeleteResult *hnsw_bulk_delete(IndexVacuumInfo *info,
											   IndexBulkDeleteResult *stats,
											   IndexBulkDeleteCallback callback,
											   void *callback_state);

extern IndexScanDesc hnsw_begin_scan(Relation index, int nkeys, int norderbys);

extern void hnsw_cost_estimate(PlannerInfo *root, IndexPath *path,
							   double loop_count, Cost *startup_cost,
							   Cost *total_cost, Selectivity *selectivity,
							   double *correlation, double *pages);

#endif							/* VECTOR_HNSW_H */
