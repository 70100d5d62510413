/*
 * loops.h
 *	  The loops of the k-means kernels, written once for every instruction set.
 *
 * Included once by each of avx2.c, avx512.c and neon.c, after that file has
 * said what a vector is on its processor:
 *
 *	TARGET, INLINE	as in ../distance/loops.h
 *	LANES			float32 values in a Vec
 *	BLOCK_VECS		Vecs in a block: centroids seen at once, over LANES
 *	TILE_ROWS		rows seen at once: their sums fill the registers
 *	SOME_ROWS(X)	X(n) for smaller numbers of rows worth a loop of their own,
 *					ascending
 *	Vec				vec_zero, vec_add, vec_sub, vec_set, vec_mul, vec_max,
 *					vec_min (of a NaN and a number in b: b), vec_sum,
 *					vec_fma(a, b, c) = a * b + c, vec_load_f32, vec_store_f32
 *		vec_load_part_f32: the first left < LANES elements, and zeros
 *		vec_store_part_f32: the first left < LANES lanes only
 *	Ints, Mask		LANES uint32, and what a comparison gives
 *		ints_set, ints_add, ints_lanes (0, 1, ...), vec_greater (a > b),
 *		vec_choose(mask, a, b), ints_choose: a where the mask is set
 *		vec_best(v, ints, &number): the largest lane, and the lowest number
 *			among those of the lanes that have it
 *	wide_accumulate(sum, v, scale)	sum[i] += v[i] * scale in float64, LANES
 *
 * A tile of TILE_ROWS x BLOCK sums is kept in registers: for each dimension
 * BLOCK_VECS vectors of centroids are loaded, and every row's element is
 * spread over a vector and multiplied by each (Goto, van de Geijn, "Anatomy
 * of high-performance matrix multiplication", 2008).
 */
#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLLED PRAGMA(clang loop unroll(full))
#else
#define UNROLLED PRAGMA(GCC unroll 16)
#endif

#define BLOCK (BLOCK_VECS * LANES)

/* Bytes ahead in the blocks that are asked for */
#define PREFETCH_BYTES	1024

static TARGET void
shift(const float *const *rows, int count, const float *scales,
	  const float *minus, size_t dims, float *out, float *norms)
{
	Vec			low = vec_set(-CLUSTER_LIMIT);
	Vec			high = vec_set(CLUSTER_LIMIT);

	for (int r = 0; r < count; r++)
	{
		const float *row = rows[r];
		float	   *to = out + (size_t) r * CLUSTER_STRIDE;
		Vec			scale = vec_set(scales[r]);
		Vec			sum = vec_zero();
		size_t		i = 0;

		for (; i + LANES <= dims; i += LANES)
		{
			Vec			x = vec_mul(vec_load_f32(row + i), scale);

			if (minus != NULL)
				x = vec_sub(x, vec_load_f32(minus + i));
			x = vec_min(vec_max(x, low), high);
			sum = vec_fma(x, x, sum);
			vec_store_f32(to + i, x);
		}
		if (i < dims)
		{
			Vec			x = vec_mul(vec_load_part_f32(row + i, dims - i), scale);

			if (minus != NULL)
				x = vec_sub(x, vec_load_part_f32(minus + i, dims - i));
			x = vec_min(vec_max(x, low), high);
			sum = vec_fma(x, x, sum);
			vec_store_part_f32(to + i, x, dims - i);
		}
		norms[r] += vec_sum(sum);
	}
}

