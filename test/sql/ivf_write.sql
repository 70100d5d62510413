-- ivfflat, ivfpq, ivfrabitq: insert, update, delete, vacuum
CREATE SCHEMA ivf_write;
SET search_path = ivf_write, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\set ECHO all
-- temporary tables: what is dead here is dead to every other session
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
CREATE TEMP TABLE items (LIKE sample_type, n int DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO items SELECT * FROM sample(1, 300);
-- one operator for each, so that the planner has no choice
CREATE INDEX flat_index ON items USING ivfflat (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX bit_index ON items USING ivfflat (b bit_hamming_ops) WITH (lists = 5);
CREATE INDEX pq_index ON items USING ivfpq (v vector_ip_ops) WITH (lists = 5);
CREATE INDEX pq8_index ON items USING ivfpq (h halfvec_l2_ops) WITH (lists = 5, nbits = 8, opq = on);
CREATE INDEX rabitq_index ON items USING ivfrabitq (v vector_cosine_ops) WITH (lists = 5, rerank = index);
CREATE INDEX rabitq4_index ON items USING ivfrabitq (h halfvec_ip_ops) WITH (lists = 5, bits = 4);
CREATE TABLE indexes (n int, name text, value text, operator text);
INSERT INTO indexes VALUES (1, 'flat', 'v', '<->'), (2, 'bit', 'b', '<~>'), (3, 'pq', 'v', '<#>'), (4, 'pq8', 'h', '<->'), (5, 'rabitq', 'v', '<=>'), (6, 'rabitq4', 'h', '<#>');
-- by index: whether it is used, rows, what is wrong
CREATE FUNCTION check_items(OUT used boolean, OUT rows text, OUT wrong numeric) LANGUAGE sql AS
	'SELECT bool_and(index), string_agg(r.rows::text, '','' ORDER BY n), sum(differences + disorder + twice) FROM indexes, nearest(''items'', value, operator, format(''SELECT %s FROM sample(21, 21)'', value)) r';
SELECT * FROM check_items();

\i sql/write_rollback.inc
-- the rows that an older snapshot sees
BEGIN;
DECLARE before CURSOR FOR SELECT id FROM items ORDER BY v <=> (SELECT v FROM items WHERE id = 21);
DECLARE before_flat CURSOR FOR SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 21);
DELETE FROM items WHERE id % 2 = 0;
SELECT * FROM check_items();
MOVE 300 IN before;
MOVE ALL IN before;
MOVE 250 IN before_flat;
MOVE ALL IN before_flat;
ROLLBACK;

CREATE FUNCTION sizes() RETURNS bigint[] LANGUAGE sql AS 'SELECT array_agg(pg_relation_size((name || ''_index'')::regclass) ORDER BY n) FROM indexes';
\i sql/write_update.inc
-- a row that takes a dead one's place
VACUUM items;
INSERT INTO items SELECT * FROM sample(400, 500);
SELECT * FROM check_items();

-- dead rows never shrink the result
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY v <=> (SELECT v FROM sample(21, 21)) LIMIT 80);
SET ivfrabitq.rerank = 10;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <=> (SELECT v FROM sample(21, 21)) LIMIT 50) x;
SET ivfrabitq.iterative_scan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <=> (SELECT v FROM sample(21, 21)) LIMIT 50) x;
RESET ivfrabitq.iterative_scan;
SET ivfrabitq.rerank = 100000;
SELECT * FROM check_items();
VACUUM items;
SELECT * FROM check_items();

\i sql/write_space.inc

