/*
 * keys.c
 *	  Which table of key tests this processor runs.
 *
 * Whoever may run a level's distance kernels may run it here.  Like
 * distance_kernels, key_kernels is plain process state.
 */
#include "tables.h"

const KeyKernels *key_kernels = &keys_scalar;

/* See keys.h */
const KeyKernels *
keys_table(DistanceLevel level)
{
	if (level == DISTANCE_AUTO)
	{
		for (level = DISTANCE_AVX512; level > DISTANCE_SCALAR; level--)
			if (keys_table(level) != NULL)
				return keys_table(level);
		return &keys_scalar;
	}
	if (distance_table(level) == NULL)
		return NULL;
	switch (level)
	{
#ifdef KEYS_BUILD_X86
		case DISTANCE_AVX2:
			return &keys_avx2;
		case DISTANCE_AVX512:
			return &keys_avx512;
#endif
		case DISTANCE_NEON:
		case DISTANCE_SCALAR:
			return &keys_scalar;
		default:
			return NULL;
	}
}

/* See keys.h */
int
keys_set_level(DistanceLevel level)
{
	const KeyKernels *table = keys_table(level);

	if (table == NULL)
		return -1;
	key_kernels = table;
	return 0;
}
