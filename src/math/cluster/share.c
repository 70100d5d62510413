/*
 * share.c
 *	  What several processes of a caller do together: the nearest centroids of
 *	  rows, means of clusters, k-means of groups.
 *
 * A job's parts are what one process would do one after the other: as many rows
 * as are multiplied at a time, some clusters, a group.  So sums are added in the
 * same order, and the result does not depend on who does which part.
 *
 * Jobs point to memory of the process that shares them.  Another one makes copies
 * of what has pointers inside, with pointers of its own.
 */
#include "share.h"

#include <assert.h>
#include <string.h>

/* Clusters whose means are one part of a job */
#define MEAN_CLUSTERS	16

typedef struct AssignJob
{
	Space		space;
	bool		two_level;
	Matrix		matrix;			/* of one level */
	const CentroidPanel *panel; /* of two */
	Rows		rows;
	uint32_t   *number;
	float	   *distance;
	size_t		at_once;		/* rows of a part */
} AssignJob;

typedef struct MeansJob
{
	Space		space;
	Clusters	clusters;
} MeansJob;

static_assert(sizeof(AssignJob) <= HOST_JOB_BYTES, "a job must fit");
static_assert(sizeof(MeansJob) <= HOST_JOB_BYTES, "a job must fit");
static_assert(sizeof(GroupsJob) <= HOST_JOB_BYTES, "a job must fit");

/* ------------------------------------------------------------------------
 * Where things are in this process
 */

static void
space_here(const HostParts *parts, Space *space)
{
	space->shift = host_here(parts, space->shift);
}

static void
rows_here(const HostParts *parts, Rows *rows)
{
	rows->rows = host_here(parts, rows->rows);
	rows->ids = host_here(parts, rows->ids);
}

static void
matrix_here(const HostParts *parts, Matrix *m)
{
	/* the table of functions may be at another address, too; it is the same one */
	if (m->rows.kernels != NULL)
		m->rows.kernels = linear_kernels;
	m->rows.data = host_here(parts, m->rows.data);
	m->lowest = host_here(parts, m->lowest);
}

static void
clusters_here(const HostParts *parts, Clusters *c)
{
	rows_here(parts, &c->rows);
	c->centroids = host_here(parts, c->centroids);
	c->number = host_here(parts, c->number);
	c->distance = host_here(parts, c->distance);
	c->order = host_here(parts, c->order);
	c->first = host_here(parts, c->first);
	c->error = host_here(parts, c->error);
}

/* A panel as it is here; its array of groups is to be released. */
static CentroidPanel
panel_here(const ClusterHost *host, const HostParts *parts,
		   const CentroidPanel *there)
{
	CentroidPanel p;
	const Matrix *group;

	assert(there != NULL);		/* a job of two levels has one */
	p = *(const CentroidPanel *) host_here(parts, there);
	group = host_here(parts, p.group);
	space_here(parts, &p.space);
	p.first = host_here(parts, p.first);
	p.matrices = host_here(parts, p.matrices);
	p.group = host_alloc(host, p.groups, sizeof(*p.group));
	for (size_t g = 0; g < p.groups; g++)
	{
		p.group[g] = group[g];
		matrix_here(parts, &p.group[g]);
	}
	if (p.members != NULL)
	{
		p.members = host_here(parts, p.members);
		p.lowest = host_here(parts, p.lowest);
		p.width = host_here(parts, p.width);
		p.centre_matrix = host_here(parts, p.centre_matrix);
		matrix_here(parts, &p.centres);
	}
	return p;
}

/* ------------------------------------------------------------------------
 * Jobs are shared
 */

static bool
worth_sharing(const ClusterHost *host, size_t rows, size_t k, size_t dims)
{
	return host->share != NULL &&
		(double) rows * (double) k * (double) dims >= HOST_SHARE_WORK;
}

static void
share_assign(const ClusterHost *host, AssignJob *job)
{
	host->share(host->arg, HOST_ASSIGN, job, sizeof(*job),
				(job->rows.n + job->at_once - 1) / job->at_once);
}

void
shared_assign(const ClusterHost *host, const Matrix *matrix,
			  const Space *space, Work *work, const Rows *rows,
			  uint32_t *number, float *distance)
{
	AssignJob	job = {
		.space = *space, .matrix = *matrix, .rows = *rows, .number = number,
		.distance = distance, .at_once = matrix_rows_at_once(matrix->dims)
	};

	if (worth_sharing(host, rows->n, matrix->k, matrix->dims))
		share_assign(host, &job);
	else
		matrix_assign(matrix, space, work, rows, number, NULL, distance);
}

