/*
 * sparse.c
 *	  Distances of sparse vectors, by merging their ascending indices.
 *
 * Two ways to merge.  Lists of like length go in step: each round takes the
 * lower index, or both where they are equal, with arithmetic in place of
 * branches, for which of the two is lower is a coin flip no processor
 * predicts.  Where one list is GALLOP_RATIO times the other or longer, each
 * index of the short list is looked up in the rest of the long one, by steps
 * of doubling length and then bisection (Bentley and Yao 1976).
 *
 * A term without a partner counts as its distance from zero, that is nothing
 * at all for an inner product, whatever the value is.  Sums are float32, as in
 * the kernels over arrays, in ascending order of index.
 */
#include "distance.h"

#include <math.h>
#include <string.h>

/*
 * Measured with bench/kernels: of 256 against 1024 random indices, galloping
 * takes 0.76 to 0.81 of the time; at half the length the two are within 10 %.
 */
#define GALLOP_RATIO 4

typedef enum SparseSum
{
	L2SQ,
	IP,
	L1
} SparseSum;

typedef struct SparseArray
{
	const int32_t *index;
	const float *value;
	size_t		n;
} SparseArray;

#define INLINE static inline __attribute__((always_inline))

/* What a pair of values at one index adds */
INLINE float
pair_term(float a, float b, SparseSum sum)
{
	switch (sum)
	{
		case L2SQ:
			return (a - b) * (a - b);
		case IP:
			return a * b;
		case L1:
			return fabsf(a - b);
	}
	return 0;
}

/* What the values from..to - 1, whose indices the other side lacks, add */
INLINE float
add_lone(float total, const float *value, size_t from, size_t to,
		 SparseSum sum)
{
	if (sum != IP)
	{
		for (size_t i = from; i < to; i++)
			total += pair_term(value[i], 0, sum);
	}
	return total;
}

/* value or zero, by a mask: the compiler would make a conditional a branch */
INLINE float
keep_if(int condition, float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	bits &= 0u - (uint32_t) condition;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

INLINE float
merge_in_step(const SparseArray *a, const SparseArray *b, SparseSum sum)
{
	size_t		i = 0;
	size_t		j = 0;
	float		total = 0;

	while (i < a->n && j < b->n)
	{
		int32_t		ai = a->index[i];
		int32_t		bi = b->index[j];

		if (sum == IP)
			total += keep_if(ai == bi, a->value[i] * b->value[j]);
		else
			total += pair_term(keep_if(ai <= bi, a->value[i]),
							   keep_if(bi <= ai, b->value[j]), sum);
		i += ai <= bi;
		j += bi <= ai;
	}
	total = add_lone(total, a->value, i, a->n, sum);
	return add_lone(total, b->value, j, b->n, sum);
}

/* The first position in list, from start on, whose index is not below key */
INLINE size_t
gallop(const SparseArray *list, size_t start, int32_t key)
{
	size_t		low = start;	/* everything before is below key */
	size_t		high = start;	/* not below key, or the end */
	size_t		width = 1;

	while (high < list->n && list->index[high] < key)
	{
		low = high + 1;
		high = list->n - high > width ? high + width : list->n;
		width *= 2;
	}
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		int			below = list->index[middle] < key;

		low = below ? middle + 1 : low;
		high = below ? high : middle;
	}
	return low;
}

/* Every sum here is symmetric, so the shorter side may come first */
INLINE float
merge_by_gallop(const SparseArray *shorter, const SparseArray *longer,
				SparseSum sum)
{
	size_t		j = 0;
	float		total = 0;

	for (size_t i = 0; i < shorter->n; i++)
	{
		size_t		at = gallop(longer, j, shorter->index[i]);

		total = add_lone(total, longer->value, j, at, sum);
		j = at;
		if (j < longer->n && longer->index[j] == shorter->index[i])
			total += pair_term(shorter->value[i], longer->value[j++], sum);
		else
			total = add_lone(total, shorter->value, i, i + 1, sum);
	}
	return add_lone(total, longer->value, j, longer->n, sum);
}

INLINE float
merge(const int32_t *ai, const float *av, size_t na, const int32_t *bi,
	  const float *bv, size_t nb, SparseSum sum)
{
	SparseArray a = {ai, av, na};
	SparseArray b = {bi, bv, nb};

	if (na / GALLOP_RATIO >= nb)
		return merge_by_gallop(&b, &a, sum);
	if (nb / GALLOP_RATIO >= na)
		return merge_by_gallop(&a, &b, sum);
	return merge_in_step(&a, &b, sum);
}

/* Squared Euclidean distance */
float
sparse_l2sq(const int32_t *ai, const float *av, size_t na, const int32_t *bi,
			const float *bv, size_t nb)
{
	return merge(ai, av, na, bi, bv, nb, L2SQ);
}

/* Inner product */
float
sparse_ip(const int32_t *ai, const float *av, size_t na, const int32_t *bi,
		  const float *bv, size_t nb)
{
	return merge(ai, av, na, bi, bv, nb, IP);
}

/* Taxicab distance */
float
sparse_l1(const int32_t *ai, const float *av, size_t na, const int32_t *bi,
		  const float *bv, size_t nb)
{
	return merge(ai, av, na, bi, bv, nb, L1);
}
