-- who may do what, and what hostile input does: see SECURITY.md
CREATE SCHEMA security;
SET search_path = security, public;
SET client_min_messages = warning;
CREATE ROLE regress_vector_owner;
CREATE ROLE regress_vector_outsider;
GRANT USAGE, CREATE ON SCHEMA security TO regress_vector_owner, regress_vector_outsider;
-- what a statement ends with: "none", or its error
CREATE FUNCTION error_of(statement text, OUT code text, OUT error text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	code := 'none';
EXCEPTION WHEN OTHERS THEN
	code := SQLSTATE;
	error := SQLERRM;
END $$;
CREATE VIEW centroid_tables AS SELECT objid::regclass AS index, refobjid::regclass AS "table", attname AS "column" FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype = 'n' AND objid IN (SELECT oid FROM pg_class WHERE relkind IN ('i', 'I'));
GRANT SELECT ON centroid_tables TO PUBLIC;

-- types are not known by their names
SET ROLE regress_vector_outsider;
CREATE DOMAIN security.halfvec AS bytea;
DO $$
DECLARE
	base text;
	wrong text;
BEGIN
	FOREACH base IN ARRAY '{text,bytea,bigint,int,float8,real[],bit varying,name,public.sparsevec,json}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN security.vector AS %s; CREATE TABLE security.imposter (v security.vector)', base);
		INSERT INTO security.imposter VALUES (NULL);
		wrong := (SELECT e.error FROM error_of('SELECT * FROM vector_kmeans(''SELECT NULL::security.vector'', 1)') e);
		RAISE WARNING '%: %', base, wrong;
		wrong := (SELECT e.error FROM error_of('SELECT * FROM vector_kmeans(''security.imposter'', 1)') e);
		IF wrong IS DISTINCT FROM 'table "imposter" has no column of type vector or halfvec' THEN RAISE WARNING '%', wrong; END IF;
		DROP TABLE security.imposter;
		DROP DOMAIN security.vector;
	END LOOP;
END $$;
CREATE TYPE security.vector AS (x int);
SELECT r.* FROM unnest(ARRAY[
	'SELECT * FROM vector_kmeans(''SELECT ROW(1)::security.vector'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT ''''\x0100''''::security.halfvec'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT 81985529216486895'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT ARRAY[''''[1]''''::public.vector]'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT 1 WHERE false'', 1)',
	'SELECT * FROM vector_kmeans(''SELECT FROM pg_class'', 1)',
	'SELECT * FROM vector_kmeans(''WITH x AS (DELETE FROM pg_class RETURNING NULL::public.vector) SELECT * FROM x'', 1)',
	'SELECT * FROM vector_kmeans(''pg_authid'', 1)',
	'SELECT * FROM vector_kmeans(''nowhere.nothing'', 1)',
	'SELECT * FROM vector_kmeans(''"'', 1)']) statement, error_of(statement) r;
DROP TYPE security.vector;
DROP DOMAIN security.halfvec;
-- domains over our types are our types
CREATE DOMAIN wide AS public.vector CHECK (public.vector_dims(VALUE) > 1);
CREATE DOMAIN wider AS wide;
CREATE DOMAIN narrow AS halfvec;
CREATE TABLE domains (w wider, n narrow);
INSERT INTO domains VALUES ('[1,2,3]', '[1,2,3]'), ('[1,2,3]', NULL);
SELECT centroid, size FROM vector_kmeans('domains', 1) UNION ALL SELECT centroid, size FROM vector_kmeans('SELECT n FROM security.domains', 1);

-- centroids from tables with such types
CREATE TABLE mine (v public.vector(3), i int);
INSERT INTO mine SELECT ARRAY[n, 1, 2]::public.vector, n FROM generate_series(1, 20) n;
CREATE DOMAIN vector AS real[];
CREATE TABLE arrays (v vector);
INSERT INTO arrays VALUES ('{NULL,NULL,NULL}');
SELECT * FROM error_of('CREATE INDEX ON mine USING ivfflat (v vector_l2_ops) WITH (centroids = ''security.arrays'')');
DROP TABLE arrays;
DROP DOMAIN vector;
CREATE INDEX ON mine USING ivfflat (v public.vector_l2_ops) WITH (centroids = 'security.domains');
SELECT * FROM ivf_centroids('mine_v_idx');
SELECT * FROM centroid_tables;
UPDATE domains SET w = NULL WHERE n IS NULL;
SELECT * FROM error_of('REINDEX INDEX mine_v_idx');
UPDATE domains SET w = '[1,2]' WHERE n IS NULL;
SELECT * FROM error_of('REINDEX INDEX mine_v_idx');
DELETE FROM domains;
SELECT * FROM error_of('REINDEX INDEX mine_v_idx');
DROP TABLE mine, domains;
RESET ROLE;

