/*
 * verify.c
 *	  Is an index what README.md promises?  Segments, pending rows, pages.
 *
 * What is looked at is what one copy of the metapage knows, taken after the snapshot:
 * a segment does not change but for rows that are marked dead, and pages of what is
 * replaced meanwhile are not given back while the snapshot is held.  Rows are removed
 * from what the metapage knows now, so that is asked where a row seems to be gone.
 *
 * The readers of this folder are used, which raise an error at damage: it is
 * reported, and the check goes on with the next part.  Locks are those of a scan.
 */
#include "sparse/inverted.h"

#include <math.h>

#include "miscadmin.h"

#include "common/hashfn.h"
#include "index/verify.h"
#include "sparse/pending.h"
#include "storage/page_check.h"

/* A segment, and what its rows have of weights: see add_posting */
typedef struct SegmentState
{
	InvertedSegment entry;
	Segment    *segment;		/* NULL: it cannot be opened */
	bool		complete;		/* all of its postings could be read */
	uint32	   *elements;
	double	   *sums;			/* these, where all rows are compared */
	double	   *errors;
	double	   *sizes;
} SegmentState;

typedef struct InvertedVerify
{
	Verify	   *verify;
	InvertedIndex *index;
	VerifyBits	owned;			/* blocks that something leads to */
	SegmentState segments[MAX_SEGMENTS];
	int			current;		/* of them, the one being looked at */
	const PendingList *list;	/* the list being looked at */

	/* the term and the group being looked at */
	InvertedTerm terms[PAGE_TERMS];
	PostingGroup groups[PAGE_GROUPS];
	char		postings[INVERTED_ROOM];
	uint32		postings_page;
} InvertedVerify;

/*
 * Places: of a row of a segment, which of the segments it is (their ids may be
 * anything) and the row's number; of a pending one, the block and how many rows of the
 * page come before.
 */
#define PENDING_PLACE	(UINT64CONST(1) << 63)
#define DOC_PLACE(segment, doc)	((uint64) (segment) << 32 | (doc))
#define PLACE_SEGMENT(place)	((int) ((place) >> 32))
#define ROW_PLACE(block, row)	(PENDING_PLACE | (uint64) (block) << 16 | (row))

static void
report_part(InvertedVerify *inverted, const SegmentState *state,
			InvertedPart part, uint32 page, int64 item, const char *violation,
			const char *what)
{
	const Segment *segment = state->segment;

	verify_report(inverted->verify, violation,
				  segment->blocks[segment->starts[part] + page], item, NULL,
				  "Segment %u: %s", state->entry.id, what);
}

