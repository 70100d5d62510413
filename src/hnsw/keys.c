/*
 * keys.c
 *	  Filter columns' keys of elements, on pages of their own.
 *
 * Keys are an array over the numbers of level 0, cut into pages: the keys of
 * element id are in slot id % per_page of key page id / per_page.  So an
 * element's keys can be tested without reading its node, by its number, and all keys
 * of the index are read as columns, page after page.
 *
 * Which block a key page is in stands in a directory: pages of block numbers,
 * which the metapage knows.  Key pages are made when a number in their range is
 * first used, and stay for ever.
 *
 * A key page has a byte for each slot that says whether its element exists: set
 * with the keys, before anything leads to the node; cleared by vacuum before it
 * frees the node.  Where it is set, the node may be freed, or in use again, by the
 * time it is read, but is never anything else than a node.
 *
 * Locks: the metapage, then a directory page, then a key page.
 */
#include "hnsw/filter.h"

#include "miscadmin.h"

#include "storage/page_check.h"

struct HnswKeys
{
	Relation	relation;
	BufferMap  *map;
	const FilterShape *shape;
	uint32		per_page;		/* elements, a multiple of 8 */
	uint32		elements_per_block; /* of pages of level 0 */
	bool		log;			/* changes go to WAL */
	MemoryContext context;
	BlockNumber *blocks;		/* of key pages; InvalidBlockNumber: none known */
	uint32		pages;			/* in blocks */
	uint32		room;
};

/* Block numbers on a page of the directory */
#define DIRECTORY_BLOCKS	((uint32) (SLOT_PAGE_ROOM / sizeof(BlockNumber)))

static inline uint8 *
page_used(Page page)
{
	return (uint8 *) PageGetContents(page);
}

static inline void
page_columns(const HnswKeys *keys, Page page, uint8 **columns)
{
	filter_block_columns(keys->shape, page_used(page) + MAXALIGN(keys->per_page),
						 keys->per_page, columns);
}

static uint32
elements_per_page(const FilterShape *shape)
{
	uint32		count = SLOT_PAGE_ROOM / (1 + shape->entry_bytes) / 8 * 8;

	while (MAXALIGN(count) + filter_block_bytes(shape, count) > SLOT_PAGE_ROOM)
		count -= 8;
	return count;
}

HnswKeys *
hnsw_keys_create(Relation relation, const HnswIndex *index, BufferMap *map,
				 bool log)
{
	HnswKeys   *keys = (HnswKeys *) palloc0(sizeof(HnswKeys));

	keys->relation = relation;
	keys->map = map;
	keys->shape = index->filter;
	keys->per_page = elements_per_page(index->filter);
	keys->elements_per_block = index->shape.base.per_page;
	keys->log = log;
	keys->context = CurrentMemoryContext;
	return keys;
}

uint32
hnsw_keys_per_page(const HnswKeys *keys)
{
	return keys->per_page;
}

bool
hnsw_keys_have_page(const HnswKeys *keys, uint32 number)
{
	return keys->blocks[number] != InvalidBlockNumber;
}

BlockNumber
hnsw_keys_block(const HnswKeys *keys, uint32 number)
{
	return keys->blocks[number];
}

bool
hnsw_keys_exists(Page page, uint32 slot)
{
	return page_used(page)[slot] != 0;
}

/* ------------------------------------------------------------------------
 * Directory
 */

/* Bytes of the content of a page: the metapage, one of the directory, or of keys */
static Size
content_bytes(const HnswKeys *keys, PageKind kind)
{
	switch (kind)
	{
		case PAGE_META:
			return sizeof(HnswMeta) + sizeof(HnswKeyMeta);
		case PAGE_RAW:
			return DIRECTORY_BLOCKS * sizeof(BlockNumber);
		default:
			return MAXALIGN(keys->per_page) +
				filter_block_bytes(keys->shape, keys->per_page);
	}
}

/* Pin and lock a page of one of these kinds. */
static Buffer
lock_page(HnswKeys *keys, BlockNumber block, PageKind kind, int mode)
{
	Buffer		buffer = map_read(keys->map, block);

	page_lock(keys->relation, buffer, kind, mode);
	page_check_content(keys->relation, buffer, content_bytes(keys, kind));
	return buffer;
}

