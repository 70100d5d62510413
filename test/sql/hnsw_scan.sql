-- hnsw: scans
CREATE SCHEMA hnsw_scan;
SET search_path = hnsw_scan, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set ECHO all
CREATE TABLE items (id int PRIMARY KEY, category int, v vector(6));
INSERT INTO items SELECT i, i % 100, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 6) j)::vector FROM generate_series(1, 2000) i;
CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops);
ANALYZE items;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;

-- off ends after ef_search rows, the others go on
CREATE FUNCTION nearest_with(mode text, ef int, most int, filter text, OUT rows bigint, OUT ordered boolean, OUT twice bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('hnsw.iterative_scan', mode, true), set_config('hnsw.ef_search', ef::text, true);
	SELECT r.rows, disorder = 0 OR mode = 'relaxed_order', r.twice INTO rows, ordered, twice FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 7', most, filter) r;
END $$;
SELECT mode, ef, most, r.*
FROM unnest('{10,40,41,200}'::int[]) most, unnest('{1,40,100}'::int[]) ef, unnest('{off,relaxed_order,strict_order}'::text[]) mode, nearest_with(mode, ef, most, 'true') r
ORDER BY mode, ef, most;
-- nothing that is found is left out in relaxed order; strict order leaves out what comes too late
SET hnsw.iterative_scan = relaxed_order;
SELECT rows, twice FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 7', 3000);
SET hnsw.iterative_scan = strict_order;
SELECT rows > 1900 AS nearly_all, disorder, twice FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 7', 3000);
-- with filters, which need more rows than ef_search
SELECT mode, filter, r.*
FROM unnest('{relaxed_order,strict_order}'::text[]) mode, (VALUES ('category = 7'), ('category IN (1, 2, 3) AND id % 2 = 1'), ('id > 1990'), ('false AND id > 0')) f (filter), nearest_with(mode, 40, 10, filter) r
ORDER BY mode, filter;
-- until max_scan_tuples is used up
RESET hnsw.iterative_scan;
SHOW hnsw.iterative_scan;
SET hnsw.max_scan_tuples = 1;
SELECT rows BETWEEN 40 AND 1000 AS limited FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 7');
SET hnsw.max_scan_tuples = 500;
SELECT rows BETWEEN 100 AND 1000 AS limited FROM nearest('items', 'v', '<->', 'SELECT v FROM items WHERE id = 7', 2000);
-- but for a range, which ends by itself
SELECT bound, found, found = exact AS all_of_them FROM unnest('{7,8,9,20}'::float8[]) bound,
	LATERAL (SELECT count(*) AS found FROM items WHERE v <-> '[1,2,3,4,5,6]' < bound) f, LATERAL (SELECT count(*) AS exact FROM items WHERE (v <-> '[1,2,3,4,5,6]') + 0 < bound) e;
RESET hnsw.max_scan_tuples;

-- queries that have no nearest rows
SET hnsw.ef_search = 100;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT NULL::vector) LIMIT 10) x;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> NULL LIMIT 10) x;
CREATE INDEX cosine ON items USING hnsw (v vector_cosine_ops);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <=> '[0,0,0,0,0,0]' LIMIT 10;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <=> '[0,0,0,0,0,0]' LIMIT 10) x;
DROP INDEX cosine;
RESET hnsw.ef_search;

-- what an ordered scan is not for
SELECT plan_of($$SELECT count(*) FROM items WHERE v IS NOT NULL$$);
SELECT plan_of($$SELECT count(*) FROM items WHERE v <-> '[1,2,3,4,5,6]' > 3$$);
-- the distance is computed again, not returned; further columns are sorted
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v <-> '[1,2,3,4,5,6]' AS d FROM items ORDER BY d LIMIT 3;
SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7), id LIMIT 1) x;

CREATE FUNCTION take(name refcursor, count int) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE
	id int;
BEGIN
	FOR i IN 1..count LOOP
		FETCH name INTO id;
		RETURN NEXT id;
	END LOOP;
END $$;
-- cursors go forward only, unless the rows are kept
CREATE TABLE answer AS SELECT row_number() OVER () AS n, id FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 200) x;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]';
FETCH 0 FROM c;
MOVE 2 IN c;
SELECT count(*) FROM (SELECT row_number() OVER () + 2 AS n, id FROM take('c', 150) id) f JOIN answer USING (n, id);
SAVEPOINT s;
FETCH BACKWARD 1 FROM c;
ROLLBACK TO s;
CLOSE c;
DECLARE c SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]';
MOVE 60 IN c;
MOVE BACKWARD 20 IN c;
SELECT count(*) FROM (SELECT row_number() OVER () + 40 AS n, id FROM take('c', 50) id) f JOIN answer USING (n, id);
FETCH FIRST FROM c \gset
SELECT :id = id AS first FROM answer WHERE n = 1;
COMMIT;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 100;
COMMIT;
SELECT count(*) FROM (SELECT row_number() OVER () AS n, id FROM take('held', 100) id) f JOIN answer USING (n, id);
CLOSE held;

