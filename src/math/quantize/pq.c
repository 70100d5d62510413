/*
 * pq.c
 *	  Product quantization: codebooks, codes, tables and what is summed from
 *	  them.
 *
 * What takes time in encoding and in making tables are kernels, which give the
 * same bits at all levels.  pq_estimate8 is none: it reads a table of 1 kB a
 * part at addresses that codes name, and instructions that gather gained too
 * little at that, if anything, over plain loads (README.md).
 */
#include "training.h"
#include "math/random.h"

#include <assert.h>
#include <string.h>

/* Rows to train on: at most this many for a centroid, but so many at least */
#define ROWS_PER_CENTROID	256
#define ENOUGH_ROWS			20000

struct PqEncoder
{
	ClusterHost host;
	PqShape		shape;
	float	   *mean;			/* of a part's centroids; m * part */
	float	   *centroids;		/* less the mean, laid out for pq_nearest */
	float	   *bias;			/* - |centroid|^2 / 2 */
	float	   *columns;		/* PQ_ROWS rows of m * part floats */
	float	   *rows;			/* PQ_ROWS rows, where there are fewer */
	uint8_t    *numbers;		/* PQ_ROWS numbers for each part */
};

int
pq_shape_init(PqShape *shape, size_t dims, size_t m, int nbits)
{
	if (dims == 0 || dims > QUANTIZE_MAX_DIMS || m == 0 || m > dims ||
		m > PQ_MAX_PARTS || (nbits != 4 && nbits != 8))
		return -1;
	shape->dims = (uint32_t) dims;
	shape->m = (uint32_t) m;
	shape->part = (uint32_t) ((dims + m - 1) / m);
	shape->nbits = nbits;
	return 0;
}

size_t
pq_centroids(const PqShape *shape)
{
	return (size_t) 1 << shape->nbits;
}

/* Dimensions and padding, at most 20,000 */
static size_t
padded_dims(const PqShape *shape)
{
	return (size_t) shape->m * shape->part;
}

size_t
pq_codebook_floats(const PqShape *shape)
{
	return padded_dims(shape) * pq_centroids(shape);
}

size_t
pq_code_bytes(const PqShape *shape)
{
	return shape->nbits == 4 ? ((size_t) shape->m + 1) / 2 : shape->m;
}

/*
 * Training.
 */

size_t
pq_training_rows(const PqShape *shape)
{
	size_t		rows = ROWS_PER_CENTROID * pq_centroids(shape);

	return rows > ENOUGH_ROWS ? rows : ENOUGH_ROWS;
}

size_t
pq_sample(size_t i, size_t count, size_t n, uint64_t seed)
{
	uint64_t	first = (uint64_t) i * n / count;
	uint64_t	behind = ((uint64_t) i + 1) * n / count;

	assert(i < count && count <= n);
	return (size_t) (first + splitmix64_mix(seed + (i + 1) * SPLITMIX64_STEP) %
					 (behind - first));
}

/* Codebooks are trained one by one, whoever does it */
typedef struct CodebooksJob
{
	PqShape		shape;
	const float *rows;
	size_t		n;
	size_t		count;			/* of them, to train on */
	uint64_t	seed;
	float	   *codebooks;
} CodebooksJob;

static_assert(sizeof(CodebooksJob) <= HOST_JOB_BYTES, "a job must fit");

/* The codebook of part j; slice is room for the rows' numbers. */
static void
train_part(const ClusterHost *host, const CodebooksJob *job, size_t j,
		   float *slice)
{
	const PqShape *shape = &job->shape;
	size_t		centroids = pq_centroids(shape);
	size_t		width = shape->part;
	size_t		used = pq_used(shape, j);
	float	   *codebook = job->codebooks + j * centroids * width;
	KmeansParams params = {
		.k = centroids,
		.seed = job->seed + j,
	};
	ClusterHost quiet = *host;

	/* A part's progress is not the whole's, and it is one process's. */
	quiet.progress = NULL;
	quiet.share = NULL;
	if (used == 0)
		return;
	for (size_t i = 0; i < job->count; i++)
		memcpy(slice + i * used,
			   job->rows + pq_sample(i, job->count, job->n, job->seed) * shape->dims +
			   j * width,
			   used * sizeof(*slice));
	kmeans(&quiet, slice, job->count, used, &params, codebook, NULL);

	/* Make room for the padding, from the last one on */
	for (size_t c = centroids; used < width && c-- > 0;)
	{
		memmove(codebook + c * width, codebook + c * used,
				used * sizeof(*codebook));
		memset(codebook + c * width + used, 0,
			   (width - used) * sizeof(*codebook));
	}
}

static float *
slice_create(const ClusterHost *host, const CodebooksJob *job)
{
	return host_alloc(host, size_times(job->count, job->shape.part),
					  sizeof(float));
}

void
pq_do(const ClusterHost *host, const void *described, const HostParts *parts)
{
	CodebooksJob job = *(const CodebooksJob *) described;
	float	   *slice = slice_create(host, &job);
	size_t		j;

	job.rows = host_here(parts, job.rows);
	job.codebooks = host_here(parts, job.codebooks);
	while (parts->next(parts->arg, &j))
		train_part(host, &job, j, slice);
	host_release(host, slice);
}