/* Make room for pages 0 .. count - 1. */
static void
need_pages(HnswKeys *keys, uint32 count)
{
	uint32		room = Max(keys->room, 64);

	if (count <= keys->room)
		return;
	while (room < count)
		room *= 2;
	if (keys->blocks == NULL)
		keys->blocks = (BlockNumber *)
			MemoryContextAllocHuge(keys->context, mul_size(room, sizeof(BlockNumber)));
	else
		keys->blocks = (BlockNumber *)
			repalloc_huge(keys->blocks, mul_size(room, sizeof(BlockNumber)));
	keys->room = room;
}

static BlockNumber
directory_block(HnswKeys *keys, uint32 number)
{
	Buffer		buffer = lock_page(keys, META_BLOCK, PAGE_META, BUFFER_LOCK_SHARE);
	BlockNumber block;

	block = hnsw_page_keys(BufferGetPage(buffer))->directory[number];
	UnlockReleaseBuffer(buffer);
	return block;
}

uint32
hnsw_keys_refresh(HnswKeys *keys, uint32 *numbers)
{
	BlockNumber directory[HNSW_KEY_DIRECTORY];
	Buffer		buffer = lock_page(keys, META_BLOCK, PAGE_META, BUFFER_LOCK_SHARE);
	/* numbers that elements may have: how much memory keys may take */
	uint64		elements = (uint64) RelationGetNumberOfBlocks(keys->relation) *
		keys->elements_per_block;
	uint32		count = 0;

	memcpy(directory, hnsw_page_keys(BufferGetPage(buffer))->directory,
		   sizeof(directory));
	UnlockReleaseBuffer(buffer);

	keys->pages = 0;
	for (uint32 i = 0; i < HNSW_KEY_DIRECTORY; i++)
	{
		uint32		first = i * DIRECTORY_BLOCKS;
		const BlockNumber *blocks;

		if (directory[i] == InvalidBlockNumber)
			continue;
		if ((uint64) first * keys->per_page >= elements)
			index_damaged(keys->relation, META_BLOCK, NO_PLACE,
						  "Its directory has keys of more elements than there are.");
		need_pages(keys, first + DIRECTORY_BLOCKS);
		for (; keys->pages < first; keys->pages++)
			keys->blocks[keys->pages] = InvalidBlockNumber;
		buffer = lock_page(keys, directory[i], PAGE_RAW, BUFFER_LOCK_SHARE);
		blocks = (const BlockNumber *) PageGetContents(BufferGetPage(buffer));
		for (uint32 k = 0; k < DIRECTORY_BLOCKS; k++)
		{
			keys->blocks[first + k] = blocks[k];
			if (blocks[k] == InvalidBlockNumber)
				continue;
			if ((uint64) (first + k) * keys->per_page >= elements)
				index_damaged(keys->relation, directory[i], k,
							  "It has keys of more elements than there are.");
			keys->pages = first + k + 1;
			count++;
		}
		UnlockReleaseBuffer(buffer);
	}
	if (numbers != NULL)
		*numbers = keys->pages;
	return count;
}

/*
 * Append a page of a kind, its content filled with a byte, and write its block's
 * number at a place on the page of a locked buffer.
 */
static BlockNumber
add_page(HnswKeys *keys, PageKind kind, int fill, Buffer parent,
		 const BlockNumber *place)
{
	Size		offset = (const char *) place - (char *) BufferGetPage(parent);
	Buffer		buffer = index_extend(keys->relation, MAIN_FORKNUM);
	BlockNumber block = BufferGetBlockNumber(buffer);
	Size		bytes = content_bytes(keys, kind);
	PageEdit	edit;
	Page		page;

	page_edit_begin(&edit, keys->relation, keys->log);
	page = page_edit_page(&edit, parent, false);
	*(BlockNumber *) ((char *) page + offset) = block;
	page = page_edit_page(&edit, buffer, true);
	slot_page_init(page, kind);
	memset(PageGetContents(page), fill, bytes);
	((PageHeader) page)->pd_lower += bytes;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
	return block;
}

