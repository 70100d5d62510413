/*
 * verify.c
 *	  Is an index what README.md promises?  Lists, their pages, entries, summaries.
 *
 * Locks are those of a scan: a page of a list and its pieces, the next page pinned
 * before it is unlocked, so that vacuum moves nothing to where the walk has been.
 * Replay of WAL does not wait for pins: on a standby, a list that changes under the
 * walk is read again, and what it may have missed is looked for again.
 */
#include "ivf/index.h"

#include <math.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "index/verify.h"
#include "ivf/exact.h"
#include "types/detoast.h"

typedef struct IvfVerify
{
	Verify	   *verify;
	IvfIndex   *index;
	VerifyBits	owned;			/* blocks that something leads to */
	VerifyBits	values;			/* slots in use, but those that entries name */
	PGAlignedBlock page;		/* a copy of one of a list */
	const char **problems;		/* of its entries, and what they are called */
	const char **violations;
	uint8	   *codes;			/* room for those of a page */
	uint8	   *code;
	uint8	   *made;
	char	   *piece;			/* room for a slot of values */
	IvfValue   *value;
	IvfEncoder *encoder;
	IvfBounder *bounder;
	float	   *y;
	float	   *centroid;
	float	   *residual;
	float	   *decoded;
} IvfVerify;

/* Where an entry was: list, block, slot of a page.  Blocks have 32 bits. */
#define PLACE_OF(list, block, slot) \
	((uint64) (list) << 48 | (uint64) (block) << 16 | (slot))
#define PLACE_LIST(place)	((uint32) ((place) >> 48))
#define PLACE_BLOCK(place)	((BlockNumber) ((place) >> 16))
#define PLACE_SLOT(place)	((uint32) ((place) & 0xFFFF))

/* ------------------------------------------------------------------------
 * A walk along a list, without errors
 */

typedef enum ListEnd
{
	LIST_ENDS,
	LIST_STOPPED,				/* by what was called */
	LIST_LEFT,					/* at a page that has left the list */
	LIST_BROKEN					/* and what says how */
} ListEnd;

/*
 * Called for each page of a list, whose buffer is locked in share mode.  False: no
 * further.
 */
typedef bool (*ListVisit) (IvfVerify *ivf, uint32 list, BlockNumber block,
						   Page page, void *argument);

/* Pin a page of entries; InvalidBuffer if there is none of that number. */
static Buffer
pin_page(IvfVerify *ivf, BlockNumber block)
{
	Verify	   *verify = ivf->verify;

	if (block == META_BLOCK ||
		(block < verify->blocks ? verify->kinds[block] != PAGE_RECORD
		 : !map_has_block(ivf->index->map, block)))
		return InvalidBuffer;
	return map_read(ivf->index->map, block);
}

/*
 * *at is the last page looked at, and what is set where the list is broken.  after,
 * unless NULL, is called for each page visited when it is not locked any more.
 */
static ListEnd
walk_list(IvfVerify *ivf, uint32 list, ListVisit visit, void *argument,
		  void (*after) (IvfVerify *, uint32, BlockNumber), BlockNumber *at,
		  const char **what)
{
	BlockNumber block = ivf_get_list(ivf->index, list).head;
	Buffer		buffer = pin_page(ivf, block);
	ChainCheck	chain = {0};

	*at = META_BLOCK;
	*what = "It leads to a page that is none of entries.";
	while (BufferIsValid(buffer))
	{
		Page		page = BufferGetPage(buffer);
		Buffer		next = InvalidBuffer;
		BlockNumber next_block;
		ListEnd		end = LIST_ENDS;
		bool		visited = false;

		CHECK_FOR_INTERRUPTS();
		*at = block;
		if (chain_cycles(&chain, block))
		{
			ReleaseBuffer(buffer);
			*what = "Its list leads in a circle.";
			return LIST_BROKEN;
		}
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		next_block = ivf_list_page(page)->next;
		if (!page_is_sound(page, PAGE_RECORD) || !ivf_page_of_list(page, list))
		{
			*what = "It is not a page of the list that leads to it.";
			end = LIST_LEFT;
		}
		else if (!ivf_page_fits(&ivf->index->layout, page))
		{
			*what = "It cannot have as many entries as it says.";
			end = LIST_BROKEN;
		}
		else if (!(visited = visit(ivf, list, block, page, argument)))
			end = LIST_STOPPED;
		else if (next_block != InvalidBlockNumber)
		{
			next = pin_page(ivf, next_block);
			*what = "It leads to a page that is none of entries.";
			if (!BufferIsValid(next))
				end = LIST_BROKEN;
		}
		UnlockReleaseBuffer(buffer);
		if (visited && after != NULL)
			after(ivf, list, block);
		if (end != LIST_ENDS || !BufferIsValid(next))
			return end;
		buffer = next;
		block = next_block;
	}
	return LIST_BROKEN;
}

