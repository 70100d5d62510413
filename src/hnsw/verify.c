/*
 * verify.c
 *	  Is an index what README.md promises?  Pages, elements, keys, the entry point.
 *
 * In three passes: over all pages, for what is in use; along the ring and the chains
 * of twins; over all elements and the nodes above them.  Locks are those of a scan: a
 * node's page, then pages of its value or TIDs; a list of free pages may be looked at
 * under the metapage's lock.
 */
#include "hnsw/verify.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hnsw/insert.h"
#include "storage/page_check.h"
#include "types/dense.h"

/* ------------------------------------------------------------------------
 * First pass: what there is
 */

static void
report_node(HnswVerify *hnsw, int level, GraphId id, const char *violation,
			const char *what)
{
	verify_report(hnsw->verify, violation, node_block(hnsw, level, id),
				  node_slot(hnsw, level, id), NULL, "%s", what);
}

/* What is wrong with a node's own numbers, or NULL */
static const char *
node_problem(const HnswVerify *hnsw, bool upper, const GraphNode *node)
{
	if (node->header.state > SLOT_DELETED)
		return "Its state is none.";
	if (node->header.state == SLOT_FREE)
		return NULL;
	if (node_edge_count(node) > graph_capacity(&hnsw->index->shape, upper))
		return "It has more neighbors than there is room for.";
	if ((node->level > 0) != upper || node->level >= GRAPH_MAX_LEVEL)
		return "Its level is none of its page.";
	if (hnsw->index->codec.bits == 0 &&
		!codec_plain_valid(&hnsw->index->codec, node_payload(node)))
		return "Its value is none of the column.";
	if (!upper && (node->header.flags & NODE_TWIN) &&
		(node->header.flags & NODE_HEAD))
		return "It is both a twin and the first of twins.";
	return NULL;
}

/* Note the nodes of the page read. */
static void
note_nodes(HnswVerify *hnsw, BlockNumber block, bool upper)
{
	const SlotGeometry *geometry = graph_geometry(&hnsw->index->shape, upper);
	Page		page = (Page) hnsw->verify->page.data;
	uint32		slots = slots_in_use(geometry, page);

	for (uint32 slot = 0; slot < slots; slot++)
	{
		const GraphNode *node = (const GraphNode *) slot_at(geometry, page, slot);
		SlotId		id = slot_id(geometry, block, slot);
		const char *what = node_problem(hnsw, upper, node);
		GraphEdges	edges;
		int			marks = 0;

		if (what != NULL)
			report_node(hnsw, upper, id, "node_damaged", what);
		if (what != NULL || node->header.state == SLOT_FREE)
			continue;
		if (upper)
		{
			hnsw->upper[id] = node->level;
			continue;
		}
		verify_set_bit(&hnsw->base, id);
		if (node->header.flags & NODE_TWIN)
			verify_set_bit(&hnsw->twins, id);
		node_get_edges(&hnsw->index->shape, 0, node, &edges);
		for (int i = first_neighbor(edges.flags); i < edges.count; i++)
			marks += edge_in_ring(edges.ids[i]);
		if (marks > 1)
			hnsw->tree = true;
	}
}

/* Note slots in use of the page read. */
static void
note_slots(HnswVerify *hnsw, const SlotGeometry *geometry, BlockNumber block,
		   VerifyBits *bits)
{
	Page		page = (Page) hnsw->verify->page.data;
	uint32		slots = slots_in_use(geometry, page);

	for (uint32 slot = 0; slot < slots; slot++)
	{
		if (slot_at(geometry, page, slot)->state == SLOT_USED)
			verify_set_bit(bits, slot_id(geometry, block, slot));
	}
}

