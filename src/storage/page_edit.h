/*
 * page_edit.h
 *	  A change of a few pages: in WAL as one record, or not at all.
 *
 * While an index is built nothing is logged; whole pages are, at the end.
 * Everybody else goes through generic WAL, which needs no resource manager of
 * ours and so no preloading, on the primary or on standbys.
 *
 *		page_edit_begin(&edit, index, log);
 *		page = page_edit_page(&edit, buffer, is_new);	up to MAX_GENERIC_XLOG_PAGES
 *		... change page, raise no error ...
 *		page_edit_end(&edit);
 *
 * Buffers are pinned and exclusively locked, by the caller, all the while.
 * Pages are registered in the order in which scans lock them (README.md of the
 * access method): a standby takes their locks in that order when it replays.
 */
#ifndef VECTOR_STORAGE_PAGE_EDIT_H
#define VECTOR_STORAGE_PAGE_EDIT_H

#include "compat/pg.h"

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef struct PageEdit
{
	GenericXLogState *xlog;		/* NULL where nothing is logged */
	int			count;
	Buffer		buffers[MAX_GENERIC_XLOG_PAGES];
} PageEdit;

static inline void
page_edit_begin(PageEdit *edit, Relation index, bool log)
{
	edit->xlog = log ? GenericXLogStart(index) : NULL;
	edit->count = 0;
}

/* The page to change; is_new: log it as a whole */
static inline Page
page_edit_page(PageEdit *edit, Buffer buffer, bool is_new)
{
	if (edit->xlog != NULL)
		return GenericXLogRegisterBuffer(edit->xlog, buffer,
										 is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
	Assert(edit->count < MAX_GENERIC_XLOG_PAGES);
	edit->buffers[edit->count++] = buffer;
	return BufferGetPage(buffer);
}

static inline void
page_edit_end(PageEdit *edit)
{
	if (edit->xlog != NULL)
		GenericXLogFinish(edit->xlog);
	for (int i = 0; i < edit->count; i++)
		MarkBufferDirty(edit->buffers[i]);
}

#endif							/* VECTOR_STORAGE_PAGE_EDIT_H */
