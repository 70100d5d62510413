/*
 * filter.c
 *	  Which elements fulfil a scan's conditions, and how to walk among them.
 *
 * A look at a few pages of keys tells which share of the elements passes.  Then
 *
 * - FILTER_WALK, where many pass: the walk goes on as if there were no
 *	 conditions, and elements that fail are no results.
 * - FILTER_ALL, where few do: the keys of all elements are tested, a pass over
 *	 arrays, and the code of each that passes is compared.
 * - FILTER_HOPS, in between: the walk goes through elements that pass only, and
 *	 looks through those that fail at their neighbours (ACORN-1: Patel et al.,
 *	 "ACORN: Performant and predicate-agnostic search over vector embeddings and
 *	 structured data", SIGMOD 2024).  It begins at where the way down led, and at
 *	 some that pass, from all over the index: where conditions and values depend
 *	 on each other, none may pass near the query.
 *
 * Whatever the walk does not find in the end is found by testing all keys.
 */
#include "hnsw/filter.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "math/keys/keys.h"

/* Pages of keys that are looked at beforehand, and elements on them at most */
#define SAMPLE_PAGES	8
#define SAMPLE_SEEDS	64

/* Up to so many numbers, all keys are tested before a walk in hops */
#define BITMAP_NUMBERS	(2 * 1024 * 1024)

static bool
filter_passes_id(GraphFilter *graph, GraphId id)
{
	HnswFilter *filter = (HnswFilter *) graph;

	if (hnsw_keys_pass(filter->keys, filter->filter, id))
		return true;
	filter->failed++;
	return false;
}

HnswFilter *
hnsw_filter_create(Relation relation, const HnswIndex *index, BufferMap *map)
{
	HnswFilter *filter = (HnswFilter *) palloc0(sizeof(HnswFilter));

	filter->graph.passes = filter_passes_id;
	filter->filter = filter_create(index->filter);
	filter->keys = hnsw_keys_create(relation, index, map, false);
	filter->per_page = hnsw_keys_per_page(filter->keys);
	filter->context = CurrentMemoryContext;
	filter->passes = (uint8 *) palloc(filter->per_page);
	filter->seeds = (GraphId *) palloc(SAMPLE_SEEDS * sizeof(GraphId));
	return filter;
}

/*
 * Elements that pass, evenly from all of them: those are seeds before which
 * matching * i / SAMPLE_SEEDS pass.
 */
static void
choose_seeds(HnswFilter *filter)
{
	Size		words = filter->graph.bitmap_bytes / sizeof(uint64);
	uint64		before = 0;
	uint64		next = 0;

	filter->seed_count = 0;
	for (Size w = 0; w < words && filter->seed_count < SAMPLE_SEEDS; w++)
	{
		uint64		word;
		uint32		passing;

		memcpy(&word, filter->bitmap + w * sizeof(word), sizeof(word));
		passing = pg_popcount64(word);
		if (before + passing > next)
		{
#ifdef WORDS_BIGENDIAN
			word = pg_bswap64(word);
#endif
			filter->seeds[filter->seed_count++] = (GraphId) (w * 64) +
				pg_rightmost_one_pos64(word);
			next = Max(before + passing,
					   (uint64) (filter->matching * filter->seed_count / SAMPLE_SEEDS));
		}
		before += passing;
	}
}

/* Test the keys of all elements. */
static void
test_all(HnswFilter *filter)
{
	Size		bytes = mul_size(filter->numbers, filter->per_page / 8);
	double		matching;

	if (bytes > filter->bitmap_room)
	{
		if (filter->bitmap != NULL)
			pfree(filter->bitmap);
		filter->bitmap = NULL;
		filter->bitmap = (uint8 *) MemoryContextAllocHuge(filter->context, bytes);
		filter->bitmap_room = bytes;
	}
	matching = 0;
	for (uint32 number = 0; number < filter->numbers; number++)
	{
		uint8	   *bits = filter->bitmap + (Size) number * (filter->per_page / 8);

		CHECK_FOR_INTERRUPTS();
		if (hnsw_keys_pass_page(filter->keys, filter->filter, number, NULL,
								filter->passes))
			matching += key_kernels->pack(filter->passes, filter->per_page, bits);
		else
			memset(bits, 0, filter->per_page / 8);
	}
	filter->matching = matching;
	filter->share = filter->elements > 0 ? matching / filter->elements : 0;
	filter->failed += Max(filter->elements - matching, 0);
	filter->graph.bitmap = filter->bitmap;
	filter->graph.bitmap_bytes = bytes;
}

