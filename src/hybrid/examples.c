/*
 * examples.c
 *	  Searches by examples, and results that differ from each other: scores of
 *	  a vector by its cosine similarities with those of arrays.
 *
 * A similarity is 1 - cosine distance, and 0 where a vector is zero, which is
 * like nothing.  Work is proportional to the arrays' sizes (mmr: to candidates
 * times results), and can be interrupted.
 */
#include "types/dense.h"

#include <math.h>

#include "miscadmin.h"
#include "catalog/pg_type.h"
#include "types/distance_function.h"
#include "types/own_type.h"
#include "utils/array.h"

typedef struct Vectors
{
	int			count;
	DenseVector **vectors;
} Vectors;

/* The vectors of an array; all must have dim dimensions, unless that is 0. */
static void
read_vectors(Vectors *out, ArrayType *array, int dim, const char *what)
{
	Datum	   *elements;
	bool	   *nulls;

	if (own_type(ARR_ELEMTYPE(array)) != OWN_VECTOR)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s must be an array of vector", what)));
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &out->count);
	out->vectors = (DenseVector **) palloc(sizeof(DenseVector *) * Max(out->count, 1));
	for (int i = 0; i < out->count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain nulls", what)));
		out->vectors[i] = (DenseVector *) PG_DETOAST_DATUM(elements[i]);
		if (dim == 0)
			dim = out->vectors[i]->dim;
		if (out->vectors[i]->dim != dim)
			dense_dims_differ(&vector_type, dim, out->vectors[i]->dim);
	}
}

static double
similarity(const DenseVector *a, const DenseVector *b)
{
	double		distance = cosine_from_sums(distance_kernels->f32_cosine(DENSE_FLOATS(a), DENSE_FLOATS(b), a->dim));

	return isnan(distance) ? 0 : 1 - distance;
}

/* The greatest similarity with one of several; -infinity for none */
static double
best(const DenseVector *v, const Vectors *examples)
{
	double		found = -INFINITY;

	for (int i = 0; i < examples->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		found = Max(found, similarity(v, examples->vectors[i]));
	}
	return found;
}

static void
add_average(double *sum, const Vectors *vectors, double factor)
{
	for (int i = 0; i < vectors->count; i++)
		for (int j = 0; j < vectors->vectors[i]->dim; j++)
			sum[j] += factor * DENSE_FLOATS(vectors->vectors[i])[j] / vectors->count;
}

/*
 * recommend_vector(positive, negative): the vector to search by, twice the
 * average of the positive examples less the average of the negative ones; the
 * average of the positive ones where there are no negative ones.
 */
SQL_FUNCTION(recommend_vector)
{
	Vectors		positive;
	Vectors		negative;
	double	   *sum;
	float	   *values;
	int			dim;

	read_vectors(&positive, PG_GETARG_ARRAYTYPE_P(0), 0, "positive examples");
	if (positive.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no positive example"),
				 errhint("recommend_score ranks by negative examples alone.")));
	dim = positive.vectors[0]->dim;
	read_vectors(&negative, PG_GETARG_ARRAYTYPE_P(1), dim, "negative examples");
	sum = (double *) palloc0(sizeof(double) * dim);
	add_average(sum, &positive, negative.count > 0 ? 2 : 1);
	add_average(sum, &negative, -1);
	values = (float *) palloc(sizeof(float) * dim);
	for (int i = 0; i < dim; i++)
		values[i] = (float) sum[i];
	PG_RETURN_POINTER(dense_from_result(&vector_type, values, dim));
}

/*
 * recommend_score(v, positive, negative): the greatest similarity with a
 * positive example, where that is greater than with any negative one; else
 * minus the square of the latter.
 */
SQL_FUNCTION(recommend_score)
{
	DenseVector *v = DENSE_ARG(0);
	Vectors		positive;
	Vectors		negative;
	double		liked;
	double		disliked;

	read_vectors(&positive, PG_GETARG_ARRAYTYPE_P(1), v->dim, "positive examples");
	read_vectors(&negative, PG_GETARG_ARRAYTYPE_P(2), v->dim, "negative examples");
	if (positive.count + negative.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no example")));
	liked = best(v, &positive);
	disliked = best(v, &negative);
	PG_RETURN_FLOAT8(liked > disliked ? liked : -disliked * disliked);
}

static void
read_pairs(FunctionCallInfo fcinfo, int arg, int dim, Vectors *positive, Vectors *negative)
{
	read_vectors(positive, PG_GETARG_ARRAYTYPE_P(arg), dim, "positive examples");
	read_vectors(negative, PG_GETARG_ARRAYTYPE_P(arg + 1), dim, "negative examples");
	if (positive->count != negative->count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d positive and %d negative examples, which make no pairs",
						positive->count, negative->count)));
}

