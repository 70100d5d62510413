-- distances: what they cost

CREATE FUNCTION vector_distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--@# {C} is what a type's C functions begin with where several types have a
--@# function of one name.
--@for T | C | NORM
--@in vector | | vector_norm
--@in halfvec | halfvec_ | l2_norm
--@in sparsevec | sparsevec_ | l2_norm
-- {T}: distances

--@for F
--@in l2_distance
--@in inner_product
--@in cosine_distance
--@in l1_distance
CREATE FUNCTION {F}({T}, {T}) RETURNS double precision
	AS 'MODULE_PATHNAME', '{C}{F}' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	SUPPORT vector_distance_support;

--@end
-- {T}: distances that indexes use

--@for F
--@in l2_squared_distance
--@in negative_inner_product
CREATE FUNCTION {T}_{F}({T}, {T}) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	SUPPORT vector_distance_support;

--@end
-- {T}: length and direction

CREATE FUNCTION {NORM}({T}) RETURNS double precision
	AS 'MODULE_PATHNAME', '{C}{NORM}' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION l2_normalize({T}) RETURNS {T}
	AS 'MODULE_PATHNAME', '{C}l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- {T}: order, equality, hash

--@for F
--@in lt
--@in le
--@in eq
--@in ne
--@in ge
--@in gt
CREATE FUNCTION {T}_{F}({T}, {T}) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--@end
CREATE FUNCTION {T}_cmp({T}, {T}) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_hash({T}) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_hash_extended({T}, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--@end
--@for T | C
--@in vector |
--@in halfvec | halfvec_
-- {T}: distance that an index uses

CREATE FUNCTION {T}_spherical_distance({T}, {T}) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	SUPPORT vector_distance_support;

-- {T}: functions

CREATE FUNCTION vector_dims({T}) RETURNS integer
	AS 'MODULE_PATHNAME', '{C}vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION binary_quantize({T}) RETURNS bit
	AS 'MODULE_PATHNAME', '{C}binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION subvector({T}, integer, integer) RETURNS {T}
	AS 'MODULE_PATHNAME', '{C}subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- {T}: arithmetic

--@for F
--@in add
--@in sub
--@in mul
--@in concat
CREATE FUNCTION {T}_{F}({T}, {T}) RETURNS {T}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--@end
-- {T}: aggregates

CREATE FUNCTION {T}_accum(double precision[], {T}) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_avg(double precision[]) RETURNS {T}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'vector_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE AGGREGATE avg({T}) (
	SFUNC = {T}_accum,
	STYPE = double precision[],
	FINALFUNC = {T}_avg,
	COMBINEFUNC = {T}_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);

CREATE AGGREGATE sum({T}) (
	SFUNC = {T}_add,
	STYPE = {T},
	COMBINEFUNC = {T}_add,
	PARALLEL = SAFE
);

--@end
-- bit: distances

--@for F
--@in hamming_distance
--@in jaccard_distance
CREATE FUNCTION {F}(bit, bit) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

--@end