/* A block that belongs to a segment or a list; it must be no other's, and not free. */
static void
own_block(InvertedVerify *inverted, BlockNumber block)
{
	Verify	   *verify = inverted->verify;
	PageOpaque	opaque;
	Buffer		buffer;

	if (verify_bit(&inverted->owned, block))
		verify_report(verify, "segment_page", block, NO_PLACE_SLOT, NULL,
					  "More than one place of the index leads to it.");
	verify_set_bit(&inverted->owned, block);
	if (block >= verify->blocks || verify->kinds[block] != PAGE_RECORD)
		return;
	buffer = map_read(inverted->index->map, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	opaque = *page_opaque(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	if (opaque.in_free_list)
		verify_report(verify, "segment_page", block, NO_PLACE_SLOT, NULL,
					  "It is in use, and in the list of free pages.");
}

/* ------------------------------------------------------------------------
 * Segments.  Each of these is called by a guard.
 */

static void
open_segment(Verify *verify, void *argument)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;
	InvertedIndex *index = inverted->index;
	SegmentState *state = &inverted->segments[inverted->current];
	Segment    *segment = segment_open(index, &state->entry);
	uint32		blocks = 0;
	BlockNumber maps[MAX_MAP_PAGES];
	Buffer		buffer = inverted_lock_page(index, state->entry.root, state->entry.id,
											PART_ROOT, BUFFER_LOCK_SHARE);

	memcpy(maps, root_maps((InvertedRoot *) inverted_data(BufferGetPage(buffer))),
		   segment->root.map_pages * sizeof(BlockNumber));
	UnlockReleaseBuffer(buffer);
	own_block(inverted, state->entry.root);
	for (uint32 i = 0; i < segment->root.map_pages; i++)
		own_block(inverted, maps[i]);
	for (int part = 0; part < MAPPED_PARTS; part++)
		blocks += segment->root.pages[part];
	for (uint32 i = 0; i < blocks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		own_block(inverted, segment->blocks[i]);
	}
	if (state->entry.postings != segment->root.postings ||
		state->entry.pages != blocks + segment->root.map_pages + 1)
		verify_report(verify, "segment_counts", state->entry.root, NO_PLACE_SLOT, NULL,
					  "Segment %u: its counts are not those of the metapage.",
					  state->entry.id);

	/* what is known of its rows comes from its postings */
	state->elements = (uint32 *)
		verify_map(verify, mul_size(segment->root.docs, sizeof(uint32)));
	if (verify->all_rows)
	{
		Size		bytes = mul_size(segment->root.docs, sizeof(double));

		state->sums = (double *) verify_map(verify, bytes);
		state->errors = (double *) verify_map(verify, bytes);
		state->sizes = (double *) verify_map(verify, bytes);
	}
	state->segment = segment;
}

static void
verify_docs(Verify *verify, void *argument)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;
	InvertedIndex *index = inverted->index;
	SegmentState *state = &inverted->segments[inverted->current];
	const Segment *segment = state->segment;
	uint32		dead = 0;
	uint32		special = 0;

	for (uint32 page = 0; page < segment->root.pages[PART_DOCS]; page++)
	{
		Buffer		buffer = segment_lock(index, segment, PART_DOCS, page,
										  BUFFER_LOCK_SHARE);
		uint32		first = page * index->page_docs;
		uint32		count = Min(index->page_docs, segment->root.docs - first);

		CHECK_FOR_INTERRUPTS();
		memcpy(verify->page.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		for (uint32 i = 0; i < count; i++)
		{
			ItemPointer tid = &docs_tids((Page) verify->page.data)[i];

			if (index->has_flags)
				special += docs_flags(index, (Page) verify->page.data)[i] != 0;
			if (doc_is_dead(tid))
				dead++;
			else
				verify_row(verify, tid, DOC_PLACE(inverted->current, first + i));
		}
	}
	verify_count(verify, "rows_dead", dead);
	/* vacuum counts them after it has marked them */
	if (dead < state->entry.dead || special != segment->root.special)
		verify_report(verify, "segment_counts", state->entry.root, NO_PLACE_SLOT, NULL,
					  "Segment %u: it has %u dead rows and %u with flags, but says that it has %u and %u.",
					  state->entry.id, dead, special, state->entry.dead,
					  segment->root.special);
}

/* A pseudorandom factor of a dimension: of size 1/2 to 1, of either sign */
static double
dim_factor(int32 dim)
{
	uint32		hash = hash_bytes_uint32((uint32) dim);

	return (0.5 + (hash >> 1) / (double) 0xFFFFFFFF) * (hash & 1 ? 1 : -1);
}

/*
 * A weight of a row.  A row's weights are in the lists of all its terms, and here come
 * term by term: they are added up, each times a factor of its dimension.  The sum of
 * the weights that the table has differs by no more than the sum of the errors.
 */
static void
add_posting(SegmentState *state, const InvertedTerm *term, uint32 doc, float weight)
{
	double		factor;

	state->elements[doc]++;
	if (state->sums == NULL)
		return;
	factor = dim_factor(term->dim);
	state->sums[doc] += factor * weight;
	state->errors[doc] += fabs(factor) * term->error;
	state->sizes[doc] += fabs(factor * weight);
}

/* The postings of a group, from one on, of which weights are checked */
static void
verify_group(InvertedVerify *inverted, const InvertedTerm *term,
			 const PostingGroup *group, uint64 posting)
{
	InvertedIndex *index = inverted->index;
	SegmentState *state = &inverted->segments[inverted->current];
	const Segment *segment = state->segment;
	bool		codes = index->meta.weights == WEIGHT_CODES;
	const char *what = NULL;
	int			last = -1;

	for (int i = 0; i <= group->others; i++, posting++)
	{
		uint32		number = posting / index->page_postings;
		uint32		at = posting % index->page_postings;
		uint32		place;
		uint32		doc;
		float		weight;
		uint8		bound;

		if (number != inverted->postings_page)
		{
			Buffer		buffer = segment_lock(index, segment, PART_POSTINGS, number,
											  BUFFER_LOCK_SHARE);

			memcpy(inverted->postings, inverted_data(BufferGetPage(buffer)), INVERTED_ROOM);
			UnlockReleaseBuffer(buffer);
			inverted->postings_page = number;
		}
		place = ((uint8 *) inverted->postings)[at];
		doc = group->range * RANGE_DOCS + place;
		if (place >= RANGE_DOCS || doc >= segment->root.docs)
		{
			report_part(inverted, state, PART_POSTINGS, number, at, "posting",
						"A posting is of no row.");
			continue;
		}
		if ((int) place <= last)
			what = "Postings are not in the order of rows.";
		last = place;
		if (codes)
		{
			uint8		code = ((uint8 *) inverted->postings + index->page_postings)[at];

			weight = weight_decode(code, term->step, term->negative);
			bound = code_bound(code, term->negative);
		}
		else
		{
			weight = ((float *) (inverted->postings + index->page_postings))[at];
			bound = weight_bound(weight, term->step);
		}
		/* a code may be rounded up */
		if (!isfinite(weight) || weight == 0 || (weight < 0 && !term->negative) ||
			fabsf(weight) > term->greatest + (codes ? term->step : 0))
			what = "A weight is none that its term can have.";
		else if (bound > group->greatest)
			what = "A weight is greater than its group says.";
		if (what != NULL)
			report_part(inverted, state, PART_POSTINGS, number, at, "posting", what);
		what = NULL;
		add_posting(state, term, doc, weight);
	}
}

/* The groups of a term; returns the postings that they have. */
static uint64
verify_groups(InvertedVerify *inverted, const InvertedTerm *term)
{
	SegmentState *state = &inverted->segments[inverted->current];
	const Segment *segment = state->segment;
	uint64		postings = 0;
	int			range = -1;

	for (uint32 first = 0; first < term->groups;)
	{
		uint32		count = segment_read_groups(inverted->index, segment, term, first,
												inverted->groups);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < count; i++)
		{
			const PostingGroup *group = &inverted->groups[i];
			uint64		at = term->first_group + first + i;

			if ((int) group->range <= range)
				report_part(inverted, state, PART_GROUPS, at / PAGE_GROUPS,
							at % PAGE_GROUPS, "group", "Groups are not in the order of ranges.");
			range = group->range;
			if (postings + group->others + 1 > term->docs)
			{
				report_part(inverted, state, PART_GROUPS, at / PAGE_GROUPS,
							at % PAGE_GROUPS, "group",
							"Groups have more postings than their term.");
				return postings + group->others + 1;
			}
			verify_group(inverted, term, group, term->first_posting + postings);
			postings += group->others + 1;
		}
		first += count;
	}
	return postings;
}

