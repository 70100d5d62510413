/*
 * generation.h
 *	  Generations of lists: how the lists of an index are replaced by others while it
 *	  is searched and written.
 *
 * A generation is what the metapage leads to: a directory, constants (the centroids
 * among them) and summaries, each on pages of its own.  The next one is prepared
 * beside it: lists that stay are in both directories; the others have new pages,
 * which only the new directory leads to.  Then one WAL record makes the metapage lead
 * to the new generation.
 *
 * A scan reads the metapage once, and stays in its generation, whose lists keep
 * what they had.  Every row that its snapshot sees was in the index before the
 * scan began, and so has its entry there.  The pages of the generation before are freed when
 * no snapshot is left from before the transaction that replaced it (old_xid), as
 * a btree has it with its deleted pages.  Until then there is no third generation.
 *
 * Insertions must not go to a generation that is no more.  Each holds a lock
 * (LockPage of the metapage, which nothing else takes) in share mode; what replaces
 * a generation takes it exclusively, first looks for what has been inserted
 * into lists that go, and then changes the metapage.  VACUUM and whatever else moves or removes
 * entries is kept away by its lock on the table, with which it conflicts.
 *
 * What a crash or an error has left of a generation that nothing leads to is known by
 * the number on its pages, which is higher than the metapage's: ivf_sweep frees it.
 */
#ifndef VECTOR_IVF_GENERATION_H
#define VECTOR_IVF_GENERATION_H

#include "ivf/calibrate.h"
#include "ivf/index.h"

/* The number of the build or generation that an index has now */
extern uint64 ivf_build_id(Relation relation);

/*
 * Free the pages of the generation before, if there is one and no snapshot needs
 * it; false if one does.  *pages is raised.  The caller holds a lock on the table
 * that conflicts with itself; so in what follows.
 */
extern bool ivf_free_old_generation(IvfIndex *index, Relation heap,
									uint64 *pages);

/* Free what has been left of generations that did not come to be. */
extern void ivf_sweep(IvfIndex *index, uint64 *pages);

/*
 * Begin a generation with so many lists: next is index, but for a metapage of its own, which
 * index's does not lead to yet.  The model is still index's.
 */
extern void ivf_begin_generation(const IvfIndex *index, uint32 lists,
								 IvfIndex *next);

/*
 * Write the directory, constants and summaries of next: empty lists, each of a page,
 * where replaced says so and for those that index does not have.
 */
extern void ivf_write_generation(IvfIndex *index, IvfIndex *next,
								 const float *floats, const bool *replaced);

/*
 * Entries of rows that no snapshot here sees are not in the generation that is about
 * to be published: have standbys end queries whose snapshots are older than all here,
 * since they may see such a row.
 */
extern void ivf_end_queries_of_dropped(IvfIndex *index, Relation heap);

/*
 * Make next the index's generation; the lock on insertions is held exclusively.  The
 * records and summaries of lists that stay are copied as they are now.  sums are of all
 * lists; those of lists replaced become theirs at build.
 */
extern void ivf_publish_generation(IvfIndex *index, IvfIndex *next,
								   const bool *replaced, const IvfListSum *sums);

/* Change calibration (recall, reach, depth) of the metapage to that of meta. */
extern void ivf_store_calibration(IvfIndex *index, const IvfMeta *meta);

/* Change looked_at of an index's metapage. */
extern void ivf_store_looked_at(Relation relation, double rows);

/* Is this process one whose snapshot others leave out: VACUUM? */
extern bool ivf_in_vacuum(void);

/*
 * insert.c: add an entry to a list of index, which may be a generation that is to come;
 * and a page for a list, or for none (PG_UINT32_MAX), pinned.
 */
extern void ivf_add_entry(IvfIndex *index, uint32 list, const IvfEntry *entry);
extern Buffer ivf_claim_page(IvfIndex *index, uint32 list);

#endif							/* VECTOR_IVF_GENERATION_H */
