-- ivfflat, ivfpq, ivfrabitq: options, settings, errors
CREATE SCHEMA ivf_options;
SET search_path = ivf_options, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\set ECHO all
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 300);

-- options as given, as changed, and forgotten
CREATE INDEX plain_flat ON items USING ivfflat (v vector_l2_ops);
CREATE INDEX plain_pq ON items USING ivfpq (v vector_l2_ops);
CREATE INDEX plain_rabitq ON items USING ivfrabitq (v vector_l2_ops);
CREATE INDEX given_flat ON items USING ivfflat (v vector_ip_ops) WITH (lists = 7);
CREATE INDEX given_pq ON items USING ivfpq (v vector_ip_ops) WITH (lists = 7, m = 4, nbits = 8, opq = on);
CREATE INDEX given_rabitq ON items USING ivfrabitq (v vector_ip_ops) WITH (lists = 7, bits = 4);
CREATE INDEX chosen ON items USING ivfflat (v vector_cosine_ops) WITH (lists = 0);
SELECT relname, amname, reloptions FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relnamespace = 'ivf_options'::regnamespace AND relkind = 'i' ORDER BY relname COLLATE "C";
SELECT pg_get_indexdef('given_pq'::regclass);
DROP INDEX plain_flat, plain_pq, plain_rabitq, chosen, given_flat, given_pq;

-- those of the build stay until the next one
ALTER INDEX given_rabitq SET (lists = 3, bits = 1);
INSERT INTO items SELECT * FROM sample(301, 320);
SELECT * FROM nearest('items', 'v', '<#>', 'SELECT v FROM items WHERE id = 5');
REINDEX INDEX given_rabitq;
SELECT * FROM nearest('items', 'v', '<#>', 'SELECT v FROM items WHERE id = 5');
DROP INDEX given_rabitq;