/* What is wrong with a term, behind the one before; or NULL */
static const char *
term_problem(const InvertedVerify *inverted, const Segment *segment,
			 const InvertedTerm *term, int64 dim, uint64 groups, uint64 postings)
{
	if (term->dim <= dim || term->dim >= (int64) inverted->index->meta.dims)
		return "Terms are not in the order of dimensions.";
	if (term->first_group != groups || term->first_posting != postings ||
		term->docs == 0 || term->groups == 0 || term->groups > term->docs ||
		term->docs > segment->root.docs ||
		term->groups > segment->root.groups - groups ||
		term->docs > segment->root.postings - postings)
		return "A term does not begin where the one before ends.";
	if (!(term->step > 0) || !isfinite(term->step) || !(term->error >= 0) ||
		!isfinite(term->error) || !(term->greatest > 0) ||
		!isfinite(term->greatest) || term->negative > 1)
		return "A term has impossible numbers.";
	return NULL;
}

static void
verify_terms(Verify *verify, void *argument)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;
	InvertedIndex *index = inverted->index;
	SegmentState *state = &inverted->segments[inverted->current];
	const Segment *segment = state->segment;
	uint64		groups = 0;
	uint64		postings = 0;
	int64		dim = -1;

	inverted->postings_page = PG_UINT32_MAX;
	for (uint32 page = 0; page < segment->root.pages[PART_TERMS]; page++)
	{
		uint32		count = Min(PAGE_TERMS, segment->root.terms - page * PAGE_TERMS);
		Buffer		buffer = segment_lock(index, segment, PART_TERMS, page,
										  BUFFER_LOCK_SHARE);

		memcpy(inverted->terms, inverted_data(BufferGetPage(buffer)),
			   count * sizeof(InvertedTerm));
		UnlockReleaseBuffer(buffer);
		if (segment->tops[page] != inverted->terms[0].dim)
			report_part(inverted, state, PART_TERMS, page, NO_PLACE_SLOT, "term",
						"Its first dimension is not the one by which it is found.");
		for (uint32 i = 0; i < count; i++)
		{
			const InvertedTerm *term = &inverted->terms[i];
			const char *what = term_problem(inverted, segment, term, dim, groups, postings);
			uint64		found;

			if (what != NULL)
			{
				report_part(inverted, state, PART_TERMS, page, i, "term", what);
				return;
			}
			found = verify_groups(inverted, term);
			if (found != term->docs)
			{
				report_part(inverted, state, PART_TERMS, page, i, "term",
							"It has other postings than its groups.");
				return;
			}
			dim = term->dim;
			groups += term->groups;
			postings += term->docs;
		}
	}
	state->complete = true;
	verify_count(verify, "terms", segment->root.terms);
	verify_count(verify, "groups", groups);
	verify_count(verify, "postings", postings);
	if (groups != segment->root.groups || postings != segment->root.postings)
		verify_report(verify, "segment_counts", state->entry.root, NO_PLACE_SLOT, NULL,
					  "Segment %u: its terms have other groups or postings than it says.",
					  state->entry.id);
	for (uint32 doc = 0; doc < segment->root.docs; doc++)
	{
		if (state->elements[doc] > segment->root.longest)
		{
			verify_report(verify, "segment_counts", state->entry.root, NO_PLACE_SLOT,
						  NULL, "Segment %u: row %u has more elements than it says that any has.",
						  state->entry.id, doc);
			break;
		}
	}
}

