/*
 * report_ivf.c
 *	  What an inverted file is like: its metapage, and the directory of its lists.
 */
#include "admin/index_report.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "ivf/meta.h"
#include "ivf/model.h"
#include "storage/page_check.h"

/*
 * How uneven lists are, by their pages: as ivf_drift has it of entries, with no look
 * at a list.  Locks the pages of the directory, one at a time.
 */
static double
list_imbalance(Relation index, const IvfMeta *meta)
{
	double		pages = 0;
	double		squares = 0;

	for (uint32 first = 0; first < meta->lists; first += IVF_LISTS_PER_PAGE)
	{
		uint32		count = Min(meta->lists - first, IVF_LISTS_PER_PAGE);
		Buffer		buffer = index_read_block(index, meta->directory +
											  first / IVF_LISTS_PER_PAGE);
		const IvfList *lists;

		CHECK_FOR_INTERRUPTS();
		page_lock(index, buffer, PAGE_RAW, BUFFER_LOCK_SHARE);
		page_check_content(index, buffer, IVF_LISTS_PER_PAGE * sizeof(IvfList));
		lists = (const IvfList *) PageGetContents(BufferGetPage(buffer));
		for (uint32 i = 0; i < count; i++)
		{
			pages += lists[i].pages;
			squares += (double) lists[i].pages * lists[i].pages;
		}
		UnlockReleaseBuffer(buffer);
	}
	return pages > 0 ? squares * meta->lists / (pages * pages) : REPORT_UNKNOWN;
}

void
report_ivf(Relation index, IndexReport *report)
{
	IndexColumn column = index_column(index, IVF_PROCS);
	const IvfOptions *own;
	IvfMeta		meta;

	ivf_read_meta(index, &meta, &column, filter_shape(index));
	own = ivf_options(index, (IvfKind) meta.kind);
	report->dimensions = (int) meta.dims;
	if (meta.kind != IVF_EXACT)
	{
		report->lists = (int) meta.lists;
		report->imbalance = list_imbalance(index, &meta);
		report->built_rows = meta.rows;
		report_option(report, "lists=%u", meta.lists);
		if (own->probes > 0)
			report_option(report, "probes=%d", own->probes);
		if (own->rerank_rows > 0)
			report_option(report, "rerank_rows=%d", own->rerank_rows);
		if (own->target_recall > 0)
			report_option(report, "target_recall=%g", own->target_recall);
	}
	if (meta.kind == IVF_PQ)
	{
		report_option(report, "m=%u", meta.m);
		report_option(report, "nbits=%d", meta.bits);
		report_option(report, "opq=%s", meta.opq ? "on" : "off");
		report->quantizer = psprintf("pq%d", meta.bits);
	}
	else if (meta.kind == IVF_RABITQ)
	{
		report_option(report, "bits=%d", meta.bits);
		report->quantizer = psprintf("rabitq%d", meta.bits);
	}
	else
		report->quantizer = meta.kind == IVF_EXACT ? "sq8" : "none";
	if (meta.kind != IVF_FLAT)
		report->rerank = meta.keeps_values ? "index" : "heap";
	if (meta.filter_columns > 0)
		report_option(report, "filter_columns=%u", meta.filter_columns);
	report->hot_blocks = report->blocks;
	if (meta.keeps_values)
		report->hot_blocks -= value_blocks(report->rows, meta.value_slot_size);
}