static void
note_pages(HnswVerify *hnsw)
{
	Verify	   *verify = hnsw->verify;

	verify_phase(verify, VERIFY_PHASE_PAGES, verify->blocks);
	for (BlockNumber block = 0; block < verify->blocks; block++)
	{
		verify_progress(block);
		if (!verify_read_page(verify, block))
			continue;
		switch (verify->kinds[block])
		{
			case PAGE_RECORD:
				note_nodes(hnsw, block, false);
				break;
			case PAGE_UPPER:
				note_nodes(hnsw, block, true);
				break;
			case PAGE_VALUE:
				if (hnsw->index->values.per_page > 0)
					note_slots(hnsw, &hnsw->index->values, block, &hnsw->values);
				else
					verify_report(verify, "page_unowned", block, NO_PLACE_SLOT,
								  NULL, "It is a page of values, but the index keeps none.");
				break;
			case PAGE_TIDS:
				note_slots(hnsw, &hnsw->index->tids, block, &hnsw->tids);
				break;
			case PAGE_PIECE:
				verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
							  "It is a page of codes, but the index has none.");
				break;
		}
	}
}

/* ------------------------------------------------------------------------
 * Elements
 */

static void
add_tid(HnswVerify *hnsw, const ItemPointerData *tid)
{
	if (hnsw->tid_count == hnsw->tid_room)
	{
		MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(hnsw));
		int			room = Max(64, 2 * hnsw->tid_room);

		hnsw->element_tids = (ItemPointerData *)
			(hnsw->element_tids == NULL ? palloc(room * sizeof(ItemPointerData))
			 : repalloc_huge(hnsw->element_tids, room * sizeof(ItemPointerData)));
		hnsw->tid_room = room;
		MemoryContextSwitchTo(caller);
	}
	hnsw->element_tids[hnsw->tid_count++] = *tid;
	if (!ItemPointerIsValid(tid))
		hnsw->problem = "A row number is none.";
}

/* The TIDs of a node whose page is locked */
static void
read_tids(HnswVerify *hnsw, const GraphNode *node)
{
	HnswTids   *tids = (HnswTids *) hnsw->slot;
	ChainCheck	chain = {0};

	hnsw->tid_count = 0;
	if (ItemPointerIsValid(&node->tid))
		add_tid(hnsw, &node->tid);
	for (SlotId id = node->more_tids; id != NO_SLOT; id = tids->next)
	{
		if (chain_cycles(&chain, id) ||
			!verify_read_slot(hnsw->verify, &hnsw->index->tids, id, tids) ||
			tids->header.state != SLOT_USED || tids->count > HNSW_TIDS_PER_SLOT)
		{
			hnsw->problem = "Its row numbers lead to a slot that has none, or in a circle.";
			return;
		}
		verify_clear_bit(&hnsw->tids, id);
		for (int i = 0; i < tids->count; i++)
			add_tid(hnsw, &tids->tids[i]);
	}
}

/* What is kept of a value outside of a node, of which the page is locked */
static void
read_value(HnswVerify *hnsw, const GraphNode *node)
{
	const HnswIndex *index = hnsw->index;
	const OuterValue *outer = (const OuterValue *) node_payload(node);
	ValuePiece *piece = (ValuePiece *) hnsw->slot;
	Size		room;
	Size		size;
	SlotId		id;

	if (hnsw_keeps_bounded(index))
	{
		id = node->value;
		size = bounded_size(&index->codec.column);
	}
	else if (index->codec.bits == 0 && PAYLOAD_IS_OUTER(outer))
	{
		id = outer->value;
		size = outer->size;
	}
	else
		return;
	if (index->values.per_page == 0)
	{
		hnsw->problem = "It names a value, but the index keeps none.";
		return;
	}
	if (hnsw->value_room < size)
	{
		if (hnsw->value != NULL)
			pfree(hnsw->value);
		hnsw->value = (char *) MemoryContextAllocHuge(GetMemoryChunkContext(hnsw), size);
		hnsw->value_room = size;
	}
	room = value_piece_room(&index->values);
	for (Size done = 0; done < size; done += room)
	{
		if (id == NO_SLOT ||
			!verify_read_slot(hnsw->verify, &index->values, id, piece) ||
			piece->header.state != SLOT_USED)
		{
			hnsw->problem = "Its value is missing.";
			return;
		}
		verify_clear_bit(&hnsw->values, id);
		memcpy(hnsw->value + done, piece->data, Min(room, size - done));
		id = piece->next;
	}
	if (id != NO_SLOT)
		hnsw->problem = "Its value is longer than it should be.";
	if (index->codec.column.type->kind == COLUMN_HALFVEC || index->codec.bits == 0)
	{
		if (!column_value_valid(&index->codec.column, hnsw->value, size))
			hnsw->problem = "Its value is none of the column.";
	}
}