/* How often a list has a row, into an int */
typedef struct RowCount
{
	ItemPointer tid;
	int			count;
} RowCount;

static bool
count_on_page(IvfVerify *ivf, uint32 list, BlockNumber block, Page page,
			  void *argument)
{
	RowCount   *row = (RowCount *) argument;
	const ItemPointerData *tids = ivf_page_tids(&ivf->index->layout, page);

	for (uint32 i = 0; i < ivf_list_page(page)->count; i++)
		row->count += verify_same_tid(&tids[i], row->tid);
	return true;
}

static int
count_in_list(IvfVerify *ivf, uint32 list, ItemPointer tid)
{
	RowCount	row = {tid, 0};
	BlockNumber at;
	const char *what;

	(void) walk_list(ivf, list, count_on_page, &row, NULL, &at, &what);
	return row.count;
}

/* ------------------------------------------------------------------------
 * Entries
 */

/* Does a list's summary hold an entry's keys?  It is widened before the entry is there. */
static bool
summary_holds(IvfVerify *ivf, uint32 list, const uint8 *keys)
{
	const FilterShape *filter = ivf->index->filter;
	BlockNumber block = ivf->index->meta.summaries +
		list / ivf_summaries_per_page(filter);
	FilterBounds bounds[FILTER_MAX_COLUMNS];
	Buffer		buffer;

	if (block >= ivf->verify->blocks || ivf->verify->kinds[block] != PAGE_RAW)
		return true;
	buffer = map_read(ivf->index->map, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(bounds, ivf_summary(filter, BufferGetPage(buffer), list),
		   filter->count * sizeof(FilterBounds));
	UnlockReleaseBuffer(buffer);
	return !filter_bounds_add(filter, bounds, keys);
}

/*
 * The value that is kept of an entry, whose page is locked, into ivf->value.  What is
 * wrong with it, or NULL
 */
static const char *
read_value(IvfVerify *ivf, SlotId id, const ItemPointerData *tid)
{
	const SlotGeometry *geometry = &ivf->index->values.geometry;
	ValuePiece *piece = (ValuePiece *) ivf->piece;
	Size		size = ivf_value_size(&ivf->index->model->column);
	Size		room = value_piece_room(geometry);

	for (Size done = 0; done < size; done += room)
	{
		if (id == NO_SLOT ||
			!verify_read_slot(ivf->verify, geometry, id, piece) ||
			piece->header.state != SLOT_USED)
			return "Its value is missing.";
		verify_clear_bit(&ivf->values, id);
		memcpy((char *) ivf->value + done, piece->data, Min(room, size - done));
		id = piece->next;
	}
	if (!verify_same_tid(&ivf->value->tid, tid))
		return "Its value is another row's.";
	return NULL;
}

/* The pieces that a page has its codes in; false if one is none */
static bool
own_pieces(IvfVerify *ivf, Page page)
{
	Verify	   *verify = ivf->verify;

	for (uint32 i = 0; i < ivf->index->layout.pieces; i++)
	{
		BlockNumber block = ivf_list_page(page)->pieces[i];

		if (block == InvalidBlockNumber && ivf_list_page(page)->count == 0)
			continue;
		if (block < verify->blocks ? verify->kinds[block] != PAGE_PIECE
			: !map_has_block(ivf->index->map, block))
			return false;
		verify_set_bit(&ivf->owned, block);
	}
	return true;
}

/* What is wrong with an entry of a locked page, into violation; or NULL */
static const char *
entry_problem(IvfVerify *ivf, uint32 list, Page page, uint32 slot,
			  bool has_codes, const char **violation)
{
	IvfIndex   *index = ivf->index;
	const IvfLayout *layout = &index->layout;
	const ItemPointerData *tid = &ivf_page_tids(layout, page)[slot];
	const char *what = NULL;

	*violation = "entry_damaged";
	if (!ItemPointerIsValid(tid))
		return "It has no row number.";
	if (has_codes && index->kind == IVF_FLAT)
	{
		ivf_get_code(index->model, layout, ivf->codes, slot, ivf->code);
		if (!column_value_valid(&index->model->column, ivf->code,
								ivf_code_bytes(index->model)))
			return "Its value is none of the column.";
	}
	if (layout->has_values)
		what = read_value(ivf, ivf_page_values(layout, page)[slot], tid);
	if (what == NULL && layout->filter != NULL)
	{
		uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
		uint8	   *columns[FILTER_MAX_COLUMNS];

		ivf_page_keys(layout, page, columns);
		filter_get(layout->filter, columns, slot, keys);
		*violation = "summary";
		if (!summary_holds(ivf, list, keys))
			what = "The summary of its list does not hold its keys.";
	}
	return what;
}

/* Codes of a locked page, into ivf->codes; false if there are none */
static bool
read_codes(IvfVerify *ivf, Page page)
{
	const uint8 *codes;

	if (!own_pieces(ivf, page))
		return false;
	codes = ivf_page_codes(ivf->index, page, ivf->codes);
	if (codes != ivf->codes)
		memcpy(ivf->codes, codes, ivf_codes_bytes(&ivf->index->layout));
	return true;
}

/* Look at the entries of a page of a list. */
static bool
look_at_entries(IvfVerify *ivf, uint32 list, BlockNumber block, Page page,
				void *argument)
{
	bool		has_codes = read_codes(ivf, page);

	verify_set_bit(&ivf->owned, block);
	if (!has_codes)
		verify_report(ivf->verify, "list_page", block, NO_PLACE_SLOT, NULL,
					  "Its codes go on to a page that is none of codes.");
	memcpy(ivf->page.data, page, BLCKSZ);
	for (uint32 slot = 0; slot < ivf_list_page(page)->count; slot++)
		ivf->problems[slot] = entry_problem(ivf, list, page, slot, has_codes,
											&ivf->violations[slot]);
	return true;
}

/* Report what was found on it, and name its rows. */
static void
name_entries(IvfVerify *ivf, uint32 list, BlockNumber block)
{
	Verify	   *verify = ivf->verify;
	Page		page = (Page) ivf->page.data;
	uint32		count = ivf_list_page(page)->count;

	verify_count(verify, "list_pages", 1);
	verify_count(verify, "entries", count);
	for (uint32 slot = 0; slot < count; slot++)
	{
		ItemPointerData tid = ivf_page_tids(&ivf->index->layout, page)[slot];

		if (ivf->problems[slot] != NULL)
			verify_report(verify, ivf->violations[slot], block, slot, &tid, "%s",
						  ivf->problems[slot]);
		if (ItemPointerIsValid(&tid))
			verify_row(verify, &tid, PLACE_OF(list, block, slot));
	}
}

/* ------------------------------------------------------------------------
 * Lists
 */

/* On a standby, lists change under the walk: those are read again. */
#define STANDBY_ATTEMPTS	20

static void
verify_list(IvfVerify *ivf, uint32 list)
{
	Verify	   *verify = ivf->verify;
	IvfList		record = ivf_get_list(ivf->index, list);
	BlockNumber at;
	const char *what;
	ListEnd		end;
	int			attempts = RecoveryInProgress() ? STANDBY_ATTEMPTS : 1;

	do
		end = walk_list(ivf, list, look_at_entries, NULL, name_entries, &at, &what);
	while (end == LIST_LEFT && --attempts > 0);
	if (end == LIST_BROKEN || end == LIST_LEFT)
		verify_report(verify, "list_page", at, NO_PLACE_SLOT, NULL, "List %u: %s",
					  list, what);
	if (record.fill >= RelationGetNumberOfBlocks(verify->index) ||
		(record.fill < verify->blocks && verify->kinds[record.fill] != PAGE_RECORD))
		verify_report(verify, "list_record",
					  ivf->index->meta.directory + list / IVF_LISTS_PER_PAGE,
					  list % IVF_LISTS_PER_PAGE, NULL,
					  "The page of list %u that insertions look at first is none.",
					  list);
}

/* Is a block met on the way? */
static bool
is_other_block(IvfVerify *ivf, uint32 list, BlockNumber block, Page page,
			   void *argument)
{
	return block != *(const BlockNumber *) argument;
}

/* The list that a page says it is in; PG_UINT32_MAX: none */
static uint32
list_of(IvfVerify *ivf, BlockNumber block)
{
	Buffer		buffer = map_read(ivf->index->map, block);
	Page		page = BufferGetPage(buffer);
	uint32		list;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	list = ivf_list_page(page)->list;
	if (!ivf_page_of_list(page, list) ||
		ivf_list_page(page)->generation > ivf->index->meta.generation)
		list = PG_UINT32_MAX;
	UnlockReleaseBuffer(buffer);
	return list;
}

/*
 * A page that no list has led to.  One record makes it a page of its list and the
 * list lead to it, and another one undoes both.
 */
static void
verify_unowned(IvfVerify *ivf, BlockNumber block)
{
	Verify	   *verify = ivf->verify;
	uint32		list = list_of(ivf, block);
	BlockNumber at;
	const char *what;
	ListEnd		end = LIST_LEFT;

	if (list == PG_UINT32_MAX)
	{
		verify_count(verify, "pages_unlinked", 1);
		return;
	}
	for (int i = 0; i < 3 && end == LIST_LEFT && list < ivf->index->meta.lists; i++)
		end = walk_list(ivf, list, is_other_block, &block, NULL, &at, &what);
	if (end != LIST_STOPPED && list_of(ivf, block) == list)
		verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
					  "It says that it is of list %u, which does not lead to it.",
					  list);
}