/* The sums of m rows with one block, left in registers */
INLINE void
sum_block(const ClusterTile *tile, int m, size_t b, Vec sums[][BLOCK_VECS])
{
	const float *block = tile->blocks + b * tile->dims * BLOCK;
	const float *row = tile->rows;

	if (tile->start != NULL)
	{
		UNROLLED
		for (int v = 0; v < BLOCK_VECS; v++)
		{
			Vec			start = vec_load_f32(tile->start + b * BLOCK +
											 v * LANES);

			UNROLLED
			for (int r = 0; r < m; r++)
				sums[r][v] = start;
		}
	}
	else
	{
		UNROLLED
		for (int r = 0; r < m; r++)
		{
			UNROLLED
			for (int v = 0; v < BLOCK_VECS; v++)
				sums[r][v] = vec_zero();
		}
	}

	for (size_t i = 0; i < tile->dims; i++)
	{
		Vec			c[BLOCK_VECS];

		UNROLLED
		for (int v = 0; v < BLOCK_VECS; v++)
		{
			c[v] = vec_load_f32(block + v * LANES);
			if (v * LANES % 16 == 0)
				__builtin_prefetch((const char *) (block + v * LANES) +
								   PREFETCH_BYTES);
		}
		UNROLLED
		for (int r = 0; r < m; r++)
		{
			Vec			x = vec_set(row[r * CLUSTER_STRIDE]);

			UNROLLED
			for (int v = 0; v < BLOCK_VECS; v++)
				sums[r][v] = vec_fma(x, c[v], sums[r][v]);
		}
		block += BLOCK;
		row++;
	}

	/* Added last, a chunk's sum has errors of its own size only */
	if (tile->start == NULL)
	{
		const float *from = tile->sums + b * BLOCK * TILE_ROWS;

		UNROLLED
		for (int r = 0; r < m; r++)
		{
			UNROLLED
			for (int v = 0; v < BLOCK_VECS; v++)
				sums[r][v] = vec_add(sums[r][v],
									 vec_load_f32(from + r * BLOCK + v * LANES));
		}
	}
}

INLINE void
multiply_rows(const ClusterTile *tile, int m)
{
	for (size_t b = 0; b < tile->nblocks; b++)
	{
		Vec			sums[TILE_ROWS][BLOCK_VECS];
		float	   *to = tile->sums + b * BLOCK * TILE_ROWS;

		sum_block(tile, m, b, sums);
		UNROLLED
		for (int r = 0; r < m; r++)
		{
			UNROLLED
			for (int v = 0; v < BLOCK_VECS; v++)
				vec_store_f32(to + r * BLOCK + v * LANES, sums[r][v]);
		}
	}
}

INLINE void
nearest_rows(const ClusterTile *tile, int m)
{
	Vec			best[TILE_ROWS];
	Ints		number[TILE_ROWS];

	UNROLLED
	for (int r = 0; r < m; r++)
	{
		best[r] = vec_set(CLUSTER_NOWHERE);
		number[r] = ints_set(tile->first);
	}
	for (size_t b = 0; b < tile->nblocks; b++)
	{
		Vec			sums[TILE_ROWS][BLOCK_VECS];
		Ints		at = ints_add(ints_set(tile->first + (uint32_t) (b * BLOCK)),
								  ints_lanes());

		sum_block(tile, m, b, sums);

		/* A lane's numbers ascend, so only what is larger takes the place */
		UNROLLED
		for (int v = 0; v < BLOCK_VECS; v++)
		{
			UNROLLED
			for (int r = 0; r < m; r++)
			{
				Mask		better = vec_greater(sums[r][v], best[r]);

				best[r] = vec_choose(better, sums[r][v], best[r]);
				number[r] = ints_choose(better, at, number[r]);
			}
			at = ints_add(at, ints_set(LANES));
		}
	}
	UNROLLED
	for (int r = 0; r < m; r++)
	{
		uint32_t	winner;
		float		sum = vec_best(best[r], number[r], &winner);

		if (r < tile->count && sum > tile->best[r])
		{
			tile->best[r] = sum;
			tile->number[r] = winner;
		}
	}
}

#define MULTIPLY_SOME(n) \
	if (tile->count <= n) \
	{ \
		multiply_rows(tile, n); \
		return; \
	}

static TARGET void
multiply(const ClusterTile *tile)
{
	SOME_ROWS(MULTIPLY_SOME)
	multiply_rows(tile, TILE_ROWS);
}

#define NEAREST_SOME(n) \
	if (tile->count <= n) \
	{ \
		nearest_rows(tile, n); \
		return; \
	}

static TARGET void
nearest(const ClusterTile *tile)
{
	SOME_ROWS(NEAREST_SOME)
	nearest_rows(tile, TILE_ROWS);
}

static TARGET void
accumulate(double *sum, const float *row, double scale, size_t dims)
{
	size_t		i = 0;

	for (; i + LANES <= dims; i += LANES)
		wide_accumulate(sum + i, vec_load_f32(row + i), scale);
	for (; i < dims; i++)
		sum[i] += row[i] * scale;
}
