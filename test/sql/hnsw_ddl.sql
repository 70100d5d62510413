-- hnsw: kinds of indexes and tables, and what is done to them
CREATE SCHEMA hnsw_ddl;
SET search_path = hnsw_ddl, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set ECHO all
SET hnsw.ef_search = 1000;
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 200);

-- expressions
CREATE TABLE wide (id int, v vector);
INSERT INTO wide SELECT i, (SELECT array_agg(sin(i * 0.37 + j) + i * 0.01) FROM generate_series(1, 3072) j)::vector FROM generate_series(1, 60) i;
CREATE INDEX ON wide USING hnsw ((v::halfvec(3072)) halfvec_l2_ops);
CREATE INDEX ON wide USING hnsw ((v::vector(3072)) vector_cosine_ops) WITH (rerank = heap);
CREATE INDEX ON wide USING hnsw ((binary_quantize(v)::bit(3072)) bit_hamming_ops);
CREATE INDEX ON wide USING hnsw ((subvector(v, 1, 64)::vector(64)) vector_l2_ops);
CREATE INDEX ON wide USING hnsw ((l2_normalize(subvector(v, 65, 200)::vector(200))::halfvec(200)) halfvec_ip_ops);
INSERT INTO wide SELECT id + 100, v FROM wide WHERE id % 10 = 0;
SELECT operator, r.* FROM (VALUES
	('v::halfvec(3072)', '<->'), ('v::vector(3072)', '<=>'), ('binary_quantize(v)::bit(3072)', '<~>'), ('subvector(v, 1, 64)::vector(64)', '<->'), ('l2_normalize(subvector(v, 65, 200)::vector(200))::halfvec(200)', '<#>')) x (expression, operator), nearest('wide', expression, operator, format('SELECT %s FROM wide WHERE id = 7', expression)) r;
-- few bits first, then the vectors themselves
SET enable_seqscan = off;
SELECT id FROM (SELECT id, v FROM wide ORDER BY binary_quantize(v)::bit(3072) <~> (SELECT binary_quantize(v) FROM wide WHERE id = 7) LIMIT 20) x ORDER BY v <-> (SELECT v FROM wide WHERE id = 7) LIMIT 1;
RESET enable_seqscan;
-- a null expression
INSERT INTO wide VALUES (500, NULL);

\set am hnsw
\set other_am hnsw
\set with ''
\i sql/ddl_partial.inc

-- empty
CREATE TABLE nothing (LIKE items);
CREATE INDEX nothing_index ON nothing USING hnsw (v vector_l2_ops);
SELECT * FROM nearest('nothing', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
SELECT pg_relation_size('nothing_index') = 2 * current_setting('block_size')::int AS metapage_and_mean;
VACUUM nothing;
INSERT INTO nothing (id, v) VALUES (1, NULL);
SELECT pg_relation_size('nothing_index') = 2 * current_setting('block_size')::int AS metapage_and_mean;
INSERT INTO nothing SELECT * FROM items;
SELECT * FROM nearest('nothing', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
TRUNCATE nothing;
SELECT * FROM nearest('nothing', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
SELECT pg_relation_size('nothing_index') = 2 * current_setting('block_size')::int AS metapage_and_mean;
INSERT INTO nothing SELECT * FROM items WHERE id = 1;
SELECT * FROM nearest('nothing', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
BEGIN;
TRUNCATE nothing;
INSERT INTO nothing SELECT * FROM items;
ROLLBACK;
SELECT * FROM nearest('nothing', 'v', '<->', 'SELECT v FROM items WHERE id = 8');

-- unlogged and temporary tables
CREATE UNLOGGED TABLE unlogged (LIKE items);
CREATE INDEX unlogged_index ON unlogged USING hnsw (v vector_cosine_ops);
INSERT INTO unlogged SELECT * FROM items;
CREATE TEMP TABLE temporary AS SELECT * FROM items;
CREATE INDEX ON temporary USING hnsw (v vector_cosine_ops);
INSERT INTO temporary SELECT * FROM items;
SELECT relation, r.* FROM (VALUES ('unlogged'), ('temporary')) x (relation), nearest(relation, 'v', '<=>', 'SELECT v FROM items WHERE id = 8') r;
ALTER TABLE unlogged SET LOGGED;
SELECT * FROM nearest('unlogged', 'v', '<=>', 'SELECT v FROM items WHERE id = 8');
ALTER TABLE unlogged SET UNLOGGED;
SELECT * FROM nearest('unlogged', 'v', '<=>', 'SELECT v FROM items WHERE id = 8');
\i sql/ddl_tables.inc

-- built, and built again, beside writers
CREATE INDEX CONCURRENTLY concurrent ON items USING hnsw (v vector_l2_ops);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
REINDEX INDEX CONCURRENTLY concurrent;
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
REINDEX TABLE CONCURRENTLY items;
INSERT INTO items SELECT * FROM sample(201, 220);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
SELECT indexrelid::regclass, indisvalid, indisready FROM pg_index WHERE indrelid = 'items'::regclass;
CREATE INDEX CONCURRENTLY invalid ON items USING hnsw ((v::vector(11)) vector_l2_ops);
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'items'::regclass ORDER BY 2;
DROP INDEX invalid;
-- the table is written anew
VACUUM FULL items;
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
ALTER TABLE items ADD COLUMN n int DEFAULT 1, ALTER COLUMN b TYPE bit(24) USING substring(b, 1, 24);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 8');
-- more than memory holds, in parallel, in another place
SET maintenance_work_mem = '1MB';
CREATE TABLE larger AS SELECT i AS id, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 32) j)::vector(32) AS v FROM generate_series(1, 3000) i;
CREATE INDEX larger_index ON larger USING hnsw (v vector_l2_ops) WITH (m = 32);
SELECT rows, disorder, twice FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
SELECT count(*) AS found FROM larger a WHERE id % 30 = 0 AND id = (SELECT id FROM larger b ORDER BY b.v <-> a.v LIMIT 1);
RESET maintenance_work_mem;
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
ALTER TABLE larger SET (parallel_workers = 2);
REINDEX INDEX larger_index;
SELECT index, rows, differences, disorder, twice FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
RESET max_parallel_maintenance_workers;
RESET min_parallel_table_scan_size;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_vector_space LOCATION '';
ALTER INDEX larger_index SET TABLESPACE regress_vector_space;
SELECT index, rows, differences, disorder, twice FROM nearest('larger', 'v', '<->', 'SELECT v FROM larger WHERE id = 8', 100);
CREATE INDEX ON items USING hnsw (h halfvec_l2_ops) TABLESPACE regress_vector_space;
SELECT * FROM nearest('items', 'h', '<->', 'SELECT h FROM items WHERE id = 8');

DROP SCHEMA hnsw_ddl CASCADE;
DROP TABLESPACE regress_vector_space;