static void
verify_unowned_pages(IvfVerify *ivf)
{
	Verify	   *verify = ivf->verify;
	const IvfMeta *meta = &ivf->index->meta;
	BlockNumber constants = ivf_raw_end(meta, ivf->index->filter);
	int64		leaked = 0;

	for (BlockNumber block = 1; block < verify->blocks; block++)
	{
		uint8		kind = verify->kinds[block];
		bool		raw = block >= meta->directory && block < constants;

		CHECK_FOR_INTERRUPTS();
		if (kind > PAGE_KEYS)
			continue;
		if (!raw && kind == PAGE_RAW && block >= meta->old_directory &&
			block < meta->old_end)
			continue;			/* of the generation before, or for the next */
		if (!raw && kind == PAGE_RAW && meta->begun > 0)
			verify_count(verify, "pages_unlinked", 1);	/* of another generation */
		else if (raw ? kind != PAGE_RAW
			: kind != PAGE_RECORD && kind != PAGE_VALUE && kind != PAGE_PIECE)
			verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
						  raw ? "It should be one of constants."
						  : "The index has no pages of its kind there.");
		else if (kind == PAGE_RECORD && !verify_bit(&ivf->owned, block))
			verify_unowned(ivf, block);
		else if (kind == PAGE_PIECE && !verify_bit(&ivf->owned, block))
			verify_count(verify, "pages_unlinked", 1);
	}
	for (uint64 id = 0; id < ivf->values.end; id++)
		leaked += verify_bit(&ivf->values, id);
	verify_count(verify, "slots_leaked", leaked);
}

