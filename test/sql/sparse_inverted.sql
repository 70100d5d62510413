-- sparse_inverted: the order of an index scan is the operator's, for all rows

SET client_min_messages = warning;
SET vector.enable_exact_scan = off;

CREATE FUNCTION random_sparse(dims int, elements int, negative bool, whole bool)
	RETURNS sparsevec LANGUAGE sql VOLATILE AS $$
	SELECT ('{' || string_agg(d || ':' || w, ',' ORDER BY d) || '}/' || dims)::sparsevec
	FROM (SELECT DISTINCT ON (d) d, w
		FROM (SELECT 1 + floor(power(random(), 3) * dims)::int AS d,
			(CASE WHEN whole THEN 1 + floor(random() * 5) ELSE random() * 3 + 0.01 END *
			 CASE WHEN negative AND random() < 0.3 THEN -1 ELSE 1 END)::real AS w
			FROM generate_series(1, elements)) AS elements) AS distinct_elements
$$;

CREATE TABLE docs (id int PRIMARY KEY, v sparsevec(500), n int, name text);
CREATE TABLE queries (id int, v sparsevec(500));
SELECT setseed(0.5);
INSERT INTO docs SELECT i, random_sparse(500, 12, i % 2 = 0, i % 5 = 0), i % 10, 'name ' || i % 7
	FROM generate_series(1, 2500) AS i;
INSERT INTO docs SELECT i, '{}/500', 1, NULL FROM generate_series(2501, 2510) AS i;
INSERT INTO docs SELECT i, NULL, 1, NULL FROM generate_series(2511, 2515) AS i;
INSERT INTO docs SELECT i, '{400:1}/500', 2, 'same' FROM generate_series(2516, 2600) AS i;
INSERT INTO queries SELECT i, random_sparse(500, 8, i % 3 = 0, i % 2 = 0)
	FROM generate_series(1, 12) AS i;
INSERT INTO queries VALUES (13, '{}/500'), (14, '{1:-1,2:-2,9:-0.5}/500'), (15, '{400:2}/500'),
	(16, '{499:1e-30}/500'), (17, (SELECT v FROM docs WHERE id = 7));

-- For each query, distances in the order of the index and in the order of a sort:
-- how many queries have others, rows of all queries, rows that came twice
CREATE FUNCTION compare_orders(operator text, rows int, condition text, OUT wrong int,
		OUT returned bigint, OUT repeated bigint, OUT scans bigint) LANGUAGE plpgsql AS $$
DECLARE
	query record;
	sorted float8[];
	scanned float8[];
	ids int[];
	line text;
	statement text := format('SELECT array_agg(d ORDER BY r), array_agg(id) FROM (SELECT *, row_number() OVER () AS r
		FROM (SELECT id, v %s $1 AS d FROM docs WHERE v IS NOT NULL AND %s ORDER BY v %s $1 LIMIT %s) AS first) AS numbered',
		operator, condition, operator, rows);
BEGIN
	wrong := 0; returned := 0; repeated := 0; scans := 0;
	FOR query IN SELECT * FROM queries ORDER BY id LOOP
		SET LOCAL enable_seqscan = on;
		SET LOCAL enable_indexscan = off;
		EXECUTE statement INTO sorted, ids USING query.v;
		SET LOCAL enable_indexscan = on;
		SET LOCAL enable_seqscan = off;
		FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || replace(statement, '$1', quote_literal(query.v) || '::sparsevec') LOOP
			scans := scans + (line LIKE '%Index Scan using docs%')::int;
		END LOOP;
		EXECUTE statement INTO scanned, ids USING query.v;
		wrong := wrong + (sorted IS DISTINCT FROM scanned)::int;
		returned := returned + cardinality(ids);
		repeated := repeated + cardinality(ids) - (SELECT count(DISTINCT id) FROM unnest(ids) AS id);
	END LOOP;
END
$$;

CREATE INDEX docs_v ON docs USING sparse_inverted (v);
SELECT * FROM compare_orders('<#>', 10, 'true');
SELECT * FROM compare_orders('<#>', 10000, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v) WITH (weights = float4);
SELECT * FROM compare_orders('<#>', 10, 'true');
SELECT * FROM compare_orders('<#>', 10000, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v sparsevec_cosine_ops);
SELECT * FROM compare_orders('<=>', 10, 'true');
SELECT * FROM compare_orders('<=>', 10000, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v sparsevec_cosine_ops) WITH (weights = float4);
SELECT * FROM compare_orders('<=>', 10000, 'true');
DROP INDEX docs_v;

