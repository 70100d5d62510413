/*
 * loops.h
 *	  The loops of the quantizer kernels, written once for every instruction
 *	  set.
 *
 * Included once by each of avx2.c, avx512.c and neon.c, after that file has
 * said what its processor has:
 *
 *	TARGET			attribute that lets a function use the instruction set
 *	INLINE			static inline, always, with TARGET
 *	LANES			floats in a Vec: 4, 8 or 16
 *	VEC_REGISTER	how an asm statement names a register that holds a Vec
 *	Vec				that of ../simd/vec.h, with vec_max, vec_min
 *		vec_trunc (to whole numbers, toward zero; below 2^31)
 *		vec_flip(v, signs, i): lane k negated if bit i + k is set (i is a
 *			multiple of LANES)
 *		vec_hadamard(v): the Hadamard transform of the lanes, the butterflies
 *			of neighbours first
 *		ints_store_bytes(out, x): LANES bytes, the lowest of each of the Ints x
 *		vec_load_columns(v, p, stride): lane k of v[i] is p[k * stride + i],
 *			i = 0 .. 3
 *	Bytes			that of ../simd/vec.h, with bytes_load_part (the first left bytes,
 *		then zeros; nothing behind them is read; left is a multiple of 16)
 *		bits_spread(p, i): bits i .. i + BYTES - 1 as bytes 0 or 1 (i is a
 *			multiple of BYTES)
 *		bytes_lookup(table, index), the 16 bytes that belong to the index's
 *			own 16; index below 16
 *	Sums			int32 sums; how many lanes is its own affair, with
 *		sums_add, sums_total (int64)
 *		narrow_begin, narrow_dot, narrow_end: s = narrow_begin(sums), then
 *			s = narrow_dot(s, codes, query) at most 4 times with codes * query
 *			within 15 * 127, or 2 * 127 and the like; then
 *			sums = narrow_end(sums, s)
 *		wide_dot(sums, codes, query): BYTES / 2 codes, int16 queries; and
 *			wide_dot_part: 16 codes, where that is less than BYTES / 2
 *	Words			that of ../simd/vec.h, with
 *		words_store(out, both, odd): 16 sums, in order, of the even and the odd
 *			bytes: (both - 256 * odd) and odd, 128-bit parts added together
 *
 * scalar.c says what every kernel does, and in which order floats are added.
 */
#include <math.h>
#include <string.h>

/* Bytes in a Bytes */
#define BYTES			(4 * LANES)

/* Vecs that hold the running sums of encode */
#define SUM_VECS		(SUM_LANES / LANES)

/* Floats that the first pass of a Hadamard transform keeps in registers */
#define FIRST_PASS		64

/*
 * How many codes ahead a _many kernel asks for memory (README.md, Measured).
 */
#define PREFETCH_CODES	4

/* Products: the empty instruction hides them from a compiler that would fuse them */
INLINE Vec
vec_mul(Vec a, Vec b)
{
	Vec			c = a * b;

	__asm__("" : VEC_REGISTER (c));
	return c;
}

INLINE float
vec_product(float a, float b)
{
	float		c = a * b;

	__asm__("" : VEC_REGISTER (c));
	return c;
}

/* In lanes where score is above best, they become score and number. */
INLINE void
vec_keep_greater(Vec *best, Vec *which, Vec score, Vec number)
{
	Ints		greater = score > *best;

	*best = (Vec) ((greater & (Ints) score) | (~greater & (Ints) *best));
	*which = (Vec) ((greater & (Ints) number) | (~greater & (Ints) *which));
}

/* (x >> shift) & mask byte by byte; mask << shift is below 256 */
INLINE Bytes
bytes_low(Bytes x, int shift, int mask)
{
	return (Bytes) ((Words) x >> shift) & (uint8_t) mask;
}

/* LANES bytes: half + steps, or half - 1 - steps where r < 0 */
INLINE void
levels_store(uint8_t *out, Vec steps, Vec r, int half)
{
	ints_store_bytes(out, (__builtin_convertvector(steps, Ints) ^ (r < 0)) + half);
}