/* ------------------------------------------------------------------------
 * All together
 */

static void
open_index(Verify *verify, void *argument)
{
	*(IvfIndex **) argument = ivf_open(verify->index);
}

static void
note_pages(IvfVerify *ivf)
{
	Verify	   *verify = ivf->verify;
	const SlotGeometry *values = &ivf->index->values.geometry;

	verify_phase(verify, VERIFY_PHASE_PAGES, verify->blocks);
	for (BlockNumber block = 0; block < verify->blocks; block++)
	{
		verify_progress(block);
		if (!verify_read_page(verify, block) ||
			verify->kinds[block] != PAGE_VALUE || values->per_page == 0)
			continue;
		for (uint32 slot = 0; slot < slots_in_use(values, (Page) verify->page.data); slot++)
		{
			if (slot_at(values, (Page) verify->page.data, slot)->state == SLOT_USED)
				verify_set_bit(&ivf->values, slot_id(values, block, slot));
		}
	}
}

/*
 * Pages of lists that another generation has replaced belong to it until they are
 * freed.  What does not look like that is found later.
 */
static void
own_old_generation(IvfVerify *ivf)
{
	const IvfMeta *meta = &ivf->index->meta;
	Verify	   *verify = ivf->verify;
	BlockNumber pages = 0;

	for (uint32 list = 0; list < meta->old_lists; list++)
	{
		BlockNumber block = meta->old_directory + list / IVF_LISTS_PER_PAGE;

		if (block >= verify->blocks || verify->kinds[block] != PAGE_RAW ||
			!verify_read_page(verify, block))
			continue;
		block = ((IvfList *) PageGetContents((Page) verify->page.data))
			[list % IVF_LISTS_PER_PAGE].head;
		while (block < verify->blocks && verify->kinds[block] == PAGE_RECORD &&
			   !verify_bit(&ivf->owned, block) && pages++ < verify->blocks)
		{
			Buffer		buffer = map_read(ivf->index->map, block);
			Page		page = BufferGetPage(buffer);
			BlockNumber next = InvalidBlockNumber;

			CHECK_FOR_INTERRUPTS();
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (page_is_sound(page, PAGE_RECORD) && ivf_page_of_list(page, list) &&
				ivf_list_page(page)->generation <= meta->old_generation)
			{
				verify_set_bit(&ivf->owned, block);
				(void) own_pieces(ivf, page);
				next = ivf_list_page(page)->next;
			}
			UnlockReleaseBuffer(buffer);
			block = next;
		}
	}
}

