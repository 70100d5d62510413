-- Ways to ask for the nearest rows that PostgreSQL does not see as such
SET client_min_messages = warning;
CREATE TABLE shape_items (id int PRIMARY KEY, gone text, doc int, v vector(3), n vector(3));
ALTER TABLE shape_items DROP COLUMN gone;
INSERT INTO shape_items
SELECT i, i / 10, format('[%s,%s,%s]', i % 37, i % 11, i % 5)::vector,
	CASE WHEN i % 7 <> 0 THEN format('[%s,%s,%s]', i % 13 + 1, i % 11, i % 5)::vector END
FROM generate_series(1, 3000) i;
CREATE INDEX shape_v ON shape_items USING hnsw (v vector_l2_ops) WITH (m = 16);
CREATE INDEX shape_n ON shape_items USING ivfflat (n vector_cosine_ops) WITH (lists = 10);
CREATE TABLE shape_queries (id int, v vector(3));
INSERT INTO shape_queries VALUES (1, '[1,2,3]'), (2, '[30,1,1]'), (3, NULL);
VACUUM ANALYZE shape_items;
VACUUM ANALYZE shape_queries;
-- which of our indexes does a plan use?
CREATE FUNCTION by_index(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line;
	END LOOP;
	RETURN coalesce(substring(plan FROM 'Index Scan using (shape_[vn])'), 'none');
END $$;
SET enable_seqscan = off;
SET enable_memoize = off;
SET hnsw.ef_search = 400;
SET ivfflat.probes = 10;

-- the order's own numbers
SELECT by_index($$SELECT id, rank() OVER (ORDER BY v <-> '[3,4,1]') FROM shape_items ORDER BY v <-> '[3,4,1]' LIMIT 5$$);
SELECT by_index($$SELECT id, row_number() OVER w, dense_rank() OVER w, rank() OVER w FROM shape_items WINDOW w AS (ORDER BY v <-> '[3,4,1]', id) ORDER BY v <-> '[3,4,1]' LIMIT 5$$);
SELECT id, row_number() OVER w, rank() OVER w, dense_rank() OVER w FROM shape_items
WINDOW w AS (ORDER BY v <-> '[3,4,1]', id) ORDER BY v <-> '[3,4,1]', id LIMIT 3;
-- falling similarity: rows without a value are last, or are none
SELECT by_index($$SELECT id FROM shape_items ORDER BY 1 - (n <=> '[3,4,1]') DESC NULLS LAST LIMIT 5$$);
SELECT by_index($$SELECT id FROM shape_items WHERE n IS NOT NULL ORDER BY 1 - (n <=> '[3,4,1]') DESC LIMIT 5$$);
SELECT by_index($$SELECT id FROM shape_items ORDER BY 1 - (n <=> '[3,4,1]') DESC LIMIT 5$$);
-- others count all rows
SELECT by_index($$SELECT id, count(*) OVER () FROM shape_items ORDER BY v <-> '[3,4,1]' LIMIT 5$$);
SELECT by_index($$SELECT id, row_number() OVER (PARTITION BY doc ORDER BY v <-> '[3,4,1]') FROM shape_items ORDER BY v <-> '[3,4,1]' LIMIT 5$$);
SELECT by_index($$SELECT id, row_number() OVER (ORDER BY v <-> '[1,1,1]') FROM shape_items ORDER BY v <-> '[3,4,1]' LIMIT 5$$);
SELECT by_index($$SELECT id, ntile(4) OVER (ORDER BY v <-> '[3,4,1]') FROM shape_items ORDER BY v <-> '[3,4,1]' LIMIT 5$$);

-- rows up to a number
SELECT by_index($$SELECT * FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r <= 5$$);
SELECT by_index($$WITH s AS (SELECT id, rank() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) SELECT * FROM s WHERE 5 > r$$);
SELECT by_index($$WITH s AS (SELECT id, dense_rank() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) SELECT * FROM s WHERE r < 5$$);
SELECT by_index($$SELECT * FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r >= 5$$);
SELECT by_index($$SELECT * FROM (SELECT id, row_number() OVER (ORDER BY doc) AS r FROM shape_items) s WHERE r <= 5$$);
SELECT by_index($$WITH s AS (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) SELECT * FROM s a, s b WHERE a.r <= 5 AND b.r <= 2900$$);
SELECT count(*), min(r), max(r) FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r BETWEEN 3 AND 8;
-- the value is a row's
SELECT by_index($$SELECT * FROM (SELECT id, row_number() OVER (ORDER BY v <-> (SELECT v FROM shape_items WHERE id = 16)) AS r FROM shape_items) s WHERE r <= 5$$);
SELECT count(*) FROM (SELECT * FROM (SELECT id, row_number() OVER (ORDER BY v <-> (SELECT v FROM shape_items WHERE id = 16)) AS r FROM shape_items) s WHERE r <= 5) x;
-- rank() has rows of equal distance; row_number() has not
CREATE FUNCTION rows_up_to(number text, bound text) RETURNS TABLE (by_index bigint, by_sort bigint, same boolean) LANGUAGE plpgsql AS $$
DECLARE
	ask text := format('SELECT array_agg(d ORDER BY d) FROM (SELECT v <-> ''[3,4,1]'' AS d, %s OVER (ORDER BY v <-> ''[3,4,1]'') AS r FROM %%s) s WHERE r %s', number, bound);
	a float8[];
	b float8[];
BEGIN
	EXECUTE format(ask, 'shape_items') INTO a;
	EXECUTE format(ask, '(SELECT * FROM shape_items OFFSET 0) x') INTO b;
	RETURN QUERY SELECT coalesce(cardinality(a), 0)::bigint, coalesce(cardinality(b), 0)::bigint, a IS NOT DISTINCT FROM b;
END $$;
SELECT f, b, r.* FROM unnest(ARRAY['row_number()', 'rank()', 'dense_rank()']) f,
	unnest(ARRAY['<= 1', '< 4', '= 3', '<= 7::smallint', '<= 10', '<= 0', '< -5', '<= NULL::int', '<= (SELECT 4)']) b, rows_up_to(f, b) r
ORDER BY f, b;
PREPARE up_to(int) AS SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r <= $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE up_to(7);
EXECUTE up_to(-7);
EXECUTE up_to(NULL);
RESET plan_cache_mode;
-- the bound is a column of the query around, in a subquery of it
SELECT q.id, (SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY i.v <-> '[3,4,1]') AS r FROM shape_items i) s WHERE r <= q.id) FROM shape_queries q ORDER BY 1;
WITH outer_q AS (SELECT 3 AS k)
SELECT k, (WITH s AS (SELECT row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) SELECT max(r) FROM s WHERE r <= k) FROM outer_q;
-- on the nullable side of a join
SELECT q.id, s.r FROM shape_queries q LEFT JOIN (SELECT row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s ON s.r = q.id + 1 WHERE s.r <= 3 ORDER BY 1;
-- what changes rows finds them exactly, but for an order with a LIMIT
SELECT by_index($$UPDATE shape_items i SET doc = 1 FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE s.id = i.id AND s.r <= 5$$);
SELECT by_index($$DELETE FROM shape_items WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r <= 5)$$);
SELECT by_index($$INSERT INTO shape_queries (id) SELECT id FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r <= 5$$);
-- what the condition of MERGE refuses is not matched, and inserted
CREATE TABLE shape_merged (id int);
DO $$
DECLARE
	numbered text := '(SELECT id, row_number() OVER (ORDER BY v <-> ''[3,4,1]'') AS r FROM shape_items) s';
