/*
 * multi_vector.c
 *	  Arrays of vector or halfvec as one value, and their late interaction.
 *
 * An array's elements are plain varlenas, one after the other.  With as many
 * dimensions each, they are as far apart each, so a document is a matrix with a
 * stride, and its products with the query are those of matrices (math/maxsim).
 *
 * An empty document has no similarity: null, which every index leaves out and
 * every order has last.
 */
#include "types/multi_vector.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "math/maxsim/maxsim.h"

struct MaxSimQuery
{
	const DenseType *type;
	int			dims;
	MaxSim		sim;
	float	   *floats;			/* of halfvec: room for a block of a document */
};

/* ------------------------------------------------------------------------
 * Arrays
 */

void
multi_vector_read(MultiVector *out, const DenseType *type,
				  const struct varlena *value)
{
	const ArrayType *array = (const ArrayType *) value;
	const DenseVector *first;

	memset(out, 0, sizeof(*out));
	out->type = type;
	if (ARR_NDIM(array) == 0)
		return;
	if (ARR_NDIM(array) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D"),
				 errhint("Late interaction compares one-dimensional arrays of %s.",
						 type->limits.name)));
	if (ARR_HASNULL(array) && array_contains_nulls((ArrayType *) array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls"),
				 errhint("array_remove(array, NULL) leaves nulls out.")));

	out->count = ARR_DIMS(array)[0];
	out->first = ARR_DATA_PTR(array);
	if (out->count == 0)
		return;
	first = multi_vector_get(out, 0);
	out->dims = first->dim;
	out->step = INTALIGN(offsetof(DenseVector, elements) +
						 (Size) out->dims * type->elem_size);
	for (int i = 0; i < out->count; i++)
	{
		const DenseVector *vector = multi_vector_get(out, i);

		/* PostgreSQL makes arrays of plain elements only */
		if (unlikely(!VARATT_IS_4B_U(vector)))
			elog(ERROR, "unexpected element of an array of %s", type->limits.name);
		if (unlikely(vector->dim != out->dims))
			dense_dims_differ(type, out->dims, vector->dim);
	}
}

/* ------------------------------------------------------------------------
 * MaxSim
 */

MaxSimQuery *
max_sim_query_create(const DenseType *type, const struct varlena *value)
{
	MaxSimQuery *query = (MaxSimQuery *) palloc(sizeof(MaxSimQuery));
	MultiVector vectors;

	multi_vector_read(&vectors, type, value);
	if (vectors.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query has no vectors"),
				 errhint("Late interaction needs an array of at least one %s to compare documents with.",
						 type->limits.name)));
	query->type = type;
	query->dims = vectors.dims;
	query->floats = NULL;
	if (type == &halfvec_type)
		query->floats = (float *)
			palloc(mul_size(MAXSIM_ROWS, vectors.dims * sizeof(float)));
	maxsim_init(&query->sim, vectors.count, vectors.dims,
				(float *) MemoryContextAllocHuge(CurrentMemoryContext,
												 mul_size(maxsim_floats(vectors.count, vectors.dims),
														  sizeof(float))));
	for (int i = 0; i < vectors.count; i++)
	{
		const DenseVector *vector = multi_vector_get(&vectors, i);

		if (i % MAXSIM_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (type == &halfvec_type)
			distance_kernels->f16_to_f32(DENSE_HALVES(vector), query->floats,
										 query->dims);
		maxsim_set(&query->sim, i,
				   query->floats != NULL ? query->floats : DENSE_FLOATS(vector));
	}
	return query;
}

/* Add count vectors of a document, from number from on. */
static void
add_block(MaxSimQuery *query, const MultiVector *document, int from, int count)
{
	const float *floats;

	if (query->type == &vector_type)
	{
		floats = DENSE_FLOATS(multi_vector_get(document, from));
		maxsim_add(&query->sim, floats, document->step / sizeof(float), count);
		return;
	}
	for (int i = 0; i < count; i++)
		distance_kernels->f16_to_f32(DENSE_HALVES(multi_vector_get(document, from + i)),
									 query->floats + (Size) i * query->dims,
									 query->dims);
	maxsim_add(&query->sim, query->floats, query->dims, count);
}

