/*
 * arena.c
 *	  Memory of searches that a backend keeps from one to the next.
 */
#include "sparse/arena.h"

#include "storage/shmem.h"
#include "utils/memutils.h"

/* What a backend keeps at most */
#define ARENA_MOST	((Size) 8 * 1024 * 1024)

static char *arena;
static Size arena_size;
static Size arena_used;
static Size arena_wanted;		/* by the search that wanted most */
static bool arena_lent;

static void
give_back(void *unused)
{
#ifdef USE_ASSERT_CHECKING
	if (arena_size > 0)
		memset(arena, 0x7F, Min(arena_used, arena_size));
#endif
	arena_wanted = Max(arena_wanted, arena_used);
	arena_lent = false;
}

/* Have as much as searches have wanted so far, if it is to be had. */
static void
grow(void)
{
	static MemoryContext context = NULL;
	Size		size = Min(arena_wanted + arena_wanted / 4, ARENA_MOST);

	if (arena_size >= Min(arena_wanted, ARENA_MOST))
		return;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "sparse searches",
										ALLOCSET_SMALL_SIZES);
	arena = NULL;
	arena_size = 0;
	MemoryContextReset(context);
	arena = (char *) MemoryContextAllocExtended(context, size + PG_CACHE_LINE_SIZE,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (arena == NULL)
		return;
	arena = (char *) TYPEALIGN(PG_CACHE_LINE_SIZE, arena);
	arena_size = size;
}

bool
arena_lend(MemoryContext context, MemoryContextCallback *callback)
{
	if (arena_lent)
		return false;
	grow();
	callback->func = give_back;
	callback->arg = NULL;
	MemoryContextRegisterResetCallback(context, callback);
	arena_used = 0;
	arena_lent = true;
	return true;
}

void *
arena_alloc(Size size)
{
	Size		place = arena_used;

	Assert(arena_lent);
	/* what there is no room for is counted, too, so that there will be */
	arena_used = add_size(place, CACHELINEALIGN(size));
	if (arena_used <= arena_size)
		return arena + place;
	return palloc_extended(size, MCXT_ALLOC_HUGE);
}
