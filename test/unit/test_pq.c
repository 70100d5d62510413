/*
 * test_pq.c
 *	  Product quantization: codes against the nearest centroids, sums from
 *	  tables against distances from what codes stand for, and what a rotation
 *	  gains.
 *
 * Kernels give the same bits at all levels, so levels are compared with memcmp.
 * A code may name another centroid than the nearest only where both are as far
 * away up to rounding: scores are sums of part products, so the squares of the
 * two distances differ by at most SLACK of the row's and the centroids' own.
 *
 * Arrays are malloc blocks of their size, for the AddressSanitizer.
 */
#include "codes.h"
#include "levels.h"
#include "random.h"
#include "math/linear/linear.h"
#include "math/quantize/pq.h"
#include "math/quantize/training.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define SLACK			1e-5

static void
seed_random(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
}

static double
random_unit(void)
{
	return (random_bits() + 0.5) * 0x1p-32;
}

static float
random_gauss(void)
{
	return (float) (sqrt(-2 * log(random_unit())) *
					cos(2 * M_PI * random_unit()));
}

static float *
gauss(size_t n)
{
	float	   *x = malloc(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = random_gauss();
	return x;
}

static double
inner(const float *a, const float *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static double
distance2(const float *a, const float *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

/*
 * A host that counts.
 */
static int	blocks;
static int	ticks;
static double progress_done;

static void *
blocks_alloc(void *arg, size_t count, size_t size)
{
	size_t		bytes;
	void	   *memory;

	assert_ptr_equal(arg, &blocks);
	assert_false(__builtin_mul_overflow(count, size, &bytes));
	memory = malloc(bytes);
	assert_non_null(memory);
	blocks++;
	return memory;
}

static void
blocks_release(void *arg, void *memory)
{
	assert_ptr_equal(arg, &blocks);
	assert_non_null(memory);
	blocks--;
	free(memory);
}

static void
blocks_tick(void *arg)
{
	assert_ptr_equal(arg, &blocks);
	ticks++;
}

static void
host_progress(void *arg, double done)
{
	assert_ptr_equal(arg, &blocks);
	assert_true(done >= progress_done && done <= 1);
	progress_done = done;
}

static const ClusterHost host = {
	blocks_alloc, blocks_release, blocks_tick, host_progress, NULL, NULL, &blocks
};

static PqShape
make_shape(size_t dims, size_t m, int nbits)
{
	PqShape		shape;

	assert_int_equal(pq_shape_init(&shape, dims, m, nbits), 0);
	return shape;
}

static float *
make_codebooks(const PqShape *shape)
{
	return malloc(pq_codebook_floats(shape) * sizeof(float));
}

static uint8_t *
encode_all(const PqShape *shape, const float *codebooks, const float *rows,
		   size_t n)
{
	PqEncoder  *encoder = pq_encoder_create(&host, shape, codebooks);
	uint8_t    *codes = malloc(n * pq_code_bytes(shape) + (n == 0));

	pq_encode(encoder, rows, n, codes);
	pq_encoder_free(&host, encoder);
	return codes;
}

/* The mean squared error of the codes of n rows, rotated where asked to */
static double
error_of(const PqShape *shape, const float *rotation, const float *codebooks,
		 const float *rows, size_t n)
{
	size_t		dims = shape->dims;
	float	   *y = malloc(n * dims * sizeof(*y));
	float	   *decoded = malloc(dims * sizeof(*decoded));
	uint8_t    *codes;
	double		error = 0;

	memcpy(y, rows, n * dims * sizeof(*y));
	for (size_t i = 0; i < n && rotation != NULL; i++)
		pq_rotate(rotation, dims, rows + i * dims, y + i * dims);
	codes = encode_all(shape, codebooks, y, n);
	for (size_t i = 0; i < n; i++)
	{
		pq_decode(shape, codebooks, codes + i * pq_code_bytes(shape), decoded);
		error += distance2(y + i * dims, decoded, dims);
	}
	free(codes);
	free(decoded);
	free(y);
	return error / (double) n;
}

/*
 * Shapes.
 */
static void
test_shapes(void **state)
{
	PqShape		shape = {.dims = 77};

	(void) state;
	assert_int_equal(pq_shape_init(&shape, 0, 1, 4), -1);
	assert_int_equal(pq_shape_init(&shape, 8, 0, 4), -1);
	assert_int_equal(pq_shape_init(&shape, 8, 9, 4), -1);
	assert_int_equal(pq_shape_init(&shape, 16001, 1, 4), -1);
	assert_int_equal(pq_shape_init(&shape, SIZE_MAX, 1, 4), -1);
	assert_int_equal(pq_shape_init(&shape, 16000, PQ_MAX_PARTS + 1, 8), -1);
	for (int nbits = -1; nbits < 20; nbits++)
		assert_int_equal(pq_shape_init(&shape, 8, 2, nbits),
						 nbits == 4 || nbits == 8 ? 0 : -1);

	shape = make_shape(768, 192, 4);
	assert_int_equal(shape.dims, 768);
	assert_int_equal(shape.m, 192);
	assert_int_equal(shape.part, 4);
	assert_int_equal(shape.nbits, 4);
	assert_int_equal(pq_centroids(&shape), 16);
	assert_int_equal(pq_codebook_floats(&shape), 16 * 768);
	assert_int_equal(pq_code_bytes(&shape), 96);

	shape = make_shape(10, 7, 4);
	assert_int_equal(shape.part, 2);
	assert_int_equal(pq_codebook_floats(&shape), 7 * 2 * 16);
	assert_int_equal(pq_code_bytes(&shape), 4);
	assert_int_equal(pq_used(&shape, 4), 2);
	assert_int_equal(pq_used(&shape, 5), 0);

	shape = make_shape(16000, PQ_MAX_PARTS, 8);
	assert_int_equal(shape.part, 4);
	assert_int_equal(pq_codebook_floats(&shape), 16000 * 256);
	assert_int_equal(pq_code_bytes(&shape), PQ_MAX_PARTS);
}

static void
test_sample(void **state)
{
	static const size_t counts[] = {1, 2, 7, 99, 100};

	(void) state;
	for (size_t k = 0; k < ARRAY_LENGTH(counts); k++)
	{
		size_t		before = 0;

		for (size_t i = 0; i < counts[k]; i++)
		{
			size_t		row = pq_sample(i, counts[k], 100, 5);

			assert_true(row < 100 && (i == 0 || row > before));
			before = row;
		}
	}
	assert_int_equal(pq_sample(99, 100, 100, 5), 99);
}

/*
 * Training.
 */

static const size_t shapes[][2] = {
	{1, 1}, {2, 1}, {3, 3}, {5, 2}, {7, 2}, {10, 4}, {10, 7}, {16, 4},
	{24, 3}, {33, 11}, {40, 1}, {48, 24}, {65, 8},
};

/* The floats that stand for no dimension */
static void
check_padding(const PqShape *shape, const float *codebooks)
{
	for (size_t j = 0; j < shape->m; j++)
		for (size_t c = 0; c < pq_centroids(shape); c++)
			for (size_t i = pq_used(shape, j); i < shape->part; i++)
				assert_true(codebooks[(j * pq_centroids(shape) + c) *
									  shape->part + i] == 0);
}

/*
 * Rows fewer than centroids, or all the same, are found again; a code's unused
 * half is zero.
 */
static void
test_train_few(void **state)
{
	(void) state;
	seed_random(1);
	for (size_t s = 0; s < ARRAY_LENGTH(shapes); s++)
		for (int nbits = 4; nbits <= 8; nbits += 4)
			for (size_t n = 1; n <= 13; n += 4)
			{
				PqShape		shape = make_shape(shapes[s][0], shapes[s][1],
											   nbits);
				size_t		dims = shape.dims;
				size_t		bytes = pq_code_bytes(&shape);
				float	   *codebooks = make_codebooks(&shape);
				float	   *rows = gauss(n * dims);
				float	   *decoded = malloc(dims * sizeof(*decoded));
				uint8_t    *codes;

				/* Every other time, the second half of the parts is constant */
				for (size_t i = 0; i < n && s % 2 == 1; i++)
					for (size_t d = dims / 2; d < dims; d++)
						rows[i * dims + d] = 3;
				progress_done = 0;
				pq_train(&host, &shape, rows, n, 1, codebooks);
				check_padding(&shape, codebooks);
				codes = encode_all(&shape, codebooks, rows, n);
				for (size_t i = 0; i < n; i++)
				{
					pq_decode(&shape, codebooks, codes + i * bytes, decoded);
					assert_true(distance2(decoded, rows + i * dims, dims) <
								1e-10 * (double) dims);
					if (nbits == 4 && shape.m % 2 == 1)
						assert_true(codes[(i + 1) * bytes - 1] < 16);
				}
				free(codes);
				free(decoded);
				free(rows);
				free(codebooks);
			}
}

static void
test_train_none(void **state)
{
	PqShape		shape = make_shape(6, 4, 4);
	float	   *codebooks = make_codebooks(&shape);
	float		rotation[36];

	(void) state;
	memset(codebooks, 1, pq_codebook_floats(&shape) * sizeof(*codebooks));
	pq_train(&host, &shape, NULL, 0, 1, codebooks);
	for (size_t i = 0; i < pq_codebook_floats(&shape); i++)
		assert_true(codebooks[i] == 0);
	memset(codebooks, 1, pq_codebook_floats(&shape) * sizeof(*codebooks));
	pq_train_opq(&host, &shape, NULL, 0, 1, rotation, codebooks);
	for (size_t i = 0; i < pq_codebook_floats(&shape); i++)
		assert_true(codebooks[i] == 0);
	for (size_t i = 0; i < 36; i++)
		assert_true(rotation[i] == (i % 7 == 0));
	free(codebooks);
}

/*
 * 16 levels for Gaussian numbers one by one leave .0095 of the variance (Max,
 * 1960); k-means on 2,000 rows should come near.
 */
static void
test_train(void **state)
{
	PqShape		shape = make_shape(6, 6, 4);
	size_t		n = 2000;
	float	   *rows = gauss(n * shape.dims);
	float	   *codebooks = make_codebooks(&shape);
	float	   *again = make_codebooks(&shape);

	(void) state;
	seed_random(2);
	for (size_t i = 0; i < n * shape.dims; i++)
		rows[i] = 1000 + 3 * rows[i];
	progress_done = 0;
	ticks = 0;
	pq_train(&host, &shape, rows, n, 7, codebooks);
	assert_true(progress_done == 1);
	assert_true(ticks > 0);
	assert_true(error_of(&shape, NULL, codebooks, rows, n) <
				0.0095 * 1.15 * 9 * shape.dims);
	progress_done = 0;
	pq_train(&host, &shape, rows, n, 7, again);
	assert_memory_equal(codebooks, again,
						pq_codebook_floats(&shape) * sizeof(*codebooks));
	free(again);
	free(codebooks);
	free(rows);
}

/*
 * Encoding.
 */

static size_t
number_in(const PqShape *shape, const uint8_t *code, size_t j)
{
	return shape->nbits == 8 ? code[j] : code[j / 2] >> (4 * (j % 2)) & 15;
}

/* No centroid is nearer than the one in the code */
static void
check_code(const PqShape *shape, const float *codebooks, const float *row,
		   const uint8_t *code)
{
	size_t		width = shape->part;
	size_t		count = pq_centroids(shape);

	for (size_t j = 0; j < shape->m; j++)
	{
		size_t		used = pq_used(shape, j);
		const float *first = codebooks + j * count * width;
		const float *x = row + j * width;
		double		least = INFINITY;
		double		largest = 0;
		double		found;

		if (used == 0)
			continue;
		for (size_t c = 0; c < count; c++)
		{
			double		distance = distance2(x, first + c * width, used);

			least = distance < least ? distance : least;
			largest = distance > largest ? distance : largest;
		}
		found = distance2(x, first + number_in(shape, code, j) * width, used);
		assert_true(found <= least + SLACK * largest);
	}
}

static void
test_encode(void **state)
{
	SimdLevel level = *(SimdLevel *) *state;
	static const size_t counts[] = {0, 1, 2, 15, 16, 17, 37};

	if (quantize_table(level) == NULL)
		skip();
	seed_random(3);
	for (size_t s = 0; s < ARRAY_LENGTH(shapes); s++)
		for (int nbits = 4; nbits <= 8; nbits += 4)
		{
			PqShape		shape = make_shape(shapes[s][0], shapes[s][1], nbits);
			size_t		n = counts[s % ARRAY_LENGTH(counts)];
			size_t		bytes = pq_code_bytes(&shape);
			float	   *codebooks = gauss(pq_codebook_floats(&shape));
			float	   *rows = gauss(n * shape.dims);
			uint8_t    *codes;
			uint8_t    *scalar_codes;

			/* Paddings are zeros; every third time, all is far from zero */
			for (size_t i = 0; i < pq_codebook_floats(&shape); i++)
				codebooks[i] += s % 3 == 2 ? 100 : 0;
			for (size_t i = 0; i < n * shape.dims; i++)
				rows[i] += s % 3 == 2 ? 100 : 0;
			for (size_t j = 0; j < shape.m; j++)
				for (size_t c = 0; c < pq_centroids(&shape); c++)
					for (size_t i = pq_used(&shape, j); i < shape.part; i++)
						codebooks[(j * pq_centroids(&shape) + c) *
								  shape.part + i] = 0;

			assert_int_equal(quantize_set_level(SIMD_SCALAR), 0);
			scalar_codes = encode_all(&shape, codebooks, rows, n);
			assert_int_equal(quantize_set_level(level), 0);
			codes = encode_all(&shape, codebooks, rows, n);
			if (n > 0)
				assert_memory_equal(codes, scalar_codes, n * bytes);
			for (size_t i = 0; i < n; i++)
			{
				check_code(&shape, codebooks, rows + i * shape.dims,
						   codes + i * bytes);
				if (nbits == 4 && shape.m % 2 == 1)
					assert_true(codes[(i + 1) * bytes - 1] < 16);
			}
			free(scalar_codes);
			free(codes);
			free(rows);
			free(codebooks);
		}
}

/* Of equal centroids the first; anything for what is no number */
static void
test_encode_extremes(void **state)
{
	SimdLevel level = *(SimdLevel *) *state;
	static const float values[] = {
		0, -0.0f, 1, 3e38f, -3e38f, 1e-40f, INFINITY, -INFINITY, NAN
	};
	PqShape		shape = make_shape(6, 3, 4);
	size_t		n = 200;
	float	   *codebooks;
	float	   *rows;
	uint8_t    *codes;
	uint8_t    *scalar_codes;

	if (quantize_table(level) == NULL)
		skip();
	seed_random(4);
	codebooks = make_codebooks(&shape);
	rows = malloc(n * shape.dims * sizeof(*rows));
	for (size_t i = 0; i < n * shape.dims; i++)
		rows[i] = values[random_bits() % ARRAY_LENGTH(values)];
	for (int kind = 0; kind < 3; kind++)
	{
		for (size_t i = 0; i < pq_codebook_floats(&shape); i++)
			codebooks[i] = kind == 0 ? 5 : kind == 1 ? (float) (i / 4 % 8) :
				values[random_bits() % ARRAY_LENGTH(values)];
		assert_int_equal(quantize_set_level(SIMD_SCALAR), 0);
		scalar_codes = encode_all(&shape, codebooks, rows, n);
		assert_int_equal(quantize_set_level(level), 0);
		codes = encode_all(&shape, codebooks, rows, n);
		assert_memory_equal(codes, scalar_codes, n * pq_code_bytes(&shape));
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < shape.m; j++)
			{
				size_t		number = number_in(&shape, codes + 2 * i, j);

				/* Centroids 2 i and 2 i + 1 are the same */
				if (kind == 0)
					assert_int_equal(number, 0);
				if (kind == 1)
					assert_int_equal(number % 2, 0);
			}
		free(scalar_codes);
		free(codes);
	}
	free(rows);
	free(codebooks);
}

/* Kernels at every width, and with strides that are not theirs */
static void
test_kernels(void **state)
{
	SimdLevel level = *(SimdLevel *) *state;
	const QuantizeKernels *kernels = quantize_table(level);
	const QuantizeKernels *scalar = quantize_table(SIMD_SCALAR);

	if (kernels == NULL)
		skip();
	seed_random(5);
	for (size_t width = 1; width <= 21; width++)
	{
		size_t		stride = width + width % 3;
		float	   *rows = gauss((PQ_ROWS - 1) * stride + width);
		float	   *mean = gauss(width);
		size_t		bytes = width * PQ_ROWS * sizeof(float);
		float	   *a = malloc(bytes);
		float	   *b = malloc(bytes);

		kernels->pq_columns(rows, stride, width, mean, a);
		scalar->pq_columns(rows, stride, width, mean, b);
		assert_memory_equal(a, b, bytes);
		assert_true(a[(width - 1) * PQ_ROWS + 3] ==
					rows[3 * stride + width - 1] - mean[width - 1]);
		free(b);
		free(a);
		free(mean);
		free(rows);
	}
	for (size_t width = 1; width <= 21; width++)
		for (size_t parts = 1; parts <= 3; parts++)
		{
			size_t		used = parts == 1 ? random_bits() % width + 1 : width;
			size_t		count = parts == 2 ? 256 : 16;
			float	   *q = gauss(parts * used);
			float	   *centroids = gauss(parts * count * width);
			size_t		bytes = parts * count * sizeof(float);
			float	   *a = malloc(bytes);
			float	   *b = malloc(bytes);

			kernels->pq_products(q, parts, used, centroids, width, count, a);
			scalar->pq_products(q, parts, used, centroids, width, count, b);
			assert_memory_equal(a, b, bytes);
			free(b);
			free(a);
			free(centroids);
			free(q);
		}
}

/*
 * Tables and what is summed from them: the distance from q to c + r^, as pq.h
 * says, of four bits by way of a block of 32, too.
 */
static void
test_estimates(void **state)
{
	SimdLevel level = *(SimdLevel *) *state;

	if (quantize_table(level) == NULL)
		skip();
	assert_int_equal(quantize_set_level(level), 0);
	seed_random(6);
	for (size_t s = 0; s < ARRAY_LENGTH(shapes); s++)
		for (int nbits = 4; nbits <= 8; nbits += 4)
		{
			PqShape		shape = make_shape(shapes[s][0], shapes[s][1], nbits);
			size_t		dims = shape.dims;
			size_t		count = pq_centroids(&shape);
			size_t		bytes = pq_code_bytes(&shape);
			size_t		stride = bytes + s % 3;
			size_t		n = FASTSCAN_VECTORS;
			float	   *codebooks = gauss(pq_codebook_floats(&shape));
			float	   *q = gauss(dims);
			float	   *c = gauss(dims);
			float	   *o = gauss(dims);
			float	   *numbers = malloc(shape.m * count * sizeof(*numbers));
			uint8_t    *codes = malloc((n - 1) * stride + bytes);
			float		add[FASTSCAN_VECTORS];
			float		out[FASTSCAN_VECTORS];
			double		sums[FASTSCAN_VECTORS];
			double		exact[FASTSCAN_VECTORS];

			pq_table(&shape, codebooks, q, numbers);
			for (size_t i = 0; i < (n - 1) * stride + bytes; i++)
				codes[i] = (uint8_t) random_bits();
			for (size_t i = 0; i < n; i++)
			{
				uint8_t    *code = codes + i * stride;

				if (nbits == 4 && shape.m % 2 == 1)
					code[bytes - 1] &= 15;
				pq_decode(&shape, codebooks, code, o);
				add[i] = (float) (inner(o, o, dims) + 2 * inner(c, o, dims));
				sums[i] = 0;
				for (size_t j = 0; j < shape.m; j++)
					sums[i] += numbers[j * count + number_in(&shape, code, j)];
				for (size_t d = 0; d < dims; d++)
					o[d] += c[d];
				exact[i] = distance2(q, o, dims);
			}
			if (nbits == 8)
			{
				float		base = (float) distance2(q, c, dims);

				pq_estimate8(&shape, numbers, codes, stride, n, add, -2, base,
							 out);
				for (size_t i = 0; i < n; i++)
					assert_true(fabs(out[i] - exact[i]) <=
								1e-5 * (base + fabsf(add[i]) + exact[i]));
				pq_estimate8(&shape, numbers, codes, stride, n, NULL, -1, 0.5,
							 out);
				for (size_t i = 0; i < n; i++)
					assert_true(fabs(out[i] - (0.5 - sums[i])) <= 1e-5 *
								(fabs(sums[i]) + (double) dims));
			}
			else
			{
				FastScanTable *table = malloc(fastscan_table_bytes(shape.m));
				uint8_t    *block = malloc(fastscan_block_bytes(shape.m));
				const uint8_t *pointers[FASTSCAN_VECTORS];
				uint16_t	found[FASTSCAN_VECTORS];

				for (size_t i = 0; i < n; i++)
					pointers[i] = codes + i * stride;
				fastscan_table_numbers(table, numbers, shape.m);
				pack_block(block, shape.m, pointers, n);
				block_sums(table, block, found);
				for (size_t i = 0; i < n; i++)
				{
					double		off = table->bias +
						(double) table->scale * found[i] - sums[i];

					assert_true(fabs(off) <= table->scale / 2 * shape.m *
								1.001 + 1e-5 * (double) dims);
				}
				free(block);
				free(table);
			}

			/* The table itself */
			for (size_t j = 0; j < shape.m; j++)
				for (size_t e = 0; e < count; e++)
				{
					const float *x = codebooks + (j * count + e) * shape.part;
					size_t		used = pq_used(&shape, j);
					double		product = used == 0 ? 0 :
						inner(q + j * shape.part, x, used);

					assert_true(fabs(numbers[j * count + e] - product) <=
								1e-5 * (double) shape.part);
				}
			free(codes);
			free(numbers);
			free(o);
			free(c);
			free(q);
			free(codebooks);
		}
}

/*
 * Rotations.
 */

static void
check_orthogonal(const float *rotation, size_t dims)
{
	for (size_t i = 0; i < dims; i++)
		for (size_t j = 0; j <= i; j++)
			assert_true(fabs(inner(rotation + i * dims, rotation + j * dims,
								   dims) - (i == j)) < 1e-5);
}

typedef enum Data
{
	CORRELATED,
	ISOTROPIC,
	LOW_RANK,					/* 3 dimensions of them */
	CONSTANT,
	SPARSE_DIMS,				/* all variance in the first part */
	DATA_KINDS
} Data;

/* n rows away from zero; there is no variance in what the data's rank leaves */
static float *
make_rows(Data data, size_t n, size_t dims)
{
	float	   *rows = malloc(n * dims * sizeof(*rows));

	for (size_t i = 0; i < n; i++)
	{
		float	   *row = rows + i * dims;
		float		shared[3] = {random_gauss(), random_gauss(),
		random_gauss()};
		float		before = 0;

		for (size_t d = 0; d < dims; d++)
		{
			float		x = random_gauss();

			switch (data)
			{
				case CORRELATED:
					before = x = 0.95f * before + 0.3f * x;
					break;
				case LOW_RANK:
					x = shared[0] * (float) sin((double) d) + shared[1] *
						(float) cos((double) d) + shared[2];
					break;
				case CONSTANT:
					x = 0;
					break;
				case SPARSE_DIMS:
					x = d < 4 ? x : 0;
					break;
				default:
					break;
			}
			row[d] = 5 + x;
		}
	}
	return rows;
}

static bool yes = true;

/* By our own loops and, where it is installed, by OpenBLAS */
static void
test_opq(void **state)
{
	linear_allow_openblas(state != NULL && *state == &yes);
	for (Data data = 0; data < DATA_KINDS; data++)
		for (size_t n = 1; n <= 600; n += n < 20 ? 19 : 580)
		{
			PqShape		shape = make_shape(22, 6, 4);
			size_t		dims = shape.dims;
			float	   *codebooks = make_codebooks(&shape);
			float	   *rotation = malloc(dims * dims * sizeof(*rotation));
			float	   *rows;
			double		plain;
			double		rotated;

			seed_random(7);
			rows = make_rows(data, n, dims);
			progress_done = 0;
			pq_train(&host, &shape, rows, n, 1, codebooks);
			plain = error_of(&shape, NULL, codebooks, rows, n);
			progress_done = 0;
			ticks = 0;
			pq_train_opq(&host, &shape, rows, n, 1, rotation, codebooks);
			assert_true(progress_done == 1);
			assert_true(ticks > 0);
			rotated = error_of(&shape, rotation, codebooks, rows, n);
			check_orthogonal(rotation, dims);
			check_padding(&shape, codebooks);
			if (getenv("VERBOSE") != NULL)
				print_message("data %d, %zu rows: error %.5f plain, %.5f "
							  "rotated\n", (int) data, n, plain, rotated);
			assert_true(rotated <= plain * 1.01 + 1e-9);
			if (n > 100 && (data == LOW_RANK || data == SPARSE_DIMS))
				assert_true(rotated < plain / 2);
			if (n > 100 && data == CORRELATED)
				assert_true(rotated < plain * 0.97);
			free(rows);
			free(rotation);
			free(codebooks);
		}
}

static void
test_opq_deterministic(void **state)
{
	PqShape		shape = make_shape(16, 4, 4);
	size_t		n = 300;
	float	   *rows;
	float	   *codebooks[2];
	float		rotations[2][16 * 16];

	(void) state;
	seed_random(8);
	rows = make_rows(CORRELATED, n, shape.dims);
	for (int i = 0; i < 2; i++)
	{
		codebooks[i] = make_codebooks(&shape);
		progress_done = 0;
		pq_train_opq(&host, &shape, rows, n, 1, rotations[i], codebooks[i]);
	}
	assert_memory_equal(rotations[0], rotations[1], sizeof(rotations[0]));
	assert_memory_equal(codebooks[0], codebooks[1],
						pq_codebook_floats(&shape) * sizeof(float));
	free(codebooks[1]);
	free(codebooks[0]);
	free(rows);
}

/* Eight bits, one part, one dimension, one dimension a part */
static void
test_opq_shapes(void **state)
{
	static const int all[][3] = {
		{1, 1, 4}, {2, 1, 8}, {12, 1, 4}, {12, 12, 4}, {13, 3, 8}
	};

	(void) state;
	seed_random(9);
	for (size_t s = 0; s < ARRAY_LENGTH(all); s++)
	{
		PqShape		shape = make_shape((size_t) all[s][0], (size_t) all[s][1],
									   all[s][2]);
		size_t		dims = shape.dims;
		size_t		n = 400;
		float	   *rows = make_rows(CORRELATED, n, dims);
		float	   *codebooks = make_codebooks(&shape);
		float	   *rotation = malloc(dims * dims * sizeof(*rotation));
		double		plain;

		progress_done = 0;
		pq_train(&host, &shape, rows, n, 1, codebooks);
		plain = error_of(&shape, NULL, codebooks, rows, n);
		progress_done = 0;
		pq_train_opq(&host, &shape, rows, n, 1, rotation, codebooks);
		check_orthogonal(rotation, dims);
		assert_true(error_of(&shape, rotation, codebooks, rows, n) <=
					plain * 1.01 + 1e-9);
		free(rotation);
		free(codebooks);
		free(rows);
	}
}

static void
test_rotate(void **state)
{
	float		rotation[9] = {0, 0, 1, 0.6f, 0.8f, 0, -0.8f, 0.6f, 0};
	float		x[3] = {1, 2, 3};
	float		y[3];
	float		back[3];

	(void) state;
	pq_rotate(rotation, 3, x, y);
	assert_float_equal(y[0], 3, 1e-6);
	assert_float_equal(y[1], 2.2, 1e-6);
	assert_float_equal(y[2], 0.4, 1e-6);
	pq_rotate_back(rotation, 3, y, back);
	for (int i = 0; i < 3; i++)
		assert_float_equal(back[i], x[i], 1e-6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_train_few),
		cmocka_unit_test(test_train_none),
		cmocka_unit_test(test_train),
		AT_EVERY_LEVEL(test_encode),
		AT_EVERY_LEVEL(test_encode_extremes),
		AT_EVERY_LEVEL(test_kernels),
		AT_EVERY_LEVEL(test_estimates),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_opq),
		{"test_opq (openblas)", test_opq, NULL, NULL, &yes},
		cmocka_unit_test(test_opq_deterministic),
		cmocka_unit_test(test_opq_shapes),
	};

	int			failed = cmocka_run_group_tests_name("pq", tests, NULL, NULL);

	if (blocks != 0)
		print_error("%d blocks of memory were not given back\n", blocks);
	return failed > 0 || blocks != 0;
}
