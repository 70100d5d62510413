/*
 * exact_build.c
 *	  The entries of flat, written as the rows come: there is nothing to sort.
 *
 * Each process of a build fills pages in its own memory, and puts each behind the one
 * before it when it is full: no page is locked while rows are read, whose expressions may
 * run anything.  So each process has a chain of pages, and the leader makes one list of
 * all chains.  Nothing is logged here: a build logs all pages when they are complete.
 */
#include "ivf/build.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "index/metapage.h"
#include "ivf/index.h"
#include "types/detoast.h"

typedef struct ExactBuild
{
	BuildProcess *process;
	IvfBuildShared *shared;
	IvfChains  *chains;
	IvfModel	model;
	IvfLayout	layout;
	IvfEncoder *encoder;
	FilterShape *filter;		/* NULL: no filter columns */
	MemoryContext row_context;
	IvfChain	chain;
	Buffer		last;			/* of the chain, pinned; or invalid */

	Page		page;			/* the one that is being filled */
	uint8	   *codes;			/* of a page in pieces; else they are on it */
	uint8	   *code;
	uint8	   *keys;			/* of filter columns: the row's, and the page's */
	uint8	   *page_keys;
} ExactBuild;

Size
ivf_chains_size(void)
{
	return add_size(offsetof(IvfChains, chains),
					mul_size(max_parallel_maintenance_workers + 1, sizeof(IvfChain)));
}

static void
lock_shared(ExactBuild *build, bool lock)
{
	if (build->process->segment == NULL)
		return;
	if (lock)
		LWLockAcquire(&build->shared->lock, LW_EXCLUSIVE);
	else
		LWLockRelease(&build->shared->lock);
}

static void
begin_page(ExactBuild *build)
{
	memset(build->page, 0, BLCKSZ);
	ivf_list_page_init(&build->layout, build->page, 0);
	if (build->layout.pieces > 0)
		memset(build->codes, 0, ivf_codes_bytes(&build->layout));
}

/* Write the pieces that the codes of the page go on to, and name them on it. */
static void
write_pieces(ExactBuild *build)
{
	const IvfLayout *layout = &build->layout;
	Size		done = ivf_head_codes(layout);

	memcpy((char *) build->page + layout->codes, build->codes, done);
	for (uint32 i = 0; i < layout->pieces; i++)
	{
		Buffer		piece = build_page_begin(build->process->index, MAIN_FORKNUM, PAGE_PIECE);
		Size		part = Min(ivf_codes_bytes(layout) - done, SLOT_PAGE_ROOM);

		memcpy(PageGetContents(BufferGetPage(piece)), build->codes + done, part);
		((PageHeader) BufferGetPage(piece))->pd_lower += part;
		ivf_list_page(build->page)->pieces[i] = BufferGetBlockNumber(piece);
		build_page_end(piece, MAIN_FORKNUM);
		done += part;
	}
}

/* Make the chain's last page lead to block, or to none that this process knows. */
static void
end_last(ExactBuild *build, BlockNumber block)
{
	if (!BufferIsValid(build->last))
		return;
	LockBuffer(build->last, BUFFER_LOCK_EXCLUSIVE);
	ivf_list_page(BufferGetPage(build->last))->next = block;
	build_page_end(build->last, MAIN_FORKNUM);
	build->last = InvalidBuffer;
}

/* Write the page, behind the chain's last one. */
static void
write_page(ExactBuild *build)
{
	const IvfLayout *layout = &build->layout;
	uint32		count = ivf_list_page(build->page)->count;
	Buffer		buffer;
	Page		page;
	Size		start = MAXALIGN(SizeOfPageHeaderData);

	CHECK_FOR_INTERRUPTS();
	if (layout->pieces > 0)
		write_pieces(build);
	buffer = build_page_begin(build->process->index, MAIN_FORKNUM, PAGE_RECORD);
	page = BufferGetPage(buffer);
	memcpy((char *) page + start, (char *) build->page + start,
		   ((PageHeader) build->page)->pd_lower - start);
	((PageHeader) page)->pd_lower = ((PageHeader) build->page)->pd_lower;
	MarkBufferDirty(buffer);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	end_last(build, BufferGetBlockNumber(buffer));
	build->last = buffer;
	build->chain.last = BufferGetBlockNumber(buffer);
	if (build->chain.pages++ == 0)
		build->chain.head = build->chain.last;
	build->chain.rows += count;

	if (build->filter != NULL)
	{
		lock_shared(build, true);
		for (uint32 i = 0; i < count; i++)
			(void) filter_bounds_add(build->filter, build->chains->bounds,
									 build->page_keys + i * build->filter->entry_bytes);
		lock_shared(build, false);
	}
}

