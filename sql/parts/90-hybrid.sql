--@since 1.1.0
-- sparsevec: its elements as arrays

CREATE FUNCTION sparsevec_indices(sparsevec) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sparsevec_values(sparsevec) RETURNS real[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- BM25: a text's words, a set-up on a table and its triggers, queries

CREATE FUNCTION bm25_length(config regconfig, document text) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE FUNCTION bm25_length(document tsvector) RETURNS integer
	AS 'MODULE_PATHNAME', 'bm25_tsvector_length' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION bm25_setup("table" regclass, columns text[], config regconfig DEFAULT NULL,
	k1 double precision DEFAULT 1.2, b double precision DEFAULT 0.75,
	vector_column name DEFAULT 'bm25', dry_run boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION bm25_drop("table" regclass, vector_column name DEFAULT 'bm25', dry_run boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

CREATE FUNCTION bm25_refresh("table" regclass, vector_column name DEFAULT 'bm25', tolerance double precision DEFAULT 0) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

CREATE FUNCTION bm25_query("table" regclass, query text, vector_column name DEFAULT 'bm25') RETURNS sparsevec
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

CREATE FUNCTION bm25_document() RETURNS trigger
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION bm25_statistics() RETURNS trigger
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

--@end
