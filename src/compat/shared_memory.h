/*
 * shared_memory.h
 *	  Shared memory that a library asks for when it is preloaded.
 */
#ifndef VECTOR_COMPAT_SHARED_MEMORY_H
#define VECTOR_COMPAT_SHARED_MEMORY_H

#include "compat/pg.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

/*
 * Call a function, once, when shared memory and locks may be asked for: from 15 on
 * there is a hook for it; before, that was in _PG_init.
 */
#if PG_VERSION_NUM >= 150000
#define REQUEST_SHARED_MEMORY(function) \
	static shmem_request_hook_type previous_request_hook = NULL; \
	static void \
	request_shared_memory(void) \
	{ \
		if (previous_request_hook) \
			previous_request_hook(); \
		function(); \
	} \
	static void \
	when_memory_is_requested(void) \
	{ \
		previous_request_hook = shmem_request_hook; \
		shmem_request_hook = request_shared_memory; \
	}
#else
#define REQUEST_SHARED_MEMORY(function) \
	static void \
	when_memory_is_requested(void) \
	{ \
		function(); \
	}
#endif

#endif							/* VECTOR_COMPAT_SHARED_MEMORY_H */
