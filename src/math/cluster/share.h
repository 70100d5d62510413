/*
 * share.h
 *	  Steps of k-means that are shared with other processes, where there are any
 *	  (ClusterHost.share), and the step is worth it.
 *
 * Private to src/math/cluster.
 */
#ifndef VECTOR_MATH_CLUSTER_SHARE_H
#define VECTOR_MATH_CLUSTER_SHARE_H

#include "lloyd.h"
#include "panel.h"

/* As matrix_assign */
extern void shared_assign(const ClusterHost *host, const Matrix *matrix,
						  const Space *space, Work *work, const Rows *rows,
						  uint32_t *number, float *distance);

/* As panel_assign */
extern void shared_panel_assign(const ClusterHost *host,
								const CentroidPanel *panel, Work *work,
								const Rows *rows, uint32_t *number,
								float *distance);

/* As clusters_means, of all clusters */
extern void shared_means(const ClusterHost *host, const Space *space,
						 Work *work, Clusters *clusters);

/* k-means of each of some groups of rows by itself */
typedef struct GroupsJob
{
	Space		space;
	Rows		rows;			/* of all groups */
	size_t		groups;
	int			iterations;		/* at most */
	const uint32_t *order;		/* rows, group by group */
	const size_t *first;		/* groups + 1: where one begins in order */
	const size_t *start;		/* groups + 1: the same of its centroids */
	const uint64_t *seeds;		/* of each group */
	float	   *centroids;
	int		   *done;			/* iterations of each group */
} GroupsJob;

/* work is used where this process does all of them. */
extern void shared_groups(const ClusterHost *host, Work *work,
						  const GroupsJob *job);

/* One of them (kmeans.c) */
extern void kmeans_group(const ClusterHost *host, Work *work,
						 const HostParts *parts, const GroupsJob *job,
						 size_t group);

/* How far k-means is when these groups are (kmeans.c) */
extern void kmeans_report_groups(const ClusterHost *host, const GroupsJob *job,
								 size_t groups);

#endif							/* VECTOR_MATH_CLUSTER_SHARE_H */