/*
 * Rotation.
 */

/*
 * Butterflies across the vectors v[0 .. count - 1]: as many stages as count,
 * a power of two, has factors.
 */
INLINE void
butterflies(Vec *v, int count)
{
	UNROLLED
	for (int h = 1; h < count; h *= 2)
	{
		UNROLLED
		for (int i = 0; i < count; i++)
		{
			if ((i & h) == 0)
			{
				Vec			a = v[i];
				Vec			b = v[i + h];

				v[i] = a + b;
				v[i + h] = a - b;
			}
		}
	}
}

/* The stages of n floats that have their partners h, 2h .. radix/2 h away */
INLINE void
hadamard_pass(float *x, size_t n, size_t h, int radix)
{
	for (size_t i = 0; i < n; i += (size_t) radix * h)
		for (size_t j = i; j < i + h; j += LANES)
		{
			Vec			v[8];

			UNROLLED
			for (int k = 0; k < radix; k++)
				v[k] = vec_load_f32(x + j + (size_t) k * h);
			butterflies(v, radix);
			UNROLLED
			for (int k = 0; k < radix; k++)
				vec_store_f32(x + j + (size_t) k * h, v[k]);
		}
}

/* Flip signs, then multiply by H / sqrt(n); n is a power of two, 64 or more */
INLINE void
flip_and_hadamard(float *x, size_t n, const uint8_t *signs)
{
	Vec			scale = vec_set((float) (1 / sqrt((double) n)));
	size_t		h = FIRST_PASS;

	for (size_t i = 0; i < n; i += FIRST_PASS)
	{
		Vec			v[FIRST_PASS / LANES];

		UNROLLED
		for (int k = 0; k < FIRST_PASS / LANES; k++)
		{
			size_t		at = i + (size_t) k * LANES;

			v[k] = vec_mul(vec_flip(vec_load_f32(x + at), signs, at), scale);
			v[k] = vec_hadamard(v[k]);
		}
		butterflies(v, FIRST_PASS / LANES);
		UNROLLED
		for (int k = 0; k < FIRST_PASS / LANES; k++)
			vec_store_f32(x + i + (size_t) k * LANES, v[k]);
	}
	for (; 8 * h <= n; h *= 8)
		hadamard_pass(x, n, h, 8);
	if (4 * h <= n)
		hadamard_pass(x, n, h, 4);
	else if (2 * h <= n)
		hadamard_pass(x, n, h, 2);
}

INLINE void
flip(float *x, size_t from, size_t to, const uint8_t *signs)
{
	for (size_t i = from; i < to; i += LANES)
		vec_store_f32(x + i, vec_flip(vec_load_f32(x + i), signs, i));
}

INLINE void
turn_pairs(float *x, size_t n)
{
	Vec			half_root = vec_set((float) M_SQRT1_2);

	for (size_t i = 0; i < n / 2; i += LANES)
	{
		Vec			a = vec_load_f32(x + i);
		Vec			b = vec_load_f32(x + i + n / 2);

		vec_store_f32(x + i, vec_mul(a + b, half_root));
		vec_store_f32(x + i + n / 2, vec_mul(a - b, half_root));
	}
}

static TARGET void
rotate(float *x, size_t dims, const uint8_t *signs)
{
	size_t		block = power_of_two_below(dims);

	for (int round = 0; round < ROUNDS; round++)
	{
		size_t		first = round % 2 == 0 ? 0 : dims - block;

		flip(x, 0, first, signs);
		flip(x, first + block, dims, signs);
		flip_and_hadamard(x + first, block, signs + first / 8);
		if (round % 2 == 1 && block < dims)
			turn_pairs(x, dims);
		signs += dims / 8;
	}
}

/*
 * Encoding.
 */

INLINE float
total_lanes(const Vec *sums)
{
	float		lanes[SUM_LANES];

	UNROLLED
	for (int k = 0; k < SUM_VECS; k++)
		vec_store_f32(lanes + k * LANES, sums[k]);
	return sum_lanes(lanes);
}