/* Are the pages of lists' records there, and long enough? */
static bool
directory_is_sound(IvfVerify *ivf)
{
	Verify	   *verify = ivf->verify;
	const IvfMeta *meta = &ivf->index->meta;

	for (BlockNumber block = meta->directory; block < meta->constants; block++)
	{
		if (block >= verify->blocks || verify->kinds[block] != PAGE_RAW ||
			!verify_read_page(verify, block) ||
			((PageHeader) verify->page.data)->pd_lower <
			MAXALIGN(SizeOfPageHeaderData) + IVF_LISTS_PER_PAGE * sizeof(IvfList))
		{
			verify_report(verify, "page_damaged", block, NO_PLACE_SLOT, NULL,
						  "It should have the records of lists.");
			return false;
		}
	}
	return true;
}

static bool
ivf_walk(Verify *verify)
{
	IvfVerify  *ivf = (IvfVerify *) palloc0(sizeof(IvfVerify));
	static const SlotGeometry pages = {.per_page = 1};
	IvfIndex   *index;
	Size		floats;

	verify->state = ivf;
	ivf->verify = verify;
	if (!verify_guard(verify, open_index, &ivf->index, META_BLOCK))
		return false;
	index = ivf->index;
	verify->several = index->model->column.type->array;
	floats = mul_size(index->meta.width, sizeof(float));
	ivf->problems = (const char **) palloc(index->layout.slots * sizeof(char *));
	ivf->violations = (const char **) palloc(index->layout.slots * sizeof(char *));
	ivf->codes = (uint8 *) palloc0(ivf_codes_bytes(&index->layout));
	ivf->code = (uint8 *) palloc0(MAXALIGN(ivf_code_bytes(index->model)));
	ivf->made = (uint8 *) palloc0(MAXALIGN(ivf_code_bytes(index->model)));
	ivf->encoder = ivf_encoder_create(index->model);
	ivf->y = (float *) palloc0(floats);
	ivf->centroid = (float *) palloc0(floats);
	ivf->residual = (float *) palloc0(floats);
	ivf->decoded = (float *) palloc0(floats);
	verify_bits_init(verify, &pages, &ivf->owned);
	if (index->layout.has_values)
	{
		ivf->bounder = ivf_bounder_create(index->model);
		ivf->value = (IvfValue *) palloc0(ivf_value_size(&index->model->column));
		ivf->piece = (char *) palloc(index->values.geometry.slot_size);
		verify_bits_init(verify, &index->values.geometry, &ivf->values);
	}

	note_pages(ivf);
	if (verify->kinds[META_BLOCK] != PAGE_META || !directory_is_sound(ivf))
		return false;
	verify_phase(verify, VERIFY_PHASE_ENTRIES, index->meta.lists);
	verify_count(verify, "lists", index->meta.lists);
	verify_count(verify, "list_pages", 0);
	verify_count(verify, "entries", 0);
	for (uint32 list = 0; list < index->meta.lists; list++)
	{
		verify_progress(list);
		verify_list(ivf, list);
	}
	own_old_generation(ivf);
	verify_unowned_pages(ivf);
	verify_free_lists(verify);
	return true;
}

