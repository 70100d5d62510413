/*
 * postings.c
 *	  Weights in posting lists, and scores from them.
 */
#include "tables.h"

#include <float.h>
#include <math.h>
#include <string.h>

SIMD_DISPATCH(postings, PostingKernels, posting_kernels, postings_scalar,
			  SIMD_ARM_TABLES(postings_scalar)
			  SIMD_X86_TABLES(postings_avx2, postings_avx512))

float
weight_step(float greatest, bool negative)
{
	int			exponent;
	int			most = negative ? SIGNED_CODE_MOST : CODE_MOST;

	/* greatest < 2^exponent, and 2^exponent / 128 or / 256 may be too small */
	(void) frexpf(greatest, &exponent);
	exponent -= negative ? 7 : 8;
	if (exponent < FLT_MIN_EXP - 1)
		exponent = FLT_MIN_EXP - 1;
	while (ldexpf(1, exponent) * (float) most < greatest)
		exponent++;
	return ldexpf(1, exponent);
}

uint8_t
weight_encode(float weight, float step, bool negative)
{
	int			most = negative ? SIGNED_CODE_MOST : CODE_MOST;
	float		units = fabsf(weight) / step + 0.5f;
	int			size = units < (float) most ? (int) units : most;

	if (size < 1)
		size = 1;
	if (!negative)
		return (uint8_t) size;
	return (uint8_t) (weight < 0 ? SIGNED_CODE_ZERO - size : SIGNED_CODE_ZERO + size);
}

uint8_t
weight_bound(float weight, float step)
{
	float		units = ceilf(fabsf(weight) / step);

	return units < (float) CODE_MOST ? (uint8_t) units : CODE_MOST;
}

bool
score_sums_exact(void)
{
#if defined(__FP_FAST_FMAF)
	return false;
#else
	return true;
#endif
}

void
score_codes(float *scores, const uint8_t *places, const uint8_t *codes,
			size_t count, float q, float step, bool negative)
{
	if (negative)
	{
		for (size_t i = 0; i < count; i++)
			scores[places[i]] += q * ((float) (codes[i] - SIGNED_CODE_ZERO) * step);
	}
	else
	{
		for (size_t i = 0; i < count; i++)
			scores[places[i]] += q * ((float) codes[i] * step);
	}
}

void
score_weights(float *scores, const uint8_t *places, const float *weights,
			  size_t count, float q)
{
	for (size_t i = 0; i < count; i++)
		scores[places[i]] += q * weights[i];
}

bool
score_bounds(float *bounds, uint32_t ranges, const PostingGroup *groups,
			 size_t count, float q, float step)
{
	bool		valid = true;

	for (size_t i = 0; i < count; i++)
	{
		if (groups[i].range < ranges)
			bounds[groups[i].range] += q * ((float) groups[i].greatest * step);
		else
			valid = false;
	}
	return valid;
}

/* The same as score_select, of those that pass */
static size_t
select_passing(const float *scores, size_t docs, const uint8_t *passes,
			   float low, float high, uint8_t *places, float *rest)
{
	bool		first = high != high;
	float		most = -INFINITY;
	size_t		count = 0;

	for (size_t i = 0; i < docs; i++)
	{
		float		score = scores[i];

		if (!passes[i])
			continue;
		if (score < low)
			most = score > most ? score : most;
		else if (first || score < high)
			places[count++] = (uint8_t) i;
	}
	*rest = most;
	return count;
}

size_t
score_select(const float *scores, size_t docs, const uint8_t *passes,
			 float low, float high, uint8_t *places, float *rest)
{
	bool		first = high != high;
	uint64_t	found;
	size_t		count = 0;

	if (passes != NULL)
		return select_passing(scores, docs, passes, low, high, places, rest);
	for (found = posting_kernels->reach(scores, docs, low, rest); found != 0; found &= found - 1)
	{
		int			i = __builtin_ctzll(found);

		if (first || scores[i] < high)
			places[count++] = (uint8_t) i;
	}
	return count;
}

/* Bits of a digit, at most */
#define RADIX_BITS	11
#define RADIX		(1 << RADIX_BITS)

void
postings_sort(Posting *postings, Posting *spare, size_t count)
{
	Posting    *from = postings;
	Posting    *to = spare;
	uint32_t	all = 0;
	int			width = 0;
	int			passes;
	int			bits;

	for (size_t i = 0; i < count; i++)
		all |= (uint32_t) postings[i].dim;
	while (width < 32 && all >> width != 0)
		width++;

	/* digits as short as the number of passes allows: fewer places are written to */
	passes = (width + RADIX_BITS - 1) / RADIX_BITS;
	bits = passes > 0 ? (width + passes - 1) / passes : 0;
	for (int pass = 0; pass < passes; pass++)
	{
		int			shift = pass * bits;
		uint32_t	mask = (1u << bits) - 1;
		size_t		starts[RADIX] = {0};
		size_t		sum = 0;
		Posting    *swap = from;

		for (size_t i = 0; i < count; i++)
			starts[(uint32_t) from[i].dim >> shift & mask]++;
		for (uint32_t digit = 0; digit <= mask; digit++)
		{
			size_t		here = starts[digit];

			starts[digit] = sum;
			sum += here;
		}
		for (size_t i = 0; i < count; i++)
			to[starts[(uint32_t) from[i].dim >> shift & mask]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != postings)
		memcpy(postings, from, count * sizeof(Posting));
}
