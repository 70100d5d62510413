--@since 1.1.0
-- recall by measurement

--@for TYPE | DEFAULT | WHAT
--@in text | DEFAULT NULL | a query, or rows of its table
--@in anyarray | | an array
CREATE FUNCTION vector_recall(index regclass, queries {TYPE} {DEFAULT}, k integer DEFAULT 10, sample integer DEFAULT 100,
	filter text DEFAULT NULL, time_limit interval DEFAULT '1 minute',
	OUT queries_measured integer, OUT recall double precision, OUT recall_low double precision, OUT recall_high double precision,
	OUT p50_ms double precision, OUT p95_ms double precision, OUT exact_p50_ms double precision, OUT exact_p95_ms double precision,
	OUT complete boolean) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vector_recall(regclass, {TYPE}, integer, integer, text, interval) IS
	'recall of an index against exact search, under the settings in force: of {WHAT}';

--@end
--@end
