/*
 * verify_code.c
 *	  Does an entry's code fit its row, though another processor made it?
 */
#include "ivf/model.h"

#include <math.h>

#include "index/verify.h"

/* What a code is of, and room for a decoded one */
typedef struct Code
{
	const IvfModel *model;
	const float *residual;
	const float *centroid;
	float	   *decoded;
} Code;

/* The add and k that a RaBitQ code must have (rabitq.h), and its angle */
static double
rabitq_numbers(const Code *code, const uint8 *levels, double *add, double *k)
{
	const IvfModel *model = code->model;
	int			width = model->width;
	double		norm2 = verify_product(code->residual, code->residual, width);
	double		along;
	double		factor;

	rabitq_decode(levels, width, model->bits, code->decoded);
	along = verify_product(code->decoded, code->residual, width);
	factor = along != 0 ? norm2 / along : 0;
	if (model->column.traits->product)
	{
		*add = factor * verify_product(code->decoded, code->centroid, width) -
			verify_product(code->residual, code->centroid, width);
		*k = -factor;
	}
	else
	{
		*add = norm2 + 2 * factor * verify_product(code->decoded, code->centroid, width);
		*k = -2 * factor;
	}
	return along / sqrt(norm2 * verify_product(code->decoded, code->decoded, width));
}

bool
ivf_code_fits(const IvfModel *model, const IvfEntry *entry, const IvfEntry *made,
			  const float *residual, const float *centroid, float *decoded)
{
	const Code	code = {model, residual, centroid, decoded};
	int			width = model->width;
	double		norm2 = verify_product(residual, residual, width);
	double		centre2 = verify_product(centroid, centroid, width);
	double		size = norm2 + centre2;
	double		part = VERIFY_CODE_SLACK + 1e-5 * sqrt(size / Max(norm2, 1e-300));
	double		add[2];
	double		k[2];
	double		angle[2];

	if (memcmp(entry->code, made->code, ivf_code_bytes(model)) == 0 &&
		entry->add == made->add && entry->k == made->k)
		return true;
	if (part > 0.1 || !isfinite(size) || size > 1e36)
		return true;
	if (model->kind == IVF_PQ)
	{
		double		error[2];

		for (int i = 0; i < 2; i++)
		{
			pq_decode(&model->pq, model->codebooks, i == 0 ? made->code : entry->code,
					  decoded);
			add[i] = verify_product(decoded, decoded, width) +
				2 * verify_product(decoded, centroid, width);
			error[i] = 0;
			for (int d = 0; d < width; d++)
				error[i] += ((double) residual[d] - decoded[d]) *
					((double) residual[d] - decoded[d]);
		}
		return error[1] <= error[0] * (1 + part) + part * norm2 &&
			(model->column.traits->product ||
			 verify_near(entry->add, add[1], part, size + fabs(add[1])));
	}
	for (int i = 0; i < 2; i++)
	{
		const IvfEntry *of = i == 0 ? made : entry;

		angle[i] = rabitq_numbers(&code, model->bits == 1 ? of->code
								  : ((const RabitqCode *) of->code)->levels,
								  &add[i], &k[i]);
	}
	return angle[1] >= angle[0] - part &&
		verify_near(model->bits == 1 ? entry->add
					: ((const RabitqCode *) entry->code)->add, add[1], part,
					size + fabs(add[1])) &&
		verify_near(model->bits == 1 ? entry->k
					: ((const RabitqCode *) entry->code)->k, k[1], part, fabs(k[1]));
}