-- nor does the extension's schema matter
CREATE SCHEMA "Another schema";
ALTER EXTENSION vector SET SCHEMA "Another schema";
SELECT centroid FROM "Another schema".vector_kmeans($$SELECT '[1,2]'::"Another schema".halfvec$$, 1);
CREATE TABLE moved (v "Another schema".vector(2));
INSERT INTO moved SELECT '[1,2]' FROM generate_series(1, 300);
CREATE TABLE moved_centroids AS SELECT '[3,4]'::"Another schema".halfvec(2) AS h;
CREATE INDEX ON moved USING ivfpq (v "Another schema".vector_ip_ops) WITH (centroids = 'security.moved_centroids');
SELECT list, centroid::text FROM "Another schema".ivf_centroids('moved_v_idx');
ALTER EXTENSION vector SET SCHEMA public;
DROP TABLE moved, moved_centroids;

-- what an index tells of its table: SELECT on it, and no policy that hides rows
SET ROLE regress_vector_owner;
CREATE TABLE docs (id int, owner name, v vector(3), w vector(3));
INSERT INTO docs SELECT n, CASE WHEN n % 2 = 0 THEN 'regress_vector_outsider' ELSE 'alice' END, ARRAY[n, n * 2, n * 3]::vector, ARRAY[1, n, 2]::vector FROM generate_series(1, 40) n;
CREATE INDEX docs_flat ON docs USING ivfflat (v vector_l2_ops) WITH (lists = 40);
CREATE INDEX docs_pq ON docs USING ivfpq (v vector_l2_ops, id);
CREATE INDEX docs_rabitq ON docs USING ivfrabitq ((w::vector(3)) vector_l2_ops);
CREATE INDEX docs_part ON docs USING ivfrabitq (v vector_l2_ops) WHERE id > 3;
CREATE FUNCTION may_look(OUT index text, OUT function text, OUT code text, OUT error text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT i, f, r.* FROM unnest('{docs_flat,docs_pq,docs_rabitq,docs_part}'::text[]) WITH ORDINALITY i (i, n), unnest('{ivf_centroids,ivf_drift,ivf_recall}'::text[]) f, error_of(format('SELECT * FROM %s(''%s'')', f, i)) r ORDER BY n, f
$$;
SELECT code, count(*) FROM may_look() GROUP BY code;
SET ROLE regress_vector_outsider;
SELECT code, error, count(*) FROM may_look() GROUP BY code, error;
RESET ROLE;
-- some columns: not of expressions and predicates
GRANT SELECT (v) ON docs TO regress_vector_outsider;
SET ROLE regress_vector_outsider;
SELECT index, code, error, count(*) FROM may_look() GROUP BY index, code, error ORDER BY index;
RESET ROLE;
GRANT SELECT (id, v, w) ON docs TO regress_vector_outsider;
SET ROLE regress_vector_outsider;
SELECT index, code, count(*) FROM may_look() GROUP BY index, code ORDER BY index;
RESET ROLE;
GRANT SELECT ON docs TO regress_vector_outsider;
SET ROLE regress_vector_outsider;
SELECT code, count(*) FROM may_look() GROUP BY code;
RESET ROLE;
-- policies
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON docs USING (owner = current_user);
SET ROLE regress_vector_outsider;
SELECT count(*) FROM docs;
SELECT code, error, count(*) FROM may_look() GROUP BY code, error;
SET row_security = off;
SELECT code, error, count(*) FROM may_look() GROUP BY code, error;
RESET row_security;
SELECT count(*) AS clusters, sum(size) AS rows FROM vector_kmeans('docs', 40);
SET ROLE regress_vector_owner;
SELECT code, count(*) FROM may_look() GROUP BY code;
RESET ROLE;
ALTER TABLE docs FORCE ROW LEVEL SECURITY;
SELECT code, count(*) FROM may_look() GROUP BY code;
SET ROLE regress_vector_owner;
SELECT code, count(*) FROM may_look() GROUP BY code;
RESET ROLE;
DROP TABLE docs;
-- what is no inverted file
CREATE TABLE others (v vector(3), p vector(3)) PARTITION BY RANGE (v);
CREATE INDEX ON others USING ivfflat (v vector_l2_ops);
CREATE TABLE plain (v vector(3));
CREATE INDEX ON plain USING hnsw (v vector_l2_ops);
CREATE INDEX ON plain USING btree (v);
SELECT r.* FROM unnest(ARRAY['0', '1', '''plain''', '''plain_v_idx''', '''plain_v_idx1''', '''others_v_idx''', '''pg_class_oid_index''']) index, unnest('{ivf_centroids,ivf_drift,ivf_recall}'::text[]) f, error_of(format('SELECT * FROM %s(%s)', f, index)) r GROUP BY r.code, r.error ORDER BY r.error COLLATE "C";
DROP TABLE others, plain;

-- an index's expressions run as their owner, restricted
SET ROLE regress_vector_owner;
CREATE TABLE traps (id int, v vector(3));
INSERT INTO traps SELECT n, ARRAY[n, n, n]::vector FROM generate_series(1, 30) n;
CREATE TABLE caught (role name);
CREATE TABLE deeds (deed text);
CREATE FUNCTION trap(vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE INDEX traps_index ON traps USING ivfrabitq ((trap(v)::vector(3)) vector_l2_ops) WITH (lists = 2);
CREATE FUNCTION spring() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	deed text;
BEGIN
	INSERT INTO security.caught VALUES (current_user);
	PERFORM pg_catalog.set_config('work_mem', '100kB', false);
	FOR deed IN SELECT d.deed FROM security.deeds d LOOP
		EXECUTE deed;
	END LOOP;
END $$;
CREATE OR REPLACE FUNCTION trap(vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM security.spring(); RETURN $1; END';
RESET ROLE;
SET work_mem = '10MB';
SELECT lists, entries, error FROM ivf_drift('traps_index');
SELECT count(*) FROM ivf_centroids('traps_index');
SELECT count(*) FROM ivf_recall('traps_index');
REINDEX INDEX traps_index;
VACUUM traps;
SELECT role, count(*) > 0 AS evaluated FROM caught GROUP BY role;
SHOW work_mem;
RESET work_mem;
CREATE FUNCTION attempt(deed text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM deeds;
	INSERT INTO deeds VALUES (deed);
	RETURN code FROM error_of('SELECT * FROM ivf_drift(''traps_index'')');
END $$;
SELECT deed, attempt(deed) FROM unnest('{SELECT,"ALTER ROLE regress_vector_owner SUPERUSER","SET ROLE regress_vector_outsider","RESET ROLE","SET SESSION AUTHORIZATION DEFAULT","CREATE TEMPORARY TABLE escape (i int)","DECLARE held CURSOR WITH HOLD FOR SELECT 1","LISTEN news"}'::text[]) deed;
SELECT current_user = session_user AS back, rolsuper FROM pg_roles WHERE rolname = 'regress_vector_owner';
DROP TABLE traps, caught, deeds;
DROP FUNCTION trap(vector), spring(), attempt(text);

-- centroids are read with the rights of the index's owner, whoever builds it
CREATE TABLE secret AS SELECT ARRAY[n, n, n]::vector(3) AS v, n FROM generate_series(1, 4) n;
SET ROLE regress_vector_owner;
CREATE TABLE items (v vector(3), t varchar(5));
INSERT INTO items SELECT ARRAY[n, 0, 1]::vector FROM generate_series(1, 100) n;
CREATE INDEX items_index ON items USING ivfflat (v vector_l2_ops) WITH (lists = 2);
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.secret'')') r;
RESET ROLE;
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.secret'')') r;
GRANT SELECT (n) ON secret TO regress_vector_owner;
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.secret'')') r;
GRANT SELECT (v) ON secret TO regress_vector_owner;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON secret USING (n < 3);
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.secret'')') r;
ALTER TABLE secret DISABLE ROW LEVEL SECURITY;
ALTER INDEX items_index SET (centroids = 'security.secret');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
SELECT r.* FROM error_of('REINDEX INDEX items_index') r;
ALTER TABLE secret DISABLE ROW LEVEL SECURITY;
REINDEX INDEX items_index;
SELECT count(*) FROM ivf_centroids('items_index');
REVOKE SELECT (v) ON secret FROM regress_vector_owner;
SELECT r.* FROM error_of('REINDEX INDEX items_index') r;
GRANT SELECT ON secret TO regress_vector_owner;

