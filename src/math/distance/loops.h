/*
 * loops.h
 *	  The loops of the vector kernels, written once for every instruction set.
 *
 * Included once by each of avx2.c, avx512.c and neon.c, after that file has
 * said what a vector is on its processor:
 *
 *	TARGET			attribute that lets a function use the instruction set
 *	INLINE			static inline, always, with TARGET
 *	LANES			float32 values in a Vec
 *	PAIR_CHAINS		independent sums in a kernel over one pair
 *	ROW_CHAINS		the same per row in a kernel over ROWS rows at once
 *	Vec				that of ../simd/vec.h, with
 *		vec_sum (of the lanes), vec_load_f16 (widening), at any address,
 *		wide_add_square(sum, v) = sum + v * v, the squares not rounded
 *		vec_load_part_f32, vec_load_part_f16: the first left < LANES
 *			elements, and zeros; nothing behind them is read
 *		vec_store_f16 (narrowing)
 *	Bytes			that of ../simd/vec.h, with
 *		bits_load_part (as above), and with Counts, 64-bit counters,
 *		counts_total, counts_add_bits(counts, x) = counts + the bits set in x
 *
 * Every kernel is one of five loops (sums over rows, norm, bits, two
 * conversions) with constants for arguments: all of it is inlined, and the
 * choices between constants cost nothing at run time.
 *
 * Several sums run side by side, because one addition must wait for the one
 * before it (4 cycles) while the processor could start two in each cycle.  A
 * tail is padded with zeros, which add zero to every sum here.
 */
/* Rows that a _many kernel reads side by side */
#define ROWS			4

/* The most chains a row, whatever the processor */
#define MAX_CHAINS		8

/*
 * How far ahead of its reading, in each of the rows, a _many kernel asks for
 * memory: at 1024 it was no faster.
 */
#define PREFETCH_BYTES	2048

typedef enum Type
{
	F32,
	F16
} Type;

typedef enum Sum
{
	L2SQ,
	IP,
	L1,
	COSINE						/* ab, aa and bb */
} Sum;

/* Running sums of one chain; those that a Sum has no use for vanish */
typedef struct Chain
{
	Vec			ab;
	Vec			aa;
	Vec			bb;
} Chain;

/*
 * What a call of sum_rows reads: q against count rows (1 or ROWS), row r
 * starting at rows + r * stride.  next is the distance to the rows that will
 * be read after these, 0 where there are none; all in elements.
 */
typedef struct Work
{
	const void *q;
	const void *rows;
	Type		q_type;
	Type		type;
	size_t		n;
	size_t		stride;
	size_t		next;
	int			count;
} Work;

INLINE Vec
load(const void *array, Type type, size_t i)
{
	return type == F32 ? vec_load_f32((const float *) array + i) :
		vec_load_f16((const half *) array + i);
}

INLINE Vec
load_part(const void *array, Type type, size_t i, size_t left)
{
	return type == F32 ? vec_load_part_f32((const float *) array + i, left) :
		vec_load_part_f16((const half *) array + i, left);
}

INLINE void
step(Chain *chain, Sum sum, Vec a, Vec b)
{
	Vec			diff = a - b;

	switch (sum)
	{
		case L2SQ:
			chain->ab += diff * diff;
			break;
		case IP:
			chain->ab += a * b;
			break;
		case L1:
			chain->ab += vec_abs(diff);
			break;
		case COSINE:
			chain->aa += a * a;
			chain->ab += a * b;
			chain->bb += b * b;
			break;
	}
}

/* One vector of every row into the chains of that row numbered by column */
INLINE void
step_rows(Chain *chain, Sum sum, const Work *w, int column, size_t i)
{
	Vec			a = load(w->q, w->q_type, i);

	UNROLLED
	for (int r = 0; r < w->count; r++)
		step(&chain[column * w->count + r], sum, a,
			 load(w->rows, w->type, (size_t) r * w->stride + i));
}

/*
 * Ask for the cache lines PREFETCH_BYTES after element i of every row of float32,
 * bytes of them; behind the end of a row comes that of the rows to be read next.
 */