static void
verify_segments(InvertedVerify *inverted)
{
	Verify	   *verify = inverted->verify;
	const InvertedMeta *meta = &inverted->index->meta;

	verify_count(verify, "segments", meta->segments);
	for (uint32 i = 0; i < meta->segments; i++)
	{
		SegmentState *state = &inverted->segments[i];

		verify_progress(i);
		inverted->current = i;
		state->entry = meta->segment[i];
		if (!verify_guard(verify, open_segment, inverted, state->entry.root))
			continue;
		(void) verify_guard(verify, verify_docs, inverted, state->entry.root);
		(void) verify_guard(verify, verify_terms, inverted, state->entry.root);
	}
}

/* ------------------------------------------------------------------------
 * Pending rows
 */

/* What is wrong with a value's elements, or NULL */
static const char *
value_problem(const SparseVector *value)
{
	for (int i = 0; i < value->nnz; i++)
	{
		if (value->indices[i] < (i == 0 ? 0 : value->indices[i - 1] + 1) ||
			value->indices[i] >= value->dim || !isfinite(sparse_values(value)[i]))
			return "A pending row is no sparse vector.";
	}
	return NULL;
}

static void
visit_pending(void *argument, const InvertedDoc *doc, const SparseVector *value)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;
	const char *what = value_problem(value);

	if (what != NULL)
		verify_report(inverted->verify, "pending_row", inverted->list->head,
					  NO_PLACE_SLOT, &doc->tid, "%s", what);
}

/* The pieces of a long row */
static void
own_pieces(InvertedVerify *inverted, BlockNumber block)
{
	ChainCheck	chain = {0};

	while (block != InvalidBlockNumber && !chain_cycles(&chain, block))
	{
		Buffer		buffer = inverted_lock_page(inverted->index, block,
												inverted->list->id, PART_PIECE,
												BUFFER_LOCK_SHARE);
		BlockNumber next = inverted_page(BufferGetPage(buffer))->next;

		CHECK_FOR_INTERRUPTS();
		UnlockReleaseBuffer(buffer);
		own_block(inverted, block);
		block = next;
	}
}

/*
 * Go through the rows of a page of pending rows, a copy: what find finds ends it.
 * False: it goes on to the end.
 */
typedef bool (*RowFind) (InvertedVerify *inverted, const PendingRow *row,
						 ItemPointer tid, BlockNumber block, int number,
						 void *argument);