/* The page of the directory with a number, made if there is none yet */
static BlockNumber
make_directory(HnswKeys *keys, uint32 number)
{
	const BlockNumber *place;
	BlockNumber block;
	Buffer		meta;

	if (number >= HNSW_KEY_DIRECTORY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" has too many elements for its filter columns",
						RelationGetRelationName(keys->relation)),
				 errhint("Use several partitions, each with an index of its own, or fewer filter columns.")));
	block = directory_block(keys, number);
	if (block != InvalidBlockNumber)
		return block;

	meta = lock_page(keys, META_BLOCK, PAGE_META, BUFFER_LOCK_EXCLUSIVE);
	place = &hnsw_page_keys(BufferGetPage(meta))->directory[number];
	block = *place;
	if (block == InvalidBlockNumber)
		block = add_page(keys, PAGE_RAW, 0xFF, meta, place);
	UnlockReleaseBuffer(meta);
	return block;
}

/* The block of a key page, which is made if there is none yet */
static BlockNumber
make_page(HnswKeys *keys, uint32 number)
{
	Buffer		directory =
		lock_page(keys, make_directory(keys, number / DIRECTORY_BLOCKS), PAGE_RAW,
				  BUFFER_LOCK_EXCLUSIVE);
	const BlockNumber *place = (const BlockNumber *)
		PageGetContents(BufferGetPage(directory)) + number % DIRECTORY_BLOCKS;
	BlockNumber block = *place;

	if (block == InvalidBlockNumber)
		block = add_page(keys, PAGE_KEYS, 0, directory, place);
	UnlockReleaseBuffer(directory);
	return block;
}

/* The block of a key page; InvalidBlockNumber: none, and not to be made */
static BlockNumber
page_block(HnswKeys *keys, uint32 number, bool make)
{
	uint32		at = number % DIRECTORY_BLOCKS;
	BlockNumber block = InvalidBlockNumber;

	if (likely(number < keys->pages))
		block = keys->blocks[number];
	if (likely(block != InvalidBlockNumber))
		return block;

	/* new since the directory was read */
	if (number / DIRECTORY_BLOCKS < HNSW_KEY_DIRECTORY)
		block = directory_block(keys, number / DIRECTORY_BLOCKS);
	if (block != InvalidBlockNumber)
	{
		Buffer		buffer = lock_page(keys, block, PAGE_RAW, BUFFER_LOCK_SHARE);

		block = ((BlockNumber *) PageGetContents(BufferGetPage(buffer)))[at];
		UnlockReleaseBuffer(buffer);
	}
	if (block == InvalidBlockNumber)
	{
		if (!make)
			return block;
		block = make_page(keys, number);
	}
	need_pages(keys, number + 1);
	for (; keys->pages <= number; keys->pages++)
		keys->blocks[keys->pages] = InvalidBlockNumber;
	return keys->blocks[number] = block;
}

/* ------------------------------------------------------------------------
 * Keys
 */

void
hnsw_keys_put(HnswKeys *keys, GraphId id, const uint8 *entry)
{
	Buffer		buffer = lock_page(keys,
								   page_block(keys, id / keys->per_page, true),
								   PAGE_KEYS, BUFFER_LOCK_EXCLUSIVE);
	uint8	   *columns[FILTER_MAX_COLUMNS];
	PageEdit	edit;
	Page		page;

	page_edit_begin(&edit, keys->relation, keys->log);
	page = page_edit_page(&edit, buffer, false);
	page_columns(keys, page, columns);
	filter_put(keys->shape, columns, id % keys->per_page, entry);
	page_used(page)[id % keys->per_page] = 1;
	page_edit_end(&edit);
	UnlockReleaseBuffer(buffer);
}

bool
hnsw_keys_get(HnswKeys *keys, GraphId id, uint8 *entry)
{
	BlockNumber block = page_block(keys, id / keys->per_page, false);
	uint8	   *columns[FILTER_MAX_COLUMNS];
	Buffer		buffer;
	bool		exists;

	if (block == InvalidBlockNumber)
		return false;
	buffer = lock_page(keys, block, PAGE_KEYS, BUFFER_LOCK_SHARE);
	page_columns(keys, BufferGetPage(buffer), columns);
	filter_get(keys->shape, columns, id % keys->per_page, entry);
	exists = page_used(BufferGetPage(buffer))[id % keys->per_page] != 0;
	UnlockReleaseBuffer(buffer);
	return exists;
}

