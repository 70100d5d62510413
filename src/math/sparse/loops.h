/*
 * loops.h
 *	  Kernels as loops that a compiler vectorizes, for the instruction set that TARGET,
 *	  the including file's, allows.
 *
 * Inner loops have a fixed length, and no branch: they are done by vectors.  There is
 * no sum of products, which a compiler may round otherwise.
 */
#include <math.h>

TARGET static float
greatest(const float *bounds, size_t count, float *blocks)
{
	float		all = -INFINITY;

	for (size_t first = 0; first < count; first += BOUND_BLOCK)
	{
		size_t		end = first + BOUND_BLOCK < count ? first + BOUND_BLOCK : count;
		size_t		i = first;
		float		lanes[16];
		float		most = -INFINITY;

		for (int k = 0; k < 16; k++)
			lanes[k] = -INFINITY;
		for (; i + 16 <= end; i += 16)
		{
			for (int k = 0; k < 16; k++)
				lanes[k] = bounds[i + k] > lanes[k] ? bounds[i + k] : lanes[k];
		}
		for (; i < end; i++)
			most = bounds[i] > most ? bounds[i] : most;
		for (int k = 0; k < 16; k++)
			most = lanes[k] > most ? lanes[k] : most;
		blocks[first / BOUND_BLOCK] = most;
		all = most > all ? most : all;
	}
	return all;
}

TARGET static bool
groups_sum(const PostingGroup *groups, size_t count, uint32_t *sums,
		   uint32_t *docs)
{
	uint32_t	sum = 0;
	uint32_t	wrong = 0;
	size_t		i = 0;

	for (; i + GROUPS_SUMMED < count; i += GROUPS_SUMMED)
	{
		uint32_t	others = 0;

		sums[i / GROUPS_SUMMED] = sum;
		for (size_t k = i; k < i + GROUPS_SUMMED; k++)
		{
			others += groups[k].others;
			wrong |= groups[k + 1].range <= groups[k].range;
		}
		sum += others + GROUPS_SUMMED;
	}
	if (i < count)
		sums[i / GROUPS_SUMMED] = sum;
	for (; i < count; i++)
	{
		sum += groups[i].others + 1u;
		if (i + 1 < count)
			wrong |= groups[i + 1].range <= groups[i].range;
	}
	*docs = sum;
	return wrong == 0;
}
