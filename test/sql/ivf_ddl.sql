-- ivfflat, ivfpq, ivfrabitq: kinds of indexes and tables, and what is done to them
CREATE SCHEMA ivf_ddl;
SET search_path = ivf_ddl, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\set ECHO all
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 200);

-- expressions
CREATE TABLE broad (id int, v vector);
INSERT INTO broad SELECT i, (SELECT array_agg(sin(i * 0.37 + j) + i * 0.01) FROM generate_series(1, 3072) j)::vector FROM generate_series(1, 60) i;
CREATE INDEX ON broad USING ivfflat ((v::halfvec(3072)) halfvec_l2_ops) WITH (lists = 4);
CREATE INDEX ON broad USING ivfrabitq ((v::vector(3072)) vector_cosine_ops) WITH (lists = 4);
CREATE INDEX ON broad USING ivfflat ((binary_quantize(v)::bit(3072)) bit_hamming_ops) WITH (lists = 4);
CREATE INDEX ON broad USING ivfpq ((subvector(v, 1, 64)::vector(64)) vector_l2_ops) WITH (lists = 4);
CREATE INDEX ON broad USING ivfrabitq ((l2_normalize(subvector(v, 65, 200)::vector(200))::halfvec(200)) halfvec_ip_ops) WITH (lists = 4, bits = 4);
INSERT INTO broad SELECT id + 100, v FROM broad WHERE id % 10 = 0;
SELECT operator, r.* FROM (VALUES
	('v::halfvec(3072)', '<->'), ('v::vector(3072)', '<=>'), ('binary_quantize(v)::bit(3072)', '<~>'), ('subvector(v, 1, 64)::vector(64)', '<->'), ('l2_normalize(subvector(v, 65, 200)::vector(200))::halfvec(200)', '<#>')) x (expression, operator), nearest('broad', expression, operator, format('SELECT %s FROM broad WHERE id = 7', expression)) r;
-- a null expression
INSERT INTO broad VALUES (500, NULL);

\set am ivfrabitq
\set other_am ivfpq
\set with 'WITH (lists = 5)'
\i sql/ddl_partial.inc

-- few rows, and none: told, and everything works
SET client_min_messages = notice;
CREATE TABLE nothing (LIKE items);
CREATE INDEX flat_index ON nothing USING ivfflat (v vector_l2_ops);
CREATE INDEX pq_index ON nothing USING ivfpq (v vector_ip_ops) WITH (opq = on, rerank = index);
CREATE INDEX rabitq_index ON nothing USING ivfrabitq (v vector_cosine_ops) WITH (lists = 7);
SET client_min_messages = warning;
CREATE FUNCTION check_all(t text DEFAULT 'nothing', OUT operator text, OUT index boolean, OUT rows bigint, OUT wrong bigint) RETURNS SETOF record LANGUAGE sql AS
	'SELECT o, r.index, r.rows, differences + disorder + twice FROM unnest(''{<->,<#>,<=>}''::text[]) o, nearest(t, ''v'', o, ''SELECT v FROM items WHERE id = 8'') r';
SELECT * FROM check_all();
SELECT bool_and(pg_relation_size(i::regclass) <= 4 * current_setting('block_size')::int) AS small FROM unnest('{flat_index,pq_index,rabitq_index}'::text[]) i;
VACUUM nothing;
INSERT INTO nothing (id, v) VALUES (1, NULL);
SELECT * FROM check_all();
INSERT INTO nothing SELECT * FROM items;
-- as few probes as there can be are enough for one list
SET ivfflat.probes = 1;
SET ivfpq.probes = 1;
SET ivfrabitq.probes = 1;
RESET ivfpq.rerank;
RESET ivfrabitq.rerank;
SELECT * FROM check_all();
SET ivfpq.rerank = 100000;
SET ivfrabitq.rerank = 100000;
SET ivfflat.probes = 32768;
SET ivfpq.probes = 32768;
SET ivfrabitq.probes = 32768;
TRUNCATE nothing;
SELECT * FROM check_all();
INSERT INTO nothing SELECT * FROM items WHERE id <= 3;
SELECT * FROM check_all();
SET client_min_messages = notice;
REINDEX INDEX flat_index;
REINDEX INDEX pq_index;
REINDEX INDEX rabitq_index;
SET client_min_messages = warning;
SELECT * FROM check_all();
INSERT INTO nothing SELECT * FROM items;
SELECT * FROM check_all();
BEGIN;
TRUNCATE nothing;
INSERT INTO nothing SELECT * FROM items WHERE id < 50;
SELECT * FROM check_all();
ROLLBACK;
SELECT * FROM check_all();
-- nothing but nulls, and zeros by cosine distance
CREATE TABLE zeros (id int, v vector(3));
INSERT INTO zeros SELECT i, CASE WHEN i % 2 = 0 THEN '[0,0,0]'::vector END FROM generate_series(1, 100) i;
SET client_min_messages = notice;
CREATE INDEX ON zeros USING ivfrabitq (v vector_cosine_ops);
CREATE INDEX ON zeros USING ivfflat (v vector_l2_ops) WITH (lists = 4);
CREATE INDEX ON zeros USING ivfpq (v vector_cosine_ops);
CREATE INDEX ON zeros USING ivfpq (v vector_l2_ops);
SET client_min_messages = warning;
SELECT operator, r.* FROM unnest('{<->,<=>}'::text[]) operator, nearest('zeros', 'v', operator, 'SELECT ''[1,2,3]''::vector') r;
UPDATE zeros SET v = '[1,2,4]';
SELECT operator, r.* FROM unnest('{<->,<=>}'::text[]) operator, nearest('zeros', 'v', operator, 'SELECT ''[1,2,3]''::vector') r;

