/*
 * vacuum.h
 *	  What marking, mending and freeing share: see vacuum.c.
 */
#ifndef VECTOR_HNSW_VACUUM_H
#define VECTOR_HNSW_VACUUM_H

#include "compat/pg.h"

#include "access/genam.h"

#include "hnsw/insert.h"

/* ------------------------------------------------------------------------
 * Sets of nodes: those that a round of vacuum removes
 */

/* A set of nodes of one level, or of all upper ones; added in order */
typedef struct NodeSet
{
	GraphId    *ids;
	Size		count;
	Size		room;
	uint8	   *bits;			/* one for each number; NULL: too many */
	GraphId		end;			/* numbers from here on are not in bits */
} NodeSet;

/* Is a number below set->end in the set? */
extern bool node_set_search(const NodeSet *set, GraphId id);

static inline bool
node_set_has(const NodeSet *set, GraphId id)
{
	if (id >= set->end)
		return false;
	if (set->bits != NULL)
		return (set->bits[id / 8] >> (id % 8) & 1) != 0;
	return node_set_search(set, id);
}

/* ------------------------------------------------------------------------
 * A vacuum
 */

typedef struct Vacuum
{
	IndexVacuumInfo *info;
	Relation	relation;
	HnswIndex  *index;
	PageStore	store;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	NodeSet		base;
	NodeSet		upper;
	BlockNumber free_tids[1024];	/* see note_free_tids */
	int			free_tids_count;

	HnswInserter *inserter;		/* for new nodes above others, and keys */
	struct Mender *mender;		/* see mend.c */
} Vacuum;

/* The deleted nodes of level 0, or of all levels above */
static inline const NodeSet *
vacuum_set(const Vacuum *vacuum, int level)
{
	return level == 0 ? &vacuum->base : &vacuum->upper;
}

/*
 * Pin and lock a block if it is a page of nodes of a kind; else InvalidBuffer.
 * Its nodes are checked.
 */
extern Buffer vacuum_lock_nodes(Vacuum *vacuum, BlockNumber block, PageKind kind,
								int mode);

/* What mending needs, in the current context */
extern void hnsw_mend_init(Vacuum *vacuum);

/*
 * Mend all nodes that lead to deleted ones, and the entry point.  After this,
 * nothing leads to these.
 */
extern void hnsw_mend(Vacuum *vacuum);

#endif							/* VECTOR_HNSW_VACUUM_H */
