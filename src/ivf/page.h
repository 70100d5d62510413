/*
 * page.h
 *	  Pages of lists: how entries lie on them, and the way from one to the next.
 */
#ifndef VECTOR_IVF_PAGE_H
#define VECTOR_IVF_PAGE_H

#include "ivf/model.h"
#include "storage/page_check.h"
#include "storage/page_edit.h"

typedef struct IvfIndex IvfIndex;	/* index.h */

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
	Size		error;
	Size		keys;			/* of filter columns, by column */
	Size		codes;
} IvfLayout;

/* At the beginning of a list's page; block numbers of pieces follow */
typedef struct IvfListPage
{
	uint32		list;
	uint32		count;
	BlockNumber next;
	uint32		generation;		/* of lists, when it became a page of one (generation.h) */
	BlockNumber pieces[FLEXIBLE_ARRAY_MEMBER];
} IvfListPage;

/* Error where filter columns are too wide for a page. */
extern IvfLayout ivf_layout(const IvfModel *model, const FilterShape *filter);

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

/* Has a page for entries of lists as many as fit, and their length? */
extern bool ivf_page_fits(const IvfLayout *layout, Page page);

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

static inline float *
ivf_page_error(const IvfLayout *layout, Page page)
{
	return (float *) ((char *) page + layout->error);
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

/*
 * Put a page that belongs to no list, and its pieces, into the free lists.  Locks
 * the metapage and each page, one after the other.
 */
extern void ivf_offer_page(IvfIndex *index, BlockNumber block,
						   const BlockNumber *pieces);

/* Put what pages have in arrays of an entry into a slot: all but its code. */
extern void ivf_put_arrays(const IvfLayout *layout, Page page, uint32 slot,
						   const IvfEntry *entry);

/* Put an entry's code into a slot of codes, or get it. */
extern void ivf_put_code(const IvfModel *model, const IvfLayout *layout,
						 uint8 *codes, uint32 slot, const uint8 *code);
extern void ivf_get_code(const IvfModel *model, const IvfLayout *layout,
						 const uint8 *codes, uint32 slot, uint8 *code);

/* ------------------------------------------------------------------------
 * A walk along the pages of a list
 *
 *		ivf_walk_begin(&walk, index, list, block, mode);
 *		while (ivf_walk_next(&walk))
 *			... walk.page is locked, and pinned ...
 *
 * The next page is pinned before the lock on the current one is released:
 * vacuum moves entries to the page before, or frees a page, only while no other
 * process has the page pinned that they leave.  So a walk misses nothing.
 *
 * Replay of WAL does not wait for pins.  On a standby, a walk may come to a page
 * that has left the list; a walk that does not expect that gives an error.  Where
 * the page has come back to the same list meanwhile, the walk does not notice, and
 * has missed what has moved; a coupled walk, whose locks replay waits for, misses
 * nothing.  (Replay locks a page before the one that follows it, too.)  It ends as
 * if a page had left where an interrupt is to be served, since none is while a page
 * is locked.
 */
typedef struct IvfListWalk
{
	IvfIndex   *index;
	uint32		list;
	int			mode;			/* BUFFER_LOCK_SHARE or _EXCLUSIVE */
	bool		may_leave;		/* pages may leave the list meanwhile */
	bool		coupled;		/* a page stays locked until the next one is */
	BufferAccessStrategy strategy;	/* of reads; NULL: the backend's map */

	BlockNumber block;			/* of page */
	Buffer		buffer;			/* locked; invalid between two pages */
	Page		page;
	BlockNumber next_block;		/* of what follows, if next is not valid yet */
	Buffer		next;			/* pinned */
	bool		left;			/* it has ended at a page that has left the list */
	ChainCheck	chain;
} IvfListWalk;

/*
 * From block on, a page of the list.  The caller may set may_leave, coupled and
 * strategy then, which are false and NULL.
 */
extern void ivf_walk_begin(IvfListWalk *walk, IvfIndex *index, uint32 list,
						   BlockNumber block, int mode);

/* Go to the next page, or the first; false at the end, with nothing pinned. */
extern bool ivf_walk_next(IvfListWalk *walk);

/* Pin the page that follows the current one, if any, before its turn. */
extern void ivf_walk_pin_next(IvfListWalk *walk);

/* Release the current page, and keep what follows pinned. */
extern void ivf_walk_release(IvfListWalk *walk);

#endif							/* VECTOR_IVF_PAGE_H */
