-- sparse_inverted: an index that is added to for long, and bad input
CREATE SCHEMA sparse_write;
SET search_path = sparse_write, public;
SET jit = off;
SET client_min_messages = warning;
SET vector.enable_exact_scan = off;
CREATE TABLE docs (id int PRIMARY KEY, v sparsevec(1000) NOT NULL);
CREATE INDEX docs_v ON docs USING sparse_inverted (v) WITH (pending_list_limit = 64);
CREATE FUNCTION item(i int) RETURNS sparsevec IMMUTABLE LANGUAGE sql AS
	$$ SELECT format('{%s:%s,%s:%s,%s:-0.25}/1000', 1 + i % 100, 1 + i % 3, 101 + i % 370, 2.5 + i % 2, 501 + i * 7 % 490)::sparsevec $$;
-- distances of all rows by the index and by a sort: rows, how many differ
CREATE FUNCTION wrong(q sparsevec, OUT rows bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
	scanned float8[];
	sorted float8[];
BEGIN
	SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
	scanned := ARRAY(SELECT v <#> q FROM docs ORDER BY v <#> q);
	SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on; SET LOCAL enable_indexscan = off;
	sorted := ARRAY(SELECT v <#> q FROM docs ORDER BY v <#> q);
	RESET enable_indexscan;
	rows := cardinality(scanned);
	SELECT count(*) INTO wrong FROM unnest(scanned, sorted) AS x(a, b) WHERE a IS DISTINCT FROM b;
END $$;

-- What is replaced under one snapshot is kept for it; rows go to segments nevertheless
DO $$
BEGIN
	FOR i IN 1..400 LOOP
		INSERT INTO docs SELECT n, item(n) FROM generate_series(i * 10, i * 10 + 9) AS n;
		IF sparse_inverted_flush('docs_v') <> 10 THEN
			RAISE 'rows stayed pending in round %', i;
		END IF;
	END LOOP;
END $$;
SELECT * FROM vector_index_check('docs_v', true);
SELECT * FROM wrong(item(5));
SELECT sparse_inverted_flush('docs_v', true);
SELECT * FROM wrong(item(6));
-- one statement that fills the list many times
INSERT INTO docs SELECT n, item(n) FROM generate_series(10000, 50000) AS n;
SELECT sparse_inverted_flush('docs_v') < 2000 AS few_pending;
SELECT * FROM wrong(item(7));
DELETE FROM docs WHERE id >= 10000;
VACUUM docs;
SELECT * FROM vector_index_check('docs_v', true);
SELECT * FROM wrong(item(8));

-- Weights that are no numbers are no values; zeros are none
INSERT INTO docs VALUES (-1, '{1:NaN}/1000');
INSERT INTO docs VALUES (-1, '{1:Infinity}/1000');
INSERT INTO docs VALUES (-1, '{1:-Infinity,2:1}/1000');
INSERT INTO docs VALUES (-1, '{1:1e39}/1000');
INSERT INTO docs VALUES (-1, '{1:1,1:2}/1000');
INSERT INTO docs VALUES (-1, '{0:1}/1000');
INSERT INTO docs VALUES (-1, '{1001:1}/1000');
INSERT INTO docs VALUES (-1, '{1:1}/999');
INSERT INTO docs VALUES (-1, '{1:0,2:-0}/1000') RETURNING v;
SET enable_seqscan = off;
SELECT id FROM docs ORDER BY v <#> '{1:NaN}/1000' LIMIT 1;
SELECT id FROM docs ORDER BY v <#> '{1:1}/999' LIMIT 1;
SELECT id FROM docs ORDER BY v <#> (ARRAY['NaN']::real[])::sparsevec LIMIT 1;
-- negative weights of rows and of queries: all rows, the best first
SELECT min(d), max(d), count(*) FROM (SELECT v <#> '{501:-4,1:1}/1000' AS d FROM docs ORDER BY v <#> '{501:-4,1:1}/1000' LIMIT 100000) s;
SELECT * FROM wrong('{501:-4,508:-1e-3,1:-1}/1000');
-- nothing to look for, in no row, and in no row of the index: all rows, at distance 0
SELECT count(*), max(abs(d)) FROM (SELECT v <#> '{}/1000' AS d FROM docs ORDER BY v <#> '{}/1000' LIMIT 100000) s;
SELECT count(*), max(abs(d)) FROM (SELECT v <#> '{1000:5}/1000' AS d FROM docs ORDER BY v <#> '{1000:5}/1000' LIMIT 100000) s;
SELECT count(*) FROM (SELECT id FROM docs ORDER BY v <#> NULL LIMIT 100000) s;
SELECT count(*) FROM (SELECT id FROM docs ORDER BY v <#> '{1:1}/1000' LIMIT 0) s;
SELECT id FROM docs ORDER BY v <#> '{1:1}/1000' LIMIT -1;
-- as many elements as there may be, of which rows have some, and one more
CREATE TABLE wide (id int, v sparsevec(100000) NOT NULL);
INSERT INTO wide SELECT i, format('{%s:1,%s:%s}/100000', i * 19, 40000 + i, i % 7 + 1)::sparsevec FROM generate_series(1, 2000) AS i;
CREATE INDEX ON wide USING sparse_inverted (v);
SELECT ('{' || string_agg(i || ':' || i % 5 + 1, ',' ORDER BY i) || '}/100000')::sparsevec AS many FROM generate_series(26001, 42000) AS i \gset
SELECT id, v <#> :'many' AS d FROM wide ORDER BY v <#> :'many', id LIMIT 3;
SELECT count(*) = (SELECT count(*) FROM wide WHERE (v <#> :'many') + 0 < -20) AS as_without_index FROM wide WHERE v <#> :'many' < -20;
SELECT count(*) FROM (SELECT id FROM wide ORDER BY v <#> (SELECT ('{' || string_agg(i || ':1', ',' ORDER BY i) || '}/100000')::sparsevec FROM generate_series(1, 16001) AS i) LIMIT 1) s;
-- a flush that has been stopped, wherever, left a list of nearly as many segments as there may be; more rows came
CREATE TABLE stopped (id int, v sparsevec(1000) NOT NULL);
CREATE INDEX stopped_v ON stopped USING sparse_inverted (v) WITH (pending_list_limit = 1048576);
CREATE TABLE seeds AS SELECT s, (SELECT ('{' || string_agg(i * 10 + s || ':1', ',' ORDER BY i) || '}/1000')::sparsevec FROM generate_series(0, 99) AS i) AS v
	FROM generate_series(1, 9) AS s;
INSERT INTO stopped SELECT n, v FROM generate_series(1, 27170) AS n JOIN seeds ON s = 1 + n % 9;
SET maintenance_work_mem = '1MB';
SET statement_timeout = '50ms';
DO $$BEGIN PERFORM sparse_inverted_flush('stopped_v'); EXCEPTION WHEN query_canceled THEN NULL; END$$;
RESET statement_timeout;
INSERT INTO stopped SELECT n, v FROM generate_series(30001, 31200) AS n JOIN seeds ON s = 1 + n % 9;
SELECT sparse_inverted_flush('stopped_v') >= 1200 AS flushed;
RESET maintenance_work_mem;
SELECT * FROM vector_index_check('stopped_v', true);
SELECT count(*), count(*) FILTER (WHERE d = -1) FROM (SELECT v <#> '{5:1}/1000' AS d FROM stopped ORDER BY v <#> '{5:1}/1000' LIMIT 100000) s;
-- a session that has searched: another index in the same file, in another one, segments that are others
CREATE FUNCTION best(query sparsevec, OUT nearest int, OUT wrong bigint) LANGUAGE plpgsql AS $$DECLARE
	ids int[];
BEGIN
	SELECT array_agg(id) FROM (SELECT id FROM made ORDER BY v <#> query LIMIT 3) s INTO ids;
	SELECT count(*) FROM made WHERE (v <#> query) + 0 < (SELECT v <#> query FROM made WHERE id = ids[3]) AND id <> ALL (ids) INTO wrong;
	nearest := ids[1];
END$$;
CREATE FUNCTION row_of(n int, step int) RETURNS sparsevec LANGUAGE sql AS $$SELECT ('{' || string_agg(d || ':' || w, ',') || '}/20000')::sparsevec FROM (SELECT 1 + (n * 7919 + i * 104729) % 5000 * step AS d, max(1 + (n + i) % 9) AS w FROM generate_series(1, 5) AS i GROUP BY 1) a$$;
BEGIN;
CREATE TABLE made (id int, v sparsevec(20000) NOT NULL);
CREATE INDEX made_v ON made USING sparse_inverted (v);
INSERT INTO made SELECT n, row_of(n, 1) FROM generate_series(1, 3000) AS n;
SELECT sparse_inverted_flush('made_v') > 0 AS flushed;
SELECT a, b FROM best(row_of(20, 1)) a, best(row_of(2999, 1)) b;
SELECT a, b FROM best(row_of(20, 1)) a, best(row_of(2999, 1)) b;
SELECT pg_relation_filenode('made_v') AS file \gset
TRUNCATE made;
INSERT INTO made SELECT -n, row_of(n, 3) FROM generate_series(1, 3000) AS n;
SELECT sparse_inverted_flush('made_v') > 0 AS flushed, pg_relation_filenode('made_v') = :file AS same_file;
SELECT a, b FROM best(row_of(20, 3)) a, best(row_of(2999, 3)) b;
COMMIT;
SELECT a, b FROM best(row_of(20, 3)) a, best(row_of(2999, 3)) b;
DELETE FROM made WHERE id % 2 = 0;
INSERT INTO made SELECT n, row_of(n, 2) FROM generate_series(1, 3000) AS n;
SELECT sparse_inverted_flush('made_v', true) > 0 AS flushed;
SELECT a, b FROM best(row_of(20, 2)) a, best(row_of(2999, 3)) b;
REINDEX INDEX made_v;
SELECT a, b FROM best(row_of(20, 2)) a, best(row_of(2999, 3)) b;
RESET enable_seqscan;
\set VERBOSITY terse
DROP SCHEMA sparse_write CASCADE;
