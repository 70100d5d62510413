--@since 1.1.0
-- how many rows a sphere has

CREATE FUNCTION vector_spheresel(internal, oid, internal, integer) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

--@end
-- spheres: a center and a radius, for conditions on distances
--@# A column cannot be declared as bit without a length but by its full name.

--@for T | CENTER
--@in vector | vector
--@in halfvec | halfvec
--@in sparsevec | sparsevec
--@in bit | pg_catalog.bit
CREATE TYPE sphere_{T} AS (center {CENTER}, radius double precision);

CREATE FUNCTION sphere({T}, double precision) RETURNS sphere_{T}
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN ROW($1, $2)::sphere_{T};

--@end
--@for T | METRIC | OP
--@in vector | l2 | <<->>
--@in vector | ip | <<#>>
--@in vector | cosine | <<=>>
--@in vector | l1 | <<+>>
--@in halfvec | l2 | <<->>
--@in halfvec | ip | <<#>>
--@in halfvec | cosine | <<=>>
--@in halfvec | l1 | <<+>>
--@in sparsevec | l2 | <<->>
--@in sparsevec | ip | <<#>>
--@in sparsevec | cosine | <<=>>
--@in sparsevec | l1 | <<+>>
--@in bit | hamming | <<~>>
--@in bit | jaccard | <<%>>
CREATE FUNCTION {T}_{METRIC}_in_sphere({T}, sphere_{T}) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10
	SUPPORT vector_distance_support;

CREATE OPERATOR {OP} (
	LEFTARG = {T}, RIGHTARG = sphere_{T}, FUNCTION = {T}_{METRIC}_in_sphere,
	RESTRICT = vector_spheresel, JOIN = areajoinsel
);

--@change 1.1.0
ALTER OPERATOR {OP} ({T}, sphere_{T}) SET (RESTRICT = vector_spheresel);

--@end
--@end
