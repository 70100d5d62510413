/*
 * memcheck.h
 *		Valgrind's client requests, answered by AddressSanitizer.
 *
 * A PostgreSQL built with USE_VALGRIND tells Valgrind which bytes of its memory
 * contexts are allocated at the moment and which shared buffers are pinned.
 * This stand-in for Valgrind's header passes that on to AddressSanitizer by
 * (un)poisoning the memory, so that it sees an access past the end of a palloc'ed
 * chunk, to a pfree'd one or to a page that is no longer pinned, which otherwise
 * all look like accesses within one large malloc'ed or mapped block.
 *
 * AddressSanitizer knows nothing about undefined contents: "defined" and
 * "undefined" are both just accessible. Freed chunks are poisoned by wipe_mem()
 * (CLOBBER_FREED_MEMORY, which assertions turn on), so the requests that free
 * or reset a pool have nothing to do; their sizes are unknown here anyway.
 */
#ifndef ASAN_MEMCHECK_H
#define ASAN_MEMCHECK_H

#include <sanitizer/asan_interface.h>

#include "valgrind.h"

#define VALGRIND_MAKE_MEM_NOACCESS(addr, size) \
	__asan_poison_memory_region((addr), (size))
#define VALGRIND_MAKE_MEM_UNDEFINED(addr, size) \
	__asan_unpoison_memory_region((addr), (size))
#define VALGRIND_MAKE_MEM_DEFINED(addr, size) \
	__asan_unpoison_memory_region((addr), (size))
#define VALGRIND_CHECK_MEM_IS_DEFINED(addr, size) \
	do { (void) (addr); (void) (size); } while (0)

#define VALGRIND_CREATE_MEMPOOL(pool, redzone, zeroed) \
	do { (void) (pool); } while (0)
#define VALGRIND_DESTROY_MEMPOOL(pool) \
	do { (void) (pool); } while (0)
#define VALGRIND_MEMPOOL_ALLOC(pool, addr, size) \
	__asan_unpoison_memory_region((addr), (size))
#define VALGRIND_MEMPOOL_CHANGE(pool, old, new, size) \
	__asan_unpoison_memory_region((new), (size))
#define VALGRIND_MEMPOOL_FREE(pool, addr) \
	do { (void) (addr); } while (0)
#define VALGRIND_MEMPOOL_TRIM(pool, addr, size) \
	do { (void) (pool); } while (0)

#endif							/* ASAN_MEMCHECK_H */
