/*
 * metapage.c
 *	  Block 0 of an index: written, read, and checked before it is believed.
 */
#include "index/metapage.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "storage/page_check.h"

/* pgvector's indexes begin with these numbers (its documentation of pages) */
#define PGVECTOR_HNSW_MAGIC		0xA953A953
#define PGVECTOR_IVFFLAT_MAGIC	0x14FF1A7

void
metapage_init(IndexMeta *meta, uint32 magic, uint32 version)
{
	meta->magic = magic;
	meta->version = version;
	for (int kind = 0; kind < PAGE_KINDS; kind++)
	{
		meta->space.list[kind] = InvalidBlockNumber;
		meta->space.filling[kind] = InvalidBlockNumber;
	}
}

void
metapage_not_of(Relation index, const char *am)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is not an %s index",
					RelationGetRelationName(index), am),
			 errhint("Use REINDEX to rebuild the index.")));
}

void
metapage_read(Relation index, const MetaFormat *format, void *content,
			  Size bytes)
{
	const IndexMeta *meta = (const IndexMeta *) content;
	Buffer		buffer = index_read_block(index, META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(content, PageGetContents(BufferGetPage(buffer)), bytes);
	if (meta->magic == PGVECTOR_HNSW_MAGIC ||
		meta->magic == PGVECTOR_IVFFLAT_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" was built by pgvector",
						RelationGetRelationName(index)),
				 errdetail("Its tables and values can be used as they are; its indexes cannot."),
				 errhint("Use REINDEX to rebuild the index.")));
	if (meta->magic != format->magic)
		metapage_not_of(index, format->am);
	if (meta->version < format->oldest || meta->version > format->newest)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, but this version of the extension reads versions up to %u",
						RelationGetRelationName(index), meta->version,
						format->newest),
				 errhint("Use REINDEX to rebuild the index.")));
	page_check_kind(index, buffer, PAGE_META);
	UnlockReleaseBuffer(buffer);
}

static void
built_otherwise(Relation index, const char *how)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" was built %s", RelationGetRelationName(index), how),
			 errhint("Use REINDEX to rebuild the index.")));
}

void
metapage_check_column(Relation index, IndexColumn *column, int kind, int metric,
					  uint32 dims)
{
	/* ALTER TABLE may take the number away without rebuilding the index */
	if (column->dims < 0)
		column->dims = dims;
	if (kind != column_number(column) || metric != (int) column->metric ||
		dims != (uint32) column->dims)
		built_otherwise(index, "for another column type or operator class");
}

void
metapage_check_filter(Relation index, bool same)
{
	if (!same)
		built_otherwise(index, "with other filter columns");
}

void
metapage_check_numbers(Relation index, bool fit)
{
	if (!fit)
		index_damaged(index, META_BLOCK, NO_PLACE,
					  "Its numbers do not fit each other.");
}

Buffer
build_page_begin(Relation index, ForkNumber fork, PageKind kind)
{
	Buffer		buffer = index_extend(index, fork);

	slot_page_init(BufferGetPage(buffer), kind);
	return buffer;
}

void
build_page_end(Buffer buffer, ForkNumber fork)
{
	START_CRIT_SECTION();
	MarkBufferDirty(buffer);
	if (fork == INIT_FORKNUM)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

void
build_check_empty(Relation index)
{
	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));
}
