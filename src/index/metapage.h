/*
 * metapage.h
 *	  Block 0 of an index: written, read, and checked before it is believed.
 *
 * A metapage begins with an IndexMeta, and goes on as the access method likes.
 * It is checked in one order, so that the first thing said is the one that
 * helps: is it pgvector's, another access method's, of a version that is not
 * known; is the page damaged; is the index now on another column or on other
 * filter columns than it was built for; do its numbers fit each other.
 *
 *		metapage_read(index, &format, &meta, sizeof(meta));
 *		metapage_check_column(index, &column, meta.kind, meta.metric, meta.dims);
 *		metapage_check_filter(index, same_filter);
 *		metapage_check_numbers(index, numbers_fit);
 */
#ifndef VECTOR_INDEX_METAPAGE_H
#define VECTOR_INDEX_METAPAGE_H

#include "compat/pg.h"

#include "common/relpath.h"
#include "storage/buf.h"
#include "utils/relcache.h"

#include "index/column.h"
#include "storage/slot_page.h"

/* Metapages that an access method understands */
typedef struct MetaFormat
{
	const char *am;				/* the access method's name, for messages */
	uint32		magic;
	uint32		oldest;			/* versions */
	uint32		newest;
} MetaFormat;

/* The beginning of a new metapage: no page has free space */
extern void metapage_init(IndexMeta *meta, uint32 magic, uint32 version);

/*
 * Copy the first bytes of an index's metapage to content.  Error unless it is
 * of this format and sound.  Locks the page in share mode.
 */
extern void metapage_read(Relation index, const MetaFormat *format,
						  void *content, Size bytes);

/* Error: the index is not one of access method am. */
pg_noreturn extern void metapage_not_of(Relation index, const char *am);

/*
 * Error unless the column that the index is on is one that its metapage tells
 * of: kind (ColumnKind), metric (Metric) and dims.  Sets column->dims where the
 * column's type does not say them (any more).
 */
extern void metapage_check_column(Relation index, IndexColumn *column, int kind,
								  int metric, uint32 dims);

/* Error unless the index's filter columns are the same as when it was built. */
extern void metapage_check_filter(Relation index, bool same);

/* Error unless a metapage's numbers fit each other, and what the index is on. */
extern void metapage_check_numbers(Relation index, bool fit);

/*
 * Append a page to an index that is being built: locked exclusively, and to be
 * ended by build_page_end, which marks it dirty, unlocks it and, where it is of
 * an init fork, logs it: whatever else is logged, is when the build ends.
 */
extern Buffer build_page_begin(Relation index, ForkNumber fork, PageKind kind);
extern void build_page_end(Buffer buffer, ForkNumber fork);

/* Error unless an index that is to be built is empty. */
extern void build_check_empty(Relation index);

#endif							/* VECTOR_INDEX_METAPAGE_H */
