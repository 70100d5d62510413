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
extern RunFile *run_file_write(InvertedRun *run, BufFile *file);

/* A source of its rows and postings, which is read once */
extern PostingSource *source_of_file(RunFile *file);

#endif							/* VECTOR_SPARSE_RUNFILE_H */