-- one seed, one index; other seeds, other answers
CREATE TABLE answers (kind text, build int, query int, ids int[]);
CREATE FUNCTION ask(kind text, builds int[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
DECLARE
	build int;
BEGIN
	PERFORM set_config(kind || '.probes', '1', true), set_config(kind || '.iterative_scan', 'off', true);
	FOREACH build IN ARRAY builds LOOP
		PERFORM set_config('ivf.seed', (build / 10)::text, true);
		EXECUTE format('CREATE INDEX seeded ON items USING %s (v vector_l2_ops) WITH (lists = 20)', kind);
		INSERT INTO answers SELECT kind, build, q.id, (SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> q.v LIMIT 10) x) FROM sample(1001, 1100) q WHERE q.v IS NOT NULL;
		DROP INDEX seeded;
	END LOOP;
END $$;
SELECT count(ask(kind, '{10,11,20}')) FROM (SELECT DISTINCT kind FROM classes) k;
SELECT kind, count(*), count(*) FILTER (WHERE a.ids = b.ids) AS the_same, count(*) FILTER (WHERE a.ids <> c.ids) > 0 AS others
FROM answers a JOIN answers b USING (kind, query) JOIN answers c USING (kind, query) WHERE a.build = 10 AND b.build = 11 AND c.build = 20 GROUP BY kind ORDER BY kind;

-- centroids from a table
CREATE SCHEMA "Other";
CREATE TABLE "Other"."Centroids" (n int, "The vector" vector(12), more vector(3));
INSERT INTO "Other"."Centroids" SELECT id, v FROM sample(1, 6) WHERE v IS NOT NULL;
CREATE TABLE half_centroids (dropped text, h halfvec);
ALTER TABLE half_centroids DROP COLUMN dropped;
INSERT INTO half_centroids SELECT h FROM sample(10, 20) WHERE h IS NOT NULL;
CREATE FUNCTION check_centroids(c classes, options text, OUT indexes boolean, OUT rows bigint, OUT wrong bigint, OUT one_list boolean) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX centroids_index ON items USING %I (%s %s_%s_ops) WITH (%s)', c.kind, c.value, c.type, c.metric, options);
	SELECT r.index, r.rows, r.differences + disorder + twice INTO indexes, rows, wrong FROM nearest('items', c.value, c.operator, format('SELECT %s FROM items WHERE id = 21', c.value)) r;
	PERFORM set_config(c.kind || '.probes', '1', true), set_config(c.kind || '.iterative_scan', 'off', true);
	SELECT r.rows BETWEEN 1 AND 200 INTO one_list FROM nearest('items', c.value, c.operator, format('SELECT %s FROM items WHERE id = 21', c.value)) r;
	PERFORM set_config(c.kind || '.probes', '32768', true), set_config(c.kind || '.iterative_scan', 'relaxed_order', true);
	DROP INDEX centroids_index;
END $$;
SELECT kind, type, metric, r.* FROM classes c, check_centroids(c, 'centroids = ''"Other"."Centroids"''') r WHERE type <> 'bit' ORDER BY n;
SELECT kind, options, r.* FROM classes c, unnest('{centroids = ivf_options.half_centroids,"centroids = ''ivf_options.half_centroids'', lists = 3"}'::text[]) options, check_centroids(c, options) r WHERE type = 'vector' AND metric = 'l2' ORDER BY kind, options;
-- more of them than rows; equal ones
CREATE TABLE many_centroids AS SELECT v FROM sample(1, 1000) WHERE v IS NOT NULL;
CREATE TABLE equal_centroids AS SELECT v FROM sample(1, 1), generate_series(1, 50);
SELECT kind, options, r.indexes, r.rows, r.wrong FROM classes c, unnest('{centroids = ivf_options.many_centroids,centroids = ivf_options.equal_centroids}'::text[]) options, check_centroids(c, options) r WHERE type = 'vector' AND metric IN ('ip', 'cosine') ORDER BY n, options;
-- of an empty table, which then works as it is trained
CREATE TABLE late (LIKE items);
SET client_min_messages = notice;
CREATE INDEX late_flat ON late USING ivfflat (v vector_l2_ops) WITH (centroids = 'ivf_options.half_centroids');
CREATE INDEX late_pq ON late USING ivfpq (v vector_ip_ops) WITH (centroids = 'ivf_options.half_centroids', opq = on);
CREATE INDEX late_rabitq ON late USING ivfrabitq (v vector_cosine_ops) WITH (centroids = 'ivf_options.half_centroids');
SET client_min_messages = warning;
INSERT INTO late SELECT * FROM items;
SELECT operator, r.* FROM unnest('{<->,<#>,<=>}'::text[]) operator, nearest('late', 'v', operator, 'SELECT v FROM items WHERE id = 8') r;
-- the table is read whenever the index is built: it stays as long as indexes need it
DROP TABLE half_centroids;
ALTER TABLE half_centroids DROP COLUMN h;
SELECT operator, r.* FROM unnest('{<->,<#>,<=>}'::text[]) operator, nearest('late', 'v', operator, 'SELECT v FROM items WHERE id = 8') r;
REINDEX INDEX late_flat;
INSERT INTO late SELECT * FROM items;
SELECT operator, r.* FROM unnest('{<->,<#>,<=>}'::text[]) operator, nearest('late', 'v', operator, 'SELECT v FROM items WHERE id = 8') r;
ALTER INDEX late_flat RESET (centroids);
REINDEX INDEX late_flat;
SELECT * FROM nearest('late', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
ALTER INDEX late_pq RESET (centroids);
DROP INDEX late_rabitq;
DROP TABLE half_centroids;
DROP TABLE late;

-- what is refused
CREATE TABLE wrong (v vector, v3 vector(3), h halfvec, h3 halfvec(3), s3 sparsevec(3), b bit varying, b3 bit(3), b64000 bit(64000), b64001 bit(64001), t text, v5000 vector(5000), v16000 vector(16000), i int);
INSERT INTO wrong (v, v3, h3, b3) VALUES ('[1,2,3]', '[1,2,3]', '[1,2,3]', B'101');
CREATE TABLE good_centroids AS SELECT '[1,2,3]'::vector AS v;
CREATE TABLE no_centroids (v vector(3));
CREATE TABLE null_centroids AS SELECT CASE WHEN i < 5 THEN '[1,2,3]'::vector END AS v FROM generate_series(1, 5) i;
CREATE TABLE wide_centroids AS SELECT '[1,2,3,4]'::vector AS v;
CREATE TABLE mixed_centroids AS SELECT CASE WHEN i < 5 THEN '[1,2,3]' ELSE '[1,2]' END::vector AS v FROM generate_series(1, 5) i;
CREATE TABLE other_centroids AS SELECT 1 AS i, '{1:1}/3'::sparsevec AS s, '{1,2,3}'::real[] AS a, B'101' AS b;
CREATE TABLE too_many_centroids AS SELECT '[1,2,3]'::vector AS v FROM generate_series(1, 32769);
CREATE TYPE "Other".vector AS (x int);
CREATE TABLE imposters (v "Other".vector);
CREATE SEQUENCE sequence;
CREATE VIEW view_centroids AS SELECT v FROM good_centroids;
CREATE MATERIALIZED VIEW stored_centroids AS SELECT v FROM good_centroids;
CREATE TABLE parted_centroids (v vector(3)) PARTITION BY RANGE (v);
CREATE TEMPORARY TABLE temporary_centroids AS SELECT v FROM good_centroids;
CREATE INDEX items_index ON items (id);
\pset format unaligned
\pset tuples_only on
SELECT definition, r.* FROM unnest(ARRAY[
	'ivfflat (v3 vector_l2_ops) WITH (lists = -1)',
	'ivfflat (v3 vector_l2_ops) WITH (lists = 32769)',
	'ivfpq (v3 vector_l2_ops) WITH (lists = 32769)',
	'ivfrabitq (v3 vector_l2_ops) WITH (lists = 32769)',
	'ivfrabitq (v3 vector_l2_ops) WITH (lists = many)',
	'ivfflat (v3 vector_l2_ops) WITH (bits = 1)',
	'ivfflat (v3 vector_l2_ops) WITH (nbits = 4)',
	'ivfflat (v3 vector_l2_ops) WITH (fillfactor = 50)',
	'ivfpq (v3 vector_l2_ops) WITH (m = 4)',
	'ivfpq (v3 vector_l2_ops) WITH (m = -1)',
	'ivfpq (v3 vector_l2_ops) WITH (m = 100000)',
	'ivfpq (v3 vector_l2_ops) WITH (nbits = 5)',
	'ivfpq (v3 vector_l2_ops) WITH (nbits = 0)',
	'ivfpq (v3 vector_l2_ops) WITH (nbits = 17)',
	'ivfpq (v3 vector_l2_ops) WITH (opq = perhaps)',
	'ivfpq (v3 vector_l2_ops) WITH (bits = 4)',
	'ivfpq (v5000 vector_l2_ops) WITH (opq = on)',
	'ivfrabitq (v3 vector_l2_ops) WITH (bits = 3)',
	'ivfrabitq (v3 vector_l2_ops) WITH (bits = 9)',
	'ivfrabitq (v3 vector_l2_ops) WITH (m = 4)',
	'ivfrabitq (v3 vector_l2_ops) WITH (rerank = disk)',
	'ivfflat (v3 vector_l2_ops) WITH (rerank = index)',
	'ivfrabitq (v3 vector_l2_ops) WITH (opq = on)',
	'ivfflat (v vector_l2_ops)',
	'ivfpq (h halfvec_l2_ops)',
	'ivfrabitq ((v3 + v3) vector_l2_ops)',
	'ivfflat ((b::bit varying) bit_hamming_ops)',
	'ivfflat (b64001 bit_hamming_ops)',
	'ivfrabitq ((v::vector(2)) vector_l2_ops)',
	'ivfflat (s3 sparsevec_l2_ops)',
	'ivfflat (s3)',
	'ivfflat (b3 bit_jaccard_ops)',
	'ivfpq (v3 vector_l1_ops)',
	'ivfpq (b3 bit_hamming_ops)',
	'ivfrabitq (h3 halfvec_l1_ops)',
	'ivfrabitq (b3 bit_hamming_ops)',
	'ivfrabitq (v3 halfvec_l2_ops)',
	'ivfpq (h3 vector_l2_ops)',
	'ivfpq (h3)',
	'ivfrabitq (t vector_l2_ops)',
	'ivfflat (i int4_ops)',
	'ivfrabitq (v3 vector_l2_ops, h3 halfvec_l2_ops)',
	'ivfrabitq (v3 vector_l2_ops) INCLUDE (i)',
	'ivfrabitq (v3 vector_l2_ops DESC)',
	'ivfrabitq (v3 vector_l2_ops NULLS FIRST)',
	-- centroids
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.missing_centroids)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ''missing.centroids'')',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ''a.b.c.d'')',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = '''')',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ''"'')',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ''no_centroids; DROP TABLE items'')',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.no_centroids)',
	'ivfpq (v3 vector_l2_ops) WITH (centroids = ivf_options.null_centroids)',
	'ivfrabitq (v3 vector_l2_ops) WITH (centroids = ivf_options.wide_centroids)',
	'ivfrabitq (v3 vector_l2_ops) WITH (centroids = ivf_options.mixed_centroids)',
	'ivfpq (v3 vector_l2_ops) WITH (centroids = ivf_options.other_centroids)',
	'ivfpq (v3 vector_l2_ops) WITH (centroids = ivf_options.imposters)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.too_many_centroids)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.sequence)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.items_index)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ivf_options.view_centroids)',
	'ivfpq (v3 vector_l2_ops) WITH (centroids = ivf_options.stored_centroids)',
	'ivfrabitq (v3 vector_l2_ops) WITH (centroids = ivf_options.parted_centroids)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = pg_temp.temporary_centroids)',
	'ivfflat (v3 vector_l2_ops) WITH (centroids = ''"no.schema"'')',
	'ivfflat (b3 bit_hamming_ops) WITH (centroids = ivf_options.good_centroids)',
	-- these are allowed
	'ivfflat (v3)',
	'ivfpq (v3)',
	'ivfrabitq (v3)',
	'ivfflat (v3 vector_l1_ops) WITH (lists = 32768)',
	'ivfpq (v3) WITH (m = 3, nbits = 8, opq = on, lists = 0)',
	'ivfpq (h3 halfvec_l2_ops) WITH (rerank = index)',
	'ivfrabitq (h3 halfvec_cosine_ops) WITH (bits = 2, rerank = heap)',
	'ivfrabitq (h3 halfvec_ip_ops) WITH (bits = 0)',
	'ivfflat (b64000 bit_hamming_ops) WITH (lists = 3)',
	'ivfflat (v16000 vector_cosine_ops)',
	'ivfpq (v16000 vector_l2_ops)',
	'ivfrabitq (v16000 vector_l2_ops) WITH (bits = 8)',
	'ivfrabitq ((v::vector(3)) vector_l2_ops)',
	'ivfflat ((b::bit(3)) bit_hamming_ops)',
	'ivfpq (((v3 + v3)::vector(3)) vector_l2_ops)',
	'ivfrabitq (v3 vector_l2_ops) WITH (centroids = ivf_options.good_centroids)']) definition, error_of('CREATE INDEX ON wrong USING ' || definition) r;
CREATE INDEX named ON wrong USING ivfpq (v3);
SELECT statement, r.* FROM unnest(ARRAY[
	'CREATE UNIQUE INDEX ON wrong USING ivfflat (v3 vector_l2_ops)',
	'ALTER TABLE wrong ADD EXCLUDE USING ivfrabitq (v3 WITH =)',
	'CLUSTER wrong USING named',
	'ALTER INDEX named SET (lists = 32769)',
	'ALTER INDEX named SET (nbits = 5)',
	'ALTER INDEX named SET (m = 4)',
	'ALTER INDEX named SET (m = 2)',
	'ALTER INDEX named SET (m = 3, opq = on, nbits = 8)',
	'REINDEX INDEX named',
	'ALTER INDEX named RESET (m)',
	'ALTER INDEX named SET (centroids = ivf_options.no_centroids)',
	'ALTER INDEX named SET (centroids = ivf_options.missing_centroids)',
	'ALTER INDEX named SET (centroids = ivf_options.wide_centroids)',
	'ALTER INDEX named SET (centroids = ivf_options.view_centroids)',
	'ALTER INDEX named SET (centroids = ivf_options.good_centroids)',
	'DROP TABLE good_centroids',
	'REINDEX INDEX named',
	'ALTER INDEX named RESET (centroids)',
	'SET ivfflat.probes = 0',
	'SET ivfflat.probes = 32769',
	'SET ivfpq.probes = -1',
	'SET ivfrabitq.probes = 32769',
	'SET ivfflat.max_probes = 0',
	'SET ivfrabitq.iterative_scan = strict',
	'SET ivfflat.iterative_scan = always',
	'SET ivfpq.rerank = -1',
	'SET ivfrabitq.rerank = 100001',
	'SET ivf.target_recall = 1.01',
	'SET ivf.target_recall = -0.1',
	'SET ivf.seed = -1',
	-- values of other dimensions
	'SET enable_seqscan = off',
	'SELECT FROM wrong ORDER BY v3 <-> ''[1,2]''',
	'SELECT FROM wrong ORDER BY h3 <=> ''[1,2,3,4]''',
	'SELECT FROM wrong ORDER BY v::vector(3) <-> ''[1,2,3,4]''',
	'SELECT FROM wrong ORDER BY b::bit(3) <~> B''1010''',
	'INSERT INTO wrong (v) VALUES (''[1,2]'')',
	'INSERT INTO wrong (v) VALUES (''[1,2,3]'')',
	'INSERT INTO wrong (b) VALUES (B''1'')',
	'UPDATE wrong SET v3 = ''[1,2]''',
	'ALTER TABLE wrong ALTER v3 TYPE vector(4)',
	'ALTER TABLE wrong ALTER v3 TYPE vector',
	'INSERT INTO wrong (v3) VALUES (''[1,2,5]'')',
	'INSERT INTO wrong (v3) VALUES (''[1,2]'')']) statement, error_of(statement) r;
