/*
 * verify.h
 *	  Is an index what it promises to be?  What the verifiers of all access methods
 *	  share: the rows that say what is wrong, pages read without an error, the rows
 *	  of the table.
 *
 * An access method walks its index, reports each invariant that does not hold, and
 * names the table's rows that it has, each with the place of its entry.  From these
 * it is found out here whether a row is there twice, or has no place in the table,
 * and, where that was asked for, whether all rows are there that should be, and
 * whether entries fit them.
 *
 * Nothing is stopped meanwhile: insertions, scans and vacuum go on.  Two things
 * make that safe:
 *
 * - The snapshot, taken before the first page is read.  A row that it sees was
 *	 inserted by a transaction that had committed, so that all changes of the index
 *	 for it were over; and vacuum does not take it away while the snapshot is held.
 *	 What must hold for finished rows is asked of such rows only.
 * - What else looks wrong is looked at again, in an order in which it can look so
 *	 twice only if it was wrong all the time; the access method says why.
 */
#ifndef VECTOR_INDEX_VERIFY_H
#define VECTOR_INDEX_VERIFY_H

#include "compat/pg.h"

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"
#include "utils/tuplesort.h"

#include "index/codec.h"
#include "storage/slot_page.h"

typedef struct Verify Verify;

/* Of an access method.  A place is a number by which it finds an entry again. */
typedef struct VerifyMethods
{
	/*
	 * Walk the index: report what is wrong, and name the rows (verify_row).  False
	 * if it cannot even be opened.
	 */
	bool		(*walk) (Verify *verify);

	/*
	 * How often has the entry at a place this row?  Where entries move, all of its
	 * group are looked through.
	 */
	int			(*count_row) (Verify *verify, uint64 place, ItemPointer tid);

	/* What entries are in together: places of a group have the same number */
	uint64		(*group) (uint64 place);

	/*
	 * Is a row anywhere in the index?  Asked only where the walk may have missed
	 * it; NULL: it misses none.
	 */
	bool		(*find_row) (Verify *verify, ItemPointer tid);

	/* Where a place is */
	void		(*where) (Verify *verify, uint64 place, BlockNumber *block,
						  int64 *slot);

	/* Is a row with these values of the index's columns to be in the index? */
	bool		(*indexes) (Verify *verify, Datum *values, const bool *isnull);

	/*
	 * How many entries is it to have?  NULL: one.  Called after indexes, of an
	 * index whose rows may have several (Verify.several).
	 */
	int			(*count_entries) (Verify *verify, Datum *values);

	/*
	 * Does the entry at a place fit the values of its row, which the snapshot
	 * sees?  Called after indexes.
	 */
	void		(*check_row) (Verify *verify, uint64 place, ItemPointer tid,
							  Datum *values, const bool *isnull);
} VerifyMethods;

/* What pages are, beside PageKind: by block, in Verify.kinds */
#define VERIFY_PAGE_NEW		254
#define VERIFY_PAGE_DAMAGED	255

typedef struct VerifyCount
{
	const char *item;
	int64		value;
} VerifyCount;

#define VERIFY_COUNTS	96

struct Verify
{
	const VerifyMethods *methods;
	Relation	heap;
	Relation	index;
	bool		all_rows;		/* heapallindexed */
	bool		several;		/* a row may have several entries: set by walk */
	void	   *state;			/* the access method's */
	Snapshot	snapshot;		/* registered; see above */
	ResourceOwner owner;		/* of the sort's files, also within a guard */
	BlockNumber blocks;			/* as the index was when the walk began */
	uint8	   *kinds;			/* of these */
	Size		memory;			/* bytes that are left for maps */
	PGAlignedBlock page;		/* see verify_read_page */

	int			phase;			/* shown as the progress; 0: none yet */
	BlockNumber phase_blocks;

	/* results */
	Tuplestorestate *store;		/* NULL: violations are only counted */
	TupleDesc	desc;
	VerifyCount counts[VERIFY_COUNTS];
	int			count_count;
	int64		violations;

	/* rows named, by TID */
	Tuplesortstate *sort;
	TupleTableSlot *put_slot;
	TupleTableSlot *get_slot;
	struct VerifyRows *rows;
	IndexFetchTableData *fetch;
	TupleTableSlot *heap_slot;
	MemoryContext row_context;	/* for one row of the table */
};

#define NO_PLACE_SLOT	((int64) -1)