void
shared_panel_assign(const ClusterHost *host, const CentroidPanel *panel,
					Work *work, const Rows *rows, uint32_t *number,
					float *distance)
{
	AssignJob	job = {
		.space = panel->space, .two_level = true, .panel = panel, .rows = *rows,
		.number = number, .distance = distance, .at_once = BATCH_ROWS
	};

	if (panel->groups == 1)
		shared_assign(host, &panel->group[0], &panel->space, work, rows, number,
					  distance);
	else if (worth_sharing(host, rows->n, panel->groups, panel->dims))
		share_assign(host, &job);
	else
		panel_assign(panel, work, rows, number, distance);
}

void
shared_means(const ClusterHost *host, const Space *space, Work *work,
			 Clusters *clusters)
{
	MeansJob	job = {.space = *space, .clusters = *clusters};

	if (worth_sharing(host, clusters->rows.n, 8, clusters->rows.dims))
		host->share(host->arg, HOST_MEANS, &job, sizeof(job),
					(clusters->k + MEAN_CLUSTERS - 1) / MEAN_CLUSTERS);
	else
		clusters_means(host, space, work, clusters, 0, clusters->k);
}

void
shared_groups(const ClusterHost *host, Work *work, const GroupsJob *job)
{
	HostParts	alone = {0};

	if (host->share != NULL)
		host->share(host->arg, HOST_GROUPS, job, sizeof(*job), job->groups);
	else
		for (size_t g = 0; g < job->groups; g++)
		{
			kmeans_group(host, work, &alone, job, g);
			kmeans_report_groups(host, job, g + 1);
		}
}

/* ------------------------------------------------------------------------
 * Parts of jobs are done
 */

/* The part of rows from number from on */
static Rows
rows_part(const Rows *rows, size_t from, size_t at_once)
{
	Rows		part = *rows;

	if (rows->ids != NULL)
		part.ids = rows->ids + from;
	else
		part.rows = rows->rows + from * rows->dims;
	part.n = rows->n - from < at_once ? rows->n - from : at_once;
	return part;
}

static void
do_assign(const ClusterHost *host, AssignJob job, const HostParts *parts)
{
	CentroidPanel panel;
	Work		work;
	size_t		number;

	space_here(parts, &job.space);
	rows_here(parts, &job.rows);
	job.number = host_here(parts, job.number);
	job.distance = host_here(parts, job.distance);
	work_init(&work, host, job.rows.n, job.rows.dims);
	if (job.two_level)
		panel = panel_here(host, parts, job.panel);
	else
		matrix_here(parts, &job.matrix);
	while (parts->next(parts->arg, &number))
	{
		size_t		from = number * job.at_once;
		Rows		rows = rows_part(&job.rows, from, job.at_once);
		float	   *distance = job.distance == NULL ? NULL : job.distance + from;

		if (job.two_level)
			panel_assign(&panel, &work, &rows, job.number + from, distance);
		else
			matrix_assign(&job.matrix, &job.space, &work, &rows,
						  job.number + from, NULL, distance);
	}
	if (job.two_level)
		host_release(host, panel.group);
	work_free(&work);
}

static void
do_means(const ClusterHost *host, MeansJob job, const HostParts *parts)
{
	Work		work = {.host = host};
	size_t		number;

	space_here(parts, &job.space);
	clusters_here(parts, &job.clusters);
	while (parts->next(parts->arg, &number))
	{
		size_t		from = number * MEAN_CLUSTERS;
		size_t		to = from + MEAN_CLUSTERS;

		clusters_means(host, &job.space, &work, &job.clusters, from,
					   to < job.clusters.k ? to : job.clusters.k);
	}
}

static void
do_groups(const ClusterHost *host, const GroupsJob *job, const HostParts *parts)
{
	Work		work;
	size_t		number;

	work_init(&work, host, job->rows.n, job->rows.dims);
	while (parts->next(parts->arg, &number))
		kmeans_group(host, &work, parts, job, number);
	work_free(&work);
}

void
cluster_do(const ClusterHost *host, HostTask task, const void *job,
		   const HostParts *parts)
{
	switch (task)
	{
		case HOST_ASSIGN:
			do_assign(host, *(const AssignJob *) job, parts);
			break;
		case HOST_MEANS:
			do_means(host, *(const MeansJob *) job, parts);
			break;
		case HOST_GROUPS:
			do_groups(host, job, parts);
			break;
		default:
			assert(false);
	}
}