BEGIN
	IF current_setting('server_version_num')::int >= 150000 THEN
		EXECUTE format('MERGE INTO shape_merged m USING %s ON m.id = s.id AND s.r <= 5 WHEN NOT MATCHED THEN INSERT VALUES (s.id)', numbered);
	ELSE
		EXECUTE format('INSERT INTO shape_merged SELECT s.id FROM %s', numbered);
	END IF;
END $$;
SELECT count(*) = (SELECT count(*) FROM shape_items) AS all_merged FROM shape_merged;
DROP TABLE shape_merged;

-- the nearest of each row of another table
SELECT by_index($$SELECT i.id FROM shape_queries q CROSS JOIN shape_items i ORDER BY i.v <-> q.v LIMIT 5$$);
SELECT by_index($$WITH q AS (SELECT v FROM shape_queries WHERE id = 2) SELECT i.id, q.v FROM q, shape_items i WHERE i.doc > 3 ORDER BY q.v <-> i.v LIMIT 5$$);
SELECT by_index($$SELECT b.id FROM shape_items a JOIN shape_items b ON b.id <> a.id WHERE a.id = 9 ORDER BY b.v <-> a.v LIMIT 5$$);
SELECT by_index($$SELECT i.id, u FROM unnest(ARRAY['[1,1,1]', '[9,9,3]']::vector[]) u, shape_items i ORDER BY i.v <-> u LIMIT 5$$);
SELECT by_index($$SELECT i.id FROM (VALUES ('[1,1,1]'::vector)) u(v), shape_items i WHERE EXISTS (SELECT FROM shape_queries q WHERE q.id < i.id) ORDER BY i.v <-> u.v LIMIT 5$$);
-- which is left alone: joins by equality, whole rows, no limit, an offset, two that could be either
SELECT by_index($$SELECT i.id FROM shape_queries q JOIN shape_items i ON i.doc = q.id ORDER BY i.v <-> q.v LIMIT 5$$);
SELECT by_index($$SELECT i FROM shape_queries q, shape_items i ORDER BY i.v <-> q.v LIMIT 5$$);
SELECT by_index($$SELECT i.id FROM shape_queries q, shape_items i ORDER BY i.v <-> q.v$$);
SELECT by_index($$SELECT a.id FROM shape_items a, shape_items b ORDER BY a.v <-> b.v LIMIT 5$$);
SELECT by_index($$SELECT i.id FROM shape_queries q LEFT JOIN shape_items i ON i.doc > q.id ORDER BY i.v <-> q.v LIMIT 5$$);
-- a limit that is another each time it is asked for
CREATE SEQUENCE shape_limit INCREMENT -1 MINVALUE 1 MAXVALUE 9;
SELECT count(*) FROM (SELECT i.id FROM (VALUES ('[1,1,1]'::vector)) u(v), shape_items i ORDER BY i.v <-> u.v LIMIT nextval('shape_limit')) s;
DROP SEQUENCE shape_limit;
CREATE FUNCTION nearest_pairs(query text) RETURNS TABLE (rows bigint, same boolean) LANGUAGE plpgsql AS $$
DECLARE
	a float8[];
	b float8[];
