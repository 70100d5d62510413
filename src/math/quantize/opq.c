/*
 * opq.c
 *	  A rotation that product quantization loses less behind.
 *
 * Ge, He, Ke, Sun, "Optimized Product Quantization", CVPR 2013.  What is
 * sought are an orthogonal R and codebooks with the least sum of
 * |R x - y^|^2, y^ being what the code of R x stands for.  In turns (section
 * 3.1, non-parametric), codes and codebooks are fitted to R by a step of
 * k-means, and R to them: it is the polar factor of M, the sum of y^ x'.
 *
 * It starts where section 3.2 (parametric) ends: at the eigenvectors of the
 * covariance, dealt out to the parts so that all get the same product of
 * eigenvalues.  From there, few turns are left to be done (README.md).
 *
 * Deviations.  Rows are a sample, less their mean, which only moves the
 * codebooks.  M gets a small multiple of the R before: it stays far enough
 * from singular for the iteration in polar_factor, and each turn still cannot
 * make things worse, since <R, M> + s <R, R before> is maximised and the
 * second term was at its maximum before.  What is found competes with no
 * rotation at all.
 */
#include "training.h"

#include <math.h>
#include <string.h>

/* The most rows that the rotation is trained on */
#define TRAINING_ROWS		20000

/*
 * Turns at most, and the gain that is too small for another one: what is
 * gained beyond that is gained on the rows trained on only (README.md).
 */
#define TURNS				10
#define LEAST_GAIN			0.02

/* How much of the progress is theirs */
#define TURNS_SHARE			0.8

/* Rows and k-means iterations for the codebooks to begin with */
#define START_ROWS			4096
#define START_ITERATIONS	5

/* Rows that are rotated and encoded at once */
#define BLOCK				512

/* How much of the rotation before is mixed into M, relative to its size */
#define DAMPING				1e-3

/* Multiplications and additions between two calls of tick */
#define TICK_WORK			((size_t) 1 << 20)

/* Eigenvalues count as this part of the largest at least */
#define LEAST_EIGENVALUE	1e-6

/* What training works on; all matrices of dims * dims */
typedef struct Training
{
	ClusterHost host;			/* reports no progress */
	const PqShape *shape;
	size_t		dims;
	size_t		work;			/* since the last tick */

	float	   *mean;
	float	   *x;				/* n rows, less the mean */
	size_t		n;
	float	   *block;			/* BLOCK rows */
	float	   *flipped[2];		/* the same, transposed */
	float	   *rotation;
	float	   *best;
	float	   *m;
	float	   *spare[2];
} Training;

static void *
grab(Training *t, size_t count, size_t size)
{
	return t->host.alloc(t->host.arg, count, size);
}

static void
drop(Training *t, void *memory)
{
	t->host.release(t->host.arg, memory);
}

static void
spend(Training *t, size_t work)
{
	t->work += work;
	if (t->work >= TICK_WORK)
	{
		t->work = 0;
		t->host.tick(t->host.arg);
	}
}

/*
 * Matrices.
 */

/* out = a', a of rows * columns */
static void
transpose(Training *t, const float *a, size_t rows, size_t columns, float *out)
{
	const size_t tile = 16;

	for (size_t i = 0; i < rows; i += tile)
	{
		size_t		i_end = rows - i < tile ? rows : i + tile;

		for (size_t j = 0; j < columns; j += tile)
		{
			size_t		j_end = columns - j < tile ? columns : j + tile;

			for (size_t k = i; k < i_end; k++)
				for (size_t l = j; l < j_end; l++)
					out[l * rows + k] = a[k * columns + l];
		}
		spend(t, tile * columns);
	}
}

/* out = a b', a of n rows, b of k rows, all of length floats */
static void
multiply(Training *t, const float *a, size_t n, const float *b, size_t k,
		 size_t length, float *out)
{
	CentroidPanel *panel = centroid_panel_create(&t->host, b, k, length,
												 false);

	centroid_panel_products(panel, &t->host, a, n, out);
	centroid_panel_free(&t->host, panel);
}