/*
 * discover_score(v, target, positive, negative): for each pair of a positive
 * and a negative example 1 if v is more like the positive one, -1 if it is more
 * like the negative one; plus a number between 0 and 1 that rises with the
 * similarity with the target, so that pairs decide first.
 */
SQL_FUNCTION(discover_score)
{
	DenseVector *v = DENSE_ARG(0);
	DenseVector *target = DENSE_ARG(1);
	Vectors		positive;
	Vectors		negative;
	double		score;

	dense_check_same_dims(&vector_type, v, target);
	read_pairs(fcinfo, 2, v->dim, &positive, &negative);
	score = 1 / (1 + exp(-similarity(v, target)));
	for (int i = 0; i < positive.count; i++)
	{
		double		difference = similarity(v, positive.vectors[i]) - similarity(v, negative.vectors[i]);

		CHECK_FOR_INTERRUPTS();
		score += (difference > 0) - (difference < 0);
	}
	PG_RETURN_FLOAT8(score);
}

/*
 * context_score(v, positive, negative): the sum, over pairs, of how much more v
 * is like the negative example than like the positive one, times -1; 0 where it
 * is on the positive side of all.
 */
SQL_FUNCTION(context_score)
{
	DenseVector *v = DENSE_ARG(0);
	Vectors		positive;
	Vectors		negative;
	double		score = 0;

	read_pairs(fcinfo, 1, v->dim, &positive, &negative);
	for (int i = 0; i < positive.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		score += Min(0, similarity(v, positive.vectors[i]) - similarity(v, negative.vectors[i]));
	}
	PG_RETURN_FLOAT8(score);
}

/*
 * mmr(query, candidates, lambda, k): places in the array, from 1, of k
 * candidates (all, where k is greater), each the one with the greatest
 *
 *		lambda * similarity with the query
 *		- (1 - lambda) * greatest similarity with one that was taken before
 *
 * of those that are left; of equals the first.  Source: Carbonell and
 * Goldstein, "The Use of MMR, Diversity-Based Reranking", 1998.
 */
SQL_FUNCTION(mmr)
{
	DenseVector *query = DENSE_ARG(0);
	double		lambda = PG_GETARG_FLOAT8(2);
	int			k = PG_GETARG_INT32(3);
	Vectors		candidates;
	double	   *relevance;
	double	   *redundancy;
	bool	   *taken;
	Datum	   *places;
	int			found = 0;

	if (!(lambda >= 0 && lambda <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lambda must be between 0 and 1")));
	if (k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be greater than 0")));
	read_vectors(&candidates, PG_GETARG_ARRAYTYPE_P(1), query->dim, "candidates");
	relevance = (double *) palloc(sizeof(double) * Max(candidates.count, 1));
	redundancy = (double *) palloc(sizeof(double) * Max(candidates.count, 1));
	taken = (bool *) palloc0(Max(candidates.count, 1));
	places = (Datum *) palloc(sizeof(Datum) * Max(candidates.count, 1));
	for (int i = 0; i < candidates.count; i++)
	{
		relevance[i] = similarity(query, candidates.vectors[i]);
		redundancy[i] = -INFINITY;
	}
	while (found < Min(k, candidates.count))
	{
		int			next = -1;
		double		most = -INFINITY;

		for (int i = 0; i < candidates.count; i++)
		{
			double		score;

			if (taken[i])
				continue;
			score = lambda * relevance[i] - (found > 0 ? (1 - lambda) * redundancy[i] : 0);
			if (next < 0 || score > most)
			{
				next = i;
				most = score;
			}
		}
		taken[next] = true;
		places[found++] = Int32GetDatum(next + 1);
		for (int i = 0; i < candidates.count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!taken[i])
				redundancy[i] = Max(redundancy[i], similarity(candidates.vectors[next], candidates.vectors[i]));
		}
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(places, found, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
