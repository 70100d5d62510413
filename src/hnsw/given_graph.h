/*
 * given_graph.h
 *	  The graph in memory from neighbours that a table gives (option "neighbors").
 */
#ifndef VECTOR_HNSW_GIVEN_GRAPH_H
#define VECTOR_HNSW_GIVEN_GRAPH_H

#include "compat/pg.h"

#include "hnsw/memory_graph.h"
#include "index/parallel_build.h"
#include "index/row_hints.h"

typedef struct GivenShared GivenShared;
typedef struct GivenGraph GivenGraph;

/* Chunks of memory that the processes of a build share, from that number on */
#define GIVEN_CHUNKS	5

/*
 * Leader: sizes of the chunks for rows that are expected; takes what the
 * key's hash tables need off the graph's memory, and plans the rest of it.
 * most: there cannot be more rows.
 */
extern void given_graph_plan(RowHints *hints, MemoryGraphShared *memory,
							 double rows, double most, Size *sizes);

/* Leader: the chunks, which are zeroed, before anybody runs */
extern void given_graph_init(BuildProcess *process, int chunk, RowHints *hints);

/*
 * This process's part.  Rows of the table have to come with their keys from then
 * on: process->info is changed.
 */
extern GivenGraph *given_graph_join(BuildProcess *process, int chunk,
									MemoryGraph *graph);

/*
 * Put an element for a row into memory, without edges; its filter columns' keys
 * are the inserter's.  False if there is no room, or if the graph has been linked
 * already: then, the caller inserts as usual.
 */
extern bool given_graph_place(GivenGraph *given, const struct varlena *value,
							  ItemPointer tid, const Datum *values,
							  const bool *isnull);

/*
 * Link all elements that are in memory, together with all other processes; once,
 * when a process has placed its rows or there is no room for more.
 */
extern void given_graph_link(GivenGraph *given);

extern void given_graph_leave(GivenGraph *given);

#endif							/* VECTOR_HNSW_GIVEN_GRAPH_H */
