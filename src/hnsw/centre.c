/*
 * centre.c
 *	  The centre of an index that was made before its rows.
 *
 * Codes stand for values less the mean of the data.  CREATE INDEX on a table
 * with too few rows does not know it; where all values lie far from zero and
 * close together, their codes are then all the same.  So when HNSW_LEARN_ROWS
 * have been inserted, the mean is computed, and what is there by then is
 * encoded anew: once, with no other insertion under way.  Links stay.
 *
 * A scan may meet codes of before and of after together, or a new mean with old
 * codes.  Codes are estimates, so it takes a longer way then, or misses a row;
 * rows still come in the order of their true distances.  If the server stops in
 * between, the metapage still says that the mean is unknown, and the next
 * insertion begins again.
 */
#include "hnsw/insert.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "math/heap/heap.h"
#include "storage/heap_value.h"
#include "storage/page_check.h"
#include "storage/wait_point.h"
#include "types/dense.h"

typedef struct Element
{
	GraphId		id;
	SlotId		kept;			/* its value in half precision */
	struct varlena *value;		/* NULL: it is nowhere any more */
	char	   *payload;
} Element;

/* Few more than HNSW_LEARN_ROWS, unless most insertions have been rolled back */
typedef struct Elements
{
	Size		count;
	Size		room;
	Element    *all;
} Elements;

