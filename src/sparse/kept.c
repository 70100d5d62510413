/*
 * kept.c
 *	  Where segments' pages are, kept by a backend from one search to the next.
 *
 * A segment does not change, and its number is given once in a file.  So what
 * segment_open reads of it holds for as long as the index has this file: what is kept
 * is forgotten with what PostgreSQL's cache of relations knows of the index, as when
 * that is built anew in the same file.  A search that is under way keeps what it uses.
 */
#include "sparse/inverted.h"

#include "utils/inval.h"
#include "utils/memutils.h"

#include "storage/page_check.h"

/* What a backend keeps at most: segments, and bytes */
#define MOST_SEGMENTS	128
#define MOST_BYTES		((Size) 1024 * 1024)

typedef struct KeptSegment
{
	BlockTag	file;
	Oid			index;
	Segment		segment;		/* its blocks and tops follow */
	Size		bytes;
	int			users;
	bool		forgotten;		/* goes when it has no users */
} KeptSegment;

static KeptSegment *kept[MOST_SEGMENTS];
static int	kept_count;
static Size kept_bytes;

static void
forget(KeptSegment *segment)
{
	segment->forgotten = true;
	if (segment->users > 0)
		return;
	for (int i = 0; i < kept_count; i++)
	{
		if (kept[i] != segment)
			continue;
		kept_bytes -= segment->bytes;
		kept[i] = kept[--kept_count];
		pfree(segment);
		return;
	}
}

/* A RelcacheCallbackFunction */
static void
forget_index(Datum arg, Oid relation)
{
	/* another takes the place of one that goes */
	for (int i = kept_count - 1; i >= 0; i--)
	{
		if (relation == InvalidOid || kept[i]->index == relation)
			forget(kept[i]);
	}
}

/* A MemoryContextCallbackFunction, of the context of a search */
static void
end_use(void *arg)
{
	KeptSegment *segment = (KeptSegment *) arg;

	segment->users--;
	if (segment->forgotten)
		forget(segment);
}

static KeptSegment *
find(const BlockTag *file, const InvertedSegment *entry)
{
	for (int i = 0; i < kept_count; i++)
	{
		const InvertedSegment *other = &kept[i]->segment.entry;

		if (other->id == entry->id && other->root == entry->root &&
			other->docs == entry->docs && !kept[i]->forgotten &&
			memcmp(&kept[i]->file, file, sizeof(BlockTag)) == 0)
			return kept[i];
	}
	return NULL;
}

/* Keep a copy of what an open segment has, if there is room. */
static void
keep(InvertedIndex *index, const BlockTag *file, const Segment *segment)
{
	static MemoryContext context = NULL;
	Size		tops = segment->root.pages[PART_TERMS] * sizeof(int32);
	Size		blocks = 0;
	KeptSegment *copy;

	for (int part = 0; part < MAPPED_PARTS; part++)
		blocks += segment->root.pages[part] * sizeof(BlockNumber);
	if (kept_count == MOST_SEGMENTS || kept_bytes + blocks + tops > MOST_BYTES)
		forget_index((Datum) 0, InvalidOid);
	if (kept_count == MOST_SEGMENTS || kept_bytes + blocks + tops > MOST_BYTES)
		return;
	if (context == NULL)
	{
		context = AllocSetContextCreate(TopMemoryContext, "sparse segments",
										ALLOCSET_DEFAULT_SIZES);
		CacheRegisterRelcacheCallback(forget_index, (Datum) 0);
	}
	copy = (KeptSegment *)
		MemoryContextAllocExtended(context, sizeof(KeptSegment) + blocks + tops,
								   MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (copy == NULL)
		return;
	copy->file = *file;
	copy->index = RelationGetRelid(index->relation);
	copy->segment = *segment;
	copy->segment.blocks = (BlockNumber *) (copy + 1);
	copy->segment.tops = (int32 *) ((char *) copy->segment.blocks + blocks);
	memcpy(copy->segment.blocks, segment->blocks, blocks);
	memcpy(copy->segment.tops, segment->tops, tops);
	copy->bytes = blocks + tops;
	kept_bytes += copy->bytes;
	kept[kept_count++] = copy;
}

const Segment *
segment_open_kept(InvertedIndex *index, const InvertedSegment *entry)
{
	BlockTag	file = relation_block_tag(index->relation);
	KeptSegment *segment = find(&file, entry);
	MemoryContextCallback *callback;
	Segment    *opened;

	if (segment == NULL)
	{
		opened = segment_open(index, entry);
		keep(index, &file, opened);
		return opened;
	}
	callback = (MemoryContextCallback *) palloc0(sizeof(MemoryContextCallback));
	callback->func = end_use;
	callback->arg = segment;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	segment->users++;
	return &segment->segment;
}
