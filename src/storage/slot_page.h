/*
 * slot_page.h
 *	  Pages of slots: what the records of an index live in.
 *
 * An index keeps its records in slots of a fixed size for each kind of record,
 * so that a record is named by one 32-bit number, a page needs no line
 * pointers, and a record never moves.  The number is
 *
 *		block * slots per page + slot,
 *
 * never 0, because block 0 is the metapage.  Every slot begins with a
 * SlotHeader; a zeroed slot is a free one.  A slot's version goes up by one
 * each time it is freed: a kept pair (number, version) tells whether it still
 * names the record that it did.
 *
 * Page: header | slots | hole | opaque.  pd_lower is the end of the last slot
 * ever used, so that WAL leaves out the rest.
 *
 * Free space: the metapage has for each kind of page the head of a list of
 * pages with free slots, linked through their opaque areas, and the page that
 * is being filled.  A backend fills a page of its own until it is full, then
 * takes the page that the metapage says is being filled, perhaps by another
 * backend, then the first one of the list, then a new one.  Vacuum puts pages
 * on the list.  Nothing here walks the index.
 */
#ifndef VECTOR_STORAGE_SLOT_PAGE_H
#define VECTOR_STORAGE_SLOT_PAGE_H

#include "compat/pg.h"

#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

/*
 * The number of a record, as its kind's geometry counts; 0 is none.  The highest
 * bit is never set: callers may use it as a flag.
 */
typedef uint32 SlotId;

#define NO_SLOT		((SlotId) 0)
#define META_BLOCK	((BlockNumber) 0)

/* For tools that look at pages: the last two bytes of every page of an index */
#define INDEX_PAGE_ID	0xFA51

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_USED,
	SLOT_DELETED				/* not part of the index, but not yet free */
} SlotState;

typedef struct SlotHeader
{
	uint16		version;
	uint8		state;			/* SlotState */
	uint8		flags;			/* the record's own */
} SlotHeader;

/* Kinds of pages; an access method may use some of them */
typedef enum PageKind
{
	PAGE_META,
	PAGE_RECORD,				/* elements */
	PAGE_UPPER,					/* what leads to elements */
	PAGE_VALUE,					/* values of elements, in pieces */
	PAGE_TIDS,					/* further heap TIDs of elements */
	PAGE_RAW,					/* constants of the whole index */
	PAGE_PIECE,					/* codes that their page has no room for */
	PAGE_KEYS					/* filter columns' keys; no free list */
} PageKind;

/* Kinds that have a free list: all before PAGE_KEYS */
#define PAGE_KINDS	PAGE_KEYS

typedef struct PageOpaque
{
	BlockNumber next_free;		/* next page of the free list */
	uint8		kind;			/* PageKind */
	uint8		in_free_list;
	uint16		page_id;		/* INDEX_PAGE_ID */
} PageOpaque;

typedef struct SlotGeometry
{
	PageKind	kind;
	uint32		slot_size;		/* bytes, MAXALIGNed */
	uint32		per_page;
} SlotGeometry;

/* The part of a metapage that finds free slots */
typedef struct FreeSpace
{
	/* by PageKind; InvalidBlockNumber where there is none */
	BlockNumber list[PAGE_KINDS];	/* the first page of the free list */
	BlockNumber filling[PAGE_KINDS];	/* the page being filled */
} FreeSpace;

/* What every metapage of ours begins with */
typedef struct IndexMeta
{
	uint32		magic;
	uint32		version;
	FreeSpace	space;
} IndexMeta;

/* Bytes that slots can take on a page */
#define SLOT_PAGE_ROOM \
	(BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(PageOpaque)))

/*
 * The geometry of slots of size bytes (rounded up).  Error where not even one
 * fits a page; callers check their sizes first and have a better message.
 */
extern SlotGeometry slot_geometry(PageKind kind, Size size);

static inline PageOpaque *
page_opaque(Page page)
{
	/* where it must be, whatever the header says */
	return (PageOpaque *) ((char *) page + BLCKSZ - MAXALIGN(sizeof(PageOpaque)));
}

static inline IndexMeta *
page_meta(Page page)
{
	return (IndexMeta *) PageGetContents(page);
}

static inline BlockNumber
slot_block(const SlotGeometry *geometry, SlotId id)
{
	return id / geometry->per_page;
}

static inline Size
slot_offset(const SlotGeometry *geometry, uint32 slot)
{
	return MAXALIGN(SizeOfPageHeaderData) + (Size) slot * geometry->slot_size;
}

/* The record of a page, by its place on it */
static inline SlotHeader *
slot_at(const SlotGeometry *geometry, Page page, uint32 slot)
{
	return (SlotHeader *) ((char *) page + slot_offset(geometry, slot));
}

static inline SlotHeader *
slot_of(const SlotGeometry *geometry, Page page, SlotId id)
{
	return slot_at(geometry, page, id % geometry->per_page);
}

/* Slots of a page that may be in use: those below pd_lower */
static inline uint32
slots_in_use(const SlotGeometry *geometry, Page page)
{
	return (((PageHeader) page)->pd_lower - MAXALIGN(SizeOfPageHeaderData)) /
		geometry->slot_size;
}

/*
 * The number of a slot.  Error if the index has outgrown 31 bits.
 */
extern SlotId slot_id(const SlotGeometry *geometry, BlockNumber block,
					  uint32 slot);

/* Make an empty page of a kind. */
extern void slot_page_init(Page page, PageKind kind);

/* A free slot of a page, or -1 */
extern int	slot_page_free_slot(const SlotGeometry *geometry, Page page);

/*
 * Take a free slot for a record: clears it but for its version, marks it used,
 * and moves pd_lower.  The caller holds the page exclusively and logs it.
 */
extern SlotHeader *slot_page_take(const SlotGeometry *geometry, Page page,
								  uint32 slot);

/* Free a slot; the same conditions. */
extern void slot_page_release(SlotHeader *slot);

/*
 * A block of a kind that is likely to have a free slot.  *target is the
 * caller's last one, kept between calls (InvalidBlockNumber at first);
 * full says that it turned out to be full.  Extends the index where nothing is
 * free.  Locks the metapage and then one other page, and returns with none
 * locked.  log: whether changes go to WAL.
 */
extern BlockNumber slot_page_find(Relation index, PageKind kind,
								  BlockNumber *target, bool full, bool log);

/*
 * Put a page that has free slots on the list, unless it is there.  Locks the
 * metapage, then the page.
 */
extern void slot_page_offer(Relation index, PageKind kind, BlockNumber block);

/*
 * An empty page of a kind for the caller alone: off the free list of that kind,
 * or new.  Pinned, not locked.  Locks the metapage, then the page.  A caller
 * that fails before it has linked the page to something leaks it, until the index
 * is rebuilt.
 */
extern Buffer slot_page_claim(Relation index, PageKind kind, bool log);

/* A new page at the end of the index, exclusively locked, not initialised */
extern Buffer index_extend(Relation index, ForkNumber fork);

#endif							/* VECTOR_STORAGE_SLOT_PAGE_H */
