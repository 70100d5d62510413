/*
 * cached_blocks.c
 *	  How many blocks of relations are in shared buffers: one look at the headers of
 *	  all buffers, whatever the number of relations.
 *
 * The tags of buffers are compared without the lock of a header, which
 * pg_buffercache takes.  A tag that is changed meanwhile is counted, or is not; a
 * tag that is read while it is written may be taken for another only if its parts
 * make up one of the relations asked for.
 */
#include "admin/cached_blocks.h"

#include "miscadmin.h"

/* Buffers between two looks for an interrupt */
#define BUFFERS_AT_ONCE		65536

/* Most buffers are of other files: a bit for each that may be one of ours */
#define FILE_BITS			4096

typedef struct Files
{
	CachedBlocks **sorted;		/* by number of file */
	int			count;
	uint64		bits[FILE_BITS / 64];
} Files;

static inline bool
may_be_wanted(const Files *files, uint32 file)
{
	return (files->bits[file % FILE_BITS / 64] >> file % 64 & 1) != 0;
}

static int
compare_files(const void *a, const void *b)
{
	uint32		x = block_tag_file(&(*(CachedBlocks *const *) a)->tag);
	uint32		y = block_tag_file(&(*(CachedBlocks *const *) b)->tag);

	return x < y ? -1 : x > y;
}

/* Those of the relations that are temporary, or those that are not */
static Files
files_of(CachedBlocks *relations, int count, bool local)
{
	Files		files = {0};

	files.sorted = (CachedBlocks **) palloc(Max(count, 1) * sizeof(CachedBlocks *));
	for (int i = 0; i < count; i++)
	{
		uint32		file = block_tag_file(&relations[i].tag);

		if (relations[i].local != local)
			continue;
		files.sorted[files.count++] = &relations[i];
		files.bits[file % FILE_BITS / 64] |= UINT64CONST(1) << file % 64;
	}
	qsort(files.sorted, files.count, sizeof(CachedBlocks *), compare_files);
	return files;
}

static void
count_buffer(const Files *files, Buffer buffer)
{
	BlockTag	tag;
	uint32		file;
	int			first = 0;
	int			end = files->count;

	if (!buffer_holds_main(buffer, &tag))
		return;
	file = block_tag_file(&tag);
	if (!may_be_wanted(files, file))
		return;
	while (first < end)
	{
		int			middle = first + (end - first) / 2;

		if (block_tag_file(&files->sorted[middle]->tag) < file)
			first = middle + 1;
		else
			end = middle;
	}
	for (; first < files->count && block_tag_file(&files->sorted[first]->tag) == file; first++)
	{
		if (block_tags_equal(&files->sorted[first]->tag, &tag))
			files->sorted[first]->count++;
	}
}

void
count_cached_blocks(CachedBlocks *relations, int count)
{
	Files		shared = files_of(relations, count, false);
	Files		local = files_of(relations, count, true);

	for (int i = 0; i < count; i++)
		relations[i].count = 0;
	if (shared.count > 0)
	{
		for (int i = 1; i <= NBuffers; i++)
		{
			if (i % BUFFERS_AT_ONCE == 0)
				CHECK_FOR_INTERRUPTS();
			count_buffer(&shared, i);
		}
	}
	if (local.count > 0)
	{
		for (int i = 1; i <= NLocBuffer; i++)
			count_buffer(&local, -i);
	}
	pfree(shared.sorted);
	pfree(local.sorted);
}
