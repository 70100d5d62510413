/*
 * scalar.c
 *	  Kernels of posting lists in plain C: the specification.
 */
#include "tables.h"

#define TARGET

#include "loops.h"

static uint64_t
reach(const float *numbers, size_t count, float low, float *rest)
{
	uint64_t	found = 0;
	float		most = -INFINITY;

	for (size_t i = 0; i < count; i++)
	{
		bool		below = numbers[i] < low;

		found |= (uint64_t) !below << i;
		most = below && numbers[i] > most ? numbers[i] : most;
	}
	*rest = most;
	return found;
}

const PostingKernels postings_scalar = POSTINGS_TABLE("scalar");