/* Fits at count scales at once, see scalar.c */
INLINE void
fit(const float *residual, size_t dims, float scale, const float *t, int count,
	float last, float *ur, float *uu)
{
	Vec			ur_sums[SCALES_AT_ONCE][SUM_VECS];
	Vec			uu_sums[SCALES_AT_ONCE][SUM_VECS];
	Vec			scales = vec_set(scale);
	Vec			lasts = vec_set(last);
	Vec			half = vec_set(0.5f);

	UNROLLED
	for (int c = 0; c < count; c++)
	{
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
			ur_sums[c][k] = uu_sums[c][k] = (Vec) {0};
	}
	for (size_t i = 0; i < dims; i += SUM_LANES)
	{
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
		{
			Vec			r = vec_load_f32(residual + i + (size_t) k * LANES);

			r = vec_mul(vec_abs(r), scales);
			UNROLLED
			for (int c = 0; c < count; c++)
			{
				Vec			x = vec_mul(r, vec_set(t[c]));
				Vec			u = vec_trunc(vec_min(x, lasts)) + half;

				ur_sums[c][k] += vec_mul(u, r);
				uu_sums[c][k] += vec_mul(u, u);
			}
		}
	}
	UNROLLED
	for (int c = 0; c < count; c++)
	{
		ur[c] = total_lanes(ur_sums[c]);
		uu[c] = total_lanes(uu_sums[c]);
	}
}

INLINE float
largest_of(const float *residual, size_t dims)
{
	Vec			largest = {0};
	float		lanes[LANES];

	for (size_t i = 0; i < dims; i += LANES)
		largest = vec_max(vec_abs(vec_load_f32(residual + i)), largest);
	vec_store_f32(lanes, largest);
	for (int k = 1; k < LANES; k++)
		if (lanes[k] > lanes[0])
			lanes[0] = lanes[k];
	return lanes[0];
}

/* The best of the scales tried; its inner product with r goes to best_ur */
INLINE float
search_scale(const float *residual, size_t dims, int bits, float scale,
			 float unit, float last, float *best_ur)
{
	ScaleRange	range = coarse_scales(bits);
	float		best = 1;
	float		best_uu = 1;

	*best_ur = 0;
	for (int stage = 0; stage < 2; stage++)
	{
		int			count = stage == 0 ? COARSE_SCALES : FINE_SCALES;

		for (int k = 0; k < count; k += SCALES_AT_ONCE)
		{
			float		t[SCALES_AT_ONCE];
			float		scaled[SCALES_AT_ONCE];
			float		ur[SCALES_AT_ONCE];
			float		uu[SCALES_AT_ONCE];

			for (int c = 0; c < SCALES_AT_ONCE; c++)
			{
				t[c] = range.first + vec_product((float) (k + c), range.step);
				scaled[c] = vec_product(unit, t[c]);
			}
			fit(residual, dims, scale, scaled, SCALES_AT_ONCE, last, ur, uu);
			for (int c = 0; c < SCALES_AT_ONCE; c++)
				if (fits_better(ur[c], uu[c], *best_ur, best_uu))
				{
					best = t[c];
					*best_ur = ur[c];
					best_uu = uu[c];
				}
		}
		range = fine_scales(best, range.step);
	}
	return best;
}