/*
 * Check an index of a table, both open and locked, with what the access method
 * knows; results go to store (of the columns violation, block, slot, heap_tid and
 * detail), unless NULL, and to counts.  The index's metapage may be anything.
 */
extern void verify_index(Verify *verify);

/*
 * A violated invariant: a short name of it, a place (InvalidBlockNumber,
 * NO_PLACE_SLOT: none), a row (NULL: none), and a sentence.
 */
extern void verify_report(Verify *verify, const char *violation,
						  BlockNumber block, int64 slot, const ItemPointerData *tid,
						  const char *detail,...) pg_attribute_printf(6, 7);

/* Add to a number of the summary; item stays where it is. */
extern void verify_count(Verify *verify, const char *item, int64 add);

/*
 * Call a function that may raise an error.  Where the error says that something is
 * damaged, it is reported, of a block, and the result is false; what was locked and
 * pinned is so no more.  Other errors go on.
 */
extern bool verify_guard(Verify *verify, void (*function) (Verify *, void *),
						 void *argument, BlockNumber block);

/*
 * Copy a page of those that there were to verify->page, and check its form; what is
 * wrong is reported.  False if it is damaged, or new.  Sets its kind.
 */
extern bool verify_read_page(Verify *verify, BlockNumber block);

/*
 * Copy a slot.  False if there is none that has ever been used.  Pages that
 * verify_read_page has found damaged have none.
 */
extern bool verify_read_slot(Verify *verify, const SlotGeometry *geometry,
							 SlotId id, void *copy);

/* Zeroed memory of so many bytes; error if it goes beyond maintenance_work_mem. */
extern void *verify_map(Verify *verify, Size bytes);

/* A bit for each number of a geometry, up to the blocks that there were */
typedef struct VerifyBits
{
	uint64		end;
	uint8	   *bits;
} VerifyBits;

extern void verify_bits_init(Verify *verify, const SlotGeometry *geometry,
							 VerifyBits *bits);

static inline bool
verify_bit(const VerifyBits *bits, SlotId id)
{
	return id < bits->end && (bits->bits[id / 8] >> (id % 8) & 1) != 0;
}

static inline void
verify_set_bit(VerifyBits *bits, SlotId id)
{
	if (id < bits->end)
		bits->bits[id / 8] |= 1 << (id % 8);
}

static inline void
verify_clear_bit(VerifyBits *bits, SlotId id)
{
	if (id < bits->end)
		bits->bits[id / 8] &= ~(1 << (id % 8));
}

/* The entry at a place has a row. */
extern void verify_row(Verify *verify, ItemPointer tid, uint64 place);

/* Are these the same place?  They may be anything. */
static inline bool
verify_same_tid(const ItemPointerData *a, const ItemPointerData *b)
{
	return memcmp(a, b, sizeof(ItemPointerData)) == 0;
}

/* Does the snapshot see a row? */
extern bool verify_visible(Verify *verify, ItemPointer tid);

/*
 * The lists of pages with free slots, of a metapage that is sound: each leads from
 * page to page of its kind, which say that they are in it, and ends; and no other
 * page says so.
 */
extern void verify_free_lists(Verify *verify);

/*
 * Is a code that of the value which query, with a quantizer, is set to as an
 * element?  encoded is a code made of it now.  Another processor may have rounded
 * otherwise, so it need not be the same; its angle and lengths may be off by a part
 * of slack on top.
 */
extern bool verify_code(CodecQuery *query, const void *encoded,
						const void *payload, double slack);

/* Does a half precision value that is kept fit the value that query is set to? */
extern bool verify_bounded(const BoundedQuery *query, const void *bounded);

/* Where a code that is off by a part of this may have been made elsewhere */
#define VERIFY_CODE_SLACK	1e-3

/* Is x within a part of size of y?  And <a, b>, in double precision */
extern bool verify_near(double x, double y, double part, double size);
extern double verify_product(const float *a, const float *b, int dims);

/* A new phase, of so many blocks; and how many of them are done */
#define VERIFY_PHASE_PAGES	101
#define VERIFY_PHASE_LINKS	102
#define VERIFY_PHASE_ENTRIES	103
#define VERIFY_PHASE_ROWS	104
extern void verify_phase(Verify *verify, int phase, BlockNumber blocks);
extern void verify_progress(BlockNumber done);

#endif							/* VECTOR_INDEX_VERIFY_H */
