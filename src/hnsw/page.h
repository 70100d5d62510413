/*
 * page.h
 *	  The metapage; the graph as it lies on pages.
 */
#ifndef VECTOR_HNSW_PAGE_H
#define VECTOR_HNSW_PAGE_H

#include "compat/pg.h"

#include "hnsw/calibrate.h"
#include "hnsw/hnsw.h"
#include "hnsw/neighbors.h"
#include "index/filter.h"
#include "index/sample.h"
#include "storage/buffer_map.h"
#include "storage/page_edit.h"
#include "storage/value_store.h"

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
	HnswCalibration calibration;
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

/* Behind that, an HnswCalibration; zero where there is none */
static inline HnswCalibration *
hnsw_page_calibration(Page page)
{
	return (HnswCalibration *) (hnsw_page_centre(page) + 1);
}

/* Does a locked block 0, which may be anything, have a place for it? */
static inline bool
hnsw_page_has_calibration(Page page)
{
	return ((PageHeader) page)->pd_lower >=
		(char *) (hnsw_page_calibration(page) + 1) - (char *) page &&
		hnsw_page_meta(page)->common.magic == HNSW_MAGIC;
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

/*
 * centre.c: the mean was unknown when the index was opened; take over what is
 * known by now.
 */
extern void hnsw_refresh_centre(Relation relation, HnswIndex *index);

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

/* The graph on an index's pages, as search.c sees it */
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
	Buffer		held;			/* see GraphStore.hold */
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

/*
 * The elements in use of a block, but those that have a flag of without, into ids,
 * which has room for a page's.  Returns how many.  Locks the page.
 */
extern int	page_store_elements(PageStore *store, BlockNumber block,
								uint8 without, GraphId *ids);

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

#endif							/* VECTOR_HNSW_PAGE_H */