-- the table of centroids stays as long as the index needs it
SELECT * FROM centroid_tables;
SELECT r.* FROM unnest(ARRAY['DROP TABLE secret', 'ALTER TABLE secret DROP COLUMN v', 'ALTER TABLE secret ALTER v TYPE real[] USING NULL', 'ALTER TABLE secret DROP COLUMN n CASCADE']) statement, error_of(statement) r;
REINDEX INDEX CONCURRENTLY items_index;
REINDEX INDEX CONCURRENTLY items_index;
REINDEX TABLE items;
SELECT * FROM centroid_tables;
-- all that builds it again
CREATE INDEX items_filter ON items USING ivfrabitq (v vector_l2_ops, t) WITH (centroids = 'security.secret');
VACUUM FULL items;
ALTER TABLE items ALTER t TYPE varchar(10);
ALTER TABLE items ALTER t TYPE char(10);
ALTER TABLE secret ALTER v TYPE halfvec(3);
SELECT * FROM centroid_tables ORDER BY 1;
TRUNCATE items;
INSERT INTO items SELECT ARRAY[n, 0, 1]::vector FROM generate_series(1, 100) n;
SELECT lists, trained, entries FROM ivf_drift('items_index') UNION ALL SELECT lists, trained, entries FROM ivf_drift('items_filter');
-- a new name: the next build finds the table, a name given to another table leads there
DROP INDEX items_filter;
ALTER TABLE secret RENAME TO renamed;
SET client_min_messages = notice;
REINDEX INDEX items_index;
SET client_min_messages = warning;
SELECT r.* FROM error_of('ALTER INDEX items_index SET (lists = 7)') r;
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.missing'')') r;
SELECT r.* FROM error_of('ALTER INDEX items_index SET (centroids = ''security.renamed'')') r;
CREATE TABLE replacement AS SELECT v FROM renamed LIMIT 3;
GRANT SELECT ON replacement TO regress_vector_owner;
ALTER TABLE renamed RENAME TO old;
ALTER TABLE replacement RENAME TO renamed;
REINDEX INDEX items_index;
SELECT count(*) FROM ivf_centroids('items_index');
SELECT * FROM centroid_tables;
DROP TABLE old;
ALTER TABLE renamed SET SCHEMA "Another schema";
GRANT USAGE ON SCHEMA "Another schema" TO regress_vector_owner;
ALTER INDEX items_index SET (centroids = '"Another schema".renamed');
ALTER INDEX items_index RENAME TO items_renamed;
REINDEX INDEX CONCURRENTLY items_renamed;
SELECT * FROM centroid_tables;
ALTER INDEX items_renamed RESET (centroids);
SELECT * FROM centroid_tables;
ALTER INDEX items_renamed SET (centroids = '"Another schema".renamed');
DROP TABLE "Another schema".renamed CASCADE;
SELECT to_regclass('items_renamed') IS NULL AS gone;
-- of partitions, and of the parent
CREATE TABLE parted (i int, v vector(3)) PARTITION BY LIST (i);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE shared AS SELECT '[1,2,3]'::vector AS v;
CREATE INDEX parted_index ON parted USING ivfflat (v vector_l2_ops) WITH (centroids = 'security.shared');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
SELECT * FROM centroid_tables ORDER BY 1;
SELECT r.* FROM error_of('DROP TABLE shared') r;
DROP TABLE shared CASCADE;
SELECT * FROM centroid_tables;
-- neither has rows yet, as when a dump without data is restored
CREATE TABLE empty (v vector(3));
CREATE TABLE empty_centroids (v vector(3));
CREATE INDEX empty_index ON empty USING ivfpq (v vector_l2_ops) WITH (centroids = 'security.empty_centroids');
INSERT INTO empty SELECT ARRAY[n, 1, 2]::vector FROM generate_series(1, 10) n;
SELECT r.* FROM error_of('REINDEX INDEX empty_index') r;
INSERT INTO empty_centroids VALUES ('[1,1,2]'), ('[5,1,2]');
REINDEX INDEX empty_index;
SELECT lists, entries FROM ivf_drift('empty_index');
-- a table of its own rows
CREATE TABLE self AS SELECT ARRAY[n, 1, 2]::vector(3) AS v FROM generate_series(1, 10) n;
CREATE INDEX self_index ON self USING ivfflat (v vector_l2_ops) WITH (centroids = 'security.self');
SELECT count(*) FROM ivf_centroids('self_index');
DROP TABLE self;

