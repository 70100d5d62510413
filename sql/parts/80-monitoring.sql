-- index scans

CREATE FUNCTION vector_last_scan(OUT index regclass, OUT mode text, OUT searches bigint, OUT batches bigint,
	OUT visited bigint, OUT filtered bigint, OUT distances bigint, OUT reread bigint, OUT returned bigint, OUT ef integer) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION vector_last_scan() IS
	'what the index scan of this session that ended last has done';
--@change 1.1.0
DROP FUNCTION vector_last_scan();

CREATE FUNCTION vector_last_scan(OUT index regclass, OUT mode text, OUT searches bigint, OUT batches bigint,
	OUT visited bigint, OUT filtered bigint, OUT distances bigint, OUT reread bigint, OUT returned bigint, OUT ef integer) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION vector_last_scan() IS
	'what the index scan of this session that ended last has done';

--@end
--@since 1.1.0
-- builds

CREATE FUNCTION vector_last_build(OUT index regclass, OUT rows bigint, OUT size bigint, OUT seconds double precision,
	OUT memory bigint, OUT workers integer, OUT phases text[], OUT phase_seconds double precision[]) RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION vector_last_build() IS
	'what the build of an index of this session that ended last has taken';
--@end