/*
 * Look at some pages of keys, all over the index: the share that passes, and
 * some that do.
 */
static void
take_sample(HnswFilter *filter)
{
	uint32		pages = Min(filter->pages, SAMPLE_PAGES);
	uint32		sampled = 0;
	double		seen = 0;
	double		passing = 0;

	filter->seed_count = 0;
	for (uint32 number = 0, page = 0; number < filter->numbers && sampled < pages; number++)
	{
		uint32		matching = 0;
		uint32		used;
		uint32		step;

		/* of those that there are, evenly */
		if (!hnsw_keys_have_page(filter->keys, number) ||
			page++ < (uint64) filter->pages * sampled / pages)
			continue;
		sampled++;
		(void) hnsw_keys_pass_page(filter->keys, filter->filter, number, &used,
								   filter->passes);
		for (uint32 i = 0; i < filter->per_page; i++)
			matching += filter->passes[i];
		seen += used;
		passing += matching;

		/* each page's part of the seeds, evenly */
		step = matching / (SAMPLE_SEEDS / pages) + 1;
		matching = 0;
		for (uint32 i = 0; i < filter->per_page; i++)
		{
			if (filter->passes[i] && matching++ % step == 0)
				filter->seeds[filter->seed_count++] = number * filter->per_page + i;
		}
	}
	filter->share = seen > 0 ? passing / seen : 0;
	filter->elements = sampled > 0 ? seen * filter->pages / sampled : 0;
	filter->matching = filter->elements * filter->share;
}

void
hnsw_filter_begin(HnswFilter *filter, ScanKey keys, int nkeys, int ef)
{
	double		few = hnsw_filter_few(ef);

	filter_set(filter->filter, keys, nkeys);
	filter->graph.bitmap = NULL;
	filter->graph.two_hops = false;
	filter->graph.ways = 0;
	filter->mode = FILTER_NONE;
	if (filter->filter->impossible || filter->filter->count == 0)
		return;

	filter->pages = hnsw_keys_refresh(filter->keys, &filter->numbers);
	take_sample(filter);
	filter->mode = FILTER_WALK;
	if (filter->matching <= few)
		test_all(filter);
	if (filter->graph.bitmap != NULL &&
		filter->matching <= Min(2 * few, hnsw_max_scan_tuples))
		filter->mode = FILTER_ALL;
	else if (filter->share < HNSW_WALK_SHARE)
	{
		if (filter->graph.bitmap == NULL &&
			(double) filter->numbers * filter->per_page <= BITMAP_NUMBERS)
			test_all(filter);
		if (filter->graph.bitmap != NULL)
			choose_seeds(filter);
		filter->mode = FILTER_HOPS;
		filter->graph.two_hops = true;
	}
}

void
hnsw_filter_add_all(HnswFilter *filter, GraphSearch *search, int ef,
					uint32 most)
{
	GraphId		ids[GRAPH_BATCH];
	int			count = 0;

	if (filter->graph.bitmap == NULL)
	{
		filter->pages = hnsw_keys_refresh(filter->keys, &filter->numbers);
		test_all(filter);
	}
	for (Size i = 0; i < filter->graph.bitmap_bytes; i++)
	{
		uint8		bits = filter->bitmap[i];
		uint64		word = 0;

		/* long stretches without one that passes */
		if (bits == 0)
		{
			while (i + 1 + sizeof(word) <= filter->graph.bitmap_bytes)
			{
				memcpy(&word, filter->bitmap + i + 1, sizeof(word));
				if (word != 0)
					break;
				i += sizeof(word);
			}
			continue;
		}
		for (; bits != 0; bits &= bits - 1)
		{
			ids[count++] = (GraphId) (i * 8) + pg_rightmost_one_pos32(bits);
			if (count < GRAPH_BATCH)
				continue;
			CHECK_FOR_INTERRUPTS();
			graph_search_add(search, ids, count, false, ef);
			count = 0;
			if (search->found_count >= most)
				return;
		}
	}
	graph_search_add(search, ids, count, false, ef);
}
