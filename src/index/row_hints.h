/*
 * row_hints.h
 *	  A user's table that tells a build something of rows: of which neighbours a
 *	  row has, or which list it belongs to.
 *
 * A table of hints has columns with the names of columns of the indexed table.
 * These are a row's key; most often, the primary key.  What it says of the row
 * is in other columns: for each column of the key, an array of neighbours' keys;
 * or a list's number.
 *
 * Keys are known by a hash of 64 bits.  Two keys with the same hash, or a table
 * that says what is not so, make a build slower or give it a bad hint; what it
 * makes of hints must be an index all the same.  For the same reason nothing
 * that is wrong with the table is an error: the table may have been dropped, or
 * its privileges may come later, when a dump is restored.  A message says that
 * the index is built without it.
 *
 * The table is read as its rows are, by a scan, with the rights of the index's
 * owner: no view, no rule, no policy has a say; keys are of types whose hash
 * functions are PostgreSQL's own.
 *
 *	leader:		hints = row_hints_open(heap, index, kind, option, name);
 *				... build_by_processes, with room for row_hints_scan_size(hints)
 *				and a copy of hints->plan among what is shared ...
 *				row_hints_close(hints);
 *	each:		hints = row_hints_join(&shared->plan);
 *				first = row_hints_ask(hints, index_info);	keys come along
 *				row_hints_key(hints, values, isnull, first, &hash);
 */
#ifndef VECTOR_INDEX_ROW_HINTS_H
#define VECTOR_INDEX_ROW_HINTS_H

#include "compat/pg.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#define ROW_HINT_MAX_KEYS	4	/* columns of a key */

typedef enum RowHintKind
{
	HINT_NEIGHBORS,				/* arrays of keys */
	HINT_LIST					/* the integer in column "list" */
} RowHintKind;

/* A column of a key */
typedef struct RowHintColumn
{
	AttrNumber	heap;			/* in the indexed table */
	AttrNumber	key;			/* in the table of hints */
	AttrNumber	array;			/* of neighbours' keys, there */
	Oid			collation;
	Oid			heap_hash;		/* hash functions: of the indexed table's type, */
	Oid			key_hash;		/* of the key's in the table of hints, */
	Oid			element_hash;	/* and of the array's elements */
	Oid			element;		/* their type */
} RowHintColumn;

/* What all processes of a build have to know */
typedef struct RowHintPlan
{
	Oid			table;			/* InvalidOid: there is none */
	RowHintKind kind;
	int			keys;
	RowHintColumn columns[ROW_HINT_MAX_KEYS];
	AttrNumber	list;
	Oid			list_type;
} RowHintPlan;

typedef struct RowHints
{
	RowHintPlan plan;
	Relation	table;
	Snapshot	snapshot;		/* in the leader */
	FmgrInfo	heap_hash[ROW_HINT_MAX_KEYS];
	FmgrInfo	key_hash[ROW_HINT_MAX_KEYS];
	FmgrInfo	element_hash[ROW_HINT_MAX_KEYS];
	int16		length[ROW_HINT_MAX_KEYS];	/* of elements */
	bool		by_value[ROW_HINT_MAX_KEYS];
	char		align[ROW_HINT_MAX_KEYS];
} RowHints;

/* One row of a table of hints */
typedef struct RowHint
{
	uint64		key;
	int			count;			/* of neighbours */
	uint64	   *neighbors;		/* their keys; valid until the next row */
	int64		list;
} RowHint;

typedef struct RowHintScan
{
	RowHints   *hints;
	TableScanDesc scan;
	TupleTableSlot *slot;
	MemoryContext context;
} RowHintScan;

/*
 * Is a value that an option has for the name of a table one with its schema, and
 * nothing before that?  Error if not: restoring a dump, and REINDEX by others, have another
 * search_path.
 */
extern void row_hints_check_name(const char *option, const char *value);

/*
 * Open the table of that name.  NULL, after a message that names the option,
 * where there is none or it will not do.  An index is built without hints while a
 * transaction commits: NULL then, too.
 */
extern RowHints *row_hints_open(Relation heap, Relation index, RowHintKind kind,
								const char *option, const char *name);

/* The same table in another process of the build */
extern RowHints *row_hints_join(const RowHintPlan *plan);

extern void row_hints_close(RowHints *hints);

/*
 * Have the columns of a key handed to the callback of a scan of the indexed
 * table: values and isnull have them from the place returned on.
 */
extern int	row_hints_ask(const RowHints *hints, IndexInfo *info);

/* Undo that, when the table has been scanned: first is what it has returned. */
static inline void
row_hints_forget(IndexInfo *info, int first)
{
	info->ii_NumIndexAttrs = first;
}

/* The hash of a row's key; false where a column of it is null */
extern bool row_hints_key(RowHints *hints, const Datum *values,
						  const bool *isnull, int first, uint64 *hash);

/*
 * A scan of the table: by this process alone, or together with others, for which
 * the leader initialises size bytes of shared memory.
 */
extern Size row_hints_scan_size(const RowHints *hints);
extern void row_hints_scan_init(RowHints *hints, ParallelTableScanDesc shared);
extern RowHintScan *row_hints_scan_begin(RowHints *hints,
										 ParallelTableScanDesc shared);

/* The next row with a key; false if there is none. */
extern bool row_hints_next(RowHintScan *scan, RowHint *hint);

extern void row_hints_scan_end(RowHintScan *scan);

#endif							/* VECTOR_INDEX_ROW_HINTS_H */
