/*
 * sparse_text.c
 *	  "{1:1.5, 3:3.5}/5" to ascending 0-based indices and their values.
 *
 *	text	= space* "{" space* [entry ("," entry)*] "}" space* "/" space*
 *			  integer space*
 *	entry	= space* integer space* ":" space* number space*
 *
 * The number of dimensions comes last, so indices can only be judged, and then
 * sorted, when everything has been read.  Until then the lowest and the highest
 * index are kept aside, exactly or saturated far outside of int32, which is
 * all that the judgement needs; that is how an entry which is dropped for being
 * zero is judged too.  Duplicates are looked for among the kept entries only.
 *
 * Reading stops at s + len, where a '\0' is, as in dense_text.c.
 */
#include <math.h>

#include "math/heap/heap.h"
#include "math/text/decimal.h"
#include "math/text/space.h"
#include "math/text/text.h"

/*
 * Read an integer with an optional sign; NULL if there is none.  One too large
 * becomes some integer of its sign that is outside of int32.
 */
static const char *
read_integer(const char *p, int64_t *value)
{
	const int64_t enough = INT64_C(1000000000000);
	int			negative = (*p == '-');
	int64_t		v = 0;

	if (*p == '-' || *p == '+')
		p++;
	if (!decimal_is_digit(*p))
		return NULL;
	for (; decimal_is_digit(*p); p++)
	{
		if (v < enough)
			v = v * 10 + (*p - '0');
	}
	*value = negative ? -v : v;
	return p;
}

/* Entries lie in two arrays: a heap with the largest index on top */
typedef struct EntryArrays
{
	int32_t    *index;
	float	   *value;
} EntryArrays;

typedef struct SparseEntry
{
	int32_t		index;
	float		value;
} SparseEntry;

#define GET_ENTRY(a, i)	((SparseEntry) {(a).index[i], (a).value[i]})
#define SET_ENTRY(a, i, entry) \
	((a).index[i] = (entry).index, (a).value[i] = (entry).value)
#define HIGHER_INDEX(a, b) ((a)->index > (b)->index)
HEAP_OVER(entries, EntryArrays, SparseEntry, GET_ENTRY, SET_ENTRY, HIGHER_INDEX)

/*
 * Does the text [p, next) of a number that was read as 0 say something else?
 * A zero is not stored, so what is too small would be gone without a trace.
 */
static int
is_too_small(const char *p, const char *next)
{
	int			hexadecimal = 0;

	for (; p < next; p++)
	{
		char		c = (char) (*p | 0x20);

		if (c == 'x')
			hexadecimal = 1;
		else if (hexadecimal ? c == 'p' : c == 'e')
			break;
		else if ((c >= '1' && c <= '9') || (c >= 'a' && c <= 'f'))
			return 1;
	}
	return 0;
}

ParseStatus
sparse_text_parse(const char *s, size_t len, int max_dims, int max_nnz,
				  int32_t *index, float *value, int *nnz, int *dims,
				  ParseToken *token)
{
	const char *p = text_skip_space(s);
	const char *end = s + len;
	int64_t		lowest = INT64_MAX;
	int64_t		highest = INT64_MIN;
	int64_t		n_dims;
	int			ascending = 1;
	int			n = 0;

	if (*p != '{')
		return PARSE_NO_OPENING;
	p = text_skip_space(p + 1);

	if (*p != '}')
	{
		for (;;)
		{
			int64_t		i;
			float		v;
			int			overflow;
			const char *next;

			p = read_integer(text_skip_space(p), &i);
			if (p == NULL)
				return PARSE_SYNTAX;
			if (i < lowest)
				lowest = i;
			if (i > highest)
				highest = i;

			p = text_skip_space(p);
			if (*p != ':')
				return PARSE_SYNTAX;
			p = text_skip_space(p + 1);

			next = decimal_to_float(p, end, &v, &overflow);
			if (next == NULL)
				return PARSE_SYNTAX;
			if (overflow || (v == 0 && is_too_small(p, next)))
			{
				token->start = p;
				token->len = (size_t) (next - p);
				return PARSE_OUT_OF_RANGE;
			}
			if (isnan(v))
				return PARSE_NAN;
			if (isinf(v))
				return PARSE_INFINITE;

			if (v != 0)
			{
				if (n >= max_nnz)
					return PARSE_TOO_MANY_NONZERO;

				/* What does not fit int32 is refused below, for its bounds */
				index[n] = (i >= 1 && i <= INT32_MAX) ? (int32_t) (i - 1) : 0;
				value[n] = v;
				if (n > 0 && index[n] <= index[n - 1])
					ascending = 0;
				n++;
			}

			p = text_skip_space(next);
			if (*p == '}')
				break;
			if (*p != ',')
				return PARSE_SYNTAX;
			p++;
		}
	}

	p = text_skip_space(p + 1);
	if (*p != '/')
		return PARSE_UNEXPECTED_END;
	p = read_integer(text_skip_space(p + 1), &n_dims);
	if (p == NULL)
		return PARSE_SYNTAX;
	p = text_skip_space(p);
	if (p != end)
		return PARSE_JUNK;

	if (n_dims > max_dims)
		return PARSE_TOO_MANY_DIMS;
	if (n_dims < 1)
		return PARSE_NO_DIMS;
	if (lowest < 1 || highest > n_dims)
		return PARSE_INDEX_BOUNDS;

	if (!ascending)
	{
		entries_sort((EntryArrays) {index, value}, (size_t) n);
		for (int i = 1; i < n; i++)
		{
			if (index[i] == index[i - 1])
				return PARSE_INDEX_DUPLICATE;
		}
	}

	*nnz = n;
	*dims = (int) n_dims;
	return PARSE_OK;
}
