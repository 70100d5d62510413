/*
 * kernels.c
 *	  Which table of k-means kernels this processor runs.
 *
 * cluster_kernels is plain process state: set it before kernels are used and
 * not from two threads.  It starts out as the scalar table, which runs anywhere.
 */
#include "tables.h"

const ClusterKernels *cluster_kernels = &cluster_scalar;

static const void *const tables[SIMD_LEVELS] = {
	[SIMD_SCALAR] = &cluster_scalar,
	SIMD_ARM_TABLES(cluster_neon)
	SIMD_X86_TABLES(cluster_avx2, cluster_avx512)
};

/* See kernels.h */
const ClusterKernels *
cluster_table(SimdLevel level)
{
	return simd_choose(tables, level);
}

/* See kernels.h */
int
cluster_set_level(SimdLevel level)
{
	const ClusterKernels *table = cluster_table(level);

	if (table == NULL)
		return -1;
	cluster_kernels = table;
	return 0;
}