static void
read_centre(Relation relation, HnswCentre *centre)
{
	Buffer		buffer = ReadBuffer(relation, META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	*centre = *hnsw_page_centre(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
}

/* Write the centre; or, as is NULL, count one more row. */
static HnswCentre
write_centre(HnswInserter *inserter, const HnswCentre *as)
{
	Buffer		buffer = ReadBuffer(inserter->relation, META_BLOCK);
	PageEdit	edit;
	HnswCentre *centre;
	HnswCentre	result;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, inserter->relation, inserter->store.log);
	centre = hnsw_page_centre(page_edit_page(&edit, buffer, false));
	if (as != NULL)
		*centre = *as;
	else if (centre->unknown && centre->rows < HNSW_LEARN_ROWS)
		centre->rows++;
	result = *centre;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	return result;
}

static void
add_element(Elements *elements, GraphId id, const GraphNode *node)
{
	Element    *element;

	if (elements->count == elements->room)
	{
		elements->room = Max(2 * elements->room, HNSW_LEARN_ROWS);
		elements->all = elements->all == NULL
			? (Element *) palloc(mul_size(elements->room, sizeof(Element)))
			: (Element *) repalloc_huge(elements->all,
										mul_size(elements->room, sizeof(Element)));
	}
	element = &elements->all[elements->count++];
	element->id = id;
	element->kept = node->value;
	element->value = NULL;
	element->payload = NULL;
}

static void
list_elements(HnswInserter *inserter, Elements *elements)
{
	const SlotGeometry *geometry = &inserter->index->shape.base;
	BlockNumber blocks = RelationGetNumberOfBlocks(inserter->relation);

	for (BlockNumber block = META_BLOCK + 1; block < blocks; block++)
	{
		Buffer		buffer = map_read(inserter->store.map, block);
		Page		page;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page) && page_opaque(page)->kind == PAGE_RECORD)
		{
			uint32		slots = slots_in_use(geometry, page);

			for (uint32 slot = 0; slot < slots; slot++)
			{
				const GraphNode *node = (const GraphNode *) slot_at(geometry, page, slot);

				if (node->header.state == SLOT_USED)
					add_element(elements, slot_id(geometry, block, slot), node);
			}
		}
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * Where rows' values are read.  Rows that are dead to everybody may have lost
 * their out-of-line values; one that this transaction has deleted, or that
 * another deleted lately, is seen by somebody, or comes back when a transaction
 * is rolled back.
 */
typedef struct RowReader
{
	HnswInserter *inserter;
	HeapValues *values[2];
	SnapshotData snapshots[2];	/* nearly all are found by the first */
	ItemPointerData *tids;		/* of an element */
	int			tid_count;
	int			tid_room;
} RowReader;

static void
reader_begin(RowReader *reader, HnswInserter *inserter, Relation heap)
{
	reader->inserter = inserter;
	reader->tid_count = 0;
	reader->tid_room = HNSW_TIDS_PER_SLOT;
	reader->tids = (ItemPointerData *) palloc(reader->tid_room * sizeof(ItemPointerData));
	InitDirtySnapshot(reader->snapshots[0]);
	InitNonVacuumableSnapshot(reader->snapshots[1], GlobalVisTestFor(heap));
	for (int i = 0; i < 2; i++)
		reader->values[i] = heap_values_begin(heap, inserter->relation,
											  &reader->snapshots[i]);
}

/* A row's value, if it is one that the index takes */
static const struct varlena *
row_value(RowReader *reader, ItemPointer tid)
{
	const Codec *codec = &reader->inserter->index->codec;
	const struct varlena *value = NULL;
	bool		all_dead;

	CHECK_FOR_INTERRUPTS();
	if (!ItemPointerIsValid(tid))
		return NULL;
	for (int i = 0; i < 2 && value == NULL; i++)
		value = heap_values_get(reader->values[i], tid, &all_dead);
	if (value == NULL ||
		column_value_dims(&codec->column, value) != codec->column.dims ||
		!codec_indexes(codec, value))
		return NULL;
	return value;
}

/* Add TIDs to an array that grows. */
static void
add_tids(RowReader *reader, const ItemPointerData *tids, int count)
{
	if (reader->tid_count + count > reader->tid_room)
	{
		reader->tid_room = 2 * reader->tid_room + HNSW_TIDS_PER_SLOT;
		reader->tids = (ItemPointerData *)
			repalloc_huge(reader->tids,
						  mul_size(reader->tid_room, sizeof(ItemPointerData)));
	}
	memcpy(reader->tids + reader->tid_count, tids, count * sizeof(ItemPointerData));
	reader->tid_count += count;
}

/*
 * The TIDs of an element, as they are now: vacuum may be taking some away, and frees
 * slots of them while it has the element's page locked.  So that is locked here, and
 * its rows are read after it.
 */
static void
read_tids(RowReader *reader, const Element *element)
{
	HnswInserter *inserter = reader->inserter;
	const SlotGeometry *geometry = &inserter->index->tids;
	GraphNode  *node;
	Buffer		node_buffer = page_store_lock(&inserter->store, 0, element->id,
											  BUFFER_LOCK_SHARE, &node);
	SlotId		id = node->header.state == SLOT_USED ? node->more_tids : NO_SLOT;
	ChainCheck	chain = {0};

	reader->tid_count = 0;
	if (node->header.state == SLOT_USED)
		add_tids(reader, &node->tid, 1);
	while (id != NO_SLOT)
	{
		Buffer		buffer = map_read(inserter->store.map,
									  slot_block(geometry, id));
		const HnswTids *tids;

		page_lock_below(inserter->relation, buffer, PAGE_TIDS, BUFFER_LOCK_SHARE);
		tids = hnsw_check_tids(inserter->relation, inserter->index, buffer, id);
		if (chain_cycles(&chain, id))
			index_damaged(inserter->relation, slot_block(geometry, id),
						  id % geometry->per_page,
						  "Its row numbers lead in a circle.");
		add_tids(reader, tids->tids, tids->count);
		id = tids->next;
		UnlockReleaseBuffer(buffer);
	}
	UnlockReleaseBuffer(node_buffer);
}

/* An element's value by the first of its rows that has one; NULL: all are dead */
static const struct varlena *
table_value(RowReader *reader, const Element *element)
{
	const struct varlena *value = NULL;

	read_tids(reader, element);
	for (int i = 0; i < reader->tid_count && value == NULL; i++)
		value = row_value(reader, &reader->tids[i]);
	return value;
}

struct varlena *
hnsw_kept_value(HnswInserter *inserter, SlotId kept)
{
	const IndexColumn *column = &inserter->index->codec.column;
	BoundedValue *bounded;
	DenseVector *dense;
	Size		size = column_value_size(column);

	if (!hnsw_keeps_bounded(inserter->index) || kept == NO_SLOT)
		return NULL;
	bounded = (BoundedValue *) palloc(bounded_size(column));
	if (!value_store_read(&inserter->store.values, kept, bounded,
						  bounded_size(column)))
		return NULL;
	if (column->type->kind == COLUMN_HALFVEC)
		return column_value_valid(column, (const char *) bounded, size)
			? (struct varlena *) bounded : NULL;
	if (!isfinite(bounded->error))
		return NULL;
	dense = (DenseVector *) palloc0(size);
	SET_VARSIZE(dense, size);
	dense->dim = column->dims;
	for (int i = 0; i < column->dims; i++)
		((float *) dense->elements)[i] = half_to_float(bounded->halves[i]);
	return (struct varlena *) dense;
}

/* The elements' values; those from the table into a sample, too */
static void
read_values(HnswInserter *inserter, Relation heap, Elements *elements,
			ValueSample *sample)
{
	RowReader	reader;

	reader_begin(&reader, inserter, heap);
	for (Size i = 0; i < elements->count; i++)
	{
		Element    *element = &elements->all[i];
		const struct varlena *value = table_value(&reader, element);

		if (value == NULL)
		{
			/* its rows are dead: its code is to fit what is kept */
			element->value = hnsw_kept_value(inserter, element->kept);
			continue;
		}
		element->value = (struct varlena *) palloc(VARSIZE(value));
		memcpy(element->value, value, VARSIZE(value));
		sample_add(sample, element->value);
	}
	for (int i = 0; i < 2; i++)
		heap_values_end(reader.values[i]);
}

static void
write_mean(HnswInserter *inserter, const float *mean)
{
	for (uint32 i = 0; i < inserter->index->meta.raw_blocks; i++)
	{
		Buffer		buffer = ReadBuffer(inserter->relation, 1 + i);
		PageEdit	edit;
		int			first = i * RAW_FLOATS;
		int			count = Min(RAW_FLOATS, (int) inserter->index->meta.dims - first);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, inserter->relation, inserter->store.log);
		memcpy(PageGetContents(page_edit_page(&edit, buffer, false)),
			   mean + first, count * sizeof(float));
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
}

ASCENDING(compare_elements, Element, GraphId, e->id)

/* Give all nodes of a page the codes of their elements. */
static void
encode_page(HnswInserter *inserter, Buffer buffer, const Elements *elements)
{
	Page		page = BufferGetPage(buffer);
	PageKind	kind = (PageKind) page_opaque(page)->kind;
	const GraphShape *shape = &inserter->index->shape;
	const SlotGeometry *geometry = graph_geometry(shape, kind == PAGE_RECORD ? 0 : 1);
	BlockNumber block = BufferGetBlockNumber(buffer);
	uint32		slots = slots_in_use(geometry, page);
	PageEdit	edit;

	page_edit_begin(&edit, inserter->relation, inserter->store.log);
	page = page_edit_page(&edit, buffer, false);
	for (uint32 slot = 0; slot < slots; slot++)
	{
		GraphNode  *node = (GraphNode *) slot_at(geometry, page, slot);
		Element		key;
		const Element *element;

		if (node->header.state == SLOT_FREE)
			continue;
		key.id = kind == PAGE_RECORD ? slot_id(geometry, block, slot) : node->element;
		element = (const Element *) bsearch(&key, elements->all, elements->count,
											sizeof(Element), compare_elements);
		if (element != NULL && element->payload != NULL)
			memcpy(node_payload(node), element->payload, shape->payload_size);
	}
	page_edit_end(&edit);
}

/*
 * Compute the mean, and encode all elements anew.  The caller has the heavyweight
 * lock on the metapage, so that no insertion is under way.
 */
static void
learn(HnswInserter *inserter, Relation heap)
{
	HnswIndex  *index = inserter->index;
	Codec		codec = index->codec;
	Elements   *elements = (Elements *) palloc0(sizeof(Elements));
	ValueSample *sample = sample_create(codec.column);
	BlockNumber blocks = RelationGetNumberOfBlocks(inserter->relation);
	HnswCentre	centre;
	CodecQuery *query;
	float	   *mean;

	read_centre(inserter->relation, &centre);
	if (!centre.unknown)
		return;
	list_elements(inserter, elements);
	WAIT_POINT("hnsw learn centre");
	read_values(inserter, heap, elements, sample);
	centre.rows = 0;
	if (sample->count < HNSW_LEARN_ROWS / 2)
	{
		/* most of them were rolled back */
		(void) write_centre(inserter, &centre);
		return;
	}
	mean = sample_centre(sample);
	hnsw_choose_metric(&centre, sample, mean);
	codec_set_mean(&codec, mean, centre.centred, centre.weight, centre.most);
	query = codec_query_create(&codec, NULL, true);
	for (Size i = 0; i < elements->count; i++)
	{
		Element    *element = &elements->all[i];

		CHECK_FOR_INTERRUPTS();
		if (element->value == NULL || codec.bits == 0)
			continue;
		element->payload = (char *) palloc0(index->shape.payload_size);
		codec_query_set(query, element->value, true);
		codec_encode(query, element->payload);
	}

	write_mean(inserter, mean);
	for (BlockNumber block = META_BLOCK + 1; block < blocks && codec.bits > 0; block++)
	{
		Buffer		buffer = map_read(inserter->store.map, block);
		Page		page;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page) && (page_opaque(page)->kind == PAGE_RECORD ||
								 page_opaque(page)->kind == PAGE_UPPER))
			encode_page(inserter, buffer, elements);
		UnlockReleaseBuffer(buffer);
	}
	centre.unknown = false;
	(void) write_centre(inserter, &centre);
}

void
hnsw_refresh_centre(Relation relation, HnswIndex *index)
{
	HnswCentre	centre;
	float	   *mean;

	read_centre(relation, &centre);
	if (centre.unknown)
		return;
	mean = hnsw_read_mean(relation, &index->meta);
	index->centre = centre;
	memcpy((char *) index + ((const char *) index->codec.mean - (const char *) index),
		   mean, index->codec.column.dims * sizeof(float));
	codec_set_mean(&index->codec, index->codec.mean, centre.centred,
				   centre.weight, centre.most);
	pfree(mean);

	/* what is cached is as old */
	if (relation->rd_amcache != NULL)
		pfree(relation->rd_amcache);
	relation->rd_amcache = NULL;
}

void
hnsw_learn_centre(HnswInserter *inserter, Relation heap)
{
	MemoryContext context;
	MemoryContext caller;

	if (write_centre(inserter, NULL).rows < HNSW_LEARN_ROWS)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw centre",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	LockPage(inserter->relation, META_BLOCK, ExclusiveLock);
	learn(inserter, heap);
	UnlockPage(inserter->relation, META_BLOCK, ExclusiveLock);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