/*
 * Copy an element, with its TIDs and its value, as they were at one moment: while
 * its page is locked, vacuum changes none of them.  False if there is none.
 */
static bool
read_element(HnswVerify *hnsw, GraphId id, GraphNode *node)
{
	const SlotGeometry *geometry = &hnsw->index->shape.base;
	BlockNumber block = slot_block(geometry, id);
	Buffer		buffer;

	hnsw->problem = NULL;
	hnsw->tid_count = 0;
	if (block >= hnsw->verify->blocks || hnsw->verify->kinds[block] != PAGE_RECORD)
		return false;
	buffer = map_read(hnsw->store.map, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(node, slot_of(geometry, BufferGetPage(buffer), id), geometry->slot_size);
	if (id % geometry->per_page >= slots_in_use(geometry, BufferGetPage(buffer)) ||
		node->header.state == SLOT_FREE || node_problem(hnsw, false, node) != NULL)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	read_tids(hnsw, node);
	read_value(hnsw, node);
	UnlockReleaseBuffer(buffer);
	return true;
}

/* The first of the element's rows that the snapshot sees; NULL: none */
static ItemPointer
visible_row(HnswVerify *hnsw)
{
	for (int i = 0; i < hnsw->tid_count; i++)
	{
		if (verify_visible(hnsw->verify, &hnsw->element_tids[i]))
			return &hnsw->element_tids[i];
	}
	return NULL;
}

/* The plain value of an element without a code */
static const struct varlena *
plain_value(HnswVerify *hnsw, const GraphNode *node)
{
	return PAYLOAD_IS_OUTER(node_payload(node))
		? (const struct varlena *) hnsw->value
		: (const struct varlena *) node_payload(node);
}

/* Does the code fit the half precision value that is kept beside it? */
static bool
code_fits(HnswVerify *hnsw, const GraphNode *node)
{
	const Codec *codec = &hnsw->index->codec;
	const BoundedValue *bounded = (const BoundedValue *) hnsw->value;
	const struct varlena *value = (const struct varlena *) hnsw->value;
	DenseVector *dense = NULL;
	double		slack = 0;
	double		norm;
	bool		fits;

	if (codec->column.type->kind != COLUMN_HALFVEC)
	{
		Size		size = column_value_size(&codec->column);

		if (!isfinite(bounded->error))
			return true;
		dense = (DenseVector *) palloc0(size);
		SET_VARSIZE(dense, size);
		dense->dim = codec->column.dims;
		for (int i = 0; i < codec->column.dims; i++)
			((float *) dense->elements)[i] = half_to_float(bounded->halves[i]);
		value = (const struct varlena *) dense;
	}
	codec_query_set(hnsw->query, value, true);
	if (hnsw->query->constant)
		return true;
	codec_encode(hnsw->query, hnsw->encoded);
	norm = 0;
	for (int i = 0; i < codec->rotation.padded; i++)
		norm += (double) hnsw->query->residual[i] * hnsw->query->residual[i];
	if (dense != NULL)
		slack = norm > 0 ? 4 * bounded->error / sqrt(norm) : 1;
	fits = verify_code(hnsw->query, hnsw->encoded, node_payload(node), slack);
	if (dense != NULL)
		pfree(dense);
	return fits;
}

/* What an element in use says of its value */
static void
verify_value(HnswVerify *hnsw, GraphId id, const GraphNode *node)
{
	const HnswIndex *index = hnsw->index;
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];

	if (index->codec.bits > 0)
	{
		if (hnsw_keeps_bounded(index) && hnsw->codes_final && !code_fits(hnsw, node))
			report_node(hnsw, 0, id, "code", "Its code is not that of its value.");
		return;
	}
	if (index->filter != NULL && (hnsw->keys == NULL ||
								  !hnsw_keys_get(hnsw->keys, id, keys)))
		return;
	if (hnsw_hash(index, plain_value(hnsw, node), keys) != node->hash)
		report_node(hnsw, 0, id, "hash",
					"Its hash is not that of its value and its keys.");
}

