/*
 * assignments.c
 *	  Lists of rows from a table, while an index is built.
 *
 * A hash table of four bytes a slot holds lists by their rows' keys
 * (index/row_hints.h): as many bits of a key's hash, besides its place, as the
 * list's number leaves.  It is the leader's to fill, before rows are read; all
 * processes look into it.  Where another key has the same bits, a row gets a list
 * that is not its own: with 4,000 lists, of a million rows some three.
 *
 * It takes half of maintenance_work_mem at most.  If there are more rows, those
 * that come first in the table are in it, and the others are assigned as usual.
 *
 * Some of the lists are compared with those of the nearest centroids, and where
 * most of these are nearer the table is of other rows, or its numbers are not
 * those of these centroids: then no more is taken from it.
 */
#include "ivf/assignments.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * Lists that each process checks at first, as many as it looks up before it checks
 * any (assign.c), and then one in so many
 */
#define CHECK_FIRST		1024
#define CHECK_EVERY		64

/* Checks before the table is judged */
#define CHECK_LEAST		64

/* A table of which more than one in so many lists is not the nearest is poor. */
#define POOR_PART		10

/* The table is filled up to 3/4. */
#define SLOTS_FOR(rows)	((rows) + (rows) / 3 + 64)
#define ROOM_IN(slots)	((slots) - (slots) / 4)

struct IvfAssignments
{
	RowHintPlan plan;
	pg_atomic_uint32 checked;
	pg_atomic_uint32 wrong;
	int			bits;			/* of a list's number */
	uint64		used;
	uint64		count;			/* slots */
	uint32		slots[FLEXIBLE_ARRAY_MEMBER];	/* the list, from 1, and above it
												 * bits of the key; 0: empty */
};

RowHints *
ivf_assignments_open(Relation heap, Relation index, const IvfOptions *options,
					 Size *size)
{
	RowHints   *hints = row_hints_open(heap, index, HINT_LIST, "assignments",
									   ivf_assignment_table(options));
	RowHintScan *scan;
	RowHint		hint;
	uint64		most = (uint64) maintenance_work_mem * 1024 / 2 / sizeof(uint32);
	uint64		rows = 0;
	uint64		slots;

	if (hints == NULL)
		return NULL;
	scan = row_hints_scan_begin(hints, NULL);
	while (row_hints_next(scan, &hint))
		rows++;
	row_hints_scan_end(scan);
	slots = Min(SLOTS_FOR(rows), most);
	if (ROOM_IN(slots) < rows)
		ereport(NOTICE,
				(errmsg("index \"%s\" takes the lists of " UINT64_FORMAT " of " UINT64_FORMAT " rows from table \"%s\"",
						RelationGetRelationName(index), ROOM_IN(slots), rows,
						RelationGetRelationName(hints->table)),
				 errdetail("No more fit into half of maintenance_work_mem. The others are assigned as usual."),
				 errhint("Set maintenance_work_mem to " UINT64_FORMAT " MB or more.",
						 SLOTS_FOR(rows) * sizeof(uint32) / (512 * 1024) + 1)));
	*size = add_size(offsetof(IvfAssignments, slots),
					 mul_size(slots, sizeof(uint32)));
	return hints;
}

/* The slot at which a key's search begins, and what is above the list in its slot */
static inline uint64
first_slot(const IvfAssignments *assignments, uint64 key)
{
	return ((key & PG_UINT32_MAX) * assignments->count) >> 32;
}

static inline uint32
tag_of(const IvfAssignments *assignments, uint64 key)
{
	return (uint32) (key >> 32) & ~(((uint32) 1 << assignments->bits) - 1);
}

/* Does a slot that is in use have a key's tag? */
static inline bool
has_tag(const IvfAssignments *assignments, uint32 slot, uint32 tag)
{
	return ((slot ^ tag) >> assignments->bits) == 0;
}

