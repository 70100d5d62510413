-- hnsw: options, settings, errors
CREATE SCHEMA hnsw_options;
SET search_path = hnsw_options, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set ECHO all
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 300);

-- options as given, as changed, and forgotten
CREATE INDEX plain ON items USING hnsw (v vector_l2_ops);
CREATE INDEX given ON items USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 40, ef_search = 100, quantizer = rabitq4, rerank = heap);
CREATE INDEX most ON items USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000);
SELECT relname, amname, reloptions FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relnamespace = 'hnsw_options'::regnamespace AND relkind = 'i' ORDER BY relname;
SELECT pg_get_indexdef('given'::regclass);
DROP INDEX plain, most;

-- ef_search: the index's own unless the session has set one
SET hnsw.iterative_scan = off;
SELECT rows FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
SET hnsw.ef_search = 20;
SELECT rows < 60 AS fewer FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
RESET hnsw.ef_search;
ALTER INDEX given SET (ef_search = 50);
SELECT rows < 90 AS fewer FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
ALTER INDEX given RESET (ef_search);
SELECT rows < 80 AS fewer FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
-- other options are those of the build until the next one
ALTER INDEX given SET (m = 16, ef_construction = 64, quantizer = none, rerank = index);
SET hnsw.iterative_scan = strict_order;
SET hnsw.ef_search = 1000;
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5', 50);
INSERT INTO items SELECT * FROM sample(301, 320);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5', 50);
REINDEX INDEX given;
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;

-- one process with one seed builds the same graph
SET hnsw.seed = 42;
CREATE TABLE answers (build int, query int, id int);
DO $$
BEGIN
	FOR build IN 1..2 LOOP
		CREATE INDEX seeded ON items USING hnsw (v vector_l2_ops) WITH (m = 3, ef_construction = 6, quantizer = rabitq1);
		PERFORM set_config('enable_seqscan', 'off', true), set_config('hnsw.ef_search', '1', true), set_config('hnsw.iterative_scan', 'off', true);
		INSERT INTO answers SELECT build, q.id, x.id FROM sample(1001, 1200) q, LATERAL (SELECT i.id FROM items i ORDER BY i.v <-> q.v LIMIT 1) x;
		DROP INDEX seeded;
	END LOOP;
END $$;
SELECT count(*) FROM answers a JOIN answers b USING (query, id) WHERE a.build = 1 AND b.build = 2;
SELECT count(*) FROM answers WHERE build = 1;
RESET hnsw.seed;

-- what is refused
CREATE TABLE wrong (v vector, v3 vector(3), h halfvec, h3 halfvec(3), s sparsevec, b bit varying, b64000 bit(64000), b64001 bit(64001), t text, v8000 vector(8000), v16000 vector(16000), s3 sparsevec(3), i int);
INSERT INTO wrong (v, v3, s3) VALUES ('[1,2,3]', '[1,2,3]', '{1:1}/3');
\pset format unaligned
\pset tuples_only on
SELECT definition, r.* FROM unnest(ARRAY[
	'(v3 vector_l2_ops) WITH (m = 1)',
	'(v3 vector_l2_ops) WITH (m = 101)',
	'(v3 vector_l2_ops) WITH (m = many)',
	'(v3 vector_l2_ops) WITH (ef_construction = 3)',
	'(v3 vector_l2_ops) WITH (ef_construction = 1001)',
	'(v3 vector_l2_ops) WITH (ef_search = 1001)',
	'(v3 vector_l2_ops) WITH (ef_search = -1)',
	'(v3 vector_l2_ops) WITH (m = 16, ef_construction = 31)',
	'(v3 vector_l2_ops) WITH (m = 100)',
	'(v3 vector_l2_ops) WITH (quantizer = rabitq3)',
	'(v3 vector_l2_ops) WITH (rerank = disk)',
	'(v3 vector_l2_ops) WITH (lists = 100)',
	'(v3 vector_l2_ops) WITH (fillfactor = 50)',
	'(v3 vector_l1_ops) WITH (quantizer = rabitq8)',
	'(b64000 bit_hamming_ops) WITH (quantizer = rabitq1)',
	'(s3 sparsevec_l2_ops) WITH (quantizer = rabitq4)',
	'(v16000 vector_l2_ops) WITH (quantizer = rabitq8)',
	'(v16000 vector_l2_ops) WITH (quantizer = rabitq4, m = 100, ef_construction = 200)',
	'(v vector_l2_ops)',
	'(h halfvec_l2_ops)',
	'(s sparsevec_l2_ops)',
	'((b::bit varying) bit_hamming_ops)',
	'((v3 + v3) vector_l2_ops)',
	'(b64001 bit_hamming_ops)',
	'((v::vector(2)) vector_l2_ops)',
	'(v3)',
	'(v3 halfvec_l2_ops)',
	'(h3 vector_l2_ops)',
	'(t vector_l2_ops)',
	'(v3 vector_hamming_ops)',
	'(i int4_ops)',
	'(v3 vector_l2_ops, h3 halfvec_l2_ops)',
	'(v3 vector_l2_ops) INCLUDE (i)',
	'(v3 vector_l2_ops DESC)',
	'(v3 vector_l2_ops NULLS FIRST)',
	-- these are allowed
	'(v3 vector_l2_ops)',
	'(b64000 bit_jaccard_ops)',
	'(v16000 vector_l2_ops) WITH (quantizer = rabitq2)',
	'(v16000 vector_cosine_ops) WITH (m = 100, ef_construction = 200)',
	'(v16000 vector_l2_ops) WITH (quantizer = none, m = 100, ef_construction = 200)',
	'((v::vector(3)) vector_l2_ops)',
	'((b::bit(3)) bit_hamming_ops)',
	'(((v3 + v3)::vector(3)) vector_l2_ops)']) definition, error_of('CREATE INDEX ON wrong USING hnsw ' || definition) r;
