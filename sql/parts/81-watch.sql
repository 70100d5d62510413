--@since 1.1.0
-- what indexes are like

CREATE FUNCTION vector_index_info(indexes regclass[], walk boolean DEFAULT false,
	OUT index regclass, OUT "table" regclass, OUT method text, OUT opclass text, OUT type text, OUT dimensions integer,
	OUT options text[], OUT rows bigint, OUT dead bigint, OUT size bigint, OUT bytes_per_row double precision,
	OUT levels integer, OUT lists integer, OUT imbalance double precision, OUT segments integer, OUT pending_pages bigint,
	OUT quantizer text, OUT rerank text, OUT hot_size bigint, OUT cached double precision, OUT added double precision,
	OUT drift double precision, OUT needs_reindex boolean, OUT problem text) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10 COST 10000;

COMMENT ON FUNCTION vector_index_info(regclass[], boolean) IS
	'what indexes are like, by their metapages and counters, or by a walk over them';

CREATE VIEW vector_indexes AS
	SELECT i.* FROM (
		SELECT array_agg(c.oid::regclass ORDER BY c.oid) AS indexes FROM pg_class c
		WHERE c.relkind = 'i' AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema())
			AND c.relam IN (SELECT d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				WHERE e.extname = 'vector' AND d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_am'::regclass AND d.deptype = 'e')) l,
		LATERAL vector_index_info(l.indexes) i;

COMMENT ON VIEW vector_indexes IS
	'the indexes of this database that are of this extension''s access methods';

GRANT SELECT ON vector_indexes TO PUBLIC;

-- what scans have done

CREATE FUNCTION vector_scan_counters(OUT index regclass, OUT scans bigint, OUT searches bigint, OUT batches bigint,
	OUT visited bigint, OUT filtered bigint, OUT distances bigint, OUT reread bigint, OUT returned bigint,
	OUT restarts bigint, OUT fell_back bigint, OUT hit_max_scan_tuples bigint, OUT hit_memory bigint,
	OUT hit_max_probes bigint, OUT total_time double precision, OUT since timestamptz, OUT shared boolean) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 100;

COMMENT ON FUNCTION vector_scan_counters() IS
	'what the scans of each index have done: of all sessions where the library is preloaded, else of this one';

CREATE VIEW vector_stat_scans AS
	SELECT i.indrelid::regclass AS "table", s.* FROM vector_scan_counters() s LEFT JOIN pg_index i ON i.indexrelid = s.index;

COMMENT ON VIEW vector_stat_scans IS
	'what the scans of each index have done; a row without an index is for all that there is no room for';

GRANT SELECT ON vector_stat_scans TO PUBLIC;

CREATE FUNCTION vector_stat_reset(index regclass DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION vector_stat_reset(regclass) IS
	'set the counters of vector_stat_scans to 0: of an index, or of all of this database';

-- PostgreSQL's progress of VACUUM has nothing within an index; the last of its numbers
-- have. A parallel worker's are under a number that no command of CREATE INDEX has.
CREATE FUNCTION vector_vacuum_progress(OUT pid integer, OUT "table" regclass, OUT index regclass, OUT phase text,
	OUT done bigint, OUT total bigint) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 5
BEGIN ATOMIC
	SELECT p.pid, p.relid::regclass, p.param17::oid::regclass,
		CASE p.param18 WHEN 1 THEN 'marking dead elements' WHEN 2 THEN 'mending the graph' WHEN 3 THEN 'freeing elements'
			WHEN 4 THEN 'cleaning lists' WHEN 5 THEN 'cleaning segments' WHEN 6 THEN 'merging segments' END,
		p.param19, p.param20
	FROM (
		SELECT v.* FROM pg_stat_get_progress_info('VACUUM') v
		UNION ALL
		SELECT w.* FROM pg_stat_get_progress_info('CREATE INDEX') w WHERE w.param1 = 102) p
	WHERE p.param17 <> 0 AND p.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
END;

COMMENT ON FUNCTION vector_vacuum_progress() IS
	'how far VACUUM is in indexes of this database';

-- loading an index

CREATE FUNCTION vector_prewarm(index regclass, with_table boolean DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;

COMMENT ON FUNCTION vector_prewarm(regclass, boolean) IS
	'read an index, and what of its table its scans need, into shared buffers; returns how many blocks';

--@end
