--@since 1.1.0
-- settings by measurement

CREATE FUNCTION vector_tune(index regclass, target_recall double precision DEFAULT 0.95, queries text DEFAULT NULL, k integer DEFAULT 10,
	sample integer DEFAULT 200, filter text DEFAULT NULL, apply boolean DEFAULT false, time_limit interval DEFAULT '1 minute',
	OUT statement text, OUT recall double precision, OUT recall_low double precision, OUT recall_high double precision,
	OUT queries_measured integer, OUT p50_ms double precision, OUT p95_ms double precision, OUT reached boolean) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vector_tune(regclass, double precision, text, integer, integer, text, boolean, interval) IS
	'the smallest setting with which an index finds a recall, by measurement; with apply, the index has it then';

CREATE FUNCTION hnsw_recall(index regclass, OUT k integer, OUT ef_search integer, OUT recall real) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 38;

COMMENT ON FUNCTION hnsw_recall(regclass) IS
	'the recall of each ef_search, as measured when an hnsw index was built or tuned';
--@end
