--@since 1.1.0
-- indexes that have to be rebuilt

CREATE FUNCTION vector_index_problem(index regclass) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION vector_index_problem(regclass) IS
	'why this index cannot be used as it is; null if it can';

CREATE FUNCTION vector_reindex_list(OUT index regclass, OUT "table" regclass, OUT size bigint, OUT reason text) RETURNS SETOF record
	LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
BEGIN ATOMIC
	SELECT l.index, l."table", pg_relation_size(l.index), l.reason
	FROM (
		SELECT i.indexrelid::regclass AS index, i.indrelid::regclass AS "table",
			CASE WHEN i.indisvalid THEN vector_index_problem(i.indexrelid::regclass) ELSE 'index is not valid' END AS reason
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE c.relkind = 'i' AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema())
			AND c.relam IN (SELECT d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				WHERE e.extname = 'vector' AND d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_am'::regclass AND d.deptype = 'e')
		ORDER BY pg_relation_size(i.indexrelid)) l
	WHERE l.reason IS NOT NULL;
END;

COMMENT ON FUNCTION vector_reindex_list() IS
	'indexes that have to be rebuilt: made by pgvector, of a version that is not read, damaged, or left by a build that failed';

CREATE PROCEDURE vector_reindex() LANGUAGE plpgsql AS $$
DECLARE
	list text;
	indexes oid[];
	name text;
BEGIN
	-- Up to the end of the transaction: a procedure that commits cannot have it as
	-- a property.
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT p.oid::regproc::text INTO list
	FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname = 'vector' AND p.proname = 'vector_reindex_list';
	EXECUTE 'SELECT array_agg(l.index::oid ORDER BY l.size) FROM ' || list || '() l JOIN pg_class c ON c.oid = l.index WHERE pg_has_role(c.relowner, ''USAGE'')'
		INTO indexes;
	COMMIT;
	FOR i IN 1 .. coalesce(pg_catalog.cardinality(indexes), 0) LOOP
		PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
		SELECT format('%I.%I', n.nspname, c.relname) INTO name
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = indexes[i];
		CONTINUE WHEN NOT FOUND;
		RAISE NOTICE 'rebuilding index % (% of %)', name, i, cardinality(indexes);
		EXECUTE 'REINDEX INDEX ' || name;
		COMMIT;
	END LOOP;
END $$;

COMMENT ON PROCEDURE vector_reindex() IS
	'rebuild the indexes of vector_reindex_list() that the caller owns, one after the other';

--@end
--@change 1.1.0
-- An operator between two types, that of spheres, is an optional member of its
-- operator family, as it is where pgvector made the class.

CREATE TEMPORARY VIEW optional_member AS
	SELECT o.oid, o.amopfamily FROM pg_catalog.pg_amop o JOIN pg_catalog.pg_am a ON a.oid = o.amopmethod
	WHERE a.amname IN ('hnsw', 'ivfflat', 'ivfpq', 'ivfrabitq') AND o.amoplefttype <> o.amoprighttype;

UPDATE pg_catalog.pg_depend SET deptype = 'a'
	FROM optional_member m WHERE classid = 'pg_catalog.pg_amop'::pg_catalog.regclass AND objid = m.oid AND deptype = 'n';

UPDATE pg_catalog.pg_depend SET deptype = 'a', refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass, refobjid = m.amopfamily
	FROM optional_member m WHERE classid = 'pg_catalog.pg_amop'::pg_catalog.regclass AND objid = m.oid AND deptype = 'i';

DROP VIEW optional_member;

--@end