/* Of rows with the same key, the first one counts.  False if there is no room. */
static bool
put(IvfAssignments *assignments, uint64 key, uint32 list)
{
	uint64		at = first_slot(assignments, key);
	uint32		tag = tag_of(assignments, key);

	while (assignments->slots[at] != 0)
	{
		if (has_tag(assignments, assignments->slots[at], tag))
			return true;
		at = at + 1 < assignments->count ? at + 1 : 0;
	}
	if (assignments->used >= ROOM_IN(assignments->count))
		return false;
	assignments->slots[at] = tag | list;
	assignments->used++;
	return true;
}

void
ivf_assignments_read(IvfAssignments *assignments, Size size, RowHints *hints,
					 uint32 lists)
{
	RowHintScan *scan;
	RowHint		hint;

	assignments->plan = hints->plan;
	pg_atomic_init_u32(&assignments->checked, 0);
	pg_atomic_init_u32(&assignments->wrong, 0);
	assignments->bits = pg_leftmost_one_pos32(lists) + 1;
	assignments->used = 0;
	assignments->count = (size - offsetof(IvfAssignments, slots)) / sizeof(uint32);
	scan = row_hints_scan_begin(hints, NULL);
	while (row_hints_next(scan, &hint))
	{
		if (hint.list >= 1 && hint.list <= lists &&
			!put(assignments, hint.key, (uint32) hint.list))
			break;
	}
	row_hints_scan_end(scan);
}

const RowHintPlan *
ivf_assignments_plan(const IvfAssignments *assignments)
{
	return &assignments->plan;
}

static bool
is_refuted(const IvfAssignments *assignments)
{
	uint32		checked = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &assignments->checked));
	uint32		wrong = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &assignments->wrong));

	return checked >= CHECK_LEAST && wrong > checked / 2;
}

int64
ivf_assignments_get(const IvfAssignments *assignments, uint64 key)
{
	uint64		at = first_slot(assignments, key);
	uint32		tag = tag_of(assignments, key);

	if (is_refuted(assignments))
		return -1;
	while (assignments->slots[at] != 0)
	{
		uint32		slot = assignments->slots[at];

		if (has_tag(assignments, slot, tag))
			return (int64) (slot & (((uint32) 1 << assignments->bits) - 1)) - 1;
		at = at + 1 < assignments->count ? at + 1 : 0;
	}
	return -1;
}

bool
ivf_assignments_check_due(uint64 seen)
{
	return seen < CHECK_FIRST || seen % CHECK_EVERY == 0;
}

void
ivf_assignments_checked(IvfAssignments *assignments, bool good)
{
	if (!good)
		pg_atomic_fetch_add_u32(&assignments->wrong, 1);
	pg_atomic_fetch_add_u32(&assignments->checked, 1);
}

void
ivf_assignments_announce(IvfAssignments *assignments)
{
	uint32		checked = pg_atomic_read_u32(&assignments->checked);
	uint32		wrong = pg_atomic_read_u32(&assignments->wrong);

	if (is_refuted(assignments))
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table \"%s\" does not have the lists of the indexed rows",
						get_rel_name(assignments->plan.table)),
				 errdetail("Of %u rows that were compared, %u are nearer to another centroid. The others have been assigned without it.",
						   checked, wrong),
				 errhint("Assign the rows as they are now to the centroids of option \"centroids\", or use ALTER INDEX ... RESET (assignments).")));
	else if (checked >= CHECK_LEAST && wrong > checked / POOR_PART)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table \"%s\" has some of the indexed rows in lists that are not the nearest",
						get_rel_name(assignments->plan.table)),
				 errdetail("Of %u rows that were compared, %u are nearer to another centroid. Searches find fewer of such rows.",
						   checked, wrong),
				 errhint("Assign the rows as they are now to the centroids of option \"centroids\", or use ALTER INDEX ... RESET (assignments).")));
	else
		ereport(DEBUG1,
				(errmsg("of %u rows of assignments that were compared, %u are nearer to another centroid",
						checked, wrong)));
}