static bool
each_row(InvertedVerify *inverted, Page page, BlockNumber block, RowFind find,
		 void *argument)
{
	const InvertedPage *header = inverted_page(page);
	uint32		count = Min(header->count, INVERTED_ROOM);
	int			number = 0;

	if (pending_is_long(header))
		return find(inverted, NULL, &((LongRow *) inverted_data(page))->tid, block, 0,
					argument);
	for (Size offset = 0; offset + sizeof(PendingRow) <= count;)
	{
		PendingRow *row = (PendingRow *) (inverted_data(page) + offset);

		if (row->size == 0 || row->size > count - offset ||
			row->size != MAXALIGN(row->size))
			break;
		if (find(inverted, row, &row->doc.tid, block, number++, argument))
			return true;
		offset += row->size;
	}
	return false;
}

static bool
name_row(InvertedVerify *inverted, const PendingRow *row, ItemPointer tid,
		 BlockNumber block, int number, void *argument)
{
	if (!doc_is_dead(tid))
		verify_row(inverted->verify, tid, ROW_PLACE(block, number));
	return false;
}

/* Called by a guard: the list's pages are its own, and its rows have their form. */
static void
verify_pending(Verify *verify, void *argument)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;
	const PendingList *list = inverted->list;
	BlockNumber block = list->head;
	BlockNumber last = InvalidBlockNumber;
	ChainCheck	chain = {0};
	PGAlignedBlock copy;

	pending_visit(inverted->index, list, visit_pending, inverted);
	while (block != InvalidBlockNumber && !chain_cycles(&chain, block))
	{
		const InvertedPage *header = inverted_page((Page) copy.data);
		Buffer		buffer = inverted_lock_page(inverted->index, block, list->id,
												PART_PENDING, BUFFER_LOCK_SHARE);

		CHECK_FOR_INTERRUPTS();
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		own_block(inverted, block);
		verify_count(verify, "pending_pages", 1);
		if (pending_is_long(header))
			own_pieces(inverted, ((LongRow *) inverted_data((Page) copy.data))->piece);
		(void) each_row(inverted, (Page) copy.data, block, name_row, NULL);

		/* the list as it was: what came behind its tail is new */
		if (block == list->tail)
			return;
		last = block;
		block = header->next;
	}
	if (last != InvalidBlockNumber)
		verify_report(verify, "pending_page", last, NO_PLACE_SLOT, NULL,
					  "The list of pending rows does not come to its last page.");
}

/* ------------------------------------------------------------------------
 * Pages
 */

/* Pages of what the metapage knows that nothing has led to */
static void
verify_unowned(InvertedVerify *inverted)
{
	Verify	   *verify = inverted->verify;
	const InvertedMeta *meta = &inverted->index->meta;
	int64		unlinked = 0;

	for (BlockNumber block = 1; block < verify->blocks; block++)
	{
		InvertedPage header;
		Buffer		buffer;
		bool		in_use;

		CHECK_FOR_INTERRUPTS();
		if (verify->kinds[block] < VERIFY_PAGE_NEW && verify->kinds[block] != PAGE_RECORD)
			verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
						  "The index has no pages of its kind.");
		if (verify->kinds[block] != PAGE_RECORD || verify_bit(&inverted->owned, block))
			continue;
		buffer = map_read(inverted->index->map, block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		header = *inverted_page(BufferGetPage(buffer));
		in_use = inverted_has_header(BufferGetPage(buffer)) &&
			!page_opaque(BufferGetPage(buffer))->in_free_list;
		UnlockReleaseBuffer(buffer);
		if (!in_use)
			continue;
		unlinked++;
		for (uint32 i = 0; i < meta->segments; i++)
		{
			if (meta->segment[i].id == header.owner && header.part <= PART_MAP &&
				inverted->segments[i].segment != NULL)
				verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
							  "It says that it is of segment %u, which does not lead to it.",
							  header.owner);
		}
	}
	verify_count(verify, "pages_unlinked", unlinked);
}

/* ------------------------------------------------------------------------
 * All together
 */

static void
open_index(Verify *verify, void *argument)
{
	InvertedVerify *inverted = (InvertedVerify *) argument;

	inverted->index = inverted_open(verify->index);
	inverted_refresh(inverted->index);
}

