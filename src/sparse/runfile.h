/*
 * runfile.h
 *	  Runs in temporary files.
 */
#ifndef VECTOR_SPARSE_RUNFILE_H
#define VECTOR_SPARSE_RUNFILE_H

#include "sparse/inverted.h"

#include "storage/buffile.h"

typedef struct RunFile RunFile;

/* Write a run to a new file, which stays open. */
extern void run_file_write(InvertedRun *run, BufFile *file);

/* A run of so many rows in an open file */
extern RunFile *run_file_open(const InvertedIndex *index, BufFile *file,
							  uint32 docs, uint32 longest);

extern void run_file_close(RunFile *file);

/* A source of its rows and postings, which is read once */
extern PostingSource *source_of_file(RunFile *file);

#endif							/* VECTOR_SPARSE_RUNFILE_H */
