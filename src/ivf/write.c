/*
 * write.c
 *	  The pages of a new index: metapage and constants, then list by list.
 *
 * Nothing is logged here (but for an init fork): a build logs all pages when
 * they are complete.
 */
#include "ivf/build.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "index/metapage.h"
#include "ivf/index.h"

void
ivf_create_pages(Relation index, ForkNumber fork, IvfMeta *meta,
				 const float *floats, const FilterShape *filter)
{
	Buffer		buffer = build_page_begin(index, fork, PAGE_META);
	Page		page = BufferGetPage(buffer);
	uint64		total = ivf_constants(meta).total;
	BlockNumber directory_blocks =
		(meta->lists + IVF_LISTS_PER_PAGE - 1) / IVF_LISTS_PER_PAGE;

	meta->directory = 1;
	meta->constants = 1 + directory_blocks;
	if (filter != NULL)
		meta->summaries = meta->constants + (total + IVF_RAW_FLOATS - 1) / IVF_RAW_FLOATS;
	*ivf_page_meta(page) = *meta;
	((PageHeader) page)->pd_lower = (char *) (ivf_page_meta(page) + 1) - (char *) page;
	build_page_end(buffer, fork);

	for (BlockNumber i = 0; i < directory_blocks; i++)
	{
		buffer = build_page_begin(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		memset(PageGetContents(page), 0, SLOT_PAGE_ROOM);
		((PageHeader) page)->pd_lower += IVF_LISTS_PER_PAGE * sizeof(IvfList);
		build_page_end(buffer, fork);
	}
	for (uint64 done = 0; done < total; done += IVF_RAW_FLOATS)
	{
		int			count = Min(total - done, (uint64) IVF_RAW_FLOATS);

		CHECK_FOR_INTERRUPTS();
		buffer = build_page_begin(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		memcpy(PageGetContents(page), floats + done, count * sizeof(float));
		((PageHeader) page)->pd_lower += count * sizeof(float);
		build_page_end(buffer, fork);
	}
	for (uint32 list = 0; filter != NULL && list < meta->lists;)
	{
		buffer = build_page_begin(index, fork, PAGE_RAW);
		page = BufferGetPage(buffer);
		for (int i = 0; i < ivf_summaries_per_page(filter); i++)
			filter_bounds_init(filter, ivf_summary(filter, page, list++));
		((PageHeader) page)->pd_lower += ivf_summaries_per_page(filter) *
			filter->count * sizeof(FilterBounds);
		build_page_end(buffer, fork);
	}
}

/* A list that is being written */
typedef struct ListWriter
{
	Relation	index;
	ForkNumber	fork;
	const IvfModel *model;
	IvfLayout	layout;
	const IvfMeta *meta;
	uint32		list;			/* the next to be begun */
	IvfList		record;
	Buffer		buffer;			/* its last page */
	uint8	   *codes;			/* of that page, if it has pieces */
	FilterBounds bounds[FILTER_MAX_COLUMNS];
} ListWriter;

static void
start_page(ListWriter *writer)
{
	Page		page;

	writer->buffer = build_page_begin(writer->index, writer->fork, PAGE_RECORD);
	page = BufferGetPage(writer->buffer);
	ivf_list_page_init(&writer->layout, page, writer->list);
	if (writer->layout.pieces > 0)
		memset(writer->codes, 0, ivf_codes_bytes(&writer->layout));
	else
		memset((char *) page + writer->layout.codes, 0,
			   ivf_codes_bytes(&writer->layout));
	writer->record.pages++;
	writer->record.fill = BufferGetBlockNumber(writer->buffer);
}

/* Write the last page of what has been collected, and its pieces. */
static void
end_page(ListWriter *writer)
{
	const IvfLayout *layout = &writer->layout;
	Page		page = BufferGetPage(writer->buffer);
	Size		done = ivf_head_codes(layout);

	if (layout->pieces > 0)
	{
		memcpy((char *) page + layout->codes, writer->codes, done);
		for (uint32 i = 0; i < layout->pieces; i++)
		{
			Buffer		piece = build_page_begin(writer->index, writer->fork, PAGE_PIECE);
			Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);

			memcpy(PageGetContents(BufferGetPage(piece)), writer->codes + done, part);
			((PageHeader) BufferGetPage(piece))->pd_lower += part;
			ivf_list_page(page)->pieces[i] = BufferGetBlockNumber(piece);
			build_page_end(piece, writer->fork);
			done += part;
		}
	}
	build_page_end(writer->buffer, writer->fork);
	writer->buffer = InvalidBuffer;
}

static void
start_list(ListWriter *writer)
{
	memset(&writer->record, 0, sizeof(IvfList));
	if (writer->layout.filter != NULL)
		filter_bounds_init(writer->layout.filter, writer->bounds);
	start_page(writer);
	writer->record.head = writer->record.fill;
}

void
ivf_write_record(Relation index, ForkNumber fork, const IvfMeta *meta, uint32 list,
				 const IvfList *record, const FilterShape *filter,
				 const FilterBounds *bounds)
{
	Buffer		buffer = ReadBufferExtended(index, fork,
											meta->directory + list / IVF_LISTS_PER_PAGE,
											RBM_NORMAL, NULL);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	((IvfList *) PageGetContents(BufferGetPage(buffer)))[list % IVF_LISTS_PER_PAGE] = *record;
	build_page_end(buffer, fork);
	if (filter == NULL)
		return;
	buffer = ReadBufferExtended(index, fork,
								meta->summaries + list / ivf_summaries_per_page(filter),
								RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	memcpy(ivf_summary(filter, BufferGetPage(buffer), list), bounds,
		   filter->count * sizeof(FilterBounds));
	build_page_end(buffer, fork);
}

/* End the list, and write its record and summary. */
static void
end_list(ListWriter *writer, const IvfListSum *sum)
{
	end_page(writer);
	writer->record.built = sum->rows;
	writer->record.radius = ivf_list_radius(sum);
	ivf_write_record(writer->index, writer->fork, writer->meta, writer->list,
					 &writer->record, sum->rows > 0 ? writer->layout.filter : NULL,
					 writer->bounds);
	writer->list++;
}

/*
 * The last page is full: begin the next one, and write the full one with the
 * link to it.
 */
static void
next_page(ListWriter *writer)
{
	ListWriter	full = *writer;
	IvfListPage *header = ivf_list_page(BufferGetPage(full.buffer));

	if (writer->layout.pieces > 0)
		writer->codes = (uint8 *) palloc(ivf_codes_bytes(&writer->layout));
	start_page(writer);
	header->next = BufferGetBlockNumber(writer->buffer);
	end_page(&full);
	if (writer->layout.pieces > 0)
		pfree(full.codes);
}

static void
add_entry(ListWriter *writer, const IvfEntry *entry)
{
	const IvfLayout *layout = &writer->layout;
	Page		page = BufferGetPage(writer->buffer);
	uint32		slot = ivf_list_page(page)->count;

	if (slot == layout->slots)
	{
		next_page(writer);
		page = BufferGetPage(writer->buffer);
		slot = 0;
	}
	ivf_put_code(writer->model, layout,
				 layout->pieces > 0 ? writer->codes : (uint8 *) page + layout->codes,
				 slot, entry->code);
	ivf_put_arrays(layout, page, slot, entry);
	if (layout->filter != NULL)
		(void) filter_bounds_add(layout->filter, writer->bounds, entry->keys);
	ivf_list_page_set_count(layout, page, slot + 1);
}

void
ivf_write_lists(Relation index, ForkNumber fork, const IvfModel *model,
				const IvfMeta *meta, const FilterShape *filter,
				IvfEntrySort *sort, const IvfListSum *sums)
{
	ListWriter	writer = {0};
	IvfEntry	entry;
	uint32		list;
	bool		more = sort != NULL && ivf_sort_get(sort, &list, &entry);

	writer.index = index;
	writer.fork = fork;
	writer.model = model;
	writer.layout = ivf_layout(model, filter);
	writer.meta = meta;
	writer.codes = (uint8 *) palloc(ivf_codes_bytes(&writer.layout));
	while (writer.list < meta->lists)
	{
		start_list(&writer);
		for (; more && list == writer.list; more = ivf_sort_get(sort, &list, &entry))
		{
			CHECK_FOR_INTERRUPTS();
			add_entry(&writer, &entry);
		}
		end_list(&writer, &sums[writer.list]);
	}
}

void
ivf_update_meta(Relation index, const IvfMeta *meta)
{
	Buffer		buffer = ReadBuffer(index, META_BLOCK);
	FreeSpace	space;			/* values have been written */

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	space = ivf_page_meta(BufferGetPage(buffer))->common.space;
	*ivf_page_meta(BufferGetPage(buffer)) = *meta;
	ivf_page_meta(BufferGetPage(buffer))->common.space = space;
	build_page_end(buffer, MAIN_FORKNUM);
}