-- a transaction commits, whatever has become of the centroids, and says nothing
CREATE TABLE permanent AS SELECT ARRAY[n, n, n]::vector(3) AS c FROM generate_series(1, 3) n;
SET client_min_messages = notice;
BEGIN;
CREATE TEMPORARY TABLE session (v vector(3)) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE till_commit ON COMMIT DROP AS SELECT * FROM permanent;
CREATE TEMPORARY TABLE emptied ON COMMIT DELETE ROWS AS SELECT * FROM permanent;
INSERT INTO session SELECT ARRAY[n, 2, 3]::vector FROM generate_series(1, 1000) n;
CREATE INDEX session_1 ON session USING ivfflat (v vector_l2_ops) WITH (centroids = 'security.permanent');
CREATE INDEX session_2 ON session USING ivfrabitq (v vector_l2_ops) WITH (centroids = 'pg_temp.till_commit');
CREATE INDEX session_3 ON session USING ivfpq (v vector_l2_ops) WITH (centroids = 'pg_temp.emptied');
CREATE INDEX session_4 ON session USING ivfflat (v vector_l2_ops) WITH (lists = 10);
CREATE INDEX session_5 ON session USING ivfrabitq ((v::vector(3)) vector_l2_ops);
CREATE INDEX session_6 ON session USING ivfpq (v vector_l2_ops) WHERE v IS NOT NULL;
CREATE INDEX session_7 ON session USING hnsw (v vector_l2_ops);
COMMIT;
BEGIN;
INSERT INTO session SELECT ARRAY[n, 2, 3]::vector FROM generate_series(1, 10) n;
SELECT (SELECT lists FROM ivf_drift('session_' || i)) AS lists, (SELECT entries FROM ivf_drift('session_' || i)) AS entries FROM generate_series(1, 6) i;
COMMIT;
UPDATE permanent SET c = NULL;
BEGIN; INSERT INTO session VALUES ('[1,2,3]'); COMMIT;
ALTER TABLE permanent RENAME TO lasting;
BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO session VALUES ('[1,2,3]'); COMMIT;
SELECT count(*) FROM session;
DO $$BEGIN INSERT INTO session VALUES ('[1,2,3]'); COMMIT; INSERT INTO session VALUES ('[1,2,3]'); COMMIT; END$$;
SELECT count(*) FROM session;
SET client_min_messages = warning;
DROP TABLE session, emptied, lasting;

