/*
 * buffer_map.c
 *	  The recent-buffer map: which buffer a block of an index was in when this
 *	  backend last met it.
 */
#include "storage/buffer_map.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "storage/page_check.h"

typedef struct MapEntry
{
	BlockTag	key;			/* the file; so a rewritten index has a new map */
	BufferMap	map;
} MapEntry;

/*
 * What a backend keeps from one transaction to the next; with more, it forgets
 * everything and starts anew.
 */
#define MAX_MAPS	256
#define MAX_MAP_BYTES	((Size) 256 * 1024 * 1024)

static HTAB *maps;
static MemoryContext map_context;
static Size map_bytes;

/* Between transactions no map is in use. */
static void
forget_maps(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (maps == NULL ||
		(hash_get_num_entries(maps) <= MAX_MAPS && map_bytes <= MAX_MAP_BYTES))
		return;
	hash_destroy(maps);
	maps = NULL;
	map_bytes = 0;
	MemoryContextReset(map_context);
}

static void
create_maps(void)
{
	HASHCTL		control = {0};

	if (map_context == NULL)
	{
		map_context = AllocSetContextCreate(TopMemoryContext,
											"vector buffer maps",
											ALLOCSET_DEFAULT_SIZES);
		RegisterXactCallback(forget_maps, NULL);
	}
	control.keysize = sizeof(BlockTag);
	control.entrysize = sizeof(MapEntry);
	control.hcxt = map_context;
	maps = hash_create("vector buffer maps", 16, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

BufferMap *
buffer_map(Relation index)
{
	BlockTag	key = relation_block_tag(index);
	MapEntry   *entry;
	bool		found;

	if (maps == NULL)
		create_maps();
	entry = (MapEntry *) hash_search(maps, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset(&entry->map, 0, sizeof(entry->map));
		entry->map.tag = key;
	}
	entry->map.index = index;
	return &entry->map;
}

static void
grow(BufferMap *map, BlockNumber block)
{
	uint32		blocks = Max(map->blocks, 64);
	Size		size;

	while (blocks <= block)
		blocks *= 2;			/* at most MAP_MAX_BLOCKS */
	size = mul_size(blocks, sizeof(Buffer));
	if (map->buffers == NULL)
		map->buffers = (Buffer *)
			MemoryContextAllocExtended(map_context, size,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	else
	{
		map->buffers = (Buffer *) repalloc_huge(map->buffers, size);
		memset(map->buffers + map->blocks, 0,
			   (blocks - map->blocks) * sizeof(Buffer));
	}
	map_bytes += size - map->blocks * sizeof(Buffer);
	map->blocks = blocks;
}

void
block_damaged(Relation index, BlockNumber block)
{
	index_damaged(index, block, NO_PLACE,
				  "There is no such block: one of its pages refers to it, or its file has been truncated.");
}

bool
map_has_block(BufferMap *map, BlockNumber block)
{
	if (block >= map->end)
		map->end = RelationGetNumberOfBlocks(map->index);
	return block < map->end;
}

Buffer
map_read(BufferMap *map, BlockNumber block)
{
	Buffer		guess = map_guess(map, block);
	Buffer		buffer;

	/* local buffers: PostgreSQL 14 looks in the wrong place for them */
	if (guess > 0 &&
		ReadRecentBuffer(relation_locator(map->index), MAIN_FORKNUM, block,
						 guess))
	{
		note_buffer_use(guess, BM_MAX_USAGE_COUNT);
		return guess;
	}
	if (unlikely(!map_has_block(map, block)))
		block_damaged(map->index, block);
	buffer = ReadBuffer(map->index, block);
	if (block < MAP_MAX_BLOCKS)
	{
		if (block >= map->blocks)
			grow(map, block);
		map->buffers[block] = buffer;
	}
	return buffer;
}

Buffer
map_read_constant(BufferMap *map, BlockNumber block, PageKind kind)
{
	Buffer		known = map_guess(map, block);
	Buffer		buffer = map_read(map, block);

	if (unlikely(buffer != known || block == META_BLOCK))
		page_check_kind(map->index, buffer, kind);
	return buffer;
}

void
map_prefetch(BufferMap *map, BlockNumber block)
{
	Buffer		guess = map_guess(map, block);

	if ((guess == InvalidBuffer || !buffer_holds_block(guess, &map->tag, block)) &&
		map_has_block(map, block))
		PrefetchBuffer(map->index, MAIN_FORKNUM, block);
}