/* m += a' b, both of n <= BLOCK rows of dims floats; uses spare[0] */
static void
add_products(Training *t, const float *a, const float *b, size_t n, float *m)
{
	size_t		dims = t->dims;

	transpose(t, a, n, dims, t->flipped[0]);
	transpose(t, b, n, dims, t->flipped[1]);
	multiply(t, t->flipped[0], dims, t->flipped[1], dims, n, t->spare[0]);
	for (size_t i = 0; i < dims; i++)
	{
		for (size_t j = 0; j < dims; j++)
			m[i * dims + j] += t->spare[0][i * dims + j];
		spend(t, dims);
	}
}

static double
inner(const float *a, const float *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

/*
 * The polar factor of a matrix: U V' of its singular value decomposition
 * U S V', which is the orthogonal matrix R with the largest <R, a>.
 *
 * Polynomials of odd degree act on the singular values alone and bring them
 * all to 1: with B = A A', A becomes (c0 + c1 B + c2 B^2) A.  Steps of
 * Newton-Schulz (Higham, "Functions of Matrices", 2008, chapter 8) would raise
 * small ones by a factor of 1.9; the steps here are each the best polynomial
 * for the interval that the one before leaves, beginning with 3e-5 .. 1, as in
 * Amsel, Persson, Musco, Gower, "The Polar Express", 2025, computed by Remez'
 * algorithm with a margin of 0.1 % for rounding.  The last is Newton-Schulz's
 * and is repeated until nothing is left to do.
 */
static const float polar_steps[][3] = {
	{8.512977f, -25.276515f, 18.763283f},
	{4.250629f, -3.149193f, 0.583381f},
	{4.243279f, -3.144123f, 0.582806f},
	{4.212400f, -3.122798f, 0.580385f},
	{4.087235f, -3.035939f, 0.570526f},
	{3.647019f, -2.724358f, 0.535210f},
	{2.681183f, -1.990717f, 0.452978f},
	{1.962266f, -1.343329f, 0.384028f},
	{1.875f, -1.25f, 0.375f},
};

#define POLAR_STEPS		((int) (sizeof(polar_steps) / sizeof(polar_steps[0])))

/* Steps at most: enough for singular values of 1e-9 */
#define POLAR_MOST		30

/* |B - 1| (Frobenius) that one more step takes below float's precision */
#define POLAR_NEARLY	1e-3

/*
 * Put the polar factor of a into out (another matrix); a and the spare ones
 * are overwritten.  first is the first step: POLAR_STEPS - 1 for a matrix
 * nearly orthogonal.  Returns false, and out is of no use, where a is zero or
 * too large, or too close to a singular one.
 */
static bool
polar_factor(Training *t, float *a, int first, float *out)
{
	size_t		dims = t->dims;
	float	   *b = t->spare[0];
	float	   *b2 = t->spare[1];
	float		largest = 0;
	bool		last = false;

	for (size_t i = 0; i < dims * dims; i++)
		largest = fabsf(a[i]) > largest ? fabsf(a[i]) : largest;
	if (!(largest >= 1e-30f && largest <= 1e30f))
		return false;

	for (int step = 0; step < POLAR_MOST && !last; step++)
	{
		int			which = first + step < POLAR_STEPS ? first + step :
			POLAR_STEPS - 1;
		const float *c = polar_steps[which];
		double		off = 0;

		if (step == 0 && first == 0)
		{
			float		scale = 1 / largest;

			for (size_t i = 0; i < dims * dims; i++)
				a[i] *= scale;
		}
		multiply(t, a, dims, a, dims, dims, b);

		/* The largest singular value is at most the root of B's norm */
		if (step == 0 && first == 0)
		{
			double		norm = sqrt(inner(b, b, dims * dims));
			float		scale = (float) (1 / norm);
			float		root = (float) (1 / sqrt(norm));

			for (size_t i = 0; i < dims * dims; i++)
			{
				a[i] *= root;
				b[i] *= scale;
			}
		}
		for (size_t i = 0; i < dims; i++)
		{
			double		diagonal = b[i * dims + i];

			off += inner(b + i * dims, b + i * dims, dims) -
				diagonal * diagonal + (diagonal - 1) * (diagonal - 1);
		}
		last = which == POLAR_STEPS - 1 && off <= POLAR_NEARLY * POLAR_NEARLY;

		/* b2 = c0 + c1 b + c2 b^2; then that times a */
		multiply(t, b, dims, b, dims, dims, b2);
		for (size_t i = 0; i < dims; i++)
		{
			for (size_t j = i * dims; j < (i + 1) * dims; j++)
				b2[j] = c[1] * b[j] + c[2] * b2[j];
			b2[i * dims + i] += c[0];
			spend(t, dims);
		}
		transpose(t, a, dims, dims, b);
		multiply(t, b2, dims, b, dims, dims, out);
		if (!last)
			memcpy(a, out, dims * dims * sizeof(*a));
	}
	return last;
}

/*
 * Eigenvectors of a symmetric matrix: Householder's tridiagonal form, then QL
 * with implicit shifts (Golub, Van Loan, "Matrix Computations", 8.3).  Exact
 * enough to begin with: vectors and matrix are float.
 */

/*
 * Bring a to tridiagonal form: diagonal d, beside it e[0 .. n - 2].  Row k of a
 * keeps, behind its diagonal, the unit vector v of the reflection 1 - 2 v v'
 * that was the step k.
 */
static void
tridiagonal(Training *t, float *a, double *d, double *e)
{
	size_t		n = t->dims;
	float	   *w = grab(t, n, sizeof(*w));

	for (size_t k = 0; k + 1 < n; k++)
	{
		float	   *v = a + k * n;
		size_t		first = k + 1;
		double		norm = sqrt(inner(v + first, v + first, n - first));
		double		vw;

		d[k] = v[k];
		e[k] = v[first] > 0 ? -norm : norm;
		v[first] -= (float) e[k];
		norm = sqrt(inner(v + first, v + first, n - first));
		for (size_t i = first; i < n; i++)
			v[i] = norm > 0 ? (float) (v[i] / norm) : 0;

		/* a -= 2 (v w' + w v'), w = a v - v (v' a v) */
		for (size_t i = first; i < n; i++)
		{
			w[i] = distance_kernels->f32_ip(a + i * n + first, v + first,
											n - first);
			spend(t, n - first);
		}
		vw = inner(v + first, w + first, n - first);
		for (size_t i = first; i < n; i++)
			w[i] -= (float) vw * v[i];
		for (size_t i = first; i < n; i++)
		{
			float		vi = 2 * v[i];
			float		wi = 2 * w[i];

			for (size_t j = first; j < n; j++)
				a[i * n + j] -= vi * w[j] + wi * v[j];
			spend(t, 2 * (n - first));
		}
	}
	d[n - 1] = a[n * n - 1];
	e[n - 1] = 0;
	drop(t, w);
}

/* Put the transposed product of the reflections in a into q */
static void
reflections(Training *t, const float *a, float *q)
{
	size_t		n = t->dims;
	float	   *spare = t->spare[0];
	float	   *s = grab(t, n, sizeof(*s));

	memset(spare, 0, n * n * sizeof(*spare));
	for (size_t i = 0; i < n; i++)
		spare[i * n + i] = 1;
	for (size_t k = n - 1; k-- > 0;)
	{
		const float *v = a + k * n;

		/* Rows and columns up to k are still those of the identity */
		memset(s, 0, n * sizeof(*s));
		for (size_t i = k + 1; i < n; i++)
		{
			for (size_t j = k + 1; j < n; j++)
				s[j] += v[i] * spare[i * n + j];
			spend(t, n - k);
		}
		for (size_t i = k + 1; i < n; i++)
		{
			float		vi = 2 * v[i];

			for (size_t j = k + 1; j < n; j++)
				spare[i * n + j] -= vi * s[j];
			spend(t, n - k);
		}
	}
	transpose(t, spare, n, n, q);
	drop(t, s);
}

/* Turn two rows: (a, b) becomes (c a - s b, s a + c b) */
static void
turn(float *restrict a, float *restrict b, size_t n, float c, float s)
{
	for (size_t i = 0; i < n; i++)
	{
		float		x = a[i];
		float		y = b[i];

		a[i] = c * x - s * y;
		b[i] = s * x + c * y;
	}
}

/*
 * One step of QL with an implicit shift on rows first .. last of the
 * tridiagonal matrix; its turns are done to the rows of q, too.
 */
static void
ql_step(Training *t, double *d, double *e, size_t first, size_t last, float *q)
{
	size_t		n = t->dims;
	double		half = (d[first + 1] - d[first]) / (2 * e[first]);
	double		shift = d[first] - e[first] /
		(half + copysign(sqrt(half * half + 1), half));
	double		x = d[last] - shift;
	double		c = 1;
	double		s = 1;
	double		moved = 0;

	for (size_t i = last; i-- > first;)
	{
		double		bulge = s * e[i];
		double		beside = c * e[i];
		double		r = sqrt(bulge * bulge + x * x);
		double		diagonal;

		e[i + 1] = r;
		if (r == 0)
		{
			/* The matrix falls apart here: what is left is another step's */
			d[i + 1] -= moved;
			e[last] = 0;
			return;
		}
		s = bulge / r;
		c = x / r;
		diagonal = d[i + 1] - moved;
		r = (d[i] - diagonal) * s + 2 * c * beside;
		moved = s * r;
		d[i + 1] = diagonal + moved;
		x = c * r - beside;
		turn(q + i * n, q + (i + 1) * n, n, (float) c, (float) s);
		spend(t, 4 * n);
	}
	d[first] -= moved;
	e[first] = x;
	e[last] = 0;
}

/* Eigenvalues d and eigenvectors, the rows of q, of a, which is overwritten */
static void
eigenvectors(Training *t, float *a, double *d, float *q)
{
	size_t		n = t->dims;
	double	   *e = grab(t, n, sizeof(*e));

	tridiagonal(t, a, d, e);
	reflections(t, a, q);
	for (size_t first = 0; first < n; first++)
		for (int step = 0; step < 50; step++)
		{
			size_t		last = first;

			while (last + 1 < n &&
				   fabs(e[last]) > 1e-9 * (fabs(d[last]) + fabs(d[last + 1])))
				last++;
			if (last == first)
				break;
			ql_step(t, d, e, first, last, q);
		}
	drop(t, e);
}

/*
 * Deal the eigenvectors out to the parts, the largest eigenvalue first, each to
 * the part with the smallest product so far that has a row left.
 */
static void
deal(Training *t, double *eigenvalues, const float *vectors, float *rotation)
{
	size_t		dims = t->dims;
	size_t		m = t->shape->m;
	double	   *product = grab(t, m, sizeof(*product));	/* logarithms */
	size_t	   *filled = grab(t, m, sizeof(*filled));
	double		largest = 0;

	for (size_t j = 0; j < m; j++)
	{
		product[j] = 0;
		filled[j] = 0;
	}
	for (size_t i = 0; i < dims; i++)
		largest = eigenvalues[i] > largest ? eigenvalues[i] : largest;
	for (size_t rank = 0; rank < dims; rank++)
	{
		size_t		next = 0;
		size_t		to = m;
		double		value = 1;

		for (size_t i = 1; i < dims; i++)
			if (eigenvalues[i] > eigenvalues[next])
				next = i;
		for (size_t j = 0; j < m; j++)
			if (filled[j] < pq_used(t->shape, j) &&
				(to == m || product[j] < product[to]))
				to = j;

		/* Relative to the least there is, so that logarithms are not below 0 */
		if (eigenvalues[next] > LEAST_EIGENVALUE * largest)
			value = eigenvalues[next] / (LEAST_EIGENVALUE * largest);
		product[to] += log(value);
		memcpy(rotation + (to * t->shape->part + filled[to]) * dims,
			   vectors + next * dims, dims * sizeof(*rotation));
		filled[to]++;
		eigenvalues[next] = -INFINITY;
		spend(t, dims + m);
	}
	drop(t, filled);
	drop(t, product);
}

static void
identity(float *rotation, size_t dims)
{
	memset(rotation, 0, dims * dims * sizeof(*rotation));
	for (size_t i = 0; i < dims; i++)
		rotation[i * dims + i] = 1;
}

/* The rotation to begin with */
static void
start_rotation(Training *t)
{
	size_t		dims = t->dims;
	double	   *eigenvalues = grab(t, dims, sizeof(*eigenvalues));

	memset(t->m, 0, dims * dims * sizeof(*t->m));
	for (size_t i = 0; i < t->n; i += BLOCK)
	{
		size_t		count = t->n - i < BLOCK ? t->n - i : BLOCK;

		add_products(t, t->x + i * dims, t->x + i * dims, count, t->m);
	}
	eigenvectors(t, t->m, eigenvalues, t->best);
	deal(t, eigenvalues, t->best, t->m);
	if (!polar_factor(t, t->m, POLAR_STEPS - 1, t->rotation))
		identity(t->rotation, dims);
	drop(t, eigenvalues);
}

/*
 * Turns.
 */

/*
 * Encode all rows, and move every centroid to the middle of its rows.  Returns
 * the error of these codes and centroids: the sum of squares of all rows less
 * that of the centroids, as often as they stand for a row.
 */
static double
fit_codebooks(Training *t, double all_squares, float *codebooks,
			  uint8_t *codes)
{
	const PqShape *shape = t->shape;
	size_t		dims = t->dims;
	size_t		width = shape->part;
	size_t		count = pq_centroids(shape);
	size_t		bytes = pq_code_bytes(shape);
	size_t		floats = pq_codebook_floats(shape);
	PqEncoder  *encoder = pq_encoder_create(&t->host, shape, codebooks);
	CentroidPanel *panel = centroid_panel_create(&t->host, t->rotation, dims,
												 dims, false);
	float	   *sums = grab(t, floats, sizeof(*sums));
	uint32_t   *sizes = grab(t, shape->m * count, sizeof(*sizes));
	double		squares = 0;

	memset(sums, 0, floats * sizeof(*sums));
	memset(sizes, 0, shape->m * count * sizeof(*sizes));
	for (size_t i = 0; i < t->n; i += BLOCK)
	{
		size_t		rows = t->n - i < BLOCK ? t->n - i : BLOCK;

		centroid_panel_products(panel, &t->host, t->x + i * dims, rows,
								t->block);
		pq_encode(encoder, t->block, rows, codes + i * bytes);
		for (size_t r = 0; r < rows; r++)
		{
			const float *y = t->block + r * dims;
			const uint8_t *code = codes + (i + r) * bytes;

			for (size_t j = 0; j < shape->m; j++)
			{
				size_t		used = pq_used(shape, j);
				size_t		number = j * count + pq_number(shape, code, j);
				float	   *sum = sums + number * width;

				sizes[number]++;
				for (size_t d = 0; d < used; d++)
					sum[d] += y[j * width + d];
			}
			spend(t, 2 * dims);
		}
	}
	for (size_t c = 0; c < shape->m * count; c++)
	{
		if (sizes[c] == 0)
			continue;
		for (size_t d = 0; d < width; d++)
			codebooks[c * width + d] = sums[c * width + d] / (float) sizes[c];
		squares += inner(codebooks + c * width, codebooks + c * width, width) *
			sizes[c];
	}
	drop(t, sizes);
	drop(t, sums);
	centroid_panel_free(&t->host, panel);
	pq_encoder_free(&t->host, encoder);
	return all_squares - squares;
}

/* The best rotation for codes and codebooks; false if there is none to find */
static bool
fit_rotation(Training *t, const float *codebooks, const uint8_t *codes)
{
	size_t		dims = t->dims;
	size_t		bytes = pq_code_bytes(t->shape);
	float		damping;

	memset(t->m, 0, dims * dims * sizeof(*t->m));
	for (size_t i = 0; i < t->n; i += BLOCK)
	{
		size_t		rows = t->n - i < BLOCK ? t->n - i : BLOCK;

		for (size_t r = 0; r < rows; r++)
		{
			pq_decode(t->shape, codebooks, codes + (i + r) * bytes,
					  t->block + r * dims);
			spend(t, dims);
		}
		add_products(t, t->block, t->x + i * dims, rows, t->m);
	}
	damping = (float) (DAMPING * sqrt(inner(t->m, t->m, dims * dims) /
									  (double) dims));
	for (size_t i = 0; i < dims * dims; i++)
		t->m[i] += damping * t->rotation[i];
	return polar_factor(t, t->m, 0, t->rotation);
}

/* Put count rows, less the mean, behind each other */
static void
centred_sample(Training *t, const float *rows, size_t n, size_t count,
			   uint64_t seed, float *out)
{
	size_t		dims = t->dims;

	for (size_t i = 0; i < count; i++)
	{
		const float *row = rows + pq_sample(i, count, n, seed) * dims;

		for (size_t d = 0; d < dims; d++)
			out[i * dims + d] = row[d] - t->mean[d];
		spend(t, dims);
	}
}

static void
find_mean(Training *t, const float *rows, size_t n, size_t count,
		  uint64_t seed)
{
	size_t		dims = t->dims;
	double	   *sums = grab(t, dims, sizeof(*sums));

	memset(sums, 0, dims * sizeof(*sums));
	for (size_t i = 0; i < count; i++)
	{
		const float *row = rows + pq_sample(i, count, n, seed) * dims;

		for (size_t d = 0; d < dims; d++)
			sums[d] += row[d];
		spend(t, dims);
	}
	for (size_t d = 0; d < dims; d++)
		t->mean[d] = (float) (sums[d] / (double) count);
	drop(t, sums);
}

/* Find a rotation, into best; done goes up to share */
static void
find_rotation(Training *t, const ClusterHost *host, uint64_t seed,
			  double share, float *codebooks)
{
	size_t		dims = t->dims;
	size_t		start = t->n < START_ROWS ? t->n : START_ROWS;
	double		all_squares = 0;
	double		least = INFINITY;
	uint8_t    *codes;
	float	   *y;

	for (size_t i = 0; i < t->n; i++)
	{
		all_squares += inner(t->x + i * dims, t->x + i * dims, dims);
		spend(t, dims);
	}
	start_rotation(t);

	/* Rows at even distances are as good a sample as the sample */
	y = grab(t, size_times(start, dims), sizeof(*y));
	for (size_t i = 0; i < start; i++)
	{
		pq_rotate(t->rotation, dims, t->x + t->n / start * i * dims,
				  y + i * dims);
		spend(t, dims * dims);
	}
	pq_train_sample(&t->host, t->shape, y, start, start, START_ITERATIONS,
					seed, codebooks);
	drop(t, y);

	codes = grab(t, size_times(t->n, pq_code_bytes(t->shape)), 1);
	for (int turn = 0; turn < TURNS; turn++)
	{
		double		error = fit_codebooks(t, all_squares, codebooks, codes);

		if (error < least)
			memcpy(t->best, t->rotation, dims * dims * sizeof(*t->best));
		if (!(error < (1 - LEAST_GAIN) * least) ||
			!fit_rotation(t, codebooks, codes))
			break;
		least = error;
		if (host->progress != NULL)
			host->progress(host->arg, share * (turn + 1) / TURNS);
	}
	drop(t, codes);
}

/* The error of the codes of n rows, rotated ones */
static double
error_of(Training *t, const float *y, size_t n, const float *codebooks)
{
	size_t		dims = t->dims;
	size_t		bytes = pq_code_bytes(t->shape);
	PqEncoder  *encoder = pq_encoder_create(&t->host, t->shape, codebooks);
	uint8_t    *codes = grab(t, size_times(BLOCK, bytes), 1);
	float	   *decoded = grab(t, dims, sizeof(*decoded));
	double		error = 0;

	for (size_t i = 0; i < n; i += BLOCK)
	{
		size_t		rows = n - i < BLOCK ? n - i : BLOCK;

		pq_encode(encoder, y + i * dims, rows, codes);
		for (size_t r = 0; r < rows; r++)
		{
			pq_decode(t->shape, codebooks, codes + r * bytes, decoded);
			error += distance_kernels->f32_l2sq(y + (i + r) * dims, decoded,
												dims);
			spend(t, dims);
		}
	}
	drop(t, decoded);
	drop(t, codes);
	pq_encoder_free(&t->host, encoder);
	return error;
}

/*
 * Train codebooks for the best rotation, and for none; the rotation is given
 * up where the latter are as good.
 */
static void
train_codebooks(Training *t, const float *rows, size_t n, uint64_t seed,
				float *rotation, float *codebooks)
{
	const PqShape *shape = t->shape;
	size_t		dims = t->dims;
	size_t		limit = pq_training_rows(shape);
	size_t		count = n < limit ? n : limit;
	size_t		floats = pq_codebook_floats(shape);
	CentroidPanel *panel = centroid_panel_create(&t->host, rotation, dims,
												 dims, false);
	float	   *x = grab(t, size_times(count, dims), sizeof(*x));
	float	   *y = grab(t, size_times(count, dims), sizeof(*y));
	float	   *plain = grab(t, floats, sizeof(*plain));

	centred_sample(t, rows, n, count, seed, x);
	centroid_panel_products(panel, &t->host, x, count, y);
	pq_train_sample(&t->host, shape, y, count, count, 0, seed, codebooks);
	pq_train_sample(&t->host, shape, x, count, count, 0, seed, plain);
	if (!(error_of(t, y, count, codebooks) < error_of(t, x, count, plain)))
	{
		identity(rotation, dims);
		memcpy(codebooks, plain, floats * sizeof(*codebooks));
	}
	drop(t, plain);
	drop(t, y);
	drop(t, x);
	centroid_panel_free(&t->host, panel);
}

/* Move the centroids back to where the rows' mean was */
static void
add_mean(Training *t, const float *rotation, float *codebooks)
{
	const PqShape *shape = t->shape;
	size_t		count = pq_centroids(shape);
	float	   *mean = grab(t, t->dims, sizeof(*mean));

	pq_rotate(rotation, t->dims, t->mean, mean);
	for (size_t j = 0; j < shape->m; j++)
		for (size_t c = 0; c < count; c++)
			for (size_t d = 0; d < pq_used(shape, j); d++)
				codebooks[(j * count + c) * shape->part + d] +=
					mean[j * shape->part + d];
	drop(t, mean);
}

/* See pq.h; no rows give no rotation */
void
pq_train_opq(const ClusterHost *host, const PqShape *shape, const float *rows,
			 size_t n, uint64_t seed, float *rotation, float *codebooks)
{
	size_t		dims = shape->dims;
	size_t		matrix = size_times(dims, dims);
	Training	t = {
		.host = *host,
		.shape = shape,
		.dims = dims,
		.n = n < TRAINING_ROWS ? n : TRAINING_ROWS,
	};

	identity(rotation, dims);
	if (n == 0)
	{
		pq_train(host, shape, rows, n, seed, codebooks);
		return;
	}

	t.host.progress = NULL;
	t.best = rotation;
	t.mean = grab(&t, dims, sizeof(float));
	t.x = grab(&t, size_times(t.n, dims), sizeof(float));
	t.block = grab(&t, size_times(BLOCK, dims), sizeof(float));
	for (int i = 0; i < 2; i++)
	{
		t.flipped[i] = grab(&t, size_times(BLOCK, dims), sizeof(float));
		t.spare[i] = grab(&t, matrix, sizeof(float));
	}
	t.rotation = grab(&t, matrix, sizeof(float));
	t.m = grab(&t, matrix, sizeof(float));

	find_mean(&t, rows, n, t.n, seed);
	centred_sample(&t, rows, n, t.n, seed, t.x);
	find_rotation(&t, host, seed, TURNS_SHARE, codebooks);

	drop(&t, t.m);
	drop(&t, t.rotation);
	for (int i = 0; i < 2; i++)
	{
		drop(&t, t.spare[i]);
		drop(&t, t.flipped[i]);
	}
	drop(&t, t.block);
	drop(&t, t.x);
	train_codebooks(&t, rows, n, seed, rotation, codebooks);
	add_mean(&t, rotation, codebooks);
	drop(&t, t.mean);
	if (host->progress != NULL)
		host->progress(host->arg, 1);
}
