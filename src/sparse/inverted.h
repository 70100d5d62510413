/*
 * inverted.h
 *	  The access method sparse_inverted: posting lists of sparse vectors, exact.
 *
 * README.md tells what lies where, and why results are exact.
 */
#ifndef VECTOR_SPARSE_INVERTED_H
#define VECTOR_SPARSE_INVERTED_H

#include "compat/pg.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "index/column.h"
#include "index/filter.h"
#include "index/handler.h"
#include "math/sparse/postings.h"
#include "math/sparse/tiers.h"
#include "storage/buffer_map.h"
#include "storage/slot_page.h"
#include "types/sparse.h"

#define INVERTED_NAME		"sparse_inverted"
#define INVERTED_MAGIC		0x5350494E	/* "SPIN" */
#define INVERTED_VERSION	1
#define INVERTED_PROCS		INDEX_PROCS

/* Numbers of documents in a segment: a range has 16 bits */
#define SEGMENT_MAX_DOCS	(65536u * RANGE_DOCS)

/* What the metapage has room for */
#define MAX_SEGMENTS		TIERS_MOST
#define MAX_RETIRED			120

/* ------------------------------------------------------------------------
 * Options
 */

typedef enum WeightKind
{
	WEIGHT_CODES,				/* 8 bits */
	WEIGHT_FLOATS				/* as they are */
} WeightKind;

typedef struct InvertedOptions
{
	int32		vl_len_;
	int			weights;		/* WeightKind */
	int			pending_list_limit; /* kilobytes */
} InvertedOptions;

#define DEFAULT_PENDING_LIMIT	1024

/* sparse_inverted.drop_ratio, of scans whose order is APPROXIMATE_ORDER */
extern double inverted_drop_ratio;

extern const InvertedOptions *inverted_options(Relation index);
extern bytea *inverted_reloptions(Datum reloptions, bool validate);
extern void inverted_init(void);

/* ------------------------------------------------------------------------
 * Pages
 */

/*
 * What a page is for.  The first ones are the parts of a segment that have a map
 * of their pages.
 */
typedef enum InvertedPart
{
	PART_DOCS,					/* rows: TIDs, flags, keys of filter columns */
	PART_TERMS,					/* InvertedTerm, by dimension */
	PART_TOPS,					/* first dimension of each page of terms */
	PART_GROUPS,				/* PostingGroup, by term and range */
	PART_POSTINGS,				/* places and weights, in the order of groups */
	MAPPED_PARTS,
	PART_ROOT = MAPPED_PARTS,
	PART_MAP,
	PART_PENDING,
	PART_PIECE,					/* of a pending row that is longer than a page */
	PART_RETIRED				/* RetiredPages that the metapage has no room for */
} InvertedPart;

/* What every page but the metapage begins with */
typedef struct InvertedPage
{
	uint32		owner;			/* number of the segment, or pending list */
	uint8		part;			/* InvertedPart */
	uint8		sealed;			/* PART_PENDING: nothing is added any more */
	uint16		is_long;		/* PART_PENDING: one row, in pieces */
	uint32		count;			/* items; of pieces and pending rows, bytes */
	BlockNumber next;			/* of pending pages, and of pieces */
} InvertedPage;

#define INVERTED_ROOM	(SLOT_PAGE_ROOM - sizeof(InvertedPage))

static inline InvertedPage *
inverted_page(Page page)
{
	return (InvertedPage *) PageGetContents(page);
}

/* Does the content of a page, which is sound, reach beyond the header? */
static inline bool
inverted_has_header(Page page)
{
	return ((PageHeader) page)->pd_lower >=
		MAXALIGN(SizeOfPageHeaderData) + sizeof(InvertedPage);
}

static inline char *
inverted_data(Page page)
{
	return (char *) (inverted_page(page) + 1);
}

typedef struct InvertedRoot
{
	uint32		docs;			/* numbers given, of dead rows too */
	uint32		terms;
	uint64		groups;
	uint64		postings;
	double		squares;		/* sum of squared lengths of lists */
	uint32		longest;		/* most non-zero elements of a row */
	uint32		special;		/* rows with flags */
	uint32		pages[MAPPED_PARTS];
	uint32		map_pages;		/* their blocks follow */
} InvertedRoot;

