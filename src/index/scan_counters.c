/*
 * scan_counters.c
 *	  What scans have done, added up for each index.
 */
#include "index/scan_counters.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "compat/shared_memory.h"
#include "port/atomics.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define TABLE_NAME		"vector scan counters"

/* Entries of a backend that has a table of its own */
#define SESSION_ENTRIES	64

/* How long scans without an entry do without a look for one that is free */
#define RETRY_USECS		INT64CONST(1000000)

/* Keys of entries that are none: never used, and free again */
#define KEY_NONE		UINT64CONST(0)
#define KEY_FREED		UINT64CONST(1)

typedef struct CounterEntry
{
	pg_atomic_uint64 key;		/* database and index */
	pg_atomic_uint64 since;
	pg_atomic_uint64 counters[SCAN_COUNTERS];
} CounterEntry;

typedef struct CounterTable
{
	LWLock	   *lock;			/* of keys; NULL: of this backend alone */
	uint32		most;			/* entries in use */
	uint32		slots;			/* a power of 2, twice as many at least */
	pg_atomic_uint32 used;
	pg_atomic_uint64 retry;		/* when to look for a free entry again */
	CounterEntry others;		/* indexes that have none */
	CounterEntry entries[FLEXIBLE_ARRAY_MEMBER];
} CounterTable;

bool		track_scans = true;
static int	track_max = 1000;

static CounterTable *table = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* ------------------------------------------------------------------------
 * The table
 */

static uint32
slots_for(uint32 most)
{
	uint32		slots = 16;

	while (slots < 2 * most)
		slots *= 2;
	return slots;
}

static Size
table_bytes(uint32 most)
{
	return add_size(offsetof(CounterTable, entries),
					mul_size(slots_for(most), sizeof(CounterEntry)));
}

static void
clear_entry(CounterEntry *entry)
{
	for (int i = 0; i < SCAN_COUNTERS; i++)
		pg_atomic_write_u64(&entry->counters[i], 0);
	pg_atomic_write_u64(&entry->since, (uint64) GetCurrentTimestamp());
}

static void
init_entry(CounterEntry *entry)
{
	pg_atomic_init_u64(&entry->key, KEY_NONE);
	pg_atomic_init_u64(&entry->since, 0);
	for (int i = 0; i < SCAN_COUNTERS; i++)
		pg_atomic_init_u64(&entry->counters[i], 0);
}

static void
init_table(CounterTable *new, uint32 most, LWLock *lock)
{
	new->lock = lock;
	new->most = most;
	new->slots = slots_for(most);
	pg_atomic_init_u32(&new->used, 0);
	pg_atomic_init_u64(&new->retry, 0);
	init_entry(&new->others);
	clear_entry(&new->others);
	for (uint32 i = 0; i < new->slots; i++)
		init_entry(&new->entries[i]);
}

static void
request_table(void)
{
	RequestAddinShmemSpace(table_bytes(track_max));
	RequestNamedLWLockTranche(TABLE_NAME, 1);
}

REQUEST_SHARED_MEMORY(request_table)

/* shmem_startup_hook */
static void
attach_table(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	table = (CounterTable *) ShmemInitStruct(TABLE_NAME, table_bytes(track_max), &found);
	if (!found)
		init_table(table, track_max, &GetNamedLWLockTranche(TABLE_NAME)->lock);
	LWLockRelease(AddinShmemInitLock);
}

/* The table; the backend's own is made when it is first needed. */
static CounterTable *
get_table(void)
{
	if (table == NULL)
	{
		table = (CounterTable *)
			MemoryContextAlloc(TopMemoryContext, table_bytes(SESSION_ENTRIES));
		init_table(table, SESSION_ENTRIES, NULL);
	}
	return table;
}

bool
scan_counters_shared(void)
{
	return table != NULL && table->lock != NULL;
}

static void
lock_keys(void)
{
	if (table->lock != NULL)
		LWLockAcquire(table->lock, LW_EXCLUSIVE);
}

static void
unlock_keys(void)
{
	if (table->lock != NULL)
		LWLockRelease(table->lock);
}

/* ------------------------------------------------------------------------
 * Entries
 */

static inline uint64
key_of(Oid database, Oid index)
{
	return (uint64) database << 32 | index;
}

/* The entry of a key, or NULL; then *room is where it might be put, if anywhere. */
static CounterEntry *
find_entry(uint64 key, CounterEntry **room)
{
	uint32		mask = table->slots - 1;
	uint32		at = murmurhash32((uint32) key ^ murmurhash32((uint32) (key >> 32)));

	*room = NULL;
	for (uint32 i = 0; i < table->slots; i++)
	{
		CounterEntry *entry = &table->entries[(at + i) & mask];
		uint64		found = pg_atomic_read_u64(&entry->key);

		if (found == key)
			return entry;
		if ((found == KEY_NONE || found == KEY_FREED) && *room == NULL)
			*room = entry;
		if (found == KEY_NONE)
			break;
	}
	return NULL;
}

/*
 * Is an index gone for good?  One that another transaction has made, and not
 * committed, cannot be seen, but is locked by it.
 */
static bool
index_is_gone(Oid index)
{
	bool		gone;

	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(index)))
		return false;
	if (!ConditionalLockRelationOid(index, AccessShareLock))
		return false;
	gone = !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(index));
	UnlockRelationOid(index, AccessShareLock);
	return gone;
}

/*
 * Free the entries of indexes that are gone: of this database, and of databases that
 * are gone.  Catalogs are looked at while nothing is locked.
 */
