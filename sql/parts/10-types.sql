-- types
--@# Names, arguments and C symbols are those of pgvector 0.8, so that a database
--@# made with it finds everything in this library too.

CREATE FUNCTION vector_typanalyze(internal) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

--@for T
--@in vector
--@in halfvec
--@in sparsevec
CREATE TYPE {T};

CREATE FUNCTION {T}_in(cstring, oid, integer) RETURNS {T}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_out({T}) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_recv(internal, oid, integer) RETURNS {T}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {T}_send({T}) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE {T} (
	INPUT = {T}_in,
	OUTPUT = {T}_out,
	TYPMOD_IN = {T}_typmod_in,
	RECEIVE = {T}_recv,
	SEND = {T}_send,
	ANALYZE = vector_typanalyze,
	STORAGE = external
);

--@end