static TARGET void
encode(const float *residual, size_t dims, int bits, uint8_t *levels,
	   EncodeSums *sums)
{
	int			half_levels = 1 << (bits - 1);
	float		last = (float) (half_levels - 1);
	float		largest = largest_of(residual, dims);
	Vec			rr[SUM_VECS];
	float		unit;
	float		best = 1;
	Vec			scales;
	Vec			steps;

	sums->scale = sums->rr = sums->ur = 0;
	if (!(largest >= TINY_RESIDUAL))
	{
		memset(levels, half_levels, dims);
		return;
	}

	sums->scale = power_of_two_scale(largest);
	scales = vec_set(sums->scale);
	UNROLLED
	for (int k = 0; k < SUM_VECS; k++)
		rr[k] = (Vec) {0};
	for (size_t i = 0; i < dims; i += SUM_LANES)
	{
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
		{
			Vec			r = vec_load_f32(residual + i + (size_t) k * LANES);

			r = vec_mul(vec_abs(r), scales);
			rr[k] += vec_mul(r, r);
		}
	}
	sums->rr = total_lanes(rr);

	unit = (float) half_levels / (largest * sums->scale);
	if (bits > 1)
		best = search_scale(residual, dims, bits, sums->scale, unit, last,
							&sums->ur);
	else
	{
		float		uu;

		fit(residual, dims, sums->scale, &unit, 1, last, &sums->ur, &uu);
	}

	steps = vec_set(vec_product(unit, best));
	for (size_t i = 0; i < dims; i += LANES)
	{
		Vec			r = vec_load_f32(residual + i);
		Vec			x = vec_mul(vec_mul(vec_abs(r), scales), steps);

		levels_store(levels + i, vec_trunc(vec_min(x, vec_set(last))), r,
					 half_levels);
	}
}

/*
 * Inner products of a code and a query.  Two sums in turns, since one addition
 * must wait for the one before it.
 */

/* Codes of bits = 2 or 4, whose parts lie behind each other in every byte */
INLINE int64_t
dot_parts(const int8_t *query, const uint8_t *code, size_t dims, int bits)
{
	const int	parts = 8 / bits;
	size_t		part = dims / (size_t) parts;
	Sums		sums[2] = {0};
	size_t		i = 0;

	for (; i + 2 * BYTES <= part; i += 2 * BYTES)
	{
		UNROLLED
		for (int c = 0; c < 2; c++)
		{
			size_t		at = i + (size_t) c * BYTES;
			Bytes		x = bytes_load(code + at);
			Narrow		s = narrow_begin(sums[c]);

			UNROLLED
			for (int k = 0; k < parts; k++)
				s = narrow_dot(s, bytes_low(x, k * bits, (1 << bits) - 1),
							   bytes_load(query + (size_t) k * part + at));
			sums[c] = narrow_end(sums[c], s);
		}
	}
	for (; i < part; i += BYTES)
	{
		Bytes		x = part - i >= BYTES ? bytes_load(code + i) :
			bytes_load_part(code + i, part - i);
		Narrow		s = narrow_begin(sums[0]);

		/* Past the end of a part, the query meets zeros */
		UNROLLED
		for (int k = 0; k < parts; k++)
			s = narrow_dot(s, bytes_low(x, k * bits, (1 << bits) - 1),
						   bytes_load(query + (size_t) k * part + i));
		sums[0] = narrow_end(sums[0], s);
	}
	return sums_total(sums_add(sums[0], sums[1]));
}

INLINE int64_t
dot_bits(const int8_t *query, const uint8_t *code, size_t dims)
{
	Sums		sums = {0};

	for (size_t i = 0; i < dims; i += BYTES)
		sums = narrow_end(sums, narrow_dot(narrow_begin(sums),
										   bits_spread(code, i),
										   bytes_load(query + i)));
	return sums_total(sums);
}

/* No sum leaves its int32: 8 lanes or more share 16000 * 255 * 4095 */
INLINE int64_t
dot_bytes(const int16_t *query, const uint8_t *code, size_t dims)
{
	Sums		even = {0};
	Sums		odd = {0};

	for (size_t i = 0; i < dims; i += BYTES)
	{
		even = wide_dot(even, code + i, query + i);
		odd = wide_dot(odd, code + i + BYTES / 2, query + i + BYTES / 2);
	}
	return sums_total(even) + sums_total(odd);
}

static TARGET int64_t
dot1(const void *query, const uint8_t *code, size_t dims)
{
	return dot_bits(query, code, dims);
}

static TARGET int64_t
dot2(const void *query, const uint8_t *code, size_t dims)
{
	return dot_parts(query, code, dims, 2);
}

static TARGET int64_t
dot4(const void *query, const uint8_t *code, size_t dims)
{
	return dot_parts(query, code, dims, 4);
}

