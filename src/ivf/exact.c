/*
 * exact.c
 *	  The codes of flat: 8 bits a dimension, with proven errors.
 */
#include "ivf/exact.h"

#include <math.h>

bool
exact_metric(Metric metric, Sq8Metric *sq8)
{
	Sq8Metric	found;

	switch (metric)
	{
		case METRIC_L2:
			found = SQ8_L2;
			break;
		case METRIC_IP:
			found = SQ8_NEGATIVE_IP;
			break;
		case METRIC_COSINE:
			found = SQ8_COSINE;
			break;
		default:
			return false;
	}
	if (sq8 != NULL)
		*sq8 = found;
	return true;
}

static Sq8Metric
metric_of(const IvfModel *model)
{
	Sq8Metric	result = SQ8_L2;

	(void) exact_metric(model->column.metric, &result);
	return result;
}

/* What may be said of a value's distances */
typedef enum Knowledge
{
	NO_NUMBERS,
	NOTHING,
	BOUNDS
} Knowledge;

static Knowledge
read_floats(const IvfModel *model, const struct varlena *value, float *floats)
{
	double		norm;

	if (!column_floats(&model->column, value, floats, &norm))
		return NO_NUMBERS;
	return model->column.traits->normalized && !bounded_norm_is_usual(norm)
		? NOTHING : BOUNDS;
}

void
exact_encode(const IvfModel *model, const struct varlena *value, float *floats,
			 IvfEntry *entry)
{
	Knowledge	knowledge = read_floats(model, value, floats);
	Sq8Factors	factors;

	if (knowledge == BOUNDS)
		sq8_encode(floats, model->mean, model->weights, model->dims, metric_of(model),
				   entry->code, &factors);
	else
		sq8_no_factors(knowledge == NOTHING, model->dims, entry->code, &factors);
	entry->add = factors.norm;
	entry->k = factors.scale;
	entry->error = factors.error;
}

bool
exact_holds(const IvfModel *model, const struct varlena *value, float *floats,
			const IvfEntry *entry)
{
	Sq8Factors	factors = {entry->k, entry->error, entry->add};
	Knowledge	knowledge = read_floats(model, value, floats);

	if (knowledge == NO_NUMBERS)
		return isnan(entry->error) || entry->error == INFINITY;
	if (knowledge == NOTHING)
		return entry->error == INFINITY;
	return sq8_code_holds(floats, model->mean, model->weights, model->dims,
						  metric_of(model), entry->code, &factors);
}

void
exact_prepare(const IvfModel *model, const float *floats, double norm,
			  Sq8Query *query)
{
	sq8_query_prepare(query, floats, model->mean, model->weights, model->dims,
					  metric_of(model),
					  model->column.traits->normalized && !bounded_norm_is_usual(norm));
}