INLINE void
prefetch_rows(const Work *w, size_t i, size_t bytes)
{
	size_t		ahead = PREFETCH_BYTES / sizeof(float);
	size_t		at = i + (ahead < w->n ? ahead : w->n);

	if (at >= w->n)
		at = at - w->n + w->next;
	UNROLLED
	for (int r = 0; r < w->count; r++)
		for (size_t byte = 0; byte < bytes; byte += 64)
			__builtin_prefetch((const char *) w->rows +
							   ((size_t) r * w->stride + at) * sizeof(float) + byte);
}

/*
 * The sums over q and each row, in as many independent chains a row as said;
 * one result a row, of which a Sum without cosine fills ab only.
 */
INLINE void
sum_rows(const Work *w, Sum sum, int chains, CosineSums *out)
{
	Chain		chain[ROWS * MAX_CHAINS];
	size_t		block = (size_t) chains * LANES;
	size_t		n = w->n;
	size_t		i = 0;

	UNROLLED
	for (int k = 0; k < w->count * chains; k++)
		chain[k].ab = chain[k].aa = chain[k].bb = (Vec) {0};

	for (; i + block <= n; i += block)
	{
		if (w->count == ROWS)
			prefetch_rows(w, i, block * sizeof(float));
		UNROLLED
		for (int c = 0; c < chains; c++)
			step_rows(chain, sum, w, c, i + (size_t) c * LANES);
	}

	/* Fewer than chains whole vectors are left, then part of one */
	UNROLLED
	for (int c = 0; c < chains - 1; c++)
	{
		if (n - i < LANES)
			break;
		step_rows(chain, sum, w, c, i);
		i += LANES;
	}
	if (i < n)
	{
		Vec			a = load_part(w->q, w->q_type, i, n - i);

		UNROLLED
		for (int r = 0; r < w->count; r++)
			step(&chain[(chains - 1) * w->count + r], sum, a,
				 load_part(w->rows, w->type, (size_t) r * w->stride + i,
						   n - i));
	}

	UNROLLED
	for (int r = 0; r < w->count; r++)
	{
		Chain		total = chain[r];

		UNROLLED
		for (int c = 1; c < chains; c++)
		{
			const Chain *other = &chain[c * w->count + r];

			total.ab += other->ab;
			total.aa += other->aa;
			total.bb += other->bb;
		}
		out[r].ab = vec_sum(total.ab);
		out[r].aa = vec_sum(total.aa);
		out[r].bb = vec_sum(total.bb);
	}
}

/* The sums over one pair of arrays */
INLINE CosineSums
sum_pair(const void *a, Type a_type, const void *b, Type b_type, size_t n,
		 Sum sum, int chains)
{
	Work		w = {
		.q = a, .q_type = a_type, .rows = b, .type = b_type, .n = n, .count = 1
	};
	CosineSums	out;

	sum_rows(&w, sum, chains, &out);
	return out;
}

/* The sum of squares in float64 */
INLINE double
sum_squares(const void *a, Type type, size_t n)
{
	Wide		even = {0};
	Wide		odd = {0};
	size_t		i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		even = wide_add_square(even, load(a, type, i));
		odd = wide_add_square(odd, load(a, type, i + LANES));
	}
	if (i + LANES <= n)
	{
		even = wide_add_square(even, load(a, type, i));
		i += LANES;
	}
	if (i < n)
		odd = wide_add_square(odd, load_part(a, type, i, n - i));
	return wide_sum(wide_add(even, odd));
}

/*
 * The bits set in a OP b, for one or two OPs: first is a XOR b where hamming,
 * else a AND b; second (a OR b) is counted for Jaccard only.
 */
INLINE void
count_pair(const uint8_t *a, const uint8_t *b, size_t n, int hamming,
		   uint64_t *first, uint64_t *second)
{
	Counts		firsts[2] = {0};
	Counts		seconds[2] = {0};

	for (size_t i = 0; i < n; i += 2 * sizeof(Bytes))
	{
		UNROLLED
		for (int k = 0; k < 2; k++)
		{
			size_t		at = i + k * sizeof(Bytes);
			Bytes		x;
			Bytes		y;

			if (at + sizeof(Bytes) <= n)
			{
				x = bytes_load(a + at);
				y = bytes_load(b + at);
			}
			else if (at < n)
			{
				x = bits_load_part(a + at, n - at);
				y = bits_load_part(b + at, n - at);
			}
			else
				break;
			firsts[k] = counts_add_bits(firsts[k], hamming ? x ^ y : x & y);
			if (!hamming)
				seconds[k] = counts_add_bits(seconds[k], x | y);
		}
	}
	*first = counts_total(firsts[0] + firsts[1]);
	if (!hamming)
		*second = counts_total(seconds[0] + seconds[1]);
}