-- many pages: of one list, of several, of a value
CREATE TEMP TABLE large (id int, v vector(96), w vector(2500), h halfvec(5000)) WITH (autovacuum_enabled = off);
CREATE FUNCTION fill_large(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO large SELECT i, array_agg(x ORDER BY j) FILTER (WHERE j <= 96), CASE WHEN i % 15 = 0 THEN array_agg(x ORDER BY j) FILTER (WHERE j <= 2500) END, CASE WHEN i % 15 = 0 THEN (array_agg(x ORDER BY j) || array_agg(x ORDER BY j DESC))::real[] END
	FROM generate_series(first, last) i, LATERAL (SELECT j, sin(i * 0.37 + j) + i * 0.01 AS x FROM generate_series(1, CASE WHEN i % 15 = 0 THEN 2500 ELSE 96 END) j) s GROUP BY i
$$;
SELECT fill_large(1, 600);
CREATE INDEX large_one ON large USING ivfflat (v vector_l2_ops) WITH (lists = 1);
CREATE INDEX large_many ON large USING ivfrabitq (v vector_ip_ops) WITH (lists = 40, bits = 8, rerank = index);
CREATE INDEX large_pq ON large USING ivfpq (v vector_cosine_ops) WITH (lists = 3, m = 96);
CREATE INDEX large_pieces ON large USING ivfflat (w vector_cosine_ops) WITH (lists = 3);
CREATE INDEX large_values ON large USING ivfpq (w vector_l2_ops) WITH (lists = 3, rerank = index);
CREATE INDEX large_halfvec ON large USING ivfflat (h halfvec_l2_ops) WITH (lists = 3);
CREATE INDEX large_rabitq ON large USING ivfrabitq (h halfvec_ip_ops) WITH (lists = 3, bits = 8);
CREATE FUNCTION check_large(OUT used boolean, OUT rows text, OUT wrong numeric) LANGUAGE sql AS $$
	SELECT bool_and(index), string_agg(r.rows::text, ',' ORDER BY n), sum(differences + disorder + twice)
	FROM (VALUES (1, 'v', '<->'), (2, 'v', '<#>'), (3, 'v', '<=>'), (4, 'w', '<=>'), (5, 'w', '<->'), (6, 'h', '<->'), (7, 'h', '<#>')) x (n, value, operator),
		nearest('large', value, operator, CASE value WHEN 'v' THEN 'SELECT array_agg(sin(j * j))::vector FROM generate_series(1, 96) j' WHEN 'w' THEN 'SELECT array_agg(sin(j * j))::vector FROM generate_series(1, 2500) j' ELSE 'SELECT array_agg(sin(j * j))::vector::halfvec FROM generate_series(1, 5000) j' END) r
$$;
SELECT * FROM check_large();
DELETE FROM large WHERE id % 4 > 0;
VACUUM large;
SELECT * FROM check_large();
SELECT fill_large(601, 700);
SELECT * FROM check_large();
DELETE FROM large WHERE id BETWEEN 100 AND 500;
VACUUM large;
SELECT * FROM check_large();
DELETE FROM large;
VACUUM large;
SELECT * FROM check_large();
SELECT fill_large(1, 600);
SELECT * FROM check_large();
CREATE FUNCTION large_sizes() RETURNS bigint[] LANGUAGE sql AS 'SELECT array_agg(pg_relation_size(i::regclass) ORDER BY i) FROM unnest(''{large_one,large_many,large_pq,large_pieces,large_values,large_halfvec,large_rabitq}''::text[]) i';
SELECT large_sizes() AS sizes \gset
DELETE FROM large;
VACUUM large;
SELECT fill_large(1, 600);
SELECT large_sizes() = :'sizes' AS same_sizes;
DELETE FROM large WHERE id % 30 < 20;
VACUUM large;
SELECT fill_large(1, 600);
DELETE FROM large WHERE id % 30 >= 20 AND ctid IN (SELECT min(ctid) FROM large GROUP BY id);
SELECT * FROM check_large();
VACUUM large;
SELECT * FROM check_large();
-- that are found by vacuum only
SELECT fill_large(1000, 1300);
DELETE FROM large WHERE id < 1000;
VACUUM (INDEX_CLEANUP off) large;
SELECT * FROM check_large();
VACUUM (INDEX_CLEANUP on) large;
SELECT fill_large(1, 200);
SELECT * FROM check_large();

-- thousands of equal values
CREATE TEMP TABLE equal (id int, v vector(12)) WITH (autovacuum_enabled = off);
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(1, 3000) i;
INSERT INTO equal SELECT id + 3000, v FROM sample(1, 40) WHERE v IS NOT NULL;
CREATE INDEX equal_flat ON equal USING ivfflat (v vector_l2_ops) WITH (lists = 10);
CREATE INDEX equal_pq ON equal USING ivfpq (v vector_ip_ops);
CREATE INDEX equal_rabitq ON equal USING ivfrabitq (v vector_cosine_ops);
CREATE FUNCTION check_equal(OUT used boolean, OUT rows text, OUT wrong numeric) LANGUAGE sql AS
	'SELECT bool_and(index), string_agg(r.rows::text, '','' ORDER BY operator), sum(differences + disorder + twice) FROM unnest(''{<->,<#>,<=>}''::text[]) operator, nearest(''equal'', ''v'', operator, ''SELECT v FROM equal WHERE id = 3021'', 10000) r';
SELECT * FROM check_equal();
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(4001, 5000) i;
SELECT * FROM check_equal();
DELETE FROM equal WHERE id % 2 = 0;
SELECT * FROM check_equal();
VACUUM equal;
SELECT * FROM check_equal();
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(6001, 8000) i;
SELECT * FROM check_equal();
DELETE FROM equal WHERE v = '[1,2,3,4,5,6,7,8,9,10,11,12]';
VACUUM equal;
SELECT * FROM check_equal();

-- before and after a rollback of what made pages
BEGIN;
INSERT INTO equal SELECT i, ARRAY[i,2,3,4,5,6,7,8,9,10,11,12]::vector FROM generate_series(1, 1000) i;
ROLLBACK;
SELECT * FROM check_equal();
VACUUM equal;
INSERT INTO equal SELECT i, ARRAY[i,2,3,4,5,6,7,8,9,10,11,12]::vector FROM generate_series(1, 1000) i;
SELECT * FROM check_equal();
SELECT relname, reltuples FROM pg_class WHERE relname IN ('equal_flat', 'equal_pq', 'equal_rabitq') AND relnamespace = pg_my_temp_schema() ORDER BY relname;

DROP SCHEMA ivf_write CASCADE;
