/*
 * build_memory.c
 *	  Memory in which an index is built: arrays that grow, piece by piece.
 */
#include "index/build_memory.h"

#include <math.h>
#include <sys/statvfs.h>

#include "miscadmin.h"
#include "storage/dsm_impl.h"
#include "utils/memutils.h"

/* A piece is at most one of so many parts of the limit */
#define LIMIT_PARTS		64

/*
 * A new segment is one of so many parts of what an array has.  With so many
 * segments of one piece first, 64 segments hold 5,800 pieces.
 */
#define GROWTH_PARTS	8

int
build_memory_plan(BuildMemoryShared *shared, Size member_size, double members)
{
	BuildArrayShared *array = &shared->array[shared->arrays];
	double		most = Min(members, (double) shared->limit / member_size);
	double		piece = Max(most / (BUILD_MAX_PIECES - 1),
							(double) BUILD_LEAST_PIECE / member_size);

	Assert(shared->arrays < BUILD_MAX_ARRAYS && member_size > 0);
	piece = Min(piece, (double) shared->limit / LIMIT_PARTS / member_size);
	array->member_size = member_size;
	array->shift = 0;
	while (array->shift < 30 && (double) (1 << array->shift) < piece)
		array->shift++;
	pg_atomic_init_u32(&array->room, 0);
	array->segments = 0;
	array->starts[0] = 0;
	return shared->arrays++;
}

static void
detach_memory(dsm_segment *host, Datum arg)
{
	BuildMemoryShared *shared = (BuildMemoryShared *) DatumGetPointer(arg);

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (--shared->processes == 0)
	{
		for (int i = 0; i < shared->arrays; i++)
		{
			BuildArrayShared *array = &shared->array[i];

			while (array->segments > 0)
				dsm_unpin_segment(array->handles[--array->segments]);
		}
	}
	LWLockRelease(&shared->lock);
}

void
build_memory_hold(BuildMemoryShared *shared, dsm_segment *host)
{
	/* registered first: it may fail, and then there is nothing to be undone */
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	on_dsm_detach(host, detach_memory, PointerGetDatum(shared));
	shared->processes++;
	LWLockRelease(&shared->lock);
}

BuildMemory *
build_memory_join(BuildMemoryShared *shared, dsm_segment *host)
{
	BuildMemory *memory = (BuildMemory *) palloc0(sizeof(BuildMemory));

	memory->shared = shared;
	for (int i = 0; i < shared->arrays; i++)
	{
		BuildArray *array = &memory->array[i];

		array->memory = memory;
		array->shared = &shared->array[i];
		array->member_size = array->shared->member_size;
		array->shift = array->shared->shift;
		array->mask = ((uint32) 1 << array->shift) - 1;
	}
	if (host == NULL)
	{
		memory->context = AllocSetContextCreate(CurrentMemoryContext,
												"index build memory",
												ALLOCSET_DEFAULT_SIZES);
		return memory;
	}
	memory->owner = ResourceOwnerCreate(CurrentResourceOwner,
										"index build memory");

	build_memory_hold(shared, host);
	return memory;
}

/* Release all that an owner has, without a word about leaks. */
static void
release_owner(ResourceOwner owner)
{
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owner);
}

void
build_memory_leave(BuildMemory *memory)
{
	if (memory->owner != NULL)
		release_owner(memory->owner);
	if (memory->context != NULL)
		MemoryContextDelete(memory->context);
	pfree(memory);
}

/*
 * Create a segment, or return NULL if it is not to be had.
 *
 * dsm_create raises an error then.  To catch it without a subtransaction (which
 * a parallel operation forbids) is sound because of where it is raised: the
 * operating system is asked before the segment has a slot, and with no lock
 * held.  What is left is the segment's descriptor, which belongs to owner and
 * goes with it.
 */
static dsm_segment *
try_create(ResourceOwner owner, Size size, char **why)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner outer = CurrentResourceOwner;
	uint32		holdoff = InterruptHoldoffCount;
	dsm_segment *volatile segment = NULL;

	if (why != NULL)
		*why = "There are too many dynamic shared memory segments.";
	PG_TRY();
	{
		CurrentResourceOwner = owner;
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		CurrentResourceOwner = outer;
		if (LWLockHeldByMe(DynamicSharedMemoryControlLock))
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		/* an error ends all holding off of interrupts; ours goes on */
		InterruptHoldoffCount = holdoff;
		if (why != NULL)
			*why = psprintf("%s.", error->message);
		FreeErrorData(error);
		segment = NULL;
	}
	PG_END_TRY();
	CurrentResourceOwner = outer;
	return segment;
}

