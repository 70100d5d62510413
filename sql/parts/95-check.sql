--@since 1.1.0
-- is an index what its access method promises?

CREATE FUNCTION vector_index_check(index regclass, heapallindexed boolean DEFAULT false,
	OUT violation text, OUT block bigint, OUT slot integer, OUT heap_tid tid, OUT detail text) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10 COST 100000;

COMMENT ON FUNCTION vector_index_check(regclass, boolean) IS
	'a row for each invariant that an index violates; none if all is well';

CREATE FUNCTION vector_index_check_summary(index regclass, heapallindexed boolean DEFAULT false,
	OUT item text, OUT value bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 20 COST 100000;

COMMENT ON FUNCTION vector_index_check_summary(regclass, boolean) IS
	'what a check of an index has looked at, in numbers, and how many violations it has found';

-- PostgreSQL's progress of index builds, under a number that none of its commands has
CREATE FUNCTION vector_index_check_progress(OUT pid integer, OUT index regclass, OUT phase text,
	OUT blocks_done bigint, OUT blocks_total bigint) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 5
BEGIN ATOMIC
	SELECT p.pid, p.param7::oid::regclass,
		CASE p.param10 WHEN 101 THEN 'reading pages' WHEN 102 THEN 'following links'
			WHEN 103 THEN 'checking entries' WHEN 104 THEN 'checking rows' END,
		p.param17, p.param16
	FROM pg_stat_get_progress_info('CREATE INDEX') p
	WHERE p.param1 = 101 AND p.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
END;

COMMENT ON FUNCTION vector_index_check_progress() IS
	'checks of indexes that are under way in this database';
--@end
