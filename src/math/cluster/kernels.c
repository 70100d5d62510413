/*
 * kernels.c
 *	  Which table of k-means kernels this processor runs.
 *
 * The levels are those of the distance kernels, and whoever may run a level
 * there may run it here.  Like distance_kernels, cluster_kernels is plain
 * process state.
 */
#include "tables.h"

const ClusterKernels *cluster_kernels = &cluster_scalar;

/* See kernels.h */
const ClusterKernels *
cluster_table(DistanceLevel level)
{
	if (level == DISTANCE_AUTO)
	{
		for (level = DISTANCE_AVX512; level > DISTANCE_SCALAR; level--)
			if (cluster_table(level) != NULL)
				return cluster_table(level);
		return &cluster_scalar;
	}
	if (distance_table(level) == NULL)
		return NULL;
	switch (level)
	{
#ifdef CLUSTER_BUILD_NEON
		case DISTANCE_NEON:
			return &cluster_neon;
#endif
#ifdef CLUSTER_BUILD_X86
		case DISTANCE_AVX2:
			return &cluster_avx2;
		case DISTANCE_AVX512:
			return &cluster_avx512;
#endif
		case DISTANCE_SCALAR:
			return &cluster_scalar;
		default:
			return NULL;
	}
}

/* See kernels.h */
int
cluster_set_level(DistanceLevel level)
{
	const ClusterKernels *table = cluster_table(level);

	if (table == NULL)
		return -1;
	cluster_kernels = table;
	return 0;
}