-- an empty table demands no memory
SET maintenance_work_mem = '1MB';
CREATE TABLE bits (b bit(64000), v vector(16000), h halfvec(16000));
SET client_min_messages = notice;
CREATE INDEX ON bits USING ivfflat (b bit_hamming_ops);
SET client_min_messages = warning;
CREATE INDEX ON bits USING ivfflat (b bit_hamming_ops) WITH (lists = 32768);
CREATE INDEX ON bits USING ivfflat (v vector_l2_ops) WITH (lists = 32768);
CREATE INDEX ON bits USING ivfpq (v vector_l2_ops) WITH (lists = 32768);
CREATE INDEX ON bits USING ivfrabitq (h halfvec_l2_ops) WITH (lists = 32768);
CREATE INDEX ON bits USING hnsw (b bit_hamming_ops);
CREATE INDEX ON bits USING hnsw (v vector_l2_ops);
SELECT centroid FROM vector_kmeans('SELECT ''[1,2,3]''::vector', 32768);
-- and what rows take is demanded still
INSERT INTO bits (v) SELECT array_fill(n, ARRAY[16000])::vector FROM generate_series(1, 300) n;
SELECT code, regexp_replace(error, '\d+', 'N') AS error FROM error_of('REINDEX INDEX bits_v_idx');
RESET maintenance_work_mem;
SET maintenance_work_mem = '64MB';
REINDEX INDEX bits_v_idx;
SELECT lists, entries FROM ivf_drift('bits_v_idx');
RESET maintenance_work_mem;
DROP TABLE bits;

