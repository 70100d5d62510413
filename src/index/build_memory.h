/*
 * build_memory.h
 *	  Memory in which an index is built: arrays that grow, piece by piece.
 *
 * How much a build will take is known only when it is done: a predicate, or a
 * table whose statistics are old, makes any estimate wrong.  So nothing is
 * allocated before it is needed.  An array's members are numbered, lie in pieces
 * of a power of two of them, and never move; a member is found by a shift and a
 * look into a table of pieces.  Pieces are allocated one by one at first, and an
 * eighth of what there is at a time later: in segments, few enough for the
 * server, which has a place for some hundred of them.
 *
 * A process that builds alone takes segments from a memory context.  Several
 * processes share BuildMemoryShared in the segment of their parallel context,
 * and any of them may create a dynamic shared memory segment for an array.  That
 * is pinned, so that it outlives its creator, and unpinned when the last process
 * has left the parallel context's segment, on whatever way (as in dsa.c).
 *
 * A segment that cannot be had is no error: an operating system that has no more
 * shared memory (in a container, 64 MB are the default) says so when it is
 * created, and the caller goes on in another way.
 */
#ifndef VECTOR_INDEX_BUILD_MEMORY_H
#define VECTOR_INDEX_BUILD_MEMORY_H

#include "compat/pg.h"

#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "utils/resowner.h"

#define BUILD_MAX_ARRAYS	4
#define BUILD_MAX_SEGMENTS	64
#define BUILD_MAX_PIECES	1024

/* Bytes of a piece, at least, unless memory is very small */
#define BUILD_LEAST_PIECE	((Size) 256 * 1024)

typedef struct BuildArrayShared
{
	Size		member_size;	/* MAXALIGNed by the caller, if it wants that */
	int			shift;			/* members of a piece: 1 << shift */
	pg_atomic_uint32 room;		/* members that there is memory for */
	int			segments;
	uint32		starts[BUILD_MAX_SEGMENTS + 1]; /* their first pieces; the last
												 * one ends where the next
												 * will begin */
	dsm_handle	handles[BUILD_MAX_SEGMENTS];
} BuildArrayShared;

/* Zeroed at first but for the limit; the lock is the caller's to initialise. */
typedef struct BuildMemoryShared
{
	LWLock		lock;			/* of all but rooms; not used by one process */
	Size		limit;			/* bytes, of all arrays together */
	Size		used;
	bool		refused;		/* memory was not to be had */
	int			processes;
	int			arrays;
	BuildArrayShared array[BUILD_MAX_ARRAYS];
} BuildMemoryShared;

typedef struct BuildMemory BuildMemory;

/* A process's view of an array */
typedef struct BuildArray
{
	BuildMemory *memory;
	BuildArrayShared *shared;
	Size		member_size;
	int			shift;
	uint32		mask;			/* members of a piece, less 1 */
	char	   *pieces[BUILD_MAX_PIECES];	/* NULL: not mapped yet */
} BuildArray;

struct BuildMemory
{
	BuildMemoryShared *shared;
	MemoryContext context;		/* of private segments; NULL: they are shared */
	ResourceOwner owner;		/* of this process's mappings */
	BuildArray	array[BUILD_MAX_ARRAYS];
};

/*
 * Plan one more array; its number.  members: at most so many are expected, by
 * which pieces get their size.
 */
extern int	build_memory_plan(BuildMemoryShared *shared, Size member_size,
							  double members);

/*
 * Keep the memory of several processes until this one detaches from host, in
 * which shared lies.  The last one to do so frees it, so the leader does this
 * before there are workers: they may have come, built and gone before it joins.
 */
extern void build_memory_hold(BuildMemoryShared *shared, dsm_segment *host);

/*
 * This process's part.  host: the parallel context's segment, in which shared
 * lies; NULL: this process alone, with memory from the current context.
 */
extern BuildMemory *build_memory_join(BuildMemoryShared *shared,
									  dsm_segment *host);

/* Unmap or free everything; on an error, the transaction's end does. */
extern void build_memory_leave(BuildMemory *memory);

/*
 * Have room for at least so many members.  False if the limit or the machine
 * does not allow it: shared->refused tells which.  What there is stays.
 */
extern bool build_array_grow(BuildArray *array, uint32 members);

/* Map the segment, which another process has created, with a piece; the piece. */
extern char *build_array_map(BuildArray *array, uint32 piece);

static inline bool
build_array_reserve(BuildArray *array, uint32 members)
{
	return likely(pg_atomic_read_u32(&array->shared->room) >= members) ||
		build_array_grow(array, members);
}

/* A member that there is room for */
static inline char *
build_array_at(BuildArray *array, uint32 number)
{
	char	   *piece = array->pieces[number >> array->shift];

	if (unlikely(piece == NULL))
		piece = build_array_map(array, number >> array->shift);
	return piece + (Size) (number & array->mask) * array->member_size;
}

/*
 * Can size bytes of dynamic shared memory be had, as far as that can be told
 * without taking them?  If not, and am is not NULL, a notice says that its
 * index is done ("built", "trained") by one process, and what to do.
 */
extern bool shared_memory_foreseen(Size size, const char *am,
								   const char *done);

/* The same by taking them, and giving them back at once. */
extern bool shared_memory_tried(Size size, const char *am, const char *done);

/* What to do about too little shared memory */
#define SHARED_MEMORY_HINT \
	"Allow for more dynamic shared memory: in a container, docker's --shm-size sets the size of /dev/shm. " \
	"Or set max_parallel_maintenance_workers to 0, and one process builds in private memory up to maintenance_work_mem."

#endif							/* VECTOR_INDEX_BUILD_MEMORY_H */