static bool
inverted_walk(Verify *verify)
{
	static const SlotGeometry pages = {.per_page = 1};
	InvertedVerify *inverted = (InvertedVerify *) palloc0(sizeof(InvertedVerify));
	const InvertedMeta *meta;

	verify->state = inverted;
	inverted->verify = verify;
	if (!verify_guard(verify, open_index, inverted, META_BLOCK))
		return false;
	meta = &inverted->index->meta;
	verify_bits_init(verify, &pages, &inverted->owned);
	verify_phase(verify, VERIFY_PHASE_PAGES, verify->blocks);
	for (BlockNumber block = 0; block < verify->blocks; block++)
	{
		verify_progress(block);
		(void) verify_read_page(verify, block);
	}
	if (verify->kinds[META_BLOCK] != PAGE_META)
		return false;
	verify_phase(verify, VERIFY_PHASE_ENTRIES, meta->segments);
	verify_segments(inverted);
	verify_count(verify, "pending_pages", 0);
	inverted->list = &meta->sealed;
	(void) verify_guard(verify, verify_pending, inverted, meta->sealed.head);
	inverted->list = &meta->pending;
	(void) verify_guard(verify, verify_pending, inverted, meta->pending.head);
	verify_unowned(inverted);
	verify_free_lists(verify);
	return true;
}

/* ------------------------------------------------------------------------
 * Rows
 */

/* Does the metapage still know the segment, or the pending list, of a number? */
static bool
is_current(InvertedVerify *inverted, uint32 id)
{
	Buffer		buffer = inverted_lock_meta(inverted->index, BUFFER_LOCK_SHARE);
	const InvertedMeta *meta = inverted_page_meta(BufferGetPage(buffer));
	bool		known = meta->pending.id == id || meta->sealed.id == id;

	for (uint32 i = 0; i < meta->segments; i++)
		known |= meta->segment[i].id == id;
	UnlockReleaseBuffer(buffer);
	return known;
}

/* Copy a page of the rows of a segment; the row's place on it */
static uint32
read_docs(InvertedVerify *inverted, const SegmentState *state, uint32 doc, Page copy)
{
	Buffer		buffer = segment_lock(inverted->index, state->segment, PART_DOCS,
									  doc / inverted->index->page_docs,
									  BUFFER_LOCK_SHARE);

	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return doc % inverted->index->page_docs;
}

/* A pending row that is looked for, by its place; it lies in a copy of its page */
typedef struct PendingFind
{
	int			number;
	PendingRow *row;			/* NULL: it is in pieces */
	ItemPointerData tid;
} PendingFind;

static bool
find_number(InvertedVerify *inverted, const PendingRow *row, ItemPointer tid,
			BlockNumber block, int number, void *argument)
{
	PendingFind *find = (PendingFind *) argument;

	if (number != find->number)
		return false;
	find->row = unconstify(PendingRow *, row);
	find->tid = *tid;
	return true;
}

/* Copy the page of a pending row, and find it there; the list's number, 0: none. */
static uint32
read_pending(InvertedVerify *inverted, uint64 place, Page copy, PendingFind *find)
{
	BlockNumber block = (BlockNumber) (place >> 16);
	Buffer		buffer = map_read(inverted->index->map, block);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	find->number = place & 0xFFFF;
	if (!page_is_sound(copy, PAGE_RECORD) || !inverted_has_header(copy) ||
		inverted_page(copy)->part != PART_PENDING ||
		!each_row(inverted, copy, block, find_number, find))
		return 0;
	return inverted_page(copy)->owner;
}

/* Only what the metapage knows now tells that a row is in the index. */
static int
inverted_count_row(Verify *verify, uint64 place, ItemPointer tid)
{
	InvertedVerify *inverted = (InvertedVerify *) verify->state;
	PGAlignedBlock copy;
	ItemPointerData mine;
	uint32		owner;

	if (place & PENDING_PLACE)
	{
		PendingFind find;

		owner = read_pending(inverted, place & ~PENDING_PLACE, (Page) copy.data, &find);
		mine = find.tid;
	}
	else
	{
		const SegmentState *state = &inverted->segments[PLACE_SEGMENT(place)];
		uint32		at = read_docs(inverted, state, (uint32) place, (Page) copy.data);

		owner = state->entry.id;
		mine = docs_tids((Page) copy.data)[at];
	}
	return owner != 0 && verify_same_tid(&mine, tid) && is_current(inverted, owner);
}

static uint64
inverted_group(uint64 place)
{
	return place;
}