static inline BlockNumber *
root_maps(InvertedRoot *root)
{
	return (BlockNumber *) (root + 1);
}

#define MAP_BLOCKS		(INVERTED_ROOM / sizeof(BlockNumber))
#define MAX_MAP_PAGES	((INVERTED_ROOM - sizeof(InvertedRoot)) / sizeof(BlockNumber))

typedef struct InvertedTerm
{
	int32		dim;			/* from 0 */
	uint32		docs;
	uint32		groups;
	float		step;			/* of codes, and of groups' greatest */
	float		error;			/* no weight is farther from what is kept */
	float		greatest;		/* size of a weight, at most */
	uint32		negative;		/* 1: there are negative weights */
	uint32		unused;
	uint64		first_group;
	uint64		first_posting;
} InvertedTerm;

#define PAGE_TERMS		(INVERTED_ROOM / sizeof(InvertedTerm))
#define PAGE_TOPS		(INVERTED_ROOM / sizeof(int32))
#define PAGE_GROUPS		(INVERTED_ROOM / sizeof(PostingGroup))

/* Flags of a row, of cosine distance only */
#define DOC_ZERO		1		/* no direction: every distance is NaN */
#define DOC_EXTREME		2		/* float arithmetic may not hold its norm */

/* A row, before it is on a page; keys of filter columns follow */
typedef struct InvertedDoc
{
	ItemPointerData tid;
	uint8		flags;
	uint8		unused;
} InvertedDoc;

typedef struct InvertedSegment
{
	uint32		id;
	BlockNumber root;
	uint32		docs;
	uint32		dead;			/* of them */
	uint32		pages;
	uint32		unused;
	uint64		postings;
} InvertedSegment;

typedef enum RetiredKind
{
	RETIRED_LIST,				/* of pending rows: first is its head */
	RETIRED_SEGMENT,			/* its root */
	RETIRED_RECORD				/* a page of PART_RETIRED */
} RetiredKind;

/*
 * Pages that scans may be reading still.  In the metapage, and in a record, those
 * retired first are first; only the first one may be a record.
 */
typedef struct RetiredPages
{
	uint64		xid;			/* a transaction that was to come then */
	uint32		id;
	BlockNumber first;
	uint32		kind;			/* RetiredKind */
	uint32		unused;
} RetiredPages;

typedef struct PendingList
{
	uint32		id;
	BlockNumber head;			/* InvalidBlockNumber: it is empty */
	BlockNumber tail;
	uint32		pages;			/* with those of pieces */
} PendingList;

typedef struct InvertedMeta
{
	IndexMeta	common;
	uint32		metric;
	uint32		weights;		/* WeightKind */
	uint32		dims;
	uint32		filter_columns;
	uint32		filter_digest;
	uint32		next_id;
	uint32		unfinished;		/* segment being written; 0: none */
	uint32		unused;
	PendingList pending;		/* that rows are added to */
	PendingList sealed;			/* that is being made a segment */
	uint32		segments;
	uint32		retired;
	InvertedSegment segment[MAX_SEGMENTS];
	RetiredPages retired_pages[MAX_RETIRED];
} InvertedMeta;

static inline InvertedMeta *
inverted_page_meta(Page page)
{
	return (InvertedMeta *) PageGetContents(page);
}

/* An open index */
typedef struct InvertedIndex
{
	Relation	relation;
	BufferMap  *map;
	IndexColumn column;
	FilterShape *filter;		/* NULL: no filter columns */
	Size		key_bytes;		/* of a row */
	Size		doc_bytes;		/* of an InvertedDoc with keys */
	uint32		page_docs;		/* rows of a page */
	bool		has_flags;		/* rows have, under cosine distance */
	Size		flags_offset;	/* in a page's data: flags, keys */
	Size		keys_offset;
	uint32		page_postings;
	Size		weight_bytes;
	bool		on_standby;		/* when it was opened */
	bool		lenient;		/* damage is no error: see inverted_open_lenient */
	bool		in_arena;		/* a search that has the arena allocates there */
	InvertedMeta meta;			/* as it was when it was read */
} InvertedIndex;

/* Open an index, in the current context; errors where its metapage is damaged. */
extern InvertedIndex *inverted_open(Relation relation);

