/*
 * report_hnsw.c
 *	  What a graph is like.
 *
 * A graph has no counter of rows at its build, because it does not matter to it
 * whether rows came then or later.
 */
#include "admin/index_report.h"

#include "hnsw/page.h"

static const char *
quantizer_name(int bits)
{
	switch (bits)
	{
		case 1:
			return "rabitq1";
		case 2:
			return "rabitq2";
		case 4:
			return "rabitq4";
		case 8:
			return "rabitq8";
	}
	return "none";
}

void
report_hnsw(Relation relation, IndexReport *report)
{
	HnswIndex  *index = hnsw_open(relation);
	const HnswMeta *meta = &index->meta;
	GraphEntry	entry;

	hnsw_get_entry(relation, &entry);
	report->dimensions = (int) meta->dims;
	report->levels = entry.level + 1;
	report->quantizer = quantizer_name(meta->bits);
	if (meta->bits > 0)
		report->rerank = meta->rerank_heap ? "heap" : "index";
	report_option(report, "m=%d", meta->m);
	report_option(report, "ef_construction=%d", meta->ef_construction);
	report_option(report, "ef_search=%d", hnsw_options(relation)->ef_search);
	report_option(report, "target_recall=%g", hnsw_options(relation)->target_recall);
	if (meta->filter_columns > 0)
		report_option(report, "filter_columns=%d", meta->filter_columns);

	/* of the values that re-ranking reads, a search needs few */
	report->hot_blocks = report->blocks;
	if (hnsw_keeps_bounded(index))
		report->hot_blocks -= value_blocks(report->rows, meta->value_slot_size);
}