static void
inverted_where(Verify *verify, uint64 place, BlockNumber *block, int64 *slot)
{
	InvertedVerify *inverted = (InvertedVerify *) verify->state;

	if (place & PENDING_PLACE)
	{
		*block = (BlockNumber) ((place & ~PENDING_PLACE) >> 16);
		*slot = place & 0xFFFF;
	}
	else
	{
		const Segment *segment = inverted->segments[PLACE_SEGMENT(place)].segment;
		uint32		doc = (uint32) place;

		*block = segment->blocks[segment->starts[PART_DOCS] + doc / inverted->index->page_docs];
		*slot = doc % inverted->index->page_docs;
	}
}

static bool
inverted_indexes(Verify *verify, Datum *values, const bool *isnull)
{
	return !isnull[0];
}

/* What is wrong with what a segment keeps of a row, or NULL */
static const char *
doc_problem(InvertedVerify *inverted, const SegmentState *state, uint32 doc,
			const SparseVector *value, uint8 flags, double scale)
{
	const float *weights = sparse_values(value);
	uint32		elements = 0;
	double		sum = 0;
	double		size = 0;

	for (int i = 0; i < value->nnz && (flags == 0 || flags == DOC_EXTREME); i++)
	{
		float		weight = (float) (weights[i] * scale);
		double		factor = dim_factor(value->indices[i]);

		elements += weight != 0;
		sum += factor * weight;
		size += fabs(factor * weight);
	}
	if (elements != state->elements[doc])
		return "It has not as many elements as its row.";

	/* another processor's norm may differ by as much as float arithmetic does */
	if (isfinite(sum) &&
		fabs(sum - state->sums[doc]) >
		state->errors[doc] * (1 + 1e-6) + 1e-5 * (size + state->sizes[doc]))
		return "Its weights are not those of its row.";
	return NULL;
}

static void
inverted_check_row(Verify *verify, uint64 place, ItemPointer tid, Datum *values,
				   const bool *isnull)
{
	InvertedVerify *inverted = (InvertedVerify *) verify->state;
	InvertedIndex *index = inverted->index;
	const SparseVector *value = (const SparseVector *) PG_DETOAST_DATUM(values[0]);
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	uint8		own[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	PGAlignedBlock copy;
	const char *what = NULL;
	BlockNumber block;
	int64		slot;

	if (index->filter != NULL)
		filter_make_keys(index->filter, values, isnull, keys);
	memcpy(own, keys, index->key_bytes);
	if (place & PENDING_PLACE)
	{
		PendingFind find;
		const char *kept;

		if (read_pending(inverted, place & ~PENDING_PLACE, (Page) copy.data, &find) == 0 ||
			find.row == NULL)
			return;
		kept = (const char *) find.row + pending_value_offset(index);
		if (find.row->size < pending_value_offset(index) + VARSIZE(value) ||
			memcmp(kept, value, VARSIZE(value)) != 0)
			what = "Its value is not that of its row.";
		else
			memcpy(own, doc_keys(&find.row->doc), index->key_bytes);
	}
	else
	{
		const SegmentState *state = &inverted->segments[PLACE_SEGMENT(place)];
		uint32		at = read_docs(inverted, state, (uint32) place, (Page) copy.data);
		uint8		flags;
		double		scale = inverted_scale(index, value, &flags);

		if (index->filter != NULL)
		{
			uint8	   *columns[FILTER_MAX_COLUMNS];

			filter_block_columns(index->filter, inverted_data((Page) copy.data) + index->keys_offset,
								 index->page_docs, columns);
			filter_get(index->filter, columns, at, own);
		}
		if (state->complete)
			what = doc_problem(inverted, state, (uint32) place, value, flags, scale);
		if (index->has_flags && docs_flags(index, (Page) copy.data)[at] != flags)
			what = "Its flags are not those of its row.";
	}
	if (memcmp(own, keys, index->key_bytes) != 0)
		what = "Its keys are not those of its row.";
	inverted_where(verify, place, &block, &slot);
	if (what != NULL)
		verify_report(verify, "row_differs", block, slot, tid, "%s", what);
}

const VerifyMethods inverted_verify_methods = {
	.walk = inverted_walk,
	.count_row = inverted_count_row,
	.group = inverted_group,
	.where = inverted_where,
	.indexes = inverted_indexes,
	.check_row = inverted_check_row
};
