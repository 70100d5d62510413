-- index scans

CREATE FUNCTION vector_last_scan(OUT index regclass, OUT mode text, OUT searches bigint, OUT batches bigint,
	OUT visited bigint, OUT filtered bigint, OUT distances bigint, OUT reread bigint, OUT returned bigint) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION vector_last_scan() IS
	'what the index scan of this session that ended last has done';
