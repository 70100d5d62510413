-- casts: each with its function of the value, the type modifier of the target,
-- and whether the cast is explicit

--@for F | FROM | TO | CONTEXT
--@in vector | vector | vector | AS IMPLICIT
--@in halfvec | halfvec | halfvec | AS IMPLICIT
--@in sparsevec | sparsevec | sparsevec | AS IMPLICIT
--@in vector_to_float4 | vector | real[] | AS IMPLICIT
--@in vector_to_halfvec | vector | halfvec | AS IMPLICIT
--@in vector_to_sparsevec | vector | sparsevec | AS IMPLICIT
--@in halfvec_to_float4 | halfvec | real[] | AS ASSIGNMENT
--@in halfvec_to_vector | halfvec | vector | AS ASSIGNMENT
--@in halfvec_to_sparsevec | halfvec | sparsevec | AS IMPLICIT
--@in sparsevec_to_vector | sparsevec | vector | AS ASSIGNMENT
--@in sparsevec_to_halfvec | sparsevec | halfvec | AS ASSIGNMENT
--@in@1.1.0 vector_to_float8 | vector | double precision[] | AS ASSIGNMENT
--@in@1.1.0 vector_to_int8 | vector | bigint[] | AS ASSIGNMENT
--@in@1.1.0 halfvec_to_float8 | halfvec | double precision[] | AS ASSIGNMENT
--@in@1.1.0 halfvec_to_int8 | halfvec | bigint[] | AS ASSIGNMENT
--@in@1.1.0 bit_to_vector | bit | vector |
--@in@1.1.0 bit_to_halfvec | bit | halfvec |
CREATE FUNCTION {F}({FROM}, integer, boolean) RETURNS {TO}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST ({FROM} AS {TO})
	WITH FUNCTION {F}({FROM}, integer, boolean) {CONTEXT};

--@end
--@for T
--@in vector
--@in halfvec
--@in sparsevec
--@for FROM
--@in integer[]
--@in real[]
--@in double precision[]
--@in numeric[]
--@in@1.1.0 bigint[]
CREATE FUNCTION array_to_{T}({FROM}, integer, boolean) RETURNS {T}
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST ({FROM} AS {T})
	WITH FUNCTION array_to_{T}({FROM}, integer, boolean) AS ASSIGNMENT;

--@end
--@end
--@since 1.1.0
-- A JSON array of numbers is the text form of a vector, and the other way round.
-- Casts by function would change what to_json() gives: a string, as for pgvector.

--@for T
--@in vector
--@in halfvec
--@for JSON
--@in json
--@in jsonb
CREATE CAST ({JSON} AS {T}) WITH INOUT AS ASSIGNMENT;

CREATE CAST ({T} AS {JSON}) WITH INOUT AS ASSIGNMENT;

--@end
--@end
--@end