/* A row of the table: into the page */
static void
add_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive,
		void *state)
{
	ExactBuild *build = (ExactBuild *) state;
	const IvfLayout *layout = &build->layout;
	IvfEntry	entry = {.tid = *tid, .value = NO_SLOT};
	uint32		slot = ivf_list_page(build->page)->count;
	MultiVector elements;
	MemoryContext caller;

	if (isnull[0])
		return;
	caller = MemoryContextSwitchTo(build->row_context);
	column_values(&build->model.column,
				  (const struct varlena *) PG_DETOAST_DATUM(values[0]), &elements);
	entry.code = build->code;
	entry.keys = build->keys;
	ivf_encode(build->encoder, column_values_get(&elements, 0), NULL, NULL, &entry);
	if (build->filter != NULL)
	{
		filter_make_keys(build->filter, values, isnull, build->keys);
		memcpy(build->page_keys + slot * build->filter->entry_bytes, build->keys,
			   build->filter->entry_bytes);
	}
	ivf_put_code(&build->model, layout,
				 layout->pieces > 0 ? build->codes : (uint8 *) build->page + layout->codes,
				 slot, entry.code);
	ivf_put_arrays(layout, build->page, slot, &entry);
	ivf_list_page_set_count(layout, build->page, slot + 1);
	build_count(build->process);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(build->row_context);
	if (slot + 1 == layout->slots)
	{
		write_page(build);
		begin_page(build);
	}
}

void
ivf_write_rows(BuildProcess *process)
{
	ExactBuild *build = (ExactBuild *) palloc0(sizeof(ExactBuild));
	IvfBuildShared *shared = (IvfBuildShared *) build_chunk(process, IVF_CHUNK_SHARED);

	build->process = process;
	build->shared = shared;
	build->chains = (IvfChains *) build_chunk(process, IVF_CHUNK_CHAINS);
	build->filter = filter_shape(process->index);
	train_point_model(&build->model, &shared->meta,
					  index_column_checked(process->index, IVF_PROCS,
										   ivf_names[shared->meta.kind]),
					  (float *) build_chunk(process, IVF_CHUNK_FLOATS));
	build->layout = ivf_layout(&build->model, build->filter);
	build->encoder = ivf_encoder_create(&build->model);
	build->page = (Page) palloc(BLCKSZ);
	build->code = (uint8 *) palloc0(ivf_code_bytes(&build->model));
	if (build->layout.pieces > 0)
		build->codes = (uint8 *) palloc(ivf_codes_bytes(&build->layout));
	if (build->filter != NULL)
	{
		build->keys = (uint8 *) palloc(build->filter->entry_bytes);
		build->page_keys = (uint8 *)
			palloc(mul_size(build->layout.slots, build->filter->entry_bytes));
	}
	build->row_context = AllocSetContextCreate(CurrentMemoryContext, "ivf build row",
											   ALLOCSET_DEFAULT_SIZES);
	build->chain.head = build->chain.last = InvalidBlockNumber;
	build->last = InvalidBuffer;
	begin_page(build);
	build_scan(process, add_row, build);
	if (ivf_list_page(build->page)->count > 0)
		write_page(build);
	end_last(build, InvalidBlockNumber);
	if (build->chain.pages == 0)
		return;
	lock_shared(build, true);
	build->chains->chains[build->chains->count++] = build->chain;
	lock_shared(build, false);
}

void
ivf_join_chains(BuildProcess *process, const IvfModel *model, const IvfMeta *meta,
				const FilterShape *filter)
{
	IvfChains  *chains = (IvfChains *) build_chunk(process, IVF_CHUNK_CHAINS);
	IvfList		record = {0};

	if (chains->count == 0)
	{
		const IvfListSum none = {0};

		ivf_write_lists(process->index, MAIN_FORKNUM, model, meta, filter, NULL, &none);
		return;
	}
	for (int i = 0; i < chains->count; i++)
	{
		const IvfChain *chain = &chains->chains[i];

		if (i == 0)
			record.head = chain->head;
		else
		{
			Buffer		buffer = ReadBuffer(process->index, record.fill);

			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
			ivf_list_page(BufferGetPage(buffer))->next = chain->head;
			build_page_end(buffer, MAIN_FORKNUM);
		}
		record.fill = chain->last;
		record.pages += chain->pages;
		record.built += chain->rows;
	}
	ivf_write_record(process->index, MAIN_FORKNUM, meta, 0, &record,
					 record.built > 0 ? filter : NULL, chains->bounds);
}