static void
free_gone(void)
{
	for (uint32 i = 0; i < table->slots; i++)
	{
		CounterEntry *entry = &table->entries[i];
		uint64		key = pg_atomic_read_u64(&entry->key);
		Oid			database = (Oid) (key >> 32);

		if (key == KEY_NONE || key == KEY_FREED)
			continue;
		if (database == MyDatabaseId ? !index_is_gone((Oid) key)
			: SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
			continue;
		lock_keys();
		if (pg_atomic_read_u64(&entry->key) == key)
		{
			pg_atomic_write_u64(&entry->key, KEY_FREED);
			pg_atomic_fetch_sub_u32(&table->used, 1);
		}
		unlock_keys();
	}
}

/* Give an index an entry, if there is one; NULL if there is not. */
static CounterEntry *
make_entry(uint64 key)
{
	CounterEntry *entry;
	CounterEntry *room;

	lock_keys();
	entry = find_entry(key, &room);
	if (entry == NULL && room != NULL &&
		pg_atomic_read_u32(&table->used) < table->most)
	{
		entry = room;
		clear_entry(entry);
		pg_write_barrier();
		pg_atomic_write_u64(&entry->key, key);
		pg_atomic_fetch_add_u32(&table->used, 1);
	}
	unlock_keys();
	return entry;
}

/* The entry of an index, or the one for all that have none */
static CounterEntry *
entry_for(Oid index)
{
	static CounterEntry *last = NULL;
	uint64		key = key_of(MyDatabaseId, index);
	CounterEntry *entry;
	CounterEntry *room;

	if (last != NULL && pg_atomic_read_u64(&last->key) == key)
		return last;
	entry = find_entry(key, &room);
	if (entry == NULL)
	{
		bool		full = pg_atomic_read_u32(&table->used) >= table->most;

		if (full)
		{
			uint64		now = (uint64) GetCurrentTimestamp();

			if (now < pg_atomic_read_u64(&table->retry) || !IsTransactionState())
				return &table->others;
			pg_atomic_write_u64(&table->retry, now + RETRY_USECS);
			free_gone();
		}
		entry = make_entry(key);
	}
	if (entry == NULL)
		return &table->others;
	last = entry;
	return entry;
}

static inline void
add(CounterEntry *entry, int counter, uint64 number)
{
	/* most are 0, and reading a line that others write is what costs */
	if (number > 0)
		pg_atomic_fetch_add_u64(&entry->counters[counter], number);
}

/* See scan_counters.h */
void
scan_counters_add(const ScanStats *stats)
{
	CounterEntry *entry;

	if (!track_scans || stats->searches == 0)
		return;
	(void) get_table();
	entry = entry_for(stats->index);
	add(entry, COUNT_SCANS, 1);
	add(entry, COUNT_SEARCHES, stats->searches);
	add(entry, COUNT_BATCHES, stats->batches);
	add(entry, COUNT_VISITED, stats->visited);
	add(entry, COUNT_FILTERED, stats->filtered);
	add(entry, COUNT_DISTANCES, stats->distances);
	add(entry, COUNT_REREAD, stats->reread);
	add(entry, COUNT_RETURNED, stats->returned);
	add(entry, COUNT_RESTARTS, stats->restarts);
	for (int i = 0; i < SCAN_EVENTS; i++)
		add(entry, COUNT_EVENTS + i, stats->events[i]);
	add(entry, COUNT_NANOSECONDS, stats->nanoseconds);
}

/* ------------------------------------------------------------------------
 * Reading and beginning anew
 */

static void
read_entry(CounterEntry *entry, Oid database, Oid index, ScanSums *sums)
{
	sums->database = database;
	sums->index = index;
	sums->since = (TimestampTz) pg_atomic_read_u64(&entry->since);
	for (int i = 0; i < SCAN_COUNTERS; i++)
		sums->counters[i] = pg_atomic_read_u64(&entry->counters[i]);
}

ScanSums *
scan_counters_read(int *count)
{
	ScanSums   *sums;

	(void) get_table();
	free_gone();
	sums = (ScanSums *) palloc_extended(mul_size(table->most + 1, sizeof(ScanSums)),
										MCXT_ALLOC_HUGE);
	*count = 0;
	for (uint32 i = 0; i < table->slots && *count < (int) table->most; i++)
	{
		uint64		key = pg_atomic_read_u64(&table->entries[i].key);

		if (key > KEY_FREED && (Oid) (key >> 32) == MyDatabaseId)
			read_entry(&table->entries[i], MyDatabaseId, (Oid) key, &sums[(*count)++]);
	}
	read_entry(&table->others, InvalidOid, InvalidOid, &sums[(*count)++]);
	return sums;
}

void
scan_counters_reset(Oid index)
{
	(void) get_table();
	for (uint32 i = 0; i < table->slots; i++)
	{
		uint64		key = pg_atomic_read_u64(&table->entries[i].key);

		if (key > KEY_FREED && (Oid) (key >> 32) == MyDatabaseId &&
			(!OidIsValid(index) || (Oid) key == index))
			clear_entry(&table->entries[i]);
	}
	if (!OidIsValid(index))
		clear_entry(&table->others);
}

void
scan_counters_init(void)
{
	DefineCustomBoolVariable("vector.track_scans",
							 "Adds up what index scans have done, for the view vector_stat_scans.",
							 NULL, &track_scans, true, PGC_SUSET, 0, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("vector.track_max",
							"Sets how many indexes the view vector_stat_scans has room for.",
							"Scans of others are added to one row for all of them.",
							&track_max, 1000, 10, 100000, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	when_memory_is_requested();
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_table;
}