/* What must hold of an element that has a row which the snapshot sees */
static void
verify_found(HnswVerify *hnsw, GraphId id, const GraphNode *node)
{
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	bool		reached = hnsw->tree || verify_bit(&hnsw->reached, id);
	bool		has_keys = hnsw->keys == NULL || hnsw_keys_get(hnsw->keys, id, keys);
	ItemPointer tid;

	if (reached && has_keys)
		return;
	tid = visible_row(hnsw);
	if (tid == NULL)
	{
		verify_count(hnsw->verify, "elements_unfinished", 1);
		return;
	}
	/* they may have come after they were looked for */
	if (!has_keys && !hnsw_keys_get(hnsw->keys, id, keys))
		verify_report(hnsw->verify, "keys_missing", node_block(hnsw, 0, id),
					  node_slot(hnsw, 0, id), tid,
					  "It has no keys of its filter columns.");
	if (!reached)
		verify_report(hnsw->verify, "unreachable", node_block(hnsw, 0, id),
					  node_slot(hnsw, 0, id), tid,
					  node->header.flags & NODE_TWIN
					  ? "No chain of twins leads to it."
					  : "The ring of elements does not lead to it.");
}

static void
verify_element(HnswVerify *hnsw, GraphId id)
{
	Verify	   *verify = hnsw->verify;
	GraphNode  *node = hnsw->node;
	bool		used;

	if (!read_element(hnsw, id, node))
		return;
	used = node->header.state == SLOT_USED;
	verify_count(verify, used ? "elements" : "elements_deleted", 1);
	if (node->header.flags & NODE_TWIN)
		verify_count(verify, "twins", 1);
	if (hnsw->problem != NULL)
		report_node(hnsw, 0, id, "element_damaged", hnsw->problem);
	if (!used && hnsw->tid_count > 0)
		report_node(hnsw, 0, id, "deleted_with_rows",
					"It is deleted, but has rows.");
	for (int i = 0; i < hnsw->tid_count && used; i++)
	{
		if (ItemPointerIsValid(&hnsw->element_tids[i]))
			verify_row(verify, &hnsw->element_tids[i], id);
	}
	hnsw_verify_edges(hnsw, 0, id, node);
	if (used)
		verify_found(hnsw, id, node);
	if (used && hnsw->problem == NULL)
		verify_value(hnsw, id, node);
}

/* The names of counts of levels, which must stay */
static const char *
level_item(int level)
{
	return psprintf("nodes_level_%d", level);
}

static void
verify_nodes(HnswVerify *hnsw)
{
	Verify	   *verify = hnsw->verify;
	const GraphShape *shape = &hnsw->index->shape;
	int64		levels[GRAPH_MAX_LEVEL] = {0};
	int64		leaked = 0;

	verify_count(verify, "elements", 0);
	verify_phase(verify, VERIFY_PHASE_ENTRIES, verify->blocks);
	for (BlockNumber block = 1; block < verify->blocks; block++)
	{
		verify_progress(block);
		CHECK_FOR_INTERRUPTS();
		for (uint32 slot = 0; slot < shape->base.per_page &&
			 verify->kinds[block] == PAGE_RECORD; slot++)
			verify_element(hnsw, slot_id(&shape->base, block, slot));
		for (uint32 slot = 0; slot < shape->upper.per_page &&
			 verify->kinds[block] == PAGE_UPPER; slot++)
		{
			GraphId		id = slot_id(&shape->upper, block, slot);

			if (!hnsw_verify_node(hnsw, 1, id, hnsw->node) ||
				node_problem(hnsw, true, hnsw->node) != NULL)
				continue;
			levels[hnsw->node->level]++;
			hnsw_verify_edges(hnsw, hnsw->node->level, id, hnsw->node);
			hnsw_verify_upper(hnsw, id, hnsw->node);
		}
	}
	for (int level = 1; level < GRAPH_MAX_LEVEL; level++)
	{
		if (levels[level] > 0)
			verify_count(verify, level_item(level), levels[level]);
	}
	for (uint64 id = 0; id < hnsw->values.end; id++)
		leaked += verify_bit(&hnsw->values, id);
	for (uint64 id = 0; id < hnsw->tids.end; id++)
		leaked += verify_bit(&hnsw->tids, id);
	verify_count(verify, "slots_leaked", leaked);
}

