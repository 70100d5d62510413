/*
 * sphere.c
 *	  Spheres: a center and a radius, for conditions on distances.
 */
#include "types/sphere.h"

#include <math.h>

#include "executor/executor.h"
#include "utils/float.h"

#include "types/detoast.h"
#include "types/distance_function.h"

bool
sphere_parts(HeapTupleHeader sphere, const struct varlena **center,
			 double *radius)
{
	bool		no_center;
	bool		no_radius;
	Datum		value = GetAttributeByNum(sphere, 1, &no_center);
	Datum		number = GetAttributeByNum(sphere, 2, &no_radius);

	if (no_center || no_radius)
		return false;
	*center = PG_DETOAST_DATUM(value);
	*radius = DatumGetFloat8(number);
	return true;
}

/* name(value, sphere) with the distance that a function of this name gives */
#define IN_SPHERE(name, distance) \
	SQL_FUNCTION(name) \
	{ \
		const struct varlena *value; \
		const struct varlena *center; \
		double		radius; \
		double		from_center; \
		\
		if (!sphere_parts(PG_GETARG_HEAPTUPLEHEADER(1), &center, &radius)) \
			PG_RETURN_NULL(); \
		value = plain_argument(fcinfo, 0); \
		from_center = distance##_value(value, center); \
		if (isnan(from_center) && isnan(radius)) \
			from_center = distance##_value(value, value); \
		PG_RETURN_BOOL(!isnan(from_center) && float8_le(from_center, radius)); \
	} \
	extern int	no_such_variable

IN_SPHERE(vector_l2_in_sphere, l2_distance);
IN_SPHERE(vector_ip_in_sphere, vector_negative_inner_product);
IN_SPHERE(vector_cosine_in_sphere, cosine_distance);
IN_SPHERE(vector_l1_in_sphere, l1_distance);
IN_SPHERE(halfvec_l2_in_sphere, halfvec_l2_distance);
IN_SPHERE(halfvec_ip_in_sphere, halfvec_negative_inner_product);
IN_SPHERE(halfvec_cosine_in_sphere, halfvec_cosine_distance);
IN_SPHERE(halfvec_l1_in_sphere, halfvec_l1_distance);
IN_SPHERE(sparsevec_l2_in_sphere, sparsevec_l2_distance);
IN_SPHERE(sparsevec_ip_in_sphere, sparsevec_negative_inner_product);
IN_SPHERE(sparsevec_cosine_in_sphere, sparsevec_cosine_distance);
IN_SPHERE(sparsevec_l1_in_sphere, sparsevec_l1_distance);
IN_SPHERE(bit_hamming_in_sphere, hamming_distance);
IN_SPHERE(bit_jaccard_in_sphere, jaccard_distance);