-- what a function that runs with its owner's rights has looked for is its owner's
CREATE TABLE hidden AS SELECT ARRAY[n, 1, 2]::vector(3) AS v FROM generate_series(1, 200) n;
CREATE INDEX ON hidden USING hnsw (v vector_l2_ops);
CREATE FUNCTION nearest_hidden() RETURNS vector SECURITY DEFINER SET enable_seqscan = off LANGUAGE sql AS $$SELECT v FROM security.hidden ORDER BY v <-> '[3,1,2]' LIMIT 1$$;
SET ROLE regress_vector_outsider;
SELECT nearest_hidden();
SELECT vector_last_scan() IS NULL AS nothing_seen;
RESET ROLE;
SELECT (vector_last_scan()).index;
DROP FUNCTION nearest_hidden();

-- functions called by hand with what no one should give them
SELECT statement, r.* FROM unnest(ARRAY[
	'SELECT vector_typmod_in(''{}'')',
	'SELECT vector_typmod_in(''{1,2}'')',
	'SELECT vector_typmod_in(''{NULL}'')',
	'SELECT vector_typmod_in(''{{1},{2}}'')',
	'SELECT vector_typmod_in(''{99999999999}'')',
	'SELECT sparsevec_typmod_in(''{-1}'')',
	'SELECT vector_in(''[1,2]'', 0, -7)',
	'SELECT vector_in(''[1,2]'', 0, 2147483647)',
	'SELECT vector(''[1,2]''::vector, -2147483648, true)',
	'SELECT array_to_vector(ARRAY[1, NULL]::real[], -1, false)',
	'SELECT array_to_vector(''{{1},{2}}''::real[], -1, false)',
	'SELECT array_to_vector(''{}''::real[], -1, false)',
	'SELECT vector_recv(''\x00''::bytea, 0, -1)',
	'SELECT hnswhandler(0)',
	'SELECT ivfflathandler(''x''::text)',
	'SELECT ivfflat_bit_support(0)',
	'SELECT vector_distance_support(0)',
	'SELECT vector_typanalyze(0)',
	'SELECT vector_avg(''{1}''::float8[])',
	'SELECT vector_avg(''{NaN,1}''::float8[])',
	'SELECT vector_avg(''{-1,1}''::float8[])',
	'SELECT vector_avg(''[0:1]={1,1}''::float8[])',
	'SELECT vector_avg(''{{1,2},{3,4}}''::float8[])',
	'SELECT vector_combine(''{1,2}''::float8[], ''{1,2,3}''::float8[])',
	'SELECT vector_accum(''{1,2}''::float8[], ''[1,2]'')',
	'SELECT vector_accum(array_fill(1::float8, ARRAY[20000]), ''[1,2]'')',
	'SELECT subvector(''[1,2]''::vector, -2147483648, 2147483647)',
	'SELECT ''[1,2]''::vector <<->> ROW(NULL, NULL)::sphere_vector',
	'SELECT ''[1,2]''::vector <<->> ROW(''[1]'', 1)::sphere_vector',
	'SELECT ''[1,2]''::vector <<->> NULL::sphere_vector',
	'SELECT ''[1,2]''::vector <<->> ROW(''[1]'', 1, 2)::sphere_vector',
	'SELECT vector_l2_in_sphere(''[1]'', ROW(1, 2))',
	'SELECT * FROM vector_kmeans(''SELECT NULL::vector'', 2147483647)',
	'SELECT * FROM vector_kmeans(''SELECT NULL::vector'', 1, -1)',
	'SELECT * FROM vector_kmeans(''SELECT ''''[0,0]''''::vector'', 5, 3, -1, true)']) statement, error_of(statement) r;
-- NULL as an internal value: to some minor versions of PostgreSQL there is no such function, to others no such value
SELECT statement, r.code IN ('42883', '0A000') AS refused FROM unnest(ARRAY[
	'SELECT vector_recv(NULL, 0, -1)',
	'SELECT hnswhandler(NULL)']) statement, error_of(statement) r;

DROP SCHEMA "Another schema";
DROP SCHEMA security CASCADE;
DROP OWNED BY regress_vector_owner, regress_vector_outsider;
DROP ROLE regress_vector_owner, regress_vector_outsider;