\pset tuples_only off
\pset format aligned
-- nothing was lost
SELECT * FROM nearest('wrong', 'v3', '<->', 'SELECT ''[1,2,4]''::vector');
SELECT * FROM nearest('wrong', 'v::vector(3)', '<->', 'SELECT ''[1,2,4]''::vector');
SELECT count(*) FROM items;
-- a table of centroids that the owner of the index may not read
CREATE ROLE regress_vector_reader;
GRANT USAGE, CREATE ON SCHEMA ivf_options TO regress_vector_reader;
CREATE TABLE own (v vector(3));
ALTER TABLE own OWNER TO regress_vector_reader;
SET ROLE regress_vector_reader;
SELECT * FROM error_of('CREATE INDEX ON own USING ivfflat (v vector_l2_ops) WITH (centroids = ivf_options.good_centroids)');
RESET ROLE;
DROP TABLE own;
DROP OWNED BY regress_vector_reader;
DROP ROLE regress_vector_reader;
-- memory
CREATE TABLE memory AS SELECT i AS id, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 96) j)::vector(96) AS v FROM generate_series(1, 6000) i;
SET maintenance_work_mem = '4MB';
SELECT r.code, regexp_replace(r.error, 'required is \d+', 'required is N') AS error, count(*) FROM (SELECT DISTINCT kind FROM classes) k, error_of(format('CREATE INDEX ON memory USING %s (v vector_l2_ops) WITH (lists = 5000)', kind)) r GROUP BY 1, 2;
CREATE INDEX ON memory USING ivfrabitq (v vector_l2_ops) WITH (lists = 30);
SELECT * FROM nearest('memory', 'v', '<->', 'SELECT v FROM memory WHERE id = 5', 20);
RESET maintenance_work_mem;