double
pq_do_bytes(const PqShape *shape, size_t n)
{
	size_t		count = pq_training_rows(shape);

	count = n < count ? n : count;
	return (double) count * shape->part * sizeof(float) +
		kmeans_bytes(count, shape->part, pq_centroids(shape));
}

void
pq_train_sample(const ClusterHost *host, const PqShape *shape,
				const float *rows, size_t n, size_t count, uint64_t seed,
				float *codebooks)
{
	size_t		floats = pq_codebook_floats(shape);
	CodebooksJob job = {
		.shape = *shape, .rows = rows, .n = n, .count = count, .seed = seed,
		.codebooks = codebooks
	};

	if (host->share != NULL)
	{
		job.codebooks = host_alloc(host, floats, sizeof(*codebooks));
		memset(job.codebooks, 0, floats * sizeof(*codebooks));
		host->share(host->arg, HOST_CODEBOOKS, &job, sizeof(job), shape->m);
		memcpy(codebooks, job.codebooks, floats * sizeof(*codebooks));
		host_release(host, job.codebooks);
	}
	else
	{
		float	   *slice = slice_create(host, &job);

		memset(codebooks, 0, floats * sizeof(*codebooks));
		for (size_t j = 0; j < shape->m; j++)
		{
			train_part(host, &job, j, slice);
			if (host->progress != NULL)
				host->progress(host->arg, (double) (j + 1) / shape->m);
		}
		host_release(host, slice);
	}
}

/* See pq.h; no rows give centroids of zeros */
void
pq_train(const ClusterHost *host, const PqShape *shape, const float *rows,
		 size_t n, uint64_t seed, float *codebooks)
{
	size_t		limit = pq_training_rows(shape);

	if (n == 0)
		memset(codebooks, 0, pq_codebook_floats(shape) * sizeof(*codebooks));
	else
		pq_train_sample(host, shape, rows, n, n < limit ? n : limit, seed,
						codebooks);
}

/*
 * Rotation.
 */

void
pq_rotate(const float *rotation, size_t dims, const float *x, float *y)
{
	distance_kernels->f32_ip_many(x, rotation, dims, dims, dims, y);
}

void
pq_rotate_back(const float *rotation, size_t dims, const float *y, float *x)
{
	memset(x, 0, dims * sizeof(*x));
	for (size_t i = 0; i < dims; i++)
		for (size_t j = 0; j < dims; j++)
			x[j] += y[i] * rotation[i * dims + j];
}

/*
 * Encoding.
 *
 * The nearest centroid c of x is the one with the largest <x, c> - |c|^2 / 2;
 * both less the mean of the part's centroids, lest that difference be one of
 * large numbers.
 */

/* Prepare a part; its products are exact in double, and the same everywhere */
static void
prepare_part(PqEncoder *encoder, const float *codebook, size_t j)
{
	size_t		count = pq_centroids(&encoder->shape);
	size_t		width = encoder->shape.part;
	float	   *mean = encoder->mean + j * width;
	float	   *centroids = encoder->centroids + j * count * width;
	float	   *bias = encoder->bias + j * count;

	for (size_t i = 0; i < width; i++)
	{
		double		sum = 0;

		for (size_t c = 0; c < count; c++)
			sum += codebook[c * width + i];
		mean[i] = (float) (sum / (double) count);
	}
	for (size_t c = 0; c < count; c++)
	{
		float	   *first = centroids + c / PQ_GROUP * PQ_GROUP * width +
			c % PQ_GROUP;
		double		norm2 = 0;

		for (size_t i = 0; i < width; i++)
		{
			float		x = codebook[c * width + i] - mean[i];

			first[i * PQ_GROUP] = x;
			norm2 += (double) x * x;
		}
		bias[c] = (float) (-norm2 / 2);
	}
}

PqEncoder *
pq_encoder_create(const ClusterHost *host, const PqShape *shape,
				  const float *codebooks)
{
	size_t		padded = padded_dims(shape);
	size_t		count = pq_centroids(shape);
	PqEncoder  *encoder = host_alloc(host, 1, sizeof(*encoder));

	/* None of these sizes comes near an overflow: padded is at most 20,000 */
	encoder->host = *host;
	encoder->shape = *shape;
	encoder->mean = host_alloc(host, padded, sizeof(float));
	encoder->centroids = host_alloc(host, padded * count, sizeof(float));
	encoder->bias = host_alloc(host, shape->m * count, sizeof(float));
	encoder->columns = host_alloc(host, padded * PQ_ROWS,
								   sizeof(float));
	encoder->rows = host_alloc(host, (size_t) shape->dims * PQ_ROWS,
								sizeof(float));
	encoder->numbers = host_alloc(host, shape->m, PQ_ROWS);

	for (size_t j = 0; j < shape->m; j++)
		prepare_part(encoder, codebooks + j * count * shape->part, j);
	for (size_t i = shape->dims; i < padded; i++)
		for (size_t r = 0; r < PQ_ROWS; r++)
			encoder->columns[i * PQ_ROWS + r] = -encoder->mean[i];
	return encoder;
}