BEGIN
	EXECUTE format('SELECT array_agg(d ORDER BY d) FROM (%s) x', replace(query, 'ITEMS', 'shape_items')) INTO a;
	EXECUTE format('SELECT array_agg(d ORDER BY d) FROM (%s) x', replace(query, 'ITEMS', '(SELECT * FROM shape_items OFFSET 0)')) INTO b;
	RETURN QUERY SELECT coalesce(cardinality(a), 0)::bigint, a IS NOT DISTINCT FROM b;
END $$;
SELECT nearest_pairs(q) FROM unnest(ARRAY[
	'SELECT i.v <-> q.v AS d, i.doc, q.id FROM shape_queries q, ITEMS i ORDER BY i.v <-> q.v LIMIT 12',
	'SELECT i.v <-> q.v AS d, i.doc, q.id FROM shape_queries q, ITEMS i WHERE q.v IS NOT NULL AND i.id % 3 = q.id % 3 ORDER BY q.v <-> i.v, i.id DESC, q.id LIMIT 12',
	'SELECT i.v <-> q.v AS d, (SELECT max(doc) FROM shape_items x WHERE x.id = i.id) FROM shape_queries q, ITEMS i WHERE i.id <> ALL (SELECT id FROM shape_queries) ORDER BY i.v <-> q.v LIMIT 9',
	'SELECT i.v <-> q.v AS d FROM shape_queries q, ITEMS i WHERE q.id > 100 ORDER BY i.v <-> q.v LIMIT 9',
	'SELECT b.v <-> a.v AS d FROM shape_items a JOIN ITEMS b ON b.id <> a.id WHERE a.id = 9 ORDER BY b.v <-> a.v LIMIT 9',
	'SELECT o.id, x.d FROM shape_queries o, LATERAL (SELECT i.v <-> q.v AS d FROM shape_queries q, ITEMS i WHERE i.id > o.id * 100 ORDER BY i.v <-> q.v LIMIT 4) x',
	'WITH q AS (SELECT v FROM shape_queries) SELECT i.v <-> q.v AS d FROM q, ITEMS i WHERE i.doc IN (SELECT id * 10 FROM shape_queries) ORDER BY i.v <-> q.v LIMIT 7']) q;

-- row security and privileges go along
CREATE ROLE shape_reader;
GRANT SELECT ON shape_queries TO shape_reader;
ALTER TABLE shape_items ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON shape_items TO shape_reader USING (id % 2 = 0 AND EXISTS (SELECT FROM shape_queries WHERE shape_queries.id = 1));
SET ROLE shape_reader;
SELECT i.id FROM shape_queries q, shape_items i ORDER BY i.v <-> q.v LIMIT 2;
RESET ROLE;
GRANT SELECT (id, v) ON shape_items TO shape_reader;
SET ROLE shape_reader;
SELECT count(*), bool_and(id % 2 = 0) FROM (SELECT i.id FROM shape_queries q, shape_items i ORDER BY i.v <-> q.v LIMIT 20) s;
SELECT count(*), bool_and(id % 2 = 0) FROM (SELECT id, row_number() OVER (ORDER BY v <-> '[3,4,1]') AS r FROM shape_items) s WHERE r <= 20;
SELECT i.doc FROM shape_queries q, shape_items i ORDER BY i.v <-> q.v LIMIT 2;
RESET ROLE;
DROP TABLE shape_items, shape_queries;
DROP FUNCTION by_index, rows_up_to, nearest_pairs;
DROP ROLE shape_reader;