-- a type with other dimensions
CREATE INDEX ON items USING ivfrabitq (v vector_l2_ops);
ALTER TABLE items ALTER v TYPE vector(5) USING subvector(v, 1, 5);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
-- the operator classes are valid, and are those tested (those of arrays, in max_sim_index)
SELECT amname, count(*), bool_and(amvalidate(o.oid)) AS valid, bool_and(EXISTS (SELECT FROM classes c WHERE c.kind = amname AND c.type || '_' || metric || '_ops' = opcname)) AS tested FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE amname LIKE 'ivf%' AND opcname NOT LIKE '%maxsim_ops' AND EXISTS (SELECT FROM pg_amproc WHERE amprocfamily = opcfamily) GROUP BY amname ORDER BY amname;
CREATE OPERATOR CLASS foreign_ops FOR TYPE float8 USING ivfrabitq AS FUNCTION 1 float8pl(float8, float8);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'foreign_ops';
CREATE TABLE floats (f float8);
CREATE INDEX ON floats USING ivfrabitq (f foreign_ops);
-- one made of the pieces for another type
CREATE OPERATOR CLASS bit_pq_ops FOR TYPE bit USING ivfpq AS OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops, FUNCTION 1 hamming_distance(bit, bit), FUNCTION 5 ivfflat_bit_support(internal);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'bit_pq_ops';
SELECT * FROM error_of('CREATE INDEX ON wrong USING ivfpq (b3 bit_pq_ops)');
-- abilities
SELECT name, bool_and(pg_indexam_has_property(a.oid, name)) AS all_have, bool_or(pg_indexam_has_property(a.oid, name)) AS some_have FROM pg_am a, unnest('{can_order,can_unique,can_multi_col,can_include}'::text[]) name WHERE amname LIKE 'ivf%' GROUP BY name ORDER BY name;
SELECT name, pg_index_has_property('named', name), pg_index_column_has_property('named', 1, name) FROM unnest('{clusterable,index_scan,bitmap_scan,backward_scan,asc,orderable,distance_orderable,returnable,search_array,search_nulls}'::text[]) name;

