/*
 * writer.c
 *	  Writing a segment, page by page, in one pass.
 *
 * Each part is a stream of pages of its own: a page is claimed and written when it
 * is full, and its block remembered for the map.  Nothing leads to the pages before
 * the metapage does; who fails leaves pages of an owner that is not there, which
 * the next merge finds (merge.c).
 */
#include "sparse/inverted.h"

#include <math.h>

#include "miscadmin.h"

#include "storage/page_edit.h"

typedef struct PageStream
{
	char	   *data;			/* INVERTED_ROOM bytes */
	uint32		count;			/* items on it */
	Size		bytes;			/* to be written */
	BlockNumber *blocks;
	uint32		pages;
	uint32		room;
} PageStream;

struct SegmentWriter
{
	InvertedIndex *index;
	uint32		id;
	bool		log;
	uint32		written;		/* pages, of all kinds */
	PageStream	streams[MAPPED_PARTS];
	InvertedRoot root;

	/* the term and the group that are being written */
	InvertedTerm term;
	bool		has_term;
	float		rounding;		/* greatest error that codes have added */
	PostingGroup group;
	uint32		group_docs;
};

/* Write a page; its block. */
static BlockNumber
write_page(SegmentWriter *writer, InvertedPart part, uint32 count,
		   const char *data, Size bytes)
{
	Relation	relation = writer->index->relation;
	Buffer		buffer = slot_page_claim(relation, PAGE_RECORD, writer->log);
	BlockNumber block = BufferGetBlockNumber(buffer);
	InvertedPage *header;
	PageEdit	edit;
	Page		page;

	CHECK_FOR_INTERRUPTS();
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, relation, writer->log);
	page = page_edit_page(&edit, buffer, true);
	header = inverted_init_page(page, writer->id, part, data, bytes);
	header->count = count;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	writer->written++;
	return block;
}

static void
flush_stream(SegmentWriter *writer, InvertedPart part)
{
	PageStream *stream = &writer->streams[part];

	if (stream->count == 0)
		return;
	if (stream->pages == stream->room)
	{
		stream->room *= 2;
		stream->blocks = (BlockNumber *)
			repalloc_huge(stream->blocks, mul_size(stream->room, sizeof(BlockNumber)));
	}
	stream->blocks[stream->pages++] =
		write_page(writer, part, stream->count, stream->data, stream->bytes);
	stream->count = 0;
	stream->bytes = 0;
	memset(stream->data, 0, INVERTED_ROOM);
}

/* Add an item of a size that is the same for all of the part. */
static void
add_item(SegmentWriter *writer, InvertedPart part, const void *item, Size size)
{
	PageStream *stream = &writer->streams[part];

	if (stream->count == INVERTED_ROOM / size)
		flush_stream(writer, part);
	memcpy(stream->data + stream->count * size, item, size);
	stream->count++;
	stream->bytes = stream->count * size;
}

SegmentWriter *
segment_writer_begin(InvertedIndex *index, uint32 id, bool log)
{
	SegmentWriter *writer = (SegmentWriter *) palloc0(sizeof(SegmentWriter));

	writer->index = index;
	writer->id = id;
	writer->log = log;
	for (int part = 0; part < MAPPED_PARTS; part++)
	{
		PageStream *stream = &writer->streams[part];

		stream->data = (char *) palloc0(INVERTED_ROOM);
		stream->room = 64;
		stream->blocks = (BlockNumber *) palloc(stream->room * sizeof(BlockNumber));
	}
	return writer;
}

void
segment_writer_doc(SegmentWriter *writer, const InvertedDoc *doc)
{
	InvertedIndex *index = writer->index;
	PageStream *stream = &writer->streams[PART_DOCS];

	if (writer->root.docs == SEGMENT_MAX_DOCS)
		elog(ERROR, "too many rows for a segment");
	if (stream->count == index->page_docs)
		flush_stream(writer, PART_DOCS);
	((ItemPointerData *) stream->data)[stream->count] = doc->tid;
	if (index->has_flags)
		((uint8 *) stream->data + index->flags_offset)[stream->count] = doc->flags;
	if (index->filter != NULL)
	{
		uint8	   *columns[FILTER_MAX_COLUMNS];

		filter_block_columns(index->filter, stream->data + index->keys_offset,
							 index->page_docs, columns);
		filter_put(index->filter, columns, stream->count, doc_keys(doc));
	}
	stream->count++;
	stream->bytes = INVERTED_ROOM;
	writer->root.docs++;
	writer->root.special += doc->flags != 0;
}

static void
end_group(SegmentWriter *writer)
{
	if (writer->group_docs == 0)
		return;
	writer->group.others = writer->group_docs - 1;
	add_item(writer, PART_GROUPS, &writer->group, sizeof(PostingGroup));
	writer->root.groups++;
	writer->term.groups++;
	writer->group_docs = 0;
}