bool
hnsw_keys_equal(HnswKeys *keys, GraphId id, const uint8 *entry)
{
	uint8		own[FILTER_MAX_COLUMNS * FILTER_MAX_WIDTH];

	memset(own, 0, sizeof(own));
	return hnsw_keys_get(keys, id, own) &&
		memcmp(own, entry, keys->shape->entry_bytes) == 0;
}

void
hnsw_keys_clear(HnswKeys *keys, const GraphId *ids, Size count)
{
	for (Size i = 0; i < count;)
	{
		uint32		number = ids[i] / keys->per_page;
		BlockNumber block = page_block(keys, number, false);
		Buffer		buffer;
		PageEdit	edit;
		Page		page;

		CHECK_FOR_INTERRUPTS();
		if (block == InvalidBlockNumber)
		{
			/* a crash may have come before its keys */
			i++;
			continue;
		}
		buffer = lock_page(keys, block, PAGE_KEYS, BUFFER_LOCK_EXCLUSIVE);
		page_edit_begin(&edit, keys->relation, keys->log);
		page = page_edit_page(&edit, buffer, false);
		for (; i < count && ids[i] / keys->per_page == number; i++)
			page_used(page)[ids[i] % keys->per_page] = 0;
		page_edit_end(&edit);
		UnlockReleaseBuffer(buffer);
	}
}

/* ------------------------------------------------------------------------
 * Tests
 */

/*
 * A page of keys, peeked at; looked at as such when this backend first meets it
 * in its buffer.
 */
static Page
peek_keys(HnswKeys *keys, BlockNumber block, Buffer *buffer)
{
	Buffer		known = map_guess(keys->map, block);
	Page		page = (Page) unconstify(char *, map_peek(keys->map, block, buffer));

	if (unlikely(*buffer != known || block == META_BLOCK) &&
		!page_is_sound(page, PAGE_KEYS))
		UnlockReleaseBuffer(lock_page(keys, block, PAGE_KEYS, BUFFER_LOCK_SHARE));
	return page;
}

bool
hnsw_keys_pass(HnswKeys *keys, const Filter *filter, GraphId id)
{
	BlockNumber block = page_block(keys, id / keys->per_page, false);
	uint32		slot = id % keys->per_page;
	uint8	   *columns[FILTER_MAX_COLUMNS];
	Buffer		buffer;
	Page		page;
	bool		passes;

	if (block == InvalidBlockNumber)
		return false;
	page = peek_keys(keys, block, &buffer);
	page_columns(keys, page, columns);
	passes = page_used(page)[slot] && filter_passes(filter, columns, slot);
	if (likely(map_still(keys->map, block, buffer)))
		return passes;

	buffer = lock_page(keys, block, PAGE_KEYS, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	page_columns(keys, page, columns);
	passes = page_used(page)[slot] && filter_passes(filter, columns, slot);
	UnlockReleaseBuffer(buffer);
	return passes;
}

/* What hnsw_keys_pass_page does, on a page that may be changing */
static void
pass_page(HnswKeys *keys, const Filter *filter, Page page, uint32 *used,
		  uint8 *passes)
{
	uint8	   *columns[FILTER_MAX_COLUMNS];
	const uint8 *there = page_used(page);

	/* 0 or 1, whatever is there */
	for (uint32 i = 0; i < keys->per_page; i++)
		passes[i] = there[i] != 0;
	if (used != NULL)
	{
		*used = 0;
		for (uint32 i = 0; i < keys->per_page; i++)
			*used += passes[i];
	}
	page_columns(keys, page, columns);
	filter_pass_many(filter, columns, keys->per_page, passes);
}

bool
hnsw_keys_pass_page(HnswKeys *keys, const Filter *filter, uint32 number,
					uint32 *used, uint8 *passes)
{
	BlockNumber block = keys->blocks[number];
	Buffer		buffer;
	Page		page;

	if (block == InvalidBlockNumber)
		return false;
	page = peek_keys(keys, block, &buffer);
	pass_page(keys, filter, page, used, passes);
	if (likely(map_still(keys->map, block, buffer)))
		return true;

	buffer = lock_page(keys, block, PAGE_KEYS, BUFFER_LOCK_SHARE);
	pass_page(keys, filter, BufferGetPage(buffer), used, passes);
	UnlockReleaseBuffer(buffer);
	return true;
}
