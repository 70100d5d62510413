/*
 * sphere.h
 *	  Spheres: a center and a radius, for conditions on distances.
 *
 * A row type for each type of vectors: sphere_vector is (center vector, radius
 * double precision).  value <<->> sphere is true where value <-> center is a
 * number and at most the radius (a radius that is no number is greater than all
 * numbers, as everywhere in SQL), null where one of the three is null.
 *
 * A distance that is no number is in no sphere: under cosine distance, that of
 * a value without a direction, which no index has.  A sphere whose radius is no
 * number has all values that have a distance from themselves, whatever its center
 * is: "1 - (v <=> zero) > 0.7" is true of all rows, since NaN is above all numbers,
 * and the planner asks an index for it by such a sphere.  So the operator says
 * the same with an index and without.
 */
#ifndef VECTOR_TYPES_SPHERE_H
#define VECTOR_TYPES_SPHERE_H

#include "compat/pg.h"

#include "access/htup.h"

/*
 * The parts of a sphere, center with a 4-byte header, in the current context.
 * False where one is null.
 */
extern bool sphere_parts(HeapTupleHeader sphere, const struct varlena **center,
						 double *radius);

#endif							/* VECTOR_TYPES_SPHERE_H */
