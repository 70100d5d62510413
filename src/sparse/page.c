/*
 * page.c
 *	  Metapage and pages of an index.
 */
#include "sparse/inverted.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include "index/metapage.h"
#include "sparse/arena.h"
#include "storage/page_check.h"

void
inverted_layout(InvertedIndex *index)
{
	Size		flag = index->column.metric == METRIC_COSINE ? 1 : 0;
	Size		fixed = sizeof(ItemPointerData) + flag;
	uint32		docs;

	index->key_bytes = index->filter != NULL ? index->filter->entry_bytes : 0;
	index->doc_bytes = MAXALIGN(sizeof(InvertedDoc) + index->key_bytes);
	index->weight_bytes = index->meta.weights == WEIGHT_FLOATS ? sizeof(float) : 1;
	index->page_postings = INVERTED_ROOM / (1 + index->weight_bytes) / 8 * 8;

	/* arrays of keys are aligned, each */
	docs = INVERTED_ROOM / (fixed + index->key_bytes);
	for (; docs > 0; docs--)
	{
		index->flags_offset = docs * sizeof(ItemPointerData);
		index->keys_offset = MAXALIGN(index->flags_offset + docs * flag);
		if (index->keys_offset +
			(index->filter != NULL ? filter_block_bytes(index->filter, docs) : 0) <=
			INVERTED_ROOM)
			break;
	}
	if (docs == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("filter columns of index \"%s\" are too wide",
						RelationGetRelationName(index->relation))));
	index->page_docs = docs;
	index->has_flags = flag > 0;
}

/* Do the numbers of a metapage fit the index? */
static bool
meta_fits(const InvertedMeta *meta)
{
	if (meta->weights > WEIGHT_FLOATS || meta->segments > MAX_SEGMENTS ||
		meta->retired > MAX_RETIRED || meta->dims < 1 ||
		meta->dims > SPARSE_MAX_DIM || meta->next_id == 0)
		return false;
	for (uint32 i = 0; i < meta->segments; i++)
	{
		if (meta->segment[i].docs > SEGMENT_MAX_DOCS ||
			meta->segment[i].dead > meta->segment[i].docs)
			return false;
	}
	return true;
}

Buffer
inverted_lock_meta(InvertedIndex *index, int mode)
{
	Buffer		buffer = map_read(index->map, META_BLOCK);

	page_lock(index->relation, buffer, PAGE_META, mode);
	page_check_content(index->relation, buffer, sizeof(InvertedMeta));
	if (!meta_fits(inverted_page_meta(BufferGetPage(buffer))))
		metapage_check_numbers(index->relation, false);
	return buffer;
}

void *
inverted_alloc(const InvertedIndex *index, Size count, Size size)
{
	Size		bytes = mul_size(Max(count, 1), size);

	return index->in_arena ? arena_alloc(bytes) : palloc_extended(bytes, MCXT_ALLOC_HUGE);
}

void
inverted_refresh(InvertedIndex *index)
{
	Buffer		buffer = inverted_lock_meta(index, BUFFER_LOCK_SHARE);

	index->meta = *inverted_page_meta(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
}

static const MetaFormat format = {
	INVERTED_NAME, INVERTED_MAGIC, INVERTED_VERSION, INVERTED_VERSION
};

InvertedIndex *
inverted_open(Relation relation)
{
	InvertedIndex *index = (InvertedIndex *) palloc0(sizeof(InvertedIndex));
	InvertedMeta *meta = &index->meta;

	index->relation = relation;
	index->map = buffer_map(relation);
	index->column = index_column(relation, INVERTED_PROCS);
	index->filter = filter_shape(relation);
	index->on_standby = RecoveryInProgress();

	metapage_read(relation, &format, meta, sizeof(InvertedMeta));
	metapage_check_column(relation, &index->column, COLUMN_SPARSEVEC,
						  meta->metric, meta->dims);
	metapage_check_filter(relation, meta->filter_columns ==
						  (index->filter ? index->filter->count : 0) &&
						  (index->filter == NULL ||
						   filter_digest(index->filter) == meta->filter_digest));
	metapage_check_numbers(relation, meta_fits(meta));
	inverted_layout(index);
	return index;
}

InvertedIndex *
inverted_open_lenient(Relation relation)
{
	InvertedIndex *index = (InvertedIndex *) palloc0(sizeof(InvertedIndex));
	Buffer		buffer;
	Page		page;
	bool		sound;

	index->relation = relation;
	index->map = buffer_map(relation);
	index->column = index_column(relation, INVERTED_PROCS);
	index->filter = filter_shape(relation);
	index->lenient = true;
	buffer = index_read_block(relation, META_BLOCK);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	sound = page_is_sound(page, PAGE_META) &&
		((PageHeader) page)->pd_lower >= MAXALIGN(SizeOfPageHeaderData) + sizeof(InvertedMeta);
	if (sound)
		index->meta = *inverted_page_meta(page);
	UnlockReleaseBuffer(buffer);
	if (!sound || index->meta.common.magic != INVERTED_MAGIC ||
		index->meta.common.version != INVERTED_VERSION || !meta_fits(&index->meta))
		return NULL;
	index->column.dims = index->meta.dims;
	inverted_layout(index);
	return index;
}

/* A page of another owner than it should be of */
static void
wrong_page(InvertedIndex *index, BlockNumber block)
{
	if (index->on_standby)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("canceling statement due to conflict with recovery"),
				 errdetail("A page of index \"%s\" that the statement had to read has been used again.",
						   RelationGetRelationName(index->relation)),
				 errhint("Run the statement again, or set hot_standby_feedback.")));
	index_damaged(index->relation, block, NO_PLACE,
				  "It belongs to another part of the index.");
}