/* ------------------------------------------------------------------------
 * The metapage, and constants
 */

/*
 * The entry point, which vacuum moves before it frees the node; called by a guard.
 * hnsw->entry is its element then, or NO_SLOT.
 */
static void
verify_entry(Verify *verify, void *argument)
{
	HnswVerify *hnsw = (HnswVerify *) argument;

	for (;;)
	{
		GraphEntry	entry;
		GraphEntry	again;
		bool		there;

		CHECK_FOR_INTERRUPTS();
		hnsw_get_entry(verify->index, &entry);
		if (entry.level < 0)
			return;
		there = hnsw_verify_node(hnsw, entry.level, entry.id, hnsw->node) &&
			hnsw->node->level == entry.level;
		if (there)
		{
			hnsw->entry = entry.level == 0 ? entry.id : hnsw->node->element;
			return;
		}
		hnsw_get_entry(verify->index, &again);
		if (again.id != entry.id || again.level != entry.level)
			continue;
		verify_report(verify, "entry_point", META_BLOCK, NO_PLACE_SLOT, NULL,
					  "It is number %u at level %d, which is no node.", entry.id,
					  entry.level);
		return;
	}
}

/* Keys of elements that are not there */
static void
verify_key_page(HnswVerify *hnsw, uint32 number)
{
	Verify	   *verify = hnsw->verify;
	BlockNumber block = hnsw_keys_block(hnsw->keys, number);
	uint32		per_page = hnsw_keys_per_page(hnsw->keys);
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];

	if (!verify_read_page(verify, block))
		return;
	for (uint32 slot = 0; slot < per_page; slot++)
	{
		GraphId		id = number * per_page + slot;
		uint16		version;

		if (!hnsw_keys_exists((Page) verify->page.data, slot) ||
			verify_bit(&hnsw->base, id))
			continue;

		/* they come after the node, and go before it */
		memset(hnsw->again, 0, sizeof(GraphNode));
		if (hnsw_verify_node(hnsw, 0, id, hnsw->again))
			continue;
		version = hnsw->again->header.version;
		if (hnsw_keys_get(hnsw->keys, id, keys) &&
			!hnsw_verify_node(hnsw, 0, id, hnsw->again) &&
			hnsw->again->header.version == version &&
			hnsw_keys_get(hnsw->keys, id, keys))
			verify_report(verify, "keys_left", block, slot, NULL,
						  "It has keys of element %u, which is none.", id);
	}
}

/* The directory of keys, and the pages that it leads to; called by a guard */
static void
take_directory(Verify *verify, void *argument)
{
	HnswVerify *hnsw = (HnswVerify *) argument;
	HnswKeys   *keys = hnsw_keys_create(verify->index, hnsw->index,
										hnsw->store.map, false);

	(void) hnsw_keys_refresh(keys, NULL);
	hnsw->keys = keys;
}

static void
read_keys_of(Verify *verify, void *argument)
{
	HnswVerify *hnsw = (HnswVerify *) argument;
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	uint32		numbers;

	(void) hnsw_keys_refresh(hnsw->keys, &numbers);
	for (uint32 number = 0; number < numbers; number++)
	{
		CHECK_FOR_INTERRUPTS();
		if (hnsw_keys_have_page(hnsw->keys, number))
			(void) hnsw_keys_get(hnsw->keys,
								 number * hnsw_keys_per_page(hnsw->keys), keys);
	}
}