bool
max_sim_value(MaxSimQuery *query, const struct varlena *value, double *result)
{
	MultiVector document;

	multi_vector_read(&document, query->type, value);
	if (document.count == 0)
		return false;
	if (document.dims != query->dims)
		dense_dims_differ(query->type, document.dims, query->dims);
	maxsim_begin(&query->sim);
	for (int i = 0; i < document.count; i += MAXSIM_ROWS)
	{
		CHECK_FOR_INTERRUPTS();
		add_block(query, &document, i, Min(document.count - i, MAXSIM_ROWS));
	}
	*result = maxsim_sum(&query->sim);
	return true;
}

/* ------------------------------------------------------------------------
 * SQL functions
 */

/* The query of the calls so far, on fn_extra, in a context of its own */
typedef struct MaxSimState
{
	MemoryContext context;
	struct varlena *argument;	/* as it came: plain, compressed or a TOAST pointer */
	MaxSimQuery *query;
} MaxSimState;

/*
 * The prepared query of a call: the one of the call before, where the argument's
 * bytes are the same.  (Within a statement, a TOAST pointer names one value.)
 */
static MaxSimQuery *
query_of_call(FunctionCallInfo fcinfo, const DenseType *type)
{
	MaxSimState *state = (MaxSimState *) fcinfo->flinfo->fn_extra;
	struct varlena *argument = (struct varlena *) PG_GETARG_POINTER(1);
	MemoryContext caller;
	Size		size;

	/* what is a pointer to memory may point to something else next time */
	if (VARATT_IS_EXTERNAL(argument) && !VARATT_IS_EXTERNAL_ONDISK(argument))
		argument = pg_detoast_datum(argument);
	size = VARSIZE_ANY(argument);
	if (state != NULL && state->query != NULL &&
		VARSIZE_ANY(state->argument) == size &&
		memcmp(state->argument, argument, size) == 0)
		return state->query;

	if (state == NULL)
	{
		state = (MaxSimState *) MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
													   sizeof(MaxSimState));
		state->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "max_sim",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = state;
	}
	state->query = NULL;
	MemoryContextReset(state->context);
	caller = MemoryContextSwitchTo(state->context);
	state->argument = (struct varlena *) palloc(size);
	memcpy(state->argument, argument, size);
	state->query = max_sim_query_create(type, pg_detoast_datum(argument));
	MemoryContextSwitchTo(caller);
	return state->query;
}

static bool
max_sim_of_call(FunctionCallInfo fcinfo, const DenseType *type, double *result)
{
	MaxSimQuery *query = query_of_call(fcinfo, type);
	struct varlena *argument = (struct varlena *) PG_GETARG_POINTER(0);
	struct varlena *document = pg_detoast_datum(argument);
	bool		found = max_sim_value(query, document, result);

	if (document != argument)
		pfree(document);
	return found;
}

/* max_sim(document, query), and its negative, the distance; null of no vectors */
#define MAX_SIM_FUNCTIONS(type) \
	SQL_FUNCTION(type##_max_sim) \
	{ \
		double		result; \
		\
		if (!max_sim_of_call(fcinfo, &type##_type, &result)) \
			PG_RETURN_NULL(); \
		PG_RETURN_FLOAT8(result); \
	} \
	SQL_FUNCTION(type##_max_sim_distance) \
	{ \
		double		result; \
		\
		if (!max_sim_of_call(fcinfo, &type##_type, &result)) \
			PG_RETURN_NULL(); \
		PG_RETURN_FLOAT8(-result); \
	} \
	extern int	no_such_variable

MAX_SIM_FUNCTIONS(vector);
MAX_SIM_FUNCTIONS(halfvec);