/* A new segment's memory; NULL if it is not to be had */
static char *
create_segment(BuildArray *array, Size size)
{
	BuildMemory *memory = array->memory;
	dsm_segment *segment;

	if (memory->context != NULL)
		return (char *) MemoryContextAllocExtended(memory->context, size,
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	segment = try_create(memory->owner, size, NULL);
	if (segment == NULL)
		return NULL;
	dsm_pin_segment(segment);
	array->shared->handles[array->shared->segments] = dsm_segment_handle(segment);
	return (char *) dsm_segment_address(segment);
}

/* Enter the pieces of the array's i-th segment. */
static void
enter_segment(BuildArray *array, int i, char *address)
{
	const BuildArrayShared *shared = array->shared;

	for (uint32 piece = shared->starts[i]; piece < shared->starts[i + 1]; piece++)
	{
		array->pieces[piece] = address;
		address += ((Size) array->mask + 1) * array->member_size;
	}
}

/* One more segment of an array; false if there is none to be had. */
static bool
add_segment(BuildArray *array)
{
	BuildMemoryShared *shared = array->memory->shared;
	BuildArrayShared *grown = array->shared;
	uint32		piece_members = array->mask + 1;
	uint32		first = grown->starts[grown->segments];
	uint32		pieces = Max(first / GROWTH_PARTS, 1);
	Size		left = (shared->limit - shared->used) / array->member_size;

	/* numbers of members are below 2^31 */
	pieces = Min(pieces, BUILD_MAX_PIECES - first);
	while (pieces > 0 &&
		   ((uint64) first + pieces) << array->shift > PG_INT32_MAX)
		pieces--;
	if (grown->segments == BUILD_MAX_SEGMENTS)
		return false;
	while (pieces > 0)
	{
		Size		members = Min((Size) pieces * piece_members, left);
		char	   *address;

		if (members == 0)
			return false;
		address = create_segment(array, members * array->member_size);
		if (address != NULL)
		{
			grown->starts[grown->segments + 1] = first + pieces;
			enter_segment(array, grown->segments++, address);
			/* what is not whole is the last one of all */
			if (members < (Size) pieces * piece_members)
				shared->used = shared->limit;
			else
				shared->used += members * array->member_size;
			pg_atomic_write_u32(&grown->room,
								pg_atomic_read_u32(&grown->room) + (uint32) members);
			return true;
		}
		shared->refused = pieces == 1;
		pieces /= 2;
	}
	return false;
}

bool
build_array_grow(BuildArray *array, uint32 members)
{
	BuildMemory *memory = array->memory;
	bool		enough;

	if (memory->owner != NULL)
		LWLockAcquire(&memory->shared->lock, LW_EXCLUSIVE);
	do
	{
		enough = pg_atomic_read_u32(&array->shared->room) >= members;
	} while (!enough && !memory->shared->refused && add_segment(array));
	if (memory->owner != NULL)
		LWLockRelease(&memory->shared->lock);
	return enough;
}

/*
 * Another process has entered the segment before it made the number of any of
 * its members known; the lock orders our look after that.
 */
char *
build_array_map(BuildArray *array, uint32 piece)
{
	BuildMemory *memory = array->memory;
	BuildArrayShared *shared = array->shared;
	ResourceOwner outer = CurrentResourceOwner;
	dsm_segment *segment;
	int			i = 0;

	Assert(memory->owner != NULL);
	LWLockAcquire(&memory->shared->lock, LW_SHARED);
	while (i < shared->segments && shared->starts[i + 1] <= piece)
		i++;
	Assert(i < shared->segments);
	CurrentResourceOwner = memory->owner;
	segment = dsm_attach(shared->handles[i]);
	CurrentResourceOwner = outer;
	if (segment == NULL)
		elog(ERROR, "could not map memory of an index build");
	enter_segment(array, i, (char *) dsm_segment_address(segment));
	LWLockRelease(&memory->shared->lock);
	return array->pieces[piece];
}

/* ------------------------------------------------------------------------
 * Is there shared memory at all?
 */

static bool
build_by_one(const char *am, const char *done, Size size, const char *why)
{
	if (am != NULL)
		ereport(NOTICE,
				(errmsg("%s index is %s by one process, because there is not enough shared memory for more",
						am, done),
				 errdetail("They would share %.0f MB. %s",
						   ceil(size / 1048576.0), why),
				 errhint(SHARED_MEMORY_HINT)));
	return false;
}

bool
shared_memory_foreseen(Size size, const char *am, const char *done)
{
	const char *path = NULL;
	struct statvfs space;
	double		free_bytes;

	/* where the kinds that have a file system keep their segments */
	if (dynamic_shared_memory_type == DSM_IMPL_POSIX)
		path = "/dev/shm";
	else if (dynamic_shared_memory_type == DSM_IMPL_MMAP)
		path = PG_DYNSHMEM_DIR;

	/* no such folder, or one without a limit: only trying will tell */
	if (path == NULL || statvfs(path, &space) != 0 || space.f_blocks == 0)
		return true;
	free_bytes = (double) space.f_bavail * space.f_frsize +
		min_dynamic_shared_memory * 1048576.0;
	if (size <= free_bytes)
		return true;
	return build_by_one(am, done, size,
						psprintf("There are %.0f MB free in %s.",
								 floor(free_bytes / 1048576.0), path));
}

bool
shared_memory_tried(Size size, const char *am, const char *done)
{
	ResourceOwner owner;
	bool		had;
	char	   *why;

	if (!shared_memory_foreseen(size, am, done))
		return false;
	owner = ResourceOwnerCreate(CurrentResourceOwner, "index build memory");
	had = try_create(owner, size, &why) != NULL;
	release_owner(owner);
	return had || build_by_one(am, done, size, why);
}