/* Pages of constants and of keys that nothing leads to; and the directory itself */
static void
verify_constants(HnswVerify *hnsw)
{
	static const SlotGeometry pages = {.per_page = 1};
	Verify	   *verify = hnsw->verify;
	VerifyBits	owned;
	uint32		numbers = 0;

	verify_bits_init(verify, &pages, &owned);
	for (BlockNumber i = 0; i < hnsw->index->meta.raw_blocks; i++)
		verify_set_bit(&owned, 1 + i);
	if (hnsw->index->filter != NULL &&
		(!verify_guard(verify, take_directory, hnsw, META_BLOCK) ||
		 !verify_guard(verify, read_keys_of, hnsw, META_BLOCK)))
		hnsw->keys = NULL;
	if (hnsw->keys != NULL)
	{
		Buffer		buffer = ReadBuffer(verify->index, META_BLOCK);
		const BlockNumber *directory =
			hnsw_page_keys(BufferGetPage(buffer))->directory;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		for (int i = 0; i < HNSW_KEY_DIRECTORY; i++)
		{
			if (directory[i] != InvalidBlockNumber)
				verify_set_bit(&owned, directory[i]);
		}
		UnlockReleaseBuffer(buffer);
		(void) hnsw_keys_refresh(hnsw->keys, &numbers);
		for (uint32 number = 0; number < numbers; number++)
		{
			BlockNumber block = hnsw_keys_block(hnsw->keys, number);

			if (block == InvalidBlockNumber || block >= verify->blocks)
				continue;
			if (verify_bit(&owned, block))
				verify_report(verify, "keys_shared", block, NO_PLACE_SLOT, NULL,
							  "The directory of keys leads to it twice.");
			verify_set_bit(&owned, block);
			verify_key_page(hnsw, number);
		}
	}
	for (BlockNumber block = 1; block < verify->blocks; block++)
	{
		if ((verify->kinds[block] == PAGE_RAW || verify->kinds[block] == PAGE_KEYS) &&
			!verify_bit(&owned, block) &&
			(hnsw->keys != NULL || hnsw->index->filter == NULL))
			verify_report(verify, "page_unowned", block, NO_PLACE_SLOT, NULL,
						  "Nothing leads to it.");
	}
}

/* ------------------------------------------------------------------------
 * All together
 */

static void
open_index(Verify *verify, void *argument)
{
	*(HnswIndex **) argument = hnsw_open(verify->index);
}

static bool
hnsw_walk(Verify *verify)
{
	HnswVerify *hnsw = (HnswVerify *) palloc0(sizeof(HnswVerify));
	const GraphShape *shape;

	verify->state = hnsw;
	hnsw->verify = verify;
	if (!verify_guard(verify, open_index, &hnsw->index, META_BLOCK))
		return false;
	if (hnsw->index->centre.unknown)
		hnsw_refresh_centre(verify->index, hnsw->index);
	hnsw->codes_final = !hnsw->index->centre.unknown;
	shape = &hnsw->index->shape;
	page_store_init(&hnsw->store, verify->index, hnsw->index, false);
	hnsw->query = codec_query_create(&hnsw->index->codec, &hnsw->store.values, true);
	hnsw->encoded = (char *) palloc0(shape->payload_size);
	hnsw->node = (GraphNode *) palloc0(shape->base.slot_size);
	hnsw->again = (GraphNode *) palloc0(shape->base.slot_size);
	hnsw->other = (GraphNode *) palloc0(shape->base.slot_size);
	for (int i = 0; i < lengthof(hnsw->step); i++)
		hnsw->step[i] = (GraphNode *) palloc0(shape->base.slot_size);
	hnsw->slot = (char *) palloc(Max(hnsw->index->values.slot_size,
									 hnsw->index->tids.slot_size));
	verify_bits_init(verify, &shape->base, &hnsw->base);
	verify_bits_init(verify, &shape->base, &hnsw->twins);
	verify_bits_init(verify, &shape->base, &hnsw->reached);
	verify_bits_init(verify, &hnsw->index->values, &hnsw->values);
	verify_bits_init(verify, &hnsw->index->tids, &hnsw->tids);
	hnsw->upper_end = (uint64) verify->blocks * shape->upper.per_page;
	hnsw->upper = (uint8 *) verify_map(verify, hnsw->upper_end);
	memset(hnsw->upper, NO_LEVEL, hnsw->upper_end);

	note_pages(hnsw);
	if (verify->kinds[META_BLOCK] != PAGE_META)
		return false;
	verify_phase(verify, VERIFY_PHASE_LINKS, 0);
	(void) verify_guard(verify, verify_entry, hnsw, META_BLOCK);
	if (!hnsw->tree)
		hnsw_verify_ring(hnsw, hnsw->entry);
	verify_constants(hnsw);
	verify_nodes(hnsw);
	verify_free_lists(verify);
	return true;
}

