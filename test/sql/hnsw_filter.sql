-- hnsw: filter columns
CREATE SCHEMA hnsw_filter;
SET search_path = hnsw_filter, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\i sql/filter.inc
\set ECHO all
-- a scan to the end
SET hnsw.max_scan_tuples = 1000000;
SET hnsw.iterative_scan = relaxed_order;
SELECT fill(1, 300);
SELECT string_agg(quote_ident(name), ', ' ORDER BY n) AS all_columns FROM columns \gset
CREATE INDEX l2_index ON items USING hnsw (v vector_l2_ops, :all_columns);
CREATE INDEX cosine_index ON items USING hnsw (v vector_cosine_ops, :all_columns) WITH (quantizer = none);
CREATE INDEX ip_index ON items USING hnsw (v vector_ip_ops, :all_columns) WITH (quantizer = rabitq4, rerank = heap);
-- (how many rows a collation has depends on whether the server knows it)
SELECT name, type, conditions, filters, CASE WHEN type NOT LIKE '%COLLATE%' THEN rows END AS rows, wrong FROM columns, check_column(name) r ORDER BY n;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
-- (up to 15, the flag is tested again)
SELECT line FROM plan_of($$SELECT id FROM items WHERE i4 > 1::int8 AND t IN ('a', 'b') AND ia && '{1,2}' AND d IS NULL AND f8 BETWEEN 0 AND 1 AND NOT b ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 3$$) line WHERE line !~ '^ *Filter: \(NOT b\)$';
\i sql/filter_write.inc
-- built by workers; the graph beyond its memory
ALTER TABLE items SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
REINDEX TABLE items;
SELECT * FROM check_items();
SET maintenance_work_mem = '1MB';
INSERT INTO items SELECT i.* FROM items i, generate_series(1, 4);
REINDEX TABLE items;
SELECT * FROM check_items();
RESET maintenance_work_mem;
SET max_parallel_maintenance_workers = 0;
\set l2_am hnsw
\set cosine_am hnsw
\set ip_am hnsw
\set with ''
\i sql/filter_kinds.inc

-- all types of values, more keys than a page has, values in pieces
CREATE TABLE wide (id int, k int, v vector(2500), h halfvec(12), s sparsevec(12), b bit(48));
INSERT INTO wide SELECT id, id % 5, (SELECT array_agg(sin(id * 0.37 + j)) FROM generate_series(1, 2500) j)::vector, h, s, b FROM sample(1, 150);
CREATE INDEX ON wide USING hnsw (v vector_l2_ops, k);
CREATE INDEX ON wide USING hnsw (h halfvec_cosine_ops, k);
CREATE INDEX ON wide USING hnsw (s sparsevec_l1_ops, k);
CREATE INDEX ON wide USING hnsw (b bit_hamming_ops, k);
SELECT value, condition, r.index, r.rows, r.differences, r.disorder, r.twice FROM
	(VALUES ('v', '<->', 'SELECT v FROM wide WHERE id = 7'), ('h', '<=>', 'SELECT h FROM wide WHERE id = 8'), ('s', '<+>', 'SELECT s FROM wide WHERE id = 8'), ('b', '<~>', 'SELECT b FROM wide WHERE id = 8')) q (value, operator, query),
	unnest('{k = 3,k > 1,k > 10}'::text[]) condition, nearest('wide', value, operator, query, 1000, condition) r;

-- few that pass, many, and what lies between: all come, and by default nearly the nearest ones do
RESET hnsw.max_scan_tuples;
RESET hnsw.iterative_scan;
CREATE TABLE many (id int, v vector(12), k int, half bool, area int);
INSERT INTO many SELECT i, v, i % 1000, i % 2 = 0, CASE WHEN v <-> '[0,0,0,0,0,0,0,0,0,0,0,0]' < 3 THEN 1 ELSE 2 END FROM
	(SELECT i, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 12) j)::vector AS v FROM generate_series(1, 16000) i) s;
CREATE INDEX ON many USING hnsw (v vector_l2_ops, k, half, area);
ANALYZE many;
-- counts of what comes, and how the scan went about it
CREATE FUNCTION counted(condition text, most int, OUT rows bigint, OUT fulfil bigint, OUT mode text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %1$s) FROM (SELECT * FROM many WHERE %1$s ORDER BY v <-> ''[1,2,0,1,2,0,1,2,0,1,2,0]'' LIMIT %2$s) x', condition, most) INTO rows, fulfil;
	mode := (vector_last_scan()).mode;
