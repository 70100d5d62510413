/*
 * runfile.c
 *	  Runs in temporary files, where memory is too small for all rows of a build.
 *
 * A file has the run's rows, then for each term a header and its postings, and a
 * header without postings at the end.
 */
#include "sparse/runfile.h"

#include <math.h>

#include "miscadmin.h"

#include "sparse/source.h"

#define BATCH_POSTINGS	4096

typedef struct TermHeader
{
	int32		dim;
	uint32		count;			/* 0: there are no more */
	float		greatest;
	uint32		negative;
} TermHeader;

struct RunFile
{
	BufFile    *file;
	uint32		docs;
	Size		doc_bytes;
	uint32		longest;
};

static void
read_all(BufFile *file, void *data, Size size)
{
	if (size > 0 && BufFileRead(file, data, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file of an index build")));
}

void
run_file_write(InvertedRun *run, BufFile *file)
{
	DocWeight  *batch = (DocWeight *) palloc(BATCH_POSTINGS * sizeof(DocWeight));
	PostingSource *source = source_of_run(run);
	TermHeader	header = {0};

	BufFileWrite(file, run->doc_data, run->docs * run->index->doc_bytes);
	for (source->next_term(source); !source->ended; source->next_term(source))
	{
		header.dim = source->dim;
		header.count = source->count;
		header.greatest = source->greatest;
		header.negative = source->negative;
		BufFileWrite(file, &header, sizeof(header));
		CHECK_FOR_INTERRUPTS();
		while (source->count > 0)
		{
			uint32		got = source->read(source, batch, BATCH_POSTINGS);

			BufFileWrite(file, batch, got * sizeof(DocWeight));
		}
	}
	memset(&header, 0, sizeof(header));
	BufFileWrite(file, &header, sizeof(header));
	pfree(batch);
	pfree(source);
}

RunFile *
run_file_open(const InvertedIndex *index, BufFile *file, uint32 docs,
			  uint32 longest)
{
	RunFile    *result = (RunFile *) palloc0(sizeof(RunFile));

	result->file = file;
	result->docs = docs;
	result->doc_bytes = index->doc_bytes;
	result->longest = longest;
	return result;
}

void
run_file_close(RunFile *file)
{
	BufFileClose(file->file);
}

static void
file_docs(PostingSource *source, SegmentWriter *writer)
{
	RunFile    *file = source->file;
	InvertedDoc *doc = (InvertedDoc *) palloc(file->doc_bytes);

	if (BufFileSeek(file->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file of an index build")));
	for (uint32 i = 0; i < file->docs; i++)
	{
		read_all(file->file, doc, file->doc_bytes);
		segment_writer_doc(writer, doc);
	}
	pfree(doc);
}

static void
file_next_term(PostingSource *source)
{
	TermHeader	header;

	read_all(source->file->file, &header, sizeof(header));
	source->ended = header.count == 0;
	source->dim = header.dim;
	source->count = header.count;
	source->greatest = header.greatest;
	source->negative = header.negative != 0;
	source->error = 0;
}

static uint32
file_read(PostingSource *source, DocWeight *postings, uint32 most)
{
	uint32		count = Min(source->count, most);

	read_all(source->file->file, postings, count * sizeof(DocWeight));
	source->count -= count;
	return count;
}

PostingSource *
source_of_file(RunFile *file)
{
	PostingSource *source = (PostingSource *) palloc0(sizeof(PostingSource));

	source->file = file;
	source->docs = file->docs;
	source->longest = file->longest;
	source->next_term = file_next_term;
	source->read = file_read;
	source->give_docs = file_docs;
	return source;
}