/*
 * The table's functions.
 */

#define PAIR_KERNEL(name, A, a_type, B, b_type, sum) \
static TARGET float \
name(const A *a, const B *b, size_t n) \
{ \
	return sum_pair(a, a_type, b, b_type, n, sum, PAIR_CHAINS).ab; \
}

#define COSINE_KERNEL(name, T, type) \
static TARGET CosineSums \
name(const T *a, const T *b, size_t n) \
{ \
	return sum_pair(a, type, b, type, n, COSINE, PAIR_CHAINS); \
}

#define NORM2_KERNEL(name, T, type) \
static TARGET double \
name(const T *a, size_t n) \
{ \
	return sum_squares(a, type, n); \
}

PAIR_KERNEL(f32_l2sq, float, F32, float, F32, L2SQ)
PAIR_KERNEL(f32_ip, float, F32, float, F32, IP)
PAIR_KERNEL(f32_l1, float, F32, float, F32, L1)
COSINE_KERNEL(f32_cosine, float, F32)
NORM2_KERNEL(f32_norm2, float, F32)

PAIR_KERNEL(f16_l2sq, half, F16, half, F16, L2SQ)
PAIR_KERNEL(f16_ip, half, F16, half, F16, IP)
PAIR_KERNEL(f16_l1, half, F16, half, F16, L1)
COSINE_KERNEL(f16_cosine, half, F16)
NORM2_KERNEL(f16_norm2, half, F16)

PAIR_KERNEL(mixed_l2sq, float, F32, half, F16, L2SQ)
PAIR_KERNEL(mixed_ip, float, F32, half, F16, IP)

/* ROWS at once, then one by one */
static TARGET void
f32_ip_many(const float *q, const float *rows, size_t n, size_t stride,
			size_t count, float *out)
{
	CosineSums	sums[ROWS];
	size_t		r = 0;
	/* Of rows shorter than PREFETCH_BYTES, ask for later ones than the next */
	size_t		later = ROWS * (1 + PREFETCH_BYTES / (n * sizeof(float) + 1));
	Work		w = {
		.q = q, .q_type = F32, .type = F32, .n = n, .stride = stride,
		.count = ROWS
	};

	for (; count - r >= ROWS; r += ROWS)
	{
		w.rows = rows + r * stride;
		w.next = count - r >= later + ROWS ? later * stride : 0;
		sum_rows(&w, IP, ROW_CHAINS, sums);
		for (int k = 0; k < ROWS; k++)
			out[r + k] = sums[k].ab;
	}
	for (; r < count; r++)
		out[r] = f32_ip(q, rows + r * stride, n);
}

static TARGET uint64_t
bit_hamming(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t	differ;

	count_pair(a, b, n, 1, &differ, NULL);
	return differ;
}

static TARGET void
bit_jaccard(const uint8_t *a, const uint8_t *b, size_t n, uint64_t *both,
			uint64_t *either)
{
	count_pair(a, b, n, 0, both, either);
}

static TARGET void
f16_to_f32(const half *src, float *dst, size_t n)
{
	size_t		i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store_f32(dst + i, vec_load_f16(src + i));
	if (i < n)
	{
		float		tail[LANES];

		vec_store_f32(tail, vec_load_part_f16(src + i, n - i));
		memcpy(dst + i, tail, (n - i) * sizeof(*dst));
	}
}

static TARGET void
f32_to_f16(const float *src, half *dst, size_t n)
{
	size_t		i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store_f16(dst + i, vec_load_f32(src + i));
	if (i < n)
	{
		half		tail[LANES];

		vec_store_f16(tail, vec_load_part_f32(src + i, n - i));
		memcpy(dst + i, tail, (n - i) * sizeof(*dst));
	}
}