static void
end_term(SegmentWriter *writer)
{
	InvertedTerm *term = &writer->term;

	if (!writer->has_term)
		return;
	end_group(writer);
	writer->has_term = false;
	if (term->docs == 0)
		return;
	term->error = (term->error + writer->rounding) * (1 + 1e-6f);
	if (writer->root.terms % PAGE_TERMS == 0)
		add_item(writer, PART_TOPS, &term->dim, sizeof(int32));
	add_item(writer, PART_TERMS, term, sizeof(InvertedTerm));
	writer->root.terms++;
	writer->root.squares += (double) term->docs * term->docs;
}

void
segment_writer_term(SegmentWriter *writer, int32 dim, float greatest,
					bool negative, float error)
{
	InvertedTerm *term = &writer->term;

	end_term(writer);
	memset(term, 0, sizeof(InvertedTerm));
	term->dim = dim;
	term->greatest = greatest;
	term->negative = negative;
	term->step = weight_step(greatest, negative);
	term->error = error;
	term->first_group = writer->root.groups;
	term->first_posting = writer->root.postings;
	writer->has_term = true;
	writer->rounding = 0;
}

void
segment_writer_posting(SegmentWriter *writer, uint32 doc, float weight)
{
	InvertedIndex *index = writer->index;
	InvertedTerm *term = &writer->term;
	PageStream *stream = &writer->streams[PART_POSTINGS];
	uint16		range = doc >> RANGE_BITS;
	uint8		bound;

	if (writer->group_docs > 0 && writer->group.range != range)
		end_group(writer);
	if (writer->group_docs == 0)
	{
		writer->group.range = range;
		writer->group.greatest = 0;
	}
	if (stream->count == index->page_postings)
		flush_stream(writer, PART_POSTINGS);
	((uint8 *) stream->data)[stream->count] = doc & (RANGE_DOCS - 1);
	if (index->meta.weights == WEIGHT_FLOATS)
	{
		((float *) (stream->data + index->page_postings))[stream->count] = weight;
		bound = weight_bound(weight, term->step);
	}
	else
	{
		uint8		code = weight_encode(weight, term->step, term->negative);
		float		error = fabsf(weight_decode(code, term->step, term->negative) - weight);

		((uint8 *) stream->data + index->page_postings)[stream->count] = code;
		bound = code_bound(code, term->negative);
		writer->rounding = Max(writer->rounding, error);
	}
	stream->count++;
	stream->bytes = index->page_postings * (1 + index->weight_bytes);
	writer->group.greatest = Max(writer->group.greatest, bound);
	writer->group_docs++;
	term->docs++;
	writer->root.postings++;
}

void
segment_writer_longest(SegmentWriter *writer, uint32 longest)
{
	writer->root.longest = Max(writer->root.longest, longest);
}

/* Write the map, and the root. */
static BlockNumber
write_root(SegmentWriter *writer)
{
	InvertedRoot *root = (InvertedRoot *) palloc0(INVERTED_ROOM);
	BlockNumber *map = (BlockNumber *) palloc0(INVERTED_ROOM);
	uint32		count = 0;
	uint64		pages = 0;

	for (int part = 0; part < MAPPED_PARTS; part++)
		pages += writer->streams[part].pages;
	if (pages > (uint64) MAX_MAP_PAGES * MAP_BLOCKS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("segment of index \"%s\" has too many pages",
						RelationGetRelationName(writer->index->relation)),
				 errhint("Use several partitions, each with an index of its own.")));
	*root = writer->root;
	for (int part = 0; part < MAPPED_PARTS; part++)
	{
		PageStream *stream = &writer->streams[part];

		root->pages[part] = stream->pages;
		for (uint32 i = 0; i < stream->pages; i++)
		{
			map[count++] = stream->blocks[i];
			if (count == MAP_BLOCKS)
			{
				root_maps(root)[root->map_pages++] =
					write_page(writer, PART_MAP, count, (char *) map, INVERTED_ROOM);
				count = 0;
			}
		}
	}
	if (count > 0)
		root_maps(root)[root->map_pages++] =
			write_page(writer, PART_MAP, count, (char *) map, INVERTED_ROOM);
	return write_page(writer, PART_ROOT, 1, (char *) root,
					  sizeof(InvertedRoot) + root->map_pages * sizeof(BlockNumber));
}

InvertedSegment
segment_writer_end(SegmentWriter *writer)
{
	InvertedSegment entry = {0};

	end_term(writer);
	for (int part = 0; part < MAPPED_PARTS; part++)
		flush_stream(writer, part);
	entry.id = writer->id;
	entry.root = write_root(writer);
	entry.docs = writer->root.docs;
	entry.pages = writer->written;
	entry.postings = writer->root.postings;
	return entry;
}