static TARGET int64_t
dot8(const void *query, const uint8_t *code, size_t dims)
{
	return dot_bytes(query, code, dims);
}

INLINE void
prefetch_code(const void *code, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 64)
		__builtin_prefetch((const char *) code + at);
	__builtin_prefetch((const char *) code + bytes - 1);
}

#define DOT_MANY(name, bits, dot) \
static TARGET void \
name(const void *query, const void *const *codes, size_t offset, size_t dims, \
	 size_t count, int64_t *out) \
{ \
	size_t		bytes = offset + dims * (bits) / 8; \
\
	for (size_t i = 0; i < PREFETCH_CODES && i < count; i++) \
		prefetch_code(codes[i], bytes); \
	for (size_t i = 0; i < count; i++) \
	{ \
		if (count - i > PREFETCH_CODES) \
			prefetch_code(codes[i + PREFETCH_CODES], bytes); \
		out[i] = dot; \
	} \
}

#define CODE_AT(i) ((const uint8_t *) codes[i] + offset)

DOT_MANY(dot1_many, 1, dot_bits(query, CODE_AT(i), dims))
DOT_MANY(dot2_many, 2, dot_parts(query, CODE_AT(i), dims, 2))
DOT_MANY(dot4_many, 4, dot_parts(query, CODE_AT(i), dims, 4))
DOT_MANY(dot8_many, 8, dot_bytes(query, CODE_AT(i), dims))

/*
 * Codes of sq8.h.
 *
 * Memory is what the sums wait for, where codes are many: they are read in the order in
 * which they lie, one after the other, and what will be needed later is asked for line
 * by line meanwhile, into the second level of caches.  (Four codes at a time, and a page
 * asked for at once, took a third more.)  A lane has its part of 2^32 at most.
 */
INLINE void
sq8_ask(const uint8_t *ahead, size_t at)
{
	if (ahead != NULL)
		__builtin_prefetch(ahead + at, 0, 2);
}

static TARGET void
sq8_sums(const int16_t *query, const uint8_t *codes, size_t stride, size_t dims,
		 size_t count, const uint8_t *ahead, int64_t *out)
{
	for (size_t r = 0; r < count; r++)
	{
		const uint8_t *code = codes + r * stride;
		Sums		sums[2] = {0};
		size_t		i = 0;

		for (; i + 64 <= dims; i += 64)
		{
			sq8_ask(ahead, r * stride + i);
			UNROLLED
			for (size_t k = 0; k < 64; k += BYTES / 2)
				sums[k / (BYTES / 2) % 2] = wide_dot(sums[k / (BYTES / 2) % 2],
													 code + i + k, query + i + k);
		}
		if (i < dims)
			sq8_ask(ahead, r * stride + i);
		for (; i + BYTES / 2 <= dims; i += BYTES / 2)
			sums[0] = wide_dot(sums[0], code + i, query + i);
		if (i < dims)
			sums[1] = wide_dot_part(sums[1], code + i, query + i);
		out[r] = sums_total(sums[0]) + sums_total(sums[1]);
	}
}

static TARGET float
sq8_reach(const float *x, const float *mean, const float *weights, size_t dims)
{
	Vec			largest = {0};
	float		lanes[LANES];
	float		result = 0;
	size_t		i = 0;

	for (; i + LANES <= dims; i += LANES)
		largest = vec_max(vec_abs(vec_load_f32(x + i) - vec_load_f32(mean + i)) /
						  vec_load_f32(weights + i), largest);
	vec_store_f32(lanes, largest);
	for (int k = 0; k < LANES; k++)
		result = lanes[k] > result ? lanes[k] : result;
	for (; i < dims; i++)
	{
		float		y = fabsf(x[i] - mean[i]) / weights[i];

		result = y > result ? y : result;
	}
	return result;
}

