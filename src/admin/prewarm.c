/*
 * prewarm.c
 *	  vector_prewarm(): an index into shared buffers, before queries need it.
 *
 * A graph is walked all over, so the first searches after a restart wait for a
 * thousand blocks each.  Blocks are read in their order, which disks and systems
 * like best, and asked for ahead of time.
 */
#include "admin/admin.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "admin/index_report.h"
#include "hnsw/hnsw.h"
#include "index/as_owner.h"
#include "ivf/ivf.h"

/* Blocks asked for ahead of the one that is read */
#define BLOCKS_AHEAD	32

/* One part in so many of the buffers is left to others */
#define LEFT_TO_OTHERS	8

/*
 * Read blocks of a relation's main fork, from the first on, at most so many.
 * Returns how many.
 */
static int64
read_blocks(Relation relation, int64 most)
{
	int64		blocks = Min((int64) RelationGetNumberOfBlocks(relation), most);

	for (int64 ahead = 0; ahead < Min(blocks, BLOCKS_AHEAD); ahead++)
		(void) PrefetchBuffer(relation, MAIN_FORKNUM, (BlockNumber) ahead);
	for (int64 block = 0; block < blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (block + BLOCKS_AHEAD < blocks)
			(void) PrefetchBuffer(relation, MAIN_FORKNUM, (BlockNumber) (block + BLOCKS_AHEAD));
		ReleaseBuffer(ReadBuffer(relation, (BlockNumber) block));
	}
	return blocks;
}

/* The table's blocks, and those of its values out of line with their index */
static int64
read_table(Relation heap, int64 most)
{
	int64		count = read_blocks(heap, most);
	Oid			toast = heap->rd_rel->reltoastrelid;
	Relation	values;
	List	   *indexes;
	ListCell   *cell;

	if (!OidIsValid(toast))
		return count;
	values = table_open(toast, AccessShareLock);
	indexes = RelationGetIndexList(values);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		count += read_blocks(index, most - count);
		index_close(index, NoLock);
	}
	count += read_blocks(values, most - count);
	table_close(values, NoLock);
	return count;
}

/*
 * Do scans read the table's values?  They do for true distances, unless the index
 * has the values.  Errors where the index is damaged.
 */
static bool
reads_table(Relation index, Relation heap)
{
	IndexReport report = {0};
	AsOwner		owner;

	as_owner_begin(&owner, heap);
	if (index->rd_indam->ambuild == hnsw_build)
		report_hnsw(index, &report);
	else if (index->rd_indam->ambuild == ivf_build)
		report_ivf(index, &report);
	else
		report_sparse(index, &report);
	as_owner_end(&owner);
	return report.rerank != NULL && strcmp(report.rerank, "heap") == 0;
}

/* Buffers that may be filled for a relation */
static int64
room_for(Relation relation)
{
	int			buffers = RelationUsesLocalBuffers(relation) ? num_temp_buffers : NBuffers;

	return buffers - buffers / LEFT_TO_OTHERS;
}

/*
 * vector_prewarm(index regclass, with_table boolean): read an index's blocks, and,
 * with_table, its table's; with null, where scans read these.  As many as seven of
 * eight shared buffers have room for, the index first; returns how many.  For roles
 * with SELECT on the table.  Locks both in access share mode.
 */
SQL_FUNCTION(vector_prewarm)
{
	Oid			oid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	Oid			table = OidIsValid(oid) ? IndexGetRelation(oid, true) : InvalidOid;
	Relation	heap;
	Relation	index;
	AclResult	access;
	int64		count;
	int64		most;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!OidIsValid(table))
	{
		const char *name = get_rel_name(oid);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("index with OID %u does not exist", oid)));
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", name)));
	}
	access = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
	if (access != ACLCHECK_OK)
		aclcheck_error(access, OBJECT_TABLE, get_rel_name(table));

	/* as for all: the table before the index */
	heap = table_open(table, AccessShareLock);
	index = index_open(oid, AccessShareLock);
	if (index->rd_index->indrelid != table)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(index))));
	require_usable_index(index);
	most = room_for(index);
	count = read_blocks(index, most);
	if (PG_ARGISNULL(1) ? reads_table(index, heap) : PG_GETARG_BOOL(1))
		count += read_table(heap, most - count);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	PG_RETURN_INT64(count);
}