void
pq_encoder_free(const ClusterHost *host, PqEncoder *encoder)
{
	host_release(host, encoder->numbers);
	host_release(host, encoder->rows);
	host_release(host, encoder->columns);
	host_release(host, encoder->bias);
	host_release(host, encoder->centroids);
	host_release(host, encoder->mean);
	host_release(host, encoder);
}

/* The code of one of the rows whose numbers were found */
static void
write_code(const PqEncoder *encoder, size_t row, uint8_t *code)
{
	const uint8_t *number = encoder->numbers + row;
	size_t		m = encoder->shape.m;

	if (encoder->shape.nbits == 8)
		for (size_t j = 0; j < m; j++)
			code[j] = number[j * PQ_ROWS];
	else
	{
		for (size_t j = 0; j + 2 <= m; j += 2)
			code[j / 2] = (uint8_t) (number[j * PQ_ROWS] |
									 number[(j + 1) * PQ_ROWS] << 4);
		if (m % 2 == 1)
			code[m / 2] = number[(m - 1) * PQ_ROWS];
	}
}

/* Encode PQ_ROWS rows, of which the first count have codes to be written */
static void
encode_rows(PqEncoder *encoder, const float *rows, size_t count,
			uint8_t *codes)
{
	const PqShape *shape = &encoder->shape;
	size_t		bytes = pq_code_bytes(shape);

	quantize_kernels->pq_columns(rows, shape->dims, shape->dims,
								 encoder->mean, encoder->columns);
	quantize_kernels->pq_nearest(encoder->columns, shape->m, shape->part,
								 encoder->centroids, encoder->bias,
								 pq_centroids(shape), encoder->numbers);
	for (size_t r = 0; r < count; r++)
		write_code(encoder, r, codes + r * bytes);
}

void
pq_encode(PqEncoder *encoder, const float *rows, size_t n, uint8_t *codes)
{
	size_t		dims = encoder->shape.dims;
	size_t		bytes = pq_code_bytes(&encoder->shape);

	for (; n >= PQ_ROWS; n -= PQ_ROWS)
	{
		encode_rows(encoder, rows, PQ_ROWS, codes);
		rows += PQ_ROWS * dims;
		codes += PQ_ROWS * bytes;
		encoder->host.tick(encoder->host.arg);
	}
	if (n > 0)
	{
		memcpy(encoder->rows, rows, n * dims * sizeof(*rows));
		memset(encoder->rows + n * dims, 0,
			   (PQ_ROWS - n) * dims * sizeof(*rows));
		encode_rows(encoder, encoder->rows, n, codes);
	}
}

void
pq_decode(const PqShape *shape, const float *codebooks, const uint8_t *code,
		  float *row)
{
	size_t		count = pq_centroids(shape);

	for (size_t j = 0; j < shape->m; j++)
		memcpy(row + j * shape->part,
			   codebooks + (j * count + pq_number(shape, code, j)) *
			   shape->part,
			   pq_used(shape, j) * sizeof(*row));
}

/*
 * Queries.
 */

void
pq_table(const PqShape *shape, const float *codebooks, const float *q,
		 float *numbers)
{
	size_t		count = pq_centroids(shape);
	size_t		width = shape->part;
	size_t		whole = shape->dims / width;
	size_t		rest = shape->dims % width;

	/* The parts before the padding, the one that it begins in, and others */
	quantize_kernels->pq_products(q, whole, width, codebooks, width, count,
								  numbers);
	if (rest > 0)
	{
		quantize_kernels->pq_products(q + whole * width, 1, rest,
									  codebooks + whole * count * width,
									  width, count, numbers + whole * count);
		whole++;
	}
	memset(numbers + whole * count, 0,
		   (shape->m - whole) * count * sizeof(*numbers));
}

/* See pq.h; four running sums, part j going into sum j modulo 4 */
void
pq_estimate8(const PqShape *shape, const float *numbers, const uint8_t *codes,
			 size_t stride, size_t count, const float *add, float k,
			 float base, float *out)
{
	size_t		m = shape->m;

	assert(shape->nbits == 8);
	for (size_t i = 0; i < count; i++, codes += stride)
	{
		const float *table = numbers;
		float		sums[4] = {0, 0, 0, 0};
		size_t		j = 0;

		for (; j + 4 <= m; j += 4, table += 4 * 256)
		{
			sums[0] += table[codes[j]];
			sums[1] += table[256 + codes[j + 1]];
			sums[2] += table[512 + codes[j + 2]];
			sums[3] += table[768 + codes[j + 3]];
		}
		for (; j < m; j++, table += 256)
			sums[j % 4] += table[codes[j]];
		out[i] = base + (add != NULL ? add[i] : 0) +
			k * ((sums[0] + sums[2]) + (sums[1] + sums[3]));
	}
}