/*
 * The same for the planner, whose other plans are made, whatever an index's pages
 * hold: NULL, where the metapage is damaged; then the functions below that give a
 * buffer or a pointer give none instead of an error.
 */
extern InvertedIndex *inverted_open_lenient(Relation relation);

/*
 * Memory of a search, which it does not free: in the arena, or the current context,
 * huge if need be
 */
extern void *inverted_alloc(const InvertedIndex *index, Size count, Size size);

/* Read the metapage again. */
extern void inverted_refresh(InvertedIndex *index);

/* Layout of pages, by index->meta.weights and the filter */
extern void inverted_layout(InvertedIndex *index);

/*
 * The metapage, pinned and locked.  While it is locked, other pages may be.
 */
extern Buffer inverted_lock_meta(InvertedIndex *index, int mode);

/*
 * Make a page that is being edited one of an owner's, with bytes of data; the
 * header, whose count, link and flags are the caller's to set.
 */
extern InvertedPage *inverted_init_page(Page page, uint32 owner,
										InvertedPart part, const void *data,
										Size bytes);

/*
 * A page of an owner, pinned and locked; no other page is locked by the caller,
 * but for the metapage.  Error if it is not what it should be: on a standby, where
 * pages are used again under a scan, one that says that the statement is to be
 * repeated.
 */
extern Buffer inverted_lock_page(InvertedIndex *index, BlockNumber block,
								 uint32 owner, InvertedPart part, int mode);

/* The metapage of a new index; and writing it, as block 0 of a fork */
extern void inverted_init_meta(InvertedIndex *index);
extern void inverted_write_meta(InvertedIndex *index, ForkNumber fork);

/* Error unless the page's count is at most this. */
extern void inverted_check_count(InvertedIndex *index, Buffer buffer,
								 uint32 most);

static inline ItemPointerData *
docs_tids(Page page)
{
	return (ItemPointerData *) inverted_data(page);
}

/* Only where index->has_flags */
static inline uint8 *
docs_flags(const InvertedIndex *index, Page page)
{
	return (uint8 *) inverted_data(page) + index->flags_offset;
}

/* A dead row has a TID without an offset. */
static inline bool
doc_is_dead(const ItemPointerData *tid)
{
	return ItemPointerGetOffsetNumberNoCheck(tid) == InvalidOffsetNumber;
}

/* ------------------------------------------------------------------------
 * Segments
 */

/* An open segment: where its pages are */
typedef struct Segment
{
	InvertedSegment entry;
	InvertedRoot root;			/* without maps */
	BlockNumber *blocks;		/* of all parts, one behind the other */
	uint32		starts[MAPPED_PARTS];
	int32	   *tops;
} Segment;

/* In the current context */
extern Segment *segment_open(InvertedIndex *index,
							 const InvertedSegment *entry);
extern void segment_close(Segment *segment);

/*
 * The same from what the backend has kept, or else for it to be kept (kept.c).  It is
 * there until the current context is reset; not to be closed.  Not where damage is no
 * error.
 */
extern const Segment *segment_open_kept(InvertedIndex *index,
										const InvertedSegment *entry);

/* A page of a part, pinned and locked in a mode */
extern Buffer segment_lock(InvertedIndex *index, const Segment *segment,
						   InvertedPart part, uint32 number, int mode);

/* A dimension's term; false if the segment has none. */
extern bool segment_find_term(InvertedIndex *index, const Segment *segment,
							  int32 dim, InvertedTerm *term);

/*
 * Copy groups of a term, from its first-th on: as many as the page has.  groups has
 * room for PAGE_GROUPS.
 */
extern uint32 segment_read_groups(InvertedIndex *index, const Segment *segment,
								  const InvertedTerm *term, uint32 first,
								  PostingGroup *groups);

/* ------------------------------------------------------------------------
 * Writing segments
 */

typedef struct SegmentWriter SegmentWriter;

/* id: a new one.  log: whether pages are logged one by one. */
extern SegmentWriter *segment_writer_begin(InvertedIndex *index, uint32 id,
										   bool log);

/* Add a row, whose number is one more than the last one's, from 0. */
extern void segment_writer_doc(SegmentWriter *writer, const InvertedDoc *doc);

/*
 * Begin a term; dimensions ascend.  greatest and negative are of its weights, and
 * error how far those that will be added are from the true ones.
 */
