/*
 * model.h
 *	  How values become codes.
 *
 * A value's floats x become y = T (x - mean), of width floats: T is a random
 * rotation for ivfrabitq, the rotation of OPQ if asked for, or nothing.
 * Centroids are such y's, and a code stands for the residual y - c.
 */
#ifndef VECTOR_IVF_MODEL_H
#define VECTOR_IVF_MODEL_H

#include "index/bounded.h"
#include "ivf/meta.h"
#include "math/quantize/fastscan.h"
#include "math/quantize/pq.h"
#include "math/quantize/rabitq.h"
#include "math/quantize/rotation.h"
#include "math/quantize/sq8.h"
#include "storage/itemptr.h"
#include "storage/value_store.h"

typedef struct IvfModel
{
	IvfKind		kind;
	IndexColumn column;
	int			dims;
	int			width;
	int			bits;
	bool		opq;
	bool		keeps_values;	/* in half precision, beside the codes */
	int			lists;

	float	   *mean;			/* dims; NULL: zero */
	Rotation	rotation;		/* rabitq */
	uint8	   *signs;
	float	   *matrix;			/* opq: dims * dims */
	PqShape		pq;
	float	   *codebooks;
	float	   *weights;		/* exact codes: dims (sq8.h) */

	/*
	 * Centroids: their floats where these are few; else 1-bit codes around 0,
	 * rotated by a rotation of their own, and the floats are on pages.
	 */
	float	   *centroids;		/* lists * width, or NULL */
	bool		has_codes;
	Rotation	code_rotation;
	uint8	   *code_signs;
	uint8	   *code_blocks;	/* FastScan */
	float	   *code_add;		/* 32 a block: the squared norm */
	float	   *code_k;
	BlockNumber *heads;			/* of the lists; not while an index is built */
	float	   *radii;			/* of the lists, at build */
	double		usual_error;	/* squared radius that three of four lists are
								 * within: what a few rows far away cannot move */
	uint32	   *built;			/* their entries then, or many */
} IvfModel;

/* Floats of centroids that every backend keeps */
#define IVF_CACHED_CENTROIDS	(64 * 1024)

/*
 * Fill in what meta says; the arrays stay NULL.  Errors where numbers do not
 * fit each other.
 */
extern void ivf_model_init(IvfModel *model, const IvfMeta *meta,
						   IndexColumn column);

/*
 * The y of a value, width floats.  False where it is not indexed (cosine
 * without direction).  What leaves float's range is brought back into it.
 * for_query: to be compared by the metric; an inner product needs the value
 * as it is then, T x.
 */
extern bool ivf_transform(const IvfModel *model, const struct varlena *value,
						  bool for_query, float *y);

/* The same of dims floats, which are normalised already, in place */
extern void ivf_transform_floats(const IvfModel *model, bool for_query,
								 float *y);

/* Of a y, like a centroid's, back to x, in place; dims floats are left */
extern void ivf_transform_back(const IvfModel *model, float *y);

/* Make the centroids' codes, into the arrays of model (code_blocks, ...). */
extern void ivf_make_centroid_codes(IvfModel *model, const float *centroids);

/* Bytes of an entry's code: levels, numbers, or the value itself */
extern Size ivf_code_bytes(const IvfModel *model);

/*
 * The factors that pages have in arrays: add and k, or add alone, or none; of exact
 * codes, norm, scale and error.  (RaBitQ codes of more than one bit have theirs before the levels.)
 */
static inline int
ivf_factors(const IvfModel *model)
{
	if (model->kind == IVF_FLAT)
		return 0;
	if (model->kind == IVF_EXACT)
		return 3;
	if (model->kind == IVF_RABITQ)
		return model->bits == 1 ? 2 : 0;
	return model->column.traits->product ? 0 : 1;
}

static inline bool
ivf_uses_fastscan(const IvfModel *model)
{
	return (model->kind == IVF_RABITQ && model->bits == 1) ||
		(model->kind == IVF_PQ && model->bits == 4);
}

static inline Size
ivf_nibbles(const IvfModel *model)
{
	return model->kind == IVF_PQ ? model->pq.m : model->width / 4;
}

/* An entry of a list; code has ivf_code_bytes */
typedef struct IvfEntry
{
	ItemPointerData tid;
	SlotId		value;			/* NO_SLOT: none is kept */
	float		add;			/* exact codes: norm */
	float		k;				/* scale */
	float		error;			/* of exact codes only */
	uint8	   *code;
	const uint8 *keys;			/* of filter columns; NULL: there are none */
} IvfEntry;

/* Encodes values as entries; private to model.c */
typedef struct IvfEncoder IvfEncoder;

/* model must outlive it. */
extern IvfEncoder *ivf_encoder_create(const IvfModel *model);

/*
 * Encode value, whose transform is y, as an entry of the list of centroid c:
 * fills in add, k and code.
 */
extern void ivf_encode(IvfEncoder *encoder, const struct varlena *value,
					   const float *y, const float *c, IvfEntry *entry);

/*
 * verify_code.c: does an entry's code fit residual, its value's y less the centroid?
 * made was made of it now; another processor may have rounded otherwise.  decoded has
 * room for width numbers.
 */
extern bool ivf_code_fits(const IvfModel *model, const IvfEntry *entry,
						  const IvfEntry *made, const float *residual,
						  const float *centroid, float *decoded);

/* See IvfMeta.code_error: the sum over all that has been encoded */
extern double ivf_encoder_error(const IvfEncoder *encoder);

/*
 * A value kept in the index: with its row's TID, so that a reader sees whether
 * the slot has been given to another entry meanwhile.
 */
typedef struct IvfValue
{
	ItemPointerData tid;
	uint16		unused;
	BoundedValue bounded;
} IvfValue;

/* Bytes of it */
static inline Size
ivf_value_size(const IndexColumn *column)
{
	return add_size(offsetof(IvfValue, bounded), bounded_size(column));
}

/* What makes such values, and intervals of distances from them */
typedef struct IvfBounder
{
	BoundedQuery query;
	IvfValue   *value;			/* room for one */
	Size		size;			/* of it */
	BlockNumber target;			/* see slot_page_find */
} IvfBounder;

extern IvfBounder *ivf_bounder_create(const IvfModel *model);

/* Keep a value; returns its number. */
extern SlotId ivf_write_value(IvfBounder *bounder, ValueStore *values,
							  const struct varlena *value, ItemPointer tid,
							  bool log);

#endif							/* VECTOR_IVF_MODEL_H */
