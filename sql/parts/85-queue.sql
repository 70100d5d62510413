--@since 1.1.0
-- keys of rows that a statement inserts, noted by the condition of a row trigger and
-- taken by a statement trigger: what tools/vectorizer's queues are filled by

CREATE FUNCTION vector_queue_note(queue integer, VARIADIC key "any") RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION vector_queue_noted(queue integer) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

CREATE FUNCTION vector_queue_take(queue integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;

--@end
