/*
 * assignments.c
 *	  Lists of rows from a table, while an index is built.
 *
 * A hash table of eight bytes a slot holds all lists by their rows' keys
 * (index/row_hints.h): 32 bits of a key's hash beside its place.  It is the
 * leader's to fill, before rows are read; all processes look into it.
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

typedef struct Assignment
{
	uint32		tag;			/* the key's upper half */
	uint32		list;			/* from 1; 0: an empty slot */
} Assignment;

struct IvfAssignments
{
	RowHintPlan plan;
	pg_atomic_uint32 checked;
	pg_atomic_uint32 wrong;
	uint64		mask;			/* slots less 1 */
	Assignment	slots[FLEXIBLE_ARRAY_MEMBER];
};

/* Slots for so many rows: a power of two, of which two thirds are used at most */
static Size
slots_for(uint64 rows)
{
	return (Size) pg_nextpower2_64(Max(rows + rows / 2, 64));
}

RowHints *
ivf_assignments_open(Relation heap, Relation index, const IvfOptions *options,
					 Size *size)
{
	RowHints   *hints = row_hints_open(heap, index, HINT_LIST, "assignments",
									   ivf_assignment_table(options));
	RowHintScan *scan;
	RowHint		hint;
	uint64		rows = 0;

	if (hints == NULL)
		return NULL;
	scan = row_hints_scan_begin(hints, NULL);
	while (row_hints_next(scan, &hint))
		rows++;
	row_hints_scan_end(scan);
	*size = add_size(offsetof(IvfAssignments, slots),
					 mul_size(slots_for(rows), sizeof(Assignment)));
	if (*size <= (Size) maintenance_work_mem * 1024 / 2)
		return hints;
	ereport(WARNING,
			(errmsg("index \"%s\" is built without table \"%s\", which does not fit into half of maintenance_work_mem",
					RelationGetRelationName(index),
					RelationGetRelationName(hints->table)),
			 errhint("Set maintenance_work_mem to %zu MB or more.",
					 *size / (512 * 1024) + 1)));
	row_hints_close(hints);
	return NULL;
}

/* Of rows with the same key, the first one counts. */
static void
put(IvfAssignments *assignments, uint64 key, uint32 list)
{
	uint64		at = key & assignments->mask;

	/* there is an empty slot: rows that have come since they were counted do not */
	for (uint64 steps = 0; steps <= assignments->mask / 2; steps++)
	{
		Assignment *slot = &assignments->slots[at];

		if (slot->list == 0)
		{
			slot->tag = (uint32) (key >> 32);
			slot->list = list;
			return;
		}
		if (slot->tag == (uint32) (key >> 32))
			return;
		at = (at + 1) & assignments->mask;
	}
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
	assignments->mask = (size - offsetof(IvfAssignments, slots)) / sizeof(Assignment) - 1;
	scan = row_hints_scan_begin(hints, NULL);
	while (row_hints_next(scan, &hint))
	{
		if (hint.list >= 1 && hint.list <= lists)
			put(assignments, hint.key, (uint32) hint.list);
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
	uint64		at = key & assignments->mask;

	if (is_refuted(assignments))
		return -1;
	while (assignments->slots[at].list != 0)
	{
		if (assignments->slots[at].tag == (uint32) (key >> 32))
			return (int64) assignments->slots[at].list - 1;
		at = (at + 1) & assignments->mask;
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
						   checked, wrong)));
	else
		ereport(DEBUG1,
				(errmsg("of %u rows of assignments that were compared, %u are nearer to another centroid",
						checked, wrong)));
}