static int
ivf_count_row(Verify *verify, uint64 place, ItemPointer tid)
{
	return count_in_list((IvfVerify *) verify->state, PLACE_LIST(place), tid);
}

static uint64
ivf_group(uint64 place)
{
	return PLACE_LIST(place);
}

static void
ivf_where(Verify *verify, uint64 place, BlockNumber *block, int64 *slot)
{
	*block = PLACE_BLOCK(place);
	*slot = PLACE_SLOT(place);
}

/* On a standby, an entry may have gone past the walk; else it has not. */
static bool
ivf_find_row(Verify *verify, ItemPointer tid)
{
	IvfVerify  *ivf = (IvfVerify *) verify->state;

	for (int attempt = 0; attempt < 3 && RecoveryInProgress(); attempt++)
	{
		for (uint32 list = 0; list < ivf->index->meta.lists; list++)
		{
			if (count_in_list(ivf, list, tid) > 0)
				return true;
		}
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Entries and rows
 */

/* Has a value an entry?  Then its y is ivf->y, but for exact codes. */
static bool
has_entry(IvfVerify *ivf, const struct varlena *value)
{
	return ivf->index->kind == IVF_EXACT ||
		ivf_transform(ivf->index->model, value, false, ivf->y);
}

/* The values of a row that have entries; of an array, several */
static int
ivf_count_entries(Verify *verify, Datum *values)
{
	IvfVerify  *ivf = (IvfVerify *) verify->state;
	MultiVector elements;
	int			count = 0;

	column_values(&ivf->index->model->column,
				  (const struct varlena *) PG_DETOAST_DATUM(values[0]), &elements);
	for (int i = 0; i < elements.count; i++)
		count += has_entry(ivf, column_values_get(&elements, i));
	return count;
}

static bool
ivf_indexes(Verify *verify, Datum *values, const bool *isnull)
{
	if (isnull[0])
		return false;
	return ivf_count_entries(verify, values) > 0;
}

/* An entry that is being looked for, and what has been found of it */
typedef struct EntrySearch
{
	ItemPointer tid;
	bool		found;
	bool		has_code;
	IvfEntry	entry;			/* its code is in ivf->code */
	const char *value_problem;
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
} EntrySearch;

static bool
find_on_page(IvfVerify *ivf, uint32 list, BlockNumber block, Page page,
			 void *argument)
{
	EntrySearch *search = (EntrySearch *) argument;
	IvfIndex   *index = ivf->index;
	const IvfLayout *layout = &index->layout;
	const ItemPointerData *tids = ivf_page_tids(layout, page);

	for (uint32 i = 0; i < ivf_list_page(page)->count; i++)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		if (!verify_same_tid(&tids[i], search->tid))
			continue;
		search->found = true;
		search->has_code = read_codes(ivf, page);
		if (search->has_code)
			ivf_get_code(index->model, layout, ivf->codes, i, ivf->code);
		if (layout->factors > 0)
			search->entry.add = ivf_page_add(layout, page)[i];
		if (layout->factors > 1)
			search->entry.k = ivf_page_k(layout, page)[i];
		if (layout->factors > 2)
			search->entry.error = ivf_page_error(layout, page)[i];
		if (layout->filter != NULL)
		{
			ivf_page_keys(layout, page, columns);
			filter_get(layout->filter, columns, i, search->keys);
		}
		if (layout->has_values)
			search->value_problem =
				read_value(ivf, ivf_page_values(layout, page)[i], &tids[i]);
		return false;
	}
	return true;
}

/*
 * Read a list's centroid.  False where its page is damaged, which has been reported:
 * nothing can be said of codes then.
 */
static bool
read_centroid(IvfVerify *ivf, uint32 list)
{
	IvfIndex   *index = ivf->index;
	uint64		first = index->centroids + (uint64) list * index->meta.width;

	for (uint64 page = first / IVF_RAW_FLOATS;
		 page <= (first + index->meta.width - 1) / IVF_RAW_FLOATS; page++)
	{
		uint64		block = index->meta.constants + page;

		if (index->model->centroids == NULL &&
			(block >= ivf->verify->blocks ||
			 ivf->verify->kinds[block] != PAGE_RAW))
			return false;
	}
	ivf_read_centroid(index, list, ivf->centroid);
	return true;
}

/* What is wrong with what an entry keeps of a value, whose y is ivf->y; or NULL */
static const char *
value_problem(IvfVerify *ivf, uint32 list, const struct varlena *value,
			  EntrySearch *search)
{
	const IvfModel *model = ivf->index->model;
	IvfEntry	made;

	search->entry.code = ivf->code;
	if (model->kind == IVF_EXACT)
		return !search->has_code || exact_holds(model, value, ivf->residual, &search->entry)
			? NULL : "Its code does not hold for its row.";
	if (search->has_code && read_centroid(ivf, list))
	{
		made.code = ivf->made;
		for (int i = 0; i < model->width; i++)
			ivf->residual[i] = ivf->y[i] - ivf->centroid[i];
		ivf_encode(ivf->encoder, value, ivf->y, ivf->centroid, &made);
		if (model->kind == IVF_FLAT
			? memcmp(ivf->code, made.code, VARSIZE(value)) != 0
			: !ivf_code_fits(model, &search->entry, &made, ivf->residual, ivf->centroid,
						   ivf->decoded))
			return model->kind == IVF_FLAT ? "Its value is not that of its row."
				: "Its code is not that of its row.";
	}
	if (ivf->bounder == NULL || search->value_problem != NULL)
		return NULL;
	bounded_query_set(&ivf->bounder->query, value);
	return verify_bounded(&ivf->bounder->query, &ivf->value->bounded) ? NULL
		: "Its half precision value is not that of its row.";
}

static void
ivf_check_row(Verify *verify, uint64 place, ItemPointer tid, Datum *values,
			  const bool *isnull)
{
	IvfVerify  *ivf = (IvfVerify *) verify->state;
	MultiVector elements;
	uint32		list = PLACE_LIST(place);
	EntrySearch search = {.tid = tid};
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	BlockNumber at;
	const char *what = NULL;
	Buffer		buffer = pin_page(ivf, PLACE_BLOCK(place));

	/* where it was, or where vacuum has moved it */
	if (BufferIsValid(buffer))
	{
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (ivf_page_of_list(BufferGetPage(buffer), list) &&
			ivf_page_fits(&ivf->index->layout, BufferGetPage(buffer)))
			(void) find_on_page(ivf, list, PLACE_BLOCK(place), BufferGetPage(buffer),
								&search);
		UnlockReleaseBuffer(buffer);
	}
	if (!search.found)
		(void) walk_list(ivf, list, find_on_page, &search, NULL, &at, &what);
	if (!search.found)
		return;
	column_values(&ivf->index->model->column,
				  (const struct varlena *) PG_DETOAST_DATUM(values[0]), &elements);
	for (int i = 0; i < elements.count; i++)
	{
		const struct varlena *value = column_values_get(&elements, i);

		if (!has_entry(ivf, value))
			continue;
		what = value_problem(ivf, list, value, &search);
		if (what == NULL)
			break;
	}
	if (what == NULL && ivf->index->filter != NULL)
	{
		filter_make_keys(ivf->index->filter, values, isnull, keys);
		if (memcmp(search.keys, keys, ivf->index->filter->entry_bytes) != 0)
			what = "Its keys are not those of its row.";
	}
	if (what != NULL)
		verify_report(verify, "row_differs", PLACE_BLOCK(place), PLACE_SLOT(place),
					  tid, "%s", what);
}

const VerifyMethods ivf_verify_methods = {
	.walk = ivf_walk,
	.count_row = ivf_count_row,
	.group = ivf_group,
	.find_row = ivf_find_row,
	.where = ivf_where,
	.indexes = ivf_indexes,
	.count_entries = ivf_count_entries,
	.check_row = ivf_check_row
};
