/*
 * loops.h
 *	  The kernels as loops that a compiler vectorizes, for the instruction set
 *	  that TARGET, the including file's, allows.
 */

/* One unsigned comparison for both ends */
#define RANGE(width) \
TARGET static void \
range##width(const void *keys, size_t count, uint64_t low, uint64_t high, \
			 uint8_t *passes) \
{ \
	const uint##width##_t *restrict at = (const uint##width##_t *) keys; \
	uint8_t    *restrict to = passes; \
	uint##width##_t least = (uint##width##_t) low; \
	uint##width##_t span = (uint##width##_t) (high - low); \
	for (size_t i = 0; i < count; i++) \
		to[i] &= (uint##width##_t) (at[i] - least) <= span; \
}

#define EQUAL(width) \
TARGET static void \
equal##width(const void *keys, size_t count, uint64_t key, uint8_t *any) \
{ \
	const uint##width##_t *restrict at = (const uint##width##_t *) keys; \
	uint8_t    *restrict to = any; \
	uint##width##_t wanted = (uint##width##_t) key; \
	for (size_t i = 0; i < count; i++) \
		to[i] |= at[i] == wanted; \
}

RANGE(8)
RANGE(16)
RANGE(32)
RANGE(64)
EQUAL(8)
EQUAL(16)
EQUAL(32)
EQUAL(64)
