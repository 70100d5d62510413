-- vector 1.0.0 to 1.1.0
--
-- What this leaves must be what vector--1.1.0.sql creates, object by object;
-- test/t/005_upgrade.pl compares the two.

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION vector UPDATE TO '1.1.0'" to load this file. \quit

-- casts

CREATE FUNCTION array_to_vector(bigint[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_halfvec(bigint[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_sparsevec(bigint[], integer, boolean) RETURNS sparsevec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION bit_to_vector(bit, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_to_float8(vector, integer, boolean) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_to_int8(vector, integer, boolean) RETURNS bigint[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION bit_to_halfvec(bit, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_to_float8(halfvec, integer, boolean) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_to_int8(halfvec, integer, boolean) RETURNS bigint[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (bigint[] AS vector)
	WITH FUNCTION array_to_vector(bigint[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (bigint[] AS halfvec)
	WITH FUNCTION array_to_halfvec(bigint[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (bigint[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(bigint[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (bit AS vector)
	WITH FUNCTION bit_to_vector(bit, integer, boolean);

CREATE CAST (vector AS double precision[])
	WITH FUNCTION vector_to_float8(vector, integer, boolean) AS ASSIGNMENT;

CREATE CAST (vector AS bigint[])
	WITH FUNCTION vector_to_int8(vector, integer, boolean) AS ASSIGNMENT;

CREATE CAST (bit AS halfvec)
	WITH FUNCTION bit_to_halfvec(bit, integer, boolean);

CREATE CAST (halfvec AS double precision[])
	WITH FUNCTION halfvec_to_float8(halfvec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (halfvec AS bigint[])
	WITH FUNCTION halfvec_to_int8(halfvec, integer, boolean) AS ASSIGNMENT;

-- A JSON array of numbers is the text form of a vector, and the other way round.
-- Casts by function would change what to_json() gives: a string, as for pgvector.

CREATE CAST (json AS vector) WITH INOUT AS ASSIGNMENT;

CREATE CAST (vector AS json) WITH INOUT AS ASSIGNMENT;

CREATE CAST (jsonb AS vector) WITH INOUT AS ASSIGNMENT;

CREATE CAST (vector AS jsonb) WITH INOUT AS ASSIGNMENT;

CREATE CAST (json AS halfvec) WITH INOUT AS ASSIGNMENT;

CREATE CAST (halfvec AS json) WITH INOUT AS ASSIGNMENT;

CREATE CAST (jsonb AS halfvec) WITH INOUT AS ASSIGNMENT;

CREATE CAST (halfvec AS jsonb) WITH INOUT AS ASSIGNMENT;

-- how many rows a sphere has

CREATE FUNCTION vector_spheresel(internal, oid, internal, integer) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

ALTER OPERATOR <<->> (vector, sphere_vector) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<#>> (vector, sphere_vector) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<=>> (vector, sphere_vector) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<+>> (vector, sphere_vector) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<->> (halfvec, sphere_halfvec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<#>> (halfvec, sphere_halfvec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<=>> (halfvec, sphere_halfvec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<+>> (halfvec, sphere_halfvec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<->> (sparsevec, sphere_sparsevec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<#>> (sparsevec, sphere_sparsevec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<=>> (sparsevec, sphere_sparsevec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<+>> (sparsevec, sphere_sparsevec) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<~>> (bit, sphere_bit) SET (RESTRICT = vector_spheresel);

ALTER OPERATOR <<%>> (bit, sphere_bit) SET (RESTRICT = vector_spheresel);