-- one scan again and again: joins, subqueries, a generic plan
SET hnsw.ef_search = 400;
CREATE TABLE queries AS SELECT id AS n, v FROM items WHERE id % 40 = 0;
ANALYZE queries;
CREATE FUNCTION exact(query vector, count int) RETURNS int[] LANGUAGE sql STABLE SET enable_indexscan = off SET enable_seqscan = on AS
	'SELECT array_agg(id ORDER BY d, id) FROM (SELECT id, v <-> query AS d FROM items ORDER BY d LIMIT count) x';
SELECT plan_of($$SELECT n, x.id FROM queries, LATERAL (SELECT id FROM items ORDER BY items.v <-> queries.v LIMIT 3) x$$);
SELECT count(*), count(*) FILTER (WHERE found = exact(v, 3)) AS right FROM (
	SELECT n, queries.v, array_agg(x.id ORDER BY d, x.id) AS found FROM queries, LATERAL (SELECT id, items.v <-> queries.v AS d FROM items ORDER BY items.v <-> queries.v LIMIT 3) x GROUP BY n, queries.v) y;
SELECT count(*) FROM queries WHERE n = (SELECT id FROM items ORDER BY items.v <-> queries.v LIMIT 1);
-- two at once, of the same index
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 50) a JOIN (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 50) b USING (id);
SET plan_cache_mode = force_generic_plan;
PREPARE nearest_ids(vector, int) AS SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> $1 LIMIT $2) x;
EXPLAIN (COSTS OFF) EXECUTE nearest_ids('[1,2,3,4,5,6]', 5);
EXECUTE nearest_ids('[1,2,3,4,5,6]', 1) \gset one_
EXECUTE nearest_ids('[6,5,4,3,2,1]', 5) \gset five_
SELECT :'one_array_agg' = exact('[1,2,3,4,5,6]', 1) AS one, :'five_array_agg' = exact('[6,5,4,3,2,1]', 5) AS five;
EXECUTE nearest_ids('[1,2]', 5);
RESET plan_cache_mode;
-- in parallel workers
CREATE FUNCTION nearest_id(query vector) RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT id FROM items ORDER BY v <-> query LIMIT 1);
END $$;
CREATE TABLE many_queries AS SELECT n, v FROM queries, generate_series(1, 20);
ANALYZE many_queries;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_seqscan = on;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many_queries WHERE n = nearest_id(v);
SELECT count(*) FROM many_queries WHERE n = nearest_id(v);

-- distances that are infinite end no range, wherever the walk meets them, and come last
SET max_parallel_workers_per_gather = 0;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
SET hnsw.ef_search = 10;
CREATE TABLE far AS SELECT i AS id, format('[%s,%s]', cos(i) * s, sin(i) * s)::vector(2) AS v FROM (SELECT i, CASE WHEN i % 6 = 0 THEN 3e38 ELSE 1 END AS s FROM generate_series(1, 1800) i) x;
CREATE INDEX ON far USING hnsw (v vector_l2_ops);
CREATE INDEX ON far USING hnsw (v vector_cosine_ops);
CREATE FUNCTION far_rows(mode text, operator text, query text, range text, OUT expected bigint, OUT came bigint, OUT twice bigint, OUT disorder bigint, OUT index boolean) LANGUAGE plpgsql AS $$
DECLARE
	distance text := format('v %s %L', operator, query);
	statement text := format('SELECT id, %1$s AS d FROM far %2$s ORDER BY %1$s LIMIT 10000', distance, 'WHERE ' || distance || ' ' || nullif(range, ''));
BEGIN
	PERFORM set_config('hnsw.iterative_scan', mode, true);
	EXECUTE format('SELECT count(*) FROM far WHERE (%s) + 0 %s', distance, coalesce(nullif(range, ''), '< ''NaN''')) INTO expected;
	EXECUTE format('SELECT count(*), count(*) - count(DISTINCT id), count(*) FILTER (WHERE d < before) FROM (SELECT id, d, lag(d) OVER () AS before FROM (%s) x) y WHERE d < ''NaN''', statement) INTO came, twice, disorder;
	index := (SELECT bool_or(line LIKE '%Index Scan%') FROM plan_of(statement) line);
END $$;
-- in strict order a few may be dropped, as ever
SELECT mode, operator, query, range, expected, expected - came <= CASE mode WHEN 'relaxed_order' THEN 0 ELSE expected / 50 END AS "all", twice, CASE mode WHEN 'strict_order' THEN disorder END AS disorder, index
FROM unnest('{strict_order,relaxed_order}'::text[]) mode,
	(VALUES ('<->', '[1,2]', ''), ('<->', '[1,2]', '< 1e30'), ('<->', '[1,2]', '<= ''Infinity'''), ('<=>', '[-3e38,3e38]', '< 3'), ('<=>', '[1,2]', '< 1.5')) q (operator, query, range),
	far_rows(mode, operator, query, range) ORDER BY 1, 2, 3, 4;

DROP SCHEMA hnsw_scan CASCADE;