extern void segment_writer_term(SegmentWriter *writer, int32 dim,
								float greatest, bool negative, float error);

/* Add a posting to it; documents ascend. */
extern void segment_writer_posting(SegmentWriter *writer, uint32 doc,
								   float weight);

/* Most non-zero elements of a row, of those that have been added */
extern void segment_writer_longest(SegmentWriter *writer, uint32 longest);

/* Write what is left; what the metapage has to know. */
extern InvertedSegment segment_writer_end(SegmentWriter *writer);

/* ------------------------------------------------------------------------
 * Runs: rows inverted in memory, and merging them and segments
 */

typedef struct InvertedRun
{
	InvertedIndex *index;
	MemoryContext context;
	Size		limit;			/* bytes */
	uint32		docs;
	uint32		doc_room;
	char	   *doc_data;		/* doc_bytes each */
	Size		postings;
	Size		posting_room;
	Posting    *posting;
	Posting    *spare;			/* to sort them; kept, as memory is counted for it */
	Size		spare_room;
	uint32		longest;
	bool		sorted;
} InvertedRun;

/* An empty run in the current context */
extern InvertedRun *run_create(InvertedIndex *index, Size limit);

/* Has it room for a row of so many elements? */
extern bool run_has_room(const InvertedRun *run, int elements);

/* Add a row; values and isnull are the index's, for filter columns. */
extern void run_add(InvertedRun *run, const SparseVector *value,
					const InvertedDoc *doc);
extern void run_reset(InvertedRun *run);

/* What a value's weights are multiplied by for the index, and its row's flags */
extern double inverted_scale(const InvertedIndex *index,
							 const SparseVector *value, uint8 *flags);

typedef struct PostingSource PostingSource;

/* A run in memory, which is sorted by this; one in a file; a segment */
extern PostingSource *source_of_run(InvertedRun *run);
extern PostingSource *source_of_segment(InvertedIndex *index,
										const InvertedSegment *entry);

/* Write sources as one segment, the rows of one behind those of another. */
extern InvertedSegment merge_sources(InvertedIndex *index,
									 PostingSource **sources, int count,
									 uint32 id, bool log);

/* ------------------------------------------------------------------------
 * Rows that are not in a segment yet
 */

/* A pending row; keys of filter columns follow, then the value, both MAXALIGNed */
typedef struct PendingRow
{
	uint32		size;			/* of all, MAXALIGNed */
	InvertedDoc doc;
} PendingRow;

/*
 * Call for each row of a pending list, dead ones left out: value is plain, and
 * valid during the call.
 */
typedef void (*PendingVisit) (void *state, const InvertedDoc *doc,
							  const SparseVector *value);
extern void pending_visit(InvertedIndex *index, const PendingList *list,
						  PendingVisit visit, void *state);

/* The keys of a row, and its value */
static inline uint8 *
doc_keys(const InvertedDoc *doc)
{
	return (uint8 *) (doc + 1);
}

/*
 * Make segments of all pending rows, merge segments where there are many of a
 * size, and give pages back that nobody reads any more.  wait: until nobody else
 * does, and with a warning where there is no room for a further segment, so that
 * rows stay pending; if false and somebody does, nothing.  everything: all segments
 * become one.  Returns rows that were pending and are not any more.
 */
extern uint64 inverted_merge(InvertedIndex *index, bool wait, bool everything);

/* Held while segments change, and while rows are removed */
extern bool inverted_lock_merge(InvertedIndex *index, bool wait);
extern void inverted_unlock_merge(InvertedIndex *index);

/* ------------------------------------------------------------------------
 * What PostgreSQL calls
 */

AM_FUNCTION(ambuild, inverted_build);
AM_FUNCTION(ambuildempty, inverted_build_empty);
AM_FUNCTION(aminsert, inverted_insert);
AM_FUNCTION(ambulkdelete, inverted_bulk_delete);
AM_FUNCTION(amvacuumcleanup, inverted_vacuum_cleanup);
AM_FUNCTION(amcostestimate, inverted_cost_estimate);
AM_FUNCTION(ambeginscan, inverted_begin_scan);

/* verify.c: is an index what it promises to be? */
extern const struct VerifyMethods inverted_verify_methods;

#endif							/* VECTOR_SPARSE_INVERTED_H */