SELECT statement, r.* FROM unnest(ARRAY[
	'CREATE UNIQUE INDEX ON wrong USING hnsw (v3 vector_l2_ops)',
	'ALTER TABLE wrong ADD EXCLUDE USING hnsw (v3 WITH =)',
	'CLUSTER wrong USING wrong_v3_idx',
	'ALTER INDEX wrong_v3_idx SET (m = 101)',
	'ALTER INDEX wrong_v3_idx SET (m = 40)',
	'ALTER INDEX wrong_v3_idx SET (m = 40, ef_construction = 80)',
	'ALTER INDEX wrong_v3_idx RESET (ef_construction)',
	'REINDEX INDEX wrong_v3_idx',
	'ALTER INDEX wrong_v3_idx RESET (m, ef_construction)',
	'SET hnsw.ef_search = 0',
	'SET hnsw.ef_search = 1001',
	'SET hnsw.iterative_scan = always',
	'SET hnsw.max_scan_tuples = 0',
	'SET hnsw.scan_mem_multiplier = 0.5',
	'SET hnsw.scan_mem_multiplier = 1001',
	'SET hnsw.seed = -1',
	-- values of other dimensions
	'SET enable_seqscan = off',
	'SELECT FROM wrong ORDER BY v3 <-> ''[1,2]''',
	'SELECT FROM wrong ORDER BY v::vector(3) <-> ''[1,2,3,4]''',
	'SELECT FROM items ORDER BY v <-> ''[1]'' LIMIT 1',
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
SET hnsw.ef_search = 1000;
SELECT * FROM nearest('wrong', 'v3', '<->', 'SELECT ''[1,2,4]''::vector');
SELECT * FROM nearest('wrong', 'v::vector(3)', '<->', 'SELECT ''[1,2,4]''::vector');
-- a type with other dimensions
ALTER TABLE items ALTER v TYPE vector(5) USING subvector(v, 1, 5);
SELECT * FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 5');
-- the operator classes are valid
SELECT count(*), bool_and(amvalidate(o.oid)) FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw';
CREATE OPERATOR CLASS foreign_ops FOR TYPE float8 USING hnsw AS FUNCTION 1 float8pl(float8, float8);
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'foreign_ops';
CREATE TABLE floats (f float8);
CREATE INDEX ON floats USING hnsw (f foreign_ops);
-- abilities
SELECT name, pg_indexam_has_property(a.oid, name) AS access_method FROM pg_am a, unnest('{can_order,can_unique,can_multi_col,can_include}'::text[]) name WHERE amname = 'hnsw';
SELECT name, pg_index_has_property('given', name), pg_index_column_has_property('given', 1, name) FROM unnest('{clusterable,index_scan,bitmap_scan,backward_scan,asc,orderable,distance_orderable,returnable,search_array,search_nulls}'::text[]) name;

DROP SCHEMA hnsw_options CASCADE;
