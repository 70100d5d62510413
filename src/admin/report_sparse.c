/*
 * report_sparse.c
 *	  What an inverted index of sparse vectors is like.
 */
#include "admin/index_report.h"

#include "sparse/inverted.h"

void
report_sparse(Relation relation, IndexReport *report)
{
	const InvertedMeta *meta = &inverted_open(relation)->meta;

	report->dimensions = (int) meta->dims;
	report->segments = (int) meta->segments;
	report->pending_pages = (double) meta->pending.pages + meta->sealed.pages;
	report->dead = 0;
	for (uint32 i = 0; i < meta->segments; i++)
		report->dead += meta->segment[i].dead;
	report->quantizer = meta->weights == WEIGHT_CODES ? "int8" : "none";
	report->rerank = "heap";
	report_option(report, "weights=%s",
				  meta->weights == WEIGHT_CODES ? "int8" : "float4");
	report_option(report, "pending_list_limit=%d",
				  inverted_options(relation)->pending_list_limit);
	if (meta->filter_columns > 0)
		report_option(report, "filter_columns=%u", meta->filter_columns);
	report->hot_blocks = report->blocks;
}
