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

-- fusion: scores of a ranked subquery's rows, over its window

CREATE FUNCTION rrf_score(weight double precision DEFAULT 1, k double precision DEFAULT 60) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION minmax_score(distance double precision, weight double precision DEFAULT 1) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION zscore_score(distance double precision, weight double precision DEFAULT 1) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;

-- searches by examples, and results that differ from each other

CREATE FUNCTION recommend_vector(positive vector[], negative vector[] DEFAULT '{}') RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE FUNCTION recommend_score(v vector, positive vector[], negative vector[] DEFAULT '{}') RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;

CREATE FUNCTION discover_score(v vector, target vector, positive vector[], negative vector[]) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;

CREATE FUNCTION context_score(v vector, positive vector[], negative vector[]) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;

CREATE FUNCTION mmr(query vector, candidates vector[], lambda double precision DEFAULT 0.5, k integer DEFAULT 10) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;

-- decay by distance from a wanted number, time or place

--@for F
--@in exp_decay
--@in gauss_decay
--@in linear_decay
CREATE FUNCTION {F}(value double precision, origin double precision, scale double precision,
	"offset" double precision DEFAULT 0, decay double precision DEFAULT 0.5) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION {F}(value timestamptz, origin timestamptz, scale interval,
	"offset" interval DEFAULT '0', decay double precision DEFAULT 0.5) RETURNS double precision
	AS 'MODULE_PATHNAME', '{F}_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--@end
CREATE FUNCTION globe_distance(latitude1 double precision, longitude1 double precision,
	latitude2 double precision, longitude2 double precision) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- Groups: the best rows of each of the nearest

CREATE FUNCTION nearest_groups(query text, groups integer, rows_per_group integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION nearest_groups(query text, groups integer, rows_per_group integer, VARIADIC arguments "any") RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

--@end