/* LANES elements, whose squares are added to those of at */
INLINE void
sq8_levels_at(const float *x, const float *mean, const float *weights, Vec scale,
			  Vec inverse, uint8_t *levels, Vec *at[4])
{
	Vec			value = vec_load_f32(x);
	Vec			weight = vec_load_f32(weights);
	Vec			moved = value - vec_load_f32(mean);
	Vec			rounder = vec_set(SQ8_ROUNDER);
	Vec			steps = vec_mul(moved, inverse) / weight;
	Vec			coded;
	Vec			left;

	steps = vec_max(vec_min(steps, vec_set(SQ8_STEPS)), vec_set(-SQ8_STEPS));
	steps = (steps + rounder) - rounder;
	coded = vec_mul(vec_mul(scale, weight), steps);
	left = moved - coded;
	*at[0] += vec_mul(value, value);
	*at[1] += vec_mul(moved, moved);
	*at[2] += vec_mul(coded, coded);
	*at[3] += vec_mul(left, left);
	levels_store(levels, steps + vec_set(SQ8_STEPS + 1), (Vec) {0}, 0);
}

static TARGET void
sq8_levels(const float *x, const float *mean, const float *weights, size_t dims,
		   float scale, float inverse, uint8_t *levels, Sq8Sums *sums)
{
	Vec			parts[4][SUM_VECS];
	size_t		i = 0;

	UNROLLED
	for (int s = 0; s < 4; s++)
	{
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
			parts[s][k] = (Vec) {0};
	}
	for (; i + SUM_LANES <= dims; i += SUM_LANES)
	{
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
		{
			Vec		   *at[4] = {&parts[0][k], &parts[1][k], &parts[2][k], &parts[3][k]};
			size_t		first = i + (size_t) k * LANES;

			sq8_levels_at(x + first, mean + first, weights + first, vec_set(scale),
						  vec_set(inverse), levels + first, at);
		}
	}
	if (i < dims)
	{
		/* the rest among zeros, which are coded as such */
		float		rest[3][SUM_LANES];
		uint8_t		rest_levels[SUM_LANES];

		for (size_t k = 0; k < SUM_LANES; k++)
		{
			rest[0][k] = i + k < dims ? x[i + k] : 0;
			rest[1][k] = i + k < dims ? mean[i + k] : 0;
			rest[2][k] = i + k < dims ? weights[i + k] : 1;
		}
		UNROLLED
		for (int k = 0; k < SUM_VECS; k++)
		{
			Vec		   *at[4] = {&parts[0][k], &parts[1][k], &parts[2][k], &parts[3][k]};

			sq8_levels_at(rest[0] + k * LANES, rest[1] + k * LANES, rest[2] + k * LANES,
						  vec_set(scale), vec_set(inverse), rest_levels + k * LANES, at);
		}
		memcpy(levels + i, rest_levels, dims - i);
	}
	UNROLLED
	for (int k = 0; k < SUM_VECS; k++)
	{
		vec_store_f32(sums->x + k * LANES, parts[0][k]);
		vec_store_f32(sums->moved + k * LANES, parts[1][k]);
		vec_store_f32(sums->coded + k * LANES, parts[2][k]);
		vec_store_f32(sums->left + k * LANES, parts[3][k]);
	}
}

/*
 * FastScan (André, Kermarrec, Le Scouarnec, "Quicker ADC", 2019).  Bytes are
 * added as if they were the lower halves of uint16: the sums of the even bytes
 * get 256 times those of the odd ones on top, which are also summed on their
 * own and taken off at the end.
 */
static TARGET void
scan(const uint8_t *block, const uint8_t *table, size_t columns,
	 uint16_t *sums)
{
	Words		low_both = {0};
	Words		low_odd = {0};
	Words		high_both = {0};
	Words		high_odd = {0};

	for (size_t i = 0; i < columns * 16; i += BYTES)
	{
		Bytes		codes = bytes_load(block + i);
		Bytes		entries = bytes_load(table + i);
		Bytes		low = bytes_lookup(entries, bytes_low(codes, 0, 15));
		Bytes		high = bytes_lookup(entries, bytes_low(codes, 4, 15));

		low_both += (Words) low;
		low_odd += (Words) low >> 8;
		high_both += (Words) high;
		high_odd += (Words) high >> 8;
	}
	words_store(sums, low_both, low_odd);
	words_store(sums + 16, high_both, high_odd);
}