-- filter columns
CREATE INDEX docs_v ON docs USING sparse_inverted (v, n, name) WITH (pending_list_limit = 64);
SELECT * FROM compare_orders('<#>', 10, 'n = 3');
SELECT * FROM compare_orders('<#>', 10000, $$n < 5 AND name = 'name 3'$$);
SELECT * FROM compare_orders('<#>', 100, 'name IS NULL');
SELECT * FROM compare_orders('<#>', 10, 'n = 11');

-- spheres
SET enable_seqscan = off;
SELECT count(*) = (SELECT count(*) FROM docs WHERE (v <#> '{400:1}/500') + 0 <= -1), count(*) >= 85 AS enough
	FROM docs WHERE v <<#>> sphere('{400:1}/500'::sparsevec, -1);
SELECT count(*) = (SELECT count(*) FROM docs WHERE (v <#> '{400:1}/500') + 0 <= -1 OR (v <#> '{1:1,2:1}/500') + 0 <= -2)
	FROM docs WHERE v <<#>> ANY (ARRAY[sphere('{400:1}/500'::sparsevec, -1), sphere('{1:1,2:1}/500'::sparsevec, -2)]);
SELECT count(*) = (SELECT count(*) FROM docs WHERE (v <#> '{1:1,2:1}/500') + 0 <= -2)
	FROM docs WHERE v <<#>> sphere('{1:1,2:1}/500'::sparsevec, -2);
RESET enable_seqscan;

-- rows that are added are found before they are in a list, and after
INSERT INTO docs SELECT 3000 + i, random_sparse(500, 12, i % 2 = 0, false), i % 10, 'new'
	FROM generate_series(1, 50) AS i;
SELECT * FROM compare_orders('<#>', 10, 'true');
SELECT * FROM compare_orders('<#>', 10000, 'true');
SELECT * FROM compare_orders('<#>', 10000, $$name = 'new'$$);
SELECT sparse_inverted_flush('docs_v');
SELECT sparse_inverted_flush('docs_v');
SELECT * FROM compare_orders('<#>', 10000, 'true');
-- enough that the list is flushed by itself, and segments are merged
INSERT INTO docs SELECT 4000 + i, random_sparse(500, 12, i % 2 = 0, i % 3 = 0), i % 10, 'many'
	FROM generate_series(1, 3000) AS i;
SELECT sparse_inverted_flush('docs_v') BETWEEN 1 AND 1000;
SELECT * FROM compare_orders('<#>', 10, 'true');
SELECT * FROM compare_orders('<#>', 10000, 'n = 3');

-- rows that are removed
DELETE FROM docs WHERE id % 3 = 0;
UPDATE docs SET n = n + 1, v = '{3:2,5:1}/500' WHERE id % 17 = 0;
SELECT * FROM compare_orders('<#>', 10, 'true');
VACUUM docs;
SELECT * FROM compare_orders('<#>', 10, 'true');
SELECT * FROM compare_orders('<#>', 10000, 'true');
SELECT sparse_inverted_flush('docs_v', true);
SELECT * FROM compare_orders('<#>', 10000, 'true');
INSERT INTO docs SELECT 9000 + i, random_sparse(500, 12, false, false), 1, 'again'
	FROM generate_series(1, 20) AS i;
DELETE FROM docs WHERE id % 2 = 0;
VACUUM docs;
SELECT * FROM compare_orders('<#>', 10000, 'true');
DELETE FROM docs WHERE id > 100;
VACUUM docs;
SELECT * FROM compare_orders('<#>', 10000, 'true');
REINDEX INDEX CONCURRENTLY docs_v;
SELECT * FROM compare_orders('<#>', 10000, 'true');
DELETE FROM docs;
VACUUM docs;
SELECT sparse_inverted_flush('docs_v', true);
SELECT * FROM compare_orders('<#>', 10, 'true');
DROP TABLE docs;

-- values longer than a page, and queries of as many elements as there can be
CREATE UNLOGGED TABLE docs (id int, v sparsevec(20000) NOT NULL);
CREATE FUNCTION long_sparse(elements int, seed int) RETURNS sparsevec LANGUAGE sql AS $$
	SELECT ('{' || string_agg(i || ':' || ((i * seed) % 13 + 1) * 0.25, ',' ORDER BY i) || '}/20000')::sparsevec
	FROM generate_series(1, elements) AS i
$$;
INSERT INTO docs SELECT i, long_sparse(i * 700, i) FROM generate_series(1, 20) AS i;
CREATE INDEX CONCURRENTLY docs_v ON docs USING sparse_inverted (v);
INSERT INTO docs SELECT 20 + i, long_sparse(i * 700, i + 20) FROM generate_series(1, 22) AS i;
INSERT INTO docs VALUES (100, long_sparse(16000, 3)), (101, '{20000:1}/20000');
DELETE FROM queries;
ALTER TABLE queries ALTER v TYPE sparsevec(20000) USING NULL;
INSERT INTO queries VALUES (1, long_sparse(16000, 7)), (2, long_sparse(3, 1)), (3, '{20000:1,19999:1}/20000');
SELECT * FROM compare_orders('<#>', 100, 'true');
DELETE FROM docs WHERE id IN (41, 42);
VACUUM docs;
SELECT * FROM compare_orders('<#>', 100, 'true');
SELECT sparse_inverted_flush('docs_v');
SELECT * FROM compare_orders('<#>', 100, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v sparsevec_cosine_ops) WITH (weights = float4);
SELECT * FROM compare_orders('<=>', 100, 'true');

-- products beyond the largest float, and norms beyond those of which float32 knows
-- the cosine
TRUNCATE docs;
INSERT INTO docs VALUES (1, '{1:1e30}/20000'), (2, '{1:1e30,2:-1e30}/20000'), (3, '{1:-1e30}/20000'),
	(4, '{2:1e-30}/20000'), (5, '{}/20000'), (6, '{1:1,2:1}/20000'), (7, '{2:3e38,3:3e38}/20000'),
	(8, '{1:1e-20,3:1e-20}/20000');
DELETE FROM queries;
INSERT INTO queries VALUES (1, '{1:1e30,2:1e30}/20000'), (2, '{1:1,3:2}/20000'), (3, '{2:1e-30}/20000'),
	(4, '{1:3e38,2:3e38,3:-3e38}/20000'), (5, '{}/20000');
SELECT * FROM compare_orders('<=>', 100, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v);
SELECT * FROM compare_orders('<#>', 100, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v) WITH (weights = float4);
SELECT * FROM compare_orders('<#>', 100, 'true');

-- of more rows than are looked at first: sums that are infinite, and rows whose cosine
-- is not that of their weights
CREATE TABLE few AS SELECT * FROM docs;
DROP INDEX docs_v;
TRUNCATE docs;
INSERT INTO docs SELECT i, format('{1:%s,2:%s,3:%s}/20000', (ARRAY['3e38','-3e38','1','-1e20'])[1 + i % 4],
	(ARRAY['3e38','-3e38','1e-20','1e-20','1e-20'])[1 + i % 5], i / 64 + 1)::sparsevec FROM generate_series(1, 1000) i;
INSERT INTO queries VALUES (6, '{1:1e-7,2:-2e-7,3:3e-7}/20000'), (7, '{2:3e38,3:3e38}/20000'), (8, '{1:-1,3:-.1}/20000');
CREATE INDEX docs_v ON docs USING sparse_inverted (v) WITH (weights = float4);
SELECT * FROM compare_orders('<#>', 1000, 'true');
DROP INDEX docs_v;
CREATE INDEX docs_v ON docs USING sparse_inverted (v);
SELECT * FROM compare_orders('<#>', 1000, 'true');
DROP INDEX docs_v;
UPDATE docs SET v = replace(v::text, ':-', ':')::sparsevec;
CREATE INDEX docs_v ON docs USING sparse_inverted (v sparsevec_cosine_ops);
SELECT * FROM compare_orders('<=>', 1000, 'true');
DROP INDEX docs_v;
TRUNCATE docs;
INSERT INTO docs SELECT * FROM few;
CREATE INDEX docs_v ON docs USING sparse_inverted (v) WITH (weights = float4);

-- one scan after the other
SET enable_seqscan = off;
SELECT q.id, d.id FROM queries AS q, LATERAL
	(SELECT id FROM docs ORDER BY v <#> q.v LIMIT 1) AS d WHERE q.id < 3 ORDER BY 1;
SELECT count(*) FROM (SELECT id FROM docs ORDER BY v <#> NULL::sparsevec LIMIT 100) AS first;
RESET enable_seqscan;

-- errors
SELECT id FROM docs ORDER BY v <#> '{1:1}/7' LIMIT 1;
INSERT INTO docs VALUES (1, '{1:1}/7');
CREATE INDEX ON docs USING sparse_inverted (v sparsevec_l2_ops);
CREATE INDEX ON docs USING sparse_inverted (id);
CREATE INDEX ON docs USING sparse_inverted ((v::sparsevec));
CREATE INDEX ON docs USING sparse_inverted (v) WITH (weights = half);
CREATE INDEX ON docs USING sparse_inverted (v) WITH (pending_list_limit = 1);
SELECT sparse_inverted_flush('docs');
CREATE INDEX docs_id ON docs (id);
SELECT sparse_inverted_flush('docs_id');

DROP TABLE docs, queries, few;
DROP FUNCTION random_sparse, long_sparse, compare_orders;

-- Searches in each other's time: one has the memory that is kept from search to search,
-- the others their own; it is given back by whatever ends a search
CREATE TABLE sparse_nested (id int PRIMARY KEY, v sparsevec(50));
INSERT INTO sparse_nested SELECT i, format('{%s:%s,%s:%s,%s:%s}/50', i % 10 + 1, i % 7 + 1, i % 23 + 11, i % 5 + 1, i % 13 + 35, i % 11 + 1)::sparsevec FROM generate_series(1, 3000) i;
CREATE INDEX ON sparse_nested USING sparse_inverted (v sparsevec_ip_ops);
SET enable_seqscan = off;
CREATE FUNCTION sparse_best(q sparsevec, n int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(d::text, ' ') FROM (SELECT v <#> q AS d FROM sparse_nested ORDER BY v <#> q LIMIT n) x
$$;
CREATE FUNCTION sparse_wrong(q sparsevec, n int) RETURNS boolean LANGUAGE sql AS $$
	SELECT sparse_best(q, n) <> (SELECT string_agg(d::text, ' ' ORDER BY d) FROM (SELECT v <#> q AS d FROM sparse_nested ORDER BY (v <#> q) + 0 LIMIT n) x)
$$;
SELECT sparse_best('{1:1,11:2,36:3}/50', 8);
BEGIN;
DECLARE a CURSOR FOR SELECT v <#> '{1:1,11:2,36:3}/50' FROM sparse_nested ORDER BY v <#> '{1:1,11:2,36:3}/50';
FETCH 2 FROM a;
DECLARE b CURSOR FOR SELECT v <#> '{2:1,12:2,37:1}/50' FROM sparse_nested ORDER BY v <#> '{2:1,12:2,37:1}/50';
FETCH 3 FROM b;
SELECT count(*) FILTER (WHERE sparse_wrong(v, 20)) AS wrong FROM (SELECT v FROM sparse_nested WHERE id % 300 = 0) x;
MOVE 1000 FROM a;
FETCH 2 FROM b;
FETCH 2 FROM a;
CLOSE a;
SELECT count(*) FILTER (WHERE sparse_wrong(v, 20)) AS wrong FROM (SELECT v FROM sparse_nested WHERE id % 300 = 1) x;
FETCH 2 FROM b;
SAVEPOINT s;
SELECT v <#> '{1:1,11:2}/50' FROM sparse_nested ORDER BY v <#> '{1:1,11:2}/50', 1 / (id - id) LIMIT 1;
ROLLBACK TO s;
FETCH 2 FROM b;
COMMIT;
SELECT count(*) FILTER (WHERE sparse_wrong(v, 3000)) AS wrong FROM (SELECT v FROM sparse_nested WHERE id % 1000 = 2) x;
SELECT count(*) AS pairs, sum(b.d) FROM (SELECT v FROM sparse_nested WHERE id <= 5) a CROSS JOIN LATERAL (SELECT v <#> a.v AS d FROM sparse_nested ORDER BY v <#> a.v LIMIT 4) b;
RESET enable_seqscan;
DROP FUNCTION sparse_best, sparse_wrong;
DROP TABLE sparse_nested;