END $$;
SELECT condition, most, c.* FROM unnest('{half,k < 350,k < 350 AND half,k = 17,k IN (1;2;3),k < 0,k > 5000,k IS NULL,area = 1}'::text[]) u, unnest('{10,100}'::int[]) most, LATERAL (SELECT replace(u, ';', ',') AS condition) s, counted(condition, most) c;
-- to the end, in order, nothing twice
SET hnsw.max_scan_tuples = 1000000;
SET hnsw.scan_mem_multiplier = 100;
SELECT condition, r.index, (SELECT count(*) FROM many WHERE CASE condition WHEN 'half' THEN half WHEN 'k = 17' THEN k = 17 ELSE k < 350 END) - r.rows < 60 AS nearly_all, r.disorder, r.twice FROM unnest('{half,k < 350,k = 17}'::text[]) condition, nearest('many', 'v', '<->', 'SELECT v FROM many WHERE id = 7', 20000, condition) r;
SET hnsw.iterative_scan = relaxed_order;
SELECT condition, r.rows, r.twice FROM unnest('{half,k < 350,k = 17}'::text[]) condition, nearest('many', 'v', '<->', 'SELECT v FROM many WHERE id = 7', 20000, condition) r;
RESET hnsw.iterative_scan;
RESET hnsw.max_scan_tuples;
RESET hnsw.scan_mem_multiplier;
CREATE FUNCTION found(condition text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	n int;
	hits int := 0;
BEGIN
	FOR i IN 1 .. 20 LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT id FROM many WHERE %1$s ORDER BY v <-> (SELECT v FROM many WHERE id = $1) LIMIT 10) x
			JOIN (SELECT id FROM many WHERE %1$s ORDER BY (v <-> (SELECT v FROM many WHERE id = $1)) + 0 LIMIT 10) y USING (id)', condition) INTO n USING 17 * i;
		hits := hits + n;
	END LOOP;
	RETURN hits / 200.0;
END $$;
SELECT condition, found(condition) > 0.95 AS enough FROM unnest('{true,half,k < 350,k < 350 AND half,k = 17,area = 1,area = 2}'::text[]) condition;
-- nodes with as many neighbours as can be
CREATE TABLE fewer AS SELECT * FROM many WHERE id <= 1500;
CREATE INDEX ON fewer USING hnsw (v vector_ip_ops, k) WITH (m = 100, ef_construction = 200);
SELECT condition, r.index, r.rows, r.disorder, r.twice FROM unnest('{k < 350,k < 550,k = 17}'::text[]) condition, nearest('fewer', 'v', '<#>', 'SELECT v FROM fewer WHERE id = 7', 200, condition) r;
DROP TABLE fewer;
-- off ends after ef_search, and max_scan_tuples counts what passes
SET hnsw.iterative_scan = off;
SELECT condition, c.rows BETWEEN 40 AND 60 AS first_ones FROM unnest('{half,k < 350,k < 350 AND half}'::text[]) condition, counted(condition, 1000) c;
RESET hnsw.iterative_scan;
SET hnsw.max_scan_tuples = 100;
SELECT condition, c.rows BETWEEN 40 AND 1000 AS limited FROM unnest('{half,k < 350,k < 350 AND half}'::text[]) condition, counted(condition, 10000) c;
RESET hnsw.max_scan_tuples;
-- prepared, with parameters that come late, and null
PREPARE by_k(int, int[]) AS SELECT count(*) FROM (SELECT id FROM many WHERE k < $1 AND k = ANY ($2) ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 50) x;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_k(5, '{1,2,7,NULL}');
EXECUTE by_k(1, '{1,2}');
EXECUTE by_k(NULL, '{5}');
EXECUTE by_k(5, NULL);
EXECUTE by_k(5, '{}');
RESET plan_cache_mode;
-- one scan, many conditions
SELECT sum(n), count(*) FILTER (WHERE n <> 10) FROM generate_series(0, 99) t, LATERAL (SELECT count(*) AS n FROM (SELECT id FROM many WHERE k = t ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 10) x) y;

\i sql/filter_range.inc

-- what cannot be
SELECT statement, e.* FROM unnest(ARRAY[
	'CREATE INDEX ON many USING hnsw (k, v vector_l2_ops)',
	'CREATE INDEX ON many USING hnsw (v vector_l2_ops, v vector_ip_ops)',
	'CREATE INDEX ON many USING hnsw (v vector_l2_ops, (point(k, k)))',
	'CREATE INDEX ON many USING hnsw (v vector_l2_ops) INCLUDE (k)',
	'CREATE UNIQUE INDEX ON many USING hnsw (v vector_l2_ops, k)']) statement, error_of(statement) e;

DROP SCHEMA hnsw_filter CASCADE;