static int
hnsw_count_row(Verify *verify, uint64 place, ItemPointer tid)
{
	HnswVerify *hnsw = (HnswVerify *) verify->state;
	int			count = 0;

	if (!read_element(hnsw, (GraphId) place, hnsw->node) ||
		hnsw->node->header.state != SLOT_USED)
		return 0;
	for (int i = 0; i < hnsw->tid_count; i++)
		count += verify_same_tid(&hnsw->element_tids[i], tid);
	return count;
}

static uint64
hnsw_group(uint64 place)
{
	return place;
}

static void
hnsw_where(Verify *verify, uint64 place, BlockNumber *block, int64 *slot)
{
	HnswVerify *hnsw = (HnswVerify *) verify->state;

	*block = node_block(hnsw, 0, (GraphId) place);
	*slot = node_slot(hnsw, 0, (GraphId) place);
}

static bool
hnsw_indexes(Verify *verify, Datum *values, const bool *isnull)
{
	HnswVerify *hnsw = (HnswVerify *) verify->state;

	return hnsw_indexed_value(&hnsw->index->codec, values[0], isnull[0]) != NULL;
}

/* What is wrong with what an element, which has been read, keeps of its row; or NULL */
static const char *
row_problem(HnswVerify *hnsw, const struct varlena *value, const uint8 *keys)
{
	const HnswIndex *index = hnsw->index;
	const GraphNode *node = hnsw->node;

	if (hnsw_hash(index, value, keys) != node->hash)
		return "Its value, or a filter column, is not that of its row.";
	if (index->codec.bits == 0)
		return VARSIZE(plain_value(hnsw, node)) == VARSIZE(value) &&
			memcmp(plain_value(hnsw, node), value, VARSIZE(value)) == 0
			? NULL : "Its value is not that of its row.";
	codec_query_set(hnsw->query, value, true);
	codec_encode(hnsw->query, hnsw->encoded);
	if (hnsw->codes_final &&
		!verify_code(hnsw->query, hnsw->encoded, node_payload(node), 0))
		return "Its code is not that of its row.";
	if (hnsw_keeps_bounded(index) && !verify_bounded(&hnsw->query->exact, hnsw->value))
		return "Its half precision value is not that of its row.";
	return NULL;
}

static void
hnsw_check_row(Verify *verify, uint64 place, ItemPointer tid, Datum *values,
			   const bool *isnull)
{
	HnswVerify *hnsw = (HnswVerify *) verify->state;
	GraphId		id = (GraphId) place;
	uint8		keys[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	uint8		own[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];
	const struct varlena *value;
	const char *what;

	value = hnsw_indexed_value(&hnsw->index->codec, values[0], isnull[0]);
	if (hnsw->index->filter != NULL)
		filter_make_keys(hnsw->index->filter, values, isnull, keys);
	if (!read_element(hnsw, id, hnsw->node) || hnsw->problem != NULL)
		return;
	what = row_problem(hnsw, value, keys);
	if (what == NULL && hnsw->keys != NULL &&
		hnsw_keys_get(hnsw->keys, id, own) &&
		memcmp(own, keys, hnsw->index->filter->entry_bytes) != 0)
		what = "Its keys are not those of its row.";
	if (what != NULL)
		verify_report(verify, "row_differs", node_block(hnsw, 0, id),
					  node_slot(hnsw, 0, id), tid, "%s", what);
}

const VerifyMethods hnsw_verify_methods = {
	.walk = hnsw_walk,
	.count_row = hnsw_count_row,
	.group = hnsw_group,
	.where = hnsw_where,
	.indexes = hnsw_indexes,
	.check_row = hnsw_check_row
};
