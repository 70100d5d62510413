/*
 * panel.h
 *	  Centroids for many rows: what a panel is inside.
 *
 * Private to src/math/cluster.
 *
 * A panel of two levels has its centroids in groups, each with a matrix of its
 * own, and a matrix of the groups' centres.  One of one level has one group,
 * with the centroids in their order, and no centres.
 */
#ifndef VECTOR_MATH_CLUSTER_PANEL_H
#define VECTOR_MATH_CLUSTER_PANEL_H

#include "matrix.h"

/*
 * Two levels are worth it for so many centroids, of so many floats in all:
 * choosing groups costs a row about a microsecond.
 */
#define TWO_LEVEL_MIN		2048
#define TWO_LEVEL_FLOATS	((size_t) 1 << 17)

/* Rows that are sorted by the groups that they look at, at once */
#define BATCH_ROWS		((size_t) 4096)

/* Groups that a row may look at */
#define PROBES_MAX			16

struct CentroidPanel
{
	Space		space;
	size_t		k;
	size_t		dims;
	size_t		groups;
	size_t	   *first;			/* groups + 1: in members */
	Matrix	   *group;
	float	   *matrices;		/* memory of the groups' matrices */

	/* The following of two levels only */
	size_t		probes;			/* groups that a row looks at, at most */
	uint32_t   *members;		/* centroids, group by group, ascending */
	uint32_t   *lowest;			/* of each centroid: the first one equal to it */
	Matrix		centres;		/* of groups */
	float	   *width;			/* of groups: members' mean inner distance */
	float	   *centre_matrix;	/* memory of centres */
};

/* Groups to begin with; 1 where a second level is not worth it */
extern size_t group_count(size_t k, size_t dims, bool two_level);

/* Groups there may be when the large ones have been divided */
extern size_t group_most(size_t groups);

/*
 * Make a panel's groups, of which p->groups says how many to begin with, and
 * lay them out: all that is of two levels only, and groups, first and group.
 */
extern void make_groups(CentroidPanel *p, const ClusterHost *host, Work *work,
						const Rows *centroids);

/* As centroid_panel_create, in a given space; space->shift is kept */
extern CentroidPanel *panel_create(const ClusterHost *host, const Space *space,
								   const float *centroids, size_t k,
								   size_t dims, bool two_level);

/* Free all but space.shift */
extern void panel_destroy(const ClusterHost *host, CentroidPanel *panel);

/* Bytes that panel_create allocates at most */
extern double panel_create_bytes(size_t k, size_t dims, bool two_level);

/* As centroid_panel_nearest, with inner distances, for some of rows */
extern void panel_assign(const CentroidPanel *panel, Work *work,
						 const Rows *rows, uint32_t *number, float *distance);

/* Bytes that panel_assign allocates at most */
extern double panel_assign_bytes(size_t k, size_t dims);

#endif							/* VECTOR_MATH_CLUSTER_PANEL_H */