-- an index's own recall gives way to settings that have been set, be it to 0; then its own probes
CREATE TABLE asked AS SELECT i, array(SELECT (hashint4(i * 8 + j) / 2147483648.0)::real FROM generate_series(1, 8) j)::vector(8) AS v FROM generate_series(1, 2000) i;
ANALYZE asked;
CREATE INDEX asked_v ON asked USING ivfflat (v vector_l2_ops) WITH (lists = 40, target_recall = 1);
CREATE FUNCTION lists_read() RETURNS text LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off SET enable_sort = off AS $$
DECLARE
	entries bigint;
BEGIN
	PERFORM a.i FROM (SELECT i FROM asked ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 1) a;
	entries := (SELECT visited FROM vector_last_scan() WHERE index = 'asked_v'::regclass);
	RETURN CASE WHEN entries < 250 THEN 'one' WHEN entries < 2000 THEN 'some' WHEN entries = 2000 THEN 'all' ELSE 'no scan' END;
END $$;
RESET ivfflat.probes;
SELECT lists_read() AS own_recall;
SET ivf.target_recall = 0;
SELECT lists_read() AS no_recall;
ALTER INDEX asked_v SET (probes = 40);
SELECT lists_read() AS own_probes;
ALTER INDEX asked_v RESET (probes);
RESET ivf.target_recall;
SELECT lists_read() AS own_recall;
SET ivfflat.probes = 1;
SELECT lists_read() AS probes;
RESET ivfflat.probes;

DROP SCHEMA "Other" CASCADE;
DROP SCHEMA ivf_options CASCADE;