-- An empty table is built by several processes, too
CREATE TABLE no_rows (v vector(3)) WITH (parallel_workers = 2);
CREATE INDEX no_rows_flat ON no_rows USING ivfflat (v vector_l2_ops);
CREATE INDEX no_rows_pq ON no_rows USING ivfpq (v vector_l2_ops);
CREATE INDEX no_rows_rabitq ON no_rows USING ivfrabitq (v vector_l2_ops);
CREATE INDEX no_rows_hnsw ON no_rows USING hnsw (v vector_l2_ops);
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
TRUNCATE no_rows;
REINDEX TABLE no_rows;
RESET min_parallel_table_scan_size;
RESET max_parallel_maintenance_workers;
INSERT INTO no_rows VALUES ('[1,2,3]');
SET enable_seqscan = off;
SELECT v FROM no_rows ORDER BY v <-> '[1,2,3]' LIMIT 1;
DROP INDEX no_rows_flat, no_rows_pq, no_rows_rabitq;
SELECT v FROM no_rows ORDER BY v <-> '[1,2,3]' LIMIT 1;
RESET enable_seqscan;
DROP TABLE no_rows;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE unlogged (LIKE items);
CREATE INDEX ON unlogged USING ivfflat (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX ON unlogged USING ivfpq (v vector_ip_ops) WITH (lists = 5, rerank = index);
INSERT INTO unlogged SELECT * FROM items;
CREATE INDEX ON unlogged USING ivfrabitq (v vector_cosine_ops) WITH (lists = 5);
INSERT INTO unlogged SELECT * FROM items;
CREATE TEMP TABLE temporary AS SELECT * FROM items;
CREATE INDEX ON temporary USING ivfflat (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX ON temporary USING ivfpq (v vector_ip_ops) WITH (lists = 5);
CREATE INDEX ON temporary USING ivfrabitq (v vector_cosine_ops) WITH (lists = 5);
INSERT INTO temporary SELECT * FROM items;
SELECT relation, r.* FROM unnest('{unlogged,temporary}'::text[]) relation, check_all(relation) r;
ALTER TABLE unlogged SET LOGGED;
SELECT * FROM check_all('unlogged');
ALTER TABLE unlogged SET UNLOGGED;
SELECT * FROM check_all('unlogged');
\i sql/ddl_tables.inc

-- built, and built again, beside writers
CREATE INDEX CONCURRENTLY concurrent_flat ON items USING ivfflat (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX CONCURRENTLY concurrent_pq ON items USING ivfpq (v vector_ip_ops) WITH (lists = 5, rerank = index);
CREATE INDEX CONCURRENTLY concurrent_rabitq ON items USING ivfrabitq (v vector_cosine_ops) WITH (lists = 5);
SELECT * FROM check_all('items');
REINDEX INDEX CONCURRENTLY concurrent_pq;
SELECT * FROM check_all('items');
REINDEX TABLE CONCURRENTLY items;
INSERT INTO items SELECT * FROM sample(201, 220);
SELECT * FROM check_all('items');
SELECT indexrelid::regclass, indisvalid, indisready FROM pg_index WHERE indrelid = 'items'::regclass ORDER BY indexrelid::regclass::text COLLATE "C";
CREATE INDEX CONCURRENTLY invalid ON items USING ivfrabitq ((v::vector(11)) vector_l2_ops);
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'items'::regclass AND NOT indisvalid;
DROP INDEX invalid;
-- the table is written anew
VACUUM FULL items;
SELECT * FROM check_all('items');
ALTER TABLE items ADD COLUMN n int DEFAULT 1, ALTER COLUMN b TYPE bit(24) USING substring(b, 1, 24);
SELECT * FROM check_all('items');
-- a broken HOT chain: the index is not used by older snapshots, and has the new row
BEGIN;
UPDATE young SET v = v * '[2,2,2,2,2,2,2,2,2,2,2,2]' WHERE id % 2 = 0;
REINDEX INDEX young_index;
COMMIT;
SELECT rows, differences, disorder, twice FROM nearest('young', 'v', '<->', 'SELECT v FROM items WHERE id = 8');

-- other options apply to the next build
CREATE TABLE altered AS SELECT id, v FROM items;
CREATE INDEX altered_index ON altered USING ivfrabitq (v vector_l2_ops) WITH (lists = 3);
ALTER INDEX altered_index SET (lists = 11, bits = 8);
SELECT * FROM nearest('altered', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
INSERT INTO altered SELECT id, v FROM sample(221, 240);
SELECT * FROM nearest('altered', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
SELECT pg_relation_size('altered_index') AS size \gset
REINDEX INDEX altered_index;
SELECT pg_relation_size('altered_index') > :size AS larger;
SELECT * FROM nearest('altered', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
ALTER INDEX altered_index RESET (lists, bits);
REINDEX INDEX CONCURRENTLY altered_index;
SELECT * FROM nearest('altered', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
SELECT reloptions FROM pg_class WHERE oid = 'altered_index'::regclass;

-- with workers: the same index as without
CREATE TABLE larger AS SELECT i AS id, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 16) j)::vector(16) AS v FROM generate_series(1, 3000) i;
CREATE TABLE answers (kind text, workers int, query int, ids int[]);
CREATE FUNCTION ask(kind text, workers int) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
BEGIN
	PERFORM set_config(kind || '.probes', '1', true), set_config(kind || '.iterative_scan', 'off', true);
	INSERT INTO answers SELECT kind, workers, q.id, (SELECT array_agg(id) FROM (SELECT id FROM larger ORDER BY v <-> q.v LIMIT 20) x) FROM larger q WHERE id % 30 = 0;
END $$;
SET ivf.seed = 42;
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
CREATE FUNCTION build_larger(kind text, workers int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE larger SET (parallel_workers = %s)', workers);
	EXECUTE format('CREATE INDEX larger_index ON larger USING %s (v vector_l2_ops) WITH (lists = 20)', kind);
	PERFORM ask(kind, workers), set_config(kind || '.probes', '20', true), set_config(kind || '.iterative_scan', 'relaxed_order', true);
	INSERT INTO answers SELECT kind || ', all lists', workers, 8, ARRAY[rows, differences, disorder, twice] FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
	DROP INDEX larger_index;
END $$;
SELECT count(build_larger(kind, workers)) FROM (SELECT DISTINCT kind FROM classes) k, unnest('{0,2}'::int[]) workers;
SELECT kind, count(*), count(*) FILTER (WHERE a.ids = b.ids) AS the_same FROM answers a JOIN answers b USING (kind, query) WHERE a.workers = 0 AND b.workers = 2 GROUP BY kind ORDER BY kind;
SELECT DISTINCT ids FROM answers WHERE kind LIKE '%,%';
-- and concurrently
CREATE INDEX CONCURRENTLY larger_index ON larger USING ivfrabitq (v vector_l2_ops);
SELECT index, rows, differences, disorder, twice FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
RESET max_parallel_maintenance_workers;
RESET min_parallel_table_scan_size;
RESET ivf.seed;
-- in another place
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_vector_space LOCATION '';
ALTER INDEX larger_index SET TABLESPACE regress_vector_space;
SELECT index, rows, differences, disorder, twice FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
CREATE INDEX ON items USING ivfrabitq (h halfvec_l2_ops) TABLESPACE regress_vector_space;
SELECT * FROM nearest('items', 'h', '<->', 'SELECT h FROM items WHERE id = 8');

DROP SCHEMA ivf_ddl CASCADE;
DROP TABLESPACE regress_vector_space;
