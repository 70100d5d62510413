/*
 * codec.h
 *	  How an index keeps the value of an element, and what distances it
 *	  computes from that.
 *
 * With a quantizer, an element has a RaBitQ code (math/quantize/rabitq.h) of
 * the value less the mean of the data, rotated.  Distances from codes are
 * estimates; the walk through an index runs on them.  Then the candidates'
 * true distances are needed: from half precision values (index/bounded.h) or from
 * the table.
 *
 * Without one ("plain"), an element has the value itself, as a varlena with a
 * 4-byte header, in place if it fits or else in a ValueStore.  Distances are
 * what the operator gives.
 *
 * Metrics of codes: L2 and cosine walk by the squared distance (of values of
 * norm 1 for cosine), inner product by its negative.
 *
 * A centred codec, of inner product only, tells elements from queries.  With c
 * the mean, a = x - c and b = y - c, two elements x and y are compared by
 *
 *		weight (min(|a|^2, most) + min(|b|^2, most)) - 2 <a, b>,
 *
 * and elements with a query q by -2 <q, y>, which does not depend on where the
 * origin is, so that it orders as the operator does.  A plain one compares
 * elements likewise, and gives the operator's own result for a query.  See
 * hnsw/README.md.
 */
#ifndef VECTOR_INDEX_CODEC_H
#define VECTOR_INDEX_CODEC_H

#include "compat/pg.h"

#include "index/bounded.h"
#include "index/column.h"
#include "math/quantize/rabitq.h"
#include "math/quantize/rotation.h"
#include "storage/value_store.h"

typedef struct Codec
{
	IndexColumn column;
	int			bits;			/* of a code's dimension; 0: plain */
	Size		payload_size;	/* bytes of an element's payload */
	uint64		seed;
	Rotation	rotation;		/* these, only where bits > 0 */
	const uint8 *signs;
	const float *mean;			/* column.dims floats, before rotation; NULL:
								 * there is none (codec_has_mean) */
	double		mean_norm2;
	bool		centred;		/* see above; false from codec_init */
	float		weight;
	float		most;
} Codec;

/* Can codes stand for this column's values? */
extern bool codec_quantizable(const IndexColumn *column);

/*
 * Do values of such a codec have a mean?  Sparse ones of very many dimensions
 * have not: what is nearly always zero has a mean of nearly zero.
 */
extern bool codec_has_mean(const IndexColumn *column, int bits);

/* Bytes of the payload of a column's codes */
extern Size codec_code_size(const IndexColumn *column, int bits);

/* Bytes that signs and mean need, and filling them in; mean may be NULL: 0 */
extern Size codec_constants_size(const IndexColumn *column, int bits);
extern void codec_init(Codec *codec, IndexColumn column, int bits,
					   Size payload_size, uint64 seed, const float *mean,
					   void *constants);

/*
 * Another mean, at mean, which stays there; the others as above.  Codes
 * that were made before stand for something else then.
 */
extern void codec_set_mean(Codec *codec, const float *mean, bool centred,
						   float weight, float most);

/* A payload that refers to a value elsewhere: its first word is 0. */
typedef struct OuterValue
{
	uint32		zero;
	SlotId		value;
	uint32		size;
} OuterValue;

#define PAYLOAD_IS_OUTER(payload)	(((const OuterValue *) (payload))->zero == 0)

/*
 * Is a plain payload one of the column's values, or a reference to one of a
 * length that it can have?
 */
extern bool codec_plain_valid(const Codec *codec, const void *payload);

/* False for what is not indexed: a value of zeros under cosine distance */
extern bool codec_indexes(const Codec *codec, const struct varlena *value);

/* A hash of a value's bits; equal values have equal ones. */
extern uint64 codec_hash(const Codec *codec, const struct varlena *value);

/*
 * What distances are computed from: a value, or an element's payload.
 */
typedef struct CodecQuery
{
	const Codec *codec;
	ValueStore *outer;			/* where outer payloads are, or NULL */
	bool		constant;		/* all distances are 0: there is no order */
	bool		element;		/* plain and centred: it is an element */
	const struct varlena *value;	/* plain, or the value it was set to */
	RabitqQuery *rabitq;		/* with a quantizer */
	BoundedQuery exact;			/* with a quantizer, of a value */
	float	   *floats;			/* of exact; of a plain element, less the mean */
	float	   *residual;		/* less the mean, rotated; padded */
	double		residual_mean;	/* <value - mean, mean> */
	double		base;			/* of an element: weight min(|a|^2, most) */
	double		value_mean;		/* of a sparse element: <x, c> */
	char	   *scratch[2];		/* outer values, read in */
	Size		scratch_size[2];
} CodecQuery;

/*
 * A query in the current context.  from_values: it will be set to values, not
 * only to payloads.
 */
extern CodecQuery *codec_query_create(const Codec *codec, ValueStore *outer,
									  bool from_values);

/*
 * Prepare for a plain varlena of the column's type and dimensions, which stays
 * where it is.  NULL, or a value that has no distances (of norm 0 under
 * cosine), makes the query constant.  element: it is to be an element; distances
 * are as between elements then, and codec_encode and bounded_make can be asked.
 */
extern void codec_query_set(CodecQuery *query, const struct varlena *value,
							bool element);

/*
 * Prepare for the value that a payload stands for; the payload stays where it
 * is.
 */
extern void codec_query_set_payload(CodecQuery *query, const void *payload);

/* Is a value too long for a payload?  It goes to a ValueStore then. */
extern bool codec_is_outer(const Codec *codec, const struct varlena *value);

/*
 * The payload of the query's value, which codec_query_set has set as an element, and
 * which is not outer.  Bytes behind its end are left alone.
 */
extern void codec_encode(const CodecQuery *query, void *payload);

/*
 * Does an element's payload stand for the query's value?  encoded is the
 * query's own payload, its rest zeroed.  With a quantizer, the same code may
 * stand for several values; equal hashes must come on top.
 */
extern bool codec_same(CodecQuery *query, const void *encoded,
					   const void *payload);

/*
 * Distances to count payloads.  With a quantizer, any bytes may stand there:
 * the result is a number, or NaN.  Plain payloads must be valid ones.
 */
extern void codec_distances(CodecQuery *query, const void *const *payloads,
							int count, float *out);

/* The true distance to a plain payload, as the operator gives it */
extern double codec_plain_distance(CodecQuery *query, const void *payload);

#endif							/* VECTOR_INDEX_CODEC_H */
