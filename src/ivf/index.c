/*
 * index.c
 *	  An open index: its constants, directory and summaries, each on pages of
 *	  their own.
 */
#include "ivf/index.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "storage/page_check.h"
#include "storage/recent_buffer.h"

ValueStore
ivf_value_store(Relation relation, const IvfMeta *meta)
{
	ValueStore	store;

	store.index = relation;
	store.map = buffer_map(relation);
	store.geometry = slot_geometry(PAGE_VALUE, meta->value_slot_size);
	return store;
}

IvfIndex *
ivf_open(Relation relation)
{
	IvfIndex   *index = (IvfIndex *) palloc0(sizeof(IvfIndex));
	IndexColumn column = index_column(relation, IVF_PROCS);

	index->relation = relation;
	index->kind = ivf_kind_of(relation);
	index->effort = ivf_effort(relation, index->kind);
	index->map = buffer_map(relation);
	index->filter = filter_shape(relation);
	ivf_read_meta(relation, &index->meta, &column, index->filter);
	index->centroids = ivf_constants(&index->meta).centroids;
	index->model = ivf_get_model(index, column);
	index->layout = ivf_layout(index->model, index->filter);
	if (index->meta.value_slot_size > 0)
		index->values = ivf_value_store(relation, &index->meta);
	return index;
}

/* ------------------------------------------------------------------------
 * Constants and directory
 */

void
ivf_read_floats(IvfIndex *index, uint64 offset, uint64 count, float *out)
{
	while (count > 0)
	{
		BlockNumber block = index->meta.constants + offset / IVF_RAW_FLOATS;
		int			first = offset % IVF_RAW_FLOATS;
		int			part = Min(count, (uint64) (IVF_RAW_FLOATS - first));
		Buffer		buffer = map_read_constant(index->map, block, PAGE_RAW);

		/*
		 * Never changes once it is there: no lock.  (gcc would make a slow
		 * "rep movsq" of a memcpy.)
		 */
		memmove(out, (float *) PageGetContents(BufferGetPage(buffer)) + first,
				part * sizeof(float));
		ReleaseBuffer(buffer);
		out += part;
		offset += part;
		count -= part;
	}
}

void
ivf_read_centroid(IvfIndex *index, uint32 list, float *out)
{
	int			width = index->meta.width;

	if (index->model->centroids != NULL)
		memcpy(out, index->model->centroids + (Size) list * width,
			   width * sizeof(float));
	else
		ivf_read_floats(index, index->centroids + (uint64) list * width, width,
						out);
}

void
ivf_prefetch_centroid(const IvfIndex *index, uint32 list)
{
	int			width = index->meta.width;
	uint64		offset = index->centroids + (uint64) list * width;

	if (index->model->centroids != NULL)
		return;
	for (int done = 0; done < width;)
	{
		int			first = (offset + done) % IVF_RAW_FLOATS;
		int			part = Min(width - done, IVF_RAW_FLOATS - first);
		Buffer		buffer = map_guess(index->map, index->meta.constants +
									   (offset + done) / IVF_RAW_FLOATS);

		if (buffer > 0)
			prefetch_bytes(PageGetContents(BufferGetPage(buffer)) + first * sizeof(float),
						   part * sizeof(float));
		done += part;
	}
}

static Buffer
directory_buffer(IvfIndex *index, uint32 list, int mode)
{
	Buffer		buffer = map_read(index->map, index->meta.directory +
								  list / IVF_LISTS_PER_PAGE);

	page_lock(index->relation, buffer, PAGE_RAW, mode);
	page_check_content(index->relation, buffer,
					   IVF_LISTS_PER_PAGE * sizeof(IvfList));
	return buffer;
}

static IvfList *
directory_entry(Page page, uint32 list)
{
	return (IvfList *) PageGetContents(page) + list % IVF_LISTS_PER_PAGE;
}

IvfList
ivf_get_list(IvfIndex *index, uint32 list)
{
	Buffer		buffer = directory_buffer(index, list, BUFFER_LOCK_SHARE);
	IvfList		result = *directory_entry(BufferGetPage(buffer), list);

	UnlockReleaseBuffer(buffer);
	return result;
}

void
ivf_check_head(IvfIndex *index, uint32 list, BlockNumber head)
{
	if (unlikely(head == InvalidBlockNumber))
		index_damaged(index->relation,
					  index->meta.directory + list / IVF_LISTS_PER_PAGE,
					  list % IVF_LISTS_PER_PAGE, "A list has no first page.");
}

void
ivf_set_fill(IvfIndex *index, uint32 list, BlockNumber fill, int more_pages)
{
	Buffer		buffer = directory_buffer(index, list, BUFFER_LOCK_EXCLUSIVE);
	PageEdit	edit;
	IvfList    *entry;

	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	entry = directory_entry(page_edit_page(&edit, buffer, false), list);
	entry->fill = fill;
	entry->pages += more_pages;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

/* ------------------------------------------------------------------------
 * Summaries
 */

static Buffer
summary_buffer(IvfIndex *index, uint32 list, int mode)
{
	Buffer		buffer = map_read(index->map, index->meta.summaries +
								  list / ivf_summaries_per_page(index->filter));

	page_lock(index->relation, buffer, PAGE_RAW, mode);
	page_check_content(index->relation, buffer,
					   ivf_summaries_per_page(index->filter) *
					   index->filter->count * sizeof(FilterBounds));
	return buffer;
}

void
ivf_widen_summary(IvfIndex *index, uint32 list, const uint8 *keys)
{
	FilterBounds bounds[FILTER_MAX_COLUMNS];
	Buffer		buffer = summary_buffer(index, list, BUFFER_LOCK_SHARE);
	PageEdit	edit;
	Page		page;

	memcpy(bounds, ivf_summary(index->filter, BufferGetPage(buffer), list),
		   index->filter->count * sizeof(FilterBounds));
	if (!filter_bounds_add(index->filter, bounds, keys))
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	page_lock(index->relation, buffer, PAGE_RAW, BUFFER_LOCK_EXCLUSIVE);
	page_edit_begin(&edit, index->relation, RelationNeedsWAL(index->relation));
	page = page_edit_page(&edit, buffer, false);
	(void) filter_bounds_add(index->filter, ivf_summary(index->filter, page, list),
							 keys);
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

bool
ivf_list_may_pass(IvfIndex *index, const Filter *filter, uint32 list)
{
	Buffer		buffer = summary_buffer(index, list, BUFFER_LOCK_SHARE);
	bool		result = filter_may_pass(filter,
										 ivf_summary(index->filter,
													 BufferGetPage(buffer), list));

	UnlockReleaseBuffer(buffer);
	return result;
}

void
ivf_lists_may_pass(IvfIndex *index, const Filter *filter, bool *may_pass)
{
	uint32		per_page = ivf_summaries_per_page(index->filter);
	uint32		lists = index->meta.lists;

	for (uint32 first = 0; first < lists; first += per_page)
	{
		Buffer		buffer = summary_buffer(index, first, BUFFER_LOCK_SHARE);
		Page		page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = first; i < Min(first + per_page, lists); i++)
			may_pass[i] = filter_may_pass(filter, ivf_summary(index->filter, page, i));
		UnlockReleaseBuffer(buffer);
	}
}

int
ivf_list_count(Relation index)
{
	return (int) ivf_open(index)->meta.lists;
}