InvertedPage *
inverted_init_page(Page page, uint32 owner, InvertedPart part,
				   const void *data, Size bytes)
{
	InvertedPage *header;

	slot_page_init(page, PAGE_RECORD);
	header = inverted_page(page);
	memset(header, 0, sizeof(InvertedPage));
	header->owner = owner;
	header->part = part;
	header->next = InvalidBlockNumber;
	memcpy(inverted_data(page), data, bytes);
	((PageHeader) page)->pd_lower += MAXALIGN(sizeof(InvertedPage) + bytes);
	return header;
}

Buffer
inverted_lock_page(InvertedIndex *index, BlockNumber block, uint32 owner,
				   InvertedPart part, int mode)
{
	Buffer		buffer;
	const InvertedPage *header;

	if (index->lenient && (block == META_BLOCK || !map_has_block(index->map, block)))
		return InvalidBuffer;
	if (block == META_BLOCK)
		block_damaged(index->relation, block);
	buffer = map_read(index->map, block);
	if (index->lenient && !page_is_sound(BufferGetPage(buffer), PAGE_RECORD))
	{
		ReleaseBuffer(buffer);
		return InvalidBuffer;
	}
	page_lock_below(index->relation, buffer, PAGE_RECORD, mode);
	page_check_kind(index->relation, buffer, PAGE_RECORD);
	header = inverted_page(BufferGetPage(buffer));
	if (!inverted_has_header(BufferGetPage(buffer)) ||
		header->owner != owner || header->part != part)
	{
		UnlockReleaseBuffer(buffer);
		if (index->lenient)
			return InvalidBuffer;
		wrong_page(index, block);
	}
	return buffer;
}

void
inverted_check_count(InvertedIndex *index, Buffer buffer, uint32 most)
{
	if (inverted_page(BufferGetPage(buffer))->count > most)
		index_damaged(index->relation, BufferGetBlockNumber(buffer), NO_PLACE,
					  "It has more than a page has room for.");
}

void
inverted_init_meta(InvertedIndex *index)
{
	InvertedMeta *meta = &index->meta;

	memset(meta, 0, sizeof(InvertedMeta));
	metapage_init(&meta->common, INVERTED_MAGIC, INVERTED_VERSION);
	meta->metric = index->column.metric;
	meta->weights = inverted_options(index->relation)->weights;
	meta->dims = index->column.dims;
	if (index->filter != NULL)
	{
		meta->filter_columns = index->filter->count;
		meta->filter_digest = filter_digest(index->filter);
	}
	meta->pending.id = 1;
	meta->next_id = 2;
	meta->pending.head = meta->pending.tail = InvalidBlockNumber;
	meta->sealed.head = meta->sealed.tail = InvalidBlockNumber;
}

void
inverted_write_meta(InvertedIndex *index, ForkNumber fork)
{
	Buffer		buffer = build_page_begin(index->relation, fork, PAGE_META);
	Page		page = BufferGetPage(buffer);

	*inverted_page_meta(page) = index->meta;
	((PageHeader) page)->pd_lower += sizeof(InvertedMeta);
	build_page_end(buffer, fork);
}