/*
 * Product quantization.
 */

static TARGET void
pq_columns(const float *rows, size_t stride, size_t dims, const float *mean,
		   float *columns)
{
	size_t		i = 0;

	for (; i + 4 <= dims; i += 4)
		for (size_t r = 0; r < PQ_ROWS; r += LANES)
		{
			Vec			v[4];

			vec_load_columns(v, rows + r * stride + i, stride);
			UNROLLED
			for (size_t k = 0; k < 4; k++)
				vec_store_f32(columns + (i + k) * PQ_ROWS + r,
							  v[k] - vec_set(mean[i + k]));
		}
	for (; i < dims; i++)
		for (size_t r = 0; r < PQ_ROWS; r++)
			columns[i * PQ_ROWS + r] = rows[r * stride + i] - mean[i];
}

/* The nearest of a part's centroids, for LANES rows */
INLINE void
nearest_in_part(const float *columns, size_t width, const float *centroids,
				const float *bias, size_t count, uint8_t *numbers)
{
	Vec			best = vec_set(-INFINITY);
	Vec			which = {0};

	for (size_t c = 0; c < count; c += PQ_GROUP)
	{
		Vec			scores[PQ_GROUP];

		UNROLLED
		for (size_t g = 0; g < PQ_GROUP; g++)
			scores[g] = vec_set(bias[c + g]);
		for (size_t i = 0; i < width; i++, centroids += PQ_GROUP)
		{
			Vec			x = vec_load_f32(columns + i * PQ_ROWS);

			UNROLLED
			for (size_t g = 0; g < PQ_GROUP; g++)
				scores[g] += vec_mul(x, vec_set(centroids[g]));
		}
		UNROLLED
		for (size_t g = 0; g < PQ_GROUP; g++)
			vec_keep_greater(&best, &which, scores[g],
							 vec_set((float) (int) (c + g)));
	}
	levels_store(numbers, which, (Vec) {0}, 0);
}

static TARGET void
pq_nearest(const float *columns, size_t parts, size_t width,
		   const float *centroids, const float *bias, size_t count,
		   uint8_t *numbers)
{
	for (size_t j = 0; j < parts; j++)
	{
		for (size_t r = 0; r < PQ_ROWS; r += LANES)
			nearest_in_part(columns + r, width, centroids, bias, count,
							numbers + r);
		columns += width * PQ_ROWS;
		centroids += width * count;
		bias += count;
		numbers += PQ_ROWS;
	}
}

static TARGET void
pq_products(const float *q, size_t parts, size_t used, const float *centroids,
			size_t width, size_t count, float *out)
{
	const float *end = centroids + parts * count * width;

	for (size_t j = 0; j < parts; j++, q += used)
		for (size_t c = 0; c < count; c += LANES)
		{
			const float *last = centroids + (LANES - 1) * width;
			Vec			sum = {0};

			for (size_t i = 0; i < used; i += 4)
			{
				Vec			v[4];

				/*
				 * Of the last four, some may belong to the next centroid, or
				 * to nobody.
				 */
				if ((size_t) (end - last) - i >= 4)
					vec_load_columns(v, centroids + i, width);
				else
				{
					float		columns[4][LANES];

					memset(columns, 0, sizeof(columns));
					for (size_t k = 0; k < 4 && i + k < used; k++)
						for (size_t lane = 0; lane < LANES; lane++)
							columns[k][lane] = centroids[lane * width + i + k];
					for (size_t k = 0; k < 4; k++)
						v[k] = vec_load_f32(columns[k]);
				}
				UNROLLED
				for (size_t k = 0; k < 4; k++)
					if (i + k < used)
						sum += vec_mul(vec_set(q[i + k]), v[k]);
			}
			vec_store_f32(out, sum);
			out += LANES;
			centroids += LANES * width;
		}
}
